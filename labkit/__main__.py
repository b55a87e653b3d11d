"""The labkit command, from its first moment to its last: also as `python -m labkit`, where scripts cannot start.

(That is in a folder with a space in its name.) It listens for interrupts before it loads anything that takes time.
"""

import sys

from labkit import interrupts

TOLD = "Interrupted before it was done. `labkit status` says what there is; the same command goes on, or begins again."


def main() -> None:
    """Do what the command line says, and end with its exit code; 130 after an interrupt, which is told in one line."""
    try:
        interrupts.listen()
        from labkit.cli import main as labkit

        labkit(prog_name="labkit")
    except KeyboardInterrupt:
        interrupts.go_deaf()
        from labkit.terminal import say

        after = "\n" if sys.stdin and sys.stdin.isatty() else ""  # of the ^C that a terminal shows
        say(f"{after}{TOLD}", err=True)
        sys.exit(interrupts.INTERRUPTED)
    finally:
        interrupts.go_deaf()
        # Where an interrupt came while Python ran code from a string (as for each dataclass), Python would end by the
        # signal, whatever the exit code says; it forgets that when it has run some that ended well.
        exec("")  # noqa: S102


if __name__ == "__main__":
    main()
