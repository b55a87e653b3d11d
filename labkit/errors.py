"""What the lab says when something is wrong: where, what AWS said, and what to try.

    Exception
    └── LabError              a mistake or a trouble that a person can do something about
        ├── WaitedTooLong     a condition that the lab waited for did not come true in time
        ├── PackageError      a deployment package that cannot be built or read (labkit.packages)
        └── UnreadablePicture a picture that the functions cannot read (labkit.pictures)
    KeyboardInterrupt
    └── WaitInterrupted       an interrupt while the lab waited for something: it says what for, in a sentence

Each carries a `code` for programs. It stays the same when the words change:

    code                what it means
    aws-refused         AWS answered a call with an error; `aws_said` begins with AWS's own code
    bad-answer          what answered does not speak as AWS does, or its answer arrived spoilt
    bad-configuration   the AWS configuration of this machine (profile, region, variables) cannot be used
    bad-hand-in         a file cannot be marked: it was damaged, or is something else
    bad-notebook        a file is not a notebook that can be run
    bad-option          an option, a parameter or a variable has a value that the lab cannot use
    bad-package         a deployment package cannot be built or read
    bad-picture         a file or an object is not a picture that the functions can read, or not a whole one
    boto3-failed        boto3 gave a call up for another reason
    boto3-refused       boto3 refused a call for its parameters, and sent nothing
    disk-full           there is no room left to write to
    lab-error           none of the others: the message says it
    missing-step        an earlier step of the lab is not made yet
    no-credentials      boto3 found no credentials, or could not renew them; nothing was sent
    no-embedded-aws     the embedded AWS cannot be started, or has ended
    not-reached         nobody answered a call, or the connection broke
    not-there           what was named (a notebook, a function, a file) is not there
    not-this-labs       what is there belongs to someone else
    unusable-path       a file or folder cannot be read or written
    waited-too-long     what the lab waited for did not come in time
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from labkit.terminal import printable

# What to try, by AWS's own error code, where the answer is the same whatever the lab was doing.
HINTS = {
    code: hint
    for codes, hint in (
        (
            ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
            "Your credentials have expired. Sign in again; nothing is lost, the lab's journal goes on.",
        ),
        (
            ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken"),
            "AWS does not know these credentials. Check the profile, or sign in again. In a region that the account "
            "has not enabled, AWS says the same: its owner enables it, or you take another one.",
        ),
        (("SignatureDoesNotMatch",), "The secret key does not belong to the access key. Check the profile."),
        (("RequestTimeTooSkewed",), "Set this machine's clock: AWS refuses requests that are minutes off."),
        (
            ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"),
            "Your own user may not do this. `labkit permissions` prints the policy that the lab needs.",
        ),
        (
            ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded"),
            "AWS asks to go slower. Wait a minute and run the cell again.",
        ),
        (
            ("OptInRequired",),
            "Your account is not signed up for this service, or not for this region: its owner enables the region, or "
            "you take another one.",
        ),
        (
            (
                *("CodeStorageExceededException", "LimitExceeded", "LimitExceededException", "OverLimit"),
                *("ServiceQuotaExceededException", "SubscriptionLimitExceeded", "TooManyBuckets"),
                *("TopicLimitExceeded", "TopicLimitExceededException"),
            ),
            "The account has as many of these as it may have. Delete some that nobody needs, or ask for more: *Service "
            "Quotas* in AWS's console.",
        ),
    )
    for code in codes
}

# Of boto3's own errors, what each is: code, what happened, what to try, which. The first row that fits counts.
BOTO3_ERRORS = (
    (
        "no-credentials",
        "boto3 has no valid credentials",
        "Sign in (`aws sso login --profile NAME`, or a new key from the lab's page), run the cell with open_lab() "
        "again, then this one: the journal knows how far it came.",
        "CredentialRetrievalError LoginError MetadataRetrievalError NoAuthTokenError NoCredentialsError "
        "PartialCredentialsError SSOError TokenRetrievalError UnknownCredentialError UnknownTokenProviderError",
    ),
    (
        "no-credentials",
        "The session that you gave a one-time code for has ended",
        "Run the cell with open_lab() again: it asks for a new code. Then run this one.",
        "RefreshWithMFAUnsupportedError",
    ),
    (
        "no-credentials",
        "boto3 lacks a part that this way to sign in needs",
        "Type `pip install 'boto3[crt]'` in the lab's environment (in a checkout: "
        "`.venv/bin/pip install 'boto3[crt]'`), then restart the kernel.",
        "MissingDependencyException",
    ),
    (
        "bad-configuration",
        "The region cannot be used",
        'Say which, for example region="us-east-1", or with the variable LABKIT_REGION.',
        "InvalidRegionError NoRegionError ServiceNotInRegionError UnknownRegionError",
    ),
    (
        "bad-configuration",
        "The AWS configuration of this machine cannot be used",
        "Look into ~/.aws/config and at the variables that begin with AWS_; `aws configure list` shows what counts.",
        "BaseEndpointResolverError ConfigNotFound ConfigParseError InvalidChecksumConfigError InvalidConfigError "
        "InvalidDefaultsMode InvalidEndpointConfigurationError InvalidEndpointDiscoveryConfigurationError "
        "InvalidIMDSEndpointError InvalidIMDSEndpointModeError InvalidProxiesConfigError "
        "InvalidRetryConfigurationError InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError "
        "InvalidSTSRegionalEndpointsConfigError MD5UnavailableError ProfileNotFound UnknownSignatureVersionError "
        "UnsupportedS3ConfigurationError UnsupportedSignatureVersionError",
    ),
    (
        "boto3-refused",
        "boto3 knows no such service",
        'Services are named as in boto3.client(...): "s3", "sns", "sqs", "lambda", "iam", "logs".',
        "UnknownServiceError",
    ),
    (
        "boto3-refused",
        "boto3 refuses the call, and sent nothing",
        "Compare the parameters with boto3's documentation of the call: spelling, type and length count.",
        "EndpointProviderError InvalidDNSNameError InvalidHostLabelError MissingParametersError "
        "OperationNotPageableError ParamValidationError UnknownClientMethodError UnsupportedOutpostResourceError "
        "UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError UnsupportedS3ControlArnError "
        "UnsupportedS3ControlConfigurationError ValidationError",
    ),
    (
        "not-reached",
        "The proxy does not answer",
        "Look at the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY: no proxy is needed for 127.0.0.1.",
        "ProxyConnectionError",
    ),
    (
        "not-reached",
        "The certificate of what answered is not trusted",
        "Where a proxy opens connections, AWS_CA_BUNDLE names its certificate. Is this machine's clock right?",
        "SSLError",
    ),
    (
        "not-reached",
        "The connection broke before the answer was complete",
        "Run the cell again: what AWS did meanwhile is found there.",
        "ConnectionClosedError IncompleteReadError ReadTimeoutError ResponseStreamingError",
    ),
    (
        "not-reached",
        "A call did not reach AWS",
        "Run the cell with open_lab() again: it starts the embedded AWS if it is gone.",
        "ConnectionError HTTPClientError",
    ),
    ("bad-answer", "The answer arrived spoilt", "Run the cell again.", "ChecksumError FlexibleChecksumError"),
    ("waited-too-long", "What was waited for did not come", "Run the cell again.", "WaiterError"),
    ("boto3-failed", "boto3 gave the call up", "Run the cell again.", "BotoCoreError"),
)

# Who denied it, by AWS's own words: where a policy of one's own can't help, none is advised.
DENIALS = {
    "service control policy": "The organisation that the account belongs to forbids this: no policy of your own helps. "
    "Ask whoever runs it, or work in another account or region.",
    "resource control policy": "The organisation that the account belongs to forbids this on its resources: no policy "
    "of your own helps. Ask whoever runs it.",
    "permissions boundary": "Your user's permissions boundary leaves this out: no policy of your own helps. Ask "
    "whoever set it.",
    "session policy": "The session that you were given leaves this out: ask for one without that limit.",
    "explicit deny": "A policy denies this explicitly, and nothing that allows it helps: find the Deny, or ask whoever "
    "runs the account.",
}

FULL = (errno.ENOSPC, errno.EDQUOT)
LONGEST_NAME = 200
LONGEST_WORDS = 600  # boto3 repeats a wrong value in full, and a value can be a photo


class LabError(Exception):
    """A mistake or a trouble that a person can do something about.

    `where` says what the lab was doing, `aws_said` is AWS's own code and message, `hint` is what to try, `code` is one
    of the table above, for programs. In a notebook it shows as these lines alone, without a traceback. What somebody
    else wrote into a name or an answer commands no terminal: as text, control characters are spelt out.
    """

    code = "lab-error"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        aws_said: str | None = None,
        hint: str | None = None,
        code: str | None = None,
    ) -> None:
        self.message, self.where, self.aws_said, self._hint = message, where, aws_said, hint
        self.code = code or type(self).code
        super().__init__(message)

    def hint(self) -> str | None:
        """What to try next, or None."""
        return self._hint

    def as_data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        told = {"message": self.message, "where": self.where, "aws_said": self.aws_said, "hint": self._hint}
        return {"code": self.code, **told}

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"  where:    {self.where}"] if self.where else []
        lines += [f"  AWS said: {self.aws_said}"] if self.aws_said else []
        lines += [f"  try:      {self._hint}"] if self._hint else []
        return printable("\n".join(lines))

    def _render_traceback_(self) -> Sequence[str]:
        """IPython's hook: what a notebook shows instead of a traceback."""
        return [f"{type(self).__name__}: {line}" if not i else line for i, line in enumerate(str(self).split("\n"))]


