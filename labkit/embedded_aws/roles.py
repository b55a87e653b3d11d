"""What an execution role may do: who may assume it, what its policies allow, which credentials it gives.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

from moto.iam.models import Group, Role, User, iam_backends
from moto.sts.models import AssumedRole, sts_backends

from labkit.embedded_aws.state import PARTITION
from labkit.policy import Request, allows

_lock = threading.Lock()


def find_role(arn: str) -> Role | None:
    """Return the role, or None when there is none of that ARN."""
    parts = arn.split(":")
    if len(parts) != 6:
        return None
    known = list(iam_backends[parts[4]][PARTITION].roles.values())  # others may make roles meanwhile
    return next((role for role in known if role.arn == arn), None)


def lambda_may_assume(arn: str) -> bool:
    """Return whether the role exists and its trust policy lets the Lambda service assume it."""
    role = find_role(arn)
    request = Request("sts:AssumeRole", arn, service="lambda.amazonaws.com")
    return role is not None and allows([role.assume_role_policy_document], request)


def may(role_arn: str, action: str, resource: str, context: dict[str, str] | None = None) -> bool:
    """Return whether the role's inline and attached policies allow the action on the resource."""
    role = find_role(role_arn)
    if role is None:
        return False
    request = Request(action, resource, arn=role_arn, context=context or {})
    return allows(policies_of(role), request, identity=True)


def policies_of(holder: Role | User | Group) -> list[Any]:
    """Return the inline and attached policies of a role, a user or a group."""
    attached = list(holder.managed_policies.values())
    documents = [
        version.document
        for policy in attached
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
    return [*holder.policies.values(), *documents]


_sessions: dict[str, AssumedRole] = {}


def session_of(access_key: str) -> AssumedRole | None:
    """Return the session of a function's role whose access key this is, None for anybody else's."""
    return _sessions.get(access_key)


@lru_cache(maxsize=4096)
def credentials(role_arn: str, session: str) -> AssumedRole:
    """Return the temporary credentials that Lambda hands to a function; the session bears its name."""
    with _lock:
        account = role_arn.split(":")[4]
        assumed = sts_backends[account][PARTITION].assume_role(
            region_name="us-east-1",
            role_session_name=session if len(session) > 1 else f"{session}@lambda_function",  # STS wants two letters
            role_arn=role_arn,
            policy="",
            duration=43_200,
            external_id="",
        )
        _sessions[assumed.access_key_id] = assumed
        return assumed
