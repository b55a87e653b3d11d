"""From start to end: one server a folder, and nothing left behind, whatever was killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest
from account import Account, until
from children import children

from labkit import embedded_aws

RUNNING = """
    import os, subprocess, time
    def handler(event, context):
        child = subprocess.Popen(["sleep", "1000"])
        print("PIDS", os.getpid(), child.pid)
        time.sleep(event)
        return [os.getpid(), child.pid]
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my lab" / ".labkit" / "local"
    yield folder
    embedded_aws.stop(folder)


@pytest.fixture
def sleeper():
    """A process that has nothing to do with any of this."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def processes(server):
    """The ids of the server and all that belongs to it."""
    return [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]


def reapers(server):
    """The ids of the server's reapers."""
    return [child.pid for child in children(server.pid, "reaper.py")]


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def port_is_free(server):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) != 0


def test_there_is_none_before_it_is_started(folder):
    assert embedded_aws.find(folder) is None
    assert embedded_aws.stop(folder) is False


def test_it_is_ready_in_under_two_seconds(folder):
    """Seconds of work, not of the clock: this machine may be doing other things."""
    server = embedded_aws.start(folder)
    Account(server).s3.list_buckets()
    spent = psutil.Process(server.pid).cpu_times()
    assert spent.user + spent.system < 2


def test_a_second_start_finds_the_first(folder):
    server = embedded_aws.start(folder)
    assert embedded_aws.start(folder) == server == embedded_aws.find(folder)
    assert (server.region, server.account, server.folder) == ("us-east-1", "123456789012", folder.resolve())


def test_started_twice_in_the_same_instant_makes_one(folder):
    script = (
        "import sys; from pathlib import Path; from labkit import embedded_aws; "
        "sys.stdin.readline(); print(embedded_aws.start(Path(sys.argv[1])).started)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    names = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    assert names == {embedded_aws.find(folder).started}


def test_it_leaves_nothing_but_its_log(folder):
    server = embedded_aws.start(folder)
    account = Account(server)
    account.invoke(account.function(RUNNING), 0)
    pids = processes(server)
    assert len(pids) >= 4, "server, reaper, environment and its child"
    assert embedded_aws.stop(folder) is True
    assert all(gone(pid) for pid in pids)
    assert left_in(folder) == ["server.log", "start.lock"]
    assert port_is_free(server)
    assert embedded_aws.find(folder) is None


@pytest.mark.parametrize("busy", [False, True])
def test_killing_the_server_takes_everything_with_it(folder, busy):
    server = embedded_aws.start(folder)
    account = Account(server)
    function = account.function(RUNNING, Timeout=60)
    if busy:
        waiting = threading.Thread(target=invoke_quietly, args=(account, function))
        waiting.start()
        until(lambda: "PIDS" in "".join(account.messages(function)))
    else:
        account.invoke(function, 0)
    pids = processes(server)
    assert len(pids) >= 4
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids))
    until(lambda: not list(folder.glob("run-*")))
    assert port_is_free(server)
    assert embedded_aws.find(folder) is None
    if busy:
        waiting.join(30)
    again = embedded_aws.start(folder)
    assert again.started != server.started, "the lab can tell that all was forgotten"
    assert Account(again).s3.list_buckets()["Buckets"] == []


def invoke_quietly(account, function):
    """Invoke; the server is killed meanwhile."""
    with contextlib.suppress(Exception):
        account.invoke(function, 60)


def test_a_killed_reaper_is_replaced_and_the_end_is_clean(folder):
    server = embedded_aws.start(folder)
    account = Account(server)
    first = account.function(RUNNING)
    account.invoke(first, 0)
    (reaper,) = reapers(server)
    os.kill(reaper, signal.SIGKILL)
    account.invoke(account.function(RUNNING), 0)
    until(lambda: reapers(server) not in ([], [reaper]))
    pids = processes(server)
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids))
    until(lambda: not list(folder.glob("run-*")))


