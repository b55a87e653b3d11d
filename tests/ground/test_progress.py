"""Bars come where somebody looks, and only when it takes longer than a moment."""

import io
import re
import sys

import pytest

from labkit.errors import WaitedTooLong, WaitInterrupted
from labkit.progress import BOARD, HEADLESS, WAITING, Bar, InNotebook, WaitingBar, progress, stages
from labkit.waiting import wait_until

EMPTIED = re.compile(r"\x1b\[2K(\x1b\[\?25h)?\r?$")  # the line in which the bar stood
COLOUR = re.compile(r"\x1b\[[\d;]*m")


class Terminal(io.StringIO):
    """A terminal of 80 columns; says what it was sent since it was last asked."""

    def isatty(self):
        return True

    def sent(self):
        sent = self.getvalue()
        self.seek(0)
        self.truncate()
        return sent


@pytest.fixture
def terminal(monkeypatch):
    """What the error stream goes to, once it is turned on: pytest sets the streams anew before each test."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    terminal.turn_on = lambda: monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def words(sent):
    """What is to be read of what a terminal was sent: each state of each bar once."""
    return list(dict.fromkeys(line.strip(" ━╸╺\r") for line in re.sub(r"\x1b\[[\d;?]*\w", "", sent).splitlines()))


def test_items_are_counted(terminal):
    terminal.turn_on()
    for _ in progress(["a", "b"], what="letters"):
        assert any(line.startswith("letters:") for line in words(terminal.sent()))
    assert "letters: 2 of 2" in words(terminal.sent())


def test_a_wait_of_a_moment_shows_nothing(terminal):
    terminal.turn_on()
    bar = WaitingBar("the results", 30)
    bar.waited(0.9)
    bar.close()
    assert terminal.sent() == ""


def test_a_longer_wait_shows_how_long_it_has_been(terminal):
    terminal.turn_on()
    bar = WaitingBar("the results", 30)
    bar.waited(1.2)
    bar.waited(7.4)
    assert words(terminal.sent())[-1] == "waiting for the results (7 s; gives up at 30 s)"
    bar.close()


def test_a_wait_says_what_was_seen_and_when_it_gives_up(terminal):
    terminal.turn_on()
    now, seen = iter(range(100)), []

    def ask():
        seen.append("a result")
        return len(seen) > 6

    wait_until(
        ask,
        what="the results",
        seen=lambda: f"{len(seen)} of 7 are here",
        seconds=120,
        clock=lambda: next(now),
        sleep=lambda _: None,
    )
    assert "6 of 7 are here (6 s; gives up at 120 s)" in words(terminal.sent())


def test_an_interrupted_wait_ends_in_a_sentence_and_stays_an_interrupt():
    def interrupt(_):
        raise KeyboardInterrupt

    now = iter(range(0, 100, 3))
    with pytest.raises(KeyboardInterrupt) as caught:
        wait_until(
            lambda: None,
            what="the results",
            seen=lambda: "2 of 3 are here",
            seconds=30,
            clock=lambda: next(now),
            sleep=interrupt,
        )
    assert isinstance(caught.value, WaitInterrupted)
    assert caught.value._render_traceback_() == [
        "Interrupted after 6 s of waiting for the results. So far: 2 of 3 are here. What was begun goes on in AWS."
    ]
    assert BOARD.as_table().row_count == 0


def test_the_bar_goes_away_even_if_the_wait_was_in_vain(terminal):
    terminal.turn_on()
    now = iter(range(100))
    with pytest.raises(WaitedTooLong):
        wait_until(lambda: None, what="nothing", seconds=5, clock=lambda: next(now), sleep=lambda _: None)
    assert EMPTIED.search(terminal.sent())
    assert BOARD.as_table().row_count == 0


def test_stages_show_nothing_until_one_begins(terminal):
    terminal.turn_on()
    with stages(2):
        pass
    assert terminal.sent() == ""


def test_stages_are_told_as_they_begin_and_their_bar_goes_away(terminal):
    terminal.turn_on()
    with stages(2) as begin:
        begin("Fetching ...")
        assert "Fetching ..." in words(terminal.sent())
        begin("Building ...")
        assert "Building ..." in words(terminal.sent())
    assert BOARD.as_table().row_count == 0


def test_what_a_step_waits_for_stands_below_the_steps(terminal):
    terminal.turn_on()
    with Bar("steps", 4), Bar("the queue", 60, "{what} ({done} s)"):
        assert words(terminal.sent())[-2:] == ["steps: 0 of 4", "the queue (0 s)"]


def test_it_makes_way_for_what_is_said(terminal):
    terminal.turn_on()
    with Bar("cells", 4):
        terminal.sent()
        with BOARD.set_aside():
            assert EMPTIED.search(terminal.sent())
            sys.stderr.write("said\n")
        assert words(terminal.sent()) == ["said", "cells: 0 of 4"]


def test_a_long_sentence_folds_and_what_would_command_a_terminal_is_spelt_out(terminal):
    terminal.turn_on()
    with Bar("\x1b]0;title\x07 " + "a word " * 20, 4):
        lines = words(terminal.sent())
    assert lines[0].startswith("\\x1b]0;title\\x07 a word")
    assert max(map(len, lines)) < 80
    assert lines[-1].endswith("word : 0 of 4")


class TestQuiet:
    def test_in_a_headless_run(self, terminal, monkeypatch):
        terminal.turn_on()
        monkeypatch.setenv(HEADLESS, "1")
        assert list(progress([1], what="one")) == [1]
        assert terminal.sent() == ""

    @pytest.mark.parametrize("forced", ["", "1"])
    def test_in_a_pipe_even_if_colours_are_forced(self, monkeypatch, forced):
        monkeypatch.setenv("FORCE_COLOR", forced)
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        assert list(progress([1], what="one")) == [1]
        assert sys.stderr.getvalue() == ""

    def test_on_a_teletype(self, terminal, monkeypatch):
        terminal.turn_on()
        monkeypatch.setenv("TERM", "dumb")
        assert list(progress([1], what="one")) == [1]
        assert terminal.sent() == ""

    def test_where_there_is_no_error_stream(self, monkeypatch):
        monkeypatch.setattr(sys, "stderr", None)
        assert list(progress([1], what="one")) == [1]


@pytest.mark.parametrize(("unwanted", "coloured"), [("", True), ("1", False)])
def test_it_has_colours_where_they_are_wanted(terminal, monkeypatch, unwanted, coloured):
    terminal.turn_on()
    monkeypatch.setenv("NO_COLOR", unwanted)
    list(progress([1], what="one"))
    assert bool(COLOUR.search(terminal.sent())) is coloured


class TestANotebook:
    @pytest.fixture
    def page(self, monkeypatch):
        """What a page is told to show: in a kernel the bars are one widget."""
        shown = []
        monkeypatch.setattr("labkit.progress._face", InNotebook)
        monkeypatch.setattr("IPython.display.display", shown.append)
        return shown

    def test_has_the_bars_as_its_browser_draws_them(self, page):
        with Bar("steps", 4) as bar:
            (widget,) = page
            bar.move(3)
            with Bar("web/<b>.jpg is missing", 120, WAITING):
                assert widget.value == (
                    '<div><progress max="4" value="3" aria-label="steps: 3 of 4"></progress> steps: 3 of 4</div>'
                    '<div><progress max="120" value="0" aria-label="{0}"></progress> {0}</div>'
                ).format("web/&lt;b&gt;.jpg is missing (0 s; gives up at 120 s)")
        assert page == [widget]

    def test_is_left_as_it_was(self, page):
        list(progress([1, 2], what="letters"))
        assert page[0].comm is None  # closed: a page takes it out
