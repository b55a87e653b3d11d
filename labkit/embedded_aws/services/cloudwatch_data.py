"""What CloudWatch answers of its figures: one series for each query, of a metric or of an expression.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from labkit.embedded_aws import metrics
from labkit.embedded_aws.metrics import MINUTE, Metric
from labkit.embedded_aws.services.cloudwatch_math import Series, evaluate


def seconds(moment: datetime | float) -> float:
    """Return a moment as seconds since 1970; one without a zone is UTC."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment)


def moment(since_1970: float) -> datetime:
    """Return seconds since 1970 as AWS shows a moment."""
    return datetime.fromtimestamp(since_1970, UTC)


def begin_of(start: float, period: int) -> int:
    """Return where the first period begins: at a whole minute, or at an even division of one.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
    """
    grain = min(period, MINUTE)
    return int(start // grain * grain)


def read_metric(region: str, asked: Mapping[str, Any]) -> Metric:
    """Return the metric that a request names: all of its dimensions, and no others."""
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in asked.get("Dimensions") or []}
    return metrics.metric(region, asked["Namespace"], asked["MetricName"], dimensions)


def metric_series(region: str, stat: Mapping[str, Any], begin: int, end: float) -> Series:
    """Return one statistic of a metric, by the begin of each period that has figures."""
    found = metrics.store().periods(
        read_metric(region, stat["Metric"]), begin, end, int(stat["Period"]), stat.get("Unit")
    )
    series: Series = {}
    for slots in found.values():
        for at, figures in slots.items():
            if (value := figures.statistic(stat["Stat"])) is not None:
                series[at] = value
    return series


def all_series(
    region: str, queries: Iterable[Mapping[str, Any]], start: float, end: float
) -> list[tuple[Mapping[str, Any], Series]]:
    """Return the queries, in their order, each with its series.

    Raises AwsError for an expression that CloudWatch does not understand.
    """
    asked = list(queries)
    periods = [int(query["MetricStat"]["Period"]) for query in asked if "MetricStat" in query]
    period = max(periods, default=MINUTE)
    known: dict[str, Series | float] = {}
    for query in asked:
        if "MetricStat" in query:
            stat = query["MetricStat"]
            known[query["Id"]] = metric_series(region, stat, begin_of(start, int(stat["Period"])), end)
    span = range(begin_of(start, period), int(end), period)
    expressions = {query["Id"]: query["Expression"] for query in asked if "Expression" in query}
    for name in expressions:
        evaluate(name, expressions, known, span)
    return [(query, _as_series(known[query["Id"]], span)) for query in asked]


def _as_series(value: Series | float, span: range) -> Series:
    return value if isinstance(value, dict) else dict.fromkeys(span, value)
