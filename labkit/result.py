"""How the lab's results show themselves: a sentence as text, a table as HTML, always both.

A result may hold what somebody else wrote: a key, a log line, a message. As HTML it is escaped and never taken for a
formula; as text, what would command a terminal is shown instead of obeyed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape
from typing import Any, Literal, TypeVar, overload

from labkit.columns import Columns
from labkit.terminal import printable

# The mime type under which a check's outcome is kept in an executed notebook, for the run's summary.
CHECKS_MIME = "application/vnd.labkit.checks+json"
# JupyterLab, Notebook, nbconvert and Sphinx typeset what stands between two dollar signs, prices too, but not inside an
# element of the class that their MathJax leaves alone: https://docs.mathjax.org/en/latest/options/document.html
NO_FORMULAS = "mathjax_ignore tex2jax_ignore"

Item = TypeVar("Item")
# From the best to the worst: as the step made it; photos get through, and it is otherwise than the step made it; photos
# get through today; it has not come to its end yet; it is not there; photos do not get through.
Verdict = Literal["works", "different", "risky", "underway", "missing", "broken"]


def counted(count: int, thing: str) -> str:
    """`1 thing`, `2 things`, `1,200 things`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


class Html(str):
    """A piece of HTML that is ready to be shown: `html_text` leaves it as it is."""


def html_text(text: object) -> Html:
    """Any value as the text of an HTML page, whatever is in it."""
    return text if isinstance(text, Html) else Html(escape(printable(str(text))))


def html_prose(text: str) -> Html:
    """Words of the lab's own as HTML, in which `back ticks` mark code."""
    return Html(re.sub(r"`([^`]+)`", r"<code>\1</code>", html_text(text)))


def text_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A plain table in columns; a cell of several lines makes its row as high."""
    return str(Columns.of(headers, rows))


def plain(value: Any) -> Any:
    """A value as JSON knows it: of dataclasses the fields that they show, times in ISO 8601, paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value) if one.repr}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def html_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """The same table as HTML that reads without any style sheet; at the left, where JupyterLab would centre it.

    The first cell of a row is its heading, for screen readers.
    """
    head = "".join(f'<th scope="col" style="text-align:left">{html_text(h)}</th>' for h in headers)
    body = ""
    for row in rows:
        first, *rest = (html_text(cell).replace("\n", "<br>") for cell in row)
        cells = "".join(f'<td style="text-align:left">{cell}</td>' for cell in rest)
        body += f'<tr><th scope="row" style="text-align:left">{first}</th>{cells}</tr>'
    title = f'<caption style="text-align:left">{html_text(caption)}</caption>' if caption else ""
    return f'<table style="margin-left:0">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


class Result:
    """A frozen dataclass that shows itself; `sentence` and `rows` are what a subclass gives.

    One that looks different gives `pieces` (or, if no command shows it, `_text`) and `_html` as well, and is still
    shown through `str`, a terminal and the mime bundle.
    """

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

    def pieces(self) -> Iterable[str | Columns]:
        """Its words and tables, in order: what the plain text puts together, and a terminal lays out for its width."""
        yield self.sentence()
        for said in self.console():
            yield f'The console says: "{said}"'
        if rows := [tuple(row) for row in self.rows()]:
            yield Columns.of(self.headers(), rows)

    def as_data(self) -> dict[str, Any]:
        """The same as plain data, for JSON: the fields that it shows, unless a subclass says it better."""
        data: dict[str, Any] = plain(self)
        return data

    def __str__(self) -> str:
        return printable(self._text())

    def _text(self) -> str:
        return "\n".join(map(str, self.pieces()))

    def _html(self) -> str:
        said = "".join(f"<p>The console says: <q>{html_text(words)}</q></p>" for words in self.console())
        rows = [tuple(row) for row in self.rows()]
        table = html_table(self.headers(), rows) if rows else ""
        return f"<p>{html_text(self.sentence())}</p>{said}{table}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002
        return {"text/plain": str(self), "text/html": f'<div class="{NO_FORMULAS}">{self._html()}</div>'}


