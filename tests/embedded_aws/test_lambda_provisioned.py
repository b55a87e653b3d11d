"""Provisioned concurrency: environments that are ready before anybody asks.

https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from account import GATE, Gate, until
from refused import refused

KIND = "import os\ndef handler(e, c): return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], os.getpid()]"
NO_CONFIG = (
    404,
    "ProvisionedConcurrencyConfigNotFoundException",
    "No Provisioned Concurrency Config found for this function",
)


def arn(name, qualifier):
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}:{qualifier}"


def put(aws, name, qualifier, wanted):
    return aws.lam.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=wanted
    )


def get(aws, name, qualifier):
    return aws.lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def ready(aws, name, qualifier):
    return until(lambda: (told := get(aws, name, qualifier))["Status"] == "READY" and told)


def kind(aws, name, qualifier):
    return aws.invoke(name, Qualifier=qualifier)[0][0]


@pytest.fixture
def name(aws):
    name = aws.function(KIND, Publish=True)
    aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


def test_a_version_has_environments_before_it_is_invoked(aws, name):
    told = put(aws, name, "1", 2)
    assert (told["RequestedProvisionedConcurrentExecutions"], told["Status"]) == (2, "IN_PROGRESS")
    assert told["AllocatedProvisionedConcurrentExecutions"] == 0
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 202
    told = ready(aws, name, "1")
    assert told["AvailableProvisionedConcurrentExecutions"] == told["AllocatedProvisionedConcurrentExecutions"] == 2
    (listed,) = aws.lam.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert (listed["FunctionArn"], listed["Status"]) == (arn(name, 1), "READY")
    assert [kind(aws, name, qualifier) for qualifier in ("1", "live", "$LATEST")] == [
        "provisioned-concurrency", "provisioned-concurrency", "on-demand",
    ]  # fmt: skip
    for _ in range(2):  # one that is not there may be deleted, too
        aws.lam.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert kind(aws, name, "1") == "on-demand"
    assert refused(aws.lam.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1") == NO_CONFIG


def test_what_is_too_much_for_them_runs_on_demand(aws):
    source = "import gate, os\ndef handler(port, c):\n    if port: gate.wait(port)\n"
    source += "    return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]"
    name = aws.function(source, files=GATE, Timeout=60, Publish=True)
    put(aws, name, "1", 1)
    ready(aws, name, "1")
    with ThreadPoolExecutor(1) as caller, Gate() as gate:
        first = caller.submit(aws.invoke, name, gate.port, Qualifier="1")
        gate.wait_for(1)
        assert aws.invoke(name, None, Qualifier="1")[0] == ["on-demand"]
        gate.open()
        assert first.result()[0] == ["provisioned-concurrency"]


def test_one_that_dies_is_replaced(aws, name):
    put(aws, name, "1", 1)
    ready(aws, name, "1")
    _, pid = aws.invoke(name, Qualifier="1")[0]
    os.kill(pid, signal.SIGKILL)
    assert aws.invoke(name, Qualifier="1")[1].get("FunctionError") is None
    until(lambda: kind(aws, name, "1") == "provisioned-concurrency")


def test_they_go_along_with_the_alias(aws, name):
    put(aws, name, "live", 1)
    ready(aws, name, "live")
    assert kind(aws, name, "1") == "provisioned-concurrency"
    aws.lam.update_function_configuration(FunctionName=name, Description="second")
    aws.lam.get_function(FunctionName=name)  # as a waiter does
    aws.lam.publish_version(FunctionName=name)
    aws.lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    ready(aws, name, "live")
    assert [kind(aws, name, qualifier) for qualifier in ("1", "2")] == ["on-demand", "provisioned-concurrency"]
    aws.lam.delete_alias(FunctionName=name, Name="live")
    assert aws.lam.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"] == []
    assert kind(aws, name, "2") == "on-demand"


def test_an_init_that_fails_is_told(aws):
    source = "import os\nassert os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'] == 'on-demand'\n"
    name = aws.function(f"{source}def handler(e, c): return 1", Publish=True)
    put(aws, name, "1", 1)
    told = until(lambda: (told := get(aws, name, "1"))["Status"] == "FAILED" and told)
    assert told["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert aws.invoke(name, Qualifier="1")[0] == 1


def test_they_are_taken_from_what_the_function_reserves(aws, name):
    aws.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    put(aws, name, "1", 1)
    ready(aws, name, "1")
    answer = 429, "TooManyRequestsException", "Rate Exceeded."
    assert refused(aws.lam.invoke, FunctionName=name) == answer
    assert kind(aws, name, "1") == "provisioned-concurrency"
    words = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    assert refused(put, aws=aws, name=name, qualifier="1", wanted=2) == (400, "InvalidParameterValueException", words)
    words = " ReservedConcurrentExecutions  0 should not be lower than function's total provisioned concurrency [1]."
    answer = refused(aws.lam.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=0)
    assert answer == (400, "InvalidParameterValueException", words)


def test_what_an_account_has_and_has_not(aws, name):
    limit = aws.lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    words = "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
    answer = 400, "InvalidParameterValueException", f"{words}[{limit}]."
    assert refused(put, aws=aws, name=name, qualifier="1", wanted=limit + 1) == answer
    words = "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    answer = 400, "InvalidParameterValueException", f"{words}minimum value of [100]."
    assert refused(put, aws=aws, name=name, qualifier="1", wanted=limit) == answer
    words = "The embedded AWS does not have more than 20 provisioned environments of a version."
    assert refused(put, aws=aws, name=name, qualifier="1", wanted=21) == (501, "NotImplemented", words)
    put(aws, name, "1", 1)
    assert aws.lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == limit - 1


@pytest.mark.parametrize(("first", "second", "words"), [
    ("1", "live", "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"),
    ("live", "1", "Version is pointed by a Provisioned Concurrency alias"),
])  # fmt: skip
def test_a_version_is_provisioned_by_one_name_alone(aws, name, first, second, words):
    put(aws, name, first, 1)
    answer = refused(put, aws=aws, name=name, qualifier=second, wanted=1)
    assert answer == (409, "ResourceConflictException", words)


def test_what_is_not_there(aws, name):
    for asked, words in (
        ((name, "none"), f"Cannot find alias arn: {arn(name, 'none')}"),
        ((name, "9"), f"Function not found: {arn(name, 9)}"),
        (("none", "live"), f"Cannot find alias arn: {arn('none', 'live')}"),
        (("none", "1"), f"Function not found: {arn('none', 1)}"),
    ):
        answer = 404, "ResourceNotFoundException", words
        assert refused(put, aws=aws, name=asked[0], qualifier=asked[1], wanted=1) == answer
        assert refused(get, aws=aws, name=asked[0], qualifier=asked[1]) == answer
    words = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    answer = refused(put, aws=aws, name=name, qualifier="$LATEST", wanted=1)
    assert answer == (400, "InvalidParameterValueException", words)
    words = "The function resource provided must be an alias or a published version."
    answer = refused(get, aws=aws, name=name, qualifier="$LATEST")
    assert answer == (400, "InvalidParameterValueException", words)
    assert refused(get, aws=aws, name=name, qualifier="1") == NO_CONFIG
