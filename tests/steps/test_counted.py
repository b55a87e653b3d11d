"""What people wait for and what can be counted: calls to AWS, readings of the journal."""

import threading

import pytest

import labkit
from labkit.journal_lines import State


@pytest.fixture
def counted(lab, monkeypatch):
    """How many bytes of the journal were read since the test asked first, and what AWS was asked."""
    labkit.catch_up(lab, to=3)
    labkit.create_role(lab, "CreateThumbnail")
    read, took = State.read, []
    lab.journal.entries()  # what was there before
    monkeypatch.setattr(State, "read", lambda state, data: (took.append(len(data)), read(state, data))[1])
    before = lab.connection.calls.total
    return took, lambda: [call.operation for call in lab.connection.calls.calls][before:]


def test_to_make_a_function_takes_these_calls(lab, counted):
    labkit.create_function(lab, "CreateThumbnail")
    assert counted[1]() == [
        "GetFunctionConfiguration",  # is it there?
        "DescribeLogGroups",
        "CreateLogGroup",
        "PutRetentionPolicy",
        "CreateFunction",
        "GetFunction",  # until it is active
        "GetFunctionConfiguration",  # what has come of it
    ]


def test_no_line_of_the_journal_is_read_twice(lab, counted):
    size = lab.journal.path.stat().st_size
    labkit.create_function(lab, "CreateThumbnail")
    lab.journal.entries()
    assert sum(counted[0]) == lab.journal.path.stat().st_size - size


def test_a_survey_has_several_questions_under_way_at_once(lab):
    labkit.catch_up(lab, to=4)
    asking, two = [], threading.Event()

    def meet(**_):
        asking.append(1)
        if len(asking) == 2:
            two.set()
        two.wait(30)  # nobody goes on alone

    events = lab.client("sqs").meta.events
    events.register("before-send.sqs.GetQueueAttributes", meet)
    try:
        found = labkit.survey(lab)
    finally:
        events.unregister("before-send.sqs.GetQueueAttributes", meet)
    assert two.is_set()
    assert {part.state for part in found.parts if part.kind == "queue"} == {"made"}
