"""Prints the table of faults: `python tests/doctor/table.py > docs/faults.md`."""

from pathlib import Path

from faults import HARMLESS, PHOTOS, RISKS, SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """# What can be wrong, and who finds it

Each line is a way of breaking the lab on purpose, and each is a test: the doctor (`labkit doctor`, or `doctor(lab)`)
must name this hop first, and the check (`labkit check`, or the `check_*` at the end of a notebook) must fail at this
line. Of two faults at once, the doctor names the one that a photo meets first; what it advises fixes both in turn.

The two ask different questions. A check asks whether the thing is as the step made it. The doctor asks whether a photo
would get through. So there are lines where the check fails and the doctor says "healthy", and both are right.

This page is printed by `python tests/doctor/table.py`, from the same list that the tests run through.
"""
PARTS = (
    ("Wrong settings", "Following the doctor's advice fixes each of them.", SETTINGS),
    ("Photos that do not come through", "`labkit doctor KEY` follows one photo.", PHOTOS),
    ("Risks", "Photos get through today; the doctor says so, and names what is risky.", RISKS),
    ("Another way of doing it", "Nothing is wrong for a photo: only the check minds.", HARMLESS),
)


def table_of_faults():
    """The page, as Markdown."""
    parts = [HEAD]
    for title, words, faults in PARTS:
        rows = [f"| {fault.name} | {fault.hop or '(healthy)'} | {fault.check} |" for fault in faults]
        head = ["| fault | the doctor's first finding | a check that fails |", "|---|---|---|"]
        parts.append("\n".join([f"## {title}", "", words, "", *head, *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    print(table_of_faults(), end="")
