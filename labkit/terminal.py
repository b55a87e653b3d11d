"""What the labkit command writes to a terminal: words, and nothing that would command it."""

from __future__ import annotations

import re
import sys

# Whoever names an object or logs a line can write what a terminal obeys: it would clear the screen, set its title or
# show other words than there are. These are the control characters (line ends and tabs aside), the marks that turn the
# direction of writing, and what is left of a file name that is not UTF-8.
COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text, with each character that could command a terminal spelt out, such as \\x1b."""
    return COMMANDING.sub(lambda found: ascii(found[0])[1:-1], text)


def say(words: object = "", *, err: bool = False, end: str = "\n") -> None:
    """Print to the terminal; with `err` to its error stream. All that the labkit command says goes through here."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # whoever started this closed it
        return
    encoding = stream.encoding or "utf-8"
    text = printable(str(words)).encode(encoding, "backslashreplace").decode(encoding)
    print(text, end=end, file=stream, flush=True)
