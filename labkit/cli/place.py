"""The subcommands about where the lab is and what it has there: status, clean, env, stop."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.cli.options import json_option, lab_options, opened, place_of, report
from labkit.errors import LabError
from labkit.terminal import say, say_json, say_raw

if TYPE_CHECKING:
    from labkit.embedded_aws import Server


@click.command()
@click.option("--all", "all_labs", is_flag=True, help="All labs of the account and region, by their tags.")
@json_option
@lab_options
def status(all_labs: bool, as_json: bool, **at: Any) -> None:
    """Say where the lab is and what it has there now.

    Starts nothing: an embedded AWS that does not run is said to be empty.
    """
    from labkit.steps.clean_up import inventory
    from labkit.steps.recovery import find_labs

    local = place_of(at) == "local"
    runs = not local or _embedded_aws_runs(quiet=as_json)
    lab = opened(at) if runs else None
    found = None if lab is None else find_labs(lab) if all_labs else inventory(lab)
    if as_json:
        place = {"embedded_aws": _embedded_aws() if local else None, "lab": lab and lab.as_data()}
        say_json(place | (found.as_data() if found else {"labs" if all_labs else "things": []}))
    elif lab is not None:
        say(lab)
        say()
        say(found)


@click.command()
@json_option
@lab_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(yes: bool, as_json: bool, **at: Any) -> None:
    """Delete everything that this lab has made, after showing it.

    With --suffix also on a machine that did not make it: it is then found by its tags.
    """
    from labkit.steps.clean_up import Receipt, clean_up, inventory
    from labkit.steps.recovery import find_things, take_over

    if as_json and not yes:
        raise click.UsageError("--json needs --yes: a program cannot be asked.")
    if place_of(at) == "local" and not _embedded_aws_runs(quiet=as_json):
        if as_json:
            say_json(Receipt("", ()).as_data())
        return
    lab = opened(at)
    found = find_things(lab) if at["suffix"] and not lab.journal.entries() else None
    there = inventory(lab) if found is None else None
    if not as_json and ((found and found.entries) or (there and there.things)):
        say(found or there)
        if not yes:
            click.confirm("Delete all of it?", abort=True)
    if found:
        take_over(lab, found)
    report(clean_up(lab), as_json=as_json)


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="The keys alone, as JSON: for credential_process in an AWS profile."
)
def env(as_json: bool) -> None:
    """Print the keys and address that other tools need.

    In a shell, eval "$(labkit env)" leads the AWS CLI, every SDK and what is built on them to the embedded AWS.
    Starts nothing.
    """
    workspace, server = _find_embedded_aws()
    if server is None:
        raise LabError(
            f"The embedded AWS of {workspace} is not running.",
            where="telling other tools where it is",
            hint="open_lab() in a notebook starts it.",
            code="no-embedded-aws",
        )
    if as_json:
        say_json({"Version": 1, "AccessKeyId": server.access_key, "SecretAccessKey": server.secret_key})
        return
    lines = ["unset AWS_PROFILE AWS_SESSION_TOKEN"]  # which would win, or spoil the keys
    lines += [f"export {name}={shlex.quote(value)}" for name, value in server.environment.items()]
    say_raw("\n".join(lines) + "\n")


@click.command()
@json_option
def stop(as_json: bool) -> None:
    """Stop the embedded AWS, with everything in it."""
    from labkit import embedded_aws
    from labkit.connection import LOCAL_FOLDER
    from labkit.lab import find_workspace

    workspace = find_workspace()
    stopped = embedded_aws.stop(workspace / LOCAL_FOLDER)
    if as_json:
        say_json({"workspace": str(workspace), "stopped": stopped})
    else:
        say(f"The embedded AWS of {workspace} {'was stopped' if stopped else 'was not running'}.")


def _find_embedded_aws() -> tuple[Path, Server | None]:
    """The workspace, and its embedded AWS if that runs."""
    from labkit import embedded_aws
    from labkit.connection import LOCAL_FOLDER
    from labkit.lab import find_workspace

    workspace = find_workspace()
    return workspace, embedded_aws.find(workspace / LOCAL_FOLDER)


def _embedded_aws() -> dict[str, Any]:
    """The workspace's embedded AWS as plain data."""
    workspace, server = _find_embedded_aws()
    about = {"url": server.url, "pid": server.pid} if server else {"url": None, "pid": None}
    return {"workspace": str(workspace), "running": server is not None, **about}


def _embedded_aws_runs(*, quiet: bool) -> bool:
    """Whether the workspace's embedded AWS runs; said, unless it is to be quiet."""
    workspace, server = _find_embedded_aws()
    if server is None:
        said = f"The embedded AWS of {workspace} is not running, and has nothing. open_lab() starts it."
    else:
        said = f"The embedded AWS of {workspace} runs at {server.url} (process {server.pid})."
    if not quiet:
        say(said)
    return server is not None


COMMANDS = (status, clean, env, stop)
