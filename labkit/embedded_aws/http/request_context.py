"""The request that is being answered: who sent it, what it asks for, and the trace that services hand on."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http.operation import Operation

operation: ContextVar[Operation] = ContextVar("operation")
caller: ContextVar[Identity | None] = ContextVar("caller", default=None)
_trace: ContextVar[str | None] = ContextVar("trace", default=None)


def begin(sender: Identity | None, environ: dict[str, Any]) -> None:
    """Keep, for this thread, who sent the request that it answers now."""
    caller.set(sender)
    _trace.set(environ.get("HTTP_X_AMZN_TRACE_ID"))


def trace_attributes() -> dict[str, dict[str, str]] | None:
    """Return what of the request's X-Ray trace goes along with a message, None without one.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html
    """
    header = _trace.get()
    return {"AWSTraceHeader": {"StringValue": header, "DataType": "String"}} if header else None
