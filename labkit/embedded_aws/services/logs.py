"""CloudWatch Logs: moto's, with the filter patterns that it lets everything through, groups by pattern, and queries.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListLogGroups.html
"""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.logs import models, responses

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.services import insights
from labkit.embedded_aws.services.embedded_metrics import take_in
from labkit.embedded_aws.services.log_patterns import log_pattern

_MOST_GROUPS = 50


class EventMessageFilter:
    """moto knows terms in quotes and without, and takes every other pattern for one that lets everything through.

    No issue of moto's is known.
    """

    def __init__(self, pattern: str) -> None:
        """Read the pattern, which the checks before have found to be one."""
        self._fits = log_pattern(pattern or "")

    def matches(self, message: str) -> bool:
        """Return whether the pattern fits the message."""
        return self._fits(message)


class LogGroup(models.LogGroup):
    """moto does not tell a group's class, and that it can be deleted; it reads no figures in lines.

    No issue of moto's is known.
    """

    def to_describe_dict(self) -> dict[str, Any]:
        """Return the group as DescribeLogGroups shows it."""
        return super().to_describe_dict() | {"logGroupClass": "STANDARD", "deletionProtectionEnabled": False}

    def put_log_events(self, log_stream_name: str, log_events: list[dict[str, Any]]) -> str:
        """Keep the events, and the figures that they carry."""
        token = super().put_log_events(log_stream_name, log_events)
        for event in log_events:
            take_in(self.region, event["message"])
        return token


@dataclass
class Query:
    """A query that was run when it was started, and what it has found."""

    query_id: str
    query: str
    groups: list[str]
    answer: insights.Answer
    created: float = field(default_factory=time.time)

    def shown(self, group: str) -> dict[str, Any]:
        """Return the query as DescribeQueries shows it."""
        told = {"queryId": self.query_id, "queryString": self.query, "queryLanguage": "CWLI", "status": "Complete"}
        return told | {"createTime": int(self.created * 1000), "logGroupName": group}


class LogsResponse(responses.LogsResponse):
    """moto looks for groups by prefix alone, has no ListLogGroups, and leaves out what it does not know of a query.

    No issue of moto's is known.
    """

    def describe_log_groups(self) -> str:
        """DescribeLogGroups; a pattern is a part of the name."""
        pattern = self._get_param("logGroupNamePattern")
        if pattern is None:
            return super().describe_log_groups()
        found = [group for group in self._groups() if pattern in group["logGroupName"]]
        for group in found:  # AWS tells less to whom looks by pattern
            del group["storedBytes"], group["deletionProtectionEnabled"]
        return self._page(found)

    def list_log_groups(self) -> str:
        """ListLogGroups; its pattern is a regular expression, `^` for a prefix."""
        pattern = re.compile(self._get_param("logGroupNamePattern") or "")
        named = [group for group in self._groups() if pattern.search(group["logGroupName"])]
        shown = ("logGroupName", "logGroupArn", "logGroupClass")
        return self._page([{name: group[name] for name in shown} for group in named])

    def start_query(self) -> str:
        """StartQuery; it is over at once."""
        names = self._queried()
        groups = []
        for name in names:
            group = self.logs_backend.groups.get(name)
            if group is None:
                words = f"Log group '{name}' does not exist for account ID '{self.current_account}'"
                raise AwsError("ResourceNotFoundException", words)
            groups.append(group)
        query, span = self._get_param("queryString"), (self._get_param("startTime"), self._get_param("endTime"))
        answer = insights.run(groups, query, *span, self._get_param("limit"))
        query_id = str(uuid.uuid4())
        self.logs_backend.queries[query_id] = Query(query_id, query, names, answer)  # type: ignore[assignment]
        return json.dumps({"queryId": query_id})

    def _queried(self) -> list[str]:
        """Return the names of the groups that a query is about; an identifier may be a group's ARN."""
        name, names = self._get_param("logGroupName"), self._get_param("logGroupNames")
        identifiers = [one.removesuffix(":*") for one in self._get_param("logGroupIdentifiers") or []]
        named = [one.rpartition(":log-group:")[2] for one in identifiers]
        return [name] if name else names or named

    def get_query_results(self) -> str:
        """GetQueryResults."""
        answer = self._query().answer
        counted = {"recordsMatched": answer.matched, "recordsScanned": answer.scanned}
        figures = {name: float(value) for name, value in (counted | {"bytesScanned": answer.scanned_bytes}).items()}
        told = {"queryLanguage": "CWLI", "results": answer.results, "statistics": figures, "status": "Complete"}
        return json.dumps(told)

    def _query(self) -> Query:
        query = self.logs_backend.queries[self._get_param("queryId")]
        assert isinstance(query, Query)
        return query

    def stop_query(self) -> str:
        """StopQuery: none runs any more."""
        words = f"Query ID: {self._query().query_id} is not running."
        raise AwsError("InvalidParameterException", words)

    def describe_queries(self) -> str:
        """DescribeQueries: the latest first."""
        group, status = self._get_param("logGroupName"), self._get_param("status")
        queries = [query for query in self.logs_backend.queries.values() if isinstance(query, Query)]
        found = [
            query.shown(group or query.groups[0])
            for query in reversed(queries)
            if status in (None, "Complete") and (group is None or group in query.groups)
        ]
        return json.dumps({"queries": found[: self._get_param("maxResults") or 1000]})

    def _groups(self) -> list[dict[str, Any]]:
        groups = sorted(self.logs_backend.groups.values(), key=lambda group: group.name)
        return [group.to_describe_dict() for group in groups]

    def _page(self, groups: list[dict[str, Any]]) -> str:
        """Return one page; the token of the next is where it begins."""
        begin, most = int(self._get_param("nextToken") or 0), self._get_param("limit") or _MOST_GROUPS
        answer: dict[str, Any] = {"logGroups": groups[begin : begin + most]}
        if begin + most < len(groups):
            answer["nextToken"] = str(begin + most)
        return json.dumps(answer)
