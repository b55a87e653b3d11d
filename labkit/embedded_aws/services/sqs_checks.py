"""What SQS refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.sqs.models import sqs_backends

from labkit.embedded_aws import settings
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.policy_documents import BadPolicy, read_policy
from labkit.embedded_aws.services.sqs_queue import Queue, find_queue
from labkit.embedded_aws.state import ACCOUNT

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_GROUP_OR_DEDUPLICATION = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"(?!\.)(?!.*\.\.)(?!(?i:aws\.|amazon\.))[A-Za-z0-9_.-]{1,256}(?<!\.)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def check_queue(operation: Operation) -> None:
    """Refuse what names no queue that exists: SQS looks for the queue before it looks at anything else."""
    if "QueueUrl" not in operation.model.input_shape.members:
        return
    url = operation.get("QueueUrl") or (operation.path if operation.path.count("/") >= 2 else None)
    if not url:
        raise _missing("QueueUrl")
    if not isinstance(url, str) or _queue_of(operation) is None:
        raise AwsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def _queue_of(operation: Operation) -> Queue | None:
    name = str(operation.get("QueueUrl") or operation.path).rstrip("/").rpartition("/")[2]
    queue = sqs_backends[ACCOUNT][operation.region].queues.get(name)
    return queue if isinstance(queue, Queue) else None


def _queue(operation: Operation) -> Queue:
    queue = _queue_of(operation)
    assert queue is not None, "check_queue has seen it"
    return queue


def _missing(parameter: str) -> AwsError:
    return AwsError("MissingParameter", f"The request must contain the parameter {parameter}.")


def _invalid(value: Any, parameter: str, reason: str) -> AwsError:
    return AwsError("InvalidParameterValue", f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def _bad_attribute(name: str, reason: str = "") -> AwsError:
    return AwsError(
        "InvalidAttributeValue", f"Invalid value for the parameter {name}.{reason and f' Reason: {reason}'}"
    )


# --- queues --------------------------------------------------------------------------------------------------------


def _check_create(operation: Operation) -> None:
    name = operation.get("QueueName")
    if not _NAME.fullmatch(name):
        words = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise AwsError("InvalidParameterValue", words)
    attributes = operation.get("Attributes", {})
    is_fifo = attributes.get("FifoQueue", "").lower() == "true"
    if is_fifo != name.endswith(".fifo"):
        words = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end "
        raise AwsError("InvalidParameterValue", words + "with .fifo suffix and be 1 to 80 in length.")
    if not is_fifo:
        _refuse_fifo_attributes(attributes)
    _check_attributes(attributes, operation, is_fifo)
    backend = sqs_backends[ACCOUNT][operation.region]
    wait, deleted = settings.current().queue_name_seconds, backend.deleted.get(name)  # type: ignore[attr-defined]
    if deleted is not None and time.monotonic() < deleted + wait:
        words = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
        raise AwsError("AWS.SimpleQueueService.QueueDeletedRecently", words)
    existing = backend.queues.get(name)
    if isinstance(existing, Queue):
        _compare(existing, attributes)


def _refuse_fifo_attributes(attributes: dict[str, str]) -> None:
    for name in ("DeduplicationScope", "FifoThroughputLimit"):
        if name in attributes:
            words = f"You can specify the {name} only when FifoQueue is set to true."
            raise AwsError("InvalidAttributeName", words)
    for name in ("ContentBasedDeduplication", "FifoQueue"):
        if name in attributes:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _compare(queue: Queue, attributes: dict[str, str]) -> None:
    shown = {name: str(value) for name, value in queue.attributes.items()}
    for name, value in attributes.items():
        if not _same(name, value, shown.get(name, "")):
            words = f"A queue already exists with the same name and a different value for attribute {name}"
            raise AwsError("QueueAlreadyExists", words)


def _same(name: str, wanted: str, shown: str) -> bool:
    if name in ("Policy", "RedrivePolicy", "RedriveAllowPolicy") and wanted and shown:
        return bool(json.loads(wanted) == json.loads(shown))
    return wanted == shown or (shown in ("true", "false") and wanted.lower() == shown)


def _check_set(operation: Operation) -> None:
    queue = _queue(operation)
    attributes = operation.get("Attributes")
    if attributes is None:
        raise _missing("Attributes")
    _require_map(attributes)
    if "FifoQueue" in attributes:
        if not queue.fifo_queue:
            raise AwsError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
        if attributes["FifoQueue"].lower() != "true":
            raise _bad_attribute("FifoQueue", "Modifying queue type is not supported.")
    if not queue.fifo_queue:
        _refuse_fifo_attributes(attributes)
    _check_attributes(attributes, operation, queue.fifo_queue)


def _require_map(attributes: Any) -> None:
    if not isinstance(attributes, dict):
        raise AwsError("SerializationException", "Attributes cannot be converted to a map.")


def _check_attributes(attributes: Any, operation: Operation, is_fifo: bool) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html."""
    _require_map(attributes)
    for name, value in attributes.items():
        if not isinstance(value, str):
            raise AwsError("SerializationException", f"The value of {name} cannot be converted to a string.")
        if name in limits.QUEUE_NUMBERS:
            _check_number(name, value)
        elif name in limits.QUEUE_CHOICES:
            if value not in limits.QUEUE_CHOICES[name] and value.lower() not in limits.QUEUE_CHOICES[name]:
                raise _bad_attribute(name)
        elif name not in limits.QUEUE_DOCUMENTS:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    if attributes.get("Policy"):
        try:
            read_policy(attributes["Policy"], principal=True, resource=False)
        except BadPolicy as error:
            raise _bad_attribute("Policy") from error
    if attributes.get("RedrivePolicy"):
        _check_redrive(attributes["RedrivePolicy"], operation, is_fifo)


