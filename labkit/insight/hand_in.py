"""One file with all that a teacher needs to mark a lab, written on the student's machine, read on the teacher's.

It says that a lab stood so. That it was the student's own doing it does not prove: docs/teaching.md says why.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from labkit.connection import Connection
from labkit.definition import Definition
from labkit.errors import LabError, file_errors, write_file
from labkit.insight.evidence import Evidence, Made, SentPhoto, Thing, collect, named_things, told_by
from labkit.insight.marks import Sheet, Student, mark
from labkit.journal import Journal
from labkit.lab import Lab
from labkit.pictures import little_picture
from labkit.resources.judgement import VERDICTS, Line
from labkit.result import Result, counted
from labkit.workbook import DISTRIBUTION

FORMAT = "labkit hand-in 1"
ENDING = ".handin.json"
LARGEST = 20_000_000  # bytes; one with all its pictures has less than one of them
SMALL = 160  # pixels of the longer side of the pictures in it
WITH_PICTURES = 3  # photos
PACKAGES = ("boto3", "moto", "awslambdaric", "pillow")


@dataclass(frozen=True)
class HandedIn(Result):
    """The file that was written, and what the student can already see of the marks."""

    path: Path
    sheet: Sheet

    def sentence(self) -> str:
        """Where it is, and what is in it."""
        return f"Hand in {self.path} ({counted(self.path.stat().st_size, 'byte')}). {self.sheet.sentence()}"

    def headers(self) -> Sequence[str]:
        return self.sheet.headers()

    def rows(self) -> Iterable[Sequence[object]]:
        """The marks, part by part, with reasons."""
        return self.sheet.rows()

    def as_data(self) -> dict[str, Any]:
        """The path, and the sheet."""
        return {"path": str(self.path), "sheet": self.sheet.as_data()}


def hand_in(lab: Lab, folder: str | Path = ".", *, name: str = "", student_id: str = "", email: str = "") -> HandedIn:
    """Write the lab's evidence into one file in a folder, while the lab stands; changes nothing in AWS.

    `name`, `student_id` and `email` are what the teacher's list has. Returns the file with the marks as they stand.
    Raises LabError if there is nothing to hand in, or the file cannot be written.
    """
    if not lab.journal.entries():
        raise LabError(
            f"{lab.definition.lab_id} has nothing in AWS: there is nothing to hand in.",
            where="handing in",
            hint="Hand in before you clean up, while the lab stands.",
            code="missing-step",
        )
    evidence = collect(lab, lab.journal)
    student = Student(name or lab.definition.prefix.rstrip("-") or lab.definition.lab_id, student_id, email)
    data = _as_data(evidence, lab.journal, student)
    path = Path(folder) / f"{lab.definition.lab_id}{ENDING}"
    with file_errors("handing in"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({**data, "sha256": _digest(data)}, indent=1) + "\n", "writing")
    return HandedIn(path, mark(evidence, student))


def _as_data(evidence: Evidence, journal: Journal, student: Student) -> dict[str, Any]:
    with file_errors("reading the journal"):
        written = journal.path.read_text("utf-8", errors="backslashreplace")
    return {
        "format": FORMAT,
        "student": asdict(student),
        "versions": {
            "labkit": version(DISTRIBUTION),
            "python": platform.python_version(),
            "system": platform.system(),
            **{name: version(name) for name in PACKAGES},
        },
        "definition": evidence.definition.as_data(),
        "things": [asdict(thing) for thing in evidence.things],
        "photos": [_photo_data(photo, small=n < WITH_PICTURES) for n, photo in enumerate(evidence.photos)],
        "journal": written,
    }


def _photo_data(photo: SentPhoto, *, small: bool) -> dict[str, Any]:
    pictures = {folder: _small(data, folder) for folder, data in photo.pictures.items()} if small else {}
    bare = replace(photo, pictures={})
    return {**asdict(bare), "pictures": pictures}


def _small(data: bytes, name: str) -> str:
    """A picture, so small that one sees what it shows and no more, as base64."""
    return base64.b64encode(little_picture(data, name, SMALL)).decode()


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def mark_hand_in(path: Path) -> Sheet:
    """The marks for a file that was handed in; who made what is read from the journal in it.

    Raises LabError if it is no such file, or was damaged.
    """
    data = _read(path)
    try:
        student, evidence = Student(**_texts(data["student"])), _evidence(data)
        pictures = tuple(_pictures(data))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    sheet = mark(evidence, student, source=path.name)
    return replace(sheet, pictures=pictures)


def _read(path: Path) -> dict[str, Any]:
    with file_errors("reading what was handed in"):
        size = path.stat().st_size
        text = path.read_bytes() if size <= LARGEST else b""
    if not text:
        raise _unusable(
            path, "it is empty" if not size else f"it has {size:,} bytes, and none has more than {LARGEST:,}"
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "it is not JSON, or breaks off") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _unusable(path, f"it does not say that it is a {FORMAT}")
    if data.pop("sha256", None) != _digest(data):
        raise _unusable(path, "its hash is another one: it was damaged on its way, or changed")
    return data


def _unusable(path: Path, why: str) -> LabError:
    return LabError(
        f"{path.name} cannot be marked: {why}.",
        where="reading what was handed in",
        hint="Ask for it again: `labkit hand-in` writes it, and it is handed in as it is.",
        code="bad-hand-in",
    )


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in data.values()):
        raise TypeError("a text is expected")
    return dict(data)


def _evidence(data: Mapping[str, Any]) -> Evidence:
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl")
        journal.path.write_text(data["journal"], "utf-8")
        opened, told = journal.opened(), told_by(journal)
        definition = Definition.from_data(data["definition"])
        if opened is None or opened.suffix != definition.suffix:
            raise ValueError("its journal is that of another lab")
        said = {(one["kind"], one["name"], one["part"]): one for one in data["things"]}
        # What has to be there, the definition says: the file may keep silent of a thing, and then it is missing.
        lab = Lab(definition, cast(Connection, None), journal, Path(folder))
        things = tuple(_thing(thing, said.get((*thing.key, thing.part))) for thing in named_things(lab))
    return Evidence(definition, things, tuple(_photo(one) for one in data["photos"]), *told)


def _thing(thing: Thing, said: Mapping[str, Any] | None) -> Thing:
    if said is None or not said["lines"]:
        return thing
    return replace(thing, stands=said["stands"] is True, lines=tuple(_line(one) for one in said["lines"]))


def _line(said: Mapping[str, Any]) -> Line:
    known = {one.name for one in fields(Line)}
    line = Line(**{name: value for name, value in said.items() if name in known})
    if line.verdict not in VERDICTS or not all(
        isinstance(text, str) for text in (line.subject, line.found, line.expected)
    ):
        raise ValueError("a line has no verdict, or no words")
    return line


def _photo(said: Mapping[str, Any]) -> SentPhoto:
    made = []
    for one in said["made"]:
        function, key, sha256 = str(one["function"]), str(one["key"]), str(one["sha256"])
        made.append(Made(function, key, sha256, _texts(one["metadata"]), dict(one["log"]), str(one["report"])))
    return SentPhoto(str(said["key"]), str(said["etag"]), tuple(made), tuple(_line(one) for one in said["lines"]))


def _pictures(data: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for photo in data["photos"]:
        for folder, text in photo["pictures"].items():
            picture = base64.b64decode(text, validate=True)
            yield f"{folder} of {photo['key']}", base64.b64encode(picture).decode()
