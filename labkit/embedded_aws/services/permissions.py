"""Who may do what outside S3: a role or a user by its own policies, and by those of the queue, topic or function.

The owner may do everything. Each operation is one action on one kind of resource, as the Service Authorization
Reference lists them; STS is left to the trust policies of roles. Of what conditions compare, requests tell only the
keys that stand here. https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.iam.models import iam_backends
from moto.sns.models import sns_backends

from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.services.lambda_names import read_name
from labkit.embedded_aws.services.lambda_permissions import find_function
from labkit.embedded_aws.services.sqs_moves import source_of
from labkit.embedded_aws.services.sqs_queue import find_queue
from labkit.embedded_aws.state import ACCOUNT, PARTITION
from labkit.policy import Policy, Request, verdict

# What is asked by another name than the operation's.
_ACTIONS = {
    "lambda": {
        "GetLayerVersionByArn": "GetLayerVersion",
        "Invoke": "InvokeFunction",
        "InvokeAsync": "InvokeFunction",
        "InvokeWithResponseStream": "InvokeFunction",
    },
    "sns": {"PublishBatch": "Publish"},
    "sqs": {
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        "DeleteMessageBatch": "DeleteMessage",
        "SendMessageBatch": "SendMessage",
    },
}
# Each service's own code and status; the others say AccessDenied.
_CODES = {
    "lambda": ("AccessDeniedException", 403),
    "logs": ("AccessDeniedException", 400),
    "sns": ("AuthorizationError", 403),
}


def check_allowed(caller: Identity | None, operation: Operation) -> None:
    """Raise AwsError, in the service's own words, when the caller's policies and the resource's do not allow this."""
    if caller is None or caller.principal is None or operation.service not in _RESOURCES:
        return
    for action, resource, context in _asked(caller, operation):
        why = why_refused(caller, Request(action, resource, context=context), _policies_of(resource))
        if not why:
            continue
        shown = _shown(action)
        about = "" if resource == "*" and operation.service == "monitoring" else f" on resource: {resource}"
        words = f"User: {caller.arn} is not authorized to perform: {shown}{about} {why.replace(action, shown)}"
        code, status = _CODES.get(operation.service, ("AccessDenied", 403))
        raise AwsError(code, words, status, Type=None)  # which Lambda tells of other refusals


def why_refused(caller: Identity, asked: Request, policies: Sequence[Policy]) -> str:
    """Return, in AWS's words, why the caller's policies and these of the resource refuse the action; empty if not.

    In one account either kind is enough to allow it, and a Deny in either wins. A resource's policy can name the role
    as well as its session; that it names the account denies to all of it, and allows nothing by itself.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
    """
    context = {"aws:SecureTransport": "true", "aws:SourceIp": "127.0.0.1", **asked.context}
    as_role = Request(asked.action, asked.resource, arn=caller.principal, context=context)
    own = verdict(caller.policies(), as_role, identity=True)
    if own is False:
        return "with an explicit deny in an identity-based policy"
    if any(policies):
        either = [as_role, as_role._replace(arn=caller.arn)]
        if any(verdict(policies, request._replace(account=ACCOUNT)) is False for request in either):
            return "with an explicit deny in a resource-based policy"
        own = own or any(verdict(policies, request) for request in either)
    return "" if own else f"because no identity-based policy allows the {asked.action} action"


