"""S3: moto's buckets and objects, with bucket policies that count and notification rules that are checked."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, cast

import xmltodict  # type: ignore[import-untyped]  # moto's own
from moto.core.responses import ActionResult
from moto.iam.access_control import PermissionResult
from moto.s3 import models as s3_models
from moto.s3 import responses as s3_responses
from moto.s3.exceptions import AccessDeniedByLock, MalformedXML, MissingKey
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey
from moto.s3.notifications import S3NotificationEvent

from labkit.embedded_aws.credentials import OWNER_ARN
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.request_context import caller
from labkit.embedded_aws.services.object_bodies import Body, body_of
from labkit.embedded_aws.services.s3_events import send_event, send_test_event
from labkit.embedded_aws.services.s3_notifications import DESTINATIONS, check_notifications, check_rules
from labkit.embedded_aws.services.s3_permissions import deletion_refused
from labkit.policy import Request, verdict


class Bucket(FakeBucket):
    """moto ignores the conditions of a bucket policy, so that a Deny without TLS shuts everybody out.

    See getmoto/moto#5820 for policies that are not held against conditions.
    """

    def set_lifecycle(self, rules: list[dict[str, Any]]) -> None:
        """Set the rules, or refuse what is none; moto fails at it."""
        try:
            super().set_lifecycle(rules)
        except (TypeError, KeyError, AttributeError) as error:
            raise MalformedXML from error

    def set_cors(self, rules: list[dict[str, Any]]) -> None:
        """Set the rules, or refuse what is none."""
        try:
            super().set_cors(rules)
        except AssertionError as error:
            raise MalformedXML from error

    def get_permission(self, action: str, resource: str) -> PermissionResult:
        """What the bucket policy says of the owner's own request; the loopback counts as secure transport."""
        if self.policy is None:
            return PermissionResult.NEUTRAL
        request = Request(
            action,
            resource,
            arn=OWNER_ARN,
            account=self.account_id,
            context={"aws:SecureTransport": "true", "aws:SourceIp": "127.0.0.1"},
        )
        return _PERMISSIONS[verdict([self.policy.decode()], request)]


_PERMISSIONS = {True: PermissionResult.PERMITTED, None: PermissionResult.NEUTRAL, False: PermissionResult.DENIED}


class Key(FakeKey):
    """moto copies an object's body into a spooled file, and out of it at each look.

    A body is kept as it came, in memory or in a file of the server's, and handed out without another copy: half of a
    request's time went there, and most of the server's memory. No issue of moto's is known.
    """

    _value_buffer: Body  # type: ignore[assignment]  # moto reads it as the file that it expects

    @property
    def value(self) -> bytes:
        """The body."""
        return self._value_buffer.getvalue()

    @value.setter
    def value(self, body: bytes) -> None:
        self._value_buffer = body_of(body)
        self.contentsize = len(body)

    @property
    def last_modified_RFC1123(self) -> str:
        """When it was put, as HTTP writes it; moto puts that together for each answer."""
        return _rfc_1123(self.last_modified.replace(microsecond=0))

    def dispose(self, garbage: bool = False) -> None:  # noqa: ARG002
        """Let the body go by itself: moto closes what another request may be reading."""
        self.disposed = True

    def __deepcopy__(self, _memo: dict[int, Any]) -> FakeKey:
        """Return what a listing tells, without the body: moto copies every version, and drops the copies."""
        same = cast(FakeKey, object.__new__(type(self)))
        same.__dict__.update(self.__dict__, _etag=self.etag, _value_buffer=io.BytesIO(), multipart=None)
        return same


@lru_cache(maxsize=256)
def _rfc_1123(moment: datetime) -> str:
    return format_datetime(moment.replace(tzinfo=UTC), usegmt=True)


class DeleteMarker(FakeDeleteMarker):
    """moto looks for the parts of one, too.

    No issue of moto's is known.
    """

    multipart = None


@dataclass(frozen=True)
class _Missing:
    """What an event tells of an object that is not there."""

    name: str
    version_id: str = "null"


def _not_deleted(key: str, words: str) -> dict[str, str]:
    return {"Key": key, "Code": "AccessDenied", "Message": words}


