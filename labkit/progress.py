"""Progress on what takes longer than a moment: a bar in a notebook or a terminal, nothing where nobody looks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Protocol, TypeVar

from labkit.terminal import printable

if TYPE_CHECKING:
    from rich.table import Table

HEADLESS = "LABKIT_HEADLESS"  # set by the runner: an executed copy of a notebook needs no bars, and no buttons
COUNTED = "{what}: {done} of {total}"
WAITING = "{what} ({done} s; gives up at {total} s)"
SHOW_AFTER_S = 1.0  # what is over sooner needs no bar
BAR_WIDTH = 20  # columns

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


class Face(Protocol):
    """What shows bars somewhere, from when it is made until it is stopped."""

    def refresh(self) -> None:
        """Show them as they are now."""
        ...

    def stop(self) -> None:
        """Leave nothing behind."""
        ...


class Board:
    """All bars of this process, one below the other: of steps, of what a step waits for."""

    def __init__(self) -> None:
        self._bars: list[Bar] = []
        self._face: Face | None = None
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
            if self._face is None:
                self._face = _face(self)
            if self._face is not None:
                self._face.refresh()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """While something is written where the bars stand, they are away."""
        with self._lock:
            self._take_down()
            try:
                yield
            finally:
                self.refresh()

    def as_table(self) -> Table:
        """The bars in rows, each with its sentence, which folds."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(min_width=BAR_WIDTH)
        for bar in self._bars:
            drawn = ProgressBar(bar.total or 1, bar.done, BAR_WIDTH, complete_style="cyan", finished_style="cyan")
            table.add_row(Text(bar.sentence), drawn)
        return table

    def as_html(self) -> str:
        """The bars as a browser draws them, each before its sentence."""
        drawn = []
        for bar in self._bars:
            words = escape(bar.sentence)
            shape = f'<progress max="{bar.total or 1}" value="{bar.done}" aria-label="{words}"></progress>'
            drawn.append(f"<div>{shape} {words}</div>")
        return "".join(drawn)

    def _take_down(self) -> None:
        face, self._face = self._face, None
        if face is not None:
            face.stop()


class InNotebook:
    """One widget, which can be taken out of a page again."""

    def __init__(self, board: Board) -> None:
        from IPython.display import display
        from ipywidgets import HTML  # type: ignore[import-untyped]

        self._board, self._widget = board, HTML(board.as_html())
        display(self._widget)  # type: ignore[no-untyped-call]

    def refresh(self) -> None:
        """Show the bars as they are now."""
        self._widget.value = self._board.as_html()

    def stop(self) -> None:
        """Close it: a page takes it out."""
        self._widget.close()


def _face(board: Board) -> Face | None:
    """What can show bars here, and take them away again; a pipe, a file and a teletype cannot."""
    from rich.console import Console  # only now: many a command is over before there is anything to show
    from rich.live import Live

    console = Console(stderr=True, force_terminal=sys.stderr is not None and sys.stderr.isatty(), highlight=False)
    if console.is_jupyter:
        return InNotebook(board)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    live = Live(
        console=console,
        get_renderable=board.as_table,
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    console.show_cursor()  # which it hides; an interrupt could come before it is shown again
    return live


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
