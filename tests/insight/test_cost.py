"""The bill: each line can be worked out by hand, and says how it was counted."""

import pytest

from labkit import catch_up, clean_up, cost, last_photo, wait_for_logs
from labkit.insight.cost import IDLE_RECEIVES_PER_MINUTE, compare_with_instance, cost_of_photos, dollars, lambda_ms
from labkit.insight.prices import prices


def test_every_price_has_a_date_and_a_source():
    table = prices()
    assert table.as_of == "2026-11-23"
    assert table.region == "us-east-1"
    assert all(price.source.startswith("https://aws.amazon.com/") for price in table.items.values())
    assert "as of 2026-11-23" in table.sentence()


@pytest.mark.parametrize(
    ("item", "quantity", "usd"),
    [
        ("Lambda requests", 1_000_000, 0.20),
        ("Lambda time x86_64", 400_000, 6.66668),
        ("Lambda time arm64", 400_000, 5.33336),
        ("SQS requests", 1_944_000, 0.7776),
        ("SNS publishes", 2_000_000, 1.00),
        ("S3 PUT", 4_000, 0.02),
        ("S3 GET", 3_000, 0.0012),
    ],
)
def test_prices_by_hand(item, quantity, usd):
    assert prices()[item].of(quantity) == pytest.approx(usd)


def test_an_idle_lab_polls_and_watches_for_four_cents_and_a_half_a_day(built_lab):
    bill = cost(built_lab)
    polling = next(line for line in bill.idle if line.item == "SQS requests")
    assert polling.quantity == 3 * IDLE_RECEIVES_PER_MINUTE * 24 * 60 == 64_800
    assert polling.usd == pytest.approx(0.02592)
    alarms = next(line for line in bill.idle if line.item == "CloudWatch alarms")
    assert (alarms.quantity, alarms.usd) == (pytest.approx(6 / 30), pytest.approx(0.02))
    assert "$0.0459 a day" in bill.sentence()
    assert "free tiers not taken off" in bill.sentence()


def test_what_was_used_is_counted_from_logs_and_bucket(lab):
    catch_up(lab, to=5)
    for branch in lab.branches:
        wait_for_logs(lab, branch.name, key=last_photo(lab))
    bill = cost(lab)
    used = {(line.item, line.counted.split()[0]): line.quantity for line in bill.used}
    assert used["SNS publishes", "one"] == 1
    assert used["S3 PUT", "one"] == 1 + 3
    assert used["S3 GET", "each"] == 3
    assert used["Lambda requests", "REPORT"] >= 3
    assert bill.used_usd == pytest.approx(sum(line.usd for line in bill.used))
    assert all(line.counted for line in (*bill.used, *bill.idle))
    assert "would have cost on AWS" in bill.sentence()


def test_a_lab_that_is_not_there_costs_nothing(lab):
    clean_up(lab)
    bill = cost(lab)
    assert bill.used_usd == bill.idle_usd_per_day == 0


def test_a_million_photos():
    bill = cost_of_photos(1_000_000, billed_ms=200, memory_mb=512)
    assert dict(bill.parts)["S3 PUT"] == pytest.approx(4_000_000 * 0.005 / 1000)
    assert dict(bill.parts)["Lambda time"] == pytest.approx(3_000_000 * 0.2 * 0.5 * 0.0000166667)
    assert bill.usd == pytest.approx(29.70, abs=0.01)


def test_memory_buys_processor_until_there_is_a_whole_one():
    assert lambda_ms(100, 1769) == lambda_ms(100, 3000) == 100
    assert lambda_ms(100, 1769 // 2) == pytest.approx(200, rel=0.01)
    half, whole, double = (
        cost_of_photos(1, billed_ms=lambda_ms(100, mb), memory_mb=mb).usd for mb in (884, 1768, 3536)
    )
    assert half == pytest.approx(whole, rel=0.01)
    assert double > whole


def test_an_instance_pays_from_so_many_photos_a_day():
    comparison = compare_with_instance(cpu_ms=200, memory_mb=512)
    assert comparison.instance_usd_per_day == pytest.approx(24 * 0.0816)
    assert comparison.instance_photos_per_day == pytest.approx(2 * 0.5 * 86_400 / 0.6)
    at_break_even = comparison.break_even_per_day * comparison.lambda_usd_per_photo
    assert at_break_even == pytest.approx(comparison.instance_usd_per_day)
    assert comparison.sentence().startswith("Up to ")


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (12.345, "$12.35"), (0.02592, "$0.0259"), (3.6e-5, "$0.000036")]
)
def test_small_sums_keep_digits_that_count(usd, text):
    assert dollars(usd) == text
