"""Execution environments: a process each, from the deployed zip, with AWS's surroundings and AWS's limits."""

import gc
import json
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from account import GATE, RUNTIME, Gate, until, zipped

REPORT = re.compile(
    r"^REPORT RequestId: (?P<id>[0-9a-f-]{36})\t"
    r"Duration: (?P<duration>\d+\.\d\d) ms\t"
    r"Billed Duration: (?P<billed>\d+) ms\t"
    r"Memory Size: (?P<size>\d+) MB\t"
    r"Max Memory Used: (?P<used>\d+) MB\t"
    r"(Init Duration: (?P<init>\d+\.\d\d) ms\t)?"
    r"(?P<status>Status: [^\n]+)?\n$"
)

SHOW_ENVIRONMENT = """
    import os, sys
    def handler(event, context):
        return {
            "environ": dict(os.environ), "path": sys.path, "cwd": os.getcwd(),
            "open": {fd: os.path.realpath("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")}
            if os.path.exists("/proc/self/fd") else {},
        }
"""


@pytest.fixture
def aws(aws_of_each_kind):
    return aws_of_each_kind


def test_a_warm_environment_is_used_again(aws):
    function = aws.function("import os\ndef handler(event, context): return os.getpid()")
    first, _ = aws.invoke(function)
    second, _ = aws.invoke(function)
    assert first == second


def test_the_garbage_collector_rests_until_the_first_event(aws):
    function = aws.function(
        """
        import gc
        START = gc.get_threshold()
        def handler(event, context): return [START[0], gc.get_threshold(), gc.isenabled(), gc.get_freeze_count() > 1000]
        """
    )
    for _ in range(2):
        (start, now, enabled, frozen), _ = aws.invoke(function)
        assert (start, tuple(now), enabled, frozen) == (100_000, gc.get_threshold(), True, True)


def test_a_function_sets_its_garbage_collector_as_it_likes(aws):
    function = aws.function(
        """
        import gc
        gc.disable()
        gc.set_threshold(5, 6, 7)
        def handler(event, context): return [gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()]
        """
    )
    (now, enabled, frozen), _ = aws.invoke(function)
    assert (tuple(now), enabled, frozen) == ((5, 6, 7), False, 0)


def test_the_context_tells_what_aws_tells(aws):
    function = aws.function(
        """
        def handler(event, context):
            return [context.function_name, context.function_version, context.invoked_function_arn,
                    context.memory_limit_in_mb, context.log_group_name, context.get_remaining_time_in_millis()]
        """,
        Timeout=7,
    )
    (name, version, arn, memory, group, remaining), _ = aws.invoke(function)
    assert (name, version, memory) == (function, "$LATEST", "128")
    assert arn == f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    assert group == f"/aws/lambda/{function}"
    assert 5_000 < remaining <= 7_000


