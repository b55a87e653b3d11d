"""Waiting is asking until it is so: most of these services have no waiters of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from labkit.errors import WaitedTooLong, WaitInterrupted
from labkit.progress import WaitingBar

Answer = TypeVar("Answer")


def wait_until(
    ask: Callable[[], Answer | None],
    *,
    what: str,
    seen: Callable[[], str] | None = None,
    seconds: float,
    hint: str | None = None,
    first_pause: float = 0.02,
    longest_pause: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Ask until the answer is true, and return it.

    The pause between two questions grows by a third each time, up to `longest_pause` seconds. Raises WaitedTooLong
    after `seconds`; `what` completes the sentence "Waited 30 s for ...". A wait of more than a second shows a bar with
    what was `seen` so far, if that is given. An interrupt becomes a WaitInterrupted, which says how far the wait was.
    Clock and sleep are given by tests.
    """
    started, pause, bar = clock(), first_pause, WaitingBar(what, seconds)
    try:
        while not (answer := ask()):
            waited = clock() - started
            if waited >= seconds:
                raise WaitedTooLong(f"Waited {seconds:.0f} s for {what}.", hint=hint)
            bar.waited(waited, seen() if seen else "")
            sleep(pause)
            pause = min(pause * 1.3, longest_pause)
    except KeyboardInterrupt as interrupt:
        so_far = f" So far: {seen()}." if seen else ""
        said = (
            f"Interrupted after {clock() - started:.0f} s of waiting for {what}.{so_far} What was begun goes on in AWS."
        )
        raise WaitInterrupted(said) from interrupt
    finally:
        bar.close()
    return answer
