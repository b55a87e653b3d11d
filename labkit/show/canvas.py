"""A drawing of shapes and words: shapes by matplotlib, words by Pillow, which sets them in a tenth of the time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D
from PIL import Image, ImageDraw, ImageFont

from labkit.show.picture import DOTS_PER_INCH, rendered

FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
PIXELS = DOTS_PER_INCH / 100  # in a unit
ANCHORS = {"left": "lm", "center": "mm"}


class Canvas:
    """Shapes, and over all of them words. One unit is 1/100 inch; y grows upward."""

    def __init__(self, width: float, height: float) -> None:
        self._figure = Figure(figsize=(width / 100, height / 100))
        self._units = Affine2D().scale(1 / 100) + self._figure.dpi_scale_trans
        self._height = height
        self._words: list[tuple[float, float, str, float, str, str, str]] = []

    def add(self, shape: Artist) -> None:
        """Draw a shape, over others of a lower `zorder`."""
        shape.set_transform(self._units)
        self._figure.add_artist(shape)

    def write(
        self, x: float, y: float, words: str, size: float, colour: str, *, align: str = "left", face: str = ""
    ) -> None:
        """Write words of `size` points at the height `y`; `face` is that of `width_of`."""
        self._words.append((x, y, words, size, colour, align, face))

    def image(self) -> Image.Image:
        """What was drawn so far."""
        image = rendered(self._figure)
        draw = ImageDraw.Draw(image)
        for x, y, words, size, colour, align, face in self._words:
            place = x * PIXELS, (self._height - y) * PIXELS
            draw.text(place, words, fill=colour, font=_font(face, size), anchor=ANCHORS[align])
        return image


def width_of(words: str, size: float, face: str = "Bold") -> float:
    """How many units wide the words are; `face` is `Bold`, `Oblique`, or empty for the plain one."""
    return _font(face, size).getlength(words) / PIXELS


@cache
def _font(face: str, size: float) -> ImageFont.FreeTypeFont:
    file = FONTS / f"DejaVuSans{'-' if face else ''}{face}.ttf"
    # The basic layout needs no library that some systems lack, and so is the same everywhere.
    return ImageFont.truetype(file, size * DOTS_PER_INCH / 72, layout_engine=ImageFont.Layout.BASIC)
