"""A photo's way is put together from the functions' own lines, Lambda's lines and the results' metadata."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from labkit.errors import LabError
from labkit.insight.log_lines import LogLine, parse_log
from labkit.insight.trace import DELIVERY, HIDDEN, INIT, REST, WAITING, assemble_trace
from labkit.settings import FUNCTIONS, THUMBNAIL, WEB
from labkit.show.timeline import timeline

KEY = "ingest/AWS.jpg"
EVENT = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)
SENT_MS = 20  # after the event
MS = {"download": 30.0, "decode": 100.0, "resize": 40.0, "encode": 10.0, "upload": 20.0}


def invocation(
    function,
    *,
    at_ms,
    request_id="r1",
    init_ms=None,
    run_ms=210,
    receive=1,
    sns="sns-1",
    outcome="resized",
    sent_ms=SENT_MS,
):
    """One invocation on the photo, starting so many ms after the event, after its init."""
    start = EVENT + timedelta(milliseconds=at_ms)
    photo = {
        "event": outcome,
        "source_key": KEY,
        "function": function.name,
        "request_id": request_id,
        "sqs_message_id": f"sqs-{function.name}",
        "sns_message_id": sns,
        "sequencer": "0055AED6DCD90281E5",
        "receive_count": receive,
        "sent_timestamp": int((EVENT + timedelta(milliseconds=sent_ms)).timestamp() * 1000),
        "event_time": "2026-11-23T09:00:00.000Z",
    }
    photo |= {"ms": MS} if outcome == "resized" else {"reason": "s3_unreachable", "retry": True}
    init = [(start - timedelta(milliseconds=init_ms), "INIT_START Runtime Version: python:3.14.v1")] if init_ms else []
    end = start + timedelta(milliseconds=run_ms)
    events = [
        *init,
        (start, f"START RequestId: {request_id} Version: $LATEST"),
        (end, json.dumps(photo)),
        (end, f"END RequestId: {request_id}"),
        (
            end,
            f"REPORT RequestId: {request_id}\tDuration: {run_ms}.00 ms\tBilled Duration: {run_ms} ms\t"
            f"Memory Size: 512 MB\tMax Memory Used: 60 MB\t{f'Init Duration: {init_ms}.00 ms' if init_ms else ''}",
        ),
    ]
    (parsed,) = parse_log([LogLine(time, text, f"stream-{request_id}") for time, text in events])
    return parsed


def trace_of(**invocations):
    by_name = {function.name: invocations.get(function.name, []) for function in FUNCTIONS}
    results = {function.name: {"ContentLength": 1000} for function in FUNCTIONS}
    return assemble_trace(KEY, FUNCTIONS, by_name, results)


@pytest.fixture
def whole():
    """Three branches; the web one starts cold."""
    return trace_of(
        CreateThumbnail=[invocation(THUMBNAIL, at_ms=30)],
        CreateWebImage=[invocation(WEB, at_ms=830, init_ms=800)],
        CreateMobileImage=[invocation(FUNCTIONS[2], at_ms=35)],
    )


def kinds(trace, function):
    return {span.kind: round(span.ms) for span in trace.spans() if span.branch == function}


def test_all_ids_are_there(whole):
    shown = str(whole)
    assert (whole.sequencer, whole.sns_message_id) == ("0055AED6DCD90281E5", "sns-1")
    assert [branch.sqs_message_id for branch in whole.branches] == [f"sqs-{f.name}" for f in FUNCTIONS]
    for words in ("0055AED6DCD90281E5", "sns-1", "sqs-CreateWebImage", "r1", "web/WebImage-AWS.jpg", "1,000"):
        assert words in shown


def test_every_stretch_of_time_has_a_name(whole):
    assert kinds(whole, "CreateThumbnail") == {
        DELIVERY: 20,
        WAITING: 10,
        "download": 30,
        "decode": 100,
        "resize": 40,
        "encode": 10,
        "upload": 20,
        REST: 10,
    }


def test_stretches_follow_each_other_without_a_gap(whole):
    for branch in whole.branches:
        spans = [span for span in whole.spans() if span.branch == branch.function]
        assert spans[0].start == whole.uploaded
        assert spans[-1].end == branch.done
        assert all(a.end == b.start for a, b in pairwise(spans))


def test_init_and_run_stand_apart(whole):
    assert kinds(whole, "CreateWebImage")[INIT] == 800
    assert kinds(whole, "CreateWebImage")[WAITING] == 10
    assert INIT not in kinds(whole, "CreateThumbnail")


def test_it_says_where_the_time_went(whole):
    assert whole.slowest().function == "CreateWebImage"
    assert whole.seconds() == pytest.approx(1.04)
    assert whole.where_time_went()[0] == (INIT, 800.0)
    assert "the last after 1.04 s, by CreateWebImage. Its time went into init (cold start) 800 ms (77%)" in str(whole)


def test_a_retry_is_a_second_attempt_after_the_message_was_hidden():
    first = invocation(THUMBNAIL, at_ms=30, run_ms=100, outcome="failed")
    second = invocation(THUMBNAIL, at_ms=60_000, request_id="r2", receive=2)
    trace = trace_of(CreateThumbnail=[second, first])
    branch = trace.branches[0]
    assert [attempt.receive_count for attempt in branch.attempts] == [1, 2]
    assert branch.outcome == "resized"
    assert kinds(trace, "CreateThumbnail")[HIDDEN] == 59_870
    assert "failed: s3_unreachable" in str(trace)


def test_of_two_events_of_one_photo_the_latest_is_followed():
    trace = trace_of(
        CreateThumbnail=[
            invocation(THUMBNAIL, at_ms=30),
            invocation(THUMBNAIL, at_ms=9_000, request_id="r2", sns="sns-2", sent_ms=8_990),
        ]
    )
    assert trace.sns_message_id == "sns-2"
    assert [attempt.invocation.request_id for attempt in trace.branches[0].attempts] == ["r2"]


def test_what_only_failed_has_no_last_result():
    trace = trace_of(CreateThumbnail=[invocation(THUMBNAIL, at_ms=30, run_ms=100, outcome="failed")])
    assert "0 of 3 results, the last try over after 0.1" in trace.sentence()


def test_a_branch_that_logged_nothing_says_so(whole):
    trace = trace_of(CreateThumbnail=[invocation(THUMBNAIL, at_ms=30)])
    assert trace.branches[1].outcome == "nothing logged yet"
    assert "nothing logged yet" in str(trace)
    assert "1 of 3 results" in trace.sentence()


def test_clocks_that_disagree_make_no_negative_time():
    trace = trace_of(CreateThumbnail=[invocation(THUMBNAIL, at_ms=-5)])
    assert all(span.ms >= 0 and span.end >= span.start for span in trace.spans())


def test_nothing_logged_at_all_is_an_error_with_a_hint():
    with pytest.raises(LabError) as raised:
        trace_of()
    assert "No function has logged anything about ingest/AWS.jpg" in str(raised.value)
    assert "labkit doctor ingest/AWS.jpg" in raised.value.hint()


def test_the_timeline_is_a_small_picture_and_a_table(whole):
    picture = timeline(whole)
    assert picture.png.startswith(b"\x89PNG")
    assert len(picture.png) < 60_000
    assert ("CreateWebImage", INIT, "30", "830", "800.0") in picture.table
    assert "init (cold start) 800 ms (77%)" in picture.alt
    assert "3 branches" in picture.alt


def test_the_timeline_of_a_retry_is_drawn_too():
    trace = trace_of(CreateThumbnail=[invocation(THUMBNAIL, at_ms=30, outcome="failed")])
    assert "failed: s3_unreachable" in trace.branches[0].outcome
    assert timeline(trace).table
