"""The pipeline, alive: the map as a page shows it while photos go through, and the same as it came out elsewhere.

The script beside this module (`live.js`) draws; what it draws is in the traits of the widget. The lab is looked at in a
thread of its own, as long as a page shows the widget.
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import display

from labkit.calls import unrecorded
from labkit.errors import LabError
from labkit.insight.facts import STOPPED_HERE, Fact
from labkit.insight.survey import survey
from labkit.insight.trace import trace
from labkit.insight.watch import UNDER_WAY, Passage, View, Watch
from labkit.lab import Lab
from labkit.pictures import MOST_BYTES
from labkit.progress import HEADLESS
from labkit.result import NO_FORMULAS, Result
from labkit.show.cards import part_name
from labkit.show.gallery import gallery
from labkit.show.inbox import PIECE, Inbox
from labkit.show.map import LabMap, draw_as_it_stands, draw_lab, sheet
from labkit.show.picture import Picture
from labkit.show.svg import style
from labkit.steps.validate import read_results, uploaded_photos

BEAT_S = 5  # how often a page says that it is there
MISSED_BEATS = 4  # after so many without a word, nobody is looking
NUDGED_WITHIN_S = 0.25  # how soon a look follows what this kernel itself does to the lab


@dataclass(frozen=True)
class CameOut(Result):
    """The lab as it stands, and what became of the photo that went in last."""

    pieces_of_it: tuple[Result, ...] = field(repr=False)

    def sentence(self) -> str:
        """The sentences of its parts."""
        return " ".join(piece.sentence() for piece in self.pieces_of_it)

    def _text(self) -> str:
        return "\n\n".join(map(str, self.pieces_of_it))

    def _html(self) -> str:
        return "".join(piece._html() for piece in self.pieces_of_it)


@dataclass
class Pipeline:
    """What `watch_pipeline` returns; it shows itself."""

    lab: Lab

    @cached_property
    def came_out(self) -> CameOut:
        """Map, timeline and gallery by now, for where there is no script: printed, headless, sent to somebody."""
        pieces: list[Result] = [draw_lab(survey(self.lab), here="upload")]
        for photo in uploaded_photos(self.lab)[-1:]:
            views: tuple[Callable[[str], Result], ...] = (self._timeline, self._gallery)
            for view in views:
                try:
                    pieces.append(view(photo))
                except LabError as error:  # it has not come so far; and that is what is to be seen
                    pieces.append(Said(error.message))
        return CameOut(tuple(pieces))

    @cached_property
    def widget(self) -> LiveWidget:
        """The widget, made when it is first asked for."""
        return LiveWidget(self.lab)

    def _timeline(self, key: str) -> Picture:
        from labkit.show.timeline import timeline  # here, since only a plot is worth importing matplotlib

        return timeline(trace(self.lab, key))

    def _gallery(self, key: str) -> Picture:
        return gallery(read_results(self.lab, key))

    def _ipython_display_(self) -> None:
        still = self.came_out._repr_mimebundle_()
        if os.environ.get(HEADLESS):
            display(still, raw=True)  # type: ignore[no-untyped-call]
            return
        # It stands open where there is no script, in a copy that is opened without a kernel, say; the script folds it.
        summary = "<summary>As it was when this cell ran</summary>"
        folds = f'<details open class="labkit-still">{summary}{self.came_out._html()}</details>'
        html = f'<div class="{NO_FORMULAS}">{folds}</div>'
        display({**still, "text/html": html}, raw=True)  # type: ignore[no-untyped-call]
        display(self.widget)  # type: ignore[no-untyped-call]
        self.widget.look_on()


@dataclass(frozen=True)
class Said(Result):
    """A sentence that stands where a picture would."""

    words: str

    def sentence(self) -> str:
        """It."""
        return self.words


def watch_pipeline(lab: Lab) -> Pipeline:
    """The map, alive: photos are dropped on its bucket, go from hop to hop, and land as pictures.

    It asks AWS at the pace that it states, and stops a little after its cell is gone from the page.
    """
    return Pipeline(lab)


class LiveWidget(anywidget.AnyWidget):
    """The page's side of it: what is seen goes out as traits, files and beats come in."""

    _esm = Path(__file__).with_name("live.js")
    map = traitlets.Dict().tag(sync=True)  # the forms of the map, the styles of both themes
    seen = traitlets.Dict().tag(sync=True)  # the last look: depths, counts, photos with their facts and results
    littles = traitlets.Dict().tag(sync=True)  # little pictures, by what they are of
    files: traitlets.List[Any] = traitlets.List().tag(sync=True)  # what is on its way from the page, or was refused
    trouble = traitlets.Unicode().tag(sync=True)  # why the lab cannot be looked at
    pace = traitlets.Unicode().tag(sync=True)
    piece = traitlets.Int(PIECE).tag(sync=True)  # bytes of a file in one message
    most = traitlets.Int(MOST_BYTES).tag(sync=True)  # bytes of a file of which anything is sent
    beat_s = traitlets.Int(BEAT_S).tag(sync=True)
    beat = traitlets.Int().tag(sync=True)  # counted up by the page

    def __init__(self, lab: Lab) -> None:
        """Look once: what is in the bucket by now is no news."""
        super().__init__()
        self.lab, self.watch, self.pulse = lab, Watch(lab), Pulse()
        self.pace = self.watch.pace.sentence()
        self.inbox = Inbox(lab, expect=self.watch.expect, changed=self._files_changed)
        self.map = as_traits(draw_as_it_stands(survey(lab)))
        self._nudge = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped: tuple[tuple[str, str], ...] = ()
        self.look()
        self.on_msg(self._heard)

    def look(self) -> None:
        """Look at the lab once, and tell the page; where the lab cannot be looked at, tell that."""
        try:
            with unrecorded():
                view = self.watch.look()
                self._redraw(view)
        except LabError as error:
            self.trouble = error.message
            return
        self.trouble = ""
        self.littles = littles_of(view)
        self.seen = as_data(view)

    def look_on(self) -> None:
        """Look again and again from now on, until no page shows it any more."""
        self.pulse.begin()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look_on, daemon=True, name="labkit-watch")
            self._thread.start()

    def stop(self) -> None:
        """Stop looking, and wait until that is so."""
        self.pulse.stop()
        self._nudge.set()
        if self._thread is not None:
            self._thread.join()

    @traitlets.observe("beat")
    def _beaten(self, _: Any) -> None:
        self.pulse.heard()
        self.look_on()

    def _look_on(self) -> None:
        calls = self.lab.connection.calls
        while not self.pulse.lost:
            before = calls.total
            self.look()
            self._pause(self.watch.pace.busy_s if self.seen.get("busy") else self.watch.pace.idle_s, before)

    def _pause(self, seconds: float, before: int) -> None:
        """Wait so long or, while nothing is under way, until this kernel has called AWS since it had so many calls."""
        calls = self.lab.connection.calls
        shortest = self.watch.pace.busy_s  # a cell that calls AWS without end is looked at no more often
        nudged = self._nudge.wait(min(seconds, shortest))
        seconds -= shortest
        while seconds > 0 and not nudged and calls.total == before:
            nudged = self._nudge.wait(min(seconds, NUDGED_WITHIN_S))
            seconds -= NUDGED_WITHIN_S
        self._nudge.clear()

    def _redraw(self, view: View) -> None:
        """Draw the map anew where photos have come to their end, well or not."""
        ended = tuple((passage.key, passage.state) for passage in view.passages if passage.state != UNDER_WAY)
        if ended != self._stopped:
            self._stopped = ended
            self.map = as_traits(draw_as_it_stands(survey(self.lab)))

    def _heard(self, _: Any, message: Mapping[str, Any], buffers: list[memoryview]) -> None:
        self.inbox.take(message, buffers)
        if message.get("kind") == "piece":
            self.send({"kind": "taken", "id": message["id"]})

    def _files_changed(self) -> None:
        self.files = self.inbox.files()
        self._nudge.set()


