"""The query language of CloudWatch Logs Insights, read with a grammar; what does not fit it is refused as AWS does.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services.insights_expressions import (
    AGGREGATES,
    FUNCTIONS,
    Expression,
    Row,
    calculate,
    compare,
    milliseconds,
    text,
)

_GRAMMAR = r"""
start: command ("|" command)*
?command: FIELDS items              -> fields
    | DISPLAY items                 -> display
    | (FILTER | WHERE) condition    -> filter
    | STATS items [BY items]        -> stats
    | (SORT | ORDER BY) orders      -> sort
    | (LIMIT | HEAD) INTEGER        -> limit
    | PARSE field (STRING AS names | REGEX [AS names]) -> parse
    | DEDUP names                   -> dedup
items: item ("," item)*
item: condition [AS field]
orders: order ("," order)*
order: sum [ASC | DESC]
names: field ("," field)*
field: NAME | QUOTED

?condition: condition OR conjunction    -> either
    | conjunction
?conjunction: conjunction AND negation  -> both
    | negation
?negation: NOT negation                 -> negated
    | comparison
?comparison: sum
    | sum COMPARE sum                   -> compared
    | sum LIKE STRING                   -> contains
    | sum (LIKE | MATCHES) REGEX        -> matches
    | sum NOT LIKE STRING               -> contains_not
    | sum NOT LIKE REGEX                -> matches_not
    | sum IN "[" sum ("," sum)* "]"     -> among
    | sum NOT IN "[" sum ("," sum)* "]" -> not_among
?sum: product
    | sum (PLUS | MINUS) product        -> calculated
?product: power
    | product (STAR | SLASH | PERCENT) power -> calculated
?power: atom
    | atom CARET power                  -> calculated
?atom: NUMBER                           -> number
    | INTEGER                           -> number
    | STRING                            -> string
    | DURATION                          -> duration
    | TRUTH                             -> truth
    | MINUS atom                        -> negative
    | field
    | NAME "(" [arguments] ")"          -> call
    | "(" condition ")"
arguments: (condition | STAR) ("," condition)*

FIELDS.3: /fields\b/i
DISPLAY.3: /display\b/i
FILTER.3: /filter\b/i
WHERE.3: /where\b/i
STATS.3: /stats\b/i
SORT.3: /sort\b/i
ORDER.3: /order\b/i
LIMIT.3: /limit\b/i
HEAD.3: /head\b/i
PARSE.3: /parse\b/i
DEDUP.3: /dedup\b/i
BY.3: /by\b/i
AS.3: /as\b/i
ASC.3: /asc\b/i
DESC.3: /desc\b/i
AND.3: /and\b/i
OR.3: /or\b/i
NOT.3: /not\b/i
IN.3: /in\b/i
LIKE.3: /like\b/i
TRUTH.3: /(true|false)\b/i
MATCHES.2: "=~"
COMPARE: "!=" | "<=" | ">=" | "=" | "<" | ">"
PLUS: "+"
MINUS: "-"
STAR: "*"
SLASH: "/"
PERCENT: "%"
CARET: "^"
DURATION.4: /\d+\s*(DURATION_UNITS)\b/i
NUMBER.2: /\d+\.\d+/
INTEGER.1: /\d+/
STRING: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/
REGEX.5: /\/(?:[^\/\\\n]|\\.)+\/[a-z]*/
NAME: /[@A-Za-z_][@\w]*(\.[\w@]+)*/
QUOTED: /`[^`]+`/
COMMENT: /#[^\n]*/
%ignore COMMENT
%ignore /\s+/
"""
_UNITS = (
    "milliseconds?|msec|ms|seconds?|sec|s|minutes?|min|months?|mon|mo|m|hours?|hr|h|days?|d|weeks?|w|quarters?|qtr|q|"
    "years?|yr|y"
)
# Commands that Insights has, and the embedded AWS has not.
_MISSING = re.compile(r"\s*(pattern|diff|anomaly|unmask|unnest|lookup|join|filterindex|source|tail)\b", re.IGNORECASE)
_SPLIT = re.compile(r"""\|(?=(?:[^"'/`]|"[^"]*"|'[^']*'|/[^/]*/|`[^`]*`)*$)""")