def test_a_server_killed_together_with_its_reaper_is_cleared_up_by_the_next_start(folder):
    server = embedded_aws.start(folder)
    account = Account(server)
    account.invoke(account.function(RUNNING), 0)
    (reaper,) = reapers(server)
    environments = [pid for pid in processes(server) if pid not in (server.pid, reaper)]
    for pid in (reaper, server.pid):
        os.kill(pid, signal.SIGKILL)
    again = embedded_aws.start(folder)
    assert len(list(folder.glob("run-*"))) == 1
    assert again.started != server.started
    until(lambda: all(gone(pid) for pid in environments))


def test_it_ends_when_idle(folder):
    server = embedded_aws.start(folder, idle_seconds=2)  # it must still be there when the start looks for it
    until(lambda: gone(server.pid))
    assert left_in(folder) == ["server.log", "start.lock"]


def test_it_does_not_end_while_a_function_runs(folder):
    server = embedded_aws.start(folder, idle_seconds=3)
    account = Account(server)
    function = account.function(
        "import time\ndef handler(event, context): time.sleep(event); return 'done'", Timeout=10
    )
    assert account.invoke(function, 5)[0] == "done"


def test_it_ends_when_its_parent_is_gone(folder, sleeper):
    server = embedded_aws.start(folder, parent=sleeper.pid)
    assert embedded_aws.find(folder) == server
    sleeper.kill()
    sleeper.wait()
    until(lambda: gone(server.pid))
    assert left_in(folder) == ["server.log", "start.lock"]


def test_a_parent_that_is_gone_already_is_said_in_one_sentence(folder, sleeper):
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(embedded_aws.EmbeddedAwsError) as refused:
        embedded_aws.start(folder, parent=sleeper.pid)
    assert str(refused.value) == (
        f"The embedded AWS could not start: The process {sleeper.pid}, which the embedded AWS was to end with, is gone."
    )


def test_it_outlives_the_process_that_started_it(folder):
    script = (
        "import sys; from pathlib import Path; from labkit import embedded_aws; "
        "print(embedded_aws.start(Path(sys.argv[1])).pid)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    server = embedded_aws.find(folder)
    assert server.pid == int(done.stdout)
    assert psutil.Process(server.pid).ppid() != os.getpid()
    assert os.getsid(server.pid) != os.getsid(0), "an interrupt in the notebook does not reach it"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 1}', json.dumps({"pid": 1})])
def test_a_spoilt_state_file_ends_in_a_working_server(folder, text):
    folder.mkdir(parents=True)
    (folder / "server.json").write_text(text)
    assert embedded_aws.find(folder) is None
    Account(embedded_aws.start(folder)).s3.list_buckets()


def test_a_stale_process_id_that_is_somebody_elses_is_left_alone(folder, sleeper):
    server = embedded_aws.start(folder)
    state = json.loads((folder / "server.json").read_text())
    embedded_aws.stop(folder)
    (folder / "server.json").write_text(json.dumps(state | {"pid": sleeper.pid}))
    assert embedded_aws.find(folder) is None
    assert embedded_aws.start(folder).started != server.started
    assert sleeper.poll() is None


def doctored(folder, **fields):
    """A state file that somebody wrote: what a real one says, with some fields changed."""
    server = embedded_aws.start(folder)
    state = json.loads((folder / "server.json").read_text())
    embedded_aws.stop(folder)
    (folder / "server.json").write_text(json.dumps(state | fields))
    return server


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:80", "http://localhost:80", "http://attacker.example", "http://127.0.0.1:80@attacker.example",
        "https://127.0.0.1:80", "http://127.0.0.1", "http://127.0.0.1:80/path", "file:///etc/passwd", 5, None,
    ],
)  # fmt: skip
def test_a_state_file_that_leads_elsewhere_is_not_believed(folder, url, monkeypatch):
    asked = []
    monkeypatch.setattr("labkit.embedded_aws.launcher._ask", lambda *arguments: asked.append(arguments))
    folder.mkdir(parents=True)
    fields = {"url": url, "pid": os.getpid(), "started": "x", "access_key": "a", "secret_key": "b"}
    (folder / "server.json").write_text(json.dumps(fields))
    assert embedded_aws.find(folder) is None
    assert embedded_aws.stop(folder) is False
    assert asked == []


