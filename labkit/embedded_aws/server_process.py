"""The server process: one embedded AWS from its start to its end."""

from __future__ import annotations

import gc
import hmac
import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from labkit.embedded_aws import settings
from labkit.embedded_aws.errors import EmbeddedAwsError
from labkit.embedded_aws.http.server import Answer, HttpServer
from labkit.embedded_aws.state import ACCOUNT, Keys, Server, proof, remove_state, write_state

_log = logging.getLogger(__name__)


def serve(
    folder: Path,
    *,
    port: int = 0,
    keys: Keys | None = None,
    idle_seconds: float | None = None,
    parent: int | None = None,
    ready: Callable[[Server], None] = lambda _: None,
) -> None:
    """Serve until told to end, idle for `idle_seconds`, or until the process `parent` is gone.

    `keys` are the owner's; without them new ones are made. `ready` is called once, when requests are answered.
    Raises EmbeddedAwsError when the port is taken.
    """
    process = _ServerProcess(folder, port, keys)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: process.end())
    try:
        process.watch(idle_seconds, parent)
        write_state(process.server)
        ready(process.server)
        process.run()
    finally:
        process.clear_up()


class _ServerProcess:
    """The parts of one embedded AWS, put together."""

    def __init__(self, folder: Path, port: int, keys: Keys | None) -> None:
        os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT  # one account, whatever the access key
        from labkit.embedded_aws import credentials, services
        from labkit.embedded_aws.http.dispatcher import Dispatcher
        from labkit.embedded_aws.runtime import pool
        from labkit.embedded_aws.runtime.bundled_packages import link_runtime
        from labkit.embedded_aws.runtime.reaper import Reaper
        from labkit.embedded_aws.services import cloudwatch_clock, lambda_backend, object_bodies

        services.install()
        self._dispatcher = Dispatcher(self._control)
        try:
            self._http = HttpServer(self._dispatcher, port)
        except OSError as error:
            raise EmbeddedAwsError(f"Port {port} is taken: {os.strerror(error.errno or 0)}.") from error
        keys = keys or credentials.make_keys()
        credentials.use(keys)
        url = f"http://127.0.0.1:{self._http.port}"
        self.server = Server(url, os.getpid(), folder, uuid.uuid4().hex, keys.access_key, keys.secret_key)
        own = folder / f"run-{uuid.uuid4().hex}"
        own.mkdir(mode=0o700)
        runtime = own / "runtime"
        link_runtime(runtime)
        object_bodies.keep_in(own / "objects")
        self._reaper = Reaper(own)
        self._pool = pool.EnvironmentPool(own, runtime, self.server.url, self._reaper.watch, self._reaper.forget)
        pool.use(self._pool)
        self._code_of = lambda_backend.code_of
        gc.freeze()  # what is there now stays: the collector need not look at it again
        gc.enable()
        self._ended = threading.Event()
        cloudwatch_clock.start(self._ended)

    def run(self) -> None:
        """Answer requests until `end`."""
        _log.info("Serving %s (pid %s).", self.server.url, self.server.pid)
        self._http.serve()

    def end(self) -> None:
        """Stop serving, soon."""
        self._ended.set()
        self._http.close()

    def clear_up(self) -> None:
        """End every environment and leave nothing behind but the log."""
        remove_state(self.server)
        self._pool.close()
        self._reaper.close()
        _log.info("Ended.")

    def watch(self, idle_seconds: float | None, parent: int | None) -> None:
        """End when nothing was asked for `idle_seconds`, or when the process `parent` is gone."""
        try:
            guardian = psutil.Process(parent) if parent is not None else None
        except psutil.NoSuchProcess as error:
            raise EmbeddedAwsError(f"The process {parent}, which the embedded AWS was to end with, is gone.") from error

        def look() -> None:
            while not self._ended.wait(0.5):
                self._reaper.look()
                idle = time.monotonic() - self._dispatcher.last_request
                if guardian is not None and not _runs(guardian):
                    _log.info("The process %s is gone.", guardian.pid)
                    self.end()
                elif idle_seconds is not None and idle > idle_seconds and not self._pool.busy:
                    _log.info("Nothing was asked for %.0f seconds.", idle)
                    self.end()

        threading.Thread(target=look, name="watch", daemon=True).start()

    def _control(self, method: str, path: str, environ: dict[str, Any]) -> Answer:
        """What is asked of the server itself. Changes need a proof that whoever asks can read the state file."""
        if path == "/_embedded_aws/identity":
            return _json({"proof": proof(self.server.started, "identity", environ["QUERY_STRING"])})
        if path.startswith("/_embedded_aws/code/"):
            code = self._code_of(path.rsplit("/", 1)[1])
            found = Answer(200, [("Content-Type", "application/zip")], code or b"")
            return found if code is not None else _json({"message": "No function has this code."}, 404)
        body = environ["wsgi.input"].read().decode("latin-1")
        expected = proof(self.server.started, "settings", body)
        if not hmac.compare_digest(environ.get("HTTP_X_EMBEDDED_AWS_PROOF", "").encode(), expected.encode()):
            return _json({"message": "This is for who can read the server's state file."}, 403)
        if path == "/_embedded_aws/settings":
            if method == "PUT":
                wanted = json.loads(body)
                settings.change(settings.with_changes(settings.current(), wanted))
            return _json(asdict(settings.current()))
        return _json({"message": "There is no such thing here."}, 404)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _json(value: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(value).encode())


def log_to_stderr() -> None:
    """Write the server's log to standard error, which the launcher leads into a file."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
