"""From another machine, or without the journal: find a lab's things by their tags and its suffix.

Subscriptions, triggers and notifications are found through what they hang on. What was found is shown first; only what
was then taken over into the journal is ever deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from labkit.errors import LabError, aws_errors, error_code
from labkit.journal_lines import Entry
from labkit.lab import Lab
from labkit.policy import as_list
from labkit.resources import KINDS, Resource, TopicPolicy
from labkit.resources.resource import FORBIDDEN, OURS, UNKNOWN_OPERATION, found_or_none
from labkit.result import Result, counted
from labkit.settings import PROJECT_TAG


@dataclass(frozen=True)
class Found(Result):
    """What carries the tags of one lab, and what hangs on it."""

    lab_id: str
    entries: tuple[Entry, ...]

    def sentence(self) -> str:
        belong, their = ("belongs", "its") if len(self.entries) == 1 else ("belong", "their")
        things = counted(len(self.entries), "thing")
        return f"{things} in AWS {belong} to {self.lab_id} by {their} tags and suffix."

    def headers(self) -> Sequence[str]:
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        return [(entry.kind, entry.name) for entry in self.entries]


@dataclass(frozen=True)
class Labs(Result):
    """All labs that have something in an account and region."""

    account: str
    region: str
    labs: Mapping[str, int]  # the tag Lab, and how many things carry it

    def sentence(self) -> str:
        have = "has" if len(self.labs) == 1 else "have"
        return f"{counted(len(self.labs), 'lab')} {have} something in account {self.account}, region {self.region}."

    def headers(self) -> Sequence[str]:
        return ("lab", "tagged things")

    def rows(self) -> Iterable[Sequence[object]]:
        return sorted(self.labs.items())

    def as_data(self) -> dict[str, Any]:
        """Each lab, and how many things carry its tag."""
        return {"labs": [{"lab": name, "things": count} for name, count in sorted(self.labs.items())]}


@aws_errors("looking for labs")
def find_labs(lab: Lab) -> Labs:
    """All labs of this account and region, by the tags of what they have made. Changes nothing."""
    labs: dict[str, int] = {}
    for one in _all(lab, lambda _: True):
        tags = _tags(one)
        if tags.get("Project") == PROJECT_TAG and "Lab" in tags:
            labs[tags["Lab"]] = labs.get(tags["Lab"], 0) + 1
    return Labs(lab.definition.account, lab.definition.region, labs)


@aws_errors("looking for this lab's things")
def find_things(lab: Lab) -> Found:
    """What this lab, by prefix and suffix, has in AWS, found by tags alone. Changes nothing.

    Raises LabError if the lab worked in an existing bucket and was opened here without naming it.
    """
    require_its_bucket(lab)
    entries = [Entry(*one.key, "created", one.facts) for one in find_own(lab)]
    return Found(lab.definition.lab_id, tuple(entries))


def take_over(lab: Lab, found: Found) -> None:
    """Write what was found into this machine's journal: from now on it is this lab's to clean up."""
    for entry in found.entries:
        lab.journal.found(entry.kind, entry.name, **entry.facts)


def find_own(lab: Lab) -> Iterator[Resource]:
    """All that carries this lab's tags, or hangs on what does, in the order of making; asked of AWS alone."""
    prefix = lab.definition.prefix
    suffix = lab.definition.suffix if lab.definition.shared else ""  # elsewhere not every name carries it

    def fits(name: str) -> bool:
        return name.startswith(prefix) and name.endswith(suffix)

    seen = set()
    for one in _all(lab, fits):
        if one.key not in seen and one.ownership().verdict == OURS:
            seen.add(one.key)
            yield one


def _all(lab: Lab, fits: Callable[[str], bool]) -> Iterator[Resource]:
    """Whatever the kinds find; a kind that these credentials, or this endpoint, cannot list has nothing to say."""
    for kind in KINDS:
        try:
            yield from kind.find(lab, fits)
        except ClientError as error:
            if error_code(error) not in FORBIDDEN | UNKNOWN_OPERATION:
                raise


def _tags(one: Resource) -> Mapping[str, str]:
    return found_or_none(one.read_tags) or {}


def require_its_bucket(lab: Lab) -> None:
    """Raise LabError if the topic's policy lets another bucket publish: then it was given to the lab."""
    for statement in as_list((next(TopicPolicy.of(lab)).read() or {}).get("Statement")):
        own = lab.definition.bucket_arn
        source = statement.get("Condition", {}).get("ArnLike", {}).get("aws:SourceArn", own)
        if source != own:
            bucket = source.rsplit(":", 1)[-1]
            raise LabError(
                f"{lab.definition.lab_id} worked in the bucket {bucket}.",
                where="looking for this lab's things",
                hint=f"Open it with that bucket: open_lab(..., bucket={bucket!r}), or LABKIT_BUCKET.",
            )
