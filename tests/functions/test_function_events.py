"""What arrives: every record of every message, whatever it is."""

import json
from urllib.parse import quote_plus

import pytest
from event import Message
from hypothesis import given
from hypothesis import strategies as st
from lambda_events import CONTEXT, photo_event, s3_record, sqs_event, sqs_record
from outcome import Ignored, Refused
from pictures import encoded, quarters

JPEG = encoded(quarters(64, 48))
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lab", "Time": "2026-11-23T08:00:00.000Z"}
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(key=KEYS, raw=st.booleans())
def test_any_key_arrives_as_it_was_put(key, raw):
    message = Message.from_sqs(sqs_record({"Records": [s3_record(key)]}, raw=raw))
    assert [record.key for record in message.s3_records()] == [key]


def test_a_slash_may_be_encoded_too():
    record = s3_record("x") | {"s3": {"bucket": {"name": "lab"}, "object": {"key": "ingest%2Fa%2Fmy+photo%2B1.jpg"}}}
    assert Message.from_sqs(sqs_record({"Records": [record]})).s3_records()[0].key == "ingest/a/my photo+1.jpg"


def test_all_that_a_trace_needs_is_read():
    message = Message.from_sqs(sqs_record({"Records": [s3_record("ingest/x.jpg", etag="e1", versionId="v1")]}))
    record = message.s3_records()[0]
    assert (message.sqs_message_id, message.sns_message_id) == ("sqs-1", "sns-1")
    assert (message.receive_count, message.sent_timestamp) == (1, 1795420800000)
    assert (record.etag, record.version, record.sequencer) == ("e1", "v1", "0055AED6DCD90281E5")
    assert (record.bucket, record.time, record.created) == ("lab", "2026-11-23T08:00:00.000Z", True)


def test_raw_delivery_has_no_sns_message_id():
    message = Message.from_sqs(sqs_record({"Records": [s3_record("ingest/x.jpg")]}, raw=True))
    assert message.sns_message_id is None
    assert message.s3_records()[0].key == "ingest/x.jpg"


@pytest.mark.parametrize("raw", [False, True])
def test_the_test_event_of_s3_is_ignored(raw):
    with pytest.raises(Ignored, match="s3:TestEvent") as caught:
        Message.from_sqs(sqs_record(TEST_EVENT, raw=raw)).s3_records()
    assert caught.value.reason == "test_event"


@pytest.mark.parametrize(
    "body",
    [
        "hello",
        "",
        "[]",
        "null",
        "7",
        '{"Records": 5}',
        '{"Records": [7]}',
        '{"Records": [{"eventName": "x"}]}',
        "{",
        "{}",
    ]
    + [
        json.dumps(
            {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": bad}}}]}
        )
        for bad in (None, 5, "%FF")
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_what_is_no_s3_event_is_refused(body, raw):
    with pytest.raises(Refused, match="holds no S3 event that can be read") as caught:
        Message.from_sqs(sqs_record(body, raw=raw)).s3_records()
    assert caught.value.reason == "not_an_s3_event"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Records", "Message", "Type", "s3", "Event"]) | st.text(max_size=5), inner)
    ),
    max_leaves=12,
)


@given(
    body=JSON.map(json.dumps) | st.text(max_size=50), attributes=st.none() | st.dictionaries(st.text(max_size=5), JSON)
)
def test_no_body_makes_it_stumble(body, attributes):
    message = Message.from_sqs({"messageId": "1", "body": body, "attributes": attributes})
    try:
        message.s3_records()
    except (Ignored, Refused) as reason:
        assert reason.reason in ("test_event", "not_an_s3_event")  # noqa: PT017


def test_every_record_of_every_message_is_resized(function, s3, lines):
    keys = [f"ingest/{n}.jpg" for n in range(5)]
    for key in keys:
        s3.add(key, JPEG)
    two = sqs_record({"Records": [s3_record(keys[0]), s3_record(keys[1])]}, message_id="sqs-1")
    three = sqs_record({"Records": [s3_record(key) for key in keys[2:]]}, message_id="sqs-2")
    assert function.handler(sqs_event(two, three), CONTEXT) == {"batchItemFailures": []}
    assert [line["source_key"] for line in lines()] == keys
    assert len(s3.put) == 5


def test_only_the_messages_that_failed_are_reported(function, s3, lines):
    s3.add("ingest/good.jpg", JPEG)
    s3.add("ingest/bad.jpg", b"no picture")
    result = function.handler(photo_event("ingest/good.jpg", "ingest/bad.jpg", "ingest/good.jpg"), CONTEXT)
    assert result == {"batchItemFailures": [{"itemIdentifier": "sqs-2"}]}
    assert [line["event"] for line in lines()] == ["resized", "failed", "resized"]


def test_one_bad_photo_does_not_stop_the_others_of_its_message(function, s3, lines):
    s3.add("ingest/good.jpg", JPEG)
    s3.add("ingest/bad.jpg", b"no picture")
    message = sqs_record({"Records": [s3_record("ingest/bad.jpg"), s3_record("ingest/good.jpg")]})
    assert function.handler(sqs_event(message), CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "sqs-1"}]}
    assert [line["event"] for line in lines()] == ["failed", "resized"]
    assert len(s3.put) == 1


def test_test_event_and_removals_are_done_with(function, s3, lines):
    removed = sqs_record({"Records": [s3_record("ingest/x.jpg", name="ObjectRemoved:Delete")]}, message_id="sqs-2")
    assert function.handler(sqs_event(sqs_record(TEST_EVENT), removed), CONTEXT) == {"batchItemFailures": []}
    assert [(line["event"], line["reason"]) for line in lines()] == [
        ("ignored", "test_event"),
        ("ignored", "not_created"),
    ]
    assert s3.put == []


@pytest.mark.parametrize("event", [{}, {"key1": "value1"}, [], None, {"Records": []}])
def test_a_test_event_from_the_lambda_console_does_no_harm(function, s3, event):
    assert function.handler(event, CONTEXT) == {"batchItemFailures": []}


def test_the_encoding_of_the_tests_is_that_of_s3():
    assert quote_plus("my photo+é/1.jpg") == "my+photo%2B%C3%A9%2F1.jpg"
