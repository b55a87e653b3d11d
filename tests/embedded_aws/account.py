"""An account on an embedded AWS, and short words for what the tests make in it."""

import io
import itertools
import json
import socket
import sys
import textwrap
import time
import zipfile

import boto3
from botocore.config import Config

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
NUMBERS = itertools.count(1)
REQUEST = {"Effect": "Allow", "Action": ["sqs:*", "s3:*", "logs:*"], "Resource": "*"}


def zipped(source="", **files):
    """The bytes of a zip whose `fn.py` is `source`, with more files by name (dots for slashes stay)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {"fn.py": textwrap.dedent(source), **files}.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # writestr alone makes it 0600, closed to Lambda
            archive.writestr(entry, content)
    return buffer.getvalue()


# A module for a function's zip: whoever calls gate.wait(port) goes on when the test opens that gate.
GATE = {
    "gate.py": """
import contextlib, socket

def wait(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.recv(1)
"""
}


class Gate:
    """Where invocations wait, so that a test can see how many run at once."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(60)
        self._waiting = []
        self.port = self._server.getsockname()[1]

    def wait_for(self, count):
        """Return when so many wait at the same time."""
        while len(self._waiting) < count:
            self._waiting.append(self._server.accept()[0])

    def open(self):
        """Let everybody go on, also who comes later."""
        for one in (self._server, *self._waiting):
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()


def until(condition, seconds=20.0):
    """Wait for the condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {condition}")


class Account:
    """Clients of one server, and resources with names of their own."""

    def __init__(self, server):
        self.server = server
        for attribute, service in (
            ("s3", "s3"), ("sns", "sns"), ("sqs", "sqs"), ("iam", "iam"),
            ("lam", "lambda"), ("logs", "logs"), ("sts", "sts"), ("cloudwatch", "cloudwatch"),
        ):  # fmt: skip
            setattr(self, attribute, self.client(service))

    def client(self, service, *, key=None, secret=None, token=None, **config):
        """A client with the owner's keys, or with others."""
        return boto3.client(
            service,
            endpoint_url=self.server.url,
            region_name=self.server.region,
            aws_access_key_id=key or self.server.access_key,
            aws_secret_access_key=secret or self.server.secret_key,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=70, **config),
        )

    def name(self, kind):
        return f"{kind}-{next(NUMBERS)}"

    def role(self, *statements, trust=TRUST):
        name = self.name("role")
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        document = {"Version": "2012-10-17", "Statement": list(statements) or [REQUEST]}
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        return arn

    def function(self, source="", *, role=None, files=None, **options):
        """Make a function from source text; return its name."""
        settings = {
            "FunctionName": self.name("function"),
            "Role": role or self.role(),
            "Handler": "fn.handler",
            "Runtime": RUNTIME,
            "Code": {"ZipFile": zipped(source, **(files or {}))},
        } | options
        self.lam.create_function(**settings)
        self.lam.get_function(FunctionName=settings["FunctionName"])  # as a waiter does
        return settings["FunctionName"]

    def invoke(self, function, event=None, **options):
        """Return what came back: the payload as an object, the whole response."""
        response = self.lam.invoke(FunctionName=function, Payload=json.dumps(event), **options)
        return json.loads(response["Payload"].read() or b"null"), response

    def queue(self, **attributes):
        """Make a queue; return its URL and ARN."""
        attributes = {name: str(value) for name, value in ({"VisibilityTimeout": 30} | attributes).items()}
        url = self.sqs.create_queue(QueueName=self.name("queue"), Attributes=attributes)["QueueUrl"]
        return url, self.attributes(url)["QueueArn"]

    def attributes(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    def depth(self, url):
        """How many messages wait, are in flight."""
        attributes = self.attributes(url)
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def mapping(self, function, queue_arn, **options):
        """Make an event source mapping and wait until it is enabled; return its UUID."""
        made = self.lam.create_event_source_mapping(
            FunctionName=function, EventSourceArn=queue_arn, **({"BatchSize": 1} | options)
        )
        until(lambda: self.lam.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled")
        return made["UUID"]

    def bucket(self):
        name = self.name("bucket")
        self.s3.create_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]

    def events(self, function):
        """Every log event of a function, in order."""
        try:
            return self.logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []

    def messages(self, function):
        return [event["message"] for event in self.events(function)]

    def reports(self, function):
        return [message for message in self.messages(function) if message.startswith("REPORT")]

    def pipeline(self, *, topic_allows=True, queue_allows=True, **queue_attributes):
        """Bucket -> topic -> queue, with the two policies; return bucket, topic ARN, queue URL, queue ARN."""
        bucket = self.bucket()
        topic = self.sns.create_topic(Name=self.name("topic"))["TopicArn"]
        url, queue = self.queue(**queue_attributes)
        if topic_allows:
            self.allow_s3(topic, bucket)
        if queue_allows:
            self.allow_topic(url, queue, topic)
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return bucket, topic, url, queue

    def allow_s3(self, topic, bucket):
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "s3.amazonaws.com"},
                    "Action": "SNS:Publish",
                    "Resource": topic,
                    "Condition": {
                        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
                        "StringEquals": {"aws:SourceAccount": self.server.account},
                    },
                }
            ],
        }
        self.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))

    def allow_topic(self, url, queue, topic):
        policy = {
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
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})

    def notify(self, bucket, topic, prefix="ingest/", suffix=".jpg", **options):
        rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
        configuration = {
            "Id": "resize-image-event",
            "TopicArn": topic,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }
        self.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [configuration]}, **options
        )

    def receive(self, url, count=1, seconds=10):
        """Receive and delete `count` messages."""
        received = []
        deadline = time.monotonic() + seconds
        while len(received) < count and time.monotonic() < deadline:
            response = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["All"]
            )
            for message in response.get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                received.append(message)
        return received
