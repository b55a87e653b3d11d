"""The expressions of CloudWatch Logs Insights: what operators and functions make of a line's fields.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Stats.html
"""

from __future__ import annotations

import math
import operator
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]  # a line's fields by their names
Expression = Callable[[Row, Sequence[Row]], Any]  # of a line, among those that are aggregated with it


class Moment(float):
    """Milliseconds since 1970, shown as a date."""


_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def milliseconds(duration: str) -> int | None:
    """Return how long `5m` is, None for a unit that is not here: months and longer."""
    number, unit = re.fullmatch(r"(\d+)\s*([a-z]+)", duration.lower()).groups()  # type: ignore[union-attr]
    for known in (unit, unit.rstrip("s"), unit[:1] if unit not in ("ms", "mo", "month", "months") else ""):
        if known in _SECONDS:
            return int(int(number) * _SECONDS[known] * 1000)
    return None


def number(value: Any) -> float | None:
    """Return a value as a number, None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def text(value: Any) -> str:
    """Return a value as Insights shows it."""
    if isinstance(value, Moment):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{int(value) % 1000:03d}"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if abs(value) >= 1e7:  # as Java writes it: 1.28E8
            mantissa, exponent = f"{value:.4E}".split("E")
            return f"{float(mantissa)}E{int(exponent)}"
        return str(int(value)) if value.is_integer() else str(round(value, 4))
    return str(value)


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "^": operator.pow,
}


def compare(sign: str, left: Any, right: Any) -> bool:
    """Compare as numbers where both are, as texts otherwise; nothing compares with what is missing."""
    if left is None or right is None:
        return False
    one, other = number(left), number(right)
    if one is not None and other is not None:
        return _ORDER[sign](one, other)
    return _ORDER[sign](text(left), text(right))


def calculate(sign: str, left: Any, right: Any) -> float | None:
    """Return the result, None where an operand is no number or there is no result."""
    one, other = number(left), number(right)
    if one is None or other is None:
        return None
    try:
        return float(_ARITHMETIC[sign](one, other))
    except (ArithmeticError, ValueError, TypeError):
        return None


def _of_numbers(function: Callable[..., float]) -> Callable[..., float | None]:
    def apply(*values: Any) -> float | None:
        numbers = [number(value) for value in values]
        try:
            return None if None in numbers else float(function(*numbers))
        except (ArithmeticError, ValueError):
            return None

    return apply


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(value: Any, *more: Any) -> Any:
        return None if value is None or None in more else function(text(value), *more)

    return apply


def _substring(value: str, begin: Any, length: Any = None) -> str:
    first = int(float(begin))
    return value[first:] if length is None else value[first : first + int(float(length))]


def _floor(when: Any, span: Any) -> Moment | None:
    at = number(when)
    return None if at is None else Moment(at // span * span)


def _ceiling(when: Any, span: Any) -> Moment | None:
    at = number(when)
    return None if at is None else Moment(-(-at // span) * span)


_ANY = range(1, 20)
# By name: how many arguments, and what it makes of their values.
FUNCTIONS: dict[str, tuple[Sequence[int], Callable[..., Any]]] = {
    "abs": ((1,), _of_numbers(abs)),
    "ceil": ((1,), _of_numbers(math.ceil)),
    "floor": ((1,), _of_numbers(math.floor)),
    "greatest": (_ANY, _of_numbers(max)),
    "least": (_ANY, _of_numbers(min)),
    "log": ((1,), _of_numbers(math.log)),
    "sqrt": ((1,), _of_numbers(math.sqrt)),
    "datefloor": ((2,), _floor),
    "dateceil": ((2,), _ceiling),
    "frommillis": ((1,), lambda value: None if number(value) is None else Moment(number(value) or 0)),
    "tomillis": ((1,), number),
    "ispresent": ((1,), lambda value: value is not None),
    "coalesce": (_ANY, lambda *values: next((value for value in values if value is not None), None)),
    "isempty": ((1,), lambda value: value is None or text(value) == ""),
    "isblank": ((1,), lambda value: value is None or not text(value).strip()),
    "concat": (_ANY, lambda *values: "".join(text(value) for value in values if value is not None)),
    "ltrim": ((1, 2), _of_text(lambda value, *what: value.lstrip(*what))),
    "rtrim": ((1, 2), _of_text(lambda value, *what: value.rstrip(*what))),
    "trim": ((1, 2), _of_text(lambda value, *what: value.strip(*what))),
    "strlen": ((1,), _of_text(len)),
    "toupper": ((1,), _of_text(str.upper)),
    "tolower": ((1,), _of_text(str.lower)),
    "substr": ((2, 3), _of_text(_substring)),
    "replace": ((3,), _of_text(lambda value, old, new: value.replace(text(old), text(new)))),
    "strcontains": ((2,), _of_text(lambda value, part: 1 if text(part) in value else 0)),
}


def _numbers(values: Sequence[Any]) -> list[float]:
    return [found for value in values if (found := number(value)) is not None]


def _percentile(values: Sequence[Any], percent: Any) -> float | None:
    """The value that so many percent do not exceed."""
    ordered = sorted(_numbers(values))
    wanted = math.ceil(len(ordered) * float(percent) / 100)
    return ordered[max(wanted, 1) - 1] if ordered else None


def _extreme(choose: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Any]:
    """Of numbers the number, of texts the text."""

    def apply(values: Sequence[Any]) -> Any:
        present = [value for value in values if value is not None]
        moments = all(isinstance(value, Moment) for value in present)
        numbers = _numbers(present)
        if not present:
            return None
        if moments:
            return Moment(choose(numbers))
        return choose(numbers) if len(numbers) == len(present) else choose([text(value) for value in present])

    return apply


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)


# What makes one value of many lines: the values of its argument, in the order of time.
AGGREGATES: dict[str, Callable[..., Any]] = {
    "avg": lambda values: statistics.fmean(_numbers(values)) if _numbers(values) else None,
    "count": lambda values: sum(value is not None for value in values),
    "count_distinct": lambda values: len({text(value) for value in values if value is not None}),
    "max": _extreme(max),
    "min": _extreme(min),
    "median": lambda values: _percentile(values, 50),
    "pct": _percentile,
    "stddev": lambda values: statistics.pstdev(_numbers(values)) if _numbers(values) else None,
    "sum": lambda values: math.fsum(_numbers(values)),
    "earliest": _first,
    "latest": lambda values: _first(list(reversed(values))),
    "sortsfirst": lambda values: min((text(value) for value in values if value is not None), default=None),
    "sortslast": lambda values: max((text(value) for value in values if value is not None), default=None),
}
