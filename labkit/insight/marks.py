"""From evidence to marks, with reasons: pure arithmetic, so that the same evidence gives the same sheet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import write_file
from labkit.insight.evidence import PARTS, Evidence, SentPhoto, Thing
from labkit.maker import CATCH_UP, CELL, PROGRAM, RUN
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, Line
from labkit.result import Check, Result, counted, html_table, html_text
from labkit.settings import FUNCTIONS

FULL = 100
WEIGHTS = dict.fromkeys(PARTS, 20)  # where exercises shall count, they become a part with a weight of its own
DONE, CAUGHT_UP, NOT_PROVED, NOT_THERE = "done", "caught up", "not proved", "missing"
SHARES = {DONE: 1.0, CAUGHT_UP: 0.1, NOT_PROVED: 0.0, NOT_THERE: 0.0}
# What a line costs, by its consequence: a hole or a broken way half a part, a risk to single photos little.
COSTS = {BROKEN: 10.0, MISSING: 10.0, RISKY: 2.0, DIFFERENT: 0.5}
HOLE = 10.0
FREE = ("dead letters", "invocations")  # what the curious leave behind; a hop of each line
OWN_CODE = ": code"  # a package of the student's own is no fault


@dataclass(frozen=True)
class Student:
    """Whose work it is, as the student has said it, or by the prefix of the lab."""

    name: str
    id: str = ""
    email: str = ""


@dataclass(frozen=True)
class Cost:
    """Points that a line takes away."""

    points: float
    reason: str


@dataclass(frozen=True)
class Part:
    """One part of the lab: who did it, what it costs, and all its lines."""

    name: str
    statuses: tuple[tuple[str, str], ...]  # each thing, and whether it was done, caught up, not proved, or is missing
    costs: tuple[Cost, ...]
    checks: tuple[Check, ...]
    reasons: tuple[str, ...] = ()  # of what could not be proved

    def _points(self, shares: dict[str, float]) -> float:
        weight = WEIGHTS[self.name]
        got = sum(shares[status] for _, status in self.statuses) / len(self.statuses) if self.statuses else 0.0
        return max(0.0, weight * got - sum(cost.points for cost in self.costs))

    @property
    def points(self) -> float:
        """What is proved, from 0 to the part's weight."""
        return self._points(SHARES)

    @property
    def most(self) -> float:
        """The same, if all that could not be proved was the student's own work."""
        return self._points({**SHARES, NOT_PROVED: 1.0})

    @property
    def share(self) -> float:
        """The points as a share of the part's weight, from 0 to 1."""
        return self.points / WEIGHTS[self.name]

    def count(self, status: str) -> int:
        """How many things have that status."""
        return sum(one == status for _, one in self.statuses)


