"""A crash at any moment, by fault injection at every single API call: then clean up, and nothing is left.

The account is moto's, inside this process, and holds somebody else's things of every kind. Each run stops at one call,
either before it is sent or before its answer is used; from then on no call is made and no line is written, as in a
process that is dead.
"""

import pytest

from labkit import FUNCTIONS, clean_up
from labkit.steps.recovery import find_things, take_over

from .conftest import GREY, do_the_lab


class Crashed(Exception):
    """The process is dead."""


class Crash:
    """Ends a lab's process at its n-th call from now, counted from 0; `when` is before-call or after-call."""

    def __init__(self, account):
        self.calls, self.at, self.when, self.lab, self.journal = [], None, "", None, None
        events = account.open().connection.session.events
        events.register("before-call.*.*", self._before)
        events.register("after-call.*.*", self._after)

    def arm(self, lab, at=None, when="before-call"):
        self.lab, self.at, self.when, self.calls, self.journal = lab, at, when, [], None

    def revive(self):
        """A new process: calls go through again, and nothing was written after the crash."""
        self.lab.journal.path.write_bytes(self.journal)
        self.arm(None)

    def _before(self, model, **_):
        self._stay_dead()
        self.calls.append(model.name)
        self._perhaps("before-call")

    def _after(self, **_):
        self._stay_dead()
        self._perhaps("after-call")

    def _perhaps(self, when):
        if self.at == len(self.calls) - 1 and self.when == when:
            self.journal = self.lab.journal.path.read_bytes()
            raise Crashed(self.calls[-1])

    def _stay_dead(self):
        if self.journal is not None:
            raise Crashed(self.calls[-1])


ACTS = {"the lab": do_the_lab, "cleaning up": clean_up}


def begin(account, what, options):
    """A lab on a machine of its own, about to do it."""
    lab = account.open(**options)
    if what == "cleaning up":
        do_the_lab(lab)
    return lab


def same_machine(account, lab):
    """The journal is there: it knows what the lab was opened with."""
    return account.open(workspace=lab.workspace)


def another_machine(account, lab):
    """The journal is not there: tags and the suffix are all there is to go by, and whose bucket it was."""
    again = account.open(suffix=lab.definition.suffix, bucket=lab.definition.bucket)
    take_over(again, find_things(again))
    return again


def crashes(account, crash, what, options, points, reopen=same_machine):
    """Crash at each of these points and clean up; returns what was wrong, in words."""
    before, found = account.contents(), []
    for at, when in points:
        lab = begin(account, what, options)
        crash.arm(lab, at, when)
        with pytest.raises(Crashed):
            ACTS[what](lab)
        operation = crash.calls[-1]
        crash.revive()
        again = reopen(account, lab)
        receipt = clean_up(again)
        after = account.contents()
        wrong = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        wrong += [*receipt.left, *again.journal.entries()]
        if wrong:
            found.append(f"{what}, call {at} ({operation}), {when}: {wrong}")
    return found


def calls_of(account, crash, what, options):
    """The calls that there are to crash at, by the names of their operations."""
    lab = begin(account, what, options)
    crash.arm(lab)
    ACTS[what](lab)
    calls = list(crash.calls)
    clean_up(lab)
    return calls


@pytest.fixture
def crash(quick, account):
    return Crash(account)


def own(account):
    return {}


def existing(account):
    return {"bucket": account.decoys["bucket"], "role_arn": account.decoys["role"]}


def a_fourth_function(account):
    return {"functions": (*FUNCTIONS, GREY)}


def changing(calls):
    """Where it matters that the answer is lost: after a call that only looks, all is as before the next one."""
    looks = ("Get", "List", "Head", "Describe")
    return [(at, "after-call") for at, operation in enumerate(calls) if not operation.startswith(looks)]


@pytest.mark.parametrize("reopen", [same_machine, another_machine])
@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("things", [own, existing, a_fourth_function])
def test_a_crash_here_and_there_leaves_nothing_behind(account, crash, what, things, reopen):
    options = things(account)
    # A prime step, so that all kinds of calls have their turn; all of them have it in the slow tests.
    points = changing(calls_of(account, crash, what, options))[::37]
    assert crashes(account, crash, what, options, points, reopen) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ACTS)
def test_a_crash_before_any_call_leaves_nothing_behind(account, crash, what):
    calls = calls_of(account, crash, what, {})
    assert len(calls) > 100
    assert crashes(account, crash, what, {}, [(at, "before-call") for at in range(len(calls))]) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("things", [own, existing, a_fourth_function])
def test_an_answer_that_is_never_used_leaves_nothing_behind(account, crash, what, things):
    options = things(account)
    points = changing(calls_of(account, crash, what, options))
    assert len(points) > 20
    assert crashes(account, crash, what, options, points) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("things", [own, existing, a_fourth_function])
def test_after_any_crash_another_machine_can_clean_up(account, crash, things):
    options = things(account)
    points = changing(calls_of(account, crash, "the lab", options))
    assert crashes(account, crash, "the lab", options, points, another_machine) == []
