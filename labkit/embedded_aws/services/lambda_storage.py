"""Where functions are kept: moto's storage, which finds them by all the names that AWS knows.

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#API_GetFunction_RequestSyntax
"""

from __future__ import annotations

import re

from moto.awslambda import models

_PARTIAL_ARN = re.compile(r"(\d{12}:)?function:")


class LambdaStorage(models.LambdaStorage):
    """moto takes a name, `name:qualifier` and an ARN, and stumbles over `123456789012:function:name`.

    No issue of moto's is known.
    """

    def get_function_by_name_with_qualifier(self, name: str, qualifier: str | None = None) -> models.LambdaFunction:
        """Return the function, its version or alias; raises UnknownFunctionException."""
        return super().get_function_by_name_with_qualifier(_PARTIAL_ARN.sub("", name), qualifier)

    def get_function_by_name_forbid_qualifier(self, name: str) -> models.LambdaFunction:
        """Return the function; raises UnknownFunctionException."""
        return super().get_function_by_name_forbid_qualifier(_PARTIAL_ARN.sub("", name))
