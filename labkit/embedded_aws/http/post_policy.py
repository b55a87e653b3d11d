"""Forms that upload a file to S3: who signed their policy, and whether they keep to it.

A form without a policy is posted by nobody. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from werkzeug.formparser import parse_form_data

from labkit.embedded_aws import credentials
from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http.auth_errors import auth_error
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.signatures import same, sign_policy_v2, sign_policy_v4

_NOT_IN_POLICY = {"awsaccesskeyid", "signature", "x-amz-signature", "policy", "file"}


class PostForm:
    """The fields of a form, by their names in lower case, and the size of its file."""

    def __init__(self, environ: dict[str, Any], bucket: str) -> None:
        """Read the form; raises AwsError when it has no key or not exactly one file."""
        environ["wsgi.input"].seek(0)
        _, form, files = parse_form_data(environ)
        environ["wsgi.input"].seek(0)
        self.fields = {name.lower(): value for name, value in form.items()} | {"bucket": bucket}
        contents = [len(file.read()) for file in files.values()]
        if "file" in self.fields:
            contents.append(len(self.fields["file"].encode()))
        if len(contents) != 1:
            raise AwsError("InvalidArgument", "POST requires exactly one file upload per request.", 400)
        if not self.fields.get("key"):
            message = "Bucket POST must contain a field named 'key'.  "
            raise AwsError(
                "InvalidArgument", message + "If it is specified, please check the order of the fields.", 400
            )
        self.key = self.fields["key"]
        self.size = contents[0]

    def sender(self) -> Identity | None:
        """Return whose policy the form carries, None for a form without one; raises AwsError for a bad one."""
        policy = self.fields.get("policy")
        if policy is None:
            return None
        scope = self.fields.get("x-amz-credential", "").rsplit("/", 4)
        version_4 = len(scope) == 5
        access_key = scope[0] if version_4 else self.fields.get("awsaccesskeyid", "")
        identity = credentials.find(access_key)
        if identity is None:
            raise auth_error("unknown key", "s3", AWSAccessKeyId=access_key)
        if version_4:
            expected = sign_policy_v4(policy, identity.keys, "/".join(scope[1:]))
        else:
            expected = sign_policy_v2(policy, identity.keys)
        given = self.fields.get("x-amz-signature" if version_4 else "signature", "")
        if not same(expected, given):
            raise auth_error("signature", "s3", AWSAccessKeyId=access_key)
        if not same(identity.session_token or "", self.fields.get("x-amz-security-token", "")):
            raise auth_error("token", "s3")
        self._check(_decoded(policy))
        return identity

    def _check(self, policy: dict[str, Any]) -> None:
        expires = datetime.fromisoformat(str(policy.get("expiration", "")).replace("Z", "+00:00"))
        if (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) < datetime.now(UTC):
            raise AwsError("AccessDenied", "Invalid according to Policy: Policy expired.", 403)
        covered = {"bucket"}
        for condition in policy.get("conditions", []):
            for operator, name, *values in _conditions(condition):
                covered.add(name)
                self._check_condition(operator, name, values)
        extra = sorted(
            name for name in self.fields if name not in covered | _NOT_IN_POLICY and not name.startswith("x-ignore-")
        )
        if extra:
            message = f"Invalid according to Policy: Extra input fields: {', '.join(extra)}"
            raise AwsError("AccessDenied", message, 403)

    def _check_condition(self, operator: str, name: str, values: list[Any]) -> None:
        if operator == "content-length-range":
            smallest, largest = int(values[0]), int(values[1])
            if self.size > largest:
                raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
            if self.size < smallest:
                message = "Your proposed upload is smaller than the minimum allowed size"
                raise AwsError("EntityTooSmall", message, 400)
            return
        given, wanted = self.fields.get(name, ""), str(values[0])
        if not (given.startswith(wanted) if operator == "starts-with" else given == wanted):
            shown = json.dumps([operator, f"${name}", wanted])
            message = f"Invalid according to Policy: Policy Condition failed: {shown}"
            raise AwsError("AccessDenied", message, 403)


def _decoded(policy: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
        datetime.fromisoformat(str(document["expiration"]).replace("Z", "+00:00"))
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise AwsError("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.", 400) from error
    return dict(document)


def _conditions(condition: Any) -> list[list[Any]]:
    """Return a condition as operator, field and values; the short form `{"acl": "private"}` may hold several."""
    if isinstance(condition, dict):
        return [["eq", name.lower(), value] for name, value in condition.items()]
    operator, *rest = condition
    if operator == "content-length-range":
        return [[operator, "content-length-range", *rest]]
    return [[str(operator).lower(), str(rest[0]).lstrip("$").lower(), *rest[1:]]]
