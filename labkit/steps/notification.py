"""Step 3: the bucket, the topic policy that lets S3 publish, and the event notification that makes it publish."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from labkit.errors import LabError, error_code, error_message, telling
from labkit.lab import Lab
from labkit.policy import Request, allows, as_list, service_request
from labkit.result import Check, Checks, Result
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, NOTIFICATION_NAME
from labkit.steps.making import (
    as_tag_list,
    conditions,
    deleting,
    equal,
    found_or_none,
    from_tag_list,
    making,
    missing,
    parsed,
    pretty,
    refuse_foreign,
    require,
)
from labkit.steps.topic import delete_topic, require_topic, topic_arn, topic_attributes
from labkit.waiting import wait_until

CONFIGURATION_KINDS = (
    "TopicConfigurations",
    "QueueConfigurations",
    "LambdaFunctionConfigurations",
    "EventBridgeConfiguration",
)
REFUSED_RULE = "refused"  # the rule with which the student sees S3 refuse; it never comes to be where S3 does
CANNOT_VALIDATE = "Unable to validate the following destination configurations"
# What a topic's owner needs to look after it; the list of SNS's own default policy.
OWNER_ACTIONS = (
    "SNS:GetTopicAttributes",
    "SNS:SetTopicAttributes",
    "SNS:AddPermission",
    "SNS:RemovePermission",
    "SNS:DeleteTopic",
    "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
)


@dataclass(frozen=True)
class Bucket(Result):
    """The bucket that photos are put into."""

    name: str
    region: str
    made: bool
    own: bool  # False: it existed before this lab, and outlives it

    def sentence(self) -> str:
        """Made, or there already."""
        return f"The bucket {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f'Successfully created bucket "{self.name}".',) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        """What was set on it, and why."""
        yield "name", self.name
        yield "region", self.region
        if self.own:
            yield "public access", "blocked, all four ways"
            yield "object ownership", "bucket owner enforced: no access control lists"
            yield "encryption", "SSE-S3 (AES256)"
            yield "bucket policy", "refuses requests without TLS"
        else:
            yield "settings", "not this lab's bucket: left as they are"


@dataclass(frozen=True)
class TopicPolicy(Result):
    """Who may do what with the topic."""

    topic: str
    document: Mapping[str, Any]
    made: bool

    def sentence(self) -> str:
        """What the policy says."""
        return f"The policy of {self.topic} lets its owner manage it, and S3 publish to it for one bucket alone."

    def headers(self) -> Sequence[str]:
        """Statement by statement."""
        return ("statement", "who", "may do", "only if")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a statement."""
        for statement in self.document["Statement"]:
            who = ", ".join(statement["Principal"].values())
            yield statement["Sid"], who, "\n".join(as_list(statement["Action"])), conditions(statement)

    def json(self) -> str:
        """The policy document as AWS keeps it."""
        return pretty(self.document)


@dataclass(frozen=True)
class Refusal(Result):
    """What S3 answered when it was told to publish to a topic that does not let it."""

    topic: str
    refused: bool
    code: str
    message: str

    def sentence(self) -> str:
        """Refused, as it should be, or not."""
        if self.refused:
            return f"S3 refused: the topic {self.topic} has no policy that lets S3 publish."
        return "S3 did not refuse: this endpoint does not evaluate topic policies. On AWS, it would have."

    def rows(self) -> Iterable[Sequence[object]]:
        """AWS's own code and message."""
        return (("error code", self.code), ("error message", self.message)) if self.refused else ()


@dataclass(frozen=True)
class EventNotification(Result):
    """The rule by which S3 tells the topic."""

    name: str
    bucket: str
    topic_arn: str
    made: bool

    def sentence(self) -> str:
        """The rule in words."""
        return (
            f"For every object created under {INGEST_FOLDER} whose key ends in {INGEST_SUFFIX}, "
            f"S3 {'now tells' if self.made else 'already told'} the topic."
        )

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return (f'Successfully created event notification "{self.name}".',) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        """The rule, part by part."""
        yield "name", self.name
        yield "bucket", self.bucket
        yield "events", "all object create events (s3:ObjectCreated:*)"
        yield "prefix", INGEST_FOLDER
        yield "suffix", INGEST_SUFFIX
        yield "destination", self.topic_arn


def bucket_arn(lab: Lab) -> str:
    """The ARN of the lab's bucket; bucket ARNs name neither region nor account."""
    return f"arn:{lab.connection.partition}:s3:::{lab.settings.bucket_name}"


