"""Filter patterns of CloudWatch Logs: terms, `{ $.field = value }` for JSON, `[a, b]` for words with blanks between.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Matcher = Callable[[str], bool]

_TERM = re.compile(r'\s*([?-]?)("(?:[^"\\]|\\.)*"|[^\s"]+)')
_TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||"(?:[^"\\]|\\.)*"|!=|>=|<=|=|>|<|[^\s()=!<>&|"]+)')
_COLUMN = re.compile(r'\s*([A-Za-z0-9_.-]*|\.\.\.)\s*(?:(!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|[^\s,]+))?\s*')
_WORDS = re.compile(r'\[([^\]]*)\]|"((?:[^"\\]|\\.)*)"|(\S+)')
_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class BadPattern(Exception):
    """A text that is no filter pattern."""


@lru_cache(maxsize=256)
def log_pattern(pattern: str) -> Matcher:
    """Return what says of a message whether the pattern fits; raises BadPattern."""
    text = pattern.strip()
    if text.startswith("{"):
        return _json_pattern(text)
    if text.startswith("["):
        return _columns(text)
    return _terms(text)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _terms(text: str) -> Matcher:
    """All terms, none of those with a minus; or any of those with a question mark."""
    required: list[str] = []
    excluded: list[str] = []
    optional: list[str] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise BadPattern(text)
        {"": required, "-": excluded, "?": optional}[found[1]].append(_plain(found[2]))
        position = found.end() + len(text[found.end() :]) - len(text[found.end() :].lstrip())

    def fits(message: str) -> bool:
        if any(term in message for term in excluded) or not all(term in message for term in required):
            return False
        return not optional or bool(required) or any(term in message for term in optional)

    return fits


def _json_pattern(text: str) -> Matcher:
    if not text.endswith("}"):
        raise BadPattern(text)
    inner = text[1:-1].strip()
    tokens = _TOKEN.findall(inner)
    if not tokens or "".join(tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", inner):
        raise BadPattern(text)
    condition, rest = _either(tokens)
    if rest:
        raise BadPattern(text)

    def fits(message: str) -> bool:
        try:
            event = json.loads(message)
        except ValueError:
            return False
        return isinstance(event, dict) and condition(event)

    return fits


_Condition = Callable[[Any], bool]


def _either(tokens: list[str]) -> tuple[_Condition, list[str]]:
    left, tokens = _both(tokens)
    while tokens and tokens[0] == "||":
        right, tokens = _both(tokens[1:])
        left = _joined(left, right, any)
    return left, tokens


def _both(tokens: list[str]) -> tuple[_Condition, list[str]]:
    left, tokens = _one(tokens)
    while tokens and tokens[0] == "&&":
        right, tokens = _one(tokens[1:])
        left = _joined(left, right, all)
    return left, tokens


def _joined(left: _Condition, right: _Condition, how: Callable[[list[bool]], bool]) -> _Condition:
    return lambda event: how([left(event), right(event)])


def _one(tokens: list[str]) -> tuple[_Condition, list[str]]:
    if tokens and tokens[0] == "(":
        inner, tokens = _either(tokens[1:])
        if not tokens or tokens[0] != ")":
            raise BadPattern(")")
        return inner, tokens[1:]
    if len(tokens) < 3 or not tokens[0].startswith("$"):
        raise BadPattern(" ".join(tokens))
    selector, sign, wanted = tokens[:3]
    if sign.upper() == "IS":
        return _is(selector, wanted.upper()), tokens[3:]
    if sign.upper() == "NOT" and wanted.upper() == "EXISTS":
        return (lambda event: _select(event, selector) is _NOTHING), tokens[3:]
    return (lambda event: _compare(_select(event, selector), sign, wanted)), tokens[3:]


def _is(selector: str, wanted: str) -> _Condition:
    values: dict[str, Any] = {"TRUE": True, "FALSE": False, "NULL": None}
    if wanted not in values:
        raise BadPattern(wanted)
    return lambda event: _select(event, selector) is values[wanted]


_NOTHING = object()


def _select(event: Any, selector: str) -> Any:
    """Return what `$.a.b[0]` means in an event."""
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", selector):
        if index:
            event = event[int(index)] if isinstance(event, list) and int(index) < len(event) else _NOTHING
        else:
            event = event.get(name, _NOTHING) if isinstance(event, dict) else _NOTHING
    return event


def _compare(value: Any, sign: str, wanted: str) -> bool:
    if value is _NOTHING:
        return False
    if sign in _ORDER:
        try:
            return _ORDER[sign](float(value), float(wanted))
        except (TypeError, ValueError):
            return False
    if sign not in ("=", "!="):
        raise BadPattern(sign)
    return _equal(value, wanted) == (sign == "=")


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool) and not wanted.startswith('"'):
        try:
            return float(value) == float(wanted)
        except ValueError:
            return fnmatch.fnmatchcase(str(value), wanted)
    return fnmatch.fnmatchcase(str(value), _plain(wanted).replace("[", "[[]"))


def _columns(text: str) -> Matcher:
    if not text.endswith("]"):
        raise BadPattern(text)
    wanted = []
    for column in text[1:-1].split(","):
        found = _COLUMN.fullmatch(column)
        if found is None:
            raise BadPattern(text)
        wanted.append((found[1], found[2], found[3]))

    def fits(message: str) -> bool:
        words = [next((group for group in found if group), "") for found in _WORDS.findall(message)]
        if ("...", None, None) in wanted:
            place = next(number for number, column in enumerate(wanted) if column[0] == "...")
            skipped = len(words) - len(wanted) + 1
            if skipped < 0:
                return False
            words = [*words[:place], "", *words[place + skipped :]]
        if len(words) != len(wanted):
            return False
        return all(
            sign is None or _compare_word(word, sign, held) for word, (_, sign, held) in zip(words, wanted, strict=True)
        )

    return fits


def _compare_word(word: str, sign: str, wanted: str) -> bool:
    if sign in _ORDER:
        return _compare(word, sign, wanted)
    return fnmatch.fnmatchcase(word, _plain(wanted).replace("[", "[[]")) == (sign == "=")
