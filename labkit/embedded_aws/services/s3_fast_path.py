"""The three requests that a pipeline makes all the time, answered without moto's generic machinery.

GetObject, PutObject and ListObjectsV2 in their plain form work on moto's own records here, in a fraction of the
time. Whatever is not plain (a range, a version, tags, encryption, a refusal, an error) gets no answer here and
goes moto's way, so that there is one place for each rule of S3.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.server import Answer
from labkit.embedded_aws.services.limits import ARCHIVED, LONGEST_KEY_BYTES
from labkit.embedded_aws.services.s3_checks import check_body

# Headers that say nothing about the object; content types and x-amz-meta-* are kept with it.
_PLAIN = {
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_AMZ_SDK_INVOCATION_ID",
    "HTTP_AMZ_SDK_REQUEST",
    "HTTP_AUTHORIZATION",
    "HTTP_CONNECTION",
    "HTTP_CONTENT_MD5",
    "HTTP_EXPECT",
    "HTTP_HOST",
    "HTTP_USER_AGENT",
    "HTTP_X_AMZN_TRACE_ID",
    "HTTP_X_AMZ_CONTENT_SHA256",
    "HTTP_X_AMZ_DATE",
    "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM",
    "HTTP_X_AMZ_SECURITY_TOKEN",
    "HTTP_X_AMZ_CHECKSUM_CRC32",
    "HTTP_X_AMZ_CHECKSUM_MODE",
}
_LIST_PARAMETERS = {
    "list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "x-id",
}  # fmt: skip
_MOST_KEYS = 1000


def answer(environ: dict[str, Any], backend: S3Backend, bucket_name: str, key: str) -> Answer | None:
    """Return the answer to a plain request, None when it is not one."""
    bucket = backend.buckets.get(bucket_name)
    method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
    if bucket is None or bucket.logging or _denied(bucket, method, key):
        return None
    if key and method == "GET" and query in ("", "x-id=GetObject"):
        return _get(environ, bucket, key)
    if key and method == "PUT" and query in ("", "x-id=PutObject"):
        return _put(environ, backend, bucket, key)
    if not key and method == "GET" and "list-type=2" in query:
        return _list(bucket, dict(parse_qsl(query, keep_blank_values=True)))
    return None


def _denied(bucket: FakeBucket, method: str, key: str) -> bool:
    if bucket.policy is None:
        return False
    action = f"s3:{method.capitalize()}Object" if key else "s3:ListBucket"
    resource = f"{bucket.arn}/{key}" if key else bucket.arn
    return bool(bucket.get_permission(action, resource) == PermissionResult.DENIED)


def _is_plain(environ: dict[str, Any], *more: str) -> bool:
    return all(
        name in _PLAIN or name in more or name.startswith("HTTP_X_AMZ_META_")
        for name in environ
        if name.startswith("HTTP_")
    )


def _get(environ: dict[str, Any], bucket: FakeBucket, name: str) -> Answer | None:
    key = bucket.keys.get(name)
    if not isinstance(key, FakeKey) or not _is_plain(environ, "HTTP_IF_MATCH") or key.storage_class in ARCHIVED:
        return None
    if environ.get("HTTP_IF_MATCH", key.etag).strip('"') != key.etag.strip('"'):
        return None
    headers = {"accept-ranges": "bytes"} | key.response_dict | dict(key.metadata)
    if key.checksum_algorithm and environ.get("HTTP_X_AMZ_CHECKSUM_MODE") == "ENABLED":
        if key.multipart is not None:
            return None
        headers[f"x-amz-checksum-{key.checksum_algorithm.lower()}"] = str(key.checksum_value)
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    return _answer(list(headers.items()), key.value)


def _put(environ: dict[str, Any], backend: S3Backend, bucket: FakeBucket, name: str) -> Answer | None:
    if bucket.object_lock_enabled or not _is_plain(environ):
        return None
    if environ.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING"):
        return None
    body = environ["wsgi.input"].getvalue()
    checksum = environ.get("HTTP_X_AMZ_CHECKSUM_CRC32")
    algorithm = environ.get("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM")
    if (algorithm or "CRC32").upper() != "CRC32" or bool(algorithm) != bool(checksum):
        return None
    if (checksum or "HTTP_CONTENT_MD5" in environ) and _has_wrong_digest(environ, body):
        return None
    if len(name) > LONGEST_KEY_BYTES // 4 and len(name.encode("utf-8", "surrogatepass")) > LONGEST_KEY_BYTES:
        return None
    return _store(environ, backend, bucket, name, body, checksum)


def _has_wrong_digest(environ: dict[str, Any], body: bytes) -> bool:
    """Return whether the body is not what its digests say: the other way has the words for it."""
    headers = {sent.lower(): value for sent, value in environ["headers.sent"]}
    try:
        check_body(headers, body)
    except AwsError:
        return True
    return False


def _store(
    environ: dict[str, Any], backend: S3Backend, bucket: FakeBucket, name: str, body: bytes, checksum: str | None
) -> Answer:
    metadata = {
        sent.lower(): value for sent, value in environ["headers.sent"] if sent.lower().startswith("x-amz-meta-")
    }
    if "CONTENT_TYPE" in environ:
        metadata["Content-Type"] = environ["CONTENT_TYPE"]
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    key = backend.put_object(bucket.name, name, body, etag=etag, checksum_value=checksum)
    key.set_metadata(metadata)
    key.set_acl(bucket.acl)
    headers = key.response_dict
    if checksum:
        key.checksum_algorithm, key.checksum_type = "CRC32", "FULL_OBJECT"
        headers["x-amz-checksum-crc32"] = checksum
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    del headers["last-modified"], headers["content-length"]
    return _answer(list(headers.items()))


def _list(bucket: FakeBucket, query: dict[str, str]) -> Answer | None:
    if not set(query) <= _LIST_PARAMETERS or not query.get("max-keys", "0").isdigit():
        return None
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = min(int(query.get("max-keys", _MOST_KEYS)), _MOST_KEYS)
    try:
        after = base64.b64decode(query["continuation-token"], validate=True).decode()
    except KeyError:
        after = query.get("start-after", "")
    except ValueError:
        return None
    keys, folders, truncated = _page(_newest(bucket, prefix), prefix, delimiter, after, most)

    def shown(text: str) -> str:
        return quote(text) if query.get("encoding-type") == "url" else escape(text)

    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket.name}</Name><Prefix>{shown(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>"
        f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>{str(truncated).lower()}</IsTruncated>"
    ]
    echoed = dict(query)
    if "continuation-token" in query:
        echoed.pop("start-after", None)  # the token has its place
    parts += [f"<{name}>{shown(echoed[given])}</{name}>" for given, name in _ECHOED.items() if echoed.get(given)]
    if truncated:
        last = max([key.name for key in keys] + folders)
        parts.append(f"<NextContinuationToken>{base64.b64encode(last.encode()).decode()}</NextContinuationToken>")
    parts += [_contents(key, shown(key.name)) for key in keys]
    parts += [f"<CommonPrefixes><Prefix>{shown(folder)}</Prefix></CommonPrefixes>" for folder in folders]
    parts.append("</ListBucketResult>")
    return _answer([("Content-Type", "application/xml")], "".join(parts).encode())


_ECHOED = {
    "delimiter": "Delimiter",
    "encoding-type": "EncodingType",
    "start-after": "StartAfter",
    "continuation-token": "ContinuationToken",
}


def _newest(bucket: FakeBucket, prefix: str) -> list[FakeKey]:
    """The objects below the prefix, in order. The copy is one step, so that writers may go on meanwhile."""
    versions = [held for name, held in list(dict.items(bucket.keys)) if name.startswith(prefix)]
    newest = [held[-1] for held in versions if held and not isinstance(held[-1], FakeDeleteMarker)]
    return sorted(newest, key=lambda key: key.name)


def _page(
    candidates: list[FakeKey], prefix: str, delimiter: str, after: str, most: int
) -> tuple[list[FakeKey], list[str], bool]:
    """Return one page: keys, folders (what is common up to the delimiter), and whether there is more."""
    keys: list[FakeKey] = []
    folders: list[str] = []
    for key in candidates:
        cut = key.name.find(delimiter, len(prefix)) if delimiter else -1
        folder = key.name[: cut + len(delimiter)] if cut >= 0 else ""
        if (folder or key.name) <= after or (folder and folders and folders[-1] == folder):
            continue
        if len(keys) + len(folders) == most:
            return keys, folders, most > 0
        if folder:
            folders.append(folder)
        else:
            keys.append(key)
    return keys, folders, False


def _contents(key: FakeKey, shown: str) -> str:
    checksum = f"<ChecksumAlgorithm>{key.checksum_algorithm}</ChecksumAlgorithm>" if key.checksum_algorithm else ""
    return (
        f"<Contents><Key>{shown}</Key><LastModified>{key.last_modified.isoformat(timespec='seconds')}.000Z</LastModified>"
        f"<ETag>{escape(key.etag)}</ETag>{checksum}<Size>{key.size}</Size>"
        f"<StorageClass>{key.storage_class}</StorageClass></Contents>"
    )


def _answer(headers: list[tuple[str, str]], body: bytes = b"") -> Answer:
    ids = [("x-amz-request-id", secrets.token_hex(8).upper()), ("x-amz-id-2", secrets.token_urlsafe(57))]
    return Answer(200, ids + headers, body)
