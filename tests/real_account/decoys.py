"""Things that are not the lab's, of the same kinds and with names as near as can be: none of them may be touched."""

import io
import json
import zipfile

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def zip_of(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("CreateThumbnail.py", text)
    return buffer.getvalue()


def make_decoys(session, *, account, region, name="decoy", **client_options):
    """Make one thing of each kind, tied together as the lab's are; returns their names by kind."""

    def client(service):
        return session.client(service, **client_options)

    sns, sqs, s3, functions = client("sns"), client("sqs"), client("s3"), client("lambda")
    topic = sns.create_topic(Name=f"resize-image-topic-{name}")["TopicArn"]
    url = sqs.create_queue(QueueName=f"thumbnail-queue-{name}", tags={"Project": "somebody-elses"})["QueueUrl"]
    queue = f"arn:aws:sqs:{region}:{account}:thumbnail-queue-{name}"
    sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes={
            "Policy": json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sns.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": queue,
                            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
                        }
                    ],
                }
            )
        },
    )
    sns.set_topic_attributes(
        TopicArn=topic,
        AttributeName="Policy",
        AttributeValue=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "s3.amazonaws.com"},
                        "Action": "SNS:Publish",
                        "Resource": topic,
                        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                    }
                ],
            }
        ),
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"image-alarm-thumbnail-age-{name}",
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": f"thumbnail-queue-{name}"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    bucket = f"image-lab-{account}-{name}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="ingest/theirs.jpg", Body=b"theirs")
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "TopicConfigurations": [
                {
                    "Id": "their-event",
                    "TopicArn": topic,
                    "Events": ["s3:ObjectRemoved:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "theirs/"}]}},
                }
            ],
            "EventBridgeConfiguration": {},
        },
    )
    role = client("iam").create_role(
        RoleName=f"CreateThumbnail-role-{name}", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    client("iam").put_role_policy(
        RoleName=f"CreateThumbnail-role-{name}",
        PolicyName="theirs",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["sqs:*"], "Resource": queue}],
            }
        ),
    )
    functions.create_function(
        FunctionName=f"CreateThumbnail-{name}",
        Runtime="python3.13",
        Role=role,
        Handler="CreateThumbnail.handler",
        Code={"ZipFile": zip_of("def handler(event, context): pass")},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=f"CreateThumbnail-{name}", WaiterConfig={"Delay": 1})
    functions.create_event_source_mapping(
        EventSourceArn=queue, FunctionName=f"CreateThumbnail-{name}", BatchSize=1, Enabled=False
    )
    client("logs").create_log_group(logGroupName=f"/aws/lambda/CreateThumbnail-{name}")
    return {"topic": topic, "queue": queue, "bucket": bucket, "role": role}


def let_everything(session, role, **client_options):
    """Make it a role such as Academy's LabRole, which may do more than the lab needs."""
    statement = {"Effect": "Allow", "Action": ["s3:*", "sqs:*", "logs:*"], "Resource": "*"}
    session.client("iam", **client_options).put_role_policy(
        RoleName=role,
        PolicyName="much",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
