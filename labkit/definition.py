"""What one lab is: its place, names, functions and numbers. Written into the journal when the lab is opened first.

Whatever acts on a lab takes its facts from here, so that the next process has the very lab that the first one made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.branch import Branch
from labkit.errors import LabError
from labkit.packages.runtimes import runtime_named
from labkit.settings import (
    FUNCTION_MEMORY_MB,
    FUNCTION_TIMEOUT_S,
    FUNCTIONS,
    INGEST_FOLDER,
    LEAST_MAX_CONCURRENCY,
    PROJECT_TAG,
    ROOMY_CONCURRENCY,
    VISIBILITY_FACTOR,
    FunctionSettings,
)

LONGEST_AFFIX = 12  # of prefix and suffix: together with the rest they make a bucket's name, which has at most 63
# Lambda's own limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
TIMEOUTS_S, MEMORIES_MB = range(1, 901), range(128, 10241)
# What can be changed while the lab stands. Everything else is part of a name, or of where the lab is.
CHANGEABLE = ("functions", "function_timeout_s", "function_memory_mb", "runtime")


@dataclass(frozen=True)
class Definition:
    """One lab, by everything that its names and settings follow from.

    `suffix` sets topic, bucket and roles apart, as in the original; where others work too (a real account, someone
    else's endpoint) every name carries it. `prefix` is the student's, empty for a lab that is alone. `bucket` and
    `role_arn` are existing ones to work with, which are never deleted. `runtime` is the Lambda runtime to build for;
    None is this machine's own Python, as the embedded AWS runs it. `concurrency` is how many invocations the account
    ran at once when the lab was opened first; None where nobody said.
    """

    suffix: str
    prefix: str = ""
    where: str = "local"
    region: str = "us-east-1"
    account: str = "123456789012"
    partition: str = "aws"
    endpoint_url: str | None = None
    profile: str | None = None
    bucket: str | None = None
    role_arn: str | None = None
    runtime: str | None = None
    functions: tuple[FunctionSettings, ...] = FUNCTIONS
    function_timeout_s: int = FUNCTION_TIMEOUT_S
    function_memory_mb: int = FUNCTION_MEMORY_MB
    concurrency: int | None = None

    @property
    def shared(self) -> bool:
        """True where others work too, so that every name has to carry the suffix."""
        return self.where != "local"

    @property
    def lab_id(self) -> str:
        """What tells this lab from all others, in the tag `Lab`."""
        return f"{self.prefix}image-lab-{self.suffix}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags on everything that can carry tags."""
        return {"Project": PROJECT_TAG, "Lab": self.lab_id, "Suffix": self.suffix}

    @property
    def topic_name(self) -> str:
        """`resize-image-topic-<suffix>`, as in the original."""
        return f"{self.prefix}resize-image-topic-{self.suffix}"

    @property
    def refused_topic_name(self) -> str:
        """The throwaway topic on which the student sees S3 refused."""
        return f"{self.prefix}no-policy-topic-{self.suffix}"

    @property
    def topic_arn(self) -> str:
        """The ARN of the topic, known before it is made."""
        return self.arn("sns", self.topic_name)

    @property
    def bucket_name(self) -> str:
        """Bucket names are unique in all of AWS: account and suffix make it so."""
        return self.bucket or f"{self.prefix}image-lab-{self.account}-{self.suffix}".lower()

    @property
    def bucket_arn(self) -> str:
        """The ARN of the bucket; bucket ARNs name neither region nor account."""
        return f"arn:{self.partition}:s3:::{self.bucket_name}"

    @property
    def visibility_timeout_s(self) -> int:
        """How long a received message stays hidden from other receivers, in seconds."""
        return VISIBILITY_FACTOR * self.function_timeout_s

    @property
    def max_concurrency(self) -> int | None:
        """How many invocations each trigger may start at once; None where the account has room for a lesson."""
        if self.concurrency is None or self.concurrency >= ROOMY_CONCURRENCY:
            return None
        return max(LEAST_MAX_CONCURRENCY, self.concurrency // len(self.functions))

    @property
    def concurrency_suffices(self) -> bool:
        """Whether all triggers at work at once stay within what the account runs, as far as that is known."""
        return self.max_concurrency is None or self.max_concurrency * len(self.functions) <= (self.concurrency or 0)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this lab's account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """The branches of the pipeline, one for each function."""
        return tuple(Branch(self, function) for function in self.functions)

    def branch(self, name: str) -> Branch:
        """The branch of the function of that name, original (`CreateWebImage`) or as deployed.

        Raises LabError with the names there are.
        """
        for branch in self.branches:
            if name in (branch.name, branch.function_name):
                return branch
        raise LabError(
            f"There is no function called {name!r} in this lab.",
            hint=f"There are {', '.join(branch.name for branch in self.branches)}.",
            code="not-there",
        )

    def as_data(self) -> dict[str, Any]:
        """The definition as plain data, just as JSON gives it back."""
        functions = [
            {**asdict(f), "box": f.box and list(f.box), "source": f.source and str(f.source)} for f in self.functions
        ]
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"functions": functions}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Definition:
        """The definition in a journal's line. Raises LabError if it says something that no lab can be."""
        known = {field.name for field in fields(cls)}
        try:
            functions = as_functions(_function(one) for one in data["functions"])
            given = {name: value for name, value in data.items() if name in known}
            return checked(cls(**{**given, "functions": functions}))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LabError(f"The definition of a lab cannot be read: {type(error).__name__}: {error}") from error

    def changed(self, **changes: Any) -> Definition:
        """The same lab with another function, runtime, memory or timeout. Raises LabError for anything else."""
        for name in changes:
            if name not in CHANGEABLE:
                raise LabError(
                    f"{name} of a lab that stands cannot be changed.",
                    where="changing the lab",
                    hint=f"{', '.join(CHANGEABLE)} can. For another {name}, open a lab with another prefix.",
                    code="bad-option",
                )
        if "functions" in changes:
            changes["functions"] = as_functions(changes["functions"])
        if changes.get("runtime") is not None:
            runtime_named(changes["runtime"])
        return checked(replace(self, **changes))


def _function(data: Mapping[str, Any]) -> FunctionSettings:
    box, source = data["box"], data["source"]
    return FunctionSettings(**{**data, "box": box and tuple(box), "source": source and Path(source)})


TEXTS = ("region", "account", "partition", "where", "endpoint_url", "profile", "bucket", "role_arn", "runtime")


def as_functions(given: Any) -> tuple[FunctionSettings, ...]:
    """The functions that somebody gave, their sources as paths that hold in every folder.

    Raises LabError if it is no list of FunctionSettings, or one says what no function can be.
    """
    if (
        isinstance(given, str)
        or not isinstance(given, Iterable)
        or not (functions := tuple(given))
        or not all(isinstance(function, FunctionSettings) for function in functions)
    ):
        raise LabError(
            "functions has to be a list of FunctionSettings.",
            where="opening the lab",
            hint="The lab's own are in labkit.FUNCTIONS: functions=(*FUNCTIONS, another).",
            code="bad-option",
        )
    for function in functions:
        _check_function(function)
    return tuple(replace(one, source=one.source and Path(one.source).absolute()) for one in functions)


def _check_function(function: FunctionSettings) -> None:
    """Raise LabError for what AWS would refuse, or what would start the pipeline again with its own results."""
    name = re.compile(r"[A-Za-z0-9_-]{1,34}")  # with prefix, -role- and suffix it makes a role's name of at most 64
    wanted: dict[str, tuple[bool, str]] = {
        "name": (_is_text(function.name, name), "letters, digits, - and _, at most 34"),
        "queue": (_is_text(function.queue, name), "letters, digits, - and _, at most 34"),
        "folder": (
            _is_text(function.folder, re.compile(f"(?!{INGEST_FOLDER}).+/")),
            f'a folder such as "grey/", and not {INGEST_FOLDER}, where results would start it again',
        ),
        "label": (_is_text(function.label, re.compile(r"[^/]*")), 'a text such as "GreyImage-"'),
        "description": (_is_text(function.description, re.compile(r".{0,256}")), "a text of at most 256 characters"),
        "box": (_is_box(function.box), "None, or two whole numbers of pixels such as (800, 800)"),
        "source": (isinstance(function.source, str | Path | None), "a folder, or None"),
    }
    for member, (fits, what) in wanted.items():
        if not fits:
            raise LabError(
                f"The {member} of a function can't be {getattr(function, member)!r}.",
                where="opening the lab",
                hint=f"Give {what}.",
                code="bad-option",
            )


def _is_text(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_box(value: Any) -> bool:
    return value is None or (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(pixels, int) and not isinstance(pixels, bool) and pixels > 0 for pixels in value)
    )


def checked(definition: Definition) -> Definition:
    """The definition, if a lab can be made of it; else LabError, with what to give instead."""
    for name in TEXTS:
        if not isinstance(getattr(definition, name), str | None):
            raise LabError(
                f"{name} can't be {getattr(definition, name)!r}.", where="opening the lab", code="bad-option"
            )
    check_affix("prefix", definition.prefix)
    check_affix("suffix", definition.suffix)
    _check_number("function_timeout_s", definition.function_timeout_s, TIMEOUTS_S, "seconds")
    _check_number("function_memory_mb", definition.function_memory_mb, MEMORIES_MB, "MB")
    if definition.concurrency is not None:
        _check_number("concurrency", definition.concurrency, range(1_000_000), "numbers")
    for function in definition.functions:
        if function.folder.startswith(INGEST_FOLDER) or not function.folder.endswith("/"):
            raise LabError(
                f"The results of {function.name} can't go into {function.folder!r}.",
                where="opening the lab",
                hint=f'Name a folder with a slash at its end, such as "grey/"; a result under {INGEST_FOLDER} would '
                "start the functions again, for ever.",
                code="bad-option",
            )
    for part in ("name", "queue", "folder"):
        values = [getattr(function, part) for function in definition.functions]
        if twice := next((value for value in values if values.count(value) > 1), None):
            raise LabError(
                f"Two functions have the {part} {twice!r}.",
                where="opening the lab",
                hint="Each function has a name, a queue and a folder of its own.",
                code="bad-option",
            )
    return definition


def check_affix(name: str, text: str) -> None:
    """Raise LabError if a prefix or suffix could not be part of a bucket's name."""
    if text.strip("abcdefghijklmnopqrstuvwxyz0123456789-") or len(text) > LONGEST_AFFIX:
        raise LabError(
            f"{text!r} can't be a {name}: it becomes part of a bucket's name.",
            where="opening the lab",
            hint=f"Use at most {LONGEST_AFFIX} lower-case letters, digits and hyphens.",
            code="bad-option",
        )


def _check_number(name: str, value: Any, allowed: range, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise LabError(
            f"{name} can't be {value!r}.",
            where="opening the lab",
            hint=f"Lambda takes whole {unit} from {allowed[0]} to {allowed[-1]:,}.",
            code="bad-option",
        )


def contradictions(kept: Definition, wanted: Mapping[str, Any]) -> str:
    """Where what is wanted differs from the lab that is open, both values named; empty if nowhere."""
    return "; ".join(
        f"{name} is {_in_words(getattr(kept, name))}, not {_in_words(value, getattr(kept, name))}"
        for name, value in wanted.items()
        if getattr(kept, name) != value
    )


def _in_words(value: Any, other: Any = None) -> str:
    """A value; functions by their names, with more of those that differ in something else from ones of that name."""
    if not isinstance(value, tuple):
        return repr(value)
    names = {function.name: function for function in other or ()}
    return ", ".join(f.name if names.get(f.name) in (None, f) else repr(f) for f in value)
