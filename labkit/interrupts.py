"""Ctrl-C, being ended (SIGTERM) and a closed terminal (SIGHUP) are one thing to the lab: an interrupt.

It arrives as KeyboardInterrupt, so that whatever is under way clears up behind itself.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # the exit code that shells give after Ctrl-C
AGAIN_S = 0.05


def listen() -> None:
    """From now on each of the signals raises KeyboardInterrupt in the main thread."""
    for number in _heeded():
        signal.signal(number, _interrupt)
    sys.unraisablehook = _raise_again


def go_deaf() -> None:
    """From now on none of the signals does anything: what is left to do takes a moment and is not to be cut short."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[None]:
    """A signal that comes during the block takes effect at its end: what must not be half done goes inside.

    Outside the main thread, which no signal interrupts, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _heeded() -> list[signal.Signals]:
    """Those that whoever started this process has not told it to ignore, as nohup does."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


def _raise_again(lost: UnraisableHookArgs) -> None:
    """Python drops what is raised while an object is taken away, an interrupt too: that one is sent once more."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        main = threading.main_thread().ident or 0
        threading.Timer(AGAIN_S, signal.pthread_kill, [main, signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(lost)
