"""Whatever call fails, at whatever moment: the calls are found by recording what a whole lab makes, not listed by hand.

Either AWS refuses it for a reason that nobody foresaw: then the lab says so at once, in AWS's own words. Or AWS does
what was asked and its answer is lost on the way, so that boto3 asks again: then the lab goes on as if nothing had been.
"""

import threading
from collections import Counter

import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.retries.standard import ExponentialBackoff

from labkit import LabError, clean_up

from .conftest import walk_the_lab

LOOKS = ("Get", "List", "Head", "Describe", "Filter")
REFUSED = {"Code": "LimitExceeded", "Message": "You have too many of these."}
IN_AWS_WORDS = "LimitExceeded: You have too many of these."


class Wire:
    """What goes to AWS and comes back: a call is its service, its operation, and how often that was called before."""

    def __init__(self, account):
        self._thread = threading.local()  # a large photo goes out in several
        self.arm()
        events = account.open().connection.session.events
        events.register_first("before-call.*.*", self._before)
        events.register_last("before-send.*.*", self._sent)  # after the account has done what was asked

    def arm(self, *, refused=None, lost=None):
        """From now on, this one call is refused, or its answer lost; once."""
        self.calls, self._counts = [], Counter()
        self.refused, self.lost, self.hit = refused, lost, False

    def _before(self, model, **_):
        name = (model.service_model.service_name, model.name)
        self._thread.call = call = (*name, self._counts[name])
        self.calls.append(call)
        self._counts[name] += 1
        if self.hit or call != self.refused:
            return None
        self.hit = True

        class Response:
            status_code = 400

        return Response(), {"Error": REFUSED, "ResponseMetadata": {"HTTPStatusCode": 400}}

    def _sent(self, request, **_):
        if getattr(self._thread, "call", None) == self.lost and self.lost and not self.hit:
            self.hit = True
            raise ConnectionClosedError(endpoint_url=request.url)


@pytest.fixture
def wire(quick, account, monkeypatch):
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)  # boto3's own pause before it asks again
    return Wire(account)


def calls_of_a_lab(account, wire, **options):
    lab = account.open(**options)
    wire.arm()
    walk_the_lab(account, lab)
    return list(wire.calls)


def own(account):
    return {}


def existing(account):
    return {"bucket": account.decoys["bucket"], "role_arn": account.decoys["role"]}


def refuse(account, wire, call):
    """What is wrong after a lab whose call is refused, and its clean-up: nothing, or a sentence.

    A step that is refused ends with AWS's words and the operation; the check of the environment goes on, and has
    AWS's words in its line.
    """
    before, lab = account.contents(), account.open()
    slept = []
    lab.connection.patience.sleep = slept.append
    wire.arm(refused=call)
    try:
        environment, *_ = walk_the_lab(account, lab)[0]
        told = environment.failures()[0].found if environment.failures() else "nothing"
    except LabError as error:
        told = error.aws_said if call[1] in error.where else str(error)
    wire.arm()
    left = clean_up(lab).left
    if told != IN_AWS_WORDS or slept or left or account.contents() != before:
        return f"{call}: told {told}, waited {slept}, left {left}"
    return None


def lose(account, wire, call, **options):
    """What is wrong after a lab that one answer never reached: nothing, or a sentence."""
    before, lab = account.contents(), account.open(**options)
    wire.arm(lost=call)
    try:
        _, receipt = walk_the_lab(account, lab)
    except LabError as error:
        wire.arm()
        clean_up(lab)
        return f"{call}: {error}"
    if not wire.hit or receipt.left or account.contents() != before:
        return f"{call}: lost {wire.hit}, left {receipt.left}"
    return None


def operations(calls):
    """The first call of each operation."""
    return [call for call in calls if call[2] == 0]


def changing(calls):
    return [call for call in calls if not call[1].startswith(LOOKS)]


def wrong(outcomes):
    return [outcome for outcome in outcomes if outcome is not None]


def test_the_lab_that_is_recorded_calls_all_that_the_workbook_does(account, wire):
    calls = calls_of_a_lab(account, wire)
    assert len(operations(calls)) >= 79
    assert len(changing(calls)) >= 90


def test_a_refusal_that_nobody_foresaw_is_told_at_once_for_some_operations(account, wire):
    calls = operations(calls_of_a_lab(account, wire))
    assert wrong(refuse(account, wire, call) for call in calls[::29]) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_refusal_that_nobody_foresaw_is_told_at_once_for_every_operation(account, wire):
    calls = operations(calls_of_a_lab(account, wire))
    assert wrong(refuse(account, wire, call) for call in calls) == []


@pytest.mark.parametrize("things", [own, existing])
def test_some_lost_answers_are_not_missed(account, wire, things):
    options = things(account)
    calls = changing(calls_of_a_lab(account, wire, **options))
    assert wrong(lose(account, wire, call, **options) for call in calls[::47]) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("things", [own, existing])
def test_no_lost_answer_is_missed(account, wire, things):
    options = things(account)
    calls = changing(calls_of_a_lab(account, wire, **options))
    assert wrong(lose(account, wire, call, **options) for call in calls) == []
