"""The edges between the services: what they carry, and what they refuse in AWS's words."""

import json
import os
import random
import re
from urllib.parse import unquote_plus

import pytest
from account import RUNTIME, TRUST, until, zipped
from botocore.exceptions import ClientError

from labkit import embedded_aws


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def s3_events(messages):
    """The S3 events inside the SNS envelopes inside the SQS messages."""
    return [json.loads(json.loads(message["Body"])["Message"]) for message in messages]


# --- S3 -> SNS --------------------------------------------------------------------------------------------------


def test_a_topic_that_does_not_let_s3_in_is_refused(aws):
    bucket, topic, url, _ = aws.pipeline(topic_allows=False)
    with pytest.raises(ClientError) as refused:
        aws.notify(bucket, topic)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidArgument"
    assert error["Message"] == "Unable to validate the following destination configurations"
    assert error["ArgumentName1"] == topic
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "TopicConfigurations" not in aws.s3.get_bucket_notification_configuration(Bucket=bucket)
    assert aws.depth(url) == (0, 0), "no test event was sent"


def test_a_topic_that_lets_another_bucket_in_is_refused(aws):
    bucket, topic, _, _ = aws.pipeline()
    aws.allow_s3(topic, "another-bucket")
    assert refusal(aws.notify, bucket=bucket, topic=topic)[0] == "InvalidArgument"


def test_a_topic_that_does_not_exist_is_refused(aws):
    bucket = aws.bucket()
    code, message = refusal(aws.notify, bucket=bucket, topic="arn:aws:sns:us-east-1:123456789012:nowhere")
    assert (code, message) == (
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    )


def test_a_topic_of_another_region_is_refused_and_the_configuration_stays(aws):
    bucket, topic, _, _ = aws.pipeline()
    aws.notify(bucket, topic)
    code, message = refusal(aws.notify, bucket=bucket, topic=topic.replace("us-east-1", "eu-west-1"))
    assert (code, message) == (
        "InvalidArgument",
        "The notification destination service region is not valid for the bucket location constraint",
    )
    (kept,) = aws.s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"]
    assert kept["TopicArn"] == topic


def test_the_destination_is_not_looked_at_when_the_caller_says_so(aws):
    bucket, topic, _, _ = aws.pipeline(topic_allows=False)
    aws.notify(bucket, topic, SkipDestinationValidation=True)
    assert aws.s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"]


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (("ingest/", ".jpg"), ("ingest/", ".jpg"), True),
        (("ingest/", ".jpg"), ("ingest/a/", ".jpg"), True),
        (("ingest/", ".jpg"), ("ingest/", "t.jpg"), True),
        (("ingest/", ".jpg"), ("ingest/", ".png"), False),
        (("ingest/", ".jpg"), ("other/", ".jpg"), False),
    ],
)
def test_overlapping_rules_are_refused(aws, first, second, refused):
    bucket, topic, _, _ = aws.pipeline()
    rules = [
        {
            "TopicArn": topic,
            "Events": [event],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": p}, {"Name": "suffix", "Value": s}]}},
        }
        for event, (p, s) in (("s3:ObjectCreated:*", first), ("s3:ObjectCreated:Put", second))
    ]
    arguments = {"Bucket": bucket, "NotificationConfiguration": {"TopicConfigurations": rules}}
    if refused:
        assert refusal(aws.s3.put_bucket_notification_configuration, **arguments) == (
            "InvalidArgument",
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
            "are overlapping for the same event type.",
        )
    else:
        aws.s3.put_bucket_notification_configuration(**arguments)


def put_filter(aws, bucket, topic, *rules):
    """Put a notification with these filter rules, given as name and value."""
    filter_rules = [{"Name": name, "Value": value} for name, value in rules]
    rule = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": filter_rules}}}
    aws.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )


