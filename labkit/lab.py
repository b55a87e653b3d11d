"""One lab: its definition, its connection and its journal. `open_lab()` is the first call of every notebook."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from PIL import __version__ as pillow_version

from labkit.branch import Branch
from labkit.bucket_rules import refuse_bucket_name, refuse_unfit_bucket
from labkit.connection import Connection, connect
from labkit.definition import CHANGEABLE, Definition, as_functions, check_affix, checked, contradictions
from labkit.errors import LabError
from labkit.journal import Journal, Opened, in_words
from labkit.packages import Target, warning_for
from labkit.packages.runtimes import runtime_named
from labkit.result import Result, counted
from labkit.settings import FunctionSettings

PLACES_IN_WORDS = {
    "local": "the embedded AWS on this machine",
    "endpoint": "an AWS-compatible endpoint",
    "aws": "a real AWS account",
}
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: a suffix is read aloud in class


@dataclass(frozen=True)
class Lab(Result):
    """What one lab is, the way to it, and what it has made."""

    definition: Definition
    connection: Connection
    journal: Journal
    workspace: Path

    @property
    def settings(self) -> Definition:
        """The definition, by the name that it has in workbooks of the first version."""
        return self.definition

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches of the pipeline, one for each function."""
        return self.definition.branches

    def branch(self, name: str) -> Branch:
        """The branch of the function of that name, such as `CreateWebImage`. Raises LabError if there is none."""
        return self.definition.branch(name)

    @property
    def target(self) -> Target:
        """What the functions run on: their runtime and processor architecture."""
        target = Target.newest() if self.definition.shared else Target.host()
        return replace(target, runtime=self.definition.runtime) if self.definition.runtime else target

    def client(self, service: str) -> Any:
        """The boto3 client of a service, such as `lab.client("sns")`."""
        return self.connection.client(service)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this lab's account and region."""
        return self.definition.arn(service, resource)

    @property
    def notice(self) -> str:
        """What a person has to know before going on: a lost AWS, a spoilt journal, a retiring runtime; often empty."""
        # AWS's calendar of runtimes says nothing of an embedded AWS, which runs functions on this machine's own Python.
        retiring = _retiring(self.target.runtime) if self.definition.shared else None
        said = (_lost(self.journal), in_words(self.journal.spoilt(), self.journal.path), retiring)
        return " ".join(filter(None, said))

    def sentence(self) -> str:
        return f"This lab runs on {PLACES_IN_WORDS[self.connection.where]}.{self.notice and ' ' + self.notice}"

    def headers(self) -> Sequence[str]:
        return ("lab", self.definition.lab_id)

    def rows(self) -> Iterable[Sequence[object]]:
        yield "where", self.connection.where
        if self.connection.endpoint_url:
            yield "endpoint", self.connection.endpoint_url
        yield "account", self.connection.account
        yield "region", self.connection.region
        yield "suffix", self.definition.suffix
        yield "functions run on", f"{self.target.runtime}, {self.target.architecture}"
        yield "boto3, Pillow", f"{boto3.__version__}, {pillow_version}"

    def as_data(self) -> dict[str, Any]:
        """What the lab is and where it runs."""
        at = self.connection
        place = {"where": at.where, "endpoint": at.endpoint_url, "account": at.account, "region": at.region}
        names = {"lab": self.definition.lab_id, "prefix": self.definition.prefix, "suffix": self.definition.suffix}
        return {**names, **place, "runtime": self.target.runtime, "architecture": self.target.architecture}


