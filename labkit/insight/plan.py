"""What a lab will make and what it may cost, said before the first call that makes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.insight.cost import IDLE_RECEIVES_PER_MINUTE, MINUTES_PER_DAY, cost_of_photos, dollars
from labkit.insight.prices import prices
from labkit.lab import PLACES_IN_WORDS, Lab
from labkit.resources import resources
from labkit.result import Result

# What a function is billed for one photo of 24 MP at the lab's memory size, with room for a cold start.
BILLED_MS = 2000
PHOTOS = 10  # a lesson's worth


@dataclass(frozen=True)
class Plan(Result):
    """All things that the whole lab makes, by kind and name, and its price."""

    place: str
    things: tuple[tuple[str, str], ...]
    lesson_usd: float  # for PHOTOS photos
    idle_usd_per_day: float
    prices_of: str  # region and date

    def sentence(self) -> str:
        """How many things, where, and what they cost while used and while forgotten."""
        return (
            f"The whole lab makes {len(self.things)} things in {self.place}. {PHOTOS} photos cost about "
            f"{dollars(self.lesson_usd)}; left standing it costs {dollars(self.idle_usd_per_day)} a day "
            f"({dollars(30 * self.idle_usd_per_day)} in 30 days), since its triggers poll day and night. "
            f"Prices of {self.prices_of}, free tiers not taken off. `labkit clean` deletes all of it."
        )

    def headers(self) -> Sequence[str]:
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a thing, in the order in which they are made."""
        return self.things


def plan(lab: Lab) -> Plan:
    """What the whole lab would make under these settings, and what it may cost. Calls nothing."""
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
    )
