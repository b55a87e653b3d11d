"""How the lab's results show themselves: a sentence as text, a table as HTML, always both."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# The mime type under which a check's outcome is kept in an executed notebook, for the run's summary.
CHECKS_MIME = "application/vnd.labkit.checks+json"
MANY_CHECKS = 15  # more lines than that, if all of them passed, are folded in a page


def counted(count: int, thing: str) -> str:
    """`1 thing`, `2 things`, `1,200 things`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def text_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A plain table in columns, one line a row."""
    cells = [[str(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def html_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """The same table as HTML that reads without any style sheet; at the left, where JupyterLab would centre it.

    The first cell of a row is its heading, for screen readers.
    """
    head = "".join(f'<th scope="col" style="text-align:left">{escape(h)}</th>' for h in headers)
    body = ""
    for row in rows:
        first, *rest = (escape(str(cell)).replace("\n", "<br>") for cell in row)
        cells = "".join(f'<td style="text-align:left">{cell}</td>' for cell in rest)
        body += f'<tr><th scope="row" style="text-align:left">{first}</th>{cells}</tr>'
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f'<table style="margin-left:0">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


class Result:
    """A frozen dataclass that shows itself; `sentence` and `rows` are what a subclass gives."""

    def sentence(self) -> str:
        """The result in one sentence."""
        raise NotImplementedError

    def console(self) -> Sequence[str]:
        """The sentences that the AWS console shows for the calls just made; none if none was made."""
        return ()

    def headers(self) -> Sequence[str]:
        """The headings of the table."""
        return ("what", "value")

    def rows(self) -> Iterable[Sequence[object]]:
        """The rows of the table; by default none."""
        return ()

    def __str__(self) -> str:
        parts = [self.sentence(), *(f'The console says: "{said}"' for said in self.console())]
        rows = [tuple(row) for row in self.rows()]
        return "\n".join(parts + ([text_table(self.headers(), rows)] if rows else []))

    def _html(self) -> str:
        said = "".join(f"<p>The console says: <q>{escape(words)}</q></p>" for words in self.console())
        rows = [tuple(row) for row in self.rows()]
        table = html_table(self.headers(), rows) if rows else ""
        return f"<p>{escape(self.sentence())}</p>{said}{table}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002
        return {"text/plain": str(self), "text/html": self._html()}


@dataclass(frozen=True)
class Check:
    """One line of a check: what was looked at, PASS or FAIL, what was expected, what was found."""

    subject: str
    passed: bool
    expected: str
    found: str
    hint: str = ""  # what mends it; shown where it failed


@dataclass(frozen=True)
class Checks(Result):
    """All lines of one check, in a fixed order."""

    title: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True if every line passed."""
        return all(check.passed for check in self.checks)

    def failures(self) -> tuple[Check, ...]:
        """The lines that failed."""
        return tuple(check for check in self.checks if not check.passed)

    def sentence(self) -> str:
        """How many of the lines passed."""
        passed = sum(check.passed for check in self.checks)
        verdict = "PASS" if self.passed else "FAIL"
        return f"{verdict}: {self.title}, {passed} of {len(self.checks)} checks passed."

    def headers(self) -> Sequence[str]:
        """Columns; the hint only where something failed."""
        return ("what", "result", "expected", "found") + (() if self.passed else ("what to try",))

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a line."""
        for check in self.checks:
            row = (check.subject, "PASS" if check.passed else "FAIL", check.expected, check.found)
            yield row if self.passed else (*row, "" if check.passed else check.hint)

    def _html(self) -> str:
        if not self.passed or len(self.checks) <= MANY_CHECKS:
            return super()._html()
        table = html_table(self.headers(), self.rows())
        return f"<p>{escape(self.sentence())}</p><details><summary>Each of them</summary>{table}</details>"

    def as_data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "title": self.title,
            "passed": self.passed,
            "checks": [dataclasses.asdict(check) for check in self.checks],
        }

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            **super()._repr_mimebundle_(include, exclude),
            CHECKS_MIME: json.loads(json.dumps(self.as_data())),
        }
