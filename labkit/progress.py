"""Progress on what takes longer than a moment: a bar in a notebook or a terminal, nothing where nobody looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.terminal import printable

if TYPE_CHECKING:
    from tqdm import tqdm

HEADLESS = "LABKIT_HEADLESS"  # set by the runner: an executed copy of a notebook needs no bars, and no buttons
WAITING_FORMAT = "{desc} ({n_fmt} s; gives up at {total_fmt} s) {bar}"
SHOW_AFTER_S = 1.0  # what is over sooner needs no bar

Item = TypeVar("Item")


def progress(items: Sequence[Item], *, what: str) -> Iterator[Item]:
    """The items one by one, with a bar that says how many are done; it goes away at the end."""
    with _bar(what, len(items), "") as bar:
        for item in items:
            yield item
            bar.update()


class WaitingBar:
    """The bar of one wait: it comes after `SHOW_AFTER_S`, and runs towards the time at which the wait gives up."""

    def __init__(self, what: str, seconds: float) -> None:
        self._what, self._seconds = what, seconds
        self._bar: tqdm[Any] | None = None

    def waited(self, seconds: float, seen: str = "") -> None:
        """Show how long it has been by now, and what was seen so far."""
        if seconds < SHOW_AFTER_S:
            return
        said = seen or f"waiting for {self._what}"
        if self._bar is None:
            self._bar = _bar(said, round(self._seconds), "s", WAITING_FORMAT)
        elif seen:
            self._bar.set_description(printable(said), refresh=False)
        self._bar.update(round(seconds) - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        _take_away(self._bar)


@contextmanager
def stages(count: int) -> Iterator[Callable[[str], None]]:
    """What to call with a sentence as each of `count` stages begins; the first brings a bar, which goes at the end."""
    bar: tqdm[Any] | None = None

    def begin(sentence: str) -> None:
        nonlocal bar
        if bar is None:
            bar = _bar(sentence, count, "stage")
        else:
            bar.set_description(printable(sentence))
            bar.update()

    try:
        yield begin
    finally:
        _take_away(bar)


def _take_away(bar: tqdm[Any] | None) -> None:
    if bar is not None:
        bar.total = bar.n  # else the notebook's bar stays, in red: it takes an early end for a failure
        bar.close()


def _bar(what: str, total: int, unit: str, bar_format: str | None = None) -> tqdm[Any]:
    from tqdm.auto import tqdm  # here, since it looks for a notebook and its widgets, which takes a while

    # None: no bar where the output is a file or a pipe.
    return tqdm(
        total=total,
        desc=printable(what),
        unit=unit,
        leave=False,
        disable=True if os.environ.get(HEADLESS) else None,
        bar_format=bar_format,
    )
