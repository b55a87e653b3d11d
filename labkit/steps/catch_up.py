"""Starting in the middle: make what the earlier steps would have made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.lab import Lab
from labkit.progress import progress
from labkit.result import Result
from labkit.samples import sample
from labkit.steps.functions import create_functions
from labkit.steps.notification import allow_s3_to_publish, create_bucket, create_event_notification
from labkit.steps.queues import create_queues, subscribe_queues
from labkit.steps.topic import create_topic
from labkit.steps.upload import create_ingest_folder, upload_photo, wait_for_results

SAMPLE = "MonaLisa.jpg"  # the photo that catch_up uploads in step 5


def _upload_sample(lab: Lab) -> None:
    create_ingest_folder(lab)
    wait_for_results(lab, upload_photo(lab, sample(SAMPLE)))


STEPS: Mapping[int, tuple[Callable[[Lab], object], ...]] = {
    1: (create_topic,),
    2: (create_queues, subscribe_queues),
    3: (create_bucket, allow_s3_to_publish, create_event_notification),
    4: (create_functions,),
    5: (_upload_sample,),
}


@dataclass(frozen=True)
class CaughtUp(Result):
    """What the earlier steps have made by now."""

    to: int
    new: tuple[tuple[str, str], ...]

    def sentence(self) -> str:
        """Up to which step, and how much was new."""
        return f"Steps 1 to {self.to} are done; {len(self.new) or 'nothing'} of it made just now."

    def headers(self) -> Sequence[str]:
        """One row a thing made just now."""
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a thing made just now."""
        return self.new


def catch_up(lab: Lab, *, to: int) -> CaughtUp:
    """Do the steps 1 to `to` as far as they are not done, so that a later notebook can be started alone.

    Returns what was made. Raises LabError, also if there is no such step.
    """
    if to not in STEPS:
        raise LabError(f"There is no step {to} to catch up to.", hint=f"Use 1 to {max(STEPS)}.")
    before = {(entry.kind, entry.name) for entry in lab.journal.entries()}
    for make in progress([make for step in range(1, to + 1) for make in STEPS[step]], what=f"steps 1 to {to}"):
        make(lab)
    new = tuple((e.kind, e.name) for e in lab.journal.entries() if (e.kind, e.name) not in before)
    return CaughtUp(to, new)
