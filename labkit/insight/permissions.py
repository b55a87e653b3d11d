"""What a student's own user needs for the lab on a real account: the policy that `labkit permissions` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.lab import Lab
from labkit.policy import pretty
from labkit.resources import KINDS
from labkit.result import Result

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: a managed policy, without white space.
MANAGED_POLICY_LIMIT = 6144


@dataclass(frozen=True)
class Permissions(Result):
    """The policy document, and for whom it is."""

    names: str  # the names it is about, in words
    document: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Characters that count towards IAM's limit: white space does not."""
        return len(json.dumps(self.document, separators=(",", ":")))

    def sentence(self) -> str:
        """What it allows, and whether IAM takes it as one policy."""
        return (
            f"With this policy a user can do the lab, and touch only {self.names}: {self.size:,} of the "
            f"{MANAGED_POLICY_LIMIT:,} characters that a managed policy may have."
            f"{' It is too long; with a shorter prefix it fits.' if self.size > MANAGED_POLICY_LIMIT else ''}"
        )

    def headers(self) -> Sequence[str]:
        return ("why", "may do", "on", "only if")

    def rows(self) -> Iterable[Sequence[object]]:
        for statement in self.document["Statement"]:
            condition = statement.get("Condition")
            yield (
                statement["Sid"],
                "\n".join(statement["Action"]),
                "\n".join(statement["Resource"]),
                json.dumps(condition) if condition else "-",
            )

    def json(self) -> str:
        """The policy document, to be pasted into IAM."""
        return pretty(self.document)


def permissions(lab: Lab) -> Permissions:
    """What a user needs to do this lab with this prefix, as often as they like: the suffix is left open.

    Each action stands with the narrowest resource that AWS lets it be given; `*` where AWS knows no other. An existing
    role or bucket given to open_lab is named instead of the lab's own. sts:GetCallerIdentity needs no permission.
    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    # On a real account every name carries the suffix, whatever the lab that is open here does.
    any_suffix = replace(lab, definition=replace(lab.definition, suffix="*", where="aws"))
    document = {"Version": "2012-10-17", "Statement": _statements(any_suffix)}
    prefix = lab.definition.prefix
    return Permissions(f"what is named {prefix or 'as the lab names it'}{'...' if prefix else ''}", document)


def _statements(lab: Lab) -> list[dict[str, Any]]:
    """The rights of all kinds; what is on the same resources under the same condition is one statement."""
    statements: dict[tuple[str, str], dict[str, Any]] = {}
    for right in (right for kind in KINDS for right in kind.rights(lab)):
        condition = {"Condition": dict(right.condition)} if right.condition else {}
        new = {"Sid": right.why, "Effect": "Allow", "Action": [], "Resource": list(right.resources), **condition}
        statement = statements.setdefault((right.why, json.dumps(new["Resource"])), new)
        actions = [f"{right.service}:{action}" for action in right.actions.split()]
        statement["Action"] = list(dict.fromkeys([*statement["Action"], *actions]))
    return list(statements.values())
