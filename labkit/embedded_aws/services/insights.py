"""CloudWatch Logs Insights: a query run over the lines of log groups.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AnalyzingLogData.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moto.logs.models import LogEvent, LogGroup

from labkit.embedded_aws.services.insights_expressions import Moment, Row, number, text
from labkit.embedded_aws.services.insights_query import Command, Item, read_query

_MOST_FIELDS = 200  # discovered in one line
_MOST_RESULTS = 10_000  # unless the query, or the request, says otherwise
_REPORT = re.compile(r"(\w[\w ]*?): ([\d.]+) (ms|MB)")
_DISCOVERED = {
    "Duration": "@duration",
    "Billed Duration": "@billedDuration",
    "Memory Size": "@memorySize",
    "Max Memory Used": "@maxMemoryUsed",
    "Init Duration": "@initDuration",
}
_OF_LAMBDA = re.compile(r"(START|END|REPORT) RequestId: ([0-9a-f-]{36})")
_REQUEST = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Answer:
    """What a query has found, and how much it has looked at."""

    results: list[list[dict[str, str]]]
    matched: int
    scanned: int
    scanned_bytes: int


def run(groups: Iterable[LogGroup], query: str, start: int, end: int, limit: int | None) -> Answer:
    """Run a query over the events from `start` to `end`, both in seconds since 1970 and both included.

    Raises AwsError, MalformedQueryException, for a query that is none.
    """
    commands = read_query(query)
    events = sorted(_events(groups, start, end), key=lambda row: row["@timestamp"])
    matched = len(events)
    rows: list[Row] = list(reversed(events))  # the latest first
    shown: tuple[Item, ...] | None = None
    limited = aggregated = False
    for command in commands:
        rows = _STEPS[command.kind](rows, command) if command.kind in _STEPS else rows
        if command.kind == "filter" and not aggregated:
            matched = len(rows)
        if command.kind == "stats":
            shown, aggregated = (*command.by, *command.items), True
        elif command.kind == "display":
            shown = command.items
        elif command.kind == "fields":
            shown = (*(shown or ()), *command.items)
        elif command.kind == "parse":
            shown = (*(shown or ()), *(Item(name, lambda row, _rows, n=name: row.get(n)) for name in command.names))  # type: ignore[misc]
        limited = limited or command.kind == "limit"
    if not limited:
        rows = rows[: limit or _MOST_RESULTS]
    names = [item.name for item in shown] if shown is not None else ["@timestamp", "@message"]
    sizes = sum(len(row["@message"].encode()) for row in events)
    return Answer([_shown(row, names, aggregated) for row in rows], matched, len(events), sizes)


def _shown(row: Row, names: Sequence[str], aggregated: bool) -> list[dict[str, str]]:
    fields = [{"field": name, "value": text(row[name])} for name in dict.fromkeys(names) if row.get(name) is not None]
    return fields if aggregated else [*fields, {"field": "@ptr", "value": row["@ptr"]}]


def _events(groups: Iterable[LogGroup], start: int, end: int) -> Iterator[dict[str, Any]]:
    for group in groups:
        for name, stream in list(group.streams.items()):
            for event in list(stream.events):
                if start * 1000 <= event.timestamp < (end + 1) * 1000:
                    yield _row(group, name, event)


def _row(group: LogGroup, stream: str, event: LogEvent) -> dict[str, Any]:
    """Return an event's fields: those of every line, and those that are discovered in this one."""
    pointer = base64.b64encode(f"{group.name}/{stream}/{event.event_id}".encode()).decode()
    own = {
        "@timestamp": Moment(event.timestamp),
        "@message": event.message,
        "@logStream": stream,
        "@log": f"{group.account_id}:{group.name}",
        "@ingestionTime": Moment(event.ingestion_time),
        "@ptr": pointer,
    }
    return _of_json(event.message) | _of_lambda(event.message) | own


