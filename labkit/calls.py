"""What a step really asked of AWS: every API call, recorded from boto3's own events, without credentials."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from boto3 import Session

REMEMBERED = 10_000  # calls kept; the oldest go first
HIDDEN = "(hidden)"
_unrecorded: ContextVar[bool] = ContextVar("unrecorded", default=False)
SECRET = re.compile(r"secret|password|credential|token", re.IGNORECASE)


@dataclass(frozen=True)
class Blob:
    """Instead of a large binary parameter: only its size in bytes is kept, if it is known."""

    size: int | None

    def __str__(self) -> str:
        return "a file" if self.size is None else f"a file of {self.size:,} bytes"


@dataclass
class Call:
    """One API call: the service as boto3 names it, the operation, its parameters, and AWS's error code if any."""

    service: str  # sns
    operation: str  # CreateTopic
    parameters: Mapping[str, Any]
    error: str | None = None
    done: bool = False


@contextmanager
def unrecorded() -> Iterator[None]:
    """What this thread calls meanwhile is no step of a person's, and is not recorded: looking on, for one."""
    token = _unrecorded.set(True)
    try:
        yield
    finally:
        _unrecorded.reset(token)


@dataclass
class CallLog:
    """All calls of one session, oldest first."""

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    total: int = 0
    _counting: Lock = field(default_factory=Lock, compare=False, repr=False)  # several threads may call at once

    def attach(self, session: Session) -> None:
        """Record every call that clients of this session make from now on."""
        session.events.register("provide-client-params.*.*", self._begin)
        session.events.register("after-call.*.*", self._end)

    def since(self, mark: int) -> tuple[Call, ...]:
        """The calls made after `total` had this value."""
        wanted = self.total - mark
        return tuple(self.calls)[-wanted:] if wanted > 0 else ()

    def _begin(self, params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if _unrecorded.get():
            return
        call = Call(model.service_model.service_name, model.name, _kept(params))
        context["labkit_call"] = call
        with self._counting:
            self.calls.append(call)
            self.total += 1

    def _end(self, parsed: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        call = context.get("labkit_call")
        if call is not None:
            call.done = True
            call.error = parsed.get("Error", {}).get("Code")


def _kept(value: Any) -> Any:
    """What is remembered of a parameter: no bytes and no open files, and nothing that is a secret by its name."""
    if isinstance(value, Mapping):
        return {name: HIDDEN if SECRET.search(name) else _kept(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(v) for v in value]
    if isinstance(value, bytes | bytearray):
        return Blob(len(value))
    if hasattr(value, "read"):
        return Blob(len(value) if hasattr(value, "__len__") else None)
    return value
