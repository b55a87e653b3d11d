"""The alarms of step 2, and what becomes of them where there is no CloudWatch."""

from types import SimpleNamespace

import pytest

import labkit
from labkit.insight.dashboard import dashboard_body
from labkit.resources.alarm import DeadLetterAlarm


@pytest.fixture
def without_cloudwatch(lab):
    """The lab, on an endpoint that has no CloudWatch."""

    def refuse(**_):
        return SimpleNamespace(status_code=501, headers={}), {
            "Error": {"Code": "NotImplemented", "Message": "No."},
            "ResponseMetadata": {},
        }

    lab.client("cloudwatch").meta.events.register("before-call.cloudwatch", refuse)
    yield lab
    lab.client("cloudwatch").meta.events.unregister("before-call.cloudwatch", refuse)


def test_where_there_is_no_cloudwatch_the_lab_is_told_so_and_goes_on(without_cloudwatch):
    lab = without_cloudwatch
    labkit.catch_up(lab, to=2)
    made = labkit.create_alarms(lab)
    assert made.sentence() == (
        "There are no alarms here: what answers has no CloudWatch (NotImplemented). The lab goes on without."
    )
    checks = labkit.check_alarms(lab)
    assert not checks.failures()
    assert [check.found for check in checks.checks if "alarm" in check.subject] == ["no alarms here"] * 6
    assert "alarm" not in {kind for kind, _ in labkit.inventory(lab).things}
    assert labkit.survey(lab).find("age alarm", "CreateThumbnail").state == "missing"
    assert labkit.read_metrics(lab).refusal == "what answers has no CloudWatch (NotImplemented)"
    assert labkit.wait_for_metrics(lab, 1).refusal == "what answers has no CloudWatch (NotImplemented)"
    said = "There are no alarms here: what answers has no CloudWatch (NotImplemented)."
    assert labkit.wait_for_alarm(lab, lab.branches[0].dead_letter_alarm_name).sentence() == said
    assert labkit.clean_up(lab).left == ()


def test_they_tell_a_topic_and_keep_whom_they_told_before(lab):
    labkit.catch_up(lab, to=2)
    sns = lab.client("sns")
    topics = [sns.create_topic(Name=f"{lab.definition.prefix}told-{number}")["TopicArn"] for number in range(2)]
    for topic in topics:
        labkit.create_alarms(lab, tell=topic)
        said = labkit.create_alarms(lab, tell=topic).sentence()
        assert said == f"6 alarms, 0 of them newly made. They tell {topic.rsplit(':', 1)[-1]}."
    found = DeadLetterAlarm.in_branch(lab, lab.branches[0]).read()
    assert (found["AlarmActions"], found["OKActions"], found["InsufficientDataActions"]) == (topics, topics, [])
    assert not labkit.check_alarms(lab).failures()
    for topic in topics:
        sns.delete_topic(TopicArn=topic)


def test_an_alarm_that_rings_is_told_on_the_map_and_breaks_no_check(lab):
    labkit.catch_up(lab, to=2)
    name = lab.branches[0].dead_letter_alarm_name
    lab.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a try")
    part = labkit.survey(lab).find("dead-letter alarm", "CreateThumbnail")
    assert (part.state, part.detail) == ("made", "ALARM: a try")
    drawn = labkit.draw_lab(labkit.survey(lab))
    assert "dead-letter alarm: ALARM" in drawn.svg
    assert "in ALARM" in drawn.svg
    assert "ALARM: a try" in str(drawn)
    assert not labkit.check_alarms(lab).failures()


def test_the_dashboard_names_the_labs_metrics_and_alarms(lab):
    body = dashboard_body(lab)
    *charts, alarms = body["widgets"]
    assert [chart["properties"]["title"] for chart in charts] == [
        "Invocations", "Errors", "Duration", "Dead letters", "Age of the oldest message",
    ]  # fmt: skip
    assert charts[0]["properties"]["metrics"][0] == [
        "AWS/Lambda", "Invocations", "FunctionName", lab.branches[0].function_name,
    ]  # fmt: skip
    assert len(alarms["properties"]["alarms"]) == 6


def test_a_lab_without_alarms_has_good_queues_all_the_same(lab):
    labkit.create_topic(lab)
    labkit.create_queues(lab)
    labkit.subscribe_queues(lab)
    assert labkit.check_queues(lab).passed
    checks = labkit.check_alarms(lab)
    assert [check.found for check in checks.failures()] == ["nothing of that name"] * 6
    assert "catch_up(lab, to=2)" in checks.failures()[0].hint
    labkit.create_alarms(lab)
    assert labkit.check_alarms(lab).passed
