"""Every request comes in here: is it from a program on this machine, who signed it, and which service is it for?

moto's own server routes by host name through Flask; a client with an endpoint URL says which service it means in
its signature, so that the service's response class can be called straight away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    Request,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.s3.models import s3_backends
from werkzeug.exceptions import HTTPException

from labkit.embedded_aws import credentials
from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http import request_context, signatures
from labkit.embedded_aws.http.auth_errors import auth_error
from labkit.embedded_aws.http.errors import AwsError, error_answer
from labkit.embedded_aws.http.operation import read_operation
from labkit.embedded_aws.http.post_policy import PostForm
from labkit.embedded_aws.http.received import Received
from labkit.embedded_aws.http.refusals import refusal
from labkit.embedded_aws.http.server import Answer
from labkit.embedded_aws.services import s3_fast_path, s3_permissions
from labkit.embedded_aws.services.checks import check
from labkit.embedded_aws.services.cloudwatch import CloudWatchResponse
from labkit.embedded_aws.services.iam import IAMResponse
from labkit.embedded_aws.services.lambda_responses import LambdaResponse
from labkit.embedded_aws.services.logs import LogsResponse
from labkit.embedded_aws.services.permissions import check_allowed
from labkit.embedded_aws.services.s3 import S3Response
from labkit.embedded_aws.services.s3_permissions import S3Request
from labkit.embedded_aws.services.sns_responses import SNSResponse
from labkit.embedded_aws.services.sqs import SQSResponse
from labkit.embedded_aws.services.sts import STSResponse
from labkit.embedded_aws.state import ACCOUNT, PARTITION, REGION

_log = logging.getLogger(__name__)

_SERVICES: dict[str, Callable[..., Any]] = {
    "iam": IAMResponse.dispatch,
    "lambda": LambdaResponse.dispatch,
    "logs": LogsResponse.dispatch,
    "monitoring": CloudWatchResponse.dispatch,  # the name with which requests to CloudWatch are signed
    "sns": SNSResponse.dispatch,
    "sqs": SQSResponse.dispatch,
    "sts": STSResponse.dispatch,
}
_MOST_ATTEMPTS = 5
_NO_WEB_PAGES = "The embedded AWS does not answer web pages."


class _ServerRequest(Request):
    """moto's request, from a server that writes the Date header itself."""

    from_wsgi_server = True


class Dispatcher:
    """The application behind the HTTP server."""

    def __init__(self, control: Callable[[str, str, dict[str, Any]], Answer]) -> None:
        """`control` answers what is asked of the server itself, below /_embedded_aws/."""
        self._control = control
        self.last_request = time.monotonic()

    def __call__(self, environ: dict[str, Any]) -> Answer:
        """Answer one request."""
        service = ""
        try:
            _refuse_web_pages(environ)
            path = environ["PATH_INFO"]
            if path.startswith("/_embedded_aws/"):
                _refuse_fetches(environ)
                return self._control(environ["REQUEST_METHOD"], path, environ)
            request = Received(environ)
            signature = signatures.read(request)
            service = _meant(environ) if signature is None else signature.service
            if signature is None:
                _refuse_fetches(environ)
            caller = None if signature is None else _signer(signature, request)
            request_context.begin(caller, environ)
            return self._answer(service, caller, request, environ)
        except Exception as error:
            service = service or _meant(environ)
            refused = error if isinstance(error, AwsError) else refusal(error, service)
            if refused is not None:
                return error_answer(refused, service, environ)
            _log.exception("%s %s failed.", environ["REQUEST_METHOD"], environ["RAW_URI"])
            code = "InternalError" if service == "s3" else "InternalFailure"
            failure = AwsError(code, "The embedded AWS could not do this; its log says why.", 500)
            return error_answer(failure, service, environ)

    def _answer(self, service: str, caller: Identity | None, request: Received, environ: dict[str, Any]) -> Answer:
        if service == "s3":
            answer = _ask_s3(caller, request, environ)
        elif caller is None:
            raise auth_error("anonymous", service)
        else:
            handler = _SERVICES.get(service)
            if handler is None:
                message = f"The embedded AWS has no {service!r}: it serves S3, SNS, SQS, Lambda, IAM, STS, "
                raise AwsError("NotImplemented", message + "CloudWatch and CloudWatch Logs.", 501)
            self.last_request = time.monotonic()
            answer = _ask(service, handler, environ)
        self.last_request = time.monotonic()  # who is refused does not keep the server alive
        return answer


def _refuse_web_pages(environ: dict[str, Any]) -> None:
    """Raise AwsError when the request must come from a web page.

    A page on another site reaches 127.0.0.1 under its own name (DNS rebinding) or across sites, which the
    browser always declares, with Sec-Fetch-Site at least: a page cannot leave it out. AWS clients send none of these
    headers, but for Node's fetch, which says Sec-Fetch-Mode: cors and nothing else; it may if it signs.
    https://www.w3.org/TR/fetch-metadata/
    """
    host = str(environ.get("HTTP_HOST", "")).rsplit(":", 1)[0]
    if host not in ("127.0.0.1", "localhost"):
        message = f"The embedded AWS answers at 127.0.0.1 and localhost only, not at {host!r}."
        raise AwsError("AccessDenied", message, 403)
    declared = any(name in environ for name in ("HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_FETCH_SITE"))
    if declared or environ.get("HTTP_SEC_FETCH_MODE", "cors") != "cors":
        raise AwsError("AccessDenied", _NO_WEB_PAGES, 403)


