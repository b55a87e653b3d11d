"""The doctor walks the way of a photo, hop by hop, and names the first hop that is broken, and what fixes it.

It only reads, and it judges nothing by itself: the lines are those of the checks. Where the checks ask "is this as the
step made it?", the doctor asks "would a photo get through here?": what is *different* is healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from labkit.branch import Branch
from labkit.errors import WaitedTooLong, aws_errors
from labkit.insight.invocations import judge_invocations
from labkit.insight.logs import FunctionLogs, read_logs
from labkit.insight.survey import LOGS_OF
from labkit.lab import Lab
from labkit.resources import Function, Queue, Snapshot, judge
from labkit.resources.bucket import bucket_of
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, UNDERWAY, WORKS, About, Line, worst
from labkit.resources.keys import lookalike, name_of
from labkit.resources.queue import queue_depth
from labkit.result import Result, counted
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, is_photo
from labkit.waiting import wait_until

# S3 sends its events within seconds as a rule, "sometimes a minute or longer".
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
S3_TAKES_ITS_TIME = timedelta(minutes=1)
SHORT = 60  # characters of a call that fit into a table
# The way of a photo. What all branches share comes first; then each hop for all branches, since a fault in one branch
# leaves the others working.
SHARED = ("key", "bucket", "photo", "notification", "topic", "topic policy")
OF_BRANCH = (
    "subscription",
    "queue",
    "queue policy",
    "redrive",
    "alarm",
    "trigger",
    "role",
    "function",
    "log group",
    "invocations",
    "dead letters",
    "result",
)


@dataclass(frozen=True)
class Hop(Result):
    """One stretch of the way: its state, the evidence for it, and what fixes it.

    `state` is `works`, `risky` (it works today), `underway` or `broken`. `function` is the branch, empty for what all
    share. `call` is one line of Python that does what `fix` says, empty where only a person can.
    """

    name: str
    function: str
    state: str
    evidence: str
    fix: str = ""
    call: str = ""

    @property
    def title(self) -> str:
        """`queue policy of CreateThumbnail`."""
        return f"{self.name} of {self.function}" if self.function else self.name

    def sentence(self) -> str:
        return f"{self.title}: {_loud(self.state)}. {self.evidence}"

    def rows(self) -> Iterable[Sequence[object]]:
        if self.fix:
            yield "fix", self.fix
        if self.call:
            yield "call", self.call


@dataclass(frozen=True)
class Diagnosis(Result):
    """All hops in the order in which a photo meets them."""

    lab_id: str
    key: str | None
    hops: tuple[Hop, ...]

    @property
    def healthy(self) -> bool:
        """True if nothing is broken, and nothing is still underway."""
        return self.first is None

    @property
    def first(self) -> Hop | None:
        """The first broken hop; if none is broken, the first where something is underway; else None."""
        return next(iter(self.in_state(BROKEN) + self.in_state(UNDERWAY)), None)

    @property
    def underway(self) -> bool:
        """True if nothing is broken, and something has not come to its end yet."""
        return self.first is not None and self.first.state == UNDERWAY

    def in_state(self, state: str) -> tuple[Hop, ...]:
        """The hops in a state, in order."""
        return tuple(hop for hop in self.hops if hop.state == state)

    def sentence(self) -> str:
        """Healthy, or the first broken hop with its evidence and fix."""
        way = f"the way of {self.key}" if self.key else "the way of a photo"
        first, risks = self.first, self.in_state(RISKY)
        if first is not None:
            state = "BROKEN" if first.state == BROKEN else "Underway"
            return " ".join(filter(None, (f"{state} at the {first.title}: {first.evidence}", first.fix)))
        also = f" One thing is risky: {risks[0].title}. {risks[0].evidence}" if risks else ""
        return f"Healthy: all {len(self.hops)} hops on {way} work.{also}"

    def headers(self) -> Sequence[str]:
        return ("hop", "of", "state", "evidence", "what to try")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a hop, or one for all branches of a hop that work; what to try is a short call, or else the words."""
        for name in dict.fromkeys(hop.name for hop in self.hops):
            hops = [hop for hop in self.hops if hop.name == name]
            if len(hops) > 1 and all(hop.state == WORKS for hop in hops):
                evidence = "; ".join(dict.fromkeys(hop.evidence.rstrip(".") for hop in hops))
                yield name, "each branch", WORKS, evidence, "-"
                continue
            for hop in hops:
                yield name, hop.function or "all", _loud(hop.state), hop.evidence, _in_short(hop)

    def as_data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "lab": self.lab_id,
            "key": self.key,
            "healthy": self.healthy,
            "first": asdict(self.first) if self.first else None,
            "hops": [asdict(hop) for hop in self.hops],
        }