def open_lab(
    where: str | None = None,
    *,
    suffix: str | int | None = None,
    prefix: str | int | None = None,
    endpoint_url: str | None = None,
    account: str | int | None = None,
    profile: str | None = None,
    region: str | None = None,
    bucket: str | None = None,
    role_arn: str | None = None,
    runtime: str | None = None,
    functions: Sequence[FunctionSettings] | None = None,
    workspace: str | Path | None = None,
    **numbers: int,
) -> Lab:
    """Open the lab of this workspace as it was opened first, or begin one.

    `where` is `local` (the default), `endpoint` or `aws`. What is not given is taken from the variable of that name,
    LABKIT_WHERE, LABKIT_PREFIX and so on; else it is what the lab's journal says. All notebooks and the command line
    that name the same place and prefix share one lab. `bucket` and `role_arn` name an existing bucket and execution
    role to use. `runtime` is the Lambda runtime to build for: the host's Python on the embedded AWS, else the newest.
    `numbers` are `function_timeout_s` and `function_memory_mb`. Raises LabError with what to do, also if an option
    contradicts the lab that is open: `redefine_lab` changes what can be changed.
    """
    texts = {"where": where, "suffix": suffix, "prefix": prefix, "endpoint_url": endpoint_url, "account": account}
    texts |= {"profile": profile, "region": region, "bucket": bucket, "role_arn": role_arn, "runtime": runtime}
    given = {name: text for name, value in texts.items() if (text := _option(name, value))}
    if unknown := next((name for name in numbers if name not in CHANGEABLE), None):
        raise LabError(
            f"open_lab knows no option {unknown!r}.",
            where="opening the lab",
            hint=f"There are {', '.join([*texts, *CHANGEABLE, 'workspace'])}.",
            code="bad-option",
        )
    for name in ("prefix", "suffix"):
        check_affix(name, given.get(name, ""))
    if "runtime" in given:  # one that AWS has retired since the lab was opened is no obstacle to cleaning it up
        runtime_named(given["runtime"])
    where = given.pop("where", "local")
    workspace = Path(workspace or find_workspace()).absolute()
    reached = {name: given.get(name) for name in ("endpoint_url", "account", "profile", "region")}
    connection = connect(where, workspace=workspace, **reached)
    wanted: dict[str, Any] = {name: value for name, value in given.items() if name not in reached} | numbers
    if functions is not None:
        wanted["functions"] = as_functions(functions)
    journal = Journal(journals(workspace) / f"{_place(connection)}{_after(given.get('prefix'))}.jsonl")
    with journal.locked():
        opened = journal.opened()
        definition = _defined(journal, opened, connection, {"prefix": "", **wanted})
        if not journal.entries():
            _refuse_unfit(connection, definition, new="suffix" not in wanted)
        # What a journal without a definition lets one conclude is no more than that, until somebody says more.
        undefined = opened is not None and not opened.definition and opened.suffix == definition.suffix
        guessed = undefined and not wanted.keys() - {"prefix", "suffix"}
        data = {} if guessed else definition.as_data()
        journal.open(suffix=definition.suffix, instance=connection.instance, definition=data)
    if connection.where != "local":  # where one process keeps all records, nothing lags
        connection.patience.fresh = journal.fresh
    return Lab(definition, connection, journal, workspace)


def redefine_lab(lab: Lab, **changes: Any) -> Lab:
    """Change what a lab is while it stands: `functions`, `function_timeout_s`, `function_memory_mb` or `runtime`.

    Writes the new definition into the journal and returns the lab that it describes; nothing in AWS is touched:
    `catch_up(lab, to=4)` brings it to what it now should be. Raises LabError for anything else.
    """
    with lab.journal.locked():
        opened = lab.journal.opened()  # another kernel may have changed it since this one opened the lab
        kept = Definition.from_data(opened.definition) if opened and opened.definition else lab.definition
        definition = kept.changed(**changes)
        lab.journal.redefine(definition.as_data())
    return replace(lab, definition=definition)


def reopen_lab(journal: Path) -> Lab | None:
    """The lab that a journal file describes, opened with what the file says alone; None if none is open in it.

    Neither options nor variables have a say. Raises LabError if its place cannot be reached.
    """
    file, workspace = Journal(journal), journal.absolute().parents[2]
    opened = file.opened()
    if opened is None or not opened.definition:
        return None
    kept = Definition.from_data(opened.definition)
    reached = {name: getattr(kept, name) for name in ("endpoint_url", "account", "profile", "region")}
    connection = connect(kept.where, workspace=workspace, **reached)
    with file.locked():
        definition = _defined(file, opened, connection, {"suffix": kept.suffix})
        file.open(suffix=definition.suffix, instance=connection.instance, definition=definition.as_data())
    return Lab(definition, connection, file, workspace)


def _defined(journal: Journal, opened: Opened | None, connection: Connection, wanted: Mapping[str, Any]) -> Definition:
    """What the lab that is open here is; or, if none is, or nothing was made yet, what the new one shall be."""
    kept = _kept(opened, journal, connection, wanted) if opened else None
    if kept is None:
        return _new(connection, wanted)
    things = len(journal.entries()) + len(journal.lost())
    if wanted.get("suffix") not in (None, kept.suffix):
        if not things:
            return _new(connection, wanted)
        raise LabError(
            f"The lab {kept.suffix} is still open here and has {counted(things, 'thing')} in AWS.",
            where=f"opening a lab with the suffix {wanted['suffix']}",
            hint="Clean it up first (`labkit clean`), or open the new one with a prefix of its own.",
        )
    differences = contradictions(kept, wanted)
    if not differences:
        return kept
    if not things:
        return checked(replace(kept, **wanted))
    raise LabError(
        f"The lab {kept.lab_id} is open here with other settings: {differences}.",
        where="opening the lab",
        hint="Leave the option out: the lab remembers what it was opened with. redefine_lab(lab, ...) changes "
        f"{', '.join(CHANGEABLE)}; anything else takes another prefix, or `labkit clean` first.",
        code="bad-option",
    )


