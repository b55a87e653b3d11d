"""The SNS topic: one address to which S3 tells its news."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from labkit.lab import Lab
from labkit.resources.judgement import BROKEN, RISKY, About, Line, Snapshot
from labkit.resources.resource import (
    Resource,
    Right,
    as_tag_list,
    found_or_none,
    from_tag_list,
    template_resource,
)


class Topic(Resource):
    """The Standard topic `resize-image-topic-<suffix>`.

    https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html
    """

    kind, step, notebook = "topic", 1, "01_topic"

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        yield cls(lab, lab.definition.topic_name)

    @classmethod
    def refused(cls, lab: Lab) -> Self:
        """The throwaway topic without a policy, on which S3 is seen to refuse."""
        return cls(lab, lab.definition.refused_topic_name)

    def is_named_by_definition(self) -> bool:
        """The definition gives two names: of the topic, and of the throwaway one."""
        return self.name in (self.lab.definition.topic_name, self.lab.definition.refused_topic_name)

    @property
    def arn(self) -> str:
        return self.lab.arn("sns", self.name)

    def read(self) -> dict[str, str] | None:
        answer = found_or_none(self.lab.client("sns").get_topic_attributes, TopicArn=self.arn)
        return None if answer is None else dict(answer["Attributes"])

    def read_tags(self) -> dict[str, str]:
        return from_tag_list(self.lab.client("sns").list_tags_for_resource(ResourceArn=self.arn)["Tags"])

    def make(self) -> dict[str, str]:
        """One call; SNS answers it alike where such a topic is there with the very same tags."""
        answer = self.lab.client("sns").create_topic(Name=self.name, Tags=as_tag_list(self.lab.definition.tags))
        return {"arn": answer["TopicArn"]}

    def erase(self) -> None:
        self.lab.client("sns").delete_topic(TopicArn=self.arn)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        about, name = About("topic"), self.name
        if snapshot.read(self) is None:
            if snapshot.read(Topic(self.lab, f"{name}.fifo")) is not None:
                hint = "S3 publishes to Standard topics only. Delete the FIFO topic, and create_topic(lab)."
                evidence = f"There is no Standard topic {name}, but a FIFO one."
                call = "catch_up(lab, to=1)"
                more: dict[str, Any] = {"otherwise": BROKEN, "hint": hint, "evidence": evidence, "call": call}
                yield about.line("type", False, "Standard", f"FIFO, {name}.fifo", **more)
            else:
                yield about.missing("topic exists", name, 1)
            return
        yield about.works("topic exists", name, evidence=name)
        yield about.works("type", "Standard")  # a FIFO topic's name has to end in .fifo
        hint = "sns.tag_resource sets it: clean-up looks for it."
        lab_id = self.lab.definition.lab_id
        call = f"lab.client('sns').tag_resource(ResourceArn={self.arn!r}, Tags=[{{'Key': 'Lab', 'Value': {lab_id!r}}}])"
        yield about.equal("tag Lab", lab_id, self.read_tags().get("Lab"), otherwise=RISKY, hint=hint, call=call)

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        for page in lab.client("sns").get_paginator("list_topics").paginate():
            for name in (topic["TopicArn"].rsplit(":", 1)[-1] for topic in page["Topics"]):
                if fits(name):
                    yield cls(lab, name, facts={"arn": lab.arn("sns", name)})

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        tags = as_tag_list(self.lab.definition.tags)
        return {"Topic": template_resource("AWS::SNS::Topic", TopicName=self.name, Tags=tags)}

    def references(self) -> dict[str, Any]:
        return {self.arn: {"Ref": "Topic"}}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        names = (lab.definition.topic_name, lab.definition.refused_topic_name)
        yield Right(
            "KeepTopic",
            "sns",
            "CreateTopic DeleteTopic GetTopicAttributes TagResource ListTagsForResource Publish",
            tuple(lab.arn("sns", name) for name in names),
        )
        yield Right("ListAndLook", "sns", "ListTopics", ("*",))
