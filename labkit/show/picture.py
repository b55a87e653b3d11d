"""A picture that can also be read: image, alternative text, caption, and the same content as a table."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkit.result import Result, html_table, html_text

CAPTION_WIDTH = 190  # pixels that a caption takes under a small image
GAP = 16  # pixels between images side by side
# Images side by side stand on one line, however long their captions are.
A_ROW = f"display:grid;grid-template-rows:auto auto;gap:0 {GAP}px"
IN_A_ROW = "display:grid;grid-row:span 2;grid-template-rows:subgrid;align-items:end"


@dataclass(frozen=True)
class Shown:
    """One image in a picture: its bytes, what it shows in words, its own caption, its width on the page in pixels."""

    data: bytes = field(repr=False)
    mime: str
    alt: str
    width: int
    caption: str = ""

    @property
    def column(self) -> int:
        """The width in pixels that the image takes together with its caption."""
        return max(self.width, CAPTION_WIDTH) if self.caption else self.width

    def html(self) -> str:
        """A figure of its own. On a narrow page the image shrinks in step with its column."""
        source = f"data:{self.mime};base64,{base64.b64encode(self.data).decode()}"
        share = f"width:{self.width / self.column:.2%};height:auto"
        image = f'<img src="{source}" alt="{html_text(self.alt)}" width="{self.width}" style="{share}">'
        lines = "<br>".join(html_text(line) for line in self.caption.split("\n"))
        words = (
            f'<figcaption style="align-self:start;overflow-wrap:anywhere">{lines}</figcaption>' if self.caption else ""
        )
        return f'<figure style="margin:0;max-width:{self.column}px;{IN_A_ROW}">{image}{words}</figure>'


@dataclass(frozen=True)
class Picture(Result):
    """One or more images under one caption, and the table that says the same."""

    caption: str
    images: tuple[Shown, ...]
    columns: tuple[str, ...] = ()
    table: tuple[tuple[object, ...], ...] = ()

    @property
    def png(self) -> bytes:
        """The bytes of the first image."""
        return self.images[0].data

    @property
    def alt(self) -> str:
        """The first image in words."""
        return self.images[0].alt

    def save(self, path: Path) -> Path:
        """Write the first image to a file."""
        path.write_bytes(self.png)
        return path

    def sentence(self) -> str:
        """The caption."""
        return self.caption

    def headers(self) -> Sequence[str]:
        """The table's columns."""
        return self.columns

    def rows(self) -> Iterable[Sequence[object]]:
        """The table."""
        return self.table

    def _text(self) -> str:
        pictures = "\n".join(f"[Picture: {image.alt}]" for image in self.images)
        return f"{pictures}\n{super()._text()}"

    def _html(self) -> str:
        images = "".join(image.html() for image in self.images)
        if len(self.images) > 1:
            # All columns give way by the same share, so that the images keep their relative size.
            columns = " ".join(f"minmax(0,{image.column}fr)" for image in self.images)
            widest = sum(image.column + GAP for image in self.images) - GAP
            images = f'<div style="{A_ROW};grid-template-columns:{columns};max-width:{widest}px">{images}</div>'
        caption = f"<p>{html_text(self.caption)}</p>" if self.caption else ""
        if not self.table:
            return images + caption
        table = html_table(self.columns, self.table)
        return f"{images}{caption}<details><summary>The same as a table</summary>{table}</details>"