def shown_filter(aws, bucket):
    (shown,) = aws.s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"]
    return [(rule["Name"], rule["Value"]) for rule in shown["Filter"]["Key"]["FilterRules"]]


def test_filter_names_in_either_case_are_accepted_and_shown_capitalised(aws):
    bucket, topic, _, _ = aws.pipeline()
    put_filter(aws, bucket, topic, ("Prefix", "ingest/"), ("suffix", ".jpg"))
    assert shown_filter(aws, bucket) == [("Prefix", "ingest/"), ("Suffix", ".jpg")]


def test_an_empty_filter_value_lets_everything_through(aws):
    bucket, topic, url, _ = aws.pipeline()
    put_filter(aws, bucket, topic, ("prefix", ""), ("suffix", ".jpg"))
    assert shown_filter(aws, bucket) == [("Prefix", ""), ("Suffix", ".jpg")]
    assert aws.receive(url), "the test event"
    for key in ("a.png", "anywhere/a.jpg"):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    (event,) = s3_events(aws.receive(url))
    assert event["Records"][0]["s3"]["object"]["key"] == "anywhere/a.jpg"


def test_a_filter_that_is_neither_prefix_nor_suffix_is_refused(aws):
    bucket, topic, _, _ = aws.pipeline()
    with pytest.raises(ClientError) as refused:
        put_filter(aws, bucket, topic, ("contains", "x"))
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidArgument", "filter rule name must be either prefix or suffix")


def test_the_test_event_is_sent_when_the_notification_is_put(aws):
    bucket, topic, url, _ = aws.pipeline()
    aws.notify(bucket, topic)
    (message,) = aws.receive(url)
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "Amazon S3 Notification"
    event = json.loads(envelope["Message"])
    assert set(event) == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}
    assert (event["Service"], event["Event"], event["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)


def notified(aws, **attributes):
    """A pipeline whose test event is out of the way."""
    bucket, topic, url, queue = aws.pipeline(**attributes)
    aws.notify(bucket, topic)
    assert aws.receive(url)
    return bucket, topic, url, queue


def test_an_upload_is_told_field_by_field(aws):
    bucket, _, url, _ = notified(aws)
    etag = aws.s3.put_object(Bucket=bucket, Key="ingest/photo.jpg", Body=b"12345")["ETag"].strip('"')
    (event,) = s3_events(aws.receive(url))
    (record,) = event["Records"]
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert record["eventName"] == "ObjectCreated:Put"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"])
    assert record["userIdentity"]["principalId"].startswith("AWS:")
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert set(record["responseElements"]) == {"x-amz-request-id", "x-amz-id-2"}
    s3 = record["s3"]
    assert (s3["s3SchemaVersion"], s3["configurationId"]) == ("1.0", "resize-image-event")
    assert (s3["bucket"]["name"], s3["bucket"]["arn"]) == (bucket, f"arn:aws:s3:::{bucket}")
    assert s3["bucket"]["ownerIdentity"]["principalId"]
    sequencer = s3["object"].pop("sequencer")
    assert re.fullmatch(r"[0-9A-F]{14,18}", sequencer)
    assert s3["object"] == {"key": "ingest/photo.jpg", "size": 5, "eTag": etag}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("ingest/my photo.jpg", "ingest/my+photo.jpg"),
        ("ingest/a/b/c.jpg", "ingest/a/b/c.jpg"),
        ("ingest/50%+1 (a).jpg", "ingest/50%25%2B1+%28a%29.jpg"),
        ("ingest/Zürich.jpg", "ingest/Z%C3%BCrich.jpg"),
    ],
)
def test_keys_are_encoded_as_s3_does(aws, key, told):
    bucket, _, url, _ = notified(aws)
    aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    (event,) = s3_events(aws.receive(url))
    assert event["Records"][0]["s3"]["object"]["key"] == told
    assert unquote_plus(told) == key


