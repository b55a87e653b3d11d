"""The whole lab, as a student does it, where nobody of this project wrote the AWS.

The same bodies run on MiniStack, with its policies enforced, and on a real account if LABKIT_TEST_ACCOUNT names one
(with LABKIT_TEST_PROFILE, LABKIT_TEST_REGION, and LABKIT_TEST_ROLE where roles can't be made).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import nbformat
import pytest

import labkit
from labkit import LabError, catch_up, clean_up, open_lab
from labkit.insight.permissions import permissions
from labkit.resources.resource import found_or_none
from labkit.resources.role import POLICY_NAME, role_policy
from labkit.settings import INGEST_FOLDER
from labkit.steps.recovery import find_labs, find_things, take_over
from labkit.waiting import wait_until

from . import ministack
from .account import contents
from .decoys import let_everything, make_decoys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
# A real account is one of the places if somebody names it; with a role to use, it makes none.
NAMED = ["aws"] if os.environ.get("LABKIT_TEST_ACCOUNT") else []
MAKES_ROLES = [] if os.environ.get("LABKIT_TEST_ROLE") else NAMED
MINISTACK_ACCOUNT, REGION = "000000000000", "us-east-1"


class MiniStack:
    """The emulator, as the account's root user."""

    def __init__(self, url, new_folder):
        self.url, self.new_folder = url, new_folder
        self.client_options = {"endpoint_url": url}
        self.session = boto3.Session(ministack.ROOT_KEY, ministack.ROOT_SECRET, region_name=REGION)

    def open(self, workspace=None, **options):
        return open_lab(
            "endpoint",
            endpoint_url=self.url,
            region=REGION,
            runtime=ministack.runtime(),
            workspace=workspace or self.new_folder(),
            **options,
        )

    def contents(self):
        return contents(self.session, **self.client_options)


class RealAccount:
    """The account that the tester has named."""

    def __init__(self, new_folder):
        self.new_folder = new_folder

    def open(self, workspace=None, **options):
        return open_lab(
            "aws",
            account=os.environ["LABKIT_TEST_ACCOUNT"],
            profile=os.environ.get("LABKIT_TEST_PROFILE"),
            region=os.environ.get("LABKIT_TEST_REGION"),
            role_arn=os.environ.get("LABKIT_TEST_ROLE"),
            workspace=workspace or self.new_folder(),
            **options,
        )

    def contents(self):
        """All labs that the account has: others may come and go, this one's must not stay."""
        return find_labs(self.open()).labs


