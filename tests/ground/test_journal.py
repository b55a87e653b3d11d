"""The journal: what was begun is never forgotten, whatever crashes, and whatever else is in the file."""

import errno
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.definition import Definition
from labkit.errors import LabError
from labkit.journal import Entry, Journal, Opened, Spoilt, in_words
from labkit.maker import made_by

FIRST = Definition("abcde").as_data()


def opened(path, suffix="abcde", instance="first", definition=FIRST):
    journal = Journal(path)
    journal.open(suffix=suffix, instance=instance, definition=definition)
    return journal


@pytest.fixture
def journal(tmp_path):
    return opened(tmp_path / "deep" / "local.jsonl")


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


def test_every_key_that_s3_takes_is_kept(journal):
    keys = ["ingest/a\u202fb.jpg", "ingest/\x1b[31m.jpg", "ingest/a\nb.jpg", "ingest/\U0001f4f7.jpg"]
    for key in keys:
        journal.created("object", key)
    assert [entry.name for entry in Journal(journal.path).entries()] == keys
    assert journal.spoilt() == ()


def test_a_line_torn_by_a_crash_harms_neither_the_lines_before_nor_after(journal):
    journal.created("topic", "news")
    with journal.path.open("a") as file:
        file.write('{"event": "creating", "kind": "que')
    journal.created("queue", "letters")
    assert [entry.name for entry in journal.entries()] == ["news", "letters"]


def test_a_line_that_is_being_written_is_read_once_it_is_whole(journal):
    line = json.dumps({"event": "created", "kind": "queue", "name": "letters", "facts": {}, "lab": "abcde"})
    middle = line.index("{}") + 2  # it ends in a brace here, and is no line yet
    with journal.path.open("a") as file:
        file.write(line[:middle])
    assert journal.entries() == ()
    with journal.path.open("a") as file:
        file.write(f"{line[middle:]}\n")
    assert [entry.name for entry in journal.entries()] == ["letters"]
    assert journal.spoilt() == ()


def test_another_kernel_sees_what_this_one_wrote(journal):
    journal.created("topic", "news")
    other = opened(journal.path)
    assert other.opened() == Opened("abcde", "first", FIRST)
    assert other.find("topic", "news")


