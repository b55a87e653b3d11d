"""What S3 tells of its objects: the events, and their way to topics, queues and functions.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import queue
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from moto.core.utils import iso_8601_datetime_with_milliseconds
from moto.s3.models import FakeBucket, FakeKey
from moto.s3.notifications import S3NotificationEvent
from moto.sns import models as sns_models
from moto.sns.models import sns_backends

from labkit.embedded_aws import settings
from labkit.embedded_aws.http.request_context import caller, trace_attributes
from labkit.embedded_aws.services import sqs
from labkit.embedded_aws.services.lambda_permissions import invoke_later, may_invoke
from labkit.embedded_aws.services.s3_notifications import s3_may_publish

_log = logging.getLogger(__name__)


_Deliver = Callable[[], object]


class _Delivery:
    """Carries events away from S3 on a thread of its own: PutObject does not wait for who listens."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[_Deliver] = queue.SimpleQueue()
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, deliver: _Deliver) -> None:
        """Deliver soon: once, or as often as the settings say."""
        with self._started:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="s3-events", daemon=True)
                self._thread.start()
        self._events.put(deliver)

    def _run(self) -> None:
        while True:
            together = [self._events.get()]
            if settings.current().shuffle_events:
                together += self._what_comes_within(0.25)
            together *= 1 + settings.current().duplicate_events
            if settings.current().shuffle_events:
                random.shuffle(together)
            for deliver in together:
                try:
                    deliver()
                except Exception:  # S3 has nobody to tell; the next event must still go out
                    _log.exception("An S3 event could not be delivered.")

    def _what_comes_within(self, seconds: float) -> Iterable[_Deliver]:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                yield self._events.get(timeout=left)
            except queue.Empty:
                return


_delivery = _Delivery()


def send_event(account_id: str, event_name: str, bucket: FakeBucket, key: Any) -> None:  # noqa: ARG001
    """moto sends too few fields, `/` as %2F, no Subject, and two events for a multipart upload.

    See getmoto/moto#9054 for the encoding and getmoto/moto#7363 for the events; no issue tells of the fields.
    """
    configuration = bucket.notification_configuration
    if configuration is None:
        return
    if event_name == S3NotificationEvent.OBJECT_CREATED_PUT_EVENT and key.multipart is not None:
        return
    name = str(getattr(event_name, "value", event_name))
    for rules in (configuration.topic, configuration.queue, configuration.cloud_function):
        for rule in rules:
            if rule.matches(name, key.name):
                _send(bucket, rule.arn, json.dumps({"Records": [s3_record(name, bucket, key, rule.id)]}))


def send_test_event(account_id: str, bucket: FakeBucket, really: bool = False) -> None:  # noqa: ARG001
    """moto sends it before anything was checked, and without RequestId and HostId.

    No issue of moto's is known.
    """
    configuration = bucket.notification_configuration
    if configuration is None or not really:
        return
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_8601_datetime_with_milliseconds(),
        "Bucket": bucket.name,
        "RequestId": _request_id(),
        "HostId": _host_id(),
    }
    for arn in {rule.arn for rule in (*configuration.topic, *configuration.queue)}:
        _send(bucket, arn, json.dumps(event))


def s3_record(event_name: str, bucket: FakeBucket, key: FakeKey, rule_id: str) -> dict[str, Any]:
    """Return one record of an event.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    owner, sender = f"A{_digest(bucket.account_id)[:13]}", caller.get()
    is_lesser = event_name.startswith(("s3:ObjectTagging", "s3:ObjectAcl"))  # these tell less, in a later version
    record: dict[str, Any] = {
        "eventVersion": "2.3" if is_lesser else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": iso_8601_datetime_with_milliseconds(),
        "eventName": event_name.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:{sender.user_id}" if sender else "Anonymous"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": _request_id(), "x-amz-id-2": _host_id()},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": owner},
                "arn": bucket.arn,
            },
            "object": _object(event_name, key, is_lesser),
        },
    }
    if event_name == "s3:ObjectRestore:Completed":
        record["userIdentity"]["principalId"] = f"AmazonCustomer:{owner}"
        expiry = key._expiry or datetime.now(UTC)
        record["glacierEventData"] = {
            "restoreEventData": {
                "lifecycleRestorationExpiryTime": f"{expiry:%Y-%m-%dT00:00:00.000Z}",
                "lifecycleRestoreStorageClass": key.storage_class,
            }
        }
    return record


def _object(event_name: str, key: Any, is_lesser: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"key": quote_plus(key.name, safe="/")}
    if not event_name.startswith("s3:ObjectRemoved"):
        described |= {"size": key.size, "eTag": key.etag.replace('"', "")}
    elif event_name.endswith("DeleteMarkerCreated"):
        described["eTag"] = hashlib.md5(b"", usedforsecurity=False).hexdigest()
    if key.version_id != "null":
        described["versionId"] = key.version_id
    described["sequencer"] = f"{time.time_ns() // 1000:016X}"
    if is_lesser:
        described.pop("size", None)
        del described["sequencer"]
    return described


def _digest(text: str) -> str:
    return base64.b32encode(uuid.uuid5(uuid.NAMESPACE_DNS, text).bytes).decode().rstrip("=")


def _request_id() -> str:
    return secrets.token_hex(8).upper()


def _host_id() -> str:
    return base64.b64encode(secrets.token_bytes(56)).decode()


def _send(bucket: FakeBucket, arn: str, message: str) -> None:
    service, region, account = arn.split(":")[2:5]
    if service == "sns":
        _delivery.add(lambda: _send_to_topic(bucket, sns_backends[account][region], arn, message))
    elif service == "sqs":
        attributes = trace_attributes()
        _delivery.add(
            lambda: sqs.deliver(
                arn, message, service="s3.amazonaws.com", source=bucket.arn, system_attributes=attributes
            )
        )
    elif service == "lambda":
        _delivery.add(lambda: _send_to_function(bucket, arn, message))


def _send_to_function(bucket: FakeBucket, arn: str, message: str) -> None:
    if may_invoke("s3.amazonaws.com", arn, source=bucket.arn):
        invoke_later(arn, message.encode())


def _send_to_topic(bucket: FakeBucket, backend: sns_models.SNSBackend, arn: str, message: str) -> None:
    topic = backend.topics.get(arn)
    if topic is not None and s3_may_publish(bucket, topic):
        topic.publish(message, subject="Amazon S3 Notification")
