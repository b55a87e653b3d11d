"""The execution environments of all functions: started when asked for, kept warm, retired.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from moto.awslambda.models import LambdaFunction
from moto.logs.models import logs_backends

from labkit.embedded_aws import credentials, roles, settings
from labkit.embedded_aws.runtime import lambda_metrics
from labkit.embedded_aws.runtime.deployment_package import TaskFolders
from labkit.embedded_aws.runtime.environment import (
    Environment,
    InitFailed,
    Invocation,
    NotDelivered,
    Outcome,
    SandboxPaths,
    Spec,
)
from labkit.embedded_aws.runtime.logs import JsonLogStream, LogStream, Report
from labkit.embedded_aws.runtime.provisioned import Provision
from labkit.zip_rules import BadZip

HOST_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
HOST_ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")


class Throttled(Exception):
    """The function runs as often as its reserved concurrency allows."""


@dataclass(frozen=True)
class Result:
    """An invocation's outcome and the last 4 KB of its log."""

    request_id: str
    outcome: Outcome
    log_tail: bytes


class EnvironmentPool:
    """Runs events through functions, in as many environments as are asked for at once."""

    def __init__(
        self,
        folder: Path,
        runtime: Path,
        endpoint: str,
        started: Callable[[int], None],
        ended: Callable[[int], None],
    ) -> None:
        """Keep everything below `folder`; functions reach AWS at `endpoint`.

        `started` and `ended` are told the process id of every environment.
        """
        self._folder = folder
        self._runtime = runtime
        self.endpoint = endpoint
        self._started = started
        self._ended = ended
        self._tasks = TaskFolders(folder / "tasks")
        self._lock = threading.Condition()
        self._idle: dict[str, list[Environment]] = defaultdict(list)
        self._busy: dict[str, int] = defaultdict(int)
        self._generation: dict[str, int] = defaultdict(int)
        self._provisions: dict[str, Provision] = {}  # by the ARN of the version
        self._closed = threading.Event()
        threading.Thread(target=self._retire_idle, name="retire-idle", daemon=True).start()

    def run(
        self,
        function: LambdaFunction,
        event: bytes,
        *,
        arn: str,
        request_id: str = "",
        client_context: str | None = None,
    ) -> Result:
        """Run one event, in a warm environment if there is one. Raises Throttled at the reserved concurrency.

        `arn` is what the caller has named: the function, a version or an alias.
        """
        invocation = Invocation(request_id or str(uuid.uuid4()), event, trace_id(), arn, client_context)
        with self._slot(function) as provisioned:
            if provisioned is not None:
                with contextlib.suppress(NotDelivered):  # another one may have it
                    outcome = provisioned.invoke(invocation)
                    return Result(invocation.request_id, outcome, provisioned.log.tail())
            return self._run(function, invocation)

    def provide(self, function_name: str, wanted: Mapping[str, tuple[LambdaFunction, int]]) -> None:
        """Keep so many environments of these versions of a function ready, by their ARNs, and of no others."""
        with self._lock:
            old = {arn: one for arn, one in self._provisions.items() if one.function_name == function_name}
            over = [arn for arn, one in old.items() if arn not in wanted or wanted[arn][1] != one.wanted]
            ended = [self._provisions.pop(arn) for arn in over]
            for arn, (function, count) in wanted.items():
                if arn not in self._provisions:
                    start = partial(self._start_provisioned, function)
                    self._provisions[arn] = Provision(function_name, count, start, self._discard)
        for provision in ended:
            provision.end()

    def provision(self, arn: str) -> Provision | None:
        """Return the provisioned environments of a version, None if it has none."""
        return self._provisions.get(arn)

    def _start_provisioned(self, function: LambdaFunction) -> Environment:
        spec = replace(spec_of(function), initialization="provisioned-concurrency")
        log = _log_stream(function, spec)
        log.init_start(spec.runtime, time.time())
        started = time.perf_counter()
        try:
            return self._start(spec, codes_of(function), log, settings.current().init_seconds)
        except InitFailed as failed:
            log.init_report((time.perf_counter() - started) * 1000, "init", failed.error)
            raise
        finally:
            log.flush()

    def prepare(self, name: str, code: bytes) -> None:
        """Unpack a function's new code, so that the first event does not wait for it; raises BadZip."""
        self._tasks.unpacked(name, code)

    def has_room(self, function: LambdaFunction) -> bool:
        """Whether one more invocation would be accepted now."""
        provision = self._provisions.get(function.function_arn)
        return (provision is not None and provision.has_room) or self._has_room_on_demand(function)

    def _has_room_on_demand(self, function: LambdaFunction) -> bool:
        """What is provisioned is taken from what the function has reserved."""
        if function.reserved_concurrency is None:
            return True
        name = function.function_name
        provisioned = sum(one.wanted for one in list(self._provisions.values()) if one.function_name == name)
        return self._busy[name] < int(function.reserved_concurrency) - provisioned

    @property
    def busy(self) -> int:
        """How many invocations run now."""
        return sum(self._busy.values()) + sum(one.busy for one in list(self._provisions.values()))

    @contextlib.contextmanager
    def _slot(self, function: LambdaFunction) -> Iterator[Environment | None]:
        """Let one invocation in, with a provisioned environment if one is free; raises Throttled."""
        provision = self._provisions.get(function.function_arn)
        if provision is not None and (environment := provision.take()) is not None:
            with self._lock:
                own = self._busy.get(function.function_name, 0) + provision.busy
                lambda_metrics.began(function.function_arn, own, self.busy)
            try:
                yield environment
            finally:
                provision.give_back(environment)
            return
        name = function.function_name
        with self._lock:
            if not self._has_room_on_demand(function):
                lambda_metrics.throttled(function.function_arn)
                raise Throttled
            self._busy[name] += 1
            lambda_metrics.began(function.function_arn, self._busy[name], self.busy)
        try:
            yield None
        finally:
            with self._lock:
                self._busy[name] -= 1

    def _run(self, function: LambdaFunction, invocation: Invocation) -> Result:
        request_id = invocation.request_id
        while True:
            began = time.time()  # before the function is read: who changes it meanwhile changes it after this
            spec = spec_of(function)
            generation = self._generation[function.function_name]
            environment = self._warm(spec)
            if environment is None:
                log = _log_stream(function, spec)
                try:
                    environment = self._cold(spec, codes_of(function), log, request_id, began)
                except InitFailed as failed:
                    outcome = failed.outcome.of(request_id) if failed.ended else failed.outcome
                    return Result(request_id, outcome, log.tail())
            try:
                outcome = environment.invoke(invocation)
            except NotDelivered:
                self._discard(environment)
                continue
            tail = environment.log.tail()
            self._release(function.function_name, environment, generation)
            return Result(request_id, outcome, tail)

    def _warm(self, spec: Spec) -> Environment | None:
        with self._lock:
            idle = self._idle[spec.arn]
            while idle:
                environment = idle.pop()
                if environment.alive and environment.spec == spec:
                    return environment
                self._discard(environment)
        return None

    def _cold(self, spec: Spec, codes: Codes, log: LogStream, request_id: str, began: float) -> Environment:
        """Start an environment. A failed init is tried once more, as part of the invocation that asked."""
        log.init_start(spec.runtime, began)
        started = time.perf_counter()
        try:
            return self._start(spec, codes, log, settings.current().init_seconds)
        except InitFailed as failed:
            log.init_report((time.perf_counter() - started) * 1000, "init", failed.error)
        started = time.perf_counter()
        try:
            return self._start(spec, codes, log, spec.timeout_seconds)
        except InitFailed as failed:
            duration_ms = (time.perf_counter() - started) * 1000
            log.init_report(duration_ms, "invoke", failed.error)
            log.start(request_id, spec.version)
            log.report(Report(request_id, duration_ms, None, spec.memory_mb, failed.peak_mb, failed.error))
            raise

    def _start(self, spec: Spec, codes: Codes, log: LogStream, seconds: float) -> Environment:
        _refuse_foreign_runtime(spec, log)
        try:
            task = self._tasks.unpacked(spec.name, codes[0])
            layers = self._tasks.layered(spec.name, codes[1:]) if codes[1:] else None
        except (BadZip, OSError) as error:
            raise _init_failure("Runtime.InvalidTaskRoot", str(error), log) from error
        paths = SandboxPaths(task, layers, self._runtime, self._folder / "environments" / uuid.uuid4().hex)
        return Environment(spec, paths, self._variables(spec, log), log, seconds, self._started)

    def _variables(self, spec: Spec, log: LogStream) -> dict[str, str]:
        """The environment variables AWS documents, and nothing of this machine's.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        """
        session = credentials.make_function_session(spec.role, spec.name)
        region = spec.arn.split(":")[3]
        return dict(spec.variables) | {
            "_HANDLER": spec.handler,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": spec.initialization,
            "AWS_LAMBDA_LOG_FORMAT": spec.log_format,
            **({"AWS_LAMBDA_LOG_LEVEL": spec.log_level} if spec.log_level else {}),
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": log.name,
            "AWS_ACCESS_KEY_ID": session.keys.access_key,
            "AWS_SECRET_ACCESS_KEY": session.keys.secret_key,
            "AWS_SESSION_TOKEN": str(session.session_token),
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "HOME": "/home/sbx_user1051",  # nobody's: no ~/.aws of this machine is found
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TZ": ":UTC",
        }

    def _release(self, name: str, environment: Environment, generation: int) -> None:
        with self._lock:
            if environment.alive and generation == self._generation[name] and not self._closed.is_set():
                self._idle[environment.spec.arn].append(environment)
                return
        self._discard(environment)

    def _discard(self, environment: Environment) -> None:
        environment.close()
        self._ended(environment.pid)

    def retire(self, function_name: str) -> None:
        """End the function's environments: idle ones now, busy ones after what they are doing."""
        with self._lock:
            self._generation[function_name] += 1
            keys = [arn for arn, idle in self._idle.items() if idle and idle[0].spec.name == function_name]
            retired = [environment for arn in keys for environment in self._idle.pop(arn)]
        for environment in retired:
            self._discard(environment)

    def _retire_idle(self) -> None:
        while not self._closed.wait(min(1.0, settings.current().environment_idle_seconds / 2)):
            oldest = time.monotonic() - settings.current().environment_idle_seconds
            retired = []
            with self._lock:
                for arn, idle in self._idle.items():
                    retired += [environment for environment in idle if environment.idle_since < oldest]
                    self._idle[arn] = [environment for environment in idle if environment.idle_since >= oldest]
            for environment in retired:
                self._discard(environment)

    def close(self) -> None:
        """End all idle environments, and each busy one when it comes back."""
        self._closed.set()
        with self._lock:
            retired = [environment for idle in self._idle.values() for environment in idle]
            self._idle.clear()
        for environment in retired:
            self._discard(environment)
        for provision in list(self._provisions.values()):
            provision.end()