def test_a_multipart_upload_is_one_event(aws, tmp_path):
    bucket, _, url, _ = notified(aws)
    photo = tmp_path / "large.jpg"
    photo.write_bytes(random.randbytes(9_000_000))
    aws.s3.upload_file(str(photo), bucket, "ingest/large.jpg")
    aws.s3.put_object(Bucket=bucket, Key="ingest/last.jpg", Body=b"x")
    events = s3_events(aws.receive(url, count=2))
    assert [event["Records"][0]["eventName"] for event in events] == [
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:Put",
    ]


def test_a_versioned_bucket_tells_the_version(aws):
    bucket, _, url, _ = notified(aws)
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = aws.s3.put_object(Bucket=bucket, Key="ingest/v.jpg", Body=b"x")["VersionId"]
    (event,) = s3_events(aws.receive(url))
    assert event["Records"][0]["s3"]["object"]["versionId"] == version


@pytest.mark.parametrize("key", ["ingest/a.JPG", "ingest/a.jpeg", "other/a.jpg", "a.jpg"])
def test_what_the_filter_does_not_name_is_not_told(aws, key):
    bucket, _, url, _ = notified(aws)
    aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    aws.s3.put_object(Bucket=bucket, Key="ingest/last.jpg", Body=b"x")
    (event,) = s3_events(aws.receive(url))
    assert event["Records"][0]["s3"]["object"]["key"] == "ingest/last.jpg"


def test_an_upload_is_accepted_also_when_the_topic_no_longer_lets_s3_in(aws):
    bucket, topic, url, _ = notified(aws)
    other_bucket, _, other_url, _ = notified(aws)
    aws.allow_s3(topic, "another-bucket")
    aws.s3.put_object(Bucket=bucket, Key="ingest/lost.jpg", Body=b"x")
    aws.s3.put_object(Bucket=other_bucket, Key="ingest/next.jpg", Body=b"x")
    assert aws.receive(other_url), "events go out one after the other: the one before has been dealt with"
    aws.allow_s3(topic, bucket)
    aws.s3.put_object(Bucket=bucket, Key="ingest/told.jpg", Body=b"x")
    (event,) = s3_events(aws.receive(url))
    assert event["Records"][0]["s3"]["object"]["key"] == "ingest/told.jpg"


def test_duplicates_carry_the_same_sequencer(servers):
    aws = servers(duplicate_events=1)
    bucket, topic, url, _ = aws.pipeline()
    aws.notify(bucket, topic)
    assert len(aws.receive(url, count=2)) == 2
    aws.s3.put_object(Bucket=bucket, Key="ingest/twice.jpg", Body=b"x")
    first, second = s3_events(aws.receive(url, count=2))
    assert first == second


def test_events_can_come_in_another_order(servers):
    aws = servers(shuffle_events=True)
    bucket, topic, url, _ = aws.pipeline()
    rule = {"TopicArn": topic, "Events": ["s3:ObjectRemoved:*"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )
    assert aws.receive(url)
    keys = [{"Key": f"{number:02}.jpg"} for number in range(12)]
    for key in keys:
        aws.s3.put_object(Bucket=bucket, **key, Body=b"x")
    aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})  # twelve events in one moment
    records = [event["Records"][0]["s3"]["object"] for event in s3_events(aws.receive(url, count=12))]
    sequencers = [record["sequencer"] for record in records]
    assert len(set(sequencers)) == 12
    assert sequencers != sorted(sequencers)


# --- SNS -> SQS -------------------------------------------------------------------------------------------------


def test_a_queue_that_does_not_let_the_topic_in_gets_nothing(aws):
    _, topic, url, queue = aws.pipeline(queue_allows=False)
    aws.sns.publish(TopicArn=topic, Message="lost")
    aws.allow_topic(url, queue, topic)
    aws.sns.publish(TopicArn=topic, Message="told")
    assert [json.loads(message["Body"])["Message"] for message in aws.receive(url)] == ["told"]


