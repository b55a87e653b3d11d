"""Questions at the end of each notebook, with a reason for every answer."""

import pytest

from labkit import LabError, quiz
from labkit.progress import HEADLESS
from labkit.show.quiz import QUESTIONS


def choices(widget):
    return [child for child in widget.children if type(child).__name__ == "RadioButtons"]


def test_every_numbered_notebook_has_questions():
    assert sorted(QUESTIONS) == list(range(8))


@pytest.mark.parametrize("question", [q for questions in QUESTIONS.values() for q in questions], ids=lambda q: q.text)
def test_every_answer_has_its_own_reason_and_one_is_right(question):
    assert len(question.reasons) == len(question.answers) == len(set(question.answers)) >= 2
    verdicts = [question.feedback(number).split(".")[0] for number in range(len(question.answers))]
    assert verdicts.count("Right") == 1
    assert verdicts.index("Right") == question.right


def test_the_right_answer_is_not_always_the_same_one():
    assert len({question.right for questions in QUESTIONS.values() for question in questions}) == 3


def test_an_answer_that_is_pressed_is_answered():
    widget = quiz(2).widget()
    said = [child for child in widget.children if type(child).__name__ == "HTML"][1]
    choices(widget)[0].value = 0
    assert "Not quite. Receiving hides a message" in said.value
    choices(widget)[0].value = 2
    assert "Right. That is what the visibility timeout is for" in said.value


def test_without_a_hand_the_questions_are_there_to_read(monkeypatch):
    monkeypatch.setenv(HEADLESS, "1")
    shown = quiz(3)._repr_mimebundle_()
    assert "What happens?" in shown["text/html"]
    assert '<details class="answers"><summary>The answers</summary>' in shown["text/html"]
    assert "confused deputy" in shown["text/plain"]


def test_there_is_no_notebook_nine():
    with pytest.raises(LabError, match="no questions on notebook 9") as caught:
        quiz(9)
    assert "0 to 7" in caught.value.hint()
