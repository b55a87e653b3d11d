"""Step 5: a photo goes in, and the lab watches for what comes out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image, UnidentifiedImageError

from labkit.errors import LabError, telling
from labkit.lab import Lab
from labkit.result import Result
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX
from labkit.steps.making import found_or_none
from labkit.steps.notification import object_versions, require_bucket
from labkit.waiting import wait_until

CONTENT_TYPE = "image/jpeg"
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
# Cold starts, S3's own delay (seconds, at times a minute) and one retry after the visibility timeout.
RESULTS_WITHIN_S = 120


@dataclass(frozen=True)
class Folder(Result):
    """A "folder" of S3: an empty object whose key ends in a slash."""

    bucket: str
    key: str
    made: bool

    def sentence(self) -> str:
        """Made, or there already."""
        return f"The folder {self.key} {'is made' if self.made else 'was there already'} in {self.bucket}."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f'Successfully created folder "{self.key.rstrip("/")}".',) if self.made else ()


@dataclass(frozen=True)
class Upload(Result):
    """A photo that was put into the bucket."""

    bucket: str
    key: str
    size: int  # bytes
    width: int
    height: int
    uploaded: datetime  # when S3 says that it was stored
    expected: tuple[str, ...]  # the keys of the results to come

    def sentence(self) -> str:
        """What went where."""
        return f"A photo of {self.width} x {self.height} pixels, {self.size:,} bytes, is now {self.key}."

    def console(self) -> Sequence[str]:
        """The console's sentence."""
        return ("Upload succeeded.",)

    def headers(self) -> Sequence[str]:
        """One row a result to come."""
        return ("expected result", "in the folder")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a result to come."""
        return [(key, key.split("/", 1)[0] + "/") for key in self.expected]


@dataclass(frozen=True)
class Arrival(Result):
    """When each result came."""

    key: str
    arrived: tuple[tuple[str, float], ...]  # key, seconds after the waiting began

    def sentence(self) -> str:
        """All in how many seconds."""
        return (
            f"All {len(self.arrived)} results of {self.key} were there after {max(s for _, s in self.arrived):.1f} s."
        )

    def headers(self) -> Sequence[str]:
        """One row a result."""
        return ("result", "seen after")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a result, in the order of arrival."""
        return [(key, f"{seconds:.1f} s") for key, seconds in sorted(self.arrived, key=lambda pair: pair[1])]


@telling("making the folder ingest/")
def create_ingest_folder(lab: Lab) -> Folder:
    """Make the folder `ingest/`, as the console's button "Create folder" does.

    S3 has no folders: this puts an empty object of that key, and whatever starts with it is shown inside.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-folders.html
    """
    bucket = require_bucket(lab)
    s3 = lab.client("s3")
    if object_versions(lab, bucket, INGEST_FOLDER):
        return Folder(bucket, INGEST_FOLDER, made=False)
    lab.journal.creating("object", INGEST_FOLDER, bucket=bucket)
    with telling(f"creating the folder {INGEST_FOLDER}"):
        s3.put_object(Bucket=bucket, Key=INGEST_FOLDER, Tagging=urlencode(lab.settings.tags))
    lab.journal.created("object", INGEST_FOLDER, bucket=bucket)
    return Folder(bucket, INGEST_FOLDER, made=True)


@telling("uploading a photo")
def upload_photo(lab: Lab, photo: str | Path, *, name: str | None = None) -> Upload:
    """Put a photo into `ingest/`, under its own name or the one given (which may hold folders: `a/b.jpg`).

    Looks at the file first. Raises LabError for a missing or empty file, one that is no image, and a name that would
    raise no event. https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
    """
    bucket, path = require_bucket(lab), Path(photo)
    key = INGEST_FOLDER + (path.name if name is None else name)
    refuse_silent_key(key)
    width, height = look_at(path)
    s3 = lab.client("s3")
    expected = tuple(function.result_key(key) for function in lab.settings.functions)
    refuse_foreign_objects(lab, bucket, key, expected)
    lab.journal.creating("object", key, bucket=bucket)
    with telling(f"uploading {path.name}"):
        about = {"ContentType": CONTENT_TYPE, "Tagging": urlencode(lab.settings.tags)}
        with path.open("rb") as file:  # upload_file would hide AWS's own error in one of boto3's
            s3.upload_fileobj(file, bucket, key, ExtraArgs=about)
        uploaded = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    lab.journal.created("object", key, bucket=bucket)
    return Upload(bucket, key, path.stat().st_size, width, height, uploaded, expected)


