"""What IAM refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_policies.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.iam.models import iam_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.services.policy_documents import BadPolicy, read_policy
from labkit.embedded_aws.state import ACCOUNT, PARTITION
from labkit.policy import as_list

_POLICY_ARN = re.compile(r"arn:aws:iam::(\d{12}|aws):policy/.+")


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)


def _check_trust(member: str) -> Callable[[Operation], None]:
    def check(operation: Operation) -> None:
        try:
            statements = read_policy(operation.get(member), principal=True, resource=False)
        except BadPolicy as error:
            raise _malformed(error.message) from error
        for statement in statements:
            if {"Resource", "NotResource"} & set(statement):
                raise _malformed("Has prohibited field Resource")
            if not all(
                action.lower().startswith("sts:") or action == "*" for action in as_list(statement.get("Action"))
            ):
                raise _malformed("AssumeRole policy may only specify STS AssumeRole actions.")

    return check


def _check_identity_policy(operation: Operation) -> None:
    try:
        read_policy(operation.get("PolicyDocument"), principal=False)
    except BadPolicy as error:
        raise _malformed(error.message if error.is_json else "Syntax errors in policy.") from error


def _check_policy_arn(operation: Operation) -> None:
    arn = operation.get("PolicyArn")
    if not _POLICY_ARN.fullmatch(arn):
        raise AwsError("ValidationError", "Invalid ARN:  Could not be parsed!")


def _check_delete_policy(operation: Operation) -> None:
    _check_policy_arn(operation)
    arn = operation.get("PolicyArn")
    backend = iam_backends[ACCOUNT][PARTITION]
    holders: list[Any] = [*backend.roles.values(), *backend.users.values(), *backend.groups.values()]
    if any(arn in holder.managed_policies for holder in holders):
        raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)


CHECKS: dict[str, Callable[[Operation], None]] = {
    "AttachGroupPolicy": _check_policy_arn,
    "AttachRolePolicy": _check_policy_arn,
    "AttachUserPolicy": _check_policy_arn,
    "CreatePolicy": _check_identity_policy,
    "CreatePolicyVersion": _check_identity_policy,
    "CreateRole": _check_trust("AssumeRolePolicyDocument"),
    "DeletePolicy": _check_delete_policy,
    "DetachRolePolicy": _check_policy_arn,
    "PutGroupPolicy": _check_identity_policy,
    "PutRolePolicy": _check_identity_policy,
    "PutUserPolicy": _check_identity_policy,
    "UpdateAssumeRolePolicy": _check_trust("PolicyDocument"),
}
