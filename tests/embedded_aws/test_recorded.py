"""What AWS was recorded to answer: fields that are there and fields that are not, codes and words."""

import contextlib
import json

import pytest
from account import TRUST, until
from refused import refused

ACCOUNT = "123456789012"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def traced(client):
    """The client, sending a trace with each request."""
    client.meta.events.register("before-send", lambda request, **_: request.headers.update({"X-Amzn-Trace-Id": TRACE}))
    return client


def told(aws, *events):
    """A bucket whose events go to a queue; return both."""
    url, queue = aws.queue()
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    bucket = aws.bucket()
    rules = [{"QueueArn": queue, "Events": list(events)}]
    aws.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": rules}
    )
    aws.receive(url)  # the test event
    return bucket, url


def records(aws, url, count=1):
    return [json.loads(message["Body"])["Records"][0] for message in aws.receive(url, count=count)]


class TestS3Events:
    def test_tags_and_acls_tell_less_in_a_later_version(self, aws):
        bucket, url = told(aws, "s3:ObjectTagging:*", "s3:ObjectAcl:Put")
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        aws.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        aws.s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
        for record in records(aws, url, 2):
            assert record["eventVersion"] == "2.3"
            assert set(record["s3"]["object"]) == {"key", "eTag"}

    def test_each_key_of_a_deletion_is_told_also_what_was_not_there(self, aws):
        bucket, url = told(aws, "s3:ObjectRemoved:*")
        aws.s3.put_object(Bucket=bucket, Key="there", Body=b"x")
        aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "there"}, {"Key": "missing"}]})
        found = records(aws, url, 2)
        assert {record["s3"]["object"]["key"] for record in found} == {"there", "missing"}
        assert {record["eventName"] for record in found} == {"ObjectRemoved:Delete"}

    def test_the_sender_is_named(self, aws):
        bucket, url = told(aws, "s3:ObjectCreated:*")
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        (record,) = records(aws, url)
        assert record["userIdentity"]["principalId"] == f"AWS:{aws.sts.get_caller_identity()['UserId']}"

    def test_a_trace_goes_along(self, aws):
        bucket, url = told(aws, "s3:ObjectCreated:*")
        traced(aws.client("s3")).put_object(Bucket=bucket, Key="k", Body=b"x")
        answer = aws.sqs.receive_message(QueueUrl=url, AttributeNames=["AWSTraceHeader"], WaitTimeSeconds=10)
        assert answer["Messages"][0]["Attributes"] == {"AWSTraceHeader": TRACE}

    def test_a_restored_object_is_told_with_its_expiry(self, aws):
        bucket, url = told(aws, "s3:ObjectRestore:*")
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="GLACIER")
        aws.s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1})
        until(lambda: 'ongoing-request="false"' in aws.s3.head_object(Bucket=bucket, Key="k").get("Restore", ""))
        by_name = {record["eventName"]: record for record in records(aws, url, 2)}
        completed = by_name["ObjectRestore:Completed"]
        assert completed["glacierEventData"]["restoreEventData"]["lifecycleRestoreStorageClass"] == "GLACIER"
        assert completed["userIdentity"]["principalId"].startswith("AmazonCustomer:")


class TestSuspendedVersioning:
    @pytest.fixture
    def bucket(self, aws):
        bucket = aws.bucket()
        self.version(aws, bucket, "Enabled")
        self.first = aws.s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
        self.version(aws, bucket, "Suspended")
        return bucket

    @staticmethod
    def version(aws, bucket, status):
        aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    def test_what_came_before_stays(self, aws, bucket):
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"2")
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"3")
        versions = aws.s3.list_object_versions(Bucket=bucket)["Versions"]
        assert {version["VersionId"] for version in versions} == {self.first, "null"}
        assert aws.s3.get_object(Bucket=bucket, Key="k", VersionId=self.first)["Body"].read() == b"1"

    def test_a_deletion_leaves_a_marker_and_the_versions(self, aws, bucket):
        answer = aws.s3.delete_object(Bucket=bucket, Key="k")
        assert (answer["DeleteMarker"], answer["VersionId"]) == (True, "null")
        assert aws.s3.get_object(Bucket=bucket, Key="k", VersionId=self.first)["Body"].read() == b"1"
        answer = aws.s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
        assert (answer["DeleteMarker"], answer["VersionId"]) == (True, "null")
        assert aws.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


