"""Policy evaluation for the edges between services.

One question is answered here: does this policy let this principal do this to that resource? An explicit Deny
wins over any Allow, and what nothing allows is refused.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Request:
    """What is asked: who (a service or an ARN), which action, on which resource, with which condition keys."""

    action: str
    resource: str
    service: str | None = None
    arn: str | None = None
    account: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policies: Iterable[str | dict[str, Any] | None], request: Request, *, identity: bool = False) -> bool:
    """Return whether the policies, taken together, allow the request.

    `identity` says that they are attached to the principal itself and so carry no Principal element.
    """
    allowed = False
    for policy in policies:
        if not policy:
            continue
        document = _parsed(policy) if isinstance(policy, str) else policy
        for statement in as_list(document.get("Statement")):
            if _statement_matches(statement, request, identity):
                if statement.get("Effect") == "Deny":
                    return False
                allowed = True
    return allowed


@lru_cache(maxsize=256)
def _parsed(policy: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(policy)
    return document


def as_list(value: Any) -> list[Any]:
    """Return a policy element as a list: IAM lets one element stand without its brackets."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _statement_matches(statement: dict[str, Any], request: Request, identity: bool) -> bool:
    return (
        (identity or _principal_matches(statement, request))
        and _element_matches(statement, "Action", request.action, ignore_case=True)
        and _resource_matches(statement, request.resource)
        and all(
            _condition_holds(operator, key, as_list(expected), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _principal_matches(statement: dict[str, Any], request: Request) -> bool:
    if "NotPrincipal" in statement:
        return not _names_principal(statement["NotPrincipal"], request)
    return _names_principal(statement.get("Principal"), request)


def _names_principal(principal: Any, request: Request) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    if request.service is not None and request.service in as_list(principal.get("Service")):
        return True
    named = as_list(principal.get("AWS"))
    if "*" in named:
        return True
    whole_account = {request.account, f"arn:aws:iam::{request.account}:root"} if request.account else set()
    return any(name == request.arn or name in whole_account for name in named)


def _element_matches(statement: dict[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    if f"Not{element}" in statement:
        return not _any_like(as_list(statement[f"Not{element}"]), value, ignore_case)
    return _any_like(as_list(statement.get(element)), value, ignore_case)


def _resource_matches(statement: dict[str, Any], resource: str) -> bool:
    if "Resource" not in statement and "NotResource" not in statement:
        return True  # a trust policy is about the role it is attached to
    return _element_matches(statement, "Resource", resource)


def _any_like(patterns: Iterable[str], value: str, ignore_case: bool) -> bool:
    if ignore_case:
        value = value.lower()
        patterns = [pattern.lower() for pattern in patterns]
    return any(_like(pattern, value) for pattern in patterns)


@lru_cache(maxsize=1024)
def _wildcards(pattern: str) -> re.Pattern[str]:
    # fnmatch gives [ a meaning that IAM does not know
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def _like(pattern: str, value: str) -> bool:
    return _wildcards(pattern).match(value) is not None


def _arn_like(pattern: str, value: str) -> bool:
    """Compare component by component: a wildcard in one does not reach over the colon into the next."""
    wanted, given = pattern.split(":", 5), value.split(":", 5)
    return len(wanted) == len(given) == 6 and all(map(_like, wanted, given))


def _moment(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda expected, given: expected == given,
    "StringEqualsIgnoreCase": lambda expected, given: expected.lower() == given.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda expected, given: expected.lower() == given.lower(),
    "NumericEquals": lambda expected, given: float(given) == float(expected),
    "NumericLessThan": lambda expected, given: float(given) < float(expected),
    "NumericLessThanEquals": lambda expected, given: float(given) <= float(expected),
    "NumericGreaterThan": lambda expected, given: float(given) > float(expected),
    "NumericGreaterThanEquals": lambda expected, given: float(given) >= float(expected),
    "DateEquals": lambda expected, given: _moment(given) == _moment(expected),
    "DateLessThan": lambda expected, given: _moment(given) < _moment(expected),
    "DateLessThanEquals": lambda expected, given: _moment(given) <= _moment(expected),
    "DateGreaterThan": lambda expected, given: _moment(given) > _moment(expected),
    "DateGreaterThanEquals": lambda expected, given: _moment(given) >= _moment(expected),
    "IpAddress": _in_network,
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}


def _condition_holds(operator: str, key: str, expected: list[Any], context: Mapping[str, str]) -> bool:
    """A missing key fails a positive operator and passes a negated one, as IAM documents."""
    optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    given = {name.lower(): value for name, value in context.items()}.get(key.lower())
    texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in expected]
    if operator == "Null":
        return (given is None) == (texts == ["true"])
    negated = operator in _NEGATED
    if given is None:
        return optional or negated
    compare = _OPERATORS.get(_NEGATED.get(operator, operator))
    if compare is None:
        return False  # an operator that is not known here never lets anything through
    return negated != any(compare(text, given) for text in texts)
