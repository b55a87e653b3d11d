"""What AWS asks for what: a table with its date and its sources, kept as data because it ages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from labkit.result import Result


@dataclass(frozen=True)
class Price:
    """`usd` US dollars for `per` units, and how many of them are free in a month."""

    item: str
    usd: float
    per: int
    unit: str
    free_per_month: float
    source: str

    def of(self, quantity: float) -> float:
        """US dollars for so many units, the free ones not taken off."""
        return quantity * self.usd / self.per


@dataclass(frozen=True)
class Prices(Result):
    """The table: prices of one region, on one day."""

    as_of: str
    region: str
    checked_against: str
    items: Mapping[str, Price]

    def __getitem__(self, item: str) -> Price:
        return self.items[item]

    def sentence(self) -> str:
        return f"Prices of {self.region}, as of {self.as_of} (from {self.checked_against})."

    def headers(self) -> Sequence[str]:
        return ("what", "US dollars", "for", "free each month", "source")

    def rows(self) -> Iterable[Sequence[object]]:
        for price in self.items.values():
            yield (
                price.item,
                f"{price.usd:.10f}".rstrip("0").rstrip("."),
                f"{price.per:,} {price.unit}",
                (f"{price.free_per_month:,}"),
                price.source,
            )


@lru_cache(maxsize=1)
def prices() -> Prices:
    """The project's price table, `labkit/insight/prices.json`."""
    data = json.loads((files("labkit.insight") / "prices.json").read_text("utf-8"))
    items = {entry["item"]: Price(**entry) for entry in data["prices"]}
    return Prices(data["as_of"], data["region"], data["checked_against"], items)
