"""What a person did in a lab, counted from its journal: exercises, predictions, questions of the quizzes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.exercises.texts import exercises
from labkit.journal_lines import Entry
from labkit.lab import Lab
from labkit.result import Result

RIGHT = "right"


@dataclass(frozen=True)
class Score(Result):
    """How many exercises were solved, predictions and questions answered, and how many of those rightly.

    `exercises` counts those of the story; one beyond it counts once it is solved.
    For predictions and questions the first choice counts: the reasons stand beside it afterwards.
    """

    solved: tuple[str, ...]
    exercises: int
    predicted: int
    predicted_right: int
    answered: int
    answered_right: int

    def sentence(self) -> str:
        """The three counts."""
        return (
            f"{len(self.solved)} of {self.exercises} exercises solved; {self.predicted_right} of {self.predicted} "
            f"predictions and {self.answered_right} of {self.answered} answers right at the first choice."
        )

    def headers(self) -> Sequence[str]:
        """One row a kind."""
        return ("what", "right", "of")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a kind."""
        yield "exercises", len(self.solved), self.exercises
        yield "predictions", self.predicted_right, self.predicted
        yield "questions", self.answered_right, self.answered


def score(lab: Lab) -> Score:
    """What was answered in this lab so far, by its journal, also once it is cleaned up. Asks AWS nothing."""
    tried = {one.name for one in lab.journal.answers("exercise") if one.facts["verdict"] == RIGHT}
    known = [name for name, one in exercises().items() if one.in_story or name in tried]
    solved = tuple(name for name in known if name in tried)
    choices, quizzes = (_first(lab.journal.answers(kind)) for kind in ("choice", "quiz"))
    return Score(solved, len(known), len(choices), _right(choices), len(quizzes), _right(quizzes))


def _first(answers: Iterable[Entry]) -> list[Entry]:
    first: dict[str, Entry] = {}
    for one in answers:
        first.setdefault(one.name, one)
    return list(first.values())


def _right(answers: Iterable[Entry]) -> int:
    return sum(one.facts["verdict"] == RIGHT for one in answers)
