"""The bucket that photos are put into and results come out of: the lab's own, or an existing one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from botocore.exceptions import ClientError

from labkit.bucket_rules import refuse_unfit_bucket
from labkit.errors import LabError, aws_errors, error_code
from labkit.lab import Lab
from labkit.resources.judgement import DIFFERENT, RISKY, About, Line, Snapshot
from labkit.resources.resource import (
    UNREAD,
    Existing,
    Resource,
    Right,
    as_tag_list,
    found_or_none,
    from_tag_list,
    parsed,
    template_resource,
)
from labkit.settings import INGEST_FOLDER
from labkit.waiting import wait_until

BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
EMPTIED_WITHIN_S = 60  # a function that was still at work may put one more result into a bucket that was just emptied


def bucket_of(lab: Lab) -> Bucket:
    """The lab's bucket, its own or the existing one that it was given."""
    kind = ExistingBucket if lab.definition.bucket else Bucket
    return kind(lab, lab.definition.bucket_name)


class Bucket(Resource):
    """The lab's own private bucket: owner enforced, public access blocked, encrypted, TLS only, tagged.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """

    kind, step, notebook = "bucket", 3, "03_notification"

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        """The one bucket, unless the lab was given an existing one."""
        if lab.definition.bucket is None:
            yield cls(lab, lab.definition.bucket_name)

    @property
    def arn(self) -> str:
        return f"arn:{self.lab.definition.partition}:s3:::{self.name}"

    def exists(self) -> bool:
        """Whether it is there and these credentials may see it."""
        s3 = self.lab.client("s3")
        try:
            with aws_errors(f"looking for the bucket {self.name}", {"403": "The name may belong to another account."}):
                return found_or_none(s3.head_bucket, Bucket=self.name) is not None
        except LabError as error:
            # A bucket that was begun, and that these credentials may not see, was never made: the name is someone's.
            begun = self.lab.journal.find(*self.key)
            if begun and begun.state == "creating" and (error.aws_said or "").startswith("403"):
                return False
            raise

    def read(self) -> dict[str, Any] | None:
        """Its public access block, object ownership, encryption and policy."""
        if not self.exists():
            return None
        s3 = self.lab.client("s3")
        asked = {
            "block": (s3.get_public_access_block, "PublicAccessBlockConfiguration", {}),
            "ownership": (s3.get_bucket_ownership_controls, "OwnershipControls", {}),
            "encryption": (s3.get_bucket_encryption, "ServerSideEncryptionConfiguration", {}),
            "policy": (s3.get_bucket_policy, "Policy", ""),
        }
        found = {
            name: (found_or_none(ask, Bucket=self.name) or {}).get(key, no) for name, (ask, key, no) in asked.items()
        }
        return {**found, "policy": parsed(found["policy"])}

    def settings(self) -> dict[str, Any]:
        """What it should be, in the form that `read` gives."""
        return {
            "block": dict.fromkeys(BLOCKED, True),
            "ownership": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "encryption": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
            "policy": self.policy(),
        }

    def policy(self) -> dict[str, Any]:
        """Deny whatever does not come over TLS."""
        # An emulator speaks plain HTTP on the loopback; a policy that it evaluated would lock everybody out.
        secure = {"Bool": {"aws:SecureTransport": "false"}}
        on_aws = self.lab.definition.where == "aws"
        not_loopback = {} if on_aws else {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
        statement = {
            "Sid": "RefuseWithoutTLS",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [self.arn, f"{self.arn}/*"],
            "Condition": {**secure, **not_loopback},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    @property
    def refusals(self) -> dict[str, str]:
        """What a refusal of an object without any reason means, by its code, where AWS is not what answers."""
        if self.lab.definition.where != "endpoint" or self.lab.definition.bucket is not None:
            return {}
        take_away = f"lab.client('s3').delete_bucket_policy(Bucket={self.name!r})"
        return {
            "403": "This endpoint reads no conditions of a bucket's policy, as moto_server does not: what it refuses "
            f"without TLS, it refuses to everybody. {take_away} takes the policy away; then run this again."
        }

    def read_tags(self) -> dict[str, str]:
        answer = found_or_none(self.lab.client("s3").get_bucket_tagging, Bucket=self.name)
        return from_tag_list(answer["TagSet"]) if answer else {}

    def make(self) -> dict[str, Any]:
        lab = self.lab.definition
        configuration: dict[str, Any] = {"Tags": as_tag_list(lab.tags)}
        if lab.region != "us-east-1":  # the one region that must not be named
            configuration["LocationConstraint"] = lab.region
        self.lab.client("s3").create_bucket(
            Bucket=self.name, ObjectOwnership="BucketOwnerEnforced", CreateBucketConfiguration=configuration
        )
        return {}

    def known_facts(self, found: Any) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def make_private(self) -> None:
        """Set everything that `settings` says, whatever was there before."""
        s3, wanted = self.lab.client("s3"), self.settings()
        with aws_errors(f"making the bucket {self.name} private"):
            if not self.read_tags():  # an endpoint that knows no tags at creation
                s3.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": as_tag_list(self.lab.definition.tags)})
            s3.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=wanted["block"])
            s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration=wanted["encryption"])
            s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(wanted["policy"]))

    def erase(self) -> None:
        """Empty it, versions and unfinished uploads included, and delete it."""
        wait_until(
            self._emptied_and_deleted, what=f"the last results to come to rest in {self.name}", seconds=EMPTIED_WITHIN_S
        )

    def _emptied_and_deleted(self) -> bool:
        s3 = self.lab.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self.name):
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            self.delete_objects([{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions])
        self.abort_uploads()
        try:
            s3.delete_bucket(Bucket=self.name)
        except ClientError as error:
            if error_code(error) == "BucketNotEmpty":
                return False
            raise
        return True

    def keys(self, folder: str) -> list[str]:
        """The keys of all objects under a folder; none if there is no such bucket."""
        return [item["Key"] for item in self.objects(folder)]

    def objects(self, folder: str = "") -> list[dict[str, Any]]:
        """All objects under a folder, as S3 lists them; none if there is no such bucket."""
        pages = self.lab.client("s3").get_paginator("list_objects_v2")
        answer = found_or_none(lambda: list(pages.paginate(Bucket=self.name, Prefix=folder)))
        return [item for page in answer or [] for item in page.get("Contents", [])]

    def photos(self) -> list[str]:
        """The keys under `ingest/`, without the folders that the console shows."""
        return [key for key in self.keys(INGEST_FOLDER) if not key.endswith("/")]

    def head(self, key: str) -> Mapping[str, Any] | None:
        """What S3 says of an object; None if there is none."""
        answer = found_or_none(self.lab.client("s3").head_object, Bucket=self.name, Key=key)
        return None if answer is None else dict(answer)

    def object_versions(self, key: str) -> list[dict[str, str]]:
        """Key and version id of all that there is, or was, under one key; without versioning, the object itself."""
        found: list[dict[str, Any]] = []
        for page in self.lab.client("s3").get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key):
            found += [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if page.get("NextKeyMarker", key) != key:
                break  # keys come in order: the rest only begins like this one
        return [{"Key": key, "VersionId": version["VersionId"]} for version in found if version["Key"] == key]

    def unfinished_uploads(self, key: str | None = None) -> list[dict[str, str]]:
        """Key and upload id of what was begun in parts and not finished, under one key or in all of the bucket."""
        pages = self.lab.client("s3").get_paginator("list_multipart_uploads")
        found = [u for page in pages.paginate(Bucket=self.name, Prefix=key or "") for u in page.get("Uploads", [])]
        return [{"Key": u["Key"], "UploadId": u["UploadId"]} for u in found if key in (None, u["Key"])]

    def abort_uploads(self, key: str | None = None) -> None:
        """End what was begun in parts."""
        for upload in self.unfinished_uploads(key):
            self.lab.client("s3").abort_multipart_upload(Bucket=self.name, **upload)

    def delete_objects(self, objects: list[dict[str, str]]) -> None:
        """Delete these versions of objects. Raises ClientError for the first that S3 refuses."""
        if not objects:
            return
        answer = self.lab.client("s3").delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})
        for error in answer.get("Errors", []):
            raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        about, found = About("bucket"), snapshot.read(self)
        if found is None:
            yield about.missing("bucket exists", self.name, 3)
            return
        yield about.works("bucket exists", self.name, evidence=self.name)
        yield from self._judge_settings(About("bucket", subject="bucket: "), found)

    def _judge_settings(self, about: About, found: Mapping[str, Any]) -> Iterator[Line]:
        again = "create_bucket(lab)"
        closed = len(found["block"]) == len(BLOCKED) and all(found["block"].values())
        yield about.equal(
            "public access",
            "blocked, all four ways",
            "blocked, all four ways" if closed else "not all blocked",
            otherwise=RISKY,
            hole=True,
            hint=f"{again} blocks it again.",
            call=again,
        )
        rules = found["ownership"].get("Rules") or [{}]
        put = f"lab.client('s3').put_bucket_ownership_controls(Bucket={self.name!r}, OwnershipControls="
        yield about.equal(
            "object ownership",
            "BucketOwnerEnforced",
            rules[0].get("ObjectOwnership"),
            otherwise=DIFFERENT,
            hint="s3.put_bucket_ownership_controls sets it.",
            call=f"{put}{self.settings()['ownership']!r})",
        )
        rules = found["encryption"].get("Rules") or [{}]
        yield about.equal(
            "encryption",
            "AES256",
            rules[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"),
            # with a key in KMS, the functions' roles would need rights to that key, too
            otherwise=RISKY,
            hint="s3.put_bucket_encryption sets it; create_bucket(lab) does.",
            call=again,
        )
        yield about.equal(
            "requests without TLS",
            "refused",
            "refused" if found["policy"] == self.policy() else "not as step 3 says",
            otherwise=RISKY,
            hole=True,
            hint=f"{again} sets the bucket's policy again.",
            call=again,
        )
        found_tags = self.read_tags()
        tags = as_tag_list({**found_tags, **self.lab.definition.tags})
        yield about.equal(
            "tag Lab",
            self.lab.definition.lab_id,
            found_tags.get("Lab"),
            otherwise=RISKY,
            hint="s3.put_bucket_tagging sets it: clean-up looks for it.",
            call=f"lab.client('s3').put_bucket_tagging(Bucket={self.name!r}, Tagging={{'TagSet': {tags!r}}})",
        )

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        """All buckets that a lab of this account could have made."""
        for name in (bucket["Name"] for bucket in lab.client("s3").list_buckets()["Buckets"]):
            if f"image-lab-{lab.definition.account}-" in name and fits(name):
                yield cls(lab, name)

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """`Bucket` and `BucketPolicy`."""
        have = self.settings() if found is None else found
        rules = have["encryption"].get("Rules", [])
        document = json.loads(json.dumps(have["policy"]))
        for statement in document.get("Statement", []):
            # An emulator's exception for the loopback, where there is no TLS; it has no place on AWS.
            statement.get("Condition", {}).pop("NotIpAddress", None)
        return {
            "Bucket": template_resource(
                "AWS::S3::Bucket",
                # S3 asks the topic for leave when the notification is made: the policy has to be there by then.
                depends_on="TopicPolicy",
                BucketName=self.name,
                PublicAccessBlockConfiguration=have["block"],
                OwnershipControls={"Rules": have["ownership"].get("Rules", [])},
                BucketEncryption={
                    "ServerSideEncryptionConfiguration": [
                        {"ServerSideEncryptionByDefault": part["ApplyServerSideEncryptionByDefault"]} for part in rules
                    ]
                },
                Tags=as_tag_list(self.lab.definition.tags),
            ),
            "BucketPolicy": template_resource(
                "AWS::S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=document
            ),
        }

    def references(self) -> dict[str, Any]:
        """Policies name the bucket by its name: a reference to it would be a circle (see `Names` of the template)."""
        return {}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make it and look after it, unless it is an existing one; use it either way."""
        bucket = lab.definition.bucket_arn
        yield Right("UseBucket", "s3", "ListBucket ListBucketVersions ListBucketMultipartUploads", (bucket,))
        if lab.definition.bucket is None:
            yield Right(
                "UseBucket",
                "s3",
                "CreateBucket DeleteBucket TagResource GetBucketTagging PutBucketTagging GetBucketPublicAccessBlock "
                "PutBucketPublicAccessBlock GetEncryptionConfiguration PutEncryptionConfiguration GetBucketPolicy "
                "PutBucketPolicy GetBucketOwnershipControls PutBucketOwnershipControls",
                (bucket,),
            )
        yield Right("ListAndLook", "s3", "ListAllMyBuckets", ("*",))


class ExistingBucket(Existing, Bucket):
    """A bucket that was there before the lab: used as it is, never emptied, never deleted."""

    kind, part = "existing bucket", "bucket"

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        if lab.definition.bucket is not None:
            yield cls(lab, lab.definition.bucket)

    def create(self, found: Any = UNREAD, make: Callable[[], Mapping[str, Any]] | None = None) -> bool:  # noqa: ARG002
        """Look for it: nothing is made. Raises LabError if it is not there, or if the lab cannot work in it."""
        if found is None or (found is UNREAD and not self.exists()):
            raise LabError(
                f"There is no bucket {self.name} that these credentials can see.",
                where="looking for the existing bucket",
                hint="Check the name, or leave it out: the lab then makes a bucket of its own.",
                code="not-there",
            )
        refuse_unfit_bucket(self.lab.client("s3"), self.lab.definition)
        self.lab.journal.created(*self.key)
        return False

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        about = About("bucket")
        if snapshot.read(self) is None:
            yield about.missing("bucket exists", self.name, 3)
        else:
            yield about.works("bucket exists", self.name, evidence=self.name)

    def read(self) -> dict[str, Any] | None:
        return {} if self.exists() else None
