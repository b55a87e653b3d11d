"""One line of the journal: what it has to have, and what is wrong with one that cannot be read."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labkit.definition import Definition, check_affix
from labkit.errors import LabError
from labkit.maker import MAKERS

# What a line has to have, by its event.
MEMBERS = {
    "opened": ("suffix",),
    "restarted": ("instance",),
    "defined": ("definition",),
    "creating": ("kind", "name", "facts"),
    "created": ("kind", "name", "facts"),
    "deleted": ("kind", "name"),
    "closed": (),
    "answered": ("kind", "name", "facts", "lab"),
}


def hash_of(line: bytes) -> str:
    """What the next line carries of this one."""
    return hashlib.sha256(line).hexdigest()[:32]


def read_line(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """What can be read of a line, and what is wrong with it, if anything is."""
    try:
        text = raw.decode("utf-8-sig").strip()
        if not text:
            return None, ""
        line = json.loads(text)
    except UnicodeDecodeError:
        return None, "it is not UTF-8"
    except (ValueError, RecursionError):
        return None, "it is not JSON" if raw.strip().endswith(b"}") else "it breaks off"
    if not isinstance(line, dict) or not isinstance(line.get("event"), str) or line["event"] not in MEMBERS:
        return None, "it says nothing that a lab does"
    if lacking := next((member for member in MEMBERS[line["event"]] if member not in line), None):
        return None, f"it has no {lacking}"
    if wrong := next((member for member in line if not _fits(member, line)), None):
        return None, f"its {wrong} cannot be one"
    return _with_definition(line)


def _fits(member: str, line: Mapping[str, Any]) -> bool:
    """Whether a member of a line is what a lab writes there."""
    value = line[member]
    match member:
        case "suffix" | "lab":
            return _is_affix(value)
        case "kind" | "name":
            # Keys may have control characters; in any other name they only command a terminal.
            refused = ("Cs",) if line.get("kind") == "object" else ("Cs", "Cc")
            return isinstance(value, str) and value != "" and not any(unicodedata.category(c) in refused for c in value)
        case "instance":
            return value is None or isinstance(value, str)
        case "facts":
            return isinstance(value, dict) and all(isinstance(fact, str | None) for fact in value.values())
        case "definition":
            return isinstance(value, dict)
        case "by":
            return isinstance(value, str) and value in MAKERS
    return True


def _is_affix(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        check_affix("suffix", value)
    except LabError:
        return False
    return value != ""


def _with_definition(line: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The line, without a definition that says what no lab can be: what else it says still counts."""
    if not line.get("definition"):
        return line, ""
    try:
        definition = Definition.from_data(line["definition"])
    except LabError as error:
        reason = error.message.rstrip(".")
    else:
        if definition.suffix == line.get("suffix", definition.suffix):
            return line, ""
        reason = "its definition is that of another lab"
    return ({**line, "definition": {}} if line["event"] == "opened" else None), reason


def moment_of(text: Any) -> datetime | None:
    """The time that a line says, in UTC if it says no zone; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
