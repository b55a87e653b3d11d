"""What a student's own user needs for the lab on a real account: the policy that `labkit permissions` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.lab import Lab
from labkit.result import Result
from labkit.settings import INGEST_FOLDER

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: a managed policy, without white space.
MANAGED_POLICY_LIMIT = 6144


@dataclass(frozen=True)
class Permissions(Result):
    """The policy document, and for whom it is."""

    names: str  # the names it is about, in words
    document: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Characters that count towards IAM's limit: white space does not."""
        return len(json.dumps(self.document, separators=(",", ":")))

    def sentence(self) -> str:
        """What it allows, and whether IAM takes it as one policy."""
        return (
            f"With this policy a user can do the lab, and touch only {self.names}: {self.size:,} of the "
            f"{MANAGED_POLICY_LIMIT:,} characters that a managed policy may have."
        )

    def headers(self) -> Sequence[str]:
        """One row a statement."""
        return ("why", "may do", "on", "only if")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a statement."""
        for statement in self.document["Statement"]:
            condition = statement.get("Condition")
            yield (
                statement["Sid"],
                "\n".join(statement["Action"]),
                "\n".join(statement["Resource"]),
                json.dumps(condition) if condition else "-",
            )

    def json(self) -> str:
        """The policy document, to be pasted into IAM."""
        return json.dumps(self.document, indent=2)


def permissions(lab: Lab) -> Permissions:
    """What a user needs to do this lab with this prefix, as often as they like: the suffix is left open.

    Each action stands with the narrowest resource that AWS lets it be given; `*` where AWS knows no other. An existing
    role or bucket given to open_lab is named in place of the lab's own. sts:GetCallerIdentity needs no permission.
    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    # On a real account every name carries the suffix, whatever the lab that is open here does.
    any_suffix = replace(lab, settings=replace(lab.settings, suffix="*", shared=True))
    document = {"Version": "2012-10-17", "Statement": list(_statements(any_suffix))}
    prefix = lab.settings.prefix
    return Permissions(f"what is named {prefix or 'as the lab names it'}{'...' if prefix else ''}", document)


def _allow(why: str, service: str, actions: str, *resources: str, **condition: Any) -> dict[str, Any]:
    statement = {
        "Sid": why,
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in actions.split()],
        "Resource": list(resources),
    }
    return {**statement, "Condition": condition} if condition else statement


def _statements(lab: Lab) -> Iterable[dict[str, Any]]:
    yield from _topic(lab)
    yield from _queues(lab)
    yield from _bucket(lab)
    yield from _functions(lab)
    yield from _roles(lab)
    yield from _logs(lab)


def _topic(lab: Lab) -> Iterable[dict[str, Any]]:
    yield _allow(
        "MakeAndKeepTheTopic",
        "sns",
        "CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes TagResource ListTagsForResource Subscribe "
        "ListSubscriptionsByTopic Publish",
        lab.arn("sns", lab.settings.topic_name),
        lab.arn("sns", lab.settings.refused_topic_name),
    )
    # A subscription has no permissions of its own, and neither has a list.
    yield _allow(
        "LookAtSubscriptions", "sns", "GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe ListTopics", "*"
    )


def _queues(lab: Lab) -> Iterable[dict[str, Any]]:
    # One pattern for a queue and for the one that its dead letters go to: a policy may not grow too long.
    names = [lab.settings.queue_name(function).replace("-queue", "-*queue") for function in lab.settings.functions]
    yield _allow(
        "MakeAndKeepTheQueues",
        "sqs",
        "CreateQueue DeleteQueue GetQueueUrl GetQueueAttributes SetQueueAttributes TagQueue ListQueueTags "
        "ReceiveMessage DeleteMessage SendMessage",
        *(lab.arn("sqs", name) for name in names),
    )
    yield _allow("ListQueues", "sqs", "ListQueues", "*")


