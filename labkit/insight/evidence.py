"""What marks are made of: each thing with its lines and who made it, each photo with what the functions made of it.

The same from a lab that stands and from a file that was handed in, so that both are marked alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from labkit.branch import Branch
from labkit.definition import Definition
from labkit.errors import aws_errors
from labkit.insight.logs import FunctionLogs, read_logs
from labkit.journal import Journal
from labkit.lab import Lab
from labkit.resources import KINDS, Snapshot, judge_settled
from labkit.resources.bucket import bucket_of
from labkit.resources.judgement import Line
from labkit.resources.resource import Existing
from labkit.settings import INGEST_FOLDER, is_photo
from labkit.steps.validate import check_results, read_results

PARTS = ("topic", "queues", "notification", "functions", "results")  # one for each step that makes something
MOST_PHOTOS = 12  # a class at scale has hundreds, and one that went through is enough


@dataclass(frozen=True)
class Thing:
    """One resource that the lab's definition names, whether it stands, and how."""

    kind: str
    name: str
    part: str
    stands: bool
    given: bool = False  # it was there before the lab, which only uses it
    lines: tuple[Line, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name, as in the journal."""
        return self.kind, self.name


@dataclass(frozen=True)
class Made:
    """A result, and what says that a function of the lab made it: its metadata, the line and the REPORT in the log."""

    function: str
    key: str
    sha256: str
    metadata: Mapping[str, str]
    log: Mapping[str, Any] = field(default_factory=dict)
    report: str = ""

    def doubt(self, photo: SentPhoto) -> str:
        """Why no function of the lab seems to have made it of that photo; empty if one has."""
        etag, request = photo.etag, self.log.get("request_id")
        if self.metadata.get("function") != self.function:
            return "its metadata names no function of the lab"
        if not _names(self.metadata, photo.key) or self.metadata.get("source-etag") != etag:
            return "its metadata names another photo"
        if (self.log.get("source_key"), self.log.get("etag")) != (photo.key, etag):
            return f"{self.function} has no invocation in its log that made it"
        if not request or request not in self.report:
            return f"the invocation of {self.function} that made it has no REPORT in its log"
        return ""


@dataclass(frozen=True)
class SentPhoto:
    """A photo that went in, what came of it, and the lines of `check_results`."""

    key: str
    etag: str
    made: tuple[Made, ...]
    lines: tuple[Line, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Evidence:
    """All of one lab that marks need. Who made what is in `makers`, by kind and name; None if no journal says so."""

    definition: Definition
    things: tuple[Thing, ...]
    photos: tuple[SentPhoto, ...]
    makers: Mapping[tuple[str, str], tuple[str, ...]] | None
    gone: tuple[str, ...] = ()  # who uploaded photos that are gone by now, with an embedded AWS that has stopped
    loose: tuple[int, ...] = ()  # the journal's lines that were changed by hand
    exercises: Mapping[str, bool] = field(default_factory=dict)  # those tried, and whether one answer was right


def collect(lab: Lab, journal: Journal | None, *, settled: bool = False) -> Evidence:
    """Read a lab, and who made what from its journal, if there is one. Changes nothing. Raises LabError.

    `settled` waits until AWS shows what was just written; without it, lines that fail say that it was just changed.
    """
    with aws_errors("reading what there is to mark"):
        if settled:
            judge_settled(lab)
        told = makers, *_ = told_by(journal)
        things, photos = _things(lab), _photos(lab, makers or {})
    return Evidence(lab.definition, things, photos, *told)


Told = tuple[Mapping[tuple[str, str], tuple[str, ...]] | None, tuple[str, ...], tuple[int, ...], Mapping[str, bool]]


def told_by(journal: Journal | None) -> Told:
    """What a journal tells, as in `Evidence`: who made what, who uploaded what is gone, loose lines, exercises."""
    if journal is None:
        return None, (), (), {}
    alive = {entry.name for entry in journal.entries("object")}
    uploads = {name: by for (_, name), by in journal.makers("object").items() if name not in alive and is_photo(name)}
    exercises: dict[str, bool] = {}
    for answer in journal.answers("exercise"):
        exercises[answer.name] = exercises.get(answer.name, False) or answer.facts.get("verdict") == "right"
    return journal.makers(), tuple(by for makers in uploads.values() for by in makers), journal.loose(), exercises


def named_things(lab: Lab) -> tuple[Thing, ...]:
    """The things that the definition names, as if none of them stood; asks AWS nothing."""
    kinds = [kind for kind in KINDS if 1 <= kind.step < len(PARTS)]
    return tuple(
        Thing(one.kind, one.name, PARTS[kind.step - 1], False, issubclass(kind, Existing))
        for kind in kinds
        for one in kind.of(lab)
    )


def _things(lab: Lab) -> tuple[Thing, ...]:
    snapshot = Snapshot(lab)
    kinds = [kind for kind in KINDS if 1 <= kind.step < len(PARTS)]
    return tuple(
        Thing(
            one.kind,
            one.name,
            PARTS[kind.step - 1],
            one.seen(snapshot),
            issubclass(kind, Existing),
            snapshot.judge(one),
        )
        for kind in kinds
        for one in kind.of(lab)
    )


def _photos(lab: Lab, own: Container[tuple[str, str]]) -> tuple[SentPhoto, ...]:
    bucket = bucket_of(lab)
    if not bucket.exists():
        return ()
    keys = sorted(filter(is_photo, bucket.photos()), key=lambda key: (("object", key) not in own, key))[:MOST_PHOTOS]
    logs = {branch.name: read_logs(lab, branch.name) for branch in lab.branches} if keys else {}
    return tuple(_photo(lab, key, logs) for key in keys)


def _photo(lab: Lab, key: str, logs: Mapping[str, FunctionLogs]) -> SentPhoto:
    head = bucket_of(lab).head(key) or {}
    checks = check_results(lab, key).checks
    lines = tuple(line for line in checks if isinstance(line, Line))
    etag = str(head.get("ETag", "")).strip('"')
    if any(line.subject.endswith(": a picture") for line in lines):
        return SentPhoto(key, etag, (), lines)
    results = read_results(lab, key)
    made, pictures = [], {INGEST_FOLDER: results.source.data}
    for photo in results.results:
        branch = lab.branch(photo.title)
        log, report = _invocation(branch, key, etag, logs[branch.name])
        sha256 = hashlib.sha256(photo.data).hexdigest()
        made.append(Made(branch.name, photo.key, sha256, dict(photo.metadata), log, report))
        pictures[branch.folder] = photo.data
    return SentPhoto(key, etag, tuple(made), lines, pictures)


def _invocation(branch: Branch, key: str, etag: str, logs: FunctionLogs) -> tuple[Mapping[str, Any], str]:
    """The last line that says that the photo was resized into this branch's result, and the REPORT on it."""
    found: tuple[Mapping[str, Any], str] = {}, ""
    for invocation in logs.about(key):
        for line in invocation.photos:
            if (line["event"], line.get("output_key"), line.get("etag")) == ("resized", branch.result_key(key), etag):
                # In JSON format a report is an object, which names the request as well.
                reports = (
                    one.text for one in invocation.lines if "REPORT" in one.text or "platform.report" in one.text
                )
                found = line, next((one.strip() for one in reports if invocation.request_id in one), "")
    return found


def _names(metadata: Mapping[str, str], key: str) -> bool:
    """Whether the metadata say that this key was the source; one that is too long is given by its hash."""
    if "source-key-sha256" in metadata:
        return metadata["source-key-sha256"] == hashlib.sha256(key.encode()).hexdigest()
    return unquote(metadata.get("source-key", "")) == key
