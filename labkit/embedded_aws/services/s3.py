"""S3: moto's buckets and objects, with bucket policies that count and notification rules that are checked."""

from __future__ import annotations

import io
from typing import Any

import xmltodict  # type: ignore[import-untyped]  # moto's own
from moto.iam.access_control import PermissionResult
from moto.s3 import models as s3_models
from moto.s3 import responses as s3_responses
from moto.s3.exceptions import InvalidNotificationARN
from moto.s3.models import FakeBucket, FakeKey

from labkit.embedded_aws.services.s3_events import send_test_event
from labkit.embedded_aws.services.s3_notifications import check_notifications, complete_filter_rule
from labkit.policy import Request, allows


class Bucket(FakeBucket):
    """moto ignores the conditions of a bucket policy, so that a Deny without TLS shuts everybody out.

    See getmoto/moto#5820 for policies that are not held against conditions.
    """

    def get_permission(self, action: str, resource: str) -> PermissionResult:
        """What the bucket policy says of the owner's own request; the loopback counts as secure transport."""
        if self.policy is None:
            return PermissionResult.NEUTRAL
        request = Request(
            action,
            resource,
            arn=f"arn:aws:iam::{self.account_id}:root",
            account=self.account_id,
            context={"aws:SecureTransport": "true", "aws:SourceIp": "127.0.0.1"},
        )
        policy, anything = self.policy.decode(), {"Statement": _ALLOW_ANYTHING}
        if not allows([policy, anything], request):
            return PermissionResult.DENIED
        return PermissionResult.PERMITTED if allows([policy], request) else PermissionResult.NEUTRAL


class Key(FakeKey):
    """moto copies an object's body into a spooled file, and out of it at each look.

    A body that moto would hold in memory is held as it came and handed out without a copy, which is where half of a
    request's time went. No issue of moto's is known.
    """

    @property
    def value(self) -> bytes:
        """The body."""
        held: Any = self._value_buffer
        return held.getvalue() if isinstance(held, io.BytesIO) else super().value

    @value.setter
    def value(self, body: bytes) -> None:
        if len(body) > self._max_buffer_size:
            FakeKey.value.__set__(self, body)  # type: ignore[attr-defined]  # a property
            return
        self._value_buffer = io.BytesIO(body)  # type: ignore[assignment]  # moto reads it as the file that it expects
        self.contentsize = len(body)


_ALLOW_ANYTHING = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}

_DESTINATIONS = {"Topic": "sns", "Queue": "sqs", "CloudFunction": "lambda"}


class S3Response(s3_responses.S3Response):
    """moto answers 500 to a filter named `Prefix`, to one without a value, and to a name that is neither.

    No issue of moto's is known.
    """

    def _notification_config_from_body(self) -> dict[str, Any]:
        lists = (*(f"{kind}Configuration" for kind in _DESTINATIONS), "Event", "FilterRule")
        sent = xmltodict.parse(self.body, force_list=lists)["NotificationConfiguration"]
        configuration = {name: value or {} for name, value in sent.items() if name.endswith("Configuration")}
        for kind, service in _DESTINATIONS.items():
            for rule in configuration.get(f"{kind}Configuration", []):
                if rule[kind].split(":")[2:3] != [service]:
                    raise InvalidNotificationARN
                if rule.get("Filter"):
                    for entry in (rule["Filter"]["S3Key"] or {})["FilterRule"]:  # moto makes a KeyError MalformedXML
                        complete_filter_rule(entry)
        skip = str(self.headers.get("x-amz-skip-destination-validation", "")).lower() == "true"
        return configuration | {"skip_validation": skip} if configuration else {}


class S3Backend(s3_models.S3Backend):
    """moto accepts rules that overlap and destinations that are not there or do not let S3 in.

    Destinations were left unchecked on purpose: getmoto/moto#1516.
    """

    def put_bucket_notification_configuration(self, bucket_name: str, notification_config: dict[str, Any]) -> None:
        """Set the configuration and send the test events, or refuse as S3 does."""
        bucket = self.get_bucket(bucket_name)
        skip_validation = notification_config.pop("skip_validation", False)
        before = bucket.notification_configuration
        try:
            bucket.set_notification_configuration(notification_config)
            if bucket.notification_configuration is not None:
                check_notifications(bucket, bucket.notification_configuration, skip_validation)
        except Exception:
            bucket.notification_configuration = before
            raise
        send_test_event(self.account_id, bucket, really=True)

    def put_object_tagging(self, key: FakeKey, tags: dict[str, str] | None) -> FakeKey:
        """Set an object's tags; moto tells of it also when an upload has none."""
        if not tags and not self.tagger.has_tags(key.arn):
            return key
        return super().put_object_tagging(key, tags)