@dataclass(frozen=True)
class Table(Result, Sequence[Item]):
    """Several results of one kind: a sentence about them all, one row each, and what the console says of each.

    It is a sequence of them. `columns` gives, for each heading, the cell of one item.
    """

    items: tuple[Item, ...]
    said: str
    columns: Mapping[str, Callable[[Item], object]] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        return self.items[index]

    def sentence(self) -> str:
        """What there is to say about all of them."""
        return self.said

    def console(self) -> Sequence[str]:
        """What the console says of each."""
        return [said for item in self.items if isinstance(item, Result) for said in item.console()]

    def headers(self) -> Sequence[str]:
        """The headings of the columns."""
        return tuple(self.columns)

    def rows(self) -> Iterable[Sequence[object]]:
        """One row an item."""
        return [tuple(cell(item) for cell in self.columns.values()) for item in self.items]


@dataclass(frozen=True)
class Check:
    """One line of a check: what was looked at, PASS or FAIL, what was expected, what was found.

    `verdict` says more finely how a line fails: what works, but not as the step made it, is *different*.
    Raises ValueError if the two contradict each other.
    """

    subject: str
    passed: bool
    expected: str
    found: str
    hint: str = ""  # what to try, in words
    verdict: Verdict | Literal[""] = ""  # if not given: works, or broken
    evidence: str = ""  # what AWS answered, or where it can be seen
    call: str = ""  # the line of code that fixes it

    def __post_init__(self) -> None:
        if not self.verdict:
            object.__setattr__(self, "verdict", "works" if self.passed else "broken")
        if self.passed != (self.verdict == "works"):
            raise ValueError(f"{self.subject}: passed is {self.passed}, and the verdict {self.verdict!r}")

    @property
    def result(self) -> str:
        """`PASS` or `FAIL`, and what is to be said beside it."""
        word = "PASS" if self.passed else "FAIL"
        return word if self.verdict == "works" else f"{word}, {self.verdict}"

    def details(self) -> Iterator[tuple[str, str]]:
        """What there is to say about it, in words: expected, found, evidence, what to try, and the call."""
        yield "expected", self.expected
        yield "found", self.found
        for name, words in (("evidence", self.evidence), ("what to try", self.hint), ("fix", self.call)):
            if words:
                yield name, words


def _opened(check: Check) -> str:
    """A line that a person has to look at, as a small table of its own."""
    looks: dict[str, Callable[[str], object]] = {"what to try": html_prose, "fix": lambda call: html_prose(f"`{call}`")}
    rows = [(name, looks.get(name, html_text)(words)) for name, words in check.details()]
    return html_table((check.result, check.subject), rows)


@dataclass(frozen=True)
class Checks(Result):
    """All lines of one check, in a fixed order. Shown are those that a person has to look at; the rest is folded."""

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
        """How many of the lines passed or, if any failed, how many failed."""
        return f"{self._count()}: {self.title}."

    def _count(self) -> str:
        failed = len(self.failures())
        return f"{failed or len(self.checks)} of {len(self.checks)} {'FAIL' if failed else 'PASS'}"

    def headers(self) -> Sequence[str]:
        """Columns of the whole list; the hint only where something failed."""
        return ("what", "result", "expected", "found") + (() if self.passed else ("what to try",))

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a line, those that passed included."""
        for check in self.checks:
            row = (check.subject, check.result, check.expected, check.found)
            yield row if self.passed else (*row, "" if check.passed else check.hint)

    def pieces(self) -> Iterable[str | Columns]:
        """How many passed; and of each line that failed all there is to say."""
        yield f"{'✓' if self.passed else '✗'} {self.sentence()}"
        for check in self.failures():
            yield f"\n{check.result}: {check.subject}"
            yield Columns.of((), check.details(), indent=2)

    def _html(self) -> str:
        mark = "✓" if self.passed else "✗"
        said = (
            f'<p><span aria-hidden="true">{mark}</span> <strong>{self._count()}</strong>: {html_text(self.title)}.</p>'
        )
        opened = "".join(_opened(check) for check in self.failures())
        folded = html_table(self.headers(), self.rows())
        return f"{said}{opened}<details><summary>All {len(self.checks)} lines</summary>{folded}</details>"

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
