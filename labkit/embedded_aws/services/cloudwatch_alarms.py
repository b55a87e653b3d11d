"""Alarms: whether enough of the latest figures breach a threshold, and whom to tell when that changes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.sns.models import sns_backends

from labkit.embedded_aws import metrics
from labkit.embedded_aws.metrics import MINUTE
from labkit.embedded_aws.services.cloudwatch_data import all_series, metric_series, moment
from labkit.embedded_aws.state import ACCOUNT
from labkit.policy import allows, service_request

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
UNCHECKED = "Unchecked: Initial alarm creation"
_MORE_PERIODS = 2  # that CloudWatch looks at where some of the evaluation periods have no data
_MOST_HISTORY = 500

_BREACHES: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
COMPARISONS = tuple(_BREACHES)
_ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
_REGIONS = {"us-east-1": "US East (N. Virginia)"}

Point = tuple[int, float | None]  # the begin of a period, and its value


@dataclass(frozen=True)
class HistoryItem:
    """What happened to an alarm."""

    at: float
    kind: str
    summary: str
    data: dict[str, Any]


@dataclass
class Alarm:
    """An alarm: what PutMetricAlarm said of it, its state, and what happened to it."""

    name: str
    region: str
    configuration: dict[str, Any]
    configured: float
    state: str = INSUFFICIENT_DATA
    reason: str = UNCHECKED
    reason_data: dict[str, Any] | None = None
    changed: float = 0.0
    history: list[HistoryItem] = field(default_factory=list)

    @property
    def alarm_arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:cloudwatch:{self.region}:{ACCOUNT}:alarm:{self.name}"

    @property
    def period(self) -> int:
        """The seconds of one period; of an expression, those of its metrics."""
        stats = [query["MetricStat"] for query in self.configuration.get("Metrics", []) if "MetricStat" in query]
        return int(self.configuration.get("Period") or max((int(stat["Period"]) for stat in stats), default=MINUTE))

    def shown(self) -> dict[str, Any]:
        """Return the alarm as DescribeAlarms shows it."""
        return self.configuration | {
            "AlarmName": self.name,
            "AlarmArn": self.alarm_arn,
            "AlarmConfigurationUpdatedTimestamp": moment(self.configured),
            "StateValue": self.state,
            "StateReason": self.reason,
            **({"StateReasonData": json.dumps(self.reason_data)} if self.reason_data is not None else {}),
            "StateUpdatedTimestamp": moment(self.changed),
            "StateTransitionedTimestamp": moment(self.changed),
        }

    def note(self, kind: str, summary: str, data: dict[str, Any]) -> None:
        """Write into the history."""
        self.history.append(HistoryItem(metrics.store().now(), kind, summary, data))
        del self.history[:-_MOST_HISTORY]

    def evaluate(self, until: int) -> None:
        """Look at the periods that have ended by this moment, and change the state if they say so."""
        points = self._points(until)
        breaching = [None if value is None else self._breaches(value) for _, value in points]
        asked = self.configuration
        count = int(asked["EvaluationPeriods"])
        needed, treatment = int(asked.get("DatapointsToAlarm") or count), asked.get("TreatMissingData") or "missing"
        state = decide(breaching, count, needed, treatment)
        if state is not None and state != self.state:
            self.change(state, self._words(points, state, count, needed), self._data(points, until))

    def _points(self, until: int) -> list[Point]:
        asked, period = self.configuration, self.period
        begin = until - (int(asked["EvaluationPeriods"]) + _MORE_PERIODS) * period
        if "Metrics" in asked:
            found = all_series(self.region, asked["Metrics"], begin, until)
            series = next(held for query, held in found if query.get("ReturnData", True))
        else:
            stat = {
                "Metric": asked,
                "Period": period,
                "Stat": asked.get("Statistic") or asked["ExtendedStatistic"],
                "Unit": asked.get("Unit"),
            }
            series = metric_series(self.region, stat, begin, until)
        return [(at, float(series[at]) if at in series else None) for at in range(begin, until, period)]

    def _breaches(self, value: float) -> bool:
        return _BREACHES[self.configuration["ComparisonOperator"]][0](value, float(self.configuration["Threshold"]))

    def _words(self, points: Sequence[Point], state: str, count: int, needed: int) -> str:
        """Say why, as CloudWatch does."""
        known = [(at, value) for at, value in points if value is not None][-count:]
        missing = count - len(known)
        if state == INSUFFICIENT_DATA:
            return f"Insufficient Data: {_counted(missing, 'datapoint')} {'was' if missing == 1 else 'were'} unknown."
        if not known:
            treated = "Breaching" if state == ALARM else "NonBreaching"
            return (
                f"Threshold Crossed: no datapoints were received for {_counted(missing, 'period')} and "
                f"{_counted(missing, 'missing datapoint')} {'was' if missing == 1 else 'were'} treated as [{treated}]."
            )
        decisive = [(at, value) for at, value in known if self._breaches(value) == (state == ALARM)]
        listed = ", ".join(f"{value} ({moment(at):%d/%m/%y %H:%M:%S})" for at, value in reversed(decisive))
        words = _BREACHES[self.configuration["ComparisonOperator"]][1]
        enough = needed if state == ALARM else count - needed + 1
        turn = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
        return (
            f"Threshold Crossed: {len(decisive)} out of the last {count} datapoints [{listed}] "
            f"{'was' if len(decisive) == 1 else 'were'} {'' if state == ALARM else 'not '}{words} the threshold "
            f"({float(self.configuration['Threshold'])}) (minimum {_counted(enough, 'datapoint')} for {turn} "
            "transition)."
        )

    def _data(self, points: Sequence[Point], until: int) -> dict[str, Any]:
        known = [(at, value) for at, value in points if value is not None]
        data: dict[str, Any] = {"version": "1.0", "queryDate": iso(moment(until)), "period": self.period}
        if known:
            data["startDate"] = iso(moment(known[0][0]))
        if statistic := self.configuration.get("Statistic"):
            data["statistic"] = statistic
        recent = {"recentDatapoints": [value for _, value in known]}
        return data | recent | {"threshold": float(self.configuration["Threshold"])}

    def change(self, state: str, reason: str, data: dict[str, Any] | None) -> None:
        """Take on a state, write it into the history, and tell whom the alarm is to tell."""
        before, self.state = self.state, state
        old = {"stateValue": before, "stateReason": self.reason}
        self.reason, self.reason_data, self.changed = reason, data, metrics.store().now()
        new = {"stateValue": state, "stateReason": reason, "stateReasonData": data}
        told = {"version": "1.0", "oldState": old, "newState": new}
        self.note("StateUpdate", f"Alarm updated from {before} to {state}", told)
        if before != state and self.configuration.get("ActionsEnabled", True):
            for arn in self.configuration.get(_ACTIONS[state]) or []:
                self._act(arn, before)

    def _act(self, arn: str, before: str) -> None:
        """Publish to a topic, if there is one that lets CloudWatch."""
        obstacle = publish(arn, self, before)
        data: dict[str, Any] = {"actionState": "Failed" if obstacle else "Succeeded", "notificationResource": arn}
        data |= {"stateUpdateTimestamp": int(self.changed * 1000), "error": obstacle}
        did = "Failed to execute" if obstacle else "Successfully executed"
        self.note("Action", f"{did} action {arn}{f'. {obstacle}' if obstacle else ''}"[:255], data)


def decide(points: Sequence[bool | None], count: int, needed: int, treatment: str) -> str | None:
    """Return the state that these points mean, None where it stays as it is.

    `points` are all in the evaluation range, the latest at the end: breaching, not, or missing.
    """
    known = [point for point in points if point is not None]
    missing = count - len(known)
    if missing > 0 and treatment in ("breaching", "notBreaching"):
        known += [treatment == "breaching"] * missing
    if len(known) >= count:
        return ALARM if known[-count:].count(True) >= needed else OK
    if not known:
        return INSUFFICIENT_DATA if treatment == "missing" else None
    if known.count(True) >= needed:
        return ALARM
    if not all(known):
        return OK
    # Only breaching ones, fewer than needed: not before the oldest is old enough, lest it be a false alarm.
    age = len(points) - next(place for place, point in enumerate(points) if point is not None)
    return ALARM if age >= needed and treatment == "missing" else None


def evaluate_due(alarms: Iterable[Alarm], until: int) -> None:
    """Evaluate those alarms that are due: each minute, or every ten seconds where the period is shorter."""
    for alarm in alarms:
        if until % MINUTE == 0 or alarm.period < MINUTE:
            alarm.evaluate(until)


def publish(arn: str, alarm: Alarm, before: str) -> str:
    """Send the alarm's message to a topic; return why that cannot be, empty when it was done.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    topic = sns_backends[ACCOUNT][arn.split(":")[3]].topics.get(arn)
    if topic is None:
        return 'Received error: "Topic does not exist"'
    request = service_request("cloudwatch.amazonaws.com", "SNS:Publish", arn, source=alarm.alarm_arn, account=ACCOUNT)
    context = {**request.context, "aws:SourceOwner": ACCOUNT}
    if not allows([topic._policy_json], type(request)(request.action, arn, service=request.service, context=context)):
        return "CloudWatch Alarms is not authorized to perform: SNS:Publish on resource: " + arn
    place = _REGIONS.get(alarm.region, alarm.region)
    topic.publish(json.dumps(message(alarm, before, place)), f'{alarm.state}: "{alarm.name}" in {place}'[:100])
    return ""


