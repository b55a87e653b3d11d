"""Step 5: a photo goes in, and the lab watches for what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from labkit import pictures
from labkit.errors import LabError, WaitedTooLong, aws_errors
from labkit.lab import Lab
from labkit.resources import Photo
from labkit.resources.bucket import Bucket, bucket_of
from labkit.resources.resource import NOT_OURS
from labkit.result import Result
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, LONGEST_KEY
from labkit.waiting import wait_until

CONTENT_TYPE = "image/jpeg"
# Cold starts, S3's own delay (seconds, at times a minute) and one retry after the visibility timeout.
RESULTS_WITHIN_S = 120
LONGEST_PAUSE_S, LONGEST_PAUSE_ON_AWS_S = 0.1, 1.0  # between two looks; a look at this machine costs nothing


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
    sent: datetime  # the same, to the millisecond, by this machine's clock

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
    """When each result came: when it was seen, or where S3's own clock says that it was there before, by that."""

    key: str
    arrived: tuple[tuple[str, float], ...]  # key, seconds after the upload

    def sentence(self) -> str:
        last = max(seconds for _, seconds in self.arrived)
        return f"All {len(self.arrived)} results of {self.key} were there {last:.1f} s after the upload."

    def headers(self) -> Sequence[str]:
        return ("result", "there after the upload, at the latest")

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

    Looks at the file first. Raises LabError for a missing or empty file, one that the functions could not read, and a
    name that would raise no event. https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
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
        sent_at = datetime.now(UTC)
        uploaded = s3.head_object(Bucket=bucket.name, Key=key)["LastModified"]
    lab.journal.created(*record.key, **record.facts)
    return Upload(bucket.name, key, path.stat().st_size, width, height, uploaded, expected, sent_at)


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
                code="not-this-labs",
            )


def refuse_silent_key(key: str) -> None:
    """Raise LabError for a key that S3 would take but raise no event for, so that nothing would ever happen."""
    name = key.removeprefix(INGEST_FOLDER)
    if len(key.encode()) > LONGEST_KEY:
        raise LabError(
            f"The name is {len(key.encode())} bytes long; S3 takes {LONGEST_KEY:,}.",
            hint="Choose a shorter name.",
            code="bad-option",
        )
    if not name or name.startswith("/") or name.endswith("/"):
        raise LabError(
            f"{name!r} can't be the name of a photo.",
            hint="Give a name such as cat.jpg or trip/cat.jpg.",
            code="bad-option",
        )
    if name.endswith(INGEST_SUFFIX):
        return
    wanted, extension = name_that_is_heard(name), name.rpartition(".")[2]
    if extension.lower() in ("jpg", "jpeg"):
        raise LabError(
            f"The notification's suffix is {INGEST_SUFFIX}, to the letter: .{extension} would raise no event.",
            where=f"uploading {name}",
            hint=f"Upload it under another name: upload_photo(lab, ..., name={wanted!r}).",
            code="bad-option",
        )
    raise LabError(
        f"{name} does not end in {INGEST_SUFFIX}: S3 would store it and raise no event.",
        where=f"uploading {name}",
        hint=f"If it is a photo, upload it as upload_photo(lab, ..., name={wanted!r}).",
        code="bad-option",
    )


def name_that_is_heard(name: str) -> str:
    """The name under which S3 raises an event for a photo: `holiday.png` -> `holiday.jpg`."""
    stem, dot, _ = name.rpartition(".")
    return name if name.endswith(INGEST_SUFFIX) else f"{stem if dot else name}{INGEST_SUFFIX}"


def look_at(path: Path) -> tuple[int, int]:
    """The pixels (width, height) of a photo, held upright. Raises LabError if the functions could not read it."""
    try:
        return pictures.require_whole(pictures.read_file(path), path.name)
    except LabError as error:
        raise LabError(error.message, where=f"looking at {path}", hint=error.hint(), code=error.code) from error


@aws_errors("waiting for the results")
def wait_for_results(lab: Lab, upload: Upload, *, seconds: float = RESULTS_WITHIN_S) -> Arrival:
    """Watch the result folders until all results of this upload are there; returns what arrived when after it.

    Raises LabError, naming what is still missing, after `seconds`; and at once if the photo itself is gone.
    """
    arrived: dict[str, float] = {}
    bucket = bucket_of(lab)
    if bucket.head(upload.key) is None:
        raise LabError(
            f"The photo {upload.key} is gone: nothing will come of it any more.{lab.notice and ' ' + lab.notice}",
            where=f"waiting for the results of {upload.key}",
            hint="Upload it again: upload_photo(lab, ...).",
        )

    def all_there() -> bool:
        for key in upload.expected:
            if key not in arrived and (result := _new_result(bucket, upload, key)):
                arrived[key] = _seconds_after(upload, result)
        return len(arrived) == len(upload.expected)

    def missing() -> str:
        return ", ".join(key for key in upload.expected if key not in arrived)

    def seen() -> str:
        are = "is" if len(arrived) == 1 else "are"
        lacking = "is" if len(upload.expected) - len(arrived) == 1 else "are"
        return f"{len(arrived)} of {len(upload.expected)} {are} here, {missing()} {lacking} missing"

    try:
        pause = LONGEST_PAUSE_S if lab.definition.where == "local" else LONGEST_PAUSE_ON_AWS_S
        wait_until(all_there, what="the results", seen=seen, seconds=seconds, longest_pause=pause)
    except WaitedTooLong as error:
        raise LabError(
            f"After {seconds:.0f} s there is still no {missing()}.",
            where=f"waiting for the results of {upload.key}",
            hint=f"`labkit doctor {upload.key}` looks along the photo's way and names the first thing that is wrong.",
            code="waited-too-long",
        ) from error
    return Arrival(upload.key, tuple(arrived.items()))


def _new_result(bucket: Bucket, upload: Upload, key: str) -> Mapping[str, Any] | None:
    """A result that is older than the upload belongs to an earlier photo of the same name."""
    answer = bucket.head(key)
    return answer if answer is not None and answer["LastModified"] >= upload.uploaded else None


def _seconds_after(upload: Upload, result: Mapping[str, Any]) -> float:
    """By now at the latest; or, if it lay there before anyone looked, by S3's clock, which knows whole seconds only."""
    by_s3: timedelta = result["LastModified"] - upload.uploaded + timedelta(seconds=1)
    return min(datetime.now(UTC) - upload.sent, by_s3).total_seconds()
