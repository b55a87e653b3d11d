"""The ways of breaking a lab: each with the first thing the doctor must find, and the line of a check that must fail.

`SETTINGS` are wrong settings; what the doctor advises fixes each. `RISKS` let photos through today. `HARMLESS` ones are
another way of doing it: the check says FAIL, the doctor says healthy, and both are right. `PHOTOS` are about a photo.
"""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import labkit
from labkit import Lab
from labkit.resources import Notification, Queue, QueuePolicy, Subscription, TopicPolicy, Trigger
from labkit.resources.bucket import bucket_of
from labkit.resources.role import POLICY_NAME, role_policy
from labkit.waiting import wait_until


@dataclass(frozen=True)
class Fault:
    """`hop` is what the doctor names first; `check` the subject of a line that fails; `break_it` does the damage."""

    name: str
    hop: str
    check: str
    break_it: Callable[[Lab], str | None]  # returns the photo's key where the fault is about a photo
    spoils_the_function: bool = False


def find_notification(lab):
    return next(Notification.of(lab)).read()


def topic_policy(lab):
    return next(TopicPolicy.of(lab)).document()


def queue_policy(lab, branch):
    return QueuePolicy.in_branch(lab, branch).document()


def find_trigger(lab, branch):
    return Trigger.in_branch(lab, branch).read()


def find_subscription(lab, branch):
    return Subscription.in_branch(lab, branch).find_arn()


def queue_url(lab, name):
    return Queue(lab, name).url()


def put_rule(lab, **changes):
    """The lab's rule with something about it changed."""
    rule = {**find_notification(lab), **changes}
    lab.client("s3").put_bucket_notification_configuration(
        Bucket=lab.definition.bucket_name, NotificationConfiguration={"TopicConfigurations": [rule]}
    )


def filters(**parts):
    return {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in parts.items()]}}


def no_notification(lab):
    lab.client("s3").put_bucket_notification_configuration(
        Bucket=lab.definition.bucket_name, NotificationConfiguration={}
    )


def other_topic(lab):
    sns = lab.client("sns")
    arn = sns.create_topic(Name=f"{lab.definition.prefix}somewhere-else")["TopicArn"]
    policy = json.dumps(topic_policy(lab)).replace(lab.definition.topic_arn, arn)
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    put_rule(lab, TopicArn=arn)


def set_topic_policy(lab, statements):
    document = {"Version": "2012-10-17", "Statement": statements}
    lab.client("sns").set_topic_attributes(
        TopicArn=lab.definition.topic_arn, AttributeName="Policy", AttributeValue=json.dumps(document)
    )


def s3_statement_of_another_bucket(lab):
    owner, s3 = topic_policy(lab)["Statement"]
    s3["Condition"]["ArnLike"]["aws:SourceArn"] = "arn:aws:s3:::somebody-elses-bucket"
    set_topic_policy(lab, [owner, s3])


def set_queue(lab, index, **attributes):
    url = queue_url(lab, lab.branches[index].queue_name)
    lab.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)


def queue_policy_for_another_topic(lab):
    document = queue_policy(lab, lab.branches[2])
    document["Statement"][0]["Condition"] = {"ArnEquals": {"aws:SourceArn": lab.arn("sns", "another-topic")}}
    set_queue(lab, 2, Policy=json.dumps(document))


def queue_policy_with_a_deny(lab):
    document = queue_policy(lab, lab.branches[0])
    deny = {**document["Statement"][0], "Sid": "OnlyFromThatAccount", "Effect": "Deny"}
    deny["Condition"] = {"StringNotEquals": {"aws:SourceAccount": "999999999999"}}
    document["Statement"].append(deny)
    set_queue(lab, 0, Policy=json.dumps(document))


def set_subscription(lab, index, name, value):
    arn = find_subscription(lab, lab.branches[index])
    lab.client("sns").set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)


def unsubscribe(lab, index):
    arn = find_subscription(lab, lab.branches[index])
    lab.client("sns").unsubscribe(SubscriptionArn=arn)


