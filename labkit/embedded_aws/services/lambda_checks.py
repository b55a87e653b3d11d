"""What Lambda refuses, beyond what its model says. The words are those that AWS answers with.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import lambda_backends

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.model import Violation, refuse, violations
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.event_patterns import BadPatternError, read_pattern
from labkit.embedded_aws.services.lambda_names import LATEST, FunctionName, name_in, not_found, read_name
from labkit.embedded_aws.services.lambda_tags import check_tags
from labkit.embedded_aws.services.sqs_queue import find_queue
from labkit.embedded_aws.state import ACCOUNT

_STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the {} API to retrieve the latest Revision Id"
)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def check_function(operation: Operation) -> None:
    """Refuse names of functions in another region, names that contradict themselves, and what is not there."""
    if operation.get("FunctionName") is None or operation.name == "CreateEventSourceMapping":
        return
    region = name_in(operation).region
    if region not in (None, operation.region):
        words = f"Functions from '{region}' are not reachable in this region ('{operation.region}')"
        raise AwsError("ResourceNotFoundException", words, 404)
    for member, is_empty, what in NOT_THERE:
        value = operation.get(member)
        if value is not None and not is_empty(value):
            raise not_there(what)


def _check_create(operation: Operation) -> None:
    name = operation.get("FunctionName")
    short = read_name(name).name
    if len(short) > limits.LONGEST_FUNCTION_NAME:
        constraint = f"Member must have length less than or equal to {limits.LONGEST_FUNCTION_NAME}"
        words = f"Value '{short}' at 'functionName' failed to satisfy constraint: {constraint}"
        raise _invalid(f"1 validation error detected: {words}")
    if operation.get("PackageType") == "Image" or operation.get("Code").get("ImageUri"):
        raise not_there("container images: its functions come from zips")
    if not operation.get("Runtime") or not operation.get("Handler"):
        words = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        raise _invalid(words)
    code = operation.get("Code")
    if not code.get("ZipFile") and not (code.get("S3Bucket") and code.get("S3Key")):
        raise _invalid("Please provide a source for function code.")
    check_tags(operation.get("Tags") or {})
    _check_configuration(operation)


def _check_configuration(operation: Operation) -> None:
    for member, (smallest, largest) in limits.FUNCTION_NUMBERS.items():
        value = operation.get(member)
        if value is not None and not smallest <= value <= largest:
            bound = f"less than or equal to {largest}" if value > largest else f"greater than or equal to {smallest}"
            path = member[0].lower() + member[1:]
            words = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must have value {bound}"
            raise AwsError("ValidationException", f"1 validation error detected: {words}")
    runtime = operation.get("Runtime")
    if runtime is not None:
        _check_runtime(runtime)
    _check_environment(operation.get("Environment", {}).get("Variables") or {})
    if (layers := operation.get("Layers")) is not None:
        _check_layers(layers, operation)
    if target := (operation.get("DeadLetterConfig") or {}).get("TargetArn"):
        _check_target(target, ("sqs", "sns"), "DeadLetterConfig")
    check_revision(operation, "GetFunction/GetAlias")


# What would be accepted and ignored: the member, when it asks for nothing, and what it would be.
NOT_THERE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("VpcConfig", lambda vpc: not (vpc.get("SubnetIds") or vpc.get("SecurityGroupIds")), "networks (VpcConfig)"),
    ("FileSystemConfigs", lambda systems: not systems, "file systems (FileSystemConfigs)"),
    ("ImageConfig", lambda image: not image, "container images (ImageConfig)"),
    ("SnapStart", lambda snap: snap.get("ApplyOn") == "None", "SnapStart"),
    ("KMSKeyArn", lambda key: not key, "keys of the customer's own (KMSKeyArn)"),
    ("CodeSigningConfigArn", lambda arn: not arn, "code signing"),
    ("CapacityProviderConfig", lambda provider: not provider, "capacity providers"),
    ("DurableConfig", lambda durable: not durable, "durable functions"),
    ("TenancyConfig", lambda tenancy: not tenancy, "tenants (TenancyConfig)"),
    ("TenantId", lambda tenant: not tenant, "tenants (TenantId)"),
    ("PublishTo", lambda where: not where, "a latest published version (PublishTo)"),
    ("RuntimeConfig", lambda config: not config, "settings of the runtime (RuntimeConfig)"),
    ("AcceleratorConfig", lambda config: not config, "accelerators"),
    ("SourceKMSKeyArn", lambda key: not key, "keys of the customer's own (SourceKMSKeyArn)"),
    ("S3ObjectStorageMode", lambda mode: mode == "COPY", "code that stays in S3 (S3ObjectStorageMode)"),
    ("DurableExecutionName", lambda name: not name, "durable functions"),
)


def _check_runtime(runtime: str) -> None:
    if runtime in limits.HOST_RUNTIMES:
        return
    if runtime in limits.RETIRED_RUNTIMES:
        words = (
            "is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported "
        )
        raise _invalid(f"The runtime parameter of {runtime} {words}runtime while creating or updating functions.")
    if runtime not in limits.RUNTIMES:
        known = ", ".join(limits.RUNTIMES)
        words = "failed to satisfy constraint: Member must satisfy enum value set:"
        raise _invalid(f"Value {runtime} at 'runtime' {words} [{known}] or be a valid ARN")


def _check_environment(variables: dict[str, str]) -> None:
    reserved = sorted(limits.RESERVED_VARIABLES & set(variables))
    if reserved:
        words = "Lambda was unable to configure your environment variables because the environment variables you have "
        words += (
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used "
        )
        raise _invalid(f"{words}in this request: {', '.join(reserved)}")
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > limits.LARGEST_ENVIRONMENT_BYTES:
        words = "Lambda was unable to configure your environment variables because the environment variables you have "
        raise _invalid(f"{words}provided exceeded the 4KB limit. String measured: {measured}")


def _check_layers(layers: list[str], operation: Operation) -> None:
    if len(layers) > limits.MOST_LAYERS:
        raise _invalid(f"Cannot reference more than {limits.MOST_LAYERS} layers.")
    seen: dict[str, str] = {}
    for arn in layers:
        layer, _, _version = arn.rpartition(":")
        if layer in seen:
            words = "Two different versions of the same layer are not allowed to be referenced in the same function."
            raise _invalid(f"{words} {seen[layer]} and {arn} are versions of the same layer.")
        seen[layer] = arn
        if arn.split(":")[3] != operation.region:
            words = "Layers are not in the same region as the function. Layers are expected to be in region"
            raise _invalid(f"{words} {operation.region}.")
        if arn.split(":")[4] != ACCOUNT:
            raise not_there(f"layers of other accounts ({arn})")
        if lambda_backends[ACCOUNT][operation.region].layers_versions_by_arn(arn) is None:
            raise _invalid(f"Layer version {arn} does not exist.")


def _check_target(arn: str, services: tuple[str, ...], what: str) -> None:
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service not in services:
        if service in ("events", "s3"):
            raise not_there(f"{what} to {service}")
        raise _invalid(f"The provided {what} {arn} is invalid.")


def _function(operation: Operation) -> Any:
    backend = lambda_backends[ACCOUNT][operation.region]
    return backend.get_function(operation.get("FunctionName"), operation.get("Qualifier"))


def _knows(operation: Operation, name: str) -> bool:
    try:
        lambda_backends[ACCOUNT][operation.region].get_function(name)
    except UnknownFunctionException:
        return False
    return True


def check_revision(operation: Operation, where: str) -> None:
    """Refuse a change of what somebody else has changed meanwhile."""
    revision = operation.get("RevisionId")
    if revision and revision != _function(operation).revision_id:
        raise AwsError("PreconditionFailedException", _STALE.format(where), 412)


def _check_code(operation: Operation) -> None:
    if operation.get("ImageUri"):
        raise _invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
    if not operation.get("ZipFile") and not (operation.get("S3Bucket") and operation.get("S3Key")):
        raise _invalid("Please provide a source for function code.")
    check_revision(operation, "GetFunction/GetAlias")


def _check_publish(operation: Operation) -> None:
    function = _function(operation)
    wanted = operation.get("CodeSha256")
    if wanted and wanted != function.code_sha_256:
        words = f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({function.code_sha_256}). "
        raise _invalid(f"{words}Please try again with the CodeSHA256 in $LATEST.")
    check_revision(operation, "GetFunction/GetAlias")


def _check_concurrency(operation: Operation) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html."""
    named = name_in(operation)
    if named.qualifier:
        words = "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
        raise _invalid(f"{words}operation. Please specify either a function name or an unqualified function ARN.")
    if not _knows(operation, named.name):
        raise not_found(FunctionName(named.name, LATEST).arn(operation.region))
    function = _function(operation)
    wanted = operation.get("ReservedConcurrentExecutions")
    provisioned = sum(config.wanted for config in function.provisioned.values())
    if wanted < provisioned:
        words = f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned "
        raise AwsError("InvalidParameterValueException", f"{words}concurrency [{provisioned}].", Type=None)
    account, unreserved = limits.UNRESERVED_CONCURRENCY
    others = sum(
        int(other.reserved_concurrency or 0)
        for other in lambda_backends[ACCOUNT][operation.region].list_functions()
        if other.function_name != function.function_name
    )
    if account - others - wanted < unreserved:
        words = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
        message = f"{words}below its minimum value of [{unreserved}]."
        raise AwsError("InvalidParameterValueException", message, Type=None)


