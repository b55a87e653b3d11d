"""The teacher's sheet: the same checks that the student sees, counted and with reasons, for one lab or a class."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labkit.definition import Definition
from labkit.errors import LabError, aws_errors
from labkit.journal import Journal
from labkit.lab import Lab
from labkit.resources import Snapshot, judge, kinds_of_step
from labkit.resources.bucket import bucket_of
from labkit.result import Check, Checks, Result, counted
from labkit.settings import FUNCTIONS
from labkit.steps.recovery import find_labs, find_things, take_over
from labkit.steps.validate import check_results

PARTS = ("topic", "queues", "notification", "functions", "results")  # each counts the same
FULL = 100


@dataclass(frozen=True)
class Part:
    """One part of the lab, and its lines."""

    name: str
    checks: tuple[Check, ...]

    @property
    def share(self) -> float:
        """From 0 to 1: the mean over the things looked at of the share of lines that passed.

        Counted by thing, so that a queue that is missing (one line) weighs as much as one that is there (a dozen).
        """
        things: dict[str, list[bool]] = {}
        for check in self.checks:
            things.setdefault(check.subject.split(": ")[0], []).append(check.passed)
        return sum(sum(lines) / len(lines) for lines in things.values()) / len(things)

    @property
    def passed(self) -> int:
        """How many lines passed."""
        return sum(check.passed for check in self.checks)


@dataclass(frozen=True)
class Sheet(Result):
    """One lab's marks."""

    student: str
    lab_id: str
    parts: tuple[Part, ...]

    @property
    def score(self) -> int:
        """From 0 to 100; 100 only if every line passed."""
        share = sum(part.share for part in self.parts) / len(self.parts)
        return int(share * FULL + 1e-9)

    def reasons(self) -> tuple[str, ...]:
        """What failed, line by line: `topic: type is FIFO, not Standard`."""
        return tuple(
            f"{part.name}: {check.subject} is {check.found}, not {check.expected}"
            for part in self.parts
            for check in part.checks
            if not check.passed
        )

    def sentence(self) -> str:
        failed = counted(len(self.reasons()), "line")
        return f"{self.student}: {self.score} of {FULL}, {failed} failed ({self.lab_id})."

    def headers(self) -> Sequence[str]:
        return ("part", "result", "lines", "what to try")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a part, each followed by its lines that failed."""
        for part in self.parts:
            yield part.name, f"{part.share:.0%}", f"{part.passed} of {len(part.checks)} passed", ""
            for check in part.checks:
                if not check.passed:
                    yield "", "FAIL", f"{check.subject}: {check.found}, not {check.expected}", check.hint

    def as_data(self) -> dict[str, Any]:
        """The sheet as plain data, for JSON."""
        return {
            "student": self.student,
            "lab": self.lab_id,
            "score": self.score,
            "parts": {
                part.name: {"share": round(part.share, 4), "checks": [asdict(check) for check in part.checks]}
                for part in self.parts
            },
            "reasons": list(self.reasons()),
        }


@dataclass(frozen=True)
class ClassSheet(Result):
    """The marks of several labs, by student."""

    sheets: tuple[Sheet, ...]

    def sentence(self) -> str:
        whole = sum(sheet.score == FULL for sheet in self.sheets)
        return f"{counted(len(self.sheets), 'lab')}, {whole} of them whole."

    def headers(self) -> Sequence[str]:
        return ("student", "score", *PARTS, "first reason")

    def rows(self) -> Iterable[Sequence[object]]:
        for sheet in self.sheets:
            shares = {part.name: f"{part.share:.0%}" for part in sheet.parts}
            yield sheet.student, sheet.score, *(shares[name] for name in PARTS), next(iter(sheet.reasons()), "-")

    def as_data(self) -> dict[str, Any]:
        """All sheets with all lines, as plain data."""
        return {"sheets": [sheet.as_data() for sheet in self.sheets]}

    def json(self) -> str:
        """All sheets with all lines; the same labs give the same text."""
        return json.dumps(self.as_data()["sheets"], indent=2) + "\n"

    def csv(self) -> str:
        """One row a lab: student, lab, score, the parts' percent, and all reasons."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["student", "lab", "score", *PARTS, "reasons"])
        for sheet in self.sheets:
            shares = {part.name: round(part.share * FULL) for part in sheet.parts}
            # A spreadsheet takes a cell that begins with = + - @ for a formula; a bucket may hold any name.
            reasons = " | ".join(sheet.reasons())
            row = [sheet.student, sheet.lab_id, sheet.score, *(shares[name] for name in PARTS), reasons]
            writer.writerow([f"'{cell}" if str(cell).startswith(("=", "+", "-", "@")) else cell for cell in row])
        return out.getvalue()

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write `grades.json` and `grades.csv` into a folder; returns their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / "grades.json", folder / "grades.csv"
        for path, text in zip(paths, (self.json(), self.csv()), strict=True):
            path.write_text(text, "utf-8")
        return paths


