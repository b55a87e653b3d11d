"""The labkit command. Each subcommand imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from labkit.command import Labkit
from labkit.errors import LabError
from labkit.interrupts import INTERRUPTED
from labkit.terminal import say

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.result import Checks

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


def lab_options(command: Command) -> Command:
    """The options that say which lab is meant, handed to the command as `**at`."""
    for option in reversed(LAB_OPTIONS):
        command = option(command)
    return command


def _open(at: dict[str, Any]) -> Lab:
    from labkit.lab import open_lab

    lab = open_lab(**{name: value for name, value in at.items() if value is not None})
    if lab.notice:
        say(lab.notice, err=True)
    return lab


def _place(at: dict[str, Any]) -> str:
    return at["where"] or os.environ.get("LABKIT_WHERE") or "local"


@click.group(cls=Labkit, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labkit")
def main() -> None:
    """The Serverless Image Processing Lab: S3, SNS, SQS and Lambda, on an embedded AWS or a real one."""


@main.command()
@click.argument("notebooks", nargs=-1)
@lab_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: runs/<time>.")
@click.option("--keep", is_flag=True, help="Leave what was made, and leave out the notebook that cleans up.")
@click.option("--yes", is_flag=True, help="Do not ask before using a real account.")
@click.option("--cell-timeout", type=click.FloatRange(min=1), metavar="SECONDS", help="For each cell; default 300.")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the notebooks, read as the type that they declare.",
)
def run(
    notebooks: tuple[str, ...],
    out: Path | None,
    keep: bool,
    yes: bool,
    cell_timeout: float | None,
    parameters: tuple[tuple[str, str], ...],
    **at: Any,
) -> None:
    """Run the notebooks in order, without opening them.

    All numbered ones, or those named: 03, 03_notification, a path. Leaves executed copies and one HTML report. On the
    embedded AWS a run has one of its own, which is gone at the end. Fails at the first error or failed check, and says
    in which cell.
    """
    from labkit.lab import find_workspace
    from labkit.run import runner

    at, others = runner.take_options(at, dict(parameters))
    where, workspace = _place(at), find_workspace()
    paths = runner.find_notebooks(workspace / "notebooks", notebooks)
    if where == "aws":
        from labkit.insight.plan import plan

        say(f"{plan(_open(at))}\n")
        if not yes:
            click.confirm(f"Make all of this, and {'leave it there' if keep else 'delete it at the end'}?", abort=True)
    done = runner.run_lab(
        paths,
        folder=out or workspace / "runs" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}",
        keep=keep,
        parameters=others,
        cell_timeout=cell_timeout or runner.CELL_TIMEOUT_S,
        say=say,
        **{**at, "where": where},
    )
    say(f"\n{done}\n")
    if done.failed and done.failed.failure and "\n" in done.failed.failure.message:
        say(f"{done.failed.failure.message}\n")
    here = f"{Path.cwd()}{os.sep}"
    say(f"Executed notebooks: {str(done.folder).removeprefix(here)}")
    say(f"Report:             {str(done.report).removeprefix(here)}")
    if done.failed or done.interrupted:
        sys.exit(INTERRUPTED if done.interrupted else 1)


@main.command()
@click.argument("step", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@lab_options
def check(step: str | None, as_json: bool, **at: Any) -> None:
    """Check the configuration of what was made.

    STEP is a number or a name (topic, queues, notification, functions, results); without it, all are checked.
    Changes nothing. The exit code is 1 if a check fails.
    """
    all_checks = _all_checks(step, _open(at))
    if as_json:
        say(json.dumps([checks.as_data() for checks in all_checks], indent=2))
    else:
        say("\n\n".join(str(checks) for checks in all_checks))
    if not all(checks.passed for checks in all_checks):
        sys.exit(1)


def _all_checks(step: str | None, lab: Lab) -> list[Checks]:
    import labkit
    from labkit.steps.validate import uploaded_photos

    steps: dict[tuple[str, str], Callable[[], list[Checks]]] = {
        ("1", "topic"): lambda: [labkit.check_topic(lab)],
        ("2", "queues"): lambda: [labkit.check_queues(lab)],
        ("3", "notification"): lambda: [labkit.check_notification(lab)],
        ("4", "functions"): lambda: [labkit.check_functions(lab)],
        ("6", "results"): lambda: [labkit.check_results(lab, key) for key in uploaded_photos(lab)],
    }
    chosen = [checks for names, checks in steps.items() if step is None or step in names]
    if not chosen:
        raise LabError(
            f"There is no step {step!r} to check.",
            hint=f"There are {', '.join(f'{number} ({name})' for number, name in steps)}.",
            code="not-there",
        )
    return [checks for ask in chosen for checks in ask()]


@main.command()
@click.argument("function")
@click.option("--since", help="Only what is newer than so long ago, such as 5m, 2h, 1d.")
@click.option("--lines", is_flag=True, help="The lines themselves, not a table of the invocations.")
@lab_options
def logs(function: str, since: str | None, lines: bool, **at: Any) -> None:
    """Show what a function (such as CreateThumbnail) has logged."""
    from labkit.insight.logs import read_logs

    found = read_logs(_open(at), function, since=since)
    if lines:
        for line in found.lines:
            say(f"{line.time:%H:%M:%S.%f}  {line.text.rstrip()}")
    else:
        say(str(found))


@main.command()
@click.argument("key", required=False)
@lab_options
def doctor(key: str | None, **at: Any) -> None:
    """Walk the way of a photo, and name what is broken.

    Of the photo with this KEY (cat.jpg means ingest/cat.jpg), or of any. The exit code is 1 if something is broken.
    """
    from labkit.insight.doctor import doctor as examine

    found = examine(_open(at), key)
    say(str(found))
    if found.first and found.first.call:
        say(f"\nIn Python, this fixes the first of it:\n  {found.first.call}")
    if not found.healthy:
        sys.exit(1)


@main.command()
@click.argument("key")
@lab_options
def trace(key: str, **at: Any) -> None:
    """Show when a photo was where, up to its three results."""
    from labkit.insight.trace import trace as follow

    say(str(follow(_open(at), key)))


@main.command()
@lab_options
def cost(**at: Any) -> None:
    """Show what the lab has used, and what it costs.

    Also what it costs a day if it is left running.
    """
    from labkit.insight.cost import cost as work_out

    say(str(work_out(_open(at))))


@main.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: to the screen.")
@lab_options
def export(out: Path | None, **at: Any) -> None:
    """Write the lab as a CloudFormation template."""
    from labkit.insight.template import export_template

    template = export_template(_open(at))
    if out is None:
        say(template.json(), end="")
    else:
        say(f"{template.sentence()} Written to {template.write(out)}.")


@main.command()
@click.option("--class", "whole_class", is_flag=True, help="All labs of this account and region, found by their tags.")
@click.option("--student", "prefixes", multiple=True, metavar="PREFIX", help="Only this student's lab; repeatable.")
@click.option("--journals", type=click.Path(path_type=Path), help="The labs of the journals in this folder.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write grades.json and grades.csv here.")
@lab_options
def grade(whole_class: bool, prefixes: tuple[str, ...], journals: Path | None, out: Path | None, **at: Any) -> None:
    """Mark this lab, or a class's labs, with reasons."""
    from labkit.insight.grade import ClassSheet, grade_class
    from labkit.insight.grade import grade as mark

    lab = _open(at)
    if whole_class or prefixes or journals:
        sheets = grade_class(lab, prefixes=prefixes, journals=journals)
        say(str(sheets))
    else:
        sheets = ClassSheet((mark(lab),))
        say(str(sheets.sheets[0]))
    if out is not None:
        say("\nWritten: " + ", ".join(map(str, sheets.write(out))))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="students")