@telling("making the bucket")
def create_bucket(lab: Lab) -> Bucket:
    """Make the private bucket for the photos: owner enforced, public access blocked, encrypted, TLS only, tagged.

    An existing bucket given to open_lab is used as it is. Returns the Bucket; calling it again changes nothing.
    Raises LabError. https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """
    s3, name = lab.client("s3"), lab.settings.bucket_name
    own = lab.settings.bucket is None
    there = bucket_exists(lab)
    if not own:
        if not there:
            raise LabError(
                f"There is no bucket {name} that these credentials can see.",
                where="looking for the existing bucket",
                hint="Check the name, or leave it out: the lab then makes a bucket of its own.",
            )
        lab.journal.created("existing bucket", name)
        return Bucket(name, lab.connection.region, made=False, own=False)
    if there:
        refuse_foreign(lab, "bucket", name, lambda: _bucket_tags(lab))
    else:
        configuration: dict[str, Any] = {"Tags": as_tag_list(lab.settings.tags)}
        if lab.connection.region != "us-east-1":  # the one region that must not be named
            configuration["LocationConstraint"] = lab.connection.region
        with making(lab, "bucket", name):
            s3.create_bucket(
                Bucket=name, ObjectOwnership="BucketOwnerEnforced", CreateBucketConfiguration=configuration
            )
    with telling(f"making the bucket {name} private"):
        if _bucket_tags(lab).get("Lab") != lab.settings.lab_id:  # an endpoint that knows no tags at creation
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": as_tag_list(lab.settings.tags)})
        s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration=dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            ),
        )
        s3.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(bucket_policy(lab)))
    lab.journal.created("bucket", name)
    return Bucket(name, lab.connection.region, made=not there, own=True)


def bucket_policy(lab: Lab) -> dict[str, Any]:
    """Deny whatever does not come over TLS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html."""
    # An emulator speaks plain HTTP on the loopback; a policy that it evaluated would lock everybody out.
    secure = {"Bool": {"aws:SecureTransport": "false"}}
    not_loopback = {} if lab.connection.where == "aws" else {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "RefuseWithoutTLS",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn(lab), f"{bucket_arn(lab)}/*"],
                "Condition": {**secure, **not_loopback},
            }
        ],
    }


def bucket_exists(lab: Lab) -> bool:
    """True if the bucket is there and these credentials may see it."""
    with telling(f"looking for the bucket {lab.settings.bucket_name}", "The name may belong to another account."):
        return found_or_none(lab.client("s3").head_bucket, Bucket=lab.settings.bucket_name) is not None


def _bucket_tags(lab: Lab) -> dict[str, str]:
    answer = found_or_none(lab.client("s3").get_bucket_tagging, Bucket=lab.settings.bucket_name)
    return from_tag_list(answer["TagSet"]) if answer else {}


def require_bucket(lab: Lab) -> str:
    """The bucket's name; LabError if it was not made."""
    kind = "bucket" if lab.settings.bucket is None else "existing bucket"
    require(lab, kind, lab.settings.bucket_name, step=3, notebook="03_notification")
    return lab.settings.bucket_name


def topic_policy(lab: Lab) -> dict[str, Any]:
    """The topic's policy: the owner's account may manage and publish, S3 may publish for this bucket alone."""
    owner = f"arn:{lab.connection.partition}:iam::{lab.connection.account}:root"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OwnerMayManageAndPublish",
                "Effect": "Allow",
                "Principal": {"AWS": owner},
                "Action": list(OWNER_ACTIONS),
                "Resource": topic_arn(lab),
            },
            {
                "Sid": "S3MayPublishForThisBucket",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "SNS:Publish",
                "Resource": topic_arn(lab),
                "Condition": {
                    "ArnLike": {"aws:SourceArn": bucket_arn(lab)},
                    "StringEquals": {"aws:SourceAccount": lab.connection.account},
                },
            },
        ],
    }


def s3_publishes(lab: Lab) -> Request:
    """What S3 asks of the topic when it has something to tell about the lab's bucket."""
    account = lab.connection.account
    return service_request("s3.amazonaws.com", "SNS:Publish", topic_arn(lab), source=bucket_arn(lab), account=account)


