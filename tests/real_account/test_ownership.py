"""Deleting asks first: what the journal names is the lab's only if its tags, or what it hangs on, say so as well."""

import json

import pytest
from botocore.exceptions import ClientError

import labkit
from labkit import LabError, clean_up, inventory

from .conftest import ACCOUNT, REGION, do_the_lab
from .decoys import TRUST, zip_of


def doctor_journal(lab, *things):
    """Write into the journal that the lab has made these things: kind, name, facts."""
    with lab.journal.path.open("a") as file:
        for kind, name, facts in things:
            file.write(json.dumps({"event": "created", "kind": kind, "name": name, "facts": facts}) + "\n")


@pytest.fixture
def company(account):
    """Things of someone else's, without tags and with; returns them as the lab would write them down."""

    def client(service):
        return account.session.client(service)

    s3 = client("s3")
    for bucket in ("company-payroll", "company-web"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="company-payroll", Key="2026/salaries.xlsx", Body=b"x")
    s3.put_object(Bucket="company-web", Key="index.html", Body=b"x")
    s3.put_object(Bucket="company-web", Key="ingest/theirs.jpg", Body=b"x")
    orders = client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    alarms = client("sns").create_topic(Name="alarms", Tags=[{"Key": "Team", "Value": "ops"}])["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
    client("sns").subscribe(TopicArn=alarms, Protocol="sqs", Endpoint=queue)
    role = client("iam").create_role(RoleName="ProdRole", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    client("logs").create_log_group(logGroupName="/prod/audit")
    client("lambda").create_function(
        FunctionName="Invoice",
        Runtime="python3.13",
        Role=role,
        Handler="CreateThumbnail.handler",
        Code={"ZipFile": zip_of("def handler(event, context): pass")},
    )
    client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName="Invoice", Enabled=False)
    s3.put_bucket_notification_configuration(
        Bucket="company-web",
        NotificationConfiguration={
            "TopicConfigurations": [
                {"Id": "resize-image-event", "TopicArn": alarms, "Events": ["s3:ObjectRemoved:*"]},
            ]
        },
    )
    return [
        ("bucket", "company-payroll", {}),
        ("queue", "orders", {"url": orders, "arn": queue}),
        ("topic", "alarms", {"arn": alarms}),
        ("role", "ProdRole", {"arn": role}),
        ("log group", "/prod/audit", {}),
        ("object", "index.html", {"bucket": "company-web"}),
        ("object", "ingest/theirs.jpg", {"bucket": "company-web"}),
        ("function", "Invoice", {}),
        ("trigger", "Invoice", {"queue": queue}),
    ]


def test_whatever_a_doctored_journal_names_stays_and_the_receipt_says_so(account, company):
    before, lab = account.contents(), account.open()
    do_the_lab(lab)
    doctor_journal(lab, *company)
    again = account.open(workspace=lab.workspace)
    assert not {(kind, name) for kind, name, _ in company} & set(inventory(again).things)
    receipt = clean_up(again)
    assert account.contents() == before
    assert {(thing.kind, thing.name) for thing in receipt.not_ours} == {(kind, name) for kind, name, _ in company}
    assert {thing.kind: thing.grounds for thing in receipt.not_ours}["topic"] == "its tags say nothing of a lab"
    assert "9 things that the journal names are not this lab's, and were left alone." in receipt.sentence()
    assert ("bucket", "company-payroll", "left alone", "it carries no tags") in list(receipt.rows())
    assert again.journal.opened() is None


def test_what_hangs_on_someone_elses_is_not_reached_by_names_alone(account, company):
    before, lab = account.contents(), account.open()
    do_the_lab(lab)
    things = [
        ("subscription", "orders", {"arn": "arn:aws:sns:us-east-1:1:alarms:1"}),
        ("event notification", "resize-image-event", {"bucket": "company-web"}),
        ("event notification", "resize-image-event", {"bucket": account.decoys["bucket"]}),
        ("queue policy", "orders", {}),
        ("topic policy", "alarms", {}),
        ("existing bucket", "company-web", {}),
        ("existing role", "ProdRole", {}),
    ]
    doctor_journal(lab, *things)
    clean_up(account.open(workspace=lab.workspace))
    assert account.contents() == before


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "thing",
    [
        ("bucket", "no bucket has/such a name", {}),
        ("bucket", "UPPER_CASE", {}),
        ("queue", "a queue/with this", {}),
        ("topic", "a topic:with:this", {}),
        ("function", "a function with this", {}),
        ("role", "a role/with this", {}),
        ("log group", "a group with this", {}),
        ("trigger", "a trigger", {"queue": "no arn"}),
        ("object", "ingest/a.jpg", {"bucket": "no bucket has/such a name"}),
        ("spaceship", "Enterprise", {}),
    ],
    ids=lambda thing: thing[0],
)
def test_a_name_that_no_thing_can_have_is_no_obstacle(account, thing):
    before, lab = account.contents(), account.open()
    do_the_lab(lab)
    doctor_journal(lab, thing)
    receipt = clean_up(account.open(workspace=lab.workspace))
    assert {(thing.kind, thing.name) for thing in receipt.not_ours} <= {thing[:2]}
    assert account.contents() == before


