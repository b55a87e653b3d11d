"""What every resource of the lab can: say its name, be read, made, judged, deleted, found again, written as template.

A kind of resource is one module with one class. `labkit.resources.KINDS` lists them in the order of making.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from botocore.exceptions import ClientError, ParamValidationError

from labkit.branch import Branch
from labkit.errors import LabError, WaitedTooLong, aws_errors, error_code
from labkit.journal_lines import Entry
from labkit.lab import Lab
from labkit.resources.judgement import Line, Snapshot
from labkit.waiting import wait_until

# The codes with which each service says that a thing is not there.
NOT_FOUND = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchKey",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NotFound",
        "NotFoundException",
        "OwnershipControlsNotFoundError",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
# ... and that it is there already. Somebody else was faster, or an answer was lost on its way.
EXISTS = frozenset(
    {
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "EntityAlreadyExists",
        "QueueAlreadyExists",
        "QueueNameExists",
        "ResourceAlreadyExistsException",
        "ResourceConflictException",
    }
)
# ... that these credentials may not look.
FORBIDDEN = frozenset({"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"})
# ... and that an endpoint does not have the operation at all.
UNKNOWN_OPERATION = frozenset(
    {"501", "InvalidAction", "NotImplemented", "UnknownOperationException", "UnsupportedOperation", "405"}
)
# ... and that no thing of its kind can have such a name.
IMPOSSIBLE_NAME = frozenset(
    {
        "InvalidAddress",
        "InvalidBucketName",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "ValidationError",
        "ValidationException",
    }
)

SHOWN_WITHIN_S = 5  # AWS knows that it is there, and says so to whoever asks for it a little later

OURS, NOT_OURS, UNKNOWN = "ours", "not ours", "unknown"
UNREAD: Any = object()  # nobody has looked yet: None would say that there is nothing


def is_not_found(error: ClientError) -> bool:
    """True if AWS says that the thing asked for is not there."""
    return error_code(error) in NOT_FOUND


def hidden(error: Exception) -> str:
    """Why a thing cannot be looked at, if that is its owner's will or its name's fault; else an empty text."""
    cause = error.__cause__ if isinstance(error, LabError) else error
    if isinstance(cause, ParamValidationError):
        return "it has a name that no such thing can have"
    if isinstance(cause, ClientError) and error_code(cause) in FORBIDDEN | IMPOSSIBLE_NAME | UNKNOWN_OPERATION:
        return f"AWS does not let it be looked at ({error_code(cause)})"
    return ""


def found_or_none(ask: Callable[..., Any], **parameters: Any) -> Any:
    """The answer of a read call, or None if AWS says that the thing is not there; other errors pass."""
    try:
        return ask(**parameters)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


def as_tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form that SNS, S3 and IAM take."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_tag_list(tags: list[dict[str, str]]) -> dict[str, str]:
    """The reverse of `as_tag_list`."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def parsed(document: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """A policy document from JSON, or as a client has decoded it already; empty if there is none."""
    return dict(json.loads(document) if isinstance(document, str) else document) if document else {}


@dataclass(frozen=True)
class Right:
    """What a student's own user must be allowed for a kind of resource: why, actions of one service, on what."""

    why: str
    service: str
    actions: str  # without the service, parted by blanks
    resources: tuple[str, ...]
    condition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ownership:
    """Whether a thing is this lab's, and on what grounds."""

    verdict: str  # ours, not ours, unknown
    grounds: str


def by_tags(tags: Mapping[str, str], lab: Lab) -> Ownership:
    """What the tags of a thing say, whatever else there is to know of it."""
    if tags.get("Lab") == lab.definition.lab_id:
        return Ownership(OURS, "it carries this lab's tags")
    return Ownership(NOT_OURS, f"its tags say {tags.get('Lab') or 'nothing of a lab'}")


