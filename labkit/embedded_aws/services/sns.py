"""SNS: moto's topics, whose messages arrive in queues as AWS sends them, and only where the queue's policy allows.

https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from functools import lru_cache
from typing import Any

from moto.core.utils import iso_8601_datetime_with_milliseconds
from moto.sns import models as sns_models

from labkit.embedded_aws.services import sqs


class Topic(sns_models.Topic):
    """moto keeps every message for ever and signs a copy for each subscriber with another certificate.

    No issue of moto's is known: its tests look into what was kept.
    """

    def publish(
        self,
        message: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> str:
        """Hand the message to every subscription; return its id."""
        message_id = str(uuid.uuid4())
        for subscription in list(self.sns_backend.subscriptions.values()):  # others may subscribe meanwhile
            if subscription.topic is not self:
                continue
            subscription.publish(
                message, message_id, subject, message_attributes, group_id, deduplication_id, message_structure
            )
        return message_id


class Subscription(sns_models.Subscription):
    """moto delivers to any queue, takes the text "false" for raw delivery, and sorts the envelope's fields.

    See getmoto/moto#1571 for raw delivery; no issue tells of the queue's policy.
    """

    def publish(
        self,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        """Deliver to the subscriber, if its filter and the queue's policy let the message through."""
        if self.protocol != "sqs":
            super().publish(
                message, message_id, subject, message_attributes, group_id, deduplication_id, message_structure
            )
            return
        if self._filter_policy_matcher is not None and not self._filter_policy_matcher.matches(
            message_attributes, message
        ):
            return
        if message_structure == "json":
            message = self._parse_message_structure(message, self.protocol)
        more: dict[str, Any] = {"deduplication_id": deduplication_id, "group_id": group_id}
        if str(self.attributes.get("RawMessageDelivery")).lower() == "true":
            more["message_attributes"] = _raw_attributes(message_attributes or {})
        else:
            message = envelope(self, message, message_id, subject, message_attributes)
        sqs.deliver(self.endpoint, message, service="sns.amazonaws.com", source=self.topic.arn, **more)


def _raw_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {
            "DataType": value["Type"],
            "BinaryValue" if value["Type"].startswith("Binary") else "StringValue": value["Value"],
        }
        for name, value in attributes.items()
    }


def envelope(
    subscription: Subscription,
    message: str,
    message_id: str,
    subject: str | None,
    message_attributes: dict[str, Any] | None,
) -> str:
    """Return the message as SNS wraps it for a queue.

    https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """
    topic_arn = subscription.topic.arn
    region = topic_arn.split(":")[3]
    timestamp, signature = _published(message_id)
    fields: dict[str, Any] = {"Type": "Notification", "MessageId": message_id, "TopicArn": topic_arn}
    if subject:
        fields["Subject"] = subject
    fields |= {
        "Message": message,
        "Timestamp": timestamp,
        "SignatureVersion": "1",
        "Signature": signature,
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/{_CERTIFICATE}",
        "UnsubscribeURL": (
            f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
        ),
    }
    if message_attributes:
        fields["MessageAttributes"] = message_attributes
    return json.dumps(fields, indent=2, separators=(",", " : "))


_CERTIFICATE = f"SimpleNotificationService-{secrets.token_hex(16)}.pem"


@lru_cache(maxsize=256)
def _published(_message_id: str) -> tuple[str, str]:
    """The time of a message and its signature, which is made up; each the same for every subscriber."""
    return iso_8601_datetime_with_milliseconds(), base64.b64encode(secrets.token_bytes(256)).decode()
