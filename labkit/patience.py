"""How long AWS is given to see what was just made: one table, and the one place where it is applied.

AWS's services tell each other of new things within seconds, at times minutes. Until then a call is refused that is
right. Nothing outside the table is waited for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from labkit.errors import error_code, error_message
from labkit.progress import WaitingBar

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # each pause is half as long again as the one before


class Row(NamedTuple):
    """A refusal that passes: of which calls (patterns), with which code and words, for how long, and why.

    `fresh` names the kind of thing that has to have been made lately by this lab, and to be named in the call: without
    that, "there is no such queue" is simply true. Empty: it passes whoever made what.
    """

    calls: str
    code: str
    words: str
    seconds: int
    waiting_for: str
    source: str
    fresh: str = ""


SQS_API = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/"
LAMBDA_API = "https://docs.aws.amazon.com/lambda/latest/api/"
EVENTUAL = (
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency"
)
S3_API = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
LOGS_API = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_"
NEW_FUNCTION = f"{LAMBDA_API}API_CreateFunction.html"
BAD_VALUE = "InvalidParameterValueException"
QUEUE_LAG = f"{SQS_API}API_CreateQueue.html, API_SetQueueAttributes.html: up to 60 seconds"

TABLE = (
    Row("sqs:CreateQueue", "*QueueDeletedRecently", "", 90, "SQS to free the name of a deleted queue", QUEUE_LAG),
    Row("sqs:*Queue*", "*", "Dead letter target does not exist", 60, "SQS to see the new queue", QUEUE_LAG, "queue"),
    Row("sqs:SetQueueAttributes", "*QueueDoesNotExist", "", 60, "SQS to see the new queue", QUEUE_LAG, "queue"),
    Row("sqs:*QueueTags", "*NonExistentQueue", "", 60, "SQS to see the new queue", QUEUE_LAG, "queue"),
    Row("sqs:SetQueueAttributes", "*NonExistentQueue", "", 60, "SQS to see the new queue", QUEUE_LAG, "queue"),
    Row("sqs:*Message", "*NonExistentQueue", "", 60, "SQS to see the new queue", QUEUE_LAG, "queue"),
    Row("sns:Subscribe", "NotFound*", "", 60, "SNS to see the new topic", EVENTUAL, "topic"),
    Row("sns:SetTopicAttributes", "NotFound*", "", 60, "SNS to see the new topic", EVENTUAL, "topic"),
    Row("sns:Publish", "NotFound*", "", 60, "SNS to see the new topic", EVENTUAL, "topic"),
    Row("s3:Put*", "NoSuchBucket", "", 120, "S3 to see the new bucket", S3_API, "bucket"),
    Row("s3:*", "OperationAborted", "", 120, "S3 to be done with another change of the bucket", S3_API),
    Row(
        "s3:PutBucketNotificationConfiguration",
        "InvalidArgument",
        "Unable to validate the following destination configurations",
        60,
        "S3 to see the topic's new policy",
        "https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html",
        "topic policy",
    ),
    Row("iam:*RolePolic*", "NoSuchEntity", "role with name", 120, "IAM to see the new role", EVENTUAL, "role"),
    Row("iam:DeleteRole", "DeleteConflict", "", 120, "IAM to see that the role's policies are gone", EVENTUAL),
    Row("iam:*", "ConcurrentModification*", "", 60, "IAM to be done with another change", EVENTUAL),
    Row("lambda:*Function*", BAD_VALUE, "cannot be assumed by Lambda", 300, "Lambda to see the new role", EVENTUAL),
    Row(
        "lambda:*EventSourceMapping",
        BAD_VALUE,
        "does not have permissions to call",
        300,
        "Lambda to see the role's new policy",
        EVENTUAL,
    ),
    Row("lambda:*EventSourceMapping", BAD_VALUE, "NonExistentQueue", 60, "Lambda to see the queue", QUEUE_LAG, "queue"),
    Row("lambda:*", BAD_VALUE, "is less than Function timeout", 60, "Lambda to see the queue", QUEUE_LAG, "queue"),
    Row(
        "lambda:*EventSourceMapping",
        "ResourceInUseException",
        "",
        180,
        "Lambda to be done with another change of the trigger",
        f"{LAMBDA_API}API_DeleteEventSourceMapping.html",
    ),
    Row(
        "lambda:[!C]*Function*",
        "ResourceConflictException",
        "",
        120,
        "Lambda to be done with another change of the function",
        f"{LAMBDA_API}API_UpdateFunctionCode.html",
    ),
    # Not GetFunctionConfiguration: that is how the lab asks whether a function is there.
    *(
        Row(calls, "ResourceNotFoundException", "", 60, "Lambda to see the new function", NEW_FUNCTION, "function")
        for calls in ("lambda:GetFunction", "lambda:UpdateFunction*", "lambda:ListTags")
    ),
    Row(
        "lambda:*EventSourceMapping", BAD_VALUE, "Function does not exist", 60, "Lambda to see it", EVENTUAL, "function"
    ),
    Row(
        "logs:*",
        "ResourceNotFoundException",
        "",
        60,
        "CloudWatch Logs to see the new log group",
        f"{LOGS_API}CreateLogGroup.html",
        "log group",
    ),
    Row(
        "logs:*",
        "OperationAbortedException",
        "",
        60,
        "CloudWatch Logs to be done with another change",
        f"{LOGS_API}PutRetentionPolicy.html",
    ),
)


def _nothing(_: str) -> Iterable[str]:
    return ()


@dataclass
class Patience:
    """Applies the table to the clients of one connection.

    `fresh` gives the names of the things of a kind that this lab has made lately; where nothing lags, on the embedded
    AWS, nothing. Clock and sleep are given by tests.
    """

    fresh: Callable[[str], Iterable[str]] = _nothing
    table: tuple[Row, ...] = TABLE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def attach(self, client: Any) -> None:
        """Let a boto3 client wait for what passes. Its retries know nothing of what a refusal means."""
        service, call = client.meta.service_model.service_name, client._make_api_call

        def patiently(operation: str, parameters: Mapping[str, Any]) -> Any:
            return self._call(call, f"{service}:{operation}", operation, parameters)

        client._make_api_call = patiently

    def _call(self, call: Any, name: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        began, pause, bar = self.clock(), FIRST_PAUSE_S, None
        try:
            while True:
                try:
                    return call(operation, parameters)
                except ClientError as error:
                    row, waited = self._row(name, error, parameters), self.clock() - began
                    if row is None or waited >= row.seconds:
                        raise
                    bar = bar or WaitingBar(row.waiting_for, row.seconds)
                    bar.waited(waited)
                self.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE_S)
        finally:
            if bar is not None:
                bar.close()

    def _row(self, name: str, error: ClientError, parameters: Mapping[str, Any]) -> Row | None:
        code, words = error_code(error), error_message(error)
        for row in self.table:
            if fnmatchcase(name, row.calls) and fnmatchcase(code, row.code) and row.words in words:
                if not row.fresh:
                    return row
                said = json.dumps(parameters, default=str)
                if any(thing in said for thing in self.fresh(row.fresh)):
                    return row
        return None