def message(alarm: Alarm, before: str, place: str) -> dict[str, Any]:
    """Return what an alarm tells a topic when its state has changed."""
    asked = alarm.configuration
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": asked.get("AlarmDescription"),
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": iso(moment(alarm.configured)),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": iso(moment(alarm.changed)),
        "Region": place,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        **{name: asked.get(name) or [] for name in _ACTIONS.values()},
        "Trigger": _trigger(asked, alarm.period),
    }


def _trigger(asked: dict[str, Any], period: int) -> dict[str, Any]:
    common: dict[str, Any] = {
        "Period": period,
        "EvaluationPeriods": asked["EvaluationPeriods"],
        "ComparisonOperator": asked["ComparisonOperator"],
        "Threshold": float(asked["Threshold"]),
        "TreatMissingData": asked.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": asked.get("EvaluateLowSampleCountPercentile") or "",
    }
    if "DatapointsToAlarm" in asked:
        common["DatapointsToAlarm"] = asked["DatapointsToAlarm"]
    if "Metrics" in asked:
        return common | {"Metrics": asked["Metrics"]}
    statistic, extended = asked.get("Statistic"), asked.get("ExtendedStatistic")
    named = {"StatisticType": "Statistic", "Statistic": statistic.upper()} if statistic else {}
    named = named or {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
    dimensions = [{"value": one["Value"], "name": one["Name"]} for one in asked.get("Dimensions") or []]
    of_metric = {"MetricName": asked["MetricName"], "Namespace": asked["Namespace"]}
    return of_metric | named | {"Unit": asked.get("Unit"), "Dimensions": dimensions} | common


def iso(when: datetime) -> str:
    """Return a moment as alarms write it."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}+0000"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