class WaitedTooLong(LabError):
    """A condition that the lab waited for did not come true in time."""

    code = "waited-too-long"


class WaitInterrupted(KeyboardInterrupt):
    """An interrupt while the lab waited. It stays an interrupt to all that heeds one; a notebook shows its sentence."""

    def _render_traceback_(self) -> Sequence[str]:
        """IPython's hook: what a notebook shows instead of a traceback."""
        return [str(self)]


def error_code(error: ClientError) -> str:
    """AWS's code of a refused call, such as `NoSuchBucket`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """AWS's own words on a refused call."""
    return str(error.response.get("Error", {}).get("Message", ""))


def advice(error: ClientError, hints: Mapping[str, str]) -> str | None:
    """What to try after a refusal, by AWS's code and words; None where nothing is known.

    `hints` are more, each by a code or by a part of AWS's words; the first that fits counts.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    words, code = error_message(error), error_code(error)
    for words_of_aws, hint in DENIALS.items():
        if words_of_aws in words:
            return hint
    return next((hint for said, hint in hints.items() if said == code or said in words), None) or HINTS.get(code)


def boto3_error(error: BotoCoreError, where: str | None = None) -> LabError:
    """One of boto3's own errors as a LabError that says what it is."""
    named = {kind.__name__ for kind in type(error).__mro__}
    code, what, hint, _ = next(row for row in BOTO3_ERRORS if not named.isdisjoint(row[3].split()))
    words = str(error)
    if isinstance(error, boto.ParamValidationError):
        words = str(error.kwargs["report"]).replace("\n", "; ")
    elif isinstance(error, boto.UnknownServiceError):  # its own words list all of the four hundred
        words = str(error.kwargs["service_name"])
    words = _shortened(" ".join(words.split()), LONGEST_WORDS)
    return LabError(f"{what}: {words}", where=where, hint=hint, code=code)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest // 2]} ... {text[-longest // 2 :]}"


