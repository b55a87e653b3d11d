"""Who is refused what outside S3: roles and users by their policies and by those of queues, topics and functions."""

import json

import pytest
from account import until
from refused import refused

ACCOUNT = "123456789012"
WHERE = f"us-east-1:{ACCOUNT}"
CALL = """
    import boto3, botocore.exceptions
    def handler(event, context):
        try:
            call = getattr(boto3.client(event["service"]), event["call"])
            return call(**event["with"])["ResponseMetadata"]["HTTPStatusCode"]
        except botocore.exceptions.ClientError as error:
            return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
"""


def allow(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions, resource="*"):
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class User:
    """A user of the account, with clients of its own."""

    def __init__(self, aws, *statements):
        self.name = aws.name("user")
        self.arn = aws.iam.create_user(UserName=self.name)["User"]["Arn"]
        if statements:
            aws.iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=document(*statements))
        self._keys = aws.iam.create_access_key(UserName=self.name)["AccessKey"]
        self._aws = aws

    def client(self, service):
        return self._aws.client(service, key=self._keys["AccessKeyId"], secret=self._keys["SecretAccessKey"])


def test_a_function_may_do_what_its_role_allows_and_no_more(aws):
    url = aws.sqs.create_queue(QueueName=aws.name("queue"))["QueueUrl"]
    name = url.rpartition("/")[2]
    topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    role = aws.role(allow("sqs:ReceiveMessage"))
    function = aws.function(CALL, role=role, Timeout=20)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{function}"

    def call(service, operation, **arguments):
        return aws.invoke(function, {"service": service, "call": operation, "with": arguments})[0]

    assert call("sqs", "receive_message", QueueUrl=url) == 200
    assert call("sqs", "send_message", QueueUrl=url, MessageBody="x") == [
        "AccessDenied",
        f"User: {session} is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:{WHERE}:{name} "
        "because no identity-based policy allows the sqs:sendmessage action",
    ]
    assert call("sns", "publish", TopicArn=topic, Message="x") == [
        "AuthorizationError",
        f"User: {session} is not authorized to perform: SNS:Publish on resource: {topic} "
        "because no identity-based policy allows the SNS:Publish action",
    ]


@pytest.mark.parametrize(
    ("service", "call", "members", "status", "code", "action", "resource"),
    [
        ("sqs", "send_message_batch", {"QueueUrl": "{url}", "Entries": [{"Id": "a", "MessageBody": "b"}]},
         403, "AccessDenied", "sqs:sendmessage", " on resource: {queue}"),
        ("sqs", "list_queues", {}, 403, "AccessDenied", "sqs:listqueues", f" on resource: arn:aws:sqs:{WHERE}:"),
        ("sns", "create_topic", {"Name": "t"},
         403, "AuthorizationError", "SNS:CreateTopic", f" on resource: arn:aws:sns:{WHERE}:t"),
        ("lambda", "invoke", {"FunctionName": "f"},
         403, "AccessDeniedException", "lambda:InvokeFunction", f" on resource: arn:aws:lambda:{WHERE}:function:f"),
        ("lambda", "list_functions", {}, 403, "AccessDeniedException", "lambda:ListFunctions", " on resource: *"),
        ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"},
         403, "AccessDenied", "iam:CreateRole", f" on resource: arn:aws:iam::{ACCOUNT}:role/r"),
        ("logs", "create_log_group", {"logGroupName": "g"},
         400, "AccessDeniedException", "logs:CreateLogGroup",
         f" on resource: arn:aws:logs:{WHERE}:log-group:g:log-stream:"),
        ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": []},
         403, "AccessDenied", "cloudwatch:PutMetricData", ""),
    ],
)  # fmt: skip
def test_who_has_no_policy_is_refused_in_the_words_of_the_service(
    aws, service, call, members, status, code, action, resource
):
    url = aws.sqs.create_queue(QueueName="permissions")["QueueUrl"]
    user = User(aws)
    filled = {name: value.format(url=url) if isinstance(value, str) and "url" in value else value
              for name, value in members.items()}  # fmt: skip
    about = resource.format(queue=f"arn:aws:sqs:{WHERE}:permissions")
    words = f"User: {user.arn} is not authorized to perform: {action}{about} "
    words += f"because no identity-based policy allows the {action} action"
    assert refused(getattr(user.client(service), call), **filled) == (status, code, words)


def test_a_policy_of_the_queue_lets_a_role_in_and_keeps_it_out(aws):
    url = aws.sqs.create_queue(QueueName=aws.name("queue"))["QueueUrl"]
    arn = f"arn:aws:sqs:{WHERE}:{url.rpartition('/')[2]}"
    user = User(aws)

    def set_policy(**statement):
        policy = document({"Action": "sqs:SendMessage", "Resource": arn} | statement)
        aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    set_policy(Effect="Allow", Principal={"AWS": user.arn})
    user.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    set_policy(Effect="Allow", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})  # whom the account itself lets
    _, code, words = refused(user.client("sqs").send_message, QueueUrl=url, MessageBody="x")
    assert (code, words.partition(" because ")[2]) == (
        "AccessDenied", "no identity-based policy allows the sqs:sendmessage action"
    )  # fmt: skip
    set_policy(Effect="Deny", Principal="*")
    _, code, words = refused(User(aws, allow("*")).client("sqs").send_message, QueueUrl=url, MessageBody="x")
    assert (code, words.endswith("with an explicit deny in a resource-based policy")) == ("AccessDenied", True)


def test_a_policy_of_the_topic_lets_a_user_publish(aws):
    topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    user = User(aws)
    statement = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "SNS:Publish", "Resource": topic}
    aws.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document(statement))
    user.client("sns").publish(TopicArn=topic, Message="x")
    assert refused(user.client("sns").get_topic_attributes, TopicArn=topic)[:2] == (403, "AuthorizationError")


