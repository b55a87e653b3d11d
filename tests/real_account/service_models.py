"""Requests against botocore's service models, beyond what botocore itself enforces before it sends one.

botocore checks that required parameters are there, types, and some minima. The models say more, and AWS refuses what
breaks it: patterns, enums, lengths and ranges. Where a model is silent (SQS and SNS say almost nothing), AWS's
documentation has the limits that stand in DOCUMENTED.
"""

import functools
import re

import botocore.session

# Java's classes of characters, as far as the models use them.
CLASSES = {r"\p{L}": "A-Za-z\u00c0-\uffef", r"\p{Z}": r"\s", r"\p{N}": "0-9", r"\p{M}": "\u0300-\u036f"}

# (service, parameter) -> what the whole value must match, with the page that says so.
DOCUMENTED = {
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    ("sqs", "QueueName"): r"[A-Za-z0-9_-]{1,80}",
    ("sqs", "VisibilityTimeout"): r"\d{1,4}|[1-3]\d{4}|4[0-2]\d{3}|43[01]\d{2}|43200",
    ("sqs", "MessageRetentionPeriod"): r"[6-9]\d|\d{3,6}|1[01]\d{5}|120\d{4}|1209600",
    # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    ("sns", "Name"): r"[A-Za-z0-9_-]{1,256}",
    ("sns", "TopicArn"): r"arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}",
    ("sns", "Protocol"): r"sqs",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    ("s3", "Bucket"): r"(?!xn--|sthree-)(?!.*(-s3alias|--ol-s3)$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
    ("s3", "Tagging"): r"(?:[A-Za-z0-9_.:/=+@%-]{1,384}=[A-Za-z0-9_.:/=+@%-]{0,768}&?){1,10}",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    ("s3", "Key"): r".{1,1024}",
}


@functools.cache
def _session():
    return botocore.session.get_session()


@functools.cache
def operation_model(service, operation):
    return _session().get_service_model(service).operation_model(operation)


def violations(service, operation, parameters):
    """What AWS would refuse of a request, in words; an empty list if nothing."""
    shape = operation_model(service, operation).input_shape
    if shape is None:
        return []
    return [f"{service} {operation}: {words}" for words in _check(service, shape, parameters, "")]


def _check(service, shape, value, name):
    at, rules = name or "the request", shape.metadata
    if shape.type_name == "structure":
        for required in shape.required_members:
            if required not in value:
                yield f"{at} lacks {required}"
        for key, part in value.items():
            if key not in shape.members:
                yield f"{at} has {key}, which the model does not know"
            else:
                yield from _check(service, shape.members[key], part, key)
        return
    if shape.type_name == "list":
        for part in value:
            yield from _check(service, shape.member, part, name)
    elif shape.type_name == "map":
        for key, part in value.items():
            yield from _check(service, shape.key, key, f"a key of {name}")
            yield from _check(service, shape.value, part, key)
    elif shape.type_name == "string":
        yield from _check_text(service, rules, value, name)
    size = value if shape.type_name in ("integer", "long") else len(value) if hasattr(value, "__len__") else None
    if size is not None and size < rules.get("min", size):
        yield f"{at} is {size}, less than {rules['min']}"
    if size is not None and size > rules.get("max", size):
        yield f"{at} is {size}, more than {rules['max']}"


def _check_text(service, rules, value, name):
    if "enum" in rules and value not in rules["enum"]:
        yield f"{name} is {value!r}, none of {', '.join(rules['enum'][:12])} ..."
    if "pattern" in rules and not re.fullmatch(_python_pattern(rules["pattern"]), value, re.DOTALL):
        yield f"{name} is {value!r}, which does not match {rules['pattern']}"
    if (documented := DOCUMENTED.get((service, name))) and not re.fullmatch(documented, value):
        yield f"{name} is {value!r}, which does not match {documented}"


def _python_pattern(pattern):
    for theirs, ours in CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    return pattern
