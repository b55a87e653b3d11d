"""AWS may answer a read with what was before the last write: checks look again, and what never waits says so.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

from datetime import timedelta

import pytest

import labkit
from labkit import clean_up
from labkit.insight.grade import grade
from labkit.journal import Journal
from labkit.resources import WAITED
from labkit.resources.judgement import JUST_CHANGED

from .conftest import do_the_lab

# What is read, as if it had not been written yet; and the check that reads it.
STALE = {
    "a queue's policy": ("sqs", "GetQueueAttributes", "Attributes", {"VisibilityTimeout": "30"}, labkit.check_queues),
    "a topic's policy": ("sns", "GetTopicAttributes", "Attributes", {"Policy": ""}, labkit.check_notification),
    "the list of subscriptions": ("sns", "ListSubscriptionsByTopic", "Subscriptions", [], labkit.check_queues),
    "the bucket's notifications": (
        "s3",
        "GetBucketNotificationConfiguration",
        "TopicConfigurations",
        [],
        labkit.check_notification,
    ),
    "a role's policies": ("iam", "ListRolePolicies", "PolicyNames", [], labkit.check_functions),
}


@pytest.fixture
def lab(account):
    workspace = account.new_workspace()
    do_the_lab(account.open(workspace=workspace))
    yield account.open(workspace=workspace)
    clean_up(account.open(workspace=workspace))


def answer_stale(lab, what, times):
    """The first reads of a kind answer with what was before; returns how often they did."""
    service, operation, member, before, _ = STALE[what]
    given = []

    def answer(parsed, **_):
        if len(given) < times and "Error" not in parsed:
            given.append(operation)
            parsed[member] = {**parsed[member], **before} if isinstance(before, dict) else before

    lab.connection.session.events.register(f"after-call.{service}.{operation}", answer)
    return given


def lines_that_say(words, lines):
    return [line for line in lines if words in line.evidence]


@pytest.mark.parametrize("what", STALE)
def test_a_check_looks_again_at_what_was_just_written(lab, what):
    given = answer_stale(lab, what, times=4)
    check = STALE[what][-1]
    assert check(lab).failures() == ()
    assert len(given) == 4


@pytest.mark.parametrize("what", STALE)
def test_a_line_that_fails_all_the_same_says_that_it_was_waited_for(lab, what, monkeypatch):
    monkeypatch.setattr("labkit.resources.SETTLED_WITHIN", timedelta(seconds=0.1))
    answer_stale(lab, what, times=1000)
    check = STALE[what][-1]
    failures = check(lab).failures()
    assert failures
    assert lines_that_say(WAITED, failures) == list(failures)


@pytest.mark.parametrize("what", STALE)
def test_what_was_not_written_lately_fails_at_once(lab, what, monkeypatch):
    monkeypatch.setattr(Journal, "just_written", lambda *_: set())
    monkeypatch.setattr("labkit.resources.wait_until", lambda ask, **_: ask() or pytest.fail("it waits"))
    answer_stale(lab, what, times=1000)
    check = STALE[what][-1]
    failures = check(lab).failures()
    assert failures
    assert lines_that_say(WAITED, failures) == []


NEVER_WAIT = {
    "the map": lambda lab: str(labkit.survey(lab)),
    "the doctor": lambda lab: labkit.doctor(lab).sentence(),
    "the grade": lambda lab: " ".join(line.evidence for part in grade(lab).parts for line in part.checks),
}


@pytest.mark.parametrize("reader", NEVER_WAIT)
def test_what_never_waits_says_that_it_was_just_changed(lab, reader, monkeypatch):
    monkeypatch.setattr("labkit.resources.wait_until", lambda *_, **__: pytest.fail("it waits"))
    answer_stale(lab, "a topic's policy", times=1000)
    assert JUST_CHANGED.rstrip(".") in NEVER_WAIT[reader](lab)


@pytest.mark.parametrize("reader", NEVER_WAIT)
def test_what_is_there_for_longer_was_not_just_changed(lab, reader, monkeypatch):
    monkeypatch.setattr(Journal, "just_written", lambda *_: set())
    answer_stale(lab, "a topic's policy", times=1000)
    said = NEVER_WAIT[reader](lab)
    assert "topic" in said
    assert JUST_CHANGED.rstrip(".") not in said


def test_what_another_machine_took_over_was_not_just_made(account, lab):
    from labkit.steps.recovery import find_things, take_over

    elsewhere = account.open(suffix=lab.definition.suffix)
    take_over(elsewhere, find_things(elsewhere))
    assert elsewhere.journal.entries()
    assert elsewhere.journal.just_written(timedelta(minutes=1)) == set()
