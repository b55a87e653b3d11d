"""Step 1: the SNS topic, one address to which S3 will tell its news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.errors import telling
from labkit.lab import Lab
from labkit.result import Check, Checks, Result
from labkit.steps.making import (
    as_tag_list,
    deleting,
    equal,
    found_or_none,
    from_tag_list,
    making,
    missing,
    refuse_foreign,
    require,
)


@dataclass(frozen=True)
class Topic(Result):
    """An SNS topic: name, ARN and the owner's account id, the three things to write down for later steps."""

    name: str
    arn: str
    owner: str
    made: bool  # False: it was there already, and nothing was called

    def sentence(self) -> str:
        """Made, or there already."""
        return f"The topic {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f"Topic {self.name} created successfully.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        """Name, ARN, owner."""
        return (("name", self.name), ("ARN", self.arn), ("owner's account", self.owner))


def topic_arn(lab: Lab) -> str:
    """The ARN of the lab's topic, known before it is made."""
    return lab.arn("sns", lab.settings.topic_name)


def topic_attributes(lab: Lab, name: str | None = None) -> dict[str, str] | None:
    """All attributes of the lab's topic, or of another one of this account; None if there is no such topic."""
    arn = lab.arn("sns", name or lab.settings.topic_name)
    answer = found_or_none(lab.client("sns").get_topic_attributes, TopicArn=arn)
    return None if answer is None else dict(answer["Attributes"])


@telling("making the topic")
def create_topic(lab: Lab) -> Topic:
    """Make the Standard topic `resize-image-topic-<suffix>`, and write its ARN into the journal.

    Returns the Topic; calling it again changes nothing. Raises LabError.
    https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html
    """
    sns, name, arn = lab.client("sns"), lab.settings.topic_name, topic_arn(lab)
    if topic_attributes(lab) is not None:
        refuse_foreign(lab, "topic", name, lambda: from_tag_list(sns.list_tags_for_resource(ResourceArn=arn)["Tags"]))
        lab.journal.created("topic", name, arn=arn)
        return Topic(name, arn, lab.connection.account, made=False)
    with making(lab, "topic", name):
        arn = sns.create_topic(Name=name, Tags=as_tag_list(lab.settings.tags))["TopicArn"]
    lab.journal.created("topic", name, arn=arn)
    return Topic(name, arn, arn.split(":")[4], made=True)


def require_topic(lab: Lab) -> str:
    """The topic's ARN; LabError if step 1 was not done."""
    return str(require(lab, "topic", lab.settings.topic_name, step=1, notebook="01_topic")["arn"])


@telling("checking the topic")
def check_topic(lab: Lab) -> Checks:
    """Look at the topic: there, Standard, tagged as this lab's. Changes nothing."""
    sns, name, arn = lab.client("sns"), lab.settings.topic_name, topic_arn(lab)
    if topic_attributes(lab) is None:
        if topic_attributes(lab, f"{name}.fifo") is not None:
            hint = "S3 publishes to Standard topics only. Delete the FIFO topic, and create_topic(lab)."
            return Checks("topic", (Check("type", False, "Standard", f"FIFO, {name}.fifo", hint),))
        return Checks("topic", (missing("topic exists", name, 1),))
    tags = from_tag_list(sns.list_tags_for_resource(ResourceArn=arn)["Tags"])
    return Checks(
        "topic",
        (
            Check("topic exists", True, name, name),
            Check("type", True, "Standard", "Standard"),  # a FIFO topic's name has to end in .fifo
            equal("tag Lab", lab.settings.lab_id, tags.get("Lab"), "sns.tag_resource sets it: clean-up looks for it."),
        ),
    )


def delete_topic(lab: Lab, name: str | None = None) -> None:
    """Delete the topic; its subscriptions go with it. That it is gone already is no error."""
    name = name or lab.settings.topic_name
    with deleting(lab, "topic", name):
        lab.client("sns").delete_topic(TopicArn=lab.arn("sns", name))
