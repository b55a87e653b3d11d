"""What SNS refuses is refused, with AWS's code and message."""

import json

import pytest
from refused import refused, unchecked


@pytest.fixture
def topic(aws):
    return aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "m", "Subject": ""}, "Subject"),
        ({"Message": "m", "Subject": "x" * 101}, "Subject"),
        ({"Message": "x" * 262_145}, "Message too long"),
        ({"Message": "{}", "MessageStructure": "json"},
         "Message Structure - No default entry in JSON message body"),
        ({"Message": "{", "MessageStructure": "json"}, "Message Structure - JSON message body failed to parse"),
        ({"Message": "m", "MessageDeduplicationId": "d"},
         "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for "
         "this topic type"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_published(aws, topic, members, message):
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    answer = refused(aws.sns.publish, TopicArn=topic, **members)
    assert answer == (400, "InvalidParameter", f"Invalid parameter: {message}")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a", {"DataType": "Text", "StringValue": "x"},
         "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is "
         "Binary, Number, and String."),
        ("a", {"DataType": "String", "StringValue": ""},
         "The message attribute 'a' must contain non-empty message attribute value for message attribute type "
         "'String'."),
        (".a", {"DataType": "String", "StringValue": "x"},
         "Invalid message attribute name starting with character '.' was found."),
        ("a^", {"DataType": "String", "StringValue": "x"},
         "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include "
         "alphanumeric characters, hyphens, underscores, or dots."),
    ],
)  # fmt: skip
def test_a_message_attribute_that_is_none(aws, topic, name, value, message):
    answer = refused(aws.sns.publish, TopicArn=topic, Message="m", MessageAttributes={name: value})
    assert answer == (400, "ParameterValueInvalid", message)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("x", "TopicArn Reason: An ARN must have at least 6 elements, not 1"),
        ("arn:aws:sns:us-east-1:1", "TopicArn Reason: An ARN must have at least 6 elements, not 5"),
        ("arn:aws:sns:eu-west-1:123456789012:t", "TopicArn"),
    ],
)
def test_an_arn_that_is_none(aws, arn, message):
    answer = refused(aws.sns.get_topic_attributes, TopicArn=arn)
    assert answer == (400, "InvalidParameter", f"Invalid parameter: {message}")


def test_a_topic_that_is_not_there(aws, topic):
    for call, members in ((aws.sns.publish, {"Message": "m"}), (aws.sns.get_topic_attributes, {})):
        assert refused(call, TopicArn=topic + "x", **members) == (404, "NotFound", "Topic does not exist")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Foo", "x", "AttributeName"),
        ("Policy", "nonsense", "Policy Error: null"),
        ("Policy", '{"Version": "2012-10-17"}', "Policy Error: Missing required field Statement"),
    ],
)
def test_a_topic_attribute_that_is_none(aws, topic, name, value, message):
    answer = refused(aws.sns.set_topic_attributes, TopicArn=topic, AttributeName=name, AttributeValue=value)
    assert answer == (400, "InvalidParameter", f"Invalid parameter: {message}")


def test_a_topic_that_is_there_with_other_attributes_or_tags(aws, topic):
    name = topic.rsplit(":", 1)[1]
    assert aws.sns.create_topic(Name=name)["TopicArn"] == topic
    words = "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    answer = refused(aws.sns.create_topic, Name=name, Attributes={"DisplayName": "other"})
    assert answer == (400, "InvalidParameter", words)
    words = "Invalid parameter: Tags Reason: Topic already exists with different tags"
    assert refused(aws.sns.create_topic, Name=name, Tags=[{"Key": "a", "Value": "b"}]) == (
        400, "InvalidParameter", words,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a b", "", "x" * 257, "a.fifo"])
def test_a_topic_name_that_is_none(aws, name):
    assert refused(aws.sns.create_topic, Name=name) == (400, "InvalidParameter", "Invalid parameter: Topic Name")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Protocol": "test", "Endpoint": "x"}, "Amazon SNS does not support this protocol string: test"),
        ({"Endpoint": "http://127.0.0.1/q"}, "SQS endpoint ARN"),
        ({"Attributes": {"RawMessageDelivery": "yes"}},
         "Attributes Reason: RawMessageDelivery: Invalid value [yes]. Must be true or false."),
        ({"Attributes": {"FilterPolicy": "invalid"}}, "Attributes Reason: FilterPolicy: failed to parse JSON."),
        ({"Attributes": {"FilterPolicy": '{"a": "b"}'}},
         'Attributes Reason: FilterPolicy: "a" must be an object or an array'),
        ({"Attributes": {"RedrivePolicy": '{"deadLetterTargetArn": "x"}'}},
         "Attributes Reason: RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    ],
)  # fmt: skip
def test_a_subscription_that_cannot_be(aws, topic, members, message):
    """https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"""
    _, queue = aws.queue()
    wanted = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue} | members
    status, code, words = refused(aws.sns.subscribe, **wanted)
    assert (status, code) == (400, "InvalidParameter")
    assert words.startswith(f"Invalid parameter: {message}")


def test_a_subscription_that_is_there_with_other_attributes(aws, topic):
    _, queue = aws.queue()
    same = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "ReturnSubscriptionArn": True}
    arn = aws.sns.subscribe(**same)["SubscriptionArn"]
    assert aws.sns.subscribe(**same)["SubscriptionArn"] == arn
    words = "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    answer = refused(aws.sns.subscribe, **same, Attributes={"RawMessageDelivery": "true"})
    assert answer == (400, "InvalidParameter", words)


def test_unsubscribing_twice_is_no_error_and_what_is_no_arn_is_one(aws, topic):
    _, queue = aws.queue()
    arn = aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    aws.sns.unsubscribe(SubscriptionArn=arn)
    aws.sns.unsubscribe(SubscriptionArn=arn)
    words = "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"
    assert refused(aws.sns.unsubscribe, SubscriptionArn="x") == (400, "InvalidParameter", words)


def test_what_is_required(aws, topic):
    words = (
        "1 validation error detected: Value null at 'protocol' failed to satisfy constraint: Member must not be null"
    )
    answer = refused(unchecked(aws, "sns").subscribe, TopicArn=topic)
    assert answer == (400, "ValidationError", words)


def test_what_it_does_not_deliver_to(aws, topic):
    status, code, words = refused(aws.sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    assert (status, code) == (501, "NotImplemented")
    assert "email" in words


def test_a_broken_policy_leaves_the_topic_as_it_was(aws, topic):
    before = aws.sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    refused(aws.sns.set_topic_attributes, TopicArn=topic, AttributeName="Policy", AttributeValue="{")
    after = aws.sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    assert json.loads(after) == json.loads(before)
