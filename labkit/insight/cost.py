"""What the lab has used, what that would cost, and what it costs a day to leave it running and forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

from labkit.errors import aws_errors
from labkit.insight.logs import read_logs
from labkit.insight.prices import Prices, prices
from labkit.lab import Lab
from labkit.resources import AgeAlarm, DeadLetterAlarm, Trigger
from labkit.resources.alarm import UNAVAILABLE, AnyAlarm
from labkit.resources.bucket import bucket_of
from labkit.result import Result, plain
from labkit.settings import INGEST_FOLDER

# Each of the five connections that an idle trigger keeps asks with a 20 s long poll: 15 receives a minute.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
IDLE_RECEIVES_PER_MINUTE = 15
MINUTES_PER_DAY = 24 * 60
SECONDS_PER_HOUR = 3600
DAYS_PER_MONTH = 30
# Lambda's share of a processor grows with memory, up to one whole one at this size (more for those who use several).
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MB_FOR_A_PROCESSOR = 1769
RECEIVE_AND_DELETE = 2  # SQS requests for a message that goes well; what SNS sends to SQS is not charged


@dataclass(frozen=True)
class Line:
    """One line of the bill: how much of what, at which price, and how it was counted."""

    item: str
    quantity: float
    unit: str
    usd: float
    counted: str


@dataclass(frozen=True)
class Cost(Result):
    """The bill of a lab: what was used, and what each day costs from here on."""

    lab_id: str
    used: tuple[Line, ...]
    idle: tuple[Line, ...]
    prices: Prices
    free_of_charge: bool  # on an emulator nobody sends a bill

    @property
    def used_usd(self) -> float:
        """US dollars for what was used, free tiers not taken off."""
        return sum(line.usd for line in self.used)

    @property
    def idle_usd_per_day(self) -> float:
        """US dollars a day for a lab that does nothing, free tiers not taken off."""
        return sum(line.usd for line in self.idle)

    def sentence(self) -> str:
        would = "would have cost on AWS" if self.free_of_charge else "has cost"
        return (
            f"What {self.lab_id} has done so far {would} {dollars(self.used_usd)}; left alone it costs "
            f"{dollars(self.idle_usd_per_day)} a day ({dollars(30 * self.idle_usd_per_day)} in 30 days). Prices of "
            f"{self.prices.region} as of {self.prices.as_of}, free tiers not taken off."
        )

    def headers(self) -> Sequence[str]:
        return ("what", "how much", "US dollars", "how it is counted")

    def rows(self) -> Iterable[Sequence[object]]:
        for line in self.used:
            yield line.item, _quantity(line), f"{line.usd:.8f}", line.counted
        for line in self.idle:
            yield f"each day: {line.item}", _quantity(line), f"{line.usd:.8f}", line.counted

    def as_data(self) -> dict[str, Any]:
        """The sums in US dollars, their lines, and whose prices of which day they are."""
        return {
            "lab": self.lab_id,
            "used_usd": self.used_usd,
            "idle_usd_per_day": self.idle_usd_per_day,
            "free_of_charge": self.free_of_charge,
            "prices": {"region": self.prices.region, "as_of": self.prices.as_of},
            "used": plain(self.used),
            "idle_per_day": plain(self.idle),
        }


def dollars(usd: float) -> str:
    """`$0.0259`: small sums keep four digits that count, instead of a row of zeros."""
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.01 else f"${Decimal(f'{usd:.2g}'):f}"


def _quantity(line: Line) -> str:
    number = f"{line.quantity:,.0f}" if line.quantity == int(line.quantity) else f"{line.quantity:,.4f}"
    return f"{number} {line.unit}"


@aws_errors("working out the cost")
def cost(lab: Lab) -> Cost:
    """What this lab has used since it was made, from its logs, its bucket and the age of its triggers.

    Changes nothing. The logs are kept for a day, so that older invocations are not in it. Raises LabError.
    """
    table = prices()

    def line(item: str, quantity: float, counted: str) -> Line:
        price = table[item]
        return Line(item, quantity, price.unit, price.of(quantity), counted)

    invocations = [r for branch in lab.branches for r in read_logs(lab, branch.name) if r.finished]
    gb_s = sum((r.billed_ms or 0) / 1000 * (r.memory_mb or 0) / 1024 for r in invocations)
    log_bytes = sum(len(log_line.text.encode()) for r in invocations for log_line in r.lines)
    resized = sum(photo["event"] == "resized" for r in invocations for photo in r.photos)
    photos, stored_bytes = _stored(lab)
    found = [mapping for trigger in Trigger.of(lab) if (mapping := trigger.read())]
    polled, triggers = _minutes_polled(found) * IDLE_RECEIVES_PER_MINUTE, len(found)
    alarms = _alarms(lab)
    stood = _months_stood(alarms)
    used = (
        line("Lambda requests", len(invocations), "REPORT lines in the logs"),
        line(f"Lambda time {lab.target.architecture}", gb_s, "billed duration x memory size, of each REPORT line"),
        line("SNS publishes", photos, "one for each photo under ingest/; what it sends on to SQS is free"),
        line("SQS requests", RECEIVE_AND_DELETE * len(invocations), "a receive and a delete for each invocation"),
        line("SQS requests", round(polled), f"idle polling: {IDLE_RECEIVES_PER_MINUTE} receives a minute a trigger"),
        line("S3 PUT", photos + resized, "one for each photo, one for each result"),
        line("S3 GET", resized, "each function fetches the photo"),
        line("S3 storage", stored_bytes / 1e9 / DAYS_PER_MONTH, "what lies in the bucket, for one day"),
        line("CloudWatch Logs", log_bytes / 1e9, "the bytes of the functions' lines"),
        line("CloudWatch alarms", stood, "each alarm, since it was made or changed"),
    )
    per_day = triggers * IDLE_RECEIVES_PER_MINUTE * MINUTES_PER_DAY
    idle = (
        line("SQS requests", per_day, f"{triggers} triggers that poll day and night, until they are deleted"),
        line("S3 storage", stored_bytes / 1e9 / DAYS_PER_MONTH, "what lies in the bucket"),
        line("CloudWatch alarms", len(alarms) / DAYS_PER_MONTH, "each alarm"),
    )
    return Cost(lab.definition.lab_id, used, idle, table, free_of_charge=lab.connection.where != "aws")


def _stored(lab: Lab) -> tuple[int, int]:
    """How many photos lie under ingest/, and how many bytes in the whole bucket."""
    items = bucket_of(lab).objects()
    photos = [item for item in items if item["Key"].startswith(INGEST_FOLDER) and not item["Key"].endswith("/")]
    return len(photos), sum(item["Size"] for item in items)


def _minutes_polled(triggers: Sequence[Mapping[str, Any]]) -> float:
    """Minutes since each trigger was last switched on, all together."""
    changed = [trigger["LastModified"] for trigger in triggers if trigger["State"] == "Enabled"]
    return float(sum(max(0.0, (datetime.now(UTC) - moment).total_seconds() / 60) for moment in changed))


def _alarms(lab: Lab) -> list[Mapping[str, Any]]:
    """What AWS has of the lab's alarms."""
    alarms: list[AnyAlarm] = [*DeadLetterAlarm.of(lab), *AgeAlarm.of(lab)]
    return [found for alarm in alarms if (found := alarm.read()) and UNAVAILABLE not in found]


