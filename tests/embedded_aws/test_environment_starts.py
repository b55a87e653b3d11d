"""How an environment starts, with and without a wrapper, and how its code calls itself."""

import base64
import io
import zipfile

import pytest
from account import RUNTIME, zipped

FOUND = """
    import os
    def handler(event, context):
        return [os.environ.get("WRAPPED"), open("/var/task/fn.py").read() != "", os.listdir("/var/task")]
"""
WRAPPER = '#!/bin/sh\nexport WRAPPED="by $0"\nexec "$@"\n'


@pytest.fixture
def aws(aws_of_each_kind):
    return aws_of_each_kind


def with_wrapper(mode):
    """A zip with the function and a wrapper of this mode."""
    buffer = io.BytesIO(zipped(FOUND))
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo("wrapper")
        entry.create_system, entry.external_attr = 3, mode << 16
        archive.writestr(entry, WRAPPER)
    return {"ZipFile": buffer.getvalue()}


def wrapped(path):
    return {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": path}}


class TestWrappers:
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper"""

    def test_a_wrapper_of_the_zip_starts_the_runtime(self, aws):
        function = aws.function(Code=with_wrapper(0o755), Environment=wrapped("/var/task/wrapper"))
        (by, read, files), response = aws.invoke(function)
        assert "FunctionError" not in response
        assert by.startswith("by ")
        assert read
        assert sorted(files) == ["fn.py", "wrapper"]

    def test_a_wrapper_of_a_layer_starts_the_runtime(self, aws):
        layer = aws.lam.publish_layer_version(LayerName=aws.name("layer"), Content=with_wrapper(0o755))
        function = aws.function(FOUND, Layers=[layer["LayerVersionArn"]], Environment=wrapped("/opt/wrapper"))
        assert aws.invoke(function)[0][0].startswith("by ")

    @pytest.mark.parametrize(("path", "status"), [("/var/task/none", 127), ("/var/task/wrapper", 126)])
    def test_a_wrapper_that_cannot_be_run(self, aws, path, status):
        function = aws.function(Code=with_wrapper(0o644), Environment=wrapped(path))
        payload, response = aws.invoke(function)
        request_id = response["ResponseMetadata"]["RequestId"]
        how = f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}"
        assert payload == {"errorType": "Runtime.ExitError", "errorMessage": how}


def test_a_process_that_ends_while_it_loads_the_code_says_how(aws):
    payload, response = aws.invoke(aws.function("import sys\nsys.exit(0)"))
    request_id = response["ResponseMetadata"]["RequestId"]
    how = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
    assert payload == {"errorType": "Runtime.ExitError", "errorMessage": how}


def test_tracebacks_name_the_code_as_lambda_does(aws):
    source = "def handler(event, context):\n    import helper\n    helper.fail()\n"
    helper = "def fail():\n    raise KeyError('x')\n"
    function = aws.function(source, files={"helper.py": helper})
    payload, response = aws.invoke(function, LogType="Tail")
    assert payload["stackTrace"] == [
        '  File "/var/task/fn.py", line 3, in handler\n    helper.fail()\n',
        "  File \"/var/task/helper.py\", line 2, in fail\n    raise KeyError('x')\n",
    ]
    log = base64.b64decode(response["LogResult"]).decode().splitlines()
    end = next(number for number, line in enumerate(log) if line.startswith("END RequestId: "))
    indented = "\u00a0\u00a0"  # CloudWatch would cut plain blanks
    assert log[end - 2] == f'{indented}File "/var/task/helper.py", line 2, in fail'
    assert log[end - 1] == f"{indented}{indented}raise KeyError('x')"


def test_a_function_that_never_stops_printing_is_stopped(servers):
    aws = servers(init_seconds=1.0)
    flood = "def handler(e, c):\n    while True: print('x' * 1000)\n"
    payload, _ = aws.invoke(aws.function(flood, Timeout=1, MemorySize=512))
    assert payload["errorType"] == "Sandbox.Timedout"


def test_a_function_whose_name_has_one_letter_has_a_session(aws):
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html: names of sessions have two."""
    source = "import boto3\ndef handler(e, c): return boto3.client('sts').get_caller_identity()['Arn']"
    settings = {"Role": aws.role(), "Handler": "fn.handler", "Runtime": RUNTIME, "Timeout": 30, "MemorySize": 256}
    aws.lam.create_function(FunctionName="c", Code={"ZipFile": zipped(source)}, **settings)
    arn, _ = aws.invoke("c")
    aws.lam.delete_function(FunctionName="c")
    assert arn.endswith("/c@lambda_function")
