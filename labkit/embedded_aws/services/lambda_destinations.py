"""Where the record of an asynchronous invocation goes: destinations, and a function's dead-letter queue.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.core.utils import iso_8601_datetime_with_milliseconds
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import roles
from labkit.embedded_aws.runtime.environment import Outcome
from labkit.embedded_aws.services.lambda_permissions import find_function
from labkit.embedded_aws.services.sqs_queue import find_queue

_log = logging.getLogger(__name__)


def send_record(function: LambdaFunction, event: bytes, request_id: str, outcome: Outcome, attempts: int) -> None:
    """Send what became of an asynchronous invocation where the function's configuration says.

    A destination gets the record, the dead-letter queue the event itself; without either nobody is told.
    """
    failed = outcome.error is not None
    configured = function.event_invoke_config
    destinations = (configured[0].config.get("DestinationConfig") or {}) if configured else {}
    target = (destinations.get("OnFailure" if failed else "OnSuccess") or {}).get("Destination")
    if target:
        record = _record(function, event, request_id, outcome, attempts)
        _send(function, target, json.dumps(record), {})
    dead_letters = function.dead_letter_target  # type: ignore[attr-defined]
    if failed and dead_letters:
        message = json.loads(outcome.payload or b"{}").get("errorMessage") or ""
        attributes = {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": str(message)[:1024] or "none"}
        _send(function, dead_letters, event.decode(), attributes)


def _record(function: LambdaFunction, event: bytes, request_id: str, outcome: Outcome, attempts: int) -> dict[str, Any]:
    arn = function.function_arn
    failed = outcome.error is not None
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": str(function.version)}
    if failed:
        response["functionError"] = "Unhandled"
    return {
        "version": "1.0",
        "timestamp": iso_8601_datetime_with_milliseconds(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": arn if arn.count(":") == 7 else f"{arn}:$LATEST",
            "condition": "RetriesExhausted" if failed else "Success",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(event),
        "responseContext": response,
        "responsePayload": json.loads(outcome.payload or b"null"),
    }


def _send(function: LambdaFunction, target: str, text: str, attributes: dict[str, str]) -> None:
    """Send as the function's role, which has to allow it."""
    service, region, account = target.split(":")[2:5]
    action = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}[service]
    if not roles.may(function.role, action, target):
        _log.warning("The role of %s may not %s on %s.", function.function_name, action, target)
        return
    if service == "lambda":
        other = find_function(target)
        if other is not None:
            other.invoke_later(text.encode())  # type: ignore[attr-defined]
        return
    if service == "sqs" and (queue := find_queue(target)) is not None:
        kept = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        sqs_backends[account][region].send_message(queue.name, text, kept)
    elif service == "sns" and (topic := sns_backends[account][region].topics.get(target)) is not None:
        topic.publish(text, message_attributes={n: {"Type": "String", "Value": v} for n, v in attributes.items()})