@pytest.fixture
def new_folder(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def ministack_url(tmp_path_factory):
    with ministack.server(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture
def emulator(ministack_url, new_folder):
    return MiniStack(ministack_url, new_folder)


# Where MiniStack allows what AWS's documentation refuses; a version that mends it makes the test fail, to be noticed.
MORE_LENIENT = pytest.mark.xfail(
    reason="MiniStack: a topic's default policy lets S3 publish; AWS documents: it does not"
)
# MiniStack checks these against no name, the mapping without condition keys, where AWS's service authorization
# reference has the name of the function or the topic.
CHECKED_AGAINST_NOTHING = {
    "Sid": "WhatMiniStackChecksAgainstNothing",
    "Effect": "Allow",
    "Action": [
        "lambda:CreateFunction",
        "lambda:CreateEventSourceMapping",
        "lambda:PutFunctionConcurrency",  # which is what it takes GetFunctionConcurrency for
        "sns:ListTagsForResource",
        "cloudwatch:DeleteAlarms",
    ],
    "Resource": "*",
}
# MiniStack reads the key `ingest/` as `ingest`, which the policy's `ingest/*` does not cover.
KEY_WITHOUT_ITS_SLASH = {
    "Sid": "WhatMiniStackMakesOfAFolder",
    "Effect": "Allow",
    "Action": ["s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject", "s3:GetObjectTagging"],
    "Resource": f"arn:aws:s3:::*/{INGEST_FOLDER.rstrip('/')}",
}


@pytest.fixture(params=["ministack", *NAMED])
def place(request, new_folder):
    if request.param == "aws":
        return RealAccount(new_folder)
    return MiniStack(request.getfixturevalue("ministack_url"), new_folder)


@pytest.fixture
def lab(place):
    lab = place.open()
    yield lab
    clean_up(lab)


def all_checks(lab, key):
    return [
        labkit.check_environment(lab),
        labkit.check_topic(lab),
        labkit.check_queues(lab),
        labkit.check_alarms(lab),
        labkit.check_notification(lab),
        labkit.check_functions(lab),
        labkit.check_results(lab, key),
    ]


def failures(checks):
    return [(check.subject, check.expected, check.found) for one in checks for check in one.failures()]


def do_it_all(lab):
    """Steps 1 to 6; returns the key of the photo."""
    catch_up(lab, to=4)
    labkit.create_ingest_folder(lab)
    upload = labkit.upload_photo(lab, labkit.sample("MonaLisa.jpg"), name="a trip/Mona Lisa.jpg")
    labkit.wait_for_results(lab, upload)
    return upload.key


def test_the_whole_lab_passes_every_check_and_leaves_nothing(place):
    before, lab = place.contents(), place.open()
    try:
        key = do_it_all(lab)
        assert failures(all_checks(lab, key)) == []
        assert {photo.key for photo in labkit.read_results(lab, key).results} == {
            "thumbnail/a trip/Thumbnail-Mona Lisa.jpg",
            "web/a trip/WebImage-Mona Lisa.jpg",
            "mobile/a trip/MobileImage-Mona Lisa.jpg",
        }
    finally:
        receipt = clean_up(lab)
    assert (len(receipt.deleted), receipt.left) == (32, ())
    assert clean_up(lab).deleted == ()
    assert find_things(place.open(suffix=lab.definition.suffix)).entries == ()
    assert place.contents() == before


def test_steps_done_twice_make_nothing_twice(lab):
    catch_up(lab, to=4)
    entries = lab.journal.entries()
    again = catch_up(lab, to=4)
    assert again.new == ()
    assert lab.journal.entries() == entries


@pytest.mark.parametrize("place", [pytest.param("ministack", marks=MORE_LENIENT), *NAMED], indirect=True)
def test_s3_is_refused_by_a_topic_without_a_policy(lab):
    catch_up(lab, to=1)
    labkit.create_bucket(lab)
    refusal = labkit.try_without_policy(lab)
    assert refusal.refused
    assert refusal.code == "InvalidArgument"
    assert "Unable to validate the following destination configurations" in refusal.message


def test_s3_is_refused_by_a_topic_that_lets_its_owner_alone_publish(lab):
    catch_up(lab, to=2)
    labkit.create_bucket(lab)
    labkit.allow_s3_to_publish(lab)
    sns, topic = lab.client("sns"), labkit.create_topic(lab).arn
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    policy["Statement"] = [s for s in policy["Statement"] if "Service" not in s["Principal"]]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    with pytest.raises(LabError, match="AWS refused a call") as caught:
        labkit.create_event_notification(lab)
    assert "InvalidArgument: Unable to validate the following destination configurations" in str(caught.value)
    assert "allow_s3_to_publish(lab)" in caught.value.hint()


@pytest.mark.parametrize("place", ["ministack", *MAKES_ROLES], indirect=True)
def test_a_function_whose_role_may_not_write_makes_nothing(lab):
    catch_up(lab, to=4)
    web = lab.branch("CreateWebImage")
    policy = role_policy(web)
    less = {**policy, "Statement": [s for s in policy["Statement"] if s["Sid"] != "WriteItsResults"]}
    lab.client("iam").put_role_policy(RoleName=web.role_name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(less))
    upload = labkit.upload_photo(lab, labkit.sample("HappyFace.jpg"))
    thumbnail, web_key, _ = upload.expected
    s3 = lab.client("s3")
    wait_until(lambda: found_or_none(s3.head_object, Bucket=upload.bucket, Key=thumbnail), what=thumbnail, seconds=120)
    logs, group = lab.client("logs"), web.log_group
    wait_until(
        lambda: any("AccessDenied" in e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]),
        what="the refusal in the function's log",
        seconds=120,
    )
    assert found_or_none(s3.head_object, Bucket=upload.bucket, Key=web_key) is None


def test_a_lost_journal_is_made_good_by_tags_and_suffix(place):
    before, lab = place.contents(), place.open()
    do_it_all(lab)
    elsewhere = place.open(suffix=lab.definition.suffix)
    assert elsewhere.journal.entries() == ()
    take_over(elsewhere, find_things(elsewhere))
    clean_up(elsewhere)
    assert place.contents() == before


def test_two_students_work_in_one_account(place):
    before, ann, bob = place.contents(), place.open(prefix="ann-"), place.open(prefix="bob-")
    catch_up(ann, to=4)
    catch_up(bob, to=3)
    clean_up(bob)
    assert failures([labkit.check_topic(ann), labkit.check_queues(ann), labkit.check_functions(ann)]) == []
    clean_up(ann)
    assert place.contents() == before


def test_somebodys_bucket_and_role_are_as_they_were(emulator):
    decoys = make_decoys(
        emulator.session, account=MINISTACK_ACCOUNT, region=REGION, name="theirs", **emulator.client_options
    )
    let_everything(emulator.session, "CreateThumbnail-role-theirs", **emulator.client_options)
    before = emulator.contents()
    lab = emulator.open(bucket=decoys["bucket"], role_arn=decoys["role"])
    key = do_it_all(lab)
    assert failures(all_checks(lab, key)) == []
    clean_up(lab)
    assert emulator.contents() == before
    configuration = before["bucket", decoys["bucket"]]
    assert [rule["Id"] for rule in configuration["TopicConfigurations"]] == ["their-event"]
    assert "EventBridgeConfiguration" in configuration


@pytest.fixture(scope="module")
def existing_role(ministack_url):
    """The ARN of a role that was made by somebody, among other things of theirs."""
    session = boto3.Session(ministack.ROOT_KEY, ministack.ROOT_SECRET, region_name=REGION)
    at = {"endpoint_url": ministack_url}
    decoys = make_decoys(session, account=MINISTACK_ACCOUNT, region=REGION, name="other", **at)
    let_everything(session, "CreateThumbnail-role-other", **at)
    return decoys["role"]


@pytest.fixture
def run(emulator, existing_role, new_folder):
    """Runs notebooks headlessly with an existing role; returns what is said, and the folder of the executed ones."""

    def run_them(*notebooks):
        folder = new_folder() / "run"
        at = ["--where", "endpoint", "--endpoint-url", emulator.url, "--role", existing_role, "--out", str(folder)]
        done = subprocess.run(
            [sys.executable, "-m", "labkit", "run", *notebooks, *at],
            env={**os.environ, "LABKIT_RUNTIME": ministack.runtime()},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, folder

    return run_them


def test_the_notebooks_run_headlessly_with_an_existing_role_and_leave_nothing(run, emulator):
    before = emulator.contents()
    said, _ = run()
    assert "PASS: 8 notebooks" in said
    assert emulator.contents() == before


def test_the_notebook_with_alarms_says_what_an_endpoint_lacks_and_goes_on(run, emulator):
    before = emulator.contents()
    said, folder = run("notebooks/beyond/5_watch_over_it.ipynb")
    assert "PASS: 1 notebook" in said
    shown = outputs(folder / "5_watch_over_it.ipynb")
    assert "There are no figures here: this endpoint's CloudWatch publishes none of functions." in shown["5_-known"]
    assert "invocations of 3 functions, 0 of them with an error" in shown["5_-monitor-again"], "by the log lines"
    for cell in ("5_-ring", "5_-ok"):
        assert "This endpoint's CloudWatch has no figures of what the alarm" in shown[cell]
    assert "thumbnail-age" in shown["5_-letters"], "the letter of the drill"
    for cell in ("5_-failed", "5_-reports", "5_-refused"):
        assert "This endpoint's Logs Insights does not read its queries" in shown[cell]
    assert "there is nothing to judge" in shown["5_-judged"]
    assert "0 left" in shown["5_-cleaned"]
    assert emulator.contents() == before


def outputs(path):
    """What each cell shows as text, by the cell's id."""
    cells = nbformat.read(path, as_version=4).cells
    return {
        cell.id: "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
        for cell in cells
        if cell.cell_type == "code"
    }


@pytest.fixture
def student(emulator, monkeypatch, tmp_path):
    """Opens labs as an IAM user that has one policy: the one that `labkit permissions` prints, or part of it."""
    iam = emulator.session.client("iam", **emulator.client_options)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "config").write_text("[profile student]\n")
    iam.create_user(UserName="student")
    key = iam.create_access_key(UserName="student")["AccessKey"]
    (tmp_path / "credentials").write_text(
        f"[student]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    )

    def open_as_student(without=(), **options):
        document = permissions(emulator.open(**options)).document
        for statement in document["Statement"]:
            statement["Action"] = [action for action in statement["Action"] if action not in without]
        document["Statement"] = [statement for statement in document["Statement"] if statement["Action"]]
        unchecked = [action for action in CHECKED_AGAINST_NOTHING["Action"] if action not in without]
        document["Statement"] += [{**CHECKED_AGAINST_NOTHING, "Action": unchecked}, KEY_WITHOUT_ITS_SLASH]
        iam.put_user_policy(UserName="student", PolicyName="lab", PolicyDocument=json.dumps(document))
        return emulator.open(profile="student", **options)

    yield open_as_student
    iam.delete_user_policy(UserName="student", PolicyName="lab")
    iam.delete_access_key(UserName="student", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="student")


def test_the_printed_policy_is_enough_for_the_whole_lab(student, emulator):
    before, lab = emulator.contents(), student(prefix="ann-")
    try:
        key = do_it_all(lab)
        labkit.try_without_policy(lab)
        assert failures(all_checks(lab, key)) == []
        elsewhere = student(prefix="ann-", suffix=lab.definition.suffix)
        assert {entry.kind for entry in find_things(elsewhere).entries} >= {"topic", "queue", "function", "bucket"}
    finally:
        clean_up(lab)
    assert emulator.contents() == before


@pytest.mark.parametrize(
    "action", ["sns:CreateTopic", "sqs:CreateQueue", "s3:CreateBucket", "iam:CreateRole", "lambda:CreateFunction"]
)
def test_whatever_is_missing_in_the_policy_is_told_with_the_way_out(student, action):
    lab = student(without=[action])
    with pytest.raises(LabError) as caught:
        catch_up(lab, to=4)
    assert "labkit permissions" in str(caught.value) or "role_arn" in str(caught.value)
    assert "AccessDenied" in str(caught.value) or "AuthorizationError" in str(caught.value)
    clean_up(lab)


def test_another_students_things_are_out_of_reach(student, emulator):
    bob = emulator.open(prefix="bob-")
    catch_up(bob, to=3)
    ann = student(prefix="ann-")
    queue = labkit.create_queue(bob, "CreateThumbnail")
    with pytest.raises(ann.client("sqs").exceptions.ClientError, match="AccessDenied"):
        ann.client("sqs").delete_queue(QueueUrl=queue.url)
    with pytest.raises(ann.client("s3").exceptions.ClientError, match="AccessDenied"):
        ann.client("s3").list_objects_v2(Bucket=bob.definition.bucket_name, Prefix=INGEST_FOLDER)
    clean_up(bob)