@telling("letting S3 publish to the topic")
def allow_s3_to_publish(lab: Lab) -> TopicPolicy:
    """Put the policy on the topic that lets S3 publish to it, for the lab's bucket and account alone.

    `aws:SourceArn` and `aws:SourceAccount` keep S3 from being used by somebody else's bucket (the confused deputy).
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    arn, document, name = require_topic(lab), topic_policy(lab), lab.settings.topic_name
    made = parsed((topic_attributes(lab) or {}).get("Policy")) != document
    if made:
        with making(lab, "topic policy", name):
            lab.client("sns").set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(document)
            )
    lab.journal.created("topic policy", name)
    return TopicPolicy(name, document, made)


@telling("trying a topic without a policy")
def try_without_policy(lab: Lab) -> Refusal:
    """Ask S3 to publish to a throwaway topic that does not let it, and return what S3 said.

    The throwaway topic is deleted again, and the bucket's notifications are as before.
    """
    bucket, name = require_bucket(lab), lab.settings.refused_topic_name
    sns, s3 = lab.client("sns"), lab.client("s3")
    with making(lab, "topic", name):
        arn = sns.create_topic(Name=name, Tags=as_tag_list(lab.settings.tags))["TopicArn"]
    lab.journal.created("topic", name, arn=arn)
    before = _notifications(lab)
    # A prefix of its own: rules that overlap are refused for that reason, and this is about another.
    rule = _rule(REFUSED_RULE, arn, prefix="refused/", suffix=".jpg")
    lab.journal.creating("event notification", REFUSED_RULE, bucket=bucket)
    try:
        after = {**before, "TopicConfigurations": [*before.get("TopicConfigurations", []), rule]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=after)
    except ClientError as error:
        lab.journal.deleted("event notification", REFUSED_RULE)
        return Refusal(name, True, error_code(error), error_message(error))
    else:
        delete_event_notification(lab, REFUSED_RULE)
        return Refusal(name, False, "", "")
    finally:
        delete_topic(lab, name)


@telling("making the event notification")
def create_event_notification(lab: Lab) -> EventNotification:
    """Tell S3 to publish every `ingest/*.jpg` that is created; other notifications of the bucket stay.

    Returns the EventNotification; calling it again changes nothing. Raises LabError with S3's refusal.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-enable-disable-notification-intro.html
    """
    bucket, arn = require_bucket(lab), require_topic(lab)
    rule, before = _rule(NOTIFICATION_NAME, arn), _notifications(lab)
    if _same_rule(_own_rule(lab, before), rule):
        lab.journal.created("event notification", NOTIFICATION_NAME, bucket=bucket)
        return EventNotification(NOTIFICATION_NAME, bucket, arn, made=False)
    after = _without_own_rule(lab, before)
    if any(other.get("Id") == NOTIFICATION_NAME for other in after.get("TopicConfigurations", [])):
        refuse_foreign(lab, "event notification", NOTIFICATION_NAME, dict)
    after["TopicConfigurations"] = [*after.get("TopicConfigurations", []), rule]
    hint = "S3 may not publish to the topic: allow_s3_to_publish(lab) sets the policy that lets it."
    with making(lab, "event notification", NOTIFICATION_NAME, hint):
        allowed = allows([(topic_attributes(lab) or {}).get("Policy")], s3_publishes(lab))
        wait_until(
            lambda: _put_notifications(lab, after, forgive=allowed),
            what="S3 to see the topic's new policy",
            seconds=30,
            hint=hint,
        )
    lab.journal.created("event notification", NOTIFICATION_NAME, bucket=bucket)
    return EventNotification(NOTIFICATION_NAME, bucket, arn, made=True)


def _put_notifications(lab: Lab, configuration: Mapping[str, Any], *, forgive: bool) -> bool:
    """Put it; a policy that was just set can take seconds to be seen, and for that alone it is tried again."""
    try:
        lab.client("s3").put_bucket_notification_configuration(
            Bucket=lab.settings.bucket_name, NotificationConfiguration=configuration
        )
    except ClientError as error:
        if forgive and CANNOT_VALIDATE in error_message(error):
            return False
        raise
    return True


def _rule(name: str, arn: str, *, prefix: str = INGEST_FOLDER, suffix: str = INGEST_SUFFIX) -> dict[str, Any]:
    return {
        "Id": name,
        "TopicArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]}},
    }


def _notifications(lab: Lab) -> dict[str, Any]:
    """The bucket's whole notification configuration, as it must be put back."""
    with telling(f"reading the notifications of {lab.settings.bucket_name}"):
        answer = lab.client("s3").get_bucket_notification_configuration(Bucket=lab.settings.bucket_name)
    return {kind: answer[kind] for kind in CONFIGURATION_KINDS if kind in answer}


