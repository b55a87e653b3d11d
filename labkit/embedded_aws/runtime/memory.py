"""How much memory a process uses, at its highest."""

from __future__ import annotations

import os
import sys

import psutil


class _KernelsPeak:
    """Resident memory at its highest, in MB, from the kernel's own book-keeping on Linux."""

    def __init__(self, pid: int) -> None:
        self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> int:
        try:
            status = os.pread(self._status, 4096, 0)
        except ProcessLookupError:
            return 0
        found = status.find(b"VmHWM:")  # a zombie has no memory
        return -(-int(status[found + 6 : status.index(b"kB", found)]) // 1024) if found >= 0 else 0

    def close(self) -> None:
        os.close(self._status)


class _SampledPeak:
    """Resident memory as it is now, in MB: where the kernel keeps no peak, it is the highest sample."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def __call__(self) -> int:
        try:
            return -(-int(self._process.memory_info().rss) // (1024 * 1024))
        except psutil.Error:
            return 0

    def close(self) -> None:
        """Nothing is held open."""


PeakMemory = _KernelsPeak if sys.platform == "linux" else _SampledPeak
