"""Resource policies of functions and layers, and what they allow a service.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, lambda_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.services.lambda_names import read_name
from labkit.embedded_aws.state import ACCOUNT
from labkit.policy import allows, service_request

_PRINCIPAL = re.compile(r"\*|\d{12}|arn:aws:iam::\d{12}:.+|[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")
_NO_POLICY = "The resource you requested does not exist."


class ResourcePolicy:
    """The statements about one function, its versions and aliases, or about a version of a layer."""

    def __init__(self, shown_by: str = "GetPolicy") -> None:
        """Begin without any; `shown_by` is the operation that tells the revision."""
        self._shown_by = shown_by
        self._statements: dict[str, list[dict[str, Any]]] = {}  # by the ARN that they are about
        self._revisions: dict[str, str] = {}

    def add(self, arn: str, sent: dict[str, Any], revision: str | None = None) -> dict[str, Any]:
        """Add a statement as AddPermission describes it and return it; raises AwsError.

        `revision` is the one of the resource itself, which counts as long as there is no policy.
        """
        self._check_revision(sent.get("RevisionId"), self._revisions.get(arn) or revision)
        if not _PRINCIPAL.fullmatch(sent["Principal"]):
            words = "The provided principal was invalid. Please check the principal and try again."
            raise AwsError("InvalidParameterValueException", words)
        sid = sent["StatementId"]
        if any(statement["Sid"] == sid for statement in self._statements.get(arn, [])):
            words = f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove "
            raise AwsError("ResourceConflictException", f"{words}the existing statement.", 409)
        statement = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": _principal(sent["Principal"]),
            "Action": sent["Action"],
            "Resource": arn,
        }
        if condition := _condition(sent):
            statement["Condition"] = condition
        self._statements.setdefault(arn, []).append(statement)
        self._revisions[arn] = str(uuid.uuid4())
        return statement

    def remove(self, arn: str, sid: str, revision: str | None) -> None:
        """Remove a statement; raises AwsError."""
        held = self._statements.get(arn)
        if not held:
            raise AwsError("ResourceNotFoundException", "No policy is associated with the given resource.", 404)
        self._check_revision(revision, self._revisions.get(arn))
        kept = [statement for statement in held if statement["Sid"] != sid]
        if len(kept) == len(held):
            raise AwsError("ResourceNotFoundException", f"Statement {sid} is not found in resource policy.", 404)
        self._statements[arn] = kept
        self._revisions[arn] = str(uuid.uuid4())

    def shown(self, arn: str, otherwise: str = _NO_POLICY) -> dict[str, str]:
        """Return GetPolicy's answer; raises AwsError, with the words of `otherwise`, where there is none."""
        if not self._statements.get(arn):
            raise AwsError("ResourceNotFoundException", otherwise, 404)
        return {"Policy": json.dumps(self.document(arn)), "RevisionId": self._revisions[arn]}

    def document(self, arn: str) -> dict[str, Any]:
        """Return the policy."""
        return {"Version": "2012-10-17", "Id": "default", "Statement": self._statements.get(arn, [])}

    def _check_revision(self, sent: str | None, latest: str | None) -> None:
        if sent and sent != latest:
            words = "The Revision Id provided does not match the latest Revision Id. Call the "
            words += f"{self._shown_by} API to retrieve the latest Revision Id"
            raise AwsError("PreconditionFailedException", words, 412)


def _principal(named: str) -> Any:
    if named.endswith(".amazonaws.com"):
        return {"Service": named}
    if named == "*":
        return "*"
    return {"AWS": f"arn:aws:iam::{named}:root" if named.isdecimal() else named}


def _condition(sent: dict[str, Any]) -> dict[str, dict[str, str]]:
    condition: dict[str, dict[str, str]] = {}
    for name, operator, key in (
        ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
        ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        ("OrganizationId", "StringEquals", "aws:PrincipalOrgID"),
        ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
        ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
        ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ):
        if sent.get(name):
            condition.setdefault(operator, {})[key] = sent[name]
    return condition


def find_function(arn: str) -> LambdaFunction | None:
    """Return the function, version or alias of that ARN, None if there is none."""
    parts = arn.split(":")
    if len(parts) not in (7, 8) or parts[2] != "lambda":
        return None
    try:
        return lambda_backends[parts[4]][parts[3]].get_function(arn)
    except UnknownFunctionException:
        return None


def invoke_later(arn: str, event: bytes) -> bool:
    """Let the function, version or alias of that ARN run asynchronously; return whether there is one."""
    if find_function(arn) is None:
        return False
    backend: Any = lambda_backends[ACCOUNT][arn.split(":")[3]]
    backend.invoke_later(read_name(arn), event)
    return True


def may_invoke(service: str, arn: str, *, source: str) -> bool:
    """Return whether there is such a function, and its policy lets the service invoke it for the resource `source`."""
    function = find_function(arn)
    if function is None:
        return False
    account = arn.split(":")[4]
    request = service_request(service, "lambda:InvokeFunction", arn, source=source, account=account)
    policy: ResourcePolicy = function.policy  # type: ignore[assignment]  # ours, see lambda_function.py
    return allows([policy.document(arn)], request)
