"""Step 2: three SQS queues, each subscribed to the topic, each with a queue for its dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from labkit.errors import error_code, telling
from labkit.lab import Lab
from labkit.policy import Request, service_request
from labkit.result import Check, Checks, Result
from labkit.settings import MAX_RECEIVE_COUNT, FunctionSettings
from labkit.steps.making import deleting, equal, found_or_none, making, missing, parsed, refuse_foreign, require
from labkit.steps.topic import require_topic, topic_arn
from labkit.waiting import wait_until

POLICY_SID = "LetTheTopicSend"


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
        """Made, or there already."""
        return f"The queue {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f"Queue {self.name} created successfully.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        """What a later step, or a person, needs to know."""
        yield "name", self.name
        yield "ARN", self.arn
        yield "URL", self.url
        yield "visibility timeout", f"{self.visibility_timeout_s} s"
        if self.dead_letter_queue:
            yield "dead letters go to", f"{self.dead_letter_queue} after {MAX_RECEIVE_COUNT} receives"


@dataclass(frozen=True)
class Queues(Result):
    """Several queues at once."""

    queues: tuple[Queue, ...]

    def sentence(self) -> str:
        """How many there are, and how many of them are new."""
        return f"{len(self.queues)} queues, {sum(queue.made for queue in self.queues)} of them newly made."

    def console(self) -> Sequence[str]:
        """One sentence a queue made."""
        return [said for queue in self.queues for said in queue.console()]

    def headers(self) -> Sequence[str]:
        """One row a queue."""
        return ("queue", "visibility timeout", "dead letters go to")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a queue."""
        for queue in self.queues:
            yield queue.name, f"{queue.visibility_timeout_s} s", queue.dead_letter_queue or "nowhere"


@dataclass(frozen=True)
class Subscription(Result):
    """What ties a queue to the topic."""

    queue: str
    topic_arn: str
    arn: str
    made: bool

    def sentence(self) -> str:
        """Made, or there already."""
        return f"The queue {self.queue} {'is now' if self.made else 'was already'} subscribed to the topic."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f"Subscribed successfully to topic {self.topic_arn}.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        """Its ARN and the two ends."""
        return (("subscription", self.arn), ("from topic", self.topic_arn), ("to queue", self.queue))


@dataclass(frozen=True)
class Subscriptions(Result):
    """Several subscriptions at once."""

    subscriptions: tuple[Subscription, ...]

    def sentence(self) -> str:
        """How many there are, and how many of them are new."""
        made = sum(subscription.made for subscription in self.subscriptions)
        return f"{len(self.subscriptions)} subscriptions, {made} of them newly made."

    def console(self) -> Sequence[str]:
        """One sentence a subscription made."""
        return [said for subscription in self.subscriptions for said in subscription.console()]

    def headers(self) -> Sequence[str]:
        """One row a subscription."""
        return ("queue", "subscription")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a subscription."""
        return [(subscription.queue, subscription.arn) for subscription in self.subscriptions]


@dataclass(frozen=True)
class QueuePolicy(Result):
    """Who may send to a queue."""

    queue: str
    document: Mapping[str, Any]
    made: bool

    def sentence(self) -> str:
        """Who may send."""
        return f"The policy of {self.queue} lets the topic, and nobody else's topic, send messages."

    def rows(self) -> Iterable[Sequence[object]]:
        """The statement, part by part."""
        for statement in self.document["Statement"]:
            yield "who", statement["Principal"]["Service"]
            yield "may do", statement["Action"]
            yield "on", statement["Resource"]
            yield "if the sender is", statement["Condition"]["ArnEquals"]["aws:SourceArn"]


def queue_arn(lab: Lab, name: str) -> str:
    """The ARN of a queue, known before it is made."""
    return lab.arn("sqs", name)


def queue_url(lab: Lab, name: str) -> str | None:
    """The URL of a queue, or None if there is no such queue."""
    answer = found_or_none(lab.client("sqs").get_queue_url, QueueName=name)
    return None if answer is None else str(answer["QueueUrl"])


