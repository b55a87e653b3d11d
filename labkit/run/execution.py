"""One notebook under papermill: executed, saved whatever happens, and judged by its errors and checks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import papermill_engines

from labkit.errors import write_file
from labkit.interrupts import held_back
from labkit.progress import Bar
from labkit.result import CHECKS_MIME, plain
from labkit.run.kernels import Kernels

KERNEL_START_TIMEOUT_S = 60
ALLOWED_ERROR_TAG = "raises-exception"  # nbclient's own: this cell shows an error on purpose
EXPECTED_FAILURE_TAG = "expect-failure"  # ours: this cell shows a check that fails, on purpose


@dataclass(frozen=True)
class Failure:
    """What went wrong in a notebook, and in which cell."""

    cell: int  # as Jupyter counts code cells: In [cell]
    source: str  # that cell's first line
    error: str  # the error's name
    message: str  # the error's words, often several lines

    def __str__(self) -> str:
        return f"cell {self.cell} `{self.source}`: {self.error}: {self.message.partition(chr(10))[0]}"


@dataclass(frozen=True)
class NotebookRun:
    """One executed notebook."""

    name: str
    source: Path
    copy: Path  # the executed one
    notebook: nbformat.NotebookNode = field(repr=False)
    seconds: float
    checks_made: int
    checks_passed: int
    failure: Failure | None = None
    interrupted: bool = False

    def as_data(self) -> dict[str, Any]:
        """How it went, as plain data."""
        data = {"name": self.name, "copy": self.copy, "seconds": self.seconds, "failure": self.failure}
        checks = {"checks_made": self.checks_made, "checks_passed": self.checks_passed}
        return {**plain(data), "passed": self.failure is None and not self.interrupted, **checks}


class _Position:
    """Where the execution of a notebook is, as papermill's client tells it, and what happens there."""

    def __init__(self, name: str, cells: int, kernels: Kernels, bar: Bar) -> None:
        self.name, self.half, self.kernels, self.bar = name, cells // 2, kernels, bar
        self.cell: int | None = None

    async def on_cell_start(self, cell: nbformat.NotebookNode, cell_index: int) -> None:  # noqa: ARG002
        """Move the bar on, and remember the cell in case it never comes back. Half-way, the next kernel starts."""
        self.cell = cell_index
        self.bar.move(self.bar.done + 1, f"{self.name}, cell {cell_index + 1}")
        if cell_index == self.half:
            await self.kernels.start_ahead()


def execute(
    path: Path, copy: Path, kernels: Kernels, parameters: dict[str, Any], *, cell_timeout: float, bar: Bar
) -> NotebookRun:
    """Execute the notebook at `path` with these parameters, and write what came of it to `copy`.

    `cell_timeout` is in seconds; `bar` is moved on by one for each cell.
    """
    clock = time.monotonic()
    notebook = papermill.execute_notebook(
        str(path), None, parameters, prepare_only=True, kernel_name="python3", language="python"
    )
    position, interrupted = _Position(path.stem, len(notebook.cells), kernels, bar), False
    kernel = kernels.next()
    try:
        papermill_engines.execute_notebook_with_engine(
            None,
            notebook,
            "python3",
            km=kernel,
            progress_bar=False,
            autosave_cell_every=0,
            start_timeout=KERNEL_START_TIMEOUT_S,
            execution_timeout=cell_timeout,
            on_cell_start=position.on_cell_start,
        )
    except CellTimeoutError:
        _note_error(notebook, position.cell, "TimeoutError", f"the cell took longer than {cell_timeout:g} s")
    except DeadKernelError:
        _note_error(notebook, position.cell, "DeadKernelError", "the kernel died; kernels.log may say why")
    except RuntimeError as error:  # jupyter_client's way to say that a kernel never answered
        _note_error(notebook, position.cell, "RuntimeError", str(error))
    except KeyboardInterrupt:
        interrupted = True
        _note_error(notebook, position.cell, "KeyboardInterrupt", "the run was interrupted")
    finally:
        try:
            with held_back():
                kernels.end(kernel)
                # nbformat.write would refuse what is no UTF-8; spelt out, it is JSON's own way to write it.
                write_file(copy, f"{nbformat.writes(notebook)}\n", "saving the executed notebook")
        except KeyboardInterrupt:  # it is done and saved; what is left is to say so
            interrupted = True
    outcomes = [
        check["passed"]
        for cell in notebook.cells
        if EXPECTED_FAILURE_TAG not in cell.metadata.tags
        for output in cell.get("outputs", ())
        for check in _checks(output)
    ]
    return NotebookRun(
        name=path.stem,
        source=path,
        copy=copy,
        notebook=notebook,
        seconds=time.monotonic() - clock,
        checks_made=len(outcomes),
        checks_passed=sum(outcomes),
        failure=_first_failure(notebook),
        interrupted=interrupted,
    )


def _note_error(notebook: nbformat.NotebookNode, index: int | None, name: str, message: str) -> None:
    """Write into the notebook what the kernel could not: an error output in the cell that was running."""
    if index is None:  # not one cell was begun
        index = next(number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    error = nbformat.v4.new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
    notebook.cells[index].outputs.append(error)


def _checks(output: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The lines of the check that an output shows; none if it shows something else."""
    lines: list[dict[str, Any]] = output.get("data", {}).get(CHECKS_MIME, {}).get("checks", [])
    return lines


def _first_failure(notebook: nbformat.NotebookNode) -> Failure | None:
    """The error or the failed check that comes first, unless its cell is tagged to show it."""
    number = 0
    for cell in notebook.cells:
        number += cell.cell_type == "code"
        tags, source = cell.metadata.tags, cell.source.partition("\n")[0]
        for output in cell.get("outputs", ()):
            if output.output_type == "error" and ALLOWED_ERROR_TAG not in tags:
                return Failure(number, source, output.ename, output.evalue)
            for check in _checks(output):
                if not check["passed"] and EXPECTED_FAILURE_TAG not in tags:
                    found = f"{check['subject']}: expected {check['expected']}, found {check['found']}"
                    hint = f"\n  try:      {check['hint']}" if check["hint"] else ""
                    return Failure(number, source, "a check failed", found + hint)
    return None