Codes = tuple[bytes, ...]  # the zips that an environment is made from: the function's own, and its layers


def codes_of(function: LambdaFunction) -> Codes:
    """Return the function's zip and those of its layers."""
    layers: Codes = function.layer_codes  # type: ignore[attr-defined]  # of services/lambda_function.py
    return function.code_bytes, *layers


_pool: list[EnvironmentPool] = []


def use(pool: EnvironmentPool) -> None:
    """Run all functions in this pool from now on."""
    _pool[:] = [pool]


def current() -> EnvironmentPool:
    """Return the pool in which all functions run."""
    return _pool[0]


def spec_of(function: LambdaFunction) -> Spec:
    """Return what of a function decides over its environments."""
    return Spec(
        name=function.function_name,
        arn=function.function_arn,
        version=str(function.version),
        handler=str(function.handler),
        runtime=str(function.run_time),
        architecture=function.architectures[0],
        memory_mb=int(function.memory_size),
        timeout_seconds=int(function.timeout),
        variables=tuple(sorted(function.environment_vars.items())),
        role=function.role,
        code_sha256=function.code_sha_256,
        layers=tuple(layer["Arn"] for layer in function.layers),
        log_group=function.logs_group_name,
        log_format=getattr(function, "log_format", "Text"),
        log_level=getattr(function, "log_level", None),
    )