def test_stop_ends_no_process_but_an_embedded_aws(folder, sleeper):
    doctored(folder, pid=sleeper.pid)
    assert embedded_aws.stop(folder) is False
    assert sleeper.poll() is None


def test_stop_ends_no_server_that_listens_elsewhere(folder):
    other = embedded_aws.start(folder.with_name("other"))
    try:
        doctored(folder, pid=other.pid)
        assert embedded_aws.stop(folder) is False
        assert embedded_aws.find(other.folder) == other
    finally:
        embedded_aws.stop(other.folder)


def test_a_state_file_that_is_a_link_is_not_followed(folder, tmp_path):
    doctored(folder)
    (folder / "server.json").rename(tmp_path / "elsewhere.json")
    (folder / "server.json").symlink_to(tmp_path / "elsewhere.json")
    assert embedded_aws.find(folder) is None


def test_a_port_that_another_program_has_by_now_is_not_taken_for_the_server(folder):
    server = embedded_aws.start(folder)
    state = (folder / "server.json").read_text()
    other = embedded_aws.start(folder.with_name("other"))
    try:
        embedded_aws.stop(folder)
        (folder / "server.json").write_text(state.replace(server.url, other.url))
        assert embedded_aws.find(folder) is None
    finally:
        embedded_aws.stop(other.folder)


def test_a_hanging_server_is_replaced(folder, monkeypatch):
    server = embedded_aws.start(folder)
    monkeypatch.setattr("labkit.embedded_aws.launcher._ANSWER_SECONDS", 2.0)  # which the new server must keep to
    monkeypatch.setattr("labkit.embedded_aws.launcher._STOP_SECONDS", 0.5)
    os.kill(server.pid, signal.SIGSTOP)
    again = embedded_aws.start(folder)
    assert again.pid != server.pid
    assert gone(server.pid)


def test_a_hanging_server_can_be_stopped(folder, monkeypatch):
    server = embedded_aws.start(folder)
    monkeypatch.setattr("labkit.embedded_aws.launcher._ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("labkit.embedded_aws.launcher._STOP_SECONDS", 0.5)
    os.kill(server.pid, signal.SIGSTOP)
    assert embedded_aws.stop(folder) is True
    assert gone(server.pid)


def test_a_server_that_does_not_answer_as_it_should_is_not_left_running(folder, monkeypatch):
    monkeypatch.setattr("labkit.embedded_aws.launcher.proof", lambda *_: "of another version")
    with pytest.raises(embedded_aws.EmbeddedAwsError) as refused:
        embedded_aws.start(folder)
    assert str(refused.value).startswith("The embedded AWS ended right after its start; ")
    assert left_in(folder) == ["server.log", "start.lock"]
    log = (folder / "server.log").read_text()
    assert gone(int(log.split("(pid ")[1].split(")")[0]))


def test_a_folder_that_cannot_be_used_is_said_in_one_sentence(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(embedded_aws.EmbeddedAwsError) as refused:
        embedded_aws.start(blocked / "aws")
    assert str(refused.value) == f"The embedded AWS cannot use the folder {blocked / 'aws'}: Not a directory."


def test_a_start_that_fails_says_why(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("labkit.embedded_aws.launcher._MODULE", "labkit.nothing")
    with pytest.raises(embedded_aws.EmbeddedAwsError) as refused:
        embedded_aws.start(folder)
    assert str(refused.value).startswith("The embedded AWS could not start: ")
    assert "No module named labkit.nothing" in str(refused.value)


def test_a_taken_port_is_said_in_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "labkit.embedded_aws", "--port", str(port), "--folder", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == f"Port {port} is taken: Address already in use."
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_students_environment_leaks_in(folder, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the student's own")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.example")
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    monkeypatch.setenv("SECRET", "x")
    server = embedded_aws.start(folder)
    environ = psutil.Process(server.pid).environ()
    assert {name for name in environ if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED",
    }  # fmt: skip
    assert "SECRET" not in environ
