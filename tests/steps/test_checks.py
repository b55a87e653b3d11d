"""For every line of every check: break exactly that, and exactly that line fails, with what was found and a hint."""

import io
import json
import re
from contextlib import contextmanager

import pytest
from PIL import Image

import labkit
from labkit import settings
from labkit.resources import (
    AgeAlarm,
    DeadLetterAlarm,
    Notification,
    Queue,
    QueuePolicy,
    Subscription,
    TopicPolicy,
    Trigger,
)
from labkit.resources.role import POLICY_NAME, TRUST_POLICY, role_policy
from labkit.waiting import wait_until

FUNCTION = settings.THUMBNAIL
KEY = "ingest/MonaLisa.jpg"


def branch(lab):
    return lab.branch(FUNCTION.name)


def topic_policy(lab):
    return next(TopicPolicy.of(lab)).document()


def find_notification(lab):
    return next(Notification.of(lab)).read()


def find_trigger(lab):
    return Trigger.in_branch(lab, branch(lab)).read()


def find_subscription(lab):
    return Subscription.in_branch(lab, branch(lab)).find_arn()


@pytest.fixture(scope="module")
def lab(workspace):
    """A lab with all steps done; each test puts right what it broke."""
    lab = labkit.open_lab("local", prefix="checked-", workspace=workspace)
    labkit.catch_up(lab, to=5)
    yield lab
    labkit.clean_up(lab)


def all_checks(lab):
    return (
        labkit.check_topic(lab),
        labkit.check_queues(lab),
        labkit.check_alarms(lab),
        labkit.check_notification(lab),
        labkit.check_functions(lab),
        labkit.check_results(lab, KEY),
    )


def plain(lab, subject):
    """The subject in the names of a lab without prefix and suffix."""
    return subject.replace(lab.definition.prefix, "").replace(f"-{lab.definition.suffix}", "")


def failures(lab):
    return {plain(lab, check.subject): check for checks in all_checks(lab) for check in checks.failures()}


# Each breaker breaks one thing, and mends it when it is left.


def topic(lab):
    return lab.definition.topic_arn


def url_of(lab, name):
    return Queue(lab, name).url()


@contextmanager
def no_topic(lab):
    lab.client("sns").delete_topic(TopicArn=topic(lab))
    yield
    labkit.catch_up(lab, to=3)


@contextmanager
def fifo_topic(lab):
    fifo = lab.client("sns").create_topic(Name=f"{lab.definition.topic_name}.fifo", Attributes={"FifoTopic": "true"})
    with no_topic(lab):
        yield
        lab.client("sns").delete_topic(TopicArn=fifo["TopicArn"])


@contextmanager
def topic_tag(lab):
    sns = lab.client("sns")
    sns.tag_resource(ResourceArn=topic(lab), Tags=[{"Key": "Lab", "Value": "somebody's"}])
    yield
    sns.tag_resource(ResourceArn=topic(lab), Tags=[{"Key": "Lab", "Value": lab.definition.lab_id}])


def without_queue(fifo):
    @contextmanager
    def breaker(lab):
        sqs, name = lab.client("sqs"), branch(lab).queue_name
        sqs.delete_queue(QueueUrl=url_of(lab, name))
        if fifo:
            other = sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        yield
        if fifo:
            sqs.delete_queue(QueueUrl=other)
        labkit.catch_up(lab, to=2)
        labkit.wait_for_results(lab, labkit.upload_photo(lab, labkit.sample("MonaLisa.jpg")))

    return breaker


def queue_attribute(**broken):
    @contextmanager
    def breaker(lab):
        sqs, url = lab.client("sqs"), url_of(lab, branch(lab).queue_name)
        before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        values = {name: value(lab) if callable(value) else value for name, value in broken.items()}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=values)
        yield
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: before[name] for name in broken})

    return breaker


def redrive(**changes):
    def value(lab):
        dead = branch(lab).dead_letter_queue_arn
        other = lab.branch("CreateWebImage").dead_letter_queue_arn
        policy = {"deadLetterTargetArn": dead, "maxReceiveCount": 5, **changes}
        if policy["deadLetterTargetArn"] == "another":
            policy["deadLetterTargetArn"] = other
        return json.dumps(policy)

    return value


