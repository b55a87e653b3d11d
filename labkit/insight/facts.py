"""What is known of a photo's way, fact by fact: where on the map, when, and in a sentence.

A fact is never guessed: it follows from what the functions logged, from S3's, SQS's and Lambda's own times in it, and
where a photo got stuck, from the doctor's findings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from labkit.insight.doctor import Diagnosis
from labkit.insight.trace import Attempt, Branch, Trace
from labkit.resources.judgement import BROKEN
from labkit.result import Result, counted

FAILED, DEAD = "invocations", "dead letters"  # hops of the doctor's
# Where on the map each hop of the doctor's is.
PARTS = {
    "key": "ingest folder",
    "photo": "ingest folder",
    "notification": "event notification",
    "log group": "logs",
    FAILED: "function",
    DEAD: "dead-letter queue",
    "result": "results",
}

STOPPED_HERE = "stopped here"


@dataclass(frozen=True)
class Fact(Result):
    """One thing that is known: where on the map (a kind of part, a branch), when (ms since S3's event), a sentence.

    `short` is what stands at the part itself, if anything does; `bad` says that the photo got no further here.
    """

    part: str
    branch: str
    ms: float
    said: str
    short: str = ""
    bad: bool = False

    def sentence(self) -> str:
        return f"{self.ms:,.0f} ms: {self.said}"


def facts_of(trace: Trace) -> tuple[Fact, ...]:
    """The way of a traced photo, in the order of time; in a branch, no fact comes before the one that caused it."""
    sent = [branch.sent for branch in trace.branches if branch.sent]
    facts = [
        Fact("ingest folder", "", 0, f"The photo is stored as {trace.key}; S3's clock of this event starts here."),
        Fact("event notification", "", 0, "S3 tells the topic: an object was created."),
    ]
    if sent:
        queues = counted(len(sent), "queue")
        reached = _ms(trace, min(sent))
        facts.append(Fact("topic", "", reached, f"The topic has it, and hands the message to {queues}."))
    facts += (fact for branch in trace.branches for fact in _of_branch(trace, branch))
    return tuple(sorted(facts, key=lambda fact: fact.ms))


def stops_of(diagnosis: Diagnosis, ms: float, dead: Collection[str] = ()) -> tuple[Fact, ...]:
    """Where the photo got no further by the doctor's findings: the first broken hop of all, or of each branch.

    `dead` names branches in which nothing waits any more, and letters are dead: what failed there ended among them. A
    stop stands after all else that is known of the photo, at `ms`: when it stops, nobody writes down the time.
    """
    stops: dict[str, Fact] = {}
    for hop in diagnosis.in_state(BROKEN):
        if "" in stops:
            break  # what all branches share is broken: nothing got as far as the branches
        part, where = PARTS.get(hop.name, hop.name), f"Stopped at the {hop.title}:"
        if hop.name == FAILED and hop.function in dead:
            part, where = PARTS[DEAD], f"Moved to the dead-letter queue of {hop.function}:"
        said = " ".join(filter(None, (where, hop.evidence, hop.fix)))
        stops.setdefault(hop.function, Fact(part, hop.function, ms, said, STOPPED_HERE, bad=True))
    return tuple(stops.values())


def _of_branch(trace: Trace, branch: Branch) -> Iterator[Fact]:
    if branch.sent is None:
        return
    now = _ms(trace, branch.sent)
    yield Fact("queue", branch.function, now, f"The queue of {branch.function} has its message.")
    for number, attempt in enumerate(branch.attempts, 1):
        again = f", for the {_ordinal(number)} time" if number > 1 else ""
        now = max(now, _ms(trace, attempt.began))
        if attempt.invocation.cold:
            said = f"A cold start: a new environment of {branch.function} begins{again}."
            yield Fact("trigger", branch.function, now, said, "cold start")
            now = max(now, _ms(trace, attempt.invocation.started))
            yield Fact("function", branch.function, now, f"{branch.function} is loaded, and its handler begins.")
        else:
            said = f"A warm environment of {branch.function} takes the message{again}."
            yield Fact("function", branch.function, now, said, "warm")
        now = max(now, _done(trace, attempt))
        yield _outcome(branch, attempt, now)
        if attempt.invocation.finished:
            now = max(now, _ms(trace, attempt.ended))
            report = _report(attempt)
            yield Fact("logs", branch.function, now, f"The REPORT of {branch.function}: {report}.", report)


def _outcome(branch: Branch, attempt: Attempt, now: float) -> Fact:
    photo, name = attempt.photo, branch.function
    if photo["event"] == "resized":
        width, height = photo.get("result_size", (0, 0))
        size = f", {width} x {height} pixels" if width else ""
        return Fact("results", name, now, f"{branch.result_key} is there{size}.", f"{now:,.0f} ms")
    reason = photo.get("message") or photo.get("reason", "")
    if photo["event"] == "ignored":
        return Fact("function", name, now, f"{name} makes nothing of it: {reason}", "ignored")
    said = f"{name} failed: {reason} The message stays hidden, and is delivered again after the visibility timeout."
    return Fact("function", name, now, said, "failed", bad=True)


def _report(attempt: Attempt) -> str:
    one = attempt.invocation
    init = f"cold, init {one.init_ms:,.0f} ms, " if one.init_ms is not None else "warm, "
    return f"{init}ran {one.duration_ms:,.0f} ms, {one.max_memory_mb} of {one.memory_mb} MB"


def _done(trace: Trace, attempt: Attempt) -> float:
    """When the result was written, by the function's own figures; without them, when the attempt ended."""
    took = sum(attempt.photo.get("ms", {}).values())
    return _ms(trace, attempt.invocation.started + timedelta(milliseconds=took) if took else attempt.ended)


def _ms(trace: Trace, moment: datetime) -> float:
    """Since S3's event; clocks of different services differ by milliseconds, and nothing was before it."""
    return max(0.0, (moment - trace.uploaded) / timedelta(milliseconds=1))


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
