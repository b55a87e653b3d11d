"""What SQS refuses is refused, with AWS's code and message."""

import json

import pytest
from refused import refused, unchecked


@pytest.mark.parametrize(
    ("attributes", "code", "message"),
    [
        ({"Foo": "1"}, "InvalidAttributeName", "Unknown Attribute Foo."),
        ({"VisibilityTimeout ": "2"}, "InvalidAttributeName", "Unknown Attribute VisibilityTimeout ."),
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        ({"VisibilityTimeout": "abc"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        ({"DelaySeconds": "901"}, "InvalidAttributeValue", "Invalid value for the parameter DelaySeconds."),
        ({"MessageRetentionPeriod": "59"}, "InvalidAttributeValue",
         "Invalid value for the parameter MessageRetentionPeriod."),
        ({"ReceiveMessageWaitTimeSeconds": "21"}, "InvalidAttributeValue",
         "Invalid value for the parameter ReceiveMessageWaitTimeSeconds."),
        ({"Policy": "{nonsense"}, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        ({"Policy": '{"Version": "2012-10-17"}'}, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName",
         "Unknown Attribute ContentBasedDeduplication."),
        ({"DeduplicationScope": "queue"}, "InvalidAttributeName",
         "You can specify the DeduplicationScope only when FifoQueue is set to true."),
    ],
)  # fmt: skip
def test_an_attribute_that_is_none_or_out_of_range(aws, attributes, code, message):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
    url, _ = aws.queue()
    assert refused(aws.sqs.set_queue_attributes, QueueUrl=url, Attributes=attributes) == (400, code, message)
    assert refused(aws.sqs.create_queue, QueueName=aws.name("q"), Attributes=attributes) == (400, code, message)
    aws.sqs.send_message(QueueUrl=url, MessageBody="x")
    assert aws.receive(url)[0]["Body"] == "x", "the queue works as before"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"maxReceiveCount": 0},
         "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."),
        ({"maxReceiveCount": 1001},
         "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive."),
        ({"maxReceiveCount": None}, "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:none"}, "Dead letter target does not exist."),
    ],
)  # fmt: skip
def test_a_redrive_policy_that_cannot_work(aws, policy, reason):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
    url, _ = aws.queue()
    _, dead = aws.queue()
    wanted = {"deadLetterTargetArn": dead, "maxReceiveCount": 5} | policy
    text = json.dumps({name: value for name, value in wanted.items() if value is not None})
    message = f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"
    answer = refused(aws.sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": text})
    assert answer == (400, "InvalidParameterValue", message)


def test_nothing_to_set_is_no_attributes_to_set(aws):
    url = aws.sqs.create_queue(QueueName=aws.name("q"))["QueueUrl"]
    words = "The request must contain the parameter Attributes."
    assert refused(unchecked(aws, "sqs").set_queue_attributes, QueueUrl=url) == (400, "MissingParameter", words)


def test_a_queue_that_is_there_with_other_attributes(aws):
    name = aws.name("q")
    aws.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "40"})
    aws.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "40"})
    words = "A queue already exists with the same name and a different value for attribute DelaySeconds"
    answer = refused(aws.sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "3"})
    assert answer == (400, "QueueAlreadyExists", words)


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"MessageBody": ""}, "MissingParameter", "The request must contain the parameter MessageBody."),
        ({}, "MissingParameter", "The request must contain the parameter MessageBody."),
        ({"MessageBody": "a\x08b"}, "InvalidMessageContents", "Invalid characters found."),
        ({"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue",
         "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."),
        ({"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
         "InvalidParameterValue", "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        ({"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "Text", "StringValue": "b"}}},
         "InvalidParameterValue", "The type of message (user) attribute 'a' is invalid."),
        ({"MessageBody": "x", "MessageDeduplicationId": "a b"}, "InvalidParameterValue",
         "Value a b for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include "
         "alphanumeric and punctuation characters. 1 to 128 in length."),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_sent(aws, members, code, message):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    url, _ = aws.queue()
    status, said, words = refused(unchecked(aws, "sqs").send_message, QueueUrl=url, **members)
    assert (status, said) == (400, code)
    assert words.startswith(message)


def test_attributes_count_for_the_size_of_a_message(aws):
    url, _ = aws.queue(MaximumMessageSize=1024)
    attribute = {"k": {"DataType": "String", "StringValue": "y" * 100}}
    answer = refused(aws.sqs.send_message, QueueUrl=url, MessageBody="x" * 1000, MessageAttributes=attribute)
    words = "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    assert answer == (400, "InvalidParameterValue", words)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"MaxNumberOfMessages": 11},
         "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."),
        ({"WaitTimeSeconds": 21},
         "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."),
        ({"VisibilityTimeout": 43201},
         "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided."),
    ],
)  # fmt: skip
def test_receiving_beyond_the_limits(aws, members, message):
    url, _ = aws.queue()
    answer = refused(aws.sqs.receive_message, QueueUrl=url, **members)
    assert answer == (400, "InvalidParameterValue", message)


def test_a_handle_that_was_never_given(aws):
    url, _ = aws.queue()
    words = 'The input receipt handle "garbage" is not a valid receipt handle.'
    for call, more in ((aws.sqs.delete_message, {}), (aws.sqs.change_message_visibility, {"VisibilityTimeout": 1})):
        answer = refused(call, QueueUrl=url, ReceiptHandle="garbage", **more)
        assert answer == (400, "ReceiptHandleIsInvalid", words)


def test_the_visibility_of_a_deleted_message(aws):
    url, _ = aws.queue()
    aws.sqs.send_message(QueueUrl=url, MessageBody="x")
    handle = aws.receive(url)[0]["ReceiptHandle"]
    answer = refused(aws.sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=10)
    words = "Message does not exist or is not available for visibility timeout change."
    message = f"Value {handle} for parameter ReceiptHandle is invalid. Reason: {words}"
    assert answer == (400, "InvalidParameterValue", message)


@pytest.mark.parametrize(
    ("ids", "code", "message"),
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest",
         "There should be at least one DeleteMessageBatchRequestEntry in the request."),
        (list(map(str, range(11))), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
         "Maximum number of entries per request are 10. You have sent 11."),
        (["a", "a"], "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated."),
        ([""], "AWS.SimpleQueueService.InvalidBatchEntryId",
         "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 "
         "letters long."),
    ],
)  # fmt: skip
def test_a_batch_that_is_none(aws, ids, code, message):
    url, _ = aws.queue()
    entries = [{"Id": id_, "ReceiptHandle": "x"} for id_ in ids]
    answer = refused(aws.sqs.delete_message_batch, QueueUrl=url, Entries=entries)
    assert answer == (400, code, message)


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({}, "MissingParameter", "The request must contain the parameter MessageGroupId."),
        ({"MessageGroupId": "g"}, "InvalidParameterValue",
         "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
         "explicitly"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 2}, "InvalidParameterValue",
         "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for "
         "this queue type."),
    ],
)  # fmt: skip
def test_what_a_fifo_queue_wants(aws, members, code, message):
    name = aws.name("q") + ".fifo"
    url = aws.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    assert refused(aws.sqs.send_message, QueueUrl=url, MessageBody="x", **members) == (400, code, message)


def test_a_queue_that_is_not_there(aws):
    url = f"{aws.server.url}/{aws.server.account}/none"
    answer = refused(aws.sqs.receive_message, QueueUrl=url)
    assert answer == (400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
