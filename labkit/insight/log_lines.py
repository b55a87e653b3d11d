"""The lines of CloudWatch Logs, and one `Invocation` for each START ... END, REPORT in them.

Both of Lambda's log formats are read, text and JSON.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from labkit.result import Result, plain

TIMED_OUT = re.compile(r"Task timed out after [\d.]+ seconds")
# How the runtime logs an exception that the handler let through. (A tab after [ERROR] is the function's own logger.)
ERROR = re.compile(r"\[ERROR\] (?P<said>.*)")
# How the lines of our own functions begin and end a photo.
PHOTO_EVENTS = ("resized", "ignored", "failed")


@dataclass(frozen=True)
class LogLine:
    """One event of a log stream: when (UTC), what, in which stream, and CloudWatch's id of it."""

    time: datetime
    text: str
    stream: str
    event_id: str = ""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> LogLine:
        """The line in one event of `filter_log_events` or `get_log_events`."""
        return cls(_utc(event["timestamp"]), event["message"], event.get("logStreamName", ""), event.get("eventId", ""))

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The line as an object, if it is one line of JSON; else empty."""
        if not self.text.startswith("{"):
            return {}
        try:
            data = json.loads(self.text)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}


@dataclass(frozen=True)
class Invocation(Result):
    """One invocation: its figures from START and REPORT, how it ended, and its lines.

    Times in milliseconds, memory in MB. What is not known yet, because the REPORT has not arrived, is None.
    `status` is `ok`, `error`, `timeout`, `out of memory`, `init error` or `running`.
    """

    request_id: str
    stream: str
    started: datetime
    cold: bool = False
    duration_ms: float | None = None
    billed_ms: int | None = None
    memory_mb: int | None = None
    max_memory_mb: int | None = None
    init_ms: float | None = None
    status: str = "running"
    error: str = ""
    # When its environment began, as far as the lines tell: code and configuration are those of that moment.
    loaded: datetime | None = None
    lines: tuple[LogLine, ...] = field(default=(), repr=False)

    @property
    def finished(self) -> bool:
        """True if its REPORT has arrived."""
        return self.duration_ms is not None

    @property
    def ended(self) -> datetime | None:
        """When the handler returned or was stopped: the start and the duration; None while it runs."""
        return None if self.duration_ms is None else self.started + timedelta(milliseconds=self.duration_ms)

    @property
    def photos(self) -> tuple[Mapping[str, Any], ...]:
        """The function's own lines of JSON, one for each photo that was resized, ignored or failed."""
        return tuple(data for data in map(_own_data, self.lines) if data.get("event") in PHOTO_EVENTS)

    @property
    def did(self) -> str:
        """What the function did, in its own words: `resized ingest/AWS.jpg`."""
        return "; ".join(_photo_in_words(photo) for photo in self.photos)

    def sentence(self) -> str:
        took = f"after {self.duration_ms:.0f} ms" if self.duration_ms is not None else "since it has not ended yet"
        cold = ", on a cold start" if self.cold else ""
        return f"Invocation {self.request_id}: {self.status} {took}{cold}.{self.error and ' ' + self.error}"

    def rows(self) -> Iterable[Sequence[object]]:
        return [(f"{line.time:%H:%M:%S.%f}"[:-3], line.text.rstrip().replace("\t", "  ")) for line in self.lines]

    def headers(self) -> Sequence[str]:
        return ("time (UTC)", "line")

    def as_data(self) -> dict[str, Any]:
        """Its figures, how it ended, and what it did, in its own words and as the function logged it."""
        return {**plain(self), "did": self.did, "photos": plain(self.photos)}


def parse_log(lines: Iterable[LogLine]) -> tuple[Invocation, ...]:
    """The invocations in the lines of any number of streams, by the time of their START.

    An environment works on one invocation at a time, so that in one stream the lines of one stand together. The lines
    of an init stand before the START of the invocation that caused it, and are counted as its own.
    """
    streams: dict[str, list[LogLine]] = defaultdict(list)
    for line in lines:
        streams[line.stream].append(line)
    invocations = [invocation for stream in streams.values() for invocation in _parse_stream(stream)]
    return tuple(sorted(invocations, key=lambda invocation: invocation.started))


def _parse_stream(lines: list[LogLine]) -> Iterator[Invocation]:
    now: Invocation | None = None
    pending: list[LogLine] = []  # before the first START, or between a REPORT and the next START
    loaded = lines[0].time
    for line in lines:
        if _is_init_start(line):
            loaded = line.time
        started = _started(line)
        if started:
            if now is not None:
                yield now
            now, pending = replace(_begin(started, line, pending), loaded=loaded), []
        elif now is None or pending or (now.finished and _is_init_start(line)):
            pending.append(line)
        else:
            now = _with_line(replace(now, lines=(*now.lines, line)), line)
    if now is not None:
        yield now


def _begin(request_id: str, line: LogLine, before: list[LogLine]) -> Invocation:
    cold = any(_is_init_start(b) for b in before)
    invocation = Invocation(request_id, line.stream, line.time, cold, lines=(*before, line))
    for earlier in before:
        invocation = _with_line(invocation, earlier)
    return invocation