def refuse_foreign_objects(lab: Lab, bucket: str, key: str, results: Sequence[str]) -> None:
    """Raise LabError if a photo, or one of its results, would replace an object of somebody's in their bucket.

    Clean-up deletes what the lab put there; so nothing may have been there before, older versions included.
    """
    if lab.settings.bucket is None or lab.journal.find("object", key):
        return
    for name in (key, *results):
        if object_versions(lab, bucket, name):
            raise LabError(
                f"The bucket {bucket} holds an object {name} already, and it is not this lab's. It was left alone.",
                where=f"uploading {key}",
                hint="Upload the photo under another name: upload_photo(lab, ..., name='another.jpg').",
            )


def refuse_silent_key(key: str) -> None:
    """Raise LabError for a key that S3 would take but raise no event for, so that nothing would ever happen."""
    name = key.removeprefix(INGEST_FOLDER)
    if len(key.encode()) > 1024:
        raise LabError(f"The name is {len(key.encode())} bytes long; S3 takes 1,024.", hint="Choose a shorter name.")
    if not name or name.startswith("/") or name.endswith("/"):
        raise LabError(f"{name!r} is no name for a photo.", hint="Give a name such as cat.jpg or trip/cat.jpg.")
    if name.endswith(INGEST_SUFFIX):
        return
    stem, dot, extension = name.rpartition(".")
    wanted = f"{stem if dot else name}{INGEST_SUFFIX}"
    if extension.lower() in ("jpg", "jpeg"):
        raise LabError(
            f"The notification's suffix is {INGEST_SUFFIX}, to the letter: .{extension} would raise no event.",
            where=f"uploading {name}",
            hint=f"Upload it under another name: upload_photo(lab, ..., name={wanted!r}).",
        )
    raise LabError(
        f"{name} does not end in {INGEST_SUFFIX}: S3 would store it and raise no event.",
        where=f"uploading {name}",
        hint=f"If it is a photo, upload it as upload_photo(lab, ..., name={wanted!r}).",
    )


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of a picture once its EXIF orientation is applied; 5 to 8 lie on their side."""
    width, height = image.size
    turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def look_at(path: Path) -> tuple[int, int]:
    """The pixels (width, height) of an image file, held upright; LabError if it is missing, empty or no image."""
    where = f"looking at {path}"
    if not path.is_file():
        raise LabError(f"There is no file {path}.", where=where, hint="samples() lists the photos that come along.")
    if path.stat().st_size == 0:
        raise LabError(f"{path.name} is empty (0 bytes).", where=where, hint="Was the download interrupted?")
    try:
        with Image.open(path) as image:
            return upright_size(image)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise LabError(
            f"{path.name} is not an image that Pillow can read, whatever its name says.",
            where=where,
            hint=f"Open it in a picture viewer first. Pillow says: {error}",
        ) from error


@telling("waiting for the results")
def wait_for_results(lab: Lab, upload: Upload, *, seconds: float = RESULTS_WITHIN_S) -> Arrival:
    """Watch the result folders until all results of this upload are there; returns what arrived when.

    Raises LabError, naming what is still missing, after `seconds`.
    """
    arrived: dict[str, float] = {}
    started = time.monotonic()

    def all_there() -> bool:
        for key in upload.expected:
            if key not in arrived and _is_there(lab, upload, key):
                arrived[key] = time.monotonic() - started
        return len(arrived) == len(upload.expected)

    try:
        wait_until(all_there, what="the results", seconds=seconds)
    except LabError as error:
        missing = ", ".join(key for key in upload.expected if key not in arrived)
        raise LabError(
            f"After {seconds:.0f} s there is still no {missing}.",
            where=f"waiting for the results of {upload.key}",
            hint=f"`labkit doctor {upload.key}` looks along the photo's way and names the first thing that is wrong.",
        ) from error
    return Arrival(upload.key, tuple(arrived.items()))


def _is_there(lab: Lab, upload: Upload, key: str) -> bool:
    """A result that is older than the upload belongs to an earlier photo of the same name."""
    answer = found_or_none(lab.client("s3").head_object, Bucket=upload.bucket, Key=key)
    return answer is not None and answer["LastModified"] >= upload.uploaded
