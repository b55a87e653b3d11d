"""What an execution role may do: who may assume it, and what its policies allow.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import Group, Role, User, iam_backends

from labkit.embedded_aws.state import PARTITION
from labkit.policy import Request, allows


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


def may(role_arn: str, resource: str, *actions: str) -> bool:
    """Return whether the role's inline and attached policies allow all these actions on the resource."""
    role = find_role(role_arn)
    policies = policies_of(role) if role is not None else []
    return all(allows(policies, Request(action, resource, arn=role_arn), identity=True) for action in actions)


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
