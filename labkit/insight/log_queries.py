"""Questions to the functions' log lines in the language of CloudWatch Logs Insights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from labkit.errors import aws_errors, error_code
from labkit.insight.logs import beginning
from labkit.lab import Lab
from labkit.result import Result, counted
from labkit.waiting import wait_until

HIDDEN = "@ptr"  # which record a row is, for GetLogRecord; no person reads it
NO_QUERY = "this is no query"  # which AWS refuses
REFUSED = "MalformedQueryException"


@dataclass(frozen=True)
class FoundLines(Result):
    """What a query found: a dict for each row, by the names of its fields. `refusal` says why there can be none."""

    found: tuple[Mapping[str, str], ...]
    matched: int  # lines that the query counted or shows, of those that it looked at
    scanned: int
    refusal: str = ""

    def sentence(self) -> str:
        if self.refusal:
            return self.refusal
        return f"{counted(len(self.found), 'row')}, from {self.matched:,} of {counted(self.scanned, 'line')}."

    def headers(self) -> Sequence[str]:
        """The fields, in the order in which they come."""
        return tuple(dict.fromkeys(field for row in self.found for field in row))

    def rows(self) -> Iterable[Sequence[object]]:
        """One row each; a line need not have every field."""
        return [tuple(row.get(field, "") for field in self.headers()) for row in self.found]


@aws_errors("querying the logs")
def query_logs(lab: Lab, query: str, *, since: datetime | timedelta | str = "1h", seconds: float = 60) -> FoundLines:
    """Ask the log groups of all functions one question, about lines since a time (UTC), a timedelta or `"5m"` ago.

    `StartQuery` begins it, `GetQueryResults` is asked until it is complete. An endpoint that answers what is no query
    does not read queries: then the result says so, and shows nothing. Raises LabError for a query that is refused, and
    WaitedTooLong.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
    """
    client, end = lab.client("logs"), datetime.now(UTC)
    span = {"startTime": int(beginning(since, end).timestamp()), "endTime": int(end.timestamp())}
    start = partial(client.start_query, logGroupNames=[branch.log_group for branch in lab.branches], **span)
    if lab.definition.where == "endpoint" and not _reads(start):
        return FoundLines(
            (), 0, 0, "This endpoint's Logs Insights does not read its queries: it answers nonsense, too."
        )
    asked = start(queryString=query)["queryId"]

    def ask() -> Mapping[str, Any] | None:
        answer = client.get_query_results(queryId=asked)
        return answer if answer["status"] == "Complete" else None

    answer = wait_until(ask, what="the query to be complete", seconds=seconds)
    rows = [{cell["field"]: cell["value"] for cell in row if cell["field"] != HIDDEN} for row in answer["results"]]
    counts = answer["statistics"]
    return FoundLines(tuple(rows), int(counts["recordsMatched"]), int(counts["recordsScanned"]))


def _reads(start: Callable[..., Any]) -> bool:
    """Whether what is no query is refused."""
    try:
        start(queryString=NO_QUERY)
    except ClientError as error:
        if error_code(error) != REFUSED:
            raise
        return True
    return False
