"""What CloudWatch knows of figures: each is kept by metric, unit and minute, from which every statistic is made.

The services record what happens, which costs them an append; it is sorted in when somebody asks.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from labkit.embedded_aws import settings

MINUTE = 60
_KEPT_SECONDS = 15 * 86_400  # data of one minute: cloudwatch_concepts.html#metrics-retention
_MOST_PENDING = 10_000  # a burst is sorted in before it is asked for, so that it costs little memory


class Metric(NamedTuple):
    """A metric: where, whose, which, and of what. Other dimensions are another metric."""

    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()  # by name


def metric(region: str, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
    """Return a metric with its dimensions in order."""
    return Metric(region, namespace, name, tuple(sorted(dimensions.items())))


@dataclass
class Figures:
    """What was measured within a period: enough for every statistic."""

    count: float = 0
    total: float = 0.0
    smallest: float = float("inf")
    largest: float = float("-inf")
    values: Counter[float] | None = field(default_factory=Counter)  # None: known as a set of statistics alone

    @classmethod
    def of(cls, value: float, count: float = 1) -> Figures:
        """Return the figures of one value, measured so often."""
        return cls(count, value * count, value, value, Counter({value: count}))

    @classmethod
    def of_set(cls, count: float, total: float, smallest: float, largest: float) -> Figures:
        """Return the figures of a statistic set; of one whose values are all the same, every percentile is known."""
        if smallest == largest and total == smallest * count:
            return cls.of(smallest, count)
        return cls(count, total, smallest, largest, None)

    def add(self, other: Figures) -> None:
        """Take in what else was measured."""
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)
        if self.values is not None:
            if other.values is None:
                self.values = None
            else:
                self.values.update(other.values)

    def statistic(self, name: str) -> float | None:
        """Return a statistic by AWS's name, `p99.9` for a percentile; None where the figures do not tell.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
        """
        if name.startswith("p"):
            return self._percentile(float(name[1:]))
        return {
            "SampleCount": self.count,
            "Sum": self.total,
            "Minimum": self.smallest,
            "Maximum": self.largest,
            "Average": self.total / self.count if self.count else None,
        }[name]

    def _percentile(self, percent: float) -> float | None:
        """The value that so many percent of the values do not exceed; unknown of a set, or with a negative value."""
        if self.values is None or self.smallest < 0:
            return None
        wanted, passed = self.count * percent / 100, 0.0
        for value in sorted(self.values):
            passed += self.values[value]
            if passed >= wanted:
                return value
        return self.largest


Measured = tuple[Metric, float | Figures, str, float, int]  # with its unit, its moment and its resolution in seconds
_Slots = dict[int, Figures]  # by the second at which a minute, or a second, begins


class Store:
    """All figures, as they are published: a while after they were measured."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Begin without any; `now` tells the time in seconds since 1970."""
        self.now = now
        self._lock = threading.Lock()
        self._pending: deque[tuple[float, Measured]] = deque()
        self._untold: deque[tuple[float, Callable[..., Iterable[Measured]], tuple[Any, ...]]] = deque()
        self._series: dict[Metric, dict[str, _Slots]] = {}

    def record(
        self, metric: Metric, value: float | Figures, unit: str, at: float | None = None, resolution: int = MINUTE
    ) -> None:
        """Take in what was measured, now or at another moment; `resolution` is 1 or 60 seconds."""
        now = self.now()
        self._pending.append((now, (metric, value, unit, now if at is None else at, resolution)))
        if len(self._pending) > _MOST_PENDING:
            self._publish()

    def tell_later(self, figures: Callable[..., Iterable[Measured]], *arguments: Any) -> None:
        """Take in what a function will say of these arguments: who is busy does not stop to say it all."""
        self._untold.append((self.now(), figures, arguments))
        if len(self._untold) > _MOST_PENDING:
            self._publish()

    def _publish(self) -> None:
        """Sort in what is old enough."""
        with self._lock:
            now = self.now()
            latest = now - settings.current().metric_delay_seconds
            while self._untold and self._untold[0][0] <= latest:
                _, figures, arguments = self._untold.popleft()
                for measured in figures(*arguments):
                    self._sort_in(measured, now)
            while self._pending and self._pending[0][0] <= latest:
                self._sort_in(self._pending.popleft()[1], now)

    def _sort_in(self, measured: Measured, now: float) -> None:
        metric, value, unit, at, resolution = measured
        slots = self._series.setdefault(metric, {}).setdefault(unit, {})
        slot = int(at // resolution * resolution)
        figures = value if isinstance(value, Figures) else Figures.of(value)
        if slot in slots:
            slots[slot].add(figures)
        else:
            slots[slot] = figures
            _drop_old(slots, now)

    def periods(self, metric: Metric, begin: int, end: float, period: int, unit: str | None) -> dict[str, _Slots]:
        """Return the published figures from `begin` until before `end`, by unit and by the begin of their period."""
        self._publish()
        found: dict[str, _Slots] = {}
        with self._lock:
            for of_unit, slots in self._series.get(metric, {}).items():
                if unit is not None and of_unit != unit:
                    continue
                for slot in sorted(slots):
                    if begin <= slot < end:
                        start = begin + (slot - begin) // period * period
                        found.setdefault(of_unit, {}).setdefault(start, Figures()).add(slots[slot])
        return found

    def has(self, metric: Metric, slot: int) -> bool:
        """Return whether anything of this minute is known, published or not."""
        with self._lock:
            if any(slot in slots for slots in self._series.get(metric, {}).values()):
                return True
            pending = [measured for _, measured in list(self._pending) if measured[0] == metric]
            return any(int(at // MINUTE * MINUTE) == slot for _, _, _, at, _ in pending)

    def metrics(self, region: str, *, since: float = 0.0) -> Iterator[Metric]:
        """Yield the metrics of a region that have figures since a moment, in the order of their names."""
        self._publish()
        with self._lock:
            held = [
                metric
                for metric, series in self._series.items()
                if metric.region == region and any(slot >= since for slots in series.values() for slot in slots)
            ]
        yield from sorted(held)


def _drop_old(slots: _Slots, now: float) -> None:
    oldest = next(iter(slots))
    if oldest < now - _KEPT_SECONDS:
        del slots[oldest]


_store = Store()


def store() -> Store:
    """Return the figures of this AWS."""
    return _store
