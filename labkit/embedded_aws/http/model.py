"""Requests are held against AWS's own models: required members, types, enums, patterns, lengths and ranges.

botocore carries these models. Each shape becomes a function when it is first needed, so that a check costs little.
https://smithy.io/2.0/spec/constraint-traits.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from moto.core.model import Shape

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation


@dataclass(frozen=True)
class Violation:
    """A value that the model does not allow: where it is, what it is, and what it should have been."""

    path: str
    value: Any
    constraint: str
    kind: str  # required, type, enum, pattern, length or range


Check = Callable[[Any, str], Iterator[Violation]]

# Where AWS takes more than its model says, by service, operation and member; each with its source.
_LAXER = {
    # A queue's URL says it, too: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
    ("sqs", "QueueUrl"),
    # Each has its own refusal, see services/limits.py: the attributes of queues, Lambda's runtimes.
    ("sqs", "AttributeNames"),
    ("sqs", "MessageSystemAttributeNames"),
    ("sqs", "Attributes"),
    ("lambda", "Runtime"),
    ("lambda", "CompatibleRuntimes"),
    # Any text is a body: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    ("lambda", "Payload"),
    ("lambda", "InvokeArgs"),
}

# Shapes whose enum has words of its own, or is taken in either case: S3's events, and the names in its filters.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
_LAXER_ENUMS = {"Event", "FilterRuleName"}


def violations(operation: Operation) -> list[Violation]:
    """Return what of the request the model does not allow, in the model's order."""
    shape = operation.model.input_shape
    if shape is None:
        return []
    return list(_operation_check(operation.service, operation.name)(operation.members, ""))


@cache
def _operation_check(service: str, name: str) -> Check:
    shape = Operation(service, name, "", {}).model.input_shape
    return _structure(shape, service)


_checks: dict[tuple[str, str], Check] = {}  # by service and name of the shape: shapes of one name are the same


