"""A call to AWS as a person would write it: in Python with boto3, and for a shell with the AWS CLI."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from botocore import xform_name

from labkit.calls import Blob, Call

LINE = 100  # characters; what is longer is written on several lines
LONGEST = 1600  # characters of one value; more is cut, and says so
CLI_SERVICES = {"s3": "s3api"}  # the CLI keeps "s3" for its own short commands


def as_boto3(call: Call) -> str:
    """The call as Python: `sns.create_topic(Name="...")`. A policy is written as what it is, not as one long string."""
    client = "lambda_" if call.service == "lambda" else call.service  # lambda is a word of Python's own
    name = f"{client}.{xform_name(call.operation)}"
    line = f"{name}({', '.join(f'{key}={_python(value)}' for key, value in call.parameters.items())})"
    if len(line) <= LINE:
        return line
    parameters = (f"    {key}={_python(value, 4)},\n" for key, value in call.parameters.items())
    return f"{name}(\n{''.join(parameters)})"


def as_cli(call: Call) -> str:
    """The call as a line for a shell: `aws sns create-topic --name ...`."""
    service = CLI_SERVICES.get(call.service, call.service)
    words = ["aws", service, xform_name(call.operation, "-")]
    options = list(_options(call))
    if (call.service, call.operation) == ("lambda", "Invoke"):
        options.append("answer.json")  # the CLI writes the function's answer to a file
    line = " ".join([*words, *options])
    return line if len(line) <= LINE else " \\\n    ".join([" ".join(words), *options])


def _options(call: Call) -> Iterator[str]:
    for name, value in call.parameters.items():
        if name == "Code" and isinstance(value, Mapping) and "ZipFile" in value:
            name, value = "ZipFile", value["ZipFile"]  # the CLI lifts the zip out of its structure
        option = f"--{xform_name(name, '-')}"
        if isinstance(value, bool):
            yield option if value else option.replace("--", "--no-", 1)
        elif isinstance(value, Blob):
            yield f"{option} {'file' if name == 'Body' else 'fileb://file'}"
        elif isinstance(value, Mapping | list) or _document(value) is not None:
            yield f"{option} {shlex.quote(_cut(_json(value)))}"
        else:
            yield f"{option} {shlex.quote(_cut(str(value)))}"


def _json(value: object) -> str:
    document = _document(value)
    value = value if document is None else document
    line = json.dumps(value, default=str)
    return line if len(line) <= LINE - 20 else json.dumps(value, default=str, indent=2)


def _document(value: object) -> Any:
    """What a text of JSON holds, such as a policy; None if it is no such text."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def _python(value: object, indent: int | None = None) -> str:
    """The value as Python: on one line, or with an indentation on several, if it is long."""
    document = _document(value)
    if document is not None:
        return f"json.dumps({_python(document, indent)})"
    if isinstance(value, Blob):
        return f"<{value}>"
    if isinstance(value, Mapping):
        return _enclosed("{}", [(f"{_python(k)}: ", v) for k, v in value.items()], indent)
    if isinstance(value, list):
        return _enclosed("[]", [("", v) for v in value], indent)
    if isinstance(value, str):
        text = _cut(value)
        return f'"{text}"' if re.fullmatch(r'[^"\\\n]*', text) else repr(text)
    return repr(value)


def _enclosed(brackets: str, entries: list[tuple[str, object]], indent: int | None) -> str:
    first, last = brackets[0], brackets[1]
    line = f"{first}{', '.join(f'{name}{_python(value)}' for name, value in entries)}{last}"
    if indent is None or len(line) + indent <= LINE - 20:
        return line
    inner = indent + 4
    lines = (f"{' ' * inner}{name}{_python(value, inner)},\n" for name, value in entries)
    return f"{first}\n{''.join(lines)}{' ' * indent}{last}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"
