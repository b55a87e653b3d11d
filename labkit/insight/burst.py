"""Many photos at once: how the queues fill and empty, and how many functions run at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from labkit.errors import LabError, WaitedTooLong, WaitInterrupted, aws_errors
from labkit.insight.log_lines import Invocation
from labkit.insight.logs import read_logs
from labkit.lab import Lab
from labkit.resources import Queue, Trigger
from labkit.resources.bucket import Bucket
from labkit.resources.queue import queue_depth
from labkit.result import Result
from labkit.settings import INGEST_FOLDER
from labkit.steps.upload import CONTENT_TYPE, look_at, require_bucket
from labkit.waiting import wait_until

LEAST = 2  # photos: one alone is no burst
AT_ONCE = 8  # uploads in parallel: more only wait for each other
LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Sample:
    """One look during a burst: seconds since it began, and messages in each function's queue, in flight included."""

    seconds: float
    depths: tuple[int, ...]


@dataclass(frozen=True)
class Burst(Result):
    """What was seen while many photos went through; times in seconds since the first upload."""

    photos: int
    began: datetime
    uploaded_s: float
    done_s: float
    functions: tuple[str, ...]
    samples: tuple[Sample, ...] = field(repr=False)
    invocations: tuple[Invocation, ...] = field(repr=False)
    limit: str = ""  # of the account, in a sentence

    @property
    def photos_per_s(self) -> float:
        """Photos a second, from the first upload to the last result."""
        return self.photos / self.done_s

    def running_at(self, seconds: float) -> int:
        """How many invocations ran at that moment."""
        moment = self.began + timedelta(seconds=seconds)
        return sum(start <= moment < end for start, end in self._spans)

    @cached_property
    def _spans(self) -> tuple[tuple[datetime, datetime], ...]:
        """Begin and end of each invocation; an environment takes one at a time, whatever rounding makes of it."""
        streams: dict[str, list[Invocation]] = {}
        for invocation in sorted(self.invocations, key=lambda invocation: invocation.started):
            streams.setdefault(invocation.stream, []).append(invocation)
        return tuple(
            (invocation.started, min(invocation.ended, following.started if following else invocation.ended))
            for stream in streams.values()
            for invocation, following in zip_longest(stream, stream[1:])
            if invocation.ended
        )

    @property
    def most_at_once(self) -> int:
        """The largest number of invocations that ran at the same time."""
        return max((self.running_at((r.started - self.began).total_seconds()) for r in self.invocations), default=0)

    @property
    def results(self) -> int:
        """How many results came: one of each photo and function."""
        return self.photos * len(self.functions)

    @property
    def unlogged(self) -> int:
        """How many of the results are not in the logs: CloudWatch Logs promises no time."""
        return max(self.results - sum(len(r.photos) for r in self.invocations if r.finished), 0)

    def sentence(self) -> str:
        unlogged = (
            f" The log lines of {self.unlogged} of them have not come yet: what follows is without these."
            if self.unlogged
            else ""
        )
        return (
            f"{self.photos} photos went in within {self.uploaded_s:.1f} s; the last of {self.results} results was "
            f"there after {self.done_s:.1f} s: {self.photos_per_s:.1f} photos a second."
            f"{self.limit and ' ' + self.limit}{unlogged}"
        )

    def headers(self) -> Sequence[str]:
        return ("starts", "invocations", "init ms, median", "duration ms, median", "billed ms, median")

    def rows(self) -> Iterable[Sequence[object]]:
        for name, cold in (("cold", True), ("warm", False)):
            chosen = [r for r in self.invocations if r.cold is cold and r.finished]
            yield (
                name,
                len(chosen),
                _median(r.init_ms for r in chosen),
                _median(r.duration_ms for r in chosen),
                _median(r.billed_ms for r in chosen),
            )


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):,.0f}" if known else "-"


