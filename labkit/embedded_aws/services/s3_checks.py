"""What S3 refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from typing import Any

from moto.s3.models import FakeKey, s3_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.policy_documents import BadPolicy, read_policy
from labkit.embedded_aws.state import ACCOUNT, PARTITION
from labkit.policy import as_list

_BUCKET_NAME = re.compile(limits.BUCKET_NAME)


def _bucket(operation: Operation) -> Any:
    bucket = s3_backends[ACCOUNT][PARTITION].buckets.get(operation.get("Bucket"))
    if bucket is None:
        words = "The specified bucket does not exist"
        raise AwsError("NoSuchBucket", words, 404, BucketName=str(operation.get("Bucket")))
    return bucket


def _check_create(operation: Operation) -> None:
    name = operation.get("Bucket")
    if not _BUCKET_NAME.fullmatch(name) or name.endswith(limits.BUCKET_NAME_ENDS):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
    _check_grants(operation)


def _check_policy(operation: Operation) -> None:
    bucket = _bucket(operation)
    text = operation.get("Policy") or ""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    try:
        statements = read_policy(text, principal=True) if text.startswith("{") else None
    except BadPolicy as error:
        if error.is_json:
            raise AwsError("MalformedPolicy", error.message) from error
        statements = None
    if statements is None:
        raise AwsError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    for statement in statements:
        for resource in as_list(statement.get("Resource")) + as_list(statement.get("NotResource")):
            if not (resource == bucket.arn or resource.startswith(f"{bucket.arn}/")):
                raise AwsError("MalformedPolicy", "Policy has invalid resource")
        for action in as_list(statement.get("Action")) + as_list(statement.get("NotAction")):
            if action != "*" and not action.lower().startswith("s3:"):
                raise AwsError("MalformedPolicy", "Policy has invalid action")


def check_body(headers: dict[str, str], body: bytes) -> None:
    """Refuse a body that is not what its digests say. Headers are by their names in lower case.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    """
    if (md5 := headers.get("content-md5")) is not None:
        wanted = _decoded(md5)
        if wanted is None or len(wanted) != 16:
            words = "The Content-MD5 you specified was invalid."
            raise AwsError("InvalidDigest", words, 400, **{"Content-MD5": md5})
        found = hashlib.md5(body, usedforsecurity=False).digest()
        if wanted != found:
            words = "The Content-MD5 you specified did not match what we received."
            digests = {"ExpectedDigest": md5, "CalculatedDigest": base64.b64encode(found).decode()}
            raise AwsError("BadDigest", words, 400, **digests)
    for name, digest in _DIGESTS.items():
        if (sent := headers.get(f"x-amz-checksum-{name}")) is None:
            continue
        wanted = _decoded(sent)
        if wanted is None or len(wanted) != len(digest(b"")):
            raise AwsError("InvalidRequest", f"Value for x-amz-checksum-{name} header is invalid.")
        if wanted != digest(body):
            words = f"The {name.upper()} you specified did not match the calculated checksum."
            raise AwsError("BadDigest", words)


_DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: binascii.crc32(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _check_put(operation: Operation) -> None:
    _bucket(operation)
    _check_key(operation)
    _check_grants(operation)
    body = operation.get("Body", b"")
    if not operation.headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
        check_body(operation.headers, body if isinstance(body, bytes) else body.encode())


def _check_key(operation: Operation) -> None:
    key = operation.get("Key", "")
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > limits.LONGEST_KEY_BYTES:
        details = {"Size": str(size), "MaxSizeAllowed": str(limits.LONGEST_KEY_BYTES)}
        raise AwsError("KeyTooLongError", "Your key is too long", 400, **details)


def _check_new_upload(operation: Operation) -> None:
    _bucket(operation)
    _check_key(operation)
    _check_grants(operation)


def _check_archived(operation: Operation) -> None:
    bucket = s3_backends[ACCOUNT][PARTITION].buckets.get(operation.get("Bucket"))
    key = bucket.keys.get(operation.get("Key")) if bucket is not None else None
    if isinstance(key, FakeKey) and key.storage_class in limits.ARCHIVED and not key.expiry_date:
        words = "The operation is not valid for the object's storage class"
        raise AwsError("InvalidObjectState", words, 403, StorageClass=str(key.storage_class))


def _check_upload(operation: Operation) -> None:
    bucket = _bucket(operation)
    upload = operation.get("UploadId")
    if upload not in bucket.multiparts:
        words = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
        )
        raise AwsError("NoSuchUpload", words + "or completed.", 404, UploadId=str(upload))


def _check_part(operation: Operation) -> None:
    number = operation.get("PartNumber")
    if not 1 <= number <= 10_000:
        words = "Part number must be an integer between 1 and 10000, inclusive"
        raise AwsError("InvalidArgument", words, ArgumentName="partNumber", ArgumentValue=str(number))
    _check_upload(operation)
    body = operation.get("Body", b"")
    if not operation.headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
        check_body(operation.headers, body if isinstance(body, bytes) else body.encode())


def _check_complete(operation: Operation) -> None:
    _check_upload(operation)
    parts = operation.get("MultipartUpload", {}).get("Parts", [])
    if not parts:
        raise AwsError("MalformedXML", _NOT_XML)
    numbers = [part.get("PartNumber") for part in parts]
    if any(not isinstance(number, int) for number in numbers):
        raise AwsError("MalformedXML", _NOT_XML)
    if numbers != sorted(set(numbers)):
        words = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise AwsError("InvalidPartOrder", words, UploadId=str(operation.get("UploadId")))


_NOT_XML = "The XML you provided was not well-formed or did not validate against our published schema"


def _check_list(operation: Operation) -> None:
    _bucket(operation)
    most = operation.get("MaxKeys", 0)
    if most < 0:
        words = "Argument maxKeys must be an integer between 0 and 2147483647"
        raise AwsError("InvalidArgument", words, ArgumentName="maxKeys", ArgumentValue=str(most))
    if operation.get("EncodingType", "url") != "url":
        raise AwsError("InvalidArgument", "Invalid Encoding Method specified in Request", ArgumentName="encoding-type")
    token = operation.get("ContinuationToken")
    if token is not None and _text_of(token) is None:
        words = "The continuation token provided is incorrect"
        raise AwsError("InvalidArgument", words, ArgumentName="continuation-token")


def _text_of(token: str) -> str | None:
    decoded = _decoded(token) if token else None
    try:
        return decoded.decode() if decoded is not None else None
    except UnicodeDecodeError:
        return None


def _check_grants(operation: Operation) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html."""
    for member in ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"):
        for grantee in str(operation.get(member) or "").split(","):
            if operation.get(member) is not None and not _GRANTEE.fullmatch(grantee.strip()):
                name = operation.model.input_shape.members[member].serialization["name"]
                words = "Argument format not recognized"
                raise AwsError("InvalidArgument", words, ArgumentName=name, ArgumentValue=grantee)


