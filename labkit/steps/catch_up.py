"""Starting in the middle: make what the earlier steps would have made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.lab import Lab
from labkit.maker import CATCH_UP, made_by
from labkit.progress import progress
from labkit.resources import Snapshot, resources
from labkit.resources.judgement import WORKS, worst
from labkit.result import Result, counted
from labkit.samples import sample
from labkit.steps.alarms import create_alarms
from labkit.steps.functions import create_functions
from labkit.steps.notification import allow_s3_to_publish, create_bucket, create_event_notification
from labkit.steps.queues import create_queues, subscribe_queues
from labkit.steps.topic import create_topic
from labkit.steps.upload import create_ingest_folder, require_bucket, upload_photo, wait_for_results
from labkit.steps.validate import uploaded_photos

SAMPLE = "MonaLisa.jpg"  # the photo that catch_up uploads in step 5


def _send_a_photo_through(lab: Lab) -> None:
    create_ingest_folder(lab)
    if not _last_photo_came_through(lab):
        wait_for_results(lab, upload_photo(lab, sample(SAMPLE)))


def _last_photo_came_through(lab: Lab) -> bool:
    """True if the photo uploaded last is there, and so is each of its results, which is no older than the photo."""
    bucket = require_bucket(lab)
    for key in uploaded_photos(lab)[-1:]:
        photo, *results = [bucket.head(name) for name in (key, *(branch.result_key(key) for branch in lab.branches))]
        return photo is not None and all(one and one["LastModified"] >= photo["LastModified"] for one in results)
    return False


STEPS: Mapping[int, tuple[Callable[[Lab], object], ...]] = {
    1: (create_topic,),
    2: (create_queues, subscribe_queues, create_alarms),
    3: (create_bucket, allow_s3_to_publish, create_event_notification),
    4: (create_functions,),
    5: (_send_a_photo_through,),
}


@dataclass(frozen=True)
class CaughtUp(Result):
    """What the earlier steps have made by now."""

    to: int
    new: tuple[tuple[str, str], ...]  # kind and name of what was missing, or not as it should be

    def sentence(self) -> str:
        done = "Step 1 is done" if self.to == 1 else f"Steps 1 to {self.to} are done"
        if not self.new:
            return f"{done}: nothing was missing."
        was, has = ("was", "has") if len(self.new) == 1 else ("were", "have")
        return f"{done}: {counted(len(self.new), 'thing')} {was} missing, and {has} just been made."

    def headers(self) -> Sequence[str]:
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        return self.new


def catch_up(lab: Lab, *, to: int, snapshot: Snapshot | None = None) -> CaughtUp:
    """Do the steps 1 to `to` as far as they are not done, so that a later notebook can be started alone.

    What is whole in a snapshot, if one is given, is not looked at again. Returns what was made. Raises LabError, also
    if there is no such step.
    """
    if to not in STEPS:
        raise LabError(f"There is no step {to} to catch up to.", hint=f"Use 1 to {max(STEPS)}.", code="bad-option")
    before = len(lab.journal.begun())
    with made_by(CATCH_UP):
        steps = [step for step in range(1, to + 1) if not (snapshot and _is_whole(step, snapshot))]
        for make in progress([make for step in steps for make in STEPS[step]], what=f"steps 1 to {to}"):
            make(lab)
    return CaughtUp(to, tuple(dict.fromkeys(lab.journal.begun()[before:])))


def _is_whole(step: int, snapshot: Snapshot) -> bool:
    """Whether all that a step makes works as it was made, and is in the journal."""
    made = [one for one in resources(snapshot.lab) if one.step == step]
    if not made or not all(snapshot.lab.journal.find(*one.key) for one in made):
        return False
    snapshot.read_ahead(made)
    return all(worst(snapshot.judge(one)) == WORKS for one in made)