def _check_of(shape: Shape, service: str) -> Check:
    """Return the check of a shape, made when it is first used: shapes may contain themselves."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        known = _checks.get((service, shape.name))
        if known is None:
            known = _checks[service, shape.name] = _MAKERS.get(shape.type_name, _scalar)(shape, service)
        return known(value, path)

    return check


def _structure(shape: Any, service: str) -> Check:
    members = [
        (name, _path_name(name), _check_of(member, service))
        for name, member in shape.members.items()
        if (service, name) not in _LAXER
    ]
    required = [name for name in shape.required_members if (service, name) not in _LAXER]

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, dict):
            yield Violation(path, value, "an object", "type")
            return
        path = f"{path}." if path else ""
        for name in required:
            if value.get(name) is None:
                yield Violation(path + _path_name(name), None, "Member must not be null", "required")
        for name, shown, member in members:
            if (held := value.get(name)) is not None:
                yield from member(held, f"{path}{shown}")

    return check


def _path_name(name: str) -> str:
    return name[0].lower() + name[1:]


def _list(shape: Any, service: str) -> Check:
    member = _check_of(shape.member, service)
    lengths = list(_lengths(shape))
    scalar = shape.member.type_name not in ("structure", "list", "map")

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, list):
            yield Violation(path, value, "a list", "type")
            return
        for fits, constraint in lengths:
            if not fits(len(value)):
                yield Violation(path, value, constraint, "length")
        for number, item in enumerate(value, 1):
            if scalar:
                found = list(member(item, path))
                if found:
                    yield _of_members(shape, found, path, value)
                    return
            else:
                yield from member(item, f"{path}.{number}.member")

    return check


def _of_members(shape: Any, found: list[Violation], path: str, value: Any) -> Violation:
    if found[0].kind == "type":
        return found[0]
    wanted = [constraint for _, constraint, _ in _constraints(shape.member)] + ["Member must not be null"]
    return Violation(path, value, f"Member must satisfy constraint: [{', '.join(wanted)}]", found[0].kind)


def _map(shape: Any, service: str) -> Check:
    keys, values = _check_of(shape.key, service), _check_of(shape.value, service)
    scalar = shape.value.type_name not in ("structure", "list", "map")
    is_float = shape.value.type_name in ("double", "float")
    lengths = list(_lengths(shape))

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, dict):
            yield Violation(path, value, "an object", "type")
            return
        for fits, constraint in lengths:
            if not fits(len(value)):
                yield Violation(path, value, constraint, "length")
        for key, held in value.items():
            for part, checked, words in ((shape.key, keys(key, path), "keys"), (shape.value, (), "value")):
                for found in checked:
                    wanted = ", ".join(constraint for _, constraint, _ in _constraints(part))
                    constraint = f"Map {words} must satisfy constraint: [{wanted}]"
                    yield Violation(path, value, constraint, found.kind)
            if not scalar:
                yield from values(held, f"{path}.{key}.member")
                continue
            for found in values(held, path):
                if found.kind == "type":
                    yield found
                    continue
                allowed = [constraint for _, constraint, _ in _constraints(shape.value)] + ["Member must not be null"]
                constraint = f"Map value must satisfy constraint: [{', '.join(allowed)}]"
                shown = {key: float(one) for key, one in value.items()} if is_float else value
                yield Violation(path, shown, constraint, found.kind)

    return check


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "boolean": ((bool,), "a boolean"),
    "integer": ((int,), "an integer"),
    "long": ((int,), "an integer"),
    "double": ((int, float), "a number"),
    "float": ((int, float), "a number"),
    "blob": ((str, bytes), "base64"),
    "timestamp": ((int, float, str, object), "a timestamp"),
}


def _scalar(shape: Any, _service: str) -> Check:
    types, words = _TYPES[shape.type_name]
    constraints = list(_constraints(shape))
    is_boolean = shape.type_name == "boolean"

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, types) or (isinstance(value, bool) and not is_boolean):
            yield Violation(path, value, words, "type")
            return
        for fits, constraint, kind in constraints:
            if not fits(value):
                yield Violation(path, value, constraint, kind)

    return check


_MAKERS: dict[str, Callable[[Any, str], Check]] = {"structure": _structure, "list": _list, "map": _map}


def _constraints(shape: Any) -> Iterator[tuple[Callable[[Any], bool], str, str]]:
    """Yield what a scalar must satisfy, in the order in which AWS lists it."""
    if shape.type_name in ("string", "blob"):
        for fits, words in reversed(list(_lengths(shape))):
            yield _of_length(fits), words, "length"
    elif shape.type_name != "timestamp":
        for fits, words in reversed(list(_lengths(shape, "value"))):
            yield fits, words, "range"
    if pattern := shape.metadata.get("pattern"):
        compiled = _java_pattern(pattern)
        words = f"Member must satisfy regular expression pattern: {pattern}"
        yield (lambda value: compiled.fullmatch(value) is not None), words, "pattern"
    enum = shape.metadata.get("enum")
    if enum and shape.name not in _LAXER_ENUMS:
        allowed = frozenset(enum)
        yield allowed.__contains__, f"Member must satisfy enum value set: [{', '.join(enum)}]", "enum"


def _of_length(fits: Callable[[int], bool]) -> Callable[[Any], bool]:
    return lambda value: fits(len(value))


def _lengths(shape: Any, what: str = "length") -> Iterator[tuple[Callable[[Any], bool], str]]:
    smallest, largest = shape.metadata.get("min"), shape.metadata.get("max")
    if smallest is not None:
        yield (lambda size: size >= smallest), f"Member must have {what} greater than or equal to {smallest}"
    if largest is not None:
        yield (lambda size: size <= largest), f"Member must have {what} less than or equal to {largest}"


# The models' patterns are Java's, which has classes of characters that Python's `re` does not know.
_JAVA_CLASSES = {r"\p{L}": r"\w", r"\p{Z}": r"\s", r"\p{N}": r"\d", r"\w-_": r"\w\-_"}


@cache
def _java_pattern(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def check_model(operation: Operation) -> None:
    """Raise AwsError, in the service's own form, when the model does not allow the request."""
    found = violations(operation)
    if found:
        refuse(operation, found)


