"""A fork server for kernels: one Python imports what notebooks import, once, and each kernel is a fork of it.

What the first notebook needs comes first; the rest is imported while that one works. All of it, with matplotlib's first
drawing, takes four times as long as the start of a kernel. Not on macOS, whose own libraries do not survive a fork:
https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint
from typing import IO, Any

import psutil
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from labkit.errors import LabError
from labkit.run.remains import KERNELS_VARIABLE

AVAILABLE = sys.platform != "darwin"
END_S = 5
# What is imported stays: the garbage collector need not look at it, then or later. Temporary files go into the run's
# own folder: a kernel ends before it could remove them.
WARM_UP = f"""
import gc
gc.disable()
import io
import os
import sys
import tempfile
tempfile.tempdir = os.path.dirname(os.environ["{KERNELS_VARIABLE}"])
import ipykernel.debugger  # each kernel looks it up, and it takes longer than all else of ipykernel
import labkit
from ipykernel.kernelapp import launch_new_instance
def warm_up(names):
    gc.disable()
    before = set(sys.modules)
    for name in names.split():
        getattr(labkit, name, None)  # its cell will say that there is no such name
    new = sys.modules.keys() - before
    if "boto3" in new:
        from labkit.connection import load_models
        from labkit.embedded_aws import start
        load_models()
    if "matplotlib" in new:
        from matplotlib.figure import Figure
        figure = Figure()
        figure.text(0, 0, "fonts", weight="bold")
        figure.savefig(io.BytesIO())
    gc.freeze()
    gc.enable()
"""
# A kernel ends when the process that it takes for its parent does, and the server when nobody can ask it any more.
SERVER = f"""
import os
os.environ["JPY_PARENT_PID"] = str(os.getpid())
{WARM_UP}
import json
import signal
later = sys.argv.pop()
warm_up(sys.argv.pop())
def see_it_ended(*_):
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return
signal.signal(signal.SIGCHLD, see_it_ended)
while line := sys.stdin.buffer.readline():
    if pid := os.fork():
        print(pid, flush=True)
        warm_up(later)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    asked = json.loads(line)
    os.chdir(asked["cwd"])
    sys.argv[1:] = asked["arguments"]
    launch_new_instance()
    break
"""


class Fork(psutil.Process):
    """A kernel's process, as far as jupyter_client asks for a `Popen`."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        """None while it runs. Its own exit code is known to the server alone."""
        return None if self.is_running() else 1

    def send_signal(self, sig: int) -> None:
        """Send a signal; to one that is gone, nothing, as `Popen` does."""
        with suppress(psutil.NoSuchProcess):
            super().send_signal(sig)


class ForkServer:
    """The process that kernels are forked from; it starts at once, and is ready a second later."""

    def __init__(
        self, environment: Mapping[str, str], log: IO[bytes], names: Iterable[str] = (), later: Iterable[str] = ()
    ) -> None:
        """`names` are what the first kernel's notebook has from labkit; `later` what others have."""
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", SERVER, " ".join(names), " ".join(later)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the run, which ends its kernels itself
        )

    def fork(self, arguments: list[str], cwd: str) -> Fork:
        """A new kernel. Raises LabError if the server is gone."""
        asked = json.dumps({"arguments": arguments, "cwd": cwd})
        try:
            self._process.stdin.write(f"{asked}\n".encode())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
            return Fork(int(self._process.stdout.readline()))  # type: ignore[union-attr]
        except (OSError, ValueError, psutil.NoSuchProcess) as error:
            raise LabError(
                "The process that kernels are forked from has ended.",
                where="starting a kernel",
                hint="kernels.log, beside the report, may say why.",
            ) from error

    def close(self) -> None:
        """End it. Kernels that still run end with it."""
        try:
            self._process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ForkProvisioner(LocalProvisioner):
    """Starts kernels by a fork server instead of a command; all else is as with any kernel of this machine."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork a kernel; `cmd` is its arguments."""
        self.process = self.parent.server.fork(cmd, kwargs["cwd"])  # type: ignore[union-attr]
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs["cwd"]
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Kill it, and see it gone: jupyter_client looks every 0.1 s only, and the next notebook waits, too."""
        await super().kill(restart)
        if self.pid is not None:
            with suppress(psutil.Error):  # it is gone already, or is not after all that time
                psutil.Process(self.pid).wait(END_S)


PROVISIONER = "labkit-fork"
# As an entry point of the package would register it, and for this process alone.
KernelProvisionerFactory.instance().provisioners[PROVISIONER] = EntryPoint(
    PROVISIONER, f"{__name__}:{ForkProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME
)
