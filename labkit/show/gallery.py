"""The original and what the functions made of it, side by side at their true relative size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from labkit import pictures
from labkit.show.picture import CAPTION_WIDTH, Picture, Shown
from labkit.steps.validate import Photo, Results

PAGE, TALLEST = 900, 420  # pixels; what all pictures together may take in width, and each in height
SHARPER = 1.5  # pixels in the file for each on the page: crisp on fine screens, still small
BUDGET = 90_000  # bytes for all pictures together, before base64, so that a page of several stays under 300 KB
# What brings a picture upright: https://www.cipa.jp/std/documents/download_e.html?CIPA_DC-008-2024-E (Orientation)
TURNS = {
    2: "mirror it",
    3: "turn it upside down",
    4: "turn it upside down, and mirror it",
    5: "turn it by 90 degrees to the right, and mirror it",
    6: "turn it by 90 degrees to the right",
    7: "turn it by 90 degrees to the left, and mirror it",
    8: "turn it by 90 degrees to the left",
}
QUALITIES = (82, 75, 68, 60, 50, 40, 30)


def gallery(results: Results) -> Picture:
    """All pictures upright, at one scale, each with pixels, bytes, saving and key."""
    photos = (results.source, *results.results)
    scale = _scale(photos)
    small = [_scaled(photo, scale * SHARPER) for photo in photos]
    return Picture(
        _caption(results, scale),
        tuple(
            Shown(data, "image/jpeg", _alt(photo, results.source), max(1, round(photo.width * scale)), words)
            for photo, data, words in zip(
                photos, _encoded(small), (_words(photo, results.source) for photo in photos), strict=True
            )
        ),
        tuple(results.headers()),
        tuple(tuple(row) for row in results.rows()),
    )


def show_photo(photo: str | Path) -> Picture:
    """A photo as its pixels lie in the file, and what its EXIF orientation says about that.

    Raises LabError for a file that is missing, or that the functions could not read.
    """
    path = Path(photo)
    data = pictures.read_file(path)
    with pictures.open_picture(data, path.name) as image:
        (width, height), orientation = image.size, pictures.orientation_of(image)
    said = f"{path.name} as it is stored: {width} x {height} pixels, {len(data):,} bytes."
    turned = "" if orientation == 1 else f" Its EXIF orientation is {orientation}: {TURNS.get(orientation, 'unknown')}."
    small = pictures.lying(data, path.name, TALLEST)
    alt = f"The photo {path.name} as its pixels lie in the file{', not upright' if turned else ''}."
    shown = Shown(pictures.as_jpeg(small, QUALITIES[0]), "image/jpeg", alt, small.width)
    columns, row = (
        ("photo", "pixels", "bytes", "EXIF orientation"),
        (path.name, f"{width} x {height}", f"{len(data):,}"),
    )
    return Picture(said + turned, (shown,), columns, ((*row, orientation),))


def _scale(photos: Sequence[Photo]) -> float:
    """One scale for all, so that they stand side by side with their captions; never larger than life."""
    scale = min(1.0, TALLEST / max(photo.height for photo in photos))
    while sum(max(photo.width * scale, CAPTION_WIDTH) for photo in photos) > max(PAGE, len(photos) * CAPTION_WIDTH + 1):
        scale *= 0.98
    return scale


def _scaled(photo: Photo, scale: float) -> Image.Image:
    longest = max(photo.width, photo.height)
    return pictures.upright(photo.data, photo.key, max(1, round(longest * min(1.0, scale))))


def _encoded(small: list[Image.Image]) -> list[bytes]:
    """JPEGs that keep to the budget together, at the best quality that does."""
    for quality in QUALITIES:
        files = [pictures.as_jpeg(picture, quality) for picture in small]
        if sum(map(len, files)) <= BUDGET:
            break
    return files


def _caption(results: Results, scale: float) -> str:
    shown = "at their real size" if scale == 1 else f"at {scale:.0%} of their real size"
    return f"{results.sentence()} All are shown {shown}, upright, so that their sizes can be compared."


def _alt(photo: Photo, source: Photo) -> str:
    what = "The original photo" if photo is source else f"What {photo.title} made of it"
    return f"{what}: {photo.key}, {photo.width} x {photo.height} pixels."


def _words(photo: Photo, source: Photo) -> str:
    saved = 1 - len(photo.data) / len(source.data)
    saving = "" if photo is source else f", {saved:.0%} saved" if saved >= 0 else f", {-saved:.0%} more"
    size = f"{len(photo.data):,} bytes{saving}"
    return f"{photo.title}\n{photo.key}\n{photo.width} x {photo.height} pixels\n{size}"
