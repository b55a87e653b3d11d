"""What ties a queue to the topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from labkit.lab import Lab
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, About, Line, Snapshot
from labkit.resources.resource import Resource, Right, found_or_none, parsed, template_resource
from labkit.resources.topic import Topic


class Subscription(Resource):
    """A queue's subscription to the topic, by the queue's name; raw message delivery off, no filter.

    https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """

    kind, step, notebook = "subscription", 2, "02_queues"
    named_by = "queue_name"
    told_together = True

    @property
    def topic(self) -> Topic:
        """What the queue is subscribed to."""
        return next(Topic.of(self.lab))

    @property
    def arn(self) -> str:
        """AWS gives it when it is made; what is known before is the topic's, which it begins with."""
        return str(self.facts.get("arn") or self.topic.arn)

    def hangs_on(self) -> Topic:
        """The topic, through which it is found and with which it goes."""
        return self.topic

    def find_arn(self) -> str | None:
        """Its ARN, found through the topic; words of SNS where it is not confirmed, None if there is none."""
        return _arns(self.lab).get(self.lab.arn("sqs", self.name))

    def exists(self) -> bool:
        return self.find_arn() is not None

    def read(self) -> dict[str, str] | None:
        return self.read_together([self])[0]

    @classmethod
    def read_together(cls, resources: Sequence[Self]) -> list[dict[str, str] | None]:
        arns = _arns(resources[0].lab)
        return [one._with_attributes(arns.get(one.lab.arn("sqs", one.name))) for one in resources]

    def _with_attributes(self, arn: str | None) -> dict[str, str] | None:
        if arn is None:
            return None
        attributes: Mapping[str, str] = {}
        if arn.startswith("arn:"):
            answer = found_or_none(self.lab.client("sns").get_subscription_attributes, SubscriptionArn=arn)
            attributes = answer["Attributes"] if answer else {}
        return {**attributes, "SubscriptionArn": arn}

    def make(self) -> dict[str, Any]:
        """One call; SNS answers with the same ARN where it is subscribed already."""
        answer = self.lab.client("sns").subscribe(
            TopicArn=self.topic.arn,
            Protocol="sqs",
            Endpoint=self.lab.arn("sqs", self.name),
            ReturnSubscriptionArn=True,
        )
        return {"arn": answer["SubscriptionArn"]}

    def known_facts(self, found: Mapping[str, str]) -> dict[str, Any]:
        return {"arn": found["SubscriptionArn"]}

    def refuse_foreign(self) -> None:
        """Whoever subscribed the lab's own queue to the lab's own topic, it is what the lab wants."""

    def erase(self) -> None:
        arn = self.find_arn()
        if arn is not None:
            self.lab.client("sns").unsubscribe(SubscriptionArn=arn)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        about = About("subscription", self.own_branch.name, f"{self.name}: ")
        topic, found = self.lab.definition.topic_name, snapshot.read(self)
        arn = found["SubscriptionArn"] if found else None
        if found is None or not str(arn).startswith("arn:"):
            evidence = (
                f"It is not confirmed: {arn}." if arn else f"The queue {self.name} is not subscribed to the topic."
            )
            yield about.line(
                "subscribed to the topic",
                False,
                topic,
                "no subscription" if arn is None else arn,
                otherwise=MISSING if arn is None else BROKEN,
                hint="subscribe_queues(lab) subscribes what is not subscribed.",
                evidence=evidence,
                fix="Step 2 makes it." if arn is None else "Subscribe the queue again.",
                call="catch_up(lab, to=2)" if arn is None else "",
                consequence=snapshot.read(self.topic) is None,
            )
            return
        yield about.works("subscribed to the topic", topic, evidence="subscribed")
        raw = "on" if found.get("RawMessageDelivery") == "true" else "off"
        setting = f"lab.client('sns').set_subscription_attributes(SubscriptionArn={arn!r}, "
        yield about.equal(
            "raw message delivery",
            "off",
            raw,
            otherwise=DIFFERENT,
            hint="sns.set_subscription_attributes(AttributeName='RawMessageDelivery', AttributeValue='false').",
            evidence="Raw delivery is on: the S3 event comes without SNS's envelope.",
            call=f"{setting}AttributeName='RawMessageDelivery', AttributeValue='false')",
        )
        yield self._filter(about, found, setting)

    def _filter(self, about: About, found: Mapping[str, str], setting: str) -> Line:
        wanted, scope = parsed(found.get("FilterPolicy")), found.get("FilterPolicyScope", "MessageAttributes")
        return about.equal(
            "subscription filter",
            "none",
            found["FilterPolicy"] if wanted else "none",
            # S3's messages have no attributes: a filter on them lets none through. One on the body may let some.
            otherwise=BROKEN if scope == "MessageAttributes" else RISKY,
            hint="sns.set_subscription_attributes(AttributeName='FilterPolicy', AttributeValue='{}').",
            evidence=f"Its filter policy lets through only messages with {found.get('FilterPolicy')} ({scope}); "
            "S3's have no attributes.",
            fix="Take the filter away.",
            call=f"{setting}AttributeName='FilterPolicy', AttributeValue='{{}}')",
        )

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:  # noqa: ARG003
        """All queues that are subscribed to the lab's topic: whatever their name, they hang on it."""
        for queue, arn in _arns(lab).items():
            yield cls(lab, queue.rsplit(":", 1)[-1], facts={"arn": arn})

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        have = found or {}
        return {
            f"{self.own_branch.short_name}Subscription": template_resource(
                "AWS::SNS::Subscription",
                TopicArn={"Ref": "Topic"},
                Protocol=have.get("Protocol", "sqs"),
                Endpoint=have.get("Endpoint", self.own_branch.queue_arn),
                RawMessageDelivery=have.get("RawMessageDelivery") == "true",
                FilterPolicy=parsed(have.get("FilterPolicy")) or None,
            )
        }

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make it and look at it; a subscription has no permissions of its own, and neither has a list."""
        names = (lab.definition.topic_name, lab.definition.refused_topic_name)
        arns = tuple(lab.arn("sns", name) for name in names)
        yield Right("KeepTopic", "sns", "Subscribe ListSubscriptionsByTopic", arns)
        actions = "GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe"
        yield Right("ListAndLook", "sns", actions, ("*",))


def _arns(lab: Lab) -> dict[str, str]:
    """The queues that are subscribed to the lab's topic, each with its subscription; none if there is no topic."""
    pages = lab.client("sns").get_paginator("list_subscriptions_by_topic")
    answer = found_or_none(lambda: list(pages.paginate(TopicArn=lab.definition.topic_arn)))
    told = [subscription for page in answer or [] for subscription in page["Subscriptions"]]
    return {str(one["Endpoint"]): str(one["SubscriptionArn"]) for one in told if one["Protocol"] == "sqs"}