def _check_number(name: str, value: str) -> None:
    smallest, largest = limits.QUEUE_NUMBERS[name]
    if not re.fullmatch(r"-?[0-9]{1,15}", value) or not smallest <= int(value) <= largest:
        raise _bad_attribute(name)


def _check_redrive(text: str, operation: Operation, is_fifo: bool) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html."""

    def bad(reason: str) -> AwsError:
        return _invalid(text, "RedrivePolicy", reason)

    try:
        policy = json.loads(text)
    except ValueError as error:
        raise bad("Redrive policy is not a valid JSON map.") from error
    if not isinstance(policy, dict):
        raise bad("Redrive policy is not a valid JSON map.")
    if not policy:
        return  # there is none from now on
    for name in ("maxReceiveCount", "deadLetterTargetArn"):
        if name not in policy:
            raise bad(f"Redrive policy does not contain mandatory attribute: {name}.")
    if unknown := set(policy) - {"maxReceiveCount", "deadLetterTargetArn"}:
        raise bad(f"Redrive policy contains unknown attribute: {sorted(unknown)[0]}.")
    count, (fewest, most) = str(policy["maxReceiveCount"]), limits.RECEIVE_COUNTS
    if not count.isdecimal() or not fewest <= int(count) <= most:
        raise bad(
            f"Invalid value for maxReceiveCount: {count}, valid values are from {fewest} to {most} both inclusive."
        )
    target = find_queue(str(policy["deadLetterTargetArn"]))
    if target is None or target.region != operation.region:
        raise bad("Dead letter target does not exist.")
    if target.fifo_queue != is_fifo:
        raise bad("Dead-letter queue must be same type of queue as the source.")


def _check_get_attributes(operation: Operation) -> None:
    known = {"All"} | limits.QUEUE_NUMBERS.keys() | limits.QUEUE_CHOICES.keys() | limits.QUEUE_DOCUMENTS
    names = operation.get("AttributeNames", [])
    if not isinstance(names, list):
        raise AwsError("SerializationException", "AttributeNames cannot be converted to a list.")
    for name in names:
        if name not in known | limits.QUEUE_READ_ONLY:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")


# --- messages ------------------------------------------------------------------------------------------------------


def _check_send(operation: Operation) -> None:
    queue = _queue(operation)
    _check_message(operation.members, queue)
    if message_size(operation.members) > int(queue.maximum_message_size):  # type: ignore[attr-defined]
        raise _too_long(queue)


def _too_long(queue: Queue) -> AwsError:
    most: int = queue.maximum_message_size  # type: ignore[attr-defined]
    words = f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
    return AwsError("InvalidParameterValue", words)


def message_size(message: dict[str, Any]) -> int:
    """Return the bytes of the body and of its attributes' names, types and values.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    size = len(message["MessageBody"].encode("utf-8", "surrogatepass"))
    for name, value in message.get("MessageAttributes", {}).items():
        binary, texts = value.get("BinaryValue", ""), (name, value.get("DataType", ""), value.get("StringValue", ""))
        size += sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        size += len(binary) if isinstance(binary, bytes) else len(binary) * 3 // 4
    return size


