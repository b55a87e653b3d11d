"""What of the lab is really there: every part missing, made, different, risky or failing. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from labkit.branch import Branch
from labkit.errors import aws_errors
from labkit.insight.invocations import judge_invocations
from labkit.insight.logs import read_logs
from labkit.lab import Lab
from labkit.resources import (
    KINDS,
    Bucket,
    DeadLetterQueue,
    ExistingBucket,
    ExistingRole,
    Function,
    LogGroup,
    Notification,
    Photo,
    Queue,
    QueuePolicy,
    Resource,
    Role,
    Snapshot,
    Subscription,
    Topic,
    TopicPolicy,
    Trigger,
    resources,
)
from labkit.resources.bucket import bucket_of
from labkit.resources.judgement import BROKEN, DIFFERENT, JUST_CHANGED, RISKY, WORKS, Line, worst
from labkit.resources.judgement import MISSING as NOT_THERE
from labkit.resources.queue import Depth, queue_depth
from labkit.result import Result, counted
from labkit.settings import INGEST_FOLDER

MISSING, MADE, FAILING = "missing", "made", "failing"
STATES = {BROKEN: FAILING, RISKY: "risky", DIFFERENT: "different", NOT_THERE: FAILING}
LOGS_OF = timedelta(hours=1)  # how far back a failed invocation still counts as trouble
# In the order in which a photo meets them.
SHARED: tuple[type[Resource], ...] = (Notification, Topic, TopicPolicy)
OF_BRANCH: tuple[type[Resource], ...] = (
    Subscription,
    Queue,
    QueuePolicy,
    DeadLetterQueue,
    Trigger,
    Role,
    ExistingRole,
    Function,
)


@dataclass(frozen=True)
class Part(Result):
    """One thing of the lab: what it is, its real name, and its state.

    `state` is `missing`, `made`, `different`, `risky` or `failing`; `verdict` is the worst of its lines. `detail` is
    what is worth knowing in a few words, `trouble` why it is not simply made, `function` the branch of the pipeline it
    belongs to (`CreateThumbnail` ...), empty for what all branches share.
    """

    kind: str
    name: str
    state: str
    detail: str = ""
    trouble: str = ""
    function: str = ""
    verdict: str = WORKS

    def sentence(self) -> str:
        more = self.trouble or self.detail
        return f"The {self.kind} {self.name} is {self.state}{': ' + more if more else ''}."


@dataclass(frozen=True)
class Survey(Result):
    """All parts of one lab, in the order in which a photo meets them."""

    lab_id: str
    parts: tuple[Part, ...]

    def find(self, kind: str, function: str = "") -> Part:
        """The part of that kind (of that branch). Raises KeyError."""
        for part in self.parts:
            if (part.kind, part.function) == (kind, function):
                return part
        raise KeyError(f"no {kind} {function}".rstrip())

    def branches(self) -> tuple[str, ...]:
        """The functions' original names, from top to bottom."""
        return tuple(dict.fromkeys(part.function for part in self.parts if part.function))

    def in_state(self, state: str) -> tuple[Part, ...]:
        """The parts that are `missing`, `made`, `different`, `risky` or `failing`."""
        return tuple(part for part in self.parts if part.state == state)

    def sentence(self) -> str:
        """How many parts there are of each state, and what is wrong first."""
        states = [MADE, MISSING, FAILING, *(state for state in ("risky", "different") if self.in_state(state))]
        counts = ", ".join(f"{len(self.in_state(state))} {state}" for state in states)
        wrong = [part for state in (FAILING, "risky", "different") for part in self.in_state(state)]
        return f"The lab {self.lab_id} has {len(self.parts)} parts: {counts}." + (
            f" {wrong[0].sentence()}" if wrong else ""
        )

    def headers(self) -> Sequence[str]:
        return ("part", "name", "state", "what there is to say")

    def rows(self) -> Iterable[Sequence[object]]:
        return [(part.kind, part.name, part.state, part.trouble or part.detail or "-") for part in self.parts]


def survey(lab: Lab, snapshot: Snapshot | None = None) -> Survey:
    """Look at every part of the lab as it stands in AWS, or in a snapshot as far as that has it.

    Changes nothing. Raises LabError if AWS refuses.
    """
    snapshot = snapshot or Snapshot(lab)
    with aws_errors("surveying the lab"):
        snapshot.read_ahead(resources(lab))
        return Survey(lab.definition.lab_id, tuple(_parts(snapshot)))


