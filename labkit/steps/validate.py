"""Step 6: what came out, looked at pixel by pixel."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from PIL import Image, ImageOps, UnidentifiedImageError

from labkit.branch import Branch
from labkit.errors import LabError, aws_errors
from labkit.lab import Lab
from labkit.resources.judgement import BROKEN, DIFFERENT, About, Line
from labkit.resources.keys import full_key, no_photo
from labkit.resources.resource import found_or_none
from labkit.result import Checks, Result
from labkit.settings import INGEST_FOLDER
from labkit.steps.upload import ORIENTATION, require_bucket, upright_size


@dataclass(frozen=True)
class Photo(Result):
    """A picture as it lies in the bucket; width and height are those of the picture held upright."""

    title: str  # "original" or the function's name
    key: str
    data: bytes = field(repr=False)
    width: int
    height: int
    format: str
    content_type: str
    metadata: Mapping[str, str]
    last_modified: datetime

    def sentence(self) -> str:
        return f"{self.title}: {self.key}, {self.width} x {self.height} pixels, {len(self.data):,} bytes."


@dataclass(frozen=True)
class Results(Result):
    """A photo and what the functions made of it."""

    source: Photo
    results: tuple[Photo, ...]

    def sentence(self) -> str:
        return f"{self.source.key} has {len(self.results)} results."

    def headers(self) -> Sequence[str]:
        return ("made by", "key", "pixels", "bytes", "of the original's bytes")

    def rows(self) -> Iterable[Sequence[object]]:
        for photo in (self.source, *self.results):
            share = f"{len(photo.data) / len(self.source.data):.0%}"
            yield photo.title, photo.key, f"{photo.width} x {photo.height}", f"{len(photo.data):,}", share


@dataclass(frozen=True)
class Listing(Result):
    """What lies in the bucket, folder by folder."""

    bucket: str
    objects: tuple[tuple[str, int, datetime], ...]  # key, bytes, last modified

    def sentence(self) -> str:
        return f"The bucket {self.bucket} holds {len(self.objects)} objects."

    def headers(self) -> Sequence[str]:
        return ("key", "bytes", "last modified (UTC)")

    def rows(self) -> Iterable[Sequence[object]]:
        return [(key, f"{size:,}", f"{changed:%H:%M:%S}") for key, size, changed in self.objects]


@aws_errors("listing the results")
def list_results(lab: Lab) -> Listing:
    """What lies in `ingest/` and in the three result folders."""
    bucket = require_bucket(lab)
    folders = (INGEST_FOLDER, *(branch.folder for branch in lab.branches))
    found = [item for folder in folders for item in bucket.objects(folder)]
    return Listing(bucket.name, tuple((item["Key"], item["Size"], item["LastModified"]) for item in found))


def uploaded_photos(lab: Lab) -> list[str]:
    """The keys of the photos that the lab has put in, the last one at the end."""
    return [e.name for e in lab.journal.entries("object") if e.state == "created" and e.name != INGEST_FOLDER]


def last_photo(lab: Lab) -> str:
    """The key of the photo uploaded last; LabError if there was none."""
    photos = uploaded_photos(lab)
    if not photos:
        raise LabError(
            "No photo was uploaded yet.",
            hint="That is step 5: run the notebook 05_upload first, or catch_up(lab, to=5).",
            code="missing-step",
        )
    return photos[-1]


@aws_errors("reading the results")
def read_results(lab: Lab, key: str) -> Results:
    """Fetch a photo and its results from the bucket.

    Raises LabError if the photo is not there; a result that is not there, or is not a picture, is left out.
    """
    key = full_key(lab, key)
    source = _read(lab, "original", key)
    if source is None:
        raise no_photo(lab, key, where="reading the results")
    made = [_read(lab, branch.name, branch.result_key(key)) for branch in lab.branches]
    return Results(source, tuple(photo for photo in made if photo is not None))


def _read(lab: Lab, title: str, key: str) -> Photo | None:
    answer = found_or_none(lab.client("s3").get_object, Bucket=require_bucket(lab).name, Key=key)
    if answer is None:
        return None
    data = answer["Body"].read()
    try:
        with Image.open(io.BytesIO(data)) as image:
            picture_format, (width, height) = str(image.format), upright_size(image)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None
    return Photo(
        title,
        key,
        data,
        width,
        height,
        picture_format,
        answer.get("ContentType", ""),
        answer.get("Metadata", {}),
        answer["LastModified"],
    )


@aws_errors("checking the results")
def check_results(lab: Lab, key: str) -> Checks:
    """Look at each result of a photo: there, a JPEG, of the right pixels, upright, with its content type."""
    key = full_key(lab, key)
    if _read(lab, "original", key) is None:
        line = About("photo", subject=f"{key}: ").line(
            "a picture",
            False,
            "a picture",
            "none",
            otherwise=BROKEN,
            hint="upload_photo(lab, ...) puts a sound photo in.",
        )
        return Checks(f"results of {key}", (line,))
    found = read_results(lab, key)
    by_title = {photo.title: photo for photo in found.results}
    lines = [line for branch in lab.branches for line in _judge(branch, found.source, by_title.get(branch.name))]
    return Checks(f"results of {found.source.key}", tuple(lines))


def _judge(branch: Branch, source: Photo, result: Photo | None) -> Iterator[Line]:
    key = branch.result_key(source.key)
    about = About("result", branch.name, f"{key}: ")
    if result is None:
        yield about.missing("there", "a picture", 5, evidence=f"There is no {key}.")
        return
    with Image.open(io.BytesIO(result.data)) as image:
        orientation = image.getexif().get(ORIENTATION, 1)
    width, height = branch.function.result_size(source.width, source.height)
    own = "The lab's own functions set it; a package of your own may not."
    yield about.works("there", "a picture")
    yield about.line(
        "pixels",
        # One pixel of rounding either way is a matter of taste, and a student's own package has its own.
        abs(result.width - width) <= 1 and abs(result.height - height) <= 1,
        f"{width} x {height}",
        f"{result.width} x {result.height}",
        otherwise=DIFFERENT,
        hint=f"Look at the size rule of {branch.name}, and whether the photo was replaced since.",
    )
    yield about.equal("format", "JPEG", result.format, otherwise=DIFFERENT, hint=own)
    yield about.equal("content type", "image/jpeg", result.content_type, otherwise=DIFFERENT, hint=own)
    turn = "Turn the picture (ImageOps.exif_transpose), clear the tag."
    yield about.equal("EXIF orientation", 1, orientation, otherwise=DIFFERENT, hint=turn)


def upright(data: bytes) -> Image.Image:
    """The picture of these bytes, turned as its EXIF orientation says."""
    with Image.open(io.BytesIO(data)) as image:
        return ImageOps.exif_transpose(image)