def test_a_permission_of_the_function_lets_a_user_invoke_it(aws):
    function = aws.function("def handler(event, context): return 1")
    user = User(aws)
    aws.lam.add_permission(
        FunctionName=function, StatementId="s", Action="lambda:InvokeFunction", Principal=user.arn
    )  # fmt: skip
    assert json.load(user.client("lambda").invoke(FunctionName=function)["Payload"]) == 1
    assert refused(user.client("lambda").get_function, FunctionName=function)[:2] == (403, "AccessDeniedException")


def test_an_explicit_deny_wins(aws):
    bucket = aws.bucket()
    user = User(aws, allow("*"), deny("sqs:ListQueues", "s3:PutObject"))
    user.client("sns").list_topics()
    for refusal in (
        refused(user.client("sqs").list_queues),
        refused(user.client("s3").put_object, Bucket=bucket, Key="k"),
    ):
        assert refusal[:2] == (403, "AccessDenied")
        assert refusal[2].endswith("with an explicit deny in an identity-based policy")


def test_policies_name_queues_groups_roles_and_namespaces(aws):
    name = aws.name("own")
    user = User(
        aws,
        allow("sqs:*", resource=f"arn:aws:sqs:*:*:{name}"),
        allow("logs:*", resource=f"arn:aws:logs:*:*:log-group:{name}:*"),
        allow("iam:GetRole", resource=f"arn:aws:iam::{ACCOUNT}:role/team/{name}"),
        allow("iam:GetUser", resource=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"),
        allow("cloudwatch:PutMetricData", Condition={"StringEquals": {"cloudwatch:namespace": name}}),
    )
    sqs, logs, cloudwatch = user.client("sqs"), user.client("logs"), user.client("cloudwatch")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert refused(sqs.create_queue, QueueName=f"{name}-other")[1] == "AccessDenied"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    assert refused(logs.create_log_group, logGroupName=f"{name}-other")[1] == "AccessDeniedException"
    aws.iam.create_role(Path="/team/", RoleName=name, AssumeRolePolicyDocument=document())
    user.client("iam").get_role(RoleName=name)
    cloudwatch.put_metric_data(Namespace=name, MetricData=[{"MetricName": "m", "Value": 1}])
    answer = refused(cloudwatch.put_metric_data, Namespace="other", MetricData=[{"MetricName": "m", "Value": 1}])
    assert answer[1] == "AccessDenied"


def test_who_makes_a_function_needs_to_pass_its_role(aws):
    role = aws.role()
    user = User(aws, allow("lambda:*"))
    making = {"FunctionName": aws.name("f"), "Role": role, "Code": {"ZipFile": b"x"}, "Handler": "fn.handler"}
    _, code, words = refused(user.client("lambda").create_function, Runtime="python3.13", **making)
    assert code == "AccessDeniedException"
    assert words == (
        f"User: {user.arn} is not authorized to perform: iam:PassRole on resource: {role} "
        "because no identity-based policy allows the iam:PassRole action"
    )


def test_who_makes_a_mapping_may_be_kept_to_a_function(aws):
    function, other = (aws.function("def handler(event, context): return 1") for _ in range(2))
    url = aws.sqs.create_queue(QueueName=aws.name("queue"))["QueueUrl"]
    queue = f"arn:aws:sqs:{WHERE}:{url.rpartition('/')[2]}"
    only = {"ArnLike": {"lambda:FunctionArn": f"arn:aws:lambda:{WHERE}:function:{function}"}}
    lam = User(aws, allow("lambda:*EventSourceMapping", Condition=only)).client("lambda")
    mapping = lam.create_event_source_mapping(FunctionName=function, EventSourceArn=queue, Enabled=False)
    assert lam.get_event_source_mapping(UUID=mapping["UUID"])["EventSourceArn"] == queue
    lam.delete_event_source_mapping(UUID=mapping["UUID"])
    until(lambda: not aws.lam.list_event_source_mappings(FunctionName=function)["EventSourceMappings"])
    assert refused(lam.get_event_source_mapping, UUID=mapping["UUID"])[:2] == (404, "ResourceNotFoundException")
    answer = refused(lam.create_event_source_mapping, FunctionName=other, EventSourceArn=queue)
    assert answer[:2] == (403, "AccessDeniedException")
    assert "lambda:CreateEventSourceMapping on resource: * because no identity-based policy allows" in answer[2]


def test_delete_objects_refuses_each_object_on_its_own(aws):
    bucket = aws.bucket()
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = aws.s3.put_object(Bucket=bucket, Key="web/b.jpg", Body=b"x")["VersionId"]
    aws.s3.put_object(Bucket=bucket, Key="ingest/a.jpg", Body=b"x")
    user = User(aws, allow("s3:DeleteObject", resource=f"arn:aws:s3:::{bucket}/web/*"))
    objects = [{"Key": "web/b.jpg", "VersionId": version}, {"Key": "web/b.jpg"}, {"Key": "ingest/a.jpg"}]
    answer = user.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [told["Key"] for told in answer["Deleted"]] == ["web/b.jpg"]
    assert answer["Deleted"][0]["DeleteMarker"]
    assert answer["Errors"] == [
        {"Key": key, "Code": "AccessDenied", "Message": "Access Denied"} for key in ("web/b.jpg", "ingest/a.jpg")
    ]
    assert [held["Key"] for held in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["ingest/a.jpg"]


def test_quiet_delete_objects_tells_of_errors_alone(aws):
    bucket = aws.bucket()
    answer = aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}], "Quiet": True})
    assert "Deleted" not in answer
