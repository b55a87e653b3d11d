"""The alarms of a branch: one on its dead letters, one on the age of the oldest message of its queue."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from botocore.exceptions import ClientError

from labkit.errors import error_code
from labkit.lab import Lab
from labkit.resources.judgement import DIFFERENT, RISKY, About, Line, Snapshot
from labkit.resources.queue import AnyQueue, DeadLetterQueue, Queue
from labkit.resources.resource import (
    FORBIDDEN,
    UNKNOWN_OPERATION,
    UNREAD,
    Resource,
    Right,
    as_tag_list,
    from_tag_list,
    template_resource,
)
from labkit.settings import ALARM_PERIOD_S, DEAD_LETTERS_TO_ALARM

UNAVAILABLE = "Unavailable"  # the member of what is read that says why there can be no alarm here
ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


class AnyAlarm(Resource):
    """What both kinds of alarms have in common. Where there is no CloudWatch, the lab goes on without.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Alarms.html
    """

    kind, step, notebook = "alarm", 2, "02_queues"
    told_together = True

    @property
    def arn(self) -> str:
        return self.lab.arn("cloudwatch", f"alarm:{self.name}")

    @property
    @abstractmethod
    def queue(self) -> AnyQueue:
        """The queue that it watches."""

    @property
    @abstractmethod
    def watched(self) -> tuple[str, float]:
        """The metric of the queue, and the value from which on it is too much."""

    @property
    @abstractmethod
    def meaning(self) -> str:
        """What it means if the alarm goes off."""

    @property
    def configuration(self) -> dict[str, Any]:
        """What it is made with. An empty queue may tell nothing at all, which is no trouble."""
        metric, threshold = self.watched
        return {
            "Namespace": "AWS/SQS",
            "MetricName": metric,
            "Dimensions": [{"Name": "QueueName", "Value": self.queue.name}],
            "Statistic": "Maximum",
            "Period": ALARM_PERIOD_S,
            "EvaluationPeriods": 1,
            "Threshold": float(threshold),
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }

    def read(self) -> dict[str, Any] | None:
        """The alarm; of an account or endpoint without alarms, why there is none."""
        return self.read_together([self])[0]

    @classmethod
    def read_together(cls, resources: Sequence[Self]) -> list[dict[str, Any] | None]:
        pages = resources[0].lab.client("cloudwatch").get_paginator("describe_alarms")
        try:
            asked = pages.paginate(AlarmNames=[one.name for one in resources])
            told = {alarm["AlarmName"]: dict(alarm) for page in asked for alarm in page.get("MetricAlarms", [])}
        except ClientError as error:
            if (why := unavailable(error)) is None:
                raise
            return [{UNAVAILABLE: why} for _ in resources]
        return [told.get(one.name) for one in resources]

    def exists(self) -> bool:
        return _there(self.read())

    def seen(self, snapshot: Snapshot) -> bool:
        return _there(snapshot.read(self))

    def create(self, found: Any = UNREAD, make: Callable[[], Mapping[str, Any]] | None = None) -> bool:
        """Make it; where there are no alarms, nothing is made, and the journal knows of nothing."""
        found = self.read() if found is UNREAD else found
        if found is not None and UNAVAILABLE in found:
            return False
        return super().create(found, make)

    def read_tags(self) -> dict[str, str]:
        return from_tag_list(self.lab.client("cloudwatch").list_tags_for_resource(ResourceARN=self.arn)["Tags"])

    def make(self) -> dict[str, Any]:
        self.lab.client("cloudwatch").put_metric_alarm(
            AlarmName=self.name,
            AlarmDescription=self.meaning,
            **self.configuration,
            Tags=as_tag_list(self.lab.definition.tags),
        )
        return {"arn": self.arn}

    def put_right(self, found: Mapping[str, Any], tell: str | None = None) -> None:
        """Bring what is there to what the lab needs, and let it tell a topic; whom it tells already stays."""
        kept = {name: list(found.get(name) or []) for name in ACTIONS}
        told = {name: [*kept[name], tell] for name in ACTIONS[:2] if tell and tell not in kept[name]}
        if told or not self.is_as_made(found):
            self.lab.client("cloudwatch").put_metric_alarm(
                AlarmName=self.name, AlarmDescription=self.meaning, **self.configuration, **(kept | told)
            )

    def is_as_made(self, found: Mapping[str, Any]) -> bool:
        """Whether it watches what the lab makes it watch."""
        return all(found.get(name) == value for name, value in self.configuration.items())

    def erase(self) -> None:
        self.lab.client("cloudwatch").delete_alarms(AlarmNames=[self.name])

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        about, found = About("alarm", self.own_branch.name, f"{self.name}: "), snapshot.read(self)
        if found is None:
            yield about.line(
                "exists",
                False,
                self.name,
                "nothing of that name",
                otherwise=RISKY,
                evidence=f"There is no alarm {self.name}: if {self.meaning}, nobody is told.",
                fix="Step 2 makes it.",
                call="catch_up(lab, to=2)",
                consequence=snapshot.read(self.queue) is None,
            )
            return
        if UNAVAILABLE in found:
            yield about.works("exists", "no alarms here", evidence=f"There are no alarms here: {found[UNAVAILABLE]}.")
            return
        yield about.works("exists", self.name, evidence=_state(found))
        wanted, has = _watched(self.configuration), _watched(found)
        same = self.is_as_made(found)
        yield about.line(
            "watches",
            same,
            wanted,
            has if same or has != wanted else "something else",
            otherwise=DIFFERENT,
            call="create_alarms(lab)",
        )

    @property
    def logical_name(self) -> str:
        """Its name in a template."""
        return f"{self.queue.logical_name}Alarm"

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        if found is not None and UNAVAILABLE in found:
            return {}
        have = self.configuration if found is None else {name: found.get(name) for name in self.configuration}
        if have["Dimensions"] == self.configuration["Dimensions"]:
            value = {"Fn::GetAtt": [self.queue.logical_name, "QueueName"]}
            have = {**have, "Dimensions": [{"Name": "QueueName", "Value": value}]}
        tags = as_tag_list(self.lab.definition.tags)
        return {self.logical_name: template_resource("AWS::CloudWatch::Alarm", AlarmName=self.name, **have, Tags=tags)}


class DeadLetterAlarm(AnyAlarm):
    """It goes off as soon as a message lies in the dead-letter queue.

    NumberOfMessagesSent does not count what SQS itself moves there:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """

    kind, part = "alarm", "dead-letter alarm"
    named_by = "dead_letter_alarm_name"

    @property
    def queue(self) -> AnyQueue:
        return DeadLetterQueue.in_branch(self.lab, self.own_branch)

    @property
    def watched(self) -> tuple[str, float]:
        return "ApproximateNumberOfMessagesVisible", DEAD_LETTERS_TO_ALARM

    @property
    def meaning(self) -> str:
        return f"a photo cannot be handled by {self.own_branch.name}"

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        try:
            for page in lab.client("cloudwatch").get_paginator("describe_alarms").paginate():
                for alarm in page.get("MetricAlarms", []):
                    if fits(alarm["AlarmName"]):
                        yield cls(lab, alarm["AlarmName"])
        except ClientError as error:
            if unavailable(error) is None:
                raise

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make the alarms and try them, read figures, and query the functions' lines."""
        alarms = lab.arn("cloudwatch", f"alarm:{lab.definition.prefix}image-alarm-*")
        actions = "PutMetricAlarm DeleteAlarms TagResource ListTagsForResource DescribeAlarmHistory SetAlarmState"
        yield Right("KeepAlarms", "cloudwatch", actions, (alarms,))
        yield Right("ListAndLook", "cloudwatch", "GetMetricData", ("*",))
        # AWS asks for these of all alarms, or log groups, of the account and region: neither call names one.
        yield Right("ListAlarms", "cloudwatch", "DescribeAlarms", (lab.arn("cloudwatch", "alarm:*"),))
        yield Right("ReadAnswers", "logs", "GetQueryResults", (lab.arn("logs", "log-group:*"),))
        groups = tuple(branch.log_group_arn for branch in lab.branches)
        yield Right("KeepLogs", "logs", "StartQuery", groups)


