"""What a function's role may do in S3: the calls that a function makes are held against its role's policies.

Everybody else on this machine has full rights; a function that lacks one must fail here as it would on AWS.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from urllib.parse import parse_qs

from moto.s3.models import FakeKey, S3Backend

from labkit.embedded_aws import roles

_OBJECT_ACTIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "POST": "s3:PutObject",  # the steps of a multipart upload
    "DELETE": "s3:DeleteObject",
}


def refusal(access_key: str, method: str, backend: S3Backend, bucket: str, key: str, query: str) -> str | None:
    """Return AWS's words when the access key belongs to a role that may not do this, else None.

    Looked at are objects and listings; the configuration of buckets is not what functions are for.
    """
    session = roles.session_of(access_key)
    if session is None or not bucket:
        return None
    bucket_arn = f"arn:aws:s3:::{bucket}"
    prefix = key
    if key:
        action, resource = _OBJECT_ACTIONS.get(method, "s3:GetObject"), f"{bucket_arn}/{key}"
    elif method in ("GET", "HEAD"):
        action, resource = "s3:ListBucket", bucket_arn
        prefix = parse_qs(query).get("prefix", [""])[0]
    else:
        return None
    context = {"s3:prefix": prefix, "aws:SecureTransport": "true"}
    allowed = roles.may(session.role_arn, action, resource, context)
    if allowed and action == "s3:GetObject" and not _exists(backend, bucket, key):
        # who may not list is not told that there is nothing
        action, resource = "s3:ListBucket", bucket_arn
        allowed = roles.may(session.role_arn, action, resource, context)
    if allowed:
        return None
    return (
        f'User: {session.arn} is not authorized to perform: {action} on resource: "{resource}" '
        f"because no identity-based policy allows the {action} action"
    )


def _exists(backend: S3Backend, bucket: str, key: str) -> bool:
    held = backend.buckets.get(bucket)
    return held is None or isinstance(held.keys.get(key), FakeKey)
