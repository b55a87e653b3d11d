"""When an alarm changes its state, by a clock of the test's own.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import pytest
from account import until

from labkit.embedded_aws import metrics, settings
from labkit.embedded_aws.metrics import Figures, Store, metric
from labkit.embedded_aws.services import cloudwatch_clock
from labkit.embedded_aws.services.cloudwatch_alarms import ALARM, INSUFFICIENT_DATA, OK, Alarm, decide, evaluate_due
from labkit.embedded_aws.services.sqs_queue import Queue

RETAINED = None
MEANING = {"0": False, "X": True, "-": None}
# The tables of the page: data points, then the state where they are missing, ignored, breaching, not breaching.
ALL_OF_THREE = [
    ("0-X-X", OK, OK, OK, OK),
    ("----0", OK, OK, OK, OK),
    ("-----", INSUFFICIENT_DATA, RETAINED, ALARM, OK),
    ("0XX-X", ALARM, ALARM, ALARM, ALARM),
    ("--X--", ALARM, RETAINED, ALARM, OK),
]
TWO_OF_THREE = [
    ("0-X-X", ALARM, ALARM, ALARM, ALARM),
    ("00X0X", ALARM, ALARM, ALARM, ALARM),
    ("0-X--", OK, OK, ALARM, OK),
    ("----0", OK, OK, ALARM, OK),
    ("---X-", ALARM, RETAINED, ALARM, OK),
]
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
CASES = [
    (points, needed, treatment, state)
    for needed, table in ((3, ALL_OF_THREE), (2, TWO_OF_THREE))
    for points, *states in table
    for treatment, state in zip(TREATMENTS, states, strict=True)
]


@pytest.mark.parametrize(("points", "needed", "treatment", "state"), CASES)
def test_missing_data_as_in_aws_s_tables(points, needed, treatment, state):
    assert decide([MEANING[point] for point in points], 3, needed, treatment) == state


@pytest.mark.parametrize("points", ["----X", "---X-"])
def test_an_alarm_does_not_go_off_before_its_time(points):
    """The same page, "Avoiding premature transitions to alarm state": three of three."""
    assert decide([MEANING[point] for point in points], 3, 3, "missing") is RETAINED


class Clock:
    """The time, as the test sets it."""

    def __init__(self):
        self.now = 1_800_000_000.0  # a whole minute

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A store of figures of the test's own; what is recorded is published at once."""
    clock = Clock()
    monkeypatch.setattr(metrics, "_store", Store(clock))
    monkeypatch.setattr(settings, "_current", settings.Settings(metric_delay_seconds=0))
    return clock


def alarm(**changes):
    asked = {
        "MetricName": "m", "Namespace": "Mine", "Statistic": "Maximum", "Dimensions": [], "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }  # fmt: skip
    return Alarm("alarm", "us-east-1", asked | changes, 0.0)


def record(value, at, name="m", **more):
    metrics.store().record(metric("us-east-1", "Mine", name, {}), value, "Count", at, **more)


def test_an_alarm_goes_off_and_back_in_aws_s_words(clock):
    one, minute = alarm(), int(clock.now)
    evaluate_due([one], minute)
    assert (one.state, one.reason) == (
        OK,
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[NonBreaching].",
    )
    record(2, minute)
    evaluate_due([one], minute + 60)
    assert (one.state, one.reason) == (
        ALARM,
        "Threshold Crossed: 1 out of the last 1 datapoints [2.0 (15/01/27 08:00:00)] was greater than or equal to the "
        "threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition).",
    )
    record(0, minute + 60)
    evaluate_due([one], minute + 120)
    assert (one.state, one.reason) == (
        OK,
        "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (15/01/27 08:01:00)] was not greater than or equal to "
        "the threshold (1.0) (minimum 1 datapoint for ALARM -> OK transition).",
    )
    kinds = [item.summary for item in one.history if item.kind == "StateUpdate"]
    assert kinds == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
    ]


def test_without_any_data_an_alarm_does_not_know(clock):
    one = alarm(TreatMissingData="missing")
    one.state = OK
    evaluate_due([one], int(clock.now))
    assert (one.state, one.reason) == (INSUFFICIENT_DATA, "Insufficient Data: 1 datapoint was unknown.")


def test_a_period_under_way_does_not_count(clock):
    """alarm-evaluation.html: evaluated at the end of each minute."""
    one, minute = alarm(), int(clock.now)
    record(2, minute)
    evaluate_due([one], minute)
    assert one.state == OK


def test_a_long_period_slides_by_the_minute(clock):
    """alarm-evaluation.html: at the end of minute 6 the minutes 2 to 6 count."""
    one, minute = alarm(Period=300, Statistic="Sum", Threshold=5), int(clock.now)
    for number in range(6):
        record(1, minute + number * 60)
    evaluate_due([one], minute + 240)
    assert one.state == OK, "four of them"
    evaluate_due([one], minute + 360)
    assert one.state == ALARM, "minutes 2 to 6: five"


def test_a_standard_alarm_looks_each_minute_and_a_short_one_every_ten_seconds(clock):
    """alarm-evaluation.html, "High-resolution alarms"."""
    standard, short, minute = alarm(), alarm(Period=10), int(clock.now)
    record(2, minute, resolution=1)
    evaluate_due([standard, short], minute + 10)
    assert (standard.state, short.state) == (INSUFFICIENT_DATA, ALARM)