def _own_rule(lab: Lab, configuration: Mapping[str, Any], name: str = NOTIFICATION_NAME) -> dict[str, Any] | None:
    rules = configuration.get("TopicConfigurations", [])
    return next((dict(rule) for rule in rules if _is_own(lab, rule, name)), None)


def _is_own(lab: Lab, rule: Mapping[str, Any], name: str) -> bool:
    """In the lab's own bucket the name says it; in somebody's, another lab may have a rule of the same name."""
    topics = (topic_arn(lab), lab.arn("sns", lab.settings.refused_topic_name))
    return rule.get("Id") == name and (lab.settings.bucket is None or rule["TopicArn"] in topics)


def _without_own_rule(lab: Lab, configuration: Mapping[str, Any], name: str = NOTIFICATION_NAME) -> dict[str, Any]:
    rest = [rule for rule in configuration.get("TopicConfigurations", []) if not _is_own(lab, rule, name)]
    others = {kind: rules for kind, rules in configuration.items() if kind != "TopicConfigurations"}
    return {**others, "TopicConfigurations": rest} if rest else others


def find_notification(lab: Lab) -> dict[str, Any] | None:
    """The lab's own notification rule on the bucket, or None."""
    return _own_rule(lab, _notifications(lab))


def rule_filters(rule: Mapping[str, Any]) -> dict[str, str]:
    """Prefix and suffix of a rule; AWS answers with capital or small initials."""
    rules = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {filter_rule["Name"].lower(): filter_rule["Value"] for filter_rule in rules}


