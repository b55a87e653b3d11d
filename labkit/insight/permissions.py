"""Reading a policy: would it let this through, and if not, which part of it stands in the way?

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

# The comparisons that policies of topics, queues and roles are written with. Another one counts as not fulfilled:
# a doctor who cannot tell says so, in place of "healthy".
LIKE = ("StringLike", "ArnLike", "ArnEquals")
EQUAL = ("StringEquals",)


@dataclass(frozen=True)
class Wish:
    """What somebody wants to do: the action, on what, as which service (None: the policy's own role), and how.

    `context` holds the condition keys that AWS will fill in, such as `aws:SourceArn`.
    """

    action: str
    resource: str
    service: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


def obstacle(policies: Iterable[Mapping[str, Any]], wish: Wish) -> str:
    """Why the policies, taken together, refuse the wish, in words; empty if they grant it.

    A Deny wins over every Allow; what nothing allows is refused. Of several reasons, the one that came nearest.
    """
    nearest, reason = -1, "no statement allows it"
    allowed = False
    for statement in (s for policy in policies for s in _many(policy.get("Statement", []))):
        passed, why = _compare(statement, wish)
        if statement.get("Effect") == "Deny":
            if not why:
                return f"the statement {statement.get('Sid', 'without Sid')} denies it"
        elif not why:
            allowed = True
        elif passed > nearest:
            nearest, reason = passed, why
    return "" if allowed else reason


def _compare(statement: Mapping[str, Any], wish: Wish) -> tuple[int, str]:
    """How many parts of the statement fit, and the first that does not, in words."""
    parts = (
        (_who(statement, wish), f"no statement is about {wish.service}"),
        (
            _any_like(statement.get("Action"), wish.action.lower(), lower=True),
            f"it allows {_words(statement.get('Action'))}, not {wish.action}",
        ),
        (
            "Resource" not in statement or _any_like(statement["Resource"], wish.resource),
            f"it is about {_words(statement.get('Resource'))}, not {wish.resource}",
        ),
    )
    for passed, (fits, why) in enumerate(parts):
        if not fits:
            return passed, why
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            given = next((value for name, value in wish.context.items() if name.lower() == key.lower()), None)
            if not _holds(operator, wanted, given):
                return len(parts), f"its condition wants {key} to be {_words(wanted)}, and it is {given or 'not given'}"
    return len(parts) + 1, ""


def _who(statement: Mapping[str, Any], wish: Wish) -> bool:
    if wish.service is None:
        return True  # a role's own policy speaks of the role, and names nobody
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return wish.service in _many(principal.get("Service")) or "*" in _many(principal.get("AWS"))
    return principal == "*"


def _holds(operator: str, wanted: Any, given: str | None) -> bool:
    if given is None:
        return False
    texts = [str(text) for text in _many(wanted)]
    if operator in LIKE:
        return any(fnmatchcase(given, _literal_brackets(text)) for text in texts)
    return operator in EQUAL and given in texts


def _any_like(patterns: Any, value: str, *, lower: bool = False) -> bool:
    texts = [text.lower() if lower else text for text in _many(patterns)]
    return any(fnmatchcase(value, _literal_brackets(text)) for text in texts)


def _literal_brackets(pattern: str) -> str:
    return pattern.replace("[", "[[]")  # which mean something to fnmatch and nothing to AWS


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _words(value: Any) -> str:
    return " or ".join(str(v) for v in _many(value)) or "nothing"
