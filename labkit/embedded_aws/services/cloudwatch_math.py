"""Metric math: expressions over the series of other queries.

Python's own parser reads them; what is allowed of it is below.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import math
import operator
import statistics
from collections.abc import Callable, Mapping
from itertools import accumulate, pairwise
from typing import Any

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.refusals import not_there

Series = dict[int, float]  # by the second at which each period begins
_Value = Any  # a series, a number, a list of series, or a text

_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# CloudWatch has these, and the embedded AWS has not.
_MISSING = {
    "ANOMALY_DETECTION_BAND", "DATAPOINT_COUNT", "DB_PERF_INSIGHTS", "DAY", "EPOCH", "HOUR", "INSIGHT_RULE_METRIC",
    "LAMBDA", "LOG", "LOG10", "METRIC_COUNT", "MINUTE", "MONTH", "REMOVE_EMPTY", "SEARCH", "SELECT", "SERVICE_QUOTA",
    "SLICE", "SORT", "YEAR",
}  # fmt: skip


class _Invalid(Exception):
    """What of an expression CloudWatch does not understand."""


def evaluate(name: str, expressions: Mapping[str, str], known: dict[str, Any], span: range) -> None:
    """Put the value of the expression of that name among what is known, and those that it rests on.

    Raises AwsError, ValidationError where CloudWatch does not understand it, 501 where the embedded AWS does not.
    """
    if name in known:
        return
    expression = expressions[name]
    word = expression.split("(")[0].split()[0].upper() if expression.strip() else ""
    if word in _MISSING:
        raise not_there(f"{word} in metric math")
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval").body
        others = {other: text for other, text in expressions.items() if other != name}  # none rests on itself
        known[name] = _Expression(others, known, span).value(tree)
    except (_Invalid, SyntaxError, RecursionError, OverflowError) as error:
        words = str(error) if isinstance(error, _Invalid) else "Invalid syntax"
        raise AwsError("ValidationError", f"Error in expression '{name}' [{words}]") from error


class _Expression:
    """The evaluation of one expression."""

    def __init__(self, expressions: Mapping[str, str], known: dict[str, Any], span: range) -> None:
        self._expressions = expressions
        self._known = known
        self._span = span

    def value(self, node: ast.AST) -> _Value:
        """Return what a part of the expression comes to."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return node.value
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _each(operator.neg, self.value(node.operand))
        if isinstance(node, ast.BinOp):
            return self._both(node.op, node.left, node.right)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._both(node.ops[0], node.left, node.comparators[0])
        if isinstance(node, ast.List):
            return [self.value(item) for item in node.elts]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id.upper(), [self.value(argument) for argument in node.args])
        raise _Invalid("Invalid syntax")

    def _named(self, name: str) -> _Value:
        if name in ("REPEAT", "LINEAR"):
            return name
        if name not in self._known:
            if name not in self._expressions:
                raise _Invalid(f"Unknown identifier {name}")
            evaluate(name, self._expressions, self._known, self._span)
        return self._known[name]

    def _both(self, sign: ast.AST, left: ast.AST, right: ast.AST) -> _Value:
        operation = _OPERATORS.get(type(sign))
        if operation is None:
            raise _Invalid("Invalid syntax")
        return _combined(operation, self.value(left), self.value(right))

    def _call(self, name: str, given: list[_Value]) -> _Value:
        if name in _MISSING:
            raise not_there(f"{name} in metric math")
        if name == "METRICS":
            wanted = str(given[0]) if given else ""
            return [self._known[key] for key in self._known if key not in self._expressions and wanted in key]
        if name == "FILL" and len(given) == 2:
            return self._filled(*given)
        if name == "TIME_SERIES" and len(given) == 1:
            return dict.fromkeys(self._span, given[0])
        if name == "PERIOD" and len(given) == 1:
            return self._span.step
        if name == "IF" and len(given) == 3:
            return self._chosen(*given)
        function = _FUNCTIONS.get(name)
        if function is None or len(given) != 1 or isinstance(given[0], str):
            raise _Invalid(f"Unknown function or wrong arguments: {name}")
        return function(given[0])

    def _filled(self, series: _Value, with_what: _Value) -> Series:
        series = _series(series)
        if with_what == "LINEAR":
            raise not_there("FILL with LINEAR in metric math")
        filled: Series = {}
        last = None if with_what == "REPEAT" else with_what
        for at in self._span:
            if at in series and with_what == "REPEAT":
                last = series[at]
            if (value := series.get(at, last)) is not None:
                filled[at] = value
        return filled

    def _chosen(self, condition: _Value, yes: _Value, no: _Value) -> _Value:
        if not isinstance(condition, dict):
            return yes if condition else no
        chosen = {at: _at(yes if holds else no, at) for at, holds in condition.items()}
        return {at: value for at, value in chosen.items() if value is not None}


