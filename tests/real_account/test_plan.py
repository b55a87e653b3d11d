"""What will be made and what it may cost is said before anything is made, and it is true."""

import pytest

from labkit import clean_up
from labkit.insight.plan import plan

from .conftest import do_the_lab

NOT_IN_THE_PLAN = ("topic policy", "queue policy", "object", "existing bucket")  # they are on what is


@pytest.mark.parametrize("things", ["its own", "somebody's"])
def test_the_plan_names_exactly_what_is_then_made(account, things):
    decoys = account.decoys
    lab = account.open(**({} if things == "its own" else {"bucket": decoys["bucket"], "role_arn": decoys["role"]}))
    before = account.contents()
    planned = plan(lab)
    assert account.contents() == before
    do_the_lab(lab)
    made = {(e.kind, e.name) for e in lab.journal.entries() if e.kind not in NOT_IN_THE_PLAN}
    assert set(planned.things) == made
    assert len(planned.things) == len(made)
    clean_up(lab)


def test_the_plan_says_where_and_what_it_costs_used_and_forgotten(account):
    planned = plan(account.open())
    assert planned.sentence().startswith("The whole lab makes 30 things in account 123456789012, region us-east-1.")
    assert 0 < planned.lesson_usd < 0.01
    # Three triggers at 15 receives a minute: 64,800 a day, at 0.40 US dollars a million; six alarms at 0.10 a month.
    assert planned.idle_usd_per_day == pytest.approx(0.0459, abs=0.0001)
    assert "labkit clean" in planned.sentence()
