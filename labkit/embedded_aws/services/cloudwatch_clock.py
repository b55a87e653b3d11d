"""What happens by itself: queues tell their lengths each minute, and alarms look at their figures.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

from __future__ import annotations

import logging
import threading

from moto.cloudwatch.models import cloudwatch_backends
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import metrics, settings
from labkit.embedded_aws.metrics import MINUTE
from labkit.embedded_aws.services.cloudwatch import CloudWatchBackend
from labkit.embedded_aws.services.cloudwatch_alarms import evaluate_due
from labkit.embedded_aws.services.sqs_queue import Queue
from labkit.embedded_aws.state import ACCOUNT

_log = logging.getLogger(__name__)

SHORTEST_PERIOD = 10  # in seconds: that of an alarm on figures of high resolution
_COUNTED = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted", "NumberOfEmptyReceives")


def start(ended: threading.Event) -> None:
    """Do it on a thread of its own, until the event is set."""
    threading.Thread(target=_run, args=(ended,), name="cloudwatch", daemon=True).start()


def _run(ended: threading.Event) -> None:
    while True:
        now = metrics.store().now()
        due = int(now // SHORTEST_PERIOD + 1) * SHORTEST_PERIOD
        if ended.wait(due - now):
            return
        try:
            if due % MINUTE == 0:
                measure_queues(due - MINUTE)
            if any(True for _ in _alarms(due)) and ended.wait(settings.current().metric_delay_seconds):
                return
            evaluate(due)
        except Exception:  # an alarm that stopped silently would look like one that is OK
            _log.exception("CloudWatch failed at %s; going on.", due)


def _backends() -> list[CloudWatchBackend]:
    """Those that somebody has asked for: to make them reads a large model, which many a lesson never needs."""
    if ACCOUNT not in cloudwatch_backends:
        return []
    return [held for held in list(cloudwatch_backends[ACCOUNT].values()) if isinstance(held, CloudWatchBackend)]


def _alarms(due: int) -> list[object]:
    return [
        alarm
        for backend in _backends()
        for alarm in backend.describe_alarms()
        if due % MINUTE == 0 or alarm.period < MINUTE
    ]


def evaluate(due: int) -> None:
    """Evaluate the alarms whose periods end at this moment."""
    for backend in _backends():
        evaluate_due(backend.describe_alarms(), due)


def measure_queues(minute: int) -> None:
    """Let each queue tell how long it is, and a nought of what did not happen in this minute."""
    for backend in list(sqs_backends[ACCOUNT].values() if ACCOUNT in sqs_backends else ()):
        for queue in list(backend.queues.values()):
            if isinstance(queue, Queue):
                _measure(queue, minute)


def _measure(queue: Queue, minute: int) -> None:
    store = metrics.store()
    lengths = {
        "ApproximateNumberOfMessagesVisible": queue.approximate_number_of_messages,
        "ApproximateNumberOfMessagesNotVisible": queue.approximate_number_of_messages_not_visible,
        "ApproximateNumberOfMessagesDelayed": queue.approximate_number_of_messages_delayed,
    }
    for name, length in lengths.items():
        store.record(queue.metric._replace(name=name), length, "Count", minute)
    age = queue.approximate_age_of_oldest_message
    store.record(queue.metric._replace(name="ApproximateAgeOfOldestMessage"), age, "Seconds", minute)
    for name in _COUNTED:
        metric = queue.metric._replace(name=name)
        if not store.has(metric, minute):
            store.record(metric, 0, "Count", minute)