def _at(value: _Value, at: int) -> float | None:
    return value.get(at) if isinstance(value, dict) else value


def _each(function: Callable[[float], float], value: _Value) -> _Value:
    if isinstance(value, list):
        return [_each(function, item) for item in value]
    if isinstance(value, dict):
        return {at: float(function(held)) for at, held in value.items()}
    return function(value)


def _combined(operation: Callable[[float, float], float], left: _Value, right: _Value) -> _Value:
    """Combine point by point; a point that one of the two lacks, or a division by nothing, is missing."""
    if isinstance(left, list) or isinstance(right, list):
        series = left if isinstance(left, list) else right
        pairs = [(item, right) if isinstance(left, list) else (left, item) for item in series]
        return [_combined(operation, *pair) for pair in pairs]
    if isinstance(left, str) or isinstance(right, str):
        raise _Invalid("Invalid syntax")
    if not isinstance(left, dict) and not isinstance(right, dict):
        try:
            return float(operation(left, right))
        except ZeroDivisionError as error:
            raise _Invalid("Division by zero") from error
    points = left.keys() & right.keys() if isinstance(left, dict) and isinstance(right, dict) else left or right
    if not isinstance(points, set):
        points = (left if isinstance(left, dict) else right).keys()
    found: Series = {}
    for at in sorted(points):
        one, other = _at(left, at), _at(right, at)
        if one is not None and other is not None and not (operation is operator.truediv and other == 0):
            found[at] = float(operation(one, other))
    return found


_Reduce = Callable[[list[float]], float]


def _series(value: _Value) -> Series:
    if not isinstance(value, dict):
        raise _Invalid("A time series is expected")
    return value


def _reduced(reduce: _Reduce) -> Callable[[_Value], _Value]:
    """Of one series its one number, of several a series, point by point."""

    def apply(value: _Value) -> _Value:
        if isinstance(value, dict):
            return reduce(list(value.values())) if value else 0.0
        if not isinstance(value, list):
            return value
        points = sorted({at for series in value for at in _series(series)})
        return {at: reduce([series[at] for series in value if at in series]) for at in points}

    return apply


def _mapped(function: Callable[[float], float]) -> Callable[[_Value], _Value]:
    return lambda value: _each(function, value)


def _differences(value: _Value) -> Series:
    series = _series(value)
    return {later: series[later] - series[earlier] for earlier, later in pairwise(sorted(series))}


def _rates(value: _Value) -> Series:
    steps = pairwise(sorted(_series(value)))
    return {later: (value[later] - value[earlier]) / (later - earlier) for earlier, later in steps}


def _running(value: _Value) -> Series:
    points = sorted(_series(value))
    return dict(zip(points, accumulate(value[at] for at in points), strict=True))


_FUNCTIONS: dict[str, Callable[[_Value], _Value]] = {
    "ABS": _mapped(abs),
    "AVG": _reduced(statistics.fmean),
    "CEIL": _mapped(math.ceil),
    "DIFF": _differences,
    "FLOOR": _mapped(math.floor),
    "MAX": _reduced(max),
    "MIN": _reduced(min),
    "RATE": _rates,
    "RUNNING_SUM": _running,
    "STDDEV": _reduced(statistics.pstdev),
    "SUM": _reduced(math.fsum),
}
