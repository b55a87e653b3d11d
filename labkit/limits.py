"""What the account allows in all: asked once, before a lab makes its first thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from labkit.errors import error_code


@dataclass(frozen=True)
class Limits:
    """What Lambda says of an account; None where nobody said.

    `concurrency` is how many invocations may run at once of all functions that have none reserved, `code_bytes` how
    many bytes of code there is still room for. `refusal` is why it is not known, as AWS's code.
    """

    concurrency: int | None = None
    code_bytes: int | None = None
    refusal: str = ""


def ask_limits(client: Any) -> Limits:
    """The limits of the account that a Lambda client reaches. A lab works without: whoever may not ask is not stopped.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
    """
    try:
        answer = client.get_account_settings()
    except ClientError as error:
        return Limits(refusal=error_code(error))
    except ResponseParserError:  # an endpoint that answers with a page of its own
        return Limits(refusal="no answer of Lambda's")
    limit, usage = answer.get("AccountLimit", {}), answer.get("AccountUsage", {})
    total = limit.get("TotalCodeSize")
    return Limits(
        limit.get("UnreservedConcurrentExecutions", limit.get("ConcurrentExecutions")),
        None if total is None else total - usage.get("TotalCodeSize", 0),
    )
