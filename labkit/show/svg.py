"""A little pen for SVG: boxes, arrows, marks, and words that keep to their width without any font being measured.

An SVG inside an image has no style but its own. So it carries a light and a dark one, and which of them holds is what
the page says of itself (`color-scheme`); https://www.w3.org/TR/css-color-adjust-1/#color-scheme-effect
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from labkit.terminal import printable

FONT = 12  # px: nothing is written smaller
SIZES = {"title": 18}  # px: what is written larger
LEADING = 16  # px from one line of words to the next
# How wide a letter is, as a share of its height. One of a fixed width is 0.602 of it in every such font that systems
# bring; of the others, these are the widths of the widest, DejaVu Sans, and of its bold face.
FIXED, NARROW, USUAL, CAPITAL, WIDE = 0.602, 0.4, 0.63, 0.76, 0.98
BOLDER, BOLD = 1.13, ("title", "bad", "warn", "new", "here-words")

_PIECES = r"[^\s/_-]*[\s/_-]|[^\s/_-]+"  # of words: up to and with a space, a hyphen, a slash or an underscore

# What each class is drawn in, by light and in the dark. Words keep a contrast of 4.5 to 1 or more with what they are
# written on, lines one of 3 to 1: https://www.w3.org/TR/WCAG22/#contrast-minimum
SHEET = {"sheet": ("#ffffff", "#15191e"), "card": ("#f5f7f9", "#1f252c"), "bucket": ("#e6f3ea", "#16301f")}
HERE = {"lit": ("#ffeeb8", "#453600"), "here": ("#8a5a00", "#ffd166")}
SERVICES = {
    "s3": ("#23683f", "#74d39a"),
    "sns": ("#a3265f", "#ff9cc8"),
    "sqs": ("#5b3fa3", "#c3b1ff"),
    "lambda": ("#964208", "#ffb27a"),
}
INKS = {
    **{f"{service}-words": pair for service, pair in SERVICES.items()},
    "title": ("#1b2733", "#e9eef3"),
    "name": ("#1b2733", "#e9eef3"),
    "label": ("#4a5662", "#b3bec9"),
    "detail": ("#4a5662", "#b3bec9"),
    "bad": ("#a11616", "#ff9d94"),
    "warn": ("#7a4f00", "#ffd166"),
    "new": ("#0b4f9e", "#8fc4ff"),
    "here-words": ("#ffffff", "#15191e"),
}
LINES = {
    "line": ("#5b6770", "#93a0ac"),
    "broken": ("#a11616", "#ff9d94"),
    "doubtful": ("#7a4f00", "#ffd166"),
    "good": ("#1f6b3f", "#7ad6a0"),
    **SERVICES,
}


def style(theme: str = "") -> str:
    """The style sheet of an SVG that this pen draws; of a `theme`, light or dark, where a script knows the page's."""
    fixed = 'ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace'
    plain = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif'
    return (
        "svg:root{color-scheme:light dark}"
        f"text{{font:{FONT}px {plain}}}text.name{{font:600 {FONT}px {fixed}}}"
        f"text.title{{font-size:{SIZES['title']}px}}text.title,text.bad,text.warn,.new,text.here-words{{font-weight:600}}"
        "path,.frame{fill:none;stroke-width:1.5}.dashed{stroke-dasharray:5 4}.thick{stroke-width:3}"
        + (_colours(theme == "dark") if theme else f"{_colours(0)}@media(prefers-color-scheme:dark){{{_colours(1)}}}")
    )


def _colours(dark: int) -> str:
    fills = {
        **SHEET,
        **HERE,
        **{f"text.{name}": pair for name, pair in INKS.items() if name != "new"},
        "new": INKS["new"],
    }
    rules = [f"{name if name.startswith('text') else '.' + name}{{fill:{pair[dark]}}}" for name, pair in fills.items()]
    rules += [f".{name}{{stroke:{pair[dark]}}}.{name}-tip{{fill:{pair[dark]}}}" for name, pair in LINES.items()]
    return "".join(rules)


def xml_text(text: object) -> str:
    """Any value as text inside XML, or between the quotes of an attribute."""
    return escape(printable(str(text)))


