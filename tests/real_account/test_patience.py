"""What AWS does not do at once is waited for, on AWS's own word for it and on no other."""

import pytest

import labkit
from labkit import LabError, clean_up
from labkit.resources import Topic
from labkit.steps import clean_up as cleaning

from .conftest import do_the_lab

CANNOT_VALIDATE = ("InvalidArgument", "Unable to validate the following destination configurations")
ROLE_UNKNOWN = ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
ROLE_CANNOT_READ = (
    "InvalidParameterValueException",
    "The provided execution role does not have permissions to call ReceiveMessage on SQS",
)


@pytest.fixture
def refuse():
    """Answers the first calls of one operation as AWS would, before they are sent; returns how often it did."""

    def refuse(lab, service, operation, error, times):
        refused = []

        def answer(**_):
            if len(refused) == times:
                return None
            refused.append(error)

            class Response:
                status_code = 400

            return Response(), {"Error": dict(zip(("Code", "Message"), error, strict=True)), "ResponseMetadata": {}}

        lab.connection.session.events.register_first(f"before-call.{service}.{operation}", answer)
        return refused

    return refuse


@pytest.mark.parametrize(
    ("service", "operation", "error"),
    [
        ("lambda", "CreateFunction", ROLE_UNKNOWN),
        ("lambda", "CreateEventSourceMapping", ROLE_CANNOT_READ),
        ("sqs", "CreateQueue", ("AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds")),
    ],
)
def test_what_takes_aws_seconds_is_tried_again(account, refuse, service, operation, error):
    lab = account.open()
    refused = refuse(lab, service, operation, error, times=3)
    do_the_lab(lab)
    assert len(refused) == 3
    clean_up(lab)


def test_a_wait_says_what_for_and_can_be_interrupted(account, refuse, monkeypatch):
    shown, workspace = [], account.new_workspace()

    class Bar:
        def __init__(self, what, seconds):
            shown.append((what, seconds))

        def waited(self, seconds):
            shown.append(seconds)

        def close(self):
            shown.append("closed")

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("labkit.patience.WaitingBar", Bar)
    lab = account.open(workspace=workspace)
    refuse(lab, "lambda", "CreateFunction", ROLE_UNKNOWN, times=100)
    lab.connection.patience.sleep = interrupted
    lab.connection.patience.clock = lambda: 0.0
    with pytest.raises(KeyboardInterrupt):
        do_the_lab(lab)
    assert shown == [("Lambda to see the new role", 300), 0.0, "closed"]
    clean_up(account.open(workspace=workspace))


def ready_for_the_notification(lab, *, policy):
    labkit.create_topic(lab)
    labkit.create_bucket(lab)
    if policy:
        labkit.allow_s3_to_publish(lab)


def test_a_policy_that_was_just_set_is_waited_for(account, refuse):
    workspace = account.new_workspace()
    ready_for_the_notification(account.open(workspace=workspace), policy=True)
    lab = account.open(workspace=workspace)
    refused = refuse(lab, "s3", "PutBucketNotificationConfiguration", CANNOT_VALIDATE, times=3)
    labkit.create_event_notification(lab)
    assert len(refused) == 3
    clean_up(lab)


@pytest.mark.parametrize(
    ("service", "operation", "error"),
    [
        ("lambda", "CreateFunction", ("InvalidParameterValueException", "Unzipped size must be smaller than ...")),
        ("lambda", "CreateFunction", ("AccessDeniedException", "cannot be assumed by you")),
        ("lambda", "CreateEventSourceMapping", ("ResourceConflictException", "A mapping exists already")),
        ("sqs", "CreateQueue", ("QueueAlreadyExists", "A queue exists with other attributes")),
    ],
)
def test_any_other_refusal_is_told_at_once(account, refuse, service, operation, error):
    lab = account.open()
    refused = refuse(lab, service, operation, error, times=100)
    with pytest.raises(LabError, match=r"AWS refused a call\.") as caught:
        do_the_lab(lab)
    assert len(refused) == 1
    assert f"{error[0]}: {error[1]}" in str(caught.value)
    clean_up(lab)


def test_without_the_topics_policy_the_notification_is_refused_at_once(account, refuse):
    workspace = account.new_workspace()
    ready_for_the_notification(account.open(workspace=workspace), policy=False)
    lab = account.open(workspace=workspace)
    refused = refuse(lab, "s3", "PutBucketNotificationConfiguration", CANNOT_VALIDATE, times=100)
    with pytest.raises(LabError, match=r"AWS refused a call\.") as caught:
        labkit.create_event_notification(lab)
    assert len(refused) == 1
    assert "allow_s3_to_publish(lab)" in caught.value.hint()
    clean_up(lab)


@pytest.mark.parametrize(
    ("service", "operation", "error"),
    [
        ("lambda", "DeleteEventSourceMapping", ("ResourceInUseException", "The mapping is being changed")),
        ("s3", "DeleteBucket", ("BucketNotEmpty", "The bucket you tried to delete is not empty")),
    ],
)
def test_clean_up_waits_for_what_is_still_in_use(account, refuse, service, operation, error):
    before, workspace = account.contents(), account.new_workspace()
    do_the_lab(account.open(workspace=workspace))
    lab = account.open(workspace=workspace)
    refused = refuse(lab, service, operation, error, times=2)
    clean_up(lab)
    assert len(refused) == 2
    assert account.contents() == before


def test_what_stays_although_aws_took_the_order_is_told_and_kept_in_the_journal(account, monkeypatch):
    lab = account.open()
    labkit.create_topic(lab)
    monkeypatch.setattr(cleaning, "GONE_WITHIN_S", 0.1)
    monkeypatch.setattr(Topic, "exists", lambda _: True)
    with pytest.raises(LabError, match=r"1 left, though AWS took the order to delete: topic resize-image-topic-"):
        clean_up(lab)
    assert [entry.kind for entry in lab.journal.entries()] == ["topic"]
    monkeypatch.undo()
    clean_up(lab)
    assert lab.journal.entries() == ()


def test_a_function_that_lambda_gives_up_is_told_with_lambdas_reason(account):
    lab = account.open()
    labkit.create_queues(lab)
    labkit.create_roles(lab)

    gave_up = [True]

    def failed(**_):
        if not gave_up:
            return None

        class Response:
            status_code = 200

        configuration = {"State": "Failed", "StateReason": "The image is no longer there."}
        return Response(), {"Configuration": configuration, "ResponseMetadata": {}}

    lab.connection.session.events.register_first("before-call.lambda.GetFunction", failed)
    with pytest.raises(LabError, match="did not become ready") as caught:
        labkit.create_function(lab, "CreateThumbnail")
    name = lab.branches[0].function_name
    assert "AWS said: The image is no longer there." in str(caught.value)
    assert caught.value.hint().endswith(f"lab.client('lambda').delete_function(FunctionName={name!r}).")
    gave_up.clear()
    clean_up(lab)
