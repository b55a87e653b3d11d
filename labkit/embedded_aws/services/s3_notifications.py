"""Which events of a bucket go where: the notification configuration, and what S3 refuses in one.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

from typing import Any

from moto.s3 import models as s3_models
from moto.s3.exceptions import InvalidArgumentError
from moto.s3.models import FakeBucket
from moto.s3.notifications import S3NotificationEvent
from moto.sns import models as sns_models
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.services.lambda_permissions import may_invoke
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


DESTINATIONS = {"Topic": "sns", "Queue": "sqs", "CloudFunction": "lambda"}


def _invalid(message: str, name: str, value: str) -> AwsError:
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def check_rules(configuration: dict[str, Any]) -> None:
    """Refuse rules that are none, before anything is known of their destinations; completes their filters."""
    ids: set[str] = set()
    for kind, service in DESTINATIONS.items():
        for rule in configuration.get(f"{kind}Configuration", []):
            arn = (rule or {}).get(kind)
            if not arn or not rule.get("Event"):
                raise AwsError("MalformedXML", _NOT_XML)
            parts = arn.split(":", 5)
            if len(parts) != 6 or parts[0] != "arn" or parts[2] != service:
                raise _invalid("The ARN could not be parsed", kind, arn)
            if (id_ := rule.get("Id")) and id_ in ids:
                words = "Same ID used for multiple configurations. IDs must be unique"
                raise AwsError("InvalidArgument", words)
            ids.add(rule.get("Id") or "")
            for event in rule["Event"]:
                if event not in S3NotificationEvent.events():
                    raise _invalid("The event is not supported for notifications", "Event", event)
            if rule.get("Filter"):
                _check_filter(rule)


_NOT_XML = "The XML you provided was not well-formed or did not validate against our published schema"


def _check_filter(rule: dict[str, Any]) -> None:
    """Refuse a filter that is none, and write it as S3 shows it. Without a value it lets everything through."""
    entries = (rule["Filter"].get("S3Key") or {}).get("FilterRule") or []
    if not entries:
        del rule["Filter"]
    seen: set[str] = set()
    for entry in entries:
        if not entry or "Name" not in entry or "Value" not in entry:
            raise AwsError("MalformedXML", _NOT_XML)
        name = str(entry["Name"]).lower()
        if name not in ("prefix", "suffix"):
            raise _invalid("filter rule name must be either prefix or suffix", "FilterRule.Name", str(entry["Name"]))
        if name in seen:
            raise _invalid(f"Cannot specify more than one {name} rule in a filter.", "FilterRule.Name", name)
        seen.add(name)
        entry |= {"Name": name.capitalize(), "Value": entry["Value"] or ""}


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
    if skip_validation:
        return
    refused = [told for rule in rules if (told := _destination_refusal(bucket, rule.arn))]
    if refused:
        words = "Unable to validate the following destination configurations"
        raise AwsError(
            "InvalidArgument",
            words,
            400,
            **{
                f"Argument{part}{number}": value
                for number, told in enumerate(refused, 1)
                for part, value in zip(("Name", "Value"), told, strict=True)
            },
        )


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


def _destination_refusal(bucket: FakeBucket, arn: str) -> tuple[str, str] | None:
    """Return which destination S3 may not send to, and why; None when it may."""
    service, region, account, name = arn.split(":", 5)[2:]
    permissions = "Permissions on the destination {} do not allow S3 to publish notifications from this bucket"
    if service == "lambda":
        if may_invoke("s3.amazonaws.com", arn, source=bucket.arn):
            return None
        return f"{arn}, null", f"Not authorized to invoke function [{arn}]"
    if name.endswith(".fifo"):
        return arn, f"FIFO {'topics' if service == 'sns' else 'queues'} are not supported as destinations"
    if service == "sns":
        topic = sns_backends[account][region].topics.get(arn)
        if topic is None:
            return arn, "The destination topic does not exist"
        return None if s3_may_publish(bucket, topic) else (arn, permissions.format("topic"))
    target = sqs_backends[account][region].queues.get(name)
    if target is None:
        return arn, "The destination queue does not exist"
    request = service_request("s3.amazonaws.com", "sqs:SendMessage", arn, source=bucket.arn, account=bucket.account_id)
    return None if allows([target.policy], request) else (arn, permissions.format("queue"))


def s3_may_publish(bucket: FakeBucket, topic: sns_models.Topic) -> bool:
    """Return whether the topic's policy lets S3 publish on behalf of this bucket."""
    request = service_request(
        "s3.amazonaws.com", "SNS:Publish", topic.arn, source=bucket.arn, account=bucket.account_id
    )
    return allows([topic._policy_json], request)
