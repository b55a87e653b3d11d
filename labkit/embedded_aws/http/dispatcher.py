"""Every request comes in here: is it from an AWS client on this machine, and which service is it for?

moto's own server routes by host name through Flask; a client with an endpoint URL says which service it means in
its signature, so that the service's response class can be called straight away.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    Request,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.iam.responses import IamResponse
from moto.logs.responses import LogsResponse
from moto.s3.models import s3_backends
from moto.sns.responses import SNSResponse
from moto.sts.responses import TokenResponse
from werkzeug.exceptions import HTTPException

from labkit.embedded_aws.http.server import Answer
from labkit.embedded_aws.services import s3_fast_path, s3_permissions
from labkit.embedded_aws.services.lambda_responses import LambdaResponse
from labkit.embedded_aws.services.s3 import S3Response
from labkit.embedded_aws.services.sqs import SQSResponse
from labkit.embedded_aws.state import ACCOUNT

_log = logging.getLogger(__name__)

_SERVICES: dict[str, Callable[..., Any]] = {
    "iam": IamResponse.dispatch,
    "lambda": LambdaResponse.dispatch,
    "logs": LogsResponse.dispatch,
    "sns": SNSResponse.dispatch,
    "sqs": SQSResponse.dispatch,
    "sts": TokenResponse.dispatch,
}
_MOST_ATTEMPTS = 5
_TYPE_XML = [("Content-Type", "text/xml")]
_TYPE_JSON = [("Content-Type", "application/json")]


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
        refusal = _refusal(environ)
        if refusal:
            return Answer(403, _TYPE_XML, _xml_error("AccessDenied", refusal))
        path = environ["PATH_INFO"]
        if path.startswith("/_embedded_aws/"):
            return self._control(environ["REQUEST_METHOD"], path, environ)
        self.last_request = time.monotonic()
        service = _service(environ)
        if service is None:
            return Answer(403, _TYPE_XML, _xml_error("AccessDenied", "The request carries no AWS credentials."))
        try:
            if service == "s3":
                return _ask_s3(path, environ)
            handler = _SERVICES.get(service)
            return _not_here(service, environ) if handler is None else _ask(handler, environ)
        except Exception:
            _log.exception("%s %s failed.", environ["REQUEST_METHOD"], environ["RAW_URI"])
            message = "The embedded AWS could not do this; its log says why."
            if _wants_json(environ):
                return Answer(500, _TYPE_JSON, _json_error("InternalFailure", message))
            return Answer(500, _TYPE_XML, _xml_error("InternalError", message))


def _refusal(environ: dict[str, Any]) -> str | None:
    """Say why the request must come from a web page, or None.

    A page on another site reaches 127.0.0.1 under its own name (DNS rebinding) or across sites, which the
    browser always declares; AWS clients send none of these headers.
    """
    host = str(environ.get("HTTP_HOST", "")).rsplit(":", 1)[0]
    if host not in ("127.0.0.1", "localhost"):
        return f"The embedded AWS answers at 127.0.0.1 and localhost only, not at {host!r}."
    for name in ("HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE"):
        if name in environ:
            return "The embedded AWS does not answer web pages."
    return None


def _service(environ: dict[str, Any]) -> str | None:
    """Return the service that the request is signed for."""
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    _, found, scope = authorization.partition("Credential=")
    if found:
        return _signed_for(scope.split(",", 1)[0])
    if authorization.startswith("AWS "):
        return "s3"
    query = parse_qs(environ["QUERY_STRING"])
    if "X-Amz-Credential" in query:
        return _signed_for(query["X-Amz-Credential"][0])
    return "s3" if "AWSAccessKeyId" in query else None


def _signed_for(scope: str) -> str | None:
    """Take the service out of `<access key>/<date>/<region>/<service>/aws4_request`."""
    parts: list[str] = scope.split("/")
    return parts[-2] if len(parts) >= 5 else None


def _access_key(environ: dict[str, Any]) -> str:
    authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
    return authorization.partition("Credential=")[2].partition("/")[0]


def _ask_s3(path: str, environ: dict[str, Any]) -> Answer:
    bucket, _, key = path.encode("latin-1").decode("utf-8", "replace").lstrip("/").partition("/")
    backend = s3_backends[ACCOUNT]["aws"]
    method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
    refusal = s3_permissions.refusal(_access_key(environ), method, backend, bucket, key, query)
    if refusal:
        return Answer(403, _TYPE_XML, _xml_error("AccessDenied", refusal))
    plain = s3_fast_path.answer(environ, backend, bucket, key)
    if plain is not None:
        return plain
    if key:
        return _ask(S3Response.key_dispatch, environ)
    return _ask(S3Response.ambiguous_dispatch if bucket else S3Response.bucket_dispatch, environ)


def _ask(handler: Callable[..., Any], environ: dict[str, Any]) -> Answer:
    """Let moto answer. It walks its dictionaries while other threads change them: then it is asked again."""
    body = environ["wsgi.input"]
    for attempt in range(_MOST_ATTEMPTS):
        body.seek(0)
        try:
            return _ask_once(handler, environ)
        except RuntimeError as error:
            if "changed size during iteration" not in str(error) or attempt == _MOST_ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt answers or raises")


def _ask_once(handler: Callable[..., Any], environ: dict[str, Any]) -> Answer:
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = {
        environ_key_for_header(name): name
        for name, _ in environ["headers.sent"]
        if should_preserve_original_header_name(name)
    }
    request = _ServerRequest(environ.copy())
    try:
        status, headers, body = handler(request, request.raw_url, dict(request.headers))
    except HTTPException as error:
        status, headers, body = error.code or 500, dict(error.get_headers()), error.get_body()
    except ClientError as error:
        status, headers, body = 400, {}, error.response["Error"]["Message"]
    content = body.encode() if isinstance(body, str) else body or b""
    return Answer(int(status), [(name, str(value)) for name, value in headers.items()], content)


def _not_here(service: str, environ: dict[str, Any]) -> Answer:
    message = f"The embedded AWS has no {service!r}: it serves S3, SNS, SQS, Lambda, IAM, STS and CloudWatch Logs."
    if _wants_json(environ):
        return Answer(501, _TYPE_JSON, _json_error("NotImplemented", message))
    return Answer(501, _TYPE_XML, _xml_error("NotImplemented", message))


def _wants_json(environ: dict[str, Any]) -> bool:
    return "json" in environ.get("CONTENT_TYPE", "") or "/functions" in environ["PATH_INFO"]


def _json_error(code: str, message: str) -> bytes:
    return json.dumps({"__type": code, "message": message}).encode()


def _xml_error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
