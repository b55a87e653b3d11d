"""A photo's way over a map that is only a picture: CSS moves it, and only where motion is welcome."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from labkit.insight.facts import Fact
from labkit.show.cards import Form, part_name
from labkit.show.svg import LINES, width_of, xml_text

ROUND_S = 14  # how long one round takes: the way, a while to look at it, and from the beginning
FIRST, LAST, OVER = 3.0, 72.0, 97.0  # per cent of a round: the way's beginning and end, and when all goes dark
LITTLE = 34  # px: the longer side of the picture that travels
INK = {"light": ("#0b4f9e", "#ffffff"), "dark": ("#8fc4ff", "#15191e")}  # what lights up, and words on it


class Overlay(NamedTuple):
    """What is drawn over a form of the map, and the style that moves it."""

    style: str
    shapes: str


NOTHING = Overlay("", "")


def replay(form: Form, facts: Sequence[Fact], picture: bytes) -> Overlay:
    """The way of a photo, by the facts of its trace, as an overlay that goes round and round.

    `picture` is a small JPEG, which travels. Without motion all that was reached is lit, as at the end of the way.
    """
    end = max(fact.ms for fact in facts)
    shapes, moves, pills = [], [], []
    for number, fact in enumerate(_first_of_each_part(form, facts)):
        place = form.places[part_name(fact.part, fact.branch)]
        shapes.append(f'<g class="hop hop-{number}">{_lit(*place)}</g>')
        pills.append(f'<g class="hop hop-{number}">{_pill(*place[:3], fact)}</g>')  # above the photo
        moves.append(_appearing(number, _moment(fact, end)))
    for number, stops in enumerate(_ways(form, facts, end)):
        (x, y) = stops[-1][1]
        shapes.append(_travelling(number, picture, x, y))
        moves.append(_moving(number, stops, (x, y)))
    return Overlay(
        _still() + f"@media(prefers-reduced-motion:no-preference){{{''.join(moves)}}}", "".join(shapes + pills)
    )


def _moment(fact: Fact, end: float) -> float:
    """When in a round, in per cent; the first hops, a few milliseconds apart, are slowed down most."""
    return FIRST + (LAST - FIRST) * sqrt(fact.ms / end)


def _first_of_each_part(form: Form, facts: Iterable[Fact]) -> list[Fact]:
    """What was first known of each part that is on the map."""
    first: dict[str, Fact] = {}
    for fact in facts:
        name = part_name(fact.part, fact.branch)
        if name in form.places:
            first.setdefault(name, fact)
    return list(first.values())


def _lit(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="reached"/>'


def _pill(x: float, y: float, width: float, fact: Fact) -> str:
    """What a fact says in short, at the upper right of its part."""
    said = f"{fact.ms:,.0f} ms"
    if fact.short and fact.short != said and fact.part != "logs":
        said = f"{fact.short}, {said}"
    wide = width_of(said, "title") * 12 / 18 + 8
    left = x + width - wide
    return (
        f'<rect x="{left:.1f}" y="{y - 8:g}" width="{wide:.1f}" height="16" rx="8" class="pill"/>'
        f'<text x="{left + wide / 2:.1f}" y="{y + 4.2:g}" text-anchor="middle" class="in-pill">{xml_text(said)}</text>'
    )


def _ways(form: Form, facts: Sequence[Fact], end: float) -> Iterator[list[tuple[float, tuple[float, float]]]]:
    """For each branch, when the photo is where on the map: a share of the round, and the middle of the picture."""
    shared = [fact for fact in facts if not fact.branch]
    for branch in dict.fromkeys(fact.branch for fact in facts if fact.branch):
        own = [fact for fact in facts if fact.branch == branch and fact.part != "logs"]
        yield [
            (_moment(fact, end), (x + width - LITTLE / 2 - 5, y + height / 2 + 3))
            for fact in (*shared, *own)
            if (place := form.places.get(part_name(fact.part, fact.branch)))
            for x, y, width, height in (place,)
        ]


def _travelling(number: int, picture: bytes, x: float, y: float) -> str:
    left, top = x - LITTLE / 2, y - LITTLE / 2
    return (
        f'<g class="photo photo-{number}">'
        f'<rect x="{left - 2:g}" y="{top - 2:g}" width="{LITTLE + 4}" height="{LITTLE + 4}" rx="4" class="edge"/>'
        f'<image x="{left:g}" y="{top:g}" width="{LITTLE}" height="{LITTLE}" '
        f'href="data:image/jpeg;base64,{base64.b64encode(picture).decode()}"/></g>'
    )


def _appearing(number: int, at: float) -> str:
    return (
        f"@keyframes hop-{number}{{0%,{at:.1f}%{{opacity:0}}{at + 0.6:.1f}%,{OVER}%{{opacity:1}}100%{{opacity:0}}}}"
        f".hop-{number}{{animation:hop-{number} {ROUND_S}s linear infinite}}"
    )


def _moving(number: int, stops: Sequence[tuple[float, tuple[float, float]]], end: tuple[float, float]) -> str:
    frames = [f"0%,{stops[0][0]:.1f}%{{{_shift(stops[0][1], end)}}}"]
    for (before, _), (at, place) in pairwise(stops):
        frames.append(f"{max(at, before + 0.1):.1f}%{{{_shift(place, end)}}}")
    frames.append(f"100%{{{_shift(end, end)}}}")
    return (
        f"@keyframes photo-{number}{{{''.join(frames)}}}"
        f".photo-{number}{{animation:photo-{number} {ROUND_S}s linear infinite}}"
    )


def _shift(place: tuple[float, float], end: tuple[float, float]) -> str:
    return f"transform:translate({place[0] - end[0]:.0f}px,{place[1] - end[1]:.0f}px)"


def _still() -> str:
    def inks(theme: str) -> str:
        lit, on_it = INK[theme]
        line = LINES["line"][theme == "dark"]
        return (
            f".reached{{fill:{lit};fill-opacity:.13;stroke:{lit};stroke-width:2}}.pill{{fill:{lit}}}"
            f"text.in-pill{{fill:{on_it};font-weight:600}}.edge{{fill:{on_it};stroke:{line};stroke-width:1.5}}"
        )

    return f"{inks('light')}@media(prefers-color-scheme:dark){{{inks('dark')}}}"
