"""Step 5: a photo goes in, and the lab watches for what comes out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image, UnidentifiedImageError

from labkit.errors import LabError, aws_errors
from labkit.lab import Lab
from labkit.resources import Photo
from labkit.resources.bucket import Bucket, bucket_of
from labkit.resources.resource import NOT_OURS
from labkit.result import Result
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, LONGEST_KEY
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
        return f"The folder {self.key} {'is made' if self.made else 'was there already'} in {self.bucket}."

    def console(self) -> Sequence[str]:
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
        return f"A photo of {self.width} x {self.height} pixels, {self.size:,} bytes, is now {self.key}."

    def console(self) -> Sequence[str]:
        return ("Upload succeeded.",)

    def headers(self) -> Sequence[str]:
        return ("expected result", "in the folder")

    def rows(self) -> Iterable[Sequence[object]]:
        return [(key, key.split("/", 1)[0] + "/") for key in self.expected]


@dataclass(frozen=True)
class Arrival(Result):
    """When each result came."""

    key: str
    arrived: tuple[tuple[str, float], ...]  # key, seconds after the waiting began

    def sentence(self) -> str:
        return (
            f"All {len(self.arrived)} results of {self.key} were there after {max(s for _, s in self.arrived):.1f} s."
        )

    def headers(self) -> Sequence[str]:
        return ("result", "seen after")

    def rows(self) -> Iterable[Sequence[object]]:
        return [(key, f"{seconds:.1f} s") for key, seconds in sorted(self.arrived, key=lambda pair: pair[1])]


@aws_errors("making the folder ingest/")
def create_ingest_folder(lab: Lab) -> Folder:
    """Make the folder `ingest/`, as the console's button "Create folder" does.

    S3 has no folders: this puts an empty object of that key, and whatever starts with it is shown inside.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-folders.html
    """
    bucket = require_bucket(lab)
    folder = Photo(lab, INGEST_FOLDER, facts={"bucket": bucket.name})
    if bucket.object_versions(INGEST_FOLDER):
        return Folder(bucket.name, INGEST_FOLDER, made=False)
    with folder.journaled_create(bucket.refusals):
        lab.client("s3").put_object(Bucket=bucket.name, Key=INGEST_FOLDER, Tagging=urlencode(lab.definition.tags))
    lab.journal.created(*folder.key, **folder.facts)
    return Folder(bucket.name, INGEST_FOLDER, made=True)


def require_bucket(lab: Lab) -> Bucket:
    """The lab's bucket. Raises LabError if step 3 was not done."""
    bucket = bucket_of(lab)
    bucket.require()
    return bucket


@aws_errors("uploading a photo")
def upload_photo(lab: Lab, photo: str | Path, *, name: str | None = None) -> Upload:
    """Put a photo into `ingest/`, under its own name or the one given (which may hold folders: `a/b.jpg`).

    Looks at the file first. Raises LabError for a missing or empty file, one that is no image, and a name that would
    raise no event. https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
    """
    bucket, path = require_bucket(lab), Path(photo)
    key = INGEST_FOLDER + (path.name if name is None else name)
    refuse_silent_key(key)
    width, height = look_at(path)
    s3, record = lab.client("s3"), Photo(lab, key, facts={"bucket": bucket.name})
    expected = tuple(branch.result_key(key) for branch in lab.branches)
    refuse_foreign_objects(bucket, record)
    lab.journal.creating(*record.key, **record.facts)
    with aws_errors(f"uploading {path.name}", bucket.refusals):
        sent = {"ContentType": CONTENT_TYPE, "Tagging": urlencode(lab.definition.tags)}
        with path.open("rb") as file:  # upload_file would hide AWS's own error in one of boto3's
            s3.upload_fileobj(file, bucket.name, key, ExtraArgs=sent)
        uploaded = s3.head_object(Bucket=bucket.name, Key=key)["LastModified"]
    lab.journal.created(*record.key, **record.facts)
    return Upload(bucket.name, key, path.stat().st_size, width, height, uploaded, expected)


def refuse_foreign_objects(bucket: Bucket, photo: Photo) -> None:
    """Raise LabError if a photo, or one of its results, would replace an object of someone else's in their bucket.

    Clean-up deletes what the lab put there; so nothing may have been there before, older versions included.
    """
    lab, key = photo.lab, photo.name
    if lab.definition.bucket is None or (lab.journal.find(*photo.key) and photo.ownership().verdict != NOT_OURS):
        return
    for name in (key, *photo.results):
        if bucket.object_versions(name):
            raise LabError(
                f"The bucket {bucket.name} holds an object {name} already, and it is not this lab's. "
                "It was left alone.",
                where=f"uploading {key}",
                hint="Upload the photo under another name: upload_photo(lab, ..., name='another.jpg').",
            )


def refuse_silent_key(key: str) -> None:
    """Raise LabError for a key that S3 would take but raise no event for, so that nothing would ever happen."""
    name = key.removeprefix(INGEST_FOLDER)
    if len(key.encode()) > LONGEST_KEY:
        raise LabError(
            f"The name is {len(key.encode())} bytes long; S3 takes {LONGEST_KEY:,}.", hint="Choose a shorter name."
        )
    if not name or name.startswith("/") or name.endswith("/"):
        raise LabError(f"{name!r} can't be the name of a photo.", hint="Give a name such as cat.jpg or trip/cat.jpg.")
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


@aws_errors("waiting for the results")
def wait_for_results(lab: Lab, upload: Upload, *, seconds: float = RESULTS_WITHIN_S) -> Arrival:
    """Watch the result folders until all results of this upload are there; returns what arrived when.

    Raises LabError, naming what is still missing, after `seconds`; and at once if the photo itself is gone.
    """
    arrived: dict[str, float] = {}
    started = time.monotonic()

    bucket = bucket_of(lab)
    if bucket.head(upload.key) is None:
        raise LabError(
            f"The photo {upload.key} is gone: nothing will come of it any more.{lab.notice and ' ' + lab.notice}",
            where=f"waiting for the results of {upload.key}",
            hint="Upload it again: upload_photo(lab, ...).",
        )

    def all_there() -> bool:
        for key in upload.expected:
            if key not in arrived and _is_there(bucket, upload, key):
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


def _is_there(bucket: Bucket, upload: Upload, key: str) -> bool:
    """A result that is older than the upload belongs to an earlier photo of the same name."""
    answer = bucket.head(key)
    return answer is not None and answer["LastModified"] >= upload.uploaded