def test_environment_variables_are_those_aws_documents_and_nothing_leaks_in(aws, monkeypatch):
    shown, _ = aws.invoke(aws.function(SHOW_ENVIRONMENT, Environment={"Variables": {"MINE": "yes"}}))
    environ = shown["environ"]
    assert environ["MINE"] == "yes"
    assert environ["_HANDLER"] == "fn.handler"
    assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environ["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{RUNTIME}"
    assert environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert environ["AWS_ENDPOINT_URL"] == aws.server.url
    assert environ["LAMBDA_TASK_ROOT"] == shown["cwd"] == shown["path"][0]
    allowed = re.compile(r"AWS_|LAMBDA_|_HANDLER|_X_AMZN_TRACE_ID|HOME|LANG|LC_CTYPE|PATH|TZ|MINE|__CF")
    assert [name for name in environ if not allowed.match(name)] == []
    assert environ["HOME"] != os.path.expanduser("~")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux shows what is open")
def test_no_file_descriptor_of_the_server_is_open(aws):
    shown, _ = aws.invoke(aws.function(SHOW_ENVIRONMENT))
    names = [name.split("/")[-1] for name in shown["open"].values()]
    files = [name for name in names if not name.startswith(("pipe:", "socket:", "null")) and not name.isdigit()]
    assert files in ([], ["fd"]), "nothing but /dev/null and the listing itself"
    assert len({name for name in names if name.startswith("pipe:")}) == 1, "the log"
    sockets = [name for name in names if name.startswith("socket:")]
    assert 1 <= len(sockets) <= 3, "the Runtime API, and the pair that libcurl wakes itself with"


def test_a_function_calls_aws_with_the_credentials_of_its_role(aws):
    role = aws.role()
    function = aws.function(
        "import boto3\ndef handler(e, c): return boto3.client('sts').get_caller_identity()['Arn']",
        role=role,
        Timeout=20,
    )
    arn, _ = aws.invoke(function)
    assert arn == f"arn:aws:sts::123456789012:assumed-role/{role.split('/')[-1]}/{function}"


def test_only_the_runtimes_packages_can_be_imported(aws):
    function = aws.function(
        """
        import importlib
        def handler(event, context):
            found = {}
            for name in ("boto3", "urllib3", "PIL", "moto", "labkit", "pytest", "flask"):
                try:
                    importlib.import_module(name)
                    found[name] = True
                except ImportError:
                    found[name] = False
            return found
        """,
        Timeout=20,
    )
    found, _ = aws.invoke(function)
    assert found == {
        "boto3": True, "urllib3": True,
        "PIL": False, "moto": False, "labkit": False, "pytest": False, "flask": False,
    }  # fmt: skip


def test_tmp_belongs_to_the_environment_and_goes_with_it(aws):
    function = aws.function(
        """
        import os, tempfile, pathlib
        def handler(event, context):
            before = sorted(os.listdir("/tmp"))
            with open("/tmp/kept.txt", "w") as file:
                file.write("x")
            with tempfile.NamedTemporaryFile(dir="/tmp") as file:
                assert os.path.exists(file.name)
            assert pathlib.Path("/tmp/kept.txt").read_text() == "x"
            return before
        """
    )
    assert aws.invoke(function)[0] == []
    assert aws.invoke(function)[0] == ["kept.txt"], "a warm environment keeps its /tmp"
    assert not os.path.exists("/tmp/kept.txt")
    kept = list(aws.server.folder.glob("run-*/environments/*/tmp/kept.txt"))
    assert kept
    aws.lam.delete_function(FunctionName=function)
    assert not any(path.exists() for path in kept)


def test_code_is_read_only_and_is_shared_by_nobody_else(aws):
    function = aws.function(
        "import os, stat\ndef handler(e, c): return stat.S_IMODE(os.stat('fn.py').st_mode)",
    )
    assert aws.invoke(function)[0] & 0o222 == 0


@pytest.mark.parametrize("change", ["code", "configuration"])
def test_a_changed_function_gets_new_environments(aws, change):
    function = aws.function("import os\ndef handler(event, context): return [os.getpid(), os.environ.get('NEW')]")
    (before, _), _ = aws.invoke(function)
    if change == "code":
        aws.lam.update_function_code(
            FunctionName=function, ZipFile=zipped("import os\ndef handler(e, c): return [os.getpid(), 'new']")
        )
    else:
        aws.lam.update_function_configuration(FunctionName=function, Environment={"Variables": {"NEW": "new"}})
    (after, value), _ = aws.invoke(function)
    assert value == "new"
    assert after != before
    assert not psutil.pid_exists(before)


def test_an_idle_environment_is_retired(servers):
    aws = servers(environment_idle_seconds=0.2)
    function = aws.function("import os\ndef handler(event, context): return os.getpid()")
    pid, _ = aws.invoke(function)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
    assert aws.invoke(function)[0] != pid


def test_report_gives_true_figures_in_awss_format(aws):
    function = aws.function(
        """
        import time
        def handler(event, context):
            ballast = bytearray(40_000_000)
            time.sleep(0.12)
        """,
        MemorySize=256,
    )
    started = time.monotonic()
    aws.invoke(function)
    waited_ms = (time.monotonic() - started) * 1000
    aws.invoke(function)
    cold, warm = (REPORT.match(report) for report in aws.reports(function))
    assert float(cold["duration"]) >= 120
    assert float(cold["init"]) > 5
    assert float(cold["init"]) + float(cold["duration"]) <= waited_ms
    assert int(cold["size"]) == 256
    assert 45 <= int(cold["used"]) < 120
    assert int(cold["billed"]) == -(-(float(cold["duration"]) + float(cold["init"])) // 1)
    assert warm["init"] is None
    assert int(warm["billed"]) == -(-float(warm["duration"]) // 1)


def test_one_stream_for_each_environment_with_the_lines_in_order(aws):
    function = aws.function(
        """
        import logging, sys
        def handler(event, context):
            print("first")
            logging.getLogger().warning("second")
            print("third", file=sys.stderr)
            print("no newline", end="")
        """
    )
    _, response = aws.invoke(function)
    request_id = response["ResponseMetadata"]["RequestId"]
    (stream,) = aws.logs.describe_log_streams(logGroupName=f"/aws/lambda/{function}")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])
    lines = aws.messages(function)
    assert lines[0].startswith(f"INIT_START Runtime Version: {RUNTIME.replace('python', 'python:')}.")
    assert lines[1] == f"START RequestId: {request_id} Version: $LATEST\n"
    assert lines[2] == "first\n"
    assert re.fullmatch(rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request_id}\tsecond\n", lines[3])
    assert lines[4] == "third\n"
    assert lines[5] == "no newline"
    assert lines[6] == f"END RequestId: {request_id}\n"
    assert REPORT.match(lines[7])["id"] == request_id


def test_a_function_that_takes_too_long_is_stopped(aws):
    function = aws.function(
        """
        import time
        def handler(event, context):
            if event == "quick":
                return "fresh"
            print("on my way")
            time.sleep(60)
        """,
        Timeout=1,
    )
    started = time.monotonic()
    payload, response = aws.invoke(function)
    assert time.monotonic() - started < 5
    request_id = response["ResponseMetadata"]["RequestId"]
    assert response["FunctionError"] == "Unhandled"
    assert payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    lines = aws.messages(function)
    assert "on my way\n" in lines
    assert any(re.fullmatch(rf"\S+Z {request_id} Task timed out after 1\.00 seconds\n\n", line) for line in lines)
    report = REPORT.match(lines[-1])
    assert (report["duration"], report["status"]) == ("1000.00", "Status: timeout")
    assert aws.invoke(function, "quick")[0] == "fresh", "the next event gets a new environment"


def test_a_function_that_outgrows_its_memory_is_killed_and_says_so(aws):
    function = aws.function(
        """
        def handler(event, context):
            hoard = []
            while True:
                hoard.append(bytearray(10_000_000))
        """,
        Timeout=20,
    )
    payload, response = aws.invoke(function)
    request_id = response["ResponseMetadata"]["RequestId"]
    assert payload == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    }
    lines = aws.messages(function)
    assert f"RequestId: {request_id} Error: Runtime exited with error: signal: killed\nRuntime.OutOfMemory\n" in lines
    report = REPORT.match(lines[-1])
    assert report["status"] == "Status: error\tError Type: Runtime.OutOfMemory"
    assert report["used"] == report["size"] == "128"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the peak of a process")
