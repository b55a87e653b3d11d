"""Lambda's control plane, on moto's records and our execution environments: what Lambda checks, and who polls.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Collection, Iterable
from typing import Any

from moto.awslambda import models
from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import roles
from labkit.embedded_aws.runtime import pool
from labkit.embedded_aws.runtime.pool import EnvironmentPool
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.event_source_mappings import EventSourceMapping, Poller, may_receive
from labkit.embedded_aws.services.lambda_aliases import Alias
from labkit.embedded_aws.services.lambda_destinations import AsyncInvocation
from labkit.embedded_aws.services.lambda_function import Function, LambdaRefusal
from labkit.embedded_aws.services.lambda_names import FunctionName, read_name
from labkit.embedded_aws.services.lambda_storage import LambdaStorage
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
        name = read_name(spec["FunctionName"]).name
        code = self._unpack(name, spec["Code"])
        return super().create_function(spec | {"FunctionName": name, "Publish": False, "Code": code})

    def _unpack(self, name: str, code: dict[str, Any]) -> dict[str, Any]:
        """Unpack a function's new code, sent or lying in S3, or refuse it as Lambda does; return it decoded."""
        sent = self.code_bytes(code)
        if "ZipFile" in code:
            _check_size(sent)
        try:
            self.pool.prepare(name, sent)
        except BadZip as error:
            raise InvalidParameterValueException(str(error)) from error
        return code | {"ZipFile": sent} if "ZipFile" in code else code

    def code_bytes(self, code: dict[str, Any]) -> bytes:
        """Return a zip as it was sent, or from S3, in the version that is asked for; raises as Lambda refuses it."""
        sent = code.get("ZipFile")
        if sent is not None:
            return sent if isinstance(sent, bytes) else base64.b64decode(sent)  # bytes are decoded already
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
        content = self.code_bytes(spec["Content"])
        try:
            check_zip(content)
        except BadZip as error:
            raise InvalidParameterValueException(str(error)) from error
        return super().publish_layer_version(spec | {"Content": {"ZipFile": base64.b64encode(content).decode()}})

    def get_function(self, function_name_or_arn: str, qualifier: str | None = None) -> Function:
        """Return the function, its version or alias; raises UnknownFunctionException."""
        function = super().get_function(function_name_or_arn, qualifier)
        assert isinstance(function, Function)
        return function

    def update_function_code(self, function_name: str, qualifier: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Exchange the code; environments that hold the old one are retired."""
        function = self.get_function(function_name, qualifier)
        body = self._unpack(function.function_name, body)
        if body.get("DryRun"):
            return function.get_configuration()
        function.begin_change()
        if architectures := body.get("Architectures"):
            function.architectures = architectures
        updated = function.update_function_code(body)
        self.pool.retire(function.function_name)
        if body.get("Publish"):
            published = self.publish_version(function.function_name)
            return published.get_configuration(on_create=True) if published else None
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
        """Delete the function or a version of it, and end its environments."""
        name = read_name(function_name).name
        if qualifier is not None:
            self.get_function(name).provisioned.pop(qualifier, None)
        super().delete_function(function_name, qualifier)
        self.pool.retire(name)
        self.provide(name)

    def provide(self, name: str) -> None:
        """Keep ready what a function's provisioned concurrency says, and nothing else."""
        wanted = {}
        for qualifier, config in self.get_function(name).provisioned.items() if name in self.function_names else ():
            version = self.get_function(name, qualifier)
            wanted[version.function_arn] = version, config.wanted
        self.pool.provide(name, wanted)

    @property
    def unreserved_concurrency(self) -> int:
        """How many invocations are left for the functions that have reserved and provisioned nothing."""
        left, _ = limits.UNRESERVED_CONCURRENCY
        functions: list[Any] = list(self.list_functions())
        for function in functions:
            provisioned = sum(config.wanted for config in function.provisioned.values())
            left -= provisioned if function.reserved_concurrency is None else int(function.reserved_concurrency)
        return left

    def put_function_concurrency(self, function_name: str, reserved_concurrency: Any) -> Any:
        """Reserve concurrency for all versions of a function together; None takes the reservation away."""
        for version in self.list_versions_by_function(function_name):
            version.reserved_concurrency = reserved_concurrency
        self.get_function(function_name).reserved_concurrency = reserved_concurrency
        return reserved_concurrency

    def delete_function_concurrency(self, function_name: str) -> None:
        """Let the function share what nobody has reserved."""
        self.put_function_concurrency(function_name, None)

    def account_settings(self) -> dict[str, dict[str, int]]:
        """Return the quotas of the account in this region, and what is used of them.

        https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
        """
        concurrency, _ = limits.UNRESERVED_CONCURRENCY
        functions = list(self.list_functions())
        held = [one.code_size for one in self.list_functions("ALL")] + [one.code_size for one in self.layer_versions()]
        return {
            "AccountLimit": {
                "TotalCodeSize": limits.MOST_CODE_BYTES,
                "CodeSizeUnzipped": MOST_UNZIPPED,
                "CodeSizeZipped": MOST_ZIPPED,
                "ConcurrentExecutions": concurrency,
                "UnreservedConcurrentExecutions": self.unreserved_concurrency,
            },
            "AccountUsage": {"TotalCodeSize": sum(held), "FunctionCount": len(functions)},
        }

    def layer_versions(self) -> Iterable[models.LayerVersion]:
        """Return all versions of all layers."""
        for layer in self.list_layers():
            yield from self.list_layer_versions(layer["LayerName"])

    # --- event source mappings -----------------------------------------------------------------------------

    def create_event_source_mapping(self, spec: dict[str, Any]) -> EventSourceMapping:
        """Connect a queue to a function after the checks that Lambda makes."""
        named = read_name(spec["FunctionName"])
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
                "FunctionArn": named.arn(self.region_name),
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
        if name := spec.pop("FunctionName", None):
            named = read_name(name)
            mapping.function_name, mapping.function_arn = named.name, named.arn(self.region_name)
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
        name = read_name(function_name).name if function_name else None
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

    def invoked(self, named: FunctionName) -> Function:
        """Return what an invocation of that name runs; raises UnknownFunctionException."""
        function = self._storage.invoked(named)
        assert isinstance(function, Function)
        return function

    def invoke_later(self, named: FunctionName, event: bytes) -> str:
        """Run an event asynchronously, with the retries that Lambda makes; return the request id."""
        arn = named.arn(self.region_name)
        invocation = AsyncInvocation(self.invoked(named), arn, event, str(uuid.uuid4()))
        threading.Thread(target=invocation.run, name="invoke-event", daemon=True).start()
        return invocation.request_id

    @property
    def function_names(self) -> Collection[str]:
        """The names of all functions."""
        names: Collection[str] = self._storage._functions.keys()
        return names

    @property
    def _storage(self) -> LambdaStorage:
        storage: Any = self._lambdas
        return storage  # type: ignore[no-any-return]

    def aliases_of(self, name: str) -> dict[str, Alias]:
        """Return the aliases of a function by their names."""
        return self._storage.aliases_of(name)


def code_of(digest: str) -> bytes | None:
    """Return the zip with this SHA-256, if a function or layer has it: whoever knows the digest was told it."""
    backends: Iterable[Any] = lambda_backends[ACCOUNT].values()
    for backend in backends:
        for held in [*backend.list_functions("ALL"), *backend.layer_versions()]:
            if held.code_digest == digest:
                return bytes(held.code_bytes)
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
            f"Zipped size must be smaller than {MOST_ZIPPED} bytes",
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
