"""Step 7: an inventory, everything deleted in the right order, and an inventory that says 0 left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from labkit.errors import LabError, WaitedTooLong, aws_errors
from labkit.lab import Lab
from labkit.resources import KINDS, Resource, resource_of, resources
from labkit.resources.resource import NOT_OURS, OURS, Ownership, hidden
from labkit.result import Result, counted, plain
from labkit.steps.recovery import find_own, require_its_bucket
from labkit.waiting import wait_until

GONE_WITHIN_S = 120


@dataclass(frozen=True)
class Thing:
    """A resource of the lab, and on what grounds it is the lab's, or is not."""

    kind: str
    name: str
    grounds: str = ""


@dataclass(frozen=True)
class Inventory(Result):
    """What this lab has in AWS right now, asked of AWS."""

    lab_id: str
    things: tuple[tuple[str, str], ...]  # kind, name

    def sentence(self) -> str:
        return f"{len(self.things)} left: {self.lab_id} has {counted(len(self.things), 'thing')} in AWS."

    def headers(self) -> Sequence[str]:
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        return self.things

    def as_data(self) -> dict[str, Any]:
        """The things by kind and name."""
        return {"things": [{"kind": kind, "name": name} for kind, name in self.things]}


@dataclass(frozen=True)
class Receipt(Result):
    """What was deleted, what is left, and what was left alone because it is not this lab's."""

    lab_id: str
    deleted: tuple[Thing, ...]
    left: tuple[Thing, ...] = ()
    not_ours: tuple[Thing, ...] = ()

    def sentence(self) -> str:
        """How many were deleted, how many are left, how many were not the lab's."""
        alone = counted(len(self.not_ours), "thing")
        more = f" {alone} that the journal names {'is' if len(self.not_ours) == 1 else 'are'} not this lab's, and "
        more += f"{'was' if len(self.not_ours) == 1 else 'were'} left alone."
        done = f"Deleted {counted(len(self.deleted), 'thing')} of {self.lab_id}; {len(self.left)} left."
        return done + (more if self.not_ours else "")

    def headers(self) -> Sequence[str]:
        """One row a thing; the grounds where they are not simply the lab's tags."""
        return ("kind", "name", "now", "why")

    def rows(self) -> Iterable[Sequence[object]]:
        for things, now in ((self.deleted, "deleted"), (self.left, "still there"), (self.not_ours, "left alone")):
            for thing in things:
                yield thing.kind, thing.name, now, thing.grounds

    def as_data(self) -> dict[str, Any]:
        """The lab, and what became of which thing, on what grounds."""
        things = {"deleted": self.deleted, "left": self.left, "not_ours": self.not_ours}
        return {"lab": self.lab_id, **plain(things)}


@aws_errors("taking the inventory")
def inventory(lab: Lab) -> Inventory:
    """What the lab has in AWS now, of what its journal lists and of what AWS finds by its tags. Changes nothing."""
    found = [(one, whose(one)) for one in _in_order(lab) if one.deletable]
    return Inventory(lab.definition.lab_id, tuple(one.key for one, owner in found if owner and owner.verdict == OURS))


@aws_errors("cleaning up")
def clean_up(lab: Lab) -> Receipt:
    """Delete everything that this lab has made, in the right order, and nothing else.

    What the journal lists is deleted if it carries the lab's tags or hangs on what does; where tags can't decide, if
    its name is exactly the lab's. Then AWS is asked for all of it once more, until it is gone. Returns a Receipt;
    calling it again, or after a crash, goes on where it stopped. Raises LabError if AWS refuses, or if something stays;
    and if the journal does not say that the lab worked in an existing bucket, but its topic does.
    """
    opened = lab.journal.opened()
    if not (opened and opened.definition) and not lab.journal.entries("bucket"):
        require_its_bucket(lab)
    deleted: list[tuple[Resource, Ownership]] = []
    not_ours = [Thing(entry.kind, entry.name, "no kind of thing that a lab makes") for entry in _unknown(lab)]
    for one in _in_order(lab):
        with aws_errors(f"deleting the {one.kind} {one.name}"):
            found = whose(one) if one.deletable else None
        if found is None:
            lab.journal.deleted(*one.key)
        elif found.verdict == NOT_OURS:
            not_ours.append(Thing(*one.key, found.grounds))
        else:
            one.delete()
            deleted.append((one, found))
    left = [one for one, _ in deleted if not _gone(one)]
    left += [one for one in find_own(lab) if one.deletable and one.key not in {other.key for other in left}]
    if left:
        for one in left:
            lab.journal.created(*one.key, **one.facts)
        names = ", ".join(f"{one.kind} {one.name}" for one in left)
        raise LabError(f"{len(left)} left, though AWS took the order to delete: {names}.", hint="Run it again.")
    lab.journal.close()
    gone = tuple(Thing(*one.key, found.grounds) for one, found in deleted)
    return Receipt(lab.definition.lab_id, gone, not_ours=tuple(not_ours))


def whose(one: Resource) -> Ownership | None:
    """Whether a thing is this lab's to delete; None if it is gone.

    What AWS does not let these credentials look at is the lab's only if the lab's definition names it.
    """
    try:
        if not one.exists():
            return None
        found = one.may_delete()
        if found.verdict == NOT_OURS and not one.exists():
            return None  # another process that cleans up has deleted it between the two questions
        return found
    except (ClientError, ParamValidationError, LabError) as error:
        if one.is_named_by_definition() or not hidden(error):
            raise
        return Ownership(NOT_OURS, hidden(error))


def _in_order(lab: Lab) -> Iterator[Resource]:
    """All that is, or may be, this lab's, each once, in the order of deletion: that of making, backwards.

    What the journal lists, what its definition names, and what AWS finds by the lab's tags without either.
    """
    listed = [one for entry in lab.journal.entries() if (one := resource_of(lab, entry)) is not None]
    by_key: dict[tuple[str, str], Resource] = {}
    for one in (*listed, *_defined_and_there(lab), *find_own(lab)):
        by_key.setdefault(one.key, one)
    return iter(sorted(by_key.values(), key=lambda one: -order_of(one)))


def _defined_and_there(lab: Lab) -> Iterator[Resource]:
    """What the definition names, if it is the lab's by its tags; someone else's of the same name is not looked at."""
    for one in resources(lab):
        if not one.deletable or lab.journal.find(*one.key) is not None:
            continue
        try:
            if one.exists() and one.ownership().verdict == OURS:
                yield one
        except (ClientError, LabError) as error:
            if not hidden(error):
                raise


def order_of(one: Resource) -> int:
    """The place of a resource in the order of making."""
    return next(number for number, kind in enumerate(KINDS) if isinstance(one, kind) and kind.kind == one.kind)


def _unknown(lab: Lab) -> list[Thing]:
    return [Thing(entry.kind, entry.name) for entry in lab.journal.entries() if resource_of(lab, entry) is None]


def _gone(one: Resource) -> bool:
    """True once AWS no longer finds it. Until then it is deleted again.

    A deleted queue can be seen for a minute more; and a function that was still at work may write one more line, for
    which Lambda makes the log group anew if the role allows it, as roles that are not the lab's own often do.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
    """

    def ask() -> bool:
        if not one.exists():
            return True
        one.delete()
        return False

    try:
        return wait_until(ask, what=f"{one.name} to be gone", seconds=GONE_WITHIN_S)
    except WaitedTooLong:
        return False
