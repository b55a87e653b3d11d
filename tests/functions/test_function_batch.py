"""One invocation over S3: what is stored, what is logged, and which message comes again."""

import importlib
import json
from urllib.parse import unquote

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from lambda_events import CONTEXT, photo_event, s3_record, sqs_event, sqs_record
from memory_s3 import client_error
from moto import mock_aws
from pictures import encoded, looks_like_quarters, opened, quarters

JPEG = encoded(quarters(1000, 800))
KEY = "ingest/a/my photo é.jpg"
AGAIN = {"batchItemFailures": [{"itemIdentifier": "sqs-1"}]}
DONE = {"batchItemFailures": []}
TRACED = {
    "request_id": "request-1",
    "sqs_message_id": "sqs-1",
    "sns_message_id": "sns-1",
    "receive_count": 1,
    "sent_timestamp": 1795420800000,
    "bucket": "lab",
    "source_key": KEY,
    "version": None,
    "sequencer": "0055AED6DCD90281E5",
    "event_time": "2026-11-23T08:00:00.000Z",
}


def test_a_photo_becomes_a_jpeg_that_says_where_it_came_from(function, s3):
    etag = s3.add(KEY, JPEG)
    assert function.handler(photo_event(KEY, etag=etag, versionId="v 1"), CONTEXT) == DONE
    (result,) = s3.put
    assert result.bucket == "lab"
    assert result.key == f"{function.RULE.folder}a/{function.RULE.label}my photo é.jpg"
    assert result.content_type == "image/jpeg"
    assert opened(result.data).size == function.RULE.size(1000, 800)
    assert looks_like_quarters(opened(result.data))
    metadata = {name: unquote(value) for name, value in result.metadata.items()}
    assert metadata == {
        "source-key": KEY,
        "source-etag": etag,
        "source-version": "v 1",
        "source-sequencer": "0055AED6DCD90281E5",
        "source-size": "1000x800",
        "function": function.RULE.function,
    }


def test_the_log_has_one_line_with_all_that_a_trace_needs(function, s3, lines):
    etag = s3.add(KEY, JPEG)
    function.handler(photo_event(KEY, etag=etag), CONTEXT)
    (line,) = lines()
    assert next(iter(line)) == "event"
    assert TRACED.items() <= line.items()
    assert line["event"] == "resized"
    assert line["function"] == function.RULE.function
    assert line["etag"] == etag
    assert line["output_key"] == s3.put[0].key
    assert line["source_size"] == [1000, 800]
    assert line["result_size"] == list(function.RULE.size(1000, 800))
    assert (line["source_bytes"], line["result_bytes"]) == (len(JPEG), len(s3.put[0].data))
    assert list(line["ms"]) == ["download", "decode", "resize", "encode", "upload"]
    assert all(0 <= ms < 60_000 for ms in line["ms"].values())


def test_the_same_event_twice_gives_the_same_object(function, s3):
    event = photo_event(KEY, etag=s3.add(KEY, JPEG))
    function.handler(event, CONTEXT)
    function.handler(event, CONTEXT)
    first, second = s3.put
    assert first == second


def test_a_photo_deleted_meanwhile_is_done_with(function, s3, lines):
    assert function.handler(photo_event(KEY), CONTEXT) == DONE
    (line,) = lines()
    assert (line["event"], line["reason"], line["retry"]) == ("ignored", "deleted", False)
    assert "deleted before" in line["message"]
    assert TRACED.items() <= line.items()