@aws_errors("grading a lab")
def grade(lab: Lab) -> Sheet:
    """The marks of one lab, from the lines of all its checks, as they are now; changes nothing.

    Raises LabError if AWS refuses.
    """
    snapshot = Snapshot(lab)
    steps = ("topic", "queues", "notification", "functions")
    checks: dict[str, tuple[Check, ...]] = {
        name: judge(snapshot, *kinds_of_step(step)) for step, name in enumerate(steps, 1)
    }
    checks["results"] = tuple(check for checks in _check_photos(lab) for check in checks.checks)
    lab_id = lab.definition.lab_id
    return Sheet(lab.definition.prefix.rstrip("-") or lab_id, lab_id, tuple(Part(name, checks[name]) for name in PARTS))


def _check_photos(lab: Lab) -> list[Checks]:
    """The results of every photo under `ingest/`; a line that fails if there is none."""
    keys = bucket_of(lab).photos()
    if not keys:
        hint = "catch_up(lab, to=5) uploads one; the notebook is 05_upload."
        return [Checks("results", (Check("a photo was uploaded", False, "at least one", "none", hint),))]
    return [check_results(lab, key) for key in sorted(keys)]


def grade_class(lab: Lab, *, prefixes: Sequence[str] = (), journals: str | Path | None = None) -> ClassSheet:
    """The marks of every lab that has something in this lab's account and region, by the tags of its things.

    `prefixes` names the students' prefixes: only theirs are graded, and one without a lab gets a sheet with 0.
    `journals` is a folder of journals that were handed in: the labs that they speak of are graded.
    Changes nothing in AWS, and no journal. Raises LabError if AWS refuses or a journal cannot be read.
    """
    wanted = _from_journals(lab, Path(journals)) if journals is not None else _from_tags(lab, prefixes)
    sheets = []
    with TemporaryDirectory() as folder:
        for number, definition in enumerate(sorted(wanted, key=lambda one: (one.prefix, one.suffix))):
            sheets.append(grade(_as_opened(lab, definition, Path(folder) / f"{number}.jsonl")))
    return ClassSheet(tuple(sheets))


def _from_tags(lab: Lab, prefixes: Sequence[str]) -> list[Definition]:
    """Each student's lab, as far as its tags tell what it is."""
    found = {}
    for lab_id in find_labs(lab).labs:
        prefix, _, suffix = lab_id.rpartition("image-lab-")
        found[prefix] = suffix
    wanted = {prefix: found.get(prefix, "no-lab") for prefix in prefixes} if prefixes else found
    return [
        replace(lab.definition, prefix=prefix, suffix=suffix, bucket=None, functions=FUNCTIONS)
        for prefix, suffix in wanted.items()
    ]


def _from_journals(lab: Lab, folder: Path) -> list[Definition]:
    """The lab that each journal has opened; of a journal without a definition, by what its topic was named."""
    if not folder.is_dir():
        raise LabError(f"There is no folder {folder}.", where="grading", hint="Put the students' journals into one.")
    return [_from_journal(lab, Journal(path)) for path in sorted(folder.glob("*.jsonl"))]


def _from_journal(lab: Lab, journal: Journal) -> Definition:
    opened, topic = journal.opened(), next(iter(journal.entries("topic")), None)
    if opened is None or topic is None:
        raise LabError(
            f"{journal.path.name} speaks of no lab: it was cleaned up, or never begun.",
            where="grading",
            hint="Ask for the journal before clean-up, from .labkit/journals; or take the file out of the folder.",
        )
    here = lab.definition
    if not opened.definition:
        prefix = topic.name.split("resize-image-topic")[0]
        return replace(here, prefix=prefix, suffix=opened.suffix, bucket=None, functions=FUNCTIONS)
    theirs = Definition.from_data(opened.definition)
    return replace(theirs, where=here.where, region=here.region, account=here.account, partition=here.partition)


@aws_errors("opening a student's lab")
def _as_opened(lab: Lab, definition: Definition, path: Path) -> Lab:
    """A student's lab, with a journal of its own that is thrown away afterwards."""
    journal = Journal(path)
    journal.open(suffix=definition.suffix, instance=lab.connection.instance, definition=definition.as_data())
    theirs = replace(lab, definition=definition, journal=journal)
    take_over(theirs, find_things(theirs))
    return theirs
