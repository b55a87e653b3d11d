"""What the labkit command writes to a terminal: words, and nothing that would command it.

On a terminal lines keep to its width, and what does not fit is folded, never cut off. In a pipe or a file they are as
long as they are, without colours, unless the variable COLUMNS says how wide they may be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from typing import Any, Protocol, TextIO, runtime_checkable

from labkit.columns import Columns

# Whoever names an object or logs a line can write what a terminal obeys: it would clear the screen, set its title or
# show other words than there are. These are the control characters (line ends and tabs aside), the marks that turn the
# direction of writing, and what is left of a file name that is not UTF-8.
COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NARROWEST = 20  # columns; a terminal that says less does not know its width


@runtime_checkable
class Told(Protocol):
    """What consists of words and tables, as the lab's results do."""

    def pieces(self) -> Iterable[str | Columns]:
        """The words and tables, in order."""
        ...


def printable(text: str) -> str:
    """The text, with each character that could command a terminal spelt out, such as \\x1b."""
    return COMMANDING.sub(lambda found: ascii(found[0])[1:-1], text)


def say(words: object = "", *, err: bool = False, end: str = "\n") -> None:
    """Print words, or a result, to the terminal; with `err` to its error stream.

    All that the labkit command says to a person goes through here.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # whoever started this closed it
        return
    width = _width(stream)
    if width is None:
        _write(stream, printable(str(words)) + end)
        return
    from labkit.layout import lay_out  # only now: rich takes a moment, and a pipe needs none of it

    pieces = list(words.pieces()) if isinstance(words, Told) else [str(words)]
    _write(stream, lay_out(list(map(_printable, pieces)), width, colours=_has_colours(stream)) + end)


def say_json(data: Any) -> None:
    """Print data as JSON, with nothing folded: a program reads it."""
    if sys.stdout is not None:
        _write(sys.stdout, json.dumps(data, indent=2) + "\n")


def say_raw(text: str) -> None:
    """Print text that somebody will paste or pipe elsewhere, to the letter but for what commands a terminal."""
    if sys.stdout is not None:
        _write(sys.stdout, printable(text))


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end="", file=stream, flush=True)


def _printable(piece: str | Columns) -> str | Columns:
    if isinstance(piece, str):
        return printable(piece)
    rows = [[printable(cell) for cell in row] for row in piece.rows]
    return Columns.of([printable(heading) for heading in piece.headers], rows, indent=piece.indent)


def _width(stream: TextIO) -> int | None:
    """How many columns a line may take; None: as many as it likes."""
    if not stream.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def _has_colours(stream: TextIO) -> bool:
    """On a terminal, unless the user wants none: https://no-color.org"""
    return stream.isatty() and not os.environ.get("NO_COLOR")
