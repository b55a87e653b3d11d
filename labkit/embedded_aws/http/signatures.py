"""Signatures: every request is signed anew with the keys that it names, and the two are compared.

Version 4 (in headers and in presigned URLs) is made here: botocore's signer, which is for those who send, takes four
times as long, at each request. Version 2, which S3 still takes and boto3 makes for presigned URLs in us-east-1, is
made by botocore's.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

from __future__ import annotations

import hmac
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import SplitResult, quote

from botocore.auth import HmacV1Auth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.utils import normalize_url_path

from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http import chunks
from labkit.embedded_aws.http.auth_errors import auth_error
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.received import Received
from labkit.embedded_aws.state import Keys

_MAX_SKEW_SECONDS = 15 * 60  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
_MAX_EXPIRES_SECONDS = 7 * 24 * 3600
_UNSIGNED = "UNSIGNED-PAYLOAD"
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<scope>[^, ]+), *SignedHeaders=(?P<names>[^, ]+), *Signature=(?P<signature>\w+)"
)


def read(request: Received) -> SignatureV4 | SignatureV2 | None:
    """Return the signature that a request carries, None without one; raises AwsError for what is none."""
    authorization = request.header("authorization")
    if authorization.startswith("AWS "):
        return SignatureV2.of_header(request)
    if authorization:
        return SignatureV4.of_header(request)
    if "X-Amz-Algorithm" in request.query:
        return SignatureV4.of_query(request)
    return SignatureV2.of_query(request) if "AWSAccessKeyId" in request.query else None


class SignatureV4(NamedTuple):
    """A signature of version 4. `expires` is how many seconds a presigned URL is good for, None in a header."""

    access_key: str
    date: str
    region: str
    service: str
    names: tuple[str, ...]  # of the signed headers
    signature: str
    timestamp: str
    token: str
    expires: int | None = None

    @classmethod
    def of_header(cls, request: Received) -> SignatureV4:
        """Return what the Authorization header says; raises AwsError for one that is malformed."""
        found = _AUTHORIZATION.fullmatch(request.header("authorization").strip())
        scope = found["scope"].rsplit("/", 4) if found else []
        if found is None or len(scope) != 5:
            raise AwsError("IncompleteSignature", "The authorization header is malformed.", 400)
        names = tuple(found["names"].lower().split(";"))
        timestamp = _timestamp(request.header("x-amz-date") or request.header("date"))
        token = request.header("x-amz-security-token")
        return cls(scope[0], scope[1], scope[2], scope[3], names, found["signature"], timestamp, token)

    @classmethod
    def of_query(cls, request: Received) -> SignatureV4:
        """Return what a presigned URL says; raises AwsError for one that is malformed."""
        query = request.query
        scope = query.get("X-Amz-Credential", "").rsplit("/", 4)
        expires = query.get("X-Amz-Expires", "")
        if len(scope) != 5 or not {"X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} <= query.keys():
            message = (
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
                "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
            )
            raise AwsError("AuthorizationQueryParametersError", message, 400)
        if not expires.isdigit() or int(expires) > _MAX_EXPIRES_SECONDS:
            message = "X-Amz-Expires must be a number between 0 and 604800 seconds"
            raise AwsError("AuthorizationQueryParametersError", message, 400)
        names = tuple(query["X-Amz-SignedHeaders"].lower().split(";"))
        token = query.get("X-Amz-Security-Token", "")
        timestamp = _timestamp(query["X-Amz-Date"])
        signature = query["X-Amz-Signature"]
        return cls(scope[0], scope[1], scope[2], scope[3], names, signature, timestamp, token, int(expires))

    def verify(self, request: Received, identity: Identity) -> None:
        """Raise AwsError unless the request was signed with these keys, a short while ago, as it came."""
        self._check_time()
        self._check_headers(request)
        payload = self._payload(request)
        key = _signing_key(identity.keys.secret_key, self.date, self.region, self.service)
        without = ("X-Amz-Signature",) if self.expires is not None else ()
        for form in (request.as_sent, request.as_decoded):
            canonical = self._canonical(request, *form(without), payload)
            if same(self._signed(key, "AWS4-HMAC-SHA256", sha256(canonical.encode()).hexdigest()), self.signature):
                break
        else:
            raise auth_error("signature", self.service)
        self._check_body(request, payload, key)

    def _canonical(self, request: Received, path: str, query: str, payload: str) -> str:
        """Return the request in the one form in which it is signed. S3 does not normalize the path, which is a key.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
        """
        if self.service != "s3":
            path = quote(normalize_url_path(path), safe="/~")
        if query:
            query = "&".join(f"{name}={value}" for name, _, value in sorted(map(_pair, query.split("&"))))
        names = sorted(set(self.names))
        headers = [f"{name}:{','.join(map(_trimmed, request.values(name)))}" for name in names]
        return "\n".join((request.method, path, query, *headers, "", ";".join(names), payload))

    def _signed(self, key: bytes, kind: str, *parts: str) -> str:
        """Return the signature of what is signed at that moment, for that day, region and service."""
        scope = f"{self.date}/{self.region}/{self.service}/aws4_request"
        return hmac.digest(key, "\n".join((kind, self.timestamp, scope, *parts)).encode(), "sha256").hex()

    def _check_time(self) -> None:
        signed_at = _moment(self.timestamp, self.service)
        if self.date != self.timestamp[:8]:
            raise auth_error("signature", self.service)
        if self.expires is None:
            check_skew(signed_at, self.service)
            return
        if signed_at - time.time() > _MAX_SKEW_SECONDS:
            raise AwsError("AccessDenied", "Request is not valid yet", 403)
        check_expiry(signed_at + self.expires, **{"X-Amz-Expires": str(self.expires)})

    def _check_headers(self, request: Received) -> None:
        """S3 wants all of its own headers signed, so that who passes on a presigned URL can add none."""
        if "host" not in self.names:
            raise auth_error("signature", self.service)
        if self.service == "s3":
            unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in self.names]
            if unsigned:
                message = "There were headers present in the request which were not signed"
                raise AwsError("AccessDenied", message, 403, HeadersNotSigned=", ".join(sorted(unsigned)))

    def _payload(self, request: Received) -> str:
        declared = request.header("x-amz-content-sha256") or request.query.get("X-Amz-Content-Sha256", "")
        if declared:
            return declared
        return _UNSIGNED if self.service == "s3" and self.expires is not None else request.body_sha256

    def _check_body(self, request: Received, payload: str, key: bytes) -> None:
        if payload in (_UNSIGNED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
            return
        if payload.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):

            def sign(kind: str, *parts: str) -> str:
                return self._signed(key, f"AWS4-HMAC-SHA256-{kind}", *parts)

            if not chunks.signed(request.body, self.signature, sign):
                raise auth_error("signature", self.service)
        elif payload.startswith("STREAMING-"):
            raise AwsError("NotImplemented", "The embedded AWS does not verify signatures of this kind.", 501)
        elif payload != request.body_sha256:
            if self.service != "s3":
                raise auth_error("signature", self.service)
            message = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise AwsError("XAmzContentSHA256Mismatch", message, 400)


def _pair(part: str) -> tuple[str, str, str]:
    return part.partition("=")


def _trimmed(value: str) -> str:
    return " ".join(value.split())


@lru_cache(maxsize=512)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key that is derived for a day, a region and a service.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#derive-signing-key
    """
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign_policy_v4(policy: str, keys: Keys, scope: str) -> str:
    """Return the signature of version 4 of a POST policy, with the key of `scope`: date/region/service/aws4_request."""
    date, region, service, _ = scope.split("/")
    key = _signing_key(keys.secret_key, date, region, service)
    return hmac.digest(key, policy.encode(), "sha256").hex()


