"""The topic's policy: its owner may manage it, and S3 may publish to it for one bucket alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self

from labkit import policy
from labkit.lab import Lab
from labkit.policy import as_list, service_request
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, About, Line, Snapshot
from labkit.resources.resource import Resource, Right, parsed, template_resource
from labkit.resources.topic import Topic

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
FOR_THIS_BUCKET = "S3MayPublishForThisBucket"
OF_SNS = "__default_statement_ID"  # the one statement of that default policy


class TopicPolicy(Resource):
    """Who may do what with the topic. It is an attribute of the topic, and goes with it.

    `aws:SourceArn` and `aws:SourceAccount` keep S3 from being used by someone else's bucket (the confused deputy).
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """

    kind, step, notebook = "topic policy", 3, "03_notification"
    planned = deletable = False

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        yield cls(lab, lab.definition.topic_name)

    @property
    def topic(self) -> Topic:
        """What it is put on."""
        return Topic(self.lab, self.name)

    @property
    def arn(self) -> str:
        return self.topic.arn

    def hangs_on(self) -> Topic:
        return self.topic

    def document(self) -> dict[str, Any]:
        """The policy as step 3 makes it: the owner's account may manage and publish, S3 for this bucket alone."""
        lab = self.lab.definition
        owner = {
            "Sid": "OwnerMayManageAndPublish",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{lab.partition}:iam::{lab.account}:root"},
            "Action": list(OWNER_ACTIONS),
            "Resource": lab.topic_arn,
        }
        s3 = {
            "Sid": FOR_THIS_BUCKET,
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "SNS:Publish",
            "Resource": lab.topic_arn,
            "Condition": {
                "ArnLike": {"aws:SourceArn": lab.bucket_arn},
                "StringEquals": {"aws:SourceAccount": lab.account},
            },
        }
        return {"Version": "2012-10-17", "Statement": [owner, s3]}

    def request(self) -> policy.Request:
        """What S3 asks of the topic when it has something to tell about the lab's bucket."""
        lab = self.lab.definition
        return service_request(
            "s3.amazonaws.com", "SNS:Publish", lab.topic_arn, source=lab.bucket_arn, account=lab.account
        )

    def read(self) -> dict[str, Any] | None:
        """The policy document; None if the topic has but the one that SNS gives to each, which is nobody's doing."""
        return _set_by_someone(self.topic.read())

    def seen(self, snapshot: Snapshot) -> bool:
        return _set_by_someone(snapshot.read(self.topic)) is not None

    def make(self) -> dict[str, Any]:
        self.lab.client("sns").set_topic_attributes(
            TopicArn=self.arn, AttributeName="Policy", AttributeValue=json.dumps(self.document())
        )
        return {}

    def erase(self) -> None:
        """It goes with the topic."""

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """Each statement of step 3 is there, S3 may publish, and strangers may not."""
        about, topic = About("topic policy", subject="topic policy: "), snapshot.read(self.topic)
        found = parsed(topic.get("Policy")) if topic is not None else {}
        statements = as_list(found.get("Statement"))
        why = policy.obstacle([found], self.request()) if topic is not None else "there is no topic"
        stranger = f"arn:{self.lab.definition.partition}:s3:::someone-elses-bucket"
        others = service_request("s3.amazonaws.com", "SNS:Publish", self.arn, source=stranger, account="999999999999")
        too_open = not why and policy.allows([found], others)
        for statement in self.document()["Statement"]:
            passed, for_s3 = statement in statements, statement["Sid"] == FOR_THIS_BUCKET
            verdict, evidence = DIFFERENT, "It is worded otherwise than step 3 does."
            if topic is None:
                verdict, evidence = MISSING, "There is no topic that could have it."
            elif for_s3 and why:
                verdict, evidence = BROKEN, f"It does not let S3 publish for this bucket: {why}."
            elif for_s3 and too_open:
                verdict, evidence = RISKY, "It lets S3 publish for any bucket of anybody: the confused deputy."
            yield about.line(
                statement["Sid"],
                passed and not (for_s3 and (why or too_open)),
                "the statement of step 3",
                _found(passed, statements, why if for_s3 else ""),
                otherwise=verdict,
                hint="allow_s3_to_publish(lab) sets the topic's policy.",
                evidence=evidence,
                works="S3 may publish for this bucket." if for_s3 else "",
                hole=verdict == RISKY,
                fix="Set the policy of step 3.",
                call="allow_s3_to_publish(lab)",
                consequence=topic is None,
            )

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        document = self.document() if found is None else dict(found)
        return {
            "TopicPolicy": template_resource(
                "AWS::SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=document
            )
        }

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        names = (lab.definition.topic_name, lab.definition.refused_topic_name)
        arns = tuple(lab.arn("sns", name) for name in names)
        yield Right("KeepTopic", "sns", "SetTopicAttributes", arns)


def _set_by_someone(attributes: Mapping[str, str] | None) -> dict[str, Any] | None:
    found = parsed((attributes or {}).get("Policy"))
    sids = [statement.get("Sid") for statement in as_list(found.get("Statement"))]
    return None if not found or sids == [OF_SNS] else found


def _found(passed: bool, statements: list[Mapping[str, Any]], why: str) -> str:
    if passed:
        return f"the statement of step 3, but {why}" if why else "the statement of step 3"
    return ", ".join(str(s.get("Sid", "a statement without Sid")) for s in statements) or "no policy"
