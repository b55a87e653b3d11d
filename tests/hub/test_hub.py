"""A class on one server: real JupyterHub, its own proxy, eight Unix users who walk the whole story at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from labkit.waiting import wait_until

from .walk import Student

PROJECT = Path(__file__).parents[2]
CONFIG = PROJECT / "deploy" / "hub" / "jupyterhub_config.py"
NAMES = [f"lab-student-{number}" for number in range(1, 9)]
MB = 2**20
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def proxy() -> str | None:
    """JupyterHub's own proxy, from the path or from npm; None if there is neither."""
    if found := shutil.which("configurable-http-proxy"):
        return found
    if not shutil.which("npm"):
        return None
    folder = Path.home() / ".cache" / "labkit" / "tests-proxy"
    got = folder / "node_modules" / ".bin" / "configurable-http-proxy"
    if not got.exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", str(folder), "configurable-http-proxy"], check=False)
    return str(got) if got.exists() else None


@pytest.fixture(scope="module")
def users():
    """Eight Unix users of this test's own, who are gone afterwards with all that they had."""
    if os.geteuid() != 0 or not shutil.which("useradd"):
        pytest.skip("only root on Linux may make Unix users")
    made = []
    try:
        for name in NAMES:
            done = subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], capture_output=True)
            if done.returncode:
                pytest.skip(f"no Unix users can be made here: {done.stderr.decode().strip()}")
            made.append(pwd.getpwnam(name))
        yield made
    finally:
        for user in made:
            # What a process had begun before it was killed is killed in the next round.
            wait_until(lambda user=user: not killed(user), what=f"the end of {user.pw_name}'s processes", seconds=30)
            subprocess.run(["userdel", "--remove", user.pw_name], capture_output=True, check=True)


def killed(user) -> list[psutil.Process]:
    """The processes of a user, which were just told to end."""
    for process in of(user):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return of(user)


def of(user) -> list[psutil.Process]:
    """The processes of a user."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.uids().real == user.pw_uid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
    return found


@pytest.fixture(scope="module")
def environment():
    """What a server has: a virtual environment that all its users may read, with the locked packages and the wheel."""
    python = next((one for one in (sys.executable, "/usr/bin/python3") if usable_by_all(one)), None)
    if python is None:
        pytest.skip("there is no Python with a venv module that other users may run")
    folder = Path(tempfile.mkdtemp(prefix="hub-"))  # not below pytest's own, which nobody else may enter
    folder.chmod(0o755)
    try:
        subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
        inside = folder / "venv" / "bin" / "python"
        uv = shutil.which("uv")
        install = (
            [uv, "pip", "install", "--quiet", "--python", inside] if uv else [inside, "-m", "pip", "install", "-q"]
        )
        for what in (("--require-hashes", "-r", "locks/hub.txt"), ("--no-deps", "--no-build-isolation", ".")):
            subprocess.run([*install, *what], cwd=PROJECT, check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def usable_by_all(python: str) -> bool:
    """Whether a user who is nobody can run it, and it is new enough and can make environments."""
    tried = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    try:
        nobody = pwd.getpwnam("nobody")
        done = subprocess.run(
            [os.path.realpath(python), "-c", tried], user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/"
        )
    except (PermissionError, FileNotFoundError, KeyError):
        return False
    return done.returncode == 0


def memory(process: psutil.Process) -> int:
    """Bytes of a process, what it shares with others counted in parts."""
    try:
        return process.memory_full_info().pss
    except psutil.NoSuchProcess:  # ended meanwhile
        return 0


@pytest.fixture(scope="module")
def hub(users, environment):
    """A running hub with the project's configuration; passwords are replaced by a token, the port by a free one."""
    program = proxy()
    if program is None:
        pytest.skip("configurable-http-proxy is not here, and npm can't fetch it")
    token = secrets.token_hex(16)
    folder = environment
    ports = []
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    (folder / "config.py").write_text(
        f"load_subconfig({str(CONFIG)!r})\n"
        "c = get_config()\n"
        "c.JupyterHub.authenticator_class = 'dummy'\n"
        "c.JupyterHub.spawner_class = 'localprocess'\n"
        f"c.Authenticator.allowed_users = set({NAMES!r})\n"
        f"c.JupyterHub.bind_url = 'http://127.0.0.1:{ports[0]}'\n"
        f"c.JupyterHub.hub_bind_url = 'http://127.0.0.1:{ports[1]}'\n"
        f"c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{ports[2]}'\n"
        f"c.ConfigurableHTTPProxy.command = [{program!r}]\n"
        f"c.JupyterHub.services.append({{'name': 'test', 'api_token': {token!r}}})\n"
        "c.JupyterHub.load_roles.append({'name': 'test', 'services': ['test'], 'scopes': ['admin:servers', "
        "'access:servers', 'list:users', 'tokens']})\n",
        "utf-8",
    )
    url = f"http://127.0.0.1:{ports[0]}"
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [folder / "venv" / "bin" / "python", "-m", "jupyterhub", "-f", str(folder / "config.py")],
            cwd=folder,
            stdout=log,
            stderr=log,
        )

    def answers() -> bool:
        assert running.poll() is None, (folder / "log").read_text("utf-8")
        try:
            with urllib.request.urlopen(f"{url}/hub/api/", timeout=5) as answer:
                return "version" in json.load(answer)
        except OSError:
            return False

    try:
        wait_until(answers, what="the hub", seconds=90)
        yield url, token
    finally:
        running.terminate()
        running.wait(240)  # it ends all servers first


