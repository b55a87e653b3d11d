"""IAM policies: do these let somebody do this, and if not, which part of them stands in the way?

An explicit Deny wins over any Allow, and what nothing allows is refused. Knows of policies alone: the embedded AWS
decides by it, and the doctor reads the student's policies with it, so that the two never disagree.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple


class Request(NamedTuple):
    """What is asked: who (a service or an ARN), which action, on which resource, with which condition keys."""

    action: str
    resource: str
    service: str | None = None
    arn: str | None = None
    account: str | None = None
    context: Mapping[str, str] = MappingProxyType({})


def service_request(service: str, action: str, resource: str, *, source: str, account: str) -> Request:
    """Return what a service asks on behalf of the resource `source`, which belongs to `account`.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    context = {
        "aws:SourceArn": source,
        "aws:SourceAccount": account,
        "aws:PrincipalIsAWSService": "true",
        "aws:SecureTransport": "true",
    }
    return Request(action, resource, service=service, context=context)


Policy = str | Mapping[str, Any] | None  # a document, as it is or as JSON, or none at all


def allows(policies: Iterable[Policy], request: Request, *, identity: bool = False) -> bool:
    """Return whether the policies, taken together, allow the request.

    `identity` says that they are attached to the principal itself and so carry no Principal element.
    """
    return verdict(policies, request, identity=identity) is True


def verdict(policies: Iterable[Policy], request: Request, *, identity: bool = False) -> bool | None:
    """Return True if the policies, taken together, allow the request, False if one denies it, None if none is about it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_AccessPolicyLanguage_Interplay.html
    """
    allowed = None
    for statement in _statements(policies):
        if _compare(statement, request, identity)[0] == _ALL:
            if statement.get("Effect") == "Deny":
                return False
            allowed = True
    return allowed


def obstacle(policies: Iterable[Policy], request: Request, *, identity: bool = False) -> str:
    """Return why the policies, taken together, refuse the request, in words; empty if they allow it.

    Of several statements that could have allowed it, the words are about the first of those that came nearest.
    """
    allowed, nearest, near = False, None, -1
    for statement in _statements(policies):
        fitting, condition = _compare(statement, request, identity)
        if statement.get("Effect") == "Deny":
            if fitting == _ALL:
                return f"the statement {statement.get('Sid', 'without Sid')} denies it"
        elif fitting == _ALL:
            allowed = True
        elif fitting > near:
            near, nearest = fitting, (statement, condition)
    if allowed:
        return ""
    return _in_words(near, *nearest, request) if nearest else "no statement allows it"


def _statements(policies: Iterable[Policy]) -> Iterator[dict[str, Any]]:
    """Yield the statements of all policies."""
    for policy in policies:
        if policy:
            yield from as_list((_parsed(policy) if isinstance(policy, str) else policy).get("Statement"))


