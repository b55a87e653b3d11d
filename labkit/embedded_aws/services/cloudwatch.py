"""CloudWatch: moto's dashboards and tags, our own figures and alarms.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.cloudwatch import models, responses
from moto.cloudwatch.exceptions import ResourceNotFound
from moto.core.responses import ActionResult, EmptyResult

from labkit.embedded_aws import metrics
from labkit.embedded_aws.metrics import MINUTE, Figures
from labkit.embedded_aws.services.cloudwatch_alarms import Alarm
from labkit.embedded_aws.services.cloudwatch_data import all_series, begin_of, moment, read_metric, seconds

_PAGE = 500  # of metrics
_ALARMS_PAGE = 50
_RECENT_SECONDS = 3 * 3600
_LISTED_SECONDS = 14 * 86_400


class CloudWatchBackend(models.CloudWatchBackend):
    """moto has no alarm that looks at its metric, and computes statistics of what was put alone.

    See getmoto/moto#2436 for alarms; no issue of moto's is known for the rest.
    """

    alarms: dict[str, Alarm]  # type: ignore[assignment]

    def describe_alarms(self) -> list[Alarm]:  # type: ignore[override]
        """Return all alarms by name."""
        return sorted(self.alarms.values(), key=lambda alarm: alarm.name)


class CloudWatchResponse(responses.CloudWatchResponse):
    """The operations on figures and alarms; moto's for dashboards and tags."""

    @property
    def _backend(self) -> CloudWatchBackend:
        backend = self.cloudwatch_backend
        assert isinstance(backend, CloudWatchBackend)
        return backend

    # --- figures -------------------------------------------------------------------------------------------

    def put_metric_data(self) -> ActionResult:
        """PutMetricData."""
        for datum in self._get_param("MetricData", []):
            put_datum(self.region, self._get_param("Namespace"), datum)
        return EmptyResult()

    def get_metric_data(self) -> ActionResult:
        """GetMetricData."""
        asked = self._get_params()
        start, end = seconds(asked["StartTime"]), seconds(asked["EndTime"])
        found = all_series(self.region, asked["MetricDataQueries"], start, end)
        newest_first = asked.get("ScanBy") != "TimestampAscending"
        results = []
        for query, series in found:
            if query.get("ReturnData", True):
                points = sorted(series, reverse=newest_first)
                stat = query.get("MetricStat")
                label = query.get("Label") or (stat["Metric"]["MetricName"] if stat else query["Id"])
                values = {"Timestamps": [moment(at) for at in points], "Values": [float(series[at]) for at in points]}
                results.append({"Id": query["Id"], "Label": label, "StatusCode": "Complete", **values})
        return ActionResult({"MetricDataResults": results, "Messages": []})

    def get_metric_statistics(self) -> ActionResult:
        """GetMetricStatistics: each unit by itself, in no order."""
        asked = self._get_params()
        period = int(asked["Period"])
        metric = read_metric(self.region, asked)
        begin = begin_of(seconds(asked["StartTime"]), period)
        found = metrics.store().periods(metric, begin, seconds(asked["EndTime"]), period, asked.get("Unit"))
        points = []
        for unit, slots in found.items():
            for at, figures in slots.items():
                point = {"Timestamp": moment(at), "Unit": unit}
                point |= {name: figures.statistic(name) for name in asked.get("Statistics", [])}
                more = {name: figures.statistic(name) for name in asked.get("ExtendedStatistics", [])}
                known = {name: value for name, value in more.items() if value is not None}
                points.append(point | ({"ExtendedStatistics": known} if known else {}))
        return ActionResult({"Label": asked["MetricName"], "Datapoints": points})

    def list_metrics(self) -> ActionResult:
        """ListMetrics: those with figures of the last two weeks, or of three hours."""
        asked = self._get_params()
        recent = _RECENT_SECONDS if asked.get("RecentlyActive") else _LISTED_SECONDS
        filters = [(one["Name"], one.get("Value")) for one in asked.get("Dimensions") or []]
        found = [
            metric
            for metric in metrics.store().metrics(self.region, since=metrics.store().now() - recent)
            if asked.get("Namespace") in (None, metric.namespace)
            and asked.get("MetricName") in (None, metric.name)
            and all(_has(metric.dimensions, name, value) for name, value in filters)
        ]
        begin = int(asked.get("NextToken") or 0)
        answer: dict[str, Any] = {"Metrics": [_shown(metric) for metric in found[begin : begin + _PAGE]]}
        if begin + _PAGE < len(found):
            answer["NextToken"] = str(begin + _PAGE)
        return ActionResult(answer)

    # --- alarms --------------------------------------------------------------------------------------------

    def put_metric_alarm(self) -> ActionResult:
        """PutMetricAlarm: a new alarm has no state yet; one that is there keeps its own, and its tags."""
        asked = {name: value for name, value in self._get_params().items() if value is not None}
        name, tags = asked.pop("AlarmName"), asked.pop("Tags", [])
        lists = ("OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions")
        configuration = {"ActionsEnabled": True} | {member: [] for member in lists} | asked
        now = metrics.store().now()
        alarm = self._backend.alarms.get(name)
        if alarm is None:
            alarm = self._backend.alarms[name] = Alarm(name, self.region, configuration, now, changed=now)
            self._backend.tagger.tag_resource(alarm.alarm_arn, tags)
            done = "created"
        else:
            alarm.configuration, alarm.configured, done = configuration, now, "updated"
        data = {"version": "1.0", "type": "Create" if done == "created" else "Update"}
        alarm.note("ConfigurationUpdate", f'Alarm "{name}" {done}', data)
        return EmptyResult()

    def describe_alarms(self) -> ActionResult:
        """DescribeAlarms."""
        asked = self._get_params()
        names, prefix = asked.get("AlarmNames"), asked.get("AlarmNamePrefix")
        found = [
            alarm.shown()
            for alarm in self._backend.describe_alarms()
            if (not names or alarm.name in names)
            and (not prefix or alarm.name.startswith(prefix))
            and asked.get("StateValue") in (None, alarm.state)
            and _tells(alarm, asked.get("ActionPrefix"))
            and "MetricAlarm" in (asked.get("AlarmTypes") or ["MetricAlarm"])
        ]
        return self._page("MetricAlarms", found, asked, more={"CompositeAlarms": []})

    def describe_alarms_for_metric(self) -> ActionResult:
        """DescribeAlarmsForMetric."""
        asked = self._get_params()
        metric, members = read_metric(self.region, asked), ("Statistic", "ExtendedStatistic", "Period", "Unit")
        found = [
            alarm.shown()
            for alarm in self._backend.describe_alarms()
            if "MetricName" in alarm.configuration
            and read_metric(self.region, alarm.configuration) == metric
            and all(asked.get(name) in (None, alarm.configuration.get(name)) for name in members)
        ]
        return ActionResult({"MetricAlarms": found})

    def describe_alarm_history(self) -> ActionResult:
        """DescribeAlarmHistory: the latest first, unless asked otherwise."""
        asked = self._get_params()
        start, end = (asked.get(name) for name in ("StartDate", "EndDate"))
        items = [
            (item.at, alarm.name, item)
            for alarm in self._backend.describe_alarms()
            if asked.get("AlarmName") in (None, alarm.name)
            for item in alarm.history
            if asked.get("HistoryItemType") in (None, item.kind)
            and (start is None or item.at >= seconds(start))
            and (end is None or item.at < seconds(end))
        ]
        if asked.get("ScanBy") != "TimestampAscending":
            items.reverse()
        items.sort(key=lambda one: one[0], reverse=asked.get("ScanBy") != "TimestampAscending")
        shown = [
            {
                "AlarmName": name,
                "AlarmType": "MetricAlarm",
                "Timestamp": moment(at),
                "HistoryItemType": item.kind,
                "HistorySummary": item.summary,
                "HistoryData": json.dumps(item.data)[:4095],
            }
            for at, name, item in items
        ]
        return self._page("AlarmHistoryItems", shown, asked, most=100)

    def _page(
        self,
        member: str,
        found: list[Any],
        asked: dict[str, Any],
        most: int = _ALARMS_PAGE,
        more: dict[str, Any] | None = None,
    ) -> ActionResult:
        begin, most = int(asked.get("NextToken") or 0), int(asked.get("MaxRecords") or most)
        answer: dict[str, Any] = {member: found[begin : begin + most], **(more or {})}
        if begin + most < len(found):
            answer["NextToken"] = str(begin + most)
        return ActionResult(answer)

    def set_alarm_state(self) -> ActionResult:
        """SetAlarmState: until the alarm looks at its metric again."""
        alarm = self._backend.alarms.get(self._get_param("AlarmName"))
        if alarm is None:
            raise ResourceNotFound("")
        data = self._get_param("StateReasonData")
        read = json.loads(data) if data else None
        alarm.change(self._get_param("StateValue"), self._get_param("StateReason"), read)
        return EmptyResult()

    def enable_alarm_actions(self) -> ActionResult:
        """EnableAlarmActions."""
        return self._switch_actions(on=True)

    def disable_alarm_actions(self) -> ActionResult:
        """DisableAlarmActions."""
        return self._switch_actions(on=False)

    def _switch_actions(self, *, on: bool) -> ActionResult:
        for name in self._get_param("AlarmNames", []):
            if alarm := self._backend.alarms.get(name):
                alarm.configuration = alarm.configuration | {"ActionsEnabled": on}
                alarm.note("ConfigurationUpdate", f'Alarm "{name}" updated', {"version": "1.0", "type": "Update"})
        return EmptyResult()