def _parts(snapshot: Snapshot) -> Iterator[Part]:
    lab, bucket = snapshot.lab, bucket_of(snapshot.lab)
    yield _part(bucket, snapshot)
    there = snapshot.read(bucket) is not None
    yield _folder(lab, there, INGEST_FOLDER, "photo")
    for kind in (*SHARED, *_others(shared=True)):
        yield from (_part(one, snapshot) for one in kind.of(lab))
    for branch in lab.branches:
        for kind in (*OF_BRANCH, *_others(shared=False)):
            yield from (_part(one, snapshot) for one in kind.of(lab) if one.branch == branch)
        yield _logs(branch, snapshot)
        yield _folder(lab, there, branch.folder, "result", branch.name)


def _others(*, shared: bool) -> list[type[Resource]]:
    """Kinds that the way of a photo does not name, such as one that was just added; drawn after the others."""
    named = (*SHARED, *OF_BRANCH, Bucket, ExistingBucket, LogGroup, Photo)
    return [kind for kind in KINDS if kind not in named and bool(kind.named_by) is not shared]


def _part(one: Resource, snapshot: Snapshot, *more: Line) -> Part:
    lines = (*snapshot.judge(one), *more)
    verdict = worst(lines)
    said = (line.evidence.rstrip(".") for line in lines if line.verdict == WORKS)
    detail = next((words for words in said if words not in ("", one.name)), "")
    function = one.branch.name if one.branch else ""
    if not one.seen(snapshot) or any(line.consequence for line in lines):
        trouble = JUST_CHANGED.rstrip(".") if one.key in snapshot.just_changed else ""
        return Part(one.part, one.name, MISSING, trouble=trouble, function=function, verdict=verdict)
    bad = [line for line in lines if line.verdict == verdict and verdict in STATES]
    trouble = " ".join(dict.fromkeys(line.evidence for line in bad))
    return Part(one.part, one.name, STATES.get(verdict, MADE), detail, trouble.rstrip("."), function, verdict)


def _folder(lab: Lab, bucket_there: bool, folder: str, holds: str, function: str = "") -> Part:
    """A folder is there as soon as it holds something; `ingest/` may be there empty, as an object of its own."""
    kind = "results" if function else "ingest folder"
    if not bucket_there:
        return Part(kind, folder, MISSING, function=function)
    answer = lab.client("s3").list_objects_v2(Bucket=lab.definition.bucket_name, Prefix=folder)
    count = sum(item["Key"] != folder for item in answer.get("Contents", []))
    more = "or more " if answer.get("IsTruncated") else ""
    state = MADE if answer.get("KeyCount") else MISSING
    detail = counted(count, f"{more}{holds}") if count else "empty"
    return Part(kind, folder, state, detail, function=function)


def _logs(branch: Branch, snapshot: Snapshot) -> Part:
    """The log group, and what stands in it: a failure that is the last word is trouble."""
    lab = snapshot.lab
    group = LogGroup.in_branch(lab, branch)
    if snapshot.read(group) is None:
        return _part(group, snapshot)
    logs = read_logs(lab, branch.name, since=LOGS_OF)
    configuration = snapshot.read(Function.in_branch(lab, branch))
    line = judge_invocations(branch, logs, configuration)
    part = _part(group, snapshot, *([line] if line else ()))
    count = len(logs.invocations)
    detail = f"{counted(count, 'invocation')} logged" if count else "no invocation yet"
    return Part(part.kind, part.name, part.state, detail, part.trouble, branch.name, part.verdict)


@dataclass(frozen=True)
class QueueDepths(Result):
    """How many messages each queue of the lab holds at a moment; approximate, as SQS says itself."""

    queues: tuple[tuple[str, Depth], ...]  # the queue's name, its depth

    def sentence(self) -> str:
        total = sum(depth.total for _, depth in self.queues)
        return f"{counted(total, 'message')} in {len(self.queues)} queues, dead letters included."

    def headers(self) -> Sequence[str]:
        return ("queue", "waiting", "in flight")

    def rows(self) -> Iterable[Sequence[object]]:
        return [(name, depth.waiting + depth.delayed, depth.in_flight) for name, depth in self.queues]


def queue_depths(lab: Lab) -> QueueDepths:
    """The depth of the three queues and their dead-letter queues; a queue that is not there is left out.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    pairs = zip(Queue.of(lab), DeadLetterQueue.of(lab), strict=True)
    with aws_errors("reading the depth of the queues"):
        found = [(queue.name, queue.read()) for pair in pairs for queue in pair]
    return QueueDepths(tuple((name, queue_depth(attributes)) for name, attributes in found if attributes))
