"""A matplotlib figure as a picture: a small PNG, with words and a table that say the same."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from PIL import Image

from labkit.show.picture import Picture, Shown

DOTS_PER_INCH = 108  # of the file; shown at 96, so that lines stay sharp on fine screens
COLOURS = 256  # a plot needs no more, and weighs a third


def minutes_along(axes: Axes) -> None:
    """Mark a time axis with hours and minutes, as few as have room in a third of a page, however long it is."""
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=6))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]


def drawn(
    figure: Figure,
    *,
    alt: str,
    caption: str,
    columns: Sequence[str] = (),
    table: Iterable[Sequence[object]] = (),
) -> Picture:
    """A matplotlib figure as a Picture."""
    figure.set_dpi(DOTS_PER_INCH)
    figure.set_facecolor("white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    # Maximum coverage keeps rare colours (a red point), which the median cut would merge with their neighbours.
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, "PNG")
    one = Shown(file.getvalue(), "image/png", alt, round(image.width * 96 / DOTS_PER_INCH))
    return Picture(caption, (one,), tuple(columns), tuple(tuple(row) for row in table))