def _of_lambda(message: str) -> dict[str, Any]:
    """Return what Insights discovers in the lines of Lambda: memory in bytes, times in milliseconds."""
    opened = _OF_LAMBDA.match(message)
    if opened is None:
        named = _REQUEST.search(message)
        return {"@requestId": named[0]} if named else {}
    found: dict[str, Any] = {"@type": opened[1], "@requestId": opened[2]}
    if opened[1] == "REPORT":
        for name, value, unit in _REPORT.findall(message):
            if name in _DISCOVERED:
                found[_DISCOVERED[name]] = float(value) * (1_000_000 if unit == "MB" else 1)
    return found


def _of_json(message: str) -> dict[str, Any]:
    """Return the fields of the first JSON object in a message, by their dotted names."""
    begin = message.find("{")
    if begin < 0:
        return {}
    try:
        value, _ = json.JSONDecoder().raw_decode(message, begin)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, Any] = {}
    for name, held in _flat(value, ""):
        found[name] = held
        if len(found) >= _MOST_FIELDS:
            break
    return found


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves; a field whose name begins with @ gets another."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if children is None:
        if value is not None:
            yield path, value
        return
    for key, child in children:
        name = f"@{key}" if not path and str(key).startswith("@") else str(key)
        yield from _flat(child, f"{path}.{name}" if path else name)


def _extended(rows: list[Row], command: Command) -> list[Row]:
    return [{**row, **{item.name: item.value(row, ()) for item in command.items}} for row in rows]


def _filtered(rows: list[Row], command: Command) -> list[Row]:
    assert command.condition is not None
    return [row for row in rows if command.condition(row, ())]


def _aggregated(rows: list[Row], command: Command) -> list[Row]:
    """One row for each group: of those with all of their fields, without `by` of all lines."""
    groups: dict[tuple[str, ...], tuple[dict[str, Any], list[Row]]] = {}
    for row in reversed(rows):  # in the order of time, which earliest and latest mean
        of = {item.name: item.value(row, ()) for item in command.by}
        if None not in of.values():
            groups.setdefault(tuple(text(value) for value in of.values()), (of, []))[1].append(row)
    if not command.by and not groups:
        groups[()] = ({}, [])
    return [{**of, **{item.name: item.value({}, held) for item in command.items}} for of, held in groups.values()]


def _sorted(rows: list[Row], command: Command) -> list[Row]:
    """Sort by the last order first: Python's sort is stable. What lacks the field is last."""
    for value, largest_first in reversed(command.orders):
        present = [(value(row, ()), row) for row in rows]
        known = [pair for pair in present if pair[0] is not None]
        known.sort(key=lambda pair: _sort_key(pair[0]), reverse=largest_first)
        rows = [row for _, row in known] + [row for found, row in present if found is None]
    return rows


def _sort_key(value: Any) -> tuple[bool, float, str]:
    found = number(value)
    return (False, found, "") if found is not None else (True, 0.0, text(value))


def _limited(rows: list[Row], command: Command) -> list[Row]:
    return rows[: command.count]


def _parsed(rows: list[Row], command: Command) -> list[Row]:
    """Add the parts of a field that fit the pattern; a line that it does not fit has none of them."""
    assert command.pattern is not None
    parsed: list[Row] = []
    for row in rows:
        found = command.pattern.search(text(row[command.source])) if row.get(command.source) is not None else None
        groups = found.groups()[: len(command.names)] if found else ()
        parsed.append({**row, **dict(zip(command.names, groups, strict=False))})
    return parsed


def _deduplicated(rows: list[Row], command: Command) -> list[Row]:
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        first.setdefault(tuple(text(row.get(name)) for name in command.names), row)
    return list(first.values())


_STEPS = {
    "dedup": _deduplicated,
    "display": _extended,
    "fields": _extended,
    "filter": _filtered,
    "limit": _limited,
    "parse": _parsed,
    "sort": _sorted,
    "stats": _aggregated,
}
