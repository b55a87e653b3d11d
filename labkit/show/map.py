"""The map of the lab: every part under its real name, drawn as it stands, with "you are here", as one SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkit.insight.survey import Part, Survey
from labkit.result import Result, html_table, html_text
from labkit.show.cards import FAILING, MADE, MISSING, Form, Scene, forms
from labkit.show.forms import Sheet, as_image, in_one_file, svg_file
from labkit.show.replay import NOTHING, Overlay

MOST_CHANGES = 6  # named in the caption; the table has them all

# What is lit up for each step of the story; a function's name lights up its own branch alone.
PLACES: Mapping[str, tuple[str, ...]] = {
    "topic": ("topic", "topic policy"),
    "queues": ("subscription", "queue policy", "queue", "redrive", "dead-letter queue"),
    "notification": ("bucket", "event notification", "topic policy"),
    "functions": ("trigger", "function", "role"),
    "upload": ("ingest folder",),
    "results": ("logs", "results"),
}

# State and trouble of each part, by kind and branch, as the last map of each lab showed them.
_last_seen: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}


@dataclass(frozen=True)
class LabMap(Result):
    """The map in its forms (the widest first, the one for a telephone last), in words, and as a table."""

    forms: tuple[Form, ...] = field(repr=False)
    title: str
    alt: str
    caption: str
    columns: tuple[str, ...]
    table: tuple[tuple[object, ...], ...]

    @property
    def sheets(self) -> list[Sheet]:
        """Each form, drawn."""
        return [sheet(form) for form in self.forms]

    @property
    def svg(self) -> str:
        """All forms in one file, which fills whatever place it is given."""
        return in_one_file(self.sheets, self.title, self.alt)

    def save(self, path: Path, *, tall: bool = False, over: Overlay = NOTHING) -> Path:
        """Write one of the forms into a file, to be shown anywhere as a picture, with what moves over it."""
        drawn = self.sheets[-1 if tall else 0]
        path.write_text(svg_file(drawn.size, self.title, self.alt, over.style, drawn.shapes + over.shapes), "utf-8")
        return path

    def sentence(self) -> str:
        """The caption."""
        return self.caption

    def headers(self) -> Sequence[str]:
        """The table's columns."""
        return self.columns

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a part, those included that have no place on the map."""
        return self.table

    def _text(self) -> str:
        return f"[Picture: {self.alt}]\n{super()._text()}"

    def _html(self) -> str:
        return (
            f"{as_image(self.svg, self.sheets, self.alt)}"
            f"<p>{html_text(self.caption)}</p><details><summary>The same as a table</summary>"
            f"{html_table(self.columns, self.table)}</details>"
        )


def sheet(form: Form) -> Sheet:
    """What is drawn on one form of the map."""
    return Sheet(form.width, form.height, f'<rect width="100%" height="100%" class="sheet"/>{form.pen.drawn()}')


def draw_lab(survey: Survey, here: str | None = None) -> LabMap:
    """The lab as a map, from top to bottom as a photo travels.

    `here` is a step of the story (`topic`, `queues`, `notification`, `functions`, `upload`, `results`) or a
    function's name; None lights up nothing. Each state has its outline, its sign and its word, and what is failing its
    reason. What is not as it was on the last map that this process drew of the lab is marked. Raises ValueError for a
    place that there is not.
    """
    return _drawn(Scene(survey, _lit(survey, here), _changes(survey)), here)


def draw_as_it_stands(survey: Survey) -> LabMap:
    """The same with nothing lit up and nothing marked: what comes after it is compared with an earlier map."""
    return _drawn(Scene(survey, frozenset(), {}), None)


def _drawn(scene: Scene, here: str | None) -> LabMap:
    survey = scene.survey
    return LabMap(
        forms(scene),
        f"The lab {survey.lab_id}",
        _in_words(scene, here),
        " ".join([survey.sentence(), *([f"You are here: {here}."] if here else []), *_changes_in_words(scene)]),
        (*survey.headers(), *(("since the last map",) if scene.changed else ())),
        tuple(
            (*row, *((scene.changed.get(part, ""),) if scene.changed else ()))
            for part, row in zip(survey.parts, survey.rows(), strict=True)
        ),
    )


def _lit(survey: Survey, here: str | None) -> frozenset[Part]:
    if here is None:
        return frozenset()
    if here in survey.branches():
        return frozenset(part for part in survey.parts if part.function == here)
    if here not in PLACES:
        raise ValueError(f"there is no place {here!r}; there are {', '.join([*PLACES, *survey.branches()])}")
    return frozenset(part for part in survey.parts if part.kind in PLACES[here])


def _changes(survey: Survey) -> dict[Part, str]:
    """What became of parts since this process drew the lab last, in a word each; nothing on the first map."""
    now = {_key(part): (part.state, part.trouble) for part in survey.parts}
    before = _last_seen.get(survey.lab_id, now)
    _last_seen[survey.lab_id] = now
    was = {part: before.get(_key(part), (MISSING, "")) for part in survey.parts}
    return {part: _change(was[part][0], part.state) for part in survey.parts if was[part] != now[_key(part)]}


def _key(part: Part) -> tuple[str, str]:
    return part.kind, part.function


def _change(before: str, now: str) -> str:
    if now == FAILING:
        return "now failing"
    if now == MISSING:
        return "gone"
    if before == MISSING:
        return "new"
    return "fixed" if now == MADE else "changed"


def _changes_in_words(scene: Scene) -> Iterable[str]:
    if scene.changed:
        named = [f"{part.kind} {part.function}".strip() + f" ({word})" for part, word in scene.changed.items()]
        more = f" and {len(named) - MOST_CHANGES} more" if len(named) > MOST_CHANGES else ""
        yield f"Since the last map: {', '.join(named[:MOST_CHANGES])}{more}."


def _in_words(scene: Scene, here: str | None) -> str:
    """The alternative text: the way of a photo, how far it is built, and what is wrong on it."""
    branches = scene.survey.branches()
    ways = "; ".join(
        f"{_named(scene, 'queue', name)} to {_named(scene, 'function', name)} to {_named(scene, 'results', name)}"
        for name in branches
    )
    wrong = "; ".join(
        f"{part.kind} {part.name} is {part.state}: {part.trouble}"
        for part in scene.survey.parts
        if part.state not in (MADE, MISSING)
    )
    return " ".join(
        [
            f"The lab as a map, from top to bottom as a photo travels: the bucket {_named(scene, 'bucket')} tells the "
            f"topic {_named(scene, 'topic')} by an event notification ({scene.state('event notification')}); the topic "
            f"sends to {len(branches)} queues: {ways}.",
            *([f"Wrong: {wrong}."] if wrong else []),
            *([f"Lit up as the place where you are: {here}."] if here else []),
            *_changes_in_words(scene),
        ]
    )


def _named(scene: Scene, kind: str, branch: str = "") -> str:
    part = scene.find(kind, branch)
    return f"{part.name} ({part.state})" if part else f"of an unknown name ({kind})"