def set_trigger(lab, index, **changes):
    """Change a trigger, and wait until Lambda has done it: until then it is underway, whatever it will be."""
    lab.client("lambda").update_event_source_mapping(UUID=find_trigger(lab, lab.branches[index])["UUID"], **changes)
    wait_until(
        lambda: find_trigger(lab, lab.branches[index])["State"] in ("Enabled", "Disabled"),
        what="the trigger to be changed",
        seconds=30,
    )


def delete_role(lab):
    iam, name = lab.client("iam"), lab.branches[1].role_name
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def role_without(lab, index, sid):
    function = lab.branches[index]
    document = role_policy(function)
    document["Statement"] = [statement for statement in document["Statement"] if statement["Sid"] != sid]
    lab.client("iam").put_role_policy(
        RoleName=function.role_name,
        PolicyName=POLICY_NAME,
        PolicyDocument=json.dumps(document),
    )


def trust_of_another_service(lab):
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    lab.client("iam").update_assume_role_policy(
        RoleName=lab.branches[2].role_name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def second_policy(lab):
    iam, name = lab.client("iam"), lab.branches[0].role_name
    iam.put_role_policy(RoleName=name, PolicyName="for-now", PolicyDocument=json.dumps(EVERYTHING))


def attached_policy(lab):
    iam, name = lab.client("iam"), f"{lab.definition.prefix}everything"
    found = [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"] if policy["PolicyName"] == name]
    arn = (found or [iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(EVERYTHING))["Policy"]["Arn"]])[0]
    iam.attach_role_policy(RoleName=lab.branches[1].role_name, PolicyArn=arn)


def role_for_everybody(lab):
    statements = [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]
    statements.append({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    lab.client("iam").update_assume_role_policy(
        RoleName=lab.branches[2].role_name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )


def queue_for_everybody(lab):
    document = queue_policy(lab, lab.branches[1])
    document["Statement"][0] |= {"Principal": "*", "Condition": {}}
    set_queue(lab, 1, Policy=json.dumps(document))


def queue_for_every_topic(lab):
    document = queue_policy(lab, lab.branches[2])
    del document["Statement"][0]["Condition"]
    set_queue(lab, 2, Policy=json.dumps(document))


def topic_for_every_bucket(lab):
    owner, s3 = topic_policy(lab)["Statement"]
    del s3["Condition"]
    set_topic_policy(lab, [owner, s3])


def function_name(lab, index):
    return lab.branches[index].function_name


def configure(lab, index, **changes):
    lab.client("lambda").update_function_configuration(FunctionName=function_name(lab, index), **changes)


SETTINGS = (
    Fault("the bucket is gone", "bucket", "bucket exists", lambda lab: bucket_of(lab).delete()),
    Fault("no event notification", "notification", "notification exists", no_notification),
    Fault(
        "the notification's prefix is uploads/",
        "notification",
        "notification: prefix",
        lambda lab: put_rule(lab, Filter=filters(prefix="uploads/", suffix=".jpg")),
    ),
    Fault(
        "the notification's suffix is .jpeg",
        "notification",
        "notification: suffix",
        lambda lab: put_rule(lab, Filter=filters(prefix="ingest/", suffix=".jpeg")),
    ),
    Fault(
        "the notification is about removed objects",
        "notification",
        "notification: events",
        lambda lab: put_rule(lab, Events=["s3:ObjectRemoved:*"]),
    ),
    Fault("the notification tells another topic", "notification", "notification: destination", other_topic),
    Fault(
        "the topic is gone",
        "topic",
        "topic exists",
        lambda lab: lab.client("sns").delete_topic(TopicArn=lab.definition.topic_arn),
    ),
    Fault(
        "the topic's policy does not let S3 publish",
        "topic policy",
        "topic policy: S3MayPublishForThisBucket",
        lambda lab: set_topic_policy(lab, topic_policy(lab)["Statement"][:1]),
    ),
    Fault(
        "the topic's policy names another bucket",
        "topic policy",
        "topic policy: S3MayPublishForThisBucket",
        s3_statement_of_another_bucket,
    ),
    Fault(
        "a queue is not subscribed",
        "subscription of CreateWebImage",
        "web-queue: subscribed to the topic",
        lambda lab: unsubscribe(lab, 1),
    ),
    Fault(
        "a subscription has a filter",
        "subscription of CreateMobileImage",
        "mobile-queue: subscription filter",
        lambda lab: set_subscription(lab, 2, "FilterPolicy", '{"size": ["large"]}'),
    ),
    Fault(
        "a queue is gone",
        "queue of CreateThumbnail",
        "thumbnail-queue: exists",
        lambda lab: lab.client("sqs").delete_queue(QueueUrl=queue_url(lab, lab.branches[0].queue_name)),
    ),
    Fault(
        "messages are hidden for less time than the function works",
        "queue of CreateWebImage",
        "web-queue: visibility timeout",
        lambda lab: set_queue(lab, 1, VisibilityTimeout="5"),
    ),
    Fault(
        "a queue lets nobody send",
        "queue policy of CreateWebImage",
        "web-queue: who may send",
        lambda lab: set_queue(lab, 1, Policy=""),
    ),
    Fault(
        "a queue's policy names another topic",
        "queue policy of CreateMobileImage",
        "mobile-queue: who may send",
        queue_policy_for_another_topic,
    ),
    Fault(
        "a queue's policy denies all accounts but another one",
        "queue policy of CreateThumbnail",
        "thumbnail-queue: who may send",
        queue_policy_with_a_deny,
    ),
    Fault(
        "a trigger is gone",
        "trigger of CreateThumbnail",
        "CreateThumbnail: trigger",
        lambda lab: lab.client("lambda").delete_event_source_mapping(UUID=find_trigger(lab, lab.branches[0])["UUID"]),
    ),
    Fault(
        "a trigger is disabled",
        "trigger of CreateWebImage",
        "CreateWebImage: trigger's state",
        lambda lab: set_trigger(lab, 1, Enabled=False),
    ),
    Fault("a role is gone", "role of CreateWebImage", "CreateWebImage-role: exists", delete_role),
    Fault(
        "a role may not take from the queue",
        "role of CreateThumbnail",
        "CreateThumbnail-role: what it may do",
        lambda lab: role_without(lab, 0, "TakeFromItsQueue"),
    ),
    Fault(
        "a role may not write results",
        "role of CreateMobileImage",
        "CreateMobileImage-role: what it may do",
        lambda lab: role_without(lab, 2, "WriteItsResults"),
    ),
    Fault(
        "Lambda may not assume a role",
        "role of CreateMobileImage",
        "CreateMobileImage-role: who may assume it",
        trust_of_another_service,
    ),
    Fault(
        "a function is gone",
        "function of CreateMobileImage",
        "CreateMobileImage: exists",
        lambda lab: lab.client("lambda").delete_function(FunctionName=function_name(lab, 2)),
    ),
    Fault(
        "a function's handler is wrong",
        "function of CreateThumbnail",
        "CreateThumbnail: handler",
        lambda lab: configure(lab, 0, Handler="lambda_function.lambda_handler"),
    ),
    Fault(
        "a function's reserved concurrency is 0",
        "function of CreateWebImage",
        "CreateWebImage: reserved concurrency",
        lambda lab: lab.client("lambda").put_function_concurrency(
            FunctionName=function_name(lab, 1), ReservedConcurrentExecutions=0
        ),
    ),
    Fault(
        "a message was moved to the dead letters",
        "dead letters of CreateWebImage",
        "web-dead-letter-queue: dead letters",
        lambda lab: lab.client("sqs").send_message(
            QueueUrl=queue_url(lab, lab.branches[1].dead_letter_queue_name),
            MessageBody='{"Event": "s3:TestEvent"}',
        ),
    ),
)

RISKS = (
    Fault(
        "the notification has no prefix",
        "notification",
        "notification: prefix",
        lambda lab: put_rule(lab, Filter=filters(suffix=".jpg")),
    ),
    Fault(
        "no redrive policy",
        "redrive of CreateThumbnail",
        "thumbnail-queue: dead letters go to",
        lambda lab: set_queue(lab, 0, RedrivePolicy=""),
    ),
    Fault(
        "the dead-letter queue is gone",
        "redrive of CreateWebImage",
        "web-dead-letter-queue: exists",
        lambda lab: lab.client("sqs").delete_queue(QueueUrl=queue_url(lab, lab.branches[1].dead_letter_queue_name)),
    ),
    Fault(
        "failures in a batch are not reported",
        "trigger of CreateMobileImage",
        "CreateMobileImage: partial batch response",
        lambda lab: set_trigger(lab, 2, FunctionResponseTypes=[]),
    ),
)

RISKS += (
    Fault(
        "the topic's policy lets any bucket of anybody publish",
        "topic policy",
        "topic policy: S3MayPublishForThisBucket",
        topic_for_every_bucket,
    ),
    Fault(
        "anyone in the world may send to a queue",
        "queue policy of CreateWebImage",
        "web-queue: who may send",
        queue_for_everybody,
    ),
    Fault(
        "any topic may send to a queue",
        "queue policy of CreateMobileImage",
        "mobile-queue: who may send",
        queue_for_every_topic,
    ),
    Fault(
        "a role has a second policy that allows everything",
        "role of CreateThumbnail",
        "CreateThumbnail-role: what it may do",
        second_policy,
    ),
    Fault(
        "a policy that allows everything is attached to a role",
        "role of CreateWebImage",
        "CreateWebImage-role: what it may do",
        attached_policy,
    ),
    Fault(
        "anyone in the world may assume a role",
        "role of CreateMobileImage",
        "CreateMobileImage-role: who may assume it",
        role_for_everybody,
    ),
    Fault(
        "a log group is gone",
        "log group of CreateThumbnail",
        "/aws/lambda/CreateThumbnail: exists",
        lambda lab: lab.client("logs").delete_log_group(logGroupName=lab.branches[0].log_group),
    ),
    Fault(
        "the bucket is not closed to the public",
        "bucket",
        "bucket: public access",
        lambda lab: lab.client("s3").delete_public_access_block(Bucket=lab.definition.bucket_name),
    ),
)

HARMLESS = (
    Fault(
        "raw message delivery is on",
        "",
        "web-queue: raw message delivery",
        lambda lab: set_subscription(lab, 1, "RawMessageDelivery", "true"),
    ),
    Fault(
        "more memory than the lab's", "", "CreateThumbnail: memory (MB)", lambda lab: configure(lab, 0, MemorySize=1024)
    ),
    Fault("no description", "", "CreateWebImage: description", lambda lab: configure(lab, 1, Description="")),
)


def put(lab, key, data):
    lab.client("s3").put_object(Bucket=lab.definition.bucket_name, Key=key, Body=data)
    return key


def photo_bytes():
    return labkit.sample("HappyFace.jpg").read_bytes()


def put_before_the_notification(lab):
    rule = find_notification(lab)
    no_notification(lab)
    put(lab, "ingest/early.jpg", photo_bytes())
    lab.client("s3").put_bucket_notification_configuration(
        Bucket=lab.definition.bucket_name, NotificationConfiguration={"TopicConfigurations": [rule]}
    )
    return "ingest/early.jpg"


def take_a_result_away(lab):
    upload = labkit.upload_photo(lab, labkit.sample("HappyFace.jpg"), name="robbed.jpg")
    labkit.wait_for_results(lab, upload)
    labkit.wait_for_logs(lab, "CreateThumbnail", key=upload.key)
    lab.client("s3").delete_object(Bucket=upload.bucket, Key="thumbnail/Thumbnail-robbed.jpg")
    return upload.key


def package_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # readable by everyone, as Lambda needs it
            archive.writestr(entry, data)
    return buffer.getvalue()


def with_code(lab, code, **configuration):
    """CreateThumbnail with code that fails, and a photo sent to it; returns when an invocation has failed."""
    client, name = lab.client("lambda"), function_name(lab, 0)
    updated = client.get_waiter("function_updated_v2")  # Lambda takes one change after another
    client.update_function_code(FunctionName=name, ZipFile=code)
    updated.wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    if configuration:
        client.update_function_configuration(FunctionName=name, **configuration)
        updated.wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    key = put(lab, "ingest/sent.jpg", photo_bytes())
    wait_until(
        lambda: [r for r in labkit.read_logs(lab, "CreateThumbnail").invocations if r.finished and r.status != "ok"],
        what="a failed invocation of CreateThumbnail",
        seconds=60,
    )
    return key


def handler_that(*body):
    return package_of({"CreateThumbnail.py": "def handler(event, context):\n" + "".join(f"    {b}\n" for b in body)})


def zip_in_a_zip(lab):
    inner = handler_that("return {}")
    return with_code(lab, package_of({"CreateThumbnail.zip": inner}))


def corrupt_photo(lab):
    key = put(lab, "ingest/torn.jpg", photo_bytes()[:2000])
    labkit.wait_for_logs(lab, "CreateMobileImage", key=key)
    labkit.wait_for_logs(lab, "CreateThumbnail", key=key)
    labkit.wait_for_logs(lab, "CreateWebImage", key=key)
    return key


THERE = "thumbnail/Thumbnail-{name}: there"
PHOTOS = (
    Fault(
        "a photo in the wrong folder",
        "key",
        "ingest/uploads/cat.jpg: a picture",
        lambda lab: put(lab, "uploads/cat.jpg", photo_bytes()),
    ),
    Fault(
        "a photo called .jpeg",
        "key",
        "thumbnail/Thumbnail-cat.jpeg: there",
        lambda lab: put(lab, "ingest/cat.jpeg", photo_bytes()),
    ),
    Fault(
        "a photo called .JPG",
        "key",
        "thumbnail/Thumbnail-cat.JPG: there",
        lambda lab: put(lab, "ingest/cat.JPG", photo_bytes()),
    ),
    Fault("no such photo", "photo", "ingest/nowhere.jpg: a picture", lambda lab: "ingest/nowhere.jpg"),
    Fault("an empty photo", "photo", "ingest/empty.jpg: a picture", lambda lab: put(lab, "ingest/empty.jpg", b"")),
    Fault("a corrupt photo", "invocations of CreateThumbnail", "ingest/torn.jpg: a picture", corrupt_photo),
    Fault(
        "a photo that came before the notification",
        "result of CreateThumbnail",
        THERE.format(name="early.jpg"),
        put_before_the_notification,
    ),
    Fault(
        "a result that somebody took away",
        "result of CreateThumbnail",
        THERE.format(name="robbed.jpg"),
        take_a_result_away,
    ),
    Fault(
        "the package is a zip in a zip",
        "invocations of CreateThumbnail",
        THERE.format(name="sent.jpg"),
        zip_in_a_zip,
        spoils_the_function=True,
    ),
    Fault(
        "the function needs too long",
        "invocations of CreateThumbnail",
        THERE.format(name="sent.jpg"),
        lambda lab: with_code(lab, handler_that("import time", "time.sleep(30)"), Timeout=1),
        spoils_the_function=True,
    ),
    Fault(
        "the function needs too much memory",
        "invocations of CreateThumbnail",
        THERE.format(name="sent.jpg"),
        lambda lab: with_code(lab, handler_that("return len(bytearray(800_000_000)[::4096])"), MemorySize=128),
        spoils_the_function=True,
    ),
    Fault(
        "the function fails on every message",
        "invocations of CreateThumbnail",
        THERE.format(name="sent.jpg"),
        lambda lab: with_code(lab, handler_that("return event['Photos']")),
        spoils_the_function=True,
    ),
)
