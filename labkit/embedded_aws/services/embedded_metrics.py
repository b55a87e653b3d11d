"""The embedded metric format: figures that a log line carries.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from labkit.embedded_aws.services.cloudwatch import put_datum

_MOST_METRICS = 100
_MOST_VALUES = 100
_MOST_DIMENSIONS = 30


def take_in(region: str, message: str) -> None:
    """Take in the figures of a log line, if it carries any; a line that is not as it should be is a line alone."""
    if '"_aws"' not in message or '"CloudWatchMetrics"' not in message:
        return
    try:
        line = json.loads(message)
    except ValueError:
        return
    for namespace, datum in list(_data(line)):
        put_datum(region, namespace, datum)


def _data(line: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    about = line.get("_aws") if isinstance(line, dict) else None
    if not isinstance(about, dict) or not _is_number(about.get("Timestamp")):
        return
    for directive in _list(about.get("CloudWatchMetrics")):
        if not isinstance(directive, dict) or not _is_text(directive.get("Namespace")):
            continue
        described = _list(directive.get("Metrics"))[:_MOST_METRICS]
        for names in _list(directive.get("Dimensions")) or [[]]:
            dimensions = _dimensions(line, names)
            if dimensions is None:
                continue
            for metric in described:
                if (datum := _datum(line, metric)) is not None:
                    more = {"Dimensions": dimensions, "Timestamp": about["Timestamp"] / 1000}
                    yield directive["Namespace"], datum | more


def _dimensions(line: dict[str, Any], names: Any) -> list[dict[str, str]] | None:
    """Return the dimensions of a set, None where the line lacks one of them."""
    wanted = _list(names)
    if len(wanted) > _MOST_DIMENSIONS or not all(_is_text(name) and _is_text(line.get(name)) for name in wanted):
        return None
    return [{"Name": name, "Value": line[name]} for name in wanted]


def _datum(line: dict[str, Any], metric: Any) -> dict[str, Any] | None:
    """Return a figure as PutMetricData has it, None where the line lacks it."""
    if not isinstance(metric, dict) or not _is_text(metric.get("Name")):
        return None
    value = line.get(metric["Name"])
    values = value if isinstance(value, list) else [value]
    if not values or len(values) > _MOST_VALUES or not all(_is_number(one) for one in values):
        return None
    named = {"MetricName": metric["Name"], "Unit": metric.get("Unit"), "Values": values}
    return named | {"StorageResolution": metric.get("StorageResolution")}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
