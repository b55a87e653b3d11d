"""The subcommands that write, or look into, files: deployment packages, the template, the policy of a user."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from labkit.cli.options import json_option, lab_options, opened, report
from labkit.terminal import say, say_json, say_raw


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="build", help="Default: build.")
@click.option("--runtime", help="Such as python3.13. Default: the newest generally available one.")
@click.option("--architecture", help="x86_64 (the default) or arm64.")
@click.option("--here", is_flag=True, help="For the embedded AWS on this machine; needs no network.")
@json_option
def build(out: Path, runtime: str | None, architecture: str | None, here: bool, as_json: bool) -> None:
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
    packages = build_packages(target, out=out, progress=lambda words: say(words, err=as_json))
    if as_json:
        say_json([package.as_data() for package in packages])
        return
    for package in packages:
        say(package)
        say()


@click.command()
@click.argument("zip_file", metavar="ZIP", type=click.Path(path_type=Path))
@click.option("--handler", help="module.function; else taken from the zip.")
@click.option("--runtime", help="The function's runtime, such as python3.13; else taken from the zip.")
@click.option("--architecture", help="The function's architecture, x86_64 or arm64; else taken from the zip.")
@click.option("--here", is_flag=True, help="For the embedded AWS on this machine; else for AWS's own Lambda.")
@json_option
def inspect(
    zip_file: Path, handler: str | None, runtime: str | None, architecture: str | None, here: bool, as_json: bool
) -> None:
    """Inspect a deployment package as Lambda would read it. The exit code is 1 if Lambda would refuse it."""
    from labkit.packages import Target, inspect_package

    newest = Target.newest()
    target = Target(runtime or newest.runtime, architecture or newest.architecture) if runtime or architecture else None
    found = inspect_package(zip_file, handler=handler, target=Target.host() if here else target)
    report(found, as_json=as_json)
    if not found.passed:
        sys.exit(1)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: to the screen.")
@lab_options
def export(out: Path | None, **at: Any) -> None:
    """Write the lab as a CloudFormation template."""
    from labkit.insight.template import export_template

    template = export_template(opened(at))
    if out is None:
        say_raw(template.json())
    else:
        say(f"{template.sentence()} Written to {template.write(out)}.")


@click.command()
@click.option("--json", is_flag=True, expose_value=False, help="As JSON, which it is anyway.")
@lab_options
def permissions(**at: Any) -> None:
    """Print the policy that your own user needs, as JSON."""
    from labkit.insight.permissions import permissions as needed

    say_raw(needed(opened(at)).json() + "\n")


COMMANDS = (build, inspect, export, permissions)
