"""The beginning of a notebook: the lab, what was missing, and where one is, on one strip."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from labkit import Lab, begin, clean_up, redefine_lab, survey
from labkit.show.begin import FORMS, MAKES, TITLES, WAY
from labkit.show.svg import width_of


@pytest.fixture
def begun(workspace, monkeypatch):
    """Begins at a step, in a lab of the test's own."""
    monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace))
    made = []

    def begin_at(step):
        made.append(begin(step, "local", prefix="begins-"))
        return made[-1]

    yield begin_at
    clean_up(made[-1])


def test_it_is_the_lab_with_the_earlier_steps_done(begun):
    lab = begun(3)
    assert isinstance(lab, Lab)
    states = dict(lab.ribbon())
    assert [states[f"{n} {TITLES[n]}"] for n in range(5)] == ["done", "done", "done", "here", "to come"]
    assert "Steps 1 to 2 are done: 19 things were missing" in lab.sentence()
    assert survey(lab).find("topic").state == "made"


def test_it_says_nothing_of_what_was_there(begun):
    begun(2)
    assert "missing" not in begun(2).sentence()


def test_it_marks_the_place_and_says_all_of_it_in_words(begun):
    lab = begun(1)
    words = "".join(ElementTree.fromstring(lab.svg).itertext())
    assert "missing, you are here" in words
    assert "SNS topic (missing)" in lab.alt
    shown = lab._repr_mimebundle_()
    assert re.search(r"1 topic +here\n2 queues +to come\n", shown["text/plain"])
    assert "The whole map, and where it runs" in shown["text/html"]
    assert f'width="{FORMS[0][0]}"' in shown["text/html"]


def test_it_has_a_form_for_each_place_and_no_words_are_drawn_closer_or_leave_their_box(begun):
    lab = begun(4)
    for sheet in lab.sheets:
        root = ElementTree.fromstring(f"<svg>{sheet.shapes}</svg>")
        words = root.findall("text")
        assert len(words) >= len(TITLES) + 2 * len(WAY)
        assert [word.text for word in words if word.get("textLength")] == []
        for word in words:
            right = float(word.get("x")) + width_of(word.text, word.get("class"))
            assert right <= sheet.width
            assert 0 < float(word.get("y")) < sheet.height


def test_the_last_step_makes_nothing(begun):
    lab = begun(7)
    assert lab.journal.entries() == ()
    assert dict(lab.ribbon())["7 clean up"] == "here"


def test_a_step_that_is_half_done_is_begun(begun):
    lab = begun(2)
    lab.client("sqs").create_queue(QueueName=lab.branch("CreateThumbnail").queue_name, tags=lab.definition.tags)
    assert dict(begun(1).ribbon())["2 queues"] == "begun"


def test_it_can_be_redefined_like_any_lab(begun):
    assert redefine_lab(begun(0), function_timeout_s=5).definition.function_timeout_s == 5


def test_each_part_that_a_step_makes_is_known_to_the_survey(built_lab):
    kinds = {part.kind for part in survey(built_lab).parts}
    assert {kind for made in MAKES.values() for kind in made} <= kinds
