"""What STS refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.http.request_context import caller
from labkit.embedded_aws.roles import find_role
from labkit.embedded_aws.services.policy_documents import BadPolicy, read_policy
from labkit.embedded_aws.state import ACCOUNT
from labkit.policy import Request, allows

_ARN = re.compile(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+")


def _check_assume_role(operation: Operation) -> None:
    arn, sender = operation.get("RoleArn"), caller.get()
    if not _ARN.fullmatch(arn):
        raise AwsError("ValidationError", f"{arn} is invalid")
    _check_tags(operation)
    role = find_role(arn)
    assert sender is not None, "the dispatcher lets in nobody without a signature"
    asked = Request("sts:AssumeRole", arn, arn=sender.principal or sender.arn, account=ACCOUNT)
    if role is None or not allows([role.assume_role_policy_document], asked):
        words = f"User: {sender.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise AwsError("AccessDenied", words, 403)


def _check_tags(operation: Operation) -> None:
    keys = [tag["Key"].lower() for tag in operation.get("Tags", [])]
    if len(set(keys)) < len(keys):
        words = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        raise AwsError("InvalidParameterValue", words)
    if not {key.lower() for key in operation.get("TransitiveTagKeys", [])} <= set(keys):
        words = "The specified transitive tag key must be included in the requested tags."
        raise AwsError("InvalidParameterValue", words)


def _check_session_token(_operation: Operation) -> None:
    """A session cannot make another: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html."""
    sender = caller.get()
    if sender is not None and sender.session_token is not None:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)


def _check_federation(operation: Operation) -> None:
    """The embedded AWS federates for its owner alone: nobody else's rights and the policy are weighed together."""
    _check_session_token(operation)
    sender = caller.get()
    if sender is not None and sender.principal is not None:
        raise not_there("GetFederationToken for users whose rights are limited")
    try:
        read_policy(operation.get("Policy") or _NO_RIGHTS, principal=False)
    except BadPolicy as error:
        raise AwsError("MalformedPolicyDocument", error.message) from error


_NO_RIGHTS = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'

CHECKS: dict[str, Callable[[Operation], None]] = {
    "AssumeRole": _check_assume_role,
    "GetFederationToken": _check_federation,
    "GetSessionToken": _check_session_token,
}
