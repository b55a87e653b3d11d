"""One invocation: every photo of every message, one line of log for each, and the messages that failed."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass
from typing import Any

import store
from event import Message, S3Record
from image import Finish, SizeRule, resize
from outcome import Ignored, NoResult, Refused, TryAgain


@dataclass(frozen=True)
class Rule:
    """What sets one function apart: its name, how large its results are, where they go and how they are called."""

    function: str
    folder: str
    label: str
    size: SizeRule
    finish: Finish | None = None


def resize_batch(event: dict[str, Any], context: Any, rule: Rule) -> dict[str, Any]:
    """Resize every photo that the SQS messages in `event` tell of.

    Returns the messages to be delivered again, as `ReportBatchItemFailures` wants it; all others are deleted by
    Lambda. (An exception would return the whole batch, done or not.)
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    request_id = getattr(context, "aws_request_id", None)
    if not isinstance(event, dict) or "Records" not in event:
        reason = Ignored("not_an_sqs_event", "This function is made for messages from SQS; there were none.")
        log("ignored", reason, function=rule.function, request_id=request_id)
        return {"batchItemFailures": []}
    failed = []
    for record in event["Records"]:
        message = Message.from_sqs(record)
        if not resize_message(message, rule, request_id):
            failed.append({"itemIdentifier": message.sqs_message_id})
    return {"batchItemFailures": failed}


def resize_message(message: Message, rule: Rule, request_id: str | None) -> bool:
    """Resize every photo of one message; True if it is done with, False if SQS shall deliver it again."""
    about = {
        "function": rule.function,
        "request_id": request_id,
        "sqs_message_id": message.sqs_message_id,
        "sns_message_id": message.sns_message_id,
        "receive_count": message.receive_count,
        "sent_timestamp": message.sent_timestamp,
    }
    try:
        photos = message.s3_records()
    except NoResult as reason:
        log(_kind(reason), reason, **about)
        return isinstance(reason, Ignored)
    done = [resize_photo(photo, rule, about) for photo in photos]  # one photo's failure does not stop the next
    return all(done)


def resize_photo(photo: S3Record, rule: Rule, about: dict[str, Any]) -> bool:
    """Resize one photo and log one line about it; False if it failed."""
    about = {
        **about,
        "bucket": photo.bucket,
        "source_key": photo.key,
        "etag": photo.etag,
        "version": photo.version,
        "sequencer": photo.sequencer,
        "event_time": photo.time,
    }
    try:
        log("resized", **about, **make_result(photo, rule))
    except NoResult as reason:
        log(_kind(reason), reason, **about)
        return isinstance(reason, Ignored)
    except MemoryError as error:
        log("failed", Refused("out_of_memory", f"The photo needs more memory than there is: {error!r}."), **about)
        return False
    except Exception as error:  # a mistake in this code: say all that is known, and let the next message have its turn
        log("failed", TryAgain("unexpected", repr(error)), **about, traceback=traceback.format_exc())
        return False
    return True


def make_result(photo: S3Record, rule: Rule) -> dict[str, Any]:
    """Download, resize, upload; returns what the log says about it. Raises NoResult where there is none."""
    if not photo.created:
        raise Ignored("not_created", f"Nothing to resize: {photo.name} is not about an object that was created.")
    key = store.result_key(photo.key, rule.folder, rule.label)
    start = time.perf_counter()
    data = store.download(photo)
    downloaded = time.perf_counter()
    result = resize(data, rule.size, rule.finish)
    width, height = result.source_size
    metadata = store.ascii_metadata(
        source_key=photo.key,
        source_version=photo.version,
        source_etag=photo.etag,
        source_sequencer=photo.sequencer,
        source_size=f"{width}x{height}",
        function=rule.function,
    )
    result_bytes = result.jpeg.getbuffer().nbytes
    resized = time.perf_counter()
    store.upload(photo, key, result.jpeg, metadata)
    ms = {
        "download": round((downloaded - start) * 1000, 1),
        **result.ms,
        "upload": round((time.perf_counter() - resized) * 1000, 1),
    }
    return {
        "output_key": key,
        "source_size": result.source_size,
        "result_size": result.result_size,
        "source_bytes": len(data),
        "result_bytes": result_bytes,
        "ms": ms,
    }


def _kind(reason: NoResult) -> str:
    return "ignored" if isinstance(reason, Ignored) else "failed"


def log(event: str, reason: NoResult | None = None, **fields: Any) -> None:
    """Print one line of JSON, which is what CloudWatch Logs Insights can search by field."""
    line: dict[str, Any] = {"event": event, **fields}
    if reason is not None:
        line.update(reason=reason.reason, message=reason.message, retry=isinstance(reason, TryAgain))
    print(json.dumps(line))
