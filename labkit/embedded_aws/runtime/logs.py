"""What an environment writes, as CloudWatch Logs shows it: one stream each, AWS's lines to the byte.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogsBackend

_TAIL_BYTES = 4096
_KEPT_BACK_SECONDS = 0.25


@dataclass(frozen=True)
class Report:
    """The figures of an invocation: durations in milliseconds, memory in MB. Init is None when warm."""

    request_id: str
    duration_ms: float
    init_ms: float | None
    memory_mb: int
    peak_mb: int
    error: str | None

    @property
    def billed_ms(self) -> int:
        """What is paid for: init counts, and every begun millisecond."""
        # Of the figures as they are printed: what a reader adds up is what is billed.
        return math.ceil(round(round(self.duration_ms, 2) + round(self.init_ms or 0.0, 2), 2))

    @property
    def used_mb(self) -> int:
        """The peak, which Lambda never shows above the function's size."""
        return min(self.peak_mb, self.memory_mb)


class LogStream:
    """The log stream of one environment. Lines are kept back a moment: most invocations are written in one go."""

    def __init__(self, backend: LogsBackend, group: str, version: str, initialization: str = "on-demand") -> None:
        """Name the stream; it and its group are made when the first line is written, if the role allows it."""
        self.group = group
        self.initialization = initialization
        self.may_make_group = True
        self.may_write = True
        self.name = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{uuid.uuid4().hex}"
        self.reported: Callable[[Report], None] = lambda _: None  # is told the figures of each invocation
        self._backend = backend
        self._pending: list[dict[str, int | str]] = []
        self._flush_at = 0.0
        self._invocation: list[str] = []

    def line(self, message: str, when: float | None = None) -> None:
        """Add one event: of now, or of a moment in seconds since 1970."""
        now = time.time()
        if not self._pending:
            self._flush_at = now + _KEPT_BACK_SECONDS
        self._pending.append({"timestamp": int((when or now) * 1000), "message": message})
        self._invocation.append(message)

    def init_start(self, runtime: str, when: float) -> None:
        """Say that a cold start began, at this moment in seconds since 1970."""
        version, arn = _runtime_version(runtime)
        self.line(f"INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}\n", when)

    def init_report(self, init_ms: float, phase: str, error: str) -> None:
        """Say how a failed init ended."""
        status = "timeout" if error == "Sandbox.Timedout" else f"error\tError Type: {error}"
        self.line(f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: {phase}\tStatus: {status}\n")
        self.flush()

    def start(self, request_id: str, version: str) -> None:
        """Open an invocation."""
        self._invocation.clear()
        self.line(f"START RequestId: {request_id} Version: {version}\n")

    def take_back_start(self) -> None:
        """Forget that an invocation was opened, if nobody has seen it yet: nothing ran."""
        del self._pending[-1:]

    def report(self, report: Report) -> None:
        """Close an invocation with its figures."""
        text = (
            f"REPORT RequestId: {report.request_id}\tDuration: {report.duration_ms:.2f} ms\t"
            f"Billed Duration: {report.billed_ms} ms\tMemory Size: {report.memory_mb} MB\t"
            f"Max Memory Used: {report.used_mb} MB\t"
        )
        if report.init_ms is not None:
            text += f"Init Duration: {report.init_ms:.2f} ms\t"
        if report.error == "Sandbox.Timedout":
            text += "Status: timeout"
        elif report.error is not None and report.error.startswith(("Runtime.", "Function.", "Sandbox.")):
            text += f"Status: error\tError Type: {report.error}"
        self.line(f"END RequestId: {report.request_id}\n")
        self.line(text + "\n")
        self._end(report)

    def _end(self, report: Report) -> None:
        self.flush()
        self.reported(report)

    def tail(self) -> bytes:
        """Return the last 4 KB that the latest invocation wrote."""
        lines = (text if text.endswith("\n") else f"{text}\n" for text in self._invocation)
        return "".join(lines).encode()[-_TAIL_BYTES:]

    def flush_what_is_old(self) -> None:
        """Show what a long invocation has written so far."""
        if self._pending and time.time() >= self._flush_at:
            self.flush()

    def flush(self) -> None:
        """Hand the lines to CloudWatch Logs. Without a group, and without the right to make one, they are lost."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        if not self.may_write:
            return
        try:
            self._backend.put_log_events(self.group, self.name, pending)
        except ResourceNotFoundException:
            if self.group not in self._backend.groups and not self.may_make_group:
                return
            self._backend.ensure_log_group(self.group)
            self._backend.ensure_log_stream(self.group, self.name)
            self._backend.put_log_events(self.group, self.name, pending)


class JsonLogStream(LogStream):
    """The same for a function whose log format is JSON.

    https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
    """

    def _platform(self, kind: str, record: dict[str, Any], when: float | None = None) -> None:
        when = when or time.time()
        self.line(json.dumps({"time": timestamp(when), "type": f"platform.{kind}", "record": record}), when)

    def init_start(self, runtime: str, when: float) -> None:
        """Say that a cold start began, at this moment in seconds since 1970."""
        version, arn = _runtime_version(runtime)
        record = {"initializationType": self.initialization, "phase": "init"}
        self._platform("initStart", record | {"runtimeVersion": version, "runtimeVersionArn": arn}, when)

    def init_report(self, init_ms: float, phase: str, error: str) -> None:
        """Say how a failed init ended."""
        record = {
            "initializationType": self.initialization,
            "phase": phase,
            "metrics": {"durationMs": round(init_ms, 3)},
        }
        self._platform("initReport", record | _status(error))
        self.flush()

    def start(self, request_id: str, version: str) -> None:
        """Open an invocation."""
        self._invocation.clear()
        self._platform("start", {"requestId": request_id, "version": version})

    def report(self, report: Report) -> None:
        """Close an invocation with its figures."""
        metrics = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": report.billed_ms,
            "memorySizeMB": report.memory_mb,
            "maxMemoryUsedMB": report.used_mb,
        }
        if report.init_ms is not None:
            metrics["initDurationMs"] = round(report.init_ms, 3)
        self._platform("report", {"requestId": report.request_id, "metrics": metrics} | _status(report.error))
        self._end(report)


def timestamp(when: float) -> str:
    """Return a moment, in seconds since 1970, as Lambda writes it: UTC with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when * 1000) % 1000:03d}Z"


