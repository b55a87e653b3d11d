"""Logs as a table: START, END and REPORT folded into one row a request; below it the lines, errors unfolded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.insight.logs import FunctionLogs, Request
from labkit.result import Result, html_table, html_text

MOST_UNFOLDED = 12  # the latest ones; an executed notebook has to stay small


@dataclass(frozen=True)
class LogTable(Result):
    """The requests of one or more functions; `unfolded` are those whose lines are shown too."""

    logs: tuple[FunctionLogs, ...]
    unfolded: tuple[Request, ...]

    def sentence(self) -> str:
        """One sentence a function."""
        return " ".join(one.sentence() for one in self.logs)

    def headers(self) -> Sequence[str]:
        """The figures of REPORT, and the function."""
        return ("function", *FunctionLogs.headers(self.logs[0]))

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a request, by time."""
        rows = [(r, (one.function, *row)) for one in self.logs for r, row in zip(one, one.rows(), strict=True)]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0].started)]

    def _text(self) -> str:
        failed = [request for request in self.unfolded if request.status not in ("ok", "running")]
        return "\n\n".join([super()._text(), *(f"{r.sentence()}\n{_lines(r)}" for r in failed)])

    def _html(self) -> str:
        return "".join(
            f'<div style="margin-bottom:1em"><p>{html_text(one.sentence())}</p>'
            + (html_table(one.headers(), one.rows(), caption=one.log_group) if one.requests else "")
            + "".join(_unfolded(request) for request in one if request in self.unfolded)
            + "</div>"
            for one in self.logs
        )


def log_table(logs: FunctionLogs | Sequence[FunctionLogs], *, unfold: bool = True) -> LogTable:
    """The logs of one function, or of several.

    The lines of the latest requests can be opened below the table, those of failed ones are open already; without
    `unfold` there is the table alone.
    """
    several = (logs,) if isinstance(logs, FunctionLogs) else tuple(logs)
    requests = sorted((request for one in several for request in one), key=lambda request: request.started)
    return LogTable(several, tuple(requests[-MOST_UNFOLDED:]) if unfold else ())


def _unfolded(request: Request) -> str:
    """A request's lines, to be opened; those of a failed one are open already."""
    state = "" if request.status in ("ok", "running") else " open"
    said, lines = html_text(request.sentence()), html_text(_lines(request))
    return f"<details{state}><summary>{said}</summary><pre>{lines}</pre></details>"


def _lines(request: Request) -> str:
    return "\n".join(f"{time}  {text}" for time, text in request.rows())