def students(folder: Path) -> None:
    """Write notebooks for students, without the answers."""
    from labkit.lab import find_workspace
    from labkit.students import make_student_notebooks

    say(str(make_student_notebooks(find_workspace() / "notebooks", folder)))


@main.command()
@lab_options
def permissions(**at: Any) -> None:
    """Print the policy that your own user needs, as JSON."""
    from labkit.insight.permissions import permissions as needed

    say(needed(_open(at)).json())


@main.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="build", help="Default: build.")
@click.option("--runtime", help="Such as python3.13. Default: the newest generally available one.")
@click.option("--architecture", help="x86_64 (the default) or arm64.")
@click.option("--here", is_flag=True, help="For the embedded AWS on this machine; needs no network.")
def build(out: Path, runtime: str | None, architecture: str | None, here: bool) -> None:
    """Build the three deployment packages.

    For Lambda on AWS, or, with --here, for the embedded AWS.
    """
    from labkit.packages import Target, build_packages, refusal_for, warning_for

    if here and (runtime or architecture):
        raise click.UsageError(
            "--here is this machine's own Python; it goes with neither --runtime nor --architecture."
        )
    newest = Target.newest()
    target = Target.host() if here else Target(runtime or newest.runtime, architecture or newest.architecture)
    if not here and (said := refusal_for(target.runtime) or warning_for(target.runtime)):
        say(said, err=True)
    for package in build_packages(target, out=out, progress=say):
        say(f"{package}\n")


