"""Lambda's control plane, on moto's records and our execution environments: what Lambda checks, and who polls.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterable
from typing import Any

from moto.awslambda import models
from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import roles, settings
from labkit.embedded_aws.runtime import pool
from labkit.embedded_aws.runtime.environment import Outcome
from labkit.embedded_aws.runtime.pool import EnvironmentPool, Throttled
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.event_source_mappings import EventSourceMapping, Poller, may_receive
from labkit.embedded_aws.services.lambda_destinations import send_record
from labkit.embedded_aws.services.lambda_function import Function, LambdaRefusal
from labkit.embedded_aws.services.sqs_queue import Queue
from labkit.embedded_aws.state import ACCOUNT
from labkit.zip_rules import MOST_UNZIPPED, MOST_ZIPPED, BadZip, check_zip


class LambdaBackend(models.LambdaBackend):
    """moto's Lambda, with functions that run and mappings that poll.

    moto runs code with Docker only, and hands messages to a function inside SendMessage. No issue of moto's is known
    that asks for more; getmoto/moto#2376 made it so.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        """Begin without functions."""
        super().__init__(region_name, account_id)
        self._pollers: dict[str, Poller] = {}

    @property
    def pool(self) -> EnvironmentPool:
        """The environments of all functions."""
        return pool.current()

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        """Create the function when role, limits and package are what Lambda accepts."""
        _check_role(spec["Role"])
        name = spec["FunctionName"].split("function:")[-1].split(":")[0]
        self._unpack(name, spec["Code"])
        function = super().create_function(spec | {"FunctionName": name})
        function.code.pop("ZipFile", None)  # the bytes are in code_bytes
        return function

    def _unpack(self, name: str, code: dict[str, Any]) -> None:
        """Unpack a function's new code, sent or lying in S3, or refuse it as Lambda does."""
        sent = self._code_bytes(code)
        if "ZipFile" in code:
            _check_size(sent)
        try:
            self.pool.prepare(name, sent)
        except BadZip as error:
            raise InvalidParameterValueException(str(error)) from error

    def _code_bytes(self, code: dict[str, Any]) -> bytes:
        if "ZipFile" in code:
            return base64.b64decode(code["ZipFile"])
        try:
            key = s3_backends[self.account_id][self.partition].get_object(
                code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion")
            )
        except MissingBucket as error:
            raise _no_code("NoSuchBucket", "The specified bucket does not exist") from error
        if key is None:
            raise _no_code("NoSuchKey", "The specified key does not exist.")
        return bytes(key.value)

    def publish_layer_version(self, spec: dict[str, Any]) -> models.LayerVersion:
        """Publish a layer when its zip is what Lambda accepts."""
        content = self._code_bytes(spec["Content"])
        try:
            check_zip(content)
        except BadZip as error:
            raise InvalidParameterValueException(str(error)) from error
        return super().publish_layer_version(spec)

    def get_function(self, function_name_or_arn: str, qualifier: str | None = None) -> Function:
        """Return the function, its version or alias; raises UnknownFunctionException."""
        function = super().get_function(function_name_or_arn, qualifier)
        assert isinstance(function, Function)
        return function

    def update_function_code(self, function_name: str, qualifier: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Exchange the code; environments that hold the old one are retired."""
        function = self.get_function(function_name, qualifier)
        self._unpack(function.function_name, body)
        if body.get("DryRun"):
            return function.get_configuration()
        function.begin_change()
        if architectures := body.get("Architectures"):
            function.architectures = architectures
        updated = super().update_function_code(function_name, qualifier, body)
        function.code.pop("ZipFile", None)
        self.pool.retire(function.function_name)
        return updated

    def update_function_configuration(
        self, function_name: str, qualifier: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Change the configuration; environments that were made with the old one are retired."""
        if "Role" in body:
            _check_role(body["Role"])
        function = self.get_function(function_name, qualifier)
        if "Timeout" in body:
            for mapping in self._mappings_of(function):
                _check_visibility(self._queue(mapping.event_source_arn), int(body["Timeout"]))
        function.begin_change()
        updated = super().update_function_configuration(function_name, qualifier, body)
        self.pool.retire(function.function_name)
        return updated

    def delete_function(self, function_name: str, qualifier: str | None = None) -> None:
        """Delete the function and end its environments."""
        name = self.get_function(function_name, qualifier).function_name
        super().delete_function(function_name, qualifier)
        self.pool.retire(name)

    def account_settings(self) -> dict[str, dict[str, int]]:
        """Return the quotas of the account in this region, and what is used of them.

        https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
        """
        concurrency, _ = limits.UNRESERVED_CONCURRENCY
        functions = list(self.list_functions())
        held = [one.code_size for one in self.list_functions("ALL")] + [one.code_size for one in self._layer_versions()]
        reserved = sum(int(function.reserved_concurrency or 0) for function in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": limits.MOST_CODE_BYTES,
                "CodeSizeUnzipped": MOST_UNZIPPED,
                "CodeSizeZipped": MOST_ZIPPED,
                "ConcurrentExecutions": concurrency,
                "UnreservedConcurrentExecutions": concurrency - reserved,
            },
            "AccountUsage": {"TotalCodeSize": sum(held), "FunctionCount": len(functions)},
        }

    def _layer_versions(self) -> Iterable[models.LayerVersion]:
        for layer in self.list_layers():
            yield from self.list_layer_versions(layer["LayerName"])

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
                raise LambdaRefusal(
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
        self._pollers[mapping.uuid] = Poller(mapping, queue, self, self.pool)
        return mapping

    def update_event_source_mapping(self, uuid: str, spec: dict[str, Any]) -> EventSourceMapping | None:
        """Change a mapping, which is Updating for a while, or Enabling or Disabling."""
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
        pauses = [0.0, *settings.current().retry_seconds[:retries]]
        waiting = threading.Event()
        outcome = Outcome.failure("Throttled", "Rate Exceeded.")
        attempts = 0
        for pause in pauses:
            waiting.wait(pause)
            try:
                outcome = self.pool.run(function, event, request_id=request_id).outcome
            except Throttled:
                continue
            attempts += 1
            if outcome.error is None:
                break
        send_record(function, event, request_id, outcome, attempts)


def code_of(digest: str) -> bytes | None:
    """Return the zip with this SHA-256, if a function has it: whoever knows the digest was told by GetFunction."""
    for backend in lambda_backends[ACCOUNT].values():
        for function in backend.list_functions("ALL"):
            if function.code_digest == digest:
                return function.code_bytes
    return None


def _no_code(code: str, message: str) -> InvalidParameterValueException:
    words = f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    return InvalidParameterValueException(words)


def _no_mapping() -> LambdaRefusal:
    return LambdaRefusal(404, "ResourceNotFoundException", "The resource you requested does not exist.")


def _check_role(arn: str) -> None:
    if arn.startswith("arn:aws:iam::") and not roles.lambda_may_assume(arn):
        raise InvalidParameterValueException("The role defined for the function cannot be assumed by Lambda.")


def _check_size(code: bytes) -> None:
    if len(code) > MOST_ZIPPED:
        raise LambdaRefusal(
            413,
            "RequestEntityTooLargeException",
            f"Request must be smaller than {MOST_ZIPPED * 4 // 3} bytes for the operation",
        )


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
