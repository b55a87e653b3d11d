"""The three ways in which a photo can come to no result. Each carries a short stable word and a sentence."""

from __future__ import annotations


class NoResult(Exception):
    """Why there is no result: `reason` for programs, `message` for people."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(message)


class Ignored(NoResult):
    """Nothing to do, and nothing wrong: the message is done with."""


class Refused(NoResult):
    """It can never succeed. It is reported all the same: after its last try SQS moves it to the dead letters."""


class TryAgain(NoResult):
    """It may succeed the next time: SQS delivers the message again after its visibility timeout."""