def test_an_alarm_on_an_expression(clock):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html"""
    queries = [
        {"Id": name, "MetricStat": {"Metric": {"Namespace": "Mine", "MetricName": name}, "Period": 60, "Stat": "Sum"},
         "ReturnData": False}
        for name in ("errors", "all")
    ]  # fmt: skip
    rate = {"Id": "rate", "Expression": "100 * errors / all", "ReturnData": True}
    one, minute = alarm(Metrics=[*queries, rate], Threshold=50), int(clock.now)
    record(1, minute, "errors")
    record(2, minute, "all")
    evaluate_due([one], minute + 60)
    assert one.state == ALARM


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [6]),
        ("GreaterThanOrEqualToThreshold", [5, 6]),
        ("LessThanThreshold", [4]),
        ("LessThanOrEqualToThreshold", [4, 5]),
    ],
)
def test_every_comparison(clock, comparison, breaching):
    minute = int(clock.now)
    for value in (4, 5, 6):
        one = alarm(ComparisonOperator=comparison, Threshold=5, MetricName=f"m{value}")
        record(value, minute, f"m{value}")
        evaluate_due([one], minute + 60)
        assert (one.state == ALARM) == (value in breaching)


class TestQueues:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""

    @pytest.fixture
    def told(self, clock, monkeypatch):
        def measured(queue):
            cloudwatch_clock._measure(queue, int(clock.now))
            found = {}
            for held in metrics.store().metrics("us-east-1"):
                (unit, slots), *_ = metrics.store().periods(held, 0, clock.now + 60, 60, None).items()
                found[held.name] = (slots[max(slots)].largest, unit)
            return found

        return measured

    def test_an_empty_queue_tells_noughts(self, told):
        found = told(Queue("q", "us-east-1", "123456789012"))
        assert set(found) == {
            "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible", "NumberOfEmptyReceives", "NumberOfMessagesDeleted",
            "NumberOfMessagesReceived", "NumberOfMessagesSent",
        }  # fmt: skip
        assert {value for value, _ in found.values()} == {0}
        assert found["ApproximateAgeOfOldestMessage"][1] == "Seconds"

    def test_lengths_and_the_age_of_the_oldest(self, told, monkeypatch):
        from moto.sqs.models import Message

        queue = Queue("q", "us-east-1", "123456789012")
        for number in range(3):
            message = Message(str(number), "x")
            message.mark_sent()
            queue.add_message(message)
        queue.receive(1, 0, 30)
        message.__dict__["came"] -= 90_000
        found = told(queue)
        assert found["ApproximateNumberOfMessagesVisible"] == (2, "Count")
        assert found["ApproximateNumberOfMessagesNotVisible"] == (1, "Count")
        assert found["ApproximateAgeOfOldestMessage"] == (90, "Seconds")


def test_figures_are_published_after_the_delay(clock, monkeypatch):
    monkeypatch.setattr(settings, "_current", settings.Settings(metric_delay_seconds=90))
    record(1, clock.now)
    one = metric("us-east-1", "Mine", "m", {})
    assert metrics.store().periods(one, 0, clock.now + 60, 60, None) == {}
    clock.now += 90
    (slots,) = metrics.store().periods(one, 0, clock.now + 60, 60, None).values()
    assert [figures.total for figures in slots.values()] == [1]


def test_figures_are_forgotten_after_fifteen_days(clock):
    """cloudwatch_concepts.html#metrics-retention: data of one minute."""
    begin, one = int(clock.now), metric("us-east-1", "Mine", "m", {})
    for day in range(17):
        clock.now = begin + day * 86_400
        record(1, clock.now)
    (slots,) = metrics.store().periods(one, 0, clock.now + 60, 60, None).values()
    assert len(slots) <= 16


@pytest.mark.parametrize(("percent", "expected"), [("p0", 1), ("p50", 50), ("p99", 99), ("p99.5", 100), ("p100", 100)])
def test_percentiles(percent, expected):
    """Statistics-definitions.html"""
    figures = Figures()
    for value in range(1, 101):
        figures.add(Figures.of(value))
    assert figures.statistic(percent) == expected


def test_of_a_set_whose_values_are_the_same_every_percentile_is_known():
    """cloudwatch_concepts.html#Percentiles"""
    assert Figures.of_set(3, 12, 4, 4).statistic("p90") == 4
    assert Figures.of_set(3, 12, 3, 5).statistic("p90") is None


@pytest.mark.slow
def test_a_dead_letter_sets_off_an_alarm_unasked(aws):
    """The whole way, by the server's own clock: a message in a queue, at the end of the minute its alarm."""
    url, arn = aws.queue()
    name, queue = aws.name("alarm"), [{"Name": "QueueName", "Value": arn.rsplit(":", 1)[1]}]
    asked = alarm().configuration | {"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible"}
    aws.cloudwatch.put_metric_alarm(AlarmName=name, **asked | {"Dimensions": queue})
    aws.sqs.send_message(QueueUrl=url, MessageBody="dead")

    def state():
        return aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    until(lambda: state() == "ALARM", 70)
    aws.receive(url)
    until(lambda: state() == "OK", 70)