def test_a_queue_that_lets_another_topic_in_gets_nothing(aws):
    _, topic, url, queue = aws.pipeline()
    aws.allow_topic(url, queue, topic + "-other")
    aws.sns.publish(TopicArn=topic, Message="lost")
    assert aws.depth(url) == (0, 0)


def test_the_envelope_has_snss_fields_in_snss_order(aws):
    _, topic, url, _ = aws.pipeline()
    sent = aws.sns.publish(TopicArn=topic, Message="hi", Subject="greeting")
    (message,) = aws.receive(url)
    envelope = json.loads(message["Body"])
    assert list(envelope) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp",
        "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL",
    ]  # fmt: skip
    assert message["Body"].startswith('{\n  "Type" : "Notification",\n')
    assert (envelope["MessageId"], envelope["TopicArn"]) == (sent["MessageId"], topic)
    assert envelope["SigningCertURL"].startswith("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-")


@pytest.mark.parametrize(("raw", "body"), [("true", "hi"), ("false", None)])
def test_raw_delivery_is_what_its_attribute_says(aws, raw, body):
    _, topic, url, _ = aws.pipeline()
    (subscription,) = aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    aws.sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="RawMessageDelivery",
        AttributeValue=raw,
    )
    aws.sns.publish(TopicArn=topic, Message="hi")
    (message,) = aws.receive(url)
    assert (message["Body"] if body else json.loads(message["Body"])["Message"]) == "hi"


def test_one_message_reaches_every_subscribed_queue(aws):
    _, topic, url, _ = aws.pipeline()
    other_url, other = aws.queue()
    aws.allow_topic(other_url, other, topic)
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=other)
    aws.sns.publish(TopicArn=topic, Message="fan-out")
    ids = {json.loads(aws.receive(queue)[0]["Body"])["MessageId"] for queue in (url, other_url)}
    assert len(ids) == 1


# --- roles and packages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trust",
    [
        [TRUST["Statement"][0] | {"Principal": {"Service": "ec2.amazonaws.com"}}],
        [*TRUST["Statement"], TRUST["Statement"][0] | {"Effect": "Deny"}],
    ],
    ids=["for another service", "denied"],
)
def test_a_role_that_lambda_may_not_assume_is_refused(aws, trust):
    expected = (
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
    )
    role = aws.role(trust={"Version": "2012-10-17", "Statement": trust})
    assert refusal(aws.function, role=role) == expected
    function = aws.function()
    assert refusal(aws.lam.update_function_configuration, FunctionName=function, Role=role) == expected


def test_a_role_that_is_not_there_is_refused(aws):
    code, message = refusal(aws.function, role="arn:aws:iam::123456789012:role/nobody")
    assert (code, message) == (
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
    )


def bad_zip(name, *, link=False):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        if link:
            entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "code",
    [b"no zip", bad_zip("/etc/evil.py"), bad_zip("../evil.py"), bad_zip("a/../../evil.py"), bad_zip("link", link=True)],
    ids=["not a zip", "absolute", "up", "up in the middle", "link"],
)
def test_a_zip_that_cannot_be_unpacked_safely_is_refused(aws, code):
    assert refusal(aws.function, Code={"ZipFile": code}) == (
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )


def test_a_zip_bomb_is_refused(aws):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb", "w") as entry:
        for _ in range(263):
            entry.write(bytes(1_000_000))
    assert refusal(aws.function, Code={"ZipFile": buffer.getvalue()}) == (
        "InvalidParameterValueException",
        "Unzipped size must be smaller than 262144000 bytes",
    )


def test_a_zip_above_the_upload_limit_is_refused(aws):
    code, message = refusal(aws.function, Code={"ZipFile": zipped(**{"ballast": os.urandom(51 * 1024 * 1024)})})
    assert code == "RequestEntityTooLargeException"
    assert message.startswith("Request must be smaller than ")


