"""In which state an alarm is, and why; and waiting until it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from labkit.errors import LabError, aws_errors
from labkit.insight.metrics import are_published
from labkit.lab import Lab
from labkit.resources import DeadLetterAlarm
from labkit.resources.alarm import UNAVAILABLE
from labkit.result import Result
from labkit.settings import ALARM_WITHIN_S
from labkit.waiting import wait_until

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
LOOKED_BACK = timedelta(minutes=15)


@dataclass(frozen=True)
class AlarmState(Result):
    """An alarm's state and its reason, in CloudWatch's words; `refusal` says why it changes to no other by itself."""

    name: str
    state: str
    reason: str
    refusal: str = ""

    def sentence(self) -> str:
        if self.refusal:
            return self.refusal
        return f"The alarm {self.name} is {'in ' if self.state == 'ALARM' else ''}{self.state}. {self.reason}"


@aws_errors("waiting for an alarm")
def wait_for_alarm(lab: Lab, name: str, state: State = "ALARM", *, seconds: float = ALARM_WITHIN_S) -> AlarmState:
    """Wait until the alarm of this name is in a state; returns it with the reason.

    CloudWatch looks at the end of each minute, and on AWS gets the figures of that minute later. Where there are no
    alarms, or an endpoint's CloudWatch has no figure of what the alarm watches, the result says so. Raises
    WaitedTooLong, and LabError if there is no such alarm.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Alarms.html
    """
    if state not in get_args(State):
        hint = f"One of {', '.join(get_args(State))}."
        raise LabError(f"No alarm is ever {state!r}.", hint=hint, code="bad-option")
    found = _read(lab, name)
    if UNAVAILABLE in found:
        return AlarmState(name, "", "", f"There are no alarms here: {found[UNAVAILABLE]}.")

    def ask() -> AlarmState | None:
        now = _state(_read(lab, name))
        return now if now.state == state else None

    if not are_published(lab, lambda: ask() is not None or _has_figures(lab, found)):
        why = f"This endpoint's CloudWatch has no figures of what the alarm {name} watches: it does not "
        return replace(_state(found), refusal=f"{why}{'ring' if state == 'ALARM' else 'change'} by itself.")
    hint = f"describe_alarms(AlarmNames=[{name!r}]) says what it watches; monitor and doctor(lab) what there is."
    return wait_until(ask, what=f"the alarm {name} to be {state}", seconds=seconds, hint=hint)


def _read(lab: Lab, name: str) -> Mapping[str, Any]:
    found = DeadLetterAlarm(lab, name).read()
    if found is None:
        raise LabError(f"There is no alarm {name}.", hint="catch_up(lab, to=2) makes the lab's.", code="missing-step")
    return found


def _state(found: Mapping[str, Any]) -> AlarmState:
    return AlarmState(found["AlarmName"], found["StateValue"], found.get("StateReason", ""))


def _has_figures(lab: Lab, alarm: Mapping[str, Any]) -> bool:
    """Whether CloudWatch has any figure, of the last minutes, of what the alarm watches."""
    end = datetime.now(UTC)
    span = {"StartTime": end - LOOKED_BACK, "EndTime": end}
    answer = lab.client("cloudwatch").get_metric_data(MetricDataQueries=_watched(alarm), **span)
    return any(result["Values"] for result in answer["MetricDataResults"])


def _watched(alarm: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What it watches, as queries."""
    if queries := alarm.get("Metrics"):
        return list(queries)
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}
    stat = alarm.get("Statistic") or alarm["ExtendedStatistic"]
    return [{"Id": "watched", "MetricStat": {"Metric": metric, "Period": alarm["Period"], "Stat": stat}}]
