"""Where photos come from and results go: S3, and which of its refusals mean what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from event import S3Record
from outcome import Ignored, Refused, TryAgain

# Made once for each execution environment, while it starts: that part gets a whole CPU, and later photos reuse it.
S3 = boto3.client("s3")

INGEST_FOLDER = "ingest/"
LONGEST_KEY = 1024  # bytes, S3's limit
MOST_BYTES = 64 * 1024 * 1024  # no photo is larger, and the whole file is held in memory


def result_key(key: str, folder: str, label: str) -> str:
    """The key of a result: `ingest/a/b.jpg` -> `thumbnail/a/Thumbnail-b.jpg`.

    A key that would grow beyond S3's limit is cut, and ends in a hash of the source's key instead of what was cut.
    Raises Ignored for what is not a photo of this pipeline, Refused for a result that would start the pipeline again.
    """
    if not key.startswith(INGEST_FOLDER):
        raise Ignored("not_under_ingest", f"Only objects under {INGEST_FOLDER} are resized.")
    if key.endswith("/"):
        raise Ignored("folder", "An object whose key ends in / is the S3 console's way to show an empty folder.")
    nested, slash, name = key[len(INGEST_FOLDER) :].rpartition("/")
    result = f"{folder}{nested}{slash}{label}{name}"
    if result.startswith(INGEST_FOLDER):
        raise Refused("loop", f"A result under {INGEST_FOLDER} would start this function again, for ever.")
    if len(result.encode()) > LONGEST_KEY:
        tail = f"~{hashlib.sha256(key.encode()).hexdigest()[:16]}.jpg"
        result = result.encode()[: LONGEST_KEY - len(tail)].decode(errors="ignore") + tail
    return result


def download(photo: S3Record) -> bytes:
    """The photo as it was when the event was sent.

    Raises Ignored if it was deleted or replaced since (a replacement sends an event of its own).
    """
    unchanged = {"IfMatch": f'"{photo.etag}"'} if photo.etag else {}
    with _s3_refusals():
        answer = S3.get_object(Bucket=photo.bucket, Key=photo.key, **unchanged)
        with answer["Body"] as body:
            size = answer["ContentLength"]
            if size > MOST_BYTES:
                raise Refused("too_large", f"The file has {size:,} bytes; the most is {MOST_BYTES:,}.")
            return bytes(body.read())


def upload(photo: S3Record, key: str, jpeg: BytesIO, metadata: dict[str, str]) -> None:
    """Put the result: whole or not at all, as S3 does. The same photo gives the same bytes under the same key."""
    with _s3_refusals():
        S3.put_object(Bucket=photo.bucket, Key=key, Body=jpeg, ContentType="image/jpeg", Metadata=metadata)


def ascii_metadata(**values: str | None) -> dict[str, str]:
    """S3 metadata travels in HTTP headers: ASCII alone, so anything else is percent-encoded; 2 KB in all.

    A value too long for that is given by its SHA-256 under `<name>-sha256`.
    """
    metadata = {}
    for name, value in values.items():
        if value is None:
            continue
        header, encoded = name.replace("_", "-"), quote(value, safe="!#$&'()*+,-./:;=?@[]^_`{|}~")
        if len(encoded) > 1400:
            header, encoded = f"{header}-sha256", hashlib.sha256(value.encode()).hexdigest()
        metadata[header] = encoded
    return metadata


@contextmanager
def _s3_refusals() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _meaning(error) from error
    except BotoCoreError as error:  # no connection, a broken connection, a time-out
        raise TryAgain("s3_unreachable", f"S3 was not reached: {error}") from error


def _meaning(error: ClientError) -> Exception:
    code = error.response["Error"].get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"{code}: {error.response['Error'].get('Message', '')}"
    if code == "NoSuchBucket":
        return Refused("no_such_bucket", f"The bucket is gone ({said}).")
    if code in ("NoSuchKey", "404"):  # without s3:ListBucket on ingest/* this would be AccessDenied
        return Ignored("deleted", "The photo was deleted before this function came to it.")
    if code == "PreconditionFailed":
        return Ignored("replaced", "The photo was replaced since this event; the new one has an event of its own.")
    if code == "InvalidObjectState":
        return Refused("archived", f"The photo is in an archive class and has to be restored first ({said}).")
    if code == "AccessDenied":
        return TryAgain("access_denied", f"The function's role may not do this, or not yet ({said}).")
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout", "OperationAborted"):
        return TryAgain("s3_busy", f"S3 asks to come back later ({said}).")
    return TryAgain("s3_error", f"S3 refused {error.operation_name} ({said}).")
