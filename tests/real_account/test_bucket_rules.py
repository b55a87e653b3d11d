"""A bucket that would stop the lab on its way is refused when the lab is opened: before anything is made."""

import pytest

from labkit import LabError, allow_s3_to_publish, clean_up, create_bucket, create_event_notification, create_topic

from .conftest import REGION, do_the_lab

OTHER_REGION = "eu-central-1"


@pytest.mark.parametrize(
    ("affixes", "why", "hint"),
    [
        ({"prefix": "-ann"}, "begins with -", "Choose another prefix."),
        ({"prefix": "xn--"}, "begins with xn--", "Choose another prefix."),
        ({"prefix": "sthree-"}, "begins with sthree-", "Choose another prefix."),
        ({"suffix": "ann-"}, "ends with -", "Choose another suffix."),
        ({"suffix": "s3alias"}, "ends with -s3alias", "Choose another suffix."),
        ({"suffix": "-ol-s3"}, "ends with --ol-s3", "Choose another suffix."),
        ({"suffix": "-x-s3"}, "ends with --x-s3", "Choose another suffix."),
        ({"suffix": "an"}, "ends with -an", "Choose another suffix."),
    ],
)
def test_a_prefix_or_suffix_that_makes_a_name_which_s3_gives_to_no_bucket(account, affixes, why, hint):
    with pytest.raises(LabError, match=rf"can't be called \S+: S3 gives out no name that {why}\.") as caught:
        account.open(**{"prefix": "", "suffix": "abcde", **affixes})
    assert (caught.value.code, caught.value.hint()) == ("bad-option", hint)


@pytest.mark.parametrize(
    "name",
    ["photos-s3alias", "photos--ol-s3", "photos.mrap", "photos--az4--x-s3", "s3://photos", "amzn-s3-demo-bucket", "ab"],
)
def test_what_is_not_the_name_of_a_bucket_of_which_s3_tells_events(account, name):
    with pytest.raises(LabError, match=r"S3 gives out no name that") as caught:
        account.open(bucket=name)
    assert "as `aws s3 ls` lists it" in caught.value.hint()


def test_a_lab_that_has_made_something_under_such_a_name_can_still_be_cleaned_up(account, monkeypatch):
    workspace = account.new_workspace()
    with monkeypatch.context() as older:
        older.setattr("labkit.lab.refuse_bucket_name", lambda _: None)
        create_topic(account.open(prefix="-ann", workspace=workspace))
    assert len(clean_up(account.open(prefix="-ann", workspace=workspace)).deleted) == 1


@pytest.fixture
def elsewhere(account):
    """A bucket of another region."""
    account.session.client("s3", region_name=OTHER_REGION).create_bucket(
        Bucket="photos-elsewhere", CreateBucketConfiguration={"LocationConstraint": OTHER_REGION}
    )
    return "photos-elsewhere"


def test_an_existing_bucket_of_another_region(account, elsewhere):
    with pytest.raises(LabError, match=f"is in {OTHER_REGION}, and this lab in {REGION}") as caught:
        account.open(bucket=elsewhere)
    assert f"--region {OTHER_REGION}" in caught.value.hint()
    assert account.open(bucket=elsewhere, region=OTHER_REGION).definition.region == OTHER_REGION


@pytest.fixture
def bucket(account):
    """An existing bucket that tells nobody of new photos."""
    return account.decoys["bucket"]


def test_an_existing_bucket_in_which_another_lab_works(account, bucket):
    ann = account.open(prefix="ann-", bucket=bucket)
    do_the_lab(ann)
    before = account.contents()
    with pytest.raises(LabError, match=f"tells {ann.definition.topic_arn} of new photos already") as caught:
        account.open(prefix="bob-", bucket=bucket)
    assert "serves one lab at a time" in caught.value.hint()
    assert "Without --bucket, each lab makes one of its own" in caught.value.hint()
    assert account.contents() == before
    clean_up(ann)
    bob = account.open(prefix="bob-", bucket=bucket)
    do_the_lab(bob)
    clean_up(bob)


def test_who_comes_second_because_both_had_opened_before_is_told_the_same_at_the_bucket(account, bucket):
    ann, bob = account.open(prefix="ann-", bucket=bucket), account.open(prefix="bob-", bucket=bucket)
    do_the_lab(ann)
    with pytest.raises(LabError, match="of new photos already"):
        do_the_lab(bob)
    clean_up(bob)
    clean_up(ann)


@pytest.mark.parametrize(
    ("kind", "destination", "prefix", "suffix", "event", "free"),
    [
        ("Topic", "topic", "", "", "s3:ObjectCreated:*", False),
        ("Queue", "queue", "ingest/", ".jpg", "s3:ObjectCreated:Put", False),
        ("Queue", "queue", "ingest/a/", "", "s3:ObjectCreated:*", False),
        ("Queue", "queue", "theirs/", "", "s3:ObjectCreated:*", True),
        ("Queue", "queue", "", ".png", "s3:ObjectCreated:*", True),
        ("Queue", "queue", "", "", "s3:ObjectRemoved:*", True),
    ],
)
def test_a_rule_beside_which_s3_takes_no_other(account, bucket, kind, destination, prefix, suffix, event, free):
    parts = [{"Name": name, "Value": value} for name, value in (("prefix", prefix), ("suffix", suffix)) if value]
    rule = {f"{kind}Arn": account.decoys[destination], "Events": [event], "Id": "theirs"}
    rule |= {"Filter": {"Key": {"FilterRules": parts}}} if parts else {}
    account.session.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={f"{kind}Configurations": [rule]}
    )
    if free:
        assert account.open(bucket=bucket).definition.bucket == bucket
    else:
        with pytest.raises(LabError, match=f"tells {account.decoys[destination]} of new photos already"):
            account.open(bucket=bucket)


def test_another_machine_may_look_for_a_lab_in_a_bucket_that_serves_another_one_now(account, bucket):
    ann = account.open(prefix="ann-", bucket=bucket)
    do_the_lab(ann)
    assert account.open(prefix="bob-", suffix="gone", bucket=bucket).journal.entries() == ()
    clean_up(ann)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("Configurations overlap. Configurations on the same bucket cannot share a common event type.", "one lab at a"),
        ("The notification destination service region is not valid for the bucket location constraint", "its own"),
        ("Unable to validate the following destination configurations", "allow_s3_to_publish(lab)"),
    ],
)
def test_s3s_own_refusals_of_a_notification_are_told_apart(account, words, hint):
    lab = account.open()
    create_topic(lab)
    create_bucket(lab)
    allow_s3_to_publish(lab)
    lab = account.open(workspace=lab.workspace)
    refusal = {"Error": {"Code": "InvalidArgument", "Message": words}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    class Response:
        status_code = 400

    event = "before-call.s3.PutBucketNotificationConfiguration"
    lab.connection.session.events.register_first(event, lambda **_: (Response(), refusal))
    lab.connection.patience.table = ()  # the policy is new, and what it causes would be waited for
    with pytest.raises(LabError) as caught:
        create_event_notification(lab)
    assert caught.value.aws_said == f"InvalidArgument: {words}"
    assert hint in caught.value.hint()
    clean_up(account.open(workspace=lab.workspace))
