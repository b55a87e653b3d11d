"""Every row of the table of patience: the lab goes on by itself, and nothing that is not in the table is waited for."""

from fnmatch import fnmatchcase

import pytest

from labkit import LabError, clean_up
from labkit.patience import TABLE

from .conftest import do_the_lab, walk_the_lab

ABORTED = "A conflicting conditional operation is currently in progress against this resource. Please try again."
NO_QUEUE = "The specified queue does not exist."
VALUE = "InvalidParameterValueException"
# Service, operation, AWS's code and words; at least one for each row.
REFUSALS = (
    ("sqs", "CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds"),
    (
        "sqs",
        "CreateQueue",
        "InvalidParameterValue",
        "RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
    ),
    ("sqs", "SetQueueAttributes", "AWS.SimpleQueueService.NonExistentQueue", NO_QUEUE),
    ("sqs", "SetQueueAttributes", "QueueDoesNotExist", NO_QUEUE),
    ("sqs", "ListQueueTags", "AWS.SimpleQueueService.NonExistentQueue", NO_QUEUE),
    ("sqs", "SendMessage", "AWS.SimpleQueueService.NonExistentQueue", NO_QUEUE),
    ("sns", "Subscribe", "NotFound", "Topic does not exist"),
    ("sns", "SetTopicAttributes", "NotFound", "Topic does not exist"),
    ("sns", "Publish", "NotFound", "Topic does not exist"),
    ("s3", "PutPublicAccessBlock", "NoSuchBucket", "The specified bucket does not exist"),
    ("s3", "PutBucketPolicy", "OperationAborted", ABORTED),
    ("s3", "CreateBucket", "OperationAborted", ABORTED),
    ("s3", "DeleteBucket", "OperationAborted", ABORTED),
    (
        "s3",
        "PutBucketNotificationConfiguration",
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    ),
    ("iam", "PutRolePolicy", "NoSuchEntity", "The role with name x cannot be found."),
    ("iam", "DeleteRole", "DeleteConflict", "Cannot delete entity, must delete policies first."),
    ("iam", "CreateRole", "ConcurrentModificationException", "Please try again."),
    ("lambda", "CreateFunction", VALUE, "The role defined for the function cannot be assumed by Lambda."),
    ("lambda", "CreateEventSourceMapping", VALUE, "The role does not have permissions to call ReceiveMessage on SQS"),
    ("lambda", "CreateEventSourceMapping", VALUE, "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue."),
    ("lambda", "CreateEventSourceMapping", VALUE, "Queue visibility timeout: 30 seconds is less than Function timeout"),
    ("lambda", "CreateEventSourceMapping", VALUE, "Function does not exist"),
    ("lambda", "UpdateEventSourceMapping", "ResourceInUseException", "in use"),
    ("lambda", "DeleteEventSourceMapping", "ResourceInUseException", "in use"),
    ("lambda", "UpdateFunctionCode", "ResourceConflictException", "An update is in progress for resource: x"),
    ("lambda", "DeleteFunction", "ResourceConflictException", "The function is in the following state: Pending"),
    ("lambda", "GetFunction", "ResourceNotFoundException", "Function not found: x"),
    ("lambda", "UpdateFunctionConfiguration", "ResourceNotFoundException", "Function not found: x"),
    ("lambda", "ListTags", "ResourceNotFoundException", "Function not found: x"),
    ("logs", "PutRetentionPolicy", "ResourceNotFoundException", "The specified log group does not exist."),
    ("logs", "DeleteLogGroup", "OperationAbortedException", "A conflicting operation is currently in progress."),
)


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


def refuse(lab, clock, refusal, *, times=None, seconds=None):
    """AWS refuses the first calls of an operation, so many or for so long; returns what it said so far."""
    service, operation, code, words = refusal
    said, began = [], []

    def answer(**_):
        began.append(clock.now)
        if len(said) == times or (seconds is not None and clock.now - began[0] >= seconds):
            return None
        said.append(code)

        class Response:
            status_code = 400

        return Response(), {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    event = f"before-call.{service}.{operation}"
    lab.connection.session.events.register_first(event, answer)
    return said, lambda: lab.connection.session.events.unregister(event, answer)


def rows_of(refusal):
    service, operation, code, words = refusal
    return [
        row
        for row in TABLE
        if fnmatchcase(f"{service}:{operation}", row.calls) and fnmatchcase(code, row.code) and row.words in words
    ]


def test_every_row_has_its_example():
    assert [row for row in TABLE if not any(row in rows_of(refusal) for refusal in REFUSALS)] == []


def test_every_row_names_its_source_and_says_what_is_waited_for():
    assert all(row.source.startswith("https://docs.aws.amazon.com/") for row in TABLE)
    assert all(row.waiting_for and 0 < row.seconds <= 300 for row in TABLE)


def open_with(account, clock):
    lab = account.open()
    patience = lab.connection.patience
    patience.clock, patience.sleep = lambda: clock.now, clock.sleep
    return lab


def do_and_undo(account, refusal, **how):
    clock = Clock()
    lab = open_with(account, clock)
    said, stop = refuse(lab, clock, refusal, **how)
    try:
        _, receipt = walk_the_lab(account, lab)
    finally:
        stop()
    assert said, "the lab never makes this call"
    assert receipt.left == ()


def ids(refusal):
    return f"{refusal[0]} {refusal[1]} {refusal[2]}"


@pytest.mark.parametrize("refusal", REFUSALS[::6], ids=ids)
def test_what_passes_after_a_few_calls_is_waited_for(quick, account, refusal):
    do_and_undo(account, refusal, times=2)


@pytest.mark.slow
@pytest.mark.parametrize("refusal", REFUSALS, ids=ids)
def test_what_passes_after_one_call_is_waited_for(quick, account, refusal):
    before = account.contents()
    do_and_undo(account, refusal, times=1)
    assert account.contents() == before


@pytest.mark.slow
@pytest.mark.parametrize("refusal", REFUSALS, ids=ids)
def test_what_passes_after_three_calls_is_waited_for(quick, account, refusal):
    do_and_undo(account, refusal, times=3)


@pytest.mark.slow
@pytest.mark.parametrize("refusal", REFUSALS, ids=ids)
def test_what_takes_as_long_as_aws_says_is_waited_for(quick, account, refusal):
    patient = max(row.seconds for row in rows_of(refusal))
    do_and_undo(account, refusal, seconds=patient - 5.1)  # the last pause may be 5 s long


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("... with an explicit deny in a service control policy: arn:x", "The organisation"),
        ("... with an explicit deny in an identity-based policy: arn:x", "A policy denies this explicitly"),
        ("... because no permissions boundary allows the sns:CreateTopic action", "permissions boundary"),
        ("... because no identity-based policy allows the sns:CreateTopic action", "labkit permissions"),
    ],
)
def test_the_advice_follows_from_who_denied_it(quick, account, words, hint):
    clock = Clock()
    lab = open_with(account, clock)
    _, stop = refuse(lab, clock, ("sns", "CreateTopic", "AuthorizationError", words), times=1)
    with pytest.raises(LabError) as told:
        do_the_lab(lab)
    stop()
    assert hint in told.value.hint()
    assert ("labkit permissions" in told.value.hint()) == (hint == "labkit permissions")
    clean_up(lab)
