"""What a run needs beside its results: gone at its end, and after a run that was killed, gone with the next one.

Each run has a folder of its own in the system's temporary directory, where paths are short enough for sockets. The run
holds a lock in it as long as it lives, and the system lets go of that lock however the run ends: what nobody holds is
left of a run that was killed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from labkit import embedded_aws
from labkit.connection import LOCAL_FOLDER
from labkit.errors import LabError, file_errors
from labkit.interrupts import held_back

PREFIX = "labkit-run-"
WORKSPACE = "workspace"  # the file in a run's folder that names the workspace to remove with it
MARK = Path(".labkit") / "run"  # and the file in that workspace which names the folder: only a pair is believed
LONGEST_PLACE = 70  # bytes: a socket's path may have 103 (macOS; Linux: 107), of which ours takes up to 33
KERNELS_VARIABLE = "IPYTHONDIR"  # in kernels, and in what their cells start, it leads into the run's folder
END_S = 5


@contextmanager
def own_folder(workspace: Path | None = None, *, keep: bool = False) -> Iterator[Path]:
    """A folder for this run alone, removed when the block ends.

    `workspace` is made for it too, and removed with the AWS embedded in it, unless `keep` says that it stays. What
    killed runs of this user have left is removed first. Raises LabError for what cannot be made.
    """
    with ExitStack() as at_the_end:
        with file_errors("making the run's own folders"):
            _remove_remains()
            with held_back():
                folder, lock = _make_folder()
                at_the_end.callback(_remove_own, folder, lock)
                if workspace is not None:
                    _make_workspace(workspace, None if keep else folder)
        yield folder


def _place() -> Path:
    place = tempfile.gettempdir()
    return Path(place if len(os.fsencode(place)) <= LONGEST_PLACE else "/tmp")  # noqa: S108 - mkdtemp is safe there


def _make_folder() -> tuple[Path, FileLock]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place()))
        lock = FileLock(folder / "lock", blocking=False)
        with suppress(Timeout, FileNotFoundError):  # another run took it for a dead one's: it was not locked yet
            lock.acquire()
            return folder, lock


def _make_workspace(workspace: Path, folder: Path | None) -> None:
    """Make a workspace, to be removed with that folder if there is one; what is only half made by then, too."""
    if folder is not None:
        unfinished = folder / f"{WORKSPACE}.new"
        unfinished.write_bytes(os.fsencode(workspace))
        unfinished.rename(folder / WORKSPACE)  # half a path is another folder's
    try:
        workspace.mkdir(parents=True)
    except FileExistsError as error:
        raise LabError(
            f"{workspace} is there already: another run's lab was kept in it, or is in it now.",
            where="making a workspace for this run",
            hint="Name another folder with --out.",
            code="unusable-path",
        ) from error
    if folder is not None:
        (workspace / MARK).parent.mkdir()
        (workspace / MARK).write_text(folder.name)


def _remove_own(folder: Path, lock: FileLock) -> None:
    with held_back():
        try:
            _remove(folder)
        except embedded_aws.EmbeddedAwsError as error:
            raise LabError(str(error), where="ending the run", code="no-embedded-aws") from error
        finally:
            lock.release()


def _remove_remains() -> None:
    for folder in _place().glob(f"{PREFIX}*"):
        # Its run lives, or another run is just removing it; what this one cannot remove is left to the next.
        with suppress(Timeout, OSError, embedded_aws.EmbeddedAwsError):
            about = folder.lstat()
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid():
                with FileLock(folder / "lock", blocking=False):
                    _end_processes(folder)
                    _remove(folder)


def _end_processes(folder: Path) -> None:
    """End the kernels of a run that was killed, and what their cells have started."""
    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(KERNELS_VARIABLE, "").startswith(f"{folder}{os.sep}"):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=END_S)


def _remove(folder: Path) -> None:
    """Remove a run's folder and its workspace; of the folder around that, nothing but an empty one."""
    with suppress(FileNotFoundError):  # a run that was told to keep its lab, or has it elsewhere
        workspace = Path(os.fsdecode((folder / WORKSPACE).read_bytes()))
        if (run := _run_of(workspace)) is not None and folder.name.startswith(run):
            embedded_aws.stop(workspace / LOCAL_FOLDER)
            _remove_tree(workspace)
        for empty in (workspace / MARK.parent, workspace, workspace.parent):
            with suppress(OSError):  # it is not there, or not empty
                empty.rmdir()
    shutil.rmtree(folder, ignore_errors=True)  # something may still be writing there: then the next run removes it


def _run_of(workspace: Path) -> str | None:
    """The run that a workspace is to be removed with, as it says itself; None if it does not, or is not there.

    On a full disk, and where a run was killed in that very moment, it is the beginning of a name, or nothing of it.
    """
    try:
        return (workspace / MARK).read_text()
    except OSError:
        return None


def _remove_tree(folder: Path) -> None:
    """Remove it, though the server that has just ended there may be removing some of it at the same time."""
    while folder.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