# What these credentials may not look at.


@pytest.fixture
def refuse(account):
    """Answers operations with AccessDenied, for good or for names that a word is part of."""

    def refuse(lab, *operations, about=""):
        denied = ("AccessDenied", "You may not.")

        def answer(model, params, **_):
            if model.name not in operations or about not in json.dumps(params, default=str):
                return None

            class Response:
                status_code = 403

            error = dict(zip(("Code", "Message"), denied, strict=True))
            return Response(), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}

        lab.connection.session.events.register_first("before-call.*.*", answer, unique_id=f"refuse-{operations}")

    return refuse


TAGS = (
    *("ListTagsForResource", "ListQueueTags", "GetBucketTagging", "GetObjectTagging"),
    *("ListTags", "ListRoleTags"),
)
BY_NAME = "its tags can't be read (AccessDenied); its name is this lab's, and the journal lists it"


@pytest.mark.parametrize("things", ["its own", "existing ones"])
def test_where_tags_cannot_be_read_the_name_and_the_journal_together_decide(account, refuse, things):
    before, decoys = account.contents(), account.decoys
    options = {} if things == "its own" else {"bucket": decoys["bucket"], "role_arn": decoys["role"]}
    first = account.open(**options)
    do_the_lab(first)
    lab = account.open(workspace=first.workspace)
    refuse(lab, *TAGS)
    receipt = clean_up(lab)
    assert account.contents() == before
    assert receipt.not_ours == ()
    grounds = {thing.kind: thing.grounds for thing in receipt.deleted}
    assert grounds["queue"] == grounds["function"] == grounds["topic"] == BY_NAME
    assert ("topic", first.definition.topic_name, "deleted", BY_NAME) in list(receipt.rows())


def test_where_tags_cannot_be_read_another_name_stays(account, company, refuse):
    before, first = account.contents(), account.open()
    do_the_lab(first)
    doctor_journal(first, *company)
    lab = account.open(workspace=first.workspace)
    refuse(lab, *TAGS)
    receipt = clean_up(lab)
    assert account.contents() == before
    grounds = {(thing.kind, thing.name): thing.grounds for thing in receipt.not_ours}
    assert len(grounds) == len(company)
    assert grounds["queue", "orders"] == "its tags can't be read (AccessDenied)"


def test_where_tags_cannot_be_read_the_name_alone_is_not_enough(account, refuse):
    first = account.open()
    labkit.create_topic(first)
    made = account.contents()
    elsewhere = account.open(suffix=first.definition.suffix)
    refuse(elsewhere, *TAGS)
    assert clean_up(elsewhere).deleted == ()
    assert account.contents() == made
    again = account.open(suffix=first.definition.suffix)
    refuse(again, *TAGS)
    with pytest.raises(LabError, match="is there already, and it is not this lab's"):
        labkit.create_topic(again)
    assert account.contents() == made
    clean_up(first)


def test_a_trigger_goes_with_its_queue_where_its_own_tags_cannot_be_read(account, refuse):
    before, first = account.contents(), account.open()
    do_the_lab(first)
    lab = account.open(workspace=first.workspace)
    refuse(lab, "ListTags", about="event-source-mapping")
    receipt = clean_up(lab)
    (trigger, *_) = [thing for thing in receipt.deleted if thing.kind == "trigger"]
    assert trigger.grounds.startswith("it hangs on the queue")
    assert account.contents() == before


def test_someone_elses_bucket_in_the_journal_is_no_obstacle(account, refuse):
    before, first = account.contents(), account.open()
    do_the_lab(first)
    doctor_journal(first, ("bucket", "company-payroll", {}), ("object", "ingest/a.jpg", {"bucket": "company-payroll"}))
    lab = account.open(workspace=first.workspace)
    refuse(lab, "HeadBucket", about="company-payroll")
    receipt = clean_up(lab)
    assert {(thing.name, thing.grounds) for thing in receipt.not_ours} == {
        ("company-payroll", "AWS does not let it be looked at (AccessDenied)"),
        ("ingest/a.jpg", "AWS does not let it be looked at (AccessDenied)"),
    }
    assert account.contents() == before


def test_what_the_lab_has_not_made_need_not_be_looked_at(account, refuse):
    before, first = account.contents(), account.open()
    labkit.create_topic(first)
    lab = account.open(workspace=first.workspace)
    refuse(lab, "GetRole", "HeadBucket", "ListRoles")
    clean_up(lab)
    assert account.contents() == before


# Names that are the lab's, on things that are not.


