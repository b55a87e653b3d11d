"""The group of all subcommands: whatever goes wrong in one of them ends here."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from labkit.errors import FULL, LabError, file_error
from labkit.terminal import say, say_json


class Labkit(click.Group):
    """A command whose mistakes and interrupts are told in a sentence, with an exit code and without a traceback."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **settings: Any) -> NoReturn:
        """Run the command and end the process, as click does; an interrupt is handed on to whoever called."""
        words = sys.argv[1:] if args is None else args
        try:
            code = super().main(args, *others, **{**settings, "standalone_mode": False}) or 0
        except click.ClickException as error:
            told = io.StringIO()
            error.show(told)
            say(told.getvalue(), err=True, end="")
            code = error.exit_code
        except click.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            say("Nothing was done.", err=True)
            code = 1
        except LabError as error:
            _tell(error, as_json="--json" in words)
            code = 1
        except OSError as error:
            if error.filename is None and error.errno not in FULL:  # not about a file or folder that was named
                raise
            _tell(file_error(error), as_json="--json" in words)
            code = 1
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interrupt becomes what click makes of one at a prompt."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None


def _tell(error: LabError, *, as_json: bool) -> None:
    """Say what went wrong on the error stream; to a program also, as JSON, where it reads."""
    if as_json:
        say_json({"error": error.as_data()})
    say(error, err=True)
