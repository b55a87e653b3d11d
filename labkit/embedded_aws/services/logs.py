"""CloudWatch Logs: moto's, with the filter patterns that it lets everything through, and groups found by pattern.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListLogGroups.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from moto.logs import models, responses

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


class LogsResponse(responses.LogsResponse):
    """moto looks for groups by prefix alone, and has no ListLogGroups.

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
