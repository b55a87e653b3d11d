"""A table in the middle of words: plain for pipes and notebooks; a terminal lays it out for its own width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

GAP = 2  # blanks between columns


@dataclass(frozen=True)
class Columns:
    """Headings (or none) and rows of texts, set in by so many blanks; a cell may have several lines."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    indent: int = 0

    @classmethod
    def of(cls, headers: Sequence[str], rows: Iterable[Sequence[object]], *, indent: int = 0) -> Columns:
        """The columns of whatever has a text."""
        return cls(tuple(headers), tuple(tuple(map(str, row)) for row in rows), indent)

    def __str__(self) -> str:
        cells = [[cell.split("\n") for cell in row] for row in (self.headers, *self.rows) if row]
        widths = [max(map(len, (line for row in cells for line in row[i]))) for i in range(len(cells[0]))]
        lines = [line for row in cells for line in _lines_of(row, widths)]
        if self.headers:
            lines.insert(1, (" " * GAP).join("-" * width for width in widths))
        return "\n".join(" " * self.indent + line for line in lines)


def _lines_of(row: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for n in range(max(map(len, row))):
        words = [cell[n] if n < len(cell) else "" for cell in row]
        yield (" " * GAP).join(word.ljust(width) for word, width in zip(words, widths, strict=True)).rstrip()
