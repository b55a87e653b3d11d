"""Who makes what is being made: a student's cell, a program, a run without a reader, or `catch_up`.

The journal writes it into each line, so that marks can tell the work that was done from the work that was saved.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from labkit.progress import HEADLESS

CELL, PROGRAM, RUN, CATCH_UP = "cell", "program", "run", "catch_up"
MAKERS = frozenset({CELL, PROGRAM, RUN, CATCH_UP})

_named: ContextVar[str] = ContextVar("maker", default="")


def maker() -> str:
    """Who is at work now: what a block has named, else how this process was started."""
    if named := _named.get():
        return named
    if os.environ.get(HEADLESS):
        return RUN
    return CELL if "ipykernel" in sys.modules else PROGRAM


@contextmanager
def made_by(name: str) -> Iterator[None]:
    """Around calls that make things: `name` is who makes them, also in what they call."""
    token = _named.set(name)
    try:
        yield
    finally:
        _named.reset(token)