class SignatureV2(NamedTuple):
    """A signature of version 2, which S3 alone takes. `expires` is in seconds since 1970, None in a header."""

    access_key: str
    signature: str
    token: str
    expires: str | None = None
    service: str = "s3"

    @classmethod
    def of_header(cls, request: Received) -> SignatureV2:
        """Return what the Authorization header says."""
        key, _, signature = request.header("authorization").removeprefix("AWS ").strip().partition(":")
        return cls(key, signature, request.header("x-amz-security-token"))

    @classmethod
    def of_query(cls, request: Received) -> SignatureV2:
        """Return what a presigned URL says; raises AwsError for one that is malformed."""
        query = request.query
        if "Signature" not in query or not query.get("Expires", "").isdigit():
            message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
            raise AwsError("AccessDenied", message, 403)
        token = query.get("x-amz-security-token") or request.header("x-amz-security-token")
        return cls(query["AWSAccessKeyId"], query["Signature"], token, query["Expires"])

    def verify(self, request: Received, identity: Identity) -> None:
        """Raise AwsError unless the request was signed with these keys and is not too old."""
        given = {name: request.header(name) for name in request.headers if _counts(name)}
        if self.expires is None:
            date = request.header("date")
            check_skew(_moment(_timestamp(request.header("x-amz-date") or date), "s3"), "s3")
            date = "" if "x-amz-date" in given else date
        else:
            check_expiry(int(self.expires))
            date = self.expires
            in_query = {name.lower(): value for name, value in request.query.items()}
            given = {name: value for name, value in in_query.items() if _counts(name)} | given
        headers = HTTPHeaders()
        for name, value in given.items():
            headers.add_header(name, value)
        path, query = request.as_sent()
        split = SplitResult("http", "", path, query, "")
        paths = [path]
        if path.count("/") == 1:
            paths.append(f"{path}/")  # the path of a bucket is signed with and without
        signer = _SignerV2(identity.keys, date)
        made = [signer.get_signature(request.method, split, headers, auth_path=path) for path in paths]
        if not any(same(signature, self.signature) for signature in made):
            raise auth_error("signature", "s3")


