"""What each service answers to whoever it does not know, or cannot believe.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from labkit.embedded_aws.http.errors import AwsError

_SECURITY_TOKEN = "The security token included in the request is"  # noqa: S105 - AWS's words, no token
_NO_MATCH = "The request signature we calculated does not match the signature you provided. Check your "
_NO_MATCH_AT_ALL = (
    _NO_MATCH + "AWS Secret Access Key and signing method. Consult the service documentation for details."
)
# By what is wrong: code, message, status.
_S3 = {
    "anonymous": ("AccessDenied", "Access Denied", 403),
    "expired token": ("ExpiredToken", "The provided token has expired.", 400),
    "signature": ("SignatureDoesNotMatch", _NO_MATCH + "key and signing method.", 403),
    "time": ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403),
    "token": ("InvalidToken", "The provided token is malformed or otherwise invalid.", 400),
    "unknown key": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403),
}
_QUERY = {
    "anonymous": ("MissingAuthenticationToken", "Request is missing Authentication Token", 403),
    "expired token": ("ExpiredToken", f"{_SECURITY_TOKEN} expired", 403),
    "signature": ("SignatureDoesNotMatch", _NO_MATCH_AT_ALL, 403),
    "time": ("SignatureDoesNotMatch", "", 403),
    "token": ("InvalidClientTokenId", f"{_SECURITY_TOKEN} invalid.", 403),
    "unknown key": ("InvalidClientTokenId", f"{_SECURITY_TOKEN} invalid.", 403),
}
_JSON = {
    "anonymous": ("MissingAuthenticationTokenException", "Missing Authentication Token", 403),
    "expired token": ("ExpiredTokenException", f"{_SECURITY_TOKEN} expired", 403),
    "signature": ("InvalidSignatureException", _NO_MATCH_AT_ALL, 403),
    "time": ("InvalidSignatureException", "", 403),
    "token": ("UnrecognizedClientException", f"{_SECURITY_TOKEN} invalid.", 403),
    "unknown key": ("UnrecognizedClientException", f"{_SECURITY_TOKEN} invalid.", 403),
}
_FAMILIES = {"s3": _S3, "lambda": _JSON, "logs": _JSON}
_STATUS = {"logs": 400}  # its protocol, JSON 1.1, has no other for what is the client's fault


def auth_error(what: str, service: str, message: str = "", **fields: str) -> AwsError:
    """Return the service's error for what is wrong, with AWS's message or, where that tells details, this one."""
    code, words, status = _FAMILIES.get(service, _QUERY)[what]
    return AwsError(code, words or message, _STATUS.get(service, status), **fields)
