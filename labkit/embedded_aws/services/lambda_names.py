"""By which names a request means a function: its name, a partial ARN or the whole, each with or without a qualifier.

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#API_GetFunction_RequestSyntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.state import ACCOUNT

LATEST = "$LATEST"
_NAME = re.compile(
    r"(arn:[\w-]+:lambda:)?((?P<region>[a-z]+(-[a-z]+)+-\d):)?(\d{12}:)?(function:)?(?P<name>[\w.-]+)"
    r"(:(?P<qualifier>[\w$.-]+))?"
)
_MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."


@dataclass(frozen=True)
class FunctionName:
    """A function, and which of its versions or aliases is meant; without a qualifier the function itself."""

    name: str
    qualifier: str | None = None
    region: str | None = None  # as an ARN says it

    def arn(self, region: str) -> str:
        """Return the ARN, qualified as the name is."""
        arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{self.name}"
        return f"{arn}:{self.qualifier}" if self.qualifier else arn

    @property
    def is_alias(self) -> bool:
        """Whether the qualifier can only be an alias."""
        return bool(self.qualifier) and not str(self.qualifier).isdecimal() and "$" not in str(self.qualifier)


def read_name(text: str, qualifier: str | None = None) -> FunctionName:
    """Return what a name or ARN means; the qualifier in it counts more than the one beside it."""
    found = _NAME.fullmatch(text)
    if found is None:
        return FunctionName(text, qualifier)
    return FunctionName(found["name"], found["qualifier"] or qualifier, found["region"])


def name_in(operation: Operation) -> FunctionName:
    """Return the function that a request names; raises AwsError where its two qualifiers contradict each other."""
    asked = operation.get("Qualifier")
    named = read_name(operation.get("FunctionName"), asked)
    if asked and named.qualifier != asked:
        raise AwsError("InvalidParameterValueException", _MISMATCH)
    return named


def not_found(arn: str) -> AwsError:
    """Return the refusal of a function, version or alias that does not exist."""
    return AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404)
