"""Judges of what a student reads out of AWS's answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote, unquote_plus

from labkit.exercises.wrong import Wrong, require
from labkit.insight.logs import read_logs
from labkit.lab import Lab
from labkit.resources import Queue
from labkit.resources.queue import queue_depth
from labkit.resources.resource import OURS
from labkit.settings import INGEST_FOLDER

READ_IN = "CreateWebImage"  # whose log is read
EXAMPLE_KEY = f"{INGEST_FOLDER}summer 2026/day one, 100%.jpg"


def example_message(lab: Lab) -> str:
    """The body of a message as a queue gets it of a photo: S3's event in SNS's envelope, both in JSON."""
    one = lab.definition
    photo = {"bucket": {"name": one.bucket_name}, "object": {"key": quote_plus(EXAMPLE_KEY, safe="/"), "size": 204800}}
    record = {"eventSource": "aws:s3", "awsRegion": one.region, "eventName": "ObjectCreated:Put", "s3": photo}
    return json.dumps(
        {
            "Type": "Notification",
            "TopicArn": one.topic_arn,
            "Subject": "Amazon S3 Notification",
            "Message": json.dumps({"Records": [record]}),
        }
    )


def parts_of_an_arn(lab: Lab, service: Any, account: Any) -> str:
    """The service and the account in the ARN that STS gives."""
    arn = str(lab.client("sts").get_caller_identity()["Arn"])
    parts = arn.split(":", 5)
    require(account != arn and service != arn, "That is the whole ARN: `split` takes it apart at its colons.")
    require(not isinstance(account, int), "As a number, an account that begins with 0 would lose it: leave it a text.")
    counted_from_0 = "Python counts from 0, so the parts are 0 to 5."
    for name, given, place in (("service", service, 2), ("account", account, 4)):
        if given != parts[place]:
            other = parts.index(given) if given in parts else None
            found = f"{given!r} is part {other} of the ARN" if other is not None else f"{given!r} is no part of it"
            raise Wrong(f"For the {name}, {found}, and the {name} is part {place}. {counted_from_0}")
    return f"{arn} is a name in {service}, and belongs to the account {account}."


def key_in_an_event(lab: Lab, key: Any) -> str:
    """The key of the photo that `example_message` tells of, as S3 knows it."""
    sent = quote_plus(EXAMPLE_KEY, safe="/")
    bucket = lab.definition.bucket_name
    require(key != bucket, "That is the bucket's name. The key is beside it, under `object`.")
    require(key != sent, f"S3 has no object `{sent}`: with plus signs for blanks, the function would be told 404.")
    half = f"S3 has no object `{unquote(sent)}`: `unquote` leaves the plus signs, which stand for blanks."
    require(key != unquote(sent), half)
    name = EXAMPLE_KEY.removeprefix(INGEST_FOLDER)
    require(
        key not in (name, unquote_plus(name)), f"The key begins with `{INGEST_FOLDER}`: without it S3 finds nothing."
    )
    whole = "That is still the envelope, or what is in it: go on, down to the key."
    require(not isinstance(key, Mapping | list) and "Records" not in str(key), whole)
    require(key == EXAMPLE_KEY, f"S3 has no object {key!r}. The photo's key ends in `day one, 100%.jpg`.")
    return f"`{key}` is the key as S3 knows it; a function can fetch that."


def billed_durations(lab: Lab, billed_ms: Any) -> str:
    """The billed milliseconds of every invocation of CreateWebImage, as its log says."""
    require(isinstance(billed_ms, list | tuple), "It should be a list, with one number for each invocation.")
    require(billed_ms, "The list is empty: no line of the log matched. The lines begin with `REPORT`.")
    ended = [one for one in read_logs(lab, READ_IN).invocations if one.billed_ms is not None]
    wanted = sorted(int(one.billed_ms or 0) for one in ended)
    given = list(billed_ms)
    require(not any(isinstance(one, str) for one in given), "These are texts: `int()` makes numbers to add up.")
    if sorted(given) == wanted:
        return f"{len(given)} invocations, {sum(wanted)} ms to pay for."
    if {float(one) for one in given} <= {one.duration_ms for one in ended}:
        raise Wrong("That is the time they worked. The bill is rounded up, and counts the cold start: Billed Duration.")
    if set(given) <= {one.memory_mb for one in ended}:
        raise Wrong("That is the memory in MB; the milliseconds are under Billed Duration.")
    if sorted(round(one * 1000) for one in given) == wanted:
        raise Wrong("These are seconds; AWS counts, and bills, milliseconds.")
    raise Wrong(
        f"{sum(given)} ms in {len(given)} invocations; the log of {READ_IN} has {sum(wanted)} in {len(wanted)}."
    )


def queues_of_this_lab(lab: Lab, urls: Any) -> str:
    """The URLs of the queues that carry this lab's tags."""
    require(isinstance(urls, Iterable) and not isinstance(urls, str), "It should be a list of queue URLs.")
    given = [str(url) for url in urls]
    wanted = {one.name for one in Queue.find(lab, lambda _: True) if one.ownership().verdict == OURS}
    if not given and not wanted:
        return "The list is empty, and rightly: this lab has no queues at the moment."
    require(given, "The list is empty: all queues of this lab would be left behind. The tag is called `Lab`.")
    bare = f"{given[0]!r} is a name. `delete_queue` wants the URL."
    require(all("://" in url for url in given), bare)
    found = {url.rsplit("/", 1)[-1]: url for url in given}
    if more := sorted(found.keys() - wanted):
        tags = lab.client("sqs").list_queue_tags(QueueUrl=found[more[0]]).get("Tags", {})
        whose = f"whose tag Lab says {tags['Lab']}" if "Lab" in tags else "which carries no tag Lab"
        raise Wrong(f"With this list you would delete {more[0]}, {whose}: it is not yours.")
    if left := sorted(wanted - found.keys()):
        raise Wrong(f"{left[0]} would be left behind, though it carries this lab's tags.")
    return f"{len(wanted)} queues, and each of them says that it is this lab's."


def depth_of_a_queue(lab: Lab, name: Any, depth: Any) -> str:
    """How many messages are in a queue of the student's: those that wait, those in flight, and those delayed.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-resources-required-process-messages.html
    """
    found = Queue(lab, str(name)).read()
    require(found is not None, f"There is no queue {name}.")
    now = queue_depth(found or {})
    texts = "That is a text: SQS answers with texts, and `+` puts them one behind the other. `int()` makes numbers."
    require(not isinstance(depth, str), texts)
    require(isinstance(depth, int), "The depth is a number.")
    waiting, in_flight, delayed = now.waiting, now.in_flight, now.delayed
    if depth == now.total:
        return f"{waiting} wait, {in_flight} are in flight, {delayed} delayed: the queue holds {now.total} messages."
    told = {
        waiting: f"These only wait. {in_flight} are in flight: of a busy queue you would see the idle part.",
        in_flight: "These are in flight. However long the queue grows, this number stays: it counts who works.",
        delayed: "These are delayed, and the others are in the queue as well.",
        waiting + in_flight: f"{delayed} more is on its way: delayed, so that nobody is given it yet.",
        waiting + delayed: f"{in_flight} in flight are missing: if whoever has them dies, they all come back.",
    }
    raise Wrong(told.get(depth, f"The queue holds {now.total} messages, not {depth}: SQS counts them in three heaps."))
