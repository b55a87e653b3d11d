"""The objects that the lab puts into the bucket: photos, the folder that holds them, and what comes of each photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from botocore.exceptions import ClientError

from labkit.errors import error_code
from labkit.lab import Lab
from labkit.resources.bucket import Bucket, bucket_of
from labkit.resources.judgement import Line, Snapshot
from labkit.resources.resource import (
    FORBIDDEN,
    NOT_OURS,
    UNKNOWN,
    UNKNOWN_OPERATION,
    Ownership,
    Resource,
    Right,
    by_tags,
    found_or_none,
    from_tag_list,
)
from labkit.settings import INGEST_FOLDER, is_photo


class Photo(Resource):
    """An object under `ingest/`, by its key, with its results: they are deleted with it, and before it.

    A photo carries the lab's tags. Its results carry none (the functions may not tag); before a photo was uploaded
    into an existing bucket, nothing was where its results would be, so that what is there now came of it.
    """

    kind, step, notebook, planned = "object", 5, "05_upload", False

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:  # noqa: ARG003
        return iter(())

    @property
    def bucket(self) -> Bucket:
        """The bucket that it was put into: the journal knows."""
        name = self.facts.get("bucket", self.lab.definition.bucket_name)
        return bucket_of(self.lab) if name == self.lab.definition.bucket_name else Bucket(self.lab, name)

    @property
    def arn(self) -> str:
        return f"{self.bucket.arn}/{self.name}"

    @property
    def results(self) -> list[str]:
        """The keys of its results, one for each branch."""
        return [branch.result_key(self.name) for branch in self.lab.branches if is_photo(self.name)]

    def _keys(self) -> list[str]:
        """What goes with it. In a bucket of the lab's own, the bucket's end is enough for the results."""
        return [*(self.results if self.lab.definition.bucket else ()), self.name]

    def exists(self) -> bool:
        """Whether anything of it is left: a version, an unfinished upload, a result."""
        if not self.bucket.exists():
            return False
        bucket = self.bucket
        return bool(
            found_or_none(lambda: any(bucket.object_versions(k) or bucket.unfinished_uploads(k) for k in self._keys()))
        )

    def read(self) -> Mapping[str, Any] | None:
        return self.bucket.head(self.name) if self.bucket.exists() else None

    def ownership(self) -> Ownership:
        """Its tags decide; in the lab's own bucket, the bucket's."""
        if self.lab.definition.bucket is None and self.bucket.name == self.lab.definition.bucket_name:
            return self.bucket.ownership()
        if self.bucket.name != self.lab.definition.bucket_name or not self.name.startswith(INGEST_FOLDER):
            return Ownership(NOT_OURS, "it lies where this lab puts nothing")
        try:
            answer = found_or_none(self.lab.client("s3").get_object_tagging, Bucket=self.bucket.name, Key=self.name)
        except ClientError as error:
            if error_code(error) not in FORBIDDEN | UNKNOWN_OPERATION:
                raise
            return Ownership(UNKNOWN, f"its tags can't be read ({error_code(error)})")
        if answer is None:
            return Ownership(UNKNOWN, "the object itself is gone")
        return by_tags(from_tag_list(answer["TagSet"]), self.lab)

    def is_named_by_definition(self) -> bool:
        """Photos have any name; what the journal lists under `ingest/` of the lab's bucket was put there by it."""
        return self.name.startswith(INGEST_FOLDER) and self.bucket.name == self.lab.definition.bucket_name

    def make(self) -> Mapping[str, Any]:
        """Photos are uploaded by the step itself, which knows the file."""
        raise NotImplementedError("upload_photo and create_ingest_folder make objects")

    def erase(self) -> None:
        """Delete its results and then itself, all versions and unfinished uploads included; others stay."""
        for key in self._keys():
            self.bucket.delete_objects(self.bucket.object_versions(key))
            self.bucket.abort_uploads(key)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:  # noqa: ARG002
        """Photos are looked at one by one, by `check_results` and the doctor."""
        return iter(())

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:  # noqa: ARG003
        """Those in an existing bucket; in the lab's own they go with the bucket."""
        if lab.definition.bucket is not None:
            for key in bucket_of(lab).keys(INGEST_FOLDER):
                yield cls(lab, key, facts={"bucket": lab.definition.bucket})

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        folders = [INGEST_FOLDER, *(branch.folder for branch in lab.branches)]
        actions = "PutObject PutObjectTagging GetObject GetObjectTagging "
        actions += "DeleteObject DeleteObjectVersion AbortMultipartUpload"
        on = tuple(f"{lab.definition.bucket_arn}/{folder}*" for folder in folders)
        yield Right("UsePhotos", "s3", actions, on)