# --- event source mappings -----------------------------------------------------------------------------------------


def _check_mapping(operation: Operation) -> None:
    arn = operation.get("EventSourceArn")
    if not arn:
        raise _invalid("Unrecognized event source.")
    service, region = arn.split(":")[2:4]
    if service != "sqs":
        raise (
            not_there(f"event sources of {service}: it polls SQS queues")
            if service
            else _invalid("Unrecognized event source.")
        )
    if region != operation.region:
        raise not_there(f"mappings to queues of another region ({region})")
    _check_mapping_options(operation, arn)
    if not _knows(operation, operation.get("FunctionName")):
        raise _invalid("Function does not exist")


def _check_mapping_options(operation: Operation, arn: str) -> None:
    if operation.get("DestinationConfig"):
        raise _invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
    for member in (
        "BisectBatchOnFunctionError", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor",
        "StartingPosition", "StartingPositionTimestamp", "TumblingWindowInSeconds", "Topics", "Queues",
        "AmazonManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig", "SelfManagedEventSource",
        "SelfManagedKafkaEventSourceConfig", "SourceAccessConfigurations",
    ):  # fmt: skip
        if operation.get(member):
            raise _invalid(f"Unsupported {member} parameter for given event source mapping type.")
    for member in ("KMSKeyArn", "LoggingConfig", "MetricsConfig", "ProvisionedPollerConfig"):
        if operation.get(member):
            raise not_there(f"{member} of a mapping")
    _check_filters(operation)
    queue = find_queue(arn)
    if queue is not None and queue.fifo_queue:
        if int(operation.get("BatchSize") or 1) > limits.FIFO_BATCH_SIZES[1]:
            raise _invalid(f"Batch size must be between 1 and {limits.FIFO_BATCH_SIZES[1]} for FIFO queues.")
        if operation.get("MaximumBatchingWindowInSeconds"):
            raise _invalid("Batching window is not supported for FIFO queues.")