def _months_stood(alarms: Sequence[Mapping[str, Any]]) -> float:
    """Months since each alarm was made or changed last, all together; AWS bills by the hour."""
    moments = [alarm["AlarmConfigurationUpdatedTimestamp"] for alarm in alarms]
    hours: int = sum(ceil((datetime.now(UTC) - moment).total_seconds() / SECONDS_PER_HOUR) for moment in moments)
    return hours / 24 / DAYS_PER_MONTH


@dataclass(frozen=True)
class PhotosCost(Result):
    """What so many photos cost, from upload to results, with its parts."""

    photos: int
    parts: tuple[tuple[str, float], ...]  # item, US dollars
    assumed: str

    @property
    def usd(self) -> float:
        """US dollars, all parts together."""
        return sum(usd for _, usd in self.parts)

    def sentence(self) -> str:
        return f"{self.photos:,} photos cost {dollars(self.usd)} ({self.assumed})."

    def headers(self) -> Sequence[str]:
        return ("part", "US dollars", "share")

    def rows(self) -> Iterable[Sequence[object]]:
        for item, usd in self.parts:
            yield item, f"{usd:,.2f}", f"{usd / self.usd:.0%}"
        yield "together", f"{self.usd:,.2f}", "100%"


def cost_of_photos(
    photos: int, *, billed_ms: float, memory_mb: int, functions: int = 3, architecture: str = "x86_64"
) -> PhotosCost:
    """What so many photos cost if each function is billed `billed_ms` a photo at `memory_mb`; idle time left out."""
    table, invocations = prices(), photos * functions
    gb_s = invocations * billed_ms / 1000 * memory_mb / 1024
    parts = (
        ("S3 PUT", table["S3 PUT"].of(photos + invocations)),
        ("S3 GET", table["S3 GET"].of(invocations)),
        ("SNS publishes", table["SNS publishes"].of(photos)),
        ("SQS requests", table["SQS requests"].of(RECEIVE_AND_DELETE * invocations)),
        ("Lambda requests", table["Lambda requests"].of(invocations)),
        ("Lambda time", table[f"Lambda time {architecture}"].of(gb_s)),
    )
    assumed = f"{functions} functions, {billed_ms:.0f} ms billed at {memory_mb} MB each, {architecture}, {table.as_of}"
    return PhotosCost(photos, parts, assumed)


