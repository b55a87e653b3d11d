"""Layers: their versions, their permissions, and what Lambda refuses of them.

https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
"""

import json
import urllib.request

import pytest
from account import zipped
from refused import refused, unchecked

CONTENT = {"ZipFile": zipped("x = 1", **{"python/in_layer.py": "VALUE = 7"})}
GONE = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
TOO_SMALL = (400, "InvalidParameterValueException", "Layer Version Cannot be less than 1")
READ = {"Action": "lambda:GetLayerVersion", "Principal": "*"}


@pytest.fixture
def layer(aws):
    name = aws.name("layer")
    return aws.lam.publish_layer_version(LayerName=name, Content=CONTENT, CompatibleRuntimes=["python3.12"])


def name_of(layer):
    return layer["LayerArn"].rsplit(":", 1)[1]


def test_a_version_shows_what_was_sent(aws):
    bare = aws.lam.publish_layer_version(LayerName=aws.name("layer"), Content=CONTENT)
    assert (bare["Version"], bare["Description"]) == (1, "")
    assert {"CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"} & set(bare) == set()
    sent = {"Description": "d", "LicenseInfo": "MIT", "CompatibleRuntimes": ["python3.12", "python3.7"]}
    full = aws.lam.publish_layer_version(LayerName=name_of(bare), Content=CONTENT, **sent)
    assert sent.items() <= full.items()
    assert full["LayerVersionArn"] == f"{bare['LayerArn']}:2"


def test_a_version_is_found_by_number_and_by_arn(aws, layer):
    by_number = aws.lam.get_layer_version(LayerName=name_of(layer), VersionNumber=1)
    by_arn = aws.lam.get_layer_version_by_arn(Arn=layer["LayerVersionArn"])
    for found in (by_number, by_arn):
        assert found["CompatibleRuntimes"] == ["python3.12"]
        assert found["Content"]["CodeSha256"] == layer["Content"]["CodeSha256"]
    with urllib.request.urlopen(by_arn["Content"]["Location"]) as answer:
        assert answer.read() == CONTENT["ZipFile"]
    assert refused(aws.lam.get_layer_version, LayerName=name_of(layer), VersionNumber=2) == GONE
    assert refused(aws.lam.get_layer_version, LayerName=name_of(layer), VersionNumber=0) == TOO_SMALL
    assert refused(aws.lam.get_layer_version, LayerName="none", VersionNumber=1) == GONE
    assert refused(aws.lam.get_layer_version_by_arn, Arn=f"{layer['LayerArn']}:9") == GONE


def test_lists_tell_the_versions_that_fit_the_latest_first(aws, layer):
    name = name_of(layer)
    aws.lam.publish_layer_version(LayerName=name, Content=CONTENT, CompatibleRuntimes=["python3.13"])
    listed = aws.lam.list_layer_versions(LayerName=name)["LayerVersions"]
    assert [version["Version"] for version in listed] == [2, 1]
    assert {"Content", "LayerArn"} & set(listed[0]) == set()
    fitting = aws.lam.list_layer_versions(LayerName=name, CompatibleRuntime="python3.12")["LayerVersions"]
    assert [version["Version"] for version in fitting] == [1]
    layers = aws.lam.list_layers(CompatibleRuntime="python3.12")["Layers"]
    (mine,) = [one for one in layers if one["LayerName"] == name]
    assert (mine["LayerArn"], mine["LatestMatchingVersion"]["Version"]) == (layer["LayerArn"], 1)
    assert aws.lam.list_layer_versions(LayerName="none")["LayerVersions"] == []


def test_a_function_keeps_the_layer_that_was_deleted(aws, layer):
    arn = layer["LayerVersionArn"]
    function = aws.function("import in_layer\ndef handler(e, c): return in_layer.VALUE", Layers=[arn])
    for _ in range(2):  # one that is not there may be deleted, too
        gone = aws.lam.delete_layer_version(LayerName=name_of(layer), VersionNumber=1)
        assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.invoke(function)[0] == 7
    shown = aws.lam.get_function_configuration(FunctionName=function)["Layers"]
    assert shown == [{"Arn": arn, "CodeSize": len(CONTENT["ZipFile"])}]
    again = aws.lam.publish_layer_version(LayerName=name_of(layer), Content=CONTENT)
    assert again["Version"] == 2, "no number is given twice"
    assert refused(aws.lam.delete_layer_version, LayerName=name_of(layer), VersionNumber=-1) == TOO_SMALL


def test_runtimes_and_architectures_that_there_are_not(aws):
    wrong = {"CompatibleRuntimes": ["pythn", "python3.12"], "CompatibleArchitectures": ["x64"]}
    publish = unchecked(aws, "lambda").publish_layer_version
    status, code, words = refused(publish, LayerName=aws.name("layer"), Content=CONTENT, **wrong)
    assert (status, code) == (400, "ValidationException")
    assert words.startswith(
        "2 validation errors detected: Value '[pythn, python3.12]' at 'compatibleRuntimes' failed to satisfy "
        "constraint: Member must satisfy enum value set: ["
    )
    assert words.endswith(
        "]; Value '[x64]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    )


class TestPermissions:
    """https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html"""

    def test_a_statement_is_added_shown_and_removed(self, aws, layer):
        which = {"LayerName": name_of(layer), "VersionNumber": 1}
        added = aws.lam.add_layer_version_permission(**which, StatementId="s1", **READ)
        statement = {"Sid": "s1", "Effect": "Allow", "Resource": layer["LayerVersionArn"], **READ}
        assert json.loads(added["Statement"]) == statement
        policy = aws.lam.get_layer_version_policy(**which)
        assert policy["RevisionId"] == added["RevisionId"]
        assert json.loads(policy["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
        aws.lam.remove_layer_version_permission(**which, StatementId="s1", RevisionId=policy["RevisionId"])
        words = "No policy is associated with the given resource."
        answer = refused(aws.lam.get_layer_version_policy, **which)
        assert answer == (404, "ResourceNotFoundException", words)

    def test_what_is_refused(self, aws, layer):
        which = {"LayerName": name_of(layer), "VersionNumber": 1}
        add, remove = aws.lam.add_layer_version_permission, aws.lam.remove_layer_version_permission
        add(**which, StatementId="s1", **READ)
        words = "The statement id (s1) provided already exists. Please provide a new statement id, or remove the "
        answer = 409, "ResourceConflictException", f"{words}existing statement."
        assert refused(add, **which, StatementId="s1", **READ) == answer
        words = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to "
        answer = 412, "PreconditionFailedException", f"{words}retrieve the latest Revision Id"
        assert refused(add, **which, StatementId="s2", **READ, RevisionId="wrong") == answer
        assert refused(remove, **which, StatementId="s1", RevisionId="wrong") == answer
        words = "Statement s3 is not found in resource policy."
        assert refused(remove, **which, StatementId="s3") == (404, "ResourceNotFoundException", words)

    def test_of_a_layer_that_is_not_there(self, aws):
        arn = "arn:aws:lambda:us-east-1:123456789012:layer:none:3"
        answer = 404, "ResourceNotFoundException", f"Layer version {arn} does not exist."
        which = {"LayerName": "none", "VersionNumber": 3}
        assert refused(aws.lam.get_layer_version_policy, **which) == answer
        assert refused(aws.lam.add_layer_version_permission, **which, StatementId="s1", **READ) == answer
        assert refused(aws.lam.remove_layer_version_permission, **which, StatementId="s1") == answer
