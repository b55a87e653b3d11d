"""From another machine, or without the journal: find a lab's things by their tags and its suffix.

Subscriptions, triggers and notifications are found through what they hang on. What was found is shown first; only what
was then taken over into the journal is ever deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.errors import LabError, telling
from labkit.journal import Entry
from labkit.lab import Lab
from labkit.policy import as_list
from labkit.result import Result, counted
from labkit.settings import INGEST_FOLDER, NOTIFICATION_NAME, PROJECT_TAG
from labkit.steps.functions import find_trigger
from labkit.steps.making import found_or_none, from_tag_list, parsed
from labkit.steps.notification import REFUSED_RULE, bucket_arn, notification_exists
from labkit.steps.queues import find_subscription
from labkit.steps.topic import topic_attributes


@dataclass(frozen=True)
class Found(Result):
    """What carries the tags of one lab, and what hangs on it."""

    lab_id: str
    entries: tuple[Entry, ...]

    def sentence(self) -> str:
        """How many things."""
        belong, their = ("belongs", "its") if len(self.entries) == 1 else ("belong", "their")
        things = counted(len(self.entries), "thing")
        return f"{things} in AWS {belong} to {self.lab_id} by {their} tags and suffix."

    def headers(self) -> Sequence[str]:
        """One row a thing."""
        return ("kind", "name")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a thing."""
        return [(entry.kind, entry.name) for entry in self.entries]


@dataclass(frozen=True)
class Labs(Result):
    """All labs that have something in an account and region."""

    account: str
    region: str
    labs: Mapping[str, int]  # the tag Lab, and how many things carry it

    def sentence(self) -> str:
        """How many labs."""
        have = "has" if len(self.labs) == 1 else "have"
        return f"{counted(len(self.labs), 'lab')} {have} something in account {self.account}, region {self.region}."

    def headers(self) -> Sequence[str]:
        """One row a lab."""
        return ("lab", "tagged things")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a lab."""
        return sorted(self.labs.items())


@dataclass(frozen=True)
class Tagged:
    """A thing that says by its tags that it is a lab's."""

    kind: str
    name: str
    tags: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)


@telling("looking for labs")
def find_labs(lab: Lab) -> Labs:
    """All labs of this account and region, by the tags of what they have made. Changes nothing."""
    labs: dict[str, int] = {}
    for thing in _tagged(lab, ""):
        labs[thing.tags["Lab"]] = labs.get(thing.tags["Lab"], 0) + 1
    return Labs(lab.connection.account, lab.connection.region, labs)


@telling("looking for this lab's things")
def find_things(lab: Lab) -> Found:
    """What this lab, by prefix and suffix, has in AWS, found by tags alone. Changes nothing.

    Raises LabError if the lab worked in somebody's bucket and was opened here without naming it.
    """
    _require_its_bucket(lab)
    suffix = lab.settings.suffix if lab.settings.shared else ""  # elsewhere not every name carries it
    own = [thing for thing in _tagged(lab, suffix) if thing.tags["Lab"] == lab.settings.lab_id]
    entries = [Entry(thing.kind, thing.name, "created", thing.facts) for thing in own]
    return Found(lab.settings.lab_id, (*_what_hangs_on_it(lab), *entries, *_objects(lab)))


def take_over(lab: Lab, found: Found) -> None:
    """Write what was found into this machine's journal: from now on it is this lab's to clean up."""
    for entry in found.entries:
        lab.journal.created(entry.kind, entry.name, **entry.facts)


def _tagged(lab: Lab, suffix: str) -> Iterator[Tagged]:
    """Everything whose name ends in the suffix and whose tags say that it is a lab's."""
    for search in (_topics, _queues, _functions, _log_groups, _roles, _buckets):
        for thing in search(lab, suffix):
            if thing.tags.get("Project") == PROJECT_TAG and thing.tags.get("Suffix", "").endswith(suffix):
                yield thing


def _topics(lab: Lab, suffix: str) -> Iterator[Tagged]:
    sns = lab.client("sns")
    for page in sns.get_paginator("list_topics").paginate():
        for arn in (topic["TopicArn"] for topic in page["Topics"]):
            if arn.endswith(suffix):
                tags = from_tag_list(sns.list_tags_for_resource(ResourceArn=arn)["Tags"])
                yield Tagged("topic", arn.rsplit(":", 1)[-1], tags, {"arn": arn})


