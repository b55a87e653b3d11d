"""Is a text a policy that the service takes? What it allows is another question: `labkit/policy.py` answers it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from typing import Any

from labkit.policy import as_list

_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip


class BadPolicy(Exception):
    """What is wrong with a policy, in AWS's words for an identity's; `json` says whether it is JSON at all."""

    def __init__(self, message: str, *, is_json: bool = True) -> None:
        """Keep what is wrong."""
        super().__init__(message)
        self.message = message
        self.is_json = is_json


def read_policy(text: str, *, principal: bool, resource: bool = True) -> list[dict[str, Any]]:
    """Return the policy's statements; raises BadPolicy. `principal` says that each has to name one."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPolicy("This policy contains invalid Json", is_json=False) from error
    if not isinstance(document, dict):
        raise BadPolicy("This policy contains invalid Json", is_json=False)
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise BadPolicy("The policy must contain a valid version string")
    if "Statement" not in document:
        raise BadPolicy("Missing required field Statement")
    statements = as_list(document["Statement"])
    for statement in statements:
        _check_statement(statement, principal, resource)
    return statements


def _check_statement(statement: Any, principal: bool, resource: bool) -> None:
    if not isinstance(statement, dict):
        raise BadPolicy("Syntax errors in policy.")
    if unknown := set(statement) - _STATEMENT:
        raise BadPolicy(f"Syntax error in policy: unknown element {sorted(unknown)[0]}.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise BadPolicy("Missing required field Effect cannot be empty!")
    if not {"Action", "NotAction"} & set(statement):
        raise BadPolicy("Missing required field Action")
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if not all(isinstance(item, str) for item in as_list(statement.get(element))):
            raise BadPolicy("Syntax errors in policy.")
    if resource and not {"Resource", "NotResource"} & set(statement):
        raise BadPolicy("Missing required field Resource")
    _check_principal(statement, principal)
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        raise BadPolicy("Syntax errors in policy.")


def _check_principal(statement: dict[str, Any], principal: bool) -> None:
    named = [statement[name] for name in ("Principal", "NotPrincipal") if name in statement]
    if principal and not named:
        raise BadPolicy("Missing required field Principal")
    if not principal and named:
        raise BadPolicy("Policy document should not specify a principal.")
    for one in named:
        is_map = isinstance(one, dict) and all(
            isinstance(item, str) for value in one.values() for item in as_list(value)
        )
        if one != "*" and not (is_map and one):
            raise BadPolicy("Invalid principal in policy")
