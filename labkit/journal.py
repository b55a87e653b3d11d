"""The lab's notepad: what the lab is and what it has made, line by line, safe against a crash at any moment.

One file of JSON lines for each place and student, shared by all notebooks and the command line. A line is written
*before* the call that makes something (`creating`) and after it (`created`), so that whatever was half made is found.
Each line says who was at work, and carries the hash of the line before it: what was changed by hand later is seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from labkit.errors import LabError, file_error
from labkit.journal_lines import Entry, Opened, Spoilt, State, hash_of
from labkit.maker import maker

LOCKED_S = 30  # longer than any line takes to write
FRESH = timedelta(minutes=5)  # longer than AWS takes to see what was made


class Journal:
    """The journal file at `path`; reads what is new in it at each question, since other kernels write to it too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", timeout=LOCKED_S)
        self._suffix: str | None = None
        self._read = State()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the file, so that what is read and then written belongs together."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(PermissionError):  # a folder that somebody else made is theirs to close
                self.path.parent.chmod(0o700)
            with self._lock:
                yield
        except Timeout as error:
            raise LabError(
                f"Another process has held the lab's journal for more than {LOCKED_S} s.",
                where=f"waiting for {self.path}.lock",
                hint="End the other notebook or command, then run this again.",
                code="waited-too-long",
            ) from error
        except OSError as error:
            raise LabError(
                f"The lab's journal cannot be written: {error.strerror or error}.",
                where=str(self.path),
                hint="Nothing is made that cannot be written down. Free some space, or look at the folder's "
                "permissions, then run this again.",
                code=file_error(error).code,
            ) from error

    def opened(self) -> Opened | None:
        """The lab that is open here, or None."""
        return self._state().opened

    def open(self, *, suffix: str, instance: str | None, definition: Mapping[str, Any]) -> None:
        """Write down that a lab begins, or go on with the open one of that suffix; its definition is now this one.

        `instance` names the run of an embedded AWS: another one than last time has forgotten all that was made.
        """
        with self.locked():
            now = self._state().opened
            if now is None or now.suffix != suffix:
                self._append({"event": "opened", "suffix": suffix, "instance": instance, "definition": definition})
            else:
                if now.instance != instance:
                    self._append({"event": "restarted", "instance": instance})
                if dict(now.definition) != dict(definition):
                    self._append({"event": "defined", "definition": definition})
            self._suffix = suffix

    def redefine(self, definition: Mapping[str, Any]) -> None:
        """Write down that the lab that is open is this one from now on."""
        with self.locked():
            self._require_open("writing down what the lab is")
            self._append({"event": "defined", "definition": definition})

    def creating(self, kind: str, name: str, **facts: Any) -> None:
        """Write down that `name` is about to be made."""
        self._write("creating", kind, name, facts)

    def created(self, kind: str, name: str, **facts: Any) -> None:
        """Write down that `name` is there, with what is worth keeping (ARN, URL, id), unless that is known."""
        self._write("created", kind, name, facts)

    def found(self, kind: str, name: str, **facts: Any) -> None:
        """Write down that `name` is there, by whomever and whenever it was made, unless that is known."""
        self._write("created", kind, name, facts, time=None)

    def deleted(self, kind: str, name: str) -> None:
        """Write down that `name` is gone, or is no longer this lab's business."""
        with self.locked():
            if self._is_open():  # else another process has cleaned up meanwhile, and nothing is listed any more
                self._append({"event": "deleted", "kind": kind, "name": name})

    def begun(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of whatever this lab has begun to make, in that order, as often as it was begun."""
        return tuple(self._state().begun)

    def makers(self, kind: str | None = None) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """Who has begun to make each thing of this lab, in that order, by kind and name, also what is gone by now.

        An empty text stands for a line of a version that did not say. What was found in AWS is not in it.
        """
        return {key: tuple(by) for key, by in self._state().makers.items() if kind in (None, key[0])}

    def loose(self) -> tuple[int, ...]:
        """The numbers of the lines, in the file, that do not carry the hash of the line before them.

        None in a file that only this package has written; one that a crash tore off is no reason for any.
        """
        return tuple(self._state().loose)

    def answered(self, kind: str, name: str, **facts: str) -> None:
        """Write down what a person answered, of what kind (exercise, choice, quiz, hint), and whether that is right."""
        with self.locked():  # also once the lab is cleaned up: the last questions come after that
            self._append({"event": "answered", "kind": kind, "name": name, "facts": facts, "lab": self._suffix})

    def answers(self, kind: str | None = None) -> tuple[Entry, ...]:
        """What was answered in this lab, each time that it was, also after it was cleaned up."""
        opened = self._state().opened
        this = self._suffix or (opened.suffix if opened else None)  # a journal that is only read was opened by nobody
        return tuple(e for lab, e in self._state().answers if lab == this and kind in (None, e.kind))

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """What is there now, or may be, in the order in which it was last begun."""
        return tuple(entry for entry in self._state().alive.values() if kind in (None, entry.kind))

    def fresh(self, kind: str, within: timedelta = FRESH) -> list[str]:
        """The names of what was begun or made of a kind lately: AWS may not have told all its services yet."""
        return [name for of_kind, name in self.just_written(within) if kind in of_kind]

    def just_written(self, within: timedelta) -> set[tuple[str, str]]:
        """Kind and name of what was begun or made within that time."""
        since = datetime.now(UTC) - within
        return {(e.kind, e.name) for e in self.entries() if e.time is not None and e.time > since}

    def lost(self) -> tuple[Entry, ...]:
        """What went with an embedded AWS that has stopped, and was not made again since."""
        return tuple(self._state().lost.values())

    def spoilt(self) -> tuple[Spoilt, ...]:
        """The lines that cannot be read."""
        return tuple(self._state().spoilt)

    def find(self, kind: str, name: str) -> Entry | None:
        """The entry of that name, or None."""
        return self._state().alive.get((kind, name))

    def close(self) -> None:
        """Write down that nothing is left; the next lab opened here gets a new suffix."""
        with self.locked():
            if self._is_open():  # else another process has closed it, and may have begun another one
                self._append({"event": "closed"})

    def _is_open(self) -> bool:
        now = self._state().opened
        return now is not None and now.suffix == self._suffix

    def _require_open(self, where: str) -> None:
        if not self._is_open():
            raise LabError(
                "This lab was cleaned up, or begun again, by another notebook or command.",
                where=where,
                hint="Run the cell with open_lab() again, then go on.",
            )

    def _write(self, event: str, kind: str, name: str, facts: Mapping[str, Any], **more: Any) -> None:
        with self.locked():
            self._require_open(f"writing down the {kind} {name}")
            known = self.find(kind, name) if event == "created" else None
            if known is None or known.state != "created" or {**known.facts, **facts} != known.facts:
                thing = {"event": event, "kind": kind, "name": name, "facts": dict(facts), "lab": self._suffix}
                self._append({**thing, **more})

    def _append(self, line: dict[str, Any]) -> None:
        """Write a line, whole or not at all, and wait until the disk has it."""
        with self.path.open("ab+", buffering=0) as file:  # a buffer would try again what the disk has refused
            end, read_to = file.tell(), self._state().read_to
            file.seek(read_to)
            torn = file.read(end - read_to)
            before = hash_of(torn or self._read.last)
            moment = datetime.now(UTC).isoformat(timespec="milliseconds")
            text = json.dumps({"time": moment, **line, "by": maker(), "after": before})
            if torn or not self._read.ended:
                text = "\n" + text  # a crash tore the last line: leave it, and begin a new one
            rest = f"{text}\n".encode()
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)  # a disk that is full takes half a line
                raise

    def _state(self) -> State:
        """What the file says by now; only what was added since the last question is read."""
        try:
            size = self.path.stat().st_size
            if size < self._read.read_to:
                self._read = State()  # another file than the one that was read
            if size > self._read.read_to:
                with self.path.open("rb") as file:
                    file.seek(self._read.read_to)
                    self._read.read(file.read(size - self._read.read_to))
        except FileNotFoundError:
            self._read = State()
        except OSError as error:
            raise LabError(
                f"The lab's journal cannot be read: {error.strerror or error}.",
                where=str(self.path),
                hint="It lists what the lab has made: look at the permissions of the file and its folder.",
                code="unusable-path",
            ) from error
        return self._read