def _bucket(lab: Lab) -> Iterable[dict[str, Any]]:
    bucket = f"arn:{lab.connection.partition}:s3:::{lab.settings.bucket_name}"
    yield _allow(
        "UseTheBucket",
        "s3",
        "ListBucket ListBucketVersions ListBucketMultipartUploads GetBucketNotification PutBucketNotification",
        bucket,
    )
    if lab.settings.bucket is None:
        yield _allow(
            "MakeAndKeepTheBucket",
            "s3",
            "CreateBucket DeleteBucket TagResource GetBucketTagging PutBucketTagging GetBucketPublicAccessBlock "
            "PutBucketPublicAccessBlock GetEncryptionConfiguration PutEncryptionConfiguration GetBucketPolicy "
            "PutBucketPolicy GetBucketOwnershipControls PutBucketOwnershipControls",
            bucket,
        )
    folders = [INGEST_FOLDER, *(function.folder for function in lab.settings.functions)]
    yield _allow(
        "PutPhotosInAndTakeResultsOut",
        "s3",
        "PutObject PutObjectTagging GetObject GetObjectTagging DeleteObject DeleteObjectVersion AbortMultipartUpload",
        *(f"{bucket}/{folder}*" for folder in folders),
    )
    yield _allow("ListBuckets", "s3", "ListAllMyBuckets", "*")


def _functions(lab: Lab) -> Iterable[dict[str, Any]]:
    functions = [
        lab.arn("lambda", f"function:{lab.settings.function_name(function)}") for function in lab.settings.functions
    ]
    mappings = lab.arn("lambda", "event-source-mapping:*")
    yield _allow(
        "MakeAndKeepTheFunctions",
        "lambda",
        "CreateFunction DeleteFunction GetFunction GetFunctionConfiguration UpdateFunctionCode "
        "UpdateFunctionConfiguration GetFunctionConcurrency DeleteFunctionConcurrency ListTags TagResource",
        *functions,
    )
    only_these = {"ArnLike": {"lambda:FunctionArn": functions}}
    yield _allow("TieQueuesToTheFunctions", "lambda", "CreateEventSourceMapping", "*", **only_these)
    yield _allow(
        "KeepTheTriggers",
        "lambda",
        "UpdateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping",
        mappings,
        **only_these,
    )
    yield _allow("TagTheTriggers", "lambda", "TagResource ListTags", mappings)
    yield _allow("ListFunctionsAndTriggers", "lambda", "ListFunctions ListEventSourceMappings", "*")


def _roles(lab: Lab) -> Iterable[dict[str, Any]]:
    reading = "GetRole GetRolePolicy ListRolePolicies ListAttachedRolePolicies"
    if lab.role_arn is not None:
        roles = [lab.role_arn]
        yield _allow("ReadTheRole", "iam", reading, *roles)
    else:
        names = [lab.settings.role_name(function) for function in lab.settings.functions]
        roles = [f"arn:{lab.connection.partition}:iam::{lab.connection.account}:role/{name}" for name in names]
        yield _allow(
            "MakeAndKeepTheRoles",
            "iam",
            "CreateRole DeleteRole TagRole ListRoleTags UpdateAssumeRolePolicy PutRolePolicy DeleteRolePolicy "
            f"DetachRolePolicy {reading}",
            *roles,
        )
        yield _allow("ListRoles", "iam", "ListRoles", "*")
    # A role that somebody else made has policies of theirs attached: to look at them is to find what it lacks.
    policies = f"arn:{lab.connection.partition}:iam::*:policy/*"
    yield _allow("ReadThePoliciesOfRoles", "iam", "GetPolicy GetPolicyVersion", policies)
    yield _allow(
        "HandTheRolesToLambda",
        "iam",
        "PassRole",
        *roles,
        StringEquals={"iam:PassedToService": "lambda.amazonaws.com"},
    )


def _logs(lab: Lab) -> Iterable[dict[str, Any]]:
    groups = [lab.arn("logs", f"log-group:{lab.settings.log_group(function)}") for function in lab.settings.functions]
    yield _allow(
        "MakeAndReadTheLogs",
        "logs",
        "CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource ListTagsForResource FilterLogEvents "
        "DescribeLogStreams GetLogEvents",
        *groups,  # the open suffix covers the streams in a group as well: `...:log-stream:...`
    )
    yield _allow("ListLogGroups", "logs", "DescribeLogGroups", "*")
