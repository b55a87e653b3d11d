"""Step 6: what came out, looked at pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from labkit import pictures
from labkit.branch import Branch
from labkit.errors import LabError, aws_errors
from labkit.lab import Lab
from labkit.resources.judgement import BROKEN, DIFFERENT, About, Line
from labkit.resources.keys import full_key, no_photo
from labkit.resources.resource import found_or_none
from labkit.result import Checks, Result, counted
from labkit.settings import INGEST_FOLDER
from labkit.steps.upload import require_bucket


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
    orientation: int = 1  # how the stored picture has to be turned, by its EXIF data; 1: it stands upright by itself

    def sentence(self) -> str:
        return f"{self.title}: {self.key}, {self.width} x {self.height} pixels, {len(self.data):,} bytes."


@dataclass(frozen=True)
class Results(Result):
    """A photo and what the functions made of it."""

    source: Photo
    results: tuple[Photo, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)  # the function, and what is wrong with its result

    def sentence(self) -> str:
        said = f"{self.source.key} has {counted(len(self.results), 'result')}."
        return " ".join([said, *self.unreadable.values()])

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

    Raises LabError if the photo is not there, or is not whole; of a result that is not whole, the Results say so.
    """
    key = full_key(lab, key)
    source = _read(lab, "original", key)
    if source is None:
        raise no_photo(lab, key, where="reading the results")
    made: list[Photo] = []
    unreadable: dict[str, str] = {}
    for branch in lab.branches:
        try:
            photo = _read(lab, branch.name, branch.result_key(key))
        except pictures.UnreadablePicture as error:
            unreadable[branch.name] = error.message
        else:
            made += [photo] if photo else []
    return Results(source, tuple(made), unreadable)


def _read(lab: Lab, title: str, key: str) -> Photo | None:
    answer = found_or_none(lab.client("s3").get_object, Bucket=require_bucket(lab).name, Key=key)
    if answer is None:
        return None
    data = answer["Body"].read()
    width, height = pictures.require_whole(data, key)
    with pictures.open_picture(data, key) as image:
        picture_format, orientation = str(image.format), pictures.orientation_of(image)
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
        orientation,
    )


@aws_errors("checking the results")
def check_results(lab: Lab, key: str) -> Checks:
    """Look at each result of a photo: there, a JPEG, of the right pixels, upright, with its content type."""
    key = full_key(lab, key)
    try:
        found = read_results(lab, key)
    except LabError as error:
        if error.code not in (pictures.UnreadablePicture.code, "not-there"):
            raise
        sound = "upload_photo(lab, ...) puts a sound photo in."
        about = About("photo", subject=f"{key}: ")
        line = about.line("a picture", False, "a picture", "none", otherwise=BROKEN, evidence=error.message, hint=sound)
        return Checks(f"results of {key}", (line,))
    by_title = {photo.title: photo for photo in found.results}
    lines = [
        line
        for branch in lab.branches
        for line in _judge(branch, found.source, by_title.get(branch.name), found.unreadable.get(branch.name, ""))
    ]
    return Checks(f"results of {found.source.key}", tuple(lines))


def _judge(branch: Branch, source: Photo, result: Photo | None, unreadable: str) -> Iterator[Line]:
    key = branch.result_key(source.key)
    about = About("result", branch.name, f"{key}: ")
    if result is None:
        yield about.missing("there", "a picture", 5, evidence=unreadable or f"There is no {key}.")
        return
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
    yield about.equal("EXIF orientation", 1, result.orientation, otherwise=DIFFERENT, hint=turn)
