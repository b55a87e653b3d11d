"""Survey, logs and trace on a lab that is really there."""

import json
from datetime import timedelta

import pytest

from labkit import (
    catch_up,
    configure_function,
    create_queues,
    create_topic,
    queue_depths,
    read_logs,
    read_results,
    sample,
    send_again,
    survey,
    trace,
    upload_photo,
    wait_for_logs,
    wait_for_results,
)
from labkit.errors import LabError
from labkit.insight.survey import FAILING, MADE, MISSING
from labkit.settings import FUNCTIONS
from labkit.steps.send_again import SentAgain
from labkit.waiting import wait_until


def allowing(account, arn):
    """A policy that lets one account do everything, and no service anything."""
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "*", "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def uploaded(lab, photo, name):
    """A photo whose results and REPORT lines are all there, under a name that no other test of the session uses."""
    upload = upload_photo(lab, sample(photo), name=name)
    wait_for_results(lab, upload)
    for function in FUNCTIONS:
        wait_for_logs(lab, function.name, key=upload.key)
    return upload.key


def test_in_an_empty_account_everything_is_missing(lab):
    parts = survey(lab).parts
    assert {part.state for part in parts} == {MISSING}
    assert len(parts) == 5 + 3 * 11


def test_what_is_made_is_seen_and_the_rest_is_missing(lab):
    create_topic(lab)
    create_queues(lab)
    found = survey(lab)
    made = [(part.kind, part.function) for part in found.in_state(MADE)]
    assert made[0] == ("topic", "")
    assert ("queue", "CreateWebImage") in made
    assert ("dead-letter queue", "CreateMobileImage") in made
    assert len(made) == 7
    assert found.in_state(FAILING) == ()


def test_a_finished_lab_is_made_from_end_to_end(built_lab):
    assert {part.state for part in survey(built_lab).parts} == {MADE}


def test_a_survey_changes_nothing(built_lab):
    before = built_lab.connection.calls.total
    survey(built_lab)
    operations = {call.operation for call in built_lab.connection.calls.since(before)}
    assert all(operation.startswith(("Get", "List", "Head", "Describe", "Filter")) for operation in operations)


