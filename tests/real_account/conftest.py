"""Accounts to prove the path to a real one on: moto in this process, MiniStack beside it, and AWS if one is named."""

import hashlib
import json
from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, S3Backend

import labkit
from labkit import FunctionSettings, clean_up, open_lab
from labkit.packages import Package
from labkit.steps.recovery import find_labs, find_things

from .account import contents
from .decoys import make_decoys, zip_of

ACCOUNT, REGION = "123456789012", "us-east-1"
ALLOW_NOTHING_MUCH = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
)
MULTIPART_BYTES = 8 * 1024**2  # boto3's own threshold
# A function beside the original's, as a student adds one.
GREY = FunctionSettings("CreateGreyImage", "grey-queue", "grey/", "GreyImage-", (800, 800), "Create a grey image.")


@pytest.fixture
def aws_files(monkeypatch, tmp_path):
    """AWS configuration of the test's own, in place of the developer's; a function writes the config file."""
    config, credentials = tmp_path / "aws-config", tmp_path / "aws-credentials"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    config.write_text("")
    return config


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Account:
    """A whole account inside this process, reached by the same addresses as the real ones, with a stranger's things."""

    def __init__(self, folder):
        self.folder, self.workspaces = folder, 0
        self.limits = {"UnreservedConcurrentExecutions": 1000, "TotalCodeSize": 80530636800}
        self.session = boto3.Session(region_name=REGION)
        self.decoys = make_decoys(self.session, account=ACCOUNT, region=REGION)
        iam = self.session.client("iam")
        self.policy = iam.create_policy(PolicyName="theirs", PolicyDocument=ALLOW_NOTHING_MUCH)["Policy"]["Arn"]

    def new_workspace(self):
        """Another machine: its journal knows nothing."""
        self.workspaces += 1
        return self.folder / f"machine-{self.workspaces}"

    def open(self, workspace=None, **options):
        workspace = workspace or self.new_workspace()
        lab = open_lab("aws", **{"account": ACCOUNT, "region": REGION, **options}, workspace=workspace)
        lab.connection.session.events.register("provide-client-params.s3.CreateBucket", _note_tags, unique_id="tags")
        return lab

    def contents(self):
        return contents(self.session)


@pytest.fixture
def account(aws_files, monkeypatch, tmp_path):
    """moto takes every request in boto3's own event system, before it would leave this machine."""
    monkeypatch.setattr("labkit.resources.function.build_package", _stub_package(tmp_path / "stub.zip"))
    # moto reads no conditions: it would take "no requests without TLS" for "no requests".
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    monkeypatch.setattr(S3Backend, "create_bucket", _create_bucket_with_tags)
    monkeypatch.setattr("labkit.journal.os.fsync", lambda _: None)  # no need to wait for the disk here
    monkeypatch.setattr(rsa, "generate_private_key", lambda **_: KEY)  # moto makes one for each subscription
    with mock_aws(config={"lambda": {"use_docker": False}}):
        account = Account(tmp_path)
        monkeypatch.setattr(BotocoreStubber, "process_request", _with_account_settings(account))
        yield account


def _with_account_settings(account):
    """moto has no GetAccountSettings."""
    others = BotocoreStubber.process_request

    def process_request(stubber, request):
        if not request.url.split("?")[0].rstrip("/").endswith("/account-settings"):
            return others(stubber, request)
        if not account.limits:
            return 403, {"x-amzn-ErrorType": "AccessDeniedException"}, b'{"Message": "You may not ask."}'
        body = {"AccountLimit": account.limits, "AccountUsage": {"TotalCodeSize": 1_000_000, "FunctionCount": 1}}
        return 200, {}, json.dumps(body).encode()

    return process_request


create_bucket_without_tags = S3Backend.create_bucket


def _create_bucket_with_tags(backend, *args, **kwargs):
    """AWS tags a bucket in the call that makes it; moto does not look at these tags."""
    bucket = create_bucket_without_tags(backend, *args, **kwargs)
    if sent := TAGS_AT_CREATION.get(bucket.name):
        backend.put_bucket_tagging(bucket.name, sent)
    return bucket


TAGS_AT_CREATION = {}


def _note_tags(params, **_):
    tags = params.get("CreateBucketConfiguration", {}).get("Tags", [])
    TAGS_AT_CREATION[params["Bucket"]] = {tag["Key"]: tag["Value"] for tag in tags}


@pytest.fixture
def quick(monkeypatch):
    """For hundreds of runs in one test: one set of clients."""
    connections = {}
    connect = labkit.lab.connect

    def connect_once(where, *, workspace, **options):
        key = json.dumps([where, options])
        if key not in connections:
            connections[key] = connect(where, workspace=workspace, **options)
        return connections[key]

    monkeypatch.setattr("labkit.lab.connect", connect_once)


def _stub_package(path: Path):
    path.write_bytes(zip_of("def handler(event, context): pass"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return lambda name, target, **_: Package(path, name, f"{name}.handler", target, sha256, 1, 1)


def do_the_lab(lab):
    """What the notebooks 1 to 5 do, in their order, as far as it can be done without a Lambda that runs code."""
    labkit.create_topic(lab)
    labkit.create_queues(lab)
    labkit.subscribe_queues(lab)
    labkit.create_alarms(lab)
    labkit.create_bucket(lab)
    labkit.try_without_policy(lab)
    labkit.allow_s3_to_publish(lab)
    labkit.create_event_notification(lab)
    labkit.create_roles(lab)
    first = lab.branches[0].name
    labkit.create_function(lab, first)
    labkit.upload_code(lab, first)
    labkit.set_handler(lab, first)
    labkit.set_description(lab, first)
    labkit.create_functions(lab)
    labkit.create_ingest_folder(lab)
    return labkit.upload_photo(lab, labkit.sample("HappyFace.jpg"))


def check_all(lab, key):
    """All checks of a lab and one photo."""
    return [
        labkit.check_environment(lab),
        labkit.check_topic(lab),
        labkit.check_queues(lab),
        labkit.check_alarms(lab),
        labkit.check_notification(lab),
        labkit.check_functions(lab),
        labkit.check_results(lab, key),
    ]


def use_the_lab(account, lab, upload):
    """All else that a workbook does with a lab that stands; results and a dead letter are put there by the account.

    Returns what the checks said.
    """
    for key in upload.expected:
        account.session.client("s3").put_object(Bucket=upload.bucket, Key=key, Body=b"")
    labkit.wait_for_results(lab, upload)
    checks = check_all(lab, upload.key)
    labkit.read_logs(lab, lab.branches[0].name)
    labkit.survey(lab)
    labkit.send_again(lab, upload.key)
    sqs, branch = account.session.client("sqs"), lab.branches[0]
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=branch.dead_letter_queue_name)["QueueUrl"], MessageBody="{}")
    labkit.wait_for_dead_letters(lab)
    labkit.redrive(lab, branch.name)
    large = account.folder / "large.jpg"  # so large that boto3 sends it in parts
    large.write_bytes(labkit.sample("HappyFace.jpg").read_bytes() + bytes(MULTIPART_BYTES))
    labkit.upload_photo(lab, large)
    if lab.definition.role_arn is None:
        iam = account.session.client("iam")
        iam.attach_role_policy(RoleName=branch.role_name, PolicyArn=account.policy)
    labkit.doctor(lab)
    return checks


def walk_the_lab(account, lab):
    """The whole way of a lab, from its first topic to its receipt; returns what the checks said, and the receipt."""
    checks = use_the_lab(account, lab, do_the_lab(lab))
    find_things(lab)
    find_labs(lab)
    return checks, clean_up(lab)
