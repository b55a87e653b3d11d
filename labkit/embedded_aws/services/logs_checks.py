"""What CloudWatch Logs refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

from collections.abc import Callable

from moto.logs.models import logs_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.log_patterns import BadPattern, log_pattern
from labkit.embedded_aws.state import ACCOUNT


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def _check_retention(operation: Operation) -> None:
    days = operation.get("retentionInDays")
    if days not in limits.RETENTION_DAYS:
        allowed = ", ".join(map(str, limits.RETENTION_DAYS))
        words = (
            f"Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: "
        )
        raise _invalid(f"1 validation error detected: {words}[{allowed}]")


def _check_groups(operation: Operation) -> None:
    if operation.get("logGroupNamePattern") is not None:
        _check_list_groups(operation)
    if operation.get("logGroupNamePrefix") is not None and operation.get("logGroupNamePattern") is not None:
        raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")


def _check_list_groups(operation: Operation) -> None:
    """Refuse a token that no page has given: they are numbers, see `services/logs.py`."""
    token = operation.get("nextToken")
    if token is not None and not token.isdecimal():
        raise _invalid("The specified nextToken is invalid.")


def _check_streams(operation: Operation) -> None:
    if operation.get("logGroupName") is not None and operation.get("logGroupIdentifier") is not None:
        words = "LogGroup name and LogGroup ARN are mutually exclusive parameters."
        raise AwsError("ValidationException", words)
    if operation.get("orderBy") == "LastEventTime" and operation.get("logStreamNamePrefix"):
        raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")


def _check_put(operation: Operation) -> None:
    times = [event["timestamp"] for event in operation.get("logEvents")]
    if times != sorted(times):
        raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")


def _check_filter(operation: Operation) -> None:
    try:
        log_pattern(operation.get("filterPattern", ""))
    except BadPattern as error:
        raise _invalid("Invalid filter pattern") from error


def _check_stream_exists(operation: Operation) -> None:
    group = logs_backends[ACCOUNT][operation.region].groups.get(operation.get("logGroupName"))
    if group is not None and operation.get("logStreamName") not in group.streams:
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


def _check_start_query(operation: Operation) -> None:
    if operation.get("queryLanguage", "CWLI") != "CWLI":
        raise not_there(f"queries in {operation.get('queryLanguage')}")
    members = ("logGroupName", "logGroupNames", "logGroupIdentifiers")
    given = [name for name in members if operation.get(name)]
    if len(given) != 1:
        raise _invalid(f"Exactly one of {', '.join(members)} is required.")
    if operation.get("startTime") > operation.get("endTime"):
        raise _invalid("The start time of a query must not be after its end time.")
    groups = operation.get(given[0])
    if isinstance(groups, list) and len(groups) > limits.MOST_QUERIED_GROUPS:
        raise _invalid(f"A query is about at most {limits.MOST_QUERIED_GROUPS} log groups.")


def _check_query(operation: Operation) -> None:
    if operation.get("queryId") not in logs_backends[ACCOUNT][operation.region].queries:
        raise AwsError("ResourceNotFoundException", "The specified query does not exist.")


CHECKS: dict[str, Callable[[Operation], None]] = {
    "DescribeLogGroups": _check_groups,
    "DescribeLogStreams": _check_streams,
    "FilterLogEvents": _check_filter,
    "GetQueryResults": _check_query,
    "GetLogEvents": _check_stream_exists,
    "ListLogGroups": _check_list_groups,
    "PutLogEvents": _check_put,
    "PutRetentionPolicy": _check_retention,
    "StartQuery": _check_start_query,
    "StopQuery": _check_query,
}
