"""Event patterns, by which a mapping filters what it hands to its function.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class BadPatternError(Exception):
    """A text that is no event pattern."""


@lru_cache(maxsize=256)
def read_pattern(text: str) -> Mapping[str, Any]:
    """Return the pattern; raises BadPatternError when the text is none."""
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPatternError(text) from error
    _check(pattern)
    return dict(pattern)


def _check(pattern: Any) -> None:
    if not isinstance(pattern, dict) or not pattern:
        raise BadPatternError(pattern)
    for key, rules in pattern.items():
        if key == "$or":
            if not isinstance(rules, list) or len(rules) < 2:
                raise BadPatternError(pattern)
            for branch in rules:
                _check(branch)
        elif isinstance(rules, list) and rules:
            for rule in rules:
                _check_rule(rule)
        else:
            _check(rules)


def _check_rule(rule: Any) -> None:
    if isinstance(rule, list):
        raise BadPatternError(rule)
    if not isinstance(rule, dict):
        return
    if len(rule) != 1:
        raise BadPatternError(rule)
    ((kind, wanted),) = rule.items()
    if kind in ("prefix", "suffix", "equals-ignore-case"):
        good = isinstance(wanted, str)
    elif kind == "exists":
        good = isinstance(wanted, bool)
    elif kind == "numeric":
        good = isinstance(wanted, list) and len(wanted) in (2, 4) and _is_numeric(wanted)
    else:
        good = kind == "anything-but"
    if not good:
        raise BadPatternError(rule)


def _is_numeric(wanted: list[Any]) -> bool:
    return all(
        sign in _COMPARED and isinstance(number, int | float) and not isinstance(number, bool)
        for sign, number in zip(wanted[::2], wanted[1::2], strict=True)
    )


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Return whether every part of the pattern fits the event."""
    for key, rules in pattern.items():
        if key == "$or":
            if not any(matches(branch, event) for branch in rules):
                return False
            continue
        is_there = isinstance(event, dict) and key in event
        value = event[key] if is_there else None
        if isinstance(rules, dict):
            if not (is_there and matches(rules, value)):
                return False
        elif not any(_fits(rule, value, is_there) for rule in rules):
            return False
    return True


def _fits(rule: Any, value: Any, is_there: bool) -> bool:
    if isinstance(rule, dict) and "exists" in rule:
        return is_there is rule["exists"]
    if not is_there:
        return False
    return any(_fits_one(rule, item) for item in (value if isinstance(value, list) else [value]))


def _fits_one(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return _same(rule, value)
    ((kind, wanted),) = rule.items()
    if kind == "anything-but":
        unwanted = wanted if isinstance(wanted, list) else [wanted]
        return not any(_fits_one(one, value) for one in unwanted)
    if kind == "numeric":
        return _is_number(value) and all(
            bool(_COMPARED[sign](value, number)) for sign, number in zip(wanted[::2], wanted[1::2], strict=True)
        )
    if not isinstance(value, str):
        return False
    if kind == "prefix":
        return value.startswith(wanted)
    if kind == "suffix":
        return value.endswith(wanted)
    return value.lower() == str(wanted).lower()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(wanted: Any, value: Any) -> bool:
    return bool(wanted == value) and isinstance(wanted, bool) == isinstance(value, bool)
