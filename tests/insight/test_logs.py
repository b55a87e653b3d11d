"""Log lines become invocations, whatever the format and however they ended."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from labkit.errors import LabError
from labkit.insight.log_lines import LogLine, parse_log
from labkit.insight.logs import FunctionLogs, beginning

ID, OTHER = "8f507cfc-0000-4000-8000-000000000001", "8f507cfc-0000-4000-8000-000000000002"
STREAM = "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef"
BEGAN = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)


def lines(*texts, stream=STREAM, first_ms=0):
    return [
        LogLine(BEGAN + timedelta(milliseconds=first_ms + 10 * k), text, stream, f"{stream}{first_ms}{k}")
        for k, text in enumerate(texts)
    ]


def report(request_id=ID, duration="3.01", billed="4", used="36", more=""):
    return (
        f"REPORT RequestId: {request_id}\tDuration: {duration} ms\tBilled Duration: {billed} ms\t"
        f"Memory Size: 128 MB\tMax Memory Used: {used} MB\t{more}\n"
    )


INIT = "INIT_START Runtime Version: python:3.14.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:abc\n"
START, END = f"START RequestId: {ID} Version: $LATEST\n", f"END RequestId: {ID}\n"


def one(*texts):
    (invocation,) = parse_log(lines(*texts))
    return invocation


def test_a_cold_start_in_the_text_format():
    invocation = one(INIT, START, "hello\n", END, report(more="Init Duration: 110.10 ms\t"))
    assert invocation.request_id == ID
    assert invocation.stream == STREAM
    assert invocation.started == BEGAN + timedelta(milliseconds=10)
    assert (invocation.cold, invocation.status, invocation.error) == (True, "ok", "")
    assert (invocation.duration_ms, invocation.billed_ms, invocation.init_ms) == (3.01, 4, 110.10)
    assert (invocation.memory_mb, invocation.max_memory_mb) == (128, 36)
    assert len(invocation.lines) == 5


def test_a_warm_start_has_no_init():
    invocation = one(START, END, report())
    assert (invocation.cold, invocation.init_ms, invocation.status) == (False, None, "ok")


def test_two_invocations_in_one_stream_share_nothing():
    other = [text.replace(ID, OTHER) for text in (START, "second\n", END, report(duration="9.50"))]
    first, second = parse_log(lines(INIT, START, "first\n", END, report(more="Init Duration: 1.00 ms\t"), *other))
    assert (first.cold, second.cold) == (True, False)
    assert [line.text for line in second.lines] == other
    assert second.duration_ms == 9.5


def test_interleaved_streams_are_kept_apart():
    a, b = "2026/11/23/[$LATEST]a", "2026/11/23/[$LATEST]b"
    one_stream = lines(START, "in a\n", END, report(), stream=a)
    another = lines(*(text.replace(ID, OTHER) for text in (START, "in b\n", END, report())), stream=b, first_ms=5)
    mixed = sorted([*one_stream, *another], key=lambda line: line.time)
    first, second = parse_log(mixed)
    assert (first.stream, second.stream) == (a, b)
    assert [line.text for line in second.lines][1] == "in b\n"


def test_an_unhandled_exception_is_an_error_with_its_traceback():
    traceback = "[ERROR] KeyError: 'Records'\nTraceback (most recent call last):\n\u00a0\u00a0File \"x.py\", line 3\n"
    invocation = one(START, traceback, END, report())
    assert (invocation.status, invocation.error) == ("error", "KeyError: 'Records'")
    assert any("Traceback" in line.text for line in invocation.lines)


def test_what_the_function_itself_logs_as_an_error_is_no_failed_invocation():
    invocation = one(START, f"[ERROR]\t2026-11-23T09:00:00.000Z\t{ID}\tsomething odd\n", END, report())
    assert invocation.status == "ok"


def test_a_timeout():
    said = f"2026-11-23T09:00:03.000Z {ID} Task timed out after 3.00 seconds\n\n"
    invocation = one(START, said, END, report(duration="3000.00", billed="3000", more="Status: timeout"))
    assert (invocation.status, invocation.error) == ("timeout", "Task timed out after 3.00 seconds.")
    assert invocation.duration_ms == 3000


def test_out_of_memory():
    invocation = one(START, END, report(used="128", more="Status: error\tError Type: Runtime.OutOfMemory"))
    assert (invocation.status, invocation.error) == ("out of memory", "The function needed more than its 128 MB.")


def test_a_process_that_exits():
    invocation = one(START, END, report(more="Status: error\tError Type: Runtime.ExitError"))
    assert (invocation.status, invocation.error) == ("error", "Runtime.ExitError")


FAILED_INIT = (
    INIT,
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'nope': No module named 'nope'\n"
    "Traceback (most recent call last):\n",
    "INIT_REPORT Init Duration: 95.31 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n",
)


def test_a_failed_init_belongs_to_the_invocation_that_caused_it():
    invocation = one(*FAILED_INIT, START, END, report(more="Status: error\tError Type: Runtime.ImportModuleError"))
    assert (invocation.status, invocation.init_ms, invocation.cold) == ("init error", 95.31, True)
    assert "Unable to import module 'nope'" in invocation.error


def test_an_init_that_fails_twice_fails_the_invocation_whatever_the_report_says():
    again = FAILED_INIT[2].replace("Phase: init", "Phase: invoke")
    invocation = one(*FAILED_INIT, FAILED_INIT[1], again, START, END, report())
    assert invocation.status == "init error"


def test_an_init_that_succeeds_at_the_second_try_is_ok():
    timed_out = "INIT_REPORT Init Duration: 9999.00 ms\tPhase: init\tStatus: timeout\n"
    invocation = one(INIT, timed_out, START, END, report())
    assert (invocation.status, invocation.error) == ("ok", "")


def test_a_restart_in_the_same_stream_belongs_to_the_next_invocation():
    second = (START, END, report())
    first, second = parse_log(lines(START, END, report(), INIT, *(t.replace(ID, OTHER) for t in second)))
    assert (first.cold, second.cold) == (False, True)


def test_each_invocation_knows_when_its_environment_began():
    second = [text.replace(ID, OTHER) for text in (START, END, report())]
    first, second = parse_log(lines(INIT, START, END, report(), *second))
    assert (first.loaded, second.loaded) == (BEGAN, BEGAN)
    first, second = parse_log(lines(START, END, report(), INIT, *(line.text for line in second.lines)))
    assert (first.loaded, second.loaded) == (BEGAN, BEGAN + timedelta(milliseconds=30))


def test_without_a_report_it_is_still_running():
    invocation = one(INIT, START)
    assert (invocation.status, invocation.finished, invocation.ended) == ("running", False, None)
    assert invocation.cold
    assert "not ended" in invocation.sentence()


def test_nothing_gives_nothing():
    assert parse_log([]) == ()
    assert parse_log(lines("a line of no invocation\n")) == ()


def json_lines(status="success", **metrics):
    figures = {"durationMs": 3.01, "billedDurationMs": 114, "memorySizeMB": 128, "maxMemoryUsedMB": 36} | metrics
    return [
        {"time": "t", "type": "platform.initStart", "record": {"initializationType": "on-demand", "phase": "init"}},
        {"time": "t", "type": "platform.start", "record": {"requestId": ID, "version": "$LATEST"}},
        {"timestamp": "t", "level": "INFO", "message": "hello", "requestId": ID},
        {"time": "t", "type": "platform.report", "record": {"requestId": ID, "status": status, "metrics": figures}},
    ]


def test_the_json_format_says_the_same():
    invocation = one(*map(json.dumps, json_lines(initDurationMs=110.1)))
    assert (invocation.request_id, invocation.cold, invocation.status) == (ID, True, "ok")
    assert (invocation.duration_ms, invocation.billed_ms, invocation.init_ms) == (3.01, 114, 110.1)
    assert (invocation.memory_mb, invocation.max_memory_mb) == (128, 36)


def test_an_exception_in_the_json_format():
    said = {"log_level": "ERROR", "errorType": "KeyError", "errorMessage": "'Records'", "requestId": ID}
    before, start, _, end = json_lines("error")
    invocation = one(*map(json.dumps, (before, start, said, end)))
    assert (invocation.status, invocation.error) == ("error", "KeyError: 'Records'")


def test_a_timeout_in_the_json_format():
    invocation = one(*map(json.dumps, json_lines("timeout")))
    assert invocation.status == "timeout"


def test_a_failed_init_in_the_json_format():
    record = {"phase": "init", "status": "error", "errorType": "Runtime.X", "metrics": {"durationMs": 7.5}}
    before, start, _, end = json_lines("error")
    failed = {"time": "t", "type": "platform.initReport", "record": record}
    invocation = one(*map(json.dumps, (before, failed, start, end)))
    assert (invocation.status, invocation.init_ms) == ("init error", 7.5)


RESIZED = {"event": "resized", "source_key": "ingest/AWS.jpg", "output_key": "web/WebImage-AWS.jpg"}
REFUSED = {"event": "failed", "source_key": "ingest/text.jpg", "reason": "not_an_image"}


def test_the_functions_own_lines_say_what_it_did():
    invocation = one(START, json.dumps(RESIZED) + "\n", json.dumps(REFUSED) + "\n", END, report())
    assert [photo["event"] for photo in invocation.photos] == ["resized", "failed"]
    assert invocation.did == "resized ingest/AWS.jpg; failed ingest/text.jpg (not_an_image)"


@pytest.mark.parametrize("message", [json.dumps(RESIZED), RESIZED])
def test_in_the_json_format_they_are_found_in_lambdas_wrapping(message):
    before, start, said, end = json_lines()
    invocation = one(*map(json.dumps, (before, start, {**said, "message": message}, end)))
    assert invocation.did == "resized ingest/AWS.jpg"


@pytest.fixture
def logs():
    second = [t.replace(ID, OTHER) for t in (START, "[ERROR] OSError: odd\n", END, report())]
    all_lines = lines(INIT, START, json.dumps(RESIZED), END, report()) + lines(*second, stream="other", first_ms=60_000)
    invocations = parse_log(all_lines)
    return FunctionLogs(
        "CreateWebImage", "/aws/lambda/CreateWebImage", (STREAM, "other"), invocations, tuple(all_lines)
    )


def test_logs_can_be_selected_by_stream_text_and_time(logs):
    assert [r.request_id for r in logs.select(stream="other")] == [OTHER]
    assert [r.request_id for r in logs.select(text="oserror")] == [OTHER]
    assert [r.request_id for r in logs.select(since=BEGAN + timedelta(seconds=30))] == [OTHER]
    assert len(logs.select(stream="other").lines) == 4


def test_logs_tell_errors_and_photos(logs):
    assert [r.request_id for r in logs.errors()] == [OTHER]
    assert [r.request_id for r in logs.about("ingest/AWS.jpg")] == [ID]


def test_logs_show_one_row_an_invocation(logs):
    shown = str(logs)
    assert "invoked 2 times in 2 environments: 1 cold, 1 with an error" in shown
    assert "36 of 128 MB" in shown
    assert "OSError: odd" in shown


def test_a_log_group_that_is_not_there_yet_is_explained():
    said = FunctionLogs("CreateWebImage", "/aws/lambda/CreateWebImage", exists=False).sentence()
    assert "only after the first invocation" in said


@pytest.mark.parametrize(("since", "ago"), [("5m", 300), ("2h ago", 7200), ("30 s", 30), (timedelta(days=1), 86400)])
def test_a_time_can_be_said_in_words(since, ago):
    assert beginning(since, now=BEGAN) == BEGAN - timedelta(seconds=ago)


def test_a_time_that_is_none_is_refused():
    with pytest.raises(LabError) as raised:
        beginning("yesterday")
    assert "'yesterday' says no time" in str(raised.value)
    assert '"5m"' in raised.value.hint()
