"""Dead letters go back to where they came from, once what they failed of is fixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.errors import LabError, aws_errors
from labkit.lab import Lab
from labkit.resources import DeadLetterQueue, Queue
from labkit.resources.queue import queue_depth
from labkit.result import Result, counted
from labkit.waiting import wait_until

# While a dead letter is being moved, nobody else sees it; after a crash in between it comes back.
MOVING_S = 30


@dataclass(frozen=True)
class Redriven(Result):
    """How many dead letters went back to their queue."""

    source: str
    queue: str
    count: int

    def sentence(self) -> str:
        return f"{counted(self.count, 'dead letter')} went from {self.source} back to {self.queue}."

    def rows(self) -> Iterable[Sequence[object]]:
        return (("from", self.source), ("to", self.queue), ("messages", self.count))


def redrive(lab: Lab, function_name: str) -> Redriven:
    """Send a function's dead letters back to its queue, one by one, each sent before it is deleted.

    The console's button "Start DLQ redrive" does the same. Returns how many there were. Raises LabError.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
    """
    branch = lab.branch(function_name)
    dead, name = branch.dead_letter_queue_name, branch.queue_name
    source, target = DeadLetterQueue(lab, dead, branch).url(), Queue(lab, name, branch).url()
    for queue, url in ((dead, source), (name, target)):
        if url is None:
            raise LabError(f"There is no queue {queue}.", hint="catch_up(lab, to=2) makes it.", code="missing-step")
    sqs, count = lab.client("sqs"), 0
    with aws_errors(f"sending dead letters from {dead} back to {name}"):
        while messages := sqs.receive_message(
            QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=MOVING_S, WaitTimeSeconds=1
        ).get("Messages", []):
            for message in messages:
                sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
                sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
                count += 1
    return Redriven(dead, name, count)


@dataclass(frozen=True)
class DeadLetters(Result):
    """How many dead letters there are, queue by queue."""

    counts: tuple[tuple[str, int], ...]  # dead-letter queue, messages

    @property
    def total(self) -> int:
        """All of them."""
        return sum(count for _, count in self.counts)

    def sentence(self) -> str:
        return f"{counted(self.total, 'dead letter')} in {len(self.counts)} dead-letter queues."

    def headers(self) -> Sequence[str]:
        return ("dead-letter queue", "messages")

    def rows(self) -> Iterable[Sequence[object]]:
        return self.counts


@aws_errors("waiting for dead letters")
def wait_for_dead_letters(lab: Lab, total: int = 1, *, seconds: float = 120) -> DeadLetters:
    """Wait until the lab's dead-letter queues hold at least `total` messages together; returns what each holds.

    A message becomes one after `maxReceiveCount` receives, each a visibility timeout apart. Raises WaitedTooLong.
    """

    def ask() -> DeadLetters | None:
        found = [(queue.name, queue_depth(queue.read() or {}).waiting) for queue in DeadLetterQueue.of(lab)]
        letters = DeadLetters(tuple(found))
        return letters if letters.total >= total else None

    what, hint = counted(total, "dead letter"), "doctor(lab) says where the messages are."
    return wait_until(ask, what=what, seconds=seconds, hint=hint)
