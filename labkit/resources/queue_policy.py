"""A queue's policy: this lab's topic, and nobody else's, may send to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit import policy
from labkit.lab import Lab
from labkit.policy import as_list, service_request
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, About, Line, Snapshot
from labkit.resources.queue import Queue, all_queues
from labkit.resources.resource import Resource, Right, parsed, template_resource

STATEMENT_ID = "LetTheTopicSend"


class QueuePolicy(Resource):
    """Who may send to a queue. It is an attribute of the queue, and goes with it.

    The console sets it by itself when one subscribes a queue; the API does not.
    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """

    kind, step, notebook = "queue policy", 2, "02_queues"
    named_by = "queue_name"
    planned = deletable = False

    @property
    def queue(self) -> Queue:
        """What it is put on."""
        return Queue(self.lab, self.name, self.branch)

    @property
    def arn(self) -> str:
        return self.queue.arn

    def hangs_on(self) -> Queue:
        return self.queue

    def document(self) -> dict[str, Any]:
        statement = {
            "Sid": STATEMENT_ID,
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.lab.definition.topic_arn}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def request(self, topic_arn: str | None = None, account: str | None = None) -> policy.Request:
        """What SNS asks of the queue when the lab's topic (or another one) has a message for it."""
        lab = self.lab.definition
        source = topic_arn or lab.topic_arn
        return service_request(
            "sns.amazonaws.com", "sqs:SendMessage", self.arn, source=source, account=account or lab.account
        )

    def read(self) -> dict[str, Any] | None:
        """The policy document; None if the queue has none."""
        return parsed((self.queue.read() or {}).get("Policy")) or None

    def seen(self, snapshot: Snapshot) -> bool:
        return bool((snapshot.read(self.queue) or {}).get("Policy"))

    def make(self) -> dict[str, Any]:
        self.lab.client("sqs").set_queue_attributes(
            QueueUrl=self.queue.url(), Attributes={"Policy": json.dumps(self.document())}
        )
        return {}

    def erase(self) -> None:
        """It goes with the queue."""

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        about = About("queue policy", self.own_branch.name, f"{self.name}: ")
        queue = snapshot.read(self.queue)
        found = parsed(queue.get("Policy")) if queue is not None else {}
        why = policy.obstacle([found], self.request()) if queue is not None else "there is no queue"
        same = found.get("Statement") == self.document()["Statement"]
        verdict, evidence = DIFFERENT, f"It is worded otherwise than step 2 does: {json.dumps(found.get('Statement'))}."
        if queue is None:
            verdict, evidence = MISSING, "There is no queue that could have it."
        elif why:
            verdict = BROKEN
            evidence = f"It does not let the topic send to {self.name}: {why}. SNS is refused, silently."
        elif stranger := self._stranger(found):
            verdict, evidence = RISKY, f"It lets {stranger} send to {self.name}."
        call = f"allow_topic_to_send(lab, {self.own_branch.name!r})"
        yield about.line(
            "who may send",
            same,
            f"the topic alone ({self.lab.definition.topic_name})",
            "the topic alone" if same else _in_words(found),
            otherwise=verdict,
            hint=f"{call} sets the policy. Without it SNS is refused, silently.",
            evidence=evidence,
            works="The topic may send.",
            fix="Set the policy of step 2.",
            call=call,
            consequence=queue is None,
            hole=verdict == RISKY,
        )

    def _stranger(self, found: Mapping[str, Any]) -> str:
        """Who else may send, of those that a policy is often too open for; empty if nobody."""
        lab, account = self.lab.definition, "999999999999"
        other = f"arn:{lab.partition}:sns:{lab.region}:{account}:someone-elses-topic"
        anyone = policy.Request(
            "sqs:SendMessage", self.arn, arn=f"arn:{lab.partition}:iam::{account}:root", account=account
        )
        if policy.allows([found], anyone):
            return "anyone in the world"
        return "any topic of anybody" if policy.allows([found], self.request(other, account)) else ""

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        document = self.document() if found is None else dict(found)
        on = {"Ref": self.queue.logical_name}
        name = f"{self.queue.logical_name}Policy"
        return {name: template_resource("AWS::SQS::QueuePolicy", Queues=[on], PolicyDocument=document)}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        yield Right("KeepQueues", "sqs", "SetQueueAttributes", all_queues(lab))


def _in_words(found: Mapping[str, Any]) -> str:
    statements = as_list(found.get("Statement"))
    return json.dumps(statements) if statements else "no policy: only the owner's own users"
