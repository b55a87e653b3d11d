"""One form of the map: cards for what a photo meets, from top to bottom, branches side by side where there is room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import NamedTuple

from labkit.insight.survey import Part, Survey
from labkit.show.svg import LEADING, Pen, longest_piece, width_of, wrap

WIDE, MIDDLE, TALL = 960, 680, 360  # px: of a page, of a page beside a sidebar, of a telephone
WIDE_ENOUGH = 640  # px: for a lab with a single function
MARGIN, GAP, BETWEEN, PADDING = 12, 16, 16, 10  # px: around all, between cards, between parts, around parts
ABOVE = 30  # px above a card: room for an arrow and for "you are here"
SMALLEST_SHARE = 128  # px: what has less room beside another part stands below it
MOST_BESIDE, MOST_LINES = 6, 8  # lines of a part that stands beside another, and of any part: the table has them all
SMALLEST_CARD = 200  # px: so many branches stand side by side

MADE, MISSING, DIFFERENT, RISKY, FAILING = STATES = ("made", "missing", "different", "risky", "failing")
WRITTEN = {FAILING: "FAILING"}  # how a state is written on the map, where that is not the word itself
OUTLINES = {
    MISSING: "frame line dashed",
    DIFFERENT: "frame line dotted",
    RISKY: "frame doubtful dashed",
    FAILING: "frame broken thick",
}
ARROWS = {MISSING: ("line", "dashed"), FAILING: ("broken", "thick")}
LABELS = {
    "bucket": "S3 bucket",
    "topic": "SNS topic",
    "queue": "SQS queue",
    "redrive": "redrive policy",
    "role": "IAM role",
    "function": "Lambda function",
    "logs": "CloudWatch logs",
    "results": "results folder",
}
MAIN = ("bucket", "topic", "queue", "function", "results")  # what a card is there for
NAMELESS = (
    "topic policy",
    "subscription",
    "queue policy",
    "redrive",
    "trigger",
    "dead-letter alarm",
    "age alarm",
)  # they go by what they belong to

ALARMS = ("dead-letter alarm", "age alarm")

Rows = Sequence[Sequence[str]]  # the kinds of parts on a card, first what a photo meets first
BUCKET: Rows = (("bucket", "ingest folder", "event notification"),)
BUCKET_IN_PORTRAIT: Rows = (("bucket",), ("ingest folder", "event notification"))
TOPIC: Rows = (("topic policy",), ("topic",))
QUEUE: Rows = (
    ("subscription", "queue policy"),
    ("queue", "dead-letter queue"),
    ("redrive",),
    ("dead-letter alarm", "age alarm"),
)
FUNCTION: Rows = (("trigger",), ("function", "role"), ("logs",))
RESULTS: Rows = (("results",),)


@dataclass(frozen=True)
class Scene:
    """What a map shows: the parts, those among them where you are, and what became of others since the last map."""

    survey: Survey
    lit: frozenset[Part]
    changed: Mapping[Part, str]  # the part, and in a word what is new about it

    def find(self, kind: str, branch: str = "") -> Part | None:
        """The part of that kind, if the survey has one."""
        return next((part for part in self.survey.parts if (part.kind, part.function) == (kind, branch)), None)

    def state(self, kind: str, branch: str = "") -> str:
        """The state of the part of that kind; of what the survey does not know, nothing bad is said."""
        part = self.find(kind, branch)
        return part.state if part else MADE


class Line(NamedTuple):
    """Words, their class, and what is new, which stands after them."""

    words: str
    css: str
    new: str = ""


@dataclass(frozen=True)
class Cell:
    """One part as it stands on a card: its lines, and its place there in px."""

    part: Part
    lines: tuple[Line, ...]
    width: float
    x: float = 0
    y: float = 0
    height: float = 0


@dataclass(frozen=True)
class Card:
    """Cells in rows, one below the other."""

    service: str
    width: float
    cells: tuple[Cell, ...]

    @property
    def height(self) -> float:
        """Px."""
        return max((cell.y + cell.height for cell in self.cells), default=0) + PADDING / 2


@dataclass
class Form:
    """One form of the map, as it grows downwards."""

    scene: Scene
    width: float
    pen: Pen = field(default_factory=Pen)
    height: float = 0
    told: bool = False  # "you are here" stands once on a map
    places: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)  # of each part: x, y, size

    @property
    def portrait(self) -> bool:
        """Whether all stands below each other."""
        return self.width == TALL


def forms(scene: Scene) -> tuple[Form, ...]:
    """The map in all its forms, the widest first and the one for a telephone last."""
    widths = (WIDE, MIDDLE, TALL) if len(scene.survey.branches()) > 1 else (WIDE_ENOUGH, TALL)
    return tuple(_drawn(Form(scene, width)) for width in widths)


def _drawn(form: Form) -> Form:
    branches = form.scene.survey.branches()
    most = (form.width - 2 * MARGIN + GAP) // (SMALLEST_CARD + GAP)
    in_a_row = ceil(len(branches) / ceil(len(branches) / most)) if branches else 1  # 4 are 2 and 2, not 3 and 1
    rows = [branches[n : n + in_a_row] for n in range(0, len(branches), in_a_row)]
    left = MARGIN if len(rows) == 1 else 2 * MARGIN  # of several rows, each is reached by a rail at the left
    _title(form)
    start = _shared(form, left), form.height
    for row in rows:
        start = MARGIN, _row_of_branches(form, row, left, *start)
    _legend(form)
    return form


def _title(form: Form) -> None:
    parts, room = form.scene.survey.parts, form.width - 2 * MARGIN
    counts = ((sum(part.state == state for part in parts), state) for state in STATES)
    said = f"{len(parts)} parts: {', '.join(f'{count} {state}' for count, state in counts if count)}"
    form.height = MARGIN - 4
    for words, css, leading in ((form.scene.survey.lab_id, "title", 22), (said, "detail", LEADING)):
        for line in wrap(words, room, css):
            form.height += leading
            form.pen.words(MARGIN, form.height, line, css, room=room)


def _shared(form: Form, left: float) -> float:
    """What all branches share; return from which x the topic sends on to them."""
    pen, y, room = form.pen, form.height + ABOVE, form.width - 2 * MARGIN
    share = room if form.portrait else (room - 2 * GAP) * 0.64
    bucket = _card(form.scene, "s3", BUCKET if share > 3 * (SMALLEST_SHARE + BETWEEN) else BUCKET_IN_PORTRAIT, share)
    topic = _card(form.scene, "sns", TOPIC, room if form.portrait else room - share - 2 * GAP)
    line, more = ARROWS.get(form.scene.state("event notification"), ("line", ""))
    if form.portrait:
        below = y + bucket.height + ABOVE
        _place(form, bucket, MARGIN, y)
        _place(form, topic, MARGIN, below)
        x = MARGIN + 0.75 * room  # below the notification
        pen.arrow([(x, y + bucket.height), (x, below)], line, more=more)
        form.height = below + topic.height
        return (left + form.width - MARGIN) / 2
    height = max(bucket.height, topic.height)
    _place(form, bucket, MARGIN, y, height)
    _place(form, topic, MARGIN + share + 2 * GAP, y, height)
    middle = y + height / 2
    pen.arrow([(MARGIN + share, middle), (MARGIN + share + 2 * GAP, middle)], line, more=more)
    form.height = y + height
    return form.width - MARGIN - topic.width / 2


def _row_of_branches(form: Form, branches: Sequence[str], left: float, x: float, above: float) -> float:
    """Branches side by side under a rail that comes down from a place above; return the height of the rail."""
    scene, pen, rail = form.scene, form.pen, form.height + ABOVE / 2
    share = (form.width - left - MARGIN - GAP * (len(branches) - 1)) / len(branches)
    middles = [left + share / 2 + n * (share + GAP) for n in range(len(branches))]
    ends = (x, *middles, *([MARGIN] if left > MARGIN else []))
    pen.path(f"M{x:g} {above:g}V{rail:g}M{min(ends):g} {rail:g}H{max(ends):g}", "line")
    y = rail
    for service, rows, by in (("sqs", QUEUE, "subscription"), ("lambda", FUNCTION, "trigger")):
        cards = [_card(scene, service, rows, share, branch) for branch in branches]
        if not any(card.cells for card in cards):
            continue
        top = y + ABOVE
        for branch, card, middle in zip(branches, cards, middles, strict=True):
            line, more = ARROWS.get(scene.state(by, branch), ("line", ""))
            pen.arrow([(middle, y), (middle, top)], line, more=more)
            _place(form, card, middle - share / 2, top, max(card.height for card in cards))
        y = top + max(card.height for card in cards)
    form.height = _results(form, branches, share, middles, y)
    return rail


def _results(form: Form, branches: Sequence[str], share: float, middles: Sequence[float], y: float) -> float:
    """The results, in the bucket that the photo came from; return where it ends."""
    cards = [_card(form.scene, "s3", RESULTS, share - 2 * PADDING, branch) for branch in branches]
    if not any(card.cells for card in cards):
        return y
    height, top = max(card.height for card in cards), y + ABOVE
    first, last = middles[0] - share / 2, middles[-1] + share / 2
    form.pen.box(first, top - 10, last - first, height + 38, "bucket")
    for branch, card, middle in zip(branches, cards, middles, strict=True):
        line, more = ARROWS.get(form.scene.state("results", branch), ("line", ""))
        form.pen.arrow([(middle, y), (middle, top)], line, more=more)
        _place(form, card, middle - card.width / 2, top, height)
    bucket = form.scene.find("bucket")
    said = f"the same bucket, {bucket.name}" if bucket else "the same bucket"
    form.pen.words(first + PADDING, top + height + 19, said, "label", room=last - first - 2 * PADDING)
    return top + height + 28


def _card(scene: Scene, service: str, rows: Rows, width: float, branch: str = "") -> Card:
    """A card with those of the parts that the survey has."""
    cells: list[Cell] = []
    y = PADDING / 2
    for kinds in rows:
        parts = [part for part in (scene.find(kind, branch) for kind in kinds) if part]
        for row in _rows(scene, parts, service, width - 2 * PADDING):
            height = LEADING * max(len(cell.lines) for cell in row) + 8
            cells += (
                replace(cell, x=PADDING + n * (cell.width + BETWEEN), y=y, height=height) for n, cell in enumerate(row)
            )
            y += height + 4
    return Card(service, width, tuple(cells))


def _rows(scene: Scene, parts: Sequence[Part], service: str, room: float) -> Iterator[list[Cell]]:
    """The parts side by side, or below each other where they have too little room."""
    if not parts:
        return
    share = (room - BETWEEN * (len(parts) - 1)) / len(parts)
    beside = [Cell(part, _lines(scene, part, service, share), share) for part in parts]
    if len(parts) == 1 or (share >= SMALLEST_SHARE and all(map(_stands_beside, beside))):
        yield beside
    else:
        yield from ([Cell(part, _lines(scene, part, service, room), room)] for part in parts)


def _stands_beside(cell: Cell) -> bool:
    name = "" if cell.part.kind in NAMELESS else longest_piece(cell.part.name)
    torn = any(line.words.endswith("_") for line in cell.lines)  # a word of AWS's own, such as INSUFFICIENT_DATA
    return len(cell.lines) <= MOST_BESIDE and width_of(name, "name") <= cell.width and not torn


def _lines(scene: Scene, part: Part, service: str, width: float) -> tuple[Line, ...]:
    """What is written about a part, line by line."""
    label, css = LABELS.get(part.kind, part.kind), {RISKY: "warn", FAILING: "bad"}.get(part.state, "detail")
    said = part.trouble or part.detail if part.state != MISSING else ""
    if part.kind in ALARMS and part.state == MADE:
        said = part.detail.partition(":")[0]  # the state; the table has the reason, too
    if part.state != MADE:
        said = f"{WRITTEN.get(part.state, part.state)}{': ' if said else ''}{said}"
    named = [] if part.kind in NAMELESS else wrap(part.name, width, "name")
    if part.kind in NAMELESS and said and css == "detail":
        label, said = f"{label}: {said}", ""
    title = f"{service}-words" if part.kind in MAIN else "label"
    room = width - LEADING  # beside the sign
    lines = [Line(line, title) for line in wrap(label, room, title)]
    if part in scene.changed:
        new = f"• {scene.changed[part]}"
        if width_of(lines[-1].words, title) + width_of(new, "new") + 6 <= room:
            lines[-1] = lines[-1]._replace(new=new)
        else:
            lines.append(Line("", title, new))
    lines += [Line(line, "name") for line in named]
    return (*lines, *(Line(line, css) for line in wrap(said, width, css, MOST_LINES)))


def _place(form: Form, card: Card, x: float, y: float, height: float = 0) -> None:
    """Draw a card, at least that high."""
    parts, height = [cell.part for cell in card.cells], max(height, card.height)
    lit = [cell for cell in card.cells if cell.part in form.scene.lit]
    missing = all(part.state == MISSING for part in parts)
    form.pen.box(x, y, card.width, height, "lit" if len(lit) == len(parts) else "sheet" if missing else "card")
    form.pen.box(x, y, card.width, height, f"frame {card.service}{' dashed' if missing else ''}")
    for cell in card.cells:
        _cell(form, cell, x + cell.x, y + cell.y, outlined=not missing)
    if lit and not form.told:
        form.told = True
        _you_are_here(form.pen, x + lit[0].x - PADDING + 2, y, card.width / 2 - PADDING)
    beside = {cell.part.kind: cell for cell in card.cells}
    for one, other, by in (
        ("ingest folder", "event notification", "event notification"),
        ("queue", "dead-letter queue", "redrive"),
    ):
        if one in beside and other in beside and beside[one].y == beside[other].y:
            line, more = ARROWS.get(form.scene.state(by, beside[one].part.function), ("line", ""))
            end, level = x + beside[other].x - 3, y + beside[one].y + beside[one].height / 2
            form.pen.arrow([(end - BETWEEN + 5, level), (end, level)], line, more=more)


def _cell(form: Form, cell: Cell, x: float, y: float, *, outlined: bool) -> None:
    pen, part = form.pen, cell.part
    around = (x - 5, y, cell.width + 10, cell.height)
    form.places[part_name(part.kind, part.function)] = around
    pen.open(part_name(part.kind, part.function))
    if part in form.scene.lit:
        pen.box(*around, "lit", radius=4)
    if outlined and part.state in OUTLINES:
        pen.box(*around, OUTLINES[part.state], radius=4)
    mark(pen, "ringing" if rings(part) else part.state, x, y + LEADING)
    for number, (words, css, new) in enumerate(cell.lines, 1):
        indent = LEADING if css == cell.lines[0].css else 0
        pen.words(x + indent, y + LEADING * number, words, css, room=cell.width - indent, new=new)
    pen.close()


def part_name(kind: str, branch: str) -> str:
    """What a part is called where a script, or a picture that moves, looks for it: `queue CreateWebImage`."""
    return f"{kind} {branch}".strip()


def rings(part: Part) -> bool:
    """Whether it is an alarm that has gone off."""
    return part.kind in ALARMS and part.detail.startswith("ALARM")


def mark(pen: Pen, state: str, x: float, y: float) -> None:
    """The sign of a state, 10 px wide, on a base line."""
    match state:
        case "made":
            pen.path(f"M{x + 1:g} {y - 5:g}l3 4l6-8", "good")
        case "missing":
            pen.path(f"M{x + 1:g} {y - 4:g}a4 4 0 1 1 8 0a4 4 0 1 1-8 0", "line dotted")
        case "ringing":
            pen.path(f"M{x + 1:g} {y - 2:g}c2-1 1-7 4-7s2 6 4 7zm3 1.5h2m-6-7l-1-2m9 2l1-2", "broken")
        case "failing":
            pen.path(f"M{x + 1:g} {y - 8:g}l8 8m0-8l-8 8", "broken thick")
        case "risky":
            pen.path(f"M{x + 5:g} {y - 9:g}l5 9h-10zm0 3.5v2.5m0 1v1", "doubtful")
        case _:
            pen.path(f"M{x + 1:g} {y - 6:g}h8m-8 4h8m-7 3l6-10", "line")


def _you_are_here(pen: Pen, x: float, y: float, room: float) -> None:
    """The words on a tab that stands on the upper edge of a card, at the left of the arrow."""
    said = "you are here"
    width = min(width_of(said, "here-words") + 8, room)
    pen.box(x, y - 19, width, 19, "here", radius=4)
    pen.words(x + 6, y - 5.5, said, "here-words", room=width - 8)


def _legend(form: Form) -> None:
    """The signs that are on this map, each with its word."""
    x, y = float(MARGIN), form.height + 24
    for state in dict.fromkeys(part.state for part in sorted(form.scene.survey.parts, key=_rank)):
        word = WRITTEN.get(state, state)
        if x + LEADING + width_of(word, "label") > form.width - MARGIN:
            x, y = MARGIN, y + LEADING
        mark(form.pen, state, x, y)
        form.pen.words(x + LEADING, y, word, "label")
        x += LEADING + width_of(word, "label") + GAP
    if any(map(rings, form.scene.survey.parts)):
        if x + LEADING + width_of("in ALARM", "label") > form.width - MARGIN:
            x, y = MARGIN, y + LEADING
        mark(form.pen, "ringing", x, y)
        form.pen.words(x + LEADING, y, "in ALARM", "label")
        x += LEADING + width_of("in ALARM", "label") + GAP
    if form.scene.changed:
        said = "• changed since the last map"
        if x + width_of(said, "new") > form.width - MARGIN:
            x, y = MARGIN, y + LEADING
        form.pen.words(x, y, said, "new")
    form.height = y + MARGIN


def _rank(part: Part) -> int:
    return STATES.index(part.state) if part.state in STATES else len(STATES)
