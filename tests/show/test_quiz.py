"""Questions at the end of each notebook, with a reason for every answer."""

import json
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from labkit import LabError, predict, quiz
from labkit.progress import HEADLESS
from labkit.show.questions import PREDICTIONS, QUIZZES, read_questions
from labkit.show.quiz import predictions

NOTEBOOK_FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.stem for path in NOTEBOOK_FOLDER.glob("0*.ipynb"))
BEYOND = sorted(f"beyond/{path.stem}" for path in NOTEBOOK_FOLDER.glob("beyond/*.ipynb"))
QUESTIONS = [question for path in sorted(QUIZZES.rglob("*.toml")) for question in read_questions(path)]
GOOD = """
[[question]]
text = "What is `1 < 2`?"
[[question.answer]]
text = "`True`"
right = true
reason = "One is less than two."
[[question.answer]]
text = "False"
reason = "It is not."
"""


def choices(widget):
    return [child for child in widget.children if type(child).__name__ == "RadioButtons"]


@pytest.fixture
def file(tmp_path):
    """Writes a file of questions."""

    def write(text):
        path = tmp_path / "questions.toml"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.mark.parametrize("name", [*NOTEBOOKS, *BEYOND])
def test_every_notebook_asks_two_questions_or_more(name, lab):
    asked = f'"{name[: len("beyond/1")]}"' if name in BEYOND else str(int(name[:2]))
    code = [cell.source for cell in nbformat.read(NOTEBOOK_FOLDER / f"{name}.ipynb", as_version=4).cells]
    assert [source for source in code if source.endswith(f"quiz({asked}, lab)")]
    assert len(quiz(json.loads(asked), lab).questions) >= 2


def test_no_questions_are_on_a_notebook_that_there_is_not():
    known = sorted(path.relative_to(QUIZZES).with_suffix("").as_posix() for path in QUIZZES.rglob("*.toml"))
    assert known == [*NOTEBOOKS, *BEYOND]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text)
def test_every_answer_has_its_own_reason_and_one_is_right(question):
    assert len(question.reasons) == len(question.answers) == len(set(question.answers)) >= 2
    verdicts = [question.feedback(number).split(".")[0] for number in range(len(question.answers))]
    assert verdicts.count("Right") == 1
    assert verdicts.index("Right") == question.right


def test_the_right_answer_is_not_always_the_same_one():
    assert len({question.right for question in QUESTIONS}) == 3


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


def test_no_answer_is_given_away_before_all_questions_are_asked():
    shown = str(quiz(2))
    assert shown.index("Receiving hides a message") > shown.index("A message in the dead-letter queue.")


def test_code_looks_like_code_and_no_back_tick_is_shown(file):
    asked = quiz(file(GOOD))
    shown = asked._repr_mimebundle_()
    assert "<b>What is <code>1 &lt; 2</code>?</b>" in shown["text/html"]
    assert "What is 1 < 2?" in shown["text/plain"]
    assert "`" not in shown["text/html"] + shown["text/plain"] + choices(asked.widget())[0].options[0][0]


def test_what_is_chosen_is_kept_in_the_journal(lab):
    choices(quiz(2, lab).widget())[0].value = 0
    choices(predict(lab, "topic-again").widget())[0].value = 2
    kept = [(one.kind, one.facts["verdict"]) for one in lab.journal.answers()]
    assert kept == [("quiz", "wrong"), ("choice", "right")]
    assert lab.journal.answers("choice")[0].name == "topic-again"
    assert lab.journal.answers("choice")[0].facts["chosen"] == "Neither."


def test_there_is_no_notebook_nine():
    with pytest.raises(LabError, match="no questions on notebook 9") as caught:
        quiz(9)
    assert "6, 7, 'beyond/1', 'beyond/2'" in caught.value.hint()