def _check_message(message: dict[str, Any], queue: Queue) -> None:
    if not message["MessageBody"]:
        raise _missing("MessageBody")
    if _NOT_XML.search(message["MessageBody"]):
        words = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to "
        raise AwsError("InvalidMessageContents", words + "#xFFFD | #x10000 to #x10FFFF.")
    _check_message_attributes(message.get("MessageAttributes", {}))
    _check_fifo(message, queue)
    delay = message.get("DelaySeconds")
    if delay is not None and not 0 <= delay <= limits.LONGEST_DELAY_SECONDS:
        raise _invalid(delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")


def _check_message_attributes(attributes: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html."""
    if len(attributes) > limits.MOST_ATTRIBUTES:
        words = (
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{limits.MOST_ATTRIBUTES}]."
        )
        raise AwsError("InvalidParameterValue", words)
    for name, value in attributes.items():
        wrong = _wrong_with(name, value)
        if wrong:
            raise AwsError("InvalidParameterValue", wrong)


def _wrong_with(name: str, value: dict[str, Any]) -> str | None:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        allowed = "alphanumeric characters, hyphens, underscores and periods"
        return f"Message (user) attribute name '{name}' can only include {allowed}."
    kind = value.get("DataType", "")
    base = kind.partition(".")[0]
    if not kind:
        return f"The message attribute '{name}' must contain non-empty message attribute type."
    if base not in ("String", "Number", "Binary") or len(kind) > 256:
        return (
            f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported "
            "type prefixes: Binary, Number, String."
        )
    held = "BinaryValue" if base == "Binary" else "StringValue"
    if not value.get(held):
        wanted = held.removesuffix("Value")
        return f"Message (user) attribute '{name}' must contain a non-empty value of type '{wanted}'."
    if base == "Number" and not _NUMBER.fullmatch(value["StringValue"].strip()):
        return f"Can't cast the value of message (user) attribute '{name}' to a number."
    if held == "StringValue" and _NOT_XML.search(value["StringValue"]):
        return f"Message (user) attribute '{name}' contains invalid characters."
    return None


def _check_fifo(message: dict[str, Any], queue: Queue) -> None:
    group, deduplication = message.get("MessageGroupId"), message.get("MessageDeduplicationId")
    for parameter, value in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if value is not None and not _GROUP_OR_DEDUPLICATION.fullmatch(value):
            words = f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            raise _invalid(value, parameter, words)
    if not queue.fifo_queue:
        if deduplication is not None:
            words = "The request include parameter that is not valid for this queue type"
            raise _invalid(deduplication, "MessageDeduplicationId", words)
        return
    if group is None:
        raise _missing("MessageGroupId")
    if deduplication is None and str(queue.attributes["ContentBasedDeduplication"]) != "true":
        words = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
        raise AwsError("InvalidParameterValue", words + "explicitly")
    if message.get("DelaySeconds"):
        words = "The request include parameter that is not valid for this queue type."
        raise _invalid(message["DelaySeconds"], "DelaySeconds", words)


def _check_receive(operation: Operation) -> None:
    count = operation.get("MaxNumberOfMessages", 1)
    if not 1 <= count <= limits.MOST_MESSAGES:
        raise _invalid(count, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
    wait = operation.get("WaitTimeSeconds", 0)
    if not 0 <= wait <= limits.LONGEST_POLL_SECONDS:
        raise _invalid(wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
    visibility = operation.get("VisibilityTimeout", 0)
    if not 0 <= visibility <= limits.LONGEST_INVISIBILITY_SECONDS:
        raise _invalid(visibility, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")


def _check_visibility(operation: Operation) -> None:
    seconds = operation.get("VisibilityTimeout")
    if not 0 <= seconds <= limits.LONGEST_INVISIBILITY_SECONDS:
        raise _invalid(seconds, "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200.")
    _check_handle(operation)


def _check_handle(operation: Operation) -> None:
    handle = operation.get("ReceiptHandle")
    if not _queue(operation).knows(handle):
        words = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise AwsError("ReceiptHandleIsInvalid", words)


# --- batches -------------------------------------------------------------------------------------------------------


def _check_batch(kind: str) -> Callable[[Operation], None]:
    def check(operation: Operation) -> None:
        entries = operation.get("Entries")
        code = "AWS.SimpleQueueService."
        if not entries:
            words = f"There should be at least one {kind}RequestEntry in the request."
            raise AwsError(f"{code}EmptyBatchRequest", words)
        if len(entries) > limits.MOST_MESSAGES:
            words = f"Maximum number of entries per request are {limits.MOST_MESSAGES}. You have sent {len(entries)}."
            raise AwsError(f"{code}TooManyEntriesInBatchRequest", words)
        ids = [entry["Id"] for entry in entries]
        if not all(_BATCH_ID.fullmatch(id_) for id_ in ids):
            words = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
            raise AwsError(f"{code}InvalidBatchEntryId", words + "most 80 letters long.")
        if repeated := [id_ for number, id_ in enumerate(ids) if id_ in ids[:number]]:
            raise AwsError(f"{code}BatchEntryIdsNotDistinct", f"Id {repeated[0]} repeated.")
        if kind == "SendMessageBatch":
            _check_batch_of_messages(entries, _queue(operation))

    return check


def _check_batch_of_messages(entries: Iterable[dict[str, Any]], queue: Queue) -> None:
    size = sum(message_size(entry) for entry in entries)
    if size > limits.LARGEST_BATCH_BYTES:
        words = f"Batch requests cannot be longer than {limits.LARGEST_BATCH_BYTES} bytes. You have sent {size} bytes."
        raise AwsError("AWS.SimpleQueueService.BatchRequestTooLong", words)
    for entry in entries:
        try:
            _check_message({**entry, "DelaySeconds": None}, queue)
        except AwsError as error:
            if error.code == "MissingParameter" and queue.fifo_queue and "MessageGroupId" in error.message:
                raise AwsError("InvalidParameterValue", error.message) from error
            raise


CHECKS: dict[str, Callable[[Operation], None]] = {
    "ChangeMessageVisibility": _check_visibility,
    "ChangeMessageVisibilityBatch": _check_batch("ChangeMessageVisibilityBatch"),
    "CreateQueue": _check_create,
    "DeleteMessage": _check_handle,
    "DeleteMessageBatch": _check_batch("DeleteMessageBatch"),
    "GetQueueAttributes": _check_get_attributes,
    "ReceiveMessage": _check_receive,
    "SendMessage": _check_send,
    "SendMessageBatch": _check_batch("SendMessageBatch"),
    "SetQueueAttributes": _check_set,
}