@contextmanager
def no_dead_letter_queue(lab):
    lab.client("sqs").delete_queue(QueueUrl=url_of(lab, branch(lab).dead_letter_queue_name))
    yield
    labkit.create_dead_letter_queue(lab, FUNCTION.name)


@contextmanager
def short_retention(lab):
    sqs, url = lab.client("sqs"), url_of(lab, branch(lab).dead_letter_queue_name)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "3600"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "1209600"})


@contextmanager
def no_log_group(lab):
    lab.client("logs").delete_log_group(logGroupName=branch(lab).log_group)
    yield
    labkit.create_functions(lab)


@contextmanager
def kept_for_ever(lab):
    lab.client("logs").delete_retention_policy(logGroupName=branch(lab).log_group)
    yield
    labkit.create_functions(lab)


@contextmanager
def dead_letter(lab):
    url = url_of(lab, branch(lab).dead_letter_queue_name)
    lab.client("sqs").send_message(QueueUrl=url, MessageBody="Nobody could handle me.")
    yield
    lab.client("sqs").purge_queue(QueueUrl=url)


def no_alarm(kind):
    @contextmanager
    def breaker(lab):
        kind.in_branch(lab, branch(lab)).erase()
        yield
        labkit.create_alarms(lab)

    return breaker


def deaf_alarm(kind):
    @contextmanager
    def breaker(lab):
        one = kind.in_branch(lab, branch(lab))
        wanted = {"AlarmName": one.name, **one.configuration}
        lab.client("cloudwatch").put_metric_alarm(**wanted | {"Threshold": 1e6})
        yield
        labkit.create_alarms(lab)

    return breaker


def open_to_every_topic(lab):
    document = QueuePolicy.in_branch(lab, branch(lab)).document()
    del document["Statement"][0]["Condition"]
    return json.dumps(document)


@contextmanager
def not_subscribed(lab):
    arn = find_subscription(lab)
    lab.client("sns").unsubscribe(SubscriptionArn=arn)
    yield
    labkit.subscribe_queues(lab)


def subscription(name, broken, whole):
    @contextmanager
    def breaker(lab):
        arn = find_subscription(lab)
        change = lab.client("sns").set_subscription_attributes
        change(SubscriptionArn=arn, AttributeName=name, AttributeValue=broken)
        yield
        change(SubscriptionArn=arn, AttributeName=name, AttributeValue=whole)

    return breaker


@contextmanager
def bucket_open_to_the_public(lab):
    lab.client("s3").delete_public_access_block(Bucket=lab.definition.bucket_name)
    yield
    labkit.create_bucket(lab)


@contextmanager
def bucket_with_access_control_lists(lab):
    def put(rule):
        lab.client("s3").put_bucket_ownership_controls(
            Bucket=lab.definition.bucket_name, OwnershipControls={"Rules": [{"ObjectOwnership": rule}]}
        )

    put("ObjectWriter")
    yield
    put("BucketOwnerEnforced")


@contextmanager
def bucket_with_a_key_of_its_own(lab):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    lab.client("s3").put_bucket_encryption(
        Bucket=lab.definition.bucket_name, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    yield
    labkit.create_bucket(lab)


@contextmanager
def bucket_without_policy(lab):
    lab.client("s3").delete_bucket_policy(Bucket=lab.definition.bucket_name)
    yield
    labkit.create_bucket(lab)


@contextmanager
def bucket_tag(lab):
    tags = [{"Key": key, "Value": value} for key, value in lab.definition.tags.items()]
    put = lab.client("s3").put_bucket_tagging
    put(Bucket=lab.definition.bucket_name, Tagging={"TagSet": [tag for tag in tags if tag["Key"] != "Lab"]})
    yield
    put(Bucket=lab.definition.bucket_name, Tagging={"TagSet": tags})


def topic_policy_without(sid):
    @contextmanager
    def breaker(lab):
        document = topic_policy(lab)
        document["Statement"] = [statement for statement in document["Statement"] if statement["Sid"] != sid]
        lab.client("sns").set_topic_attributes(
            TopicArn=topic(lab), AttributeName="Policy", AttributeValue=json.dumps(document)
        )
        yield
        labkit.allow_s3_to_publish(lab)

    return breaker


@contextmanager
def no_notification(lab):
    lab.client("s3").put_bucket_notification_configuration(
        Bucket=lab.definition.bucket_name, NotificationConfiguration={}
    )
    yield
    labkit.create_event_notification(lab)


def rule(**changes):
    @contextmanager
    def breaker(lab):
        broken = {**find_notification(lab), **{k: v(lab) if callable(v) else v for k, v in changes.items()}}
        lab.client("s3").put_bucket_notification_configuration(
            Bucket=lab.definition.bucket_name, NotificationConfiguration={"TopicConfigurations": [broken]}
        )
        yield
        labkit.create_event_notification(lab)

    return breaker


def another_topic(lab):
    sns = lab.client("sns")
    arn = sns.create_topic(Name=f"{lab.definition.prefix}another")["TopicArn"]
    policy = json.dumps(topic_policy(lab)).replace(topic(lab), arn)
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return arn


def filters(prefix, suffix):
    return {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]}}