def _check_filters(operation: Operation) -> None:
    filters = (operation.get("FilterCriteria") or {}).get("Filters") or []
    if len(filters) > limits.MOST_FILTERS:
        raise _invalid(f"Number of filters must be at most {limits.MOST_FILTERS}.")
    for one in filters:
        try:
            read_pattern(one.get("Pattern", ""))
        except BadPatternError as error:
            raise _invalid("Invalid filter pattern definition.") from error


def _check_update_mapping(operation: Operation) -> None:
    mapping = lambda_backends[ACCOUNT][operation.region].get_event_source_mapping(operation.get("UUID"))
    if mapping is None:
        raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    name = operation.get("FunctionName")
    if name is not None and not _knows(operation, name):
        raise _invalid("Function does not exist")
    _check_mapping_options(operation, mapping.event_source_arn)


# --- function URLs -------------------------------------------------------------------------------------------------


def _check_url(operation: Operation) -> None:
    """Refuse a URL after what AWS looks at first; whoever asks for one hears that there is none."""
    if operation.name in ("CreateFunctionUrlConfig", "UpdateFunctionUrlConfig", "ListFunctionUrlConfigs"):
        named = name_in(operation)
        if not _knows(operation, named.arn(operation.region)):
            raise AwsError("ResourceNotFoundException", "Function does not exist", 404)
    if operation.name in ("CreateFunctionUrlConfig", "ListFunctionUrlConfigs"):
        raise not_there("function URLs")
    raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)


def check_layer_runtimes(operation: Operation) -> None:
    """Refuse runtimes that Lambda has never had, in one breath with what the model does not allow."""
    sent = operation.get("CompatibleRuntimes")
    if operation.name != "PublishLayerVersion" or not isinstance(sent, list):
        return
    if all(runtime in limits.RUNTIMES or runtime in limits.RETIRED_RUNTIMES for runtime in sent):
        return
    constraint = f"Member must satisfy enum value set: [{', '.join(limits.RUNTIMES)}]"
    refuse(operation, [Violation("compatibleRuntimes", sent, constraint, "enum"), *violations(operation)])


def _check_layer(operation: Operation) -> None:
    content = operation.get("Content")
    if not content.get("ZipFile") and not (content.get("S3Bucket") and content.get("S3Key")):
        raise _invalid("Please provide a source for the layer's content.")


CHECKS: dict[str, Callable[[Operation], None]] = {
    "CreateEventSourceMapping": _check_mapping,
    "CreateFunction": _check_create,
    "CreateFunctionUrlConfig": _check_url,
    "DeleteFunctionUrlConfig": _check_url,
    "GetFunctionUrlConfig": _check_url,
    "ListFunctionUrlConfigs": _check_url,
    "PublishLayerVersion": _check_layer,
    "PublishVersion": _check_publish,
    "PutFunctionConcurrency": _check_concurrency,
    "UpdateEventSourceMapping": _check_update_mapping,
    "UpdateFunctionCode": _check_code,
    "UpdateFunctionUrlConfig": _check_url,
    "UpdateFunctionConfiguration": _check_configuration,
}
