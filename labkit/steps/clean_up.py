"""Step 7: an inventory, everything deleted in the right order, and an inventory that says 0 left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from labkit.errors import LabError, WaitedTooLong, error_code, telling
from labkit.journal import Entry
from labkit.lab import Lab
from labkit.result import Result, counted
from labkit.settings import INGEST_FOLDER
from labkit.steps.functions import delete_function, delete_log_group, delete_trigger, find_trigger, log_group_exists
from labkit.steps.making import found_or_none
from labkit.steps.notification import (
    delete_bucket,
    delete_event_notification,
    delete_object,
    notification_exists,
    object_versions,
    unfinished_uploads,
)
from labkit.steps.queues import delete_queue, find_subscription, queue_url, unsubscribe_queue
from labkit.steps.roles import delete_role
from labkit.steps.topic import delete_topic, topic_attributes
from labkit.waiting import wait_until

GONE_WITHIN_S = 120


@dataclass(frozen=True)
class Kind:
    """How things of one kind are found and deleted."""

    exists: Callable[[Lab, Entry], bool]
    delete: Callable[[Lab, Entry], None]


def _keys(lab: Lab, entry: Entry) -> list[str]:
    """A photo and its results. In a bucket of one's own the bucket's end is enough for the results."""
    if lab.settings.bucket is None or entry.name == INGEST_FOLDER:
        return [entry.name]
    return [*(function.result_key(entry.name) for function in lab.settings.functions), entry.name]


def _object_exists(lab: Lab, entry: Entry) -> bool:
    bucket = entry.facts["bucket"]
    if found_or_none(lab.client("s3").head_bucket, Bucket=bucket) is None:
        return False
    keys = _keys(lab, entry)
    return any(object_versions(lab, bucket, key) or unfinished_uploads(lab, bucket, key) for key in keys)


def _delete_object_and_results(lab: Lab, entry: Entry) -> None:
    for key in _keys(lab, entry):
        delete_object(lab, entry.facts["bucket"], key)


def _bucket_exists(lab: Lab, entry: Entry) -> bool:
    """A bucket that was begun, and that these credentials may not see, was never made: the name is somebody's."""
    try:
        return found_or_none(lab.client("s3").head_bucket, Bucket=entry.name) is not None
    except ClientError as error:
        if entry.state == "creating" and error_code(error) == "403":
            return False
        raise


def _nothing_to_look_for(lab: Lab, entry: Entry) -> bool:  # noqa: ARG001
    """Policies go with what they are put on, and somebody's bucket stays."""
    return False


def _nothing_to_delete(lab: Lab, entry: Entry) -> None:
    lab.journal.deleted(entry.kind, entry.name)


# In the order of deletion. First what calls (triggers, notification), then what is called, then what they lean on:
# so no message is delivered into the void, and no function is called without its queue.
KINDS: Mapping[str, Kind] = {
    "trigger": Kind(
        lambda lab, entry: find_trigger(lab, lab.settings.function_named(entry.name)) is not None,
        lambda lab, entry: delete_trigger(lab, entry.name),
    ),
    "event notification": Kind(
        lambda lab, entry: notification_exists(lab, entry.name),
        lambda lab, entry: delete_event_notification(lab, entry.name),
    ),
    "subscription": Kind(
        lambda lab, entry: find_subscription(lab, entry.name) is not None,
        lambda lab, entry: unsubscribe_queue(lab, entry.name),
    ),
    "function": Kind(
        lambda lab, entry: found_or_none(lab.client("lambda").get_function, FunctionName=entry.name) is not None,
        lambda lab, entry: delete_function(lab, entry.name),
    ),
    "log group": Kind(
        lambda lab, entry: log_group_exists(lab, entry.name), lambda lab, entry: delete_log_group(lab, entry.name)
    ),
    "role": Kind(
        lambda lab, entry: found_or_none(lab.client("iam").get_role, RoleName=entry.name) is not None,
        lambda lab, entry: delete_role(lab, entry.name),
    ),
    "queue": Kind(
        lambda lab, entry: queue_url(lab, entry.name) is not None, lambda lab, entry: delete_queue(lab, entry.name)
    ),
    "topic": Kind(
        lambda lab, entry: topic_attributes(lab, entry.name) is not None,
        lambda lab, entry: delete_topic(lab, entry.name),
    ),
    "object": Kind(_object_exists, _delete_object_and_results),
    "bucket": Kind(_bucket_exists, lambda lab, entry: delete_bucket(lab, entry.name)),
    "topic policy": Kind(_nothing_to_look_for, _nothing_to_delete),
    "queue policy": Kind(_nothing_to_look_for, _nothing_to_delete),
    "existing bucket": Kind(_nothing_to_look_for, _nothing_to_delete),
}


