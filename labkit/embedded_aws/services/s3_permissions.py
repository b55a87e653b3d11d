"""Who may do what in S3: roles and users by their policies and the bucket's, anybody by the bucket's policy and ACLs.

The owner may do everything. Looked at are objects and listings; the configuration of buckets is what the owner does,
and what nobody is let into without a policy or an ACL that says so.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-auth-workflow-object-operation.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from moto.iam.access_control import PermissionResult
from moto.s3.models import ALL_USERS_GRANTEE, FakeAcl, FakeBucket, FakeKey, S3Backend
from moto.s3.responses import ACTION_MAP

from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.services.permissions import why_refused
from labkit.policy import Request, verdict

# Parameters that ask for nothing but what the method does by itself.
_PLAIN_PARAMETERS = {
    "list-type", "prefix", "delimiter", "max-keys", "marker", "continuation-token", "start-after", "encoding-type",
    "fetch-owner", "x-id", "partNumber", "response-content-type", "response-content-language",
    "response-expires", "response-cache-control", "response-content-disposition", "response-content-encoding",
}  # fmt: skip
# What an ACL allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping
_OBJECT_ACL = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
}
_BUCKET_ACL = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}


class S3Request(NamedTuple):
    """What is asked of S3: a bucket, a key in it or none, and what HTTP says beside."""

    method: str
    bucket: str
    key: str
    query: str
    headers: dict[str, str]  # by their names in lower case

    @property
    def prefix(self) -> str:
        """What policies compare with s3:prefix."""
        return self.key or parse_qs(self.query).get("prefix", [""])[0]


def refusal(caller: Identity | None, request: S3Request, backend: S3Backend) -> str | None:
    """Return AWS's words when the caller may not do this, else None. Nobody (None) is whoever signed nothing."""
    if caller is not None and caller.principal is None:
        return None
    for action, bucket, key in _asked(caller, request):
        words = _refusal(caller, action, bucket, key, request.prefix, backend)
        if words is None and action == "s3:GetObject" and not _exists(backend, bucket, key):
            # who may not list is not told that there is nothing
            words = _refusal(caller, "s3:ListBucket", bucket, "", key, backend)
        if words is not None:
            return words
    return None


def deletion_refused(caller: Identity | None, bucket: FakeBucket, wanted: dict[str, Any], backend: S3Backend) -> bool:
    """Return whether the caller may not delete this one of the objects that DeleteObjects names.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    action = "s3:DeleteObjectVersion" if wanted.get("VersionId") else "s3:DeleteObject"
    if caller is not None and caller.principal is None:
        resource = f"arn:aws:s3:::{bucket.name}/{wanted['Key']}"
        return bucket.get_permission(action, resource) is PermissionResult.DENIED
    return _refusal(caller, action, bucket.name, wanted["Key"], "", backend) is not None


def _asked(caller: Identity | None, request: S3Request) -> Iterator[tuple[str, str, str]]:
    """Yield each action that the request takes, with the bucket and the key it is about."""
    action = _action(request)
    if action is None and caller is None:
        action = "s3:Other"  # nobody is let into what we have no name for, but by a policy that allows all of S3
    if action is None:
        return
    yield action, request.bucket, request.key
    if request.method == "PUT" and request.key:
        if any(name == "x-amz-acl" or name.startswith("x-amz-grant-") for name in request.headers):
            yield "s3:PutObjectAcl", request.bucket, request.key
        if source := request.headers.get("x-amz-copy-source"):
            bucket, _, key = unquote(source.partition("?")[0]).lstrip("/").partition("/")
            yield "s3:GetObject", bucket, key


def _action(request: S3Request) -> str | None:
    """Return the action that a method takes on what the query names, None for one that is not looked at."""
    if not request.bucket:
        return "s3:ListAllMyBuckets"
    named = set(parse_qs(request.query, keep_blank_values=True))
    named -= {name for name in named if name in _PLAIN_PARAMETERS or _of_signature(name)}
    if request.method == "PUT":
        named.discard("uploadId")  # a part of an object is put as the whole is
    kinds = ACTION_MAP["KEY" if request.key else "BUCKET"].get(request.method.replace("HEAD", "GET"), {})
    if not request.key and request.method in ("PUT", "DELETE") and not named:
        return None  # CreateBucket, DeleteBucket
    action = kinds.get(named.pop() if named else "DEFAULT") if len(named) <= 1 else None
    return f"s3:{action}" if action else None


def _of_signature(name: str) -> bool:
    return name.lower().startswith("x-amz-") or name in ("AWSAccessKeyId", "Signature", "Expires")


def _refusal(
    caller: Identity | None, action: str, bucket: str, key: str, prefix: str, backend: S3Backend
) -> str | None:
    held = backend.buckets.get(bucket)
    resource = f"arn:aws:s3:::{bucket or '*'}" + (f"/{key}" if key else "")
    context = {"s3:prefix": prefix, "aws:SecureTransport": "true", "aws:SourceIp": "127.0.0.1"}
    asked = Request(action, resource, arn=caller.principal if caller else None, context=context)
    policies = [held.policy.decode()] if held is not None and held.policy else []
    if caller is None:
        if held is None:  # that there is no such bucket is said to anybody
            return None if bucket and action != "s3:Other" else "Access Denied"
        return None if _is_public(held, policies, asked, key) else "Access Denied"
    why = why_refused(caller, asked, policies)
    if not why:
        return None
    return f'User: {caller.arn} is not authorized to perform: {action} on resource: "{resource}" {why}'


def _is_public(bucket: FakeBucket, policies: list[str], asked: Request, key: str) -> bool:
    """Return whether the bucket's policy or an ACL lets everybody in, and no public access block keeps them out."""
    block, said = bucket.public_access_block, verdict(policies, asked)
    if said is False:
        return False
    if said and not (block and block.restrict_public_buckets):
        return True
    if block and block.ignore_public_acls:
        return False
    held = bucket.keys.get(key) if key else None
    return (isinstance(held, FakeKey) and _grants(held.acl, _OBJECT_ACL.get(asked.action))) or _grants(
        bucket.acl, _BUCKET_ACL.get(asked.action)
    )


def _grants(acl: FakeAcl | None, permission: str | None) -> bool:
    return permission is not None and any(
        ALL_USERS_GRANTEE in grant.grantees and {permission, "FULL_CONTROL"} & set(_listed(grant.permissions))
        for grant in (acl.grants if acl else ())
    )


def _listed(permissions: Any) -> list[str]:
    return [permissions] if isinstance(permissions, str) else list(permissions)


def _exists(backend: S3Backend, bucket: str, key: str) -> bool:
    held = backend.buckets.get(bucket)
    return held is None or isinstance(held.keys.get(key), FakeKey)
