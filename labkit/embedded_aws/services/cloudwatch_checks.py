"""What CloudWatch refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from labkit.embedded_aws import metrics
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.cloudwatch_alarms import COMPARISONS
from labkit.embedded_aws.services.cloudwatch_data import seconds

_STATISTICS = {"SampleCount", "Average", "Sum", "Minimum", "Maximum"}
_PERCENTILE = re.compile(r"p(100|\d{1,2}(\.\d{1,10})?)")
_OTHER_STATISTIC = re.compile(r"(tm|wm|tc|ts|pr|iqm|TM|WM|TC|TS|PR|IQM)\b.*|(tm|wm|tc|ts)\d.*")
_QUERY_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


def _wrong(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def _unfit(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _missing(name: str) -> AwsError:
    return AwsError("MissingParameter", f"The parameter {name} is required.")


def _check_put_data(operation: Operation) -> None:
    namespace = operation.get("Namespace")
    if namespace.startswith("AWS/"):
        raise _wrong(f"The value {namespace} for parameter Namespace is invalid.")
    if operation.get("EntityMetricData"):
        raise not_there("entities of metrics")
    data = operation.get("MetricData") or []
    if not data:
        raise _missing("MetricData")
    if len(data) > limits.MOST_METRIC_DATA:
        raise _wrong(f"The collection MetricData must not have a size greater than {limits.MOST_METRIC_DATA}.")
    for number, datum in enumerate(data, 1):
        _check_datum(f"MetricData.member.{number}", datum)


def _check_datum(path: str, datum: dict[str, Any]) -> None:
    given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if not given:
        raise _missing(f"{path}.Value")
    if len(given) > 1:
        words = "are mutually exclusive and you have specified both."
        raise _unfit(f"The parameters {path}.{given[0]} and {path}.{given[1]} {words}")
    values, counts = datum.get("Values") or [], datum.get("Counts")
    if len(values) > limits.MOST_METRIC_VALUES:
        raise _wrong(f"The collection {path}.Values must not have a size greater than {limits.MOST_METRIC_VALUES}.")
    if counts is not None and len(counts) != len(values):
        raise _wrong(f"The parameters {path}.Values and {path}.Counts must be of the same size.")
    told = {"Value": datum.get("Value"), **(datum.get("StatisticValues") or {})}
    for name, value in [*told.items(), *(("Values", value) for value in values)]:
        if value is not None and not _is_figure(value):
            raise _wrong(f"The value {value} for parameter {path}.{name} is invalid.")
    if datum.get("StorageResolution") not in (None, 1, metrics.MINUTE):
        raise _wrong(f"The value {datum['StorageResolution']} for parameter {path}.StorageResolution is invalid.")
    _check_time(path, datum.get("Timestamp"))


def _is_figure(value: float) -> bool:
    """No infinity, and neither too large nor too small: API_MetricDatum.html."""
    return math.isfinite(value) and (value == 0 or 2.0**-360 <= abs(value) <= 2.0**360)


def _check_time(path: str, given: Any) -> None:
    if given is None:
        return
    now = metrics.store().now()
    at = seconds(given)
    if at < now - limits.OLDEST_FIGURE_SECONDS:
        raise _wrong(f"The parameter {path}.Timestamp must specify a time within the past two weeks.")
    if at > now + limits.LATEST_FIGURE_SECONDS:
        raise _wrong(f"The parameter {path}.Timestamp must specify a time no more than two hours in the future.")


def _check_period(period: int, name: str = "Period") -> None:
    if period not in limits.SHORT_PERIODS and period % metrics.MINUTE:
        raise _wrong(f"The parameter {name} must be {_SHORT} or a multiple of 60.")


_SHORT = ", ".join(map(str, sorted(limits.SHORT_PERIODS)))


def _check_statistic(statistic: str, name: str) -> None:
    if _OTHER_STATISTIC.fullmatch(statistic):
        raise not_there(f"the statistic {statistic}")
    if not _PERCENTILE.fullmatch(statistic):
        raise _wrong(f"The value {statistic} for parameter {name} is not supported.")


def _check_statistics(operation: Operation) -> None:
    statistics, extended = operation.get("Statistics") or [], operation.get("ExtendedStatistics") or []
    if not statistics and not extended:
        raise _unfit("Must specify either Statistics or ExtendedStatistics")
    for number, statistic in enumerate(extended, 1):
        _check_statistic(statistic, f"ExtendedStatistics.member.{number}")
    period = int(operation.get("Period"))
    _check_period(period)
    start, end = seconds(operation.get("StartTime")), seconds(operation.get("EndTime"))
    if start >= end:
        raise _wrong("The parameter StartTime must be less than the parameter EndTime.")
    points = math.ceil((end - start) / period)
    if points > limits.MOST_DATAPOINTS:
        raise _unfit(
            f"You have requested up to {points:,} datapoints, which exceeds the limit of {limits.MOST_DATAPOINTS:,}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )


def _check_get_data(operation: Operation) -> None:
    if seconds(operation.get("StartTime")) >= seconds(operation.get("EndTime")):
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    if operation.get("NextToken") is not None:
        raise AwsError("InvalidNextToken", "The next token specified is invalid.")
    _check_queries("MetricDataQueries", operation.get("MetricDataQueries"), limits.MOST_QUERIES)


def _check_queries(member: str, queries: list[dict[str, Any]], most: int) -> None:
    if len(queries) > most:
        raise _invalid(f"The collection {member} must not have a size greater than {most}.")
    seen: set[str] = set()
    for number, query in enumerate(queries, 1):
        path = f"{member}.member.{number}"
        if not _QUERY_ID.fullmatch(query["Id"]):
            raise _invalid(
                f"The value {query['Id']} for parameter {path}.Id is not matching the expected pattern "
                "^[a-z][a-zA-Z0-9_]*$."
            )
        if query["Id"] in seen:
            raise _invalid(f"The values for parameter Id in {member} are not unique.")
        seen.add(query["Id"])
        if ("MetricStat" in query) == ("Expression" in query):
            raise _invalid(f"Exactly one of the parameters {path}.MetricStat and {path}.Expression must be specified.")
        if "MetricStat" in query:
            _check_metric_stat(f"{path}.MetricStat", query["MetricStat"])
    if not any(query.get("ReturnData", True) for query in queries):
        raise _invalid("At least one of the queries must return data.")


def _check_metric_stat(path: str, stat: dict[str, Any]) -> None:
    for name in ("Namespace", "MetricName"):
        if stat["Metric"].get(name) is None:
            raise _missing(f"{path}.Metric.{name}")
    _check_period(int(stat["Period"]), f"{path}.Period")
    if stat["Stat"] not in _STATISTICS:
        _check_statistic(stat["Stat"], f"{path}.Stat")


# What PutMetricAlarm knows on AWS and the embedded AWS does not.
_NO_SUCH_ALARM = (
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
    "ThresholdMetricId",
)
_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")


def _check_alarm(operation: Operation) -> None:
    for name in _NO_SUCH_ALARM:
        if operation.get(name) is not None:
            raise not_there(f"alarms with {name}")
    for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if operation.get(name) is None:
            raise _missing(name)
    if operation.get("ComparisonOperator") not in COMPARISONS:
        raise not_there("anomaly detection")
    treatment = operation.get("TreatMissingData", "missing")
    if treatment not in _TREATMENTS:
        raise _invalid(
            f"Option {treatment} is not supported. Supported options for parameter TreatMissingData are "
            f"{', '.join(_TREATMENTS)}."
        )
    count, needed = operation.get("EvaluationPeriods"), operation.get("DatapointsToAlarm", 1)
    if needed > count:
        raise _invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    _check_watched(operation)
    for member in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        for arn in operation.get(member) or []:
            _check_action(arn)


def _check_watched(operation: Operation) -> None:
    """An alarm watches one metric's statistic, or what its queries return."""
    if (queries := operation.get("Metrics")) is not None:
        if operation.get("MetricName") is not None:
            raise _invalid("The parameters MetricName and Metrics are mutually exclusive and you have specified both.")
        _check_queries("Metrics", queries, limits.MOST_ALARM_QUERIES)
        if sum(query.get("ReturnData", True) for query in queries) != 1:
            raise _invalid("Exactly one element of the metrics list should return data.")
        return
    for name in ("MetricName", "Namespace", "Period"):
        if operation.get(name) is None:
            raise _missing(name)
    statistic, extended = operation.get("Statistic"), operation.get("ExtendedStatistic")
    if (statistic is None) == (extended is None):
        raise _invalid("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if extended is not None:
        _check_statistic(extended, "ExtendedStatistic")
    period = int(operation.get("Period"))
    if period not in limits.ALARM_PERIODS and period % metrics.MINUTE:
        raise _invalid("Period must be 10, 20, 30 or a multiple of 60")
    if period * operation.get("EvaluationPeriods") > limits.LONGEST_ALARM_SECONDS:
        raise _invalid(
            "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= "
            f"{limits.LONGEST_ALARM_SECONDS})."
        )


def _check_action(arn: str) -> None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise _invalid(f"Invalid arn syntax: {arn}")
    if parts[2] != "sns":
        raise not_there(f"alarm actions of {parts[2]}")


def _check_state(operation: Operation) -> None:
    try:
        json.loads(operation.get("StateReasonData") or "{}")
    except ValueError as error:
        raise AwsError("InvalidFormat", "The parameter StateReasonData is not valid JSON.") from error


def _check_token(operation: Operation) -> None:
    """Refuse a token that no page has given: they are numbers, see `services/cloudwatch.py`."""
    token = operation.get("NextToken")
    if token is not None and not token.isdecimal():
        raise AwsError("InvalidNextToken", "The next token specified is invalid.")


def _check_alarms(operation: Operation) -> None:
    _check_token(operation)
    if operation.get("AlarmNames") and operation.get("AlarmNamePrefix"):
        raise _unfit("AlarmNames and AlarmNamePrefix are mutually exclusive.")
    for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
        if operation.get(name) is not None:
            raise not_there("composite alarms")


CHECKS: dict[str, Callable[[Operation], None]] = {
    "DescribeAlarmHistory": _check_token,
    "DescribeAlarms": _check_alarms,
    "GetMetricData": _check_get_data,
    "GetMetricStatistics": _check_statistics,
    "ListMetrics": _check_token,
    "PutMetricAlarm": _check_alarm,
    "PutMetricData": _check_put_data,
    "SetAlarmState": _check_state,
}
