"""The SQS queues of a branch: the one that the topic sends to, and the one behind it for what nobody could handle."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from labkit.lab import Lab
from labkit.resources.function import Function
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, About, Line, Snapshot
from labkit.resources.resource import Resource, Right, arn_of, as_tag_list, found_or_none, parsed, template_resource
from labkit.result import counted
from labkit.settings import DEAD_LETTER_RETENTION_S, MAX_RECEIVE_COUNT, VISIBILITY_FACTOR

EXERCISE_QUEUE = "fourth-queue"  # one that a student makes in an exercise, and that goes with it


@dataclass(frozen=True)
class Depth:
    """How many messages a queue holds: waiting, in flight (received, not deleted yet) and delayed. Approximate."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.in_flight + self.delayed


def queue_depth(attributes: Mapping[str, str]) -> Depth:
    """The depth in a queue's attributes."""
    return Depth(
        int(attributes.get("ApproximateNumberOfMessages", 0)),
        int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
    )


class AnyQueue(Resource):
    """What both kinds of queues have in common."""

    kind, step, notebook = "queue", 2, "02_queues"

    @property
    def arn(self) -> str:
        return self.lab.arn("sqs", self.name)

    @property
    @abstractmethod
    def attributes(self) -> dict[str, str]:
        """The attributes that it is made with."""

    def url(self) -> str | None:
        """Its URL, which every call wants; None if there is no such queue. One that is known stays as it is."""
        urls = self.lab.connection.queue_urls
        if self.name not in urls:
            answer = found_or_none(self.lab.client("sqs").get_queue_url, QueueName=self.name)
            if answer is None:
                return None
            urls[self.name] = str(answer["QueueUrl"])
        return urls[self.name]

    def exists(self) -> bool:
        self.lab.connection.queue_urls.pop(self.name, None)
        return self.url() is not None

    def read(self) -> dict[str, str] | None:
        url = self.url()
        if url is None:
            return None
        answer = found_or_none(self.lab.client("sqs").get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
        return None if answer is None else {**answer["Attributes"], "QueueUrl": url}

    def read_tags(self) -> dict[str, str]:
        url = self.url()
        return dict(self.lab.client("sqs").list_queue_tags(QueueUrl=url).get("Tags", {})) if url else {}

    def make(self) -> dict[str, Any]:
        answer = self.lab.client("sqs").create_queue(
            QueueName=self.name, Attributes=self.attributes, tags=self.lab.definition.tags
        )
        return {"arn": self.arn, "url": str(answer["QueueUrl"])}

    def known_facts(self, found: Mapping[str, str]) -> dict[str, Any]:
        return {"arn": self.arn, "url": found["QueueUrl"]}

    def put_right(self, found: Mapping[str, str]) -> None:
        """Bring what is there already, with these attributes, to what the lab needs."""

    def erase(self) -> None:
        """Delete it with all its messages; its policy goes with it."""
        url = self.url()
        if url is not None:
            self.lab.client("sqs").delete_queue(QueueUrl=url)
        self.lab.journal.deleted("queue policy", self.name)

    def set_attributes(self, url: str, **attributes: str) -> str:
        """The line of Python that sets attributes of it."""
        return f"lab.client('sqs').set_queue_attributes(QueueUrl={url!r}, Attributes={attributes!r})"

    @property
    @abstractmethod
    def logical_name(self) -> str:
        """Its name in a template."""

    def references(self) -> dict[str, Any]:
        return {self.arn: arn_of(self.logical_name)}


class Queue(AnyQueue):
    """The Standard queue of a branch.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """

    kind = "queue"
    named_by = "queue_name"

    @property
    def attributes(self) -> dict[str, str]:
        """Six times the function's timeout hidden, and to the dead letters after so many receives."""
        return {
            "VisibilityTimeout": str(self.lab.definition.visibility_timeout_s),
            "RedrivePolicy": json.dumps(self.redrive_policy()),
        }

    def redrive_policy(self) -> dict[str, Any]:
        """Where a message is moved to that nobody could handle, and when."""
        return {"deadLetterTargetArn": self.own_branch.dead_letter_queue_arn, "maxReceiveCount": MAX_RECEIVE_COUNT}

    def put_right(self, found: Mapping[str, str]) -> None:
        """Hide messages for longer if that is too short, and send dead letters where they belong."""
        wanted = self.attributes
        redrive = parsed(found.get("RedrivePolicy"))
        lacking = {}
        if int(found["VisibilityTimeout"]) < int(wanted["VisibilityTimeout"]):
            lacking["VisibilityTimeout"] = wanted["VisibilityTimeout"]
        if redrive.get("deadLetterTargetArn") != self.redrive_policy()["deadLetterTargetArn"] or (
            int(redrive["maxReceiveCount"]) < MAX_RECEIVE_COUNT
        ):
            lacking["RedrivePolicy"] = wanted["RedrivePolicy"]
        if lacking:
            with self.journaled_create():
                self.lab.client("sqs").set_queue_attributes(QueueUrl=found["QueueUrl"], Attributes=lacking)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """There, Standard, hidden long enough, with its dead letters going to the right place."""
        about = About("queue", self.own_branch.name, f"{self.name}: ")
        found = snapshot.read(self)
        if found is None:
            yield self._missing(about)
            return
        depth = queue_depth(found)
        evidence = f"{depth.waiting} waiting, {depth.in_flight} in flight."
        yield about.works("exists", self.name, evidence=evidence)
        yield about.works("type", "Standard")  # a FIFO queue's name has to end in .fifo
        yield self._visibility(about, found, snapshot)
        yield from self._redrive(found)

    def _missing(self, about: About) -> Line:
        if not AnyQueue.exists(type(self)(self.lab, f"{self.name}.fifo")):
            return about.missing("exists", self.name, 2)
        return about.line(
            "type",
            False,
            "Standard",
            f"FIFO, {self.name}.fifo",
            otherwise=MISSING,
            hint="An SNS Standard topic sends to Standard queues only. Delete the FIFO queue, and create_queues(lab).",
            evidence=f"There is no Standard queue {self.name}, but a FIFO one.",
            call="catch_up(lab, to=2)",
        )

    def _visibility(self, about: About, found: Mapping[str, str], snapshot: Snapshot) -> Line:

        function = snapshot.read(Function.in_branch(self.lab, self.own_branch))
        hidden, timeout = int(found["VisibilityTimeout"]), function["Timeout"] if function else 0
        needed = max(self.lab.definition.visibility_timeout_s, VISIBILITY_FACTOR * timeout)
        return about.line(
            "visibility timeout",
            hidden >= needed,
            f"at least {needed} s, 6 x the function's timeout",
            f"{hidden} s",
            otherwise=BROKEN if hidden < timeout else RISKY,
            hint=f'sqs.set_queue_attributes sets it: Attributes={{"VisibilityTimeout": "{needed}"}}.',
            evidence=f"Messages are hidden for {hidden} s while the function may work for {timeout} s: "
            "each may come twice.",
            fix="Raise the visibility timeout to six times the function's timeout.",
            call=self.set_attributes(found["QueueUrl"], VisibilityTimeout=str(needed)),
        )

    def _redrive(self, found: Mapping[str, str]) -> Iterator[Line]:
        """Only a risk: good photos get through without it, and bad ones are tried again for days."""
        about = About("redrive", self.own_branch.name, f"{self.name}: ")
        redrive, wanted = parsed(found.get("RedrivePolicy")), self.redrive_policy()
        receives = redrive.get("maxReceiveCount", 0)
        name = self.own_branch.dead_letter_queue_name
        call = self.set_attributes(found["QueueUrl"], RedrivePolicy=json.dumps(wanted))
        more: dict[str, Any] = {"fix": "Name the dead-letter queue in the queue's redrive policy.", "call": call}
        target = redrive.get("deadLetterTargetArn")
        yield about.equal(
            "dead letters go to",
            wanted["deadLetterTargetArn"],
            target,
            otherwise=RISKY,
            hint="sqs.set_queue_attributes sets it: RedrivePolicy on the source queue.",
            evidence=f"Dead letters do not go to {name}, but {target or 'nowhere'}.",
            works=f"To the dead letters after {receives} receives.",
            **more,
        )
        yield about.line(
            "receives before that",
            int(receives) >= MAX_RECEIVE_COUNT,
            f"at least {MAX_RECEIVE_COUNT}",
            str(receives or "nothing"),
            otherwise=RISKY,
            hint="sqs.set_queue_attributes sets it: maxReceiveCount in the RedrivePolicy.",
            evidence=f"A message is moved to the dead letters after {receives} receives: a passing fault can lose it.",
            **more,
        )

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        for page in lab.client("sqs").get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1000}):
            for url in page.get("QueueUrls", []):
                name = url.rsplit("/", 1)[-1]
                if fits(name):
                    yield cls(lab, name, facts={"arn": lab.arn("sqs", name), "url": url})

    @property
    def logical_name(self) -> str:
        return f"{self.own_branch.short_name}Queue"

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        have = self.attributes if found is None else found
        redrive = parsed(have.get("RedrivePolicy"))
        return {
            self.logical_name: template_resource(
                "AWS::SQS::Queue",
                QueueName=self.name,
                VisibilityTimeout=int(have["VisibilityTimeout"]),
                RedrivePolicy=redrive or None,
                Tags=as_tag_list(self.lab.definition.tags),
            )
        }

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make them, look after them, take messages out, put them back, and have dead letters moved back."""
        yield Right(
            "KeepQueues",
            "sqs",
            "CreateQueue DeleteQueue GetQueueUrl GetQueueAttributes TagQueue ListQueueTags ReceiveMessage "
            "DeleteMessage SendMessage StartMessageMoveTask ListMessageMoveTasks",
            all_queues(lab),
        )
        yield Right("ListAndLook", "sqs", "ListQueues", ("*",))


def all_queues(lab: Lab) -> tuple[str, ...]:
    """A pattern for each queue and its dead letters' one, since a policy may not grow too long; and an exercise's."""
    names = [branch.queue_name.replace("-queue", "-*queue") for branch in lab.branches]
    own = f"{lab.definition.prefix}{EXERCISE_QUEUE}-{lab.definition.suffix}"
    return tuple(lab.arn("sqs", name) for name in (*names, own))


class DeadLetterQueue(AnyQueue):
    """The queue that keeps what a function could not handle.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """

    kind, part = "queue", "dead-letter queue"
    named_by = "dead_letter_queue_name"

    @property
    def attributes(self) -> dict[str, str]:
        return {"MessageRetentionPeriod": str(DEAD_LETTER_RETENTION_S)}

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        redrive = About("redrive", self.own_branch.name, f"{self.name}: ")
        found = snapshot.read(self)
        make = f"create_dead_letter_queue(lab, {self.own_branch.name!r})"
        if found is None:
            yield redrive.line(
                "exists",
                False,
                self.name,
                "nothing of that name",
                otherwise=RISKY,
                hint=f"{make} makes it, and so does catch_up(lab, to=2).",
                evidence=f"There is no queue {self.name}.",
                fix="Make the dead-letter queue.",
                call=make,
                consequence=snapshot.read(Queue.in_branch(self.lab, self.own_branch)) is None,
            )
            return
        yield redrive.works("exists", self.name)
        retention = int(found["MessageRetentionPeriod"])
        yield redrive.line(
            "messages are kept for",
            retention >= DEAD_LETTER_RETENTION_S,
            f"{DEAD_LETTER_RETENTION_S} s, 14 days",
            f"{retention} s",
            otherwise=DIFFERENT,
            call=self.set_attributes(found["QueueUrl"], MessageRetentionPeriod=str(DEAD_LETTER_RETENTION_S)),
        )
        dead = queue_depth(found).total
        again = f"redrive(lab, {self.own_branch.name!r})"
        yield About("dead letters", self.own_branch.name, f"{self.name}: ").equal(
            "dead letters",
            0,
            dead,
            otherwise=BROKEN,
            hint=f"Fix what they failed of (doctor(lab) says), then {again} sends them back.",
            evidence=f"{counted(dead, 'message')} could not be handled: in {self.name}.",
            works="no dead letters",
            fix="Fix what they failed of (the log says), then send them back to the queue.",
            call=again,
        )

    @property
    def logical_name(self) -> str:
        return f"{self.own_branch.short_name}DeadLetterQueue"

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        have = self.attributes if found is None else found
        return {
            self.logical_name: template_resource(
                "AWS::SQS::Queue",
                QueueName=self.name,
                MessageRetentionPeriod=int(have["MessageRetentionPeriod"]),
                Tags=as_tag_list(self.lab.definition.tags),
            )
        }
