"""The subcommands of a lesson: run the notebooks, open them, hand them out, mark what was made."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from labkit.cli.options import json_option, lab_options, opened, place_of, report
from labkit.interrupts import INTERRUPTED
from labkit.terminal import say, say_json

WHOLE_CLASS = 30  # students


@click.command()
@click.argument("notebooks", nargs=-1)
@json_option
@lab_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: runs/<time>.")
@click.option("--keep", is_flag=True, help="Leave what was made, and leave out the notebook that cleans up.")
@click.option("--yes", is_flag=True, help="Do not ask before using a real account.")
@click.option(
    "--cell-timeout",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="For each cell. Default: 300 on the embedded AWS, 1500 elsewhere, where an alarm can take 20 minutes.",
)
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
    as_json: bool,
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
    from labkit.workbook import notebooks_of

    at, others = runner.take_options(at, dict(parameters))
    where, workspace = place_of(at), find_workspace()
    paths = runner.find_notebooks(notebooks_of(workspace), notebooks)
    if where == "aws":
        from labkit.insight.plan import plan

        if as_json and not yes:
            raise click.UsageError("--json needs --yes: a program cannot be asked.")
        say(plan(opened(at)), err=as_json)
        say(err=as_json)
        if not yes:
            click.confirm(f"Make all of this, and {'leave it there' if keep else 'delete it at the end'}?", abort=True)
    done = runner.run_lab(
        paths,
        folder=out or workspace / "runs" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}",
        keep=keep,
        parameters=others,
        cell_timeout=cell_timeout,
        say=lambda words: say(words, err=as_json),
        **{**at, "where": where},
    )
    if as_json:
        say_json(done.as_data())
    else:
        _tell(done)
    if done.failed or done.interrupted:
        sys.exit(INTERRUPTED if done.interrupted else 1)


def _tell(done: Any) -> None:
    """How a run went, and where it lies."""
    say()
    say(done)
    say()
    if done.failed and done.failed.failure and "\n" in done.failed.failure.message:
        say(f"{done.failed.failure.message}\n")
    here = f"{Path.cwd()}{os.sep}"
    say(f"Executed notebooks: {str(done.folder).removeprefix(here)}")
    say(f"Report:             {str(done.report).removeprefix(here)}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="my-lab")
@click.option("--no-open", is_flag=True, help="Lay it out, and do not start JupyterLab.")
@click.option("--hub", is_flag=True, help="As a user's server of a JupyterHub, which deploy/hub sets up.")
@json_option
def start(folder: Path, no_open: bool, hub: bool, as_json: bool) -> None:
    """Lay the workbook out in a folder, and open it in JupyterLab.

    In a folder that has it already, new notebooks come in, and what you have changed stays as it is.
    """
    from labkit import room

    report(room.lay_out(folder), as_json=as_json)
    if not no_open:
        room.open_jupyterlab(folder, hub=hub)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="students")
@json_option
def students(folder: Path, as_json: bool) -> None:
    """Write notebooks for students, without the answers."""
    from labkit.lab import find_workspace
    from labkit.students import make_student_notebooks
    from labkit.workbook import notebooks_of

    report(make_student_notebooks(notebooks_of(find_workspace()), folder), as_json=as_json)


@click.command("hand-in")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=".", help="Default: this folder.")
@click.option("--name", default="", help="Your name, as the teacher's list has it; else the lab's prefix.")
@click.option("--id", "student_id", default="", help="Your number in that list.")
@click.option("--email", default="", help="Your e-mail address in that list.")
@json_option
@lab_options
def hand_in(out: Path, name: str, student_id: str, email: str, as_json: bool, **at: Any) -> None:
    """Write one file for the teacher that shows what you did.

    Do it while the lab stands: before `labkit clean`, and before the embedded AWS is stopped.
    """
    from labkit.insight.hand_in import hand_in as write

    report(write(opened(at), out, name=name, student_id=student_id, email=email), as_json=as_json)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--class", "whole_class", is_flag=True, help="All labs of this account and region, found by their tags.")
@click.option("--student", "prefixes", multiple=True, metavar="PREFIX", help="Only this student's lab; repeatable.")
@click.option("--journals", type=click.Path(path_type=Path), help="The same as FOLDER.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write JSON, CSV and pages here.")
@json_option
@lab_options
def grade(
    folder: Path | None,
    whole_class: bool,
    prefixes: tuple[str, ...],
    journals: Path | None,
    out: Path | None,
    as_json: bool,
    **at: Any,
) -> None:
    """Mark labs, or a FOLDER of what was handed in.

    In the folder may be files of `labkit hand-in`, and journals of labs in an account that the options name.
    """
    from labkit.insight.grade import grade as mark
    from labkit.insight.grade import grade_class, grade_folder
    from labkit.insight.marks import ClassSheet

    folder = folder or journals
    if folder:
        sheets = grade_folder(folder, lambda: opened(at))
    elif whole_class or prefixes:
        sheets = grade_class(opened(at), prefixes=prefixes)
    else:
        sheets = ClassSheet((mark(opened(at)),))
    if as_json:
        say_json(sheets.as_data()["sheets"])
    else:
        say(sheets if folder or whole_class or prefixes else sheets.sheets[0])
    if out is not None:
        say("\nWritten: " + ", ".join(map(str, sheets.write(out))), err=as_json)


@click.group("class")
def class_() -> None:
    """Before a class."""


@class_.command("check")
@click.option("--students", type=click.IntRange(min=1), default=1, help="How many work on this machine at once.")
@json_option
def class_check(students: int, as_json: bool) -> None:
    """Check that a class can begin on this machine, and run the whole story once.

    Versions, disk, memory, ports, clock, proxy; the exit code is 1 if something is wrong.
    """
    from labkit.lab import open_lab
    from labkit.run.class_check import check_class, needs

    done = check_class(open_lab("local"), students=students, say=lambda words: say(words, err=True))
    report(done, as_json=as_json)
    if not as_json:
        say(f"\n{needs(max(students, WHOLE_CLASS))}")
    if not done.passed:
        sys.exit(1)


COMMANDS = (run, start, students, hand_in, grade, class_)
