"""What SNS answers: attributes of topics and subscriptions as AWS shows them.

https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
"""

from __future__ import annotations

import json

from moto.core.responses import ActionResult
from moto.sns import responses

from labkit.embedded_aws.http.request_context import caller

# How SNS delivers to HTTP endpoints, unless told otherwise.
# https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
_DELIVERY_POLICY = {
    "http": {
        "defaultHealthyRetryPolicy": {
            "minDelayTarget": 20,
            "maxDelayTarget": 20,
            "numRetries": 3,
            "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0,
            "numMinDelayRetries": 0,
            "backoffFunction": "linear",
        },
        "disableSubscriptionOverrides": False,
        "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
    }
}


class SNSResponse(responses.SNSResponse):
    """moto shows a delivery policy of its own, no signature version, and not who subscribed.

    No issue of moto's is known.
    """

    def get_topic_attributes(self) -> ActionResult:
        """GetTopicAttributes; what was never set is not shown."""
        topic = self.backend.get_topic(self._get_param("TopicArn"))
        shown = super().get_topic_attributes()
        attributes = shown.result["Attributes"]  # type: ignore[index]
        attributes["EffectiveDeliveryPolicy"] = json.dumps(_DELIVERY_POLICY)
        if not attributes["DeliveryPolicy"]:
            del attributes["DeliveryPolicy"]
        for name, held in (("SignatureVersion", "signature_version"), ("TracingConfig", "tracing_config")):
            if (value := getattr(topic, held, None)) is not None:
                attributes[name] = value
        return shown

    def subscribe(self) -> ActionResult:
        """Subscribe; the subscription keeps who asked for it."""
        answer = super().subscribe()
        subscription = self.backend.subscriptions[answer.result["SubscriptionArn"]]  # type: ignore[index]
        sender = caller.get()
        if sender is not None:
            subscription.attributes.setdefault("SubscriptionPrincipal", sender.arn)
        return answer
