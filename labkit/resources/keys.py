"""What a person means who names a photo: by its key, its name alone, or its address."""

from __future__ import annotations

from difflib import get_close_matches

from labkit.errors import LabError
from labkit.lab import Lab
from labkit.resources.bucket import Bucket, bucket_of
from labkit.settings import INGEST_FOLDER

ALIKE = 0.75  # of 1: how much of two keys has to be the same for one to be taken for a slip of the other


def full_key(lab: Lab, key: str) -> str:
    """`cat.jpg`, `/ingest/cat.jpg` and `s3://BUCKET/ingest/cat.jpg` as `ingest/cat.jpg`.

    Raises LabError for an address in another bucket than the lab's.
    """
    name = name_of(lab, key)
    return name if name.startswith(INGEST_FOLDER) else INGEST_FOLDER + name


def name_of(lab: Lab, key: str) -> str:
    """The key in an address, without a leading slash; raises LabError for an address in another bucket."""
    if not key.startswith("s3://"):
        return key.lstrip("/")
    bucket, _, name = key.removeprefix("s3://").partition("/")
    if bucket != lab.definition.bucket_name:
        raise LabError(
            f"{key} is in the bucket {bucket}; this lab's is {lab.definition.bucket_name}.",
            where="reading the key",
            hint="Leave the bucket out: the key alone will do, such as ingest/cat.jpg.",
            code="bad-option",
        )
    return name.lstrip("/")


def lookalike(bucket: Bucket, key: str) -> str:
    """A sentence on the key that was probably meant, where there is none of this one; empty if nothing is like it."""
    keys = bucket.keys("")
    other_case = next((one for one in keys if one.lower() == key.lower()), None)
    if other_case:
        return f"There is {other_case}: keys are case-sensitive."
    alike = get_close_matches(key, keys, n=1, cutoff=ALIKE)
    return f"Did you mean {alike[0]}?" if alike else ""


def no_photo(lab: Lab, key: str, *, where: str) -> LabError:
    """The error for a photo that is not there, with the one that was probably meant."""
    bucket = bucket_of(lab)
    said = f"There is no photo {key} in {bucket.name}."
    meant = lookalike(bucket, key)
    hint = "list_results(lab) shows what is there." if not meant else f"{meant} list_results(lab) shows all."
    return LabError(said, where=where, hint=hint, code="not-there")