def _started(line: LogLine) -> str | None:
    if line.data.get("type") == "platform.start":
        return str(line.data["record"]["requestId"])
    match = re.match(r"START RequestId: (\S+)", line.text)
    return match[1] if match else None


def _is_init_start(line: LogLine) -> bool:
    return line.text.startswith("INIT_START") or line.data.get("type") == "platform.initStart"


def _with_line(invocation: Invocation, line: LogLine) -> Invocation:
    """The invocation with what one more line tells of it."""
    if line.text.startswith("REPORT RequestId:"):
        return _with_report(invocation, _text_report(line.text))
    if line.text.startswith("INIT_REPORT"):
        return _with_failed_init(invocation, _text_report(line.text))
    if line.data.get("type") == "platform.report":
        return _with_report(invocation, _json_report(line.data["record"]))
    if line.data.get("type") == "platform.initReport":
        return _with_failed_init(invocation, _json_report(line.data["record"]))
    if timed_out := TIMED_OUT.search(line.text):
        return replace(invocation, status="timeout", error=f"{timed_out[0]}.")
    if error := _error(line):
        return replace(invocation, error=invocation.error or error)
    return invocation


def _with_report(invocation: Invocation, report: Mapping[str, str]) -> Invocation:
    error_type, error = report.get("Error Type", ""), invocation.error
    if error_type == "Runtime.OutOfMemory":
        status, error = "out of memory", f"The function needed more than its {report['Memory Size']} MB."
    elif report.get("Status") == "timeout" or invocation.status == "timeout":
        status, error = "timeout", error or "The time-out was reached."
    elif invocation.status == "init error" and (_failed_again(invocation) or report.get("Status")):
        status = "init error"
    elif invocation.status == "init error":  # the second try, in the invocation itself, went well
        status, error = "ok", ""
    elif report.get("Status") in ("error", "failure"):
        status, error = "error", error or error_type
    else:
        status = "error" if error else "ok"
    init = report.get("Init Duration")
    return replace(
        invocation,
        cold=invocation.cold or init is not None,
        duration_ms=float(report["Duration"]),
        billed_ms=round(float(report["Billed Duration"])),
        memory_mb=int(report["Memory Size"]),
        max_memory_mb=int(report["Max Memory Used"]),
        init_ms=float(init) if init else invocation.init_ms,
        status=status,
        error=error,
    )


def _with_failed_init(invocation: Invocation, report: Mapping[str, str]) -> Invocation:
    if "Status" not in report or report["Status"] == "success":
        return invocation
    said = report.get("Error Type", report["Status"])
    return replace(
        invocation,
        init_ms=float(report["Init Duration"]),
        status="init error",
        error=invocation.error or f"The function could not be loaded: {said}.",
    )


def _failed_again(invocation: Invocation) -> bool:
    """True if the init failed in the invocation too: Lambda tries it once before, and once within."""
    return any(
        (line.text.startswith("INIT_REPORT") and "Phase: invoke" in line.text)
        or (line.data.get("type") == "platform.initReport" and line.data["record"].get("phase") == "invoke")
        for line in invocation.lines
    )


def _text_report(line: str) -> dict[str, str]:
    """`REPORT RequestId: x\\tDuration: 3.01 ms\\t...` as {"RequestId": "x", "Duration": "3.01", ...}."""
    fields = (part.split(": ", 1) for part in line.split(" ", 1)[1].strip().split("\t") if ": " in part)
    return {name.strip(): re.sub(r" (ms|MB)$", "", value.strip()) for name, value in fields}


def _json_report(record: Mapping[str, Any]) -> dict[str, str]:
    """The same from the JSON format."""
    names = {
        "durationMs": "Init Duration" if "phase" in record else "Duration",
        "billedDurationMs": "Billed Duration",
        "memorySizeMB": "Memory Size",
        "maxMemoryUsedMB": "Max Memory Used",
        "initDurationMs": "Init Duration",
    }
    metrics = {names[name]: str(value) for name, value in record["metrics"].items() if name in names}
    more = {"Status": record.get("status"), "Error Type": record.get("errorType")}
    return metrics | {name: str(value) for name, value in more.items() if value}


def _error(line: LogLine) -> str | None:
    """What an unhandled exception, logged by the runtime, says: `KeyError: 'Records'`."""
    if "errorType" in line.data and "log_level" in line.data:  # the function's own logger says "level"
        return f"{line.data['errorType']}: {line.data.get('errorMessage', '')}"
    match = ERROR.match(line.text)
    return match["said"].strip() if match else None


def _own_data(line: LogLine) -> Mapping[str, Any]:
    """What a function printed as JSON; in the JSON log format Lambda wraps printed text into a `message`."""
    message = line.data.get("message")
    if "event" not in line.data and isinstance(message, str):
        return replace(line, text=message).data
    if "event" not in line.data and isinstance(message, dict):
        return message
    return line.data


def _photo_in_words(photo: Mapping[str, Any]) -> str:
    words = f"{photo['event']} {photo.get('source_key', '')}".strip()
    return f"{words} ({photo['reason']})" if photo.get("reason") else words


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
