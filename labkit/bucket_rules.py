"""What S3 and the lab demand of a bucket, known before anything is made: its name, its region, its other rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from labkit.definition import Definition
from labkit.errors import LabError
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
RESERVED_BEGINNINGS = ("-", "xn--", "sthree-", "amzn-s3-demo-")
# Names of access points, of directory and table buckets, of which S3 sends no events.
RESERVED_ENDINGS = ("-", "-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
ACCOUNT_REGIONAL = "-an"  # of a bucket in an account's own namespace: an existing one may have it, a new one may not
NAME = re.compile(r"[A-Za-z0-9._-]{3,255}")  # the oldest buckets may have more than S3 gives out today
ONE_LAB_AT_A_TIME = (
    "An existing bucket serves one lab at a time, since S3 takes one rule for the same keys and events: clean up the "
    "other lab first, where it was opened (`labkit clean`), or name another bucket. Without --bucket, each lab makes "
    "one of its own."
)
DESTINATIONS = {
    "TopicConfigurations": "TopicArn",
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}


def refuse_bucket_name(definition: Definition) -> None:
    """Raise LabError if no bucket can have the name that the lab's would have, or that was given."""
    name, own = definition.bucket_name, definition.bucket is None
    beginning = next((part for part in RESERVED_BEGINNINGS if name.startswith(part)), None)
    endings = (*RESERVED_ENDINGS, ACCOUNT_REGIONAL) if own else RESERVED_ENDINGS
    ending = next((part for part in endings if name.endswith(part)), None)
    if beginning is None and ending is None and NAME.fullmatch(name):
        return
    why = f"begins with {beginning}" if beginning else f"ends with {ending}" if ending else "looks like that"
    part = "prefix" if beginning else "suffix"
    raise LabError(
        f"The lab's bucket can't be called {name}: S3 gives out no name that {why}.",
        where="opening the lab",
        hint=f"Choose another {part}." if own else "Give the name of a bucket, as `aws s3 ls` lists it.",
        code="bad-option",
    )


def refuse_unfit_bucket(s3: Any, definition: Definition) -> None:
    """Raise LabError if an existing bucket lies in another region, or tells someone else of new photos already.

    What these credentials may not look at is not judged: the step that uses the bucket says what AWS says.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-enable-disable-notification-intro.html
    """
    try:
        region = s3.head_bucket(Bucket=definition.bucket_name).get("BucketRegion")
        configuration = s3.get_bucket_notification_configuration(Bucket=definition.bucket_name)
    except ClientError:
        return
    where = f"looking at the existing bucket {definition.bucket_name}"
    if region and region != definition.region:
        raise LabError(
            f"The bucket {definition.bucket_name} is in {region}, and this lab in {definition.region}: S3 tells only "
            "topics of its own region.",
            where=where,
            hint=f"Open the lab in that region (--region {region}), or name a bucket in {definition.region}.",
            code="bad-option",
        )
    for rule, destination in _rules(configuration):
        if destination not in _topics(definition) and _covers_photos(rule):
            raise LabError(
                f"The bucket {definition.bucket_name} tells {destination} of new photos already (its event "
                f"notification {rule.get('Id')}).",
                where=where,
                hint=ONE_LAB_AT_A_TIME,
                code="not-this-labs",
            )


def rule_filters(rule: Mapping[str, Any]) -> dict[str, str]:
    """Prefix and suffix of a notification's rule; AWS answers with capital or small initials."""
    rules = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {filter_rule["Name"].lower(): filter_rule["Value"] for filter_rule in rules}


def _rules(configuration: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    for kind, destination in DESTINATIONS.items():
        for rule in configuration.get(kind, []):
            yield rule, rule[destination]


def _topics(definition: Definition) -> tuple[str, str]:
    return definition.topic_arn, definition.arn("sns", definition.refused_topic_name)


def _covers_photos(rule: Mapping[str, Any]) -> bool:
    """Whether S3 would refuse the lab's own rule beside it: the same events of keys that both cover."""
    filters = rule_filters(rule)
    prefix, suffix = filters.get("prefix", ""), filters.get("suffix", "")
    return (
        (prefix.startswith(INGEST_FOLDER) or INGEST_FOLDER.startswith(prefix))
        and (suffix.endswith(INGEST_SUFFIX) or INGEST_SUFFIX.endswith(suffix))
        and any(event.startswith("s3:ObjectCreated:") for event in rule["Events"])
    )