def width_of(words: str, css: str) -> float:
    """How many pixels the words take at most, in the font of that class."""
    size = SIZES.get(css, FONT) * (BOLDER if css in BOLD else 1)
    return size * (FIXED * len(words) if css == "name" else sum(map(_share, words)))


def _share(letter: str) -> float:
    if letter in "fijlrtIJ .,:;'|!()[]-/•":
        return NARROW
    if letter in "mwMW%@" or ord(letter) > 0x2FF:  # letters of other scripts are taken for the widest
        return WIDE
    return CAPITAL if letter.isupper() else USUAL


def wrap(words: str, width: float, css: str, most: int = 99) -> list[str]:
    """The words in lines of that width, broken at spaces and after hyphens and slashes, and never inside a word.

    More lines than `most` are left out, and the last one says so.
    """
    lines = [""]
    for piece in _pieces(words, width, css):
        if lines[-1] and width_of((lines[-1] + piece).rstrip(), css) > width:
            lines.append("")
        lines[-1] += piece
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > most:
        last = lines[most - 1]
        while last and width_of(f"{last} …", css) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()} …"]
    return lines


def longest_piece(name: str) -> str:
    """The longest part of a name that should stay on one line."""
    return max(re.findall(_PIECES, name), key=len, default="")


def _pieces(words: str, width: float, css: str) -> Iterator[str]:
    for piece in re.findall(_PIECES, words):
        if width_of(piece.rstrip(), css) <= width:
            yield piece
            continue
        # A word that no line can hold: Runtime.ImportModuleError is made of two, CreateBlackAndWhiteThumbnail of five.
        for part in re.findall(r"[^.,:]*[.,:]|[^.,:]+", piece):
            yield from [part] if width_of(part, css) <= width else re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+", part)


class Pen:
    """Writes one SVG, shape by shape; what is drawn later lies above."""

    def __init__(self) -> None:
        self._shapes: list[str] = []

    def words(self, x: float, y: float, words: str, css: str, *, room: float = 0, new: str = "") -> None:
        """Words whose base line is at `y`, and what is `new` after them.

        Those that are wider than `room`, if it is given, are drawn closer.
        """
        squeezed = room and width_of(words, css) > room
        more = f' textLength="{room:g}" lengthAdjust="spacingAndGlyphs"' if squeezed else ""
        apart = ' dx="6"' if words else ""
        after = f'<tspan{apart} class="new">{xml_text(new)}</tspan>' if new else ""
        self._shapes.append(f'<text x="{x:g}" y="{y:g}" class="{css}"{more}>{xml_text(words)}{after}</text>')

    def box(self, x: float, y: float, width: float, height: float, css: str, *, radius: float = 6) -> None:
        """A rectangle; `css` names one or more classes."""
        self._shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" class="{css}"/>'
        )

    def path(self, d: str, css: str) -> None:
        """A path, given as SVG writes it."""
        self._shapes.append(f'<path d="{d}" class="{css}"/>')

    def arrow(self, points: Iterable[tuple[float, float]], colour: str, *, more: str = "") -> None:
        """A line from point to point that ends in a tip."""
        *way, (x, y) = points
        before_x, before_y = way[-1]
        length = abs(x - before_x) + abs(y - before_y)
        dx, dy = (x - before_x) / length, (y - before_y) / length
        line = "L".join(f"{a:g} {b:g}" for a, b in (*way, (x - 6 * dx, y - 6 * dy)))
        self.path(f"M{line}", f"{colour} {more}".strip())
        left, right = (x - 8 * dx - 4.5 * dy, y - 8 * dy + 4.5 * dx), (x - 8 * dx + 4.5 * dy, y - 8 * dy - 4.5 * dx)
        tip = "L".join(f"{a:g} {b:g}" for a, b in ((x, y), left, right))
        self._shapes.append(f'<path d="M{tip}Z" class="{colour}-tip"/>')

    def open(self, name: str) -> None:
        """Begin a group of shapes with a name that a script can find it by."""
        self._shapes.append(f'<g data-part="{xml_text(name)}">')

    def close(self) -> None:
        """End the group."""
        self._shapes.append("</g>")

    def drawn(self) -> str:
        """All shapes so far."""
        return "".join(self._shapes)
