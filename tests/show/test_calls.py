"""Calls are recorded by boto3's own events and shown as boto3, AWS CLI and a place in the console."""

import io
import json
import shlex
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from labkit.calls import Blob, Call, CallLog
from labkit.show.calls import as_boto3, as_cli, console_page, show_calls


@pytest.fixture
def session():
    return boto3.Session("AKIAMADEUP", "not-a-secret", "session-token-value", region_name="us-east-1")


def recorded(session, service, operation, answer, error=None, **parameters):
    """The log of a session after one call, with AWS's answer made up."""
    log = CallLog()
    log.attach(session)
    client = session.client(service)
    with Stubber(client) as stub:
        if error:
            stub.add_client_error(operation, error)
            with pytest.raises(client.exceptions.ClientError):
                getattr(client, operation)(**parameters)
        else:
            stub.add_response(operation, answer)
            getattr(client, operation)(**parameters)
    return log


def test_a_call_is_recorded_and_shown(session):
    log = recorded(session, "sns", "create_topic", {"TopicArn": "arn:aws:sns:us-east-1:1:t-topic"}, Name="t-topic")
    shown = str(show_calls(log))
    assert 'sns.create_topic(Name="t-topic")' in shown
    assert "aws sns create-topic --name t-topic" in shown
    assert "Amazon SNS > Topics > t-topic" in shown
    assert "1 call to AWS" in shown


def test_no_credential_is_ever_shown(session):
    log = recorded(session, "sqs", "create_queue", {"QueueUrl": "http://q"}, QueueName="q")
    for face in show_calls(log)._repr_mimebundle_().values():
        for secret in ("AKIAMADEUP", "not-a-secret", "session-token-value"):
            assert secret not in face


def test_parameters_that_are_secret_by_name_are_hidden(session):
    log = recorded(
        session,
        "lambda",
        "update_function_configuration",
        {},
        FunctionName="f",
        Environment={"Variables": {"DB_PASSWORD": "hunter2", "SIZE": "12"}},
    )
    shown = str(show_calls(log))
    assert "hunter2" not in shown
    assert "(hidden)" in shown
    assert "12" in shown


def test_a_refusal_is_said():
    refused = Call("s3", "PutBucketNotificationConfiguration", {"Bucket": "b"}, error="InvalidArgument", done=True)
    assert "AWS refused with InvalidArgument" in str(show_calls([refused]))


def test_large_binaries_are_kept_as_their_size_alone(session):
    log = recorded(session, "lambda", "update_function_code", {}, FunctionName="f", ZipFile=b"x" * 5000)
    (call,) = log.calls
    assert call.parameters["ZipFile"] == Blob(5000)
    assert "a file of 5,000 bytes" in as_boto3(call)
    assert "--zip-file fileb://file" in as_cli(call)


def test_open_files_are_not_kept(session):
    log = recorded(session, "s3", "put_object", {}, Bucket="b", Key="k", Body=io.BytesIO(b"data"))
    assert "--body file" in as_cli(log.calls[0])


CREATE_FUNCTION = Call(
    "lambda", "CreateFunction", {"FunctionName": "f", "Code": {"ZipFile": Blob(9)}, "Publish": False}
)


def test_the_cli_has_its_own_ways():
    assert (
        as_cli(CREATE_FUNCTION) == "aws lambda create-function --function-name f --zip-file fileb://file --no-publish"
    )
    assert as_cli(Call("s3", "CreateBucket", {"Bucket": "b"})) == "aws s3api create-bucket --bucket b"
    assert as_cli(Call("lambda", "Invoke", {"FunctionName": "f"})).endswith(" answer.json")


def test_what_a_shell_would_mangle_is_quoted():
    policy = json.dumps({"Sid": "it's $HOME"})
    line = as_cli(Call("sqs", "SetQueueAttributes", {"QueueUrl": "u", "Attributes": {"Policy": policy}}))
    words = shlex.split(line.replace("\\\n", ""))
    assert json.loads(words[words.index("--attributes") + 1]) == {"Policy": policy}


def test_the_boto3_line_is_python():
    call = Call("sns", "Publish", {"TopicArn": "a", "Message": 'say "hi"\nagain', "Attributes": {"n": [1, True, None]}})
    parsed = compile(as_boto3(call), "<call>", "eval")
    assert parsed.co_names[:2] == ("sns", "publish")


POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Resource": "arn:aws:sqs:us-east-1:1:" + "q" * 40}],
}
PUT_ROLE_POLICY = Call("iam", "PutRolePolicy", {"RoleName": "r", "PolicyDocument": json.dumps(POLICY)})


def test_a_policy_is_indented_python_and_stays_what_it_is():
    line = as_boto3(PUT_ROLE_POLICY)
    assert '    PolicyDocument=json.dumps({\n        "Version": "2012-10-17",\n        "Statement": [\n' in line
    sent = {}
    iam = SimpleNamespace(put_role_policy=lambda **parameters: sent.update(parameters))
    exec(line, {"json": json, "iam": iam})
    assert json.loads(sent["PolicyDocument"]) == POLICY


def test_a_policy_is_indented_json_for_a_shell_and_stays_what_it_is():
    line = as_cli(PUT_ROLE_POLICY)
    assert '\n  "Version": "2012-10-17",\n' in line
    words = shlex.split(line.replace("\\\n", ""))
    assert json.loads(words[words.index("--policy-document") + 1]) == POLICY


def test_each_language_is_named_and_coloured_and_no_word_is_broken():
    shown = show_calls([PUT_ROLE_POLICY])
    html = shown._repr_mimebundle_()["text/html"]
    for title in ("Python:", "AWS CLI:"):
        assert f"<b>{title}</b></p><pre" in html
        assert f"\n  {title}\n" in str(shown)
    assert 'class="labkit-s2"' in html
    assert "word-break:normal" in html
    assert "arn:<wbr>aws:<wbr>sqs:<wbr>us-east-1:<wbr>1:<wbr>qqq" in html
    assert "<wbr>" not in str(shown)


@given(st.text())
def test_what_was_sent_cannot_break_the_page(words):
    html = show_calls([Call("sns", "Publish", {"Message": f"<img src=x onerror=alert(1)>{words}"})])._html()
    assert "<img" not in html


def test_lambda_is_a_word_of_pythons_own():
    assert as_boto3(Call("lambda", "GetFunction", {})) == "lambda_.get_function()"


def test_the_same_call_in_a_row_is_shown_once():
    call = Call("lambda", "CreateFunction", {"FunctionName": "f"}, error="InvalidParameterValueException", done=True)
    assert "CreateFunction (3 times)" in str(show_calls([call] * 3))


def test_reading_calls_are_left_out_unless_asked_for():
    calls = [Call("sns", "GetTopicAttributes", {}), Call("sns", "CreateTopic", {"Name": "t"})]
    assert [row[0] for row in show_calls(calls).rows()] == ["sns CreateTopic"]
    assert [row[0] for row in show_calls(calls, operations=["GetTopicAttributes"]).rows()] == ["sns GetTopicAttributes"]


def test_no_call_at_all_is_explained():
    assert "was there already" in str(show_calls([]))


@pytest.mark.parametrize(
    ("call", "way"),
    [
        (Call("sqs", "SetQueueAttributes", {"QueueUrl": "https://sqs/1/my-queue"}), "Amazon SQS > Queues > my-queue"),
        (Call("s3", "PutBucketPolicy", {"Bucket": "b"}), "Amazon S3 > Buckets > b > Permissions"),
        (Call("s3", "PutBucketNotificationConfiguration", {"Bucket": "b"}), "Amazon S3 > Buckets > b > Properties"),
        (Call("s3", "PutObject", {"Bucket": "b"}), "Amazon S3 > Buckets > b > Objects"),
        (
            Call("lambda", "CreateEventSourceMapping", {"FunctionName": "f"}),
            "AWS Lambda > Functions > f > Configuration > Triggers",
        ),
        (Call("iam", "CreateRole", {"RoleName": "r"}), "IAM > Roles > r"),
        (Call("logs", "CreateLogGroup", {"logGroupName": "/aws/lambda/f"}), "CloudWatch > Log groups > /aws/lambda/f"),
        (Call("sts", "GetCallerIdentity", {}), "the console has no page for it"),
    ],
)
def test_the_way_through_the_console(call, way):
    assert console_page(call, "us-east-1")[0] == way
