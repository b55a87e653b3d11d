"""Who gets what: functions that S3 and SNS invoke, dead-letter queues, destinations, filters."""

import json

import pytest
from account import until
from refused import refused

TELL = """
    import json
    def handler(event, context):
        print("GOT", json.dumps(event))
"""


def told(aws, function):
    """The events that the function has printed."""
    return [json.loads(text[4:]) for text in aws.messages(function) if text.startswith("GOT ")]


def arn_of(aws, function):
    return aws.lam.get_function_configuration(FunctionName=function)["FunctionArn"]


def allow(aws, function, service, source):
    aws.lam.add_permission(
        FunctionName=function,
        StatementId=service,
        Action="lambda:InvokeFunction",
        Principal=f"{service}.amazonaws.com",
        SourceArn=source,
    )


def notify(aws, bucket, arn):
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
    )


def test_s3_invokes_a_function_that_lets_it(aws):
    bucket, function = aws.bucket(), aws.function(TELL)
    allow(aws, function, "s3", f"arn:aws:s3:::{bucket}")
    notify(aws, bucket, arn_of(aws, function))
    aws.s3.put_object(Bucket=bucket, Key="a photo.jpg", Body=b"x")
    (event,) = until(lambda: told(aws, function))
    (record,) = event["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "a+photo.jpg")


@pytest.mark.parametrize("allowed", ["nobody", "another bucket", "another service"])
def test_s3_is_refused_a_function_that_does_not_let_it(aws, allowed):
    bucket, function = aws.bucket(), aws.function(TELL)
    arn = arn_of(aws, function)
    if allowed != "nobody":
        service = "sns" if allowed == "another service" else "s3"
        allow(aws, function, service, f"arn:aws:s3:::{bucket}{'x' if service == 's3' else ''}")
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    configuration = {"LambdaFunctionConfigurations": [rule]}
    put = aws.s3.put_bucket_notification_configuration
    answer = refused(put, Bucket=bucket, NotificationConfiguration=configuration)
    assert answer == (400, "InvalidArgument", "Unable to validate the following destination configurations")


def test_an_upload_goes_on_when_the_function_is_gone(aws):
    bucket, function = aws.bucket(), aws.function(TELL)
    allow(aws, function, "s3", f"arn:aws:s3:::{bucket}")
    notify(aws, bucket, arn_of(aws, function))
    aws.lam.delete_function(FunctionName=function)
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert aws.keys(bucket) == ["k"]


def test_a_topic_invokes_a_function_that_lets_it(aws):
    topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    function, stranger = aws.function(TELL), aws.function(TELL)
    allow(aws, function, "sns", topic)
    for name in (stranger, function):
        aws.sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn_of(aws, name))
    attributes = {"kind": {"DataType": "String", "StringValue": "photo"}}
    aws.sns.publish(TopicArn=topic, Message="hello", Subject="a subject", MessageAttributes=attributes)
    (event,) = until(lambda: told(aws, function))
    (record,) = event["Records"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"].startswith(f"{topic}:")
    sent = record["Sns"]
    assert (sent["Type"], sent["TopicArn"], sent["Subject"], sent["Message"]) == (
        "Notification", topic, "a subject", "hello",
    )  # fmt: skip
    assert sent["MessageAttributes"] == {"kind": {"Type": "String", "Value": "photo"}}
    assert {"MessageId", "Timestamp", "SignatureVersion", "Signature", "SigningCertUrl", "UnsubscribeUrl"} <= set(sent)
    assert told(aws, stranger) == []


def test_what_a_topic_cannot_deliver_goes_to_the_dead_letter_queue_of_the_subscription(aws):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    url, dead = aws.queue()
    aws.allow_topic(url, dead, topic)
    _, closed = aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead})
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=closed, Attributes={"RedrivePolicy": redrive})
    aws.sns.publish(TopicArn=topic, Message="hello")
    (message,) = aws.receive(url)
    assert json.loads(message["Body"])["Message"] == "hello"