def lambda_ms(cpu_ms: float, memory_mb: int) -> float:
    """How long work that needs `cpu_ms` of a whole processor takes at a memory size, in ms; waiting is left out."""
    return cpu_ms * max(1.0, MB_FOR_A_PROCESSOR / memory_mb)


@dataclass(frozen=True)
class Comparison(Result):
    """Lambda against a computer that runs day and night."""

    instance: str
    lambda_usd_per_photo: float
    instance_usd_per_day: float
    instance_photos_per_day: float

    @property
    def break_even_per_day(self) -> float:
        """Photos a day from which the instance is the cheaper one, if it can do so many."""
        return self.instance_usd_per_day / self.lambda_usd_per_photo

    def sentence(self) -> str:
        if self.break_even_per_day > self.instance_photos_per_day:
            most = f"{self.instance_photos_per_day:,.0f}"
            return f"Lambda is the cheaper one for any number up to the {most} photos a day that one instance can do."
        return (
            f"Up to {self.break_even_per_day:,.0f} photos a day Lambda is the cheaper one; beyond that the instance "
            f"is, up to the {self.instance_photos_per_day:,.0f} that it can do."
        )

    def headers(self) -> Sequence[str]:
        return ("photos a day", "Lambda, US dollars a day", f"{self.instance}, US dollars a day")

    def rows(self) -> Iterable[Sequence[object]]:
        """From a handful of photos to more than one instance can do."""
        for photos in (10, 1_000, 10_000, 100_000, 1_000_000):
            instances = -(-photos // int(self.instance_photos_per_day))
            yield (
                f"{photos:,}",
                f"{photos * self.lambda_usd_per_photo:,.4f}",
                (
                    f"{instances * self.instance_usd_per_day:,.4f}"
                    + (f" ({instances} of them)" if instances > 1 else "")
                ),
            )


def compare_with_instance(
    *, cpu_ms: float, memory_mb: int, functions: int = 3, cpus: int = 2, busy: float = 0.5
) -> Comparison:
    """Lambda's share of the bill against an EC2 m7g.large (two processors) that polls the queues itself.

    `cpu_ms` is what one function needs of a whole processor for one photo. Assumed: the instance's processors are busy
    for the share `busy` of the day at most (photos do not come evenly), nobody is paid to look after it, and S3, SNS
    and SQS cost the same either way.
    """
    table, billed_ms = prices(), lambda_ms(cpu_ms, memory_mb)
    whole = dict(cost_of_photos(1, billed_ms=billed_ms, memory_mb=memory_mb, functions=functions).parts)
    return Comparison(
        "m7g.large",
        whole["Lambda requests"] + whole["Lambda time"],
        table["EC2 m7g.large"].of(24),
        cpus * busy * 24 * SECONDS_PER_HOUR * 1000 / (cpu_ms * functions),
    )
