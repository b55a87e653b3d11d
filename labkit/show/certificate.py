"""The end of the story on one sheet: what was built, learnt and cleaned up, with the finished map, as one SVG."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from labkit.exercises.score import Score, score
from labkit.insight.survey import MADE, Survey
from labkit.lab import PLACES_IN_WORDS, Lab
from labkit.result import Result, counted, html_table, html_text
from labkit.show.forms import Sheet, svg_file
from labkit.show.map import draw_as_it_stands, sheet
from labkit.show.svg import LEADING, Pen, wrap
from labkit.steps.clean_up import Receipt

MARGIN, TOP = 24, 140  # px; the map lies below what is written


@dataclass(frozen=True)
class Certificate(Result):
    """Who built what, when and where; `svg` is the sheet."""

    lab_id: str
    day: date
    where: str
    built: int
    parts: int
    score: Score
    receipt: Receipt | None  # None: not cleaned up yet
    svg: str = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """What the sheet says below its title."""
        gone = "Cleaned up: not yet."
        if self.receipt is not None:
            deleted = counted(len(self.receipt.deleted), "thing")
            gone = f"Cleaned up: {deleted} deleted, {len(self.receipt.left)} left."
        built = f"Built: {self.built} of {self.parts} parts of the lab {self.lab_id}, on {self.where}, {self.day}."
        return (built, f"Learnt: {self.score.sentence()}", gone)

    def sentence(self) -> str:
        """All of it in words."""
        return " ".join(self.lines)

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a fact."""
        yield "built", f"{self.built} of {self.parts} parts"
        yield "exercises", f"{len(self.score.solved)} of {self.score.exercises}"
        yield "predictions right", f"{self.score.predicted_right} of {self.score.predicted}"
        yield "questions right", f"{self.score.answered_right} of {self.score.answered}"
        yield "left in AWS", "not cleaned up yet" if self.receipt is None else len(self.receipt.left)

    def save(self, path: str | Path) -> Path:
        """Write the sheet into a file, to be kept or printed."""
        Path(path).write_text(self.svg, "utf-8")
        return Path(path)

    def _text(self) -> str:
        return f"[Picture: A certificate.]\n{super()._text()}"

    def _html(self) -> str:
        image = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<img class="dark-light" src="data:image/svg+xml;base64,{image}" style="max-width:100%;height:auto" '
            f'alt="{html_text("A certificate. " + self.sentence())}"><p>{html_text(self.sentence())}</p>'
            f"<details><summary>The same as a table</summary>{html_table(self.headers(), self.rows())}</details>"
        )


def certificate(lab: Lab, finished: Survey, receipt: Receipt | None = None) -> Certificate:
    """The certificate of a lab: as it stood when it was finished, by a survey, and as clean-up left it.

    What was learnt is in the lab's journal. Asks AWS nothing.
    """
    of_map = draw_as_it_stands(finished)
    form = of_map.forms[0]
    facts = Certificate(
        lab.definition.lab_id,
        datetime.now().astimezone().date(),
        PLACES_IN_WORDS[lab.definition.where],
        len(finished.in_state(MADE)),
        len(finished.parts),
        score(lab),
        receipt,
        "",
    )
    pen = Pen()
    pen.box(4, 4, form.width - 8, TOP + form.height - 8, "frame line", radius=10)
    who = lab.definition.prefix.rstrip("-")
    pen.words(MARGIN, 44, f"Serverless Image Processing Lab{f': {who}' if who else ''}", "title")
    y = 72
    for line in facts.lines:
        for words in wrap(line, form.width - 2 * MARGIN, "label"):
            pen.words(MARGIN, y, words, "label")
            y += LEADING
        y += 6
    drawn = sheet(form)
    full = Sheet(
        form.width,
        TOP + form.height,
        f'<rect width="100%" height="100%" class="sheet"/><svg y="{TOP}" {drawn.size}>{drawn.shapes}</svg>'
        f"{pen.drawn()}",
    )
    svg = svg_file(full.size, f"Certificate of {facts.lab_id}", facts.sentence(), "", full.shapes)
    return replace(facts, svg=svg)
