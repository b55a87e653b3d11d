"""One lab: its settings, its connection and its journal. `open_lab()` is the first call of every notebook."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from PIL import __version__ as pillow_version

from labkit.connection import Connection, connect
from labkit.errors import LabError
from labkit.journal import Journal
from labkit.packages import Target, warning_for
from labkit.result import Result
from labkit.settings import Settings

PLACES_IN_WORDS = {
    "local": "the embedded AWS on this machine",
    "endpoint": "an AWS-compatible endpoint",
    "aws": "a real AWS account",
}
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: a suffix is read aloud in class


@dataclass(frozen=True)
class Lab(Result):
    """Settings, connection and journal of one lab, and what its functions run on."""

    settings: Settings
    connection: Connection
    journal: Journal
    workspace: Path
    target: Target
    role_arn: str | None = None  # an existing execution role to use in place of one made for each function
    notice: str = ""

    def client(self, service: str) -> Any:
        """The boto3 client of a service, such as `lab.client("sns")`."""
        return self.connection.client(service)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this lab's account and region."""
        at = self.connection
        return f"arn:{at.partition}:{service}:{at.region}:{at.account}:{resource}"

    def sentence(self) -> str:
        """Where this lab runs."""
        return f"This lab runs on {PLACES_IN_WORDS[self.connection.where]}.{self.notice and ' ' + self.notice}"

    def headers(self) -> Sequence[str]:
        """Two columns."""
        return ("lab", self.settings.lab_id)

    def rows(self) -> Iterable[Sequence[object]]:
        """Where, account, region, suffix and versions."""
        yield "where", self.connection.where
        if self.connection.endpoint_url:
            yield "endpoint", self.connection.endpoint_url
        yield "account", self.connection.account
        yield "region", self.connection.region
        yield "suffix", self.settings.suffix
        yield "functions run on", f"{self.target.runtime}, {self.target.architecture}"
        yield "boto3, Pillow", f"{boto3.__version__}, {pillow_version}"


def open_lab(
    where: str | None = None,
    *,
    suffix: str | None = None,
    prefix: str | None = None,
    endpoint_url: str | None = None,
    account: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    bucket: str | None = None,
    role_arn: str | None = None,
    runtime: str | None = None,
    workspace: Path | None = None,
    **changes: Any,
) -> Lab:
    """Open the lab of this workspace, or begin one.

    `where` is `local` (the default), `endpoint` or `aws`. What is not given is taken from the variable of that name,
    LABKIT_WHERE, LABKIT_PREFIX and so on. All notebooks and the command line that name the same place and prefix share
    one lab. `bucket` and `role_arn` name an existing bucket and execution role to use. `runtime` is the Lambda runtime
    to build for: the host's Python on the embedded AWS, else the newest. `changes` replace numbers of the settings,
    such as `function_timeout_s=1`. Raises LabError with what to do.
    """
    where = _option("where", where) or "local"
    suffix, prefix = _option("suffix", suffix), _option("prefix", prefix) or ""
    workspace = workspace or find_workspace()
    for text, name in ((prefix, "prefix"), (suffix or "", "suffix")):
        if text.strip("abcdefghijklmnopqrstuvwxyz0123456789-") or len(text) > 12:
            raise LabError(
                f"{text!r} can't be a {name}: it becomes part of a bucket's name.",
                where="opening the lab",
                hint="Use at most 12 lower-case letters, digits and hyphens.",
            )
    connection = connect(
        where,
        workspace=workspace,
        endpoint_url=_option("endpoint_url", endpoint_url),
        account=_option("account", account),
        profile=_option("profile", profile),
        region=_option("region", region),
    )
    journal = Journal(workspace / ".labkit" / "journals" / f"{_place(connection)}{prefix and '-' + prefix}.jsonl")
    chosen, forgotten = journal.open(suffix=suffix, new_suffix=_new_suffix(), instance=connection.instance)
    settings = Settings(
        suffix=chosen,
        prefix=prefix,
        bucket=_option("bucket", bucket),
        shared=where != "local",
        region=connection.region,
        account=connection.account,
    )
    target = Target.host() if where == "local" else Target.newest()
    runtime = _option("runtime", runtime)
    target = replace(target, runtime=runtime) if runtime else target
    # AWS's calendar of runtimes says nothing of an embedded AWS, which runs functions on this machine's own Python.
    warning = warning_for(target.runtime) if where != "local" else None
    return Lab(
        settings=replace(settings, **changes),
        connection=connection,
        journal=journal,
        workspace=workspace,
        target=target,
        role_arn=_option("role_arn", role_arn),
        notice="The embedded AWS was started anew and remembers nothing: catch_up(lab, to=...) makes what is gone."
        if forgotten
        else warning or "",
    )


def _option(name: str, given: str | None) -> str | None:
    """What was given, else the variable LABKIT_<NAME>, else None."""
    return given or os.environ.get(f"LABKIT_{name.upper()}") or None


def find_workspace() -> Path:
    """The folder that holds `.labkit/`: LABKIT_WORKSPACE, or the project around the current folder, or that folder."""
    if named := os.environ.get("LABKIT_WORKSPACE"):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".labkit").is_dir() or ((folder / "notebooks").is_dir() and (folder / "labkit").is_dir()):
            return folder
    return here


def _place(connection: Connection) -> str:
    if connection.where == "local":
        return "local"
    endpoint = (connection.endpoint_url or "").split("//")[-1].replace(":", "-").replace("/", "-")
    return "-".join(filter(None, (connection.where, endpoint, connection.account, connection.region)))


def _new_suffix() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(5))