@lru_cache(maxsize=256)
def _parsed(policy: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(policy)
    return document


def as_list(value: Any) -> list[Any]:
    """Return a policy element as a list: IAM lets one element stand without its brackets."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def pretty(document: object) -> str:
    """A policy document as indented JSON."""
    return json.dumps(document, indent=2)


def conditions(statement: Mapping[str, Any]) -> str:
    """The conditions of a policy's statement in words, one line each; a dash if there are none."""
    lines = [
        f"{key} {operator} {value}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    ]
    return "\n".join(lines) or "-"


# How many parts of a statement fit the request, in the order in which they are looked at.
_PRINCIPAL, _ACTION, _RESOURCE, _CONDITION, _ALL = range(5)
_Condition = tuple[str, str, Any]  # operator, key, what is expected


def _compare(statement: Mapping[str, Any], request: Request, identity: bool) -> tuple[int, _Condition | None]:
    """Return which part of the statement is the first that does not fit, and of a condition which one it is."""
    if not (identity or _principal_matches(statement, request)):
        return _PRINCIPAL, None
    if not _element_matches(statement, "Action", request.action, ignore_case=True):
        return _ACTION, None
    if not _resource_matches(statement, request.resource):
        return _RESOURCE, None
    for operator, keys in statement.get("Condition", {}).items():
        for key, expected in keys.items():
            if not _condition_holds(operator, expected, _given(request, key)):
                return _CONDITION, (operator, key, expected)
    return _ALL, None


def _principal_matches(statement: Mapping[str, Any], request: Request) -> bool:
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


def _element_matches(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    if f"Not{element}" in statement:
        return not _any_like(as_list(statement[f"Not{element}"]), value, ignore_case)
    return _any_like(as_list(statement.get(element)), value, ignore_case)


def _resource_matches(statement: Mapping[str, Any], resource: str) -> bool:
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
    return pattern in ("*", value) or _wildcards(pattern).match(value) is not None


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


def _same(expected: str, given: str) -> bool:
    return expected == given


def _same_but_for_case(expected: str, given: str) -> bool:
    return expected.lower() == given.lower()


# What the value has to be, in words, and how it is compared. AWS accepts no policy with any other operator.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
_OPERATORS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "StringEquals": ("", _same),
    "StringEqualsIgnoreCase": ("", _same_but_for_case),
    "StringLike": ("", _like),
    "ArnEquals": ("", _arn_like),
    "ArnLike": ("", _arn_like),
    "Bool": ("", _same_but_for_case),
    "BinaryEquals": ("", _same),
    "NumericEquals": ("", lambda expected, given: float(given) == float(expected)),
    "NumericLessThan": ("less than ", lambda expected, given: float(given) < float(expected)),
    "NumericLessThanEquals": ("at most ", lambda expected, given: float(given) <= float(expected)),
    "NumericGreaterThan": ("greater than ", lambda expected, given: float(given) > float(expected)),
    "NumericGreaterThanEquals": ("at least ", lambda expected, given: float(given) >= float(expected)),
    "DateEquals": ("", lambda expected, given: _moment(given) == _moment(expected)),
    "DateLessThan": ("before ", lambda expected, given: _moment(given) < _moment(expected)),
    "DateLessThanEquals": ("at latest ", lambda expected, given: _moment(given) <= _moment(expected)),
    "DateGreaterThan": ("after ", lambda expected, given: _moment(given) > _moment(expected)),
    "DateGreaterThanEquals": ("at earliest ", lambda expected, given: _moment(given) >= _moment(expected)),
    "IpAddress": ("in ", _in_network),
}


class _Operator(NamedTuple):
    words: str
    compare: Callable[[str, str], bool]
    negated: bool
    without_value: bool  # whether it holds where the request has no such key


@lru_cache(maxsize=128)
def _operator(name: str) -> _Operator | None:
    """Return what a name like `ForAnyValue:StringNotLikeIfExists` means.

    A missing key fails a positive operator and passes a negated one, as IAM documents. Every key has one value here,
    so that a set operator differs in this alone.
    """
    sets, _, base = name.rpartition(":")
    optional, base = base.endswith("IfExists"), base.removesuffix("IfExists")
    negated = "Not" in base
    words, compare = _OPERATORS.get(base.replace("Not", ""), ("", None))
    if compare is None:
        return None
    without_value = optional or sets == "ForAllValues" or (negated and sets != "ForAnyValue")
    return _Operator(words, compare, negated, without_value)


def _given(request: Request, key: str) -> str | None:
    key = key.lower()
    return next((value for name, value in request.context.items() if name.lower() == key), None)


def _texts(expected: Any) -> list[str]:
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in as_list(expected)]


def _condition_holds(name: str, expected: Any, given: str | None) -> bool:
    if name == "Null":
        return (given is None) == (_texts(expected) == ["true"])
    operator = _operator(name)
    if operator is None:
        return False
    if given is None:
        return operator.without_value
    try:
        return operator.negated != any(operator.compare(text, given) for text in _texts(expected))
    except ValueError:
        return operator.negated  # what is no number, moment or address is none that was named


def _in_words(part: int, statement: Mapping[str, Any], condition: _Condition | None, request: Request) -> str:
    """Return what the part of a statement says that did not fit, and what was asked."""
    if condition is not None:
        return _condition_in_words(*condition, _given(request, condition[1]))
    if part == _PRINCIPAL:
        return f"no statement is about {request.service or request.arn}"
    if part == _ACTION:
        return f"it allows {_element_in_words(statement, 'Action')}, not {request.action}"
    return f"it is about {_element_in_words(statement, 'Resource')}, not {request.resource}"


def _element_in_words(statement: Mapping[str, Any], element: str) -> str:
    if f"Not{element}" in statement:
        return f"all but {_any_of(statement[f'Not{element}'])}"
    return _any_of(statement.get(element))


def _condition_in_words(name: str, key: str, expected: Any, given: str | None) -> str:
    operator = _operator(name)
    if name == "Null":
        wanted = "to be given" if given is None else "not to be given"
    elif operator is None:
        return f"its condition compares {key} by {name}, which IAM does not know"
    else:
        wanted = f"{'not to be' if operator.negated else 'to be'} {operator.words}{_any_of(expected)}"
    return f"its condition wants {key} {wanted}, and it is {'not given' if given is None else given}"


def _any_of(value: Any) -> str:
    return " or ".join(_texts(value)) or "nothing"
