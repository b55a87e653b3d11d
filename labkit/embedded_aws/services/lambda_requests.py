"""How the answers of Lambda read what is asked: by the names of AWS's model, checked already.

https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.awslambda import responses
from moto.awslambda.exceptions import UnknownFunctionException
from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.request_context import operation
from labkit.embedded_aws.services.lambda_names import FunctionName, name_in, not_found

if TYPE_CHECKING:
    from labkit.embedded_aws.services.lambda_backend import LambdaBackend
    from labkit.embedded_aws.services.lambda_function import Function

_MOST_ITEMS = 50


class LambdaRequests(responses.LambdaResponse):
    """moto's REST face of Lambda, which takes each name out of the path by itself.

    No issue of moto's is known.
    """

    @property
    def asked(self) -> Operation:
        """What is asked."""
        return operation.get()

    @property
    def backend(self) -> LambdaBackend:
        """The functions, layers and mappings of the region."""
        backend: Any = super().backend
        return backend  # type: ignore[no-any-return]

    @property
    def named(self) -> FunctionName:
        """The function that the request names."""
        return name_in(self.asked)

    def function(self, named: FunctionName) -> Function:
        """Return a function, version or what an alias points to; raises AwsError where there is none."""
        arn = named.arn(self.region)
        try:
            return self.backend.get_function(arn)
        except UnknownFunctionException as error:
            raise not_found(arn) from error

    def page(self, name: str, items: list[dict[str, Any]]) -> str:
        """Return the part of a list that is asked for, and where the next one begins."""
        start = _offset(self.asked.get("Marker"), len(items))
        end = start + int(self.asked.get("MaxItems") or _MOST_ITEMS)
        following = {"NextMarker": str(end)} if end < len(items) else {}
        return json.dumps({name: items[start:end], **following})


def answer(told: dict[str, Any] | None, status: int = 200) -> TYPE_RESPONSE:
    """Return an answer with its status; one of 204 has no body."""
    return status, {"status": str(status)}, "" if told is None else json.dumps(told)


def _offset(marker: str | None, count: int) -> int:
    if not marker:
        return 0
    if not marker.isdecimal() or int(marker) > count:
        raise AwsError("InvalidParameterValueException", "Invalid Marker")
    return int(marker)
