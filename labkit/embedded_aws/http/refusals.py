"""The one place where what moto raises becomes what AWS answers: 4xx for what is wrong, 501 for what is not there.

Only what is left over, a fault of the server itself, is a 500; the dispatcher answers it.
"""

from __future__ import annotations

import binascii
import html
import json
import re
import traceback
from functools import lru_cache
from gzip import BadGzipFile
from inspect import isfunction
from typing import Any
from xml.parsers.expat import ExpatError

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError, ServiceException, _RESTError
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import service_model

_underscored = lru_cache(maxsize=None)(camelcase_to_underscores)
# What botocore writes before a message, and moto sometimes with it.
_IN_BOTOCORES_WORDS = re.compile(r"^An error occurred \(\w+\) when calling the \w+ operation: ")


def call_action(self: BaseResponse) -> Any:
    """Let the method of the operation answer. moto catches what it raises, and writes some of it in a wrong form.

    Also moto's own idea of who may do what is left out: the dispatcher has asked that.
    """
    headers = self.response_headers
    action = self._get_action()
    name = _underscored(action) if action else ""
    if not isfunction(getattr(type(self), name, None)):
        raise not_there(action or "this operation")
    response = getattr(self, name)()
    if isinstance(response, ActionResult):
        status, headers, body = self.serialized(response)
    elif isinstance(response, str):
        status, body = 200, response
    else:
        status, headers, body = self._transform_response(headers, response)
    headers, body = self._enrich_response(headers, body)
    return status, headers, body


def not_there(what: str) -> AwsError:
    """Return the refusal of something that this AWS does not have."""
    return AwsError("NotImplemented", f"The embedded AWS does not have {what}.", 501)


def refusal(error: Exception, service: str) -> AwsError | None:
    """Return what AWS answers where moto raises this, None when it is the server's own fault."""
    if isinstance(error, ServiceException):
        return _told(error.code, error.message, _status(service, error.code))
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return _told(told["Code"], told["Message"], error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    if isinstance(error, _RESTError) and service != "s3":  # S3's say more than a code and a message
        return _told(error.relative_error_type, error.message, error.code, **_fields(error))
    if isinstance(error, NotImplementedError):
        return not_there(str(error) or "this")
    if isinstance(error, ExpatError) or (service == "s3" and _is_of_the_body(error)):
        words = "The XML you provided was not well-formed or did not validate against our published schema"
        return AwsError("MalformedXML", words)
    if isinstance(error, BadGzipFile):
        return AwsError("InvalidRequest", f"The body is not what its Content-Encoding says: {error}")
    if isinstance(error, binascii.Error):
        return AwsError("SerializationException", f"A value is not base64: {error}")
    return None


def _is_of_the_body(error: Exception) -> bool:
    """Return whether one of moto's readers of a body has stumbled: the body lacks what it looks for."""
    if not isinstance(error, AttributeError | TypeError | KeyError | ValueError | IndexError):
        return False
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return any(name.endswith(("_from_xml", "_from_body")) for name in names)


def _told(code: str, message: str, status: int | None = None, **fields: str) -> AwsError:
    message = _IN_BOTOCORES_WORDS.sub("", html.unescape(message))
    return AwsError(code, message, status or 400, **fields)


def _fields(error: _RESTError) -> dict[str, str]:
    """Return what a JSON error tells beside code and message."""
    if not isinstance(error, JsonRESTError):
        return {}
    try:
        told = json.loads(error.description)
    except ValueError:
        return {}
    return {name: value for name, value in told.items() if name not in ("__type", "message", "Message", "Type")}


def _status(service: str, code: str) -> int:
    """Return the status that the service's model gives to an error, 400 for what it does not know."""
    for shape in service_model(service).error_shapes:
        if code in (shape.name, shape.error_code):
            status: int = shape.metadata.get("error", {}).get("httpStatusCode", 400)
            return status
    return 400
