"""Gaps of moto that no journey through the services shows by itself. The others are proved where they matter."""

import gc
import io
import time
import weakref

import pytest
from account import until
from botocore.exceptions import ClientError
from moto.core.common_models import BaseModel
from moto.sqs.models import Message

from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http import dispatcher
from labkit.embedded_aws.http.server import Answer
from labkit.embedded_aws.services import new_untracked
from labkit.embedded_aws.services.sqs_queue import Queue
from labkit.embedded_aws.state import Keys

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0"


def environ(**more):
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "RAW_URI": "/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": AUTHORIZATION,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(BODY),
        "headers.sent": [("Authorization", AUTHORIZATION)],
        "headers.by_name": {"authorization": [AUTHORIZATION]},
    } | more


def answer(monkeypatch, handler):
    monkeypatch.setitem(dispatcher._SERVICES, "sts", handler)
    owner = Identity("arn:aws:iam::123456789012:root", Keys("a", "b"))
    monkeypatch.setattr(dispatcher, "_signer", lambda *_: owner)
    return dispatcher.Dispatcher(lambda *_: Answer(404, []))(environ(CONTENT_LENGTH=str(len(BODY))))


def test_a_dictionary_that_changed_while_moto_walked_it_is_walked_again(monkeypatch):
    seen = []

    def handler(request, url, headers):
        seen.append(request.data)
        if len(seen) < 3:
            raise RuntimeError("dictionary changed size during iteration")
        return 200, {}, "done"

    assert answer(monkeypatch, handler) == Answer(200, [], b"done")
    assert seen == [BODY] * 3, "with the whole request each time"


def test_any_other_failure_is_told_at_once(monkeypatch):
    seen = []

    def handler(request, url, headers):
        seen.append(request)
        raise RuntimeError("something else")

    failed = answer(monkeypatch, handler)
    assert failed.status == 500
    assert b"The embedded AWS could not do this; its log says why." in failed.body
    assert len(seen) == 1


def test_what_is_deleted_is_forgotten(monkeypatch):
    monkeypatch.setattr(BaseModel, "__new__", new_untracked)
    queue = Queue("queue", "us-east-1", "123456789012", VisibilityTimeout="30")
    message = Message("id", "body")
    message.mark_sent()
    queue.add_message(message)
    del message
    (received,) = queue.receive(1, 0, 30)
    seen = weakref.ref(received)
    queue.delete_message(received.receipt_handle)
    del received
    gc.collect()
    assert seen() is None


def test_setting_one_attribute_of_a_queue_leaves_the_policy(aws):
    _, _, url, _ = aws.pipeline()
    policy = aws.attributes(url)["Policy"]
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "40"})
    attributes = aws.attributes(url)
    assert (attributes["Policy"], attributes["VisibilityTimeout"]) == (policy, "40")


def test_the_length_of_a_message_is_counted_in_bytes(aws):
    url, _ = aws.queue(MaximumMessageSize=1024)
    aws.sqs.send_message(QueueUrl=url, MessageBody="x" * 1024)
    with pytest.raises(ClientError) as refused:
        aws.sqs.send_message(QueueUrl=url, MessageBody="ü" * 513)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert refused.value.response["Error"]["Message"] == (
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    )


def test_a_delayed_message_comes_when_its_time_has_come(aws):
    url, _ = aws.queue()
    aws.sqs.send_message(QueueUrl=url, MessageBody="much later", DelaySeconds=900)
    assert aws.attributes(url)["ApproximateNumberOfMessagesDelayed"] == "1"
    assert "Messages" not in aws.sqs.receive_message(QueueUrl=url)
    started = time.monotonic()
    aws.sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1)
    (message,) = aws.receive(url)
    assert time.monotonic() - started >= 1
    assert message["Body"] == "later"


def test_visibility_can_be_changed_while_a_message_is_in_flight(aws):
    url, _ = aws.queue(VisibilityTimeout=600)
    aws.sqs.send_message(QueueUrl=url, MessageBody="x")
    (message,) = aws.sqs.receive_message(QueueUrl=url)["Messages"]
    assert aws.depth(url) == (0, 1)
    aws.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert aws.depth(url) == (1, 0)
    (again,) = aws.receive(url)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])  # an old handle, already deleted


def test_a_receipt_handle_that_was_never_given_is_refused(aws):
    url, _ = aws.queue()
    with pytest.raises(ClientError) as refused:
        aws.sqs.delete_message(QueueUrl=url, ReceiptHandle="invented")
    assert refused.value.response["Error"]["Code"] == "ReceiptHandleIsInvalid"


def test_a_purged_queue_is_empty(aws):
    url, _ = aws.queue()
    for number in range(3):
        aws.sqs.send_message(QueueUrl=url, MessageBody=str(number))
    (in_flight,) = aws.sqs.receive_message(QueueUrl=url)["Messages"]
    aws.sqs.purge_queue(QueueUrl=url)
    assert aws.depth(url) == (0, 0)
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=in_flight["ReceiptHandle"])


def test_a_fifo_queue_keeps_the_order_of_a_group_and_drops_duplicates(aws):
    name = aws.name("queue") + ".fifo"
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = aws.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    for body, group in (("a1", "a"), ("a1", "a"), ("a2", "a"), ("b1", "b")):
        aws.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    first = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"][0]
    assert first["Body"] == "a1"
    (other,) = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
    assert other["Body"] == "b1", "a group waits while one of it is in flight"
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert aws.receive(url)[0]["Body"] == "a2"


def test_a_long_poll_ends_when_its_queue_is_deleted(aws):
    import threading

    url, _ = aws.queue()
    ended = []

    def poll():
        try:
            ended.append(aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages"))
        except ClientError as error:
            ended.append(error.response["Error"]["Code"])

    poller = threading.Thread(target=poll)
    poller.start()
    aws.sqs.delete_queue(QueueUrl=url)
    until(lambda: ended, seconds=5)
    poller.join()


def test_a_body_is_kept_whether_it_fits_into_memory_or_not(aws):
    bucket = aws.bucket()
    for size in (0, 10, 17 * 1024 * 1024):  # moto writes what is above 16 MB to the disk
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        etag = aws.s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
        found = aws.s3.get_object(Bucket=bucket, Key="k")
        assert (found["Body"].read(), found["ETag"], found["ContentLength"]) == (body, etag, size)
    aws.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert aws.s3.get_object(Bucket=bucket, Key="copy", Range="bytes=1-3")["Body"].read() == b"\x01\x02\x03"
