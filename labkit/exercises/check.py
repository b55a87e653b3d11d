"""`check_exercise`: a judge's word on an answer, shown, and written into the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from labkit.columns import Columns
from labkit.errors import LabError, aws_errors
from labkit.exercises import beyond, deeds, documents, readings
from labkit.exercises.blanks import HINT, unfilled
from labkit.exercises.texts import exercise
from labkit.exercises.wrong import NotFilledIn, Unjudged, Wrong
from labkit.lab import Lab
from labkit.result import Check, Checks, html_prose

Word = Literal["right", "wrong", "blank", "unjudged"]
JUDGES: dict[str, Callable[..., str]] = {
    "parts-of-an-arn": readings.parts_of_an_arn,
    "message-attributes": documents.message_attributes,
    "queue-policy": documents.queue_policy,
    "filter-policy": documents.filter_policy,
    "key-in-an-event": readings.key_in_an_event,
    "smaller-mobile": deeds.smaller_mobile,
    "one-right-more": documents.one_right_more,
    "photo-by-hand": deeds.photo_by_hand,
    "fourth-queue": deeds.fourth_queue,
    "billed-durations": readings.billed_durations,
    "queues-of-this-lab": readings.queues_of_this_lab,
    "redriven": deeds.redriven,
    "depth-of-a-queue": readings.depth_of_a_queue,
    "subscription-in-a-template": documents.subscription_in_a_template,
    "function-of-ones-own": beyond.function_of_ones_own,
    "failure-rate": beyond.failure_rate,
}
MARKS = {"right": "✓", "wrong": "✗", "blank": "✎", "unjudged": "–"}


@dataclass(frozen=True)
class Judged(Checks):
    """What a judge says of one exercise."""

    word: Word = "right"
    said: str = ""

    def sentence(self) -> str:
        """The judge's word, with its reason."""
        return {"right": "Right. ", "wrong": "Not yet. "}.get(self.word, "") + self.said

    @property
    def passed(self) -> bool:
        """True if the answer is right."""
        return self.word == "right"

    def pieces(self) -> Iterator[str | Columns]:
        """The same, marked."""
        yield f"{MARKS[self.word]} {self.sentence()}".replace("`", "")

    def _html(self) -> str:
        return f'<p><span aria-hidden="true">{MARKS[self.word]}</span> {html_prose(self.sentence())}</p>'


def check_exercise(lab: Lab, name: str, *answer: Any) -> Judged:
    """What the lab says of an answer to an exercise, with the reason; a wrong one is told by what it does.

    Says so if a blank is not filled in, and if an endpoint lacks what the judge looks at. The journal keeps how it
    went. Raises LabError if there is no such exercise.
    """
    title = exercise(name).title
    with aws_errors(f"checking the exercise {name!r}"):
        word, said = _judged(lab, name, answer)
    lab.journal.answered("exercise", name, verdict=word, said=said)
    check = Check(title, word == "right", "a right answer", said, "" if word == "right" else _hint(name, word))
    return Judged(f"exercise: {title}", () if word == "unjudged" else (check,), word, said)


def _judged(lab: Lab, name: str, answer: tuple[Any, ...]) -> tuple[Word, str]:
    try:
        if missing := unfilled(answer):
            raise NotFilledIn(f"The blank `{missing}` is not filled in yet.")
        return "right", JUDGES[name](lab, *answer)
    except NotFilledIn as blank:
        return "blank", f"{blank} {HINT}"
    except Wrong as wrong:
        return "wrong", str(wrong)
    except Unjudged as unjudged:
        return "unjudged", str(unjudged)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise LabError(f"The exercise {name!r} wants another number of answers: {error}.", code="bad-option") from error


def _hint(name: str, word: Word) -> str:
    return HINT if word == "blank" else f"exercise({name!r}) has hints."
