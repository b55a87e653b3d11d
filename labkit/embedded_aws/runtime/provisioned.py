"""Provisioned concurrency: environments of one version that are started before anybody asks, and stay.

https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from labkit.embedded_aws.runtime.environment import Environment, InitFailed


class Provision:
    """The environments of one version: so many are wanted, some wait for an event, some have one."""

    def __init__(
        self,
        function_name: str,
        wanted: int,
        start: Callable[[], Environment],
        discard: Callable[[Environment], None],
    ) -> None:
        """Begin to start environments, in a thread; `start` raises InitFailed."""
        self.function_name = function_name
        self.wanted = wanted
        self.busy = 0
        self._start = start
        self._discard = discard
        self._idle: list[Environment] = []
        self._failed = False
        self._over = False
        self._lock = threading.Lock()
        self._fill()

    @property
    def allocated(self) -> int:
        """How many environments there are, idle or at work."""
        return len(self._idle) + self.busy

    @property
    def has_room(self) -> bool:
        """Whether an event could have an environment now."""
        return bool(self._idle)

    @property
    def status(self) -> str:
        """IN_PROGRESS, READY or FAILED, as AWS says."""
        if self._failed:
            return "FAILED"
        return "READY" if self.allocated >= self.wanted else "IN_PROGRESS"

    def take(self) -> Environment | None:
        """Return an environment for one event, None when all are at work; one that has died is replaced."""
        with self._lock:
            dead = [environment for environment in self._idle if not environment.alive]
            self._idle = [environment for environment in self._idle if environment not in dead]
            taken = self._idle.pop() if self._idle else None
            self.busy += taken is not None
        for environment in dead:
            self._discard(environment)
            self._fill()
        return taken

    def give_back(self, environment: Environment) -> None:
        """Take an environment back after its event; one that has died is replaced."""
        with self._lock:
            self.busy -= 1
            keeps = environment.alive and not self._over
            if keeps:
                self._idle.append(environment)
        if not keeps:
            self._discard(environment)
            self._fill()

    def end(self) -> None:
        """End the environments: idle ones now, the others after their events."""
        with self._lock:
            self._over = True
            idle, self._idle = self._idle, []
        for environment in idle:
            self._discard(environment)

    def _fill(self) -> None:
        threading.Thread(target=self._start_missing, name="provision", daemon=True).start()

    def _start_missing(self) -> None:
        while not self._over and self.allocated < self.wanted:
            try:
                environment = self._start()
            except InitFailed:  # its log says why
                self._failed = True
                return
            with self._lock:
                keeps = not self._over and self.allocated < self.wanted
                if keeps:
                    self._idle.append(environment)
            if not keeps:
                self._discard(environment)
