"""Step 3: the bucket, the topic policy that lets S3 publish, and the event notification that makes it publish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from labkit import resources
from labkit.errors import aws_errors, error_code, error_message
from labkit.lab import Lab
from labkit.policy import as_list, conditions, pretty
from labkit.resources import Notification, judge_settled, kinds_of_step
from labkit.resources.bucket import bucket_of
from labkit.result import Checks, Result
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX

CANNOT_VALIDATE = "Unable to validate the following destination configurations"


@dataclass(frozen=True)
class Bucket(Result):
    """The bucket that photos are put into."""

    name: str
    region: str
    made: bool
    own: bool  # False: it existed before this lab, and outlives it

    def sentence(self) -> str:
        return f"The bucket {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        return (f'Successfully created bucket "{self.name}".',) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
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
        return f"The policy of {self.topic} lets its owner manage it, and S3 publish to it for one bucket alone."

    def headers(self) -> Sequence[str]:
        return ("statement", "who", "may do", "only if")

    def rows(self) -> Iterable[Sequence[object]]:
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
        if self.refused:
            return f"S3 refused: the topic {self.topic} has no policy that lets S3 publish."
        return "S3 did not refuse: this endpoint does not evaluate topic policies. On AWS, it would have."

    def rows(self) -> Iterable[Sequence[object]]:
        return (("error code", self.code), ("error message", self.message)) if self.refused else ()


@dataclass(frozen=True)
class EventNotification(Result):
    """The rule by which S3 tells the topic."""

    name: str
    bucket: str
    topic_arn: str
    made: bool

    def sentence(self) -> str:
        return (
            f"For every object created under {INGEST_FOLDER} whose key ends in {INGEST_SUFFIX}, "
            f"S3 {'now tells' if self.made else 'already told'} the topic."
        )

    def console(self) -> Sequence[str]:
        return (f'Successfully created event notification "{self.name}".',) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        yield "name", self.name
        yield "bucket", self.bucket
        yield "events", "all object create events (s3:ObjectCreated:*)"
        yield "prefix", INGEST_FOLDER
        yield "suffix", INGEST_SUFFIX
        yield "destination", self.topic_arn


@aws_errors("making the bucket")
def create_bucket(lab: Lab) -> Bucket:
    """Make the private bucket for the photos: owner enforced, public access blocked, encrypted, TLS only, tagged.

    An existing bucket given to open_lab is used as it is. Returns the Bucket; calling it again sets nothing but that.
    Raises LabError. https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """
    bucket, own = bucket_of(lab), lab.definition.bucket is None
    made = bucket.create({} if bucket.exists() else None)
    if own:
        bucket.make_private()
    return Bucket(bucket.name, lab.definition.region, made, own)


@aws_errors("letting S3 publish to the topic")
def allow_s3_to_publish(lab: Lab) -> TopicPolicy:
    """Put the policy on the topic that lets S3 publish to it, for the lab's bucket and account alone.

    `aws:SourceArn` and `aws:SourceAccount` keep S3 from being used by someone else's bucket (the confused deputy).
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    policy = next(resources.TopicPolicy.of(lab))
    policy.topic.require()
    document = policy.document()
    made = policy.read() != document
    if made:
        with policy.journaled_create():
            policy.make()
    lab.journal.created(*policy.key)
    return TopicPolicy(policy.name, document, made)


@aws_errors("trying a topic without a policy")
def try_without_policy(lab: Lab) -> Refusal:
    """Ask S3 to publish to a throwaway topic that does not let it, and return what S3 said.

    The throwaway topic is deleted again, and the bucket's notifications are as before.
    """
    bucket_of(lab).require()
    topic, rule = resources.Topic.refused(lab), Notification.refused(lab)
    topic.create()
    # A prefix of its own: rules that overlap are refused for that reason, and this is about another.
    filters = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "refused/"}, {"Name": "suffix", "Value": ".jpg"}]}}
    lab.journal.creating(*rule.key, **rule.facts)
    try:
        after = rule.with_own(rule.configuration(), rule.rule(TopicArn=topic.arn, Filter=filters))
        lab.client("s3").put_bucket_notification_configuration(Bucket=rule.bucket.name, NotificationConfiguration=after)
    except ClientError as error:
        lab.journal.deleted(*rule.key)
        if CANNOT_VALIDATE not in error_message(error):
            raise  # refused for another reason, which says nothing of the topic's policy
        return Refusal(topic.name, True, error_code(error), error_message(error))
    else:
        rule.delete()
        return Refusal(topic.name, False, "", "")
    finally:
        topic.delete()


@aws_errors("making the event notification")
def create_event_notification(lab: Lab) -> EventNotification:
    """Tell S3 to publish every `ingest/*.jpg` that is created; other notifications of the bucket stay.

    Returns the EventNotification; calling it again changes nothing. Raises LabError with S3's refusal.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-enable-disable-notification-intro.html
    """
    bucket_of(lab).require()
    next(resources.Topic.of(lab)).require()
    rule = next(Notification.of(lab))
    made = rule.create()
    return EventNotification(rule.name, rule.bucket.name, lab.definition.topic_arn, made)


@aws_errors("checking the event notification")
def check_notification(lab: Lab) -> Checks:
    """Look at the bucket, the topic's policy and the notification rule. Changes nothing."""
    return Checks("event notification", judge_settled(lab, *kinds_of_step(3)))
