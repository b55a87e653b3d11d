"""What Lambda tells CloudWatch of each invocation.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache

from labkit.embedded_aws import metrics
from labkit.embedded_aws.metrics import Measured, Metric, store
from labkit.embedded_aws.runtime.logs import Report

_NAMESPACE = "AWS/Lambda"


def began(arn: str, of_function: int, of_account: int) -> None:
    """Tell that an invocation began, and how many run now, it included."""
    store().tell_later(
        _of_each, arn, "ConcurrentExecutions", (of_function, of_function, of_account), "Count", time.time()
    )


def throttled(arn: str) -> None:
    """Tell that an invocation was refused; it counts as no invocation."""
    store().tell_later(_of_each, arn, "Throttles", (1, 1, 1), "Count", time.time())


def ended(arn: str, report: Report) -> None:
    """Tell the figures of an invocation, of the moment at which it began; an error is 1, and 0 is none."""
    began_at = time.time() - report.duration_ms / 1000
    store().tell_later(_of_invocation, arn, report.error is not None, round(report.duration_ms, 2), began_at)


def _of_invocation(arn: str, failed: bool, duration_ms: float, at: float) -> Iterator[Measured]:
    for name, value in (("Invocations", 1), ("Errors", int(failed)), ("Throttles", 0)):
        yield from _of_each(arn, name, (value, value, value), "Count", at)
    yield from _of_each(arn, "Duration", (duration_ms, duration_ms, duration_ms), "Milliseconds", at)


def _of_each(arn: str, name: str, values: tuple[float, float, float], unit: str, at: float) -> Iterator[Measured]:
    for metric, value in zip(_dimensions(arn), values, strict=True):
        yield metric._replace(name=name), value, unit, at, metrics.MINUTE


@lru_cache(maxsize=256)
def _dimensions(arn: str) -> tuple[Metric, Metric, Metric]:
    """Return whose the figures are: the function's, its version's or alias's, and all functions' of the region."""
    region, resource = arn.split(":")[3], arn.split(":function:")[1]
    of_all = metrics.metric(region, _NAMESPACE, "", {})
    of_function = metrics.metric(region, _NAMESPACE, "", {"FunctionName": resource.partition(":")[0]})
    of_resource = of_function._replace(dimensions=(*of_function.dimensions, ("Resource", resource)))
    return of_function, of_resource, of_all