def _refuse_fetches(environ: dict[str, Any]) -> None:
    """Raise AwsError when what nobody signed comes from a fetch."""
    if "HTTP_SEC_FETCH_MODE" in environ:
        raise AwsError("AccessDenied", _NO_WEB_PAGES, 403)


def _meant(environ: dict[str, Any]) -> str:
    """Return which service a request without a signature is for, as far as it can be told."""
    path = environ["PATH_INFO"]
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        named = {"AmazonSQS": "sqs", "GraniteServiceVersion20100801": "monitoring"}
        return named.get(target.partition(".")[0], "logs")
    if path.startswith("/20") and "/functions" in path:
        return "lambda"
    if path == "/" and (environ["REQUEST_METHOD"] == "POST" or "Action=" in environ["QUERY_STRING"]):
        return "sts"  # or another that answers as it does
    return "s3"


def _signer(signature: signatures.SignatureV4 | signatures.SignatureV2, request: Received) -> Identity:
    """Return who signed the request; raises AwsError when nobody that we know did."""
    identity = credentials.find(signature.access_key)
    service = signature.service
    if identity is None:
        told = {"AWSAccessKeyId": signature.access_key} if service == "s3" else {}
        raise auth_error("unknown key", service, **told)
    if not signatures.same(identity.session_token or "", signature.token):
        raise auth_error("token", service)
    signature.verify(request, identity)
    if identity.expires is not None and identity.expires.replace(tzinfo=UTC) < datetime.now(UTC):
        raise auth_error("expired token", service)
    return identity


def _ask_s3(caller: Identity | None, request: Received, environ: dict[str, Any]) -> Answer:
    bucket, _, key = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/").partition("/")
    backend = s3_backends[ACCOUNT][PARTITION]
    if (
        caller is None
        and request.method == "POST"
        and not key
        and "multipart/form-data" in request.header("content-type")
    ):
        form = PostForm(environ, bucket)
        caller = form.sender()
        asked = S3Request("PUT", bucket, form.key, "", {f"x-amz-{name}": value for name, value in form.fields.items()})
    else:
        headers = {name: values[0] for name, values in request.headers.items()}
        asked = S3Request(request.method, bucket, key, request.raw_query, request.hoisted | headers)
    refused = s3_permissions.refusal(caller, asked, backend)
    if refused:
        raise AwsError("AccessDenied", refused, 403)
    _vouch(request, environ)
    plain = s3_fast_path.answer(environ, backend, bucket, key)
    if plain is not None:
        return plain
    if key:
        return _ask("s3", S3Response.key_dispatch, environ)
    return _ask("s3", S3Response.ambiguous_dispatch if bucket else S3Response.bucket_dispatch, environ)


def _vouch(request: Received, environ: dict[str, Any]) -> None:
    """Tell moto that the request may pass: it has its own doubts about whatever has no Authorization header."""
    if "authorization" in request.headers:
        return
    environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential=none/20260101/{REGION}/s3/aws4_request"
    for name, value in request.hoisted.items():
        environ.setdefault(f"HTTP_{name.upper().replace('-', '_')}", value)


def _ask(service: str, handler: Callable[..., Any], environ: dict[str, Any]) -> Answer:
    """Check what is asked and let moto answer.

    It walks its dictionaries while other threads change them: then it is asked again.
    """
    body = environ["wsgi.input"]
    if not _is_beyond_the_model(service, environ):
        operation = read_operation(service, environ)
        check_allowed(request_context.caller.get(), operation)
        check(operation)
        request_context.operation.set(operation)
    for attempt in range(_MOST_ATTEMPTS):
        body.seek(0)
        try:
            return _ask_once(service, handler, environ)
        except RuntimeError as error:
            if "changed size during iteration" not in str(error) or attempt == _MOST_ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt answers or raises")


def _is_beyond_the_model(service: str, environ: dict[str, Any]) -> bool:
    """Return whether no model has this: an upload by a form, a preflight."""
    method = environ["REQUEST_METHOD"]
    is_form = method == "POST" and "multipart/form-data" in environ.get("CONTENT_TYPE", "")
    return service == "s3" and (is_form or method == "OPTIONS")


def _ask_once(service: str, handler: Callable[..., Any], environ: dict[str, Any]) -> Answer:
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = {
        environ_key_for_header(name): name
        for name, _ in environ["headers.sent"]
        if should_preserve_original_header_name(name)
    }
    request = _ServerRequest(environ.copy())
    try:
        status, headers, body = handler(request, request.raw_url, dict(request.headers))
    except HTTPException as error:  # of S3, which writes its errors itself
        if refusal(error, service) is not None:
            raise
        status, headers, body = error.code or 500, dict(error.get_headers()), error.get_body()
    content = body.encode() if isinstance(body, str) else body or b""
    return Answer(int(status), [(name, str(value)) for name, value in headers.items()], content)