class S3Response(s3_responses.S3Response):
    """moto answers 500 to a filter named `Prefix`, to one without a value, and to a name that is neither.

    No issue of moto's is known.
    """

    def _handle_range_header(self, request: Any, response_headers: dict[str, Any], response_content: Any) -> Any:
        """Return the range that is asked for; what is none is passed over, as S3 does."""
        if not re.fullmatch(r"\s*bytes\s*=\s*\d*-\d*\s*", request.headers.get("range", "")):
            return 200, response_headers, response_content
        return super()._handle_range_header(request, response_headers, response_content)

    def _bucket_response_delete_keys(self, bucket_name: str, authenticated: bool = True) -> Any:  # noqa: ARG002
        """DeleteObjects: who may not delete one of them is told so of that one; what is quiet tells nothing else.

        moto asks for all versions as for the objects, and for roles as for the owner.
        """
        sent = xmltodict.parse(self.body, strip_whitespace=False, force_list={"Object": True})["Delete"]
        bypass = str(self.headers.get("x-amz-bypass-governance-retention", "")).lower() == "true"
        bucket, sender = self.backend.get_bucket(bucket_name), caller.get()
        allowed: list[dict[str, Any]] = []
        errors: list[dict[str, str]] = []
        for wanted in sent["Object"]:
            if deletion_refused(sender, bucket, wanted, self.backend):
                errors.append(_not_deleted(wanted["Key"], "Access Denied"))
            else:
                allowed.append(wanted)
        deleted, locked = self.backend.delete_objects(bucket_name, allowed, bypass)
        errors += [_not_deleted(key, "Access Denied because object protected by object lock.") for key in locked]
        told = [
            {"Key": key, "VersionId": version, "DeleteMarkerVersionId": marker, "DeleteMarker": bool(marker) or None}
            for key, version, marker in deleted
        ]
        self.data["Action"] = "DeleteObjects"
        is_quiet = str(sent.get("Quiet", "")).strip().lower() == "true"
        return self.serialized(ActionResult({"Deleted": [] if is_quiet else told, "Errors": errors}))

    def _tagging_from_xml(self) -> dict[str, str]:
        """Return the tags of the body; a set may be empty."""
        sent = xmltodict.parse(self.body, force_list={"Tag": True})["Tagging"]["TagSet"] or {"Tag": []}
        return {tag["Key"]: tag["Value"] or "" for tag in sent["Tag"]}

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
        bucket = self.get_bucket(bucket_name)
        if not bucket.encryption:
            more["encryption"] = more.get("encryption") or "AES256"
        older = []
        if bucket.versioning_status == "Suspended":  # moto drops what came before: it gets nothing to drop
            older = [version for version in dict.pop(bucket.keys, key_name, []) if version.version_id != "null"]
        key: FakeKey = super().put_object(bucket_name, key_name, value, **more)
        if older:
            bucket.keys.setlist(key_name, [*older, key])
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
        """Delete an object or a version; moto tells of versions only when the last of them goes.

        With versioning suspended it deletes all versions at once.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectsfromVersioningSuspendedBuckets.html
        """
        bucket = self.get_bucket(bucket_name)
        held = bucket.keys.getlist(key_name, [])
        if bucket.versioning_status is None:
            deleted, told = super().delete_object(bucket_name, key_name, version_id, bypass)
            for key in held if deleted else ():
                self.tagger.delete_all_tags_for_resource(key.arn)
            return deleted, told
        if not held:
            return False, {}
        if version_id is None:
            return True, self._mark_deleted(bucket, key_name, held)
        return self._delete_version(bucket, key_name, version_id, bypass)

    def _mark_deleted(self, bucket: FakeBucket, name: str, held: list[Any]) -> dict[str, Any]:
        marker = DeleteMarker(key=held[-1])
        if not bucket.is_versioned:  # suspended: the marker takes the place of the version without an id
            marker._version_id = "null"
            held = [version for version in held if version.version_id != "null"]
        bucket.keys.setlist(name, [*held, marker])
        event = S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
        send_event(self.account_id, event.value, bucket, marker)
        return {"version-id": marker.version_id, "delete-marker": "true"}

    def _delete_version(
        self, bucket: FakeBucket, name: str, version_id: str, bypass: bool
    ) -> tuple[bool, dict[str, Any]]:
        held = bucket.keys.getlist(name)
        gone = next((version for version in held if str(version.version_id) == version_id), None)
        told = {"version-id": version_id}
        if gone is None:
            return False, told
        if isinstance(gone, FakeKey) and gone.is_locked(governance_bypass=bypass):
            raise AccessDeniedByLock
        left = [version for version in held if version is not gone]
        bucket.keys.setlist(name, left)  # this lets go of what a version holds; moto's pop() fails at a delete marker
        if not left:
            del bucket.keys[name]
        send_event(self.account_id, S3NotificationEvent.OBJECT_REMOVED_DELETE_EVENT.value, bucket, gone)
        return True, told | ({"delete-marker": "true"} if isinstance(gone, FakeDeleteMarker) else {})

    def delete_objects(
        self, bucket_name: str, objects: list[dict[str, Any]], bypass_retention: bool = False
    ) -> tuple[list[tuple[str, str | None, str | None]], list[str]]:
        """Delete several objects; S3 tells also of those that were not there."""
        bucket = self.get_bucket(bucket_name)
        missing = [wanted["Key"] for wanted in objects if wanted["Key"] not in bucket.keys]
        answer = super().delete_objects(bucket_name, objects, bypass_retention)
        for name in missing if bucket.versioning_status is None else ():
            send_event(self.account_id, S3NotificationEvent.OBJECT_REMOVED_DELETE_EVENT.value, bucket, _Missing(name))
        return answer

    def get_object(
        self,
        bucket_name: str,
        key_name: str,
        version_id: str | None = None,
        part_number: str | None = None,
        return_delete_marker: bool = False,
    ) -> FakeKey | None:
        """Return the object, or the part of it; moto fails at a part that is not there."""
        try:
            return super().get_object(bucket_name, key_name, version_id, part_number, return_delete_marker)
        except KeyError as error:
            raise AwsError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416) from error

    def delete_object_tagging(self, bucket_name: str, key_name: str, version_id: str | None = None) -> None:
        """Delete an object's tags; moto fails where there is no object."""
        if self.get_object(bucket_name, key_name, version_id) is None:
            raise MissingKey(key=key_name)
        super().delete_object_tagging(bucket_name, key_name, version_id)

    def put_object_tagging(self, key: FakeKey, tags: dict[str, str] | None) -> FakeKey:
        """Set an object's tags; moto tells of it also when an upload has none."""
        if not tags and not self.tagger.has_tags(key.arn):
            return key
        return super().put_object_tagging(key, tags)