def _queues(lab: Lab, suffix: str) -> Iterator[Tagged]:
    sqs = lab.client("sqs")
    for page in sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1000}):
        for url in page.get("QueueUrls", []):
            if url.endswith(suffix):
                name, tags = url.rsplit("/", 1)[-1], sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
                yield Tagged("queue", name, tags, {"arn": lab.arn("sqs", name), "url": url})


def _functions(lab: Lab, suffix: str) -> Iterator[Tagged]:
    client = lab.client("lambda")
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name, arn = function["FunctionName"], function["FunctionArn"]
            if name.endswith(suffix):
                yield Tagged("function", name, client.list_tags(Resource=arn)["Tags"], {"arn": arn})


def _log_groups(lab: Lab, suffix: str) -> Iterator[Tagged]:
    logs = lab.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/"):
        for name in (group["logGroupName"] for group in page["logGroups"]):
            if name.endswith(suffix):
                arn = lab.arn("logs", f"log-group:{name}")
                yield Tagged("log group", name, logs.list_tags_for_resource(resourceArn=arn)["tags"])


def _roles(lab: Lab, suffix: str) -> Iterator[Tagged]:
    if lab.role_arn is not None:
        return  # the lab made none, and its user may not be allowed to look
    iam = lab.client("iam")
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if role["RoleName"].endswith(suffix) and not role["Path"].startswith("/aws-service-role/"):
                tags = from_tag_list(iam.list_role_tags(RoleName=role["RoleName"])["Tags"])
                yield Tagged("role", role["RoleName"], tags, {"arn": role["Arn"]})


def _buckets(lab: Lab, suffix: str) -> Iterator[Tagged]:
    s3, made_by_a_lab = lab.client("s3"), f"image-lab-{lab.connection.account}-"
    for name in (bucket["Name"] for bucket in s3.list_buckets()["Buckets"]):
        if made_by_a_lab in name and name.endswith(suffix):
            answer = found_or_none(s3.get_bucket_tagging, Bucket=name)
            yield Tagged("bucket", name, from_tag_list(answer["TagSet"]) if answer else {})


def _what_hangs_on_it(lab: Lab) -> Iterator[Entry]:
    """These carry no tags that can be searched: they are found through queues, topic and bucket."""
    for function in lab.settings.functions:
        mapping = find_trigger(lab, function)
        if mapping is not None:
            yield Entry("trigger", lab.settings.function_name(function), "created", {"uuid": mapping["UUID"]})
    if lab.settings.bucket is not None:
        for rule in (NOTIFICATION_NAME, REFUSED_RULE):
            if notification_exists(lab, rule):
                yield Entry("event notification", rule, "created", {"bucket": lab.settings.bucket})
    for function in lab.settings.functions:
        queue = lab.settings.queue_name(function)
        if (arn := find_subscription(lab, queue)) is not None:
            yield Entry("subscription", queue, "created", {"arn": arn})


def _objects(lab: Lab) -> Iterator[Entry]:
    """Photos that the lab put into somebody's bucket; in its own they go with the bucket."""
    bucket = lab.settings.bucket
    if bucket is None:
        return
    s3 = lab.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=INGEST_FOLDER):
        for key in (item["Key"] for item in page.get("Contents", [])):
            tags = from_tag_list(s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
            if tags.get("Lab") == lab.settings.lab_id:
                yield Entry("object", key, "created", {"bucket": bucket})


def _require_its_bucket(lab: Lab) -> None:
    """The topic's policy names the bucket that may publish: if it is another one, it was given to the lab."""
    for statement in as_list(parsed((topic_attributes(lab) or {}).get("Policy")).get("Statement")):
        source = statement.get("Condition", {}).get("ArnLike", {}).get("aws:SourceArn", bucket_arn(lab))
        if source != bucket_arn(lab):
            bucket = source.rsplit(":", 1)[-1]
            raise LabError(
                f"{lab.settings.lab_id} worked in the bucket {bucket}.",
                where="looking for this lab's things",
                hint=f"Open it with that bucket: open_lab(..., bucket={bucket!r}), or LABKIT_BUCKET.",
            )
