"""Controls do what their line of code says, and a text stands there even where no widget can be."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.insight.log_lines import LogLine, parse_log
from labkit.insight.logs import FunctionLogs
from labkit.progress import HEADLESS
from labkit.result import Result
from labkit.samples import sample
from labkit.show.controls import (
    Follower,
    choose_photo,
    pick_fault,
    pick_memory,
    send_event_again,
    view_logs,
    watch_queues,
)


@dataclass(frozen=True)
class Done(Result):
    what: str

    def sentence(self):
        return f"done: {self.what}"


def find(widget, description):
    """The widget with that description, anywhere inside."""
    if getattr(widget, "description", None) == description:
        return widget
    found = (find(child, description) for child in getattr(widget, "children", ()))
    return next((one for one in found if one is not None), None)


def texts(widget):
    """All HTML and output inside."""
    own = getattr(widget, "value", "") if type(widget).__name__ == "HTML" else ""
    outputs = "".join(o["data"]["text/html"] for o in getattr(widget, "outputs", ()))
    return own + outputs + "".join(map(texts, getattr(widget, "children", ())))


def test_a_chosen_sample_is_uploaded_as_its_line_of_code_says(tmp_path):
    uploaded = []
    control = choose_photo(lambda path: uploaded.append(path) or Done(path.name), tmp_path / "my-photos")
    find(control.live.widget, "photo").value = str(sample("MonaLisa.jpg"))
    assert "upload_photo(lab, sample(&#x27;MonaLisa.jpg&#x27;))" in texts(control.live.widget)
    find(control.live.widget, "upload").click()
    assert uploaded == [sample("MonaLisa.jpg")]
    assert "done: MonaLisa.jpg" in texts(control.live.widget)


def test_a_place_that_is_picked_is_named():
    named = []
    control = pick_fault(
        lambda *what: named.append(what) or Done(" of ".join(what)), ["topic", "trigger"], ["Ann", "Bob"]
    )
    assert control.code == 'name_fault(lab, "trigger", "Ann")'
    find(control.live.widget, "this is it").click()
    find(control.live.widget, "place").value = "trigger"
    find(control.live.widget, "of").value = "Bob"
    find(control.live.widget, "this is it").click()
    assert named == [("topic", ""), ("trigger", "Bob")]
    assert "done: trigger of Bob" in texts(control.live.widget)


def test_a_file_from_the_computer_is_kept_and_uploaded(tmp_path):
    uploaded = []
    control = choose_photo(lambda path: uploaded.append(path.read_bytes()) or Done("own"), tmp_path / "my-photos")
    find(control.live.widget, "from your computer").value = (
        {
            "name": "../cat.jpg",
            "type": "image/jpeg",
            "size": 3,
            "content": memoryview(b"cat"),
            "last_modified": datetime.now(UTC),
        },
    )
    find(control.live.widget, "upload").click()
    assert uploaded == [b"cat"]
    assert [path.name for path in (tmp_path / "my-photos").iterdir()] == ["cat.jpg"]
    assert not (tmp_path / "cat.jpg").exists()


def test_a_file_dropped_into_the_folder_can_be_chosen(tmp_path):
    control = choose_photo(lambda path: Done(path.name), tmp_path)
    (tmp_path / "dog.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    find(control.live.widget, "look again").click()
    names = [name for name, _ in find(control.live.widget, "photo").options]
    assert f"{tmp_path.name}/dog.jpg" in names
    assert not any("notes" in name for name in names)


def test_a_refusal_is_shown_and_the_button_can_be_pressed_again(tmp_path):
    def refuse(path: Path) -> Result:
        raise LabError("no bucket", hint="make one")

    control = choose_photo(refuse, tmp_path)
    find(control.live.widget, "upload").click()
    assert "no bucket" in texts(control.live.widget)
    assert "make one" in texts(control.live.widget)
    assert find(control.live.widget, "upload").disabled is False


def test_the_same_event_is_sent_again():
    sent = []
    control = send_event_again(lambda: sent.append(1) or Done("again"), "ingest/AWS.jpg")
    find(control.live.widget, "send the same event again").click()
    assert sent == [1]
    assert "send_again(lab, &quot;ingest/AWS.jpg&quot;)" in texts(control.live.widget)
    assert "done: again" in texts(control.live.widget)


def test_memory_is_changed_for_the_function_picked():
    changed = []
    control = pick_memory(
        lambda name, mb: changed.append((name, mb)) or Done(name), ["CreateThumbnail", "CreateWebImage"]
    )
    find(control.live.widget, "function").value = "CreateWebImage"
    find(control.live.widget, "memory MB").value = 1024
    assert "configure_function(lab, &quot;CreateWebImage&quot;, MemorySize=1024)" in texts(control.live.widget)
    find(control.live.widget, "change").click()
    assert changed == [("CreateWebImage", 1024)]


def test_queues_are_followed_until_the_toggle_is_off():
    asked, fifth = [], threading.Event()

    def read():
        asked.append(1)
        if len(asked) >= 5:
            fifth.set()
        return Done(f"asked {len(asked)}")

    control = watch_queues(read)
    assert "done: asked 2" in texts(control.live.widget)
    control.live.follower._every = 0.001
    control.live.follower.toggle.value = True
    assert fifth.wait(10)
    control.live.follower.stop()
    seen = len(asked)
    assert f"done: asked {seen}" in texts(control.live.widget)
    assert control.live.follower.toggle.value is False


def test_following_ends_by_itself():
    done = []
    follower = Follower(lambda: done.append(1), every_s=0.001, most_s=0.003)
    follower.toggle.value = True
    follower._thread.join(10)
    assert len(done) == 3
    assert follower.toggle.value is False


def test_following_ends_with_a_refusal():
    def refuse():
        raise LabError("the queue is gone")

    follower = Follower(refuse)
    follower.toggle.value = True
    follower._thread.join(10)
    assert follower.toggle.description == "stopped: the queue is gone"
    assert follower.toggle.value is False


def logs_of(function):
    texts_of = [
        "START RequestId: r1 Version: $LATEST",
        f"hello from {function}",
        "END RequestId: r1",
        "REPORT RequestId: r1\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t",
    ]
    lines = tuple(LogLine(datetime(2026, 11, 23, tzinfo=UTC), text, "stream-a") for text in texts_of)
    return FunctionLogs(function, f"/aws/lambda/{function}", ("stream-a",), parse_log(lines), lines)


def test_logs_are_read_by_function_and_text():
    control = view_logs(logs_of, ["CreateThumbnail", "CreateWebImage"])
    assert "hello from CreateThumbnail" in texts(control.live.widget)
    find(control.live.widget, "function").value = "CreateWebImage"
    assert "hello from CreateWebImage" in texts(control.live.widget)
    find(control.live.widget, "text").value = "nobody wrote this"
    assert "hello from" not in texts(control.live.widget)
    assert "read_logs(lab, &quot;CreateWebImage&quot;).select(text=&#x27;nobody wrote this&#x27;)" in texts(
        control.live.widget
    )


def test_the_static_table_is_there_with_the_line_of_code():
    bundle = view_logs(logs_of, ["CreateThumbnail", "CreateWebImage"]).bundle()
    for kind in ("text/plain", "text/html"):
        assert "CreateWebImage was invoked once" in bundle[kind]
        assert "read_logs(lab" in bundle[kind]


@pytest.mark.parametrize(("headless", "shown"), [("1", 1), ("", 2)])
def test_a_headless_run_shows_the_text_alone(monkeypatch, headless, shown):
    displayed = []
    monkeypatch.setenv(HEADLESS, headless)
    monkeypatch.setattr("labkit.show.controls.display", lambda *args, **_: displayed.append(args))
    control = send_event_again(lambda: Done("again"), "ingest/AWS.jpg")
    control._ipython_display_()
    assert len(displayed) == shown
    assert ("live" in vars(control)) is not bool(headless)
    assert "send_again(lab" in displayed[0][0]["text/plain"]
