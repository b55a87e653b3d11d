"""The same event once more: what "at least once" means, made to happen on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from labkit.errors import aws_errors
from labkit.lab import Lab
from labkit.resources import Topic
from labkit.resources.bucket import Bucket
from labkit.resources.keys import full_key, no_photo
from labkit.result import Result
from labkit.settings import NOTIFICATION_NAME
from labkit.steps.upload import require_bucket

SUBJECT = "Amazon S3 Notification"  # S3's own, to the letter


@dataclass(frozen=True)
class SentAgain(Result):
    """An event that was published a second time."""

    key: str
    sequencer: str | None
    sns_message_id: str

    def sentence(self) -> str:
        if self.sequencer is None:
            return f"The event of {self.key} was sent to the topic. Every function works on it as on one from S3."
        return (
            f"The event of {self.key} was sent to the topic once more. Every function works on it again, and the same "
            "code makes the same bytes of it: that is what idempotent means."
        )

    def rows(self) -> Iterable[Sequence[object]]:
        """The ids: the sequencer is the old one, the message is new."""
        old = [("S3 sequencer (the same)", self.sequencer)] if self.sequencer else []
        return [*old, ("SNS message (new)", self.sns_message_id)]


def send_again(lab: Lab, key: str) -> SentAgain:
    """Publish the event of a photo once more, as S3 itself may do: delivery is at least once.

    The sequencer, which tells events of one key apart, is the one that a result carries in its metadata. Raises
    LabError if the photo is not there.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    key = full_key(lab, key)
    where = f"sending the event of {key} again"
    with aws_errors(where):
        bucket, topic = require_bucket(lab), next(Topic.of(lab))
        topic.require()
        photo = bucket.head(key)
        if photo is None:
            raise no_photo(lab, key, where=where)
        sequencer = _sequencer(lab, bucket, key)
        message = json.dumps({"Records": [_record(lab, key, photo, sequencer)]})
        answer = lab.client("sns").publish(TopicArn=topic.arn, Subject=SUBJECT, Message=message)
    return SentAgain(key, sequencer, answer["MessageId"])


def _sequencer(lab: Lab, bucket: Bucket, key: str) -> str | None:
    """The sequencer of the event that a result came from; None if there is no result yet."""
    for branch in lab.branches:
        result = bucket.head(branch.result_key(key))
        if result and "source-sequencer" in result["Metadata"]:
            return str(result["Metadata"]["source-sequencer"])
    return None


def _record(lab: Lab, key: str, photo: Mapping[str, Any], sequencer: str | None) -> dict[str, Any]:
    """One record as S3 writes it, with the fields that a consumer needs."""
    thing = {"key": quote_plus(key), "size": photo["ContentLength"], "eTag": photo["ETag"].strip('"')}
    if sequencer:
        thing["sequencer"] = sequencer
    if photo.get("VersionId", "null") != "null":
        thing["versionId"] = photo["VersionId"]
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": lab.definition.region,
        "eventTime": f"{photo['LastModified']:%Y-%m-%dT%H:%M:%S}.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": NOTIFICATION_NAME,
            "bucket": {"name": lab.definition.bucket_name, "arn": lab.definition.bucket_arn},
            "object": thing,
        },
    }
