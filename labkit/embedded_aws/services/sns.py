"""SNS: moto's topics, whose messages arrive in queues as AWS sends them, and only where the queue's policy allows.

https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from moto.core.utils import iso_8601_datetime_with_milliseconds
from moto.sns import models as sns_models

from labkit.embedded_aws import metrics
from labkit.embedded_aws.http.request_context import trace_attributes
from labkit.embedded_aws.services import sqs
from labkit.embedded_aws.services.lambda_permissions import invoke_later, may_invoke


def _count(topic: sns_models.Topic, name: str, value: float, unit: str = "Count") -> None:
    """Tell CloudWatch a figure of a topic.

    https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
    """
    metric = metrics.metric(topic.sns_backend.region_name, "AWS/SNS", name, {"TopicName": topic.name})
    metrics.store().record(metric, value, unit)


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
        _count(self, "NumberOfMessagesPublished", 1)
        _count(self, "PublishSize", len(message.encode("utf-8", "surrogatepass")), "Bytes")
        for subscription in list(self.sns_backend.subscriptions.values()):  # others may subscribe meanwhile
            if subscription.topic is not self:
                continue
            subscription.publish(
                message, message_id, subject, message_attributes, group_id, deduplication_id, message_structure
            )
        return message_id


class Subscription(sns_models.Subscription):
    """moto delivers to any queue, takes the text "false" for raw delivery, and sorts the envelope's fields.

    It also runs functions with Docker only, and has no dead-letter queue of a subscription. See getmoto/moto#1571 for
    raw delivery; no issue tells of the rest.
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
        """Deliver to the subscriber, if its filter and the policy of the queue or function let the message through.

        What cannot be delivered goes to the subscription's dead-letter queue, if it has one.
        https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
        """
        if self._filter_policy_matcher is not None and not self._filter_policy_matcher.matches(
            message_attributes, message
        ):
            _count(self.topic, "NumberOfNotificationsFilteredOut", 1)
            return
        if message_structure == "json":
            parts = json.loads(message)  # what is not a text is not looked at
            message = parts[self.protocol] if isinstance(parts.get(self.protocol), str) else parts["default"]
        sent = Sent(message, message_id, subject, message_attributes)
        fifo: dict[str, Any] = {"deduplication_id": deduplication_id, "group_id": group_id}
        if self.protocol == "lambda":
            delivered = self._deliver_to_function(sent)
        else:
            delivered = self._deliver_to_queue(self.endpoint, sent, fifo)
        _count(self.topic, "NumberOfNotificationsDelivered" if delivered else "NumberOfNotificationsFailed", 1)
        dead_letters = json.loads(self.attributes.get("RedrivePolicy") or "{}").get("deadLetterTargetArn")
        if not delivered and dead_letters:
            self._deliver_to_queue(dead_letters, sent, fifo)

    def _deliver_to_queue(self, arn: str, sent: Sent, fifo: dict[str, Any]) -> bool:
        body, more = envelope(self, sent), fifo | {"system_attributes": trace_attributes()}
        if str(self.attributes.get("RawMessageDelivery")).lower() == "true":
            body, more["message_attributes"] = sent.message, _raw_attributes(sent.attributes or {})
        return sqs.deliver(arn, body, service="sns.amazonaws.com", source=self.topic.arn, **more)

    def _deliver_to_function(self, sent: Sent) -> bool:
        if not may_invoke("sns.amazonaws.com", self.endpoint, source=self.topic.arn):
            return False
        return invoke_later(self.endpoint, json.dumps(function_event(self, sent)).encode())


@dataclass(frozen=True)
class Sent:
    """A message that was published."""

    message: str
    message_id: str
    subject: str | None
    attributes: dict[str, Any] | None


def _raw_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: {"DataType": value["Type"], **_raw_value(value)} for name, value in attributes.items()}


def _raw_value(value: dict[str, Any]) -> dict[str, Any]:
    if value["Type"].startswith("Binary"):
        return {"BinaryValue": base64.b64decode(value["Value"])}
    return {"StringValue": str(value["Value"])}


def function_event(subscription: Subscription, sent: Sent) -> dict[str, Any]:
    """Return the message as a function sees it.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
    """
    told = json.loads(envelope(subscription, sent))
    told |= {
        "Subject": sent.subject,
        "SigningCertUrl": told.pop("SigningCertURL"),
        "UnsubscribeUrl": told.pop("UnsubscribeURL"),
        "MessageAttributes": sent.attributes or {},
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": told,
    }
    return {"Records": [record]}


def envelope(subscription: Subscription, sent: Sent) -> str:
    """Return the message as SNS wraps it for a queue.

    https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """
    topic_arn = subscription.topic.arn
    region = topic_arn.split(":")[3]
    timestamp, signature = _published(sent.message_id)
    fields: dict[str, Any] = {"Type": "Notification", "MessageId": sent.message_id, "TopicArn": topic_arn}
    if sent.subject:
        fields["Subject"] = sent.subject
    fields |= {
        "Message": sent.message,
        "Timestamp": timestamp,
        "SignatureVersion": "1",
        "Signature": signature,
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/{_CERTIFICATE}",
        "UnsubscribeURL": (
            f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
        ),
    }
    if sent.attributes:
        fields["MessageAttributes"] = sent.attributes
        return json.dumps(fields, indent=2, separators=(",", " : "))
    # the same, in a tenth of the time: with an indent json works in Python alone
    lines = (f'  "{name}" : {json.dumps(value)}' for name, value in fields.items())
    return "{\n" + ",\n".join(lines) + "\n}"


_CERTIFICATE = f"SimpleNotificationService-{secrets.token_hex(16)}.pem"


@lru_cache(maxsize=256)
def _published(_message_id: str) -> tuple[str, str]:
    """The time of a message and its signature, which is made up; each the same for every subscriber."""
    return iso_8601_datetime_with_milliseconds(), base64.b64encode(secrets.token_bytes(256)).decode()