def _kept(opened: Opened, journal: Journal, connection: Connection, wanted: Mapping[str, Any]) -> Definition | None:
    """The definition in the journal; of a journal of the first version, which has none, what it lets one conclude."""
    if opened.definition:
        kept = Definition.from_data(opened.definition)
        names = ("where", "region", "account", "partition", "endpoint_url")
        reached = {name: getattr(connection, name) for name in names}
        if connection.where == "local":
            return replace(kept, **{**reached, "endpoint_url": None})
        return replace(kept, **reached)
    known: dict[str, Any] = {"suffix": opened.suffix}
    if buckets := [*journal.entries("existing bucket"), *journal.entries("bucket")]:
        known["bucket"] = buckets[0].name if buckets[0].kind == "existing bucket" else None
    if journal.entries("role"):
        known["role_arn"] = None
    return _new(connection, {**wanted, **known})


def _new(connection: Connection, wanted: Mapping[str, Any]) -> Definition:
    shared = connection.where != "local"
    defaults: dict[str, Any] = {
        "suffix": "".join(secrets.choice(ALPHABET) for _ in range(5)),
        "runtime": Target.newest().runtime if shared else None,
        "concurrency": connection.limits.concurrency,
    }
    place = {
        "where": connection.where,
        "region": connection.region,
        "account": connection.account,
        "partition": connection.partition,
        "endpoint_url": connection.endpoint_url if shared else None,
        "profile": connection.profile,
    }
    return checked(Definition(**{**defaults, **wanted, **place}))


def _refuse_unfit(connection: Connection, definition: Definition, *, new: bool) -> None:
    """Raise LabError for a bucket that would stop the lab on its way, as long as nothing is made.

    A lab that is looked for from another machine can be cleaned up, whatever has become of its bucket.
    """
    refuse_bucket_name(definition)
    if new and definition.bucket is not None:
        refuse_unfit_bucket(connection.new_client("s3"), definition)


def _retiring(runtime: str) -> str | None:
    try:
        return warning_for(runtime)
    except LabError as error:  # whatever the lab was opened with once, it can be cleaned up
        return error.message


def _lost(journal: Journal) -> str:
    lost = journal.lost()
    if not lost:
        return ""
    things = counted(len(lost), "thing")
    return (
        f"The embedded AWS was started anew and remembers nothing: {things} of this lab "
        f"{'is' if len(lost) == 1 else 'are'} gone. catch_up(lab, to=...) makes what is gone."
    )


def _option(name: str, given: object) -> str:
    """What was given, else the variable LABKIT_<NAME>, else an empty text; a number stands for its digits."""
    if given is None or given == "":
        return os.environ.get(f"LABKIT_{name.upper()}", "")
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise LabError(
            f"{name} can't be {given!r}.",
            where="opening the lab",
            hint=f'Give a text: {name}="...".',
            code="bad-option",
        )
    # An account id that begins with 0 loses it where somebody takes it for a number.
    return str(given).zfill(12) if name == "account" and isinstance(given, int) else str(given)


def find_workspace(here: Path | None = None) -> Path:
    """The folder that holds `.labkit/`: LABKIT_WORKSPACE, or the project around a folder, or that folder.

    It is the current folder, unless another is given.
    """
    if named := os.environ.get("LABKIT_WORKSPACE"):
        return Path(named)
    here = here or Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".labkit").is_dir() or ((folder / "notebooks").is_dir() and (folder / "labkit").is_dir()):
            return folder
    return here


def journals(workspace: Path) -> Path:
    """The folder of a workspace's journals."""
    return workspace / ".labkit" / "journals"


def _after(prefix: str | None) -> str:
    return f"-{prefix}" if prefix else ""


def _place(connection: Connection) -> str:
    if connection.where == "local":
        return "local"
    endpoint = (connection.endpoint_url or "").split("//")[-1].replace(":", "-").replace("/", "-")
    return "-".join(filter(None, (connection.where, endpoint, connection.account, connection.region)))