def _same_rule(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return found is not None and all(
        (
            found["TopicArn"] == wanted["TopicArn"],
            found["Events"] == wanted["Events"],
            rule_filters(found) == rule_filters(wanted),
        )
    )


@telling("checking the event notification")
def check_notification(lab: Lab) -> Checks:
    """Look at the bucket, the topic's policy and the notification rule. Changes nothing."""
    name = lab.settings.bucket_name
    if not bucket_exists(lab):
        return Checks("event notification", (missing("bucket exists", name, 3),))
    checks = [Check("bucket exists", True, name, name)]
    if lab.settings.bucket is None:
        checks += _check_own_bucket(lab)
    statements = as_list(parsed((topic_attributes(lab) or {}).get("Policy")).get("Statement"))
    for statement in topic_policy(lab)["Statement"]:
        there = statement in statements
        checks.append(
            Check(
                f"topic policy: {statement['Sid']}",
                there,
                "the statement of step 3",
                "the statement of step 3" if there else _sids(statements),
                "allow_s3_to_publish(lab) sets the topic's policy.",
            )
        )
    rule = find_notification(lab)
    again = "create_event_notification(lab) puts the rule right."
    if rule is None:
        return Checks("event notification", (*checks, missing("notification exists", NOTIFICATION_NAME, 3)))
    filters = rule_filters(rule)
    checks += [
        Check("notification exists", True, NOTIFICATION_NAME, NOTIFICATION_NAME),
        equal("notification: destination", topic_arn(lab), rule["TopicArn"], again),
        equal("notification: events", "s3:ObjectCreated:*", ", ".join(rule["Events"]), again),
        equal("notification: prefix", INGEST_FOLDER, filters.get("prefix"), again),
        equal("notification: suffix", INGEST_SUFFIX, filters.get("suffix"), again),
    ]
    return Checks("event notification", tuple(checks))


def _sids(statements: list[Mapping[str, Any]]) -> str:
    return ", ".join(str(s.get("Sid", "a statement without Sid")) for s in statements) or "no policy"


def _check_own_bucket(lab: Lab) -> list[Check]:
    s3, name = lab.client("s3"), lab.settings.bucket_name
    block = found_or_none(s3.get_public_access_block, Bucket=name) or {}
    closed = block.get("PublicAccessBlockConfiguration", {})
    ownership = found_or_none(s3.get_bucket_ownership_controls, Bucket=name) or {}
    rules = ownership.get("OwnershipControls", {}).get("Rules", [{}])
    return [
        equal(
            "bucket: public access",
            "blocked, all four ways",
            "blocked, all four ways" if len(closed) == 4 and all(closed.values()) else "not all blocked",
            "create_bucket(lab) blocks it again.",
        ),
        equal(
            "bucket: object ownership",
            "BucketOwnerEnforced",
            rules[0].get("ObjectOwnership"),
            "s3.put_bucket_ownership_controls sets it.",
        ),
        equal(
            "bucket: encryption",
            "AES256",  # with a key of one's own in KMS, the functions' roles would need rights to that key, too
            _encryption(lab),
            "s3.put_bucket_encryption sets it; create_bucket(lab) does.",
        ),
        equal(
            "bucket: requests without TLS",
            "refused",
            "refused" if _bucket_policy(lab) == bucket_policy(lab) else "not as step 3 says",
            "create_bucket(lab) sets the bucket's policy again.",
        ),
        equal("bucket: tag Lab", lab.settings.lab_id, _bucket_tags(lab).get("Lab"), "create_bucket(lab) sets it."),
    ]


def _encryption(lab: Lab) -> str | None:
    answer = found_or_none(lab.client("s3").get_bucket_encryption, Bucket=lab.settings.bucket_name) or {}
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [{}])
    algorithm = rules[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm")
    return None if algorithm is None else str(algorithm)


def _bucket_policy(lab: Lab) -> dict[str, Any]:
    answer = found_or_none(lab.client("s3").get_bucket_policy, Bucket=lab.settings.bucket_name) or {}
    return parsed(answer.get("Policy"))


def notification_exists(lab: Lab, name: str = NOTIFICATION_NAME) -> bool:
    """True if the bucket has a notification rule of that name, and it is this lab's."""
    return bucket_exists(lab) and _own_rule(lab, _notifications(lab), name) is not None


def delete_event_notification(lab: Lab, name: str = NOTIFICATION_NAME) -> None:
    """Take the lab's own rule out of the bucket's notifications; others stay, and stay as they are.

    Their destinations are not validated once more: one that is broken is its owner's business, not in the way here.
    """
    with deleting(lab, "event notification", name):
        if bucket_exists(lab):
            before = _notifications(lab)
            if _own_rule(lab, before, name) is not None:
                lab.client("s3").put_bucket_notification_configuration(
                    Bucket=lab.settings.bucket_name,
                    NotificationConfiguration=_without_own_rule(lab, before, name),
                    SkipDestinationValidation=True,
                )


def delete_bucket(lab: Lab, name: str) -> None:
    """Empty the lab's own bucket, versions and unfinished uploads included, and delete it."""
    with deleting(lab, "bucket", name):
        wait_until(
            lambda: _emptied_and_deleted(lab, name), what=f"the last results to come to rest in {name}", seconds=60
        )


def _emptied_and_deleted(lab: Lab, name: str) -> bool:
    """A function that was still at work may put one more result into a bucket that was just emptied."""
    s3 = lab.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        _delete_objects(lab, name, [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions])
    _abort_uploads(lab, name)
    try:
        s3.delete_bucket(Bucket=name)
    except ClientError as error:
        if error_code(error) == "BucketNotEmpty":
            return False
        raise
    return True


def object_versions(lab: Lab, bucket: str, key: str) -> list[dict[str, str]]:
    """Key and version id of all that there is, or was, under one key; without versioning, the object itself."""
    found: list[dict[str, Any]] = []
    for page in lab.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        found += [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if page.get("NextKeyMarker", key) != key:
            break  # keys come in order: the rest only begins like this one
    return [{"Key": key, "VersionId": version["VersionId"]} for version in found if version["Key"] == key]


def delete_object(lab: Lab, bucket: str, key: str) -> None:
    """Delete one object, all its versions and unfinished uploads included; others in the bucket stay."""
    with deleting(lab, "object", key):
        _delete_objects(lab, bucket, object_versions(lab, bucket, key))
        _abort_uploads(lab, bucket, key)


def unfinished_uploads(lab: Lab, bucket: str, key: str | None = None) -> list[dict[str, str]]:
    """Key and upload id of what was begun in parts and not finished, under one key or in all of the bucket."""
    pages = lab.client("s3").get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key or "")
    found = [upload for page in pages for upload in page.get("Uploads", [])]
    return [{"Key": u["Key"], "UploadId": u["UploadId"]} for u in found if key in (None, u["Key"])]


def _abort_uploads(lab: Lab, bucket: str, key: str | None = None) -> None:
    for upload in unfinished_uploads(lab, bucket, key):
        lab.client("s3").abort_multipart_upload(Bucket=bucket, **upload)


def _delete_objects(lab: Lab, bucket: str, objects: list[dict[str, str]]) -> None:
    if not objects:
        return
    answer = lab.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    for error in answer.get("Errors", []):
        raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")