class TestTopics:
    def topic(self, aws, **attributes):
        return aws.sns.create_topic(Name=aws.name("topic"), Attributes=attributes)["TopicArn"]

    def test_what_was_never_set_is_not_shown(self, aws):
        shown = aws.sns.get_topic_attributes(TopicArn=self.topic(aws))["Attributes"]
        assert {"DeliveryPolicy", "SignatureVersion", "TracingConfig"} & set(shown) == set()
        assert json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
        shown = aws.sns.get_topic_attributes(TopicArn=self.topic(aws, SignatureVersion="2"))["Attributes"]
        assert shown["SignatureVersion"] == "2"

    def test_a_subscription_names_who_made_it(self, aws):
        topic, (_, queue) = self.topic(aws), aws.queue()
        arn = aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
        shown = aws.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        assert shown["SubscriptionPrincipal"] == aws.sts.get_caller_identity()["Arn"]
        scope = {"FilterPolicyScope": "MessageAttributes"}  # the default
        again = aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=scope)
        assert again["SubscriptionArn"] == arn

    def test_permissions(self, aws):
        topic = self.topic(aws)
        ask = {"TopicArn": topic, "Label": "one", "AWSAccountId": [ACCOUNT]}
        aws.sns.add_permission(**ask, ActionName=["Publish"])
        words = "Invalid parameter: Statement already exists"
        assert refused(aws.sns.add_permission, **ask, ActionName=["Publish"]) == (400, "InvalidParameter", words)
        words = "Invalid parameter: Policy statement action out of service scope!"
        answer = refused(aws.sns.add_permission, **ask | {"Label": "two"}, ActionName=["CreateTopic"])
        assert answer == (400, "InvalidParameter", words)

    def test_no_token_confirms(self, aws):
        for token, words in (("random", "Invalid token"), ("51b2" * 40, "Invalid parameter: Token")):
            answer = refused(aws.sns.confirm_subscription, TopicArn=self.topic(aws), Token=token)
            assert answer == (400, "InvalidParameter", words)

    @pytest.mark.parametrize("kind", ["String.", "Stringy", "Text"])
    def test_types_of_attributes(self, aws, kind):
        attributes = {"a": {"DataType": kind, "StringValue": "x"}}
        status, code, message = refused(
            aws.sns.publish, TopicArn=self.topic(aws), Message="m", MessageAttributes=attributes
        )
        assert (status, code) == (400, "ParameterValueInvalid")
        assert message.startswith("The message attribute 'a' has an invalid message attribute type")

    def test_what_is_no_text_in_a_structured_message_is_passed_over(self, aws):
        _, topic, url, _ = aws.pipeline()
        message = json.dumps({"default": "for all", "sqs": {"not": "a text"}})
        aws.sns.publish(TopicArn=topic, Message=message, MessageStructure="json")
        (received,) = aws.receive(url)
        assert json.loads(received["Body"])["Message"] == "for all"

    def test_a_trace_goes_along(self, aws):
        _, topic, url, _ = aws.pipeline()
        traced(aws.client("sns")).publish(TopicArn=topic, Message="m")
        answer = aws.sqs.receive_message(QueueUrl=url, AttributeNames=["AWSTraceHeader"], WaitTimeSeconds=10)
        assert answer["Messages"][0]["Attributes"] == {"AWSTraceHeader": TRACE}


