"""One execution environment: a process that runs the deployed code, driven through its Runtime API.

The thread that has an event for the environment drives it: it answers the process's requests, collects what it
prints, watches the clock and the memory. An idle environment needs no thread; it waits in its `next` request.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from labkit.embedded_aws.runtime.logs import LogStream, Output, Report, timestamp
from labkit.embedded_aws.runtime.memory import PeakMemory
from labkit.embedded_aws.runtime.runtime_api import API, Call, Connection, RuntimeApi

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_MAX_ANSWER_BYTES = MAX_PAYLOAD_BYTES + 100  # which AWS says when it refuses an answer
_WATCH_SECONDS = 0.05  # how often memory is looked at while a function runs; its peak is asked for at the end, too
_MOST_READS = 16  # more than a pipe holds
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True)
class Spec:
    """What an environment is made from; a function whose spec changes needs new environments."""

    name: str
    arn: str
    version: str
    handler: str
    runtime: str
    architecture: str
    memory_mb: int
    timeout_seconds: int
    variables: tuple[tuple[str, str], ...]
    role: str
    code_sha256: str
    layers: tuple[str, ...]
    log_group: str
    log_format: str = "Text"
    log_level: str | None = None
    initialization: str = "on-demand"  # or provisioned-concurrency


@dataclass(frozen=True)
class SandboxPaths:
    """Where an environment lives: the unpacked code and layers, the runtime's packages, a folder of its own."""

    task: Path
    layers: Path | None
    runtime: Path
    own: Path

    def real(self, path: str) -> str:
        """Return where a path of a function lies on this machine."""
        for root, folder in (("/var/task", self.task), ("/opt", self.layers)):
            if folder is not None and path.startswith(f"{root}/"):
                return str(folder) + path[len(root) :]
        return path


@dataclass(frozen=True)
class Invocation:
    """One event on its way to a function."""

    request_id: str
    event: bytes
    trace_id: str
    arn: str  # of the function, version or alias, as it was named
    client_context: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended. `error` is None when the handler returned; otherwise AWS's error type."""

    payload: bytes
    error: str | None = None

    @classmethod
    def failure(cls, error: str, message: str) -> Outcome:
        """Return the outcome of a failure that the service itself tells of."""
        return cls(json.dumps({"errorType": error, "errorMessage": message}).encode(), error)

    def of(self, request_id: str) -> Outcome:
        """Return the same failure, told as that of an invocation."""
        message = json.loads(self.payload)["errorMessage"]
        return Outcome.failure(str(self.error), f"RequestId: {request_id} Error: {message}")


class InitFailed(Exception):
    """The environment died before it could take an event; the Outcome says why."""

    def __init__(self, outcome: Outcome, peak_mb: int = 0, *, ended: bool = False) -> None:
        """Keep the outcome that the invocation which asked for the environment gets, and the memory used.

        `ended` says that the process has come to its end without a word of the runtime.
        """
        super().__init__(outcome.error)
        self.outcome = outcome
        self.ended = ended
        known = (outcome.error or "").startswith(("Runtime.", "Function.", "Sandbox."))
        self.error = outcome.error if known and outcome.error else "Runtime.Unknown"  # what the log says
        self.peak_mb = peak_mb


class NotDelivered(Exception):
    """The environment was gone before it took the event: nothing ran, another one may have it."""


