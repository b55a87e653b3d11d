"""Invoke: its three types, its log tail, its errors."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from account import GATE, Gate, until
from botocore.exceptions import ClientError
from refused import refused

ECHO = "def handler(event, context): return event"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response


def test_an_event_comes_back(aws):
    payload, response = aws.invoke(aws.function(ECHO), {"a": [1, None, "ü"]})
    assert payload == {"a": [1, None, "ü"]}
    assert response["StatusCode"] == 200
    assert response["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in response
    assert "LogResult" not in response


def test_without_a_payload_the_event_is_empty(aws):
    response = aws.lam.invoke(FunctionName=aws.function(ECHO))
    assert json.loads(response["Payload"].read()) == {}


def test_by_arn_and_by_version(aws):
    function = aws.function("def handler(event, context): return context.function_version")
    arn = aws.lam.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    assert aws.invoke(arn)[0] == "$LATEST"
    version = aws.lam.publish_version(FunctionName=function)["Version"]
    payload, response = aws.invoke(function, Qualifier=version)
    assert (payload, response["ExecutedVersion"]) == (version, version)


def test_the_client_context_reaches_the_function(aws):
    function = aws.function("def handler(event, context): return context.client_context.custom")
    context = base64.b64encode(json.dumps({"custom": {"colour": "red"}}).encode()).decode()
    assert aws.invoke(function, ClientContext=context)[0] == {"colour": "red"}


def test_the_tail_of_the_log_comes_along_when_asked_for(aws):
    function = aws.function("def handler(event, context): print('x' * 5000); print('the end')")
    _, response = aws.invoke(function, LogType="Tail")
    tail = base64.b64decode(response["LogResult"])
    assert len(tail) == 4096
    assert b"the end\nEND RequestId: " in tail
    assert tail.endswith(b"MB\t\n") or b"Init Duration" in tail


def test_a_dry_run_runs_nothing(aws):
    function = aws.function(ECHO)
    response = aws.lam.invoke(FunctionName=function, InvocationType="DryRun")
    assert response["StatusCode"] == 204
    assert aws.events(function) == []


def test_an_asynchronous_invocation_returns_at_once(aws):
    function = aws.function("import time\ndef handler(event, context): time.sleep(0.5); print('DONE', event)")
    response = aws.lam.invoke(FunctionName=function, InvocationType="Event", Payload=b'"x"')
    assert response["StatusCode"] == 202
    assert response["Payload"].read() == b""
    until(lambda: "DONE x\n" in aws.messages(function))


def test_an_asynchronous_invocation_that_fails_is_tried_twice_more(servers):
    aws = servers(retry_seconds=(0.05, 0.1))
    function = aws.function("def handler(event, context): raise RuntimeError('no')")
    response = aws.lam.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    until(lambda: len(aws.reports(function)) == 3)
    ids = {line.split("RequestId: ")[1][:36] for line in aws.reports(function)}
    assert ids == {response["ResponseMetadata"]["RequestId"]}, "a retry keeps its request id"


def test_a_function_that_is_not_there(aws):
    response = refusal(aws.lam.invoke, FunctionName="nowhere")
    assert response["Error"]["Code"] == "ResourceNotFoundException"
    assert response["Error"]["Message"] == (
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nowhere:$LATEST"
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_payload_that_is_no_json(aws):
    response = refusal(aws.lam.invoke, FunctionName=aws.function(ECHO), Payload=b"{nonsense")
    assert response["Error"]["Code"] == "InvalidRequestContentException"
    assert response["Error"]["Message"].startswith("Could not parse request body into json: ")


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", 6_291_456), ("Event", 1_048_576)])
def test_a_payload_above_the_limit(aws, kind, limit):
    payload = json.dumps("x" * (limit - 1)).encode()
    response = refusal(aws.lam.invoke, FunctionName=aws.function(ECHO), Payload=payload, InvocationType=kind)
    assert response["Error"]["Code"] == "RequestTooLargeException"
    assert response["Error"]["Message"] == (
        f"{limit + 1} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_an_answer_above_the_limit(aws):
    function = aws.function("def handler(event, context): return 'x' * event", MemorySize=512)
    most = 6_291_556 - 2  # and two quotes
    assert len(aws.invoke(function, most)[0]) == most
    payload, response = aws.invoke(function, most + 1)
    assert response["FunctionError"] == "Unhandled"
    assert payload == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }


def test_an_answer_that_is_no_json(aws):
    payload, response = aws.invoke(aws.function("def handler(event, context): return {1, 2}"))
    assert response["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.MarshalError"
    assert payload["errorMessage"].startswith("Unable to marshal response: ")


def test_more_than_the_reserved_concurrency_is_throttled(aws):
    function = aws.function("import gate\ndef handler(port, context): gate.wait(port)", files=GATE, Timeout=60)
    aws.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as caller, Gate() as gate:
        caller.submit(aws.invoke, function, gate.port)
        gate.wait_for(1)
        response = refusal(aws.lam.invoke, FunctionName=function)
    assert (response["Error"]["Code"], response["Error"]["Message"]) == ("TooManyRequestsException", "Rate Exceeded.")
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.mark.filterwarnings("ignore")  # botocore warns that it is deprecated
def test_the_older_way_to_invoke_asynchronously(aws):
    """https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html"""
    function = aws.function("def handler(event, context): print('GOT', event)")
    assert aws.lam.invoke_async(FunctionName=function, InvokeArgs=b'{"n": 1}')["Status"] == 202
    until(lambda: any("GOT {'n': 1}" in message for message in aws.messages(function)))
    status, code, words = refused(aws.lam.invoke_async, FunctionName="nowhere", InvokeArgs=b"{}")
    assert (status, code) == (404, "ResourceNotFoundException")
    assert words == "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nowhere"