def _counts(name: str) -> bool:
    return name.startswith("x-amz-") or name in ("content-type", "content-md5")


class _SignerV2(HmacV1Auth):  # type: ignore[misc]  # botocore comes without types
    """botocore's signer, for a request with a date of its own."""

    def __init__(self, keys: Keys, date: str) -> None:
        super().__init__(Credentials(keys.access_key, keys.secret_key))
        self._date = date

    def _get_date(self) -> str:
        return self._date


def sign_policy_v2(policy: str, keys: Keys) -> str:
    """Return the signature of version 2 of a POST policy."""
    return str(_SignerV2(keys, "").sign_string(policy))


def same(one: str, other: str) -> bool:
    """Compare two signatures in a time that does not tell how much of them is alike."""
    return hmac.compare_digest(one.encode(), other.encode())


def check_expiry(expires: float, **fields: str) -> None:
    """Raise AwsError when that moment, in seconds since 1970, has passed."""
    now = time.time()
    if now > expires:
        shown = fields | {"Expires": _shown(expires), "ServerTime": _shown(now)}
        raise AwsError("AccessDenied", "Request has expired", 403, **shown)


def check_skew(signed_at: float, service: str) -> None:
    """Raise AwsError when that moment, in seconds since 1970, is a quarter of an hour away."""
    now = time.time()
    if abs(now - signed_at) <= _MAX_SKEW_SECONDS:
        return
    at, limit = (datetime.fromtimestamp(moment, UTC).strftime(_TIMESTAMP) for moment in (signed_at, now))
    early = signed_at < now
    message = (
        f"Signature {'expired' if early else 'not yet current'}: {at} is {'now earlier' if early else 'still later'} "
        f"than {limit} ({limit} {'-' if early else '+'} 15 min.)"
    )
    raise auth_error("time", service, message, RequestTime=at, ServerTime=_shown(now))


def _timestamp(text: str) -> str:
    """Return a date header as version 4 writes moments; what is none stays as it is."""
    if re.fullmatch(r"\d{8}T\d{6}Z", text):
        return text
    try:
        return parsedate_to_datetime(text).astimezone(UTC).strftime(_TIMESTAMP)
    except ValueError:
        return text


@lru_cache(maxsize=64)  # all requests of a second have the same
def _moment(timestamp: str, service: str) -> float:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError as error:
        if service == "s3":
            message = "AWS authentication requires a valid Date or x-amz-date header"
            raise AwsError("AccessDenied", message, 403) from error
        message = "Date must be in ISO-8601 'basic format'."
        raise AwsError("IncompleteSignature", message, 400) from error


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
