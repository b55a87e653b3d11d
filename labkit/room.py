"""The lab's room: a working copy of the workbook, in which a student's outputs stay when the workbook moves on.

Its root holds all that the notebooks link to. What was laid out is remembered by its hash: a file that still is as it
was laid out follows the workbook, one that was changed is the student's.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from labkit.errors import LabError, file_errors, write_file
from labkit.lab import find_workspace
from labkit.result import Result, counted, plain
from labkit.workbook import WORKBOOK

HELD = ("notebooks", "lambda_packages", "docs")  # all that the notebooks link to
KINDS = {".ipynb", ".py", ".md", ".svg", ".png"}
NOT_HELD = {"site", ".ipynb_checkpoints", "__pycache__", "my-functions", "my-photos"}
OWN_FUNCTIONS = "my-functions"  # where the functions that a student writes are kept, so that the page can open them
RECORD = ".workbook.json"  # what was laid out: each file's hash
FIRST = "notebooks/00_check_your_lab.ipynb"
CONFIG = Path(__file__).with_name("jupyter")
# JupyterLab keeps its layout under this name, made of the workspace's: the table of contents is open at the left.
WORKSPACE_FILE = "default-37a8.jupyterlab-workspace"
CONTENTS = "@jupyterlab/toc:plugin"
WORKSPACE = {
    "data": {
        "layout-restorer:data": {
            "left": {
                "collapsed": False,
                "current": CONTENTS,
                "visible": True,
                "widgets": ["filebrowser", "running-sessions", CONTENTS, "extensionmanager.main-view"],
            },
            "relativeSizes": [0.22, 0.78, 0],
        }
    },
    "metadata": {"id": "default"},
}


@dataclass(frozen=True)
class Room(Result):
    """What was laid out, and what was left alone since it is not as it was laid out."""

    folder: Path
    workspace: Path  # whose lab the notebooks in it find
    new: tuple[str, ...]
    updated: tuple[str, ...]
    kept: tuple[str, ...]  # the student's, of which the workbook has a newer one

    def sentence(self) -> str:
        """How many files are new, how many follow the workbook, how many stay as the student left them."""
        if not self.new and not self.updated and not self.kept:
            return f"The workbook in {self.folder} is up to date."
        said = [f"{counted(len(self.new), 'file')} new" if self.new else ""]
        said += [f"{counted(len(self.updated), 'file')} brought up to date" if self.updated else ""]
        said += [f"{counted(len(self.kept), 'file')} of yours left alone" if self.kept else ""]
        return f"The workbook is in {self.folder}: {', '.join(filter(None, said))}."

    def headers(self) -> Sequence[str]:
        return ("left alone", "why")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row for each file that has a newer version which was not taken."""
        return [(name, "you changed it, and there is a newer one: rename yours to get that, too") for name in self.kept]

    def as_data(self) -> dict[str, Any]:
        """Folder, workspace, and the names of the files."""
        data: dict[str, Any] = plain(self)
        return data


def lay_out(folder: str | Path, *, source: Path = WORKBOOK) -> Room:
    """Lay the workbook out in a folder, or bring the one that is there up to date.

    A file that a person changed, or that was there before, is left alone; one that was taken away comes back. Inside
    another workspace, such as the project's folder, the notebooks find that one's lab; elsewhere the folder is a
    workspace. Raises LabError if this installation has no notebooks, or the folder cannot be written.
    """
    folder = Path(folder).absolute()
    if not (source / FIRST).is_file():
        raise LabError(
            f"There are no notebooks in {source}.",
            where="laying out the workbook",
            hint="Work in a clone of the project: `make notebooks` there does the same.",
            code="not-there",
        )
    new: list[str] = []
    updated: list[str] = []
    kept: list[str] = []
    with file_errors(f"laying out the workbook in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        before, laid = _recorded(folder), dict[str, str]()
        for path in _held(source):
            name = path.relative_to(source).as_posix()
            content, target = path.read_bytes(), folder / name
            laid[name] = _hash(content)
            if not target.exists():
                new.append(name)
            elif (there := _hash(target.read_bytes())) == laid[name]:
                continue
            elif there == before.get(name):
                updated.append(name)
            else:
                if before.get(name) != laid[name]:
                    kept.append(name)
                laid[name] = before.get(name, "")  # what is the student's stays so
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        write_file(folder / RECORD, json.dumps(laid, indent=1) + "\n", "remembering what was laid out in")
        workspace = find_workspace(folder)
        (workspace / OWN_FUNCTIONS).mkdir(exist_ok=True)
        if workspace == folder:
            (folder / ".labkit").mkdir(exist_ok=True)
        elif not (own := folder / OWN_FUNCTIONS).is_symlink() and not own.exists():
            own.symlink_to(os.path.relpath(workspace.resolve() / OWN_FUNCTIONS, folder.resolve()))
    return Room(folder, workspace, tuple(new), tuple(updated), tuple(kept))


def open_jupyterlab(folder: str | Path, *, hub: bool = False) -> NoReturn:
    """Become JupyterLab, with the room as its root, at the first notebook; on a JupyterHub, a user's server."""
    folder = Path(folder).absolute()
    if hub:
        with file_errors(f"keeping others out of {folder}"):
            folder.chmod(0o700)  # on many systems a home can be read by all who have one
    os.execve(sys.executable, command(folder, hub=hub), {**os.environ, **variables(folder)})  # noqa: S606


def command(folder: Path, *, hub: bool = False) -> list[str]:
    """The command that starts JupyterLab in a room. On a hub, JupyterHub says in variables where it listens."""
    options = (f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{FIRST}")
    return [sys.executable, "-m", "jupyterhub.singleuser" if hub else "jupyterlab", *options]


def variables(folder: Path) -> dict[str, str]:
    """What JupyterLab finds in its environment: only this Python's kernel, the room's settings and its layout.

    https://jupyterlab.readthedocs.io/en/stable/user/directories.html
    """
    layouts = folder / ".jupyter" / "workspaces"
    with file_errors("laying out JupyterLab"):
        layouts.mkdir(parents=True, exist_ok=True)
        if not (layouts / WORKSPACE_FILE).exists():
            write_file(layouts / WORKSPACE_FILE, json.dumps(WORKSPACE), "laying out JupyterLab")
    settings = [str(CONFIG), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return {
        "JUPYTER_PATH": "",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_CONFIG_PATH": os.pathsep.join(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(layouts),
    }


def _held(source: Path) -> Iterator[Path]:
    for name in HELD:
        for path in sorted((source / name).rglob("*")):
            inside = path.relative_to(source).parts
            if path.is_file() and path.suffix in KINDS and not NOT_HELD.intersection(inside):
                yield path


def _recorded(folder: Path) -> dict[str, str]:
    try:
        recorded = json.loads((folder / RECORD).read_text("utf-8"))
    except (FileNotFoundError, ValueError):  # nothing laid out yet; or spoilt, and then all that differs is kept
        return {}
    return recorded if isinstance(recorded, dict) else {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
