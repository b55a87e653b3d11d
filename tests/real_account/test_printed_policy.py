"""The policy that `labkit permissions` prints is enough for the whole lab, where every call is held against it."""

import json
import sys
from pathlib import Path

import boto3
import pytest

from labkit import clean_up, embedded_aws, open_lab, wait_for_results
from labkit.insight.permissions import permissions
from labkit.run import runner
from labkit.steps.recovery import find_labs, find_things

from .conftest import check_all, do_the_lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "beyond" / "5_watch_over_it.ipynb"


@pytest.fixture
def open_as_student(tmp_path, aws_files):
    """Open a lab on an embedded AWS, as a user who has the policy that the owner's lab prints."""
    server = embedded_aws.start(tmp_path / "an AWS")
    owner = boto3.Session(server.access_key, server.secret_key, region_name=server.region)
    iam = owner.client("iam", endpoint_url=server.url)
    iam.create_user(UserName="student")
    made = iam.create_access_key(UserName="student")["AccessKey"]
    keys = {"owner": (server.access_key, server.secret_key), "student": (made["AccessKeyId"], made["SecretAccessKey"])}
    aws_files.write_text("[profile owner]\n[profile student]\n")
    (tmp_path / "aws-credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
            for name, (key, secret) in keys.items()
        )
    )

    def opened(profile):
        return open_lab(
            "endpoint",
            endpoint_url=server.url,
            region=server.region,
            runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            profile=profile,
            workspace=tmp_path / profile,
            prefix="ann-",
        )

    policy = json.dumps(permissions(opened("owner")).document)
    iam.put_user_policy(UserName="student", PolicyName="lab", PolicyDocument=policy)
    yield lambda: opened("student")
    embedded_aws.stop(tmp_path / "an AWS")


def test_the_printed_policy_is_enough_on_the_embedded_aws(open_as_student):
    lab = open_as_student()
    upload = do_the_lab(lab)
    wait_for_results(lab, upload)
    assert [failure for checks in check_all(lab, upload.key) for failure in checks.failures()] == []
    assert find_things(lab).entries
    receipt = clean_up(lab)
    assert receipt.left == ()


def test_the_printed_policy_is_enough_for_the_notebook_with_alarms(open_as_student, tmp_path, monkeypatch):
    """It makes things of the student's own, tries an alarm, and looks at figures, histories and lines."""
    lab = open_as_student()
    monkeypatch.setenv("LABKIT_RUNTIME", lab.definition.runtime)
    monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path))
    at = {name: getattr(lab.definition, name) for name in ("endpoint_url", "profile", "region", "prefix")}
    done = runner.run_lab([NOTEBOOK], folder=tmp_path / "run", where="endpoint", say=lambda _: None, **at)
    assert done.failed is None, done.sentence()
    assert find_labs(lab).labs == {}