class Environment:
    """A process with the function's code loaded. Not thread-safe: one thread drives it at a time."""

    def __init__(
        self,
        spec: Spec,
        paths: SandboxPaths,
        variables: dict[str, str],
        log: LogStream,
        init_seconds: float,
        started: Callable[[int], None],
    ) -> None:
        """Start the process and load the code; raises InitFailed. Init is measured until the first `next`.

        `started` is told the process id as soon as there is one.
        """
        self.spec = spec
        self.log = log
        self.idle_since = time.monotonic()
        self.init_ms = 0.0
        self._init_unreported = True
        self._paths = paths
        self._peak_mb = 0
        self._selector = selectors.DefaultSelector()
        self._api = RuntimeApi(self._selector)
        self._start(variables)
        started(self.pid)
        try:
            self._init(init_seconds)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def _start(self, variables: dict[str, str]) -> None:
        tmp = self._paths.own / "tmp"
        tmp.mkdir(parents=True)
        self._output_fd, output_end = os.pipe()
        os.set_blocking(self._output_fd, False)
        self._output = Output()
        environ = variables | {
            "AWS_LAMBDA_RUNTIME_API": self._api.host,
            "LAMBDA_TASK_ROOT": str(self._paths.task),
            "LAMBDA_RUNTIME_DIR": str(self._paths.runtime),
            "_LAMBDA_TELEMETRY_LOG_FD": str(output_end),
        }
        command = [sys.executable, "-S", str(_BOOTSTRAP)]
        command += [str(self._paths.task), str(self._paths.runtime), str(tmp), self.spec.handler]
        command += [str(self._paths.layers or "")]
        if wrapper := variables.get("AWS_LAMBDA_EXEC_WRAPPER"):
            command = ["/bin/sh", "-c", 'exec "$0" "$@"', self._paths.real(wrapper), *command]
        self._started = time.perf_counter()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own script
                command,
                env=environ,
                cwd=self._paths.task,
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                pass_fds=(output_end,),
                start_new_session=True,  # its children go down with it
            )
        finally:
            os.close(output_end)
        self._memory = PeakMemory(self.pid)
        self._api.process = psutil.Process(self.pid)
        self._selector.register(self._output_fd, selectors.EVENT_READ)

    def _init(self, seconds: float) -> None:
        deadline = self._started + seconds
        while self._api.waiting is None:
            for call in self._calls(deadline):
                if call.path == API + b"init/error":
                    self._api.accepted(call)
                    self._outgrown()
                    self._read_output(to_the_end=True)
                    raise InitFailed(Outcome(call.body, _error_type(call.body)), self._peak_mb)
                self._api.note_next(call)
            if self._api.waiting is None:
                self._check_init(deadline, seconds)
        self.init_ms = (time.perf_counter() - self._started) * 1000

    def _check_init(self, deadline: float, seconds: float) -> None:
        if not self.alive:
            outcome = self._exit_outcome(None)
        elif self._outgrown():
            self.kill()
            outcome = self._exit_outcome(None, "Runtime.OutOfMemory")
        elif time.perf_counter() >= deadline:
            self.kill()
            outcome = Outcome.failure("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
        else:
            return
        self._read_output(to_the_end=True)
        raise InitFailed(outcome, self._peak_mb, ended=True)

    def invoke(self, invocation: Invocation) -> Outcome:
        """Run one event through the function and log it as Lambda does.

        Returns what the function answered or how it failed. Raises NotDelivered when the process was gone before
        it took the event and no code ran.
        """
        connection = self._ready()
        self._read_output()  # what a background thread printed since belongs to the stream all the same
        self._deliver(invocation, connection)
        started = time.perf_counter()
        self.log.start(invocation.request_id, self.spec.version)
        outcome = self._run(invocation, connection, started + self.spec.timeout_seconds)
        duration_ms = (time.perf_counter() - started) * 1000
        if outcome.error == "Sandbox.Timedout":
            duration_ms = float(self.spec.timeout_seconds * 1000)
        init_ms, self._init_unreported = (self.init_ms if self._init_unreported else None), False
        report = Report(invocation.request_id, duration_ms, init_ms, self.spec.memory_mb, self._peak_mb, outcome.error)
        self.log.report(report)
        self.idle_since = time.monotonic()
        return outcome

    def _ready(self) -> Connection:
        """Return the connection on which the process waits for its next event."""
        deliver_by = time.perf_counter() + 5
        while True:  # the runtime asks again right after it has answered, or may have hung up since it asked
            for call in self._calls(deliver_by if self._api.waiting is None else 0.0):
                self._api.note_next(call)
            if self._api.waiting is not None:
                connection, self._api.waiting = self._api.waiting, None
                return connection
            if not self.alive or time.perf_counter() > deliver_by:
                raise NotDelivered

    def _deliver(self, invocation: Invocation, connection: Connection) -> None:
        deadline_ms = int(time.time() * 1000 + self.spec.timeout_seconds * 1000)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        if invocation.client_context:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        try:
            self._api.reply(connection, b"200 OK", invocation.event, headers)
        except OSError as error:
            raise NotDelivered from error

    def _run(self, invocation: Invocation, connection: Connection, deadline: float) -> Outcome:
        mine = API + b"invocation/" + invocation.request_id.encode()
        while True:
            alive = self.alive  # asked first, so that what a process said before it died is heard
            for call in self._calls(deadline if alive else 0.0):
                if call.path == mine + b"/response":
                    return self._answered(call, invocation)
                if call.path == mine + b"/error":
                    self._api.accepted(call)
                    return self._finished(Outcome(call.body, _error_type(call.body)), invocation)
                self._api.note_next(call)
            self.log.flush_what_is_old()
            if not alive:
                if connection.refused:
                    self.log.take_back_start()
                    raise NotDelivered
                return self._died(invocation, "Runtime.ExitError")
            if self._outgrown():
                return self._died(invocation, "Runtime.OutOfMemory")
            if time.perf_counter() >= deadline:
                return self._timed_out(invocation)

    def _answered(self, call: Call, invocation: Invocation) -> Outcome:
        if len(call.body) > _MAX_ANSWER_BYTES:
            message = f"Response payload size exceeded maximum allowed payload size ({_MAX_ANSWER_BYTES} bytes)."
            outcome = Outcome.failure("Function.ResponseSizeTooLarge", message)
            self._api.reply(call.connection, b"413 Request Entity Too Large", outcome.payload)
            return self._finished(outcome, invocation)
        self._api.accepted(call)
        return self._finished(Outcome(call.body), invocation)

    def _finished(self, outcome: Outcome, invocation: Invocation) -> Outcome:
        """Take in what was printed last. A peak above the limit is out of memory, whenever it was."""
        if self._outgrown():
            return self._died(invocation, "Runtime.OutOfMemory")
        self._read_output(to_the_end=True)
        return outcome

    def _died(self, invocation: Invocation, error: str) -> Outcome:
        self.kill()
        self._read_output(to_the_end=True)
        outcome = self._exit_outcome(invocation.request_id, error)
        self.log.line(f"{json.loads(outcome.payload)['errorMessage']}\n{error}\n")
        return outcome

    def _timed_out(self, invocation: Invocation) -> Outcome:
        self._outgrown()
        self.kill()
        self._read_output(to_the_end=True)
        text = f"Task timed out after {self.spec.timeout_seconds:.2f} seconds"
        self.log.line(f"{timestamp(time.time())} {invocation.request_id} {text}\n\n")
        return Outcome.failure("Sandbox.Timedout", f"RequestId: {invocation.request_id} Error: {text}")

    def _exit_outcome(self, request_id: str | None, error: str = "Runtime.ExitError") -> Outcome:
        """Tell how the process ended, in AWS's words."""
        status = self._process.wait()
        if status < 0:
            how = f"Runtime exited with error: signal: {_SIGNALS.get(-status) or signal.strsignal(-status)}"
        elif status == 0:
            how = "Runtime exited without providing a reason"
        else:
            how = f"Runtime exited with error: exit status {status}"
        prefix = f"RequestId: {request_id} Error: " if request_id else ""
        return Outcome.failure(error, prefix + how)

    def _calls(self, deadline: float) -> list[Call]:
        """Wait a moment for requests and output; return the whole requests that are there."""
        calls = []
        timeout = min(_WATCH_SECONDS, max(0.0, deadline - time.perf_counter()))
        for key, _ in self._selector.select(timeout):
            if key.fileobj == self._output_fd:
                self._read_output()
            else:
                calls += self._api.receive(key)
        return calls

    # --- output, memory, end -----------------------------------------------------------------------------

    def _read_output(self, to_the_end: bool = False) -> None:
        """Log what was printed; at the end of an invocation also a line without its newline."""
        for _ in range(_MOST_READS):  # who prints all the time is looked after all the same
            try:
                data = os.read(self._output_fd, 64 * 1024)
            except BlockingIOError:
                break
            if not data:  # nobody has the other end any more
                with contextlib.suppress(KeyError):
                    self._selector.unregister(self._output_fd)
                break
            for message in self._output.feed(data):
                self.log.line(message)
        if to_the_end:
            for message in self._output.rest():
                self.log.line(message)

    def _outgrown(self) -> bool:
        self._peak_mb = max(self._peak_mb, self._memory())
        return self._peak_mb > self.spec.memory_mb

    def kill(self) -> None:
        """End the process and everything it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the environment and remove what it had: process, sockets, /tmp."""
        self.kill()
        self.log.flush()
        self._api.close()
        self._selector.close()
        os.close(self._output_fd)
        self._memory.close()
        shutil.rmtree(self._paths.own, ignore_errors=True)


_SIGNALS: dict[int, str] = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGABRT: "aborted"}


def _error_type(body: bytes) -> str:
    try:
        return str(json.loads(body).get("errorType") or "Unhandled")
    except (ValueError, AttributeError):
        return "Unhandled"
