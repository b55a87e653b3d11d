"""A burst: what was sent comes out, and what was seen on the way adds up."""

from datetime import UTC, datetime, timedelta

import pytest

from labkit import LabError, catch_up, draw_burst, draw_cost_of_memory, sample, send_burst
from labkit.insight.burst import Burst, Sample
from labkit.insight.log_lines import Invocation, LogLine

BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def invocation(stream, at_ms, duration_ms, **more):
    return Invocation(
        f"{stream}{at_ms}", stream, BEGAN + timedelta(milliseconds=at_ms), duration_ms=duration_ms, **more
    )


def burst_of(*invocations):
    samples = (Sample(0.1, (3, 4)), Sample(0.5, (0, 0)))
    return Burst(10, BEGAN, 0.2, 0.5, ("One", "Two"), samples, invocations)


def test_invocations_at_the_same_time_are_counted():
    burst = burst_of(invocation("a", 0, 100.0), invocation("a", 200, 100.0), invocation("b", 50, 200.0))
    assert [burst.running_at(seconds) for seconds in (0.0, 0.06, 0.15, 0.22, 0.4)] == [1, 2, 1, 2, 0]
    assert burst.most_at_once == 2


def test_an_environment_does_one_thing_at_a_time_whatever_rounding_makes_of_it():
    assert burst_of(invocation("a", 0, 100.9), invocation("a", 100, 50.0)).most_at_once == 1


def test_cold_and_warm_are_told_apart():
    burst = burst_of(
        invocation("a", 0, 80.0, cold=True, init_ms=400.0, billed_ms=480), invocation("a", 100, 20.0, billed_ms=20)
    )
    assert list(burst.rows()) == [("cold", 1, "400", "80", "480"), ("warm", 1, "-", "20", "20")]


def test_it_says_how_fast_it_went_and_how_many_results_the_logs_do_not_tell_of():
    resized = LogLine(BEGAN, '{"event": "resized"}', "a")
    told = [invocation("a", 100 * number, 50.0, lines=(resized,) * 3) for number in range(7)]
    assert burst_of(*told).sentence().endswith("the last of 20 results was there after 0.5 s: 20.0 photos a second.")
    assert "The log lines of 2 of them have not come yet" in burst_of(*told[:6]).sentence()
    assert "The log lines of 20 of them have not come yet" in burst_of().sentence()


def test_pictures_say_in_words_what_they_show():
    assert "fill to 4 messages" in draw_burst(burst_of(invocation("a", 0, 100.0))).alt
    picture = draw_cost_of_memory(100)
    assert "stays there" in picture.alt
    assert picture.table[0][:2] == (128, "1,382")


@pytest.mark.parametrize("photos", [-1, 0, 1])
def test_one_photo_or_none_is_no_burst(lab, photos):
    with pytest.raises(LabError, match=f"several photos at once: {photos} ") as caught:
        send_burst(lab, sample("HappyFace.jpg"), photos=photos)
    assert caught.value.code == "bad-option"
    assert "photos=2 or more" in caught.value.hint()


@pytest.mark.timeout(120)
def test_every_photo_of_a_burst_comes_out_three_times(new_lab):
    lab = new_lab()
    catch_up(lab, to=4)
    burst = send_burst(lab, sample("HappyFace.jpg"), photos=12)
    assert sum(len(r.photos) for r in burst.invocations) == 36
    assert all(photo["event"] == "resized" for r in burst.invocations for photo in r.photos)
    assert burst.samples[-1].depths == (0, 0, 0)
    assert burst.done_s >= burst.uploaded_s > 0


@pytest.mark.timeout(120)
def test_a_log_line_that_does_not_come_leaves_the_burst_as_it_was_measured(new_lab):
    lab = new_lab()
    catch_up(lab, to=4)

    def lose_one(parsed, **_):
        parsed["events"] = [e for e in parsed.get("events", ()) if "thumbnail/burst-" not in e["message"]]

    lab.client("logs").meta.events.register("after-call.cloudwatch-logs.FilterLogEvents", lose_one)
    burst = send_burst(lab, sample("HappyFace.jpg"), photos=2, log_seconds=0.1)
    assert (burst.results, burst.unlogged) == (6, 2)
    assert "The log lines of 2 of them have not come yet" in burst.sentence()
