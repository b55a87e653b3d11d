"""Step 4, first part: the execution role of each function, with no right more than its work needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.errors import telling
from labkit.lab import Lab
from labkit.result import Check, Result
from labkit.settings import INGEST_FOLDER, FunctionSettings
from labkit.steps.making import (
    as_tag_list,
    conditions,
    deleting,
    found_or_none,
    from_tag_list,
    making,
    missing,
    parsed,
    pretty,
    refuse_foreign,
    require,
)
from labkit.steps.notification import bucket_arn
from labkit.steps.queues import queue_arn

POLICY_NAME = "what-the-function-needs"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Role(Result):
    """An execution role: what a function may do, and who may take it on (Lambda alone)."""

    name: str
    arn: str
    document: Mapping[str, Any]  # empty for an existing role, which is not this lab's to read
    made: bool

    def sentence(self) -> str:
        """Made, there already, or an existing one."""
        if not self.document:
            return f"The existing role {self.name} is used as it is."
        return f"The role {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f"Role {self.name} created.",) if self.made else ()

    def headers(self) -> Sequence[str]:
        """One row a statement."""
        return ("why", "may do", "on", "only if")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a statement."""
        for statement in self.document.get("Statement", ()):
            actions = "\n".join(statement["Action"])
            yield statement["Sid"], actions, statement["Resource"], conditions(statement)

    def json(self) -> str:
        """The policy document as AWS keeps it."""
        return pretty(self.document)


@dataclass(frozen=True)
class Roles(Result):
    """The roles of all functions."""

    roles: tuple[Role, ...]

    def sentence(self) -> str:
        """How many there are, and how many of them are new."""
        return f"{len(self.roles)} execution roles, {sum(role.made for role in self.roles)} of them newly made."

    def console(self) -> Sequence[str]:
        """One sentence a role made."""
        return [said for role in self.roles for said in role.console()]

    def headers(self) -> Sequence[str]:
        """One row a role."""
        return ("role", "ARN")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a role."""
        return [(role.name, role.arn) for role in self.roles]


def role_policy(lab: Lab, function: FunctionSettings) -> dict[str, Any]:
    """What a function may do, each statement with the reason as its Sid.

    Listing `ingest/` is what makes a deleted photo answer 404 in place of 403.
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, .../AmazonS3/latest/API/API_GetObject.html
    """
    bucket = bucket_arn(lab)

    def allow(why: str, actions: list[str], resource: str, **condition: Any) -> dict[str, Any]:
        statement = {"Sid": why, "Effect": "Allow", "Action": actions, "Resource": resource}
        return {**statement, "Condition": condition} if condition else statement

    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(
                "TakeFromItsQueue",
                ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                queue_arn(lab, lab.settings.queue_name(function)),
            ),
            allow("ReadThePhoto", ["s3:GetObject"], f"{bucket}/{INGEST_FOLDER}*"),
            allow(
                "TellDeletedFromForbidden",
                ["s3:ListBucket"],
                bucket,
                StringLike={"s3:prefix": f"{INGEST_FOLDER}*"},
            ),
            allow("WriteItsResults", ["s3:PutObject"], f"{bucket}/{function.folder}*"),
            allow(
                "WriteItsLog",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                f"{lab.arn('logs', 'log-group:' + lab.settings.log_group(function))}:*",
            ),
        ],
    }


@telling("making an execution role")
def create_role(lab: Lab, function_name: str) -> Role:
    """Make a function's execution role, or take the existing one that open_lab was given.

    Returns the Role; calling it again changes nothing but a policy that differs. Raises LabError.
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    """
    function = lab.settings.function_named(function_name)
    if lab.role_arn is not None:
        return Role(lab.role_arn.rsplit("/", 1)[-1], lab.role_arn, {}, made=False)
    iam, name, document = lab.client("iam"), lab.settings.role_name(function), role_policy(lab, function)
    answer = found_or_none(iam.get_role, RoleName=name)
    if answer is not None:
        tags = from_tag_list(answer["Role"].get("Tags", []))
        refuse_foreign(lab, "role", name, lambda: tags)
    made = answer is None
    if made or _inline_policy(lab, name) != document:
        hint = "Accounts that forbid iam:CreateRole have a role to use: open_lab(role_arn=...)."
        with making(lab, "role", name, hint):
            if made:
                answer = iam.create_role(
                    RoleName=name,
                    AssumeRolePolicyDocument=json.dumps(TRUST),
                    Description=f"What {function.name} of the lab {lab.settings.lab_id} may do.",
                    Tags=as_tag_list(lab.settings.tags),
                )
            iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(document))
    arn = answer["Role"]["Arn"]
    lab.journal.created("role", name, arn=arn)
    return Role(name, arn, document, made)


def create_roles(lab: Lab) -> Roles:
    """Make the execution role of every function."""
    return Roles(tuple(create_role(lab, function.name) for function in lab.settings.functions))


def role_arn(lab: Lab, function: FunctionSettings) -> str:
    """The ARN of a function's role; LabError if it was not made."""
    if lab.role_arn is not None:
        return lab.role_arn
    name = lab.settings.role_name(function)
    return str(require(lab, "role", name, step=4, notebook="04_functions")["arn"])


def _inline_policy(lab: Lab, name: str) -> dict[str, Any]:
    answer = found_or_none(lab.client("iam").get_role_policy, RoleName=name, PolicyName=POLICY_NAME)
    return {} if answer is None else parsed(answer["PolicyDocument"])


def check_role(lab: Lab, function: FunctionSettings) -> list[Check]:
    """Look at a function's role: who may take it on, and what it may do."""
    name = lab.settings.role_name(function)
    if lab.role_arn is not None:
        return []
    answer = found_or_none(lab.client("iam").get_role, RoleName=name)
    if answer is None:
        return [missing(f"{name}: exists", name, 4)]
    trust = parsed(answer["Role"]["AssumeRolePolicyDocument"])
    again = f"create_role(lab, {function.name!r}) sets it again."
    wanted, found = role_policy(lab, function), _inline_policy(lab, name)
    lacking = [s["Sid"] for s in wanted["Statement"] if s not in found.get("Statement", [])]
    return [
        Check(f"{name}: exists", True, name, name),
        Check(
            f"{name}: who may take it on",
            trust == TRUST,
            "lambda.amazonaws.com alone",
            "lambda.amazonaws.com alone" if trust == TRUST else json.dumps(trust.get("Statement")),
            "iam.update_assume_role_policy sets it; or delete the role and run create_roles(lab).",
        ),
        Check(
            f"{name}: what it may do",
            found == wanted,
            "the statements of step 4, no more",
            "the statements of step 4, no more"
            if found == wanted
            else (f"lacks {', '.join(lacking)}" if lacking else "more than that"),
            again,
        ),
    ]


def delete_role(lab: Lab, name: str) -> None:
    """Delete a role that this lab made, with its inline policy."""
    iam = lab.client("iam")
    with deleting(lab, "role", name):
        if found_or_none(iam.get_role, RoleName=name) is not None:
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            iam.delete_role(RoleName=name)