_GRANTEE = re.compile(r'(id|uri|emailAddress)="?[^"]*"?')


def _check_tagged(operation: Operation) -> None:
    key, version = operation.get("Key"), operation.get("VersionId")
    held = [one for one in _bucket(operation).keys.getlist(key, []) if isinstance(one, FakeKey)]
    if not held:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=str(key))
    if version is not None and not any(str(one.version_id) == version for one in held):
        raise AwsError("NoSuchVersion", "The specified version does not exist.", 404, Key=str(key), VersionId=version)


def _check_encryption(operation: Operation) -> None:
    if len(operation.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])) != 1:
        raise AwsError("MalformedXML", _NOT_XML)


def _check_ownership(operation: Operation) -> None:
    if len(operation.get("OwnershipControls", {}).get("Rules", [])) != 1:
        raise AwsError("MalformedXML", _NOT_XML)


def _check_tags(operation: Operation) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html."""
    tags = operation.get("Tagging", {}).get("TagSet", [])
    keys = [tag.get("Key") or "" for tag in tags]
    for tag, key in zip(tags, keys, strict=True):
        if not key.strip() or len(key) > 128:
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(tag.get("Value") or "") > 256:
            raise AwsError("InvalidTag", "The TagValue you have provided is invalid", TagKey=key)
    if repeated := [key for number, key in enumerate(keys) if key in keys[:number]]:
        raise AwsError("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=repeated[0])


def _check_versions(operation: Operation) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html."""
    _check_list(operation)
    marker = operation.get("VersionIdMarker")
    if marker is None:
        return
    told = {"ArgumentName": "version-id-marker", "ArgumentValue": marker}
    if not marker:
        raise AwsError("InvalidArgument", "A version-id marker cannot be empty.", **told)
    if operation.get("KeyMarker") is None:
        words = "A version-id marker cannot be specified without a key marker."
        raise AwsError("InvalidArgument", words, **told)
    if not re.fullmatch(r"null|[A-Za-z0-9._-]{1,1024}", marker):
        raise AwsError("InvalidArgument", "Invalid version id specified", **told)


def _check_locked(member: str | None = None) -> Callable[[Operation], None]:
    """Refuse to show or set the lock of an object in a bucket without Object Lock, and to show what was never set.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    """

    def check(operation: Operation) -> None:
        bucket = _bucket(operation)
        if not bucket.object_lock_enabled:
            raise AwsError("InvalidRequest", "Bucket is missing Object Lock Configuration")
        _check_tagged(operation)
        held = s3_backends[ACCOUNT][PARTITION].get_object(bucket.name, operation.get("Key"), operation.get("VersionId"))
        if held is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=operation.get("Key"))
        if member is not None and getattr(held, member) is None:
            words = "The specified object does not have a ObjectLock configuration"
            raise AwsError("NoSuchObjectLockConfiguration", words, 404)

    return check


def _refuse_what_is_no_form(_operation: Operation) -> None:
    words = "The body of your POST request is not well-formed multipart/form-data."
    raise AwsError("MalformedPOSTRequest", words)


CHECKS: dict[str, Callable[[Operation], None]] = {
    "AbortMultipartUpload": _check_upload,
    "CompleteMultipartUpload": _check_complete,
    "CreateBucket": _check_create,
    "CreateMultipartUpload": _check_new_upload,
    "DeleteObjectTagging": _check_tagged,
    "GetObject": _check_archived,
    "GetObjectLegalHold": _check_locked("lock_legal_status"),
    "GetObjectRetention": _check_locked("lock_mode"),
    "ListObjectVersions": _check_versions,
    "ListObjects": _check_list,
    "ListObjectsV2": _check_list,
    "ListParts": _check_upload,
    "PostObject": _refuse_what_is_no_form,  # forms come another way
    "PutBucketAcl": _check_grants,
    "PutBucketEncryption": _check_encryption,
    "PutBucketOwnershipControls": _check_ownership,
    "PutBucketPolicy": _check_policy,
    "PutBucketTagging": _check_tags,
    "PutObject": _check_put,
    "PutObjectAcl": _check_grants,
    "PutObjectLegalHold": _check_locked(),
    "PutObjectRetention": _check_locked(),
    "PutObjectTagging": _check_tags,
    "RestoreObject": _check_tagged,
    "UploadPart": _check_part,
    "UploadPartCopy": _check_upload,
}