def put_datum(region: str, namespace: str, datum: dict[str, Any]) -> None:
    """Take in a figure of PutMetricData, or of a log line: one value, several, or a statistic set."""
    metric = read_metric(region, datum | {"Namespace": namespace})
    unit, resolution = datum.get("Unit") or "None", 1 if datum.get("StorageResolution") == 1 else MINUTE
    at = seconds(datum["Timestamp"]) if datum.get("Timestamp") is not None else None
    if (parts := datum.get("StatisticValues")) is not None:
        wanted = ("SampleCount", "Sum", "Minimum", "Maximum")
        measured = [Figures.of_set(*(float(parts[name]) for name in wanted))]
    elif datum.get("Values"):
        counts = datum.get("Counts") or [1.0] * len(datum["Values"])
        measured = [
            Figures.of(float(value), float(count)) for value, count in zip(datum["Values"], counts, strict=True)
        ]
    else:
        measured = [Figures.of(float(datum["Value"]))]
    for figures in measured:
        metrics.store().record(metric, figures, unit, at, resolution=resolution)


def _has(dimensions: tuple[tuple[str, str], ...], name: str, value: str | None) -> bool:
    return any(held == name and value in (None, worth) for held, worth in dimensions)


def _shown(metric: metrics.Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}


def _tells(alarm: Alarm, prefix: str | None) -> bool:
    members = ("OKActions", "AlarmActions", "InsufficientDataActions")
    return prefix is None or any(arn.startswith(prefix) for name in members for arn in alarm.configuration[name])
