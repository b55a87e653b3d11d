"""What Lambda tells CloudWatch of each invocation.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

import time
from functools import lru_cache

from labkit.embedded_aws import metrics
from labkit.embedded_aws.metrics import Metric
from labkit.embedded_aws.runtime.logs import Report

_NAMESPACE = "AWS/Lambda"


def began(arn: str, of_function: int, of_account: int) -> None:
    """Tell that an invocation began, and how many run now, it included."""
    every = of_function, of_function, of_account
    _record(arn, "ConcurrentExecutions", every, "Count", time.time())


def throttled(arn: str) -> None:
    """Tell that an invocation was refused; it counts as no invocation."""
    _record(arn, "Throttles", (1, 1, 1), "Count", time.time())


def ended(arn: str, report: Report) -> None:
    """Tell the figures of an invocation, of the moment at which it began; an error is 1, and 0 is none."""
    at = time.time() - report.duration_ms / 1000
    failed = 1 if report.error is not None else 0
    _record(arn, "Invocations", (1, 1, 1), "Count", at)
    _record(arn, "Errors", (failed, failed, failed), "Count", at)
    _record(arn, "Throttles", (0, 0, 0), "Count", at)
    duration = round(report.duration_ms, 2)
    _record(arn, "Duration", (duration, duration, duration), "Milliseconds", at)


def _record(arn: str, name: str, values: tuple[float, float, float], unit: str, at: float) -> None:
    of_each = zip(_dimensions(arn), values, strict=True)
    metrics.record(((metric._replace(name=name), value, unit) for metric, value in of_each), at)


@lru_cache(maxsize=256)
def _dimensions(arn: str) -> tuple[Metric, Metric, Metric]:
    """Return whose the figures are: the function's, its version's or alias's, and all functions' of the region."""
    region, resource = arn.split(":")[3], arn.split(":function:")[1]
    of_all = metrics.metric(region, _NAMESPACE, "", {})
    of_function = metrics.metric(region, _NAMESPACE, "", {"FunctionName": resource.partition(":")[0]})
    of_resource = of_function._replace(dimensions=(*of_function.dimensions, ("Resource", resource)))
    return of_function, of_resource, of_all
