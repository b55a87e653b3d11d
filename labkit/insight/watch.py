"""A pipeline that is watched: what goes into the bucket, what waits, what comes out, look by look. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from labkit.errors import aws_errors
from labkit.insight.doctor import doctor
from labkit.insight.facts import STOPPED_HERE, Fact, facts_of, stops_of
from labkit.insight.log_lines import Invocation
from labkit.insight.logs import read_logs
from labkit.insight.trace import CLOCKS_APART, assemble_trace
from labkit.lab import Lab
from labkit.pictures import UnreadablePicture, little_picture
from labkit.resources import DeadLetterQueue, Queue
from labkit.resources.bucket import bucket_of
from labkit.resources.queue import Depth, queue_depth
from labkit.resources.resource import found_or_none
from labkit.settings import INGEST_FOLDER

MOST_FOLLOWED = 8  # photos at the same time, each hop by hop; of a burst, all others are counted
LITTLE = 160  # pixels: the longer side of a little picture
LARGEST_FETCHED = 10_000_000  # bytes of a photo that is fetched for its little picture alone
REPORTS_WITHIN_S = 5.0  # after the results; functions of somebody's own may log nothing that can be followed
GIVEN_UP_AFTER_S = 600.0  # a photo that nothing has happened to for so long is not followed any more
COUNTED_FOR_S = 20.0  # how long the next result of a burst may take
UNDER_WAY, THROUGH, STOPPED = "under way", "through", "stopped"


@dataclass(frozen=True)
class Pace:
    """How often AWS is asked, in seconds: while photos are under way, and while none is; and when the doctor is."""

    busy_s: float
    idle_s: float
    doctor_s: float

    @classmethod
    def of(cls, lab: Lab) -> Pace:
        """Gentler where each request costs something, and where S3 takes seconds to send its events anyway.

        Seven requests every four seconds are 0.5 % of one core, embedded AWS included (benchmarks/idle_widget.py).
        """
        return cls(0.4, 4, 6) if lab.connection.where == "local" else cls(2, 15, 45)

    def sentence(self) -> str:
        """The pace in words."""
        return (
            f"AWS is asked every {self.busy_s:g} s while a photo is under way, every {self.idle_s:g} s while none is."
        )


@dataclass(frozen=True)
class Landed:
    """A result that has come: its branch, its key, and its little picture, if it is a picture."""

    branch: str
    key: str
    size: int
    little: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Passage:
    """One photo's way as far as it is known by now."""

    key: str
    stored: datetime  # by S3's clock, in whole seconds
    little: bytes | None = field(default=None, repr=False)
    state: str = UNDER_WAY
    facts: tuple[Fact, ...] = ()
    results: tuple[Landed, ...] = ()

    @property
    def identity(self) -> tuple[str, datetime]:
        """What tells it from another photo of the same name."""
        return self.key, self.stored


@dataclass(frozen=True)
class View:
    """What one look has seen. Photos and results are those since the watch began."""

    depths: Mapping[str, tuple[Depth, Depth]]  # of each branch: its queue, its dead-letter queue
    photos: int
    results: Mapping[str, int]  # of each branch
    passages: tuple[Passage, ...]  # the latest, oldest first
    busy: bool


