"""Step 4, first part: the execution role of each function, with no right more than its work needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit import resources
from labkit.errors import aws_errors
from labkit.lab import Lab
from labkit.policy import conditions, pretty
from labkit.resources.role import POLICY_NAME
from labkit.result import Result, Table, counted


@dataclass(frozen=True)
class Role(Result):
    """An execution role: what a function may do, and who may assume it (Lambda alone)."""

    name: str
    arn: str
    document: Mapping[str, Any]  # empty for an existing role, which is not this lab's to read
    made: bool

    def sentence(self) -> str:
        if not self.document:
            return f"The existing role {self.name} is used as it is."
        return f"The role {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        return (f"Role {self.name} created.",) if self.made else ()

    def headers(self) -> Sequence[str]:
        return ("why", "may do", "on", "only if")

    def rows(self) -> Iterable[Sequence[object]]:
        for statement in self.document.get("Statement", ()):
            actions = "\n".join(statement["Action"])
            yield statement["Sid"], actions, statement["Resource"], conditions(statement)

    def json(self) -> str:
        """The policy document as AWS keeps it."""
        return pretty(self.document)


@aws_errors("making an execution role")
def create_role(lab: Lab, function_name: str) -> Role:
    """Make a function's execution role, or take the existing one that open_lab was given.

    Returns the Role; calling it again changes nothing but a policy that differs. Raises LabError.
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    """
    branch = lab.branch(function_name)
    if lab.definition.role_arn is not None:
        return Role(branch.role_name, branch.role_arn, {}, made=False)
    role = resources.Role.in_branch(lab, branch)
    found = role.read()
    made = role.create(found)
    if found is None or found["Inline"].get(POLICY_NAME) != role.document():
        with role.journaled_create():
            role.put_policy()
    return Role(role.name, role.arn, role.document(), made)


def create_roles(lab: Lab) -> Table[Role]:
    """Make the execution role of every function."""
    roles = tuple(create_role(lab, branch.name) for branch in lab.branches)
    said = f"{counted(len(roles), 'execution role')}, {sum(role.made for role in roles)} of them newly made."
    return Table(roles, said, {"role": lambda role: role.name, "ARN": lambda role: role.arn})
