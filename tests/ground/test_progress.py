"""Bars come where somebody looks, and only when it takes longer than a moment."""

from typing import ClassVar

import pytest
import tqdm.auto

from labkit.errors import WaitedTooLong, WaitInterrupted
from labkit.progress import HEADLESS, WaitingBar, progress, stages
from labkit.waiting import wait_until


class Bar:
    """Stands in for tqdm's bar, and remembers."""

    made: ClassVar[list["Bar"]] = []

    def __init__(self, **options):
        self.options, self.n, self.closed = options, 0, False
        Bar.made.append(self)

    def update(self, by=1):
        self.n += by

    def set_description(self, words, refresh=True):
        self.options["desc"] = words

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture(autouse=True)
def bars(monkeypatch):
    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    monkeypatch.setattr(Bar, "made", [])
    return Bar.made


def test_items_are_counted(bars):
    assert list(progress(["a", "b"], what="letters")) == ["a", "b"]
    assert (bars[0].n, bars[0].options["total"], bars[0].options["desc"], bars[0].closed) == (2, 2, "letters", True)


def test_a_wait_of_a_moment_shows_nothing(bars):
    bar = WaitingBar("the results", 30)
    bar.waited(0.9)
    bar.close()
    assert bars == []


def test_a_longer_wait_shows_how_long_it_has_been(bars):
    bar = WaitingBar("the results", 30)
    bar.waited(1.2)
    bar.waited(7.4)
    assert (bars[0].n, bars[0].options["total"], bars[0].options["desc"]) == (7, 30, "waiting for the results")


def test_a_wait_says_what_was_seen_and_when_it_gives_up(bars):
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
    assert (bars[0].options["desc"], bars[0].n) == ("6 of 7 are here", 6)
    said = bars[0].options["bar_format"].format(desc="6 of 7 are here", n_fmt=6, total_fmt=120, bar="")
    assert said.strip() == "6 of 7 are here (6 s; gives up at 120 s)"


def test_an_interrupted_wait_ends_in_a_sentence_and_stays_an_interrupt(bars):
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
    assert bars[0].closed


def test_the_bar_goes_away_even_if_the_wait_was_in_vain(bars):
    now = iter(range(100))
    with pytest.raises(WaitedTooLong):
        wait_until(lambda: None, what="nothing", seconds=5, clock=lambda: next(now), sleep=lambda _: None)
    assert bars[0].closed


def test_stages_show_nothing_until_one_begins(bars):
    with stages(2):
        pass
    assert bars == []


def test_stages_are_told_as_they_begin_and_their_bar_goes_away(bars):
    with stages(2) as begin:
        begin("Fetching ...")
        assert (bars[0].n, bars[0].options["total"], bars[0].options["desc"]) == (0, 2, "Fetching ...")
        begin("Building ...")
        assert (bars[0].n, bars[0].options["desc"]) == (1, "Building ...")
    assert bars[0].closed


@pytest.mark.parametrize(("headless", "disable"), [("1", True), ("", None)])
def test_it_is_quiet_in_a_headless_run(bars, monkeypatch, headless, disable):
    monkeypatch.setenv(HEADLESS, headless)
    list(progress([1], what="one"))
    assert bars[0].options["disable"] is disable
