"""The lines of a lab's journal: what each has to have, what they say together, and which cannot be read.

Lines that cannot be read are told and passed over: what the others say still counts.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkit.definition import Definition, check_affix
from labkit.errors import LabError
from labkit.maker import MAKERS
from labkit.result import counted

NEWLINE = b"\n"
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


@dataclass(frozen=True)
class Entry:
    """One thing that this lab has made, or began to make."""

    kind: str  # topic, queue, subscription, bucket, ...
    name: str
    state: str  # creating or created
    facts: Mapping[str, Any] = field(default_factory=dict)
    # When its last line was written (UTC); None if nobody knows when it was made.
    time: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Spoilt:
    """A line that cannot be read: its number in the file, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Opened:
    """The lab that is open in a journal. `definition` is plain data; empty where an older version wrote none."""

    suffix: str
    instance: str | None
    definition: Mapping[str, Any]


@dataclass
class State:
    """What the lines read so far say."""

    opened: Opened | None = None
    alive: dict[tuple[str, str], Entry] = field(default_factory=dict)
    lost: dict[tuple[str, str], Entry] = field(default_factory=dict)  # gone with an embedded AWS that has stopped
    begun: list[tuple[str, str]] = field(default_factory=list)
    makers: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # outlives an embedded AWS that has stopped
    answers: list[tuple[str, Entry]] = field(default_factory=list)  # the lab's suffix, and what was answered in it
    spoilt: list[Spoilt] = field(default_factory=list)
    lines: int = 0
    read_to: int = 0  # bytes
    ended: bool = True  # whether the last line had its newline
    last: bytes = b""  # the last line, for the hash of it in the next one
    chained: bool = False  # whether a line carried such a hash; an older version wrote none
    loose: list[int] = field(default_factory=list)  # the numbers of lines that do not follow the one before them

    def read(self, data: bytes) -> None:
        """Follow what the file has after what was read of it."""
        for raw in re.findall(rb"[^\n]*\n|[^\n]+$", data):
            whole = raw.endswith(NEWLINE)
            line, reason = _line(raw)
            if not whole and line is None:
                return  # torn, or still being written: it is read once it has its end
            self.read_to += len(raw)
            if raw == NEWLINE and not self.ended:
                self.ended = True
                continue  # the end of the line before, which a crash had torn off
            self.lines, self.ended = self.lines + 1, whole
            if line is not None:
                self._follow(line)
                if self.chained and line.get("after") != hash_of(self.last):
                    self.loose.append(self.lines)
                self.chained = self.chained or "after" in line
            self.last = raw.rstrip(NEWLINE)
            if reason:
                self.spoilt.append(Spoilt(self.lines, reason))

    def _follow(self, line: Mapping[str, Any]) -> None:
        match line["event"]:
            case "opened":
                self._open(line)
            case "restarted" if self.opened:
                self._restart(line["instance"])
            case "defined" if self.opened and self.opened.suffix == line["definition"].get("suffix"):
                self.opened = replace(self.opened, definition=line["definition"])
            case "closed":
                self.opened = None
                self.alive.clear()
                self.lost.clear()
                self.makers.clear()
                self.loose.clear()
                self.spoilt.clear()  # the lab that they spoke of is gone
            case "deleted":
                key = (line["kind"], line["name"])
                self.alive.pop(key, None)
                self.lost.pop(key, None)
            case "creating" | "created":
                self._make(line)
            case "answered":
                answer = Entry(line["kind"], line["name"], "answered", line["facts"], _moment(line.get("time")))
                self.answers.append((line["lab"], answer))

    def _open(self, line: Mapping[str, Any]) -> None:
        now, instance = self.opened, line.get("instance")
        if now is not None and now.suffix == line["suffix"]:  # as the first version wrote a restart
            self._restart(instance)
            assert self.opened is not None
            if line.get("definition"):
                self.opened = replace(self.opened, definition=line["definition"])
            return
        self.opened = Opened(line["suffix"], instance, line.get("definition", {}))
        self.alive.clear()
        self.lost.clear()
        self.makers.clear()
        self.loose.clear()

    def _restart(self, instance: str | None) -> None:
        assert self.opened is not None
        if self.opened.instance not in (None, instance):  # none is known if the line that opened the lab is spoilt
            self.lost |= self.alive
            self.alive.clear()
        self.opened = replace(self.opened, instance=instance)

    def _make(self, line: Mapping[str, Any]) -> None:
        key, event = (line["kind"], line["name"]), line["event"]
        if self.opened is None and "lab" in line:  # the line that opened the lab is spoilt; this one remembers
            self.opened = Opened(line["lab"], None, {})
        known = self.alive.get(key)
        if event == "creating":
            self.begun.append(key)
            self.makers.setdefault(key, []).append(line.get("by", ""))
            self.alive.pop(key, None)
        # Made once, it stays made: an idempotent call that is begun again does not unmake it.
        made = known is not None and known.state == "created"
        facts = {**(known.facts if known else {}), **line["facts"]}
        self.alive[key] = Entry(*key, "created" if made else event, facts, _moment(line.get("time")))
        self.lost.pop(key, None)
        if line["kind"] == "bucket":  # what lay in a bucket that was lost is not in the new one
            self.lost = {k: e for k, e in self.lost.items() if e.facts.get("bucket") != line["name"]}


def hash_of(line: bytes) -> str:
    """What the next line carries of this one."""
    return hashlib.sha256(line).hexdigest()[:32]


def _line(raw: bytes) -> tuple[dict[str, Any] | None, str]:
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


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_words(spoilt: tuple[Spoilt, ...], path: Path) -> str:
    """One sentence on the lines that cannot be read; empty if there are none."""
    if not spoilt:
        return ""
    first = f"line {spoilt[0].line}: {spoilt[0].reason}"
    more = f", and {counted(len(spoilt) - 1, 'more line')}" if len(spoilt) > 1 else ""
    return f"The journal {path} cannot be read whole ({first}{more}); what the other lines say still counts."
