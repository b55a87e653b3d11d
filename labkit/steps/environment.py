"""Step 0: is everything there that the lab needs?"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from packaging.requirements import Requirement

from labkit.errors import boto3_error, error_code, error_message, file_error
from labkit.lab import Lab
from labkit.result import Check, Checks
from labkit.workbook import DISTRIBUTION

OLDEST_PYTHON = (3, 11)
DISK_NEEDED_MB = 500  # packages, logs of the embedded AWS, executed notebooks
CLOCK_SKEW_S = 300  # AWS refuses requests that are signed more than five minutes off

# One harmless question to each service that the lab uses.
QUESTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "S3": ("s3", lambda client: client.list_buckets()),
    "SNS": ("sns", lambda client: client.list_topics()),
    "SQS": ("sqs", lambda client: client.list_queues()),
    "IAM": ("iam", lambda client: client.list_roles(MaxItems=1)),
    "Lambda": ("lambda", lambda client: client.list_functions(MaxItems=1)),
    "CloudWatch Logs": ("logs", lambda client: client.describe_log_groups(limit=1)),
}


def check_environment(lab: Lab) -> Checks:
    """Look at this machine and at each service of AWS: Python, packages, disk, clock, answers. Changes nothing."""
    services = [name for name in QUESTIONS if not (name == "IAM" and lab.definition.role_arn)]
    checks = [_check_python(), _check_packages(), _check_disk(lab), _check_clock(lab)]
    return Checks("environment", (*checks, *(_check_service(lab, name) for name in services)))


def _check_python() -> Check:
    found, wanted = ".".join(map(str, sys.version_info[:3])), ".".join(map(str, OLDEST_PYTHON))
    return Check(
        "Python", sys.version_info >= OLDEST_PYTHON, f"{wanted} or newer", found, "Set up with another: make PYTHON=..."
    )


def _check_packages() -> Check:
    wrong, needed = [], [Requirement(text) for text in requires(DISTRIBUTION) or []]
    needed = [need for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    for need in needed:
        try:
            found = version(need.name)
        except PackageNotFoundError:
            wrong.append(f"no {need.name}")
            continue
        if not need.specifier.contains(found, prereleases=True):
            wrong.append(f"{need.name} {found}")
    return Check(
        "packages", not wrong, f"{len(needed)} as pyproject.toml says", ", ".join(wrong) or f"{len(needed)}", "make lab"
    )


def _check_disk(lab: Lab) -> Check:
    free, writable = 0, os.access(lab.workspace, os.W_OK)
    try:
        free = shutil.disk_usage(lab.workspace).free // 2**20
        found = f"{free:,} MB" if writable else f"{lab.workspace} can't be written to"
    except OSError as error:
        found = file_error(error).message
    return Check(
        "disk",
        free >= DISK_NEEDED_MB and writable,
        f"{DISK_NEEDED_MB} MB to write to",
        found,
        "Free some space, or choose another folder with the variable LABKIT_WORKSPACE.",
    )


def _check_clock(lab: Lab) -> Check:
    """Signed requests carry the time; the answer's Date header is the other side's."""
    hint = "Set this machine's clock: AWS refuses requests that are more than five minutes off."
    wanted = f"within {CLOCK_SKEW_S} s of AWS"
    try:
        answer = lab.client("sts").get_caller_identity()
        theirs = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (ClientError, BotoCoreError) as error:
        return Check("clock", False, wanted, _words(error), hint)
    except (KeyError, ValueError):
        return Check("clock", False, wanted, "its answer does not say the time", hint)
    skew = abs((datetime.now(UTC) - theirs.astimezone(UTC)).total_seconds())
    return Check("clock", skew <= CLOCK_SKEW_S, wanted, f"{skew:.0f} s off", hint)


def _check_service(lab: Lab, name: str) -> Check:
    service, ask = QUESTIONS[name]
    try:
        ask(lab.client(service))
    except ClientError as error:
        return Check(name, False, "answers", _words(error), "`labkit permissions` prints what your user needs.")
    except BotoCoreError as error:
        hint = f"Does {lab.definition.region} offer {name}? Is the net up?"
        return Check(name, False, "answers", _words(error), hint)
    return Check(name, True, "answers", "answers")


def _words(error: ClientError | BotoCoreError) -> str:
    """What AWS said, or what boto3 said in its place, as what it is."""
    if isinstance(error, ClientError):
        return f"{error_code(error)}: {error_message(error)}"
    return boto3_error(error).message
