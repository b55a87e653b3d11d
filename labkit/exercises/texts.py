"""The exercises' texts, read from files that a teacher can change without knowing Python."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from labkit.errors import LabError
from labkit.result import Result, html_prose, html_text

TEXTS = Path(__file__).with_name("texts")
BEYOND = "beyond"  # the folder of what comes after the story, as among the notebooks
MEMBERS = ("name", "title", "after", "hints", "answer")
HINTS = 2


@dataclass(frozen=True)
class Exercise(Result):
    """One exercise: its title, what becomes of what one does in it, two hints, and the answer."""

    name: str
    title: str
    after: str
    hints: tuple[str, ...]
    answer: str
    notebook: str  # without `.ipynb`, such as `02_queues` or `beyond/2_at_scale`

    @property
    def in_story(self) -> bool:
        """Whether it stands in a numbered notebook."""
        return not self.notebook.startswith(BEYOND)

    def sentence(self) -> str:
        """The title, and what becomes of what one does."""
        return f"Exercise: {self.title}. {self.after}"

    def _text(self) -> str:
        hints = [f"Hint {number}  {hint}".replace("`", "") for number, hint in enumerate(self.hints, 1)]
        return "\n".join([self.sentence(), *hints])

    def rows(self) -> Iterable[tuple[object, ...]]:
        """One row a hint."""
        return [(f"hint {number}", hint) for number, hint in enumerate(self.hints, 1)]

    def _html(self) -> str:
        """The second hint is folded in the first, and the answer in the second."""
        inside = f"<details><summary>The answer</summary><pre>{html_text(self.answer)}</pre></details>"
        for number, hint in reversed(list(enumerate(self.hints, 1))):
            inside = f"<details><summary>Hint {number}</summary><p>{html_prose(hint)}</p>{inside}</details>"
        return f"<p><b>Exercise: {html_prose(self.title)}.</b> {html_prose(self.after)}</p>{inside}"


def exercise(name: str) -> Exercise:
    """The exercise of that name, such as `queue-policy`. Raises LabError with the names there are."""
    known = exercises()
    if name not in known:
        raise LabError(f"There is no exercise {name!r}.", hint=f"There are {', '.join(known)}.", code="not-there")
    return known[name]


@cache
def exercises() -> Mapping[str, Exercise]:
    """All exercises by name, in the order of the notebooks. Raises LabError for a file that is faulty."""
    found = [one for path in sorted(TEXTS.rglob("[0-9]*.toml")) for one in read_exercises(path)]
    return {one.name: one for one in found}


def read_exercises(path: Path) -> list[Exercise]:
    """The exercises in a TOML file that is named as its notebook is, in a folder `beyond` if that one is.

    Raises LabError, which names the file, the exercise, and what is wrong with it.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("exercise", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not valid TOML: {error}.", code="unusable-path") from error
    for number, entry in enumerate(entries, 1):
        if fault := _fault(entry):
            raise LabError(f"{path}, exercise {number}: {fault}.", hint=f"It has {', '.join(MEMBERS)}.")
    notebook = f"{BEYOND}/{path.stem}" if path.parent.name == BEYOND else path.stem
    return [Exercise(**{**entry, "hints": tuple(entry["hints"])}, notebook=notebook) for entry in entries]


def _fault(entry: Mapping[str, Any]) -> str:
    """What is wrong with an exercise; an empty text if nothing is."""
    for name in MEMBERS:
        if name not in entry:
            return f"it has no {name}"
        if name != "hints" and not (isinstance(entry[name], str) and entry[name].strip()):
            return f"its {name} is not a text"
    if unknown := next((name for name in entry if name not in MEMBERS), None):
        return f"it has {unknown!r}, which is none of {', '.join(MEMBERS)}"
    hints = entry["hints"]
    if not isinstance(hints, list) or len(hints) != HINTS or not all(isinstance(hint, str) for hint in hints):
        return f"it needs {HINTS} hints"
    return ""
