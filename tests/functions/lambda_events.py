"""What Lambda hands to a function: SQS records around SNS's envelope around S3's records."""

import json
from types import SimpleNamespace
from urllib.parse import quote_plus

CONTEXT = SimpleNamespace(aws_request_id="request-1")


def s3_record(key, *, etag=None, name="ObjectCreated:Put", bucket="lab", **thing):
    """One S3 record, its key encoded as S3 does."""
    thing = {"key": quote_plus(key), "size": 1, "sequencer": "0055AED6DCD90281E5", **thing}
    if etag:
        thing["eTag"] = etag
    return {
        "eventVersion": "2.6",
        "eventName": name,
        "eventTime": "2026-11-23T08:00:00.000Z",
        "s3": {"bucket": {"name": bucket}, "object": thing},
    }


def sqs_record(notice, *, message_id="sqs-1", raw=False):
    """One SQS record around an S3 event, with or without SNS's envelope."""
    body = notice if isinstance(notice, str) else json.dumps(notice)
    if not raw:
        body = json.dumps(
            {"Type": "Notification", "MessageId": "sns-1", "Subject": "Amazon S3 Notification"} | {"Message": body}
        )
    return {
        "messageId": message_id,
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795420800000"},
        "eventSource": "aws:sqs",
    }


def sqs_event(*records):
    """What Lambda hands to the function."""
    return {"Records": list(records)}


def photo_event(*keys, **about):
    """One message for each key."""
    return sqs_event(
        *(sqs_record({"Records": [s3_record(key, **about)]}, message_id=f"sqs-{n}") for n, key in enumerate(keys, 1))
    )
