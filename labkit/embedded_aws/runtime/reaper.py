"""Sees to it that nothing outlives the server, not even when the server is killed with signal 9.

A small process of its own holds the other end of a pipe. The server tells it which environments run; when the
pipe closes, for whatever reason, it ends those that are left and removes the server's folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path


class Reaper:
    """The server's end of the pipe. A reaper that dies is replaced."""

    def __init__(self, folder: Path) -> None:
        """Start the process; `folder` is what it removes in the end."""
        self._folder = folder
        self._watched: set[int] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own script
            [sys.executable, "-S", "-E", __file__, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """Take the process group `pid` into care."""
        with self._lock:
            self._watched.add(pid)
            self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """The process group has ended."""
        with self._lock:
            self._watched.discard(pid)
            self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self._closed:
            return  # the folder is being cleared up, and all that runs in it
        try:
            self._write(line)
        except OSError:
            self._replace()

    def look(self) -> None:
        """Replace a reaper that has died: what it was told last may have been lost with it."""
        with self._lock:
            if not self._closed and self._process.poll() is not None:
                with contextlib.suppress(OSError):  # then the next look does it
                    self._replace()

    def _replace(self) -> None:
        self._process.wait()
        self._start()
        self._write("".join(f"+{pid}\n" for pid in self._watched))

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """Let the reaper do its work: it ends what is left, removes the folder, and goes."""
        with self._lock:
            self._closed = True
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()


def main(folder: str) -> None:
    """Remember who runs until the pipe closes, then clear up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    running: set[int] = set()
    for line in sys.stdin.buffer:
        pid = int(line[1:])
        (running.add if line.startswith(b"+") else running.discard)(pid)
    for pid in running:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    remove_folder(folder)


def remove_folder(folder: str | Path) -> None:
    """Remove a server's folder as far as that goes; unpacked code in it is read-only, and so are its folders."""
    for parent, folders, _ in os.walk(folder):
        for path in (os.path.join(parent, name) for name in folders):
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
