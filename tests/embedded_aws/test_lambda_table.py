"""The page's table of Lambda's operations says what is: all of AWS's model, each operation once."""

import re
from pathlib import Path

import pytest
from account import RUNTIME, zipped
from moto.core.utils import camelcase_to_underscores
from refused import refused, unchecked

from labkit.embedded_aws.services import lambda_checks
from labkit.embedded_aws.services.lambda_responses import LambdaResponse

PAGE = (Path(__file__).parents[2] / "docs" / "embedded-aws.md").read_text()
SECTION = PAGE.split("## Lambda, operation by operation")[1].split("\n## ")[0]
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


def row(begins):
    """The cells of a row of the section, each as the names in it."""
    line = next(line for line in SECTION.splitlines() if line.startswith(f"| {begins}"))
    return [re.findall(r"`(\w+)`", cell) for cell in line.split("|")[2:-1]]


@pytest.fixture
def model(aws):
    return aws.lam.meta.service_model


def test_every_operation_of_awss_model_is_in_the_table_once(model):
    told = [name for begins in ("offered", "there is none", "refused") for name in row(begins)[0]]
    assert sorted(told) == sorted(model.operation_names)


def test_what_is_offered_has_an_answer_and_what_is_refused_has_none(model):
    answered = {name for name in model.operation_names if hasattr(LambdaResponse, camelcase_to_underscores(name))} - {
        name for name in lambda_checks.CHECKS if "FunctionUrl" in name
    }
    assert answered == set(row("offered")[0])


# One value each of what is refused, with the operation that is asked.
FUNCTION = {
    "AcceleratorConfig": {"AcceleratorMemorySize": 1},
    "CapacityProviderConfig": {
        "LambdaManagedInstancesCapacityProviderConfig": {
            "CapacityProviderArn": "arn:aws:lambda:us-east-1:123456789012:capacity-provider:x"
        }
    },
    "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-12345678901234567",
    "DurableConfig": {"ExecutionTimeout": 60},
    "FileSystemConfigs": [
        {
            "Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-12345678901234567",
            "LocalMountPath": "/mnt/x",
        }
    ],
    "ImageConfig": {"Command": ["x"]},
    "KMSKeyArn": KEY,
    "PublishTo": "LATEST_PUBLISHED",
    "RuntimeConfig": {"RuntimeArn": "arn:aws:lambda:us-east-1:123456789012:runtime/mine", "RuntimeAlias": "x"},
    "SnapStart": {"ApplyOn": "PublishedVersions"},
    "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
}
CODE = {"SourceKMSKeyArn": KEY, "S3ObjectStorageMode": "REFERENCE"}
INVOKE = {"DurableExecutionName": "x", "TenantId": "x"}
MAPPING = {
    "KMSKeyArn": KEY,
    "LoggingConfig": {"SystemLogLevel": "INFO"},
    "MetricsConfig": {"Metrics": ["EventCount"]},
    "ProvisionedPollerConfig": {"MinimumPollers": 1},
}


def test_the_table_names_every_member_that_is_refused():
    assert set(row("functions")[1]) == FUNCTION.keys() | CODE.keys() | INVOKE.keys()
    assert set(row("functions")[1]) == {member for member, _, _ in lambda_checks.NOT_THERE}
    assert set(row("event source mappings")[1]) == MAPPING.keys()


@pytest.mark.parametrize("member", FUNCTION)
def test_a_function_is_not_made_with_what_is_not_there(aws, member):
    settings = {"Role": aws.role(), "Handler": "fn.handler", "Runtime": RUNTIME, "Code": {"ZipFile": zipped()}}
    create = unchecked(aws, "lambda").create_function
    answer = refused(create, FunctionName=aws.name("f"), **settings, **{member: FUNCTION[member]})
    assert answer[:2] == (501, "NotImplemented")


@pytest.mark.parametrize("member", CODE)
def test_code_is_not_taken_with_what_is_not_there(aws, member):
    name = aws.function("def handler(e, c): pass")
    update = unchecked(aws, "lambda").update_function_code
    assert refused(update, FunctionName=name, S3Bucket="b-1", S3Key="k", **{member: CODE[member]})[0] == 501


@pytest.mark.parametrize("member", INVOKE)
def test_nothing_is_invoked_with_what_is_not_there(aws, member):
    name = aws.function("def handler(e, c): pass")
    answer = refused(unchecked(aws, "lambda").invoke, FunctionName=name, **{member: INVOKE[member]})
    assert answer[:2] == (501, "NotImplemented")


@pytest.mark.parametrize("member", MAPPING)
def test_a_mapping_is_not_made_with_what_is_not_there(aws, member):
    name, (_, queue) = aws.function("def handler(e, c): pass"), aws.queue()
    create = unchecked(aws, "lambda").create_event_source_mapping
    answer = refused(create, FunctionName=name, EventSourceArn=queue, **{member: MAPPING[member]})
    assert answer[:2] == (501, "NotImplemented")