def test_many_writers_lose_no_line(journal):
    def write(number):
        opened(journal.path).created("queue", f"queue-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert {entry.name for entry in journal.entries()} == {f"queue-{n}" for n in range(40)}


def test_the_definition_is_kept_and_can_be_another_one_later(journal):
    assert Journal(journal.path).opened().definition == FIRST
    second = Definition("abcde", function_timeout_s=1).as_data()
    journal.redefine(second)
    assert Journal(journal.path).opened() == Opened("abcde", "first", second)


def test_going_on_with_a_lab_writes_nothing_that_is_known(journal):
    written = journal.path.read_bytes()
    opened(journal.path)
    assert journal.path.read_bytes() == written


def test_an_embedded_aws_that_was_restarted_has_forgotten_everything(journal):
    journal.created("topic", "news")
    again = opened(journal.path, instance="second")
    assert again.opened() == Opened("abcde", "second", FIRST)
    assert again.entries() == ()
    assert [entry.name for entry in again.lost()] == ["news"]


def test_what_was_lost_is_told_until_it_is_made_again_or_given_up(journal):
    journal.created("topic", "news")
    journal.created("bucket", "photos")
    journal.created("object", "ingest/a.jpg", bucket="photos")
    journal.created("queue", "letters")
    again = opened(journal.path, instance="second")
    again = opened(journal.path, instance="second")
    assert [entry.name for entry in again.lost()] == ["news", "photos", "ingest/a.jpg", "letters"]
    again.created("topic", "news")
    assert [entry.name for entry in again.lost()] == ["photos", "ingest/a.jpg", "letters"]
    again.created("bucket", "photos")  # which is empty: the photo needs no more words
    assert [entry.name for entry in again.lost()] == ["letters"]
    again.deleted("queue", "letters")
    assert again.lost() == ()


def test_a_restart_with_nothing_made_is_not_worth_a_word(journal):
    assert opened(journal.path, instance="second").lost() == ()


def test_a_closed_lab_is_followed_by_another_one(journal):
    journal.close()
    assert Journal(journal.path).opened() is None
    other = Definition("fghij", bucket="an-existing-one").as_data()
    assert opened(journal.path, "fghij", definition=other).opened() == Opened("fghij", "first", other)


def test_a_notebook_whose_lab_was_cleaned_up_elsewhere_is_told_so(journal):
    opened(journal.path).close()
    for write in (
        lambda: journal.creating("topic", "news"),
        lambda: journal.created("topic", "news"),
        lambda: journal.redefine(FIRST),
    ):
        with pytest.raises(LabError, match="cleaned up, or begun again") as caught:
            write()
        assert "open_lab()" in caught.value.hint()
    assert journal.entries() == ()


def test_who_cleans_up_after_another_has_does_not_close_the_lab_that_came_after(journal):
    opened(journal.path).close()
    journal.deleted("topic", "news")
    journal.close()
    next_one = opened(journal.path, "fghij", definition=Definition("fghij").as_data())
    next_one.created("topic", "news")
    journal.deleted("topic", "news")
    journal.close()
    assert next_one.opened().suffix == "fghij"
    assert next_one.find("topic", "news")


def test_each_line_says_who_was_at_work(journal, monkeypatch):
    journal.creating("topic", "news")
    with made_by("catch_up"):
        journal.creating("queue", "letters")
        journal.created("queue", "letters")
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    journal.creating("queue", "letters")
    assert journal.makers() == {("topic", "news"): ("program",), ("queue", "letters"): ("catch_up", "run")}
    assert journal.makers("topic") == {("topic", "news"): ("program",)}


def test_who_made_what_outlives_an_embedded_aws_and_not_the_lab(journal):
    journal.creating("topic", "news")
    assert opened(journal.path, instance="second").makers() == {("topic", "news"): ("program",)}
    opened(journal.path, instance="second").close()
    assert opened(journal.path, "fghij", definition=Definition("fghij").as_data()).makers() == {}


def test_a_line_that_was_changed_or_taken_out_is_seen(journal):
    for name in ("one", "two", "three"):
        journal.creating("queue", name)
    lines = journal.path.read_text().splitlines(keepends=True)
    assert journal.loose() == ()
    for changed in ([*lines[:2], *lines[3:]], [*lines[:2], lines[2].replace("two", "too"), *lines[3:]]):
        journal.path.write_text("".join(changed))
        assert Journal(journal.path).loose() == (len(changed),)


def test_a_line_torn_by_a_crash_is_no_line_that_was_changed(journal):
    journal.creating("queue", "one")
    with journal.path.open("a") as file:
        file.write('{"event": "creating", "kind": "que')
    journal.creating("queue", "two")
    opened(journal.path).creating("queue", "three")
    assert Journal(journal.path).loose() == ()


def test_a_journal_of_a_version_without_hashes_goes_on_with_them(journal):
    old = {"time": "2026-01-01T00:00:00+00:00", "event": "opened", "suffix": "abcde", "instance": "first"}
    journal.path.write_text(json.dumps({**old, "definition": FIRST}) + "\n")
    opened(journal.path).creating("topic", "news")
    assert Journal(journal.path).loose() == ()


def test_every_line_is_json_with_a_time(journal):
    journal.created("topic", "news")
    for line in journal.path.read_text().splitlines():
        assert json.loads(line)["time"].endswith("+00:00")


steps = st.lists(st.tuples(st.sampled_from(["creating", "created", "deleted"]), st.sampled_from("abc")), max_size=30)


@settings(deadline=None)  # each line waits for the disk
@given(steps, st.integers(0, 400))
def test_cut_off_anywhere_it_still_lists_whatever_the_whole_lines_say(tmp_path_factory, steps, cut):
    journal = opened(tmp_path_factory.mktemp("journal") / "j.jsonl", instance=None)
    begun, ends = journal.path.stat().st_size, []
    for event, name in steps:
        getattr(journal, event)("queue", name)
        ends.append(journal.path.stat().st_size)
    whole = journal.path.read_bytes()
    size = max(begun, len(whole) - cut)
    journal.path.write_bytes(whole[:size])
    alive = {}
    # The last line may lack no more than its newline.
    for event, name in (step for step, end in zip(steps, ends, strict=True) if end - 1 <= size):
        alive = {k: v for k, v in alive.items() if k != name} if event == "deleted" else {**alive, name: event}
    assert {entry.name for entry in journal.entries()} == set(alive)


NEWS = {"event": "created", "kind": "topic", "name": "news", "facts": {}, "lab": "abcde"}


def spoilt_lines():
    """What may stand in a line of a journal, by mistake or by malice, and what is said of it."""
    without = [{k: v for k, v in NEWS.items() if k != member} for member in ("event", "kind", "name", "facts")]
    lines = {
        "not UTF-8": (b'{"event": "created", "name": "\xff"}', "it is not UTF-8"),
        "a number": (5, "it says nothing that a lab does"),
        "null": (None, "it says nothing that a lab does"),
        "a list": ([NEWS], "it says nothing that a lab does"),
        "an unknown event": ({**NEWS, "event": "painted"}, "it says nothing that a lab does"),
        "an event that is a list": ({**NEWS, "event": ["created"]}, "it says nothing that a lab does"),
        "no event": (without[0], "it says nothing that a lab does"),
        "no kind": (without[1], "it has no kind"),
        "no name": (without[2], "it has no name"),
        "no facts": (without[3], "it has no facts"),
        "an empty name": ({**NEWS, "name": ""}, "its name cannot be one"),
        "a name that is a number": ({**NEWS, "name": 5}, "its name cannot be one"),
        "a name that commands a terminal": ({**NEWS, "name": "news\x1b[2J"}, "its name cannot be one"),
        "a name that is half a character": ({**NEWS, "name": "\ud800"}, "its name cannot be one"),
        "facts that are a list": ({**NEWS, "facts": ["arn"]}, "its facts cannot be one"),
        "facts that are numbers": ({**NEWS, "facts": {"queue": 5}}, "its facts cannot be one"),
        "a lab that is a number": ({**NEWS, "lab": 5}, "its lab cannot be one"),
        "words": (b"please do not edit", "it breaks off"),
        "torn off": (json.dumps(NEWS).encode()[:40], "it breaks off"),
        "torn off behind a brace": (json.dumps(NEWS).encode().split(b', "lab"')[0], "it is not JSON"),
        "too deep": (b"[" * 100_000 + b"{}", "it is not JSON"),
        "a definition of something else": ({"event": "defined", "definition": [1]}, "its definition cannot be one"),
    }
    return [
        pytest.param(line if isinstance(line, bytes) else json.dumps(line).encode(), reason, id=name)
        for name, (line, reason) in lines.items()
    ]


@pytest.mark.parametrize(("line", "reason"), spoilt_lines())
def test_a_spoilt_line_is_told_and_what_the_others_say_still_counts(journal, line, reason):
    journal.created("queue", "before")
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    again = opened(journal.path)
    again.created("queue", "after")
    assert again.spoilt() == (Spoilt(3, reason),)
    assert [entry.name for entry in again.entries()] == ["before", "after"]
    said = in_words(again.spoilt(), journal.path)
    assert said == (
        f"The journal {journal.path} cannot be read whole (line 3: {reason}); what the other lines say still counts."
    )


def test_of_many_spoilt_lines_the_first_is_told_and_the_others_are_counted(journal):
    with journal.path.open("ab") as file:
        file.write(b"5\nnull\n[]\n")
    assert "(line 2: it says nothing that a lab does, and 2 more lines)" in in_words(journal.spoilt(), journal.path)


def test_a_whole_file_of_something_else_is_told(tmp_path):
    path = tmp_path / "local.jsonl"
    path.write_bytes(bytes(range(256)) * 20)
    assert Journal(path).opened() is None
    assert Journal(path).spoilt()


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("suffix", 5, "its suffix cannot be one"),
        ("suffix", "", "its suffix cannot be one"),
        ("suffix", "Ann_", "its suffix cannot be one"),
        ("instance", 5, "its instance cannot be one"),
        ("definition", "all of it", "its definition cannot be one"),
    ],
)
def test_where_the_line_that_opened_the_lab_is_spoilt_the_others_say_which_lab_it_was(journal, member, value, reason):
    journal.created("topic", "news")
    spoil(journal.path, 0, **{member: value})
    again = Journal(journal.path)
    assert again.opened() == Opened("abcde", None, {})
    assert again.spoilt() == (Spoilt(1, reason),)
    again = opened(journal.path)  # the same run of the embedded AWS, as far as anybody can tell: nothing is lost
    assert [entry.name for entry in again.entries()] == ["news"]
    assert again.lost() == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"functions": 5}, "The definition of a lab cannot be read: TypeError: 'int' object is not iterable"),
        ({"functions": []}, "functions has to be a list of FunctionSettings"),
        ({"functions": [{}]}, "The definition of a lab cannot be read: KeyError: 'box'"),
        ({"prefix": "Ann_"}, "'Ann_' can't be a prefix: it becomes part of a bucket's name"),
        ({"bucket": 5}, "bucket can't be 5"),
        ({"function_timeout_s": "10"}, "function_timeout_s can't be '10'"),
        ({"suffix": "other"}, "its definition is that of another lab"),
    ],
)
def test_a_definition_that_cannot_be_one_is_told_and_the_lab_stays_open(journal, change, reason):
    spoil(journal.path, 0, definition={**FIRST, **change})
    again = Journal(journal.path)
    assert again.opened() == Opened("abcde", "first", {})
    assert again.spoilt() == (Spoilt(1, reason),)


