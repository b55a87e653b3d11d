"""The labkit command. Each subcommand imports what it needs when it runs, so that `--help` answers at once.

What each prints as JSON, docs/command-line.md says.
"""

from __future__ import annotations

import click

from labkit.cli import files, lessons, look, place
from labkit.cli.group import Labkit
from labkit.workbook import DISTRIBUTION


@click.group(cls=Labkit, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=DISTRIBUTION, prog_name="labkit")
def main() -> None:
    """The Serverless Image Processing Lab: S3, SNS, SQS and Lambda, on an embedded AWS or a real one."""


for command in (*lessons.COMMANDS, *look.COMMANDS, *files.COMMANDS, *place.COMMANDS):
    main.add_command(command)
