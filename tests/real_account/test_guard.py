"""The guard in front of a real account: what is refused, and in which words, before anything is touched."""

from datetime import date

import pytest

from labkit import LabError, clean_up, create_function, create_topic, inventory
from labkit.packages import runtimes

from .conftest import ACCOUNT, do_the_lab


def test_credentials_of_another_account_are_refused_and_nothing_is_touched(account):
    workspace = account.new_workspace()
    with pytest.raises(LabError, match=r"These credentials belong to account 123456789012, you named 999999999999\."):
        account.open(workspace=workspace, account="999999999999")
    assert not workspace.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:2")]
)
def test_an_override_in_the_environment_is_refused(account, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(LabError, match=f"{name} is set: calls meant for AWS would go somewhere else") as caught:
        account.open()
    assert value in caught.value.hint()


def test_an_override_in_the_profile_is_refused(account, aws_files):
    aws_files.write_text("[profile class]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:1\n")
    with pytest.raises(LabError, match="endpoint_url in the AWS profile is set") as caught:
        account.open(profile="class")
    assert "http://127.0.0.1:1" in caught.value.hint()


def test_an_override_of_one_service_in_the_profile_is_refused(account, aws_files):
    aws_files.write_text(
        "[profile class]\nregion = us-east-1\nservices = here\n\n"
        "[services here]\nsqs =\n  endpoint_url = http://127.0.0.1:1\n"
    )
    with pytest.raises(LabError, match="endpoint_url of sqs in the AWS profile's services is set"):
        account.open(profile="class")


def test_a_profile_without_overrides_is_taken(account, aws_files):
    aws_files.write_text("[profile class]\nregion = eu-central-1\n")
    aws_files.with_name("aws-credentials").write_text("[class]\naws_access_key_id = x\naws_secret_access_key = y\n")
    lab = account.open(profile="class", region=None)
    assert (lab.connection.region, lab.connection.account) == ("eu-central-1", ACCOUNT)


def test_a_profile_that_does_not_exist_is_named(account):
    with pytest.raises(LabError, match=r"The config profile \(nobody\) could not be found") as caught:
        account.open(profile="nobody")
    assert "list-profiles" in caught.value.hint()


def test_a_region_without_a_service_is_refused(account):
    with pytest.raises(LabError, match="knows of no s3, sns, sqs, lambda, logs in the region us-east-9"):
        account.open(region="us-east-9")


def test_a_region_that_is_none_is_refused(account):
    with pytest.raises(LabError, match=r"[Rr]egion") as caught:
        account.open(region="nowhere")
    assert "us-east-1" in caught.value.hint()


def test_boto3_retries_throttled_calls_by_itself_and_slows_down(account):
    config = account.open().client("sqs").meta.config
    assert config.retries["mode"] == "adaptive"
    assert config.retries["total_max_attempts"] >= 10


def test_a_blocked_runtime_is_refused_with_the_day(account, monkeypatch):
    monkeypatch.setattr(runtimes, "date", _today(date(2027, 2, 1)))
    lab = account.open(runtime="python3.9")
    with pytest.raises(LabError, match=r"AWS refuses new functions on python3\.9 since 2027-02-01"):
        do_the_lab(lab)
    assert "function" not in {kind for kind, _ in inventory(lab).things}
    clean_up(lab)


def test_a_deprecated_runtime_is_said_when_the_lab_is_opened(account, monkeypatch):
    monkeypatch.setattr(runtimes, "date", _today(date(2026, 11, 1)))
    assert "python3.10 is deprecated since 2026-10-31" in str(account.open(runtime="python3.10"))
    assert "deprecated" not in str(account.open(runtime="python3.14"))


def test_an_unknown_runtime_is_answered_with_those_that_there_are(account):
    with pytest.raises(LabError, match=r"python3\.8") as caught:
        account.open(runtime="python3.8")
    assert "python3.14" in caught.value.hint()


def _today(day):
    class Calendar(date):
        @classmethod
        def today(cls):
            return day

    return Calendar


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
def test_credentials_that_run_out_midway_are_told_and_the_work_goes_on_with_new_ones(account, code):
    workspace = account.new_workspace()
    lab = account.open(workspace=workspace)
    expire = Expiry(lab, code, after=40)
    with pytest.raises(LabError, match=r"Your credentials have expired\.") as caught:
        do_the_lab(lab)
    assert "open_lab() again" in caught.value.hint()
    assert code in str(caught.value)
    expire.renew()
    again = account.open(workspace=workspace)
    assert again.definition == lab.definition
    do_the_lab(again)
    clean_up(again)
    assert again.journal.entries() == ()


def test_clean_up_says_that_credentials_ran_out_and_goes_on_where_it_stopped(account):
    before, workspace = account.contents(), account.new_workspace()
    do_the_lab(account.open(workspace=workspace))
    lab = account.open(workspace=workspace)
    made = len(lab.journal.entries())
    expire = Expiry(lab, "ExpiredToken", after=150)
    with pytest.raises(LabError, match=r"Your credentials have expired\."):
        clean_up(lab)
    left = len(lab.journal.entries())
    assert 0 < left < made
    expire.renew()
    receipt = clean_up(account.open(workspace=workspace))
    assert 0 < len(receipt.deleted) <= left
    assert account.contents() == before


def test_a_head_request_that_s3_refuses_without_a_word_is_told_too(account):
    lab = account.open()
    Expiry(lab, "400", after=0, message="Bad Request")
    with pytest.raises(LabError, match=r"expired\. \(S3 gave no reason; this is the usual one\.\)"):
        lab.client("s3").head_bucket(Bucket="any")


def test_no_credentials_at_all_are_told_as_such(account, monkeypatch):
    with monkeypatch.context() as without:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            without.delenv(name, raising=False)
        without.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(LabError, match="boto3 has no valid credentials: Unable to locate credentials"):
            account.open()


class Expiry:
    """From the given call on, every call of the lab is answered as AWS answers credentials that have run out."""

    def __init__(self, lab, code, *, after, message="The provided token has expired."):
        self.left, self.error = after, {"Error": {"Code": code, "Message": message}}
        # A response in place of the one from the wire, before boto3 looks at it.
        lab.connection.session.events.register_first("before-call.*.*", self._answer)

    def renew(self):
        self.left = 10**6

    def _answer(self, model, **_):
        self.left -= 1
        if self.left >= 0:
            return None

        class Response:
            status_code = 400

        return Response(), {**self.error, "ResponseMetadata": {"HTTPStatusCode": 400}}


def test_two_labs_in_one_account_do_not_see_each_other(account):
    ann, bob = account.open(prefix="ann-"), account.open(prefix="bob-")
    do_the_lab(ann)
    alone = account.contents()
    do_the_lab(bob)
    clean_up(bob)
    assert account.contents() == alone
    clean_up(ann)


def test_a_lab_is_continued_only_under_its_own_suffix(account):
    workspace = account.new_workspace()
    create_topic(account.open(workspace=workspace, suffix="one"))
    with pytest.raises(LabError, match="The lab one is still open here and has 1 thing in AWS"):
        account.open(workspace=workspace, suffix="two")


def test_a_function_of_a_strangers_is_never_changed(account):
    lab = account.open()
    do_the_lab(lab)
    clean_up(lab)
    before = account.contents()
    lab = account.open(suffix="decoy")
    with pytest.raises(LabError, match=r"is not this lab's\. It was left alone"):
        do_the_lab(lab)
    with pytest.raises(LabError):
        create_function(lab, "CreateThumbnail")
    clean_up(lab)
    assert account.contents() == before
