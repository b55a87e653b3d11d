"""SQS queues that stay correct, and quick, with many senders and receivers at once.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from moto.sqs import models
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
from moto.sqs.models import Message

from labkit.embedded_aws import metrics

_LONGEST_INVISIBILITY_SECONDS = 43_200

_DEDUPLICATION_SECONDS = 300


class Queue(models.Queue):
    """A moto queue with its own store; what it tells about itself stays moto's.

    moto keeps one list of messages, walks all of it in every operation and changes it without a lock. This queue
    keeps what is ready, what is in flight and what is delayed apart, under one lock, and wakes those who wait.
    See getmoto/moto#372 and getmoto/moto#519 for threads.
    """

    def __init__(self, name: str, region: str, account_id: str, **attributes: Any) -> None:
        """Make an empty queue with the attributes of CreateQueue."""
        self._changed = threading.Condition(threading.RLock())
        self._order = itertools.count()
        self._seen: dict[tuple[str | None, str], Message] = {}  # what a FIFO queue took in the last five minutes
        self.deleted = False
        self._forget_all()
        super().__init__(name, region, account_id, **attributes)
        self._metrics: dict[str, metrics.Metric] = {}
        self.metric = metrics.metric(region, "AWS/SQS", "", {"QueueName": name})

    def _set_attributes(self, attributes: dict[str, Any], now: float | None = None) -> None:
        """Set what is named and leave the rest: moto drops the policy whenever anything else is set.

        True and False count in either case, as on AWS.

        No issue of moto's is known.
        """
        kept = {"Policy": self.policy} if hasattr(self, "_policy_json") else {}
        truths = {name: value.lower() for name, value in attributes.items() if value in ("True", "False")}
        super()._set_attributes({**kept, **attributes, **truths}, now)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes as GetQueueAttributes shows them: times in whole seconds."""
        shown: dict[str, Any] = super().attributes
        for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
            shown[name] = int(shown[name])
        return shown

    def _forget_all(self) -> None:
        self._all: dict[str, Message] = {}
        self._ready: deque[Message] = deque()
        self._later: list[tuple[float, str]] = []  # ids of what is in flight or delayed, by when it is visible
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

    @property
    def approximate_age_of_oldest_message(self) -> int:
        """How many seconds the oldest message that was not deleted is here; in a dead-letter queue, since it came.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        """
        with self._changed:
            oldest = min((message.__dict__["came"] for message in self._all.values()), default=_now())
        return int((_now() - oldest) / 1000)

    def count(self, name: str, value: float, unit: str = "Count") -> None:
        """Tell CloudWatch a figure of this queue."""
        if name not in self._metrics:
            self._metrics[name] = self.metric._replace(name=name)
        metrics.store().record(self._metrics[name], value, unit)

    def add_message(self, message: Message) -> None:
        """Take a message in; a FIFO queue drops what it has seen in the last five minutes."""
        with self._changed:
            if self.fifo_queue and self._is_duplicate(message):
                return
            self._all[message.id] = message
            message.__dict__["order"], message.__dict__["came"] = next(self._order), _now()
            if message.delayed_until > _now():
                self._hide(message, message.delayed_until)
            else:
                self._ready.append(message)
            self._changed.notify()

    def _is_duplicate(self, message: Message) -> bool:
        """Return whether the message was sent before, in the last five minutes, deleted or not; then it is that one."""
        if message.deduplication_id is None:
            return False
        horizon = _now() - _DEDUPLICATION_SECONDS * 1000
        for key in [key for key, other in self._seen.items() if (other.sent_timestamp or 0) <= horizon]:
            del self._seen[key]
        by_group = self.deduplication_scope == "messageGroup"  # type: ignore[attr-defined]
        first = self._seen.setdefault((message.group_id if by_group else None, message.deduplication_id), message)
        if first is message:
            return False
        message.id, message.sequence_number = first.id, first.sequence_number
        return True

    def _make_ready(self, message: Message) -> None:
        """Let a message be received again; in a FIFO queue it goes back to its place in the order."""
        if self.fifo_queue:
            bisect.insort(self._ready, message, key=lambda held: held.__dict__["order"])
        else:
            self._ready.append(message)

    def receive(
        self,
        count: int,
        wait_seconds: float,
        visibility_seconds: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Message]:
        """Return up to `count` messages, waiting up to `wait_seconds` for the first; each is now in flight."""
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            while True:
                received = self._take(count, visibility_seconds)
                remaining = deadline - time.monotonic()
                if received or remaining <= 0 or self.deleted or cancelled():
                    self.count("NumberOfMessagesReceived" if received else "NumberOfEmptyReceives", len(received) or 1)
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
                self._move_to_dead_letter_queue(message)
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

    def _move_to_dead_letter_queue(self, message: Message) -> None:
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
        heapq.heappush(self._later, (until, message.id))

    def _wake_up(self) -> None:
        now = _now()
        while self._later and self._later[0][0] <= now:
            due, message_id = heapq.heappop(self._later)
            if self._due.get(message_id) == due:
                del self._due[message_id]
                self._make_ready(self._all[message_id])

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
            self._wake_up()
            message = self._by_receipt.get(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            if message.id not in self._due:  # its visibility timeout had passed
                if self.fifo_queue:
                    raise InvalidParameterValue(
                        f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle "
                        "has expired."
                    )
                self._ready.remove(message)
            self._forget(message)
            self.count("NumberOfMessagesDeleted", 1)

    def knows(self, receipt_handle: str) -> bool:
        """Return whether the queue gave this receipt handle, for a message that may be deleted by now."""
        with self._changed:
            return receipt_handle in self._by_receipt or receipt_handle in self.deleted_messages

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Set when a message in flight becomes visible again, counted from now; 0 is at once."""
        with self._changed:
            message = self._by_receipt.get(receipt_handle)
            if message is None or message.id not in self._due:
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

    def wait_for_messages(self, timeout: float, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Return when a message can be received, or after `timeout` seconds, or when woken and cancelled."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (self.messages or self.deleted or cancelled()):
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


def find_queue(arn: str) -> Queue | None:
    """Return the queue of that ARN, or None."""
    parts = arn.split(":")
    if len(parts) != 6:
        return None
    queue = models.sqs_backends[parts[4]][parts[3]].queues.get(parts[5])
    return queue if isinstance(queue, Queue) else None


def _now() -> float:
    return time.time() * 1000
