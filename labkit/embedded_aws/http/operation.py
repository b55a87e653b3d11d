"""Which operation a request asks for, and with which members: botocore's model of the service says how to read it.

What cannot be read is refused here; what is read is held against the model by `http/model.py`.
https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import ParseError

from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import UNDEFINED, QueryParser, RequestParserError, RestXMLParser
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from labkit.embedded_aws.http.errors import AwsError, protocol
from labkit.embedded_aws.state import ACCOUNT, REGION

_MOST_LAMBDA_BYTES = (
    70_167_211  # of one request: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
)
_NOT_XML = "The XML you provided was not well-formed or did not validate against our published schema"


@dataclass(frozen=True)
class Operation:
    """What is asked: the service's operation and its members, by the names that botocore's model gives them."""

    service: str
    name: str
    region: str
    members: dict[str, Any]
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)  # by their names in lower case; empty but for S3

    @property
    def model(self) -> OperationModel:
        """botocore's description of the operation."""
        model: OperationModel = service_model(self.service).operation_model(self.name)
        return model

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource of this service, in the region that was asked."""
        return f"arn:aws:{self.service}:{self.region}:{ACCOUNT}:{resource}"

    def get(self, member: str, default: Any = None) -> Any:
        """Return a member's value, or the default when it was not sent."""
        return self.members.get(member, default)


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, read when it is first needed."""
    return get_service_model({"monitoring": "cloudwatch"}.get(service, service))


@cache
def _operation_names(service: str) -> frozenset[str]:
    return frozenset(service_model(service).operation_names)


def read_operation(service: str, environ: dict[str, Any]) -> Operation:
    """Return what the request asks of the service; raises AwsError when that cannot be made out."""
    return _READERS[protocol(service, environ)](service, environ)


def _read_json(service: str, environ: dict[str, Any]) -> Operation:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    name = target.rpartition(".")[2]
    if name not in _operation_names(service):
        raise AwsError("UnknownOperationException", "")
    return Operation(service, name, _region(environ), _json_object(environ), environ["PATH_INFO"])


def _read_query(service: str, environ: dict[str, Any]) -> Operation:
    values = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    values |= dict(parse_qsl(environ["wsgi.input"].getvalue().decode("utf-8", "replace"), keep_blank_values=True))
    name = values.get("Action", "")
    if not name:
        raise AwsError("MissingAction", "Could not find operation with specified Action.")
    if name not in _operation_names(service):
        message = f"Could not find operation {name} for version {values.get('Version') or 'NO_VERSION_SPECIFIED'}"
        raise AwsError("InvalidAction", message)
    model = service_model(service).operation_model(name)
    try:
        members = _LenientQueryParser(model).parse({"values": values})  # type: ignore[typeddict-item]
    except (ValueError, OverflowError) as error:
        raise AwsError("MalformedInput", f"A parameter of {name} cannot be read: {error}.") from error
    return Operation(service, name, _region(environ), members, environ["PATH_INFO"])


class _LenientQueryParser(QueryParser):
    """Reads the text of each parameter; what is no number stays text, for the model's check to refuse."""

    def _parse_integer(self, _shape: Any, query_params: Any, prefix: str = "") -> Any:
        value = query_params.get(prefix, UNDEFINED)
        return int(value) if isinstance(value, str) and value.lstrip("-").isdecimal() else value

    _parse_long = _parse_integer


def _read_rest_json(service: str, environ: dict[str, Any]) -> Operation:
    request, model, parameters = _routed(service, environ)
    if int(environ["CONTENT_LENGTH"] or 0) > _MOST_LAMBDA_BYTES:
        words = f"Request must be smaller than {_MOST_LAMBDA_BYTES} bytes for the {model.name} operation"
        raise AwsError("RequestEntityTooLargeException", words, 413)
    body = model.input_shape.serialization.get("payload") if model.input_shape else None
    members = {} if body else _json_object(environ)
    for name, shape in (model.input_shape.members if model.input_shape else {}).items():
        if (value := _beside_the_body(shape, name, request, parameters)) is not None:
            members[name] = value
    return Operation(service, model.name, _region(environ), members, environ["PATH_INFO"])


def _beside_the_body(shape: Any, name: str, request: Request, parameters: dict[str, Any]) -> Any:
    """Return what path, query or a header say of a member, None if nothing."""
    location, wire = shape.serialization.get("location"), shape.serialization.get("name", name)
    if location == "querystring" and shape.type_name == "list":
        return request.args.getlist(wire) or None
    beside: dict[str, Any] = {"uri": parameters, "querystring": request.args, "header": request.headers}
    text = beside.get(location, {}).get(wire)
    if text is None:
        return None
    if shape.type_name in ("integer", "long") and text.lstrip("-").isdecimal():
        return int(text)
    return {"true": True, "false": False}.get(text, text) if shape.type_name == "boolean" else text


def _read_s3(service: str, environ: dict[str, Any]) -> Operation:
    request, model, parameters = _routed(service, environ)
    asked = {
        "method": request.method,
        "values": request.args,
        "headers": request.headers,
        "body": environ["wsgi.input"].getvalue(),
        "url_path": request.path,
        "url_params": parameters,
    }
    try:
        members = _LenientXmlParser(model).parse(asked)  # type: ignore[arg-type]
    except (ParseError, RequestParserError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise AwsError("MalformedXML", _NOT_XML) from error
    headers = {name.lower(): value for name, value in environ["headers.sent"]}
    return Operation(service, model.name, _region(environ), members, environ["PATH_INFO"], headers)


class _LenientXmlParser(RestXMLParser):
    """Reads texts as they are: numbers, dates and blobs are looked at by the model's check, or by moto."""

    def _parse_blob(self, _shape: Any, value: Any) -> Any:
        return getattr(value, "text", value)

    def _parse_timestamp(self, _shape: Any, value: Any) -> Any:
        return getattr(value, "text", value)

    def _parse_integer(self, _shape: Any, value: Any) -> Any:
        text = getattr(value, "text", value)
        return int(text) if isinstance(text, str) and text.lstrip("-").isdecimal() else text

    _parse_long = _parse_integer


def _routed(service: str, environ: dict[str, Any]) -> tuple[Request, OperationModel, dict[str, Any]]:
    request = Request(environ.copy())
    try:
        model, parameters = get_service_router(service).match(request)
    except NotFound as error:
        raise AwsError("NotImplemented", _no_such_path(service, environ), 501) from error
    return request, model, parameters


def _no_such_path(service: str, environ: dict[str, Any]) -> str:
    return f"The embedded AWS has no operation of {service} at {environ['REQUEST_METHOD']} {environ['PATH_INFO']}."


def _json_object(environ: dict[str, Any]) -> dict[str, Any]:
    body = environ["wsgi.input"].getvalue()
    try:
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":  # boto3 packs a large PutMetricData
            body = gzip.decompress(body)
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError, OSError, EOFError) as error:
        raise AwsError("SerializationException", f"Could not parse request body into json: {error}") from error
    if not isinstance(members, dict):
        raise AwsError("SerializationException", "Could not parse request body into json: an object is expected.")
    return {name: value for name, value in members.items() if value is not None}


def _region(environ: dict[str, Any]) -> str:
    """Return the region in the signature's scope, by which moto keeps regions apart, too."""
    scope = environ.get("HTTP_AUTHORIZATION", "").split(",")[0].split("/")
    return scope[2] if len(scope) > 3 else REGION


_READERS: dict[str, Callable[[str, dict[str, Any]], Operation]] = {
    "json": _read_json,
    "query": _read_query,
    "rest-json": _read_rest_json,
    "rest-xml": _read_s3,
}
