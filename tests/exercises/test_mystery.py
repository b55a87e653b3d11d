"""Each case is found by the doctor and by what the notebooks taught; named, fixed by `catch_up`, and closed."""

import json

import pytest

from labkit import (
    LabError,
    break_something,
    case_hint,
    catch_up,
    clean_up,
    close_case,
    doctor,
    enable_trigger,
    name_fault,
    open_lab,
    queue_depths,
)
from labkit.exercises.mystery import CASES, PLACES, chosen
from labkit.policy import Request, allows
from labkit.resources import QueuePolicy, TopicPolicy

SEEDS = range(len(CASES))


@pytest.fixture(scope="module")
def works(workspace):
    """A lab with steps 1 to 4 done, broken and fixed again by each test."""
    lab = open_lab("local", prefix="mystery-", workspace=workspace)
    catch_up(lab, to=4)
    yield lab
    clean_up(lab)


@pytest.fixture
def lab(works):
    yield works
    catch_up(works, to=4)
    assert doctor(works, patience=30).healthy


@pytest.mark.parametrize("seed", SEEDS)
def test_each_case_is_found_by_the_doctor_and_closed_by_catch_up(lab, seed):
    case, branch = chosen(lab, seed)
    assert break_something(lab, seed).difficulty == case.difficulty
    first = doctor(lab).first
    assert (first.name, first.function) == (case.hop, branch.name if case.of_branch else "")
    assert close_case(lab).sentence().startswith("Not yet")
    assert name_fault(lab, first.name, first.function).solved
    catch_up(lab, to=4)
    closed = close_case(lab)
    assert closed.solved
    assert closed.sentence().endswith(case.story)
    assert "0 hints and 1 guess." in closed.sentence()


def test_seeds_go_through_all_cases_and_all_branches(works):
    drawn = [chosen(works, seed) for seed in range(len(CASES) * len(works.branches))]
    assert len({(case.name, branch.name) for case, branch in drawn}) == len(drawn)
    assert chosen(works, 7) == (CASES[2], works.branches[1])


@pytest.mark.parametrize("seed", SEEDS)
def test_no_case_opens_anything_to_anybody(lab, seed):
    break_something(lab, seed)
    stranger = {"arn": "arn:aws:iam::999999999999:root", "account": "999999999999"}
    for policy, action in [(next(TopicPolicy.of(lab)), "SNS:Publish")] + [
        (one, "sqs:SendMessage") for one in QueuePolicy.of(lab)
    ]:
        assert not allows([policy.read()], Request(action, policy.arn, **stranger))
    catch_up(lab, to=4)
    close_case(lab)


def test_hints_are_given_one_by_one_and_counted(lab):
    break_something(lab, 0)
    said = [case_hint(lab).sentence() for _ in range(4)]
    assert [words[:11] for words in said[:3]] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3"]
    assert "There are no more hints" in said[3]
    catch_up(lab, to=4)
    assert "with 3 hints and 0 guesses" in close_case(lab).sentence()


def test_what_the_hints_promise_is_to_be_seen(lab):
    break_something(lab, 0)
    lab.client("sns").publish(TopicArn=lab.definition.topic_arn, Message=json.dumps({"Event": "s3:TestEvent"}))
    depths = dict(queue_depths(lab).queues)
    assert depths[lab.branches[0].queue_name].waiting == 1
    catch_up(lab, to=4)
    close_case(lab)


def test_a_wrong_name_is_told_how_near_it_is(lab):
    break_something(lab, 7)
    wanted = chosen(lab, 7)[1].name
    assert name_fault(lab, "queue policy", "CreateThumbnail").words.startswith("The right kind of place")
    assert name_fault(lab, "trigger", wanted).words.startswith("The right branch")
    near = name_fault(lab, "dead letters", wanted)
    assert near.words == f"The right branch; but it is not the dead letters of {wanted}."
    assert name_fault(lab, "topic").words.startswith("No, it is not the topic. Which pictures came")
    with pytest.raises(LabError, match="There is no place 'cable'") as caught:
        name_fault(lab, "cable")
    assert ", ".join(PLACES) in caught.value.hint()
    catch_up(lab, to=4)
    assert "4 guesses" in close_case(lab).sentence()


def test_a_lab_that_is_broken_is_not_broken_further(lab):
    lab.client("lambda").update_event_source_mapping(UUID=enable_trigger(lab, "CreateThumbnail").uuid, Enabled=False)
    with pytest.raises(LabError, match="Something is wrong already: trigger of CreateThumbnail") as caught:
        break_something(lab, 1)
    assert caught.value.hint() == "catch_up(lab, to=4) puts it right."
    catch_up(lab, to=4)


def test_a_case_that_is_open_stays_as_it_is_and_nobody_is_told_where(lab):
    case = break_something(lab, 2)
    case_hint(lab)
    assert break_something(lab, 2) == case
    with pytest.raises(LabError, match="Case 2 is still open") as caught:
        break_something(lab, 1)
    assert "close_case(lab)" in caught.value.hint()
    assert "queue policy" not in str(caught.value)
    catch_up(lab, to=4)
    assert "1 hint " in close_case(lab).sentence()


@pytest.mark.parametrize("ask", [case_hint, close_case, lambda lab: name_fault(lab, "topic")])
def test_without_a_case_there_is_nothing_to_ask(new_lab, ask):
    with pytest.raises(LabError, match="No case is open") as caught:
        ask(new_lab())
    assert caught.value.hint() == "break_something(lab, seed=7) opens one."
