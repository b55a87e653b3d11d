"""Signing in to AWS: a session that asks for a one-time code at most once, and what to type when it ends.

Every way in (keys, SSO, `aws login`, roles with MFA, a process) is boto3's own. What is added is the cache that the
AWS CLI keeps for assumed roles, and a sentence instead of a traceback.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.utils import JSONFileCache

from labkit.errors import LabError, boto3_error, error_code, error_message
from labkit.progress import HEADLESS

# How the services say that temporary credentials have run out.
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
ENVIRONMENT = "AWS_ACCESS_KEY_ID"
# What helps with these is another thing than signing in anew, and stands with them.
NOT_BY_PROFILE = ("MissingDependencyException", "RefreshWithMFAUnsupportedError")
FIRST = (
    "Sign in first: `aws configure sso`, `aws login` or `aws configure`, as docs/real-account.md says, and name the "
    "profile."
)


def sign_in(core: botocore.session.Session, region: str | None) -> boto3.Session:
    """A boto3 session whose assumed roles are shared with the AWS CLI, and whose failures say what to type.

    The code of a role with MFA is asked for where somebody can type it, once for all notebooks and commands.
    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html
    """
    session = boto3.Session(botocore_session=core, region_name=region)
    role = core.get_component("credential_provider").get_provider("assume-role")
    role.cache = JSONFileCache(str(Path.home() / ".aws" / "cli" / "cache"))
    role._prompter = _ask_for_code  # botocore takes it only from whoever builds the whole chain of providers
    with _told(core):
        credentials = core.get_credentials()
        if credentials is None:
            raise NoCredentialsError
    freeze = credentials.get_frozen_credentials

    def frozen() -> Any:  # every request asks for them before it is signed
        with _told(core):
            return freeze()

    credentials.get_frozen_credentials = frozen
    session.events.register("after-call.*.*", lambda **call: _tell_expired(core, **call))
    return session


def what_to_type(core: botocore.session.Session) -> str:
    """How one signs in anew, by what the profile is made of: a sentence."""
    explicit = core.instance_variables().get("profile") is not None
    name = str(core.get_config_variable("profile") or "default")
    if not explicit and os.environ.get(ENVIRONMENT):
        return (
            f"The variables {ENVIRONMENT}, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN count here: set them anew, as "
            "whoever gave you the account shows them, and restart the kernel."
        )
    profiles: Mapping[str, Any] = core.full_config.get("profiles", {})
    profile = profiles.get(name, {})
    if "mfa_serial" in profile:
        return (
            f"Type `aws sts get-caller-identity{_option(name)}` in a terminal: it asks for the code of "
            f"{profile['mfa_serial']}, and the lab shares that session."
        )
    seen = {name}
    while (source := profile.get("source_profile")) in profiles and source not in seen:
        name, profile = source, profiles[source]
        seen.add(name)
    return _by_kind(name, profile)


def _by_kind(name: str, profile: Mapping[str, Any]) -> str:
    if "sso_session" in profile or "sso_start_url" in profile:
        return f"Type `aws sso login{_option(name)}` in a terminal."
    if "login_session" in profile:
        return f"Type `aws login{_option(name)}` in a terminal."
    if "credential_process" in profile:
        return f"The profile {name} asks a program: type `{profile['credential_process']}` and see what it says."
    if "aws_session_token" in profile:
        return f"Copy the keys anew into ~/.aws/credentials, section [{name}]: these end with their session."
    if "aws_access_key_id" in profile:
        return f"Look at the key in ~/.aws/credentials, section [{name}]: IAM, *Security credentials*, makes a new one."
    return FIRST


def _option(profile: str) -> str:
    return "" if profile == "default" else f" --profile {profile}"


@contextmanager
def _told(core: botocore.session.Session) -> Iterator[None]:
    """Turn whatever keeps boto3 from getting credentials into a LabError that says what to type.

    A program that the profile names may be missing or answer with anything; what boto3 raises then is no error of its
    own kinds.
    """
    try:
        yield
    except BotoCoreError as error:
        told = boto3_error(error, "signing in")
        if told.code == "no-credentials" and type(error).__name__ not in NOT_BY_PROFILE:
            told = LabError(told.message, where="signing in", hint=what_to_type(core), code=told.code)
        raise told from error
    except ClientError as error:
        raise LabError(
            "AWS did not sign you in.",
            where=f"signing in ({error.operation_name})",
            aws_said=f"{error_code(error)}: {error_message(error)}",
            hint=_after_refusal(core, error),
            code="no-credentials",
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"The profile gives no valid credentials: {type(error).__name__}: {error}",
            where="signing in",
            hint=what_to_type(core),
            code="no-credentials",
        ) from error


def _after_refusal(core: botocore.session.Session, error: ClientError) -> str:
    if "MultiFactorAuthentication" in error_message(error):
        return "Was the code right? Each is taken once: wait for the next one, and run this again."
    if error.operation_name == "AssumeRole" and error_code(error) == "AccessDenied":
        return "The role has to trust your user, and your user has to be allowed sts:AssumeRole: ask the role's owner."
    return what_to_type(core)


def _ask_for_code(prompt: str) -> str:
    """The one-time code that somebody types; LabError where nobody can."""
    in_a_kernel = "ipykernel" in sys.modules
    if not os.environ.get(HEADLESS) and (in_a_kernel or (sys.stdin is not None and sys.stdin.isatty())):
        try:
            return getpass.getpass(prompt)  # a kernel has put its own in this place
        except (EOFError, NotImplementedError):  # a notebook that is run by a program
            pass
    raise LabError(
        "The profile wants a one-time code (MFA), and nobody is here to type it.",
        where="signing in",
        hint="Type `aws sts get-caller-identity` with this profile in a terminal first: it asks for the code once, and "
        "the lab shares that session for as long as it lasts.",
        code="no-credentials",
    )


def _tell_expired(core: botocore.session.Session, model: Any, parsed: Mapping[str, Any], **_: Any) -> None:
    """After every call: credentials that ran out are told as such, whatever the lab was doing."""
    error = parsed.get("Error", {})
    # S3 answers a HEAD request without a body, so without a reason: the status is all there is.
    silent = error.get("Code") == "400" and model.name.startswith("Head")
    if error.get("Code") in EXPIRED or silent:
        raise LabError(
            "Your credentials have expired." + (" (S3 gave no reason; this is the usual one.)" if silent else ""),
            where=f"{model.service_model.service_name}: {model.name}",
            aws_said=f"{error.get('Code')}: {error.get('Message')}",
            hint=f"{what_to_type(core)} Then run the cell with open_lab() again, then this one: the journal knows how "
            "far it came.",
            code="no-credentials",
        )
