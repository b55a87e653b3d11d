"""Charts of CloudWatch's figures: whose they are is said, and a table says the same."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from labkit import draw_dashboard, monitor
from labkit.insight.metrics import Metrics, Series
from labkit.show.plot import minutes_along

MINUTE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # in which the logs of the fixture begin
BEGIN, END = MINUTE - timedelta(minutes=5), MINUTE + timedelta(minutes=2)


@pytest.fixture
def metrics():
    """What CloudWatch has of one function and its queues: three invocations two minutes before, one of them failed."""
    before = MINUTE - timedelta(minutes=2)
    told = {
        ("CreateThumbnail", "Invocations", "Sum"): {before: 3.0},
        ("CreateThumbnail", "Errors", "Sum"): {before: 1.0},
        ("CreateThumbnail", "Duration", "Minimum"): {before: 10.0},
        ("CreateThumbnail", "Duration", "Average"): {before: 20.0},
        ("CreateThumbnail", "Duration", "Maximum"): {before: 40.0},
        ("thumbnail-queue", "NumberOfMessagesSent", "Sum"): {before: 3.0},
        ("thumbnail-dead-letter-queue", "NumberOfMessagesSent", "Sum"): {},
        ("thumbnail-dead-letter-queue", "ApproximateNumberOfMessagesVisible", "Maximum"): {before: 0.0, MINUTE: 1.0},
    }
    return Metrics("image-lab-abcde", BEGIN, END, tuple(Series(*of, values) for of, values in told.items()))


def test_monitor_plots_what_cloudwatch_knows_and_fills_in_from_the_log_lines(metrics, logs_of):
    picture = monitor([logs_of("CreateThumbnail", good=2)], metrics)
    assert [row[1:] for row in picture.table] == [
        (f"{MINUTE - timedelta(minutes=2):%H:%M}", 3, 1, "10", "20", "40", "CloudWatch"),
        (f"{MINUTE:%H:%M}", 2, 0, "10", "15", "20", "log lines"),
    ]
    assert "as in the console's Monitor tab" in picture.caption
    assert "Hollow: from the log lines, since CloudWatch does not have the minute yet." in picture.caption
    assert "CreateThumbnail: 5 invocations, 1 errors" in picture.alt


def test_figures_are_counted(metrics):
    assert metrics.sentence().startswith("CloudWatch has figures in 7 of 8 series from ")


def test_what_cloudwatch_knows_is_not_counted_twice(metrics, logs_of):
    known = {("CreateThumbnail", "Invocations", "Sum"): {MINUTE: 2.0}}
    one = Metrics(metrics.lab_id, BEGIN, END, tuple(Series(*of, values) for of, values in known.items()))
    picture = monitor([logs_of("CreateThumbnail", good=2)], one)
    assert [row[-1] for row in picture.table] == ["CloudWatch"]
    assert "Hollow" not in picture.caption


def test_without_cloudwatch_all_is_from_the_log_lines(logs_of):
    nothing = Metrics("image-lab-abcde", BEGIN, END, (), "what answers has no CloudWatch (501)")
    assert nothing.sentence() == "There are no figures here: what answers has no CloudWatch (501)."
    assert monitor(logs_of(), nothing).caption == monitor(logs_of()).caption


def test_the_dashboard_is_one_svg_with_a_table(metrics):
    picture = draw_dashboard(metrics)
    (image,) = picture.images
    assert (image.mime, b"<svg" in image.data) == ("image/svg+xml", True)
    assert ("Dead letters (Maximum)", "thumbnail-dead-letter-queue", "1", "1") in picture.table
    assert "Invocations (Sum), CreateThumbnail: at most 3" in image.alt


@pytest.mark.parametrize("minutes", [3, 15, 61, 180, 300, 1440])
def test_the_marks_of_a_time_axis_have_room_however_long_it_is(minutes):
    figure = Figure(figsize=(10.4, 2.9), layout="constrained")
    axes = figure.subplots(1, 3)[0]
    minutes_along(axes)
    axes.set_xlim(END - timedelta(minutes=minutes), END)
    FigureCanvasAgg(figure).draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) > 1
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