@dataclass(frozen=True)
class Item:
    """A column: its name, and what is in it; whether it is made of many lines."""

    name: str
    value: Expression
    aggregates: bool = False


@dataclass(frozen=True)
class Command:
    """One command of a query. Which of its parts count, its kind says."""

    kind: str
    items: tuple[Item, ...] = ()
    by: tuple[Item, ...] = ()
    condition: Expression | None = None
    orders: tuple[tuple[Expression, bool], ...] = ()  # with whether the largest comes first
    count: int = 0
    source: str = ""
    pattern: re.Pattern[str] | None = None
    names: tuple[str, ...] = ()


def malformed(message: str) -> AwsError:
    """Return the refusal of a query that is none."""
    return AwsError("MalformedQueryException", message)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(
        _GRAMMAR.replace("DURATION_UNITS", _UNITS), parser="lalr", propagate_positions=True, maybe_placeholders=False
    )


@lru_cache(maxsize=64)
def read_query(query: str) -> tuple[Command, ...]:
    """Return the commands of a query; raises AwsError, MalformedQueryException or 501."""
    if not query.strip():
        raise malformed("Query string cannot be empty.")
    for part in _SPLIT.split(query):
        if found := _MISSING.match(part):
            raise not_there(f"the command {found[1]} in queries of logs")
    try:
        tree = _parser().parse(query)
    except UnexpectedInput as error:
        token = getattr(error, "token", None)
        if token is not None and token.type == "$END":
            raise malformed("unexpected end of query") from error
        symbol = getattr(error, "char", "") if token is None else token
        raise malformed(f"unexpected symbol found {symbol} at line {error.line} and position {error.column}") from error
    return tuple(_Reader(query).command(node) for node in tree.children if isinstance(node, Tree))


