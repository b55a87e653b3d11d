"""One photo's way through the pipeline: every id, every receive, every hop with its time.

Built from what is left behind: the functions' own log lines, Lambda's START and REPORT, and the results' metadata.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit.columns import Columns
from labkit.errors import LabError, aws_errors
from labkit.insight.log_lines import Invocation
from labkit.insight.logs import read_logs
from labkit.lab import Lab
from labkit.resources.keys import full_key, no_photo
from labkit.result import Result, plain
from labkit.settings import FunctionSettings
from labkit.steps.upload import require_bucket

# What a span of time was spent on, in the order in which it happens.
DELIVERY = "S3 -> SNS -> SQS"
WAITING = "waiting in the queue"
HIDDEN = "hidden after a failure"
INIT = "init (cold start)"
WORK = ("download", "decode", "resize", "encode", "upload")
REST = "rest of the run"
KINDS = (DELIVERY, WAITING, HIDDEN, INIT, *WORK, REST)
CLOCKS_APART = timedelta(minutes=2)  # how far S3's clock and the logs' may differ when old log lines are left out


@dataclass(frozen=True)
class Attempt:
    """One receive of the message by a function: ids, times (UTC), how it ended."""

    invocation: Invocation
    photo: Mapping[str, Any]  # the function's own line

    @property
    def receive_count(self) -> int | None:
        """The how-manieth receive this was, as SQS counts."""
        return self.photo.get("receive_count")

    @property
    def began(self) -> datetime:
        """When the environment began: with its init on a cold start, else with START."""
        return (
            self.invocation.lines[0].time if self.invocation.cold and self.invocation.lines else self.invocation.started
        )

    @property
    def ended(self) -> datetime:
        """When the handler returned; before the REPORT is there, when its last line was written."""
        return self.invocation.ended or self.invocation.lines[-1].time


@dataclass(frozen=True)
class Span:
    """A stretch of time of one branch, spent on one thing."""

    branch: str
    kind: str
    start: datetime
    end: datetime

    @property
    def ms(self) -> float:
        """Its length in milliseconds."""
        return max(0.0, (self.end - self.start) / timedelta(milliseconds=1))


@dataclass(frozen=True)
class Branch:
    """One queue's and function's part in the story."""

    function: str
    result_key: str
    sqs_message_id: str | None = None
    sent: datetime | None = None  # when SQS got the message
    attempts: tuple[Attempt, ...] = ()
    result_bytes: int | None = None  # None: there is no such result in the bucket

    @property
    def done(self) -> datetime | None:
        """When the last attempt ended."""
        return self.attempts[-1].ended if self.attempts else None

    @property
    def outcome(self) -> str:
        """What became of it, in a word or two."""
        if not self.attempts:
            return "nothing logged yet"
        photo = self.attempts[-1].photo
        if photo["event"] == "resized":
            return "resized"
        return f"{photo['event']}: {photo.get('reason', '')}"


@dataclass(frozen=True)
class Trace(Result):
    """The latest event of one photo, followed through all branches."""

    key: str
    uploaded: datetime  # S3's own time of the event
    sequencer: str | None
    sns_message_id: str | None
    branches: tuple[Branch, ...] = field(repr=False)

    def spans(self) -> tuple[Span, ...]:
        """All stretches of time, branch by branch, without gaps."""
        return tuple(span for branch in self.branches for span in _spans(self.uploaded, branch))

    def seconds(self) -> float:
        """From the event until the last branch ended, in seconds."""
        ends = [branch.done for branch in self.branches if branch.done]
        return max((end - self.uploaded).total_seconds() for end in ends) if ends else 0.0

    def slowest(self) -> Branch | None:
        """The branch that ended last."""
        done = [branch for branch in self.branches if branch.done]
        return max(done, key=lambda branch: branch.done or self.uploaded) if done else None

    def where_time_went(self) -> tuple[tuple[str, float], ...]:
        """For the slowest branch: what the time was spent on and its milliseconds, longest first."""
        slowest = self.slowest()
        sums: dict[str, float] = defaultdict(float)
        for span in _spans(self.uploaded, slowest) if slowest else ():
            sums[span.kind] += span.ms
        return tuple(sorted(sums.items(), key=lambda item: -item[1]))

    def sentence(self) -> str:
        """How long it took in all, and where the time went."""
        slowest, total = self.slowest(), self.seconds()
        if slowest is None:
            return f"{self.key} raised an event, and no function has logged anything about it yet."
        resized = sum(branch.outcome == "resized" for branch in self.branches)
        most = ", ".join(
            f"{kind} {ms:,.0f} ms ({ms / total / 10:.0f}%)" for kind, ms in self.where_time_went()[:3] if ms and total
        )
        last = "the last" if slowest.outcome == "resized" else "the last try over"
        return (
            f"{self.key}: {resized} of {len(self.branches)} results, {last} after {total:.2f} s, by "
            f"{slowest.function}. Its time went into {most}."
        )

    def headers(self) -> Sequence[str]:
        return (
            "function",
            "SQS message",
            "receive",
            "invocation",
            "start",
            "init ms",
            "duration ms",
            "outcome",
            "result",
            "bytes",
        )

    def rows(self) -> Iterable[Sequence[object]]:
        """First the ids that all share, then one row an attempt."""
        for branch in self.branches:
            result = branch.result_key, "-" if branch.result_bytes is None else f"{branch.result_bytes:,}"
            if not branch.attempts:
                yield (branch.function, "-", "-", "-", "-", "-", "-", branch.outcome, *result)
            for attempt in branch.attempts:
                r, photo = attempt.invocation, attempt.photo
                yield (
                    branch.function,
                    branch.sqs_message_id or "-",
                    attempt.receive_count or "-",
                    r.request_id,
                    "cold" if r.cold else "warm",
                    "-" if r.init_ms is None else f"{r.init_ms:,.1f}",
                    "-" if r.duration_ms is None else f"{r.duration_ms:,.1f}",
                    f"{photo['event']}{': ' + photo['reason'] if photo.get('reason') else ''}",
                    *result,
                )

    def pieces(self) -> Iterable[str | Columns]:
        """The ids that all branches share come last."""
        yield from super().pieces()
        yield f"S3 sequencer {self.sequencer or '-'}, SNS message {self.sns_message_id or '-'}"

    def as_data(self) -> dict[str, Any]:
        """The ids, the branches with their attempts, and what the slowest one's time was spent on."""
        return {
            **plain(self),
            "seconds": self.seconds(),
            "where_time_went": [{"what": kind, "ms": ms} for kind, ms in self.where_time_went()],
            "branches": [{**plain(branch), "outcome": branch.outcome} for branch in self.branches],
        }

    def _html(self) -> str:
        return (
            f"{super()._html()}<p>S3 sequencer <code>{self.sequencer or '-'}</code>, "
            f"SNS message <code>{self.sns_message_id or '-'}</code></p>"
        )


