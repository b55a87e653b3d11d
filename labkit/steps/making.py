"""What every step does alike: write down before the call, ask for the step before, swallow "not found" alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from labkit.errors import LabError, error_code, telling
from labkit.lab import Lab
from labkit.result import Check

# The codes with which each service says that a thing is not there.
NOT_FOUND = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchKey",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NotFound",
        "NotFoundException",
        "OwnershipControlsNotFoundError",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


def is_not_found(error: ClientError) -> bool:
    """True if AWS says that the thing asked for is not there."""
    return error_code(error) in NOT_FOUND


def found_or_none(ask: Callable[..., Any], **parameters: Any) -> Any:
    """The answer of a read call, or None if AWS says that the thing is not there; other errors pass."""
    try:
        return ask(**parameters)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


@contextmanager
def making(lab: Lab, kind: str, name: str, hint: str | None = None) -> Iterator[None]:
    """Around the calls that make `name`: the journal first, and a refusal that says what was being made."""
    lab.journal.creating(kind, name)
    with telling(f"creating the {kind} {name}", hint):
        yield


@contextmanager
def deleting(lab: Lab, kind: str, name: str) -> Iterator[None]:
    """Around the calls that delete `name`; that it is gone already is no error."""
    with telling(f"deleting the {kind} {name}"):
        try:
            yield
        except ClientError as error:
            if not is_not_found(error):
                raise
    lab.journal.deleted(kind, name)


def require(lab: Lab, kind: str, name: str, *, step: int, notebook: str) -> Mapping[str, Any]:
    """The journal's facts on what an earlier step made; LabError, naming that step, if it is not there."""
    entry = lab.journal.find(kind, name)
    if entry is None or entry.state != "created":
        raise LabError(
            f"There is no {kind} {name} yet.",
            hint=f"That is step {step}: run the notebook {notebook} first, or catch_up(lab, to={step}).",
        )
    return entry.facts


def refuse_foreign(lab: Lab, kind: str, name: str, read_tags: Callable[[], Mapping[str, str]]) -> None:
    """Raise LabError if something of that name is there already and neither journal nor tags say it is this lab's."""
    if lab.journal.find(kind, name) or read_tags().get("Lab") == lab.settings.lab_id:
        return
    raise LabError(
        f"The {kind} {name} is there already, and it is not this lab's. It was left alone.",
        where=f"creating the {kind} {name}",
        hint="Open the lab with a prefix of your own: open_lab(..., prefix='ann-').",
    )


def as_tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form that SNS, S3 and IAM take."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_tag_list(tags: list[dict[str, str]]) -> dict[str, str]:
    """The reverse of `as_tag_list`."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def pretty(document: object) -> str:
    """A policy document as indented JSON."""
    return json.dumps(document, indent=2)


def conditions(statement: Mapping[str, Any]) -> str:
    """The conditions of a policy's statement in words, one line each; a dash if there are none."""
    lines = [
        f"{key} {operator} {value}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    ]
    return "\n".join(lines) or "-"


def parsed(document: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """A policy document from JSON, or as a client has decoded it already; empty if there is none."""
    return dict(json.loads(document) if isinstance(document, str) else document) if document else {}


def missing(subject: str, expected: str, step: int) -> Check:
    """The line of a check for something that is not there at all."""
    return Check(subject, False, expected, "nothing of that name", f"catch_up(lab, to={step}) makes it.")


def equal(subject: str, expected: object, found: object, hint: str) -> Check:
    """The line of a check that compares two values."""
    return Check(subject, expected == found, str(expected), "nothing" if found is None else str(found), hint)
