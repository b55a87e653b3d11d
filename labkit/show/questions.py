"""The questions on a notebook, read from a text file that a teacher can change without knowing Python."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import LabError

QUIZZES = Path(__file__).with_name("quizzes")
PREDICTIONS = Path(__file__).with_name("predictions")
EXAMPLE = 'A question is [[question]] with text = "...", an answer [[question.answer]] with text, reason, right = true.'


@dataclass(frozen=True)
class Question:
    """A question, its answers, which of them is right (counted from 0), and why each is what it is."""

    text: str
    answers: tuple[str, ...]
    right: int
    reasons: tuple[str, ...]
    name: str = ""  # of a prediction, by which a notebook asks for it

    def verdict(self, chosen: int) -> str:
        """`right` or `wrong`, as the journal keeps it."""
        return "right" if chosen == self.right else "wrong"

    def feedback(self, chosen: int) -> str:
        """What a person reads who chose that answer."""
        return f"{'Right' if chosen == self.right else 'Not quite'}. {self.reasons[chosen]}"


class _Fault(Exception):
    """Says what is wrong in the file, as the end of a sentence that began with the file's name."""


def read_questions(path: str | Path) -> tuple[Question, ...]:
    """The questions in a TOML file.

    Raises LabError, which names the file, the question, the answer, and what is wrong with it.
    """
    path = Path(path)
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        return tuple(_questions(found))
    except OSError as error:
        raise LabError(f"The questions in {path} can't be read: {error.strerror}.", code="unusable-path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "A text stands between double quotes; one that holds double quotes between single ones."
        raise LabError(f"{path} is not valid TOML: {error}.", hint=hint) from error
    except _Fault as fault:
        raise LabError(f"{path}{fault}.", hint=EXAMPLE) from None


def _questions(found: Mapping[str, Any]) -> Iterator[Question]:
    _refuse_unknown(found, ("question",), "")
    for number, entry in enumerate(_entries(found, "question", ""), 1):
        yield _question(entry, f", question {number}")


def _question(entry: Mapping[str, Any], where: str) -> Question:
    _refuse_unknown(entry, ("name", "text", "answer"), where)
    if "name" in entry:
        _text(entry, "name", where)
    text, answers = _text(entry, "text", where), _entries(entry, "answer", where)
    for number, answer in enumerate(answers, 1):
        _refuse_unknown(answer, ("text", "reason", "right"), f"{where}, answer {number}")
    texts, reasons = (
        tuple(_text(answer, name, f"{where}, answer {number}") for number, answer in enumerate(answers, 1))
        for name in ("text", "reason")
    )
    right = [number for number, answer in enumerate(answers) if answer.get("right", False) is True]
    if len(answers) < 2:
        raise _Fault(f"{where}: it has one answer, and needs two or more")
    if len(set(texts)) < len(texts):
        raise _Fault(f"{where}: two of its answers are the same")
    if len(right) != 1:
        raise _Fault(f"{where}: {len(right) or 'none'} of its answers are right = true, and it needs exactly one")
    return Question(text, texts, right[0], reasons, entry.get("name", ""))


def _entries(found: Mapping[str, Any], kind: str, where: str) -> list[Mapping[str, Any]]:
    entries = found.get(kind)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, Mapping) for entry in entries):
        raise _Fault(f"{where}: it has no {kind}")
    return entries


def _text(entry: Mapping[str, Any], name: str, where: str) -> str:
    text = entry.get(name)
    if not isinstance(text, str) or not text.strip():
        raise _Fault(f"{where}: it has no {name}")
    return text


def _refuse_unknown(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name, value in entry.items():
        if name not in known:
            raise _Fault(f"{where}: it has {name!r}, which is none of {', '.join(known)}")
        if name == "right" and not isinstance(value, bool):
            raise _Fault(f"{where}: right is {value!r}, and can be true or false")
