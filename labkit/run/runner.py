"""The headless run: the numbered notebooks in order under papermill, executed copies, and one report.

A run on the embedded AWS has a workspace, and so an AWS and a journal, of its own: it never disturbs a student's.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from labkit import embedded_aws
from labkit.connection import LOCAL_FOLDER
from labkit.errors import LabError
from labkit.lab import PLACES_IN_WORDS, find_workspace, open_lab
from labkit.progress import HEADLESS
from labkit.run.kernels import kernels_for
from labkit.run.labs import kept_labs, left_as_found
from labkit.run.report import Run, write_report

if TYPE_CHECKING:
    from labkit.run.execution import NotebookRun

CELL_TIMEOUT_S = 300  # the slowest cell waits 60 s for results; a first build on a slow network takes minutes
# Triggers take their time to be enabled so that a student sees them do it; here nobody watches.
UNWATCHED = embedded_aws.Settings(mapping_delay_seconds=0.02)
CLEANING_NOTEBOOK = "clean_up"  # the name (without its number) of the notebook that --keep leaves out


def find_notebooks(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """The notebooks to run, in order: those of the story (`0*.ipynb`) in `folder`, or those named.

    A name is a path, a stem (`03_notification`) or the number it begins with (`03`). Raises LabError with what
    there is.
    """
    story = sorted(folder.glob("0*.ipynb"))
    if not names:
        if not story:
            raise LabError(
                f"There are no numbered notebooks in {folder}.",
                where="looking for the notebooks",
                hint="Run labkit in the project's folder, or name the notebooks.",
            )
        return story
    return [_find_notebook(folder, name, story) for name in names]


def _find_notebook(folder: Path, name: str, story: Sequence[Path]) -> Path:
    for path in (Path(name), folder / name, folder / f"{name}.ipynb"):
        if path.is_file():
            return path
    found = [path for path in story if path.stem.startswith(name)]
    if len(found) != 1:
        raise LabError(
            f"There is no notebook {name!r}.",
            where=f"looking in {folder}",
            hint=f"There are {', '.join(path.stem for path in story) or 'none'}.",
        )
    return found[0]


def declared_parameters(path: Path) -> frozenset[str]:
    """The names in the cell of `path` that is tagged `parameters`. Raises LabError if it is not a notebook."""
    return frozenset(
        target.id
        for cell in _cells(path)
        if "parameters" in cell["metadata"].get("tags", ())
        for statement in ast.parse("".join(cell["source"])).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    )


def _cells(path: Path) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells: list[dict[str, Any]] = notebook["cells"]
        if notebook["nbformat"] != 4 or not any(cell["cell_type"] == "code" for cell in cells):
            raise ValueError("no code cells in nbformat 4")
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{path.name} is not a notebook that can be run.",
            where=f"reading {path}",
            hint=f"{type(error).__name__}: {error}",
        ) from error
    return cells


def share_parameters(
    paths: Sequence[Path], parameters: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[Path, dict[str, Any]]:
    """What goes to which notebook: of `parameters` and `options`, those that it declares.

    Raises LabError if one of `parameters`, which a person has named, is declared by none.
    """
    declared = {path: declared_parameters(path) for path in paths}
    known = frozenset[str]().union(*declared.values())
    for name in parameters:
        if name not in known:
            raise LabError(
                f"No notebook declares the parameter {name!r}.",
                where="reading the cells tagged `parameters`",
                hint=f"There are {', '.join(sorted(known)) or 'none'}.",
            )
    wanted = {**options, **parameters}
    return {path: {name: value for name, value in wanted.items() if name in declared[path]} for path in paths}


def run_notebooks(
    paths: Sequence[Path],
    *,
    folder: Path,
    where: str,
    parameters: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    cell_timeout: float = CELL_TIMEOUT_S,
    say: Callable[[str], None] = print,
) -> Run:
    """Execute the notebooks in order until one fails; their copies and the report go into `folder`.

    `where` says in words where the lab runs; `parameters` and `options` go to the notebooks as in `share_parameters`;
    `environment` is added to the kernels' own; `cell_timeout` is in seconds. What goes wrong inside a notebook is in
    the Run that is returned; LabError means that nothing was started.
    """
    shared = share_parameters(paths, parameters or {}, options or {})
    lengths = [len(_cells(path)) for path in paths]
    folder.mkdir(parents=True, exist_ok=True)
    started, clock = datetime.now().astimezone(), time.monotonic()
    done: list[NotebookRun] = []
    with (
        kernels_for(
            [path.parent for path in paths], {**os.environ, **(environment or {})}, folder / "kernels.log"
        ) as kernels,
        tqdm(desc="starting", total=sum(lengths), unit="cell", disable=None, leave=False) as bar,
    ):
        # Imported only now: papermill takes a second, in which the first kernel starts.
        from labkit.run.execution import execute

        for number, path in enumerate(paths):
            bar.n = sum(lengths[:number])
            run = execute(path, folder / path.name, kernels, shared[path], cell_timeout=cell_timeout, bar=bar)
            done.append(run)
            with bar.external_write_mode():
                say(_line(run))
            if run.failure:
                break
    whole = Run(
        where=where,
        started=started,
        seconds=time.monotonic() - clock,
        folder=folder,
        notebooks=tuple(done),
        not_reached=tuple(path.stem for path in paths[len(done) :]),
    )
    write_report(whole)
    return whole


def _line(run: NotebookRun) -> str:
    checks = f", {run.checks_passed} of {run.checks_made} checks passed" if run.checks_made else ""
    return f"{'FAIL' if run.failure else 'PASS'}  {run.name}  {run.seconds:.1f} s{checks}"


def run_lab(
    paths: Sequence[Path],
    *,
    folder: Path,
    where: str = "local",
    keep: bool = False,
    parameters: Mapping[str, Any] | None = None,
    cell_timeout: float = CELL_TIMEOUT_S,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Run:
    """Run the notebooks as one lab, and leave nothing behind unless `keep` says so.

    `where` and `options` (suffix, prefix, endpoint_url, account, profile, region, role_arn) are those of `open_lab`.
    A local run has an embedded AWS of its own in `folder`/workspace. Elsewhere what the run has made is cleaned up at
    its end, however it ends, labs with another prefix too, unless one had made things before: that one is somebody's.
    Raises LabError if the lab cannot be opened.
    """
    if keep:
        paths = [path for path in paths if not path.stem.endswith(CLEANING_NOTEBOOK)]
    options = {name: value for name, value in options.items() if value}
    # What a notebook does not declare as a parameter, such as an existing role, open_lab() finds in the environment.
    named = {f"LABKIT_{name.upper()}": str(value) for name, value in options.items()}
    place = _local_place(folder, keep, say) if where == "local" else _shared_place(where, keep, say, options)
    with _terminated_as_interrupted(), place as (in_words, environment):
        return run_notebooks(
            paths,
            folder=folder,
            where=in_words,
            parameters=parameters,
            options={"where": where, **options},
            environment={"LABKIT_WHERE": where, HEADLESS: "1", **named, **environment},
            cell_timeout=cell_timeout,
            say=say,
        )


@contextmanager
def _local_place(folder: Path, keep: bool, say: Callable[[str], None]) -> Iterator[tuple[str, dict[str, str]]]:
    """An embedded AWS of the run's own."""
    workspace = (folder / "workspace").resolve()
    workspace.mkdir(parents=True)
    with ThreadPoolExecutor(1) as beside:
        # It starts while the first kernel does. Should this process be killed, it ends by itself.
        settings: dict[str, Any] = {} if keep else {"parent": os.getpid(), "settings": UNWATCHED}
        starting = beside.submit(embedded_aws.start, workspace / LOCAL_FOLDER, **settings)
        try:
            # A bucket and a role that exist elsewhere, named for other work, do not exist in an AWS that is new.
            yield (
                PLACES_IN_WORDS["local"],
                {"LABKIT_WORKSPACE": str(workspace), "LABKIT_BUCKET": "", "LABKIT_ROLE_ARN": ""},
            )
            starting.result()
        except embedded_aws.EmbeddedAwsError as error:
            hint = "Run it again; a very busy machine can be too slow to start it."
            raise LabError(str(error), where="starting the embedded AWS of this run", hint=hint) from error
        finally:
            wait([starting])
            if keep:
                for said in kept_labs(workspace):
                    say(said)
                say(f"The lab was kept. To go on with it: export LABKIT_WORKSPACE='{workspace}'")
                say("then `labkit status`, `make notebooks`, and at last `labkit stop`.")
            else:
                embedded_aws.stop(workspace / LOCAL_FOLDER)
                shutil.rmtree(workspace)


@contextmanager
def _shared_place(
    where: str, keep: bool, say: Callable[[str], None], options: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, str]]]:
    """A place where others work too; its journals are the project's, so that a crash leaves a list behind."""
    with left_as_found(find_workspace(), keep, say) as labs:
        lab = open_lab(where, **options)
        labs.append(lab)
        at = lab.connection
        yield (
            f"{PLACES_IN_WORDS[where]}, account {at.account}, region {at.region}",
            {"LABKIT_WORKSPACE": str(lab.workspace.resolve())},
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Being ended (SIGTERM, a closed terminal) is treated as Ctrl-C: kernels, servers and resources are cleaned up."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
