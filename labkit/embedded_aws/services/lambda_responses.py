"""Lambda's REST API: moto's, with Invoke as AWS answers it.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import json
import re
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from moto.awslambda import responses
from moto.awslambda.exceptions import UnknownFunctionException
from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.runtime.environment import MAX_PAYLOAD_BYTES
from labkit.embedded_aws.runtime.pool import Throttled
from labkit.embedded_aws.services.lambda_backend import LambdaBackend
from labkit.embedded_aws.services.lambda_function import LambdaRefusal

_MAX_ASYNC_PAYLOAD_BYTES = 1024 * 1024


class LambdaResponse(responses.LambdaResponse):
    """moto's REST face of Lambda, with Invoke as AWS answers it.

    No issue of moto's is known.
    """

    use_raw_body = True  # moto would also look for form fields in the zip

    @cached_property
    def json_body(self) -> dict[str, Any]:
        """The request; moto parses it, zip and all, each time it looks."""
        body: dict[str, Any] = json.loads(self.body)
        return body

    def get_account_settings(self) -> str:
        """GetAccountSettings, which moto does not have."""
        backend = self.backend
        assert isinstance(backend, LambdaBackend)
        return json.dumps(backend.account_settings())

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

    def add_permission(self) -> TYPE_RESPONSE:  # type: ignore[override]  # moto forgets the 201
        """AddPermission."""
        arn, function = self._policy_holder(-2)
        statement = function.policy.add(arn, self.json_body)
        return 201, {"status": "201"}, json.dumps({"Statement": json.dumps(statement)})

    def remove_permission(self) -> TYPE_RESPONSE:
        """RemovePermission."""
        arn, function = self._policy_holder(-3)
        function.policy.remove(arn, unquote(self.path.split("/")[-1]), self._get_param("RevisionId"))
        return 204, {"status": "204"}, ""

    def get_policy(self) -> str:
        """GetPolicy."""
        try:
            arn, function = self._policy_holder(-2)
        except AwsError as error:  # it does not tell what is missing
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404) from error
        return json.dumps(function.policy.shown(arn))

    def _policy_holder(self, place: int) -> tuple[str, Any]:
        """Return what a policy is about, the function's ARN with its qualifier, and the function."""
        name = re.sub(r"^(.*function:)?", "", unquote(self.path.rstrip("/").split("/")[place]))
        name, _, qualifier = name.partition(":")
        asked = self._get_param("Qualifier")
        if asked and qualifier and asked != qualifier:
            words = "The derived qualifier from the function name does not match the specified qualifier."
            raise AwsError("InvalidParameterValueException", words)
        qualifier = qualifier or asked or ""
        if qualifier == "$LATEST":
            words = "We currently do not support adding policies for $LATEST."
            raise AwsError("InvalidParameterValueException", words)
        arn = f"arn:aws:lambda:{self.region}:{self.current_account}:function:{name}"
        function = self._find(arn, "", f"Function not found: {arn}")
        if qualifier:
            arn = f"{arn}:{qualifier}"
            is_alias = not qualifier.isdecimal() and "$" not in qualifier
            self._find(arn, qualifier, f"Cannot find alias arn: {arn}" if is_alias else f"Function not found: {arn}")
        return arn, function

    def _find(self, arn: str, qualifier: str, words: str) -> Any:
        try:
            return self.backend.get_function(arn, qualifier or None)
        except UnknownFunctionException as error:
            raise AwsError("ResourceNotFoundException", words, 404) from error

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
            result = backend.pool.run(
                function, event, client_context=base64.b64decode(context).decode() if context else None
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
            raise LambdaRefusal(
                400, "InvalidRequestContentException", f"Could not parse request body into json: {error}"
            ) from error
        return event