class _Reader:
    """Makes the commands of a query out of its tree."""

    def __init__(self, query: str) -> None:
        self._query = query

    def command(self, node: Tree[Any]) -> Command:
        parts = [part for part in node.children if isinstance(part, Tree)]
        tokens = [part for part in node.children if isinstance(part, Token)]
        kind = str(node.data)
        if kind in ("fields", "display"):
            items = self._items(parts[0])
            if any(item.aggregates for item in items):
                raise malformed(f"Aggregation functions cannot be used in {kind}.")
            return Command(kind, items=items)
        if kind == "stats":
            items, by = self._items(parts[0]), self._items(parts[1]) if len(parts) > 1 else ()
            if not all(item.aggregates for item in items) or any(item.aggregates for item in by):
                raise malformed("Only aggregation functions can be used in stats, and none after by.")
            return Command(kind, items=items, by=by)
        if kind == "filter":
            return Command(kind, condition=self._plain(parts[0]))
        if kind == "sort":
            orders = tuple(self._order(part) for part in parts[0].children if isinstance(part, Tree))
            return Command(kind, orders=orders)
        if kind == "limit":
            return Command(kind, count=int(tokens[-1]))
        if kind == "dedup":
            return Command(kind, names=_names(parts[0]))
        return self._parse(parts, tokens)

    def _items(self, node: Tree[Any]) -> tuple[Item, ...]:
        return tuple(self._item(part) for part in node.children if isinstance(part, Tree))

    def _item(self, node: Tree[Any]) -> Item:
        parts = [part for part in node.children if isinstance(part, Tree)]
        value, aggregates = self.expression(parts[0])
        named = _name(parts[1]) if len(parts) > 1 else self._written(parts[0])
        return Item(named, value, aggregates)

    def _written(self, node: Tree[Any]) -> str:
        if node.data == "field":
            return _name(node)
        return self._query[node.meta.start_pos : node.meta.end_pos].strip()

    def _order(self, node: Tree[Any]) -> tuple[Expression, bool]:
        direction = [str(part).lower() for part in node.children if isinstance(part, Token)]
        parts = [part for part in node.children if isinstance(part, Tree)]
        if parts[0].data == "call":  # of a column that stats has made: sort count(*) desc
            name = self._written(parts[0])
            value, aggregates = self.expression(parts[0])
            if aggregates:
                return (lambda row, _rows: row.get(name)), direction != ["asc"]
            return value, direction != ["asc"]
        return self._plain(parts[0]), direction == ["desc"] or not direction

    def _parse(self, parts: list[Tree[Any]], tokens: list[Token]) -> Command:
        names = _names(parts[1]) if len(parts) > 1 else ()
        pattern = next(token for token in tokens if token.type in ("STRING", "REGEX"))
        if pattern.type == "REGEX":
            compiled = _regex(pattern)
            found = names or tuple(sorted(compiled.groupindex, key=lambda name: compiled.groupindex[name]))
            if compiled.groups < len(found) or not found:
                raise malformed("The regular expression of parse needs a named group for each field.")
        else:
            glob = _unquoted(pattern)
            compiled = re.compile("(.*?)".join(re.escape(part) for part in glob.split("*")) + _end(glob), re.DOTALL)
            found = names
            if compiled.groups != len(found):
                raise malformed("The number of wildcards in parse must be the number of its fields.")
        return Command("parse", source=_name(parts[0]), pattern=compiled, names=found)

    # --- expressions ---------------------------------------------------------------------------------------

    def _plain(self, node: Tree[Any]) -> Expression:
        value, aggregates = self.expression(node)
        if aggregates:
            raise malformed("Aggregation functions can be used in stats only.")
        return value

    def expression(self, node: Tree[Any]) -> tuple[Expression, bool]:
        """Return what a part of a query comes to, and whether it is made of many lines."""
        kind = str(node.data)
        if kind == "call":
            return self._call(node)
        if kind in _LEAVES:
            return _LEAVES[kind](node), False
        parts = [self.expression(part) for part in node.children if isinstance(part, Tree)]
        tokens = [part for part in node.children if isinstance(part, Token)]
        values = [value for value, _ in parts]
        return _NODES[kind](values, tokens), any(aggregates for _, aggregates in parts)

    def _call(self, node: Tree[Any]) -> tuple[Expression, bool]:
        name = str(node.children[0]).lower()
        given = node.children[1].children if len(node.children) > 1 else []
        arguments = [part for part in given if isinstance(part, Tree)]
        if name == "bin":
            return _bin(arguments), False
        if name in AGGREGATES:
            return self._aggregate(name, arguments), True
        if name not in FUNCTIONS:
            raise malformed(f"Invalid function: {node.children[0]}")
        counts, function = FUNCTIONS[name]
        if len(arguments) not in counts or len(arguments) != len(given):
            raise malformed(f"Invalid arguments for the function {node.children[0]}")
        parts = [self.expression(argument) for argument in arguments]
        values = [value for value, _ in parts]
        return (lambda row, rows: function(*(value(row, rows) for value in values))), any(many for _, many in parts)

    def _aggregate(self, name: str, arguments: list[Tree[Any]]) -> Expression:
        function = AGGREGATES[name]
        if name == "count" and not arguments:
            return lambda _row, rows: len(rows)
        if len(arguments) != (2 if name == "pct" else 1):
            raise malformed(f"Invalid arguments for the function {name}")
        of = self._plain(arguments[0])
        if name == "pct":
            percent = _number(arguments[1])
            return lambda _row, rows: function([of(row, ()) for row in rows], percent)
        return lambda _row, rows: function([of(row, ()) for row in rows])


def _names(node: Tree[Any]) -> tuple[str, ...]:
    return tuple(_name(part) for part in node.children if isinstance(part, Tree))


def _name(node: Tree[Any]) -> str:
    return str(node.children[0]).strip("`")


def _unquoted(token: Any) -> str:
    return re.sub(r"\\(.)", r"\1", str(token)[1:-1])


def _end(glob: str) -> str:
    return "$" if glob.endswith("*") else ""


