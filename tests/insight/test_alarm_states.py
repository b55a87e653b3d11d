"""Waiting for an alarm to change its state, and where it cannot."""

from datetime import UTC, datetime

import pytest

from labkit import LabError, open_lab, wait_for_alarm
from labkit.errors import WaitedTooLong
from labkit.insight import metrics

MINE = {"Namespace": "Mine", "MetricName": "m", "Dimensions": []}
RULE = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
ON_A_METRIC = {**MINE, "Period": 60, "Statistic": "Maximum"}
ON_AN_EXPRESSION = {
    "Metrics": [
        {"Id": "m1", "MetricStat": {"Metric": MINE, "Period": 60, "Stat": "Maximum"}, "ReturnData": False},
        {"Id": "twice", "Expression": "2 * m1"},
    ]
}


@pytest.fixture
def make():
    """Makes an alarm in a lab; it and what it watches go with the test."""
    made = []

    def make_one(lab, name="t-alarm", **watched):
        cloudwatch = lab.client("cloudwatch")
        cloudwatch.put_metric_alarm(AlarmName=name, **RULE, **(watched or ON_A_METRIC))
        made.append((cloudwatch, name))
        return name

    yield make_one
    for cloudwatch, name in made:
        cloudwatch.delete_alarms(AlarmNames=[name])


@pytest.fixture
def elsewhere(endpoint, tmp_path):
    return open_lab("endpoint", endpoint_url=endpoint, workspace=tmp_path)


def test_the_state_comes_with_its_reason(lab, make):
    name = make(lab)
    lab.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="A drill.")
    assert wait_for_alarm(lab, name).sentence() == "The alarm t-alarm is in ALARM. A drill."
    lab.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="OK", StateReason="It is over.")
    assert wait_for_alarm(lab, name, "OK").sentence() == "The alarm t-alarm is OK. It is over."


def test_an_alarm_that_does_not_ring_in_time_is_an_error(lab, make):
    with pytest.raises(WaitedTooLong) as caught:
        wait_for_alarm(lab, make(lab), "ALARM", seconds=0)
    assert caught.value.message == "Waited 0 s for the alarm t-alarm to be ALARM."
    assert "describe_alarms(AlarmNames=['t-alarm'])" in caught.value.hint()


def test_an_alarm_that_is_not_there_is_an_error(lab):
    with pytest.raises(LabError) as caught:
        wait_for_alarm(lab, "no-alarm")
    assert (caught.value.message, caught.value.code) == ("There is no alarm no-alarm.", "missing-step")
    assert caught.value.hint() == "catch_up(lab, to=2) makes the lab's."


def test_a_state_that_there_is_not_is_not_waited_for(lab):
    with pytest.raises(LabError) as caught:
        wait_for_alarm(lab, "t-alarm", "ringing")
    assert (caught.value.message, caught.value.code) == ("No alarm is ever 'ringing'.", "bad-option")
    assert caught.value.hint() == "One of OK, ALARM, INSUFFICIENT_DATA."


@pytest.mark.parametrize(("state", "cannot"), [("ALARM", "ring"), ("OK", "change")])
def test_without_figures_at_an_endpoint_it_does_not_change_by_itself(elsewhere, make, monkeypatch, state, cannot):
    monkeypatch.setattr(metrics, "FIRST_FIGURE_WITHIN_S", 0)
    found = wait_for_alarm(elsewhere, make(elsewhere), state)
    assert found.state == "INSUFFICIENT_DATA"
    assert found.sentence() == (
        f"This endpoint's CloudWatch has no figures of what the alarm t-alarm watches: it does not {cannot} by itself."
    )


def test_an_endpoint_without_figures_has_alarms_that_ring_by_hand(elsewhere, make, monkeypatch):
    monkeypatch.setattr(metrics, "FIRST_FIGURE_WITHIN_S", 0)
    name = make(elsewhere)
    elsewhere.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="A drill.")
    assert wait_for_alarm(elsewhere, name).sentence() == "The alarm t-alarm is in ALARM. A drill."


@pytest.mark.parametrize("watched", [ON_A_METRIC, ON_AN_EXPRESSION], ids=["a metric", "an expression"])
def test_an_endpoint_with_figures_is_waited_for_as_aws_is(elsewhere, make, watched):
    data = [{"MetricName": "m", "Value": 0, "Timestamp": datetime.now(UTC)}]
    elsewhere.client("cloudwatch").put_metric_data(Namespace="Mine", MetricData=data)
    with pytest.raises(WaitedTooLong, match="Waited 0 s for the alarm t-alarm to be ALARM"):
        wait_for_alarm(elsewhere, make(elsewhere, **watched), seconds=0)
