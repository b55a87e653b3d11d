"""The first cell of each numbered notebook: the lab opened, the earlier steps done, and where one is, on one strip."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from labkit.insight.survey import FAILING, MADE, MISSING, Part, Survey, survey
from labkit.lab import Lab, open_lab
from labkit.resources import Snapshot
from labkit.result import NO_FORMULAS, html_prose, html_table, html_text
from labkit.show.map import LabMap, draw_lab
from labkit.show.svg import Pen, style, xml_text
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
WIDTH, BOX, HEIGHT, GAP = 960, 34, 112, 8  # px


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
    def svg(self) -> str:
        """The strip: the steps, and under them the way of a photo with "you are here"."""
        pen = Pen()
        self._draw_steps(pen)
        self._draw_way(pen)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}"><title>{xml_text(self.alt)}</title><style>{style()}</style>'
            f'<rect width="100%" height="100%" class="sheet"/>{pen.drawn()}</svg>'
        )

    def _draw_steps(self, pen: Pen) -> None:
        width = (WIDTH - 2 - GAP * (len(TITLES) - 1)) / len(TITLES)
        signs = {"done": "✓ ", "begun": "… ", "here": "▶ ", "to come": ""}
        for n, (title, state) in enumerate(self.ribbon()):
            x = 1 + n * (width + GAP)
            pen.box(x, 1, width, BOX - 8, "lit" if state == "here" else "card")
            pen.box(x, 1, width, BOX - 8, "frame line" + ("" if state in ("done", "here") else " dashed"))
            pen.words(x + 8, 18, signs[state] + title, "label")

    def _draw_way(self, pen: Pen) -> None:
        width = (WIDTH - 2 - 24 * (len(WAY) - 1)) / len(WAY)
        services = ("s3", "sns", "sqs", "lambda", "s3")
        for n, (name, state, here) in enumerate(self._way()):
            x, y = 1 + n * (width + 24), BOX + 14
            pen.box(x, y, width, 46, "lit" if here else "card")
            pen.box(x, y, width, 46, f"frame {services[n]}" + (" dashed" if state == "missing" else ""))
            pen.words(x + 10, y + 19, name, f"{services[n]}-words")
            pen.words(x + 10, y + 36, f"{state}{', you are here' if here else ''}", "detail", room=width - 18)
            if n:
                pen.arrow(((x - 23, y + 23), (x - 2, y + 23)), "line")

    def strip(self) -> str:
        """The strip as an image."""
        image = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<img class="dark-light" src="data:image/svg+xml;base64,{image}" alt="{html_text(self.alt)}" '
            f'width="{WIDTH}" height="{HEIGHT}" style="max-width:100%;height:auto">'
        )

    def _html(self) -> str:
        where = html_table(("step", "state"), self.ribbon()) + html_table(super().headers(), super().rows())
        return (
            f"<p>{html_prose(self.sentence())}</p>{self.strip()}"
            f"<details><summary>The whole map, and where it runs</summary>{self.map._html()}{where}</details>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002
        return {"text/plain": str(self), "text/html": f'<div class="{NO_FORMULAS}">{self._html()}</div>'}


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
