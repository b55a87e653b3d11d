"""Each kind of resource that the lab is made of, known in one place: what it should be, what it is, how it is made.

`KINDS` is the order of making; the order of deleting is its reverse: first what calls, then what is called, then what
they lean on, so that no function is called without its queue, and no photo is announced to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from labkit.errors import WaitedTooLong
from labkit.journal_lines import Entry
from labkit.lab import Lab
from labkit.resources.alarm import AgeAlarm, DeadLetterAlarm
from labkit.resources.bucket import Bucket, ExistingBucket
from labkit.resources.function import Function
from labkit.resources.judgement import SETTLED_WITHIN, Line, Snapshot
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
from labkit.waiting import wait_until

__all__ = [
    "KINDS",
    "AgeAlarm",
    "Bucket",
    "DeadLetterAlarm",
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
    "judge_settled",
    "kinds_of_step",
    "resource_of",
    "resources",
]

WAITED = "The lab has waited for AWS to show what it wrote."

KINDS: tuple[type[Resource], ...] = (
    Topic,
    DeadLetterQueue,
    Queue,
    DeadLetterAlarm,
    AgeAlarm,
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


def kinds_of_step(step: int) -> tuple[type[Resource], ...]:
    """The kinds that a step of the story makes, in the order of making."""
    return tuple(kind for kind in KINDS if kind.step == step)


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
    return tuple(line for one in _of(snapshot.lab, kinds) for line in snapshot.judge(one))


def judge_settled(lab: Lab, *kinds: type[Resource]) -> tuple[Line, ...]:
    """The same, once AWS shows what this lab has written within the last minute; one wait for all lines.

    What was not written lately, and what is on the embedded AWS, is not waited for. A line that fails although it was
    waited for says so.
    """
    snapshot, waited_for = Snapshot(lab), set[tuple[str, str]]()

    def look() -> bool:
        nonlocal snapshot
        snapshot = Snapshot(lab)
        lagging = {one.key for one in _of(lab, kinds) if not _all_passed(snapshot.judge(one))} & snapshot.just_changed
        waited_for.update(lagging)
        return not lagging

    with suppress(WaitedTooLong):
        wait_until(look, what="AWS to show what was just written", seconds=SETTLED_WITHIN.total_seconds())
    return tuple(
        replace(line, evidence=f"{line.evidence} {WAITED}") if one.key in waited_for and not line.passed else line
        for one in _of(lab, kinds)
        for line in snapshot.judge(one)
    )


def _all_passed(lines: tuple[Line, ...]) -> bool:
    return all(line.passed for line in lines)


def _of(lab: Lab, kinds: tuple[type[Resource], ...]) -> list[Resource]:
    order = [branch.name for branch in lab.branches]
    found = [one for kind in kinds or KINDS for one in kind.of(lab)]
    return sorted(found, key=lambda one: order.index(one.branch.name) if one.branch else -1)
