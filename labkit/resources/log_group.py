"""The log group of a function, made before Lambda does: with an end date, and so that the role need not make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from labkit.lab import Lab
from labkit.resources.function import Function
from labkit.resources.judgement import DIFFERENT, RISKY, About, Line, Snapshot
from labkit.resources.resource import Resource, Right, arn_of, as_tag_list, template_resource
from labkit.settings import LOG_RETENTION_DAYS


class LogGroup(Resource):
    """`/aws/lambda/<function>`, kept for a day.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """

    kind, part, step, notebook = "log group", "logs", 4, "04_functions"
    named_by = "log_group"

    @property
    def arn(self) -> str:
        """The ARN of the log group, without the `:*` that stands for its streams."""
        return self.lab.arn("logs", f"log-group:{self.name}")

    def read(self) -> dict[str, Any] | None:
        groups = self.lab.client("logs").describe_log_groups(logGroupNamePrefix=self.name)["logGroups"]
        return next((dict(group) for group in groups if group["logGroupName"] == self.name), None)

    def read_tags(self) -> dict[str, str]:
        return dict(self.lab.client("logs").list_tags_for_resource(resourceArn=self.arn)["tags"])

    def make(self) -> dict[str, Any]:
        self.lab.client("logs").create_log_group(logGroupName=self.name, tags=self.lab.definition.tags)
        return {}

    def known_facts(self, found: Any) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def keep_for_a_day(self) -> None:
        """A lesson's logs need not outlive the lesson."""
        self.lab.client("logs").put_retention_policy(logGroupName=self.name, retentionInDays=LOG_RETENTION_DAYS)

    def erase(self) -> None:
        self.lab.client("logs").delete_log_group(logGroupName=self.name)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:

        about, found = About("log group", self.own_branch.name, f"{self.name}: "), snapshot.read(self)
        if found is None:
            yield about.line(
                "exists",
                False,
                self.name,
                "nothing of that name",
                otherwise=RISKY,
                evidence=f"There is no log group {self.name}, and the lab's role may not make one: nothing is logged.",
                fix="Step 4 makes it.",
                call="catch_up(lab, to=4)",
                consequence=snapshot.read(Function.in_branch(self.lab, self.own_branch)) is None,
            )
            return
        yield about.works("exists", self.name, evidence=self.name)
        days = found.get("retentionInDays")
        put = (
            f"lab.client('logs').put_retention_policy(logGroupName={self.name!r}, retentionInDays={LOG_RETENTION_DAYS})"
        )
        yield about.equal("kept for (days)", LOG_RETENTION_DAYS, days or "ever", otherwise=DIFFERENT, call=put)

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        pages = lab.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/")
        for page in pages:
            for name in (group["logGroupName"] for group in page["logGroups"]):
                if fits(name.rsplit("/", 1)[-1]):
                    yield cls(lab, name)

    @property
    def logical_name(self) -> str:
        return f"{self.own_branch.short_name}Logs"

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        days = LOG_RETENTION_DAYS if found is None else found.get("retentionInDays")
        return {
            self.logical_name: template_resource(
                "AWS::Logs::LogGroup",
                LogGroupName=self.name,
                RetentionInDays=days,
                Tags=as_tag_list(self.lab.definition.tags),
            )
        }

    def references(self) -> dict[str, Any]:
        """CloudFormation's Arn of a log group ends in :*, which is what a role's policy wants."""
        return {f"{self.arn}:*": arn_of(self.logical_name)}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make them and read them; the open suffix covers the streams in a group as well: `...:log-stream:...`."""
        yield Right(
            "KeepLogs",
            "logs",
            "CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource ListTagsForResource FilterLogEvents "
            "DescribeLogStreams GetLogEvents",
            tuple(branch.log_group_arn for branch in lab.branches),
        )
        yield Right("ListAndLook", "logs", "DescribeLogGroups", ("*",))
