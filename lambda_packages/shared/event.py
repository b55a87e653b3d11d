"""What arrived: an SQS message, in it the SNS envelope, in that the S3 event, in that the key of a photo.

Everything here only reads. The shapes are AWS's:
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from outcome import Ignored, Refused


@dataclass(frozen=True)
class S3Record:
    """One record of an S3 event: what happened to which object."""

    name: str  # ObjectCreated:Put, ObjectCreated:CompleteMultipartUpload ...
    bucket: str
    key: str
    size: int | None
    etag: str | None
    version: str | None
    sequencer: str | None  # tells two events of one key apart; greater is later
    time: str | None

    @property
    def created(self) -> bool:
        """True if the object was put, copied or completed; not if it was removed, restored or tagged."""
        return self.name.startswith("ObjectCreated:")


@dataclass(frozen=True)
class Message:
    """One SQS message and the S3 records in it."""

    sqs_message_id: str
    sns_message_id: str | None
    receive_count: int | None
    sent_timestamp: int | None  # when SQS got it, ms since 1970
    body: str

    @classmethod
    def from_sqs(cls, record: dict[str, Any]) -> Message:
        """The message in one record of Lambda's SQS event."""
        attributes = record.get("attributes") or {}
        body = record.get("body") or ""
        envelope = _json_object(body)
        return cls(
            sqs_message_id=record.get("messageId", ""),
            sns_message_id=envelope.get("MessageId") if _is_envelope(envelope) else None,
            receive_count=_number(attributes.get("ApproximateReceiveCount")),
            sent_timestamp=_number(attributes.get("SentTimestamp")),
            body=body,
        )

    def s3_records(self) -> list[S3Record]:
        """All S3 records in the message, in their order.

        Raises Ignored for `s3:TestEvent`, which S3 sends when a notification is set up and which has no records, and
        Refused for anything that is not an S3 event.
        """
        notice = _json_object(self.body)
        if _is_envelope(notice):  # with raw message delivery on, SNS sends the S3 event without an envelope
            notice = _json_object(notice["Message"])
        if notice.get("Event") == "s3:TestEvent":
            raise Ignored("test_event", "S3 sent s3:TestEvent when the notification was set up; it is about no photo.")
        try:
            return [_s3_record(record) for record in notice["Records"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused("not_an_s3_event", f"The message holds no S3 event that can be read: {error!r}.") from error


def _s3_record(record: dict[str, Any]) -> S3Record:
    thing = record["s3"]["object"]
    return S3Record(
        name=record["eventName"],
        bucket=record["s3"]["bucket"]["name"],
        # S3 sends `my photo+1.jpg` as `my+photo%2B1.jpg`. This is the one place where it is decoded.
        key=unquote_plus(thing["key"], errors="strict"),
        size=thing.get("size"),
        etag=thing.get("eTag"),
        version=thing.get("versionId"),
        sequencer=thing.get("sequencer"),
        time=record.get("eventTime"),
    )


def _is_envelope(notice: dict[str, Any]) -> bool:
    return notice.get("Type") == "Notification" and isinstance(notice.get("Message"), str)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(text: Any) -> int | None:
    return int(text) if str(text).isdecimal() else None