@pytest.fixture(scope="module")
def walked(hub, users):
    """All eight, from 00 to 07, at the same time; and what they took meanwhile."""
    url, token = hub
    students = [Student(url, token, user.pw_name) for user in users]
    used = []

    async def walk(student: Student) -> None:
        await student.start()
        for path in await student.notebooks():
            await student.run(path)

    async def watch() -> None:
        while True:
            used.append(sum(memory(one) for user in users for one in of(user)) / MB)
            await asyncio.sleep(5)

    async def everybody() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(walk(student) for student in students))
        watching.cancel()

    asyncio.run(everybody())
    return students, used


def test_eight_students_walk_the_whole_story_at_once(walked, users):
    students, used = walked
    assert [student.walked.failed for student in students] == [[]] * len(students)
    seconds = sorted(second for student in students for second in student.walked.seconds)
    assert len(seconds) == len(students) * len(students[0].walked.seconds) > 8 * 80
    p95 = seconds[int(len(seconds) * 0.95)]
    cpu = sum(sum(one.cpu_times()[:2]) for user in users for one in of(user))
    print(
        f"\n{len(students)} students: at most {max(used):.0f} MB together, {max(used) / len(students):.0f} each; "
        f"a cell took {statistics.median(seconds):.2f} s in the median, {p95:.1f} s at p95; "
        f"{cpu:.0f} CPU s in what still runs"
    )
    assert max(used) / len(students) < 600
    assert p95 < 60


def test_each_has_a_workspace_of_their_own_that_nobody_else_may_enter(walked, users):
    first, second = users[:2]
    assert (Path(first.pw_dir) / "image-lab" / ".labkit" / "journals").is_dir()
    tried = subprocess.run(
        ["ls", f"{first.pw_dir}/image-lab"], user=second.pw_uid, group=second.pw_gid, extra_groups=[],
        capture_output=True, text=True,
    )  # fmt: skip
    assert tried.returncode != 0
    assert "Permission denied" in tried.stderr


def test_nobody_is_let_into_another_student_s_server(hub, walked):
    url, token = hub

    def ask(address, with_token, method="GET"):
        headers = {"Authorization": f"token {with_token}"}
        asked = urllib.request.Request(f"{url}{address}", None, headers, method=method)
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    own = ask(f"/hub/api/users/{NAMES[1]}/tokens", token, "POST")["token"]
    assert "content" in ask(f"/user/{NAMES[1]}/api/contents/", own)
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(f"/user/{NAMES[0]}/api/contents/", own)
    caught.value.close()
    assert caught.value.code == 403


def test_what_is_stopped_takes_its_embedded_aws_along(walked, users):
    students, _ = walked
    student, user = students[0], users[0]
    assert of(user)
    asyncio.run(student.stop())
    wait_until(lambda: not of(user), what="the end of all that the student had", seconds=60)
