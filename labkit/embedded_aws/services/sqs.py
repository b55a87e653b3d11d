"""SQS: moto's operations on queues that are safe to share, and the redrive that moto lacks."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from moto.core.responses import ActionResult
from moto.sqs import models, responses
from moto.sqs.exceptions import InvalidParameterValue
from moto.sqs.models import Message

from labkit.embedded_aws import settings
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.request_context import trace_attributes
from labkit.embedded_aws.services.limits import LONGEST_DELAY_SECONDS
from labkit.embedded_aws.services.sqs_checks import message_size
from labkit.embedded_aws.services.sqs_moves import MessageMove, source_of
from labkit.embedded_aws.services.sqs_queue import Queue, find_queue
from labkit.policy import allows, service_request

_sequence = itertools.count(18_850_000_000_000_000_000, 256)  # of what FIFO queues take


class SQSBackend(models.SQSBackend):
    """moto's SQS on queues that are safe to share; lengths are counted in bytes.

    See getmoto/moto#450 and getmoto/moto#3205 for the size of messages.
    """

    queues: dict[str, Queue]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str) -> None:
        """Make an account's queues in a region."""
        super().__init__(region_name, account_id)
        self.deleted: dict[str, float] = {}  # when a name was given up, while the settings say that it matters

    def get_queue(self, queue_name: str) -> Queue:
        """Return the queue or raise QueueDoesNotExist."""
        queue = super().get_queue(queue_name)
        assert isinstance(queue, Queue)
        return queue

    def list_queues(self, queue_name_prefix: str) -> list[models.Queue]:
        """Return the queues whose names begin so; moto takes the prefix for a regular expression."""
        return [queue for name, queue in list(self.queues.items()) if name.startswith(queue_name_prefix or "")]

    def delete_queue(self, queue_name: str) -> None:
        """Delete the queue and release whoever polls it."""
        queue = self.get_queue(queue_name)
        super().delete_queue(queue_name)
        if settings.current().queue_name_seconds:
            self.deleted[queue_name] = time.monotonic()
        queue.close()

    def send_message(
        self,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: dict[str, Any] | None = None,
        validate_group_id: bool = True,  # noqa: ARG002 - moto's own word for what other services send
    ) -> Message:
        """SendMessage: moto counts characters, and collects all attributes of the queue for each message.

        The checks of what was sent are in `services/sqs_checks.py`; what other services send has its size checked here.
        """
        queue = self.get_queue(queue_name)
        largest: int = queue.maximum_message_size  # type: ignore[attr-defined]
        if len(message_body.encode("utf-8", "surrogatepass")) > largest:
            raise InvalidParameterValue(
                f"One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes."
            )
        delay = int(queue.delay_seconds if delay_seconds is None else delay_seconds)  # type: ignore[attr-defined]
        if not 0 <= delay <= LONGEST_DELAY_SECONDS:
            raise InvalidParameterValue(
                f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
            )
        traced = (trace_attributes() or {}) | (system_attributes or {})
        message = Message(str(uuid.uuid4()), message_body, traced)
        message.message_attributes = message_attributes or {}
        message.group_id = group_id
        if queue.fifo_queue:
            message.deduplication_id = deduplication_id or sha256(message_body.encode()).hexdigest()
            message.sequence_number = f"{next(_sequence):020}"
        message.mark_sent(delay)
        queue.add_message(message)
        queue.count("NumberOfMessagesSent", 1)
        queue.count("SentMessageSize", len(message_body.encode("utf-8", "surrogatepass")), "Bytes")
        return message

    def send_message_batch(
        self, queue_name: str, entries: dict[str, dict[str, Any]]
    ) -> tuple[list[Message], list[dict[str, Any]]]:
        """SendMessageBatch: what is too long or too late fails alone; moto refuses all, and drops the traces."""
        largest: int = self.get_queue(queue_name).maximum_message_size  # type: ignore[attr-defined]
        sent, failed = [], []
        for entry in entries.values():
            try:
                if message_size(entry) > largest:
                    words = "One or more parameters cannot be validated. Reason: Message must be shorter than "
                    raise InvalidParameterValue(f"{words}{largest} bytes.")
                message = self.send_message(
                    queue_name,
                    entry["MessageBody"],
                    message_attributes=entry["MessageAttributes"],
                    delay_seconds=entry["DelaySeconds"],
                    deduplication_id=entry.get("MessageDeduplicationId"),
                    group_id=entry.get("MessageGroupId"),
                    system_attributes=entry.get("MessageSystemAttributes"),
                )
            except InvalidParameterValue as error:
                told = {"Code": error.code, "Message": error.message, "SenderFault": True}
                failed.append({"Id": entry["Id"], **told})
                continue
            message.user_id = entry["Id"]  # type: ignore[attr-defined]
            sent.append(message)
        return sent, failed

    def add_permission(self, region_name: str, queue_name: str, *more: Any, **named: Any) -> None:
        """AddPermission: the policy that it begins has a name and the older version."""
        queue = self.get_queue(queue_name)
        is_new = not queue._policy_json["Statement"]
        super().add_permission(region_name, queue_name, *more, **named)
        if is_new:
            begun = {"Version": "2008-10-17", "Id": f"{queue.queue_arn}/SQSDefaultPolicy"}
            queue._policy_json = begun | {"Statement": queue._policy_json["Statement"]}

    def remove_permission(self, queue_name: str, label: str) -> None:
        """RemovePermission, in AWS's words."""
        queue = self.get_queue(queue_name)
        if all(statement.get("Sid") != label for statement in queue._policy_json["Statement"]):
            raise InvalidParameterValue(f"Value {label} for parameter Label is invalid. Reason: can't find label.")
        super().remove_permission(queue_name, label)

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """ReceiveMessage: moto filters the attributes on a copy, this hands on one too."""
        received = self.get_queue(queue_name).receive(count, wait_seconds_timeout, visibility_timeout)
        return [_with_attributes(message, message_attribute_names or []) for message in received]

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        """ChangeMessageVisibility."""
        self.get_queue(queue_name).change_visibility(receipt_handle, int(visibility_timeout))


