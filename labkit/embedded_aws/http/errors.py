"""Refusals, in the form in which each service tells them.

S3 answers a bare `<Error>`, SNS, IAM and STS an `<ErrorResponse>`, Lambda JSON with its code in a header, SQS and Logs
JSON with the code in `__type` (SQS also the older XML, to a client that asks so).
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization
"""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any
from xml.sax.saxutils import escape

from labkit.embedded_aws.http.server import Answer


class AwsError(Exception):
    """A refusal: AWS's code and message, the HTTP status, and what else S3 and Lambda tell about it.

    A field of None is one that Lambda otherwise tells, and here does not.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        """Keep what is told."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields: dict[str, Any] = fields


def protocol(service: str, environ: dict[str, Any]) -> str:
    """Return how the client talks to the service: rest-xml, query, rest-json or json."""
    if service == "s3":
        return "rest-xml"
    if service == "lambda":
        return "rest-json"
    return "json" if "json" in environ.get("CONTENT_TYPE", "") else "query"


def error_answer(error: AwsError, service: str, environ: dict[str, Any]) -> Answer:
    """Return the error as the service tells it to this client."""
    spoken = protocol(service, environ)
    request_id = str(uuid.uuid4())
    if spoken == "rest-xml":
        return _s3_answer(error)
    if spoken == "query":
        detail = "<Detail/>" if service == "sqs" else ""
        if error.code == "AWS.SimpleQueueService.NonExistentQueue":  # in the words of the older protocol
            error = AwsError(error.code, "The specified queue does not exist for this wsdl version.", error.status)
        return Answer(error.status, [("Content-Type", "text/xml")], _query_error(error, request_id, detail))
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)]
    if spoken == "rest-json":
        headers.append(("x-amzn-ErrorType", error.code))
        fields = {"Type": _at_fault(error), "message": error.message, "Message": error.message, **error.fields}
        told = {name: value for name, value in fields.items() if value is not None}
        return Answer(error.status, headers, json.dumps(told).encode())
    kind = error.code
    if service == "sqs":
        kind = _SQS_TYPES.get(kind, kind.removeprefix("AWS.SimpleQueueService."))
        fault = "Receiver" if error.status >= 500 else "Sender"
        headers.append(("x-amzn-query-error", f"{error.code};{fault}"))
    if service == "monitoring":
        kind = _CLOUDWATCH_TYPES.get(kind, kind)
        headers.append(("x-amzn-query-error", f"{error.code};{'Receiver' if error.status >= 500 else 'Sender'}"))
    return Answer(error.status, headers, json.dumps({"__type": kind, "message": error.message}).encode())


# SQS speaks JSON with types of its own, and tells in a header what it called them before.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
_SQS_TYPES = {
    "AccessDenied": "AccessDeniedException",
    "AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist",
    "InvalidParameterValue": "InvalidParameterValueException",
    "MissingParameter": "MissingRequiredParameterException",
    "QueueAlreadyExists": "QueueNameExists",
}


# CloudWatch, too: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html
_CLOUDWATCH_TYPES = {
    "AccessDenied": "AccessDeniedException",
    "InvalidFormat": "InvalidFormatFault",
    "InvalidParameterCombination": "InvalidParameterCombinationException",
    "InvalidParameterInput": "DashboardInvalidInputError",
    "InvalidParameterValue": "InvalidParameterValueException",
    "MissingParameter": "MissingRequiredParameterException",
    "ValidationError": "ValidationException",
}


def _s3_answer(error: AwsError) -> Answer:
    request_id = secrets.token_hex(8).upper()
    fields = {"Code": error.code, "Message": error.message, **error.fields, "RequestId": request_id}
    body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", request_id)]
    return Answer(error.status, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{body}</Error>'.encode())


def _query_error(error: AwsError, request_id: str, detail: str) -> bytes:
    fault = "Receiver" if error.status >= 500 else "Sender"
    return (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{error.code}</Code>"
        f"<Message>{escape(error.message)}</Message>{detail}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _at_fault(error: AwsError) -> str:
    return "Service" if error.status >= 500 else "User"
