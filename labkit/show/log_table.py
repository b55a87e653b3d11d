"""Logs as a table: START, END and REPORT folded into one row an invocation; below it the lines, errors unfolded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.insight.log_lines import Invocation
from labkit.insight.logs import FunctionLogs
from labkit.result import Result, html_table, html_text

MOST_UNFOLDED = 12  # the latest ones; an executed notebook has to stay small


@dataclass(frozen=True)
class LogTable(Result):
    """The invocations of one or more functions; `unfolded` are those whose lines are shown too."""

    logs: tuple[FunctionLogs, ...]
    unfolded: tuple[Invocation, ...]

    def sentence(self) -> str:
        """One sentence a function."""
        return " ".join(one.sentence() for one in self.logs)

    def headers(self) -> Sequence[str]:
        """The figures of REPORT, and the function."""
        return ("function", *FunctionLogs.headers(self.logs[0]))

    def rows(self) -> Iterable[Sequence[object]]:
        """One row an invocation, by time."""
        rows = [(r, (one.function, *row)) for one in self.logs for r, row in zip(one, one.rows(), strict=True)]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0].started)]

    def _text(self) -> str:
        failed = [invocation for invocation in self.unfolded if invocation.status not in ("ok", "running")]
        return "\n\n".join([super()._text(), *(f"{r.sentence()}\n{_lines(r)}" for r in failed)])

    def _html(self) -> str:
        return "".join(
            f'<div style="margin-bottom:1em"><p>{html_text(one.sentence())}</p>'
            + (html_table(one.headers(), one.rows(), caption=one.log_group) if one.invocations else "")
            + "".join(_unfolded(invocation) for invocation in one if invocation in self.unfolded)
            + "</div>"
            for one in self.logs
        )


def log_table(logs: FunctionLogs | Sequence[FunctionLogs], *, unfold: bool = True) -> LogTable:
    """The logs of one function, or of several.

    The lines of the latest invocations can be opened below the table, those of failed ones are open already; without
    `unfold` there is the table alone.
    """
    several = (logs,) if isinstance(logs, FunctionLogs) else tuple(logs)
    invocations = sorted(
        (invocation for one in several for invocation in one), key=lambda invocation: invocation.started
    )
    return LogTable(several, tuple(invocations[-MOST_UNFOLDED:]) if unfold else ())


def _unfolded(invocation: Invocation) -> str:
    """An invocation's lines, to be opened; those of a failed one are open already."""
    state = "" if invocation.status in ("ok", "running") else " open"
    said, lines = html_text(invocation.sentence()), html_text(_lines(invocation))
    return f"<details{state}><summary>{said}</summary><pre>{lines}</pre></details>"


def _lines(invocation: Invocation) -> str:
    return "\n".join(f"{time}  {text}" for time, text in invocation.rows())
