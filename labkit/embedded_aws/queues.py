"""SQS queues that stay correct, and quick, with many senders and receivers at once.

moto keeps one list of messages, walks all of it in every operation and changes it without a lock. This queue
keeps what is ready, what is in flight and what is delayed apart, under one lock, and wakes those who wait.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from __future__ import annotations

import heapq
import itertools
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.responses import ActionResult
from moto.sqs import models, responses
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid, SQSException
from moto.sqs.models import Message

_LONGEST_INVISIBILITY_SECONDS = 43_200
_LONGEST_DELAY_SECONDS = 900
_DEDUPLICATION_SECONDS = 300


class Queue(models.Queue):
    """A moto queue with a store of its own; what it tells about itself stays moto's."""

    def __init__(self, name: str, region: str, account_id: str, **attributes: Any) -> None:
        """Make an empty queue with the attributes of CreateQueue."""
        self._changed = threading.Condition(threading.RLock())
        self._order = itertools.count()
        self.deleted = False
        self._forget_all()
        super().__init__(name, region, account_id, **attributes)

    def _set_attributes(self, attributes: dict[str, Any], now: float | None = None) -> None:
        """Set what is named and leave the rest: moto drops the policy whenever anything else is set."""
        kept = {"Policy": self.policy} if hasattr(self, "_policy_json") else {}
        super()._set_attributes({**kept, **attributes}, now)

    def _forget_all(self) -> None:
        self._all: dict[str, Message] = {}
        self._ready: deque[Message] = deque()
        self._later: list[tuple[float, int, Message]] = []  # in flight or delayed, by when they are visible
        self._due: dict[str, float] = {}  # message id -> the entry of _later that counts
        self._by_receipt: dict[str, Message] = {}
        self._receipts: dict[str, list[str]] = {}

    # moto's own methods still read and empty this list (PurgeQueue)
    @property
    def _messages(self) -> list[Message]:
        with self._changed:
            return list(self._all.values())

    @_messages.setter
    def _messages(self, messages: list[Message]) -> None:
        with self._changed:
            for receipts in self._receipts.values():
                self.deleted_messages.update(receipts)  # who has purged messages in hand may delete them
            self._forget_all()
            for message in messages:
                self.add_message(message)

    @property
    def messages(self) -> list[Message]:
        """The messages that a receiver could be given now."""
        with self._changed:
            self._wake_up()
            return list(self._ready)

    @property
    def approximate_number_of_messages(self) -> int:
        """How many messages wait to be received."""
        with self._changed:
            self._wake_up()
            return len(self._ready)

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        """How many messages were sent with a delay that has not passed."""
        with self._changed:
            self._wake_up()
            return sum(1 for id_ in self._due if self._all[id_].approximate_receive_count == 0)

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        """How many messages are in flight: received, not deleted, not yet visible again."""
        with self._changed:
            self._wake_up()
            return sum(1 for id_ in self._due if self._all[id_].approximate_receive_count > 0)

    def add_message(self, message: Message) -> None:
        """Take a message in; a FIFO queue drops what it has seen in the last five minutes."""
        with self._changed:
            if self.fifo_queue and self._is_duplicate(message):
                return
            self._all[message.id] = message
            if message.delayed_until > _now():
                self._hide(message, message.delayed_until)
            else:
                self._ready.append(message)
            self._changed.notify()

    def _is_duplicate(self, message: Message) -> bool:
        horizon = _now() - _DEDUPLICATION_SECONDS * 1000
        return message.deduplication_id is not None and any(
            other.deduplication_id == message.deduplication_id and (other.sent_timestamp or 0) > horizon
            for other in self._all.values()
        )

    def receive(
        self,
        count: int,
        wait_seconds: float,
        visibility_seconds: float,
        given_up: Callable[[], bool] = lambda: False,
    ) -> list[Message]:
        """Return up to `count` messages, waiting up to `wait_seconds` for the first; each is now in flight."""
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            while True:
                received = self._take(count, visibility_seconds)
                remaining = deadline - time.monotonic()
                if received or remaining <= 0 or self.deleted or given_up():
                    return received
                self._changed.wait(min(remaining, self._seconds_to_next()))

    def _take(self, count: int, visibility_seconds: float) -> list[Message]:
        self._wake_up()
        taken: list[Message] = []
        passed_over: list[Message] = []
        busy_groups = self._groups_in_flight() if self.fifo_queue else set()
        while self._ready and len(taken) < count:
            message = self._ready.popleft()
            if self._expired(message):
                self._forget(message)
            elif self.fifo_queue and message.group_id in busy_groups:
                passed_over.append(message)
            elif self._is_dead(message):
                self._bury(message)
            else:
                self._hand_out(message)
                self._hide(message, _now() + visibility_seconds * 1000)
                taken.append(message)
        self._ready.extendleft(reversed(passed_over))
        return taken

    def _hand_out(self, message: Message) -> None:
        message.approximate_receive_count += 1
        message.approximate_first_receive_timestamp = message.approximate_first_receive_timestamp or int(_now())
        message.receipt_handle = secrets.token_urlsafe(90)
        self._by_receipt[message.receipt_handle] = message
        self._receipts.setdefault(message.id, []).append(message.receipt_handle)

    def _groups_in_flight(self) -> set[str]:
        return {group for id_ in self._due if (group := self._all[id_].group_id) is not None}

    def _expired(self, message: Message) -> bool:
        kept_for: int = self.message_retention_period  # type: ignore[attr-defined]
        return (message.sent_timestamp or 0) + kept_for * 1000 <= _now()

    def _is_dead(self, message: Message) -> bool:
        redrive: dict[str, Any] | None = self.redrive_policy
        return (
            self.dead_letter_queue is not None
            and redrive is not None
            and message.approximate_receive_count >= redrive["maxReceiveCount"]
        )

    def _bury(self, message: Message) -> None:
        self._forget(message)
        message.visible_at = 0.0
        message.system_attributes["DeadLetterQueueSourceArn"] = {
            "StringValue": self.queue_arn,
            "DataType": "String",
        }
        assert self.dead_letter_queue is not None
        self.dead_letter_queue.add_message(message)

    def _hide(self, message: Message, until: float) -> None:
        message.visible_at = until
        self._due[message.id] = until
        heapq.heappush(self._later, (until, next(self._order), message))

    def _wake_up(self) -> None:
        now = _now()
        while self._later and self._later[0][0] <= now:
            due, _, message = heapq.heappop(self._later)
            if self._due.get(message.id) == due:
                del self._due[message.id]
                self._ready.append(message)

    def _seconds_to_next(self) -> float:
        return max(0.001, (self._later[0][0] - _now()) / 1000) if self._later else 3600.0

    def _forget(self, message: Message) -> None:
        self._all.pop(message.id, None)
        self._due.pop(message.id, None)
        for receipt in self._receipts.pop(message.id, ()):
            del self._by_receipt[receipt]
            self.deleted_messages.add(receipt)

    def delete_message(self, receipt_handle: str) -> None:
        """Delete for good, by any receipt handle the message ever had; deleting twice is no error."""
        with self._changed:
            if receipt_handle in self.deleted_messages:
                return
            message = self._by_receipt.get(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            if message.id not in self._due:
                self._ready.remove(message)  # its visibility timeout had passed
            self._forget(message)

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Set when a message in flight becomes visible again, counted from now; 0 is at once."""
        with self._changed:
            message = self._by_receipt.get(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            if message.id not in self._due:
                raise InvalidParameterValue(
                    f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
                    "exist or is not available for visibility timeout change."
                )
            if _now() + seconds * 1000 - (message.sent_timestamp or 0) > _LONGEST_INVISIBILITY_SECONDS * 1000:
                raise InvalidParameterValue(
                    f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total "
                    "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
                )
            self._hide(message, _now() + seconds * 1000)
            self._changed.notify()

    def take_out(self) -> Message | None:
        """Remove and return the message that has waited longest, if there is one: what a redrive moves."""
        with self._changed:
            self._wake_up()
            if not self._ready:
                return None
            message = self._ready.popleft()
            self._forget(message)
            return message

    def wait_for_messages(self, timeout: float, given_up: Callable[[], bool] = lambda: False) -> None:
        """Return when a message can be received, or after `timeout` seconds, or when woken and given up."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (self.messages or self.deleted or given_up()):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return
                self._changed.wait(min(remaining, self._seconds_to_next()))

    def wake_everyone(self) -> None:
        """Let all who wait look again at why they do."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let go everyone who waits: the queue was deleted."""
        self.deleted = True
        self.wake_everyone()


def _now() -> float:
    return time.time() * 1000


class SQSBackend(models.SQSBackend):
    """moto's SQS on the queues above."""

    queues: dict[str, Queue]  # type: ignore[assignment]

    def get_queue(self, queue_name: str) -> Queue:
        """Return the queue or raise QueueDoesNotExist."""
        queue = super().get_queue(queue_name)
        assert isinstance(queue, Queue)
        return queue

    def delete_queue(self, queue_name: str) -> None:
        """Delete the queue and release whoever polls it."""
        queue = self.get_queue(queue_name)
        super().delete_queue(queue_name)
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
        validate_group_id: bool = True,
    ) -> Message:
        """SendMessage: moto counts characters, and collects all attributes of the queue for each message."""
        queue = self.get_queue(queue_name)
        if queue.fifo_queue:
            return super().send_message(
                queue_name,
                message_body,
                message_attributes,
                delay_seconds,
                deduplication_id,
                group_id,
                system_attributes,
                validate_group_id,
            )
        largest: int = queue.maximum_message_size  # type: ignore[attr-defined]
        if len(message_body.encode()) > largest:
            raise InvalidParameterValue(
                f"One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes."
            )
        delay = int(queue.delay_seconds if delay_seconds is None else delay_seconds)  # type: ignore[attr-defined]
        if not 0 <= delay <= _LONGEST_DELAY_SECONDS:
            raise InvalidParameterValue(
                f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
            )
        message = Message(str(uuid.uuid4()), message_body, system_attributes)
        message.message_attributes = message_attributes or {}
        message.group_id = group_id
        message.mark_sent(delay)
        queue.add_message(message)
        return message

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
    models._filter_message_attributes(seen, list(names))
    return seen