@contextmanager
def no_function(lab):
    lab.client("lambda").delete_function(FunctionName=branch(lab).function_name)
    yield
    labkit.create_functions(lab)


@contextmanager
def failed_state(lab):
    """No emulator lets a function fail by itself: change what Lambda answers."""

    def answer(parsed, **_):
        if parsed.get("FunctionName") == branch(lab).function_name:
            parsed.update(State="Failed", StateReason="The image could not be pulled.")

    events = lab.client("lambda").meta.events
    events.register("after-call.lambda.GetFunctionConfiguration", answer)
    yield
    events.unregister("after-call.lambda.GetFunctionConfiguration", answer)


def configuration(**broken):
    @contextmanager
    def breaker(lab):
        client, name = lab.client("lambda"), branch(lab).function_name
        before = client.get_function_configuration(FunctionName=name)
        values = {key: value(lab) if callable(value) else value for key, value in broken.items()}
        client.update_function_configuration(FunctionName=name, **values)
        yield
        client.update_function_configuration(FunctionName=name, **{key: before[key] for key in broken})

    return breaker


@contextmanager
def other_code(lab):
    package = labkit.build_package("CreateWebImage", lab.target)
    labkit.upload_code(lab, FUNCTION.name, package)
    yield
    labkit.upload_code(lab, FUNCTION.name)


@contextmanager
def stopped(lab):
    client, name = lab.client("lambda"), branch(lab).function_name
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    yield
    client.delete_function_concurrency(FunctionName=name)


@contextmanager
def no_role(lab):
    iam, name = lab.client("iam"), branch(lab).role_name
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)
    yield
    labkit.create_roles(lab)


@contextmanager
def trusted_by_ec2(lab):
    iam, name = lab.client("iam"), branch(lab).role_name
    other = json.dumps(TRUST_POLICY).replace("lambda.amazonaws.com", "ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=other)
    yield
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(TRUST_POLICY))