class Pulse:
    """Whether anybody looks: a page beats. While the kernel works on a cell it hears nothing, and misses nothing."""

    def __init__(self) -> None:
        self._missed = 0
        self._counting: asyncio.Task[None] | None = None

    @property
    def lost(self) -> bool:
        """Whether no page has said anything for a while."""
        return self._missed >= MISSED_BEATS

    def begin(self) -> None:
        """Count what is missed from now on, in the kernel's own loop; a script has none, and misses nothing."""
        self._missed = 0
        if self._counting is None:
            try:
                self._counting = asyncio.get_running_loop().create_task(self._count())
            except RuntimeError:
                return

    def heard(self) -> None:
        """The page is there."""
        self._missed = 0

    def stop(self) -> None:
        """As if the page were gone."""
        self._missed = MISSED_BEATS

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._missed += 1


def as_traits(drawn: LabMap) -> dict[str, Any]:
    """The map as the script wants it: each form with its shapes and the places of its parts, and both styles."""
    return {
        "title": drawn.title,
        "alt": drawn.alt,
        "styles": {theme: style(theme) for theme in ("light", "dark")},
        "forms": [
            {"width": form.width, "height": form.height, "shapes": sheet(form).shapes, "places": form.places}
            for form in drawn.forms
        ],
    }


def as_data(view: View) -> dict[str, Any]:
    """What was seen, as plain data."""
    return {
        "depths": {
            name: {"waiting": queue.waiting + queue.delayed, "in_flight": queue.in_flight, "dead": dead.total}
            for name, (queue, dead) in view.depths.items()
        },
        "photos": view.photos,
        "results": dict(view.results),
        "busy": view.busy,
        "passages": [_passage(passage) for passage in view.passages],
    }


def littles_of(view: View) -> dict[str, str]:
    """The little pictures of photos and results, by what they are of, as addresses that hold them."""
    all_of_them = {_name(passage): passage.little for passage in view.passages} | {
        f"{_name(passage)} {landed.branch}": landed.little for passage in view.passages for landed in passage.results
    }
    return {
        name: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for name, data in all_of_them.items() if data
    }


def _passage(passage: Passage) -> dict[str, Any]:
    results = [{"branch": one.branch, "key": one.key, "size": one.size} for one in passage.results]
    facts = [_fact(fact) for fact in passage.facts]
    return {"id": _name(passage), "key": passage.key, "state": passage.state, "facts": facts, "results": results}


def _fact(fact: Fact) -> dict[str, Any]:
    part, timed = part_name(fact.part, fact.branch), fact.short != STOPPED_HERE
    words = {"said": fact.said, "short": fact.short, "told": fact.sentence() if timed else fact.said}
    return {"part": part, "branch": fact.branch, "ms": fact.ms, "bad": fact.bad, "timed": timed, **words}


def _name(passage: Passage) -> str:
    return f"{passage.key} {passage.stored.isoformat()}"
