"""Which events of a bucket go where: the notification configuration, and what S3 refuses in one.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

from typing import Any

from moto.s3 import models as s3_models
from moto.s3.exceptions import InvalidArgumentError, InvalidFilterRuleName
from moto.s3.models import FakeBucket
from moto.sns import models as sns_models
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from labkit.policy import allows, service_request


class Notification(s3_models.Notification):
    """moto compares with the filter names in lower case; AWS takes both cases and shows them capitalised.

    No issue of moto's is known.
    """

    def _key_matches(self, key_name: str) -> bool:
        prefix, suffix = _filter_of(self)
        return key_name.startswith(prefix) and key_name.endswith(suffix)


def _filter_of(notification: s3_models.Notification) -> tuple[str, str]:
    rules = notification.filters.get("S3Key", {}).get("FilterRule", [])
    values = {rule["Name"]: rule["Value"] for rule in rules}
    return values.get("Prefix", ""), values.get("Suffix", "")


def complete_filter_rule(entry: dict[str, Any]) -> None:
    """Write one rule of a filter as S3 shows it. Without a value it lets everything through."""
    if entry["Name"].lower() not in ("prefix", "suffix"):
        raise InvalidFilterRuleName(entry["Name"])
    entry |= {"Name": entry["Name"].capitalize(), "Value": entry["Value"] or ""}


def check_notifications(
    bucket: FakeBucket, configuration: s3_models.NotificationConfiguration, skip_validation: bool
) -> None:
    """Refuse rules that overlap, and destinations that are not there or do not let S3 in."""
    rules = [*configuration.topic, *configuration.queue, *configuration.cloud_function]
    for number, rule in enumerate(rules):
        for other in rules[:number]:
            if _overlap(rule, other):
                raise InvalidArgumentError(
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
                    "prefixes are overlapping for the same event type.",
                    "",
                    "",
                )
    for rule in rules:
        refusal = None if skip_validation else _destination_refusal(bucket, rule.arn)
        if refusal:
            raise InvalidArgumentError("Unable to validate the following destination configurations", rule.arn, refusal)


def _overlap(one: s3_models.Notification, other: s3_models.Notification) -> bool:
    prefixes, suffixes = zip(_filter_of(one), _filter_of(other), strict=True)
    return (
        (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0]))
        and (suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0]))
        and any(_same_event(mine, theirs) for mine in one.events for theirs in other.events)
    )


def _same_event(one: str, other: str) -> bool:
    return one == other or any(
        wide.endswith(":*") and narrow.startswith(wide[:-1]) for wide, narrow in ((one, other), (other, one))
    )


def _destination_refusal(bucket: FakeBucket, arn: str) -> str | None:
    """Return why S3 may not publish there, or None when it may."""
    service, _, account, name = arn.split(":", 5)[2:]
    if service == "sns":
        topic = sns_backends[account][arn.split(":")[3]].topics.get(arn)
        if topic is None:
            return "The destination topic does not exist"
        if not s3_may_publish(bucket, topic):
            return "Permissions on the destination topic do not allow S3 to publish notifications from this bucket"
    if service == "sqs":
        target = sqs_backends[account][arn.split(":")[3]].queues.get(name)
        if target is None:
            return "The destination queue does not exist"
        request = service_request(
            "s3.amazonaws.com", "sqs:SendMessage", arn, source=bucket.arn, account=bucket.account_id
        )
        if not allows([target.policy], request):
            return "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"
    return None


def s3_may_publish(bucket: FakeBucket, topic: sns_models.Topic) -> bool:
    """Return whether the topic's policy lets S3 publish on behalf of this bucket."""
    request = service_request(
        "s3.amazonaws.com", "SNS:Publish", topic.arn, source=bucket.arn, account=bucket.account_id
    )
    return allows([topic._policy_json], request)