def _loud(state: str) -> str:
    return state.upper() if state == BROKEN else state


def _in_short(hop: Hop) -> str:
    """What to try, for a column of a table: long calls are shown with the hop itself."""
    return (hop.call if len(hop.call) <= SHORT else hop.fix) or "-"


@aws_errors("looking along the way of a photo")
def doctor(lab: Lab, key: str | None = None, *, patience: float = 0) -> Diagnosis:
    """Walk the way of a photo: of the one with this key, or of any photo if there is none given.

    Returns the Diagnosis; changes nothing. While nothing is broken but something is underway, the doctor waits and
    looks again, for up to `patience` seconds. Raises LabError if AWS refuses to be read.
    """
    diagnosis = _examine(lab, key)
    if patience and diagnosis.underway:
        try:
            return wait_until(
                lambda: None if (again := _examine(lab, key)).underway else again,
                what="what is underway",
                seconds=patience,
            )
        except WaitedTooLong:
            return _examine(lab, key)
    return diagnosis


def _examine(lab: Lab, key: str | None) -> Diagnosis:
    way = Way(Snapshot(lab), None if key is None else _full_key(lab, key))
    lines = [_of_others(line, way) for line in judge(way.snapshot)]
    return Diagnosis(lab.definition.lab_id, way.key, tuple(_hops([*lines, *_lines(way)])))


def _of_others(line: Line, way: Way) -> Line:
    """A dead letter is no obstacle to a photo that has come through: it is another one's."""
    if line.hop == "dead letters" and line.verdict == BROKEN and way.result_is_new(way.lab.branch(line.branch)):
        return replace(line, verdict=RISKY)
    return line


def _full_key(lab: Lab, key: str) -> str:
    """`cat.jpg` means `ingest/cat.jpg`, unless it really lies at the top of the bucket."""
    key = name_of(lab, key)
    return key if "/" in key or bucket_of(lab).head(key) is not None else INGEST_FOLDER + key


def _hops(lines: Sequence[Line]) -> Iterator[Hop]:
    """What the lines say of each hop, in the order in which a photo meets them.

    A hop that only suffers from something that is missing before it is left out: that one is to be fixed.
    """
    branches = list(dict.fromkeys(line.branch for line in lines if line.branch))
    places = [(name, "") for name in SHARED] + [(name, branch) for name in OF_BRANCH for branch in branches]
    places += [(line.hop, line.branch) for line in lines]  # hops that the way does not name come last
    for name, branch in dict.fromkeys(places):
        here = [line for line in lines if (line.hop, line.branch) == (name, branch) and not line.consequence]
        if here:
            yield _hop(name, branch, here)


def _hop(name: str, branch: str, lines: Sequence[Line]) -> Hop:
    verdict = worst(lines)
    if verdict in (WORKS, DIFFERENT):
        said = [line.evidence for line in lines if line.evidence and line.verdict == WORKS]
        said += [line.evidence for line in lines if line.verdict == DIFFERENT]
        return Hop(name, branch, WORKS, " ".join(dict.fromkeys(said[:2])))
    first = next(line for line in lines if line.verdict == verdict)
    state = BROKEN if verdict == MISSING else verdict
    return Hop(name, branch, state, first.evidence, first.fix, first.call)


@dataclass(frozen=True)
class Way:
    """One walk along the way of a photo: what is read once, and the photo's key, if it is about one."""

    snapshot: Snapshot
    key: str | None

    @property
    def lab(self) -> Lab:
        """The lab."""
        return self.snapshot.lab

    @cached_property
    def photo(self) -> Mapping[str, Any] | None:
        """What S3 says of the photo, or None."""
        bucket = bucket_of(self.lab)
        return None if self.key is None or self.snapshot.read(bucket) is None else bucket.head(self.key)

    def logs(self, branch: Branch) -> FunctionLogs:
        """What a function logged lately; of a photo's way, only what was logged since it was uploaded."""
        # S3's clock gives whole seconds, and so may be ahead of the log's by one.
        since = self.photo["LastModified"] - timedelta(seconds=1) if self.photo else LOGS_OF
        return read_logs(self.lab, branch.name, since=since)

    def result(self, branch: Branch) -> Mapping[str, Any] | None:
        """What S3 says of a result of the photo; None if there is none."""
        if self.photo is None or self.key is None or not is_photo(self.key):
            return None
        return bucket_of(self.lab).head(branch.result_key(self.key))

    def result_is_new(self, branch: Branch) -> bool:
        """True if the result came of the photo that lies there now."""
        result = self.result(branch)
        return bool(result and self.photo and result["LastModified"] >= self.photo["LastModified"])


