"""Judges of what a student writes for AWS to read: policies are asked what they allow, and whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit import policy
from labkit.exercises.wrong import Wrong, require
from labkit.insight.template import export_template
from labkit.lab import Lab
from labkit.resources import QueuePolicy

SOMEONE = "999999999999"  # an account that is nobody's
EXERCISED = "CreateThumbnail"  # the branch that the exercises are about
SNS = "sns.amazonaws.com"
SUBSCRIPTION, ARCHIVE = "AWS::SNS::Subscription", "ArchiveQueue"  # in a template


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


def filter_policy(lab: Lab, document: Any) -> str:  # noqa: ARG001
    """A subscription's filter that lets through what is large, and nothing else.

    https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
    """
    require(isinstance(document, Mapping), "SNS would refuse it: a filter policy is a dictionary.")
    require(document, "An empty filter is no filter: every message comes.")
    for name, wanted in document.items():
        alone = f"SNS would refuse it: {name!r} needs a list of what may come, even if that is one thing."
        require(isinstance(wanted, list), alone)
        unknown = "SNS would refuse it: DataType and StringValue are for the message; a filter has the value alone."
        require(not any(isinstance(one, Mapping) and "DataType" in one for one in wanted), unknown)
    came = [words for words, attributes in MESSAGES.items() if _comes_through(document, attributes)]
    deaf = "Nothing would ever come: no message has such an attribute. Names and values are case-sensitive."
    require(came, deaf)
    require("a large photo" in came, f"What comes is {' and '.join(came)}; the large photo does not.")
    require(came == ["a large photo"], f"What comes is {' and '.join(came)}: only the large one was asked for.")
    return "Large photos come, small ones do not. (What S3 sends has no attributes, and would not come either.)"


MESSAGES = {
    "a large photo": {"size": "large"},
    "a small photo": {"size": "small"},
    "a message without attributes": {},
}


def _comes_through(document: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    return all(any(_matches(one, attributes.get(name)) for one in wanted) for name, wanted in document.items())


def _matches(wanted: Any, given: str | None) -> bool:
    if not isinstance(wanted, Mapping):
        return bool(wanted == given)
    if "exists" in wanted:
        return (given is not None) is bool(wanted["exists"])
    if given is None:
        return False
    if "anything-but" in wanted:
        barred = wanted["anything-but"]
        return given not in (barred if isinstance(barred, list) else [barred])
    return given.startswith(str(wanted.get("prefix", given + " ")))


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


def subscription_in_a_template(lab: Lab, resource: Any) -> str:
    """The resource of a template that subscribes the queue `ArchiveQueue` to the template's topic.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-subscription.html
    """
    require(isinstance(resource, Mapping), "CloudFormation would refuse it: a resource is a dictionary.")
    kind, properties = resource.get("Type"), resource.get("Properties")
    near = f"CloudFormation knows no resource {kind!r}, and would refuse the whole template."
    require(kind == SUBSCRIPTION, near if kind else "CloudFormation would not know what to make: it has no Type.")
    beside = "CloudFormation would refuse the whole template: what the subscription is like stands in its Properties."
    require(isinstance(properties, Mapping) and set(resource) <= {"Type", "Properties", "DependsOn"}, beside)
    if unknown := sorted(properties.keys() - export_template(lab).resources["ThumbnailSubscription"]["Properties"]):
        raise Wrong(f"CloudFormation would refuse it: a subscription has no property {unknown[0]!r}.")
    protocol = properties.get("Protocol")
    require(protocol == "sqs", f"SNS would take the queue for something else: its protocol is `sqs`, not {protocol!r}.")
    _topic_of_the_template(properties.get("TopicArn"))
    _queue_of_the_template(properties.get("Endpoint"))
    raw = "Raw delivery is on: S3's event comes without SNS's envelope, and the functions' code would not know it."
    require(properties.get("RawMessageDelivery") in (None, False, "false"), raw)
    return "CloudFormation makes the queue first, as the subscription names it; in every lab it is that lab's own."


def _topic_of_the_template(topic: Any) -> None:
    fixed = "The topic's ARN is written out: a second lab's queue would get the news of the first."
    require(not isinstance(topic, str) and not _is(topic, "Fn::Sub"), fixed)
    asked = "CloudFormation would refuse it: a topic has no attribute of that name. Its ARN is what `Ref` gives."
    require(not _is(topic, "Fn::GetAtt") or topic == {"Fn::GetAtt": ["Topic", "TopicArn"]}, asked)
    nothing = f"CloudFormation would refuse the whole template: {topic!r} is no topic in it."
    require(topic in ({"Ref": "Topic"}, {"Fn::GetAtt": ["Topic", "TopicArn"]}), nothing)


def _queue_of_the_template(queue: Any) -> None:
    url = "SNS would refuse it, and CloudFormation undo the whole stack: `Ref` of a queue is its URL, not its ARN."
    require(queue != {"Ref": ARCHIVE}, url)
    fixed = "The queue's ARN is written out: CloudFormation would not know that it has to make the queue first."
    require(not isinstance(queue, str) and not _is(queue, "Fn::Sub"), fixed)
    other = f"The news would go to another queue, or to none: what is named is {queue!r}, and not `{ARCHIVE}`."
    require(_is(queue, "Fn::GetAtt") and queue["Fn::GetAtt"] in ([ARCHIVE, "Arn"], f"{ARCHIVE}.Arn"), other)


def _is(value: Any, function: str) -> bool:
    return isinstance(value, Mapping) and function in value


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
