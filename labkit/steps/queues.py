"""Step 2: three SQS queues, each subscribed to the topic, each with a queue for its dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit import resources
from labkit.errors import aws_errors
from labkit.lab import Lab
from labkit.resources import DeadLetterQueue, judge_settled, kinds_of_step
from labkit.resources.alarm import AnyAlarm
from labkit.resources.queue import AnyQueue
from labkit.result import Checks, Result, Table, counted
from labkit.settings import MAX_RECEIVE_COUNT

DEFAULT_VISIBILITY_S = 30  # SQS's own


@dataclass(frozen=True)
class Queue(Result):
    """An SQS queue of the lab."""

    name: str
    arn: str
    url: str
    visibility_timeout_s: int
    dead_letter_queue: str | None
    made: bool

    def sentence(self) -> str:
        return f"The queue {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        return (f"Queue {self.name} created successfully.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        yield "name", self.name
        yield "ARN", self.arn
        yield "URL", self.url
        yield "visibility timeout", f"{self.visibility_timeout_s} s"
        if self.dead_letter_queue:
            yield "dead letters go to", f"{self.dead_letter_queue} after {MAX_RECEIVE_COUNT} receives"


@dataclass(frozen=True)
class Subscription(Result):
    """What ties a queue to the topic."""

    queue: str
    topic_arn: str
    arn: str
    made: bool

    def sentence(self) -> str:
        return f"The queue {self.queue} {'is now' if self.made else 'was already'} subscribed to the topic."

    def console(self) -> Sequence[str]:
        return (f"Subscribed successfully to topic {self.topic_arn}.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        return (("subscription", self.arn), ("from topic", self.topic_arn), ("to queue", self.queue))


@dataclass(frozen=True)
class QueuePolicy(Result):
    """Who may send to a queue."""

    queue: str
    document: Mapping[str, Any]
    made: bool

    def sentence(self) -> str:
        return f"The policy of {self.queue} lets the topic, and nobody else's topic, send messages."

    def rows(self) -> Iterable[Sequence[object]]:
        for statement in self.document["Statement"]:
            yield "who", statement["Principal"]["Service"]
            yield "may do", statement["Action"]
            yield "on", statement["Resource"]
            yield "if the sender is", statement["Condition"]["ArnEquals"]["aws:SourceArn"]


@aws_errors("making a dead-letter queue")
def create_dead_letter_queue(lab: Lab, function_name: str) -> Queue:
    """Make the queue that keeps what a function could not handle.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    branch = lab.branch(function_name)
    return _create(DeadLetterQueue.in_branch(lab, branch), None)


@aws_errors("making a queue")
def create_queue(lab: Lab, function_name: str) -> Queue:
    """Make a function's Standard queue, and the dead-letter queue behind it if that is not there yet.

    The visibility timeout is six times the function's timeout. Returns the Queue; calling it again changes nothing
    but a timeout that is too short, or dead letters that go elsewhere. Raises LabError.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    branch = lab.branch(function_name)
    dead_letters = create_dead_letter_queue(lab, function_name)
    return _create(resources.Queue.in_branch(lab, branch), dead_letters.name)


def _create(queue: AnyQueue, dead_letter_queue: str | None) -> Queue:
    found = queue.read()
    made = queue.create(found)
    if found is not None:
        queue.put_right(found)
    visibility = int({**queue.attributes, **(found or {})}.get("VisibilityTimeout", DEFAULT_VISIBILITY_S))
    return Queue(queue.name, queue.arn, queue.require()["url"], visibility, dead_letter_queue, made)


def create_queues(lab: Lab) -> Table[Queue]:
    """Make all three queues, each with its dead-letter queue."""
    queues = tuple(create_queue(lab, branch.name) for branch in lab.branches)
    said = f"{counted(len(queues), 'queue')}, {sum(queue.made for queue in queues)} of them newly made."
    return Table(
        queues,
        said,
        {
            "queue": lambda queue: queue.name,
            "visibility timeout": lambda queue: f"{queue.visibility_timeout_s} s",
            "dead letters go to": lambda queue: queue.dead_letter_queue or "nowhere",
        },
    )


@aws_errors("letting the topic send to a queue")
def allow_topic_to_send(lab: Lab, function_name: str) -> QueuePolicy:
    """Put the policy on a function's queue that lets the topic send to it.

    The console does this by itself when one subscribes a queue; the API does not.
    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    branch = lab.branch(function_name)
    policy = resources.QueuePolicy.in_branch(lab, branch)
    policy.queue.require()
    document = policy.document()
    made = policy.read() != document
    if made:
        with policy.journaled_create():
            policy.make()
        lab.journal.created(*policy.key)
    return QueuePolicy(policy.name, document, made)


@aws_errors("subscribing a queue")
def subscribe_queue(lab: Lab, function_name: str) -> Subscription:
    """Subscribe a function's queue to the topic: the policy first, then the subscription, raw delivery off.

    Returns the Subscription; calling it again changes nothing. Raises LabError if topic or queue are missing.
    https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """
    branch = lab.branch(function_name)
    subscription = resources.Subscription.in_branch(lab, branch)
    subscription.topic.require()
    allow_topic_to_send(lab, function_name)
    made = subscription.create()
    return Subscription(subscription.name, subscription.topic.arn, subscription.require()["arn"], made)


def subscribe_queues(lab: Lab) -> Table[Subscription]:
    """Subscribe all three queues to the topic."""
    found = tuple(subscribe_queue(lab, branch.name) for branch in lab.branches)
    said = f"{counted(len(found), 'subscription')}, {sum(one.made for one in found)} of them newly made."
    return Table(found, said, {"queue": lambda one: one.queue, "subscription": lambda one: one.arn})


@aws_errors("checking the queues")
def check_queues(lab: Lab) -> Checks:
    """Look at each queue: type, timeouts, dead letters, policy, subscription. Changes nothing."""
    kinds = [kind for kind in kinds_of_step(2) if not issubclass(kind, AnyAlarm)]  # check_alarms looks at those
    return Checks("queues and subscriptions", judge_settled(lab, *kinds))