def _asked(caller: Identity, operation: Operation) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield each action that the operation takes, the resource it is about, and what conditions compare."""
    service = {"monitoring": "cloudwatch"}.get(operation.service, operation.service)
    action = _ACTIONS.get(service, {}).get(operation.name, operation.name)
    context = {
        key: str(operation.get(member))
        for key, member in (("cloudwatch:namespace", "Namespace"), ("iam:PolicyARN", "PolicyArn"))
        if key.startswith(service) and operation.get(member)
    }
    if operation.name.endswith("EventSourceMapping"):
        context["lambda:FunctionArn"] = _function_of_mapping(operation)
    for resource in _RESOURCES[operation.service](caller, operation):
        yield f"{service}:{action}", resource, context
    if service == "lambda" and operation.get("Role"):
        yield "iam:PassRole", str(operation.get("Role")), {"iam:PassedToService": "lambda.amazonaws.com"}


def _shown(action: str) -> str:
    """Return the action as its service writes it when it refuses it."""
    service, _, name = action.partition(":")
    return {"sns": f"SNS:{name}", "sqs": action.lower()}.get(service, action)


def _policies_of(resource: str) -> list[Policy]:
    """Return the policy of a queue, a topic or a function, in a list."""
    service, region = (resource.split(":") + [""] * 3)[2:4]
    held: Any
    if service == "lambda":
        held = find_function(resource)
        return [held.policy.document(resource)] if held is not None else []
    if service == "sqs":
        held = find_queue(resource)
    else:
        held = sns_backends[ACCOUNT][region].topics.get(resource) if service == "sns" else None
    return [held._policy_json] if held is not None else []


# --- what an operation is about ------------------------------------------------------------------------------------


def _queue(_caller: Identity, operation: Operation) -> list[str]:
    if operation.get("TaskHandle"):
        return [source_of(str(operation.get("TaskHandle"))) or operation.arn("")]
    url = str(operation.get("QueueUrl") or operation.get("QueueName") or operation.path)
    return [str(operation.get("SourceArn") or operation.arn(url.rstrip("/").rpartition("/")[2]))]


def _topic(_caller: Identity, operation: Operation) -> list[str]:
    subscription = str(operation.get("SubscriptionArn", ""))
    of_subscription = ":".join(subscription.split(":")[:6])
    for named in ("TopicArn", "TargetArn", "ResourceArn", "PhoneNumber"):
        if operation.get(named):
            return [str(operation.get(named))]
    return [of_subscription or operation.arn(str(operation.get("Name", "*")))]


# Lambda's operations that are about no function, though they may name one.
_ABOUT_NO_FUNCTION = {"CreateEventSourceMapping", "ListEventSourceMappings"}


def _function(_caller: Identity, operation: Operation) -> list[str]:
    if operation.name in _ABOUT_NO_FUNCTION:
        return ["*"]
    if identifier := operation.get("UUID"):  # one that is gone has no function to compare: it is told to be gone
        return [operation.arn(f"event-source-mapping:{identifier}")] if _function_of_mapping(operation) else []
    if name := operation.get("FunctionName"):
        return [read_name(str(name), operation.get("Qualifier")).arn(operation.region)]
    if layer := operation.get("LayerName"):
        arn = layer if str(layer).startswith("arn:") else operation.arn(f"layer:{layer}")
        return [f"{arn}:{operation.get('VersionNumber')}" if operation.get("VersionNumber") else str(arn)]
    return [str(operation.get("Resource") or operation.get("Arn") or "*")]


def _function_of_mapping(operation: Operation) -> str:
    """Return the ARN of the function that a mapping invokes, or is to invoke; empty if there is no such mapping."""
    if operation.get("UUID"):
        held = lambda_backends[ACCOUNT][operation.region].get_event_source_mapping(str(operation.get("UUID")))
        return held.function_arn if held is not None else ""
    return read_name(str(operation.get("FunctionName", ""))).arn(operation.region)


def _log_group(_caller: Identity, operation: Operation) -> list[str]:
    """Return ARNs as IAM compares them: with the stream, which may be empty, so that `log-group:NAME:*` fits.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html
    """
    if operation.get("resourceArn"):
        return [str(operation.get("resourceArn"))]
    named = operation.get("logGroupName") or operation.get("logGroupIdentifier")
    groups = [named] if named else operation.get("logGroupNames") or operation.get("logGroupIdentifiers") or [""]
    names = [str(group).partition(":log-group:")[2] or str(group) for group in groups]
    stream = operation.get("logStreamName", "")
    return [operation.arn(f"log-group:{name.removesuffix(':*')}:log-stream:{stream}") for name in names]


def _alarm(_caller: Identity, operation: Operation) -> list[str]:
    names = operation.get("AlarmNames") or [operation.get("AlarmName")]
    if operation.get("DashboardName"):
        return [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{operation.get('DashboardName')}"]
    if operation.name in ("DescribeAlarms", "DescribeAlarmHistory") and not any(names):
        names = ["*"]
    alarms = [f"arn:aws:cloudwatch:{operation.region}:{ACCOUNT}:alarm:{name}" for name in names if name]
    return alarms or [str(operation.get("ResourceARN") or "*")]


def _holder(caller: Identity, operation: Operation) -> list[str]:
    backend = iam_backends[ACCOUNT][PARTITION]
    known: dict[str, Any] = {"group": backend.groups, "role": backend.roles, "user": backend.users}
    for kind, holders in known.items():
        if name := operation.get(f"{kind.title()}Name"):
            made = f"arn:aws:iam::{ACCOUNT}:{kind}{operation.get('Path') or '/'}{name}"
            return [next((holder.arn for holder in list(holders.values()) if holder.name == name), made)]
    if "UserName" in operation.model.input_shape.members:
        return [str(caller.principal)]  # whoever asks
    if operation.name == "CreatePolicy":
        return [f"arn:aws:iam::{ACCOUNT}:policy{operation.get('Path') or '/'}{operation.get('PolicyName')}"]
    return [str(operation.get("PolicyArn") or operation.get("PolicySourceArn") or "*")]


_RESOURCES: dict[str, Callable[[Identity, Operation], list[str]]] = {
    "iam": _holder,
    "lambda": _function,
    "logs": _log_group,
    "monitoring": _alarm,
    "sns": _topic,
    "sqs": _queue,
}
