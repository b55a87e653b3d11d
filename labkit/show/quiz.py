"""A few questions at the end of each notebook, each answer with its reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]
from IPython.display import display

from labkit.errors import LabError
from labkit.progress import HEADLESS
from labkit.result import Result, counted, html_prose
from labkit.show.questions import QUIZZES, Question, read_questions


@dataclass(frozen=True)
class Quiz(Result):
    """The questions on one notebook: to press where a hand is, and to read everywhere."""

    questions: tuple[Question, ...]

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
                f"<p><b>{html_prose(question.text)}</b></p><ol>{answers}</ol>"
                f'<details class="answers"><summary>The answers</summary><ol>{feedback}</ol></details>'
            )
        return "".join(parts)

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        if os.environ.get(HEADLESS):
            display(bundle, raw=True)  # type: ignore[no-untyped-call]
            return
        folded = f"<details><summary>The questions as text</summary>{bundle['text/html']}</details>"
        display({**bundle, "text/html": folded}, raw=True)  # type: ignore[no-untyped-call]
        display(self.widget())  # type: ignore[no-untyped-call]

    def widget(self) -> widgets.VBox:
        """The questions with something to press, and what is said about what was pressed."""
        rows: list[widgets.Widget] = []
        for question in self.questions:
            said = widgets.HTML()
            options = [(_plain(answer), number) for number, answer in enumerate(question.answers)]
            choice = widgets.RadioButtons(options=options, index=None, layout={"width": "max-content"})
            choice.observe(partial(_answer, question, said), "value")
            rows += [widgets.HTML(f"<b>{html_prose(question.text)}</b>"), choice, said]
        return widgets.VBox(rows)


def _answer(question: Question, said: widgets.HTML, change: Mapping[str, Any]) -> None:
    said.value = f"<p>{html_prose(question.feedback(change['new']))}</p>"


def _plain(text: str) -> str:
    """Without the marks of code, for where there is no other way of showing it."""
    return text.replace("`", "")


def _numbered(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *(f"  {number}. {_plain(line)}" for number, line in enumerate(lines, 1))])


def quiz(notebook: int | str | Path) -> Quiz:
    """The questions on a notebook, by its number, or those in a file of your own (`labkit/show/quizzes` has examples).

    Raises LabError if there are none on that notebook, or if the file is faulty; it says where and how.
    """
    if not isinstance(notebook, int):
        return Quiz(read_questions(notebook))
    known = {int(path.stem[:2]): path for path in QUIZZES.glob("[0-9][0-9]_*.toml")}
    if notebook not in known:
        raise LabError(
            f"There are no questions on notebook {notebook}.",
            hint=f"There are some on {min(known)} to {max(known)}; a file of your own is quiz('questions.toml').",
            code="not-there",
        )
    return Quiz(read_questions(known[notebook]))
