"""A journal with lines that cannot be read shuts no command: it is told, and clean-up leaves nothing all the same."""

import itertools
import json

import pytest
from click.testing import CliRunner

from labkit import FUNCTIONS, LabError, clean_up, inventory
from labkit.cli import main

from .conftest import ACCOUNT, GREY, REGION, do_the_lab

OPTIONS = {
    "its own things": lambda _: {},
    "existing things": lambda account: {"bucket": account.decoys["bucket"], "role_arn": account.decoys["role"]},
    "a fourth function": lambda _: {"functions": (*FUNCTIONS, GREY)},
}
NOT_UTF_8 = b'{"event": "created", "kind": "topic", "name": "\xff", "facts": {}}'


def spoil_the_opening(lines):
    """The one line that says which lab it is, and what it was opened with."""
    return [NOT_UTF_8, *lines[1:]], "line 1: it is not UTF-8"


def spoil_the_definition(lines):
    line = {**json.loads(lines[0]), "definition": {"suffix": 5}}
    return [
        json.dumps(line).encode(),
        *lines[1:],
    ], "line 1: The definition of a lab cannot be read: KeyError: 'functions'"


def spoil_every_second_line(lines):
    spoilt = [b"null" if number % 2 else line for number, line in enumerate(lines)]
    return spoilt, f"line 2: it says nothing that a lab does, and {len(lines) // 2 - 1} more lines"


def spoil_all_but_the_opening(lines):
    return [lines[0], *[b"5"] * (len(lines) - 1)], f"it says nothing that a lab does, and {len(lines) - 2} more lines"


WAYS = (spoil_the_opening, spoil_the_definition, spoil_every_second_line, spoil_all_but_the_opening)


def in_turn(ways, options):
    """Each way with the options whose turn it is; the other pairs are for `make test-all`."""
    for (turn, way), (number, things) in itertools.product(enumerate(ways), enumerate(options)):
        yield pytest.param(way, things, marks=() if number == turn % len(options) else pytest.mark.slow)


@pytest.mark.parametrize(("spoil", "things"), [*in_turn(WAYS, OPTIONS)])
def test_it_is_told_and_clean_up_leaves_nothing(account, spoil, things):
    before, lab = account.contents(), account.open(**OPTIONS[things](account))
    do_the_lab(lab)
    lines, said = spoil(lab.journal.path.read_bytes().splitlines())
    lab.journal.path.write_bytes(b"\n".join(lines) + b"\n")
    again = account.open(workspace=lab.workspace)
    assert again.definition.suffix == lab.definition.suffix
    assert f"The journal {lab.journal.path} cannot be read whole (" in again.notice
    assert said in again.notice
    assert again.notice in str(again)
    assert clean_up(again).left == ()
    assert account.contents() == before
    assert account.open(workspace=lab.workspace).notice == ""


def test_where_nothing_can_be_read_any_more_the_suffix_finds_what_is_there(account):
    before, lab = account.contents(), account.open()
    do_the_lab(lab)
    lab.journal.path.write_bytes(bytes(range(256)) * 4)
    unknown = account.open(workspace=lab.workspace)
    assert unknown.definition.suffix != lab.definition.suffix
    assert "cannot be read whole" in unknown.notice
    again = account.open(workspace=lab.workspace, suffix=lab.definition.suffix)
    assert len(inventory(again).things) > 20
    clean_up(again)
    assert account.contents() == before


def test_a_bucket_that_cannot_be_read_in_the_journal_is_read_in_the_topics_policy_and_asked_for(account):
    before, lab = account.contents(), account.open(bucket=account.decoys["bucket"])
    do_the_lab(lab)
    lines = lab.journal.path.read_bytes().splitlines()
    kept = [b"null" if b'"opened"' in line or b'"existing bucket"' in line else line for line in lines]
    lab.journal.path.write_bytes(b"\n".join(kept) + b"\n")
    made = account.contents()
    with pytest.raises(LabError, match=f"worked in the bucket {account.decoys['bucket']}") as caught:
        clean_up(account.open(workspace=lab.workspace))
    assert account.decoys["bucket"] in caught.value.hint()
    assert account.contents() == made
    clean_up(account.open(workspace=lab.workspace, bucket=account.decoys["bucket"]))
    assert account.contents() == before


def test_the_command_says_it_beside_what_it_was_asked_for(account, monkeypatch):
    before, lab = account.contents(), account.open()
    do_the_lab(lab)
    lines, said = spoil_every_second_line(lab.journal.path.read_bytes().splitlines())
    lab.journal.path.write_bytes(b"\n".join(lines) + b"\n")
    monkeypatch.setenv("LABKIT_WORKSPACE", str(lab.workspace))

    def labkit(*words):
        return CliRunner().invoke(main, [*words, "--where", "aws", "--account", ACCOUNT, "--region", REGION])

    for words in (["status"], ["check", "1"], ["clean", "--yes"]):
        done = labkit(*words)
        assert done.exit_code == 0, done.output
        assert said in done.stderr
    assert "; 0 left." in done.output
    assert account.contents() == before
    assert labkit("status").stderr == ""
