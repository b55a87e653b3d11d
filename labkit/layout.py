"""How words and tables are laid out in a terminal of a certain width: folded, coloured, and never cut off.

A table that has room is a table. One that has not folds its long cells, as long as no word of them has to be torn;
one for which even that is too narrow is shown row by row, each heading with its cell.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from labkit.columns import GAP, Columns

# Colours go with words that say the same: the first one that begins a cell or a line counts.
STYLES = {
    "green": ["✓", "PASS", "works", "made", "ok", "enabled", "resized"],
    "bold red": ["✗", "FAIL", "FAILING", "BROKEN", "broken", "missing", "error", "failed"],
    "yellow": ["risky", "different", "timeout"],
    "cyan": ["Underway", "underway", "running"],
}
STYLE_OF = {word: style for style, words in STYLES.items() for word in words}
COMMAND = re.compile(r"`[^`\n]+`")
# What a line's continuations stand under: its own indent and, in an error, the words after `where:`.
HANGING = re.compile(r" {2}(?:where:|AWS said:|try:) +|\d\d:\d\d:\d\d\.\d+ +| *")
# After these a word that is longer than its line may break: in an ARN, a key or an address.
JOINTS = re.compile(r"[^-/:,._=&?]*[-/:,._=&?]*")
SHORT = 30  # characters of a heading and its cell that share a line with others
NOTHING = ("", "-")  # what a cell says that has nothing to say
TALLEST = 8  # lines of one cell; a table whose cells are taller reads better row by row


def lay_out(parts: Sequence[str | Columns], width: int, *, colours: bool) -> str:
    """The parts as lines of at most `width` columns; with `colours`, as the terminal can show them."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colours, color_system="auto" if colours else None, highlight=False
    )
    for part in parts:
        for piece in _words(part, width, console) if isinstance(part, str) else _columns(part, width):
            console.print(piece)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _words(text: str, width: int, console: Console) -> Iterator[Text | Padding]:
    for line in text.expandtabs().split("\n"):
        hanging = HANGING.match(line)
        indent = min(len(hanging[0]) if hanging else 0, width // 2)
        first, *others = _jointed(_styled(line), width).wrap(console, width) or [Text()]
        if not others or not indent:
            yield from (first, *others)
            continue
        # The first line may take the full width, those that follow it stand under its words.
        rest = _jointed(_styled(line[len(first.plain) :].lstrip()), width - indent)
        yield first
        yield Padding(rest, (0, 0, 0, indent), expand=False)


def _styled(text: str) -> Text:
    """The text, in the colour of the word that it begins with; commands to type stand out."""
    styled = Text(text)
    if (word := re.match(r"\s*([\w✓✗]+)", text)) and word[1] in STYLE_OF:
        styled.stylize(STYLE_OF[word[1]], word.start(1), word.end(1))
        if word[1] in "✓✗" and (counted := re.match(r". \d+ of \d+ (PASS|FAIL)", text)):
            styled.stylize(f"bold {STYLE_OF[counted[1]]}", 0, counted.end())
    styled.highlight_regex(COMMAND, "cyan")
    return styled


def _jointed(text: Text, width: int) -> Text:
    """The text, in which words that are longer than a line break at their joints, as far as they have any."""
    breaks = [word.start() + at for word in re.finditer(r"\S+", text.plain) for at in _breaks(word[0], width)]
    return Text("\n").join(text.divide(breaks))


def _breaks(word: str, width: int) -> Iterator[int]:
    """Where in a word a new line begins, if it is to break."""
    if cell_len(word) <= width:
        return
    begun = 0
    for piece in JOINTS.finditer(word):
        if cell_len(word[begun : piece.end()]) > width and piece.start() > begun:
            begun = piece.start()
            yield begun


def _columns(columns: Columns, width: int) -> Iterator[Padding | Text]:
    room = width - columns.indent
    if not columns.headers or (widths := _widths(columns, room)):
        table = _table(columns, widths) if columns.headers else _list(columns.rows, room)
        yield Padding(table, (0, 0, 0, columns.indent), expand=False)
        return
    # Row by row, what belongs to a heading stands at the same place in all of them.
    records = [list(_record(columns.headers, row)) for row in columns.rows]
    left = min(max((cell_len(name) for record in records for name, _ in record), default=0), room // 2)
    for number, (row, record) in enumerate(zip(columns.rows, records, strict=True)):
        if number and row[0]:  # else it goes on with what is above
            yield Text()
        yield Padding(_list(record, room, left), (0, 0, 0, columns.indent), expand=False)


def _widths(columns: Columns, room: int) -> list[int]:
    """How wide each column is to be; none if a word would be torn, or a cell become too tall."""
    cells = list(zip(*(columns.headers, *columns.rows), strict=True))
    widths, wanted = ([max(map(of, column)) for column in cells] for of in (_longest_word, _width))
    spare = room - GAP * (len(cells) - 1) - sum(widths)
    if spare < 0:
        return []
    while spare and widths != wanted:
        narrow = min((n for n in range(len(cells)) if widths[n] < wanted[n]), key=lambda n: wanted[n])
        widths[narrow] += 1
        spare -= 1
    tall = any(want > TALLEST * width for width, want in zip(widths, wanted, strict=True))
    return [] if tall else widths


def _table(columns: Columns, widths: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="bold")
    for heading, width in zip(columns.headers, widths, strict=True):
        table.add_column(heading, overflow="fold", width=width)
    for row in columns.rows:
        table.add_row(*map(_styled, row))
    return table


def _list(rows: Sequence[Sequence[str]], room: int, left: int = 0) -> Table:
    """Names at the left, which stay whole if they leave room, and what they name, which folds."""
    left = left or min(max((cell_len(name) for name, _ in rows), default=0), room // 2)
    table = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column(overflow="fold", width=left)
    table.add_column(overflow="fold")
    for name, words in rows:
        table.add_row(_jointed(Text(name, "bold"), left), _jointed(_styled(words), room - GAP - left))
    return table


def _record(headers: Sequence[str], row: Sequence[str]) -> Iterator[tuple[str, str]]:
    """One row as a list: what it is about, and below it each heading with its cell; short ones share the last lines.

    Where there is nothing, nothing is said.
    """
    if row[0]:
        yield headers[0], row[0]
    told = [(heading, cell) for heading, cell in zip(headers[1:], row[1:], strict=True) if cell not in NOTHING]
    short = [f"{heading}: {cell}" for heading, cell in told if len(heading) + len(cell) <= SHORT]
    for heading, cell in told:
        if len(heading) + len(cell) > SHORT:
            yield " " * GAP + heading, cell
    if short:
        yield "", ", ".join(short)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")))
