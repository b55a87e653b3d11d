"""The headless run: the numbered notebooks in order under papermill, executed copies, and one report.

A run on the embedded AWS has a workspace, and so an AWS and a journal, of its own: it never disturbs a student's.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import embedded_aws
from labkit.connection import LOCAL_FOLDER
from labkit.errors import LabError
from labkit.interrupts import held_back
from labkit.lab import PLACES_IN_WORDS, find_workspace, open_lab
from labkit.progress import BOARD, HEADLESS, Bar
from labkit.run.kernels import kernels_for
from labkit.run.labs import kept_labs, left_as_found
from labkit.run.parameters import cells_of, share_parameters
from labkit.run.remains import own_folder
from labkit.run.report import Run, write_report
from labkit.settings import ALARM_WITHIN_S

if TYPE_CHECKING:
    from labkit.run.execution import NotebookRun

# The slowest cell of the embedded AWS waits two minutes for an alarm; a first build on a slow network takes longer.
CELL_TIMEOUT_S = 300
CELL_TIMEOUT_ELSEWHERE_S = ALARM_WITHIN_S + CELL_TIMEOUT_S  # nothing takes AWS longer than an alarm's first figures
# Triggers take their time to be enabled so that a student sees them do it; here nobody watches.
UNWATCHED = embedded_aws.Settings(mapping_delay_seconds=0.02)
# What says which lab is meant: the run and its notebooks must mean the same one.
OPTIONS = ("where", "suffix", "prefix", "endpoint_url", "account", "profile", "region", "role_arn", "bucket")
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
                code="not-there",
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
            code="not-there",
        )
    return found[0]


def take_options(options: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The lab's options, and the parameters that are none: a parameter that bears an option's name is that option.

    Else the notebooks would work elsewhere than the run, and elsewhere than a person was asked about. Raises LabError
    for two values of one option.
    """
    taken = {name: value for name, value in parameters.items() if name in OPTIONS}
    for name, value in taken.items():
        if options.get(name) not in (None, "", value):
            raise LabError(
                f"There are two values for {name}: {options[name]!r} and {value!r}.",
                where="reading the parameters of the run",
                hint=f"-p {name} is the same as --{name.replace('_', '-')}: give one of them.",
                code="bad-option",
            )
    return {**options, **taken}, {name: value for name, value in parameters.items() if name not in taken}


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
    own: Path | None = None,
) -> Run:
    """Execute the notebooks in order until one fails; their copies and the report go into `folder`.

    `where` says in words where the lab runs; `parameters` and `options` go to the notebooks as in `share_parameters`;
    `environment` is added to the kernels' own; `cell_timeout` is in seconds; `own` is the run's own folder, if there
    is one already. What goes wrong inside a notebook, an interrupt too, is in the Run that is returned. LabError means
    that nothing was started, or that what was done could not be saved.
    """
    shared = share_parameters(paths, parameters or {}, options or {})
    lengths = [len(cells_of(path)) for path in paths]
    folder.mkdir(parents=True, exist_ok=True)
    started, clock = datetime.now().astimezone(), time.monotonic()
    done: list[NotebookRun] = []
    variables = {**os.environ, **(environment or {})}
    interrupted = False
    try:
        with (
            own_folder() if own is None else nullcontext(own) as place,
            kernels_for(paths, variables, place, folder / "kernels.log") as kernels,
            Bar("starting", sum(lengths), "{what} ({done} of {total} cells)") as bar,
        ):
            # Imported only now: papermill takes its time, in which the first kernel starts.
            with _without_grammar():
                from labkit.run.execution import execute

            for number, path in enumerate(paths):
                bar.move(sum(lengths[:number]))
                run = execute(path, folder / path.name, kernels, shared[path], cell_timeout=cell_timeout, bar=bar)
                done.append(run)
                with BOARD.set_aside():
                    say(_line(run))
                if run.failure or run.interrupted:
                    break
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    with held_back():
        full = Run(
            where=where,
            started=started,
            seconds=time.monotonic() - clock,
            folder=folder,
            notebooks=tuple(done),
            not_reached=tuple(path.stem for path in paths[len(done) :]),
            interrupted=interrupted or any(run.interrupted for run in done),
        )
        write_report(full)
    return full


