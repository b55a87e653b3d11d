"""S3: moto's buckets and objects, with bucket policies that count and notification rules that are checked."""

from __future__ import annotations

import io
from typing import Any

import xmltodict  # type: ignore[import-untyped]  # moto's own
from moto.iam.access_control import PermissionResult
from moto.s3 import models as s3_models
from moto.s3 import responses as s3_responses
from moto.s3.models import FakeBucket, FakeKey
from moto.s3.notifications import S3NotificationEvent

from labkit.embedded_aws.services.s3_events import send_event, send_test_event
from labkit.embedded_aws.services.s3_notifications import DESTINATIONS, check_notifications, check_rules
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


class S3Response(s3_responses.S3Response):
    """moto answers 500 to a filter named `Prefix`, to one without a value, and to a name that is neither.

    No issue of moto's is known.
    """

    def _notification_config_from_body(self) -> dict[str, Any]:
        lists = (*(f"{kind}Configuration" for kind in DESTINATIONS), "Event", "FilterRule")
        sent = xmltodict.parse(self.body, force_list=lists)["NotificationConfiguration"] or {}
        configuration = {name: value or {} for name, value in sent.items() if name.endswith("Configuration")}
        check_rules(configuration)
        skip = str(self.headers.get("x-amz-skip-destination-validation", "")).lower() == "true"
        return configuration | {"skip_validation": skip} if configuration else {}


class S3Backend(s3_models.S3Backend):
    """moto accepts rules that overlap and destinations that are not there or do not let S3 in; tags survive.

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

    def put_object(  # type: ignore[override]  # the rest is moto's
        self, bucket_name: str, key_name: str, value: bytes, **more: Any
    ) -> FakeKey:
        """Put an object, encrypted as S3 does by itself; the tags of the one before go with it.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
        """
        if not self.get_bucket(bucket_name).encryption:
            more["encryption"] = more.get("encryption") or "AES256"
        key: FakeKey = super().put_object(bucket_name, key_name, value, **more)
        if self.tagger.has_tags(key.arn):
            self.tagger.delete_all_tags_for_resource(key.arn)
        return key

    def copy_object(  # type: ignore[override]
        self, src_key: FakeKey, dest_bucket_name: str, dest_key_name: str, **more: Any
    ) -> None:
        """Copy an object; its tags come along, also onto itself."""
        tags = self.tagger.get_tag_dict_for_resource(src_key.arn)
        super().copy_object(src_key, dest_bucket_name, dest_key_name, **more)
        copy = self.get_bucket(dest_bucket_name).keys.get(dest_key_name)
        if tags and copy is not None and not self.tagger.has_tags(copy.arn):
            self.tagger.tag_resource(copy.arn, self.tagger.convert_dict_to_tags_input(tags))

    def delete_object(
        self, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
    ) -> tuple[bool, dict[str, Any]]:
        """Delete an object or a version; moto tells of versions only when the last of them goes."""
        bucket = self.get_bucket(bucket_name)
        held = bucket.keys.getlist(key_name, [])
        deleted, told = super().delete_object(bucket_name, key_name, version_id, bypass)
        if not deleted:
            return deleted, told
        if not bucket.is_versioned:
            for key in held:
                self.tagger.delete_all_tags_for_resource(key.arn)
        elif version_id is None:
            event = S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
            send_event(self.account_id, event.value, bucket, bucket.keys[key_name])
        elif key_name in bucket.keys:
            gone = next((key for key in held if str(key.version_id) == version_id), None)
            if gone is not None:
                event = S3NotificationEvent.OBJECT_REMOVED_DELETE_EVENT
                send_event(self.account_id, event.value, bucket, gone)
        return deleted, told

    def put_object_tagging(self, key: FakeKey, tags: dict[str, str] | None) -> FakeKey:
        """Set an object's tags; moto tells of it also when an upload has none."""
        if not tags and not self.tagger.has_tags(key.arn):
            return key
        return super().put_object_tagging(key, tags)
