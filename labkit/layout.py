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
        first, *others = _styled(line).wrap(console, width) or [Text()]
        if not others or not indent:
            yield from (first, *others)
            continue
        # The first line may take the full width, those that follow it stand under its words.
        rest = _styled(line[len(first.plain) :].lstrip())
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


def _columns(columns: Columns, width: int) -> Iterator[Table | Padding | Text]:
    room = width - columns.indent
    if _fits(columns, room):
        yield Padding(_table(columns), (0, 0, 0, columns.indent), expand=False)
        return
    for number, row in enumerate(columns.rows):
        if number:
            yield Text()
        yield Padding(_record(columns.headers, row, room), (0, 0, 0, columns.indent), expand=False)


def _fits(columns: Columns, room: int) -> bool:
    """Whether the table can be shown with no word torn and no cell too tall."""
    if not columns.headers:
        return True
    cells = list(zip(*(columns.headers, *columns.rows), strict=True))
    least, widest = ([max(map(of, column)) for column in cells] for of in (_longest_word, _width))
    room -= GAP * (len(cells) - 1)
    if sum(widest) <= room:
        return True
    spare = room - sum(least)
    most = max(range(len(cells)), key=lambda n: widest[n])
    return spare >= 0 and widest[most] <= TALLEST * (least[most] + spare // 2)


def _table(columns: Columns) -> Table:
    headed = bool(columns.headers)
    table = Table(
        box=box.SIMPLE_HEAD if headed else None,
        show_header=headed,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1 if headed else GAP, 0, 0),
        header_style="bold",
    )
    for number in range(len(columns.rows[0]) if columns.rows else len(columns.headers)):
        cells = [row[number] for row in columns.rows]
        heading = columns.headers[number] if headed else ""
        least = max(map(_longest_word, (heading, *cells)))
        # Without headings, the names at the left stay whole, and what they name folds.
        table.add_column(
            heading, overflow="fold", min_width=least if headed else None, no_wrap=not headed and not number
        )
    for row in columns.rows:
        table.add_row(*map(_styled, row))
    return table


def _record(headers: Sequence[str], row: Sequence[str], room: int) -> Table:
    """One row as a list: what it is about, and below it each heading with its cell."""
    told = [(heading, cell) for heading, cell in zip(headers, row, strict=True) if cell]
    indent = " " * GAP
    table = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=room)
    for heading, cell in told:
        table.add_row(Text(heading if heading == told[0][0] else indent + heading, "bold"), _styled(cell))
    return table


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")))
