"""Lambda's REST API: moto's, with Invoke as AWS answers it.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import json
from functools import cached_property
from typing import Any

from moto.awslambda.exceptions import FunctionAlreadyExists, UnknownFunctionException
from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.runtime.environment import MAX_PAYLOAD_BYTES
from labkit.embedded_aws.runtime.pool import Throttled
from labkit.embedded_aws.services.lambda_aliases import AliasResponses
from labkit.embedded_aws.services.lambda_event_configs import EventConfigResponses
from labkit.embedded_aws.services.lambda_function import Function, LambdaRefusal
from labkit.embedded_aws.services.lambda_layers import LayerResponses
from labkit.embedded_aws.services.lambda_names import LATEST, FunctionName, not_found, read_name
from labkit.embedded_aws.services.lambda_provisioned import ProvisionedResponses
from labkit.embedded_aws.services.lambda_requests import answer
from labkit.embedded_aws.services.lambda_tags import TagResponses

_MAX_ASYNC_PAYLOAD_BYTES = 1024 * 1024


class LambdaResponse(AliasResponses, EventConfigResponses, LayerResponses, ProvisionedResponses, TagResponses):
    """The operations on functions, and Invoke; those on what hangs on functions have modules of their own."""

    use_raw_body = True  # moto would also look for form fields in the zip

    @cached_property
    def json_body(self) -> dict[str, Any]:
        """The request; moto parses it, zip and all, each time it looks."""
        body: dict[str, Any] = json.loads(self.body)
        return body

    def get_account_settings(self) -> str:
        """GetAccountSettings, which moto does not have."""
        return json.dumps(self.backend.account_settings())

    def create_function(self) -> TYPE_RESPONSE:
        """CreateFunction; with Publish its first version, too."""
        name = read_name(self.asked.get("FunctionName")).name
        try:
            self.backend.get_function(name)
        except UnknownFunctionException:
            function = self.backend.create_function(self.asked.members)
        else:
            raise FunctionAlreadyExists(name)
        shown = function.get_configuration(on_create=True)
        if self.asked.get("Publish") and (version := self.backend.publish_version(name)):
            shown["Version"] = str(version.version)
        return answer(shown, 201)

    def get_function(self) -> str:
        """GetFunction."""
        code = self._settled().get_code()
        return json.dumps(code | {"Configuration": self._as_named(code["Configuration"])})

    def get_function_configuration(self) -> str:
        """GetFunctionConfiguration."""
        return json.dumps(self._as_named(self._settled().get_configuration()))

    def _settled(self) -> Function:
        function = self.function(self.named)
        function.settle()
        return function

    def _as_named(self, configuration: dict[str, Any]) -> dict[str, Any]:
        return configuration | {"FunctionArn": self.named.arn(self.region)}

    def list_functions(self) -> str:
        """ListFunctions."""
        functions: list[Any] = list(self.backend.list_functions(self.asked.get("FunctionVersion")))
        return self.page("Functions", [function.listed() for function in functions])

    def list_versions_by_function(self) -> str:
        """ListVersionsByFunction."""
        self.function(FunctionName(self.named.name))
        versions: list[Any] = list(self.backend.list_versions_by_function(self.named.name))
        return self.page("Versions", [version.listed() for version in versions])

    def delete_function(self) -> TYPE_RESPONSE:
        """DeleteFunction, or a version of it."""
        named = self.named
        if named.qualifier == LATEST:
            words = "$LATEST version cannot be deleted without deleting the function."
            raise AwsError("InvalidParameterValueException", words)
        if named.is_alias:
            raise AwsError("InvalidParameterValueException", "Deletion of aliases is not currently supported.")
        self.function(FunctionName(named.name))
        aliases = self.backend.aliases_of(named.name).values()
        pointing = [alias.name for alias in aliases if alias.points_to(named.qualifier)]
        if pointing:
            words = "Unable to delete version because the following aliases reference it:"
            raise AwsError("ResourceConflictException", f"{words} [{', '.join(sorted(pointing))}]", 409)
        self.backend.delete_function(named.name, named.qualifier)
        return answer(None, 204)

    def put_function_concurrency(self) -> TYPE_RESPONSE:
        """PutFunctionConcurrency."""
        number = self.asked.get("ReservedConcurrentExecutions")
        self.backend.put_function_concurrency(self.named.name, number)
        return answer({"ReservedConcurrentExecutions": number})

    def get_function_concurrency(self) -> TYPE_RESPONSE:
        """GetFunctionConcurrency; empty without a reservation."""
        number = self.function(self.named).reserved_concurrency
        return answer({} if number is None else {"ReservedConcurrentExecutions": number})

    def add_permission(self) -> TYPE_RESPONSE:  # type: ignore[override]  # moto forgets the 201
        """AddPermission."""
        arn, function, revision = self._policy_holder()
        statement = function.policy.add(arn, self.asked.members, revision)
        return answer({"Statement": json.dumps(statement)}, 201)

    def remove_permission(self) -> TYPE_RESPONSE:
        """RemovePermission."""
        if self.named.name not in self.backend.function_names:
            words = f"No policy found for: {self.named.arn(self.region)}"
            raise AwsError("ResourceNotFoundException", words, 404)
        arn, function, _ = self._policy_holder()
        function.policy.remove(arn, self.asked.get("StatementId"), self.asked.get("RevisionId"))
        return answer(None, 204)

    def get_policy(self) -> str:
        """GetPolicy."""
        try:
            arn, function, _ = self._policy_holder()
        except AwsError as error:  # it does not tell what is missing
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404) from error
        return json.dumps(function.policy.shown(arn))

    def _policy_holder(self) -> tuple[str, Any, str]:
        """Return what a policy is about, the function's ARN with its qualifier, the function, and the revision."""
        named = self.named
        if named.qualifier == LATEST:
            words = "We currently do not support adding policies for $LATEST."
            raise AwsError("InvalidParameterValueException", words)
        self.function(FunctionName(named.name))
        alias = self.backend.aliases_of(named.name).get(named.qualifier or "")
        if named.is_alias and alias is None:
            words = f"Cannot find alias arn: {named.arn(self.region)}"
            raise AwsError("ResourceNotFoundException", words, 404)
        function = self.function(named)
        return named.arn(self.region), function, function.revision_id if alias is None else alias.revision_id

    def create_event_source_mapping(self) -> TYPE_RESPONSE:
        """Answer 202: the mapping is being created."""
        mapping = self.backend.create_event_source_mapping(self.json_body)
        return 202, {"status": "202"}, json.dumps(mapping.get_configuration())

    def list_event_source_mappings(self) -> str:
        """ListEventSourceMappings."""
        queue, name = self.asked.get("EventSourceArn", ""), self.asked.get("FunctionName", "")
        mappings = self.backend.list_event_source_mappings(queue, name)
        return self.page("EventSourceMappings", [mapping.get_configuration() for mapping in mappings])

    def invoke_async(self) -> TYPE_RESPONSE:
        """InvokeAsync, as before there was Invoke."""
        self.function(self.named)
        self.backend.invoke_later(self.named, self._event("Event"))
        return answer({"Status": 202}, 202)

    def invoke(self) -> TYPE_RESPONSE:
        """Invoke: RequestResponse, Event or DryRun."""
        named = self.named
        arn = named.arn(self.region)
        try:
            function = self.backend.invoked(named)
        except UnknownFunctionException as error:
            raise not_found(arn if named.qualifier else f"{arn}:{LATEST}") from error
        function.settle()
        kind = self.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        event = self._event(kind)
        if kind == "DryRun":
            return 204, {"status": "204"}, ""
        if kind == "Event":
            request_id = self.backend.invoke_later(named, event)
            return 202, {"status": "202", "x-amzn-RequestId": request_id}, ""
        context = self.headers.get("X-Amz-Client-Context")
        try:
            result = self.backend.pool.run(
                function, event, arn=arn, client_context=base64.b64decode(context).decode() if context else None
            )
        except Throttled as error:
            raise LambdaRefusal(
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
            raise LambdaRefusal(
                413,
                "RequestTooLargeException",
                f"{len(event)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
            )
        try:
            json.loads(event)
        except ValueError as error:
            words = f"Could not parse request body into json: Could not parse payload into json: {_said(event, error)}"
            raise LambdaRefusal(400, "InvalidRequestContentException", words) from error
        return event


def _said(event: bytes, error: ValueError) -> str:
    """Return what is wrong with a text that is no JSON: of bytes that are no UTF-8 in the words of AWS's own parser."""
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    place, byte = error.start, event[error.start]
    what, column = f"Invalid UTF-8 start byte 0x{byte:x}", place + 2
    if place == 0:
        wanted = "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        what, column = f"Unexpected character ((CTRL-CHAR, code {byte})): {wanted}", 1
    source = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
    return f"{what}\n at [Source: {source}; line: 1, column: {column}]"
