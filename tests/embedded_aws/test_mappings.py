"""Event source mappings: what reaches the function, what is deleted, what comes again."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from account import GATE, Gate, until
from botocore.exceptions import ClientError

from labkit.embedded_aws.services.event_source_mappings import failed_items

ECHO = "import json\ndef handler(event, context): print('GOT ' + json.dumps(event))"
FAIL = "def handler(event, context): raise RuntimeError('no')"


def got(aws, function):
    """The events that an echoing function was given."""
    return [json.loads(line[4:]) for line in aws.messages(function) if line.startswith("GOT ")]


def test_a_message_reaches_the_function_field_by_field_and_is_deleted(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    aws.mapping(function, arn)
    attribute = {"Colour": {"DataType": "String", "StringValue": "red"}}
    sent = aws.sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attribute)
    (event,) = until(lambda: got(aws, function))
    (record,) = event["Records"]
    assert set(record) == {
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes",
        "md5OfBody", "md5OfMessageAttributes", "eventSource", "eventSourceARN", "awsRegion",
    }  # fmt: skip
    assert record["messageId"] == sent["MessageId"]
    assert record["body"] == "hello"
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["messageAttributes"]["Colour"] == {
        "stringValue": "red", "stringListValues": [], "binaryListValues": [], "dataType": "String",
    }  # fmt: skip
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", arn, "us-east-1")
    attributes = record["attributes"]
    assert attributes["ApproximateReceiveCount"] == "1"
    assert abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 60
    assert attributes["ApproximateFirstReceiveTimestamp"] >= attributes["SentTimestamp"]
    assert attributes["SenderId"]
    until(lambda: aws.depth(url) == (0, 0))


def test_a_backlog_from_before_the_mapping_is_worked_off(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    for number in range(5):
        aws.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    aws.mapping(function, arn)
    until(lambda: aws.depth(url) == (0, 0))
    assert sorted(event["Records"][0]["body"] for event in got(aws, function)) == list("01234")


def test_a_batch_holds_up_to_batch_size_messages(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    for number in range(7):
        aws.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    aws.mapping(function, arn, BatchSize=5)
    until(lambda: aws.depth(url) == (0, 0))
    sizes = [len(event["Records"]) for event in got(aws, function)]
    assert sum(sizes) == 7
    assert max(sizes) == 5


def test_a_batching_window_collects_what_comes_within_it(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    aws.mapping(function, arn, BatchSize=3, MaximumBatchingWindowInSeconds=20)
    for number in range(3):
        aws.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    (event,) = until(lambda: got(aws, function))
    assert len(event["Records"]) == 3, "the window closes when the batch is full"


def test_a_mapping_is_creating_then_enabled(servers):
    aws = servers(mapping_delay_seconds=0)  # the answer says Creating however soon it is over
    _, arn = aws.queue()
    made = aws.lam.create_event_source_mapping(FunctionName=aws.function(ECHO), EventSourceArn=arn, BatchSize=1)
    assert made["State"] == "Creating"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    until(lambda: aws.lam.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled")


def test_a_disabled_mapping_leaves_the_messages_alone_until_it_is_enabled(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    uuid = aws.mapping(function, arn)
    assert aws.lam.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    until(lambda: aws.lam.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    aws.sqs.send_message(QueueUrl=url, MessageBody="later")
    assert aws.receive(url)[0]["Body"] == "later", "nobody else polls"
    aws.sqs.send_message(QueueUrl=url, MessageBody="now")
    assert aws.lam.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    until(lambda: [event["Records"][0]["body"] for event in got(aws, function)] == ["now"])


def test_a_deleted_mapping_polls_no_more(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    uuid = aws.mapping(function, arn)
    assert aws.lam.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    aws.sqs.send_message(QueueUrl=url, MessageBody="mine")
    assert aws.receive(url)[0]["Body"] == "mine"
    with pytest.raises(ClientError) as refused:
        aws.lam.get_event_source_mapping(UUID=uuid)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_an_exception_leaves_the_message_to_the_visibility_timeout_and_the_dead_letter_queue(aws):
    function = aws.function(FAIL, Timeout=1)
    dead_url, dead_arn = aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = aws.queue(VisibilityTimeout=1, RedrivePolicy=redrive)
    aws.mapping(function, arn)
    started = time.monotonic()
    sent = aws.sqs.send_message(QueueUrl=url, MessageBody="poison")
    until(lambda: aws.depth(dead_url) == (1, 0))
    assert time.monotonic() - started >= 2, "each attempt kept it invisible for a second"
    until(lambda: len(aws.reports(function)) >= 2)  # the second attempt may go on while its message is buried
    assert len(aws.reports(function)) == 2
    (dead,) = aws.receive(dead_url)
    assert dead["MessageId"] == sent["MessageId"]
    assert dead["Attributes"]["ApproximateReceiveCount"] == "3"


def test_redrive_brings_dead_letters_back(aws):
    dead_url, dead_arn = aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    url, _ = aws.queue(VisibilityTimeout=0, RedrivePolicy=redrive)
    first_id = aws.sqs.send_message(QueueUrl=url, MessageBody="again")["MessageId"]
    for _ in range(2):
        aws.sqs.receive_message(QueueUrl=url)
    assert aws.depth(dead_url) == (1, 0)
    aws.sqs.start_message_move_task(SourceArn=dead_arn)
    until(lambda: aws.sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"][0]["Status"] == "COMPLETED")
    (task,) = aws.sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    assert task["ApproximateNumberOfMessagesMoved"] == 1
    (message,) = aws.receive(url)
    assert message["Body"] == "again"
    assert message["MessageId"] != first_id, "a redriven message is a new one"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_only_a_dead_letter_queue_can_be_redriven(aws):
    _, arn = aws.queue()
    with pytest.raises(ClientError) as refused:
        aws.sqs.start_message_move_task(SourceArn=arn)
    assert "Source queue must be configured as a Dead Letter Queue." in refused.value.response["Error"]["Message"]


def test_reported_items_come_again_and_the_others_do_not(aws):
    function = aws.function(
        """
        def handler(event, context):
            bad = [r["messageId"] for r in event["Records"] if r["body"] == "bad"
                   and r["attributes"]["ApproximateReceiveCount"] == "1"]
            print("SEEN", sorted(r["body"] for r in event["Records"]))
            return {"batchItemFailures": [{"itemIdentifier": i} for i in bad]}
        """,
        Timeout=1,
    )
    aws.invoke(function, {"Records": []})  # a cold start counts against the visibility timeout
    url, arn = aws.queue(VisibilityTimeout=2)
    for body in ("good", "bad"):
        aws.sqs.send_message(QueueUrl=url, MessageBody=body)
    aws.mapping(function, arn, BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"])
    until(lambda: aws.depth(url) == (0, 0))
    seen = [line for line in aws.messages(function) if line.startswith("SEEN")]
    assert seen[-1] == "SEEN ['bad']\n"
    assert sum(line.count("good") for line in seen) == 1


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", set()),
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', None),
        (b'{"batchItemFailures": [{"wrong": "a"}]}', None),
        (b'{"batchItemFailures": "a"}', None),
        (b'{"batchItemFailures": [["a"]]}', None),
        (b"not json", None),
        (b'"text"', None),
        (b'[{"itemIdentifier": "a"}]', None),
    ],
)
def test_what_an_answer_reports_as_failed(answer, failed):
    assert failed_items(answer, {"a", "b"}) == failed


def test_an_answer_that_cannot_be_read_fails_the_whole_batch(aws):
    function = aws.function("def handler(e, c): return {'batchItemFailures': [{'itemIdentifier': 'x'}]}", Timeout=1)
    url, arn = aws.queue(VisibilityTimeout=20)
    aws.sqs.send_message(QueueUrl=url, MessageBody="kept")
    aws.mapping(function, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    until(lambda: aws.reports(function))
    assert aws.depth(url) == (0, 1)


def test_without_partial_responses_the_answer_means_nothing(aws):
    function = aws.function("def handler(e, c): return {'batchItemFailures': [{'itemIdentifier': 'x'}]}")
    url, arn = aws.queue()
    aws.sqs.send_message(QueueUrl=url, MessageBody="gone")
    aws.mapping(function, arn)
    until(lambda: aws.reports(function) and aws.depth(url) == (0, 0))


SLOW = """
    import time, gate
    def handler(event, context):
        print("FROM", time.time())
        gate.wait(int(event["Records"][0]["body"]))
        time.sleep(0.3)
        print("TO", time.time())
