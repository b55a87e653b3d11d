"""Find, start and stop the embedded AWS of a folder. Imports nothing heavy: notebooks wait for this.

One server a folder, however many ask at once; a server that was killed, or whose file is stale, is replaced.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from labkit.embedded_aws.errors import EmbeddedAwsError
from labkit.embedded_aws.runtime.reaper import remove_folder
from labkit.embedded_aws.settings import Settings, with_changes
from labkit.embedded_aws.state import (
    Keys,
    Server,
    make_private,
    open_private,
    proof,
    read_state,
    remove_state,
    state_file,
)

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_KILL_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
_MODULE = "labkit.embedded_aws"


def find(folder: Path) -> Server | None:
    """Return the folder's running server, or None when nothing of this user's answers as that server."""
    server = read_state(_resolved(folder))
    return server if server is not None and _is_server(server) and _answers(server) else None


def start(
    folder: Path,
    *,
    idle_seconds: float = 3600,
    parent: int | None = None,
    settings: Settings | None = None,
    keys: Keys | None = None,
) -> Server:
    """Return the folder's server, started if there is none.

    It ends after `idle_seconds` without a request, and when the process `parent` is gone. Its keys are made anew;
    `keys` are for whoever wants well-known ones, such as test and test: every user of the machine can see them. Its
    log is `server.log` in the folder. Raises EmbeddedAwsError when it cannot be started.
    """
    folder = _resolved(folder)
    try:
        make_private(folder)
        with FileLock(folder / "start.lock", timeout=_START_SECONDS, mode=0o600):
            server = find(folder)
            if server is None:
                _clear_remains(folder)
                _launch(folder, idle_seconds, parent, settings or Settings(), keys)
                server = find(folder)
                if server is None:
                    _clear_remains(folder)  # what does not answer as it should is not left running
    except Timeout as error:
        raise EmbeddedAwsError(
            f"Another process has been starting the embedded AWS in {folder} for too long."
        ) from error
    except OSError as error:
        raise EmbeddedAwsError(f"The embedded AWS cannot use the folder {folder}: {error.strerror}.") from error
    if server is None:
        raise EmbeddedAwsError(f"The embedded AWS ended right after its start; {folder / 'server.log'} says why.")
    return server


def stop(folder: Path) -> bool:
    """End the folder's server and wait until it is gone; return whether there was one.

    Ended is only a process that is recognised as an embedded AWS of this user, by where it listens.
    """
    server = read_state(_resolved(folder))
    if server is None or not _is_server(server):
        return False
    _end(server)
    return True


def _resolved(folder: Path) -> Path:
    return Path(folder).expanduser().resolve()


def change_settings(server: Server, **changes: Any) -> Settings:
    """Change settings of a running server, such as `duplicate_events=1`, and return them all as they are now.

    Raises EmbeddedAwsError when the server does not answer, TypeError for a setting that there is not.
    """
    with_changes(Settings(), changes)
    answer = _ask(server, "PUT", "/_embedded_aws/settings", json.dumps(changes))
    if answer is None:
        raise EmbeddedAwsError(f"The embedded AWS at {server.url} does not answer.")
    return with_changes(Settings(), answer)


def _answers(server: Server) -> bool:
    """Let it prove which run it is, without a word of what the proof is made from."""
    question = secrets.token_hex(16)
    identity = _ask(server, "GET", f"/_embedded_aws/identity?{question}")
    return identity is not None and identity.get("proof") == proof(server.started, "identity", question)


def _ask(server: Server, method: str, path: str, body: str | None = None) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=_ANSWER_SECONDS)
    try:
        headers = {"X-Embedded-Aws-Proof": proof(server.started, "settings", body)} if body else {}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        return answer if response.status == 200 and isinstance(answer, dict) else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _launch(folder: Path, idle_seconds: float, parent: int | None, settings: Settings, keys: Keys | None) -> None:
    command = [sys.executable, "-P", "-m", _MODULE, "--detach", "--folder", str(folder)]
    command += ["--idle", str(idle_seconds), "--settings", json.dumps(asdict(settings))]
    command += ["--parent", str(parent)] if parent is not None else []
    command += ["--access-key", keys.access_key, "--secret-key", keys.secret_key] if keys is not None else []
    with open(open_private(folder / "server.log"), "ab") as log:
        log_begins = log.tell()
        try:
            launched = subprocess.run(  # noqa: S603 - our own interpreter, our own module
                command,
                env=_clean_environment(),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a kernel's interrupt or restart does not reach it
                timeout=_START_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EmbeddedAwsError(
                f"The embedded AWS was not ready after {_START_SECONDS:.0f} s; "
                f"{folder / 'server.log'} says how far it came."
            ) from error
    if launched.returncode != 0:
        raise EmbeddedAwsError(f"The embedded AWS could not start: {_last_line(folder / 'server.log', log_begins)}")


def _clean_environment() -> dict[str, str]:
    """Nothing of the student's: no AWS variable, no profile, no Python setting."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # glibc: one heap for a few threads, and photos given back when they are gone
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "131072",
    }


def _last_line(log: Path, begins: int) -> str:
    lines = log.read_bytes()[begins:].decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{log} is empty."


def _clear_remains(folder: Path) -> None:
    """Remove what a server left that was killed together with its reaper, and end one that hangs."""
    server = read_state(folder)
    if server is not None:
        if _is_server(server):
            _end(server)
        remove_state(server)
    state_file(folder).unlink(missing_ok=True)
    for left in folder.glob("run-*"):
        _end_who_works_in(left)
        remove_folder(left)


def _end_who_works_in(folder: Path) -> None:
    """End what functions started: without server and reaper nobody else knows of it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()


def _is_server(server: Server) -> bool:
    """Return whether the process is an embedded AWS of this user that listens where the state says."""
    try:
        process = psutil.Process(server.pid)
        return (
            process.uids().effective == os.geteuid()
            and _MODULE in process.cmdline()
            and any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == server.port
                for connection in process.net_connections(kind="tcp4")
            )
        )
    except psutil.Error:
        return False


def _end(server: Server) -> None:
    for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _alive(server.pid):
                return
            time.sleep(0.01)
    raise EmbeddedAwsError(f"The embedded AWS with process id {server.pid} does not end.")


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