def file_error(error: OSError, where: str | None = None) -> LabError:
    """What the system says about a file or folder, as a LabError; a write that fails does not know which file."""
    name = _shortened(str(error.filename), LONGEST_NAME)
    said = f"{name} cannot be used: {error.strerror}." if error.filename else f"{error.strerror or error}."
    if error.errno in FULL:
        return LabError(said, where=where, hint="Free some space, or name a folder on another disk.", code="disk-full")
    return LabError(said, where=where, hint="Name a folder or file that you may read and write.", code="unusable-path")


@contextmanager
def file_errors(where: str) -> Iterator[None]:
    """Turn what the system refuses inside the block, such as a write to a full disk, into a LabError."""
    try:
        yield
    except OSError as error:
        raise file_error(error, where) from error


def write_file(path: Path, text: str, where: str) -> None:
    """Write the text, or leave no file: half a one would be taken for one. Raises LabError, which says `where`.

    What is no UTF-8, as in some file's name, is spelt out.
    """
    with file_errors(f"{where} {path}"):
        try:
            path.write_text(text, "utf-8", errors="backslashreplace")
        except OSError:
            path.unlink(missing_ok=True)
            raise


@contextmanager
def aws_errors(where: str, hints: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what AWS or boto3 refuses in the block, or in the function that this decorates, into a LabError.

    It says `where`. What AWS said chooses the hint: the block's own for a code or words, else the one for that code.
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        raise LabError(
            "AWS refused a call.",
            where=f"{where} ({error.operation_name})",
            aws_said=f"{code}: {error_message(error)}",
            hint=advice(error, hints or {}),
            code="aws-refused",
        ) from error
    except BotoCoreError as error:
        raise boto3_error(error, where) from error
    except Exception as error:
        from botocore.parsers import ResponseParserError  # no botocore error, and only boto3's users load its module

        if not isinstance(error, ResponseParserError):
            raise
        raise LabError(
            f"What answered does not speak as AWS does: {_shortened(' '.join(str(error).split()), LONGEST_WORDS)}",
            where=where,
            hint="Does a proxy or a sign-in page of the network answer in its place? Is the endpoint the right one?",
            code="bad-answer",
        ) from error
