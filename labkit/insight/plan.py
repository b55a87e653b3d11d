"""What a lab will make and what it may cost, said before the first call that makes anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from labkit.insight.cost import IDLE_RECEIVES_PER_MINUTE, MINUTES_PER_DAY, cost_of_photos, dollars
from labkit.insight.prices import prices
from labkit.lab import PLACES_IN_WORDS, Lab
from labkit.resources import resources
from labkit.result import Result
from labkit.settings import LEAST_MAX_CONCURRENCY

# What a function is billed for one photo of 24 MP at the lab's memory size, with room for a cold start.
BILLED_MS = 2000
PHOTOS = 10  # a lesson's worth
CODE_BYTES = 50_000_000  # of the lab's functions, and of one more, with room for their second versions


@dataclass(frozen=True)
class Plan(Result):
    """All things that the whole lab makes, by kind and name, and its price."""

    place: str
    things: tuple[tuple[str, str], ...]
    lesson_usd: float  # for PHOTOS photos
    idle_usd_per_day: float
    prices_of: str  # region and date
    limits: tuple[str, ...] = ()  # of the account, where they touch a lesson

    def sentence(self) -> str:
        """How many things, where, and what they cost while used and while forgotten."""
        return (
            f"The whole lab makes {len(self.things)} things in {self.place}. {PHOTOS} photos cost about "
            f"{dollars(self.lesson_usd)}; left standing it costs {dollars(self.idle_usd_per_day)} a day "
            f"({dollars(30 * self.idle_usd_per_day)} in 30 days), since its triggers poll day and night. "
            f"Prices of {self.prices_of}, free tiers not taken off. `labkit clean` deletes all of it."
            f"{''.join(f' {limit}' for limit in self.limits)}"
        )

    def headers(self) -> Sequence[str]:
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a thing, in the order in which they are made."""
        return self.things


def plan(lab: Lab) -> Plan:
    """What the whole lab would make under these settings, what it may cost, and what the account does not allow.

    Calls nothing but GetAccountSettings.
    """
    table, at, functions = prices(), lab.definition, lab.definition.functions
    region = f"region {at.region}"
    place = f"account {at.account}, {region}" if at.where == "aws" else f"{PLACES_IN_WORDS[at.where]}, {region}"
    lesson = cost_of_photos(
        PHOTOS,
        billed_ms=BILLED_MS,
        memory_mb=lab.definition.function_memory_mb,
        functions=len(functions),
        architecture=lab.target.architecture,
    )
    receives = len(functions) * IDLE_RECEIVES_PER_MINUTE * MINUTES_PER_DAY
    return Plan(
        place,
        tuple(one.key for one in resources(lab) if one.planned),
        lesson.usd,
        table["SQS requests"].of(receives),
        f"{table.region} as of {table.as_of}",
        tuple(_limits(lab)),
    )


def _limits(lab: Lab) -> Iterator[str]:
    if lab.connection.where != "aws":
        return
    limits, definition = lab.connection.limits, lab.definition
    if limits.refusal:
        yield (
            f"How many functions the account runs at once was not told ({limits.refusal}); new accounts and class labs "
            "often have ten."
        )
    if (most := definition.max_concurrency) is not None:
        yield (
            f"The account runs {definition.concurrency} functions at once, all together: each trigger is held to "
            f"{most}, and a burst takes longer."
        )
        if not definition.concurrency_suffices:
            yield (
                f"That is too few for {len(definition.functions)} triggers, each of which takes at least "
                f"{LEAST_MAX_CONCURRENCY}: send no bursts."
            )
    if limits.code_bytes is not None and limits.code_bytes < CODE_BYTES:
        yield (
            f"There is room for {limits.code_bytes / 1e6:,.0f} MB of functions' code, which is too little: delete "
            "functions, or old versions, that nobody needs."
        )
    if lab.connection.in_academy:
        yield "AWS Academy closes accounts in which too many functions start at once: send no bursts."
    if lab.connection.in_academy and definition.role_arn is None:
        yield (
            "This is an account of AWS Academy, where no roles can be made: name the one that is there, "
            f"`--role arn:{definition.partition}:iam::{definition.account}:role/LabRole`."
        )