@dataclass(frozen=True)
class Resource(ABC):
    """One resource of one lab, there or not.

    `branch` is the branch that it belongs to, None for what all share and for what the lab's definition does not name.
    `facts` is what the journal keeps of it.
    """

    lab: Lab = field(compare=False, repr=False)
    name: str
    branch: Branch | None = field(default=None, compare=False, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    kind: ClassVar[str]  # as in the journal, and in every message
    part: ClassVar[str]  # on the map; the kind, unless a kind has several parts
    step: ClassVar[int]  # of the story
    notebook: ClassVar[str]
    named_by: ClassVar[str] = ""  # the member of a Branch that is its name
    planned: ClassVar[bool] = True  # listed before the lab is made; policies go without saying
    hints: ClassVar[Mapping[str, str]] = {}  # what to try if AWS refuses to make it, by AWS's code
    told_together: ClassVar[bool] = False  # True: AWS tells of all in one call
    deletable: ClassVar[bool] = True  # False: it goes with what it is put on, or outlives the lab

    def __init_subclass__(cls) -> None:
        """A part is called as its kind, unless it says otherwise."""
        super().__init_subclass__()
        if "part" not in cls.__dict__ and "kind" in cls.__dict__:
            cls.part = cls.kind

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        """All of this kind that the lab's definition names: one in each branch, unless a kind says otherwise."""
        for branch in lab.branches:
            yield cls.in_branch(lab, branch)

    @classmethod
    def in_branch(cls, lab: Lab, branch: Branch) -> Self:
        """The one of a branch."""
        return cls(lab, getattr(branch, cls.named_by), branch)

    @classmethod
    def from_entry(cls, lab: Lab, entry: Entry) -> Self:
        """The resource that an entry of the journal speaks of, whether the definition names it or not."""
        known = next((one for one in cls.of(lab) if one.name == entry.name), None)
        return cls(lab, entry.name, known.branch if known else None, entry.facts)

    @property
    def own_branch(self) -> Branch:
        """The branch of a resource that the definition names; any other is only ever found and deleted."""
        assert self.branch is not None
        return self.branch

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name: what tells it from all others of the lab."""
        return self.kind, self.name

    @property
    @abstractmethod
    def arn(self) -> str:
        """Its ARN, known before it is made."""

    @abstractmethod
    def read(self) -> Any:
        """What AWS has of it, as a mapping; None if there is nothing."""

    @classmethod
    def read_together(cls, resources: Sequence[Self]) -> list[Any]:
        """What AWS has of each of these, which are of one kind: those that are `told_together`, or one alone."""
        return [one.read() for one in resources]

    @abstractmethod
    def make(self) -> Mapping[str, Any]:
        """Make it, by calls that fail if it is there already; returns the facts that the journal keeps."""

    @abstractmethod
    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """What it should be against what it is, line by line."""

    @abstractmethod
    def erase(self) -> None:
        """Delete it, by calls that may say that it is not there."""

    def read_tags(self) -> Mapping[str, str] | None:
        """Its tags; None for a kind that has none. May raise ClientError."""
        return None

    def hangs_on(self) -> Resource | None:
        """For a kind without tags: the resource whose tags decide."""
        return None

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:  # noqa: ARG003
        """Those in AWS whose name fits, asked without the journal; whose they are is another question."""
        return iter(())

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Its CloudFormation resources by logical name, as defined, or as found in AWS; ARNs as they are."""
        return {}

    def references(self) -> Mapping[str, Any]:
        """How a template refers to its ARNs."""
        return {}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:  # noqa: ARG003
        """What the student's own user needs for this kind."""
        return iter(())

    # What follows is the same for all kinds.

    def exists(self) -> bool:
        """Whether AWS has it now."""
        return self.read() is not None

    def create(self, found: Any = UNREAD, make: Callable[[], Mapping[str, Any]] | None = None) -> bool:
        """Make it, unless it is there and this lab's own; returns whether it was made just now.

        `found` is what a `read` has just given (None: it is not there), if the caller has it; `make` another way of
        making it. Raises LabError if it is someone else's.
        """
        found = self.read() if found is UNREAD else found
        if found is not None:
            self.refuse_foreign()
            self.lab.journal.found(*self.key, **self.known_facts(found))
            return False
        with self.journaled_create():
            try:
                facts, made = (make or self.make)(), True
            except ClientError as error:
                if error_code(error) not in EXISTS:
                    raise
                # Another kernel was faster, or an answer was lost on its way: is what is there this lab's?
                try:
                    found = wait_until(
                        self.read, what=f"AWS to show the {self.kind} {self.name}", seconds=SHOWN_WITHIN_S
                    )
                except WaitedTooLong:
                    raise error from None  # AWS says that it exists, and does not show it: its own words say more
                self.refuse_foreign()
                self.wait_until_ready()
                facts, made = self.known_facts(found), False
        self.lab.journal.created(*self.key, **facts)
        return made

    def wait_until_ready(self) -> None:  # noqa: B027
        """Wait until it can be used, for a kind that takes its time."""

    def seen(self, snapshot: Snapshot) -> bool:
        """Whether a reading of the lab has it."""
        return snapshot.read(self) is not None

    def known_facts(self, found: Any) -> Mapping[str, Any]:  # noqa: ARG002
        """What the journal keeps of it when it was there already, as it was read."""
        return {"arn": self.arn}

    @contextmanager
    def journaled_create(self, hints: Mapping[str, str] | None = None) -> Iterator[None]:
        """Around the calls that make it: the journal first, and a refusal that says what was being made, and what to
        try: the kind's own hints, or these.
        """
        self.lab.journal.creating(*self.key, **self.facts)
        with aws_errors(f"creating the {self.kind} {self.name}", hints or self.hints):
            yield

    def delete(self) -> None:
        """Delete it; that it is gone already is no error. The journal knows then."""
        with aws_errors(f"deleting the {self.kind} {self.name}"):
            try:
                self.erase()
            except ClientError as error:
                if not is_not_found(error):
                    raise
        self.lab.journal.deleted(*self.key)

    def ownership(self) -> Ownership:
        """Whether it is this lab's, by its tags, or those of what it hangs on. Tags that are foreign always win."""
        without = "it carries no tags"
        try:
            tags = self.read_tags()
        except ClientError as error:
            if not is_not_found(error) and error_code(error) not in FORBIDDEN | UNKNOWN_OPERATION:
                raise
            tags, without = None, f"its tags can't be read ({error_code(error)})"
        if tags:
            return by_tags(tags, self.lab)
        on = self.hangs_on()
        if on is None:
            return Ownership(UNKNOWN, without)
        if not on.exists():
            return Ownership(UNKNOWN, f"the {on.kind} {on.name} that it hangs on is gone")
        under = on.ownership()
        return Ownership(under.verdict, f"it hangs on the {on.kind} {on.name}: {under.grounds}")

    def is_named_by_definition(self) -> bool:
        """Whether it has exactly the name that the lab's definition gives."""
        return any(one.name == self.name for one in type(self).of(self.lab))

    def may_delete(self) -> Ownership:
        """Ours, or not, with the grounds: where tags can't decide, the definition and the journal have to agree."""
        found = self.ownership()
        if found.verdict != UNKNOWN:
            return found
        if self.is_named_by_definition() and self.lab.journal.find(*self.key):
            return Ownership(OURS, f"{found.grounds}; its name is this lab's, and the journal lists it")
        return Ownership(NOT_OURS, found.grounds)

    def refuse_foreign(self) -> None:
        """Raise LabError if what is there is someone else's."""
        found = self.may_delete()
        if found.verdict == OURS:
            return
        raise LabError(
            f"The {self.kind} {self.name} is there already, and it is not this lab's. It was left alone: "
            f"{found.grounds}.",
            where=f"creating the {self.kind} {self.name}",
            hint="Open the lab with a prefix of its own: open_lab(..., prefix='ann-').",
            code="not-this-labs",
        )

    def require(self) -> Mapping[str, Any]:
        """The journal's facts on it; LabError, naming the step that makes it, if it was not made."""
        entry = self.lab.journal.find(*self.key)
        if entry is None or entry.state != "created":
            raise LabError(
                f"There is no {self.kind} {self.name} yet.",
                hint=f"That is step {self.step}: run the notebook {self.notebook} first, "
                f"or catch_up(lab, to={self.step}).",
                code="missing-step",
            )
        return entry.facts


class Existing(Resource):
    """Beside a kind: one that was there before the lab, and is used as it is. It is neither made, nor looked for, nor
    deleted, nor part of a template; the rights to use it are those of the kind.
    """

    planned = deletable = False

    def erase(self) -> None:
        """It stays."""

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:  # noqa: ARG003
        return iter(())

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        return {}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:  # noqa: ARG003
        return iter(())


def template_resource(kind: str, *, depends_on: str = "", **properties: Any) -> dict[str, Any]:
    """One resource of a CloudFormation template; a property that is None is left out."""
    more = {"DependsOn": depends_on} if depends_on else {}
    return {"Type": kind, **more, "Properties": {n: value for n, value in properties.items() if value is not None}}


def arn_of(logical_name: str) -> dict[str, Any]:
    """A template's reference to the ARN of one of its resources."""
    return {"Fn::GetAtt": [logical_name, "Arn"]}