"""


def most_at_once(aws, function):
    """How many of the function's invocations overlapped at most."""
    steps = []
    for line in aws.messages(function):
        kind, _, moment = line.partition(" ")
        if kind in ("FROM", "TO"):
            steps.append((float(moment), 1 if kind == "FROM" else -1))
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


@pytest.mark.parametrize("limit", ["reserved concurrency", "machine"])
def test_excess_work_waits_in_the_queue(aws, limit):
    function = aws.function(SLOW, files=GATE, Timeout=30)
    at_once = min(5, os.cpu_count())
    if limit == "reserved concurrency":
        aws.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
        at_once = 1
    url, arn = aws.queue()
    with Gate() as gate:
        for _ in range(5):
            aws.sqs.send_message(QueueUrl=url, MessageBody=str(gate.port))
        aws.mapping(function, arn)
        gate.wait_for(at_once)
    until(lambda: aws.depth(url) == (0, 0))
    assert len(aws.reports(function)) == 5, "nothing was received in vain"
    assert most_at_once(aws, function) == at_once


def test_a_function_without_any_concurrency_leaves_everything_in_the_queue(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    aws.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    aws.mapping(function, arn)
    with ThreadPoolExecutor(1) as somebody_else:
        receiving = somebody_else.submit(
            aws.sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20, MessageSystemAttributeNames=["All"]
        )
        aws.sqs.send_message(QueueUrl=url, MessageBody="waits")
        (message,) = receiving.result(timeout=15)["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_second_mapping_for_the_same_pair_is_refused(aws):
    function = aws.function(ECHO)
    _, arn = aws.queue()
    uuid = aws.mapping(function, arn)
    code, message = refusal(aws.lam.create_event_source_mapping, FunctionName=function, EventSourceArn=arn)
    assert code == "ResourceConflictException"
    assert message == (
        f'An event source mapping with SQS arn (" {arn} ") and function (" {function} ") already exists. '
        f"Please update or delete the existing mapping with UUID {uuid}"
    )


def test_a_role_that_may_not_receive_is_refused(aws):
    role = aws.role({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    function = aws.function(ECHO, role=role)
    _, arn = aws.queue()
    assert refusal(aws.lam.create_event_source_mapping, FunctionName=function, EventSourceArn=arn) == (
        "InvalidParameterValueException",
        "The function execution role does not have permissions to call ReceiveMessage on SQS",
    )


def test_the_managed_policy_for_queues_is_enough(aws):
    role = aws.role({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    aws.iam.attach_role_policy(
        RoleName=role.split("/")[-1],
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole",
    )
    _, arn = aws.queue()
    assert aws.mapping(aws.function(ECHO, role=role), arn)


def test_a_function_timeout_above_the_visibility_timeout_is_refused(aws):
    function = aws.function(ECHO, Timeout=31)
    _, arn = aws.queue(VisibilityTimeout=30)
    expected = (
        "InvalidParameterValueException",
        "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds",
    )
    assert refusal(aws.lam.create_event_source_mapping, FunctionName=function, EventSourceArn=arn) == expected
    aws.lam.update_function_configuration(FunctionName=function, Timeout=30)
    aws.mapping(function, arn)
    assert refusal(aws.lam.update_function_configuration, FunctionName=function, Timeout=31) == expected


def test_a_queue_that_is_not_there_is_refused(aws):
    arn = "arn:aws:sqs:us-east-1:123456789012:nowhere"
    code, message = refusal(aws.lam.create_event_source_mapping, FunctionName=aws.function(ECHO), EventSourceArn=arn)
    assert code == "InvalidParameterValueException"
    assert message.endswith("SQS Error Message: The specified queue does not exist.")


def test_a_large_batch_needs_a_window(aws):
    _, arn = aws.queue()
    assert refusal(
        aws.lam.create_event_source_mapping, FunctionName=aws.function(ECHO), EventSourceArn=arn, BatchSize=11
    ) == (
        "InvalidParameterValueException",
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    )


def test_mappings_are_found_by_function_name_and_by_arn(aws):
    function = aws.function(ECHO)
    _, arn = aws.queue()
    uuid = aws.mapping(function, arn, Tags={"lab": "1"})
    function_arn = aws.lam.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    for name in (function, function_arn):
        (found,) = aws.lam.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        assert found["UUID"] == uuid
    assert aws.lam.list_tags(Resource=found["EventSourceMappingArn"])["Tags"] == {"lab": "1"}


def test_no_message_is_lost_or_doubled_under_concurrent_senders_and_receivers(aws):
    url, _ = aws.queue(VisibilityTimeout=60)
    sent, received = [], []

    def send(number):
        for i in range(25):
            sent.append(aws.sqs.send_message(QueueUrl=url, MessageBody=f"{number}-{i}")["MessageId"])

    def receive():
        while len(received) < 100:
            response = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3, WaitTimeSeconds=1)
            for message in response.get("Messages", []):
                received.append(message["MessageId"])
                aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(received) == sorted(sent)
    assert aws.depth(url) == (0, 0)


def test_a_mapping_serves_the_queue_of_its_name_again(aws):
    function = aws.function(ECHO)
    url, arn = aws.queue()
    aws.mapping(function, arn)
    aws.sqs.delete_queue(QueueUrl=url)
    aws.sqs.create_queue(QueueName=url.split("/")[-1], Attributes={"VisibilityTimeout": "30"})
    aws.sqs.send_message(QueueUrl=url, MessageBody="anew")
    until(lambda: [event["Records"][0]["body"] for event in got(aws, function)] == ["anew"])