class MessageMove:
    """A redrive under way: from a dead-letter queue back to where its messages failed, or to another queue.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """

    def __init__(self, source: Queue, destination: Queue | None, per_second: int | None) -> None:
        """Begin to move on a thread of its own."""
        self.handle = secrets.token_urlsafe(60)
        self.source = source
        self.destination = destination
        self.per_second = per_second
        self.status = "RUNNING"
        self.failure: str | None = None
        self.moved = 0
        self.to_move = source.approximate_number_of_messages
        self.started_ms = int(_now())
        self._cancelled = threading.Event()
        threading.Thread(target=self._run, name=f"redrive-{source.name}", daemon=True).start()

    def cancel(self) -> None:
        """Stop after the message that is being moved."""
        self._cancelled.set()
        self.status = "CANCELLED"

    def _run(self) -> None:
        while self.moved < self.to_move and not self._cancelled.is_set():
            message = self.source.take_out()
            if message is None:
                break
            if not self._move(message):
                return
            if self.per_second:
                self._cancelled.wait(1 / self.per_second)
        if self.status == "RUNNING":
            self.status = "COMPLETED"

    def _move(self, message: Message) -> bool:
        """Send the message anew: AWS gives it a new id, a new age and a receive count of nought."""
        origin = message.system_attributes.get("DeadLetterQueueSourceArn", {}).get("StringValue")
        target = self.destination or find_queue(origin or "")
        if target is None:
            self.source.add_message(message)
            self.status, self.failure = "FAILED", "AWS.SimpleQueueService.NonExistentQueue"
            return False
        renewed = Message(str(uuid.uuid4()), message.body)
        renewed.message_attributes = message.message_attributes
        renewed.group_id, renewed.deduplication_id = message.group_id, message.deduplication_id
        renewed.mark_sent()
        target.add_message(renewed)
        self.moved += 1
        return True

    def describe(self) -> dict[str, Any]:
        """Return the task as ListMessageMoveTasks shows it."""
        shown = {
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
            "Status": self.status,
            "SourceArn": self.source.queue_arn,
            "DestinationArn": self.destination.queue_arn if self.destination else None,
            "MaxNumberOfMessagesPerSecond": self.per_second,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "FailureReason": self.failure,
            "StartedTimestamp": self.started_ms,
        }
        return {name: value for name, value in shown.items() if value is not None}


