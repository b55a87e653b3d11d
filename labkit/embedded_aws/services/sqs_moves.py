"""Message moves: a redrive from a dead-letter queue back to where its messages failed, or to another queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from typing import Any

from moto.sqs.models import Message

from labkit.embedded_aws.services.sqs_queue import Queue, find_queue


def source_of(handle: str) -> str | None:
    """Return the ARN of the queue that a task's handle names, None when it is no handle."""
    try:
        return str(json.loads(base64.b64decode(handle, validate=True))["sourceArn"])
    except (ValueError, KeyError, TypeError):
        return None


class MessageMove:
    """A redrive under way."""

    def __init__(self, source: Queue, destination: Queue | None, per_second: int | None) -> None:
        """Begin to move on a thread of its own."""
        told = {"taskId": str(uuid.uuid4()), "sourceArn": source.queue_arn}
        self.handle = base64.b64encode(json.dumps(told).encode()).decode()
        self.source = source
        self.destination = destination
        self.per_second = per_second
        self.status = "RUNNING"
        self.failure: str | None = None
        self.moved = 0
        self.to_move = source.approximate_number_of_messages
        self.started_ms = int(time.time() * 1000)
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
        if target is None or target.deleted:
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