def refuse(operation: Operation, found: list[Violation]) -> NoReturn:
    """Raise AwsError, in the service's own form, for what was found."""
    raise _FORMS.get(operation.service, _validation_error)(operation, found)


def _in_words(found: list[Violation], show: Callable[[Any], str]) -> str:
    told = [
        f"Value {show(violation.value)}at '{violation.path}' failed to satisfy constraint: {violation.constraint}"
        for violation in found
    ]
    return f"{len(told)} validation error{'s' if len(told) > 1 else ''} detected: {'; '.join(told)}"


def _shown(value: Any) -> str:
    return "null " if value is None else f"'{_java(value)}' "


def _java(value: Any) -> str:
    """Write a value as Java does."""
    if isinstance(value, list):
        return f"[{', '.join(_java(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_java(item)}' for key, item in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _serialization_error(found: list[Violation]) -> AwsError | None:
    wrong = next((violation for violation in found if violation.kind == "type"), None)
    if wrong is None:
        return None
    message = f"Value {_shown(wrong.value)}at '{wrong.path}' cannot be converted to {wrong.constraint}"
    return AwsError("SerializationException", message)


def _lambda_error(_operation: Operation, found: list[Violation]) -> AwsError:
    return _serialization_error(found) or AwsError("ValidationException", _in_words(found, _shown))


def _logs_error(_operation: Operation, found: list[Violation]) -> AwsError:
    return _serialization_error(found) or AwsError("InvalidParameterException", _in_words(found, _shown))


def _validation_error(operation: Operation, found: list[Violation]) -> AwsError:
    """IAM, STS and SNS: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html."""
    wrong = next((violation for violation in found if violation.kind == "type"), None)
    if wrong is not None:
        return AwsError("MalformedInput", f"Value {_shown(wrong.value)}at '{wrong.path}' is not {wrong.constraint}.")
    if operation.service == "iam":  # names the member, but not what it held
        return AwsError("ValidationError", _in_words(found, lambda value: "null " if value is None else ""))
    return AwsError("ValidationError", _in_words(found, _shown))


def _sqs_error(_operation: Operation, found: list[Violation]) -> AwsError:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html."""
    missing = next((violation for violation in found if violation.kind == "required"), None)
    if missing is not None:
        name = missing.path.rpartition(".")[2]
        message = f"The request must contain the parameter {name[0].upper() + name[1:]}."
        return AwsError("MissingParameter", message)
    wrong = found[0]
    return _serialization_error(found) or AwsError("InvalidParameterValue", _in_words([wrong], _shown))


def _s3_error(operation: Operation, found: list[Violation]) -> AwsError:
    """What is wrong in the body is MalformedXML; of headers and the query each has its own words."""
    wrong = found[0]
    shape = operation.model.input_shape
    top = next((name for name in shape.members if _path_name(name) == wrong.path.split(".")[0]), "")
    serialization = shape.members[top].serialization if top else {}
    if serialization.get("location") is None:
        words = "The XML you provided was not well-formed or did not validate against our published schema"
        return AwsError("MalformedXML", words)
    sent = serialization.get("name", top)
    if top == "StorageClass":
        words = "The storage class you specified is not valid"
        return AwsError("InvalidStorageClass", words, StorageClassRequested=str(wrong.value))
    if wrong.kind == "type":
        message = f"Provided {sent} not an integer or within integer range"
    else:
        message = f"Invalid {sent}: {wrong.constraint}"
    return AwsError("InvalidArgument", message, ArgumentName=sent, ArgumentValue=_java(wrong.value))


_FORMS: dict[str, Callable[[Operation, list[Violation]], AwsError]] = {
    "lambda": _lambda_error,
    "logs": _logs_error,
    "s3": _s3_error,
    "sqs": _sqs_error,
}
