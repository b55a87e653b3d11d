"""The kernels of a headless run: of this very Python, one for each notebook, each started before its turn."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Empty
from typing import IO, Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from labkit.interrupts import held_back
from labkit.run.forks import AVAILABLE, PROVISIONER, WARM_UP, ForkServer
from labkit.run.parameters import names_imported
from labkit.run.remains import KERNELS_VARIABLE

KERNEL_ANSWERS_WITHIN_S = 60


class _OwnKernelSpec(KernelSpecManager):
    """Only ever the Python that runs labkit, whatever kernels the user has installed under the name `python3`."""

    def __init__(self, names: Iterable[str]) -> None:
        """With what the notebook has from labkit."""
        super().__init__()
        self._names = " ".join(names)

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
        # The history of a run is in its notebooks; IPython's own would go to the user's home.
        arguments = ["-f", "{connection_file}", "--HistoryManager.enabled=False"]
        named: dict[str, Any] = {"display_name": "Python 3", "language": "python"}
        if AVAILABLE:
            return KernelSpec(
                argv=arguments, metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER}}, **named
            )
        code = f"{WARM_UP}\nwarm_up(sys.argv.pop())\nlaunch_new_instance()"
        return KernelSpec(argv=[sys.executable, "-c", code, *arguments, self._names], **named)


class Client(AsyncKernelClient):
    """A client that is ready as soon as its kernel is, and not another 0.2 s later."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Ask until the kernel has answered on both channels. Raises RuntimeError if it dies or takes too long.

        What it says beyond that belongs to no cell, and nbclient takes no notice of it.
        """
        end = time.monotonic() + (timeout or KERNEL_ANSWERS_WITHIN_S)
        while True:
            self.kernel_info()
            with suppress(Empty):
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=0.2)
                return
            if not await self.is_alive():
                raise RuntimeError("The kernel died before it was ready.")
            if time.monotonic() > end:
                raise RuntimeError("The kernel did not answer in time.")


class Kernel(AsyncKernelManager):
    """A kernel that can be ended together with the client that papermill made for it."""

    server: ForkServer | None = None
    _made: Any = None

    def client(self, **settings: Any) -> Any:
        """A client, as of any kernel manager; the last one made is remembered."""
        self._made = super().client(**settings)
        return self._made

    async def end(self) -> None:
        """End the kernel at once, with what its cells have started: nothing in it is wanted any more."""
        if self._made is not None:
            self._made.stop_channels()
        await self.shutdown_kernel(now=True)


class Kernels:
    """One kernel after the other for these notebooks."""

    def __init__(self, notebooks: Sequence[Path], environment: Mapping[str, str], place: Path, log: IO[bytes]) -> None:
        self._to_start = deque(enumerate(notebooks))
        self._ready: deque[Kernel] = deque()
        self._running: list[Kernel] = []
        self._place, self._log = place, log
        # Start-up files in the user's own ~/.ipython have no place in a run; numpy's threads take longer to start than
        # anything here takes to reckon; that breakpoints may be missed is nothing to complain of where nobody sets any.
        self._environment = {
            **environment,
            KERNELS_VARIABLE: str(place / "ipython"),
            "OPENBLAS_NUM_THREADS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        self._names = {path: names_imported(path) for path in notebooks}
        names = list(self._names.values())
        first, later = chain(*names[:1]), sorted(set(chain(*names[1:])))
        self._server = ForkServer(self._environment, log, first, later) if AVAILABLE else None

    async def start_ahead(self) -> None:
        """Start one more, if there is a notebook left for it; it comes up by itself."""
        if not self._to_start:
            return
        number, path = self._to_start.popleft()
        kernel = Kernel(
            client_factory=Client,
            kernel_name="python3",
            kernel_spec_manager=_OwnKernelSpec(self._names[path]),
            transport="ipc",  # sockets in a private folder: no port to race for, nobody to listen
            connection_file=str(self._place / f"{number}.json"),
        )
        kernel.server = self._server
        with held_back():
            await kernel.start_kernel(env=self._environment, cwd=str(path.parent), stdout=self._log, stderr=self._log)
            self._running.append(kernel)
            self._ready.append(kernel)

    def next(self) -> Kernel:
        """The kernel for the next notebook."""
        if not self._ready:
            run_sync(self.start_ahead)()
        return self._ready.popleft()

    def end(self, kernel: Kernel) -> None:
        """End one of them."""
        with held_back():
            run_sync(_drop_tasks)()
            self._running.remove(kernel)
            run_sync(kernel.end)()

    def end_all(self) -> None:
        """End all that still run."""
        for kernel in list(self._running):
            self.end(kernel)
        if self._server:
            self._server.close()


async def _drop_tasks() -> None:
    """An interrupt leaves papermill's client in mid-question; its tasks are ended before the kernel is."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def kernels_for(notebooks: Sequence[Path], environment: Mapping[str, str], place: Path, log: Path) -> Iterator[Kernels]:
    """Kernels for these notebooks, the first already on its way; all gone when the block ends.

    Their sockets lie in `place`. What they say beside their notebooks goes into `log`, if they say anything.
    """
    own_log = place / log.name
    with own_log.open("wb") as said:
        kernels = Kernels(notebooks, environment, place, said)
        try:
            if not AVAILABLE:
                run_sync(kernels.start_ahead)()
            yield kernels
        finally:
            with held_back():
                kernels.end_all()
                if own_log.stat().st_size:
                    shutil.move(own_log, log)
