"""The labs that a run leaves open, whatever their prefix: each is cleaned up at its end, or named if it stays.

A notebook may open a lab of its own, as all of notebooks/beyond do. Which labs a run has opened, or made things in, is
what their journals say: those that have grown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.definition import Definition
from labkit.journal import Journal
from labkit.lab import Lab, journals, reopen_lab
from labkit.steps.clean_up import clean_up


@dataclass(frozen=True)
class _Before:
    """A journal before the run: how long it was, in bytes, whether a lab was open in it, and had made things."""

    size: int = 0
    opened: bool = False
    used: bool = False


@contextmanager
def left_as_found(workspace: Path, keep: bool, say: Callable[[str], None]) -> Iterator[list[Lab]]:
    """Clean up, at the block's end and however it ends, all labs that were opened or worked in meanwhile.

    The block puts the lab of the run into the list that it is given: labs elsewhere are not the run's. A lab that had
    made things before is somebody's, and stays; so do all with `keep`. `say` is told what became of each. Raises
    LabError if one cannot be cleaned up, after it has tried them all.
    """
    before = {path: _look(path) for path in _paths(workspace)}
    labs: list[Lab] = []
    try:
        yield labs
    finally:
        with ExitStack() as each:
            for path in _paths(workspace):
                then = before.get(path, _Before())
                if path.stat().st_size != then.size:
                    each.callback(_close, path, then, keep, say, labs)


def kept_labs(workspace: Path) -> Iterator[str]:
    """A sentence on each lab that a run has left in a workspace of its own."""
    for path in _paths(workspace):
        journal = Journal(path)
        if (opened := journal.opened()) and journal.entries():
            yield _stays(Definition.from_data(opened.definition), "kept")


def _stays(definition: Definition, why: str) -> str:
    which = f" --prefix {definition.prefix}" if definition.prefix else ""
    listed, deleted = f"`labkit status{which}` lists it", f"`labkit clean{which}` deletes it"
    return f"The lab {definition.lab_id} was {why}: {listed}, {deleted}."


def _paths(workspace: Path) -> list[Path]:
    return sorted(journals(workspace).glob("*.jsonl"), reverse=True)


def _look(path: Path) -> _Before:
    journal = Journal(path)
    return _Before(path.stat().st_size, journal.opened() is not None, bool(journal.entries()))


def _close(path: Path, before: _Before, keep: bool, say: Callable[[str], None], labs: list[Lab]) -> None:
    journal = Journal(path)
    opened = journal.opened()
    if opened is None:
        return
    definition = Definition.from_data(opened.definition)
    if _place(definition) not in [_place(lab.definition) for lab in labs]:
        return
    if journal.entries() and (keep or before.used):
        say(_stays(definition, "kept, as you said" if keep else "open before this run, and so left as it is"))
        return
    lab = reopen_lab(path)
    if lab is not None and journal.entries():
        say(str(clean_up(lab)))
    elif lab is not None and not before.opened:
        lab.journal.close()


def _place(definition: Definition) -> tuple[str | None, ...]:
    return definition.where, definition.endpoint_url, definition.account, definition.region