@dataclass(frozen=True)
class Sheet(Result):
    """One lab's marks; without parts, the notes say why there are none."""

    student: Student
    lab_id: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    source: str = ""  # the file that it was made from; empty for a lab that was read
    exercises: tuple[tuple[str, bool], ...] = ()  # those tried, and whether one answer was right: told, not counted
    pictures: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # what each shows, and it as base64 of a JPEG

    @property
    def score(self) -> int | None:
        """From 0 to 100: what is proved. 100 only if nothing was found wrong. None if there was nothing to mark."""
        return int(sum(part.points for part in self.parts) + 1e-9) if self.parts else None

    @property
    def most(self) -> int | None:
        """The score, if all that could not be proved was the student's own work."""
        return int(sum(part.most for part in self.parts) + 1e-9) if self.parts else None

    def count(self, status: str) -> int:
        """How many things of the lab have that status."""
        return sum(part.count(status) for part in self.parts)

    def reasons(self) -> tuple[str, ...]:
        """Why there are fewer points than 100, the dearest first within each part, and the notes."""
        said = []
        for part in self.parts:
            said += [f"{part.name}: {cost.reason} (-{cost.points:g})" for cost in part.costs]
            for status in (NOT_THERE, CAUGHT_UP):
                if things := [name for name, one in part.statuses if one == status]:
                    said.append(f"{part.name}: {status}: {_some(things)}")
            said += [f"{part.name}: {reason}" for reason in part.reasons]
        return (*said, *self.notes)

    def sentence(self) -> str:
        if not self.parts:
            return f"{self.student.name}: not marked. {' '.join(self.notes)}"
        more = f", at most {self.most} if all that no journal tells was done" if self.most != self.score else ""
        return f"{self.student.name}: {self.score} of {FULL}{more} ({self.lab_id})."

    def headers(self) -> Sequence[str]:
        return ("part", "points", "done", "caught up", "not proved", "missing", "why")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a part, each followed by one for each reason."""
        for part in self.parts:
            counts = [part.count(status) for status in (DONE, CAUGHT_UP, NOT_PROVED, NOT_THERE)]
            yield part.name, f"{part.points:.1f} of {WEIGHTS[part.name]}", *counts, ""
            mine = (reason for reason in self.reasons() if reason.startswith(f"{part.name}: "))
            for reason in mine:
                yield "", "", "", "", "", "", reason.removeprefix(f"{part.name}: ")
        if self.exercises:
            right = sum(right for _, right in self.exercises)
            yield "exercises", "not counted", "", "", "", "", f"{right} right of {len(self.exercises)} tried"
        for note in self.notes:
            yield "", "", "", "", "", "", note

    def as_data(self) -> dict[str, Any]:
        """The sheet as plain data, for JSON."""
        return {
            "student": self.student.name,
            "student_id": self.student.id,
            "email": self.student.email,
            "lab": self.lab_id,
            "source": self.source,
            "score": self.score,
            "most": self.most,
            "parts": {
                part.name: {
                    "points": round(part.points, 2),
                    "share": round(part.share, 4),
                    "things": [{"name": name, "status": status} for name, status in part.statuses],
                    "checks": [asdict(check) for check in part.checks],
                }
                for part in self.parts
            },
            "exercises": dict(self.exercises),
            "reasons": list(self.reasons()),
        }

    def page(self) -> str:
        """The sheet as a page of HTML that stands alone, with the small pictures that were handed in."""
        shown = "".join(
            f'<figure><img src="data:image/jpeg;base64,{html_text(data)}" alt="{html_text(title)}">'
            f"<figcaption>{html_text(title)}</figcaption></figure>"
            for title, data in self.pictures
        )
        lines = [(p.name, c.subject, c.result, c.found) for p in self.parts for c in p.checks if not c.passed]
        failed = html_table(("part", "line", "result", "found"), lines, caption="Lines that failed") if lines else ""
        title = html_text(f"{self.student.name}: {'not marked' if self.score is None else self.score}")
        return (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
            f"<body><h1>{title}</h1>{self._html()}{failed}{shown}</body></html>\n"
        )


@dataclass(frozen=True)
class ClassSheet(Result):
    """The marks of several labs, by student."""

    sheets: tuple[Sheet, ...]

    def sentence(self) -> str:
        full = sum(sheet.score == FULL for sheet in self.sheets)
        unmarked = sum(sheet.score is None for sheet in self.sheets)
        return f"{counted(len(self.sheets), 'lab')}, {full} of them with full marks, {unmarked} not marked."

    def headers(self) -> Sequence[str]:
        return ("student", "score", "at most", *PARTS, "first reason")

    def rows(self) -> Iterable[Sequence[object]]:
        for sheet in self.sheets:
            points = {part.name: f"{part.points:.1f}" for part in sheet.parts}
            scores = [_or_dash(sheet.score), _or_dash(sheet.most)]
            parts = [points.get(name, "-") for name in PARTS]
            yield sheet.student.name, *scores, *parts, next(iter(sheet.reasons()), "-")

    def as_data(self) -> dict[str, Any]:
        """All sheets with all lines, as plain data."""
        return {"sheets": [sheet.as_data() for sheet in self.sheets]}

    def json(self) -> str:
        """All sheets with all lines; the same labs give the same text."""
        return json.dumps(self.as_data()["sheets"], indent=2) + "\n"

    def csv(self) -> str:
        """One row a lab, by e-mail or id, as learning platforms and nbgrader's gradebook take it."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        counts = {"done": DONE, "caught_up": CAUGHT_UP, "not_proved": NOT_PROVED}
        names = ("student", "student_id", "email", "lab", "score", "max_score", "at_most")
        writer.writerow([*names, *PARTS, *counts, "exercises_tried", "exercises_right", "reasons"])
        for sheet in self.sheets:
            points = {part.name: f"{part.points:.1f}" for part in sheet.parts}
            who = sheet.student
            row: list[object] = [who.name, who.id, who.email, sheet.lab_id, sheet.score, FULL, sheet.most]
            row += [points.get(name) for name in PARTS]
            row += [sheet.count(status) if sheet.parts else None for status in counts.values()]
            row += [len(sheet.exercises), sum(right for _, right in sheet.exercises)]
            writer.writerow([_no_formula(cell) for cell in (*row, " | ".join(sheet.reasons()))])
        return out.getvalue()

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write `grades.json`, `grades.csv` and a page for each student into a folder; returns their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = {folder / "grades.json": self.json(), folder / "grades.csv": self.csv()}
        for sheet in self.sheets:
            name = re.sub(r"[^\w.-]+", "-", sheet.student.name, flags=re.ASCII).strip("-.") or "student"
            path, number = folder / f"{name}.html", 2
            while path in files:
                path, number = folder / f"{name}-{number}.html", number + 1
            files[path] = sheet.page()
        for path, text in files.items():
            write_file(path, text, "writing the marks to")
        return tuple(files)


