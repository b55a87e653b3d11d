"""Hand-made results, so that views are tested without any AWS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labkit.insight.logs import FunctionLogs, LogLine, parse_log
from labkit.insight.survey import MADE, Part, Survey
from labkit.settings import FUNCTIONS, Settings

BEGAN = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def survey_of():
    """A survey with every part made, except those that are named with a state and a trouble."""

    def make(changes=None, settings=None, functions=FUNCTIONS, state=MADE):
        settings = settings or Settings(suffix="ab3x9")
        parts = [
            Part("bucket", settings.bucket_name, MADE),
            Part("ingest folder", "ingest/", MADE, "3 photos"),
            Part("event notification", "resize-image-event", MADE, "ingest/*.jpg"),
            Part("topic", settings.topic_name, MADE, "Standard"),
            Part("topic policy", settings.topic_name, MADE, "S3 may publish"),
        ]
        for function in functions:
            queue = settings.queue_name(function)
            parts += [
                Part("subscription", queue, MADE, "subscribed", function=function.name),
                Part("queue policy", queue, MADE, "the topic may send", function=function.name),
                Part("queue", queue, MADE, "0 waiting, 1 in flight", function=function.name),
                Part("redrive", queue, MADE, "after 5 receives", function=function.name),
                Part(
                    "dead-letter queue",
                    settings.dead_letter_queue_name(function),
                    MADE,
                    "empty",
                    function=function.name,
                ),
                Part("trigger", queue, MADE, "enabled", function=function.name),
                Part("role", settings.role_name(function), MADE, "writes thumbnail/", function=function.name),
                Part("function", settings.function_name(function), MADE, "512 MB, 10 s", function=function.name),
                Part("logs", settings.log_group(function), MADE, "3 requests logged", function=function.name),
                Part("results", function.folder, MADE, "3 results", function=function.name),
            ]
        parts = [replace(part, state=state) for part in parts]
        for part in list(parts):
            for (kind, branch), (state, trouble) in (changes or {}).items():
                if part.kind == kind and part.function == branch:
                    parts[parts.index(part)] = Part(kind, part.name, state, "", trouble, branch)
        return Survey(settings.lab_id, tuple(parts))

    return make


@pytest.fixture(scope="session")
def logs_of():
    """The logs of a function with so many good requests, and after them some that fail."""

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
