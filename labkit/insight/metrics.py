"""What CloudWatch knows of the functions and queues, minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from labkit.errors import WaitedTooLong, aws_errors
from labkit.insight.logs import beginning
from labkit.lab import Lab
from labkit.resources.alarm import unavailable
from labkit.result import Result, counted
from labkit.waiting import wait_until

MINUTE = timedelta(minutes=1)
# Figures come by the minute. An endpoint of someone else's that has none a little later publishes none.
FIRST_FIGURE_WITHIN_S = 70
# Name in the table, namespace, metric, statistic: those that the console's Monitor tab of a function plots, and what
# tells of a queue whether anybody takes its messages.
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
OF_FUNCTION = (
    ("Invocations", "Sum"),
    ("Errors", "Sum"),
    ("Throttles", "Sum"),
    ("ConcurrentExecutions", "Maximum"),
    ("Duration", "Minimum"),
    ("Duration", "Average"),
    ("Duration", "Maximum"),
)
OF_QUEUE = (
    ("NumberOfMessagesSent", "Sum"),
    ("NumberOfMessagesDeleted", "Sum"),
    ("ApproximateNumberOfMessagesVisible", "Maximum"),
    ("ApproximateAgeOfOldestMessage", "Maximum"),
)


@dataclass(frozen=True)
class Series:
    """One statistic of one metric of a function or queue: its value by the minute, where CloudWatch has one."""

    of: str  # a function's original name, or a queue's name
    metric: str
    statistic: str
    values: Mapping[datetime, float]


@dataclass(frozen=True)
class Metrics(Result):
    """All series of a lab over a span of time; `refusal` says why there are none, if there can be none."""

    lab_id: str
    begin: datetime
    end: datetime
    series: tuple[Series, ...]
    refusal: str = ""

    def find(self, of: str, metric: str, statistic: str) -> Mapping[datetime, float]:
        """The values of one series, by the minute; empty if CloudWatch has none."""
        wanted = (of, metric, statistic)
        return next((one.values for one in self.series if (one.of, one.metric, one.statistic) == wanted), {})

    @property
    def known_until(self) -> datetime | None:
        """The end of the last minute of which CloudWatch knows an invocation; None without any."""
        minutes = [at for one in self.series if one.metric == "Invocations" for at in one.values]
        return max(minutes) + MINUTE if minutes else None

    def sentence(self) -> str:
        if self.refusal:
            return f"There are no figures here: {self.refusal}."
        told, span = sum(bool(one.values) for one in self.series), f"from {self.begin:%H:%M} to {self.end:%H:%M} UTC"
        return f"CloudWatch has figures in {told} of {len(self.series)} series {span}."

    def headers(self) -> Sequence[str]:
        return ("of", "metric", "statistic", "minute (UTC): value")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a series that has values."""
        for one in self.series:
            if one.values:
                shown = ", ".join(f"{at:%H:%M}: {value:g}" for at, value in sorted(one.values.items()))
                yield one.of, one.metric, one.statistic, shown


def read_metrics(lab: Lab, *, since: datetime | timedelta | str = "15m") -> Metrics:
    """What CloudWatch has of the lab's functions and queues since a time (UTC), a timedelta ago, or `"5m"` ago.

    CloudWatch takes its time: on AWS a minute is there after one to several minutes. Where there is no CloudWatch,
    the result says so. Raises LabError if AWS refuses for another reason.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
    """
    begin = beginning(since).replace(second=0, microsecond=0)
    end = datetime.now(UTC) + MINUTE
    asked = list(_asked(lab))
    queries = [_query(number, one) for number, one in enumerate(asked)]
    span = {"StartTime": begin, "EndTime": end, "ScanBy": "TimestampAscending"}
    found: dict[int, dict[datetime, float]] = {}
    with aws_errors("reading the figures"):
        try:
            pages = lab.client("cloudwatch").get_paginator("get_metric_data")
            for page in pages.paginate(MetricDataQueries=queries, **span):
                for result in page["MetricDataResults"]:
                    values = zip(result["Timestamps"], result["Values"], strict=True)
                    found.setdefault(int(result["Id"][1:]), {}).update(values)
        except ClientError as error:
            if (why := unavailable(error)) is None:
                raise
            return Metrics(lab.definition.lab_id, begin, end, (), why)
    series = tuple(
        Series(of, metric, statistic, found.get(number, {})) for number, (of, _, metric, statistic) in enumerate(asked)
    )
    return Metrics(lab.definition.lab_id, begin, end, series)


def wait_for_metrics(lab: Lab, invocations: int, *, seconds: float = 600) -> Metrics:
    """The figures, once CloudWatch has counted so many invocations of each function within the last 15 minutes.

    Where CloudWatch publishes no figures of functions, as some endpoints' do not, the result says so after a minute.
    Raises WaitedTooLong if they do not come within `seconds`: on AWS it takes one to several minutes.
    """

    def known() -> bool:
        found = read_metrics(lab)
        return bool(found.refusal or found.known_until)

    def ask() -> Metrics | None:
        found = read_metrics(lab)
        counts = [sum(found.find(branch.name, "Invocations", "Sum").values()) for branch in lab.branches]
        return found if found.refusal or min(counts) >= invocations else None

    if not are_published(lab, known):
        return replace(read_metrics(lab), series=(), refusal="this endpoint's CloudWatch publishes none of functions")
    what = f"CloudWatch to have counted {counted(invocations, 'invocation')} of each function"
    return wait_until(ask, what=what, seconds=seconds, hint="monitor(logs) plots what the functions tell themselves.")


def are_published(lab: Lab, known: Callable[[], bool]) -> bool:
    """Whether CloudWatch has figures at all. AWS and the embedded AWS do; an endpoint of someone else's is asked.

    `known` says whether there is one by now.
    """
    if lab.definition.where != "endpoint":
        return True
    try:
        wait_until(known, what="CloudWatch's first figure", seconds=FIRST_FIGURE_WITHIN_S)
    except WaitedTooLong:
        return False
    return True


_Asked = tuple[str, dict[str, Any], str, str]  # of what; the metric as CloudWatch wants it; metric, statistic


def _asked(lab: Lab) -> Iterator[_Asked]:
    for branch in lab.branches:
        for metric, statistic in OF_FUNCTION:
            yield branch.name, _metric("AWS/Lambda", metric, "FunctionName", branch.function_name), metric, statistic
        for queue in (branch.queue_name, branch.dead_letter_queue_name):
            for metric, statistic in OF_QUEUE:
                yield queue, _metric("AWS/SQS", metric, "QueueName", queue), metric, statistic


def _metric(namespace: str, metric: str, dimension: str, value: str) -> dict[str, Any]:
    return {"Namespace": namespace, "MetricName": metric, "Dimensions": [{"Name": dimension, "Value": value}]}


def _query(number: int, asked: _Asked) -> dict[str, Any]:
    _, metric, _, statistic = asked
    return {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}
