"""The lab's notepad: what it has made, line by line, safe against a crash at any moment.

One file of JSON lines for each place and student, shared by all notebooks and the command line. A line is written
*before* the call that makes something (`creating`) and after it (`created`), so that whatever was half made is found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from labkit.errors import LabError
from labkit.result import counted


@dataclass(frozen=True)
class Entry:
    """One thing that this lab has made, or began to make."""

    kind: str  # topic, queue, subscription, bucket, ...
    name: str
    state: str  # creating or created
    facts: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """The journal file at `path`; reads it anew at each question, since other kernels write to it too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", timeout=30)
        self._suffix: str | None = None

    def open(self, *, suffix: str | None, new_suffix: str, instance: str | None) -> tuple[str, bool]:
        """Take up the lab that is open here, or begin one; return its suffix and whether its AWS was restarted.

        `suffix` is the one asked for, if any. `instance` names the run of an embedded AWS: another one than last time
        has forgotten everything that the journal lists. Raises LabError if another lab is still open.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # of a folder that somebody else made it is his to say who may look in
            self.path.parent.chmod(0o700)
        with self._lock:
            opened = self._last_opened()
            if opened is None or (suffix not in (None, opened["suffix"]) and not self.entries()):
                opened = {"suffix": suffix or new_suffix, "instance": instance}
                self._append({"event": "opened", **opened})
            elif suffix not in (None, opened["suffix"]):
                things = counted(len(self.entries()), "thing")
                raise LabError(
                    f"The lab {opened['suffix']} is still open here and has {things} in AWS.",
                    where=f"opening a lab with the suffix {suffix}",
                    hint="Clean it up first (`labkit clean`), or open the new one with a prefix of its own.",
                )
            elif opened["instance"] != instance:
                lost = bool(self.entries())
                self._append({"event": "opened", "suffix": opened["suffix"], "instance": instance})
                self._suffix = opened["suffix"]
                return opened["suffix"], lost
            self._suffix = opened["suffix"]
        return opened["suffix"], False

    def creating(self, kind: str, name: str, **facts: Any) -> None:
        """Write down that `name` is about to be made."""
        self._write("creating", kind, name, facts)

    def created(self, kind: str, name: str, **facts: Any) -> None:
        """Write down that `name` is there, with what is worth keeping (ARN, URL, id), unless that is known."""
        self._write("created", kind, name, facts)

    def deleted(self, kind: str, name: str) -> None:
        """Write down that `name` is gone."""
        self._write("deleted", kind, name, {})

    def begun(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of whatever this lab has begun to make, in that order, as often as it was begun."""
        return tuple((line["kind"], line["name"]) for line in self._lines() if line["event"] == "creating")

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """What is there now, or may be, in the order in which it was last begun."""
        alive: dict[tuple[str, str], Entry] = {}
        for line in self._lines():
            key = (line.get("kind", ""), line.get("name", ""))
            match line["event"]:
                case "opened" | "closed":
                    alive.clear()
                case "deleted":
                    alive.pop(key, None)
                case "creating" | "created":
                    known = alive.get(key)
                    if line["event"] == "creating":
                        alive.pop(key, None)
                    # Made once, it stays made: an idempotent call that is begun again does not unmake it.
                    made = known is not None and known.state == "created"
                    facts = {**(known.facts if known else {}), **line["facts"]}
                    alive[key] = Entry(*key, "created" if made else line["event"], facts)
        return tuple(entry for entry in alive.values() if kind in (None, entry.kind))

    def find(self, kind: str, name: str) -> Entry | None:
        """The entry of that name, or None."""
        return next((entry for entry in self.entries(kind) if entry.name == name), None)

    def close(self) -> None:
        """Write down that nothing is left; the next lab opened here gets a new suffix."""
        with self._lock:
            self._append({"event": "closed"})

    def suffix(self) -> str | None:
        """The suffix of the lab that is open here, or None."""
        opened = self._last_opened()
        return None if opened is None else str(opened["suffix"])

    def _last_opened(self) -> dict[str, Any] | None:
        last = None
        for line in self._lines():
            if line["event"] in ("opened", "closed"):
                last = line if line["event"] == "opened" else None
        return last

    def _write(self, event: str, kind: str, name: str, facts: Mapping[str, Any]) -> None:
        with self._lock:
            if self.suffix() != self._suffix:
                raise LabError(
                    "This lab was cleaned up, or begun again, by another notebook or command.",
                    where=f"writing down the {kind} {name}",
                    hint="Run the cell with open_lab() again, then go on.",
                )
            known = self.find(kind, name) if event == "created" else None
            if known is None or known.state != "created" or {**known.facts, **facts} != known.facts:
                self._append({"event": event, "kind": kind, "name": name, "facts": dict(facts)})

    def _append(self, line: dict[str, Any]) -> None:
        stamped = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}
        text = json.dumps(stamped)
        with self.path.open("ab+") as file:
            if file.tell() and not self._ends_with_newline(file):
                text = "\n" + text  # a crash tore the last line: leave it, and begin a new one
            file.write(f"{text}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _ends_with_newline(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        return bool(file.read(1) == b"\n")

    def _lines(self) -> list[dict[str, Any]]:
        lines = []
        for text in self.path.read_text("utf-8").splitlines() if self.path.exists() else []:
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue  # torn by a crash in mid-write: the call it announces was never made
        return lines
