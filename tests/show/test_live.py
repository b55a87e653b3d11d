"""The pipeline, alive, without a page: what the widget tells and takes, when it stops, and what stands without it."""

import asyncio

import pytest

from labkit import catch_up, clean_up, sample, upload_photo, wait_for_results, watch_pipeline
from labkit.progress import HEADLESS
from labkit.show import live
from labkit.show.inbox import PIECE, REFUSED, Inbox
from labkit.waiting import wait_until

FRIENDS = sample("friends.jpg").read_bytes()


@pytest.fixture
def piped(new_lab):
    """A lab with steps 1 to 4 done."""
    lab = new_lab()
    catch_up(lab, to=4)
    return lab


@pytest.fixture
def inbox(piped):
    """An inbox, and what it expects."""
    expected = {}
    inbox = Inbox(piped, expect=expected.__setitem__, changed=lambda: None)
    yield inbox, expected
    inbox.close()


def hand_over(inbox, name, data, *, id_="1"):
    inbox.take({"kind": "begin", "id": id_, "name": name, "size": len(data)}, [])
    for start in range(0, len(data), PIECE):
        inbox.take({"kind": "piece", "id": id_}, [memoryview(data)[start : start + PIECE]])


def refusal(inbox):
    return wait_until(
        lambda: next((file for file in inbox.files() if file["state"] == REFUSED), None), what="a refusal", seconds=30
    )


def is_in(lab, name):
    bucket = lab.definition.bucket_name
    return "Contents" in lab.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"ingest/{name}")


class TestAFileFromThePage:
    def test_goes_in_under_its_name_with_its_folder_and_is_expected(self, piped, inbox):
        box, expected = inbox
        hand_over(box, "trip/day one.jpg", FRIENDS)
        wait_until(lambda: not box.files(), what="the upload", seconds=30)
        assert is_in(piped, "trip/day one.jpg")
        assert expected["ingest/trip/day one.jpg"].startswith(b"\xff\xd8")

    @pytest.mark.parametrize("name", ["holiday.png", "holiday.jpeg", "holiday.JPG"])
    def test_that_would_raise_no_event_is_answered_with_the_name_that_would(self, piped, inbox, name):
        box, _ = inbox
        hand_over(box, name, FRIENDS)
        answer = refusal(box)
        assert "raise no event" in answer["said"]
        assert answer["advice"] == {"label": "upload it as holiday.jpg", "name": "holiday.jpg"}
        box.take({"kind": "advice", "id": "1"}, [])
        wait_until(lambda: not box.files(), what="the upload", seconds=30)
        assert is_in(piped, "holiday.jpg")
        assert not is_in(piped, name)

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (FRIENDS[:90_000], "cut off or corrupt"),
            (b"GIF89a" + bytes(40), "is a GIF: the functions read JPEG, PNG or WebP"),
            (b"", "is empty"),
        ],
        ids=["torn", "foreign", "empty"],
    )
    def test_that_no_function_could_read_is_answered_in_place(self, piped, inbox, data, said):
        box, _ = inbox
        hand_over(box, "wrong.jpg", data)
        answer = refusal(box)
        assert said in answer["said"]
        assert answer["advice"] == {"label": "choose another file", "name": ""}
        assert not is_in(piped, "wrong.jpg")
        box.take({"kind": "read", "id": "1"}, [])
        assert box.files() == []

    def test_that_is_too_large_is_refused_before_any_of_it_is_sent(self, inbox):
        box, _ = inbox
        box.take({"kind": "begin", "id": "1", "name": "huge.jpg", "size": 70_000_000}, [])
        assert refusal(box)["said"] == "huge.jpg has 70,000,000 bytes; the functions take 67,108,864."

    def test_of_which_nothing_is_known_is_left_alone(self, inbox):
        box, _ = inbox
        box.take({"kind": "piece", "id": "of a kernel that was restarted"}, [b"data"])
        assert box.files() == []


class TestTheWidget:
    def test_tells_a_photos_way_its_results_and_its_pictures(self, piped):
        widget = live.LiveWidget(piped)
        upload = upload_photo(piped, sample("friends.jpg"))

        def through():
            widget.look()
            passages = widget.seen["passages"]
            return passages and passages[0]["state"] == "through" and passages[0]

        passage = wait_until(through, what="the photo", seconds=60)
        assert sorted(result["key"] for result in passage["results"]) == sorted(upload.expected)
        assert len(widget.littles) == 1 + len(piped.branches)
        assert all(little.startswith("data:image/jpeg;base64,") for little in widget.littles.values())
        places = widget.map["forms"][0]["places"]
        assert {fact["part"] for fact in passage["facts"]} <= set(places)

    def test_looks_on_leave_no_trace_among_the_calls_of_a_person(self, piped):
        widget = live.LiveWidget(piped)
        before = piped.connection.calls.total
        widget.look()
        assert piped.connection.calls.total == before

    def test_says_why_it_cannot_look(self, piped, monkeypatch):
        widget = live.LiveWidget(piped)

        def refuse():
            raise live.LabError("The embedded AWS is gone.")

        monkeypatch.setattr(widget.watch, "look", refuse)
        widget.look()
        assert widget.trouble == "The embedded AWS is gone."

    def test_looks_at_once_when_this_kernel_has_done_something(self, piped):
        widget = live.LiveWidget(piped)
        widget.watch.pace = live.Watch(piped).pace.__class__(0.2, 3600, 6)
        widget.look_on()
        upload_photo(piped, sample("AWS.jpg"))
        wait_until(lambda: widget.seen["photos"] == 1, what="the photo", seconds=30)
        widget.stop()

    def test_stops_when_no_page_beats_any_more_and_goes_on_when_one_does(self, piped, monkeypatch):
        monkeypatch.setattr(live, "BEAT_S", 0.02)
        widget = live.LiveWidget(piped)

        async def page():
            widget.look_on()
            while not widget.pulse.lost:
                await asyncio.sleep(0.01)
            widget._nudge.set()
            thread = widget._thread
            await asyncio.to_thread(thread.join)
            widget.beat += 1
            assert not widget.pulse.lost
            assert widget._thread is not thread
            widget.stop()

        asyncio.run(page())


class TestWithoutAScript:
    def test_map_timeline_and_gallery_stand_as_they_came_out(self, built_lab, monkeypatch, capsys):
        monkeypatch.setenv(HEADLESS, "1")
        shown = []
        monkeypatch.setattr(live, "display", lambda what, **_: shown.append(what))
        watch_pipeline(built_lab)._ipython_display_()
        (bundle,) = shown
        assert bundle["text/html"].count("<img") >= 2 + len(built_lab.branches)  # map, timeline, and the pictures
        assert "The lab as a map" in bundle["text/plain"]

    def test_before_any_photo_the_map_stands_alone(self, piped):
        (only,) = watch_pipeline(piped).came_out.pieces_of_it
        assert "You are here: upload." in only.sentence()

    def test_what_has_not_come_is_said_in_its_place(self, piped):
        wait_for_results(piped, upload_photo(piped, sample("AWS.jpg")))
        clean_up(piped)
        _, *others = watch_pipeline(piped).came_out.pieces_of_it
        assert others == []