def find_queue(arn: str) -> Queue | None:
    """Return the queue of that ARN, or None."""
    parts = arn.split(":")
    if len(parts) != 6:
        return None
    queue = models.sqs_backends[parts[4]][parts[3]].queues.get(parts[5])
    return queue if isinstance(queue, Queue) else None


_moves: dict[str, list[MessageMove]] = {}  # by the ARN of the dead-letter queue, the latest first


class SQSResponse(responses.SQSResponse):
    """moto's face of SQS, with the message moves that it lacks."""

    def start_message_move_task(self) -> ActionResult:
        """StartMessageMoveTask."""
        source = self._dead_letter_queue()
        destination_arn = self._get_param("DestinationArn")
        destination = find_queue(destination_arn) if destination_arn else None
        if destination_arn and destination is None:
            raise SQSException(
                "ResourceNotFoundException",
                "The resource that you specified for the DestinationArn parameter doesn't exist.",
            )
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
        for move in (move for moves in _moves.values() for move in moves):
            if move.handle == handle and move.status == "RUNNING":
                move.cancel()
                return ActionResult({"ApproximateNumberOfMessagesMoved": move.moved})
        raise SQSException("ResourceNotFoundException", "Task does not exist.")

    def _dead_letter_queue(self) -> Queue:
        source = find_queue(self._get_param("SourceArn"))
        if source is None:
            raise SQSException(
                "ResourceNotFoundException",
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            )
        if not self.sqs_backend.list_dead_letter_source_queues(source.name):
            raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
        return source