class AgeAlarm(AnyAlarm):
    """It goes off if the oldest message of the queue has waited longer than all tries together may take.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """

    kind, part = "alarm", "age alarm"
    named_by = "age_alarm_name"

    @property
    def queue(self) -> AnyQueue:
        return Queue.in_branch(self.lab, self.own_branch)

    @property
    def watched(self) -> tuple[str, float]:
        return "ApproximateAgeOfOldestMessage", self.lab.definition.longest_wait_s

    @property
    def meaning(self) -> str:
        return f"nobody takes the messages for {self.own_branch.name}"


def unavailable(error: ClientError) -> str | None:
    """Why there are no alarms here, if that is what a refusal means; else None."""
    code = error_code(error)
    if code in UNKNOWN_OPERATION:
        return f"what answers has no CloudWatch ({code})"
    return f"these credentials may not look at any ({code})" if code in FORBIDDEN else None


def _there(found: Mapping[str, Any] | None) -> bool:
    return found is not None and UNAVAILABLE not in found


def _state(found: Mapping[str, Any]) -> str:
    """`OK`, or `ALARM: Threshold Crossed: ...`."""
    state = str(found["StateValue"])
    return state if state == "OK" else f"{state}: {found.get('StateReason', '')}".rstrip(" .:")


def _watched(configuration: Mapping[str, Any]) -> str:
    """In words, what an alarm watches."""
    return (
        f"{configuration.get('Statistic')} {configuration.get('MetricName')} in {configuration.get('Period')} s, from "
        f"{configuration.get('Threshold')} on"
    )
