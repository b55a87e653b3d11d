"""What of the lab is really there: every part missing, made or failing. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from labkit.errors import telling
from labkit.insight.logs import read_logs
from labkit.lab import Lab
from labkit.policy import allows
from labkit.result import Result, counted
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, NOTIFICATION_NAME, FunctionSettings
from labkit.steps.functions import find_trigger, function_configuration, log_group_exists
from labkit.steps.notification import bucket_exists, find_notification, rule_filters, s3_publishes
from labkit.steps.queues import find_subscription, queue_attributes, topic_sends
from labkit.steps.topic import topic_arn, topic_attributes

MISSING, MADE, FAILING = "missing", "made", "failing"
LOGS_OF = timedelta(hours=1)  # how far back a failed request still counts as trouble
TROUBLE_IN = ("Failed", "Inactive")  # states of a Lambda function that answers no call


@dataclass(frozen=True)
class Part(Result):
    """One thing of the lab: what it is, its real name, and its state.

    `detail` is what is worth knowing in a few words, `trouble` why it is failing, `function` the branch of the
    pipeline it belongs to (`CreateThumbnail` ...), empty for what all branches share.
    """

    kind: str
    name: str
    state: str
    detail: str = ""
    trouble: str = ""
    function: str = ""

    def sentence(self) -> str:
        """Kind, name, state, and what is wrong."""
        more = self.trouble or self.detail
        return f"The {self.kind} {self.name} is {self.state}{': ' + more if more else ''}."


@dataclass(frozen=True)
class Survey(Result):
    """All parts of one lab, in the order in which a photo meets them."""

    lab_id: str
    parts: tuple[Part, ...]

    def find(self, kind: str, function: str = "") -> Part:
        """The part of that kind (of that branch). Raises KeyError."""
        for part in self.parts:
            if (part.kind, part.function) == (kind, function):
                return part
        raise KeyError(f"no {kind} {function}".rstrip())

    def branches(self) -> tuple[str, ...]:
        """The functions' original names, from top to bottom."""
        return tuple(dict.fromkeys(part.function for part in self.parts if part.function))

    def in_state(self, state: str) -> tuple[Part, ...]:
        """The parts that are `missing`, `made` or `failing`."""
        return tuple(part for part in self.parts if part.state == state)

    def sentence(self) -> str:
        """How many parts there are of each state, and what is wrong first."""
        counts = ", ".join(f"{len(self.in_state(state))} {state}" for state in (MADE, MISSING, FAILING))
        failing = self.in_state(FAILING)
        return f"The lab {self.lab_id} has {len(self.parts)} parts: {counts}." + (
            f" {failing[0].sentence()}" if failing else ""
        )

    def headers(self) -> Sequence[str]:
        """One row a part."""
        return ("part", "name", "state", "what there is to say")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a part."""
        return [(part.kind, part.name, part.state, part.trouble or part.detail or "-") for part in self.parts]


def survey(lab: Lab) -> Survey:
    """Look at every part of the lab as it stands in AWS. Changes nothing. Raises LabError if AWS refuses."""
    with telling("surveying the lab"):
        there = bucket_exists(lab)
        rule = find_notification(lab) if there else None
        shared = [
            _bucket(lab, there),
            _folder(lab, there, INGEST_FOLDER, "photo"),
            _notification(lab, rule),
            _topic(lab, rule),
        ]
        branches = [part for function in lab.settings.functions for part in _branch(lab, function, there)]
    return Survey(lab.settings.lab_id, (*shared, *branches))


def _bucket(lab: Lab, there: bool) -> Part:
    return Part("bucket", lab.settings.bucket_name, MADE if there else MISSING)


def _folder(lab: Lab, bucket_there: bool, folder: str, holds: str, function: str = "") -> Part:
    """A folder is there as soon as it holds something; `ingest/` may be there empty, as an object of its own."""
    kind = "results" if function else "ingest folder"
    if not bucket_there:
        return Part(kind, folder, MISSING, function=function)
    answer = lab.client("s3").list_objects_v2(Bucket=lab.settings.bucket_name, Prefix=folder)
    count = sum(item["Key"] != folder for item in answer.get("Contents", []))
    more = "or more " if answer.get("IsTruncated") else ""
    state = MADE if answer.get("KeyCount") else MISSING
    detail = counted(count, f"{more}{holds}") if count else "empty"
    return Part(kind, folder, state, detail, function=function)


def _notification(lab: Lab, rule: Mapping[str, Any] | None) -> Part:
    if rule is None:
        return Part("event notification", NOTIFICATION_NAME, MISSING)
    filters = rule_filters(rule)
    detail = f"{filters.get('prefix', '')}*{filters.get('suffix', '')}"
    trouble = ""
    if rule["TopicArn"] != topic_arn(lab):
        trouble = f"it sends to {rule['TopicArn']}"
    elif detail != f"{INGEST_FOLDER}*{INGEST_SUFFIX}":
        trouble = f"it listens to {detail}"
    return Part("event notification", NOTIFICATION_NAME, FAILING if trouble else MADE, detail, trouble)


def _topic(lab: Lab, rule: Mapping[str, Any] | None) -> Part:
    name = lab.settings.topic_name
    attributes = topic_attributes(lab)
    if attributes is None:
        return Part("topic", name, MISSING)
    may = allows([attributes.get("Policy")], s3_publishes(lab))
    if rule is not None and not may:
        return Part("topic", name, FAILING, trouble="its policy does not let S3 publish")
    return Part("topic", name, MADE, "S3 may publish" if may else "Standard")


def _branch(lab: Lab, function: FunctionSettings, bucket_there: bool) -> list[Part]:
    queue, subscription = lab.settings.queue_name(function), find_subscription(lab, lab.settings.queue_name(function))
    return [
        _subscription(function, queue, subscription),
        _queue(lab, function, queue, subscription),
        _dead_letter_queue(lab, function),
        _trigger(lab, function),
        _function(lab, function),
        _logs(lab, function),
        _folder(lab, bucket_there, function.folder, "result", function.name),
    ]


def _subscription(function: FunctionSettings, queue: str, arn: str | None) -> Part:
    if arn is None:
        return Part("subscription", queue, MISSING, function=function.name)
    confirmed = arn.startswith("arn:")  # else AWS answers with the words PendingConfirmation or Deleted
    return Part(
        "subscription", queue, MADE if confirmed else FAILING, "subscribed", "" if confirmed else arn, function.name
    )


def _queue(lab: Lab, function: FunctionSettings, name: str, subscription: str | None) -> Part:
    attributes = queue_attributes(lab, name)
    if attributes is None:
        return Part("queue", name, MISSING, function=function.name)
    depth = queue_depth(attributes)
    detail = f"{depth.waiting} waiting, {depth.in_flight} in flight"
    refused = subscription is not None and not allows([attributes.get("Policy")], topic_sends(lab, function))
    trouble = "its policy does not let the topic send" if refused else ""
    return Part("queue", name, FAILING if trouble else MADE, detail, trouble, function.name)


def _dead_letter_queue(lab: Lab, function: FunctionSettings) -> Part:
    name = lab.settings.dead_letter_queue_name(function)
    attributes = queue_attributes(lab, name)
    if attributes is None:
        return Part("dead-letter queue", name, MISSING, function=function.name)
    dead = queue_depth(attributes).total
    trouble = counted(dead, "dead letter") if dead else ""
    return Part("dead-letter queue", name, FAILING if dead else MADE, "empty", trouble, function.name)


def _trigger(lab: Lab, function: FunctionSettings) -> Part:
    name = lab.settings.queue_name(function)
    found = find_trigger(lab, function)
    if found is None:
        return Part("trigger", name, MISSING, function=function.name)
    state = str(found["State"])
    trouble = state.lower() if state.startswith("Disabl") else ""
    said = str(found.get("LastProcessingResult", ""))
    if said.startswith("PROBLEM"):
        trouble = said
    return Part("trigger", name, FAILING if trouble else MADE, state.lower(), trouble, function.name)


def _function(lab: Lab, function: FunctionSettings) -> Part:
    name = lab.settings.function_name(function)
    found = function_configuration(lab, function)
    if found is None:
        return Part("function", name, MISSING, function=function.name)
    detail = f"{found['MemorySize']} MB, {found['Timeout']} s"
    trouble = ""
    if found.get("State") in TROUBLE_IN:
        trouble = found.get("StateReason") or f"its state is {found['State']}"
    elif found.get("LastUpdateStatus") == "Failed":
        trouble = found.get("LastUpdateStatusReason") or "its last update failed"
    return Part("function", name, FAILING if trouble else MADE, detail, trouble, function.name)


def _logs(lab: Lab, function: FunctionSettings) -> Part:
    name = lab.settings.log_group(function)
    if not log_group_exists(lab, name):
        return Part("logs", name, MISSING, function=function.name)
    logs = read_logs(lab, function.name, since=LOGS_OF)
    count, failed = len(logs.requests), len(logs.errors())
    # An old failure that later requests have left behind is history; a failure that is the last word is trouble.
    trouble = f"{failed} of {count} requests failed" if failed and logs.requests[-1] in logs.errors() else ""
    detail = f"{counted(count, 'request')} logged" if count else "no request yet"
    return Part("logs", name, FAILING if trouble else MADE, detail, trouble, function.name)


@dataclass(frozen=True)
class QueueDepths(Result):
    """How many messages each queue of the lab holds at a moment; approximate, as SQS says itself."""

    queues: tuple[tuple[str, Depth], ...]  # the queue's name, its depth

    def sentence(self) -> str:
        """How much there is in all."""
        total = sum(depth.total for _, depth in self.queues)
        return f"{counted(total, 'message')} in {len(self.queues)} queues, dead letters included."

    def headers(self) -> Sequence[str]:
        """One row a queue."""
        return ("queue", "waiting", "in flight")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a queue."""
        return [(name, depth.waiting + depth.delayed, depth.in_flight) for name, depth in self.queues]


def queue_depths(lab: Lab) -> QueueDepths:
    """The depth of the three queues and their dead-letter queues; a queue that is not there is left out.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    settings = lab.settings
    names = [
        name(function)
        for function in settings.functions
        for name in (settings.queue_name, settings.dead_letter_queue_name)
    ]
    with telling("reading the depth of the queues"):
        found = [(name, queue_attributes(lab, name)) for name in names]
    return QueueDepths(tuple((name, queue_depth(attributes)) for name, attributes in found if attributes))


@dataclass(frozen=True)
class Depth:
    """How many messages a queue holds: waiting, in flight (received, not deleted yet) and delayed. Approximate."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.in_flight + self.delayed


def queue_depth(attributes: Mapping[str, str]) -> Depth:
    """The depth in a queue's attributes."""
    return Depth(
        int(attributes.get("ApproximateNumberOfMessages", 0)),
        int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
    )
