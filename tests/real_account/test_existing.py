"""Somebody's bucket and somebody's role: used, and afterwards exactly as they were."""

import pytest

from labkit import LabError, check_functions, check_notification, clean_up, create_bucket, inventory, upload_photo
from labkit import sample as sample_photo
from labkit.settings import NOTIFICATION_NAME
from labkit.steps.recovery import find_labs, find_things

from .conftest import do_the_lab
from .decoys import let_everything


@pytest.fixture
def options(account):
    return {"bucket": account.decoys["bucket"], "role_arn": account.decoys["role"]}


def test_an_existing_bucket_keeps_its_objects_and_its_notifications(account, options):
    before = account.contents()
    lab = account.open(**options)
    upload = do_the_lab(lab)
    s3, bucket = account.session.client("s3"), options["bucket"]
    for key in upload.expected:  # what the functions would make of it
        s3.put_object(Bucket=bucket, Key=key, Body=b"made by the lab")
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert [rule["Id"] for rule in configuration["TopicConfigurations"]] == ["their-event", NOTIFICATION_NAME]
    assert check_notification(lab).passed
    kinds = {kind for kind, _ in inventory(lab).things}
    assert "bucket" not in kinds
    assert "role" not in kinds
    clean_up(lab)
    assert account.contents() == before


def test_the_settings_of_an_existing_bucket_are_left_alone(account, options):
    lab = account.open(**options)
    create_bucket(lab)
    calls = {call.operation for call in lab.connection.calls.calls}
    assert not {operation for operation in calls if operation.startswith(("Put", "Create"))}


def test_a_photo_never_replaces_an_object_of_somebodys(account, options):
    s3, bucket = account.session.client("s3"), options["bucket"]
    s3.put_object(Bucket=bucket, Key="thumbnail/Thumbnail-MonaLisa.jpg", Body=b"theirs too")
    before = account.contents()
    lab = account.open(**options)
    do_the_lab(lab)
    with pytest.raises(LabError, match=r"holds an object thumbnail/Thumbnail-MonaLisa\.jpg already, and it is not"):
        upload_photo(lab, sample_photo("MonaLisa.jpg"))
    with pytest.raises(LabError, match=r"holds an object ingest/theirs\.jpg already"):
        upload_photo(lab, sample_photo("MonaLisa.jpg"), name="theirs.jpg")
    clean_up(lab)
    assert account.contents() == before


def test_an_older_version_of_somebodys_is_not_taken_for_the_labs(account, options):
    s3, bucket = account.session.client("s3"), options["bucket"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="ingest/HappyFace.jpg", Body=b"an old one")
    s3.delete_object(Bucket=bucket, Key="ingest/HappyFace.jpg")
    before = account.contents()
    lab = account.open(**options)
    with pytest.raises(LabError, match=r"holds an object ingest/HappyFace\.jpg already"):
        do_the_lab(lab)
    clean_up(lab)
    assert account.contents() == before


def test_an_upload_in_parts_that_was_not_finished_is_ended(account, options):
    before = account.contents()
    lab = account.open(**options)
    do_the_lab(lab)
    account.session.client("s3").create_multipart_upload(Bucket=options["bucket"], Key="ingest/HappyFace.jpg")
    clean_up(lab)
    assert account.contents() == before


def test_a_rule_of_the_same_name_for_another_topic_is_left_alone(account, options):
    s3, bucket = account.session.client("s3"), options["bucket"]
    rule = {"Id": NOTIFICATION_NAME, "TopicArn": account.decoys["topic"], "Events": ["s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [rule]})
    before = account.contents()
    lab = account.open(**options)
    with pytest.raises(
        LabError, match="The event notification resize-image-event is there already, and it is not this lab's"
    ):
        do_the_lab(lab)
    clean_up(lab)
    assert account.contents() == before


def test_a_bucket_that_is_not_there_is_told(account, options):
    lab = account.open(bucket="no-such-bucket-anywhere")
    with pytest.raises(LabError, match="There is no bucket no-such-bucket-anywhere that these credentials can see"):
        create_bucket(lab)


def test_an_existing_role_is_used_for_all_functions_and_stays(account, options):
    lab = account.open(role_arn=options["role_arn"])
    do_the_lab(lab)
    lacking = [check for check in check_functions(lab).failures() if "role" in check.subject]
    assert len(lacking) == 3
    assert "does not allow sqs:ReceiveMessage" in lacking[0].evidence
    assert lacking[0].hint == "Its owner has to allow that."
    let_everything(account.session, "CreateThumbnail-role-decoy")
    client = account.session.client("lambda")
    roles = {client.get_function(FunctionName=branch.function_name)["Configuration"]["Role"] for branch in lab.branches}
    assert roles == {options["role_arn"]}
    assert not {
        call
        for call in lab.connection.calls.calls
        if call.service == "iam" and "Role" in call.operation and not call.operation.startswith(("Get", "List"))
    }
    assert not [check for check in check_functions(lab).failures() if "role" in check.subject]
    clean_up(lab)
    assert account.session.client("iam").get_role(RoleName="CreateThumbnail-role-decoy")


def test_what_is_found_from_another_machine_is_what_the_journal_has(account):
    lab = account.open()
    do_the_lab(lab)
    found = find_things(account.open(suffix=lab.definition.suffix))
    journal = {(e.kind, e.name) for e in lab.journal.entries()}
    # The notification and the photos go with the lab's own bucket, policies with what they are put on.
    gone_with_others = {"event notification", "object", "topic policy", "queue policy"}
    assert {(e.kind, e.name) for e in found.entries} == {(k, n) for k, n in journal if k not in gone_with_others}
    clean_up(lab)
    assert find_things(account.open(suffix=lab.definition.suffix)).entries == ()


def test_the_bucket_that_a_lab_was_given_is_named_to_another_machine(account, options):
    lab = account.open(**options)
    do_the_lab(lab)
    with pytest.raises(LabError, match=f"worked in the bucket {options['bucket']}") as caught:
        find_things(account.open(suffix=lab.definition.suffix))
    assert options["bucket"] in caught.value.hint()
    clean_up(lab)


def test_all_labs_of_an_account_are_listed(account):
    ann, bob = account.open(prefix="ann-"), account.open(prefix="bob-")
    do_the_lab(ann)
    do_the_lab(bob)
    labs = find_labs(account.open()).labs
    assert set(labs) == {ann.definition.lab_id, bob.definition.lab_id}
    assert "somebody-elses" not in str(labs)
    clean_up(ann)
    clean_up(bob)
    assert find_labs(account.open()).labs == {}
