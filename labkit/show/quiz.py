"""A few questions at the end of each notebook, each answer with its reason; and a choice before one looks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets as widgets  # type: ignore[import-untyped]
from IPython.display import display

from labkit.errors import LabError
from labkit.lab import Lab
from labkit.progress import HEADLESS
from labkit.result import Result, counted, html_prose
from labkit.show.questions import PREDICTIONS, QUIZZES, Question, read_questions


@dataclass(frozen=True)
class Quiz(Result):
    """The questions on one notebook: to press where a hand is, and to read everywhere."""

    questions: tuple[Question, ...]
    lab: Lab | None = field(default=None, repr=False)  # whose journal keeps the first answer to each
    kind: ClassVar[str] = "quiz"
    folded: ClassVar[str] = "The answers"

    def sentence(self) -> str:
        """How many questions there are."""
        return f"{counted(len(self.questions), 'question')}. Choose before you look at the answers."

    def headers(self) -> Sequence[str]:
        """One row an answer."""
        return ("question", "answer", "verdict")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row an answer."""
        for question in self.questions:
            for number, answer in enumerate(question.answers):
                yield question.text, answer, question.feedback(number)

    def _text(self) -> str:
        asked = [_numbered(_plain(question.text), question.answers) for question in self.questions]
        answered = [
            _numbered(_plain(question.text), map(question.feedback, range(len(question.answers))))
            for question in self.questions
        ]
        return "\n\n".join([self.sentence(), *asked, "The answers", *answered])

    def _html(self) -> str:
        parts = [f"<p>{html_prose(self.sentence())}</p>"]
        for question in self.questions:
            answers = "".join(f"<li>{html_prose(answer)}</li>" for answer in question.answers)
            feedback = "".join(f"<li>{html_prose(question.feedback(n))}</li>" for n in range(len(question.answers)))
            parts.append(
                f"{self._asked(question)}<ol>{answers}</ol>"
                f'<details class="answers"><summary>{self.folded}</summary><ol>{feedback}</ol></details>'
            )
        return "".join(parts)

    def _asked(self, question: Question) -> str:
        return f"<p><b>{html_prose(question.text)}</b></p>"

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if os.environ.get(HEADLESS):
            display(bundle, raw=True)  # type: ignore[no-untyped-call]
            return
        title = "The questions as text" if len(self.questions) > 1 else "The question as text"
        folded = f"<details><summary>{title}</summary>{bundle['text/html']}</details>"
        display({**bundle, "text/html": folded}, raw=True)  # type: ignore[no-untyped-call]
        display(self.widget())  # type: ignore[no-untyped-call]

    def widget(self) -> widgets.VBox:
        """The questions with something to press, and what is said about what was pressed."""
        rows: list[widgets.Widget] = []
        for number, question in enumerate(self.questions, 1):
            said = widgets.HTML()
            options = [(_plain(answer), place) for place, answer in enumerate(question.answers)]
            choice = widgets.RadioButtons(options=options, index=None, layout={"width": "max-content"})
            choice.observe(partial(self._answer, number, question, said), "value")
            rows += [widgets.HTML(self._asked(question)), choice, said]
        return widgets.VBox(rows)

    def _answer(self, number: int, question: Question, said: widgets.HTML, change: Mapping[str, Any]) -> None:
        chosen = change["new"]
        said.value = f"<p>{html_prose(question.feedback(chosen))}</p>"
        if self.lab is not None:
            name = question.name or f"{question.text} ({number})"
            facts = {"verdict": question.verdict(chosen), "chosen": question.answers[chosen]}
            self.lab.journal.answered(self.kind, name, **facts)


@dataclass(frozen=True)
class Prediction(Quiz):
    """A choice before one looks: which answers there are, and, folded until one has chosen, what each would mean."""

    kind: ClassVar[str] = "choice"
    folded: ClassVar[str] = "What you chose, and why"

    def sentence(self) -> str:
        """What to do."""
        return "Choose, then look."

    def _asked(self, question: Question) -> str:  # noqa: ARG002
        return ""  # the notebook asks, in the paragraph above


def _plain(text: str) -> str:
    """Without the marks of code, for where there is no other way of showing it."""
    return text.replace("`", "")


def _numbered(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *(f"  {number}. {_plain(line)}" for number, line in enumerate(lines, 1))])


def predict(lab: Lab, name: str) -> Prediction:
    """The choices of a prediction, by its name, such as `topic-again`; the lab's journal keeps what was chosen.

    They are in `labkit/show/predictions`, one file a notebook. Raises LabError if there is none of that name.
    """
    known = predictions()
    if name not in known:
        raise LabError(f"There is no prediction {name!r}.", hint=f"There are {', '.join(known)}.", code="not-there")
    return Prediction((known[name],), lab)


@cache
def predictions() -> Mapping[str, Question]:
    """All predictions by name, in the order of the notebooks."""
    files = sorted(PREDICTIONS.rglob("[0-9]*_*.toml"))
    return {question.name: question for path in files for question in read_questions(path)}


def quiz(notebook: int | str | Path, lab: Lab | None = None) -> Quiz:
    """The questions on a notebook, such as `2` or `"beyond/4"`, or those in a file of your own.

    `labkit/show/quizzes` has examples. With a lab, its journal keeps what was chosen. Raises LabError if there are none
    on that notebook, or if the file is faulty; it says where and how.
    """
    known: dict[object, Path] = {int(path.stem[:2]): path for path in sorted(QUIZZES.glob("[0-9]*.toml"))}
    known |= {f"beyond/{path.stem[0]}": path for path in sorted(QUIZZES.glob("beyond/[0-9]*.toml"))}
    if isinstance(notebook, int) and notebook not in known:
        raise LabError(
            f"There are no questions on notebook {notebook}.",
            hint=f"There are some on {', '.join(map(repr, known))}; a file of your own is quiz('questions.toml').",
            code="not-there",
        )
    return Quiz(read_questions(known.get(notebook) or str(notebook)), lab)
