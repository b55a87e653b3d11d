"""What SNS refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from moto.sns.models import sns_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.policy_documents import BadPolicy, read_policy
from labkit.embedded_aws.services.sqs_queue import find_queue
from labkit.embedded_aws.state import ACCOUNT

_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_FIFO_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,251}\.fifo")
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]*")
_ARNS = ("TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn", "PlatformApplicationArn", "EndpointArn")
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _invalid(what: str) -> AwsError:
    return AwsError("InvalidParameter", f"Invalid parameter: {what}")


def _not_found(what: str) -> AwsError:
    return AwsError("NotFound", f"{what} does not exist", 404)


def check_arns(operation: Operation) -> None:
    """Refuse ARNs that are none, and topics of another account or region."""
    for name in _ARNS:
        arn = operation.get(name)
        required = name in operation.model.input_shape.required_members
        if arn is None and not required:
            continue
        if arn is None or (not arn and name == "SubscriptionArn"):
            raise _invalid(f"{name} Reason: no value for required parameter")
        parts = arn.split(":")
        if len(parts) < 6:
            raise _invalid(f"{name} Reason: An ARN must have at least 6 elements, not {len(parts)}")
        if name == "SubscriptionArn" and len(parts) < 7:
            raise _invalid("SubscriptionId")
        if name == "TopicArn" and (parts[:3] != ["arn", "aws", "sns"] or parts[3] != operation.region):
            raise _invalid("TopicArn")
        if (
            name == "TopicArn"
            and operation.name not in ("ConfirmSubscription", "DeleteTopic")
            and _topic(operation, arn) is None
        ):
            raise _not_found("Topic")


def _topic(operation: Operation, arn: str) -> Any:
    return sns_backends[ACCOUNT][operation.region].topics.get(arn)


# --- topics --------------------------------------------------------------------------------------------------------


def _check_create(operation: Operation) -> None:
    name, attributes = operation.get("Name"), operation.get("Attributes", {})
    is_fifo = attributes.get("FifoTopic", "").lower() == "true"
    existing = _topic(operation, operation.arn(name))
    if not (_FIFO_TOPIC_NAME if is_fifo else _TOPIC_NAME).fullmatch(name):
        if existing is not None and not is_fifo:
            raise _invalid("Attributes Reason: Topic already exists with different attributes")
        raise _invalid("Topic Name")
    for attribute, value in attributes.items():
        _check_topic_attribute(attribute, value, "Attributes Reason: ")
    if existing is not None:
        _compare(existing, attributes, operation.get("Tags", []))


def _compare(topic: Any, attributes: dict[str, str], tags: list[dict[str, str]]) -> None:
    held = {
        "ContentBasedDeduplication": str(topic.content_based_deduplication or False).lower(),
        "DisplayName": topic.display_name,
        "FifoTopic": str(topic.fifo_topic or False).lower(),
        "KmsMasterKeyId": topic.kms_master_key_id or "",
        "SignatureVersion": str(getattr(topic, "signature_version", None) or "1"),
    }
    for name, value in attributes.items():
        if name in held and held[name] != (value.lower() if held[name] in ("true", "false") else value):
            raise _invalid("Attributes Reason: Topic already exists with different attributes")
    if any(topic._tags.get(tag["Key"]) != tag["Value"] for tag in tags):
        raise _invalid("Tags Reason: Topic already exists with different tags")


def _check_topic_attribute(name: str, value: str, before: str = "") -> None:
    if name not in limits.TOPIC_ATTRIBUTES:
        raise _invalid(f"{before}Unknown attribute {name}" if before else "AttributeName")
    if name == "Policy":
        _check_policy(value, before)
    if name in ("ContentBasedDeduplication", "FifoTopic") and value.lower() not in ("true", "false"):
        raise _invalid(f"{before}{name}: Invalid value [{value}]. Must be true or false.")
    if name == "DisplayName" and len(value) > 100:
        raise _invalid(f"{before}DisplayName")
    if name == "SignatureVersion" and value not in ("1", "2"):
        raise _invalid(f"{before}SignatureVersion")
    if name == "DeliveryPolicy" and value:
        _json_of(value, f"{before}DeliveryPolicy")


def _check_policy(text: str, before: str = "") -> None:
    if not text:
        return  # SNS goes back to the policy that a new topic has
    try:
        read_policy(text, principal=True, resource=False)
    except BadPolicy as error:
        raise _invalid(f"{before}Policy Error: {error.message if error.is_json else 'null'}") from error


def _check_set_topic(operation: Operation) -> None:
    _check_topic_attribute(operation.get("AttributeName"), operation.get("AttributeValue", ""))
    if operation.get("AttributeName") == "FifoTopic":
        raise _invalid("AttributeName")


# --- subscriptions -------------------------------------------------------------------------------------------------


def _check_subscribe(operation: Operation) -> None:
    protocol, endpoint = operation.get("Protocol"), operation.get("Endpoint")
    if protocol not in limits.PROTOCOLS:
        raise _invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    attributes = operation.get("Attributes", {})
    scope = attributes.get("FilterPolicyScope", "MessageAttributes")
    for name, value in attributes.items():
        _check_subscription_attribute(name, value, scope, "Attributes Reason: ")
    if protocol not in limits.DELIVERED_PROTOCOLS:
        raise not_there(f"subscriptions by {protocol}: its topics deliver to queues (sqs) and functions (lambda)")
    topic = _topic(operation, operation.get("TopicArn"))
    if not _is_endpoint(endpoint, protocol):
        words = "SQS endpoint ARN" if protocol == "sqs" else "Lambda endpoint ARN"
        raise _invalid(words)
    queue = find_queue(endpoint) if protocol == "sqs" else None
    if queue is not None and queue.fifo_queue and not topic.fifo_topic:
        words = "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        raise _invalid(words)
    existing = sns_backends[ACCOUNT][operation.region]._find_subscription(topic.arn, endpoint, protocol)
    if existing is not None:
        _compare_subscription(existing.attributes, attributes)


def _is_endpoint(endpoint: str | None, protocol: str) -> bool:
    parts = (endpoint or "").split(":")
    if parts[:2] != ["arn", "aws"] or parts[2:3] != [protocol]:
        return False
    return len(parts) == 6 if protocol == "sqs" else len(parts) in (7, 8) and parts[5] == "function"


def _compare_subscription(held: dict[str, Any], wanted: dict[str, str]) -> None:
    for name, value in wanted.items():
        before = held.get(name, "MessageAttributes" if name == "FilterPolicyScope" else None)
        same = str(before).lower() == value.lower() if name == "RawMessageDelivery" else before == value
        if not same:
            raise _invalid("Attributes Reason: Subscription already exists with different attributes")


def _check_set_subscription(operation: Operation) -> None:
    backend = sns_backends[ACCOUNT][operation.region]
    subscription = backend.subscriptions.get(operation.get("SubscriptionArn"))
    if subscription is None:
        raise _not_found("Subscription")
    scope = subscription.attributes.get("FilterPolicyScope") or "MessageAttributes"
    _check_subscription_attribute(operation.get("AttributeName"), operation.get("AttributeValue", ""), scope)


def _check_subscription_attribute(name: str, value: str, scope: str, before: str = "") -> None:
    if name not in limits.SUBSCRIPTION_ATTRIBUTES:
        raise _invalid(f"{before}Unknown attribute {name}" if before else "AttributeName")
    if name in ("ReplayPolicy", "SubscriptionRoleArn"):
        raise not_there(f"the subscription attribute {name}")
    if name == "RawMessageDelivery" and value.lower() not in ("true", "false"):
        raise _invalid(f"{before}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    if name == "FilterPolicyScope" and value not in ("MessageBody", "MessageAttributes"):
        words = f"Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
        raise _invalid(f"{before}FilterPolicyScope: {words}")
    if name == "FilterPolicy" and value:
        _check_filter(_json_of(value, f"{before}FilterPolicy"), scope, f"{before}FilterPolicy")
    if name == "RedrivePolicy" and value:
        target = _json_of(value, f"{before}RedrivePolicy").get("deadLetterTargetArn")
        if not isinstance(target, str) or len(target.split(":")) != 6 or target.split(":")[2] != "sqs":
            raise _invalid(f"{before}RedrivePolicy: deadLetterTargetArn is an invalid arn")


def _json_of(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"{what}: failed to parse JSON. {error}") from error
    if not isinstance(value, dict):
        raise _invalid(f"{what}: failed to parse JSON. An object is expected.")
    return value


def _check_filter(policy: dict[str, Any], scope: str, what: str, depth: int = 0) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html."""
    for key, rules in policy.items():
        if isinstance(rules, dict):
            if scope != "MessageBody":
                raise _invalid("Filter policy scope MessageAttributes does not support nested filter policy")
            _check_filter(rules, scope, what, depth + 1)
            continue
        if not isinstance(rules, list):
            raise _invalid(f'{what}: "{key}" must be an object or an array')
        if not rules:
            raise _invalid(f"{what}: Empty arrays are not allowed")
        for rule in rules:
            if key == "$or" and isinstance(rule, dict):
                _check_filter(rule, scope, what, depth + 1)
            elif isinstance(rule, list):
                raise _invalid(f"{what}: Match value must be String, number, true, false, or null")


