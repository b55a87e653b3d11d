"""The trailer: in half a minute what the story takes an hour for, in a lab that is thrown away. It costs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import ipywidgets as widgets  # type: ignore[import-untyped]
from IPython.display import display

from labkit import pictures
from labkit.errors import LabError
from labkit.insight.survey import survey
from labkit.lab import Lab, open_throwaway_lab
from labkit.progress import HEADLESS
from labkit.result import html_text
from labkit.samples import sample
from labkit.settings import FUNCTIONS
from labkit.show.begin import Begun
from labkit.show.gallery import gallery
from labkit.show.picture import Picture, Shown
from labkit.steps.catch_up import catch_up
from labkit.steps.clean_up import clean_up
from labkit.steps.upload import upload_photo, wait_for_results
from labkit.steps.validate import read_results

PREFIX = "trailer-"  # of the throwaway lab: it stands beside the student's own
PHOTO = "MonaLisa.jpg"
STAGES = (
    (1, "A topic: one address for the news that a photo has arrived."),
    (2, "Three queues, each of which gets a copy of every message."),
    (3, "A bucket that tells the topic when a photo is put into it."),
    (4, "Three functions that make the photo smaller. They run only when a message waits."),
)
GOING = "The photo goes in now. Nobody calls a function."
PURPOSE = "In an hour you will have built this. See it in half a minute, in a lab that is thrown away afterwards."
CODE = "play_trailer(lab)"
SCALE = 0.08  # of the pixels, so that all four pictures stand in one row, and on the first screen


@dataclass
class Trailer:
    """What `trailer` returns: a picture of what goes in and comes out, and a button where one can be pressed."""

    lab: Lab

    @cached_property
    def picture(self) -> Picture:
        """The photo and the sizes that it comes out in, drawn here: nothing has run yet."""
        path = sample(PHOTO)
        whole = pictures.upright(path.read_bytes(), path.name)
        sizes = [("goes in", whole.size)]
        sizes += [(f"comes out in {one.folder}", one.result_size(*whole.size)) for one in FUNCTIONS]
        shown = []
        for words, (width, height) in sizes:
            small = whole.resize((max(1, round(width * SCALE)), max(1, round(height * SCALE))))
            pixels = f"{width} x {height} pixels"
            alt, caption = f"{path.name} {words}: {pixels}", f"{words}\n{pixels}"
            shown.append(Shown(pictures.as_jpeg(small), "image/jpeg", alt, small.width, caption))
        table = tuple((words, f"{width} x {height}") for words, (width, height) in sizes)
        return Picture(f"{PURPOSE} In code: {CODE}", tuple(shown), ("what", "pixels"), table)

    @cached_property
    def widget(self) -> widgets.VBox:
        """The button, and what is seen once it is pressed."""
        press, seen = widgets.Button(description="show me", button_style="primary"), widgets.HTML()

        def pressed(_: object) -> None:
            press.disabled = True
            try:
                seen.value = str(play_trailer(self.lab, lambda html: setattr(seen, "value", html))._html())
            except LabError as error:
                seen.value = f"<pre>{html_text(error)}</pre>"
            finally:
                press.disabled = False

        press.on_click(pressed)
        return widgets.VBox([press, seen])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:  # noqa: ARG002
        return self.picture._repr_mimebundle_()

    def _ipython_display_(self) -> None:
        display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]
        if not os.environ.get(HEADLESS):
            display(self.widget)  # type: ignore[no-untyped-call]


def trailer(lab: Lab) -> Trailer:
    """A picture of what the story comes to, and a button that plays it, see `play_trailer`."""
    return Trailer(lab)


def play_trailer(lab: Lab, tell: Callable[[str], None] | None = None) -> Picture:
    """Build a whole lab step by step, put a photo through it, show what comes out, and take all of it away.

    It always runs on the embedded AWS of the lab's workspace, wherever the lab itself is. `tell` is given each stage as
    HTML; without it, the cell's output shows it. Raises LabError; the throwaway lab is taken away all the same.
    """
    tell = tell or _below_the_cell()
    throwaway = open_throwaway_lab(lab.workspace, PREFIX)
    try:
        for step, words in STAGES:
            tell(_stage(throwaway, step, words))
            catch_up(throwaway, to=step)
        tell(_stage(throwaway, 5, GOING))
        upload = upload_photo(throwaway, sample(PHOTO))
        arrival = wait_for_results(throwaway, upload)
        came_out = gallery(read_results(throwaway, upload.key))
        tell(came_out._html())
    finally:
        clean_up(throwaway)
    said = f"{arrival.sentence()} The whole lab is gone again; yours begins with the next notebook."
    return Picture(said, came_out.images, came_out.columns, came_out.table)


def _stage(lab: Lab, step: int, words: str) -> str:
    """The strip with the step that is being built, and what that is in words."""
    begun = Begun(lab.definition, lab.connection, lab.journal, lab.workspace, step, survey(lab))
    return f"<p>{html_text(words)}</p>{begun.strip()}"


def _below_the_cell() -> Callable[[str], None]:
    """What shows each stage in the place of the one before."""
    if os.environ.get(HEADLESS):
        return lambda _: None
    shown = display({"text/html": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    if shown is None:  # a script: there is no page
        return lambda _: None
    return lambda html: shown.update({"text/html": html}, raw=True)