def test_a_photo_replaced_meanwhile_is_left_to_its_own_event(function, s3, lines):
    etag = s3.add(KEY, JPEG)
    s3.add(KEY, encoded(quarters(10, 10)))
    assert function.handler(photo_event(KEY, etag=etag), CONTEXT) == DONE
    assert [(line["event"], line["reason"]) for line in lines()] == [("ignored", "replaced")]
    assert s3.put == []


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
@pytest.mark.parametrize(
    ("error", "reason", "retry"),
    [
        (client_error("SlowDown", 503), "s3_busy", True),
        (client_error("InternalError", 500), "s3_busy", True),
        (client_error("Throttling", 429), "s3_busy", True),
        (client_error("RequestTimeout", 400), "s3_busy", True),
        (client_error("AccessDenied", 403), "access_denied", True),
        (client_error("SomethingNew", 400), "s3_error", True),
        (client_error("NoSuchBucket", 404), "no_such_bucket", False),
        (client_error("InvalidObjectState", 403), "archived", False),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "s3_unreachable", True),
    ],
)
def test_what_s3_refuses_comes_again(thumbnail, s3, lines, operation, error, reason, retry):
    s3.add(KEY, JPEG)
    s3.refuse(operation, error)
    assert thumbnail.handler(photo_event(KEY), CONTEXT) == AGAIN
    (line,) = lines()
    assert (line["event"], line["reason"], line["retry"]) == ("failed", reason, retry)
    assert line["message"]
    assert s3.put == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "not_an_image"), (b"hello", "not_an_image"), (JPEG[: len(JPEG) // 2], "damaged"), (JPEG[:700], "damaged")],
)
def test_what_can_never_succeed_is_reported_for_the_dead_letters(function, s3, lines, data, reason):
    s3.add(KEY, data)
    assert function.handler(photo_event(KEY), CONTEXT) == AGAIN
    (line,) = lines()
    assert (line["event"], line["reason"], line["retry"]) == ("failed", reason, False)
    assert TRACED.items() <= line.items()
    assert s3.put == []


def test_a_file_that_is_too_large_is_not_even_read(thumbnail, s3, lines, monkeypatch):
    monkeypatch.setattr(importlib.import_module("store"), "MOST_BYTES", 1000)
    s3.add(KEY, JPEG)
    assert thumbnail.handler(photo_event(KEY), CONTEXT) == AGAIN
    (line,) = lines()
    assert (line["reason"], line["retry"]) == ("too_large", False)
    assert f"{len(JPEG):,} bytes; the most is 1,000" in line["message"]


def test_a_message_that_is_no_s3_event_is_reported(thumbnail, s3, lines):
    assert thumbnail.handler(sqs_event(sqs_record("hello")), CONTEXT) == AGAIN
    (line,) = lines()
    assert (line["event"], line["reason"], line["retry"]) == ("failed", "not_an_s3_event", False)
    assert line["sqs_message_id"] == "sqs-1"


@pytest.mark.parametrize(
    ("error", "reason", "retry"),
    [(MemoryError(), "out_of_memory", False), (RuntimeError("a mistake"), "unexpected", True)],
)
def test_even_a_mistake_of_ours_keeps_the_other_messages_safe(thumbnail, s3, lines, monkeypatch, error, reason, retry):
    batch = importlib.import_module("batch")
    right = batch.resize

    def wrong_for_the_first(*_):
        monkeypatch.setattr(batch, "resize", right)
        raise error

    monkeypatch.setattr(batch, "resize", wrong_for_the_first)
    for name in "ab":
        s3.add(f"ingest/{name}.jpg", JPEG)
    assert thumbnail.handler(photo_event("ingest/a.jpg", "ingest/b.jpg"), CONTEXT) == AGAIN
    first, second = lines()
    assert (first["event"], first["reason"], first["retry"]) == ("failed", reason, retry)
    assert ("Traceback" in first.get("traceback", "")) == (reason == "unexpected")
    assert second["event"] == "resized"


def test_two_folders_with_the_same_name_stay_apart(thumbnail, s3):
    for folder in "ab":
        s3.add(f"ingest/{folder}/x.jpg", JPEG)
    thumbnail.handler(photo_event("ingest/a/x.jpg", "ingest/b/x.jpg"), CONTEXT)
    assert [put.key for put in s3.put] == ["thumbnail/a/Thumbnail-x.jpg", "thumbnail/b/Thumbnail-x.jpg"]


def test_nothing_is_left_in_tmp(function, s3, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    s3.add(KEY, JPEG)
    function.handler(photo_event(KEY), CONTEXT)
    assert list(tmp_path.iterdir()) == []


def test_it_works_with_boto3_itself(function, monkeypatch, lines):
    """The calls as botocore sends them, and the refusals as it raises them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        monkeypatch.setattr(importlib.import_module("store"), "S3", client)
        client.create_bucket(Bucket="lab")
        etag = client.put_object(Bucket="lab", Key=KEY, Body=JPEG)["ETag"].strip('"')
        records = [
            s3_record(KEY, etag=etag),
            s3_record(KEY, etag="0" * 32),
            s3_record("ingest/gone.jpg"),
            s3_record(KEY, bucket="gone-bucket"),
        ]
        result = function.handler(sqs_event(sqs_record({"Records": records})), CONTEXT)
        found = [(line["event"], line.get("reason")) for line in lines()]
        head = client.head_object(Bucket="lab", Key=f"{function.RULE.folder}a/{function.RULE.label}my photo é.jpg")
    assert found == [("resized", None), ("ignored", "replaced"), ("ignored", "deleted"), ("failed", "no_such_bucket")]
    assert result == AGAIN
    assert head["ContentType"] == "image/jpeg"
    assert head["Metadata"]["source-key"] == "ingest/a/my%20photo%20%C3%A9.jpg"


def test_the_log_is_ascii_and_one_line_whatever_the_key(thumbnail, s3, capsys):
    key = "ingest/line\nbreak\u2028 é.jpg"
    s3.add(key, JPEG)
    thumbnail.handler(photo_event(key), CONTEXT)
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.count("\n") == 1
    assert json.loads(text)["source_key"] == key