class TestQueues:
    def test_what_is_too_long_in_a_batch_fails_alone(self, aws):
        url, _ = aws.queue(MaximumMessageSize=1024)
        entries = [{"Id": "fits", "MessageBody": "a" * 1024}, {"Id": "long", "MessageBody": "a" * 1025}]
        answer = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        words = "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
        assert [entry["Id"] for entry in answer["Successful"]] == ["fits"]
        assert answer["Failed"] == [
            {"Id": "long", "Code": "InvalidParameterValue", "Message": words, "SenderFault": True}
        ]
        assert "Failed" not in aws.sqs.send_message_batch(QueueUrl=url, Entries=entries[:1])

    def test_a_name_rests_when_the_settings_say_so(self, servers):
        aws = servers(queue_name_seconds=0.5)
        url, arn = aws.queue()
        aws.sqs.delete_queue(QueueUrl=url)
        name = arn.rpartition(":")[2]
        words = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
        answer = refused(aws.sqs.create_queue, QueueName=name)
        assert answer == (400, "AWS.SimpleQueueService.QueueDeletedRecently", words)
        until(lambda: name in [url.rpartition("/")[2] for url in self.made(aws, name)])

    @staticmethod
    def made(aws, name):
        with contextlib.suppress(aws.sqs.exceptions.QueueDeletedRecently):
            return [aws.sqs.create_queue(QueueName=name)["QueueUrl"]]
        return []

    def test_true_counts_in_either_case(self, aws):
        name = aws.name("queue") + ".fifo"
        url = aws.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "True"})["QueueUrl"]
        assert aws.attributes(url)["FifoQueue"] == "true"
        assert aws.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"] == url

    def test_no_tags_are_not_shown(self, aws):
        assert "Tags" not in aws.sqs.list_queue_tags(QueueUrl=aws.queue()[0])

    def test_a_trace_goes_along(self, aws):
        url, _ = aws.queue()
        traced(aws.client("sqs")).send_message(QueueUrl=url, MessageBody="m")
        answer = aws.sqs.receive_message(QueueUrl=url, AttributeNames=["AWSTraceHeader"], WaitTimeSeconds=10)
        assert answer["Messages"][0]["Attributes"] == {"AWSTraceHeader": TRACE}

    @pytest.mark.parametrize(
        ("names", "seen"),
        [
            (["*"], {"a.b", "a.c", "d"}),
            ([".*"], {"a.b", "a.c", "d"}),
            (["a.*"], {"a.b", "a.c"}),
            (["d"], {"d"}),
            ([], set()),
        ],
    )
    def test_attributes_by_name(self, aws, names, seen):
        url, _ = aws.queue()
        sent = {name: {"DataType": "String", "StringValue": "x"} for name in ("a.b", "a.c", "d")}
        aws.sqs.send_message(QueueUrl=url, MessageBody="m", MessageAttributes=sent)
        (message,) = aws.sqs.receive_message(QueueUrl=url, MessageAttributeNames=names)["Messages"]
        assert set(message.get("MessageAttributes", {})) == seen

    def test_permissions(self, aws):
        url, arn = aws.queue()
        ask = {"QueueUrl": url, "Label": "one"}
        aws.sqs.add_permission(**ask, AWSAccountIds=[ACCOUNT], Actions=["ReceiveMessage"])
        policy = json.loads(aws.attributes(url)["Policy"])
        assert (policy["Version"], policy["Id"]) == ("2008-10-17", f"{arn}/SQSDefaultPolicy")
        aws.sqs.remove_permission(**ask)
        assert "Policy" not in aws.attributes(url)
        words = "Value one for parameter Label is invalid. Reason: can't find label."
        assert refused(aws.sqs.remove_permission, **ask) == (400, "InvalidParameterValue", words)

    def test_tasks_that_are_none(self, aws):
        answer = refused(aws.sqs.cancel_message_move_task, TaskHandle="none")
        assert answer == (400, "InvalidParameterValue", "Value for parameter TaskHandle is invalid.")
        answer = refused(aws.sqs.list_message_move_tasks, SourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:none")
        words = "The resource that you specified for the SourceArn parameter doesn't exist."
        assert answer == (404, "ResourceNotFoundException", words)


class TestRolesAndSessions:
    def test_a_new_role_shows_what_aws_shows(self, aws):
        made = aws.iam.create_role(RoleName=aws.name("role"), AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        assert set(made) == {"Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"}
        assert aws.iam.get_role(RoleName=made["RoleName"])["Role"]["MaxSessionDuration"] == 3600

    def test_what_is_encoded_in_a_policy_stays_so(self, aws):
        trust = json.loads(json.dumps(TRUST))
        trust["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceArn": "arn%3Aaws"}}
        aws.role(trust=trust)
        roles = aws.iam.get_paginator("list_roles").paginate().search("Roles[].AssumeRolePolicyDocument")
        assert trust in list(roles)

    def test_a_policy_that_is_not_there(self, aws):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/none"
        answer = refused(aws.iam.get_policy, PolicyArn=arn)
        assert answer == (404, "NoSuchEntity", f"Policy {arn} was not found.")

    @pytest.mark.parametrize(
        ("effect", "action", "decision"),
        [
            ("Allow", "s3:GetObject", "allowed"),
            ("Allow", "s3:PutObject", "implicitDeny"),
            ("Deny", "s3:GetObject", "explicitDeny"),
        ],
    )
    def test_policies_are_simulated(self, aws, effect, action, decision):
        role = aws.role({"Effect": effect, "Action": "s3:Get*", "Resource": "*"})
        answer = aws.iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=[action])
        (result,) = answer["EvaluationResults"]
        assert (result["EvalActionName"], result["EvalDecision"]) == (action, decision)

    def test_the_owner_is_a_user_of_the_account(self, aws):
        shown = aws.sts.get_caller_identity()
        assert shown["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/owner"
        assert aws.iam.get_user()["User"]["UserId"] == shown["UserId"]

    def test_session_keys_count(self, aws):
        keys = aws.sts.get_session_token()["Credentials"]
        session = {
            "key": keys["AccessKeyId"],
            "secret": keys["SecretAccessKey"],
            "token": keys["SessionToken"],
        }
        assert aws.client("sts", **session).get_caller_identity()["Arn"] == aws.sts.get_caller_identity()["Arn"]
        answer = refused(aws.client("sts", **session).get_session_token)
        assert answer == (403, "AccessDenied", "Cannot call GetSessionToken with session credentials")

    def test_a_federated_user_may_what_the_policy_says(self, aws):
        bucket = aws.bucket()
        statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        keys = aws.sts.get_federation_token(Name="guest", Policy=policy)["Credentials"]
        s3 = aws.client("s3", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=keys["SessionToken"])
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        assert refused(s3.list_objects_v2, Bucket=bucket)[:2] == (403, "AccessDenied")

    def test_a_role_is_assumed_by_whom_it_trusts_alone(self, aws):
        status, code, message = refused(aws.sts.assume_role, RoleArn=aws.role(), RoleSessionName="me")
        assert (status, code) == (403, "AccessDenied")
        assert message.startswith(f"User: arn:aws:iam::{ACCOUNT}:user/owner is not authorized to perform: ")

    @pytest.mark.parametrize("arn", ["nothing-valid-in-here", "arn:a:a::aaaaaaaaaa:", "arn::b:::something/a-role"])
    def test_arns_that_are_none(self, aws, arn):
        answer = refused(aws.sts.assume_role, RoleArn=arn, RoleSessionName="me")
        assert answer[:2] == (400, "ValidationError")
        assert f"{arn} is invalid" in answer[2] or "roleArn" in answer[2]

    def test_tags_of_a_session(self, aws):
        ask = {"RoleArn": aws.role(), "RoleSessionName": "me"}
        words = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        tags = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
        assert refused(aws.sts.assume_role, **ask, Tags=tags) == (400, "InvalidParameterValue", words)
        words = "The specified transitive tag key must be included in the requested tags."
        answer = refused(aws.sts.assume_role, **ask, Tags=tags[:1], TransitiveTagKeys=["b"])
        assert answer == (400, "InvalidParameterValue", words)


class TestLogGroups:
    def test_groups_by_pattern(self, aws):
        name = aws.name("/a-pattern/here")
        aws.logs.create_log_group(logGroupName=name)
        (group,) = aws.logs.describe_log_groups(logGroupNamePattern=name[4:])["logGroups"]
        assert (group["logGroupName"], group["logGroupClass"]) == (name, "STANDARD")
        assert "deletionProtectionEnabled" not in group
        (group,) = aws.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert group["deletionProtectionEnabled"] is False
        (group,) = aws.logs.list_log_groups(logGroupNamePattern=f"^{name}")["logGroups"]
        assert set(group) == {"logGroupName", "logGroupArn", "logGroupClass"}
        assert aws.logs.list_log_groups(logGroupNamePattern="not-there")["logGroups"] == []

    def test_groups_come_in_pages(self, aws):
        names = sorted(aws.name("/a-page/of") for _ in range(3))
        for name in names:
            aws.logs.create_log_group(logGroupName=name)
        pages = [aws.logs.list_log_groups(logGroupNamePattern="^/a-page/of", limit=2)]
        pages.append(
            aws.logs.list_log_groups(logGroupNamePattern="^/a-page/of", limit=2, nextToken=pages[0]["nextToken"])
        )
        assert [group["logGroupName"] for page in pages for group in page["logGroups"]] == names
        assert "nextToken" not in pages[1]