@main.command()
@click.argument("zip_file", metavar="ZIP", type=click.Path(path_type=Path))
@click.option("--handler", help="module.function; else taken from the zip.")
@click.option("--runtime", help="The function's runtime, such as python3.13; else taken from the zip.")
@click.option("--architecture", help="The function's architecture, x86_64 or arm64; else taken from the zip.")
@click.option("--here", is_flag=True, help="For the embedded AWS on this machine; else for AWS's own Lambda.")
def inspect(zip_file: Path, handler: str | None, runtime: str | None, architecture: str | None, here: bool) -> None:
    """Inspect a deployment package as Lambda would read it. The exit code is 1 if Lambda would refuse it."""
    from labkit.packages import Target, inspect_package

    newest = Target.newest()
    target = Target(runtime or newest.runtime, architecture or newest.architecture) if runtime or architecture else None
    found = inspect_package(zip_file, handler=handler, target=Target.host() if here else target)
    say(str(found))
    if not found.passed:
        sys.exit(1)


@main.command()
@click.option("--all", "all_labs", is_flag=True, help="All labs of the account and region, by their tags.")
@lab_options
def status(all_labs: bool, **at: Any) -> None:
    """Say where the lab is and what it has there now.

    Starts nothing: an embedded AWS that does not run is said to be empty.
    """
    from labkit.steps.clean_up import inventory
    from labkit.steps.recovery import find_labs

    if _place(at) == "local" and not _embedded_aws_runs():
        return
    lab = _open(at)
    say(f"{lab}\n\n{find_labs(lab) if all_labs else inventory(lab)}")


@main.command()
@lab_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(yes: bool, **at: Any) -> None:
    """Delete everything that this lab has made, after showing it.

    With --suffix also on a machine that did not make it: it is then found by its tags.
    """
    from labkit.steps.clean_up import clean_up, inventory
    from labkit.steps.recovery import find_things, take_over

    if _place(at) == "local" and not _embedded_aws_runs():
        return
    lab = _open(at)
    found = find_things(lab) if at["suffix"] and not lab.journal.entries() else None
    there = inventory(lab) if found is None else None
    if (found and found.entries) or (there and there.things):
        say(str(found or there))
        if not yes:
            click.confirm("Delete all of it?", abort=True)
    if found:
        take_over(lab, found)
    say(str(clean_up(lab)))


def _embedded_aws_runs() -> bool:
    """Whether the workspace's embedded AWS runs; if not, say so."""
    from labkit import embedded_aws
    from labkit.connection import LOCAL_FOLDER
    from labkit.lab import find_workspace

    workspace = find_workspace()
    server = embedded_aws.find(workspace / LOCAL_FOLDER)
    if server is None:
        say(f"The embedded AWS of {workspace} is not running, and has nothing. open_lab() starts it.")
        return False
    say(f"The embedded AWS of {workspace} runs at {server.url} (process {server.pid}).")
    return True


@main.command()
@click.option(
    "--json", "as_json", is_flag=True, help="The keys alone, as JSON: for credential_process in an AWS profile."
)
def env(as_json: bool) -> None:
    """Print the keys and address that other tools need.

    In a shell, eval "$(labkit env)" leads the AWS CLI, every SDK and what is built on them to the embedded AWS.
    Starts nothing.
    """
    from labkit import embedded_aws
    from labkit.connection import LOCAL_FOLDER
    from labkit.lab import find_workspace

    workspace = find_workspace()
    server = embedded_aws.find(workspace / LOCAL_FOLDER)
    if server is None:
        raise LabError(
            f"The embedded AWS of {workspace} is not running.",
            where="telling other tools where it is",
            hint="open_lab() in a notebook starts it.",
        )
    if as_json:
        keys = {"Version": 1, "AccessKeyId": server.access_key, "SecretAccessKey": server.secret_key}
        say(json.dumps(keys))
        return
    say("unset AWS_PROFILE AWS_SESSION_TOKEN")  # which would win, or spoil the keys
    for name, value in server.environment.items():
        say(f"export {name}={shlex.quote(value)}")


@main.command()
def stop() -> None:
    """Stop the embedded AWS, with everything in it."""
    from labkit import embedded_aws
    from labkit.connection import LOCAL_FOLDER
    from labkit.lab import find_workspace

    workspace = find_workspace()
    stopped = embedded_aws.stop(workspace / LOCAL_FOLDER)
    say(f"The embedded AWS of {workspace} {'was stopped' if stopped else 'was not running'}.")