def mark(evidence: Evidence, student: Student | None = None, *, notes: Sequence[str] = (), source: str = "") -> Sheet:
    """The marks for what was found."""
    definition = evidence.definition
    lab_id = definition.lab_id
    student = student or Student(definition.prefix.rstrip("-") or lab_id)
    parts = [_part(name, evidence) for name in PARTS[:-1]]
    said = [*notes, *_notes(evidence)]
    return Sheet(student, lab_id, (*parts, _results(evidence)), tuple(said), source, tuple(evidence.exercises.items()))


def _notes(evidence: Evidence) -> Iterable[str]:
    if evidence.makers is None:
        yield "No journal was handed in: who made these things could not be proved."
    if evidence.loose:
        yield f"The journal was changed by hand, from line {evidence.loose[0]} on: who made what could not be proved."
    if [one.name for one in evidence.definition.functions] != [one.name for one in FUNCTIONS]:
        names = ", ".join(one.name for one in evidence.definition.functions)
        yield f"The lab was defined with functions of its own: {names}."


def status_of(makers: Sequence[str]) -> str:
    """Whether a thing was the student's doing, by all who have made it: once done, it stays done."""
    if CELL in makers or PROGRAM in makers:
        return DONE
    return CAUGHT_UP if CATCH_UP in makers or RUN in makers else NOT_PROVED


def _status(thing: Thing, evidence: Evidence) -> str:
    if not thing.stands:
        return NOT_THERE
    if evidence.makers is None or evidence.loose:
        return NOT_PROVED
    return status_of(evidence.makers.get(thing.key, ()))


def _part(name: str, evidence: Evidence) -> Part:
    things = [thing for thing in evidence.things if thing.part == name]
    statuses = [(f"{one.kind} {one.name}", _status(one, evidence)) for one in things if not one.given]
    lines = [line for thing in things for line in thing.lines]
    doubtful = [thing for thing, status in statuses if status == NOT_PROVED]
    told = evidence.makers is not None and not evidence.loose
    reasons = (f"by hand, which no journal tells: {_some(doubtful)}",) if doubtful and told else ()
    return Part(name, tuple(statuses), _costs(lines), tuple(lines), reasons)


def _results(evidence: Evidence) -> Part:
    """Of all photos the one that went best: who tries many things is not worse off than who tried one."""
    names = [function.name for function in evidence.definition.functions]
    parts = [_photo(photo, names, evidence) for photo in evidence.photos]
    if not parts:
        nothing = tuple((f"result of {name}", NOT_THERE) for name in names)
        hint = "catch_up(lab, to=5) uploads one; the notebook is 05_upload."
        return Part("results", nothing, (), (Check("a photo was uploaded", False, "at least one", "none", hint),))
    return max(parts, key=lambda part: (part.points, part.most))


def _photo(photo: SentPhoto, names: Sequence[str], evidence: Evidence) -> Part:
    own = (evidence.makers or {}).get(("object", photo.key), ())
    told = evidence.makers is not None and not evidence.loose
    uploaded = status_of((*own, *evidence.gone)) if told else NOT_PROVED
    made = {one.function: one for one in photo.made}
    statuses, reasons = [], []
    for name in names:
        doubt = made[name].doubt(photo) if name in made else ""
        believed = name in made and not doubt
        key = made[name].key if name in made else f"result of {name} on {photo.key}"
        statuses.append((key, uploaded if believed else NOT_THERE))
        reasons += [f"{key} is not believed: {doubt}"] if doubt else []
    if uploaded == NOT_PROVED and told:
        reasons.append(f"{photo.key} was put in by hand, which no journal tells")
    # That a result is not there has its price already: the share of its function.
    costs = _costs(line for line in photo.lines if line.verdict not in (MISSING, BROKEN))
    return Part("results", tuple(statuses), costs, photo.lines, tuple(reasons))


def _costs(lines: Iterable[Line]) -> tuple[Cost, ...]:
    costs = [Cost(_cost(line), f"{line.subject} is {line.found}, not {line.expected}") for line in lines]
    return tuple(sorted((cost for cost in costs if cost.points), key=lambda cost: -cost.points))


def _cost(line: Line) -> float:
    if line.passed or line.consequence or line.hop in FREE or line.subject.endswith(OWN_CODE):
        return 0.0
    return HOLE if line.hole else COSTS.get(line.verdict or BROKEN, 0.0)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _or_dash(number: int | None) -> object:
    return "-" if number is None else number


def _no_formula(cell: object) -> object:
    """A spreadsheet takes a cell that begins with = + - @ for a formula; a bucket may hold any name."""
    return f"'{cell}" if str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) else cell
