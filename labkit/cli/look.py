"""The subcommands that look, and change nothing: check, doctor, trace, logs, cost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from labkit.cli.options import json_option, lab_options, opened, report
from labkit.errors import LabError
from labkit.terminal import say, say_json

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.result import Checks


@click.command()
@click.argument("step", required=False)
@json_option
@lab_options
def check(step: str | None, as_json: bool, **at: Any) -> None:
    """Check the configuration of what was made.

    STEP is a number or a name (topic, queues, notification, functions, results); without it, all are checked.
    Changes nothing. The exit code is 1 if a check fails.
    """
    all_checks = _all_checks(step, opened(at))
    if as_json:
        say_json([checks.as_data() for checks in all_checks])
    else:
        for number, checks in enumerate(all_checks):
            if number:
                say()
            say(checks)
    if not all(checks.passed for checks in all_checks):
        sys.exit(1)


def _all_checks(step: str | None, lab: Lab) -> list[Checks]:
    import labkit
    from labkit.steps.validate import uploaded_photos

    steps: dict[tuple[str, str], Callable[[], list[Checks]]] = {
        ("1", "topic"): lambda: [labkit.check_topic(lab)],
        ("2", "queues"): lambda: [labkit.check_queues(lab), labkit.check_alarms(lab)],
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


@click.command()
@click.argument("key", required=False)
@json_option
@lab_options
def doctor(key: str | None, as_json: bool, **at: Any) -> None:
    """Walk the way of a photo, and name what is broken.

    Of the photo with this KEY (cat.jpg means ingest/cat.jpg), or of any. The exit code is 1 if something is broken.
    """
    from labkit.insight.doctor import doctor as examine

    found = examine(opened(at), key)
    report(found, as_json=as_json)
    if found.first and found.first.call and not as_json:
        say(f"\nIn Python, this fixes the first of it:\n  {found.first.call}")
    if not found.healthy:
        sys.exit(1)


@click.command()
@click.argument("key")
@json_option
@lab_options
def trace(key: str, as_json: bool, **at: Any) -> None:
    """Show when a photo was where, up to its three results."""
    from labkit.insight.trace import trace as follow

    report(follow(opened(at), key), as_json=as_json)


@click.command()
@click.argument("function")
@click.option("--since", help="Only what is newer than so long ago, such as 5m, 2h, 1d.")
@click.option("--lines", is_flag=True, help="The lines themselves, not a table of the invocations.")
@json_option
@lab_options
def logs(function: str, since: str | None, lines: bool, as_json: bool, **at: Any) -> None:
    """Show what a function (such as CreateThumbnail) has logged."""
    from labkit.insight.logs import read_logs
    from labkit.result import plain

    found = read_logs(opened(at), function, since=since)
    if as_json:
        say_json(found.as_data() | ({"lines": plain(found.lines)} if lines else {}))
    elif lines:
        for line in found.lines:
            say(f"{line.time:%H:%M:%S.%f}  {line.text.rstrip()}")
    else:
        say(found)


@click.command()
@json_option
@lab_options
def cost(as_json: bool, **at: Any) -> None:
    """Show what the lab has used, and what it costs.

    Also what it costs a day if it is left running.
    """
    from labkit.insight.cost import cost as work_out

    report(work_out(opened(at)), as_json=as_json)


COMMANDS = (check, doctor, trace, logs, cost)
