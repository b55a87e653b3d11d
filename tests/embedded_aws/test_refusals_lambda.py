"""What Lambda refuses is refused, with AWS's code and message."""

import json
import uuid

import pytest
from account import RUNTIME, zipped
from refused import refused, unchecked

DETECTED = "1 validation error detected: Value "
ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)
NOTHING = {"Code": {"ZipFile": zipped("def handler(e, c): return e")}, "Handler": "fn.handler", "Runtime": RUNTIME}


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"FunctionName": "Create Thumbnail!"}, "ValidationException",
         DETECTED + "'Create Thumbnail!' at 'functionName' failed to satisfy constraint: Member "
         "must satisfy regular expression pattern:"),
        ({"FunctionName": "x" * 65}, "InvalidParameterValueException",
         DETECTED + f"'{'x' * 65}' at 'functionName' failed to satisfy constraint: Member must "
         "have length less than or equal to 64"),
        ({"Runtime": "python3.99"}, "InvalidParameterValueException",
         "Value python3.99 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["),
        ({"Runtime": "python3.7"}, "InvalidParameterValueException",
         "The runtime parameter of python3.7 is no longer supported for creating or updating AWS Lambda functions."),
        ({"Environment": {"Variables": {"LARGE": "x" * 4096}}}, "InvalidParameterValueException",
         ENVIRONMENT + "exceeded the 4KB limit."),
        ({"Environment": {"Variables": {"AWS_REGION": "x", "LAMBDA_TASK_ROOT": "y"}}}, "InvalidParameterValueException",
         ENVIRONMENT + "contains reserved keys that are currently not supported for modification. Reserved keys used "
         "in this request: AWS_REGION, LAMBDA_TASK_ROOT"),
        ({"Environment": {"Variables": {"A": "x"}}}, "ValidationException",
         DETECTED + "'{A=x}' at 'environment.variables' failed to satisfy constraint: Map keys "
         "must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"),
        ({"Handler": None}, "InvalidParameterValueException",
         "Runtime and Handler are mandatory parameters for functions created with deployment packages."),
        ({"Timeout": 901}, "ValidationException",
         DETECTED + "'901' at 'timeout' failed to satisfy constraint: Member must have value "
         "less than or equal to 900"),
        ({"Timeout": "soon"}, "SerializationException", "Value 'soon' at 'timeout' cannot be converted to an integer"),
        ({"Role": "r1"}, "ValidationException",
         DETECTED + "'r1' at 'role' failed to satisfy constraint: Member must satisfy regular "
         "expression pattern: arn:"),
        ({"Architectures": ["X86_64"]}, "ValidationException",
         DETECTED + "'[X86_64]' at 'architectures' failed to satisfy constraint: Member must "
         "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"),
        ({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:none:1"]}, "InvalidParameterValueException",
         "Layer version arn:aws:lambda:us-east-1:123456789012:layer:none:1 does not exist."),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_made(aws, members, code, message):
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"""
    wanted = NOTHING | {"FunctionName": aws.name("f"), "Role": aws.role()} | members
    wanted = {name: value for name, value in wanted.items() if value is not None}
    status, said, words = refused(unchecked(aws, "lambda").create_function, **wanted)
    assert (status, said) == (400, code)
    assert words.startswith(message)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"PackageType": "Image", "Code": {"ImageUri": "x.dkr.ecr.us-east-1.amazonaws.com/x:1"}}, "container images"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "networks"),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "SnapStart"),
    ],
)
def test_what_it_does_not_have_is_refused_and_not_ignored(aws, members, what):
    name = aws.name("f")
    wanted = NOTHING | {"FunctionName": name, "Role": aws.role()} | members
    status, code, words = refused(aws.lam.create_function, **wanted)
    assert (status, code) == (501, "NotImplemented")
    assert words.startswith(f"The embedded AWS does not have {what}")
    assert refused(aws.lam.get_function, FunctionName=name)[0] == 404, "nothing was made"


def test_names_by_which_a_function_is_found(aws):
    name = aws.function("def handler(e, c): return e")
    arn = aws.lam.get_function_configuration(FunctionName=name)["FunctionArn"]
    for known in (arn, f"123456789012:function:{name}", f"function:{name}", f"{name}:$LATEST"):
        assert aws.lam.get_function_configuration(FunctionName=known)["FunctionName"] == name
    answer = refused(aws.lam.get_function_configuration, FunctionName=arn.replace("us-east-1", "eu-west-1"))
    words = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    assert answer == (404, "ResourceNotFoundException", words)


def test_a_revision_that_is_not_the_latest(aws):
    name = aws.function("def handler(e, c): return e")
    words = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
    answer = (412, "PreconditionFailedException", words + "retrieve the latest Revision Id")
    stale = {"FunctionName": name, "RevisionId": str(uuid.uuid4())}
    assert refused(aws.lam.update_function_configuration, **stale, Description="x") == answer
    assert refused(aws.lam.update_function_code, **stale, ZipFile=zipped()) == answer
    assert refused(aws.lam.publish_version, **stale) == answer
    latest = aws.lam.get_function_configuration(FunctionName=name)["RevisionId"]
    changed = aws.lam.update_function_configuration(FunctionName=name, RevisionId=latest, Description="x")
    assert changed["RevisionId"] != latest


def test_a_code_that_is_not_the_latest(aws):
    name = aws.function("def handler(e, c): return e")
    status, code, words = refused(aws.lam.publish_version, FunctionName=name, CodeSha256="AAAA")
    assert (status, code) == (400, "InvalidParameterValueException")
    assert words.startswith("CodeSHA256 (AAAA) is different from current CodeSHA256 in $LATEST (")


def test_a_concurrency_that_leaves_too_little(aws):
    name = aws.function("def handler(e, c): return e")
    answer = refused(aws.lam.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1000)
    words = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
    assert answer == (400, "InvalidParameterValueException", words + "below its minimum value of [100].")


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"FunctionName": "none"}, "InvalidParameterValueException", "Function does not exist"),
        ({"EventSourceArn": None}, "InvalidParameterValueException", "Unrecognized event source."),
        ({"BatchSize": 10_001}, "ValidationException",
         DETECTED + "'10001' at 'batchSize' failed to satisfy constraint: Member must have value "
         "less than or equal to 10000"),
        ({"ScalingConfig": {"MaximumConcurrency": 1}}, "ValidationException",
         DETECTED + "'1' at 'scalingConfig.maximumConcurrency' failed to satisfy constraint: "
         "Member must have value greater than or equal to 2"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "simple string"}]}}, "InvalidParameterValueException",
         "Invalid filter pattern definition."),
        ({"FilterCriteria": {"Filters": [{"Pattern": "[]"}]}}, "InvalidParameterValueException",
         "Invalid filter pattern definition."),
        ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:q"}}},
         "InvalidParameterValueException",
         "Unsupported DestinationConfig parameter for given event source mapping type."),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_made(aws, members, code, message):
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    _, queue = aws.queue()
    wanted = {"FunctionName": aws.function("def handler(e, c): return e"), "EventSourceArn": queue} | members
    wanted = {name: value for name, value in wanted.items() if value is not None}
    assert refused(unchecked(aws, "lambda").create_event_source_mapping, **wanted) == (400, code, message)


def test_a_mapping_to_a_function_of_another_region(aws):
    _, queue = aws.queue()
    name = aws.function("def handler(e, c): return e")
    elsewhere = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
    answer = refused(aws.lam.create_event_source_mapping, FunctionName=elsewhere, EventSourceArn=queue)
    assert answer == (400, "InvalidParameterValueException", "Function does not exist")


def test_a_mapping_to_a_queue_of_another_region(aws):
    _, queue = aws.queue()
    elsewhere = queue.replace("us-east-1", "eu-west-1")
    name = aws.function("def handler(e, c): return e")
    answer = refused(aws.lam.create_event_source_mapping, FunctionName=name, EventSourceArn=elsewhere)
    assert answer[:2] == (501, "NotImplemented")


ALLOW = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


class TestPermissions:
    """https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html"""

    def test_a_statement_is_added_shown_and_removed(self, aws):
        name = aws.function("def handler(e, c): return e")
        said = aws.lam.add_permission(FunctionName=name, **ALLOW, SourceArn="arn:aws:s3:::b")
        statement = {
            "Sid": "s3",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}},
        }
        assert json.loads(said["Statement"]) == statement
        policy = json.loads(aws.lam.get_policy(FunctionName=name)["Policy"])
        assert policy == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
        aws.lam.remove_permission(FunctionName=name, StatementId="s3")
        answer = refused(aws.lam.get_policy, FunctionName=name)
        assert answer == (404, "ResourceNotFoundException", "The resource you requested does not exist.")

    def test_what_cannot_be_added(self, aws):
        name = aws.function("def handler(e, c): return e")
        add = {"FunctionName": name} | ALLOW
        words = "The provided principal was invalid. Please check the principal and try again."
        answer = refused(aws.lam.add_permission, **add | {"Principal": "invalid.nonaws.com"})
        assert answer == (400, "InvalidParameterValueException", words)
        aws.lam.add_permission(**add)
        words = "The statement id (s3) provided already exists. Please provide a new statement id, or remove the "
        assert refused(aws.lam.add_permission, **add) == (
            409, "ResourceConflictException", words + "existing statement.",
        )  # fmt: skip
        words = "We currently do not support adding policies for $LATEST."
        answer = refused(aws.lam.add_permission, **add, Qualifier="$LATEST")
        assert answer == (400, "InvalidParameterValueException", words)

    def test_what_cannot_be_removed(self, aws):
        name = aws.function("def handler(e, c): return e")
        answer = refused(aws.lam.remove_permission, FunctionName=name, StatementId="s3")
        assert answer == (404, "ResourceNotFoundException", "No policy is associated with the given resource.")
        aws.lam.add_permission(FunctionName=name, **ALLOW)
        answer = refused(aws.lam.remove_permission, FunctionName=name, StatementId="other")
        assert answer == (404, "ResourceNotFoundException", "Statement other is not found in resource policy.")
