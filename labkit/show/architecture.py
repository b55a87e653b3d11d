"""The live picture of the lab: every part under its real name, drawn as it stands, with "you are here"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from labkit.insight.survey import FAILING, MADE, MISSING, Part, Survey
from labkit.show.canvas import Canvas, width_of
from labkit.show.picture import Picture, as_picture

# One unit is 1/100 inch.
WIDTH, TOP, ROW, BOTTOM = 1176, 46, 168, 42
SMALLEST = 5.8  # points; a name that still does not fit is cut: the table has it whole
MAIN_HEIGHT, SMALL_HEIGHT, BETWEEN, PILL_HEIGHT = 80, 48, 8, 18

INK, GREY, PALE, RED, HERE, HERE_EDGE = "#1f2933", "#5b6770", "#f4f6f8", "#a61b1b", "#fff1c2", "#d99a00"
DASHES = (0, (4, 3))
COLOURS = {
    "bucket": "#2f7d4f",
    "ingest folder": "#2f7d4f",
    "results": "#2f7d4f",
    "event notification": "#2f7d4f",
    "topic": "#b0306e",
    "subscription": "#b0306e",
    "queue": "#6a4bb5",
    "dead-letter queue": "#6a4bb5",
    "trigger": "#c25e12",
    "function": "#c25e12",
    "logs": "#2b6592",
}
SERVICES = {
    "bucket": "S3 bucket",
    "ingest folder": "folder",
    "results": "folder",
    "event notification": "event notification",
    "topic": "SNS topic",
    "queue": "SQS queue",
    "dead-letter queue": "dead-letter queue",
    "function": "Lambda function",
    "logs": "CloudWatch logs",
}
# Left edge and width of each column.
COLUMNS = {
    "bucket": (14, 148),
    "ingest folder": (26, 124),
    "event notification": (178, 148),
    "topic": (344, 146),
    "subscription": (510, 62),
    "queue": (585, 178),
    "dead-letter queue": (585, 178),
    "trigger": (776, 54),
    "function": (846, 160),
    "logs": (846, 160),
    "results": (1038, 122),
}
# What is lit up for each step of the story; a function's name lights up its own branch alone.
PLACES: Mapping[str, tuple[str, ...]] = {
    "topic": ("topic",),
    "queues": ("subscription", "queue", "dead-letter queue"),
    "notification": ("bucket", "event notification"),
    "functions": ("trigger", "function"),
    "upload": ("bucket",),
    "results": ("logs", "results"),
}


@dataclass(frozen=True)
class Box:
    """A rectangle on the canvas, y growing upward."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """The middle of the left side."""
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        """The middle of the right side."""
        return self.x + self.width, self.y + self.height / 2


def draw_lab(survey: Survey, here: str | None = None) -> Picture:
    """The lab as a picture, from left to right as a photo travels.

    `here` is a step of the story (`topic`, `queues`, `notification`, `functions`, `upload`, `results`) or a
    function's name; None lights up nothing. Made parts have a solid outline, missing ones a dashed one and the word,
    failing ones a thick one, the word and the reason. Raises ValueError for a place that there is not.
    """
    seen = replace(survey, parts=tuple(_as_drawn(part) for part in survey.parts if part.kind in COLUMNS))
    lit = _lit(seen, here)
    boxes = _places(seen)
    height = TOP + ROW * len(seen.branches()) + BOTTOM
    canvas = Canvas(WIDTH, height)
    _title(canvas, survey, height)
    _same_bucket(canvas, [box for part, box in boxes.items() if part.kind == "results"])
    _halo(canvas, [_with_label(part, boxes[part]) for part in seen.parts if part in lit])
    _arrows(canvas, seen, boxes)
    for part in seen.parts:
        _part(canvas, part, boxes[part])
    _legend(canvas, here)
    return as_picture(
        canvas.image(),
        alt=_in_words(survey, here),
        caption=f"{survey.sentence()}{f' You are here: {here}.' if here else ''}",
        columns=survey.headers(),
        table=(tuple(row) for row in survey.rows()),
    )


def _as_drawn(part: Part) -> Part:
    """The part as the picture knows it: what is risky is marked as failing is, what is different as made."""
    return replace(part, state={"risky": FAILING, "different": MADE}.get(part.state, part.state))


def _lit(survey: Survey, here: str | None) -> frozenset[Part]:
    if here is None:
        return frozenset()
    if here in survey.branches():
        return frozenset(part for part in survey.parts if part.function == here)
    if here not in PLACES:
        raise ValueError(f"there is no place {here!r}; there are {', '.join([*PLACES, *survey.branches()])}")
    return frozenset(part for part in survey.parts if part.kind in PLACES[here])


def _places(survey: Survey) -> dict[Part, Box]:
    """Where each part stands: one row for each function, and what they share at the height of the middle one."""
    rows = survey.branches()
    middle = _row_middle((len(rows) - 1) / 2)
    return {
        part: _branch_box(part, _row_middle(len(rows) - 1 - rows.index(part.function)))
        if part.function
        else _shared_box(part, middle)
        for part in survey.parts
    }


def _row_middle(row: float) -> float:
    """The height at which the arrows of a row run, counted from below."""
    return BOTTOM + ROW * row + BETWEEN + SMALL_HEIGHT + MAIN_HEIGHT / 2


def _shared_box(part: Part, middle: float) -> Box:
    x, width = COLUMNS[part.kind]
    below, height = {"bucket": (46, 162), "ingest folder": (34, 68)}.get(part.kind, (MAIN_HEIGHT / 2, MAIN_HEIGHT))
    return Box(x, middle - below, width, height)


def _branch_box(part: Part, middle: float) -> Box:
    x, width = COLUMNS[part.kind]
    match part.kind:
        case "subscription" | "trigger":
            return Box(x, middle - PILL_HEIGHT / 2, width, PILL_HEIGHT)
        case "dead-letter queue" | "logs":
            return Box(x, middle - MAIN_HEIGHT / 2 - BETWEEN - SMALL_HEIGHT, width, SMALL_HEIGHT)
    return Box(x, middle - MAIN_HEIGHT / 2, width, MAIN_HEIGHT)


def _with_label(part: Part, box: Box) -> Box:
    """A pill together with the words above it."""
    return Box(box.x, box.y, box.width, box.height + 12) if part.kind in ("subscription", "trigger") else box


def _title(canvas: Canvas, survey: Survey, height: float) -> None:
    counts = ", ".join(f"{len(survey.in_state(state))} {state}" for state in (MADE, MISSING, FAILING))
    canvas.write(16, height - 20, survey.lab_id, 10, INK, face="Bold")
    canvas.write(16, height - 37, f"{len(survey.parts)} parts: {counts}", 7.4, GREY)


def _same_bucket(canvas: Canvas, folders: list[Box]) -> None:
    """The result folders lie in the one bucket, though they stand at the other end of the picture."""
    bottom, top = min(box.y for box in folders), max(box.y + box.height for box in folders)
    around = Box(folders[0].x, bottom, folders[0].width, top - bottom)
    canvas.add(_rounded(around, pad=9, facecolor="#e9f4ed", edgecolor="none", zorder=0.1))
    x = around.x + around.width / 2
    canvas.write(x, bottom - 19, "the same bucket", 6.8, COLOURS["results"], align="center")


def _halo(canvas: Canvas, boxes: list[Box]) -> None:
    """A warm light behind the boxes, one outline around neighbours, and the words above the topmost of them."""
    for pad, colour, layer in ((9, HERE_EDGE, 0.2), (7.4, HERE, 0.3)):
        for box in boxes:
            canvas.add(
                _rounded(box, pad=pad, facecolor=colour, edgecolor="none", radius=9, zorder=layer),
            )
    if boxes:
        top = max(boxes, key=lambda box: (box.y + box.height, -box.x))
        x, y = top.x + top.width / 2, top.y + top.height + 9
        canvas.add(Polygon([(x - 7, y + 7), (x + 7, y + 7), (x, y)], color=HERE_EDGE))
        canvas.write(x, y + 15, "you are here", 7.6, "#7a5600", face="Bold", align="center")


def _arrows(canvas: Canvas, survey: Survey, boxes: Mapping[Part, Box]) -> None:
    ingest, notification, topic = map(survey.find, ("ingest folder", "event notification", "topic"))
    _arrow(canvas, boxes[ingest].right, boxes[notification].left, notification)
    _arrow(canvas, boxes[notification].right, boxes[topic].left, notification)
    for branch in survey.branches():
        subscription, queue, trigger, function, results = (
            survey.find(kind, branch) for kind in ("subscription", "queue", "trigger", "function", "results")
        )
        _arrow(canvas, boxes[topic].right, boxes[subscription].left, subscription, head=False)
        _arrow(canvas, boxes[subscription].right, boxes[queue].left, subscription)
        _arrow(canvas, boxes[queue].right, boxes[trigger].left, trigger, head=False)
        _arrow(canvas, boxes[trigger].right, boxes[function].left, trigger)
        _arrow(canvas, boxes[function].right, boxes[results].left, results)


def _arrow(canvas: Canvas, start: tuple[float, float], end: tuple[float, float], part: Part, head: bool = True) -> None:
    """A line from left to right, with a step half-way if the ends differ in height."""
    colour = _edge(part, INK)
    if start[1] != end[1]:
        turn = (start[0] + end[0]) / 2
        steps = [start, (turn, start[1]), (turn, end[1]), end]
    else:
        steps = [start, (end[0] - (4 if head else 0), end[1])]
    canvas.add(
        Line2D(
            *zip(*steps, strict=True),
            color=colour,
            linewidth=1.3,
            linestyle=DASHES if part.state == MISSING else "solid",
            zorder=1,
        )
    )
    if head:
        x, y = end[0] - 1.5, end[1]
        canvas.add(Polygon([(x, y), (x - 8, y + 4), (x - 8, y - 4)], color=colour, zorder=1))


def _part(canvas: Canvas, part: Part, box: Box) -> None:
    if part.kind in ("subscription", "trigger"):
        _pill(canvas, part, box)
        return
    small = part.kind in ("dead-letter queue", "logs")
    colour = COLOURS[part.kind] if part.state != MISSING else GREY
    canvas.add(
        _rounded(
            box,
            facecolor="white" if part.state != MISSING else PALE,
            edgecolor=_edge(part, COLOURS[part.kind]),
            linewidth={MADE: 1.4, MISSING: 1.2, FAILING: 2.6}[part.state],
            linestyle=DASHES if part.state == MISSING else "solid",
            zorder=2 if part.kind == "bucket" else 3,
        )
    )
    indent = 10.0
    if not small and part.kind not in ("ingest folder", "event notification"):
        _icon(canvas, part.kind, box.x + 20, box.y + box.height - 20, colour)
        indent = 40.0
    width, left, top = box.width - indent - 7, box.x + indent, box.y + box.height
    canvas.write(left, top - (11 if small else 14), SERVICES[part.kind], 6.4, colour)
    name = part.name if part.kind != "logs" else f"…/{part.name.rsplit('/', 1)[-1]}"
    lines, size = _fit(name, width, 7.0 if small else 8.0, 1 if small else 3 if part.kind == "bucket" else 2)
    for k, line in enumerate(lines):
        canvas.write(left, top - (23 if small else 29) - 13 * k, line, size, INK, face="Bold")
    if part.kind != "bucket" or part.state != MADE:
        bottom = box.y if part.kind != "bucket" else box.y + 80
        _state(canvas, part, box.x + (10 if small or part.state == FAILING else indent), bottom, box.width - 16, small)


def _state(canvas: Canvas, part: Part, left: float, bottom: float, width: float, small: bool) -> None:
    """The last lines of a box: what there is to say, or the word for what is wrong."""
    if part.state != FAILING:
        said, face = (part.detail or "there", "") if part.state == MADE else ("missing", "Oblique")
        canvas.write(left, bottom + 11, said, 6.8, GREY, face=face)
        return
    lines, size = _fit(f"FAILING: {part.trouble}", width, 6.8, 1 if small else 2, at=" ")
    for k, line in enumerate(reversed(lines)):
        canvas.write(left, bottom + 11 + 11 * k, line, size, RED, face="Bold")


def _pill(canvas: Canvas, part: Part, box: Box) -> None:
    words = {MADE: part.detail, MISSING: "missing", FAILING: "FAILING"}[part.state]
    canvas.add(
        _rounded(
            box,
            radius=9,
            facecolor="white" if part.state != MISSING else PALE,
            edgecolor=_edge(part, COLOURS[part.kind]),
            linewidth=2.2 if part.state == FAILING else 1.1,
            linestyle=DASHES if part.state == MISSING else "solid",
            zorder=3,
        )
    )
    x, y = box.x + box.width / 2, box.y + box.height / 2
    (line,), size = _fit(words, box.width - 8, 6.4, 1, face="")
    canvas.write(x, y, line, size, RED if part.state == FAILING else GREY, align="center")
    canvas.write(x, y + 16, part.kind, 6.4, GREY if part.state == MISSING else COLOURS[part.kind], align="center")
    if part.trouble:
        for k, line in enumerate(_fit(part.trouble, 60, 5.8, 4, at=" ", face="")[0]):
            canvas.write(x, y - 17 - 10 * k, line, 5.8, RED, align="center")


def _icon(canvas: Canvas, kind: str, x: float, y: float, colour: str) -> None:
    """A small sign for each service, of simple shapes."""
    canvas.add(Circle((x, y), 13, color=colour, zorder=4))
    white: dict[str, Any] = {"color": "white", "zorder": 5}
    if kind == "bucket":
        canvas.add(Polygon([(x - 7, y + 6), (x + 7, y + 6), (x + 5, y - 7), (x - 5, y - 7)], **white))
    elif kind == "results":
        canvas.add(
            Polygon(
                [(x - 7, y + 6), (x - 1, y + 6), (x + 1, y + 4), (x + 7, y + 4), (x + 7, y - 6), (x - 7, y - 6)],
                **white,
            )
        )
    elif kind == "topic":
        canvas.add(Circle((x - 5.5, y), 2.4, **white))
        for rise in (-6, 0, 6):
            canvas.add(Line2D([x - 4, x + 5], [y, y + rise], color="white", linewidth=1.1, zorder=5))
            canvas.add(Circle((x + 6, y + rise), 1.7, **white))
    elif kind == "queue":
        for shift in (-6, 0, 6):
            canvas.add(Rectangle((x + shift - 2, y - 5), 4, 10, **white))
    else:
        canvas.write(x, y - 0.5, "λ", 12, "white", face="Bold", align="center")


def _legend(canvas: Canvas, here: str | None) -> None:
    x, y = 20.0, 17.0
    signs = [("made", MADE), ("missing", MISSING), ("failing: the box says why", FAILING)]
    for words, state in signs:
        edge = {MADE: GREY, MISSING: GREY, FAILING: RED}[state]
        canvas.add(
            _rounded(
                Box(x, y - 6, 22, 12),
                radius=3,
                facecolor=PALE if state == MISSING else "white",
                edgecolor=edge,
                linewidth=2.4 if state == FAILING else 1.3,
                linestyle=DASHES if state == MISSING else "solid",
            )
        )
        canvas.write(x + 29, y, words, 6.8, GREY)
        x += 29 + width_of(words, 6.8, "") + 22
    if here:
        canvas.add(_rounded(Box(x, y - 6, 22, 12), radius=3, facecolor=HERE, edgecolor=HERE_EDGE, linewidth=1.2))
        canvas.write(x + 29, y, f"you are here: {here}", 6.8, GREY)


def _in_words(survey: Survey, here: str | None) -> str:
    """The alternative text: the way of a photo, and how far it is built."""
    topic, bucket = survey.find("topic"), survey.find("bucket")
    branches = "; ".join(
        f"{survey.find('queue', name).name} ({survey.find('queue', name).state}) to "
        f"{survey.find('function', name).name} ({survey.find('function', name).state}) to "
        f"{survey.find('results', name).name}"
        for name in survey.branches()
    )
    failing = survey.in_state(FAILING)
    return (
        f"The lab as a drawing from left to right: the bucket {bucket.name} ({bucket.state}) tells the topic "
        f"{topic.name} ({topic.state}) by the event notification ({survey.find('event notification').state}); "
        f"the topic sends to {len(survey.branches())} queues: {branches}. "
        + (f"Failing: {'; '.join(f'{part.kind} {part.name}: {part.trouble}' for part in failing)}. " if failing else "")
        + (f"Lit up as the place where you are: {here}." if here else "")
    ).strip()


def _edge(part: Part, made: str) -> str:
    return {MADE: made, MISSING: "#8d99a3", FAILING: RED}[part.state]


def _rounded(box: Box, *, pad: float = 0, radius: float = 6, **style: Any) -> FancyBboxPatch:
    return FancyBboxPatch(
        (box.x - pad, box.y - pad),
        box.width + 2 * pad,
        box.height + 2 * pad,
        boxstyle=f"round,pad=0,rounding_size={radius}",
        **style,
    )


def _fit(
    words: str, width: float, size: float, most_lines: int, *, at: str = "-/", face: str = "Bold"
) -> tuple[list[str], float]:
    """The words in at most so many lines of that width, broken after hyphens or slashes; smaller if need be."""
    while True:
        font = size, face
        lines = _wrapped(words, width, font, at if most_lines > 1 else "")
        if len(lines) <= most_lines and all(width_of(line.rstrip(), *font) <= width for line in lines):
            return [line.rstrip() for line in lines], size
        if size <= SMALLEST:
            whole, rest = lines[: most_lines - 1], "".join(lines[most_lines - 1 :])
            return [_cut(line, width, font) for line in (*whole, rest)], size
        size -= 0.2


def _cut(line: str, width: float, font: tuple[float, str]) -> str:
    line = line.rstrip()
    if width_of(line, *font) <= width:
        return line
    while line and width_of(f"{line}…", *font) > width:
        line = line[:-1]
    return f"{line}…"


def _wrapped(words: str, width: float, font: tuple[float, str], at: str) -> list[str]:
    lines = [""]
    for piece in _pieces(words, at):
        if lines[-1] and width_of((lines[-1] + piece).rstrip(), *font) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def _pieces(words: str, at: str) -> list[str]:
    pieces = [""]
    for letter in words:
        pieces[-1] += letter
        if letter in at:
            pieces.append("")
    return [piece for piece in pieces if piece]