@dataclass(frozen=True)
class Inventory(Result):
    """What this lab has in AWS right now, asked of AWS for each thing that the journal lists."""

    lab_id: str
    things: tuple[tuple[str, str], ...]  # kind, name

    def sentence(self) -> str:
        """How many things are left."""
        return f"{len(self.things)} left: {self.lab_id} has {counted(len(self.things), 'thing')} in AWS."

    def headers(self) -> Sequence[str]:
        """One row a thing."""
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a thing, in the order of deletion."""
        return self.things


@dataclass(frozen=True)
class Receipt(Result):
    """What was deleted, and what is left."""

    lab_id: str
    deleted: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]

    def sentence(self) -> str:
        """How many were deleted, how many are left."""
        return f"Deleted {counted(len(self.deleted), 'thing')} of {self.lab_id}; {len(self.left)} left."

    def headers(self) -> Sequence[str]:
        """One row a thing."""
        return ("kind", "name", "now")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a thing."""
        return [(*thing, "deleted") for thing in self.deleted] + [(*thing, "still there") for thing in self.left]


def _entries(lab: Lab) -> list[Entry]:
    order = list(KINDS)
    return sorted(lab.journal.entries(), key=lambda entry: order.index(entry.kind))


@telling("taking the inventory")
def inventory(lab: Lab) -> Inventory:
    """What the lab has in AWS now: each thing of the journal, if AWS says that it is there. Changes nothing."""
    there = [entry for entry in _entries(lab) if KINDS[entry.kind].exists(lab, entry)]
    return Inventory(lab.settings.lab_id, tuple((entry.kind, entry.name) for entry in there))


@telling("cleaning up")
def clean_up(lab: Lab) -> Receipt:
    """Delete everything that the journal says this lab has made, in the right order, and nothing else.

    Then asks AWS for each of it once more, until it is gone. Returns a Receipt; calling it again, or after a crash,
    goes on where it stopped. Raises LabError if AWS refuses, or if something stays.
    """
    entries, deleted = _entries(lab), []
    for entry in entries:
        with telling(f"deleting the {entry.kind} {entry.name}"):
            was_there = KINDS[entry.kind].exists(lab, entry)
        if was_there:
            KINDS[entry.kind].delete(lab, entry)
            deleted.append(entry)
        else:
            lab.journal.deleted(entry.kind, entry.name)
    left = [entry for entry in deleted if not _gone(lab, entry)]
    if left:
        for entry in left:
            lab.journal.created(entry.kind, entry.name, **entry.facts)
        names = ", ".join(f"{entry.kind} {entry.name}" for entry in left)
        raise LabError(f"{len(left)} left, though AWS took the order to delete: {names}.", hint="Run it again.")
    lab.journal.close()
    return Receipt(lab.settings.lab_id, tuple((entry.kind, entry.name) for entry in deleted), ())


def _gone(lab: Lab, entry: Entry) -> bool:
    """True once AWS no longer finds it. Until then it is deleted again.

    A deleted queue can be seen for a minute more; and a function that was still at work may write one more line, for
    which Lambda makes the log group anew if the role allows it, as roles that are not the lab's own often do.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
    """

    def ask() -> bool:
        if not KINDS[entry.kind].exists(lab, entry):
            return True
        KINDS[entry.kind].delete(lab, entry)
        return False

    try:
        return wait_until(ask, what=f"{entry.name} to be gone", seconds=GONE_WITHIN_S)
    except WaitedTooLong:
        return False
