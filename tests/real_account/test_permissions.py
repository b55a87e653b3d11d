"""The policy for a student's own user: it holds what the lab calls, no more, and IAM's own data agree with it."""

import json
import subprocess
import venv
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

import labkit
from labkit import clean_up
from labkit.insight.permissions import MANAGED_POLICY_LIMIT, permissions
from labkit.steps.recovery import find_labs, find_things

from .conftest import do_the_lab

# Operations whose IAM actions have other names than themselves.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html and AWS's page of each operation
ACTIONS = {
    "s3:AbortMultipartUpload": ["s3:AbortMultipartUpload"],
    "s3:CreateBucket": ["s3:CreateBucket", "s3:PutBucketOwnershipControls", "s3:TagResource"],
    "s3:CopyObject": ["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"],
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "s3:GetBucketEncryption": ["s3:GetEncryptionConfiguration"],
    "s3:GetBucketNotificationConfiguration": ["s3:GetBucketNotification"],
    "s3:GetObject": ["s3:GetObject"],
    "s3:GetPublicAccessBlock": ["s3:GetBucketPublicAccessBlock"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],  # ListBucket: 404 in place of 403
    "s3:ListBuckets": ["s3:ListAllMyBuckets"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:PutBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:PutBucketNotificationConfiguration": ["s3:PutBucketNotification"],
    "s3:PutObject": ["s3:PutObject", "s3:PutObjectTagging"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "sns:CreateTopic": ["sns:CreateTopic", "sns:TagResource"],
    "sqs:CreateQueue": ["sqs:CreateQueue", "sqs:TagQueue"],
    "lambda:CreateFunction": ["lambda:CreateFunction", "lambda:TagResource", "iam:PassRole"],
    "lambda:CreateEventSourceMapping": ["lambda:CreateEventSourceMapping", "lambda:TagResource"],
    "iam:CreateRole": ["iam:CreateRole", "iam:TagRole"],
    "cloudwatch:PutMetricAlarm": ["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
    "logs:CreateLogGroup": ["logs:CreateLogGroup", "logs:TagResource"],
    "sts:GetCallerIdentity": [],  # needs no permission
}
# Not called in the story, and needed all the same.
FOR_MORE = {
    "s3:AbortMultipartUpload",  # photos of more than 8 MB, whose upload is broken off
    "s3:PutBucketTagging",  # for endpoints that know no tags at creation, and to mend a check
    "sns:Publish",  # the exercises publish by hand
    "sns:SetSubscriptionAttributes",  # what checks and doctor advise
    "iam:UpdateAssumeRolePolicy",
    "iam:DetachRolePolicy",
    "iam:GetPolicy",  # what the doctor reads of a role that somebody else made
    "iam:GetPolicyVersion",
    "lambda:DeleteFunctionConcurrency",
    "sqs:ReceiveMessage",  # looking into a queue, and sending dead letters back
    "sqs:SendMessage",
    "sqs:DeleteMessage",
    "sqs:StartMessageMoveTask",  # the exercise of notebook beyond/1
    "sqs:ListMessageMoveTasks",
    "cloudwatch:GetMetricData",  # the figures that monitor plots, and what notebook beyond/5 looks at
    "cloudwatch:DescribeAlarmHistory",
    "cloudwatch:SetAlarmState",
    "logs:StartQuery",
    "logs:GetQueryResults",
    "logs:FilterLogEvents",  # reading the logs
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "s3:GetObjectTagging",  # finding photos in somebody's bucket by their tags
}


# Looking at what is listed, whoever's it is; policies that somebody else attached; all alarms and log groups of the
# account and region, which is what AWS asks for where a call names none.
WITHOUT_NAMES = ("arn:aws:iam::*:policy/*", ":alarm:*", ":log-group:*")


def allowed(document):
    return {action for statement in document["Statement"] for action in statement["Action"]}


@pytest.fixture
def called(account):
    """The IAM actions of all that a whole lab calls, checks and clean-up and another machine included."""
    lab = account.open()
    upload = do_the_lab(lab)
    for key in upload.expected:
        account.session.client("s3").put_object(Bucket=upload.bucket, Key=key, Body=b"no picture")
    labkit.wait_for_results(lab, upload)
    labkit.check_environment(lab)
    labkit.check_topic(lab)
    labkit.check_queues(lab)
    labkit.check_notification(lab)
    labkit.check_functions(lab)
    labkit.check_results(lab, upload.key)
    labkit.list_results(lab)
    labkit.survey(lab)
    elsewhere = account.open(suffix=lab.definition.suffix)
    find_things(elsewhere)
    find_labs(elsewhere)
    clean_up(lab)
    calls = {f"{c.service}:{c.operation}" for one in (lab, elsewhere) for c in one.connection.calls.calls}
    return {action for call in calls for action in ACTIONS.get(call, [call])}


def test_every_call_of_the_lab_is_allowed_and_nothing_else(account, called):
    document = permissions(account.open()).document
    assert called - allowed(document) == set()
    assert allowed(document) - called - FOR_MORE == set()


def test_a_user_is_confined_to_names_with_their_prefix(account):
    document = permissions(account.open(prefix="ann-")).document
    for statement in document["Statement"]:
        for resource in statement["Resource"]:
            assert "ann-" in resource or "mapping" in resource or resource.endswith(WITHOUT_NAMES) or resource == "*", (
                statement
            )


def test_where_aws_knows_no_narrower_resource_it_is_a_list_or_has_a_condition(account):
    for statement in permissions(account.open()).document["Statement"]:
        if statement["Resource"] == ["*"] and "Condition" not in statement:
            assert {a.split(":")[1] for a in statement["Action"]} <= {
                *("ListTopics", "ListQueues", "ListAllMyBuckets", "ListFunctions", "ListEventSourceMappings"),
                *("GetAccountSettings",),
                "GetMetricData",
                *("ListRoles", "DescribeLogGroups"),
                *("GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe"),
            }


def test_roles_are_handed_to_lambda_alone(account):
    (statement,) = [s for s in permissions(account.open()).document["Statement"] if "iam:PassRole" in s["Action"]]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def test_with_an_existing_role_no_role_is_made(account):
    role = account.decoys["role"]
    actions = allowed(permissions(account.open(role_arn=role)).document)
    assert not {"iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRole"} & actions
    assert "iam:PassRole" in actions


def test_with_an_existing_bucket_no_bucket_is_made_or_deleted(account):
    actions = allowed(permissions(account.open(bucket=account.decoys["bucket"])).document)
    assert not {"s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucketPolicy"} & actions


def test_iam_takes_it_as_one_managed_policy_with_the_longest_prefix(account):
    found = permissions(account.open(prefix="a-long-name-"))
    assert found.size <= MANAGED_POLICY_LIMIT
    assert f"{found.size:,} of the 6,144 characters" in found.sentence()
    assert json.loads(found.json()) == found.document


def test_a_region_with_a_long_name_wants_a_shorter_prefix_and_says_so(account):
    lab = account.open(prefix="a-long-name-")
    far = replace(lab, definition=replace(lab.definition, region="ap-southeast-2"))
    assert permissions(far).sentence().endswith("It is too long; with a shorter prefix it fits.")
    assert permissions(replace(far, definition=replace(far.definition, prefix="a-long-"))).size <= MANAGED_POLICY_LIMIT


# The linters: parliament knows IAM as of April 2025; policy_sentry, whose data are newer, knows for each action the
# resources and condition keys that it can be given. Together they are 24 MB of data: an environment of their own.
LINTERS = Path(__file__).parents[2] / "build" / "policy-linters"
REQUIREMENTS = ("parliament==1.6.4", "policy_sentry==0.15.2", "setuptools<81")  # parliament imports pkg_resources
LINT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import parliament
from policy_sentry.querying.actions import get_action_data
document = json.load(sys.stdin)
findings = [f"{f.issue} {f.detail}" for f in parliament.analyze_policy_string(json.dumps(document)).findings]
known = {}
for action in {a for s in document["Statement"] for a in s["Action"]}:
    service, name = action.split(":")
    found = get_action_data(service, name)
    known[action] = found and [(x["resource_arn_format"], x["condition_keys"]) for x in found[service]]
print(json.dumps([findings, known]))
"""


@pytest.fixture(scope="module")
def lint():
    python = LINTERS / "bin" / "python"
    LINTERS.parent.mkdir(exist_ok=True)
    with FileLock(f"{LINTERS}.lock", timeout=600):
        if not (LINTERS / "lib" / "ready").exists():
            venv.create(LINTERS, with_pip=True, clear=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *REQUIREMENTS], check=True)
            (LINTERS / "lib" / "ready").touch()

    def run(document):
        done = subprocess.run([python, "-c", LINT], input=json.dumps(document), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("role", ["own", "existing"])
def test_policy_linters_find_nothing(account, lint, role):
    options = {"prefix": "ann-"} if role == "own" else {"role_arn": account.decoys["role"]}
    findings, _ = lint(permissions(account.open(**options)).document)
    # parliament warns that who may write a bucket's policy can let themselves do more with that bucket: it is theirs.
    assert [finding for finding in findings if "RESOURCE_POLICY_PRIVILEGE_ESCALATION" not in finding] == []


@pytest.mark.slow
def test_each_action_exists_and_can_be_given_its_resource_and_its_condition(account, lint):
    document = permissions(account.open(prefix="ann-")).document
    _, known = lint(document)
    for statement in document["Statement"]:
        for action in statement["Action"]:
            assert known[action], f"IAM has no action {action}"
            formats = {arn for arn, _ in known[action]}
            keys = {key for _, keys in known[action] for key in keys}
            for resource in statement["Resource"]:
                assert resource in formats or any(same_kind(resource, arn) for arn in formats), (action, resource)
            for condition in statement.get("Condition", {}).values():
                assert set(condition) <= keys, (action, condition)


@pytest.mark.slow
def test_the_linters_notice_an_action_that_iam_does_not_have_and_a_resource_that_does_not_fit(lint):
    statement = {"Effect": "Allow", "Action": ["s3:HeadBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::b"]}
    findings, known = lint({"Version": "2012-10-17", "Statement": [statement]})
    assert findings
    assert not known["s3:HeadBucket"]
    assert not any(same_kind("arn:aws:s3:::b", arn) for arn, _ in known["s3:GetObject"])


def same_kind(resource, pattern):
    """True if an ARN is of the kind that a pattern such as arn:${Partition}:sqs:${Region}:${Account}:${Name} shows."""
    ours, theirs = resource.split(":", 5), pattern.split(":", 5)
    if min(len(ours), len(theirs)) < 6 or ours[2] != theirs[2]:
        return False
    kind = theirs[5].split("${")[0]
    if not ours[5].startswith(kind):
        return False
    return ours[2] != "s3" or ("/" in ours[5]) == ("/" in theirs[5])