def test_a_peak_above_the_limit_counts_even_when_it_was_short(aws):
    function = aws.function("def handler(event, context): del [bytearray(200_000_000)][0]; return 1")
    payload, _ = aws.invoke(function)
    assert payload["errorType"] == "Runtime.OutOfMemory"


@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.abort()", "Runtime exited with error: signal: aborted"),
    ],
)
def test_a_process_that_dies_says_how(aws, statement, how):
    function = aws.function(f"import os\ndef handler(event, context): {statement}")
    payload, response = aws.invoke(function)
    request_id = response["ResponseMetadata"]["RequestId"]
    assert payload == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {how}"}
    assert REPORT.match(aws.reports(function)[-1])["status"] == "Status: error\tError Type: Runtime.ExitError"


def test_an_environment_killed_while_idle_is_replaced_without_anybody_noticing(aws):
    function = aws.function("import os\ndef handler(event, context): return os.getpid()")
    pid, _ = aws.invoke(function)
    os.kill(pid, 9)
    again, response = aws.invoke(function)
    assert "FunctionError" not in response
    assert again != pid


def something_unread_at(api):
    """True if a request lies at a Runtime API and nobody has read it: an idle environment's for its next event."""
    port = f":{int(api.rsplit(':', 1)[1]):04X}"
    sockets = (line.split()[:5] for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(
        local.endswith(port) and state == "01" and not queued.endswith(":00000000")  # 01: established
        for _, local, _, state, queued in sockets
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process left something unread")
def test_an_event_that_a_killed_environment_never_took_goes_to_another_one(aws):
    function = aws.function(
        """
        import os
        def handler(event, context):
            print("RAN")
            return os.getpid(), os.environ["AWS_LAMBDA_RUNTIME_API"]
        """
    )
    (pid, api), _ = aws.invoke(function)
    until(lambda: something_unread_at(api))  # it has asked for the next event
    os.kill(pid, signal.SIGSTOP)  # it is there, and does not read
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(aws.invoke, function)
        until(lambda: sum(line.startswith("START") for line in aws.messages(function)) == 2)
        os.kill(pid, signal.SIGKILL)
        (again, _), response = waiting.result()
    assert "FunctionError" not in response
    assert again != pid
    assert aws.messages(function).count("RAN\n") == 2


def test_what_a_function_started_ends_with_its_environment(aws):
    function = aws.function(
        """
        import subprocess
        def handler(event, context):
            return subprocess.Popen(["sleep", "1000"]).pid
        """
    )
    pid, _ = aws.invoke(function)
    assert psutil.pid_exists(pid)
    aws.lam.delete_function(FunctionName=function)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_exception_is_logged_as_aws_does(aws):
    function = aws.function(
        """
        def handler(event, context):
            return event["Records"]
        """
    )
    payload, response = aws.invoke(function, {})
    assert response["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "KeyError"
    assert payload["errorMessage"] == "'Records'"
    assert payload["requestId"] == response["ResponseMetadata"]["RequestId"]
    assert "return event" in payload["stackTrace"][0]
    (error,) = [line for line in aws.messages(function) if line.startswith("[ERROR]")]
    first, second, *trace = error.split("\n")
    assert first == "[ERROR] KeyError: 'Records'"
    assert second == "Traceback (most recent call last):"
    assert trace[0].startswith("\u00a0\u00a0File ")


def test_a_failed_init_is_reported_twice_and_tried_again_by_the_next_event(aws):
    function = aws.function("print('loading')\nraise ValueError('not today')")
    payload, response = aws.invoke(function)
    assert response["FunctionError"] == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("ValueError", "not today")
    lines = aws.messages(function)
    kinds = [line.split()[0] for line in lines if not line.startswith(("loading", "[", "LAMBDA_WARNING"))]
    assert kinds == ["INIT_START", "INIT_REPORT", "INIT_REPORT", "START", "END", "REPORT"]
    phases = [line for line in lines if line.startswith("INIT_REPORT")]
    assert re.fullmatch(
        r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: Runtime.Unknown\n", phases[0]
    )
    assert "\tPhase: invoke\t" in phases[1]
    assert REPORT.match(lines[-1])["status"] == "Status: error\tError Type: Runtime.Unknown"


def test_an_init_that_takes_too_long_is_stopped(servers):
    aws = servers(init_seconds=0.3)
    function = aws.function("import time\ntime.sleep(30)\ndef handler(e, c): return 1", Timeout=1)
    payload, _ = aws.invoke(function)
    assert payload["errorType"] == "Sandbox.Timedout"
    assert any(
        "Phase: init\tStatus: timeout" in line for line in aws.messages(function) if line.startswith("INIT_REPORT")
    )


@pytest.mark.parametrize(
    ("source", "handler", "error", "message"),
    [
        ("", "fn.handler", "HandlerNotFound", "Handler 'handler' missing on module 'fn'"),
        ("", "gone.handler", "ImportModuleError", "Unable to import module 'gone': No module named 'gone'"),
        ("import PIL", "fn.handler", "ImportModuleError", "Unable to import module 'fn': No module named 'PIL'"),
        ("", "fn", "MalformedHandlerName", "Bad handler 'fn': not enough values to unpack (expected 2, got 1)"),
        ("def handler(:", "fn.handler", "UserCodeSyntaxError", "Syntax error in module 'fn': "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_code_is_said_in_awss_words(aws, source, handler, error, message):
    payload, _ = aws.invoke(aws.function(source, Handler=handler))
    assert payload["errorType"] == f"Runtime.{error}"
    assert payload["errorMessage"].startswith(message)


def test_a_zip_in_a_zip_cannot_be_imported(aws):
    function = aws.function(
        Code={"ZipFile": zipped(**{"inner.zip": zipped("def handler(e, c): pass")})}, Handler="CreateThumbnail.handler"
    )
    payload, _ = aws.invoke(function)
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'CreateThumbnail'" in payload["errorMessage"]


@pytest.mark.skipif(sys.platform != "linux", reason="the library is an ELF file")
def test_a_library_for_another_architecture_cannot_be_loaded(aws):
    library = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x03\x00\xf3\x00" + b"\0" * 44  # RISC-V: neither of Lambda's
    suffix = f"cpython-{sys.version_info.major}{sys.version_info.minor}-x86_64-linux-gnu"
    files = {"fast.abi3.so": library, f"fast.{suffix}.so": library}
    payload, _ = aws.invoke(aws.function("import fast\ndef handler(e, c): pass", files=files))
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert payload["errorMessage"].startswith("Unable to import module 'fn': ")


@pytest.mark.parametrize(
    "declared", [{"Runtime": "python3.9"}, {"Architectures": ["arm64" if os.uname().machine == "x86_64" else "x86_64"]}]
)
def test_another_runtime_is_accepted_and_fails_at_init(aws, declared):
    function = aws.function("def handler(e, c): return 1", **declared)
    payload, response = aws.invoke(function)
    assert response["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.NotAvailable"
    assert payload["errorMessage"].startswith(
        f"The embedded AWS runs functions on this machine's own Python: {RUNTIME} on "
    )
    runtime, (architecture,) = declared.get("Runtime", RUNTIME), declared.get("Architectures", ["x86_64"])
    assert payload["errorMessage"].endswith(f"This function declares {runtime} on {architecture}.")


def test_environments_run_side_by_side(aws):
    source = "import os, gate\ndef handler(port, context): gate.wait(port); return os.getpid()"
    function = aws.function(source, files=GATE, Timeout=60)
    with ThreadPoolExecutor(3) as callers, Gate() as gate:
        calls = [callers.submit(aws.invoke, function, gate.port) for _ in range(3)]
        gate.wait_for(3)
        gate.open()
        assert len({call.result()[0] for call in calls}) == 3


def test_a_function_can_log_as_json(aws):
    function = aws.function(
        """
        import logging
        def handler(event, context):
            logging.getLogger().info("note")
            logging.getLogger().debug("hidden")
            print("as it is")
            if event == "fail":
                raise ValueError("no")
        """,
        LoggingConfig={"LogFormat": "JSON"},
    )
    _, response = aws.invoke(function)
    request_id = response["ResponseMetadata"]["RequestId"]
    init, start, note, printed, report = aws.messages(function)
    assert json.loads(init)["type"] == "platform.initStart"
    assert json.loads(start)["record"] == {"requestId": request_id, "version": "$LATEST"}
    assert {key: json.loads(note)[key] for key in ("level", "message", "requestId")} == {
        "level": "INFO", "message": "note", "requestId": request_id,
    }  # fmt: skip
    assert printed == "as it is\n"
    record = json.loads(report)["record"]
    assert (record["requestId"], record["status"]) == (request_id, "success")
    assert set(record["metrics"]) == {
        "durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs",
    }  # fmt: skip
    aws.invoke(function, "fail")
    assert json.loads(aws.messages(function)[-2])["errorMessage"] == "no"
    configuration = aws.lam.get_function(FunctionName=function)["Configuration"]["LoggingConfig"]
    assert (configuration["LogFormat"], configuration["LogGroup"]) == ("JSON", f"/aws/lambda/{function}")