def test_what_is_broken_is_failing_with_the_reason(lab):
    catch_up(lab, to=4)
    sqs, sns, awslambda = lab.client("sqs"), lab.client("sns"), lab.client("lambda")
    thumbnail, web, _ = lab.branches
    dead = sqs.get_queue_url(QueueName=thumbnail.dead_letter_queue_name)["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="a dead letter")
    queue = sqs.get_queue_url(QueueName=web.queue_name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": allowing(lab.definition.account, web.queue_arn)})
    topic = lab.definition.topic_arn
    policy = allowing(lab.definition.account, topic)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    mappings = awslambda.list_event_source_mappings(FunctionName=web.function_name)
    uuid = mappings["EventSourceMappings"][0]["UUID"]
    awslambda.update_event_source_mapping(UUID=uuid, Enabled=False)
    wait_until(
        lambda: awslambda.get_event_source_mapping(UUID=uuid)["State"] == "Disabled", what="the trigger", seconds=20
    )
    # S3's test event may still be on its way through a function that has just started.
    wait_until(
        lambda: dict(queue_depths(lab).queues)[web.queue_name].total == 0,
        what="the test event to be handled",
        seconds=20,
    )
    found = survey(lab)
    said = {(part.kind, part.function): part.trouble for part in found.in_state(FAILING)}
    assert list(said) == [
        ("topic policy", ""),
        ("dead-letter queue", "CreateThumbnail"),
        ("queue policy", "CreateWebImage"),
        ("trigger", "CreateWebImage"),
    ]
    topic_policy, dead_letters, queue_policy, trigger = said.values()
    assert topic_policy.startswith("It does not let S3 publish for this bucket: ")
    assert dead_letters == "1 message could not be handled: in " + thumbnail.dead_letter_queue_name
    assert queue_policy.startswith(f"It does not let the topic send to {web.queue_name}: ")
    assert trigger == "It is disabled. In the queue: 0 messages"


def test_a_policy_that_nobody_has_set_yet_is_missing_and_not_failing(lab):
    catch_up(lab, to=1)
    create_queues(lab)
    found = survey(lab)
    assert {part.state for part in found.parts if part.kind in ("topic policy", "queue policy")} == {MISSING}
    assert found.in_state(FAILING) == ()


def test_what_works_otherwise_than_the_step_made_it_is_different_and_what_may_break_is_risky(lab):
    catch_up(lab, to=4)
    configure_function(lab, "CreateThumbnail", MemorySize=1024)
    logs, web = lab.client("logs"), lab.branch("CreateWebImage")
    logs.delete_log_group(logGroupName=web.log_group)
    found = survey(lab)
    assert found.find("function", "CreateThumbnail").state == "different"
    assert "1024" in found.find("function", "CreateThumbnail").trouble
    assert found.find("logs", "CreateWebImage").state == MISSING
    assert "1 different" in found.sentence()


def test_the_log_group_of_a_function_that_is_not_there_is_no_error(lab):
    logs = read_logs(lab, "CreateWebImage")
    assert logs.exists is False
    assert "only after the first invocation" in str(logs)


def test_a_photo_leaves_one_invocation_in_each_functions_log(built_lab):
    key = uploaded(built_lab, "HappyFace.jpg", "logged-once.jpg")
    for function in FUNCTIONS:
        (invocation,) = read_logs(built_lab, function.name).about(key)
        assert invocation.status == "ok"
        assert invocation.duration_ms > 0
        assert invocation.memory_mb == built_lab.definition.function_memory_mb
        assert 0 < invocation.max_memory_mb <= invocation.memory_mb
        assert invocation.did == f"resized {key}"


def test_logs_since_leave_out_what_is_older(built_lab):
    uploaded(built_lab, "AWS.jpg", "logged-since.jpg")
    assert read_logs(built_lab, "CreateWebImage", since="1h").invocations
    assert not read_logs(built_lab, "CreateWebImage", since=timedelta(microseconds=1)).invocations


def test_a_photo_is_traced_through_three_branches(built_lab):
    key = uploaded(built_lab, "MonaLisa.jpg", "traced.jpg")
    traced = trace(built_lab, key)
    assert [branch.outcome for branch in traced.branches] == ["resized"] * 3
    assert len({branch.sqs_message_id for branch in traced.branches}) == 3
    assert len({branch.attempts[0].invocation.request_id for branch in traced.branches}) == 3
    assert all(branch.result_bytes for branch in traced.branches)
    assert 0 < traced.seconds() < 60
    assert sum(ms for _, ms in traced.where_time_went()) == pytest.approx(traced.seconds() * 1000, rel=0.01)


def test_a_photo_that_is_not_there_cannot_be_traced(built_lab):
    with pytest.raises(LabError) as raised:
        trace(built_lab, "nobody.jpg")
    assert "There is no photo ingest/nobody.jpg" in str(raised.value)


def test_the_same_event_again_gives_the_same_bytes(built_lab):
    key = uploaded(built_lab, "dandelions.jpg", "sent-again.jpg")
    before = read_results(built_lab, key)
    first = trace(built_lab, key)
    sent = send_again(built_lab, key)
    assert sent.sequencer == first.sequencer

    def worked_again():
        return all(len(read_logs(built_lab, function.name).about(key)) == 2 for function in FUNCTIONS)

    wait_until(worked_again, what="the second round", seconds=60)
    after = read_results(built_lab, key)
    assert [photo.data for photo in after.results] == [photo.data for photo in before.results]
    assert trace(built_lab, key).sns_message_id == sent.sns_message_id


def test_an_event_that_no_function_has_seen_is_not_said_to_be_the_same_again():
    first, again = (SentAgain("ingest/cat.jpg", sequencer, "an id") for sequencer in (None, "0001"))
    assert "once more" not in first.sentence()
    assert [what for what, _ in first.rows()] == ["SNS message (new)"]
    assert "once more" in again.sentence()
    assert [what for what, _ in again.rows()] == ["S3 sequencer (the same)", "SNS message (new)"]


def test_an_event_of_a_photo_that_is_not_there_is_not_sent(built_lab):
    with pytest.raises(LabError) as raised:
        send_again(built_lab, "nobody.jpg")
    assert "There is no photo ingest/nobody.jpg" in str(raised.value)


def test_the_depth_of_the_queues(lab):
    assert queue_depths(lab).queues == ()
    create_queues(lab)
    url = lab.client("sqs").get_queue_url(QueueName=lab.branches[0].queue_name)["QueueUrl"]
    lab.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    assert len(queue_depths(lab).queues) == 6
    assert "1 message in 6 queues" in str(queue_depths(lab))
