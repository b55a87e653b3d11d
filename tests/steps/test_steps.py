"""Each step on the embedded AWS: it makes what it says, once, and says so in the console's own words."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

import labkit
from labkit import LabError

FUNCTION_NAMES = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")


def do(lab, to):
    labkit.catch_up(lab, to=to)


# Step 1


def test_topic_is_made_once_and_said_once(lab):
    first, second = labkit.create_topic(lab), labkit.create_topic(lab)
    name = lab.definition.topic_name
    assert first.console() == (f"Topic {name} created successfully.",)
    assert second.console() == ()
    assert second.arn == first.arn == f"arn:aws:sns:us-east-1:123456789012:{name}"
    assert [t["TopicArn"] for t in lab.client("sns").list_topics()["Topics"]].count(first.arn) == 1


def test_topic_is_noted_in_the_journal(lab):
    topic = labkit.create_topic(lab)
    assert lab.journal.find("topic", topic.name).facts == {"arn": topic.arn}


def test_somebody_elses_topic_of_that_name_is_left_alone(lab):
    lab.client("sns").create_topic(Name=lab.definition.topic_name)
    with pytest.raises(LabError, match="is not this lab's\\. It was left alone") as caught:
        labkit.create_topic(lab)
    assert "prefix" in caught.value.hint()
    assert lab.journal.entries() == ()
    lab.client("sns").delete_topic(TopicArn=lab.definition.topic_arn)


# Step 2


def test_queues_are_made_with_their_dead_letter_queues(lab):
    do(lab, 1)
    queues = labkit.create_queues(lab)
    names = [queue.name for queue in queues]
    assert names == [f"{lab.definition.prefix}{n}" for n in ("thumbnail-queue", "web-queue", "mobile-queue")]
    assert list(queues.console()) == [f"Queue {name} created successfully." for name in names]
    for queue in queues:
        answer = lab.client("sqs").get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
        assert answer["VisibilityTimeout"] == "60"
        redrive = json.loads(answer["RedrivePolicy"])
        assert redrive["maxReceiveCount"] == 5
        assert redrive["deadLetterTargetArn"].endswith(queue.name.replace("-queue", "-dead-letter-queue"))


def test_subscribing_without_a_topic_names_the_step_that_is_missing(lab):
    labkit.create_queues(lab)
    with pytest.raises(LabError, match="There is no topic") as caught:
        labkit.subscribe_queues(lab)
    assert "01_topic" in caught.value.hint()
    assert "catch_up(lab, to=1)" in caught.value.hint()


def test_what_is_published_reaches_every_queue_in_an_envelope(lab):
    do(lab, 2)
    topic_arn = labkit.create_topic(lab).arn
    lab.client("sns").publish(TopicArn=topic_arn, Message="hello")
    for queue in labkit.create_queues(lab):
        answer = lab.client("sqs").receive_message(QueueUrl=queue.url, WaitTimeSeconds=5)
        envelope = json.loads(answer["Messages"][0]["Body"])
        assert (envelope["Message"], envelope["TopicArn"]) == ("hello", topic_arn)


def test_subscriptions_say_the_consoles_sentence_once(lab):
    do(lab, 1)
    labkit.create_queues(lab)
    arn = labkit.create_topic(lab).arn
    said = f"Subscribed successfully to topic {arn}."
    assert list(labkit.subscribe_queues(lab).console()) == [said] * 3
    assert list(labkit.subscribe_queues(lab).console()) == []


# Step 3


def test_s3_is_refused_by_a_topic_without_policy_now_and_later(lab):
    do(lab, 2)
    labkit.create_bucket(lab)
    for _ in range(2):
        refusal = labkit.try_without_policy(lab)
        assert refusal.refused
        assert refusal.code == "InvalidArgument"
        assert refusal.message == "Unable to validate the following destination configurations"
    labkit.allow_s3_to_publish(lab)
    labkit.create_event_notification(lab)
    assert labkit.try_without_policy(lab).refused
    assert labkit.check_notification(lab).passed


def test_the_throwaway_topic_leaves_no_trace(lab):
    do(lab, 1)
    labkit.create_bucket(lab)
    before = labkit.inventory(lab)
    labkit.try_without_policy(lab)
    assert labkit.inventory(lab) == before
    assert lab.definition.refused_topic_name not in json.dumps(lab.client("sns").list_topics()["Topics"])


def test_notification_without_policy_is_refused_with_the_call_that_mends_it(lab):
    do(lab, 1)
    labkit.create_bucket(lab)
    with pytest.raises(LabError, match="AWS refused a call") as caught:
        labkit.create_event_notification(lab)
    assert "Unable to validate the following destination configurations" in caught.value.aws_said
    assert "allow_s3_to_publish(lab)" in caught.value.hint()


def test_notification_keeps_what_others_have_set_on_the_bucket(lab):
    do(lab, 2)
    name = labkit.create_bucket(lab).name
    labkit.allow_s3_to_publish(lab)
    other = {
        "Id": "somebody-elses",
        "TopicArn": labkit.create_topic(lab).arn,
        "Events": ["s3:ObjectRemoved:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "other/"}]}},
    }
    s3 = lab.client("s3")
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"TopicConfigurations": [other]})
    created = labkit.create_event_notification(lab)
    assert created.console() == ('Successfully created event notification "resize-image-event".',)
    assert labkit.create_event_notification(lab).console() == ()
    rules = s3.get_bucket_notification_configuration(Bucket=name)["TopicConfigurations"]
    assert [rule["Id"] for rule in rules] == ["somebody-elses", "resize-image-event"]


# Step 4


def test_one_function_call_by_call_as_in_the_console(lab):
    do(lab, 3)
    role = labkit.create_role(lab, "CreateThumbnail")
    assert {row[0]: row[3] for row in role.rows()}["TellDeletedFromForbidden"] == "s3:prefix StringLike ingest/*"
    name = lab.branches[0].function_name
    created = labkit.create_function(lab, "CreateThumbnail")
    assert created.console() == (
        f"Successfully created the function {name}. You can now change its code and configuration. "
        'To invoke your function with a test event, choose "Test".',
    )
    added = labkit.add_trigger(lab, "CreateThumbnail")
    queue = lab.branches[0].queue_name
    assert added.console() == (
        f"The trigger {queue} was successfully added to function {name}. The trigger is in a disabled state.",
    )
    assert added.state == "Disabled"
    updated = (f"Successfully updated the function {name}.",)
    assert labkit.upload_code(lab, "CreateThumbnail").console() == updated
    assert labkit.set_handler(lab, "CreateThumbnail").console() == updated
    assert labkit.set_description(lab, "CreateThumbnail").console() == updated
    assert labkit.enable_trigger(lab, "CreateThumbnail").state == "Enabled"
    for again in (labkit.create_function, labkit.add_trigger, labkit.upload_code, labkit.set_handler):
        assert again(lab, "CreateThumbnail").console() == ()


def test_a_function_without_its_role_names_the_call_that_makes_it(lab):
    do(lab, 3)
    with pytest.raises(LabError, match="There is no role") as caught:
        labkit.create_function(lab, "CreateThumbnail")
    assert "catch_up(lab, to=4)" in caught.value.hint()


def test_a_trigger_that_is_not_there_cannot_be_enabled(lab):
    do(lab, 3)
    labkit.create_roles(lab)
    labkit.deploy_function(lab, "CreateWebImage")
    with pytest.raises(LabError, match="has no trigger yet"):
        labkit.enable_trigger(lab, "CreateWebImage")


def test_an_existing_role_is_used_for_all_and_never_deleted(new_lab):
    iam = new_lab().client("iam")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    trust["Version"], trust["Statement"][0]["Action"] = "2012-10-17", "sts:AssumeRole"
    made = iam.create_role(RoleName="LabExecutionRole", AssumeRolePolicyDocument=json.dumps(trust))
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="LabExecutionRole", PolicyName="all", PolicyDocument=json.dumps(rights))
    lab = new_lab(role_arn=made["Role"]["Arn"])
    do(lab, 4)
    assert labkit.check_functions(lab).passed
    assert lab.journal.entries("role") == ()
    labkit.clean_up(lab)
    assert iam.get_role(RoleName="LabExecutionRole")
    iam.delete_role_policy(RoleName="LabExecutionRole", PolicyName="all")
    iam.delete_role(RoleName="LabExecutionRole")


# Steps 5 and 6


@pytest.mark.parametrize("name", ["AWS.jpg", "MonaLisa.jpg", "HappyFace.jpg", "friends.jpg"])
def test_a_photo_comes_out_three_times_in_the_right_sizes(built_lab, name):
    upload = labkit.upload_photo(built_lab, labkit.sample(name))
    assert upload.console() == ("Upload succeeded.",)
    labkit.wait_for_results(built_lab, upload)
    checks = labkit.check_results(built_lab, upload.key)
    assert checks.passed, str(checks)
    assert [photo.title for photo in labkit.read_results(built_lab, upload.key).results] == list(FUNCTION_NAMES)


@pytest.mark.parametrize("name", ["a/b.jpg", "my photo.jpg", "1+1=2 50%.jpg", "Grüße/日本.jpg", 'it\'s "quoted".jpg'])
def test_any_name_comes_out_under_the_matching_name(built_lab, name):
    upload = labkit.upload_photo(built_lab, labkit.sample("HappyFace.jpg"), name=name)
    assert labkit.wait_for_results(built_lab, upload)
    folder, slash, last = name.rpartition("/")
    assert upload.expected[0] == f"thumbnail/{folder}{slash}Thumbnail-{last}"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("cat.jpeg", r"\.jpeg would raise no event", "name='cat.jpg'"),
        ("cat.JPG", r"\.JPG would raise no event", "name='cat.jpg'"),
        ("cat.png", "does not end in .jpg", "name='cat.jpg'"),
        ("cat", "does not end in .jpg", "name='cat.jpg'"),
        ("trip/", "can't be the name of a photo", "trip/cat.jpg"),
        ("x" * 1020 + ".jpg", "1031 bytes long", "shorter"),
    ],
)
def test_a_name_that_would_raise_no_event_is_refused_before_the_upload(built_lab, name, message, hint):
    with pytest.raises(LabError, match=message) as caught:
        labkit.upload_photo(built_lab, labkit.sample("AWS.jpg"), name=name)
    assert hint in caught.value.hint()


def test_a_file_that_is_no_photo_is_refused_before_the_upload(built_lab, tmp_path):
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("not a picture")
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(labkit.sample("HappyFace.jpg").read_bytes()[:20_000])
    for path, message in (
        (tmp_path / "nowhere.jpg", "There is no file"),
        (empty, "is empty"),
        (text, r"text\.jpg is not an image that they can read: the functions read JPEG, PNG or WebP"),
        (torn, r"torn\.jpg is cut off or corrupt"),
    ):
        with pytest.raises(LabError, match=message):
            labkit.upload_photo(built_lab, path)


def test_the_same_name_again_waits_for_new_results(built_lab):
    for name in ("AWS.jpg", "HappyFace.jpg"):
        upload = labkit.upload_photo(built_lab, labkit.sample(name), name="same.jpg")
        labkit.wait_for_results(built_lab, upload)
        # S3 tells time in whole seconds, so a result of the same second may still be the earlier photo's: ask by size.
        from labkit.waiting import wait_until

        wait_until(lambda: labkit.check_results(built_lab, "same.jpg").passed, what="the new results", seconds=30)


def test_the_time_of_results_is_counted_from_the_upload_and_not_from_the_look(built_lab):
    upload = labkit.upload_photo(built_lab, labkit.sample("HappyFace.jpg"), name="timed.jpg")
    first = labkit.wait_for_results(built_lab, upload)
    assert all(0 < seconds < 30 for _, seconds in first.arrived)
    again = labkit.wait_for_results(built_lab, replace(upload, sent=upload.sent - timedelta(hours=1)))  # an hour later
    assert all(0 < seconds < 30 for _, seconds in again.arrived)  # S3 knows better when they came
    assert re.search(r"All 3 results of ingest/timed\.jpg were there \d+\.\d s after the upload\.", again.sentence())


def test_what_is_missing_is_named_while_it_is_waited_for(built_lab, monkeypatch):
    upload = labkit.upload_photo(built_lab, labkit.sample("HappyFace.jpg"), name="two.jpg")
    labkit.wait_for_results(built_lab, upload)
    seen = []
    monkeypatch.setattr("labkit.progress.WaitingBar.waited", lambda self, seconds, words="": seen.append(words))
    expected = (upload.expected[0], "web/nothing.jpg", upload.expected[2])
    with pytest.raises(LabError, match=r"After 0 s there is still no web/nothing\.jpg"):
        labkit.wait_for_results(built_lab, replace(upload, expected=expected), seconds=0.3)
    assert set(seen) == {"2 of 3 are here, web/nothing.jpg is missing"}


def test_pictures_that_are_not_whole_are_a_sentence(built_lab):
    upload = labkit.upload_photo(built_lab, labkit.sample("HappyFace.jpg"), name="spoilt.jpg")
    labkit.wait_for_results(built_lab, upload)
    s3, bucket = built_lab.client("s3"), built_lab.definition.bucket_name
    s3.put_object(Bucket=bucket, Key=upload.expected[1], Body=b"%!PS-Adobe-3.0 EPSF-3.0")
    assert (
        "2 results. web/WebImage-spoilt.jpg is an EPS"
        in labkit.gallery(labkit.read_results(built_lab, upload.key)).sentence()
    )
    (line,) = labkit.check_results(built_lab, upload.key).failures()
    assert "is an EPS" in str(line)
    s3.put_object(Bucket=bucket, Key="ingest/spoilt.bin", Body=labkit.sample("HappyFace.jpg").read_bytes()[:9000])
    with pytest.raises(LabError, match=r"ingest/spoilt\.bin is cut off or corrupt"):
        labkit.read_results(built_lab, "ingest/spoilt.bin")


def test_reading_results_of_a_photo_that_is_not_there_says_so(built_lab):
    with pytest.raises(LabError, match=r"no photo ingest/nowhere\.jpg"):
        labkit.read_results(built_lab, "nowhere.jpg")


# Step 7


def test_clean_up_leaves_nothing(lab):
    do(lab, 5)
    assert len(labkit.inventory(lab).things) == 32
    receipt = labkit.clean_up(lab)
    assert receipt.left == ()
    assert receipt.sentence().endswith("0 left.")
    assert labkit.inventory(lab).things == ()
    assert labkit.clean_up(lab).deleted == ()


def test_clean_up_deletes_in_the_reverse_order_of_making(lab):
    do(lab, 5)
    kinds = list(dict.fromkeys(thing.kind for thing in labkit.clean_up(lab).deleted))
    assert kinds == [
        "trigger",
        "function",
        "log group",
        "role",
        "event notification",
        "object",
        "bucket",
        "subscription",
        "alarm",
        "queue",
        "topic",
    ]


def test_clean_up_takes_along_what_was_only_begun(lab):
    lab.journal.creating("topic", lab.definition.topic_name)
    lab.client("sns").create_topic(Name=lab.definition.topic_name)  # and here it crashed
    (thing,) = labkit.clean_up(lab).deleted
    assert (thing.kind, thing.name) == ("topic", lab.definition.topic_name)
    assert thing.grounds == "it carries no tags; its name is this lab's, and the journal lists it"


def test_clean_up_empties_the_bucket_of_old_versions_and_unfinished_uploads(lab):
    do(lab, 1)
    name = labkit.create_bucket(lab).name
    s3 = lab.client("s3")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket=name, Key="twice", Body=body)
    s3.delete_object(Bucket=name, Key="twice")
    s3.create_multipart_upload(Bucket=name, Key="half")
    labkit.clean_up(lab)
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_catch_up_makes_only_what_is_missing(lab):
    assert labkit.catch_up(lab, to=1).sentence() == "Step 1 is done: 1 thing was missing, and has just been made."
    assert labkit.catch_up(lab, to=1).sentence() == "Step 1 is done: nothing was missing."
    made = labkit.catch_up(lab, to=4)
    assert made.sentence() == f"Steps 1 to 4 are done: {len(made.new)} things were missing, and have just been made."
    mark = lab.connection.calls.total
    assert labkit.catch_up(lab, to=4).new == ()
    calls = [call.operation for call in lab.connection.calls.since(mark)]
    assert len(calls) < 105
    assert not [name for name in calls if name.startswith(("Create", "Update", "Add", "Subscribe", "PutRole"))]


def test_catch_up_makes_again_what_was_deleted_and_puts_right_what_was_changed(lab):
    labkit.catch_up(lab, to=4)
    url = labkit.create_queue(lab, "CreateWebImage").url
    lab.client("sqs").delete_queue(QueueUrl=url)
    name = lab.branches[0].function_name
    lab.client("lambda").update_function_configuration(FunctionName=name, Handler="gone.handler")
    lab.client("sns").set_topic_attributes(
        TopicArn=labkit.create_topic(lab).arn, AttributeName="Policy", AttributeValue='{"Statement": []}'
    )
    web = lab.branches[1].queue_name
    again = labkit.catch_up(lab, to=4)
    assert again.new == (("queue", web), ("queue policy", web), ("topic policy", lab.definition.topic_name))
    assert labkit.check_queues(lab).passed
    assert labkit.check_notification(lab).passed
    assert labkit.check_functions(lab).passed


def test_catch_up_sends_a_photo_through_unless_the_last_one_came_through(lab):
    labkit.catch_up(lab, to=4)
    upload = labkit.upload_photo(lab, labkit.sample("HappyFace.jpg"))
    labkit.wait_for_results(lab, upload)
    assert labkit.catch_up(lab, to=5).new == (("object", "ingest/"),)
    assert labkit.last_photo(lab) == upload.key
    lab.client("s3").delete_object(Bucket=upload.bucket, Key=upload.expected[0])
    assert labkit.catch_up(lab, to=5).new == (("object", "ingest/MonaLisa.jpg"),)
    assert labkit.check_results(lab, "ingest/MonaLisa.jpg").passed


def test_the_last_photo_is_the_one_uploaded_last_also_if_it_was_uploaded_before(lab):
    labkit.catch_up(lab, to=3)
    for name in ("a.jpg", "b.jpg", "a.jpg"):
        labkit.upload_photo(lab, labkit.sample("HappyFace.jpg"), name=name)
    assert labkit.last_photo(lab) == "ingest/a.jpg"


def test_there_is_no_step_nine(lab):
    with pytest.raises(LabError, match="no step 9"):
        labkit.catch_up(lab, to=9)


def test_every_check_passes_on_what_the_steps_made(built_lab):
    for check in (
        labkit.check_environment,
        labkit.check_topic,
        labkit.check_queues,
        labkit.check_alarms,
        labkit.check_notification,
        labkit.check_functions,
    ):
        checks = check(built_lab)
        assert checks.passed, str(checks)


def test_every_check_fails_on_nothing_and_says_how_to_begin(lab):
    for check, step in (
        (labkit.check_topic, 1),
        (labkit.check_queues, 2),
        (labkit.check_alarms, 2),
        (labkit.check_notification, 3),
        (labkit.check_functions, 4),
    ):
        checks = check(lab)
        assert not checks.passed
        assert f"catch_up(lab, to={step})" in checks.failures()[0].hint