# --- messages ------------------------------------------------------------------------------------------------------


def _check_publish(operation: Operation) -> None:
    if operation.get("PhoneNumber") is not None:
        raise not_there("text messages to telephones")
    arn = operation.get("TargetArn") or operation.get("TopicArn")
    if arn is None:
        raise _invalid("TopicArn or TargetArn Reason: no value for required parameter")
    topic = _topic(operation, arn)
    if topic is None:
        raise _invalid("TargetArn Reason: No endpoint found for the target arn specified")
    _check_message(operation.members, topic)
    if _size(operation.members) > limits.LARGEST_MESSAGE_BYTES:
        raise _invalid("Message too long")


def _size(message: dict[str, Any]) -> int:
    attributes = message.get("MessageAttributes", {})
    return len(message["Message"].encode("utf-8", "surrogatepass")) + sum(
        len(name) + len(value.get("DataType", "")) + len(value.get("StringValue") or value.get("BinaryValue") or "")
        for name, value in attributes.items()
    )


def _check_message(message: dict[str, Any], topic: Any) -> None:
    if not message["Message"]:
        raise _invalid("Empty message")
    subject = message.get("Subject")
    if subject is not None and not (0 < len(subject) <= limits.LONGEST_SUBJECT and _is_line(subject)):
        raise _invalid("Subject")
    structure = message.get("MessageStructure")
    if structure == "json":
        _check_structure(message["Message"])
    elif structure is not None:
        raise _invalid("MessageStructure")
    _check_attributes(message.get("MessageAttributes", {}))
    if topic.fifo_topic:
        if not message.get("MessageGroupId"):
            raise _invalid("The MessageGroupId parameter is required for FIFO topics")
        if not message.get("MessageDeduplicationId") and not topic.content_based_deduplication:
            words = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            raise _invalid(words + "explicitly")
    elif message.get("MessageDeduplicationId"):
        words = "The request includes MessageDeduplicationId parameter that is not valid for this topic type"
        raise _invalid(f"MessageDeduplicationId Reason: {words}")