def _with_attributes(message: Message, names: Iterable[str]) -> Message:
    seen = Message(message.id, message.body, message.system_attributes)
    seen.__dict__.update(message.__dict__)
    wanted = [(name[:-1].removesuffix("."), True) if name.endswith("*") else (name, False) for name in names]
    seen.message_attributes = {
        held: value
        for held, value in message.message_attributes.items()
        if any(name == "All" or (held.startswith(name) if is_prefix else held == name) for name, is_prefix in wanted)
    }
    return seen


def _shown(message: Message, names: set[str]) -> dict[str, Any]:
    """Return a message as ReceiveMessage shows it, with those of its system attributes that are asked for."""
    shown: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
    if message.message_attributes:
        shown["MessageAttributes"] = message.message_attributes
        shown["MD5OfMessageAttributes"] = message.attribute_md5
    attributes = system_attributes(message)
    wanted = attributes if "All" in names else {name: attributes[name] for name in attributes if name in names}
    return shown | {"Attributes": wanted} if wanted else shown


def system_attributes(message: Message) -> dict[str, str]:
    """Return what SQS itself says of a message.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html
    """
    attributes = {
        "ApproximateReceiveCount": str(message.approximate_receive_count),
        "SentTimestamp": str(message.sent_timestamp),
        "SenderId": message.sender_id,
        "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
    }
    optional = {
        "MessageGroupId": message.group_id,
        "MessageDeduplicationId": message.deduplication_id,
        "SequenceNumber": message.sequence_number,
    }
    attributes |= {name: value for name, value in optional.items() if value is not None}
    return attributes | {name: value["StringValue"] for name, value in message.system_attributes.items()}


def deliver(arn: str, message: str, *, service: str, source: str, **more: Any) -> bool:
    """Send a message to the queue on behalf of another service's resource, if the queue's policy allows it.

    Returns whether the queue has taken it.
    """
    queue = find_queue(arn)
    if queue is None:
        return False
    request = service_request(service, "sqs:SendMessage", arn, source=source, account=queue.account_id)
    if not allows([queue._policy_json], request):
        return False
    models.sqs_backends[queue.account_id][queue.region].send_message(queue.name, message, **more)
    return True


