"""Twenty minutes before a class, as one check: will this machine carry it, and does the whole story run?"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import getproxies, proxy_bypass

import psutil

from labkit.lab import Lab
from labkit.result import Check, Checks, counted
from labkit.run.runner import find_notebooks, run_lab
from labkit.steps.environment import check_environment
from labkit.workbook import notebooks_of

# docs/class-server.md has the figures, and says which are measured and which are not.
MB_A_STUDENT = 520  # measured: eight at once on a real JupyterHub, all that each of them starts
STUDENTS_A_CORE = 4  # measured: eight at once on two cores; how many more would do is an estimate
DISK_MB_A_STUDENT = 200  # an estimate: the embedded AWS's records, executed notebooks, photos
MB = 2**20
LOOPBACK = "127.0.0.1"


def check_class(lab: Lab, *, students: int = 1, say: Callable[[str], None] = lambda _: None) -> Checks:
    """Look at this machine and run all numbered notebooks once, on an embedded AWS of its own that is gone afterwards.

    `students` is how many will work on this machine at once: 1 where each has a machine, more on a server. `say` hears
    how the run goes on. Changes nothing else.
    """
    asked = check_environment(lab).checks
    services = [line for line in asked[4:] if not line.passed]
    lines = [*asked[:4], *services, *_room_for(lab, students), _port(), _proxy(), _run(lab, say)]
    title = f"this machine, for {counted(students, 'student')} at once"
    return Checks(title, tuple(lines))


def needs(students: int) -> str:
    """What a server needs for so many students, in words."""
    memory, cores = students * MB_A_STUDENT / 1024, -(-students // STUDENTS_A_CORE)
    disk = students * DISK_MB_A_STUDENT / 1024
    return (
        f"One server for {counted(students, 'student')} at once needs {memory:.0f} GB of memory beside its system's "
        f"own, {counted(cores, 'core')} and {disk:.0f} GB of disk; docs/class-server.md says how it is set up."
    )


def _room_for(lab: Lab, students: int) -> Iterator[Check]:
    memory, wanted = psutil.virtual_memory().available // MB, students * MB_A_STUDENT
    hint = "Close what is not needed, take a larger machine, or let fewer work on it at once."
    yield Check("memory", memory >= wanted, f"{wanted:,} MB free", f"{memory:,} MB", hint)
    cores, busy = os.cpu_count() or 1, -(-students // STUDENTS_A_CORE)
    yield Check("cores", cores >= busy, f"{busy} or more", str(cores), "With fewer, cells wait for each other.")
    free, room = psutil.disk_usage(str(lab.workspace)).free // MB, students * DISK_MB_A_STUDENT
    yield Check("disk for all", free >= room, f"{room:,} MB free", f"{free:,} MB", "Free some space.")


def _port() -> Check:
    """JupyterLab and each embedded AWS listen on a free port of the loopback, and nowhere else."""
    wanted, hint = (
        f"a free one on {LOOPBACK}",
        "Does a firewall or a sandbox forbid programs to listen on the loopback?",
    )
    try:
        with socket.socket() as listening, socket.socket() as calling:
            listening.bind((LOOPBACK, 0))
            listening.listen()
            calling.settimeout(5)
            calling.connect(listening.getsockname())
    except OSError as error:
        return Check("ports", False, wanted, str(error.strerror or error), hint)
    return Check("ports", True, wanted, wanted)


def _proxy() -> Check:
    """A proxy that is asked for 127.0.0.1 knows nothing of this machine's own servers."""
    proxies = {name: url for name, url in getproxies().items() if name in ("http", "https", "all")}
    asked = bool(proxies) and not proxy_bypass(LOOPBACK)
    found = (
        "none" if not proxies else f"{', '.join(sorted(proxies))}; {LOOPBACK} goes {'to it' if asked else 'past it'}"
    )
    hint = "export NO_PROXY=127.0.0.1,localhost, for all students."
    return Check("proxy", not asked, f"none, or one that {LOOPBACK} goes past", found, hint)


def _run(lab: Lab, say: Callable[[str], None]) -> Check:
    with TemporaryDirectory() as folder:
        paths = find_notebooks(notebooks_of(lab.workspace))
        done = run_lab(paths, folder=Path(folder) / "run", say=say, where="local")
    failed = done.failed
    why = f"{failed.name} failed" if failed else f"{len(done.notebooks)} notebooks in {done.seconds:.0f} s"
    hint = "`labkit run` runs them again, and leaves a report that says where."
    return Check("a whole run", failed is None and not done.interrupted, "all notebooks pass", why, hint)
