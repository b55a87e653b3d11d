"""The first cell of each numbered notebook: the lab opened, the earlier steps done, and where one is, on one strip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from labkit.insight.survey import FAILING, MADE, MISSING, Part, Survey, survey
from labkit.lab import Lab, open_lab
from labkit.resources import Snapshot
from labkit.result import NO_FORMULAS, html_prose, html_table
from labkit.show.forms import Sheet, as_image, in_one_file
from labkit.show.map import LabMap, draw_lab
from labkit.show.svg import LEADING, Pen, wrap
from labkit.steps.catch_up import STEPS, catch_up

TITLES = ("check", "topic", "queues", "notification", "functions", "upload", "validate", "clean up")
# Where on the map each step is, and which parts it makes; the last two make nothing.
PLACES = (None, "topic", "queues", "notification", "functions", "upload", "results", None)
MAKES: dict[int, tuple[str, ...]] = {
    1: ("topic",),
    2: ("queue", "queue policy", "dead-letter queue", "subscription"),
    3: ("bucket", "topic policy", "event notification"),
    4: ("function", "trigger", "role"),
    5: ("ingest folder", "results"),
}
# The short way of a photo: what stands there, and in which steps one is there.
WAY = (("S3 bucket", (3, 5)), ("SNS topic", (1,)), ("SQS queues", (2,)), ("Lambda functions", (4,)), ("results", (6,)))
KINDS = ("bucket", "topic", "queue", "function", "results")  # of the same places
SERVICES = ("s3", "sns", "sqs", "lambda", "s3")  # which they belong to
SIGNS = {"done": "✓ ", "begun": "… ", "here": "▶ ", "to come": ""}
# The strip in three forms, in px: its width, how many steps stand side by side, and how long an arrow of the way is; of
# a telephone's form, where the places stand below each other, there is none.
FORMS = ((960, 8, 24), (680, 4, 16), (360, 3, 0))
STEP, LINE, GAP = 34, 26, 8  # px: of a step with the gap below it, of a box with one line, between steps


@dataclass(frozen=True)
class Begun(Lab):
    """A lab at one step of the story: it shows where one is, and is used like any other."""

    step: int = 0
    found: Survey | None = field(default=None, repr=False, compare=False)
    made: str = ""  # what catch_up had to do

    def sentence(self) -> str:
        """Where it runs, and what had to be made first."""
        at = self.connection
        return " ".join(filter(None, (super().sentence(), f"Account {at.account}, region {at.region}.", self.made)))

    def ribbon(self) -> tuple[tuple[str, str], ...]:
        """Each step's title, and `done`, `begun`, `here` or `to come`."""
        return tuple((f"{n} {title}", self._state(n)) for n, title in enumerate(TITLES))

    def _state(self, step: int) -> str:
        if step == self.step:
            return "here"
        parts = [part for part in self._parts() if part.kind in MAKES.get(step, ())]
        states = {part.state for part in parts}
        if step == 0 or (parts and MISSING not in states):
            return "done"
        return "begun" if parts and states != {MISSING} else "to come"

    def _parts(self) -> Iterable[Part]:
        return self.found.parts if self.found else ()

    def _text(self) -> str:
        said = "\n".join(f"{title:<14}  {state}" for title, state in self.ribbon())
        return f"{super()._text()}\n\n{said}"

    @property
    def map(self) -> LabMap:
        """The whole map, with the place of this step lit up."""
        return draw_lab(self.found or survey(self), here=PLACES[self.step])

    @property
    def alt(self) -> str:
        """The strip in words."""
        steps = ", ".join(f"{title} ({state})" for title, state in self.ribbon())
        return f"The steps: {steps}. The way of a photo: {', '.join(f'{n} ({s})' for n, s, _ in self._way())}."

    def _way(self) -> Iterable[tuple[str, str, bool]]:
        """Each place of a photo's way, its state, and whether one is there."""
        for (name, steps), kind in zip(WAY, KINDS, strict=True):
            states = [part.state for part in self._parts() if part.kind == kind]
            made = sum(state == MADE for state in states)
            if FAILING in states:
                state = "FAILING"
            elif made == len(states):
                state = "made"
            else:
                state = f"{made} of {len(states)} made" if made else "missing"
            yield name, state, self.step in steps

    @property
    def sheets(self) -> list[Sheet]:
        """The strip in its forms: the steps, and under them the way of a photo with "you are here"."""
        return [self._sheet(*form) for form in FORMS]

    @property
    def svg(self) -> str:
        """All forms in one file."""
        return in_one_file(self.sheets, f"The lab {self.definition.lab_id}: where you are", self.alt)

    def _sheet(self, width: int, in_a_row: int, arrow: int) -> Sheet:
        pen = Pen()
        top = self._draw_steps(pen, width, in_a_row) + 14
        end = self._draw_way(pen, width, arrow, top) if arrow else self._draw_way_down(pen, width, top)
        return Sheet(width, end + 2, f'<rect width="100%" height="100%" class="sheet"/>{pen.drawn()}')

    def _draw_steps(self, pen: Pen, full: int, in_a_row: int) -> float:
        """The steps in rows; return where they end."""
        width = (full - 2 - GAP * (in_a_row - 1)) / in_a_row
        for n, (title, state) in enumerate(self.ribbon()):
            x, y = 1 + n % in_a_row * (width + GAP), 1 + n // in_a_row * STEP
            pen.box(x, y, width, LINE, "lit" if state == "here" else "card")
            pen.box(x, y, width, LINE, "frame line" + ("" if state in ("done", "here") else " dashed"))
            pen.words(x + 6, y + 17, SIGNS[state] + title, "label", room=width - 8)
        return -(-len(TITLES) // in_a_row) * STEP

    def _draw_way(self, pen: Pen, full: int, arrow: int, y: float) -> float:
        """The places side by side, their states below their names; return where they end."""
        width = (full - 2 - arrow * (len(WAY) - 1)) / len(WAY)
        words = [list(_lines(*place, room=width - 12)) for place in self._way()]
        height = max(map(len, words)) * LEADING + 14
        for n, (_, state, here) in enumerate(self._way()):
            x = 1 + n * (width + arrow)
            _draw_place(pen, (x, y, width, height), SERVICES[n], state, here)
            for number, (line, css) in enumerate(words[n], 1):
                pen.words(x + 8, y + 3 + number * LEADING, line, css or f"{SERVICES[n]}-words")
            if n:
                pen.arrow(((x - arrow + 1, y + height / 2), (x - 2, y + height / 2)), "line")
        return y + height

    def _draw_way_down(self, pen: Pen, full: int, y: float) -> float:
        """The places below each other, their states beside their names; return where they end."""
        for n, (name, state, here) in enumerate(self._way()):
            if n:
                pen.arrow(((30, y), (30, y + 14)), "line")
                y += 16
            _draw_place(pen, (1, y, full - 2, LINE), SERVICES[n], state, here)
            pen.words(9, y + 17, name, f"{SERVICES[n]}-words")
            pen.words(140, y + 17, _said(state, here), "detail")
            y += LINE
        return y

    def strip(self) -> str:
        """The strip as an image."""
        return as_image(self.svg, self.sheets, self.alt)

    def _html(self) -> str:
        where = html_table(("step", "state"), self.ribbon()) + html_table(super().headers(), super().rows())
        return (
            f"<p>{html_prose(self.sentence())}</p>{self.strip()}"
            f"<details><summary>The whole map, and where it runs</summary>{self.map._html()}{where}</details>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002
        return {"text/plain": str(self), "text/html": f'<div class="{NO_FORMULAS}">{self._html()}</div>'}


def _said(state: str, here: bool) -> str:
    return f"{state}, you are here" if here else state


def _lines(name: str, state: str, here: bool, *, room: float) -> Iterator[tuple[str, str]]:
    """What stands in a place, line by line: the name, which has a class of its own, and the state."""
    yield from ((line, "") for line in wrap(name, room, "label"))
    yield from ((line, "detail") for line in wrap(_said(state, here), room, "detail"))


def _draw_place(pen: Pen, place: tuple[float, float, float, float], service: str, state: str, here: bool) -> None:
    pen.box(*place, "lit" if here else "card")
    pen.box(*place, f"frame {service}" + (" dashed" if state == "missing" else ""))


def begin(
    step: int,
    where: str | None = None,
    account: str | int | None = None,
    profile: str | None = None,
    region: str | None = None,
    prefix: str | int | None = None,
) -> Begun:
    """Open the lab at a step of the story: what the earlier steps make is made if it is missing.

    The options are those of `open_lab`. Step 7 makes nothing: it is there to delete. Raises LabError.
    """
    lab = open_lab(where, account=account, profile=profile, region=region, prefix=prefix)
    before, snapshot = step - 1, Snapshot(lab)
    caught = catch_up(lab, to=before, snapshot=snapshot) if before in STEPS else None
    made = caught.sentence() if caught and caught.new else ""
    found = survey(lab, None if made else snapshot)
    return Begun(lab.definition, lab.connection, lab.journal, lab.workspace, step, found, made)
