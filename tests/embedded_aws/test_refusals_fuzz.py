"""No request that AWS's models know is answered by 500: as they should be, and with one member broken.

What cannot be understood is the client's fault (4xx), what is not there is not implemented (501).
"""

import random

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from refused import unchecked

SERVICES = {
    "s3": "s3", "sns": "sns", "sqs": "sqs", "iam": "iam", "lambda": "lam", "logs": "logs", "sts": "sts",
    "cloudwatch": "cloudwatch",
}  # fmt: skip
ACCOUNT = "123456789012"
NASTY = ["", " ", "x" * 3000, "\x08", "ü", "a/b", "../..", "{", "[]", "null", "-1", "%00", "a:b:c:d:e:f:g"]
WRONG = [None, "", "x", -1, 2**40, 1.5, True, [], {}, [None], {"a": 1}, [[1]], "x" * 3000]


class Asker:
    """Makes up the members of operations, from what is there and from what is not."""

    def __init__(self, aws, seed):
        self.random = random.Random(seed)
        function = aws.function("def handler(e, c): return e")
        url, queue = aws.queue()
        bucket, group = aws.bucket(), aws.name("/group")
        aws.s3.put_object(Bucket=bucket, Key="key", Body=b"x")
        aws.logs.create_log_group(logGroupName=group)
        aws.logs.create_log_stream(logGroupName=group, logStreamName="stream")
        role = aws.role()
        topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
        # What operations find when they ask for something by this name.
        self.known = {
            "Bucket": bucket, "Key": "key", "QueueUrl": url, "QueueName": queue.rsplit(":", 1)[1],
            "TopicArn": topic, "FunctionName": function, "RoleName": role.rsplit("/", 1)[1], "Role": role,
            "RoleArn": role, "PolicyName": "p", "logGroupName": group, "logStreamName": "stream",
            "EventSourceArn": queue, "Endpoint": queue, "Protocol": "sqs", "ResourceArn": topic, "SourceArn": queue,
            "Message": "m", "MessageBody": "m", "Name": "name", "WaitTimeSeconds": 0, "UUID": "a" * 36,
        }  # fmt: skip

    def members(self, shape):
        """Members as the model describes them: what is required, and some of the rest."""
        made = {}
        for name, member in shape.members.items():
            if name == "ContentLength":
                continue  # a promise that the body does not keep is no request
            if name == "WaitTimeSeconds":
                made[name] = 0  # nobody waits for a message
            elif name in shape.required_members or self.random.random() < 0.3:
                made[name] = self.value(member, name)
        return made

    def value(self, shape, name, depth=0):
        if name in self.known and shape.type_name == "string" and self.random.random() < 0.8:
            return self.known[name]
        return getattr(self, f"_{shape.type_name}", self._string)(shape, name, depth)

    def _structure(self, shape, name, depth):
        if depth > 4:
            return {}
        wanted = [member for member in shape.members if member in shape.required_members or self.random.random() < 0.4]
        return {member: self.value(shape.members[member], member, depth + 1) for member in wanted}

    def _list(self, shape, name, depth):
        return [self.value(shape.member, name, depth + 1) for _ in range(self.random.randint(0, 2) if depth < 4 else 0)]

    def _map(self, shape, name, depth):
        count = self.random.randint(0, 2) if depth < 4 else 0
        return {str(self.value(shape.key, "", depth + 1)): self.value(shape.value, "", depth + 1) for _ in range(count)}

    def _integer(self, shape, name, depth):
        return self.random.choice([shape.metadata.get("min", 0), shape.metadata.get("max", 10), 1, 7])

    _long = _integer

    def _double(self, shape, name, depth):
        return self.random.random()

    _float = _double

    def _boolean(self, shape, name, depth):
        return self.random.random() < 0.5

    def _timestamp(self, shape, name, depth):
        return self.random.choice([0, 1_700_000_000])

    def _blob(self, shape, name, depth):
        return self.random.choice([b"", b"x", b"{}"])

    def _string(self, shape, name, depth):
        if enum := shape.metadata.get("enum"):
            return self.random.choice(enum)
        if "Arn" in name or "ARN" in name:
            services = ["sqs", "sns", "lambda", "iam", "s3"]
            return f"arn:aws:{self.random.choice(services)}:us-east-1:{ACCOUNT}:function:none"
        least = shape.metadata.get("min", 0)
        return self.random.choice([*NASTY, "name", "name-2", "x" * least]).ljust(least, "x")

    def broken(self, members):
        """The same members with one of them spoilt or gone, at any depth."""
        members = dict(members)
        if not members:
            return members
        name = self.random.choice(sorted(members))
        if isinstance(members[name], dict) and members[name] and self.random.random() < 0.5:
            members[name] = self.broken(members[name])
        elif self.random.random() < 0.2:
            del members[name]
        else:
            members[name] = self.random.choice(WRONG)
        return members


def ask(client, operation, members):
    """Return the status of the answer, or None when botocore itself could not put the request together."""
    try:
        answer = client._make_api_call(operation, members)
    except ClientError as error:
        if error.response["Error"]["Code"] == "500":  # botocore's own word for XML that it cannot read: S3 answers
            return 200  # with a key as it is, and a key may have characters that XML has not
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    except ReadTimeoutError:  # it must not be silent either
        raise
    except Exception:  # such a request no client of botocore's can send
        return None
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def walk(aws, service, rounds, seed):
    asker = Asker(aws, seed)
    client = unchecked(aws, service)
    model = aws.client(service).meta.service_model
    sent, failed = 0, []
    for _ in range(rounds):
        for operation in model.operation_names:
            shape = model.operation_model(operation).input_shape
            members = asker.members(shape) if shape else {}
            for wanted in (members, asker.broken(members)):
                status = ask(client, operation, wanted)
                sent += status is not None
                if status == 500:
                    failed.append((operation, wanted))
    return sent, failed


@pytest.mark.parametrize("service", SERVICES)
def test_no_operation_answers_500(aws, service):
    sent, failed = walk(aws, service, 1, seed=1)
    assert failed == []
    assert sent > 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("service", SERVICES)
def test_no_operation_answers_500_however_often_it_is_asked(aws, service):
    sent, failed = walk(aws, service, 40, seed=2)
    assert failed == []
    assert sent > 500