def trace(lab: Lab, key: str) -> Trace:
    """Follow the latest event of a photo through all three branches.

    Raises LabError if the photo is not there, or no function has logged anything about it: a student's own functions
    would have to log as the lab's do.
    """
    key = full_key(lab, key)
    with aws_errors(f"tracing {key}"):
        bucket = require_bucket(lab)
        source = bucket.head(key)
        if source is None:
            raise no_photo(lab, key, where=f"tracing {key}")
        since = source["LastModified"] - CLOCKS_APART
        invocations = {branch.name: read_logs(lab, branch.name, since=since).about(key) for branch in lab.branches}
        results = {branch.name: bucket.head(branch.result_key(key)) for branch in lab.branches}
    return assemble_trace(key, lab.definition.functions, invocations, results)


def assemble_trace(
    key: str,
    functions: Sequence[FunctionSettings],
    invocations: Mapping[str, Sequence[Invocation]],
    results: Mapping[str, Mapping[str, Any] | None],
) -> Trace:
    """The Trace from each function's invocations on `key` and the answers of `head_object` on each result."""
    attempts = {
        name: [a for invocation in some for a in _attempts(invocation, key)] for name, some in invocations.items()
    }
    everything = [attempt for some in attempts.values() for attempt in some]
    if not everything:
        raise LabError(
            f"No function has logged anything about {key}.",
            where=f"tracing {key}",
            hint=f"Wait a moment, or `labkit doctor {key}`. Functions of your own must log as the lab's do.",
            code="not-there",
        )
    latest = max(everything, key=lambda attempt: (attempt.photo.get("sent_timestamp") or 0, attempt.invocation.started))
    event = _event_of(latest)
    return Trace(
        key,
        _time(latest.photo.get("event_time")) or _sent(latest) or latest.began,
        latest.photo.get("sequencer"),
        latest.photo.get("sns_message_id"),
        tuple(
            _branch(function, key, [a for a in attempts[function.name] if _event_of(a) == event], results)
            for function in functions
        ),
    )


def _branch(
    function: FunctionSettings, key: str, attempts: list[Attempt], results: Mapping[str, Mapping[str, Any] | None]
) -> Branch:
    attempts.sort(key=lambda attempt: attempt.invocation.started)
    result = results.get(function.name)
    size = None if result is None else int(result["ContentLength"])
    if not attempts:
        return Branch(function.name, function.result_key(key), result_bytes=size)
    first = attempts[0]
    return Branch(
        function.name,
        function.result_key(key),
        first.photo.get("sqs_message_id"),
        _sent(first),
        tuple(attempts),
        size,
    )


def _attempts(invocation: Invocation, key: str) -> Iterator[Attempt]:
    for photo in invocation.photos:
        if photo.get("source_key") == key:
            yield Attempt(invocation, photo)


def _event_of(attempt: Attempt) -> object:
    """What tells one event of a key from the next: the SNS message; with raw delivery, the sequencer."""
    return attempt.photo.get("sns_message_id") or attempt.photo.get("sequencer")


def _spans(uploaded: datetime, branch: Branch) -> Iterator[Span]:
    if branch.sent is None or not branch.attempts:
        return
    # Clocks of different services differ by milliseconds: no span may run backwards.
    now = max(uploaded, branch.sent)
    yield Span(branch.function, DELIVERY, uploaded, now)
    for number, attempt in enumerate(branch.attempts):
        began = max(now, attempt.began)
        yield Span(branch.function, HIDDEN if number else WAITING, now, began)
        started = max(began, attempt.invocation.started)
        if started > began:
            yield Span(branch.function, INIT, began, started)
        now = started
        end = max(started, attempt.ended)
        for kind in WORK:
            ms = attempt.photo.get("ms", {}).get(kind)
            if ms:
                after = min(end, now + timedelta(milliseconds=ms))
                yield Span(branch.function, kind, now, after)
                now = after
        if end > now:
            yield Span(branch.function, REST, now, end)
            now = end


def _sent(attempt: Attempt) -> datetime | None:
    sent = attempt.photo.get("sent_timestamp")
    return None if sent is None else datetime.fromtimestamp(sent / 1000, UTC)


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
