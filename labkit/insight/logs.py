"""What the functions wrote to CloudWatch Logs: the log group of each, with its streams, invocations and lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit.errors import LabError, aws_errors
from labkit.insight.log_lines import Invocation, LogLine, parse_log
from labkit.lab import Lab
from labkit.resources.resource import found_or_none
from labkit.result import Result, plain
from labkit.waiting import wait_until

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class FunctionLogs(Result):
    """All that one function has logged; oldest first."""

    function: str
    log_group: str
    streams: tuple[str, ...] = ()
    invocations: tuple[Invocation, ...] = ()
    lines: tuple[LogLine, ...] = field(default=(), repr=False)
    exists: bool = True

    def __iter__(self) -> Iterator[Invocation]:
        return iter(self.invocations)

    def select(self, *, stream: str = "", text: str = "", since: datetime | None = None) -> FunctionLogs:
        """The same, with only the invocations that lie in a stream, contain a text (any case), began since then."""
        kept = tuple(
            invocation
            for invocation in self.invocations
            if stream in invocation.stream
            and (since is None or invocation.started >= since)
            and any(text.lower() in line.text.lower() for line in invocation.lines)
        )
        ids = {id(line) for invocation in kept for line in invocation.lines}
        return replace(self, invocations=kept, lines=tuple(line for line in self.lines if id(line) in ids))

    def about(self, key: str) -> tuple[Invocation, ...]:
        """The invocations that worked on the photo with this key."""
        return tuple(r for r in self.invocations if any(photo.get("source_key") == key for photo in r.photos))

    def errors(self) -> tuple[Invocation, ...]:
        """The invocations that neither ended well nor still run."""
        return tuple(invocation for invocation in self.invocations if invocation.status not in ("ok", "running"))

    def sentence(self) -> str:
        if not self.exists:
            return (
                f"There is no log group {self.log_group} yet. A log group exists only after the first invocation "
                f"of {self.function}, unless somebody makes it: upload a photo, and look again."
            )
        if not self.invocations:
            return f"The log group {self.log_group} is there, and no invocation of {self.function} has written to it."
        cold = sum(invocation.cold for invocation in self.invocations)
        return (
            f"{self.function} was invoked {_times(len(self.invocations))} in {_environments(len(self.streams))}: "
            f"{cold} cold, {len(self.errors())} with an error."
        )

    def headers(self) -> Sequence[str]:
        return (
            "invocation",
            "started (UTC)",
            "start",
            "status",
            "init ms",
            "duration ms",
            "billed ms",
            "memory used of size",
            "what it did",
        )

    def rows(self) -> Iterable[Sequence[object]]:
        for r in self.invocations:
            yield (
                r.request_id[:8],
                f"{r.started:%H:%M:%S.%f}"[:-3],
                "cold" if r.cold else "warm",
                r.status,
                _number(r.init_ms),
                _number(r.duration_ms),
                _number(r.billed_ms),
                f"{r.max_memory_mb} of {r.memory_mb} MB" if r.max_memory_mb is not None else "-",
                r.error or r.did or "-",
            )

    def as_data(self) -> dict[str, Any]:
        """The function, where it logs, and its invocations."""
        return {**plain(self), "invocations": [invocation.as_data() for invocation in self.invocations]}


def read_logs(lab: Lab, function_name: str, *, since: datetime | timedelta | str | None = None) -> FunctionLogs:
    """All logs of a function, or those `since` a time (UTC), a timedelta ago, or `"5m"`, `"2h"`, `"1d"` ago.

    A log group that is not there yet is not an error: the result says so. Raises LabError if AWS refuses.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
    """
    branch = lab.branch(function_name)
    name, group = branch.function_name, branch.log_group
    parameters: dict[str, Any] = {"logGroupName": group}
    if since is not None:
        parameters["startTime"] = int(beginning(since).timestamp() * 1000)
    with aws_errors(f"reading the logs of {name}"):
        events = found_or_none(_all_events, client=lab.client("logs"), parameters=parameters)
    if events is None:
        return FunctionLogs(name, group, exists=False)
    lines = _in_order(LogLine.from_event(event) for event in events)
    streams = tuple(dict.fromkeys(line.stream for line in lines))
    return FunctionLogs(name, group, streams, parse_log(lines), lines)


def wait_for_logs(lab: Lab, function_name: str, *, key: str | None = None, seconds: float = 60) -> FunctionLogs:
    """The logs, once an invocation on the photo `key` (any one, if None) has its REPORT and none is still running.

    The REPORT arrives a little after the result: Lambda writes it when the invocation is over. Raises WaitedTooLong.
    """

    def ask() -> FunctionLogs | None:
        logs = read_logs(lab, function_name)
        wanted = logs.invocations if key is None else logs.about(key)
        return logs if wanted and all(invocation.finished for invocation in logs) else None

    return wait_until(
        ask,
        what=f"the REPORT line of {function_name}{f' on {key}' if key else ''}",
        seconds=seconds,
        hint=f"Has a photo been uploaded, and is the trigger of {function_name} enabled? doctor(lab) looks.",
    )


def beginning(since: datetime | timedelta | str, now: datetime | None = None) -> datetime:
    """The time that `since` means: itself, or so long ago. Raises LabError for a text that is neither."""
    now = now or datetime.now(UTC)
    if isinstance(since, datetime):
        return since
    if isinstance(since, timedelta):
        return now - since
    match = re.fullmatch(r"(\d+)\s*([smhd])(?: ago)?", since.strip())
    if match is None:
        raise LabError(
            f"{since!r} says no time.",
            where="reading logs",
            hint='Say "30s", "5m", "2h" or "1d", or give a datetime.',
            code="bad-option",
        )
    return now - timedelta(**{UNITS[match[2]]: int(match[1])})


def _all_events(client: Any, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All pages; an event that comes on two pages counts once."""
    pages = client.get_paginator("filter_log_events").paginate(**parameters)
    events = [event for page in pages for event in page["events"]]
    return list({event.get("eventId", str(k)): event for k, event in enumerate(events)}.values())


def _in_order(lines: Iterable[LogLine]) -> tuple[LogLine, ...]:
    """By time; what was written in the same millisecond stays in the order in which AWS gave it."""
    return tuple(sorted(lines, key=lambda line: line.time))


def _number(value: float | int | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if isinstance(value, int) else f"{value:,.1f}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _environments(count: int) -> str:
    return "one environment" if count == 1 else f"{count} environments"
