"""What IAM and STS refuse is refused, with AWS's code and message."""

import json

import pytest
from account import TRUST
from refused import refused, unchecked

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("nonsense", "This policy contains invalid Json"),
        (json.dumps(TRUST)[:-1], "This policy contains invalid Json"),
        (document({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (document(TRUST["Statement"][0] | {"Resource": "*"}), "Has prohibited field Resource"),
        (document(TRUST["Statement"][0] | {"Action": "s3:*"}),
         "AssumeRole policy may only specify STS AssumeRole actions."),
    ],
)  # fmt: skip
def test_a_trust_policy_that_is_none(aws, policy, message):
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html"""
    role = aws.role().rsplit("/", 1)[1]
    answer = (400, "MalformedPolicyDocument", message)
    assert refused(aws.iam.create_role, RoleName=aws.name("r"), AssumeRolePolicyDocument=policy) == answer
    assert refused(aws.iam.update_assume_role_policy, RoleName=role, PolicyDocument=policy) == answer


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("nonsense", "Syntax errors in policy."),
        (document({"Effect": "Allow", "Resource": "*"}), "Missing required field Action"),
        (document({"Effect": "Allow", "Action": "s3:*"}), "Missing required field Resource"),
        (document(ALLOW | {"Principal": "*"}), "Policy document should not specify a principal."),
    ],
)
def test_a_policy_that_is_none(aws, policy, message):
    role = aws.role().rsplit("/", 1)[1]
    answer = (400, "MalformedPolicyDocument", message)
    assert refused(aws.iam.put_role_policy, RoleName=role, PolicyName="x", PolicyDocument=policy) == answer
    assert refused(aws.iam.create_policy, PolicyName=aws.name("p"), PolicyDocument=policy) == answer


def test_a_policy_that_is_attached_cannot_be_deleted(aws):
    role = aws.role().rsplit("/", 1)[1]
    arn = aws.iam.create_policy(PolicyName=aws.name("p"), PolicyDocument=document(ALLOW))["Policy"]["Arn"]
    aws.iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    answer = refused(aws.iam.delete_policy, PolicyArn=arn)
    assert answer == (409, "DeleteConflict", "Cannot delete a policy attached to entities.")
    aws.iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    aws.iam.delete_policy(PolicyArn=arn)


def test_what_the_model_does_not_allow(aws):
    words = "1 validation error detected: Value at 'roleName' failed to satisfy constraint: "
    client = unchecked(aws, "iam")
    status, code, message = refused(client.create_role, RoleName="a b", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert (status, code) == (400, "ValidationError")
    assert message.startswith(words)
    status, code, message = refused(client.get_role)
    assert (status, code) == (400, "ValidationError")
    assert message.endswith("'roleName' failed to satisfy constraint: Member must not be null")


def test_what_it_does_not_have(aws):
    answer = refused(aws.iam.create_service_linked_role, AWSServiceName="lambda.amazonaws.com")
    assert answer == (501, "NotImplemented", "The embedded AWS does not have CreateServiceLinkedRole.")


def test_what_is_not_there_is_named(aws):
    role = {"RoleName": aws.role().rpartition("/")[2]}
    for call, members, words in (
        (aws.iam.get_role, {"RoleName": "gone"}, "The role with name gone cannot be found."),
        (aws.iam.delete_role, {"RoleName": "gone"}, "The role with name gone cannot be found."),
        (aws.iam.get_role_policy, role | {"PolicyName": "q"}, "The role policy with name q cannot be found."),
        (aws.iam.get_group, {"GroupName": "gone"}, "The group with name gone cannot be found."),
        (aws.iam.get_user, {"UserName": "gone"}, "The user with name gone cannot be found."),
    ):
        assert refused(call, **members) == (404, "NoSuchEntity", words)