def spoil(path, number, **changes):
    """Change members of a line of a journal."""
    lines = path.read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})
    path.write_text("".join(f"{line}\n" for line in lines))


def test_what_was_spoilt_is_forgotten_with_the_lab_that_it_spoke_of(journal):
    with journal.path.open("ab") as file:
        file.write(b"5\n")
    journal.close()
    assert journal.spoilt() == ()


def test_a_file_that_an_editor_has_saved_is_read_as_before(journal):
    journal.created("topic", "news")
    journal.path.write_bytes(b"\xef\xbb\xbf" + journal.path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert [entry.name for entry in Journal(journal.path).entries()] == ["news"]
    assert Journal(journal.path).spoilt() == ()


def test_a_journal_of_the_first_version_is_read(tmp_path):
    path = tmp_path / "local.jsonl"
    lines = [
        {"event": "opened", "suffix": "abcde", "instance": "first"},
        {"event": "creating", "kind": "topic", "name": "news", "facts": {}},
        {"event": "created", "kind": "topic", "name": "news", "facts": {"arn": "a"}},
        {"event": "opened", "suffix": "abcde", "instance": "second"},  # as it wrote a restart
        {"event": "creating", "kind": "queue", "name": "letters", "facts": {}},
    ]
    path.write_text("".join(f"{json.dumps({'time': '2026-11-01T10:00:00+00:00', **line})}\n" for line in lines))
    journal = Journal(path)
    assert journal.opened() == Opened("abcde", "second", {})
    assert journal.entries() == (Entry("queue", "letters", "creating", {}),)
    assert journal.lost() == (Entry("topic", "news", "created", {"arn": "a"}),)
    assert journal.spoilt() == ()


@contextmanager
def a_full_disk(size):
    """No file can grow beyond this size, as on a disk that is full: a write that goes beyond is done half."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_full_disk_leaves_no_half_line_and_is_one_sentence(journal, room):
    journal.created("topic", "news")
    before = journal.path.read_bytes()
    with (
        a_full_disk(len(before) + room),
        pytest.raises(LabError, match="The lab's journal cannot be written") as caught,
    ):
        journal.creating("queue", "letters")
    assert journal.path.read_bytes() == before
    assert caught.value.where == str(journal.path)
    assert "Free some space" in caught.value.hint()
    journal.creating("queue", "letters")  # there is room again
    assert [entry.name for entry in journal.entries()] == ["news", "letters"]


def test_a_disk_that_is_full_only_when_it_has_to_keep_its_word_leaves_no_line_either(journal, monkeypatch):
    before = journal.path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabError, match=r"The lab's journal cannot be written: No space left on device\."):
        journal.creating("queue", "letters")
    assert journal.path.read_bytes() == before


def test_a_journal_that_cannot_be_read_is_one_sentence(tmp_path):
    (tmp_path / "local.jsonl").mkdir()
    with pytest.raises(LabError, match=r"The lab's journal cannot be (read|written): Is a directory") as caught:
        opened(tmp_path / "local.jsonl")
    assert caught.value.where == str(tmp_path / "local.jsonl")