def test_a_binary_attribute_arrives_raw(aws):
    topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    url, queue = aws.queue()
    aws.allow_topic(url, queue, topic)
    raw = {"RawMessageDelivery": "true"}
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=raw)
    attributes = {"b": {"DataType": "Binary", "BinaryValue": b"\x01\x02"}}
    aws.sns.publish(TopicArn=topic, Message="m", MessageAttributes=attributes)
    (message,) = aws.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageAttributes"]) == ("m", attributes)


def test_a_mapping_hands_on_what_its_filters_let_through(aws):
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html"""
    function = aws.function(TELL)
    url, queue = aws.queue()
    pattern = {"body": {"kind": ["photo"], "size": [{"numeric": [">", 10]}]}}
    aws.mapping(function, queue, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    wanted = '{"kind": "photo", "size": 11}'
    for body in ('{"kind": "photo", "size": 9}', "no JSON", '{"kind": "other", "size": 11}', wanted):
        aws.sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: aws.depth(url) == (0, 0) and told(aws, function))
    bodies = [record["body"] for event in told(aws, function) for record in event["Records"]]
    assert bodies == [wanted], "what is left out is deleted"


def test_a_message_with_attributes_arrives_whole(aws):
    function = aws.function(TELL)
    url, queue = aws.queue()
    aws.mapping(function, queue)
    attributes = {"b": {"DataType": "Binary", "BinaryValue": b"\x01\x02"}}
    sent = aws.sqs.send_message(QueueUrl=url, MessageBody="m", MessageAttributes=attributes)
    (event,) = until(lambda: told(aws, function))
    (record,) = event["Records"]
    shown = {"binaryValue": "AQI=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"}
    assert record["messageAttributes"] == {"b": shown}
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


@pytest.mark.parametrize(
    ("source", "condition"), [("return 1", "Success"), ("raise KeyError('x')", "RetriesExhausted")]
)
def test_an_asynchronous_invocation_tells_its_destinations(aws, source, condition):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    function = aws.function(f"def handler(e, c): {source}")
    (good, _), (bad, _) = urls = aws.queue(), aws.queue()
    destinations = dict(zip(("OnSuccess", "OnFailure"), ({"Destination": arn} for _, arn in urls), strict=True))
    aws.lam.put_function_event_invoke_config(
        FunctionName=function, MaximumRetryAttempts=0, DestinationConfig=destinations
    )
    aws.lam.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"n": 1}')
    (message,) = aws.receive(good if condition == "Success" else bad)
    record = json.loads(message["Body"])
    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == (condition, 1)
    assert context["functionArn"] == f"{arn_of(aws, function)}:$LATEST"
    assert record["requestPayload"] == {"n": 1}
    assert record["responseContext"].get("functionError") == (None if condition == "Success" else "Unhandled")


def test_an_event_that_fails_goes_to_the_dead_letter_queue_of_the_function(aws):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq"""
    url, queue = aws.queue()
    function = aws.function("def handler(e, c): raise KeyError('x')", DeadLetterConfig={"TargetArn": queue})
    shown = aws.lam.get_function_configuration(FunctionName=function)["DeadLetterConfig"]
    assert shown == {"TargetArn": queue}
    kept = aws.lam.update_function_configuration(FunctionName=function, DeadLetterConfig={})
    assert kept["DeadLetterConfig"] == {"TargetArn": queue}, "what is not named stays"
    aws.lam.get_function(FunctionName=function)  # as a waiter does
    aws.lam.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    aws.lam.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"n": 1}')
    message = until(lambda: aws.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))[0]
    assert json.loads(message["Body"]) == {"n": 1}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "'x'"
    assert message["MessageAttributes"]["ErrorCode"] == {"DataType": "Number", "StringValue": "200"}
    assert set(message["MessageAttributes"]) == {"RequestID", "ErrorCode", "ErrorMessage"}
    gone = aws.lam.update_function_configuration(FunctionName=function, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in gone
