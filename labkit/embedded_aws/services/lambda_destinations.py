"""Asynchronous invocations: how often they are tried, and where the record of one goes.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from moto.core.utils import iso_8601_datetime_with_milliseconds
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import roles, settings
from labkit.embedded_aws.runtime import pool
from labkit.embedded_aws.runtime.environment import Outcome
from labkit.embedded_aws.runtime.pool import Throttled
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.lambda_event_configs import EventConfig
from labkit.embedded_aws.services.lambda_function import Function
from labkit.embedded_aws.services.lambda_names import LATEST, read_name
from labkit.embedded_aws.services.lambda_permissions import invoke_later
from labkit.embedded_aws.services.sqs_queue import find_queue

_log = logging.getLogger(__name__)
_LONGEST_PAUSE_SECONDS = 300.0  # between two tries of an event that is throttled


@dataclass
class AsyncInvocation:
    """An event for a function, tried until the function has taken it or its time is over."""

    function: Function
    arn: str  # of what was invoked, as it was named
    event: bytes
    request_id: str
    attempts: int = 0
    outcome: Outcome | None = None  # of the last attempt
    _began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Invoke the function, again after an error, and send the record of what became of the event."""
        config = self.function.event_configs.get(read_name(self.arn).qualifier or LATEST, EventConfig())
        condition = self._tried(config)
        self._tell(config, condition)

    def _tried(self, config: EventConfig) -> str:
        """Return how it ended: in AWS's words, Success or why not."""
        if self.function.reserved_concurrency == 0:
            return "ZeroReservedConcurrency"
        retries = list(settings.current().retry_seconds)[: 2 if config.retries is None else config.retries]
        most_age = config.most_age_seconds or limits.LONGEST_EVENT_AGE_SECONDS
        throttled_pause = 1.0
        while True:
            try:
                result = pool.current().run(self.function, self.event, request_id=self.request_id, arn=self.arn)
            except Throttled:
                pause, throttled_pause = throttled_pause, min(throttled_pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                self.outcome = result.outcome
                self.attempts += 1
                if self.outcome.error is None:
                    return "Success"
                if not retries:
                    return "RetriesExhausted"
                pause = retries.pop(0)
            if time.monotonic() - self._began + pause >= most_age:
                return "EventAgeExceeded"
            threading.Event().wait(pause)

    def _tell(self, config: EventConfig, condition: str) -> None:
        """Send what became of it: a destination gets the record, the dead-letter queue the event itself."""
        failed = condition != "Success"
        if target := config.destinations.get("OnFailure" if failed else "OnSuccess"):
            _send(self.function, target, json.dumps(self._record(condition)), {})
        if failed and self.function.dead_letter_target:
            _send(self.function, self.function.dead_letter_target, self.event.decode(), self._why())

    def _record(self, condition: str) -> dict[str, Any]:
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": iso_8601_datetime_with_milliseconds(),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.arn if read_name(self.arn).qualifier else f"{self.arn}:{LATEST}",
                "condition": condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": json.loads(self.event),
        }
        if self.outcome is not None:
            error = {"functionError": "Unhandled"} if self.outcome.error is not None else {}
            context = {"statusCode": 200, "executedVersion": str(self.function.version), **error}
            record["responseContext"] = context
            record["responsePayload"] = json.loads(self.outcome.payload or b"null")
        return record

    def _why(self) -> dict[str, tuple[str, str]]:
        """Return the attributes of a dead letter, each with its type.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
        """
        payload = self.outcome.payload if self.outcome is not None else b"{}"
        message = json.loads(payload or b"{}").get("errorMessage") or ""
        status = "200" if self.outcome is not None else "429"
        return {
            "RequestID": ("String", self.request_id),
            "ErrorCode": ("Number", status),
            "ErrorMessage": ("String", str(message)[:1024] or "none"),
        }


def _send(function: Function, target: str, text: str, attributes: dict[str, tuple[str, str]]) -> None:
    """Send as the function's role, which has to allow it."""
    service, region, account = target.split(":")[2:5]
    action = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}[service]
    if not roles.may(function.role, target, action):
        _log.warning("The role of %s may not %s on %s.", function.function_name, action, target)
    elif service == "lambda":
        invoke_later(target, text.encode())
    elif service == "sqs" and (queue := find_queue(target)) is not None:
        kept = {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in attributes.items()}
        trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": pool.trace_id()}}
        sqs_backends[account][region].send_message(queue.name, text, kept, system_attributes=trace)
    elif service == "sns" and (topic := sns_backends[account][region].topics.get(target)) is not None:
        told = {name: {"Type": kind, "Value": value} for name, (kind, value) in attributes.items()}
        topic.publish(text, message_attributes=told)
