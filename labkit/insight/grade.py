"""The teacher's sheets: for one lab, for the labs of an account, and for a folder of what was handed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit.definition import Definition
from labkit.errors import LabError, aws_errors
from labkit.insight.evidence import collect
from labkit.insight.hand_in import ENDING, mark_hand_in
from labkit.insight.marks import ClassSheet, Sheet, Student, mark
from labkit.journal import Journal
from labkit.lab import Lab, journals
from labkit.settings import FUNCTIONS
from labkit.steps.recovery import find_labs, find_things, take_over


def grade(lab: Lab) -> Sheet:
    """The marks of one lab, from what AWS has and its journal tells. Changes nothing. Raises LabError."""
    return mark(collect(lab, lab.journal))


def grade_class(lab: Lab, *, prefixes: Sequence[str] = ()) -> ClassSheet:
    """The marks of every lab that has something in this lab's account and region, by the tags of its things.

    `prefixes` names the students' prefixes: only theirs are graded, and one without a lab gets a sheet with 0. Who made
    what is known of those labs whose journals are in this workspace. Changes nothing in AWS, and no journal. Raises
    LabError if AWS refuses to list them.
    """
    found = {}
    for lab_id in find_labs(lab).labs:
        prefix, _, suffix = lab_id.rpartition("image-lab-")
        found[prefix] = suffix
    wanted = {prefix: found.get(prefix, "no-lab") for prefix in prefixes} if prefixes else found
    here = _journals_of(lab)
    sheets = []
    for prefix, suffix in sorted(wanted.items()):
        told = here.get(suffix)
        tagged = replace(lab.definition, prefix=prefix, suffix=suffix, bucket=None, functions=FUNCTIONS)
        sheets.append(_mark_in_account(lab, _defined_by(told, lab) if told else tagged, told))
    return ClassSheet(tuple(sheets))


def grade_folder(folder: str | Path, open_account: Callable[[], Lab]) -> ClassSheet:
    """The marks for all that was handed in: files of `labkit hand-in`, and journals of labs in a shared account.

    `open_account` opens that account; it is called only if there is a journal. A file that cannot be marked gets a
    sheet that says why. Raises LabError if there is no such folder, or nothing in it.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise LabError(
            f"There is nothing in {folder}." if folder.is_dir() else f"There is no folder {folder}.",
            where="grading",
            hint=f"Put the students' files ({ENDING[1:]}, or journals) into one.",
            code="not-there",
        )
    account: Lab | LabError | None = None
    sheets = []
    for path in paths:
        if path.suffix == ".jsonl" and account is None:
            try:
                account = open_account()
            except LabError as error:
                account = error
        sheets.append(_mark_file(path, path.relative_to(folder).as_posix(), account))
    return ClassSheet(tuple(_compared(sorted(sheets, key=lambda sheet: (sheet.student.name, sheet.source)))))


def _mark_file(path: Path, name: str, account: Lab | LabError | None) -> Sheet:
    try:
        if path.suffix != ".jsonl":
            return replace(mark_hand_in(path), source=name)
        if not isinstance(account, Lab):
            raise account or LabError("No account was opened.")
        journal = Journal(path)
        return replace(_mark_in_account(account, _defined_by(journal, account), journal), source=name)
    except LabError as error:
        said = " ".join(filter(None, (error.message, error.hint())))
        return Sheet(Student(path.name.split(".")[0]), "", (), (said,), name)


def _compared(sheets: Iterable[Sheet]) -> Iterable[Sheet]:
    """The same sheets, with a note on each whose lab was handed in more than once."""
    sheets = list(sheets)
    times = Counter(sheet.lab_id for sheet in sheets if sheet.lab_id)
    for sheet in sheets:
        others = [one.source for one in sheets if one is not sheet and one.lab_id == sheet.lab_id]
        note = f"The same lab was handed in as {', '.join(others)}."
        yield replace(sheet, notes=(*sheet.notes, note)) if times[sheet.lab_id] > 1 else sheet


def _journals_of(lab: Lab) -> dict[str, Journal]:
    """The journals of this workspace whose labs are in the lab's account, by their suffix."""
    found = {}
    for path in journals(lab.workspace).glob("*.jsonl"):
        journal = Journal(path)
        opened = journal.opened()
        if opened and opened.instance == lab.connection.instance:
            found[opened.suffix] = journal
    return found


def _defined_by(journal: Journal, account: Lab) -> Definition:
    """The lab that a journal has opened; of one without a definition, by what its topic was named."""
    opened, topic = journal.opened(), next(iter(journal.entries("topic")), None)
    if opened is None or (topic is None and not opened.definition):
        raise LabError(
            f"{journal.path.name} speaks of no lab: it was cleaned up, or never begun.",
            hint="Ask for a hand-in that was written before the clean-up.",
        )
    here = account.definition
    if not opened.definition:
        prefix = topic.name.split("resize-image-topic")[0] if topic else ""
        return replace(here, prefix=prefix, suffix=opened.suffix, bucket=None, functions=FUNCTIONS)
    theirs = Definition.from_data(opened.definition)
    if theirs.where == "local" and opened.instance != account.connection.instance:
        raise LabError(
            f"{journal.path.name} speaks of a lab on an embedded AWS, which is on the student's own machine.",
            hint="Ask for what `labkit hand-in` writes there.",
        )
    return replace(theirs, where=here.where, region=here.region, account=here.account, partition=here.partition)


@aws_errors("opening a student's lab")
def _mark_in_account(lab: Lab, definition: Definition, told: Journal | None) -> Sheet:
    """The marks of a lab as it stands in AWS, read with a journal that is thrown away afterwards."""
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl")
        journal.open(suffix=definition.suffix, instance=lab.connection.instance, definition=definition.as_data())
        theirs = replace(lab, definition=definition, journal=journal)
        take_over(theirs, find_things(theirs))
        return mark(collect(theirs, told))
