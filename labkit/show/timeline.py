"""The way of one photo as a Gantt picture, and as a table of the same stretches of time."""

from __future__ import annotations

from datetime import timedelta

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from labkit.insight.trace import DELIVERY, HIDDEN, INIT, KINDS, REST, WAITING, Span, Trace
from labkit.show.picture import Picture
from labkit.show.plot import drawn

INK, GREY = "#1f2933", "#5b6770"
# Fill and hatch of each kind: told apart without colour, too.
LOOKS = {
    DELIVERY: ("#b0306e", ""),
    WAITING: ("#ffffff", "...."),
    HIDDEN: ("#ffffff", "xxxx"),
    INIT: ("#f0b23c", ""),
    "download": ("#2f7d4f", ""),
    "decode": ("#8fd0e6", "////"),
    "resize": ("#2b6592", ""),
    "encode": ("#b9a6e3", "\\\\\\\\"),
    "upload": ("#7fc79a", "||||"),
    REST: ("#d5dbe0", ""),
}
COLUMNS = ("function", "what", "from ms", "to ms", "ms")
LABEL_FROM = 0.07  # of the whole: a bar as long as that carries its milliseconds


def timeline(trace: Trace) -> Picture:
    """One row a branch, from S3's event to the end of the last run; the caption says where the time went."""
    spans = [span for span in trace.spans() if span.ms > 0]
    figure = Figure(figsize=(10.4, 0.62 * len(trace.branches) + 1.5), layout="constrained")
    axes = figure.subplots()
    names = [branch.function for branch in trace.branches]
    total = trace.seconds() * 1000 or 1.0
    for span in spans:
        _bar(axes, span, names.index(span.branch), (span.start - trace.uploaded) / timedelta(milliseconds=1), total)
    for row, branch in enumerate(trace.branches):
        end = (branch.done - trace.uploaded) / timedelta(milliseconds=1) if branch.done else 0.0
        axes.text(end + 0.008 * total, row, f"{branch.outcome}", va="center", fontsize=8, color=GREY)
    axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, total * 1.13)
    axes.set_xlabel(f"milliseconds after S3's event at {trace.uploaded:%H:%M:%S} UTC", fontsize=8.5, color=GREY)
    axes.tick_params(axis="x", labelsize=8, colors=GREY)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#e4e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    used = [kind for kind in KINDS if any(span.kind == kind for span in spans)]
    handles = [Patch(facecolor=LOOKS[k][0], hatch=LOOKS[k][1], edgecolor=INK, linewidth=0.6, label=k) for k in used]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=8, frameon=False)
    return drawn(
        figure,
        alt=f"The way of {trace.key} through {len(names)} branches, as bars over time. {trace.sentence()}",
        caption=trace.sentence(),
        columns=COLUMNS,
        table=(_row(trace, span) for span in spans),
    )


def _bar(axes: Axes, span: Span, row: int, start: float, total: float) -> None:
    fill, hatch = LOOKS[span.kind]
    axes.barh(row, span.ms, left=start, height=0.52, color=fill, hatch=hatch, edgecolor=INK, linewidth=0.6)
    if span.ms >= LABEL_FROM * total:
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        axes.text(
            start + span.ms / 2, row, f"{span.ms:,.0f} ms", ha="center", va="center", fontsize=7.5, color=INK, bbox=box
        )


def _row(trace: Trace, span: Span) -> tuple[object, ...]:
    first, last = ((moment - trace.uploaded) / timedelta(milliseconds=1) for moment in (span.start, span.end))
    return span.branch, span.kind, f"{first:,.0f}", f"{last:,.0f}", f"{span.ms:,.1f}"
