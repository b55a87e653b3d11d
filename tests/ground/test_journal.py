"""The journal: what was begun is never forgotten, whatever crashes."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.journal import Entry, Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "deep" / "local.jsonl")
    journal.open(suffix=None, new_suffix="abcde", instance="first")
    return journal


def test_what_is_begun_is_listed_before_it_is_made(journal):
    journal.creating("topic", "news")
    assert journal.entries() == (Entry("topic", "news", "creating", {}),)


def test_what_is_made_keeps_its_facts_and_its_place(journal):
    journal.creating("topic", "news")
    journal.creating("queue", "letters", url="http://q")
    journal.created("topic", "news", arn="arn:aws:sns:::news")
    assert [entry.name for entry in journal.entries()] == ["news", "letters"]
    assert journal.find("topic", "news") == Entry("topic", "news", "created", {"arn": "arn:aws:sns:::news"})


def test_beginning_again_what_is_made_does_not_unmake_it(journal):
    journal.created("topic", "news", arn="a")
    journal.creating("topic", "news")
    assert journal.find("topic", "news").state == "created"


def test_what_is_begun_again_comes_last(journal):
    for name in ("one.jpg", "two.jpg", "one.jpg"):
        journal.creating("object", name)
        journal.created("object", name)
    assert [entry.name for entry in journal.entries()] == ["two.jpg", "one.jpg"]
    assert journal.begun() == (("object", "one.jpg"), ("object", "two.jpg"), ("object", "one.jpg"))


def test_what_is_known_already_is_not_written_again(journal):
    journal.created("topic", "news", arn="a", owner="me")
    written = journal.path.read_bytes()
    journal.created("topic", "news", arn="a")
    assert journal.path.read_bytes() == written
    journal.created("topic", "news", arn="b")
    assert journal.find("topic", "news").facts == {"arn": "b", "owner": "me"}


def test_what_is_deleted_is_listed_no_more(journal):
    journal.created("topic", "news")
    journal.deleted("topic", "news")
    assert journal.entries() == ()


def test_a_line_torn_by_a_crash_harms_neither_the_lines_before_nor_after(journal):
    journal.created("topic", "news")
    with journal.path.open("a") as file:
        file.write('{"event": "creating", "kind": "que')
    journal.created("queue", "letters")
    assert [entry.name for entry in journal.entries()] == ["news", "letters"]


def test_another_kernel_sees_what_this_one_wrote(journal):
    journal.created("topic", "news")
    other = Journal(journal.path)
    assert other.open(suffix=None, new_suffix="zzzzz", instance="first") == ("abcde", False)
    assert other.find("topic", "news")


def test_many_writers_lose_no_line(journal):
    def write(number):
        other = Journal(journal.path)
        other.open(suffix=None, new_suffix="zzzzz", instance="first")
        other.created("queue", f"queue-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert {entry.name for entry in journal.entries()} == {f"queue-{n}" for n in range(40)}


def test_an_embedded_aws_that_was_restarted_has_forgotten_everything(journal):
    journal.created("topic", "news")
    again = Journal(journal.path)
    assert again.open(suffix=None, new_suffix="zzzzz", instance="second") == ("abcde", True)
    assert again.entries() == ()


def test_a_restart_with_nothing_made_is_not_worth_a_word(journal):
    assert Journal(journal.path).open(suffix=None, new_suffix="z", instance="second") == ("abcde", False)


def test_a_closed_lab_is_followed_by_one_with_a_new_suffix(journal):
    journal.close()
    assert Journal(journal.path).open(suffix=None, new_suffix="fghij", instance="first") == ("fghij", False)


def test_a_notebook_whose_lab_was_cleaned_up_elsewhere_is_told_so(journal):
    other = Journal(journal.path)
    other.open(suffix=None, new_suffix="zzzzz", instance="first")
    other.close()
    with pytest.raises(LabError, match="cleaned up, or begun again") as caught:
        journal.creating("topic", "news")
    assert "open_lab()" in caught.value.hint()
    assert other.entries() == ()


def test_another_suffix_is_refused_while_something_is_left(journal):
    journal.created("topic", "news")
    with pytest.raises(LabError, match="abcde is still open here and has 1 thing in AWS") as caught:
        Journal(journal.path).open(suffix="other", new_suffix="z", instance="first")
    assert "labkit clean" in caught.value.hint()


def test_another_suffix_is_taken_when_nothing_is_left(journal):
    assert Journal(journal.path).open(suffix="other", new_suffix="z", instance="first") == ("other", False)


def test_every_line_is_json_with_a_time(journal):
    journal.created("topic", "news")
    for line in journal.path.read_text().splitlines():
        assert json.loads(line)["time"].endswith("+00:00")


steps = st.lists(st.tuples(st.sampled_from(["creating", "created", "deleted"]), st.sampled_from("abc")), max_size=30)


@settings(deadline=None)  # each line waits for the disk
@given(steps, st.integers(0, 400))
def test_cut_off_anywhere_it_still_lists_whatever_the_whole_lines_say(tmp_path_factory, steps, cut):
    journal = Journal(tmp_path_factory.mktemp("journal") / "j.jsonl")
    journal.open(suffix=None, new_suffix="abcde", instance=None)
    opened, ends = journal.path.stat().st_size, []
    for event, name in steps:
        getattr(journal, event)("queue", name)
        ends.append(journal.path.stat().st_size)
    whole = journal.path.read_bytes()
    size = max(opened, len(whole) - cut)
    journal.path.write_bytes(whole[:size])
    alive = {}
    # The last line may lack no more than its newline.
    for event, name in (step for step, end in zip(steps, ends, strict=True) if end - 1 <= size):
        alive = {k: v for k, v in alive.items() if k != name} if event == "deleted" else {**alive, name: event}
    assert {entry.name for entry in journal.entries()} == set(alive)