@pytest.mark.parametrize(
    ("option", "value", "path", "bound"),
    [
        ("Timeout", 901, "timeout", "less than or equal to 900"),
        ("MemorySize", 10_241, "memorySize", "less than or equal to 10240"),
    ],
)
def test_limits_of_a_function_are_checked(aws, option, value, path, bound):
    assert refusal(aws.function, **{option: value}) == (
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: "
        f"Member must have value {bound}",
    )


def test_a_function_of_the_same_name_is_refused(aws):
    name = aws.function()
    assert refusal(aws.function, FunctionName=name) == (
        "ResourceConflictException",
        f"Function already exist: {name}",
    )


def test_a_change_takes_its_time_and_waiters_see_its_end(servers):
    aws = servers(change_seconds=600)
    name = aws.name("function")
    settings = {"Role": aws.role(), "Handler": "fn.handler", "Runtime": RUNTIME, "Code": {"ZipFile": zipped("x = 1")}}
    made = aws.lam.create_function(FunctionName=name, **settings)
    assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
    aws.lam.get_waiter("function_active_v2").wait(FunctionName=name)
    changed = aws.lam.update_function_code(FunctionName=name, ZipFile=zipped("x = 2"))
    assert changed["LastUpdateStatus"] == "InProgress"
    assert refusal(aws.lam.update_function_configuration, FunctionName=name, Description="soon") == (
        "ResourceConflictException",
        f"The operation cannot be performed at this time. An update is in progress for resource: {made['FunctionArn']}",
    )
    aws.lam.get_waiter("function_updated_v2").wait(FunctionName=name)
    aws.lam.update_function_configuration(FunctionName=name, Description="now")
    aws.lam.get_waiter("function_updated_v2").wait(FunctionName=name)
    configuration = aws.lam.get_function(FunctionName=name)["Configuration"]
    assert (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")
    assert configuration["Description"] == "now"


def test_the_code_can_be_fetched_where_get_function_says(aws):
    from urllib.request import urlopen

    code = zipped("def handler(event, context): pass")
    location = aws.lam.get_function(FunctionName=aws.function(Code={"ZipFile": code}))["Code"]["Location"]
    with urlopen(location) as response:
        assert response.read() == code


# --- the whole way ----------------------------------------------------------------------------------------------


def test_an_upload_runs_the_function(aws):
    bucket, _, url, queue = notified(aws)
    function = aws.function(
        """
        import json, urllib.parse, boto3
        s3 = boto3.client("s3")
        def handler(event, context):
            for message in event["Records"]:
                for record in json.loads(json.loads(message["body"])["Message"])["Records"]:
                    key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
                    body = s3.get_object(Bucket=record["s3"]["bucket"]["name"], Key=key)["Body"].read()
                    s3.put_object(Bucket=record["s3"]["bucket"]["name"], Key="out/" + key, Body=body[::-1])
        """,
        Timeout=10,
    )
    aws.mapping(function, queue)
    aws.s3.put_object(Bucket=bucket, Key="ingest/a b.jpg", Body=b"abc")
    until(lambda: aws.keys(bucket, "out/") == ["out/ingest/a b.jpg"])
    assert aws.s3.get_object(Bucket=bucket, Key="out/ingest/a b.jpg")["Body"].read() == b"cba"
    until(lambda: aws.depth(url) == (0, 0))


def test_settings_can_be_set_while_the_server_runs(servers):
    aws = servers(retry_seconds=(1.0, 2.0))
    assert embedded_aws.change_settings(aws.server, duplicate_events=2).duplicate_events == 2
    bucket, topic, url, _ = aws.pipeline()
    aws.notify(bucket, topic)
    assert len(aws.receive(url, count=3)) == 3
    settings = embedded_aws.change_settings(aws.server, duplicate_events=0)
    assert (settings.duplicate_events, settings.retry_seconds) == (0, (1.0, 2.0))
    with pytest.raises(TypeError):
        embedded_aws.change_settings(aws.server, no_such_setting=1)


def test_a_server_that_is_gone_cannot_be_changed(aws):
    from dataclasses import replace

    gone = replace(aws.server, url="http://127.0.0.1:9")
    with pytest.raises(embedded_aws.EmbeddedAwsError) as refused:
        embedded_aws.change_settings(gone, duplicate_events=1)
    assert str(refused.value) == "The embedded AWS at http://127.0.0.1:9 does not answer."


# --- what a function's role may do ------------------------------------------------------------------------------

CALL_S3 = """
    import boto3, botocore.exceptions
    s3 = boto3.client("s3")
    def handler(event, context):
        try:
            return getattr(s3, event["call"])(**event["with"])["ResponseMetadata"]["HTTPStatusCode"]
        except botocore.exceptions.ClientError as error:
            return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
"""


def test_a_function_may_do_in_s3_what_its_role_allows_and_no_more(aws):
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="ingest/a.jpg", Body=b"x")
    role = aws.role(
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/ingest/*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/web/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
         "Condition": {"StringLike": {"s3:prefix": "ingest/*"}}},
    )  # fmt: skip
    function = aws.function(CALL_S3, role=role, Timeout=20)

    def call(name, **arguments):
        return aws.invoke(function, {"call": name, "with": {"Bucket": bucket, **arguments}})[0]

    assert call("get_object", Key="ingest/a.jpg") == 200
    assert call("put_object", Key="web/a.jpg", Body="x") == 200
    assert call("list_objects_v2", Prefix="ingest/") == 200
    assert call("get_object", Key="ingest/gone.jpg")[0] == "NoSuchKey"
    code, message = call("put_object", Key="ingest/b.jpg", Body="x")
    user = f"arn:aws:sts::123456789012:assumed-role/{role.split('/')[-1]}/{function}"
    assert code == "AccessDenied"
    assert message == (
        f"User: {user} is not authorized to perform: s3:PutObject on resource: "
        f'"arn:aws:s3:::{bucket}/ingest/b.jpg" because no identity-based policy allows the s3:PutObject action'
    )
    assert call("get_object", Key="web/a.jpg")[0] == "AccessDenied"
    assert call("delete_object", Key="ingest/a.jpg")[0] == "AccessDenied"
    assert call("list_objects_v2", Prefix="web/")[0] == "AccessDenied"


def test_who_may_not_list_is_not_told_that_an_object_is_missing(aws):
    bucket = aws.bucket()
    role = aws.role({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    function = aws.function(CALL_S3, role=role, Timeout=20)
    code, message = aws.invoke(function, {"call": "get_object", "with": {"Bucket": bucket, "Key": "gone"}})[0]
    assert code == "AccessDenied"
    assert "is not authorized to perform: s3:ListBucket on resource:" in message


@pytest.mark.parametrize("missing", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])
def test_a_role_without_the_rights_to_log_leaves_no_log(aws, missing):
    actions = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"} - {missing}
    role = aws.role({"Effect": "Allow", "Action": sorted(actions), "Resource": "*"})
    function = aws.function("def handler(event, context): print('said')", role=role)
    _, response = aws.invoke(function, LogType="Tail")
    assert aws.events(function) == []
    assert response["LogResult"], "the caller is told all the same"


def test_a_log_group_that_is_there_needs_no_right_to_make_one(aws):
    role = aws.role({"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"})
    function = aws.function("def handler(event, context): print('said')", role=role)
    aws.logs.create_log_group(logGroupName=f"/aws/lambda/{function}")
    aws.invoke(function)
    assert "said\n" in aws.messages(function)


# --- S3 in general ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["plain", "moto's"])
def test_an_object_comes_back_as_it_was_put(aws, way):
    """Plain requests take the fast path; a storage class is not plain. Both say the same."""
    bucket = aws.bucket()
    more = {} if way == "plain" else {"StorageClass": "STANDARD"}
    put = aws.s3.put_object(
        Bucket=bucket,
        Key="a/ü b.jpg",
        Body=b"abc",
        ContentType="image/jpeg",
        Metadata={"my_key": "v", "k": "w"},
        **more,
    )
    assert put["ETag"] == '"900150983cd24fb0d6963f7d28e17f72"'
    assert put["ChecksumCRC32"] == "NSRBwg=="
    got = aws.s3.get_object(Bucket=bucket, Key="a/ü b.jpg")
    assert got["Body"].read() == b"abc"
    assert (got["ContentType"], got["ContentLength"], got["ETag"]) == ("image/jpeg", 3, put["ETag"])
    assert got["Metadata"] == {"my_key": "v", "k": "w"}
    head = aws.s3.head_object(Bucket=bucket, Key="a/ü b.jpg", ChecksumMode="ENABLED")
    assert (head["ContentType"], head["ChecksumCRC32"]) == ("image/jpeg", "NSRBwg==")
    part = aws.s3.get_object(Bucket=bucket, Key="a/ü b.jpg", Range="bytes=1-1")
    assert (part["Body"].read(), part["ResponseMetadata"]["HTTPStatusCode"]) == (b"b", 206)
    assert aws.s3.get_object(Bucket=bucket, Key="a/ü b.jpg", IfMatch=put["ETag"])["ETag"] == put["ETag"]
    assert refusal(aws.s3.get_object, Bucket=bucket, Key="a/ü b.jpg", IfMatch='"other"')[0] == "PreconditionFailed"


def test_a_listing_is_cut_into_pages_and_folders(aws):
    bucket = aws.bucket()
    for key in ("a.jpg", "b/1.jpg", "b/2.jpg", "c&<d>.jpg", "e/f/3.jpg", "ü.jpg"):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def listed(**arguments):
        pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **arguments)
        keys, folders = [], []
        for page in pages:
            keys += [item["Key"] for item in page.get("Contents", [])]
            folders += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
            assert page["KeyCount"] <= arguments.get("PaginationConfig", {}).get("PageSize", 1000)
        return keys, folders

    everything = ["a.jpg", "b/1.jpg", "b/2.jpg", "c&<d>.jpg", "e/f/3.jpg", "ü.jpg"]
    for size in (1, 2, 5, 1000):
        assert listed(PaginationConfig={"PageSize": size}) == (everything, [])
        assert listed(Delimiter="/", PaginationConfig={"PageSize": size}) == (
            ["a.jpg", "c&<d>.jpg", "ü.jpg"],
            ["b/", "e/"],
        )
    assert listed(Prefix="b/") == (["b/1.jpg", "b/2.jpg"], [])
    assert listed(Prefix="e/", Delimiter="/") == ([], ["e/f/"])
    assert listed(StartAfter="b/1.jpg")[0] == everything[2:]
    assert listed(Prefix="nothing/") == ([], [])


def test_versions_deletes_and_markers(aws):
    bucket = aws.bucket()
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = aws.s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    assert aws.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    assert aws.s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    assert aws.s3.delete_object(Bucket=bucket, Key="k")["DeleteMarker"] is True
    assert refusal(aws.s3.get_object, Bucket=bucket, Key="k")[0] == "NoSuchKey"
    assert aws.keys(bucket) == []


def test_an_upload_without_tags_is_no_tagging_event(aws):
    bucket, topic, url, _ = aws.pipeline()
    rule = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*", "s3:ObjectTagging:*"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )
    assert aws.receive(url)
    aws.s3.put_object(Bucket=bucket, Key="a", Body=b"x", StorageClass="STANDARD")
    aws.s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    names = [event["Records"][0]["eventName"] for event in s3_events(aws.receive(url, count=2))]
    assert names == ["ObjectCreated:Put", "ObjectTagging:Put"]