@contextmanager
def role_that_may_all(lab):
    document = role_policy(branch(lab))
    document["Statement"].append({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    lab.client("iam").put_role_policy(
        RoleName=branch(lab).role_name,
        PolicyName=POLICY_NAME,
        PolicyDocument=json.dumps(document),
    )
    yield
    labkit.create_roles(lab)


@contextmanager
def no_trigger(lab):
    lab.client("lambda").delete_event_source_mapping(UUID=find_trigger(lab)["UUID"])
    yield
    labkit.create_functions(lab)


def trigger(**changes):
    @contextmanager
    def breaker(lab):
        client, found = lab.client("lambda"), find_trigger(lab)
        client.update_event_source_mapping(UUID=found["UUID"], **changes)
        settled = ("Enabled", "Disabled")
        wait_until(lambda: find_trigger(lab)["State"] in settled, what="the change of the trigger", seconds=30)
        yield
        before = {"Enabled": True, "BatchSize": 1, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
        client.update_event_source_mapping(UUID=found["UUID"], **{key: before[key] for key in changes})
        labkit.enable_trigger(lab, FUNCTION.name)

    return breaker


def result(data=None, **how):
    """The thumbnail replaced by something else (None: taken away)."""

    @contextmanager
    def breaker(lab):
        s3, at = lab.client("s3"), {"Bucket": lab.definition.bucket_name, "Key": FUNCTION.result_key(KEY)}
        before = s3.get_object(**at)
        whole = before["Body"].read()
        if data is None:
            s3.delete_object(**at)
        else:
            s3.put_object(**at, Body=data(whole), **{"ContentType": "image/jpeg", **how})
        yield
        s3.put_object(**at, Body=whole, ContentType="image/jpeg", Metadata=before["Metadata"])

    return breaker


def saved(whole, picture_format="JPEG", size=None, orientation=None):
    with Image.open(io.BytesIO(whole)) as image:
        picture = image if size is None else image.resize(size)
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        out = io.BytesIO()
        picture.save(out, picture_format, exif=exif)
    return out.getvalue()


def turned(whole):
    """Same pixels once it is upright, but it leans on a tag to be so."""
    with Image.open(io.BytesIO(whole)) as image:
        flat = image.transpose(Image.Transpose.ROTATE_90)
        out = io.BytesIO()
        flat.save(out, "JPEG")
    return saved(out.getvalue(), orientation=6)


# subject of the line (in the names of a lab without prefix and suffix) -> what breaks it
BREAKERS = {
    "topic exists": no_topic,
    "type": fifo_topic,
    "tag Lab": topic_tag,
    "thumbnail-queue: exists": without_queue(fifo=False),
    "thumbnail-queue: type": without_queue(fifo=True),
    "thumbnail-queue: visibility timeout": queue_attribute(VisibilityTimeout="30"),
    "thumbnail-queue: dead letters go to": queue_attribute(RedrivePolicy=redrive(deadLetterTargetArn="another")),
    "thumbnail-queue: receives before that": queue_attribute(RedrivePolicy=redrive(maxReceiveCount=2)),
    "thumbnail-dead-letter-queue: exists": no_dead_letter_queue,
    "thumbnail-dead-letter-queue: messages are kept for": short_retention,
    "thumbnail-dead-letter-queue: dead letters": dead_letter,
    "image-alarm-thumbnail-dead-letters: exists": no_alarm(DeadLetterAlarm),
    "image-alarm-thumbnail-dead-letters: watches": deaf_alarm(DeadLetterAlarm),
    "image-alarm-thumbnail-age: exists": no_alarm(AgeAlarm),
    "image-alarm-thumbnail-age: watches": deaf_alarm(AgeAlarm),
    "thumbnail-queue: who may send": queue_attribute(Policy=open_to_every_topic),
    "thumbnail-queue: subscribed to the topic": not_subscribed,
    "thumbnail-queue: raw message delivery": subscription("RawMessageDelivery", "true", "false"),
    "thumbnail-queue: subscription filter": subscription("FilterPolicy", '{"size": ["large"]}', "{}"),
    "bucket: public access": bucket_open_to_the_public,
    "bucket: object ownership": bucket_with_access_control_lists,
    "bucket: encryption": bucket_with_a_key_of_its_own,
    "bucket: requests without TLS": bucket_without_policy,
    "bucket: tag Lab": bucket_tag,
    "topic policy: OwnerMayManageAndPublish": topic_policy_without("OwnerMayManageAndPublish"),
    "topic policy: S3MayPublishForThisBucket": topic_policy_without("S3MayPublishForThisBucket"),
    "notification exists": no_notification,
    "notification: destination": rule(TopicArn=another_topic),
    "notification: events": rule(Events=["s3:ObjectRemoved:*"]),
    "notification: prefix": rule(Filter=filters("uploads/", ".jpg")),
    "notification: suffix": rule(Filter=filters("ingest/", ".jpeg")),
    "CreateThumbnail: exists": no_function,
    "CreateThumbnail: state": failed_state,
    "CreateThumbnail: handler": configuration(Handler="lambda_function.lambda_handler"),
    "CreateThumbnail: runtime": configuration(Runtime="python3.9"),
    "CreateThumbnail: description": configuration(Description="Ann's."),
    "CreateThumbnail: memory (MB)": configuration(MemorySize=128),
    "CreateThumbnail: timeout (s)": configuration(Timeout=3),
    "CreateThumbnail: role": configuration(Role=lambda lab: lab.client("iam").get_role(
        RoleName=lab.branch("CreateWebImage").role_name)["Role"]["Arn"]),
    "CreateThumbnail: code": other_code,
    "CreateThumbnail: reserved concurrency": stopped,
    "/aws/lambda/CreateThumbnail: exists": no_log_group,
    "/aws/lambda/CreateThumbnail: kept for (days)": kept_for_ever,
    "CreateThumbnail-role: exists": no_role,
    "CreateThumbnail-role: who may assume it": trusted_by_ec2,
    "CreateThumbnail-role: what it may do": role_that_may_all,
    "CreateThumbnail: trigger": no_trigger,
    "CreateThumbnail: trigger's state": trigger(Enabled=False),
    "CreateThumbnail: trigger's batch size": trigger(BatchSize=10),
    "CreateThumbnail: partial batch response": trigger(FunctionResponseTypes=[]),
    "CreateThumbnail: visibility timeout against timeout": queue_attribute(VisibilityTimeout="30"),
    "thumbnail/Thumbnail-MonaLisa.jpg: there": result(),
    "thumbnail/Thumbnail-MonaLisa.jpg: pixels": result(lambda whole: saved(whole, size=(100, 150))),
    "thumbnail/Thumbnail-MonaLisa.jpg: format": result(lambda whole: saved(whole, "PNG")),
    "thumbnail/Thumbnail-MonaLisa.jpg: content type": result(bytes, ContentType="binary/octet-stream"),
    "thumbnail/Thumbnail-MonaLisa.jpg: EXIF orientation": result(turned),
}  # fmt: skip
# What must fail as well, because it leans on what is gone.
WITHOUT_QUEUE = {"CreateThumbnail: visibility timeout against timeout", "thumbnail-queue: who may send"}
ALSO = {
    "topic exists": {r"topic policy: .*", r"\w+-queue: subscribed to the topic"},
    "type": {r"topic policy: .*", r"\w+-queue: subscribed to the topic"},
    "thumbnail-queue: exists": WITHOUT_QUEUE,
    "thumbnail-queue: type": WITHOUT_QUEUE,
    "CreateThumbnail: role": {"CreateWebImage-role: what it may do"},  # which is another queue's and folder's
    "thumbnail-queue: visibility timeout": {"CreateThumbnail: visibility timeout against timeout"},
    "CreateThumbnail: visibility timeout against timeout": {"thumbnail-queue: visibility timeout"},
}


def test_a_whole_lab_passes_every_check(lab):
    assert failures(lab) == {}


def test_every_line_of_every_check_has_its_breaker(lab):
    subjects = {plain(lab, check.subject) for checks in all_checks(lab) for check in checks.checks}
    others = re.compile(r"web|mobile|WebImage|MobileImage")  # the same lines for the other two branches
    assert {s for s in subjects if not others.search(s)} - {"bucket exists"} == set(BREAKERS)


@pytest.mark.parametrize("subject", BREAKERS)
def test_what_is_broken_fails_and_nothing_else(lab, subject):
    with BREAKERS[subject](lab):
        failed = failures(lab)
    assert subject in failed
    assert failed[subject].expected != failed[subject].found
    assert failed[subject].hint
    allowed = [re.escape(subject), *ALSO.get(subject, ())]
    assert {other for other in failed if not any(re.fullmatch(pattern, other) for pattern in allowed)} == set()
    assert failures(lab) == {}


def test_without_a_bucket_the_check_says_so(new_lab):
    lab = new_lab()
    checks = labkit.check_notification(lab)
    assert not any(check.passed for check in checks.checks)
    assert (checks.checks[0].subject, checks.checks[0].found) == ("bucket exists", "nothing of that name")
    assert checks.checks[0].hint == "catch_up(lab, to=3) makes it."


def test_checks_come_in_the_same_order_every_time(lab):
    first, second = ([c.subject for checks in all_checks(lab) for c in checks.checks] for _ in range(2))
    assert first == second


def test_checks_change_nothing(lab):
    mark = lab.connection.calls.total
    all_checks(lab)
    operations = {call.operation for call in lab.connection.calls.since(mark)}
    assert all(name.startswith(("Get", "List", "Head", "Describe")) for name in operations), operations


def test_a_key_without_a_picture_fails_the_check_of_results(lab):
    checks = labkit.check_results(lab, "nowhere.jpg")
    assert [(check.subject, check.passed) for check in checks.checks] == [("ingest/nowhere.jpg: a picture", False)]