def queue_attributes(lab: Lab, name: str) -> dict[str, str] | None:
    """All attributes of a queue, or None if there is no such queue."""
    url = queue_url(lab, name)
    if url is None:
        return None
    answer = found_or_none(lab.client("sqs").get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
    return None if answer is None else dict(answer["Attributes"])


@telling("making a dead-letter queue")
def create_dead_letter_queue(lab: Lab, function_name: str) -> Queue:
    """Make the queue that keeps what a function could not handle.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    function = lab.settings.function_named(function_name)
    name = lab.settings.dead_letter_queue_name(function)
    # Dead letters wait for a person: keep them as long as SQS can, 14 days.
    return _create_queue(lab, name, {"MessageRetentionPeriod": "1209600"}, dead_letter_queue=None)


@telling("making a queue")
def create_queue(lab: Lab, function_name: str) -> Queue:
    """Make a function's Standard queue, and the dead-letter queue behind it if that is not there yet.

    The visibility timeout is six times the function's timeout. Returns the Queue; calling it again changes nothing.
    Raises LabError. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    function = lab.settings.function_named(function_name)
    dead_letters = create_dead_letter_queue(lab, function_name)
    attributes = {
        "VisibilityTimeout": str(lab.settings.visibility_timeout_s),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": MAX_RECEIVE_COUNT}),
    }
    return _create_queue(lab, lab.settings.queue_name(function), attributes, dead_letters.name)


def create_queues(lab: Lab) -> Queues:
    """Make all three queues, each with its dead-letter queue; those that are there already stay as they are."""
    return Queues(tuple(create_queue(lab, function.name) for function in lab.settings.functions))


def _create_queue(lab: Lab, name: str, attributes: dict[str, str], dead_letter_queue: str | None) -> Queue:
    sqs, arn = lab.client("sqs"), queue_arn(lab, name)
    visibility = int(attributes.get("VisibilityTimeout", 30))  # 30 s is SQS's own default
    url = queue_url(lab, name)
    if url is not None:
        refuse_foreign(lab, "queue", name, lambda: sqs.list_queue_tags(QueueUrl=url).get("Tags", {}))
        lab.journal.created("queue", name, arn=arn, url=url)
        return Queue(name, arn, url, visibility, dead_letter_queue, made=False)
    with making(lab, "queue", name):
        url = wait_until(
            lambda: _create_unless_deleted_recently(lab, name, attributes),
            what=f"SQS to free the name {name}, which was deleted less than a minute ago",
            seconds=90,
        )
    lab.journal.created("queue", name, arn=arn, url=url)
    return Queue(name, arn, url, visibility, dead_letter_queue, made=True)


def _create_unless_deleted_recently(lab: Lab, name: str, attributes: dict[str, str]) -> str | None:
    """SQS keeps the name of a deleted queue for 60 seconds: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html."""
    try:
        answer = lab.client("sqs").create_queue(QueueName=name, Attributes=attributes, tags=lab.settings.tags)
    except ClientError as error:
        if error_code(error) in ("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"):
            return None
        raise
    return str(answer["QueueUrl"])


def queue_policy(lab: Lab, function: FunctionSettings) -> dict[str, Any]:
    """The policy that lets this lab's topic, and nothing else, send to a function's queue."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": POLICY_SID,
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn(lab, lab.settings.queue_name(function)),
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn(lab)}},
            }
        ],
    }


def topic_sends(lab: Lab, function: FunctionSettings) -> Request:
    """What SNS asks of a function's queue when the lab's topic has a message for it."""
    queue, account = queue_arn(lab, lab.settings.queue_name(function)), lab.connection.account
    return service_request("sns.amazonaws.com", "sqs:SendMessage", queue, source=topic_arn(lab), account=account)


def require_queue(lab: Lab, function: FunctionSettings) -> str:
    """The queue's URL; LabError if step 2 was not done."""
    name = lab.settings.queue_name(function)
    return str(require(lab, "queue", name, step=2, notebook="02_queues")["url"])


@telling("letting the topic send to a queue")
def allow_topic_to_send(lab: Lab, function_name: str) -> QueuePolicy:
    """Put the policy on a function's queue that lets the topic send to it.

    The console does this by itself when one subscribes a queue; the API does not.
    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    function = lab.settings.function_named(function_name)
    url, document = require_queue(lab, function), queue_policy(lab, function)
    name = lab.settings.queue_name(function)
    made = parsed((queue_attributes(lab, name) or {}).get("Policy")) != document
    if made:
        with making(lab, "queue policy", name):
            lab.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(document)})
        lab.journal.created("queue policy", name)
    return QueuePolicy(name, document, made)


@telling("subscribing a queue")
def subscribe_queue(lab: Lab, function_name: str) -> Subscription:
    """Subscribe a function's queue to the topic: the policy first, then the subscription, raw delivery off.

    Returns the Subscription; calling it again changes nothing. Raises LabError if topic or queue are missing.
    https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """
    function = lab.settings.function_named(function_name)
    name, topic = lab.settings.queue_name(function), require_topic(lab)
    allow_topic_to_send(lab, function_name)
    found = find_subscription(lab, name)
    if found is not None:
        lab.journal.created("subscription", name, arn=found)
        return Subscription(name, topic, found, made=False)
    with making(lab, "subscription", name):
        answer = lab.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(lab, name), ReturnSubscriptionArn=True
        )
    lab.journal.created("subscription", name, arn=answer["SubscriptionArn"])
    return Subscription(name, topic, answer["SubscriptionArn"], made=True)


def subscribe_queues(lab: Lab) -> Subscriptions:
    """Subscribe all three queues to the topic."""
    return Subscriptions(tuple(subscribe_queue(lab, function.name) for function in lab.settings.functions))


def find_subscription(lab: Lab, queue_name: str) -> str | None:
    """The ARN of the queue's subscription to the lab's topic, found through the topic, or None."""
    pages = lab.client("sns").get_paginator("list_subscriptions_by_topic")
    wanted = queue_arn(lab, queue_name)
    answer = found_or_none(lambda: list(pages.paginate(TopicArn=topic_arn(lab))))
    for page in answer or []:
        for subscription in page["Subscriptions"]:
            if subscription["Protocol"] == "sqs" and subscription["Endpoint"] == wanted:
                return str(subscription["SubscriptionArn"])
    return None


@telling("checking the queues")
def check_queues(lab: Lab) -> Checks:
    """Look at each queue: type, timeouts, dead letters, policy, subscription. Changes nothing."""
    return Checks("queues and subscriptions", tuple(c for f in lab.settings.functions for c in _check_queue(lab, f)))


def _check_queue(lab: Lab, function: FunctionSettings) -> list[Check]:
    name = lab.settings.queue_name(function)
    attributes = queue_attributes(lab, name)
    if attributes is None:
        if queue_url(lab, f"{name}.fifo") is not None:
            hint = "An SNS Standard topic sends to Standard queues only. Delete the FIFO queue, and create_queues(lab)."
            return [Check(f"{name}: type", False, "Standard", f"FIFO, {name}.fifo", hint)]
        return [missing(f"{name}: exists", name, 2)]
    visibility = int(attributes["VisibilityTimeout"])
    needed = lab.settings.visibility_timeout_s
    redrive = parsed(attributes.get("RedrivePolicy"))
    dead_letters = lab.settings.dead_letter_queue_name(function)
    set_it = "sqs.set_queue_attributes sets it"
    checks = [
        Check(f"{name}: exists", True, name, name),
        Check(f"{name}: type", True, "Standard", "Standard"),  # a FIFO queue's name has to end in .fifo
        Check(
            f"{name}: visibility timeout",
            visibility >= needed,
            f"at least {needed} s, 6 x the function's timeout",
            f"{visibility} s",
            f'{set_it}: Attributes={{"VisibilityTimeout": "{needed}"}}.',
        ),
        equal(
            f"{name}: dead letters go to",
            queue_arn(lab, dead_letters),
            redrive.get("deadLetterTargetArn"),
            f"{set_it}: RedrivePolicy on the source queue.",
        ),
        Check(
            f"{name}: receives before that",
            int(redrive.get("maxReceiveCount", 0)) >= MAX_RECEIVE_COUNT,
            f"at least {MAX_RECEIVE_COUNT}",
            str(redrive.get("maxReceiveCount", "nothing")),
            f"{set_it}: maxReceiveCount in the RedrivePolicy.",
        ),
        *_check_dead_letters(lab, function),
        _check_policy(lab, function, parsed(attributes.get("Policy"))),
    ]
    return checks + _check_subscription(lab, name)


def _check_dead_letters(lab: Lab, function: FunctionSettings) -> list[Check]:
    name = lab.settings.dead_letter_queue_name(function)
    attributes = queue_attributes(lab, name)
    hint = f"create_dead_letter_queue(lab, {function.name!r}) makes it."
    if attributes is None:
        return [Check(f"{name}: exists", False, name, "nothing of that name", hint)]
    dead = int(attributes.get("ApproximateNumberOfMessages", 0))
    again = f"Mend what they died of (doctor(lab) says), then redrive(lab, {function.name!r}) sends them back."
    return [Check(f"{name}: exists", True, name, name), equal(f"{name}: messages given up", 0, dead, again)]


def _check_policy(lab: Lab, function: FunctionSettings, found: Mapping[str, Any]) -> Check:
    name = lab.settings.queue_name(function)
    wanted = queue_policy(lab, function)["Statement"]
    return Check(
        f"{name}: who may send",
        found.get("Statement") == wanted,
        f"the topic alone ({lab.settings.topic_name})",
        "the topic alone" if found.get("Statement") == wanted else _in_words(found),
        f"allow_topic_to_send(lab, {function.name!r}) sets the policy. Without it SNS is refused, silently.",
    )


def _in_words(policy: Mapping[str, Any]) -> str:
    statements = policy.get("Statement", [])
    if not statements:
        return "no policy: only the owner's own users"
    return json.dumps(statements)


def _check_subscription(lab: Lab, name: str) -> list[Check]:
    arn = find_subscription(lab, name)
    hint = "subscribe_queues(lab) subscribes what is not subscribed."
    if arn is None or not arn.startswith("arn:"):
        found = "no subscription" if arn is None else arn
        return [Check(f"{name}: subscribed to the topic", False, lab.settings.topic_name, found, hint)]
    attributes = lab.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return [
        Check(f"{name}: subscribed to the topic", True, lab.settings.topic_name, lab.settings.topic_name),
        equal(
            f"{name}: raw message delivery",
            "off",
            "on" if attributes.get("RawMessageDelivery") == "true" else "off",
            "sns.set_subscription_attributes(AttributeName='RawMessageDelivery', AttributeValue='false').",
        ),
        equal(
            f"{name}: subscription filter",
            "none",
            attributes["FilterPolicy"] if parsed(attributes.get("FilterPolicy")) else "none",
            "sns.set_subscription_attributes(AttributeName='FilterPolicy', AttributeValue='{}').",
        ),
    ]


def unsubscribe_queue(lab: Lab, queue_name: str) -> None:
    """End a queue's subscription to the topic, found through the topic."""
    with deleting(lab, "subscription", queue_name):
        arn = find_subscription(lab, queue_name)
        if arn is not None:
            lab.client("sns").unsubscribe(SubscriptionArn=arn)


def delete_queue(lab: Lab, name: str) -> None:
    """Delete a queue with all its messages. That it is gone already is no error."""
    with deleting(lab, "queue", name):
        url = queue_url(lab, name)
        if url is not None:
            lab.client("sqs").delete_queue(QueueUrl=url)
    lab.journal.deleted("queue policy", name)
