"""Step 1: the SNS topic, one address to which S3 will tell its news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit import resources
from labkit.errors import aws_errors
from labkit.lab import Lab
from labkit.resources import judge_settled, kinds_of_step
from labkit.result import Checks, Result


@dataclass(frozen=True)
class Topic(Result):
    """An SNS topic: name, ARN and the owner's account id, the three things to write down for later steps."""

    name: str
    arn: str
    owner: str
    made: bool  # False: it was there already, and nothing was called

    def sentence(self) -> str:
        return f"The topic {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        return (f"Topic {self.name} created successfully.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        return (("name", self.name), ("ARN", self.arn), ("owner's account", self.owner))


@aws_errors("making the topic")
def create_topic(lab: Lab) -> Topic:
    """Make the Standard topic `resize-image-topic-<suffix>`, and write its ARN into the journal.

    Returns the Topic; calling it again changes nothing. Raises LabError.
    https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html
    """
    topic = next(resources.Topic.of(lab))
    made = topic.create()
    return Topic(topic.name, topic.arn, lab.definition.account, made)


@aws_errors("checking the topic")
def check_topic(lab: Lab) -> Checks:
    """Look at the topic: there, Standard, tagged as this lab's. Changes nothing."""
    return Checks("topic", judge_settled(lab, *kinds_of_step(1)))
