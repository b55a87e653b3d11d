"""Event source mappings: what polls a queue and hands its messages to a function.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.awslambda import models
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction
from moto.sqs.models import Message, sqs_backends

from labkit.embedded_aws import roles, settings
from labkit.embedded_aws.runtime.environment import MAX_PAYLOAD_BYTES
from labkit.embedded_aws.runtime.pool import EnvironmentPool, Result, Throttled
from labkit.embedded_aws.services.event_patterns import matches, read_pattern
from labkit.embedded_aws.services.lambda_names import read_name
from labkit.embedded_aws.services.sqs import system_attributes
from labkit.embedded_aws.services.sqs_queue import Queue

if TYPE_CHECKING:
    from labkit.embedded_aws.services.lambda_backend import LambdaBackend

_log = logging.getLogger(__name__)
_CORES = os.cpu_count() or 1  # asked once: the system reads a file to tell


class EventSourceMapping(models.EventSourceMapping):
    """moto's record of a mapping, with the states AWS takes it through.

    No issue of moto's is known.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        """Make the mapping; it is Creating for a while."""
        super().__init__(spec)
        self.function_response_types = self.function_response_types or []
        self.max_batch_window = self.max_batch_window or 0
        self._change("Creating" if self.enabled else "Disabled")

    def _change(self, state: str) -> None:
        self._changing = state
        self._changed_at = time.monotonic()
        self._told = False  # the answer to a change shows it under way, however short the delay

    def switch(self, enabled: bool) -> None:
        """Begin to enable, to disable or to change the mapping."""
        if enabled == self.enabled:
            self._change("Updating")
        else:
            self.enabled = enabled
            self._change("Enabling" if enabled else "Disabling")

    @property
    def state(self) -> str:
        """Creating, Enabling, Enabled, Disabling, Disabled or Updating."""
        if not self._told or time.monotonic() - self._changed_at < settings.current().mapping_delay_seconds:
            return self._changing
        return "Enabled" if self.enabled else "Disabled"

    def get_configuration(self) -> dict[str, Any]:
        """Return the mapping as the API shows it."""
        shown: dict[str, Any] = super().get_configuration()
        shown |= {"State": self.state, "StateTransitionReason": "USER_INITIATED", "EventSourceMappingArn": self.arn}
        for name in ("FunctionName", "Tags"):
            shown.pop(name, None)
        if not (self.filter_criteria or {}).get("Filters"):
            shown.pop("FilterCriteria", None)
        self._told = True
        return shown

    def wants(self, record: dict[str, Any]) -> bool:
        """Return whether the mapping's filters let a record through; without filters all are.

        Data that is filtered by its body is JSON where the pattern is, and what is neither is dropped.
        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
        """
        filters = (self.filter_criteria or {}).get("Filters") or []
        return not filters or any(_lets_through(read_pattern(one["Pattern"]), record) for one in filters)


def _lets_through(pattern: Mapping[str, Any], record: dict[str, Any]) -> bool:
    body: Any = record["body"]
    if isinstance(pattern.get("body"), Mapping):
        try:
            body = json.loads(body)
        except ValueError:
            return False
    return matches(pattern, record | {"body": body})


