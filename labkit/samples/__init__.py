"""The sample photos that the lab carries, so that no lesson needs the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.result import Result, Table, counted

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sample(Result):
    """One sample photo: its file, its upright size in pixels, what it shows, and its licence."""

    name: str
    width: int
    height: int
    shows: str
    licence: str

    @property
    def path(self) -> Path:
        """The file."""
        return FOLDER / self.name

    @property
    def bytes(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size

    def sentence(self) -> str:
        """Name, size and what it shows."""
        return f"{self.name}, {self.width} x {self.height} pixels, {self.bytes / 1e6:.2f} MB: {self.shows}"


_DRAWN = "Apache-2.0, drawn by this project"

# The names of the first three are the original lab's. The sizes differ on purpose: two are larger than the web size of
# 1920 x 1080 in one direction or both, HappyFace is smaller, so that web and mobile show what "never enlarged" means.
_SAMPLES = (
    Sample("AWS.jpg", 2880, 1920, "A cloud landscape at sunrise.", _DRAWN),
    Sample("MonaLisa.jpg", 1600, 2400, "A sitter with a calm smile, in flat shapes; upright format.", _DRAWN),
    Sample("HappyFace.jpg", 960, 960, "A smiley; too small for web to shrink it.", _DRAWN),
    Sample(
        "dandelions.jpg",
        5312,
        2988,
        "A meadow of dandelion clocks in the evening sun; a real photo of 16 megapixels.",
        "CC0 1.0, photo by Clemens Engelhardt",
    ),
    Sample(
        "friends.jpg",
        2048,
        3088,
        "Two spaniels look out of a window; stored lying down, upright by its EXIF orientation (6).",
        "CC BY 4.0, photo by Aitzol Berasategi",
    ),
)


def list_samples() -> Table[Sample]:
    """All sample photos, as a table; a loop goes through them."""
    return Table(
        _SAMPLES,
        f'{counted(len(_SAMPLES), "sample photo")}; sample("{_SAMPLES[0].name}") is the path of the first.',
        {
            "name": lambda one: one.name,
            "pixels": lambda one: f"{one.width} x {one.height}",
            "MP": lambda one: f"{one.width * one.height / 1e6:.1f}",
            "MB": lambda one: f"{one.bytes / 1e6:.2f}",
            "what it shows": lambda one: one.shows,
            "licence": lambda one: one.licence,
        },
    )


def sample(name: str) -> Path:
    """The path of a sample photo, such as `sample("AWS.jpg")`. Raises LabError with the names there are."""
    for one in _SAMPLES:
        if one.name == name:
            return one.path
    raise LabError(
        f"There is no sample photo called {name!r}.",
        where="choosing a sample photo",
        hint=f"Choose one of {', '.join(one.name for one in _SAMPLES)} (names are case-sensitive).",
        code="not-there",
    )