@aws_errors("sending a burst of photos")
def send_burst(
    lab: Lab, photo: str | Path, *, photos: int = 200, seconds: float = 600, log_seconds: float = 60
) -> Burst:
    """Upload one photo many times under different keys, look at the queues until every result is there.

    The photos go to `ingest/burst-<time>/`. Triggers that are being changed are waited for. Returns the Burst with the
    logs of its invocations, as far as they came within `log_seconds` after the last result. Raises LabError, also for
    less than two photos, if not all results came within `seconds`, and if the account runs so few functions at once
    that good photos would be moved to the dead-letter queues.
    """
    if photos < LEAST:
        raise LabError(
            f"A burst is several photos at once: {photos} {'is' if photos == 1 else 'are'} too few.",
            where="sending a burst of photos",
            hint=f"photos={LEAST} or more; upload_photo(lab, ...) sends one.",
            code="bad-option",
        )
    look_at(Path(photo))
    s3, bucket, data = lab.client("s3"), require_bucket(lab), Path(photo).read_bytes()
    _refuse_too_small_account(lab)
    for trigger in Trigger.of(lab):
        _wait_until_enabled(trigger)
    began, clock = datetime.now(UTC), time.monotonic()
    folder = f"burst-{began:%H%M%S}/"
    keys = [f"{INGEST_FOLDER}{folder}{number:04}.jpg" for number in range(photos)]
    if lab.definition.bucket is not None:  # a bucket of the lab's own is emptied as a whole
        for key in keys:
            lab.journal.created("object", key, bucket=bucket.name)
    expected, samples = photos * len(lab.branches), []
    urls = [str(queue.require()["url"]) for queue in Queue.of(lab)]
    sent = {"Bucket": bucket.name, "Body": data, "ContentType": CONTENT_TYPE, "Tagging": urlencode(lab.definition.tags)}

    def look() -> bool:
        samples.append(Sample(time.monotonic() - clock, tuple(_depth(lab, url) for url in urls)))
        # Counting results takes longer than looking at queues, and would slow down what it looks at.
        return not any(samples[-1].depths) and _results(lab, bucket, folder) >= expected

    with ThreadPoolExecutor(AT_ONCE) as pool:
        began, clock = datetime.now(UTC), time.monotonic()
        uploads = [pool.submit(s3.put_object, Key=key, **sent) for key in keys]
        try:
            while not all(upload.done() for upload in uploads):
                look()
                time.sleep(LOOK_EVERY_S)
        except KeyboardInterrupt as interrupt:
            pool.shutdown(cancel_futures=True)
            done = sum(upload.done() and not upload.cancelled() for upload in uploads)
            raise WaitInterrupted(f"Interrupted: {done} of {photos} photos are in, and go their way.") from interrupt
        for upload in uploads:
            upload.result()
    uploaded_s = time.monotonic() - clock
    wait_until(
        look,
        what=f"{expected} results",
        seconds=seconds,
        longest_pause=LOOK_EVERY_S,
        hint="doctor(lab) says what stands in the way.",
    )
    names = tuple(branch.name for branch in lab.branches)
    done_s, invocations = samples[-1].seconds, _invocations(lab, folder, expected, log_seconds)
    return Burst(photos, began, uploaded_s, done_s, names, tuple(samples), invocations, _limit(lab))


def _wait_until_enabled(trigger: Trigger) -> None:
    """Wait for what was just changed. Raises LabError if nobody has made the trigger, or switched it on.

    A burst that began before would measure the change; and pollers that are not held to the account's limit send good
    photos to the dead letters.
    """
    found, name = trigger.read(), trigger.own_branch.name
    if found is None or found["State"].startswith("Disabl") or trigger.limit(found):
        fix = f"{'add_trigger' if found is None else 'enable_trigger'}(lab, {name!r})"
        state = "not there" if found is None else "not enabled, or not held to the account's limit"
        raise LabError(f"The trigger of {name} is {state}.", where="sending a burst of photos", hint=f"{fix} helps.")
    if found["State"] != "Enabled":
        trigger.wait_until_enabled(found["UUID"])


def _refuse_too_small_account(lab: Lab) -> None:
    """A trigger cannot be held to less than AWS's least; what Lambda turns away too often is a dead letter."""
    at = lab.definition
    if not at.concurrency_suffices:
        raise LabError(
            f"The account runs {at.concurrency} functions at once, and {len(lab.branches)} triggers start at least "
            f"{at.max_concurrency} each: Lambda would turn good photos away, until they are moved to the dead-letter "
            "queues.",
            where="sending a burst of photos",
            hint="Upload photos one by one. In AWS's console, *Service Quotas*, *AWS Lambda*, *Concurrent executions* "
            "asks for more; on the embedded AWS a burst needs no leave.",
        )


def _limit(lab: Lab) -> str:
    """What the account's limits have to do with how fast it went."""
    at = lab.definition
    if at.where == "aws" and at.concurrency is None:
        return (
            "How many functions the account runs at once was not told: if it is as few as ten, look for dead letters."
        )
    if at.max_concurrency is None:
        return ""
    return (
        f"The account runs {at.concurrency} functions at once, so that each trigger is held to {at.max_concurrency}: "
        "with more room it goes faster."
    )


def _depth(lab: Lab, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = lab.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return queue_depth(answer["Attributes"]).total


def _results(lab: Lab, bucket: Bucket, folder: str) -> int:
    return sum(len(bucket.keys(f"{branch.folder}{folder}")) for branch in lab.branches)


def _invocations(lab: Lab, folder: str, expected: int, seconds: float) -> tuple[Invocation, ...]:
    """The invocations of this burst, once each has its REPORT; after `seconds`, what there is."""
    read: list[Invocation] = []

    def ask() -> bool:
        read[:] = [r for branch in lab.branches for r in read_logs(lab, branch.name) if _is_of(r, folder)]
        return sum(len(r.photos) for r in read) >= expected and all(r.finished for r in read)

    # The burst is over and was measured: a log line that is late, or lost by an emulator, does not undo that.
    with suppress(WaitedTooLong):
        wait_until(ask, what="the REPORT lines", seconds=seconds)
    return tuple(read)


def _is_of(invocation: Invocation, folder: str) -> bool:
    return any(f"/{folder}" in str(photo.get("source_key")) for photo in invocation.photos)
