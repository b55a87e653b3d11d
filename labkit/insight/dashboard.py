"""The lab's dashboard as CloudWatch keeps it: JSON, a list of widgets with their metrics."""

from __future__ import annotations

from typing import Any

from labkit.lab import Lab

WIDTH, HEIGHT = 12, 6  # of a widget, on a grid that is 24 units wide


def dashboard_body(lab: Lab) -> dict[str, Any]:
    """What `put_dashboard` takes as `DashboardBody`, once it is written as JSON. Calls nothing.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    branches = lab.branches
    functions = [branch.function_name for branch in branches]
    queues = [branch.queue_name for branch in branches]
    dead = [branch.dead_letter_queue_name for branch in branches]
    charts = (
        ("Invocations", "Sum", [["AWS/Lambda", "Invocations", "FunctionName", name] for name in functions]),
        ("Errors", "Sum", [["AWS/Lambda", "Errors", "FunctionName", name] for name in functions]),
        ("Duration", "p90", [["AWS/Lambda", "Duration", "FunctionName", name] for name in functions]),
        ("Dead letters", "Maximum", [[*_visible, name] for name in dead]),
        ("Age of the oldest message", "Maximum", [[*_age, name] for name in queues]),
    )
    widgets = [_widget(number, lab, *chart) for number, chart in enumerate(charts)]
    alarms = [lab.arn("cloudwatch", f"alarm:{name}") for branch in branches for name in _alarms(branch)]
    place = _place(len(charts))
    return {"widgets": [*widgets, {"type": "alarm", **place, "properties": {"title": "Alarms", "alarms": alarms}}]}


_visible = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName")
_age = ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName")


def _alarms(branch: Any) -> tuple[str, str]:
    return branch.dead_letter_alarm_name, branch.age_alarm_name


def _place(number: int) -> dict[str, int]:
    return {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "width": WIDTH, "height": HEIGHT}


def _widget(number: int, lab: Lab, title: str, statistic: str, metrics: list[list[str]]) -> dict[str, Any]:
    properties = {"title": title, "region": lab.definition.region, "view": "timeSeries", "period": 60}
    return {
        "type": "metric",
        **_place(number),
        "properties": {**properties, "stat": statistic, "metrics": metrics},
    }
