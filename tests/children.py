"""The processes that a process has started, looked at while they come and go."""

from __future__ import annotations

import psutil


def children(pid: int, word: str) -> list[psutil.Process]:
    """Those of its children that have the word in their command line; one that has just ended has none any more."""
    return [
        one
        for one in psutil.process_iter(["ppid", "cmdline"])
        if one.info["ppid"] == pid and word in " ".join(one.info["cmdline"] or [])
    ]