def _lines(way: Way) -> Iterator[Line]:
    """What is about one photo, or about what the functions did, and so about no resource."""
    if way.key is not None:
        yield _key(way, way.key)
        if way.snapshot.read(bucket_of(way.lab)) is not None:
            yield _photo(way, way.key)
    for branch in way.lab.branches:
        configuration = way.snapshot.read(Function.in_branch(way.lab, branch))
        logs = way.logs(branch)
        line = judge_invocations(branch, logs, configuration, way.key)
        if line is not None:
            yield line
        if way.key is not None and way.photo is not None and is_photo(way.key):
            yield _result(way, way.key, branch, logs)


def _key(way: Way, key: str) -> Line:
    about = About("key")
    if not key.startswith(INGEST_FOLDER):
        evidence, better = f"{key} does not begin with {INGEST_FOLDER}.", INGEST_FOLDER + key.rsplit("/", 1)[-1]
    elif not key.endswith(INGEST_SUFFIX):
        stem, dot, _ = key.rpartition(".")
        evidence, better = f"{key} does not end in {INGEST_SUFFIX}, to the letter.", f"{stem if dot else key}.jpg"
    else:
        fine = f"{key} begins with {INGEST_FOLDER} and ends in {INGEST_SUFFIX}."
        return about.works("key", key, evidence=fine)
    bucket = way.lab.definition.bucket_name
    copy = f"lab.client('s3').copy_object(Bucket={bucket!r}, CopySource={bucket + '/' + key!r}, Key={better!r})"
    upload = f"upload_photo(lab, ..., name={better.removeprefix(INGEST_FOLDER)!r})"
    return about.line(
        "key",
        False,
        f"{INGEST_FOLDER}*{INGEST_SUFFIX}",
        key,
        otherwise=BROKEN,
        evidence=f"{evidence} S3 stores such an object and tells nobody.",
        fix=f"Put the photo in as {better}.",
        call=copy if way.photo is not None else upload,  # only what is there can be copied
    )


def _photo(way: Way, key: str) -> Line:
    about, photo = About("photo"), way.photo
    upload = "upload_photo(lab, ...)"
    if photo is None:
        evidence = f"There is no object {key} in the bucket. {lookalike(bucket_of(way.lab), key)}".rstrip()
        fix = f"Upload it: {upload}."
        return about.line("photo", False, "a photo", "nothing", otherwise=BROKEN, evidence=evidence, fix=fix)
    size = photo["ContentLength"]
    if size == 0:
        evidence, fix = f"{key} is empty: 0 bytes.", f"Upload it again: {upload}."
        return about.line("photo", False, "a photo", "0 bytes", otherwise=BROKEN, evidence=evidence, fix=fix)
    return about.works("photo", key, evidence=f"{size:,} bytes, stored {photo['LastModified']:%H:%M:%S} UTC.")


def _result(way: Way, key: str, branch: Branch, logs: FunctionLogs) -> Line:
    assert way.photo is not None
    about, expected, result = About("result", branch.name), branch.result_key(key), way.result(branch)
    if result is not None and way.result_is_new(branch):
        return about.works("result", expected, evidence=f"{expected}, {result['ContentLength']:,} bytes.")
    found = f"{expected} is older than the photo" if result else f"There is no {expected}"
    depth = queue_depth(way.snapshot.read(Queue.in_branch(way.lab, branch)) or {})
    said = [data for one in logs for data in one.photos if data.get("source_key") == key]
    fix, verdict = "Wait, and look again.", UNDERWAY
    if depth.total:
        evidence = f"{found}: {counted(depth.waiting, 'message')} waiting, {depth.in_flight} in flight."
    elif any(data["event"] == "resized" for data in said):
        evidence = f"{found}, though the function says that it wrote it: somebody took it away."
        verdict = BROKEN
    elif datetime.now(UTC) - way.photo["LastModified"] < S3_TAKES_ITS_TIME:
        evidence = f"{found} yet. The photo came less than a minute ago, and S3 takes its time with events."
    else:
        evidence = f"{found}, and no invocation speaks of the photo: it came before the way was complete."
        verdict = BROKEN
    if verdict == UNDERWAY:
        return about.line("result", False, expected, "nothing", otherwise=UNDERWAY, evidence=evidence, fix=fix)
    bucket = way.lab.definition.bucket_name
    again = f"copy_object(Bucket={bucket!r}, Key={key!r}, CopySource={bucket + '/' + key!r}, "
    return about.line(
        "result",
        False,
        expected,
        "nothing",
        otherwise=BROKEN,
        evidence=evidence,
        fix="Upload it again, or copy it onto itself.",
        call=f"lab.client('s3').{again}MetadataDirective='REPLACE', ContentType='image/jpeg')",
    )
