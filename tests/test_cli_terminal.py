"""The labkit command in a terminal of 80 columns, in a pipe, and read by programs; all of it on one real lab."""

import json
import os
import pty
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from labkit import sample, upload_photo, wait_for_results
from labkit.cli import main
from labkit.errors import LabError

DOCUMENTED = Path(__file__).parents[1] / "docs" / "command-line.md"
FINE = Path(__file__).parent / "fixtures" / "notebooks" / "fine.ipynb"
PHOTO = "ingest/trip to the far north/a photo whose name is long enough to need a second line.jpg"


@pytest.fixture(scope="module")
def photo(built_lab):
    """A photo with a long name, all the way through the lab."""
    name = PHOTO.removeprefix("ingest/")
    wait_for_results(built_lab, upload_photo(built_lab, sample("AWS.jpg"), name=name))
    return PHOTO


@pytest.fixture
def variables(built_lab, photo, workspace, monkeypatch, tmp_path):
    """What leads the command to the lab that has all steps done."""
    monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace))
    monkeypatch.setenv("LABKIT_PREFIX", built_lab.definition.prefix)
    monkeypatch.chdir(tmp_path)


COMMANDS = {
    "run": ["run", str(FINE), "--out", "out"],
    "check": ["check"],
    "doctor": ["doctor", PHOTO],
    "trace": ["trace", PHOTO],
    "logs": ["logs", "CreateThumbnail"],
    "cost": ["cost"],
    "status": ["status"],
    "grade": ["grade"],
    "build": ["build", "--here", "--out", "zips"],
    "clean": ["clean", "--yes", "--prefix", "nothing-"],
}
MORE = [
    ["logs", "CreateThumbnail", "--lines"],
    ["status", "--all"],
    ["grade", "--student", "built-", "--student", "eve-"],
    ["doctor", "nowhere.jpg"],
    ["check", "--prefix", "nothing-"],
    ["trace", "s3://another-bucket/ingest/" + "a-very-long-name-" * 8 + ".jpg"],
    ["inspect", "no-such-file-in-this-folder-or-in-any-other-folder-of-this-machine-whatever-it-is.zip"],
    ["students", "for-students"],
    ["start", "room", "--no-open"],
    *([name, "--help"] for name in sorted(main.commands)),
    ["--help"],
]


def words_of(said):
    return re.sub(r"[\s─-]", "", said)


@pytest.mark.parametrize("words", [*COMMANDS.values(), *MORE], ids=" ".join)
def test_no_line_is_wider_than_the_terminal(variables, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.output
    assert [line for line in done.output.splitlines() if cell_len(line) > 80] == []
    assert "\x1b" not in done.output
    assert "…" not in done.output


@pytest.mark.parametrize("words", [["check"], ["status"], ["logs", "CreateThumbnail", "--lines"]])
def test_what_is_folded_is_all_there(variables, monkeypatch, words):
    """In a pipe lines are as long as they are; folded to a terminal's width they say the same."""
    piped = CliRunner().invoke(main, words).output
    assert max(map(cell_len, piped.splitlines())) > 80
    monkeypatch.setenv("COLUMNS", "80")
    assert words_of(CliRunner().invoke(main, words).output) == words_of(piped)


def in_a_terminal(*words, **variables):
    """What a terminal of this test's own is sent."""
    import fcntl
    import termios

    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "labkit", *words], stdin=there, stdout=there, stderr=there, env=environment
    ) as process:
        os.close(there)
        said = b""
        try:
            while piece := os.read(here, 10_000):
                said += piece
        except OSError:  # Linux's way to say that the other end is closed
            pass
        process.wait()
    os.close(here)
    return said.decode()


class TestATerminal:
    def test_shows_colours_in_its_own_width(self, variables):
        said = in_a_terminal("check", "topic")
        assert "\x1b[1;32m 3 of 3 PASS\x1b[0m: topic." in said
        plain = re.sub(r"\x1b\[[0-9;]*m", "", in_a_terminal("status"))
        assert max(map(len, plain.splitlines())) <= 60

    def test_shows_none_where_none_are_wanted(self, variables):
        assert "\x1b" not in in_a_terminal("check", "topic", NO_COLOR="1")

    @pytest.mark.parametrize("variables_of_the_user", [{}, {"NO_COLOR": "1"}], ids=["coloured", "without colours"])
    def test_sees_how_far_a_run_is(self, variables, variables_of_the_user):
        said = in_a_terminal("run", str(FINE), "--out", "out", **variables_of_the_user)
        assert re.search(r"fine, cell \d \(\d of 4 cells\)", said)
        assert bool(re.search(r"\x1b\[[\d;]*m", said)) is (not variables_of_the_user)

    def test_obeys_nothing_that_somebody_else_wrote(self, variables):
        said = in_a_terminal("trace", "\x1b]0;title\x07.jpg")
        assert "\x1b]0" not in said
        assert "\\x1b]0;title\\x07.jpg" in said

    def test_nor_does_any_other_that_prints_an_error(self):
        assert str(LabError("\x1b[2J", where="\x07", aws_said="\x9b", hint="\u202e")) == (
            "\\x1b[2J\n  where:    \\x07\n  AWS said: \\x9b\n  try:      \\u202e"
        )


def documented():
    """The keys of each command's JSON, as the documentation lists them."""
    rows = re.findall(
        r"^\| `([\w-]+)[^`|]*`[^|]*\| ([^|]*) \| ([^|]*) \|$", DOCUMENTED.read_text("utf-8"), re.MULTILINE
    )
    return {name: (shape.startswith("a list"), set(re.findall(r"`(\w+)`", keys))) for name, shape, keys in rows}


def keys_of(words):
    done = CliRunner().invoke(main, [*words, "--json"])
    data = json.loads(done.stdout)
    return isinstance(data, list), set(data[0] if isinstance(data, list) else data)


class TestToPrograms:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_a_command_gives_the_keys_that_are_documented(self, variables, name):
        assert keys_of(COMMANDS[name]) == documented()[name]

    def test_so_do_those_that_need_something_else_first(self, variables, tmp_path, monkeypatch):
        CliRunner().invoke(main, COMMANDS["build"])
        assert keys_of(["inspect", "--here", "zips/CreateThumbnail.zip"]) == documented()["inspect"]
        assert keys_of(["env"]) == documented()["env"]
        monkeypatch.setenv("LABKIT_WORKSPACE", str(FINE.parents[3]))
        assert keys_of(["students", "for-students"]) == documented()["students"]
        monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path))
        assert keys_of(["start", "room", "--no-open"]) == documented()["start"]
        for name in ("stop", "status", "clean"):
            assert keys_of([name, "--yes"] if name == "clean" else [name]) == documented()[name]

    def test_every_command_is_documented(self):
        others = {"export", "permissions"}  # which print JSON anyway
        assert set(documented()) | others == set(main.commands)

    def test_the_policy_and_the_template_are_json_whatever_the_width(self, variables, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        for words in (["permissions"], ["permissions", "--json"], ["export"]):
            assert json.loads(CliRunner().invoke(main, words).stdout)

    def test_nobody_is_asked(self, variables):
        done = CliRunner().invoke(main, ["clean", "--json"])
        assert done.exit_code == 2
        assert "--json needs --yes: a program cannot be asked." in done.output