@contextmanager
def _without_grammar() -> Iterator[None]:
    """Keep jsonschema from what it would use to check addresses with foreign letters, of which notebooks have none.

    `rfc3987_syntax`, which Jupyter's own packages bring along, builds a whole grammar when it is imported: 0.8 s.
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        yield
    finally:
        del sys.modules[name]


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
    cell_timeout: float | None = None,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Run:
    """Run the notebooks as one lab, and leave nothing behind unless `keep` says so.

    `where` and `options` (suffix, prefix, endpoint_url, account, profile, region, role_arn) are those of `open_lab`.
    A local run has an embedded AWS of its own in `folder`/workspace. Elsewhere what the run has made is cleaned up at
    its end, however it ends, labs with another prefix too, unless one had made things before: that one is somebody's.
    `cell_timeout` is in seconds; by default it is longer where figures and alarms take AWS's time. Raises LabError if
    the lab cannot be opened.
    """
    if keep:
        paths = [path for path in paths if not path.stem.endswith(CLEANING_NOTEBOOK)]
    options, parameters = take_options({"where": where, **options}, parameters or {})
    options = {name: value for name, value in options.items() if value and name != "where"}
    # What a notebook does not declare as a parameter, such as an existing role, open_lab() finds in the environment.
    named = {f"LABKIT_{name.upper()}": str(value) for name, value in options.items()}
    workspace = (folder / "workspace").resolve() if where == "local" else None
    with (
        own_folder(workspace, keep=keep) as own,
        _local_place(workspace, keep, say) if workspace else _shared_place(where, keep, say, options) as place,
    ):
        in_words, environment = place
        return run_notebooks(
            paths,
            folder=folder,
            where=in_words,
            parameters=parameters,
            options={"where": where, **options},
            environment={"LABKIT_WHERE": where, HEADLESS: "1", **named, **environment},
            cell_timeout=cell_timeout or (CELL_TIMEOUT_S if where == "local" else CELL_TIMEOUT_ELSEWHERE_S),
            say=say,
            own=own,
        )


@contextmanager
def _local_place(workspace: Path, keep: bool, say: Callable[[str], None]) -> Iterator[tuple[str, dict[str, str]]]:
    """An embedded AWS of the run's own."""
    beside = ThreadPoolExecutor(1)
    try:
        # It starts while the first kernel does. Should this process be killed, it ends by itself.
        settings: dict[str, Any] = {} if keep else {"parent": os.getpid(), "settings": UNWATCHED}
        starting = beside.submit(embedded_aws.start, workspace / LOCAL_FOLDER, **settings)
        # A bucket and a role that exist elsewhere, named for other work, do not exist in an AWS that is new.
        yield (
            PLACES_IN_WORDS["local"],
            {"LABKIT_WORKSPACE": str(workspace), "LABKIT_BUCKET": "", "LABKIT_ROLE_ARN": ""},
        )
        starting.result()
    except embedded_aws.EmbeddedAwsError as error:
        hint = "Run it again; a very busy machine can be too slow to start it."
        where = "starting the embedded AWS of this run"
        raise LabError(str(error), where=where, hint=hint, code="no-embedded-aws") from error
    finally:
        with held_back():
            beside.shutdown()  # which waits until it has started, so that it can be stopped
        if keep:
            for said in kept_labs(workspace):
                say(said)
            say(f"The lab was kept. To go on with it: export LABKIT_WORKSPACE={shlex.quote(str(workspace))}")
            say("then `labkit status`, `make notebooks`, and at last `labkit stop`.")


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