FAULTS = {
    "no question": ("", ": it has no question"),
    "an unknown part": ("title = 'x'" + GOOD, ": it has 'title', which is none of question"),
    "no text": (GOOD.replace('text = "What is `1 < 2`?"', ""), ", question 1: it has no text"),
    "an empty text": (GOOD.replace('"False"', '" "'), ", question 1, answer 2: it has no text"),
    "a number for a text": (GOOD.replace('"False"', "0"), ", question 1, answer 2: it has no text"),
    "no reason": (GOOD.replace('reason = "It is not."', ""), ", question 1, answer 2: it has no reason"),
    "a misspelt part": (
        GOOD.replace("reason", "raeson"),
        ", question 1, answer 1: it has 'raeson', which is none of text, reason, right",
    ),
    "no answer": (GOOD.partition("[[question.answer]]")[0], ", question 1: it has no answer"),
    "one answer": (GOOD.rpartition("[[question.answer]]")[0], ", question 1: it has one answer, and needs two or more"),
    "two answers that are the same": (
        GOOD.replace('"False"', '"`True`"'),
        ", question 1: two of its answers are the same",
    ),
    "no right answer": (
        GOOD.replace("right = true", ""),
        ", question 1: none of its answers are right = true, and it needs exactly one",
    ),
    "two right answers": (
        GOOD + "right = true",
        ", question 1: 2 of its answers are right = true, and it needs exactly one",
    ),
    "a word for true": (
        GOOD.replace("= true", "= 'yes'"),
        ", question 1, answer 1: right is 'yes', and can be true or false",
    ),
    "a fault in the second question": (GOOD + "[[question]]\ntext = 'Second?'", ", question 2: it has no answer"),
}


class TestAFileOfATeachersOwn:
    def test_is_asked_like_the_labs(self, file):
        (question,) = quiz(file(GOOD)).questions
        assert (question.answers, question.right) == (("`True`", "False"), 0)

    @pytest.mark.parametrize("fault", FAULTS)
    def test_that_is_faulty_is_refused_with_the_place_and_the_fault(self, file, fault):
        text, said = FAULTS[fault]
        path = file(text)
        with pytest.raises(LabError) as caught:
            quiz(path)
        assert caught.value.message == f"{path}{said}."
        assert "[[question]]" in caught.value.hint()

    def test_that_is_not_toml_is_refused_with_the_line(self, file):
        path = file(GOOD.replace('"False"', "False"))
        with pytest.raises(LabError, match=r"questions.toml is not valid TOML: .*line 9") as caught:
            quiz(path)
        assert "double quotes" in caught.value.hint()

    def test_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(LabError, match=r"none\.toml can't be read: No such file"):
            quiz(tmp_path / "none.toml")


class TestPredictions:
    @pytest.mark.parametrize("name", predictions())
    def test_have_three_choices_and_a_reason_for_each(self, name):
        question = predictions()[name]
        assert len(question.answers) == len(set(question.reasons)) == 3

    @pytest.mark.parametrize("path", sorted(PREDICTIONS.rglob("*.toml")), ids=lambda path: path.stem)
    def test_are_asked_by_their_notebook_in_the_same_words(self, path):
        notebook = (NOTEBOOK_FOLDER / path.relative_to(PREDICTIONS)).with_suffix(".ipynb")
        asked = {
            cell.source.partition("**Predict.** ")[2]: after.source.splitlines()[-1]
            for cell, after in pairwise(nbformat.read(notebook, as_version=4).cells)
            if "**Predict.** " in cell.source
        }
        assert asked == {one.text: f'predict(lab, "{one.name}")' for one in read_questions(path)}

    def test_are_found_on_every_numbered_notebook(self):
        assert sorted(path.stem for path in PREDICTIONS.glob("*.toml")) == NOTEBOOKS

    def test_say_nothing_before_one_has_chosen(self, lab):
        asked = predict(lab, "topic-again")
        before, folded = asked._repr_mimebundle_()["text/html"].split("<details")
        assert "Neither." in before
        assert "that is what was asked for" not in before
        assert "that is what was asked for" in folded
        assert [child.value for child in asked.widget().children if type(child).__name__ == "HTML"] == ["", ""]

    def test_that_are_not_there_are_refused_with_those_there_are(self, lab):
        with pytest.raises(LabError, match="There is no prediction 'topic'") as caught:
            predict(lab, "topic")
        assert "topic-again" in caught.value.hint()
