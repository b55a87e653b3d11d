"""Lambda's control plane and Invoke, on moto's records and our execution environments.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from moto.awslambda import models, responses
from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import JsonRESTError
from moto.core.utils import iso_8601_datetime_with_nanoseconds
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import behaviour, roles
from labkit.embedded_aws.environment import MAX_PAYLOAD_BYTES
from labkit.embedded_aws.fleet import Fleet, Throttled
from labkit.embedded_aws.mappings import EventSourceMapping, Poller, may_receive
from labkit.embedded_aws.queues import Queue
from labkit.embedded_aws.state import ACCOUNT
from labkit.embedded_aws.task_code import MAX_ZIPPED_BYTES, BadPackage, check_package

_MAX_ASYNC_PAYLOAD_BYTES = 1024 * 1024
_fleet: list[Fleet] = []


def use(fleet: Fleet) -> None:
    """Run all functions in this fleet from now on."""
    _fleet[:] = [fleet]


class _Refusal(JsonRESTError):
    """An error with a status of its own."""

    def __init__(self, status: int, error: str, message: str, **more: str) -> None:
        super().__init__(error, message)
        self.code = status
        self.description = json.dumps({"Type": "User", "message": message, "Message": message, **more})


class Function(models.LambdaFunction):
    """moto's record of a function, with what it leaves out: where it logs, and that a change takes its time.

    A new or changed function is in a state of change until somebody looks at it, or for a second; who changes it
    again without having waited is refused, as on AWS.
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        """Make the record from CreateFunction's request."""
        super().__init__(account_id, spec, region, version)
        self.log_format = "Text"
        self.log_level: str | None = None
        self._log_to(spec.get("LoggingConfig") or {})
        self._in_change_until = time.monotonic() + behaviour.current().change_seconds

    def _log_to(self, wanted: dict[str, Any]) -> None:
        self.log_format = wanted.get("LogFormat", self.log_format)
        self.log_level = wanted.get("ApplicationLogLevel", self.log_level or "INFO")
        self.logs_group_name = wanted.get("LogGroup", self.logs_group_name)
        if self.log_format == "Text":
            self.log_level = None

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """Return the configuration as the API shows it."""
        logging = {"LogFormat": self.log_format, "LogGroup": self.logs_group_name}
        if self.log_level:
            logging |= {"ApplicationLogLevel": self.log_level, "SystemLogLevel": "INFO"}
        configuration = super().get_configuration(on_create) | {"LoggingConfig": logging}
        if on_create:
            reason = {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
            return configuration | {"State": "Pending"} | reason
        if self._in_change:
            reason = {"LastUpdateStatusReason": "The function is being updated."}
            return configuration | {"LastUpdateStatus": "InProgress"} | reason
        return configuration

    def get_code(self) -> dict[str, Any]:
        """Return GetFunction's answer; the code can be fetched where its Location says."""
        answer = super().get_code()
        if "Code" in answer:
            answer["Code"]["Location"] = f"{_fleet[0].endpoint}/_local/code/{self.code_digest}"
        return answer

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Change what is named."""
        self._log_to(config_updates.get("LoggingConfig") or {})
        return super().update_configuration(config_updates)

    @property
    def _in_change(self) -> bool:
        return time.monotonic() < self._in_change_until

    def begin_change(self) -> None:
        """Refuse a change while another one is under way, else be in change from now on."""
        if self._in_change:
            raise _Refusal(
                409,
                "ResourceConflictException",
                "The operation cannot be performed at this time. An update is in progress for resource: "
                f"{self.function_arn}",
            )
        self._in_change_until = time.monotonic() + behaviour.current().change_seconds
        self.last_modified = iso_8601_datetime_with_nanoseconds()  # which moto leaves at the creation

    def settle(self) -> None:
        """Whoever looks has waited: the change is over."""
        self._in_change_until = 0.0


class LambdaBackend(models.LambdaBackend):
    """moto's Lambda, with functions that run and mappings that poll."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """Begin without functions."""
        super().__init__(region_name, account_id)
        self._pollers: dict[str, Poller] = {}

    @property
    def fleet(self) -> Fleet:
        """The environments of all functions."""
        return _fleet[0]

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        """Create the function when role, limits and package are what Lambda accepts."""
        _check_role(spec["Role"])
        _check_limits(spec)
        if "ZipFile" in spec["Code"]:
            _check_zip(base64.b64decode(spec["Code"]["ZipFile"]))
        function = super().create_function(spec)
        function.code.pop("ZipFile", None)  # the bytes are in code_bytes
        self.fleet.prepare(function.code_bytes)
        return function

    def get_function(self, function_name_or_arn: str, qualifier: str | None = None) -> Function:
        """Return the function, its version or alias; raises UnknownFunctionException."""
        function = super().get_function(function_name_or_arn, qualifier)
        assert isinstance(function, Function)
        return function

    def update_function_code(self, function_name: str, qualifier: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Exchange the code; environments that hold the old one are retired."""
        if "ZipFile" in body:
            _check_zip(base64.b64decode(body["ZipFile"]))
        function = self.get_function(function_name, qualifier)
        function.begin_change()
        if architectures := body.get("Architectures"):
            function.architectures = architectures
        updated = super().update_function_code(function_name, qualifier, body)
        function.code.pop("ZipFile", None)
        self.fleet.prepare(function.code_bytes)
        self.fleet.retire(function.function_name)
        return updated

    def update_function_configuration(
        self, function_name: str, qualifier: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Change the configuration; environments that were made with the old one are retired."""
        if "Role" in body:
            _check_role(body["Role"])
        _check_limits(body)
        function = self.get_function(function_name, qualifier)
        if "Timeout" in body:
            for mapping in self._mappings_of(function):
                _check_visibility(self._queue(mapping.event_source_arn), int(body["Timeout"]))
        function.begin_change()
        updated = super().update_function_configuration(function_name, qualifier, body)
        self.fleet.retire(function.function_name)
        return updated

    def delete_function(self, function_name: str, qualifier: str | None = None) -> None:
        """Delete the function and end its environments."""
        name = self.get_function(function_name, qualifier).function_name
        super().delete_function(function_name, qualifier)
        self.fleet.retire(name)

    # --- event source mappings -----------------------------------------------------------------------------

    def create_event_source_mapping(self, spec: dict[str, Any]) -> EventSourceMapping:
        """Connect a queue to a function after the checks that Lambda makes."""
        function = self.get_function(spec["FunctionName"])
        arn = str(spec.get("EventSourceArn") or "")
        if arn.split(":")[2:3] != ["sqs"]:
            raise InvalidParameterValueException("The embedded AWS polls SQS queues only. Unrecognized event source.")
        queue = self._queue(arn)
        for existing in self._mappings_of(function):
            if existing.event_source_arn == arn:
                raise _Refusal(
                    409,
                    "ResourceConflictException",
                    f'An event source mapping with SQS arn (" {arn} ") and function '
                    f'(" {function.function_name} ") already exists. Please update or delete the existing '
                    f"mapping with UUID {existing.uuid}",
                )
        _check_batching(spec)
        if not may_receive(function, queue):
            raise InvalidParameterValueException(
                "The function execution role does not have permissions to call ReceiveMessage on SQS"
            )
        _check_visibility(queue, int(function.timeout))
        mapping = EventSourceMapping(  # type: ignore[abstract]  # moto leaves CloudFormation's part open
            spec
            | {
                "RegionName": self.region_name,
                "AccountId": self.account_id,
                "FunctionArn": function.function_arn,
                "FunctionName": function.function_name,
            }
        )
        self._event_source_mappings[mapping.uuid] = mapping
        self._pollers[mapping.uuid] = Poller(mapping, queue, self, self.fleet)
        return mapping

    def update_event_source_mapping(self, uuid: str, spec: dict[str, Any]) -> EventSourceMapping | None:
        """Change a mapping."""
        mapping = self._event_source_mappings.get(uuid)
        if mapping is None:
            raise _no_mapping()
        assert isinstance(mapping, EventSourceMapping)
        enabled = spec.pop("Enabled", mapping.enabled)
        _check_batching({"BatchSize": mapping.batch_size} | spec)
        super().update_event_source_mapping(uuid, spec)
        mapping.switch(bool(enabled))
        self._pollers[uuid].adjust()
        self._queue(mapping.event_source_arn).wake_everyone()
        return mapping

    def delete_event_source_mapping(self, uuid: str) -> models.EventSourceMapping | None:
        """Delete a mapping; what its poller has in hand is finished."""
        mapping = super().delete_event_source_mapping(uuid)
        if mapping is None:
            raise _no_mapping()
        self._pollers.pop(uuid).stop()
        return mapping

    def list_event_source_mappings(
        self, event_source_arn: str, function_name: str
    ) -> Iterable[models.EventSourceMapping]:
        """List by queue, by function (name or ARN), by both, or all."""
        name = function_name.split(":function:")[-1].split(":")[0] if function_name else None
        return [
            mapping
            for mapping in super().list_event_source_mappings(event_source_arn, "")
            if name is None or mapping.function_name == name
        ]

    def _mappings_of(self, function: LambdaFunction) -> Iterable[models.EventSourceMapping]:
        return self.list_event_source_mappings("", function.function_name)

    def _queue(self, arn: str) -> Queue:
        account, name = arn.split(":")[4:6]
        queue = sqs_backends[account][self.region_name].queues.get(name)
        if queue is None:
            raise InvalidParameterValueException(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
                "SQS Error Message: The specified queue does not exist."
            )
        assert isinstance(queue, Queue)
        return queue

    # --- Invoke --------------------------------------------------------------------------------------------

    def invoke_later(self, function: LambdaFunction, event: bytes) -> str:
        """Run an event asynchronously, with the retries that Lambda makes; return the request id."""
        request_id = str(uuid.uuid4())
        threading.Thread(
            target=self._run_with_retries, args=(function, event, request_id), name="invoke-event", daemon=True
        ).start()
        return request_id

    def _run_with_retries(self, function: LambdaFunction, event: bytes, request_id: str) -> None:
        configured = function.event_invoke_config
        retries = configured[0].config.get("MaximumRetryAttempts", 2) if configured else 2
        pauses = [0.0, *behaviour.current().retry_seconds[:retries]]
        waiting = threading.Event()
        for pause in pauses:
            waiting.wait(pause)
            try:
                if self.fleet.run(function, event, request_id=request_id).outcome.error is None:
                    return
            except Throttled:
                continue


def code_of(digest: str) -> bytes | None:
    """Return the zip with this SHA-256, if a function has it: whoever knows the digest was told by GetFunction."""
    for backend in lambda_backends[ACCOUNT].values():
        for function in backend.list_functions("ALL"):
            if function.code_digest == digest:
                return function.code_bytes
    return None


class LambdaResponse(responses.LambdaResponse):
    """moto's REST face of Lambda, with Invoke as AWS answers it."""

    use_raw_body = True  # moto would also look for form fields in the zip

    @cached_property
    def json_body(self) -> dict[str, Any]:
        """The request; moto parses it, zip and all, each time it looks."""
        body: dict[str, Any] = json.loads(self.body)
        return body

    def get_function(self) -> str:
        """GetFunction."""
        self._settle(self.path.rsplit("/", 1)[-1])
        return super().get_function()

    def get_function_configuration(self) -> str:
        """GetFunctionConfiguration."""
        self._settle(self.path.rsplit("/", 2)[-2])
        return super().get_function_configuration()

    def _settle(self, name: str) -> None:
        backend = self.backend
        assert isinstance(backend, LambdaBackend)
        backend.get_function(unquote(name), self._get_param("Qualifier")).settle()

    def create_event_source_mapping(self) -> TYPE_RESPONSE:
        """Answer 202: the mapping is being created."""
        mapping = self.backend.create_event_source_mapping(self.json_body)
        return 202, {"status": "202"}, json.dumps(mapping.get_configuration())

    def invoke(self) -> TYPE_RESPONSE:
        """Invoke: RequestResponse, Event or DryRun."""
        name = unquote(self.path.rstrip("/").rsplit("/", 2)[-2])
        backend = self.backend
        assert isinstance(backend, LambdaBackend)
        function = backend.get_function(name, self._get_param("Qualifier"))
        function.settle()
        kind = self.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        event = self._event(kind)
        if kind == "DryRun":
            return 204, {"status": "204"}, ""
        if kind == "Event":
            request_id = backend.invoke_later(function, event)
            return 202, {"status": "202", "x-amzn-RequestId": request_id}, ""
        context = self.headers.get("X-Amz-Client-Context")
        try:
            result = backend.fleet.run(
                function, event, client_context=base64.b64decode(context).decode() if context else None
            )
        except Throttled as error:
            raise _Refusal(
                429,
                "TooManyRequestsException",
                "Rate Exceeded.",
                Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
            ) from error
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": str(function.version),
            "x-amzn-RequestId": result.request_id,
        }
        if result.outcome.error is not None:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(result.log_tail).decode()
        return 200, headers, result.outcome.payload

    def _event(self, kind: str) -> bytes:
        event: bytes = self.raw_body or b"{}"
        limit = _MAX_ASYNC_PAYLOAD_BYTES if kind == "Event" else MAX_PAYLOAD_BYTES
        if len(event) > limit:
            raise _Refusal(
                413,
                "RequestTooLargeException",
                f"{len(event)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
            )
        try:
            json.loads(event)
        except ValueError as error:
            raise _Refusal(
                400, "InvalidRequestContentException", f"Could not parse request body into json: {error}"
            ) from error
        return event


def _no_mapping() -> _Refusal:
    return _Refusal(404, "ResourceNotFoundException", "The resource you requested does not exist.")


def _check_role(arn: str) -> None:
    if arn.startswith("arn:aws:iam::") and not roles.lambda_may_assume(arn):
        raise InvalidParameterValueException("The role defined for the function cannot be assumed by Lambda.")


def _check_limits(spec: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html says what the ranges are."""
    for name, path, smallest, largest in (
        ("Timeout", "timeout", 1, 900),
        ("MemorySize", "memorySize", 128, 10_240),
    ):
        value = spec.get(name)
        if value is not None and not smallest <= int(value) <= largest:
            bound = (
                f"less than or equal to {largest}" if int(value) > largest else f"greater than or equal to {smallest}"
            )
            raise LambdaClientError(
                "ValidationException",
                f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: "
                f"Member must have value {bound}",
            )


def _check_zip(code: bytes) -> None:
    if len(code) > MAX_ZIPPED_BYTES:
        raise _Refusal(
            413,
            "RequestEntityTooLargeException",
            f"Request must be smaller than {MAX_ZIPPED_BYTES * 4 // 3} bytes for the operation",
        )
    try:
        check_package(code)
    except BadPackage as error:
        raise InvalidParameterValueException(str(error)) from error


def _check_batching(spec: dict[str, Any]) -> None:
    if int(spec.get("BatchSize") or 10) > 10 and not spec.get("MaximumBatchingWindowInSeconds"):
        raise InvalidParameterValueException(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )


def _check_visibility(queue: Queue, timeout_seconds: int) -> None:
    visibility: int = queue.visibility_timeout  # type: ignore[attr-defined]
    if visibility < timeout_seconds:
        raise InvalidParameterValueException(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout_seconds} seconds"
        )