def _no_resource(parameter: str) -> AwsError:
    words = f"The resource that you specified for the {parameter} parameter doesn't exist."
    return AwsError("ResourceNotFoundException", words, 404)


_moves: dict[str, list[MessageMove]] = {}  # by the ARN of the dead-letter queue, the latest first


class SQSResponse(responses.SQSResponse):
    """moto's face of SQS, with the message moves that it lacks.

    They are on their way there: getmoto/moto#10265.
    """

    def receive_message(self) -> ActionResult:
        """ReceiveMessage, with the attributes that moto leaves out: where a dead letter comes from."""
        name = self._get_queue_name()
        queue = self.sqs_backend.get_queue(name)
        assert isinstance(queue, Queue)
        wait, visibility = self._get_param("WaitTimeSeconds"), self._get_param("VisibilityTimeout")
        received = self.sqs_backend.receive_message(
            name,
            self._get_param("MaxNumberOfMessages", 1),
            queue.receive_message_wait_time_seconds if wait is None else wait,  # type: ignore[attr-defined]
            queue.visibility_timeout if visibility is None else visibility,  # type: ignore[attr-defined]
            self._get_param("MessageAttributeNames", []),
        )
        names = {*self._get_param("AttributeNames", []), *self._get_param("MessageSystemAttributeNames", [])}
        shown = [_shown(message, names) for message in received]
        return ActionResult({"Messages": shown} if shown else {})

    def send_message_batch(self) -> ActionResult:
        """SendMessageBatch; what did not happen is not shown."""
        answer: dict[str, Any] = super().send_message_batch().result  # type: ignore[assignment]
        return ActionResult({name: entries for name, entries in answer.items() if entries})

    def list_queue_tags(self) -> ActionResult:
        """ListQueueTags, without a map when there are none."""
        tags = self.sqs_backend.list_queue_tags(self._get_queue_name()).tags
        return ActionResult({"Tags": tags} if tags else {})

    def start_message_move_task(self) -> ActionResult:
        """StartMessageMoveTask."""
        source = self._dead_letter_queue()
        destination_arn = self._get_param("DestinationArn")
        destination = find_queue(destination_arn) if destination_arn else None
        if destination_arn and destination is None:
            raise _no_resource("DestinationArn")
        moves = _moves.setdefault(source.queue_arn, [])
        if moves and moves[0].status == "RUNNING":
            raise InvalidParameterValue(
                "There is already a task running. Only one active task is allowed for a source queue arn at a "
                "given time."
            )
        moves.insert(0, MessageMove(source, destination, self._get_param("MaxNumberOfMessagesPerSecond")))
        return ActionResult({"TaskHandle": moves[0].handle})

    def list_message_move_tasks(self) -> ActionResult:
        """ListMessageMoveTasks: up to ten, the latest first."""
        source = self._dead_letter_queue()
        moves = _moves.get(source.queue_arn, [])[: self._get_param("MaxResults") or 1]
        return ActionResult({"Results": [move.describe() for move in moves]})

    def cancel_message_move_task(self) -> ActionResult:
        """CancelMessageMoveTask."""
        handle = self._get_param("TaskHandle")
        source_arn = source_of(handle)
        if source_arn is None:
            raise InvalidParameterValue("Value for parameter TaskHandle is invalid.")
        if find_queue(source_arn) is None:
            raise _no_resource("SourceArn")
        for move in (move for moves in _moves.values() for move in moves):
            if move.handle == handle and move.status == "RUNNING":
                move.cancel()
                return ActionResult({"ApproximateNumberOfMessagesMoved": move.moved})
        raise AwsError("ResourceNotFoundException", "Task does not exist.", 404)

    def _dead_letter_queue(self) -> Queue:
        source = find_queue(self._get_param("SourceArn"))
        if source is None:
            raise _no_resource("SourceArn")
        if not self.sqs_backend.list_dead_letter_source_queues(source.name):
            raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
        return source