def their_topic(lab, client, tags):
    name = lab.definition.topic_name
    client("sns").create_topic(Name=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    return ("topic", name, {"arn": lab.definition.topic_arn}), lambda: labkit.create_topic(lab)


def their_queue(lab, client, tags):
    branch = lab.branches[0]
    url = client("sqs").create_queue(QueueName=branch.queue_name, tags=tags)["QueueUrl"]
    return ("queue", branch.queue_name, {"url": url}), lambda: labkit.create_queue(lab, branch.name)


def their_dead_letter_queue(lab, client, tags):
    branch = lab.branches[0]
    url = client("sqs").create_queue(QueueName=branch.dead_letter_queue_name, tags=tags)["QueueUrl"]
    return ("queue", branch.dead_letter_queue_name, {"url": url}), lambda: labkit.create_queue(lab, branch.name)


def their_bucket(lab, client, tags):
    name = lab.definition.bucket_name
    client("s3").create_bucket(Bucket=name)
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_set})
    return ("bucket", name, {}), lambda: labkit.create_bucket(lab)


def their_role(lab, client, tags):
    name = lab.branches[0].role_name
    client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(TRUST),
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    return ("role", name, {}), lambda: labkit.create_role(lab, lab.branches[0].name)


def ready_for_functions(lab):
    labkit.create_queues(lab)
    labkit.create_roles(lab)


def their_log_group(lab, client, tags):
    ready_for_functions(lab)
    client("logs").create_log_group(logGroupName=lab.branches[0].log_group, tags=tags)
    return ("log group", lab.branches[0].log_group, {}), lambda: labkit.create_function(lab, lab.branches[0].name)


def their_function(lab, client, tags):
    ready_for_functions(lab)
    branch = lab.branches[0]
    client("lambda").create_function(
        FunctionName=branch.function_name,
        Runtime="python3.13",
        Role=branch.role_arn,
        Handler="CreateThumbnail.handler",
        Code={"ZipFile": zip_of("def handler(event, context): pass")},
        Tags=tags,
    )
    return ("function", branch.function_name, {}), lambda: labkit.create_functions(lab)


def their_trigger(lab, client, tags):
    ready_for_functions(lab)
    branch = lab.branches[0]
    labkit.create_function(lab, branch.name)
    client("lambda").create_event_source_mapping(
        EventSourceArn=branch.queue_arn, FunctionName=branch.function_name, Enabled=False, Tags=tags
    )
    return ("trigger", branch.function_name, {"queue": branch.queue_arn}), lambda: labkit.create_functions(lab)


KINDS = (
    *(their_topic, their_queue, their_dead_letter_queue, their_bucket, their_role),
    *(their_log_group, their_function, their_trigger),
)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("in_the_journal", [True, False], ids=["in the journal", "not in the journal"])
@pytest.mark.parametrize("theirs", KINDS)
def test_foreign_tags_always_win(account, theirs, in_the_journal):
    lab = account.open(suffix="1234")
    thing, create = theirs(lab, account.session.client, {"Lab": "bobs-image-lab-1234"})
    made = account.contents()
    if in_the_journal:
        doctor_journal(lab, thing)
    kind, name, _ = thing
    with pytest.raises(LabError, match=f"The {kind} {name} is there already, and it is not this lab's") as caught:
        create()
    assert "its tags say bobs-image-lab-1234" in caught.value.message
    assert "prefix" in caught.value.hint()
    receipt = clean_up(lab)
    after = account.contents()
    kept = [key for key in made if key[0] == kind and (name in str(key) or kind == "trigger")]
    assert kept
    assert {key: after.get(key) for key in kept} == {key: made[key] for key in kept}
    if in_the_journal:
        (alone,) = [one for one in receipt.not_ours if one.kind == kind]
        assert (alone.name, alone.grounds) == (name, "its tags say bobs-image-lab-1234")


def test_a_photo_of_someone_elses_is_not_replaced_because_the_journal_lists_it(account):
    bucket = account.decoys["bucket"]
    before, lab = account.contents(), account.open(bucket=bucket)
    labkit.create_bucket(lab)
    doctor_journal(lab, ("object", "ingest/theirs.jpg", {"bucket": bucket}))
    with pytest.raises(LabError, match=r"holds an object ingest/theirs\.jpg already, and it is not this lab's"):
        labkit.upload_photo(lab, labkit.sample("MonaLisa.jpg"), name="theirs.jpg")
    (alone,) = clean_up(lab).not_ours
    assert (alone.name, alone.grounds) == ("ingest/theirs.jpg", "its tags say nothing of a lab")
    assert account.contents() == before


def test_the_address_of_a_queue_is_asked_of_aws_and_not_of_the_journal(account, company):
    before, lab = account.contents(), account.open()
    labkit.create_topic(lab)
    labkit.create_queues(lab)
    (orders,) = [facts["url"] for kind, _, facts in company if kind == "queue"]
    doctor_journal(lab, ("queue", lab.branches[0].queue_name, {"url": orders}))
    labkit.subscribe_queues(lab)
    clean_up(lab)
    assert account.contents() == before


def test_credentials_that_run_out_while_it_looks_are_not_taken_for_a_refusal(account, company):
    lab = account.open()
    doctor_journal(lab, *company)

    def expired(**_):
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "Expired."}}, "GetQueueUrl")

    again = account.open(workspace=lab.workspace)
    again.connection.session.events.register_first("before-call.sqs.GetQueueUrl", expired)
    with pytest.raises(LabError, match="AWS refused a call") as caught:
        clean_up(again)
    assert "ExpiredToken" in caught.value.aws_said