def _status(error: str | None) -> dict[str, str]:
    if error == "Sandbox.Timedout":
        return {"status": "timeout"}
    return {"status": "success"} if error is None else {"status": "error", "errorType": error}


def _runtime_version(runtime: str) -> tuple[str, str]:
    version = f"{runtime.replace('python', 'python:')}.v1"
    return version, f"arn:aws:lambda:us-east-1::runtime:{uuid.uuid5(uuid.NAMESPACE_DNS, runtime).hex * 2}"


class Output:
    """Cuts what a process writes into log events.

    Plain output is one event a line. What goes through the runtime's logging comes in frames (type, length,
    time, text) and is one event whatever it holds; both share one pipe, so that their order is kept.
    """

    _FRAME = b"\xa5\x5a\x00"  # no valid UTF-8 text holds these bytes

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the events that `data` completes."""
        self._buffer += data
        while self._buffer:
            frame = self._buffer.find(self._FRAME)
            if frame == 0:
                if len(self._buffer) < 16:
                    return
                end = 16 + int.from_bytes(self._buffer[4:8], "big")
                if len(self._buffer) < end:
                    return
                message, self._buffer = self._buffer[16:end], self._buffer[end:]
                yield _text(message)
                continue
            newline = self._buffer.find(b"\n", 0, frame if frame > 0 else len(self._buffer))
            if newline >= 0:
                message, self._buffer = self._buffer[: newline + 1], self._buffer[newline + 1 :]
            elif frame > 0:
                message, self._buffer = self._buffer[:frame], self._buffer[frame:]
            else:
                return
            yield _text(message)

    def rest(self) -> Iterator[str]:
        """Yield what was written without a newline at the end."""
        if self._buffer:
            message, self._buffer = self._buffer, b""
            yield _text(message)


def _text(message: bytes) -> str:
    return message.decode("utf-8", "replace")
