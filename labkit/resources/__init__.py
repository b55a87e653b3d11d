"""Each kind of resource that the lab is made of, known in one place: what it should be, what it is, how it is made.

`KINDS` is the order of making; the order of deleting is its reverse: first what calls, then what is called, then what
they lean on, so that no function is called without its queue, and no photo is announced to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.journal import Entry
from labkit.lab import Lab
from labkit.resources.bucket import Bucket, ExistingBucket
from labkit.resources.function import Function
from labkit.resources.judgement import Line, Snapshot
from labkit.resources.log_group import LogGroup
from labkit.resources.notification import Notification
from labkit.resources.photo import Photo
from labkit.resources.queue import DeadLetterQueue, Queue
from labkit.resources.queue_policy import QueuePolicy
from labkit.resources.resource import Resource
from labkit.resources.role import ExistingRole, Role
from labkit.resources.subscription import Subscription
from labkit.resources.topic import Topic
from labkit.resources.topic_policy import TopicPolicy
from labkit.resources.trigger import Trigger

__all__ = [
    "KINDS",
    "Bucket",
    "DeadLetterQueue",
    "ExistingBucket",
    "ExistingRole",
    "Function",
    "Line",
    "LogGroup",
    "Notification",
    "Photo",
    "Queue",
    "QueuePolicy",
    "Resource",
    "Role",
    "Snapshot",
    "Subscription",
    "Topic",
    "TopicPolicy",
    "Trigger",
    "judge",
    "resource_of",
    "resources",
]

KINDS: tuple[type[Resource], ...] = (
    Topic,
    DeadLetterQueue,
    Queue,
    QueuePolicy,
    Subscription,
    Bucket,
    ExistingBucket,
    Photo,
    TopicPolicy,
    Notification,
    Role,
    ExistingRole,
    LogGroup,
    Function,
    Trigger,
)


def resources(lab: Lab) -> Iterator[Resource]:
    """All resources that the lab's definition names, in the order of making."""
    for kind in KINDS:
        yield from kind.of(lab)


def resource_of(lab: Lab, entry: Entry) -> Resource | None:
    """The resource that an entry of the journal speaks of; None for a kind that this version does not know."""
    kinds = [kind for kind in KINDS if kind.kind == entry.kind]
    named = next((kind for kind in kinds if any(one.name == entry.name for one in kind.of(lab))), None)
    return (named or kinds[0]).from_entry(lab, entry) if kinds else None


def judge(snapshot: Snapshot, *kinds: type[Resource]) -> tuple[Line, ...]:
    """The lines of all resources of these kinds (of all kinds, if none is named), branch by branch."""
    found = [one for kind in kinds or KINDS for one in kind.of(snapshot.lab)]
    order = [branch.name for branch in snapshot.lab.branches]
    found.sort(key=lambda one: order.index(one.branch.name) if one.branch else -1)
    return tuple(line for one in found for line in snapshot.judge(one))
