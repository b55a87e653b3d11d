"""Progress on what takes longer than a moment: a bar in a notebook or a terminal, nothing where nobody looks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from labkit.terminal import printable

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

HEADLESS = "LABKIT_HEADLESS"  # set by the runner: an executed copy of a notebook needs no bars, and no buttons
COUNTED = "{what}: {done} of {total}"
WAITING = "{what} ({done} s; gives up at {total} s)"
SHOW_AFTER_S = 1.0  # what is over sooner needs no bar
BAR_WIDTH = 20  # columns
NOTEBOOK_WIDTH = 80  # columns: as many as fit beside a sidebar

Item = TypeVar("Item")


class Bar:
    """How much of something is done, in words and as a bar, from now on until it is closed."""

    def __init__(self, what: str, total: int, form: str = COUNTED) -> None:
        self.what, self.done, self.total = what, 0, total
        self._form = form
        BOARD.add(self)

    @property
    def sentence(self) -> str:
        """What stands beside the bar."""
        return printable(self._form.format(what=self.what, done=self.done, total=self.total))

    def move(self, done: int, what: str = "") -> None:
        """So much is done by now; with `what`, something else is being done."""
        self.done, self.what = done, what or self.what
        BOARD.refresh()

    def close(self) -> None:
        """Take it away."""
        BOARD.remove(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Board:
    """All bars of this process, one below the other: of steps, of what a step waits for."""

    def __init__(self) -> None:
        self._bars: list[Bar] = []
        self._live: Live | None = None
        self._lock = threading.RLock()

    def add(self, bar: Bar) -> None:
        """Show one more, unless this is a run that nobody looks at."""
        if not os.environ.get(HEADLESS):
            with self._lock:
                self._bars.append(bar)
                self.refresh()

    def remove(self, bar: Bar) -> None:
        """Show one less; with the last one the place where they stood is empty again."""
        with self._lock:
            if bar in self._bars:
                self._bars.remove(bar)
                self.refresh()

    def refresh(self) -> None:
        """Show all of them as they are now."""
        with self._lock:
            if not self._bars:
                self._take_down()
                return
            if self._live is None and (live := _live(self.drawn)):
                self._live = live
                live.start()
                live.console.show_cursor()  # which it hides; an interrupt could come before it is shown again
            if self._live is not None:
                self._live.refresh()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """While something is written where the bars stand, they are away."""
        with self._lock:
            self._take_down()
            try:
                yield
            finally:
                self.refresh()

    def drawn(self) -> Table:
        """The bars in rows, each with its sentence, which folds."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(width=BAR_WIDTH)
        for bar in self._bars:
            drawn = ProgressBar(bar.total or 1, bar.done, BAR_WIDTH, complete_style="cyan", finished_style="cyan")
            table.add_row(Text(bar.sentence), drawn)
        return table

    def _take_down(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def _live(drawn: Callable[[], Table]) -> Live | None:
    """What can show bars here, and take them away again; a pipe, a file and a teletype cannot."""
    from rich.console import Console  # only now: many a command is over before there is anything to show
    from rich.live import Live

    console = Console(stderr=True, force_terminal=sys.stderr is not None and sys.stderr.isatty(), highlight=False)
    if console.is_jupyter:
        console.width = NOTEBOOK_WIDTH
    elif not console.is_terminal or console.is_dumb_terminal:
        return None
    return Live(
        console=console,
        get_renderable=drawn,
        transient=True,
        auto_refresh=False,  # in a notebook a thread that draws would catch what a cell prints meanwhile
        redirect_stdout=False,
        redirect_stderr=False,
    )


BOARD = Board()


def progress(items: Sequence[Item], *, what: str) -> Iterator[Item]:
    """The items one by one, with a bar that says how many are done; it goes away at the end."""
    with Bar(what, len(items)) as bar:
        for done, item in enumerate(items, 1):
            yield item
            bar.move(done)


class WaitingBar:
    """The bar of one wait: it comes after `SHOW_AFTER_S`, and runs towards the time at which the wait gives up."""

    def __init__(self, what: str, seconds: float) -> None:
        self._what, self._seconds = what, seconds
        self._bar: Bar | None = None

    def waited(self, seconds: float, seen: str = "") -> None:
        """Show how long it has been by now, and what was seen so far."""
        if seconds < SHOW_AFTER_S:
            return
        if self._bar is None:
            self._bar = Bar(seen or f"waiting for {self._what}", round(self._seconds), WAITING)
        self._bar.move(round(seconds), seen)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def stages(count: int) -> Iterator[Callable[[str], None]]:
    """What to call with a sentence as each of `count` stages begins; the first brings a bar, which goes at the end."""
    bar: Bar | None = None

    def begin(sentence: str) -> None:
        nonlocal bar
        if bar is None:
            bar = Bar(sentence, count, "{what}")
        else:
            bar.move(bar.done + 1, sentence)

    try:
        yield begin
    finally:
        if bar is not None:
            bar.close()
