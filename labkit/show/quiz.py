"""A few questions at the end of each notebook, each answer with its reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]
from IPython.display import display

from labkit.errors import LabError
from labkit.progress import HEADLESS
from labkit.result import Result


@dataclass(frozen=True)
class Question:
    """A question, its answers, which of them is right (counted from 0), and why each is what it is."""

    text: str
    answers: tuple[str, ...]
    right: int
    reasons: tuple[str, ...]

    def feedback(self, chosen: int) -> str:
        """What a person reads who chose that answer."""
        return f"{'Right' if chosen == self.right else 'Not quite'}. {self.reasons[chosen]}"


QUESTIONS: dict[int, tuple[Question, ...]] = {
    0: (
        Question(
            "What makes a system event-driven?",
            (
                "A program asks every minute whether there is a new photo.",
                "Something happens, the news of it travels, and whoever cares acts on it.",
                "All parts run on the same machine.",
            ),
            1,
            (
                "That is polling: most of the asking finds nothing, and the news is up to a minute old.",
                "Nobody waits in a loop and nobody gives orders.",
                "Where the parts run has nothing to do with it.",
            ),
        ),
    ),
    1: (
        Question(
            "A message is published to a topic without subscribers. A minute later somebody subscribes. What happens?",
            ("The message is delivered then.", "Nothing: it is gone.", "Publishing failed with an error."),
            1,
            (
                "A topic keeps nothing. Something that keeps messages is called a queue.",
                "Who is not subscribed when it passes has missed it.",
                "The topic took it, gave it an id, and handed it to all subscribers, of whom there were none.",
            ),
        ),
        Question(
            "create_topic() runs twice with the same name. How many topics are there?",
            ("One.", "Two.", "None: the second call fails and undoes the first."),
            0,
            (
                "It is idempotent: doing it twice is the same as doing it once.",
                "In one account and region a name stands for one topic.",
                "AWS answers the second call with the ARN of the topic that is there.",
            ),
        ),
    ),
    2: (
        Question(
            "A program receives a message and crashes before it deletes it. What becomes of the message?",
            (
                "It is lost.",
                "It goes to the dead-letter queue at once.",
                "When the visibility timeout is over, somebody else can receive it.",
            ),
            2,
            (
                "Receiving hides a message; only deleting ends it.",
                "Only after it was received maxReceiveCount times, here 5.",
                "That is what the visibility timeout is for, and why work is sometimes done twice.",
            ),
        ),
        Question(
            "A queue is subscribed, but its policy names no topic. What does the publisher see?",
            ("An error.", "Nothing at all.", "A message in the dead-letter queue."),
            1,
            (
                "Publishing succeeds: the topic has taken the message.",
                "The topic is refused by the queue, silently. `labkit doctor` finds it.",
                "The message never got into the queue, so it can't leave it for another.",
            ),
        ),
    ),
    3: (
        Question(
            "Somebody uploads ingest/cat.JPG. What happens?",
            ("Three results appear.", "The functions fail and log an error.", "Nothing, and nobody is told."),
            2,
            (
                "The notification's suffix is .jpg, to the letter.",
                "They are never called.",
                "The photo is stored; a rule that does not match is silent.",
            ),
        ),
        Question(
            "What does the condition aws:SourceArn in the topic's policy keep out?",
            (
                "Other people's buckets, on whose behalf S3 could be told to publish to your topic.",
                "Photos that are too large.",
                "Your own users.",
            ),
            0,
            (
                "Without it, S3 would be a confused deputy.",
                "A policy knows who asks for what, not what is in a photo.",
                "The statement speaks of the service S3 alone; your users are not concerned.",
            ),
        ),
    ),
    4: (
        Question(
            "Runtime.ImportModuleError: Unable to import module 'CreateThumbnail'. What do you look at first?",
            (
                "The function's memory.",
                "The handler's name, and what lies at the root of the zip.",
                "The queue's policy.",
            ),
            1,
            (
                "Too little memory ends in Runtime.OutOfMemory.",
                "Lambda looks for CreateThumbnail.py at the root: a wrong name, or a folder around it, hides it.",
                "The function was called, so its message came through.",
            ),
        ),
        Question(
            "Why does the role allow s3:PutObject on thumbnail/ only?",
            (
                "Because S3 is faster that way.",
                "So that a mistake, or an attacker, in this function can spoil no more than its own results.",
                "Because Lambda refuses wider roles.",
            ),
            1,
            (
                "Rights do not change the speed.",
                "That is least privilege. It also keeps results out of ingest/, where they would start all over again.",
                "Lambda would take a role that may do everything. That is why people must not.",
            ),
        ),
    ),
    5: (
        Question(
            "The upload has succeeded. What do you know about the three results?",
            (
                "That they are there.",
                "That they will come, if everything behind works.",
                "That they were made from the same photo.",
            ),
            1,
            (
                "The upload waited for S3 alone.",
                "The rest happens later, elsewhere: it is asynchronous, and must be watched.",
                "Not even that: by the time a function fetches it, the photo may have been replaced.",
            ),
        ),
        Question(
            "The same event is delivered twice. What must be true of the function?",
            (
                "It must notice, and fail the second time.",
                "Doing the work twice must have the same result as doing it once.",
                "It must be quick enough to finish in between.",
            ),
            1,
            (
                "A failure would bring the message back a third time.",
                "The same bytes under the same key: the function is idempotent.",
                "Speed does not help: both copies may arrive at the same moment, in two environments.",
            ),
        ),
    ),
    6: (
        Question(
            "REPORT says Duration: 30 ms, Billed Duration: 480 ms, Init Duration: 450 ms. What was it?",
            ("A cold start.", "A function that waited for S3.", "A mistake in the bill."),
            0,
            (
                "The environment was started for this invocation, and its init is billed since August 2025.",
                "Waiting is part of the Duration.",
                "Billed is Duration and Init Duration together, rounded up to a whole millisecond.",
            ),
        ),
    ),
    7: (
        Question(
            "No photo arrives for a month. What does the lab cost in that time?",
            (
                "Nothing: functions cost nothing while nobody calls them.",
                "A little: the triggers ask the queues for messages all the time.",
                "As much as with photos.",
            ),
            1,
            (
                "The functions do cost nothing, but their pollers' requests are counted by SQS.",
                "Three queues make close to two million requests a month. `labkit cost` works it out.",
                "Most of the cost with photos is the functions' time.",
            ),
        ),
    ),
}


@dataclass(frozen=True)
class Quiz(Result):
    """The questions on one notebook: to press where a hand is, and to read everywhere."""

    questions: tuple[Question, ...]

    def sentence(self) -> str:
        """How many questions there are."""
        count = len(self.questions)
        return f"{count} question{'' if count == 1 else 's'}. Choose before you look at the answers."

    def headers(self) -> Sequence[str]:
        """One row an answer."""
        return ("question", "answer", "verdict")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row an answer."""
        for question in self.questions:
            for number, answer in enumerate(question.answers):
                yield question.text, answer, question.feedback(number)

    def _html(self) -> str:
        parts = [f"<p>{escape(self.sentence())}</p>"]
        for question in self.questions:
            answers = "".join(f"<li>{escape(answer)}</li>" for answer in question.answers)
            feedback = "".join(f"<li>{escape(question.feedback(n))}</li>" for n in range(len(question.answers)))
            parts.append(
                f"<p><b>{escape(question.text)}</b></p><ol>{answers}</ol>"
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
            options = [(answer, number) for number, answer in enumerate(question.answers)]
            choice = widgets.RadioButtons(options=options, index=None, layout={"width": "max-content"})
            choice.observe(partial(_answer, question, said), "value")
            rows += [widgets.HTML(f"<b>{escape(question.text)}</b>"), choice, said]
        return widgets.VBox(rows)


def _answer(question: Question, said: widgets.HTML, change: Mapping[str, Any]) -> None:
    said.value = f"<p>{escape(question.feedback(change['new']))}</p>"


def quiz(step: int) -> Quiz:
    """The questions on a notebook, by its number. Raises LabError if there are none on that notebook."""
    if step not in QUESTIONS:
        raise LabError(f"There are no questions on notebook {step}.", hint=f"There are some on 0 to {max(QUESTIONS)}.")
    return Quiz(QUESTIONS[step])