def _regex(token: Any) -> re.Pattern[str]:
    """Return a regular expression between slashes; Java's named groups are written otherwise than Python's."""
    pattern, _, flags = str(token)[1:].rpartition("/")
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", pattern), re.IGNORECASE if "i" in flags else 0)
    except re.error as error:
        raise malformed(f"Invalid regular expression: {error}") from error


def _number(node: Tree[Any]) -> float:
    if node.data != "number":
        raise malformed("The second argument of pct must be a number.")
    return float(str(node.children[0]))


def _bin(arguments: list[Tree[Any]]) -> Expression:
    if len(arguments) != 1 or arguments[0].data != "duration":
        raise malformed("The argument of bin must be a period of time.")
    span = _span(arguments[0])
    floor = FUNCTIONS["datefloor"][1]
    return lambda row, _rows: floor(row.get("@timestamp"), span)


def _span(node: Tree[Any]) -> int:
    written = str(node.children[0])
    span = milliseconds(written)
    if span is None:
        raise not_there(f"the period {written} in queries of logs")
    if span == 0:
        raise malformed("A period of time must not be 0.")
    return span


def _constant(value: Any) -> Expression:
    return lambda _row, _rows: value


def _field(node: Tree[Any]) -> Expression:
    name = _name(node)
    return lambda row, _rows: row.get(name)


_LEAVES: dict[str, Callable[[Tree[Any]], Expression]] = {
    "number": lambda node: _constant(float(str(node.children[0]))),
    "string": lambda node: _constant(_unquoted(node.children[0])),
    "duration": lambda node: _constant(_span(node)),
    "truth": lambda node: _constant(str(node.children[0]).lower() == "true"),
    "field": _field,
}
_Values = Sequence[Expression]
_Tokens = Sequence[Token]


def _either(values: _Values, _tokens: _Tokens) -> Expression:
    return lambda row, rows: any(value(row, rows) for value in values)


def _both(values: _Values, _tokens: _Tokens) -> Expression:
    return lambda row, rows: all(value(row, rows) for value in values)


def _compared(values: _Values, tokens: _Tokens) -> Expression:
    left, right = values
    sign = str(tokens[0])
    return lambda row, rows: compare(sign, left(row, rows), right(row, rows))


def _calculated(values: _Values, tokens: _Tokens) -> Expression:
    left, right = values
    sign = str(tokens[0])
    return lambda row, rows: calculate(sign, left(row, rows), right(row, rows))


def _contains(values: _Values, tokens: _Tokens) -> Expression:
    part = _unquoted(tokens[-1])
    return _of_present(values[0], lambda value: part in value)


def _matches(values: _Values, tokens: _Tokens) -> Expression:
    pattern = _regex(tokens[-1])
    return _of_present(values[0], lambda value: pattern.search(value) is not None)


def _of_present(value: Expression, fits: Callable[[str], bool]) -> Expression:
    def apply(row: Row, rows: Sequence[Row]) -> bool:
        found = value(row, rows)
        return found is not None and fits(text(found))

    return apply


def _among(values: _Values, _tokens: _Tokens) -> Expression:
    value, *wanted = values
    return lambda row, rows: any(compare("=", value(row, rows), one(row, rows)) for one in wanted)


def _not(make: Callable[[_Values, _Tokens], Expression]) -> Callable[[_Values, _Tokens], Expression]:
    def made(values: _Values, tokens: _Tokens) -> Expression:
        positive = make(values, tokens)
        return lambda row, rows: not positive(row, rows)

    return made


_NODES: dict[str, Callable[[_Values, _Tokens], Expression]] = {
    "either": _either,
    "both": _both,
    "negated": _not(_both),
    "compared": _compared,
    "calculated": _calculated,
    "negative": lambda values, _tokens: lambda row, rows: calculate("-", 0, values[0](row, rows)),
    "contains": _contains,
    "contains_not": _not(_contains),
    "matches": _matches,
    "matches_not": _not(_matches),
    "among": _among,
    "not_among": _not(_among),
}