def _log_stream(function: LambdaFunction, spec: Spec) -> LogStream:
    """Return the stream of a new environment, with the rights that the role has on it."""
    logs = logs_backends[function.account_id][function.region]
    kind = JsonLogStream if spec.log_format == "JSON" else LogStream
    log = kind(logs, spec.log_group, spec.version, spec.initialization)
    log.reported = partial(lambda_metrics.ended, spec.arn)
    group = f"arn:aws:logs:{function.region}:{function.account_id}:log-group:{spec.log_group}"
    stream = f"{group}:log-stream:{log.name}"
    log.may_make_group = roles.may(spec.role, group, "logs:CreateLogGroup")
    log.may_write = roles.may(spec.role, stream, "logs:CreateLogStream", "logs:PutLogEvents")
    return log


def _refuse_foreign_runtime(spec: Spec, log: LogStream) -> None:
    if spec.runtime != HOST_RUNTIME or spec.architecture != HOST_ARCHITECTURE:
        message = (
            f"The embedded AWS runs functions on this machine's own Python: {HOST_RUNTIME} on {HOST_ARCHITECTURE}. "
            f"This function declares {spec.runtime} on {spec.architecture}."
        )
        raise _init_failure("Runtime.NotAvailable", message, log)


def _init_failure(error: str, message: str, log: LogStream) -> InitFailed:
    log.line(f"[ERROR] {error}: {message}")
    return InitFailed(Outcome.failure(error, message))


def trace_id() -> str:
    """Return a new X-Ray trace, of which nothing is kept.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Parent={os.urandom(8).hex()};Sampled=0"