def _is_line(subject: str) -> bool:
    return subject.isascii() and not any(ord(letter) < 32 or ord(letter) == 127 for letter in subject)


def _check_structure(text: str) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid("Message Structure - JSON message body failed to parse") from error
    if not isinstance(value, dict):
        raise _invalid("Message Structure - JSON message body failed to parse")
    if not isinstance(value.get("default"), str):
        raise _invalid("Message Structure - No default entry in JSON message body")


def _check_attributes(attributes: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html."""
    for name, value in attributes.items():
        wrong = _wrong_name(name) or _wrong_value(name, value)
        if wrong:
            raise AwsError("ParameterValueInvalid", wrong)


def _wrong_name(name: str) -> str | None:
    if not name or len(name) > 256:
        return "Length of message attribute name must be less than 256 bytes."
    if name.startswith("."):
        return "Invalid message attribute name starting with character '.' was found."
    if name.endswith("."):
        return "Invalid message attribute name ending with character '.' was found."
    if ".." in name:
        return "Message attribute name can not have successive '.' character."
    wrong = re.search(r"[^A-Za-z0-9_.-]", name)
    if wrong:
        return (
            f"Invalid non-alphanumeric character '#x{ord(wrong[0]):X}' was found in the message attribute name. Can "
            "only include alphanumeric characters, hyphens, underscores, or dots."
        )
    return None


def _wrong_value(name: str, value: dict[str, Any]) -> str | None:
    kind = value.get("DataType", "")
    base = kind.partition(".")[0]
    if not _DATA_TYPE.fullmatch(kind):
        return (
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
            "prefixes is Binary, Number, and String."
        )
    wanted = "Binary" if base == "Binary" else "String"
    other = "String" if base == "Binary" else "Binary"
    if f"{wanted}Value" not in value and f"{other}Value" in value:
        return f"The message attribute '{name}' with type '{base}' must use field '{wanted}'."
    if not value.get(f"{wanted}Value"):
        return (
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute "
            f"type '{base}'."
        )
    if base == "Number" and not _NUMBER.fullmatch(value["StringValue"].strip()):
        return f"Could not cast message attribute '{name}' value to number."
    return None


def _check_publish_batch(operation: Operation) -> None:
    entries = operation.get("PublishBatchRequestEntries")
    topic = _topic(operation, operation.get("TopicArn"))
    if not entries:
        raise AwsError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > limits.MOST_MESSAGES:
        raise AwsError("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
    ids = [entry["Id"] for entry in entries]
    if len(set(ids)) < len(ids):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    for id_ in ids:
        if not id_ or len(id_) > 80:
            raise AwsError("InvalidBatchEntryId", f"The Id of a batch entry in the batch request is too long: {id_}")
        if not _BATCH_ID.fullmatch(id_):
            words = "The Id of a batch entry in the batch request contains an impermissible character: "
            raise AwsError("InvalidBatchEntryId", words + id_)
    if sum(_size(entry) for entry in entries) > limits.LARGEST_MESSAGE_BYTES:
        words = "The length of all the messages put together is more than the limit."
        raise AwsError("BatchRequestTooLong", words)
    for entry in entries:
        _check_message(entry, topic)


def _check_tags(operation: Operation) -> None:
    keys = [tag["Key"] for tag in operation.get("Tags", [])]
    if len(set(keys)) < len(keys):
        raise _invalid("Duplicated keys are not allowed.")


def _check_confirm(operation: Operation) -> None:
    """Refuse every token: queues and functions are confirmed by themselves, so that none was ever sent."""
    if not re.fullmatch(r"[0-9a-f]{64,}", operation.get("Token", "")):
        raise AwsError("InvalidParameter", "Invalid token")
    raise _invalid("Token")


def _check_add_permission(operation: Operation) -> None:
    """https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html."""
    topic = _topic(operation, operation.get("TopicArn"))
    if any(statement.get("Sid") == operation.get("Label") for statement in topic._policy_json["Statement"]):
        raise _invalid("Statement already exists")
    if not set(operation.get("ActionName", [])) <= limits.TOPIC_ACTIONS:
        raise _invalid("Policy statement action out of service scope!")


CHECKS: dict[str, Callable[[Operation], None]] = {
    "AddPermission": _check_add_permission,
    "ConfirmSubscription": _check_confirm,
    "CreateTopic": _check_create,
    "Publish": _check_publish,
    "PublishBatch": _check_publish_batch,
    "SetSubscriptionAttributes": _check_set_subscription,
    "SetTopicAttributes": _check_set_topic,
    "Subscribe": _check_subscribe,
    "TagResource": _check_tags,
}