class Watch:
    """Looks at a lab again and again, and remembers what it saw."""

    def __init__(self, lab: Lab, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with what lies in the bucket by now: that is not news."""
        self.lab, self.pace = lab, Pace.of(lab)
        self._clock = clock
        self._littles: dict[str, bytes] = {}
        self._queues: dict[str, tuple[Queue, DeadLetterQueue]] = {}  # of each branch
        self._known: dict[str, dict[str, datetime]] | None = None
        self._photos: dict[tuple[str, datetime], Passage] = {}
        self._counted: dict[str, int] = {}
        self._changed: dict[tuple[str, datetime], float] = {}  # when something was last seen of a photo
        self._asked: dict[tuple[str, datetime], float] = {}  # when the doctor was last asked about it
        self._moved = 0.0  # when anything was last seen of any photo

    def expect(self, key: str, little: bytes) -> None:
        """A photo that is going to be uploaded: its little picture is known already."""
        self._littles[key] = little

    @aws_errors("watching the pipeline")
    def look(self) -> View:
        """Ask AWS, and return what is seen. Raises LabError if AWS refuses."""
        first = self._known is None
        if first:
            self._known = {}
            for branch in self.lab.branches:
                self._news(branch.folder)
        for key, stored in self._news(INGEST_FOLDER).items():
            if not first and not key.endswith("/"):
                self._add(Passage(key, stored))
        if self._expecting():
            for branch in self.lab.branches:
                self._count(branch.name, len(self._news(branch.folder)))
            self._follow()
        return View(self._depths(), self._counted.get("", 0), self._results(), self._latest(), self._busy())

    def _news(self, folder: str) -> dict[str, datetime]:
        """The objects of a folder that were not there, or were others, at the last look."""
        assert self._known is not None
        before = self._known.get(folder, {})
        now = {item["Key"]: item["LastModified"] for item in bucket_of(self.lab).objects(folder)}
        self._known[folder] = now
        return {key: changed for key, changed in now.items() if before.get(key) != changed}

    def _add(self, passage: Passage) -> None:
        self._count("", 1)
        followed = [one for one in self._photos.values() if one.state == UNDER_WAY]
        if len(followed) < MOST_FOLLOWED:
            self._photos[passage.identity] = replace(passage, little=self._little(passage.key, LARGEST_FETCHED))
            self._changed[passage.identity] = self._clock()

    def _count(self, name: str, more: int) -> None:
        self._counted[name] = self._counted.get(name, 0) + more
        if more:
            self._moved = self._clock()

    def _results(self) -> dict[str, int]:
        return {branch.name: self._counted.get(branch.name, 0) for branch in self.lab.branches}

    def _expecting(self) -> bool:
        """Whether anything may still come: what got stuck can be fixed, and then goes on."""
        due = any(count < self._counted.get("", 0) for count in self._results().values())
        open_ones = any(one.state != THROUGH for one in self._photos.values())
        return (due or open_ones) and self._quiet() < GIVEN_UP_AFTER_S

    def _busy(self) -> bool:
        """Whether anything is on its way right now, as far as one can tell."""
        under_way = any(one.state == UNDER_WAY for one in self._photos.values())
        return self._expecting() and (under_way or self._quiet() < COUNTED_FOR_S)

    def _quiet(self) -> float:
        return self._clock() - self._moved

    def _latest(self) -> tuple[Passage, ...]:
        return tuple(list(self._photos.values())[-MOST_FOLLOWED:])

    def _follow(self) -> None:
        """Bring each photo that is not through yet up to date."""
        active = [one for one in self._latest() if one.state != THROUGH]
        if not active:
            return
        since = min(one.stored for one in active) - CLOCKS_APART
        logs = {branch.name: read_logs(self.lab, branch.name, since=since) for branch in self.lab.branches}
        for one in active:
            invocations = {name: some.about(one.key) for name, some in logs.items()}
            now = self._judged(self._landed(one), invocations)
            if now != one:
                self._changed[one.identity] = self._moved = self._clock()
                self._photos[one.identity] = now

    def _landed(self, one: Passage) -> Passage:
        """The same with the results that have come since."""
        there = {landed.key for landed in one.results}
        more = []
        for branch in self.lab.branches:
            key = branch.result_key(one.key)
            changed = (self._known or {}).get(branch.folder, {}).get(key)
            if key not in there and changed is not None and changed >= one.stored:
                head = bucket_of(self.lab).head(key) or {}
                more.append(Landed(branch.name, key, int(head.get("ContentLength", 0)), self._little(key)))
        return replace(one, results=(*one.results, *more))

    def _judged(self, one: Passage, invocations: Mapping[str, tuple[Invocation, ...]]) -> Passage:
        """The same with what the logs tell of it, and the doctor where nothing has happened for a while."""
        facts = self._facts(one, invocations)
        quiet = self._clock() - self._changed[one.identity]
        finished = all(some and some[-1].finished for some in invocations.values())
        if len(one.results) == len(self.lab.branches) and (finished or quiet > REPORTS_WITHIN_S):
            return replace(one, state=THROUGH, facts=facts)
        known = tuple(fact for fact in one.facts if fact.short == STOPPED_HERE)
        if quiet > self.pace.doctor_s and self._clock() - self._asked.get(one.identity, 0) > self.pace.doctor_s:
            self._asked[one.identity] = self._clock()
            dead = {name for name, (queue, letters) in self._depths().items() if letters.total and not queue.total}
            known = stops_of(doctor(self.lab, one.key), max(fact.ms for fact in facts), dead)
        stopped = {fact.branch for fact in known}
        landed = {landed.branch for landed in one.results}
        over = "" in stopped or {branch.name for branch in self.lab.branches} <= stopped | landed
        return replace(one, facts=(*facts, *known), state=STOPPED if known and over else UNDER_WAY)

    def _facts(self, one: Passage, invocations: Mapping[str, tuple[Invocation, ...]]) -> tuple[Fact, ...]:
        recent: dict[str, list[Invocation]] = {
            name: [i for i in some if i.started >= one.stored - timedelta(seconds=1)]
            for name, some in invocations.items()
        }
        if not any(recent.values()):
            said = f"The photo is stored as {one.key}. Nothing has been logged about it yet."
            return (Fact("ingest folder", "", 0, said),)
        heads: dict[str, Mapping[str, Any] | None] = dict.fromkeys(recent)
        return facts_of(assemble_trace(one.key, self.lab.definition.functions, recent, heads))

    def _depths(self) -> dict[str, tuple[Depth, Depth]]:
        for branch, queue, dead in zip(
            self.lab.branches, Queue.of(self.lab), DeadLetterQueue.of(self.lab), strict=True
        ):
            self._queues.setdefault(branch.name, (queue, dead))  # those that know their URL already need not ask for it
        return {name: (_depth(queue), _depth(dead)) for name, (queue, dead) in self._queues.items()}

    def _little(self, key: str, most: int | None = None) -> bytes | None:
        """An object as a little picture; None if it is none, or is too large to be fetched for that."""
        if key in self._littles:
            return self._littles.pop(key)
        s3, at = self.lab.client("s3"), {"Bucket": self.lab.definition.bucket_name, "Key": key}
        answer = found_or_none(s3.get_object, **at)
        if answer is None:
            return None
        with answer["Body"] as body:
            if most is not None and answer["ContentLength"] > most:
                return None
            try:
                return little_picture(body.read(), key, LITTLE)
            except UnreadablePicture:  # the functions will say so, and their logs are what is shown
                return None


def _depth(queue: Queue | DeadLetterQueue) -> Depth:
    return queue_depth(queue.read() or {})