class Poller:
    """The threads that serve one mapping: as many as may run the function at once."""

    def __init__(
        self, mapping: EventSourceMapping, queue: Queue, backend: LambdaBackend, pool: EnvironmentPool
    ) -> None:
        """Begin to poll; nothing is received before the mapping is Enabled."""
        self._mapping = mapping
        self._queue = queue
        self._backend = backend
        self._pool = pool
        self._stopped = threading.Event()
        self._collecting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.adjust()

    def adjust(self) -> None:
        """Start the threads that the mapping's scaling configuration allows beyond those that run."""
        for number in range(len(self._threads), self._concurrency()):
            thread = threading.Thread(
                target=self._serve, args=(number,), name=f"poll-{self._queue.name}-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _concurrency(self) -> int:
        at_most = (self._mapping.scaling_config or {}).get("MaximumConcurrency")
        return min(_CORES, int(at_most)) if at_most else _CORES

    def stop(self) -> None:
        """Receive no more. A batch that is being processed is finished."""
        self._stopped.set()
        self._queue.wake_everyone()

    def _serve(self, number: int) -> None:
        while not self._stopped.is_set():
            if self._queue.deleted and not self._follows_the_name():
                self._stopped.wait(0.2)
                continue
            try:
                self._serve_once(number)
            except Exception:  # a poller that stopped silently would look like a lost message
                _log.exception("Polling %s failed; trying again.", self._queue.name)
                self._stopped.wait(1)

    def _follows_the_name(self) -> bool:
        """Return whether there is a queue of that name again: a mapping names its queue by ARN."""
        queue = sqs_backends[self._queue.account_id][self._queue.region].queues.get(self._queue.name)
        if isinstance(queue, Queue):
            self._queue = queue
        return isinstance(queue, Queue)

    def _serve_once(self, number: int) -> None:
        if self._mapping.state != "Enabled" or number >= self._concurrency():
            self._stopped.wait(0.05)
            return
        queue = self._queue  # another one of that name may take its place meanwhile
        queue.wait_for_messages(20, lambda: self._stopped.is_set() or not self._mapping.enabled)
        function = self._function()
        if function is None or not self._pool.has_room(function) or not may_receive(function, queue):
            queue.wake_everyone()  # what waits stays in the queue, for whoever else waits for it
            self._stopped.wait(0.05)
            return
        if self._stopped.is_set() or self._mapping.state != "Enabled":
            return
        messages = self._batch(queue)
        if messages:
            self._process(function, queue, messages)

    def _function(self) -> LambdaFunction | None:
        try:
            return self._backend.invoked(read_name(self._mapping.function_arn))
        except UnknownFunctionException:
            return None

    def _batch(self, queue: Queue) -> list[Message]:
        """Receive one batch: what is there, or what comes within the batching window."""
        visibility: int = queue.visibility_timeout  # type: ignore[attr-defined]
        window = self._mapping.max_batch_window
        if not window:
            return queue.receive(self._mapping.batch_size, 0, visibility)
        if self._collecting.locked():
            queue.wake_everyone()  # the one that collects may sleep: the message has woken this thread
        with self._collecting:  # two threads that collect at once would each fill half a batch
            messages = queue.receive(self._mapping.batch_size, 0, visibility)
            closes = time.monotonic() + window
            while messages and (left := closes - time.monotonic()) > 0 and not self._stopped.is_set():
                room = self._mapping.batch_size - len(messages)
                if room == 0 or sum(len(message.body) for message in messages) > MAX_PAYLOAD_BYTES:
                    break
                messages += queue.receive(room, left, visibility, self._stopped.is_set)
            return messages

    def _run(self, function: LambdaFunction, queue: Queue, event: bytes) -> Result | None:
        """Invoke; a throttled invocation is tried again, as Lambda does, while the messages are invisible."""
        visibility: int = queue.visibility_timeout  # type: ignore[attr-defined]
        deadline = time.monotonic() + visibility - int(function.timeout)
        while True:
            try:
                return self._pool.run(function, event, arn=self._mapping.function_arn)
            except Throttled:
                if time.monotonic() >= deadline or self._stopped.wait(0.05):
                    return None

    def _wanted(self, messages: list[Message], queue: Queue) -> tuple[list[dict[str, Any]], list[Message]]:
        """Return the records to hand on, with their messages; what the filters leave out is deleted.

        A record that cannot be built stays in the queue alone, without its neighbours, and comes again.
        """
        records, kept = [], []
        for message in messages:
            try:
                record = sqs_record(message, queue)
            except Exception:
                _log.exception("The message %s of %s cannot be handed to a function.", message.id, queue.name)
                continue
            if self._mapping.wants(record):
                records.append(record)
                kept.append(message)
            else:
                self._delete(message, queue)
        return records, kept

    def _delete(self, message: Message, queue: Queue) -> None:
        assert message.receipt_handle is not None
        queue.delete_message(message.receipt_handle)

    def _process(self, function: LambdaFunction, queue: Queue, messages: list[Message]) -> None:
        """Invoke the function; delete what succeeded, leave the rest to the visibility timeout."""
        records, messages = self._wanted(messages, queue)
        if not messages:
            return
        event = {"Records": records}
        result = self._run(function, queue, json.dumps(event).encode())
        if result is None or result.outcome.error is not None:
            return
        failed: set[str] | None = set()
        if "ReportBatchItemFailures" in (self._mapping.function_response_types or []):
            failed = failed_items(result.outcome.payload, {message.id for message in messages})
        if failed is None:
            return
        for message in messages:
            if message.id not in failed:
                self._delete(message, queue)


def may_receive(function: LambdaFunction, queue: Queue) -> bool:
    """Return whether the function's role allows all that a poller does on the queue."""
    actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    return roles.may(function.role, queue.queue_arn, *actions)


def failed_items(payload: bytes, sent: set[str]) -> set[str] | None:
    """Return the ids that the function reports as failed, or None when the whole batch counts as failed.

    Nothing, null or an empty list is complete success; an answer that cannot be understood, or that names
    something that was not sent, is complete failure.
    """
    try:
        response = json.loads(payload or b"null")
        reported = (response or {}).get("batchItemFailures") or []
        failed = {item["itemIdentifier"] for item in reported}
    except (ValueError, AttributeError, TypeError, KeyError):
        return None
    return failed if failed <= sent else None


def sqs_record(message: Message, queue: Queue) -> dict[str, Any]:
    """Return the message as a function sees it.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
    """
    record: dict[str, Any] = {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": system_attributes(message),
        "messageAttributes": {name: _message_attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": queue.region,
    }
    record["md5OfMessageAttributes"] = message.attribute_md5 if message.message_attributes else None
    return record


def _message_attribute(value: dict[str, Any]) -> dict[str, Any]:
    names = {"StringValue": "stringValue", "BinaryValue": "binaryValue"}
    shown = {names[name]: _as_text(held) for name, held in value.items() if name in names}
    return shown | {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def _as_text(value: str | bytes) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
