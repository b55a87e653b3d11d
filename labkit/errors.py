"""What the lab says when something is wrong: where, what AWS said, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

# What to try, by AWS's own error code, where the answer is the same whatever the lab was doing.
HINTS = {
    "ExpiredToken": "Your credentials have expired. Sign in again; nothing is lost, the lab's journal goes on.",
    "ExpiredTokenException": "Your credentials have expired. Sign in again; nothing is lost, the journal goes on.",
    "InvalidClientTokenId": "AWS does not know these credentials. Check the profile, or sign in again.",
    "UnrecognizedClientException": "AWS does not know these credentials. Check the profile, or sign in again.",
    "AccessDenied": "Your own user may not do this. `labkit permissions` prints the policy that the lab needs.",
    "AccessDeniedException": "Your own user may not do this. `labkit permissions` prints the needed policy.",
    "AuthorizationError": "Your own user may not do this. `labkit permissions` prints the needed policy.",
    "Throttling": "AWS asks to go slower. Wait a minute and run the cell again.",
    "ThrottlingException": "AWS asks to go slower. Wait a minute and run the cell again.",
}

# boto3 found no credentials, or could not renew them; nothing was sent.
NO_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)


class LabError(Exception):
    """A mistake or a trouble that a person can do something about.

    `where` says what the lab was doing, `aws_said` is AWS's own code and message, `hint` is what to try.
    In a notebook it shows as these lines alone, without a traceback.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        aws_said: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message, self.where, self.aws_said, self._hint = message, where, aws_said, hint
        super().__init__(message)

    def hint(self) -> str | None:
        """What to try next, or None."""
        return self._hint

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"  where:    {self.where}"] if self.where else []
        lines += [f"  AWS said: {self.aws_said}"] if self.aws_said else []
        lines += [f"  try:      {self._hint}"] if self._hint else []
        return "\n".join(lines)

    def _render_traceback_(self) -> Sequence[str]:
        """IPython's hook: what a notebook shows in place of a traceback."""
        return [f"{type(self).__name__}: {line}" if not i else line for i, line in enumerate(str(self).split("\n"))]


class WaitedTooLong(LabError):
    """A condition that the lab waited for did not come true in time."""


def error_code(error: ClientError) -> str:
    """AWS's code of a refused call, such as `NoSuchBucket`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """AWS's own words on a refused call."""
    return str(error.response.get("Error", {}).get("Message", ""))


@contextmanager
def telling(where: str, hint: str | None = None) -> Iterator[None]:
    """Turn what AWS refuses inside the block, or the function that this decorates, into a LabError that says `where`.

    The hint is the block's own, else one that goes with AWS's error code.
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        raise LabError(
            "AWS refused a call.",
            where=f"{where} ({error.operation_name})",
            aws_said=f"{code}: {error_message(error)}",
            hint=hint or HINTS.get(code),
        ) from error
    except NO_CREDENTIALS as error:
        raise LabError(
            f"boto3 has no valid credentials: {error}",
            where=where,
            hint="Sign in (`aws sso login --profile NAME`, or a new key from the lab's page), run the cell with "
            "open_lab() again, then this one: the journal knows how far it came.",
        ) from error
    except BotoCoreError as error:
        raise LabError(
            f"A call did not reach AWS: {error}",
            where=where,
            hint="Run the cell with open_lab() again: it starts the embedded AWS if it is gone.",
        ) from error
