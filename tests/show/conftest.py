"""Hand-made results, so that views are tested without any AWS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labkit.definition import Definition
from labkit.insight.log_lines import LogLine, parse_log
from labkit.insight.logs import FunctionLogs
from labkit.insight.survey import MADE, Part, Survey

BEGAN = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def survey_of():
    """A survey with every part made, except those that are named with a state and a trouble."""

    def make(changes=None, definition=None, state=MADE):
        definition = definition or Definition(suffix="ab3x9")
        parts = [
            Part("bucket", definition.bucket_name, MADE),
            Part("ingest folder", "ingest/", MADE, "3 photos"),
            Part("event notification", "resize-image-event", MADE, "ingest/*.jpg to the topic"),
            Part("topic", definition.topic_name, MADE),
            Part("topic policy", definition.topic_name, MADE, "S3 may publish for this bucket"),
        ]
        for branch in definition.branches:
            name = branch.name
            parts += [
                Part("subscription", branch.queue_name, MADE, "subscribed", function=name),
                Part("queue", branch.queue_name, MADE, "0 waiting, 1 in flight", function=name),
                Part("queue policy", branch.queue_name, MADE, "The topic may send", function=name),
                Part("dead-letter queue", branch.dead_letter_queue_name, MADE, "no dead letters", function=name),
                Part("trigger", branch.function_name, MADE, "enabled, batch size 1", function=name),
                Part("role", branch.role_name, MADE, "Lambda may assume it", function=name),
                Part("function", branch.function_name, MADE, "512 MB, 10 s", function=name),
                Part("logs", branch.log_group, MADE, "3 invocations logged", function=name),
                Part("results", branch.folder, MADE, "3 results", function=name),
            ]
        parts = [replace(part, state=state) for part in parts]
        for part in list(parts):
            for (kind, branch), (state, trouble) in (changes or {}).items():
                if part.kind == kind and part.function == branch:
                    parts[parts.index(part)] = Part(kind, part.name, state, "", trouble, branch)
        return Survey(definition.lab_id, tuple(parts))

    return make


@pytest.fixture(scope="session")
def logs_of():
    """The logs of a function with so many good invocations, and after them some that fail."""

    def make(function="CreateThumbnail", good=2, failed=0):
        lines = []
        for n in range(good + failed):
            said = "[ERROR] KeyError: 'Records'\nTraceback (most recent call last):" if n >= good else "all well"
            texts = [
                f"START RequestId: {function}-{n} Version: $LATEST",
                said,
                f"END RequestId: {function}-{n}",
                f"REPORT RequestId: {function}-{n}\tDuration: {10 * (n + 1)}.00 ms\tBilled Duration: 11 ms\t"
                f"Memory Size: 512 MB\tMax Memory Used: 60 MB\t{'Init Duration: 400.00 ms' if n == 0 else ''}",
            ]
            start = BEGAN + timedelta(seconds=3 * n)
            lines += [LogLine(start + timedelta(milliseconds=k), text, "stream-a") for k, text in enumerate(texts)]
        return FunctionLogs(
            function, f"/aws/lambda/{function}", ("stream-a",) if lines else (), parse_log(lines), tuple(lines)
        )

    return make
