"""What the subcommands have in common: the options that say which lab is meant, and how to report."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labkit.terminal import say, say_json

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.result import Result

Command = TypeVar("Command", bound=Callable[..., Any])

LAB_OPTIONS = (
    click.option("--where", help="local, endpoint or aws; else the variable LABKIT_WHERE, else local."),
    click.option("--suffix", help="The suffix of the lab's names; else the open lab's, or a new one."),
    click.option("--prefix", help="Put before every name, so that several students can share an account."),
    click.option("--account", help="The account's twelve digits; needed for aws."),
    click.option("--profile", help="An AWS profile; for aws."),
    click.option("--region", help="Such as us-east-1; for aws and endpoint."),
    click.option("--role", "role_arn", help="The ARN of an existing execution role, instead of the lab's own."),
    click.option("--bucket", help="An existing bucket, instead of the lab's own."),
    click.option("--endpoint-url", help="The address of an AWS-compatible server; for endpoint."),
)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


def lab_options(command: Command) -> Command:
    """The options that say which lab is meant, handed to the command as `**at`."""
    for option in reversed(LAB_OPTIONS):
        command = option(command)
    return command


def opened(at: dict[str, Any]) -> Lab:
    """The lab that the options mean; what a person has to know of it goes to the error stream."""
    from labkit.lab import open_lab

    lab = open_lab(**{name: value for name, value in at.items() if value is not None})
    if lab.notice:
        say(lab.notice, err=True)
    return lab


def place_of(at: dict[str, Any]) -> str:
    """Where the options, or the variable, say that the lab runs."""
    return at["where"] or os.environ.get("LABKIT_WHERE") or "local"


def report(result: Result, *, as_json: bool) -> None:
    """Print a result: to a program as JSON, to a person in words."""
    if as_json:
        say_json(result.as_data())
    else:
        say(result)
