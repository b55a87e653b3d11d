"""Judges of what a student writes for AWS to read: policies are asked what they allow, and whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit import policy
from labkit.exercises.wrong import Wrong, require
from labkit.lab import Lab
from labkit.resources import QueuePolicy

SOMEONE = "999999999999"  # an account that is nobody's
EXERCISED = "CreateThumbnail"  # the branch that the exercises are about
SNS = "sns.amazonaws.com"


def message_attributes(lab: Lab, attributes: Any) -> str:  # noqa: ARG001
    """The attribute `size` of a message, as SNS wants it.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
    """
    require(isinstance(attributes, Mapping) and attributes, "boto3 would refuse it: attributes are a dictionary.")
    if "size" not in attributes:
        near = next((name for name in attributes if str(name).lower() == "size"), None)
        said = f"It is called {near!r}: names are case-sensitive, so a filter on `size` would never see it."
        raise Wrong(said if near else f"No attribute is called `size`, but {', '.join(map(str, attributes))}.")
    one = attributes["size"]
    bare = "boto3 would refuse it: an attribute is a dictionary with DataType and StringValue, and not the bare value."
    require(isinstance(one, Mapping), bare)
    kind = one.get("DataType")
    require(kind, "boto3 would refuse it: without DataType, SNS does not know how to read the value.")
    require(kind != "Number", "SNS would refuse it: a Number has to be digits, and `large` is none.")
    require(kind != "Binary", "A filter policy would never match it: filters do not look into Binary attributes.")
    require(
        kind == "String", f"SNS has no DataType {kind!r}: String, String.Array, Number and Binary are all there are."
    )
    require("StringValue" in one, "SNS would refuse it: a String has its value under StringValue.")
    value = one["StringValue"]
    require(value == "large", f"It says {value!r}, so a listener who wants `large` would not get the message.")
    return "Every subscriber can read that the photo is large, without opening the message."


def queue_policy(lab: Lab, statement: Any) -> str:
    """The statement that lets the lab's topic send to a queue: asked for the topic, strangers, and other actions."""
    queue = QueuePolicy.in_branch(lab, lab.branch(EXERCISED))
    found = _document(statement)
    if statement.get("Effect") == "Deny":
        raise Wrong("An explicit deny: it forbids what it describes, and no other permission outweighs it.")
    anyone = _stranger("sqs:SendMessage", queue.arn)
    require(not policy.allows([found], anyone), "This policy lets anyone in the world send to your queue.")
    other = f"arn:{lab.definition.partition}:sns:{lab.definition.region}:{SOMEONE}:someone-elses-topic"
    other_topic = queue.request(other, SOMEONE)
    through = "This policy lets every topic of every customer send: SNS would be the confused deputy."
    require(not policy.allows([found], other_topic), through)
    if why := policy.obstacle([found], queue.request()):
        raise Wrong(f"Your topic is refused, and SNS tells nobody: {why}.")
    also = policy.service_request(
        SNS, "sqs:DeleteQueue", queue.arn, source=lab.definition.topic_arn, account=lab.definition.account
    )
    require(not policy.allows([found], also), "It lets the topic send, and also delete the queue: name one action.")
    named = isinstance(statement["Principal"], Mapping) and "Service" in statement["Principal"]
    require(named, "The topic may send; but the principal is everybody, and the condition alone keeps them out.")
    return "Your topic may send to this queue, nobody else's may, and it may do nothing else."


def one_right_more(lab: Lab, statement: Any) -> str:
    """The statement that lets the function tag its own results, and nothing else."""
    branch, bucket = lab.branch(EXERCISED), lab.definition.bucket_arn
    require(isinstance(statement, Mapping), "IAM would refuse it: a statement is a dictionary.")
    refused = "IAM would refuse it: a role's own policy has no Principal, the role is whom it speaks of."
    require("Principal" not in statement, refused)
    require(statement.get("Effect") != "Deny", "An explicit deny: the function could never tag anything, for ever.")
    found = _document(statement, principal=False)

    def allowed(action: str, resource: str) -> bool:
        return policy.allows([found], policy.Request(action, resource), identity=True)

    own = f"{bucket}/{branch.folder}Thumbnail-cat.jpg"
    require(not allowed("iam:CreateUser", "*"), "This lets the function do everything, with all of your account.")
    require(not allowed("s3:DeleteObject", own), "It may tag, and also delete: `s3:*` is far more than one thing.")
    elsewhere = f"arn:{lab.definition.partition}:s3:::someone-elses-bucket/cat.jpg"
    require(not allowed("s3:PutObjectTagging", elsewhere), "It may tag objects in every bucket that you have.")
    photo = f"{bucket}/ingest/cat.jpg"
    require(not allowed("s3:PutObjectTagging", photo), "It may tag the photos in `ingest/` too, not only its results.")
    request = policy.Request("s3:PutObjectTagging", own)
    if why := policy.obstacle([found], request, identity=True):
        raise Wrong(f"The function still may not tag {own.rsplit('/', 1)[-1]}: {why}.")
    require(not allowed("s3:GetObject", own), "It may tag its results, and also read them: that is one right too many.")
    return f"The function may tag what it has written to `{branch.folder}`, and not one thing more."


def _document(statement: Any, *, principal: bool = True) -> dict[str, Any]:
    """A document of one statement. Raises Wrong for what AWS would call malformed."""
    require(isinstance(statement, Mapping), "AWS would call it malformed: a statement is a dictionary.")
    effect = statement.get("Effect")
    require(effect in ("Allow", "Deny"), f"AWS would call it malformed: Effect is Allow or Deny, not {effect!r}.")
    for name in ("Action", "Resource") + (("Principal",) if principal else ()):
        require(statement.get(name), f"AWS would call it malformed: it has no {name}.")
    who = statement.get("Principal")
    named = who == "*" or isinstance(who, Mapping) or not principal
    require(named, f'AWS would call it malformed: {who!r} is no principal, a service is {{"Service": "..."}}.')
    condition = statement.get("Condition", {})
    fits = isinstance(condition, Mapping) and all(isinstance(keys, Mapping) for keys in condition.values())
    shape = 'AWS would call it malformed: a condition is {"operator": {"key": "value"}}.'
    require(fits, shape)
    return {"Version": "2012-10-17", "Statement": [dict(statement)]}


def _stranger(action: str, resource: str) -> policy.Request:
    return policy.Request(action, resource, arn=f"arn:aws:iam::{SOMEONE}:root", account=SOMEONE)
