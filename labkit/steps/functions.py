"""Step 4, second part: the Lambda functions, the triggers that feed them, and the packages they are made of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from labkit.errors import LabError, error_code, error_message, telling
from labkit.lab import Lab
from labkit.packages import Package, build_package, refusal_for
from labkit.result import Check, Checks, Result
from labkit.settings import BATCH_SIZE, LOG_RETENTION_DAYS, FunctionSettings
from labkit.steps.making import deleting, equal, found_or_none, making, missing, refuse_foreign, require
from labkit.steps.queues import queue_arn, queue_attributes, require_queue
from labkit.steps.roles import check_role, create_roles, role_arn
from labkit.waiting import wait_until

PARTIAL_BATCH = "ReportBatchItemFailures"
# What the console puts into a function that is made "from scratch".
PLACEHOLDER_HANDLER = "lambda_function.lambda_handler"
PLACEHOLDER_CODE = """import json


def lambda_handler(event, context):
    return {"statusCode": 200, "body": json.dumps("Hello from Lambda!")}
"""


@dataclass(frozen=True)
class Function(Result):
    """A Lambda function as it stands in AWS."""

    name: str
    arn: str
    handler: str
    runtime: str
    architecture: str
    description: str
    memory_mb: int
    timeout_s: int
    code_size: int  # bytes, zipped
    said: tuple[str, ...] = ()

    def sentence(self) -> str:
        """What stands there now."""
        return f"The function {self.name} runs {self.handler} on {self.runtime}."

    def console(self) -> Sequence[str]:
        """The console's sentences for the calls made."""
        return self.said

    def rows(self) -> Iterable[Sequence[object]]:
        """Its configuration."""
        yield "ARN", self.arn
        yield "handler", self.handler
        yield "runtime", f"{self.runtime}, {self.architecture}"
        yield "description", self.description or "-"
        yield "memory", f"{self.memory_mb} MB"
        yield "timeout", f"{self.timeout_s} s"
        yield "code", f"{self.code_size:,} bytes, zipped"


@dataclass(frozen=True)
class Trigger(Result):
    """An event source mapping: Lambda's own pollers, which take messages from a queue to a function."""

    function: str
    queue: str
    uuid: str
    state: str
    batch_size: int
    said: tuple[str, ...] = ()

    def sentence(self) -> str:
        """From where to where, and whether it runs."""
        return f"The trigger {self.queue} -> {self.function} is {self.state}."

    def console(self) -> Sequence[str]:
        """The console's sentence, if the call was made."""
        return self.said

    def rows(self) -> Iterable[Sequence[object]]:
        """Its configuration."""
        yield "id", self.uuid
        yield "state", self.state
        yield "batch size", self.batch_size
        yield "partial batch response", PARTIAL_BATCH


@dataclass(frozen=True)
class Functions(Result):
    """Several functions and their triggers."""

    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]

    def sentence(self) -> str:
        """How many there are."""
        enabled = sum(trigger.state == "Enabled" for trigger in self.triggers)
        return f"{len(self.functions)} functions, {enabled} of {len(self.triggers)} triggers enabled."

    def console(self) -> Sequence[str]:
        """All sentences."""
        return [said for result in (*self.functions, *self.triggers) for said in result.console()]

    def headers(self) -> Sequence[str]:
        """One row a function."""
        return ("function", "handler", "runtime", "memory", "timeout", "code", "trigger", "state")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a function."""
        for function, trigger in zip(self.functions, self.triggers, strict=True):
            yield (
                function.name,
                function.handler,
                function.runtime,
                f"{function.memory_mb} MB",
                f"{function.timeout_s} s",
                f"{function.code_size:,} bytes",
                trigger.queue,
                trigger.state,
            )


def role_unknown_to_lambda(error: ClientError) -> bool:
    """True if Lambda may not yet take on a role that was just made: it takes seconds for IAM to tell everyone."""
    message = error_message(error)
    return error_code(error) == "InvalidParameterValueException" and (
        "cannot be assumed by Lambda" in message or "does not have permissions to call" in message
    )


def function_arn(lab: Lab, function: FunctionSettings) -> str:
    """The ARN of a function, known before it is made."""
    return lab.arn("lambda", f"function:{lab.settings.function_name(function)}")


def function_configuration(lab: Lab, function: FunctionSettings) -> dict[str, Any] | None:
    """What Lambda knows of a function, or None if there is no such function."""
    name = lab.settings.function_name(function)
    answer = found_or_none(lab.client("lambda").get_function_configuration, FunctionName=name)
    return None if answer is None else dict(answer)


def create_log_group(lab: Lab, function: FunctionSettings) -> None:
    """Make the function's log group before Lambda does: with an end date, and so that the role need not make it.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    logs, name = lab.client("logs"), lab.settings.log_group(function)
    there = log_group_exists(lab, name)
    if there:
        arn = lab.arn("logs", f"log-group:{name}")
        refuse_foreign(lab, "log group", name, lambda: logs.list_tags_for_resource(resourceArn=arn)["tags"])
    with making(lab, "log group", name):
        if not there:
            logs.create_log_group(logGroupName=name, tags=lab.settings.tags)
        logs.put_retention_policy(logGroupName=name, retentionInDays=LOG_RETENTION_DAYS)
    lab.journal.created("log group", name)


def log_group_exists(lab: Lab, name: str) -> bool:
    """True if there is a log group of that name."""
    groups = lab.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in groups)


@telling("making a function")
def create_function(lab: Lab, function_name: str) -> Function:
    """Make a function "from scratch", as the console does: AWS's hello-world code, to be replaced by `upload_code`.

    Memory, timeout, runtime and role are the lab's. Returns the Function; calling it again changes nothing.
    Raises LabError. https://docs.aws.amazon.com/lambda/latest/dg/API_CreateFunction.html
    """
    function = lab.settings.function_named(function_name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("lambda_function.py", PLACEHOLDER_CODE)
    return _create_function(lab, function, code=buffer.getvalue(), handler=PLACEHOLDER_HANDLER, description="")


@telling("making a function")
def deploy_function(lab: Lab, function_name: str) -> Function:
    """Make a function whole, in one call: its package, handler and description; or bring one that is there to that.

    Returns the Function; calling it again changes nothing. Raises LabError.
    """
    function = lab.settings.function_named(function_name)
    if function_configuration(lab, function) is None:
        package = _package(lab, function)
        handler = f"{function.name}.handler"
        return _create_function(
            lab, function, code=package.path.read_bytes(), handler=handler, description=function.description
        )
    uploaded = upload_code(lab, function_name)
    handler = f"{function.name}.handler"
    configured = configure_function(lab, function_name, Handler=handler, Description=function.description)
    return replace(configured, said=tuple(dict.fromkeys((*uploaded.said, *configured.said))))


def _create_function(lab: Lab, function: FunctionSettings, *, code: bytes, handler: str, description: str) -> Function:
    client, name = lab.client("lambda"), lab.settings.function_name(function)
    require_queue(lab, function)
    role = role_arn(lab, function)
    if function_configuration(lab, function) is not None:
        return _function(require_function(lab, function))
    refuse_blocked_runtime(lab)
    create_log_group(lab, function)

    def create() -> bool:
        try:
            client.create_function(
                FunctionName=name,
                Runtime=lab.target.runtime,
                Architectures=[lab.target.architecture],
                Role=role,
                Handler=handler,
                Code={"ZipFile": code},
                Description=description,
                Timeout=lab.settings.function_timeout_s,
                MemorySize=lab.settings.function_memory_mb,
                Tags=lab.settings.tags,
            )
        except ClientError as error:
            if role_unknown_to_lambda(error):
                return False
            raise
        return True

    with making(lab, "function", name):
        _wait_for_role(create, role)
        _wait_for(lab, name, "function_active_v2")
    lab.journal.created("function", name, arn=function_arn(lab, function))
    return _function(
        require_function(lab, function),
        (
            f"Successfully created the function {name}. You can now change its code and configuration. "
            'To invoke your function with a test event, choose "Test".',
        ),
    )


def refuse_blocked_runtime(lab: Lab) -> None:
    """Raise LabError for a runtime on which AWS makes no new functions any more.

    The embedded AWS runs functions on this machine's own Python, whatever AWS's calendar says of it.
    """
    if lab.connection.where != "local" and (refusal := refusal_for(lab.target.runtime)):
        raise LabError(
            refusal, where="making a function", hint="open_lab(..., runtime=...), or LABKIT_RUNTIME, chooses another."
        )


def _wait_for(lab: Lab, name: str, waiter: str) -> None:
    """Wait with one of boto3's own waiters; LabError with Lambda's reason if the function fails, or takes too long."""
    try:
        lab.client("lambda").get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except WaiterError as error:
        found = error.last_response.get("Configuration", {})
        raise LabError(
            f"The function {name} did not become ready.",
            where=f"waiting for the function {name}",
            aws_said=found.get("StateReason") or found.get("LastUpdateStatusReason") or str(error),
            hint="Run the cell again. If Lambda has given the function up, take it away first: "
            f"lab.client('lambda').delete_function(FunctionName={name!r}).",
        ) from error


def _wait_for_role(attempt: Any, role: str) -> None:
    wait_until(
        attempt,
        what=f"Lambda to be allowed to take on the role {role}",
        seconds=60,
        hint="The role must trust lambda.amazonaws.com and let the function take from its queue: create_roles(lab).",
    )


def _function(found: Mapping[str, Any], said: tuple[str, ...] = ()) -> Function:
    return Function(
        found["FunctionName"],
        found["FunctionArn"],
        found["Handler"],
        found["Runtime"],
        found.get("Architectures", ["x86_64"])[0],
        found.get("Description", ""),
        found["MemorySize"],
        found["Timeout"],
        found["CodeSize"],
        said,
    )


def require_function(lab: Lab, function: FunctionSettings) -> dict[str, Any]:
    """What Lambda knows of a function; LabError if step 4 was not done, or if the function is somebody else's."""
    found, name = function_configuration(lab, function), lab.settings.function_name(function)
    if found is None:
        require(lab, "function", name, step=4, notebook="04_functions")
        raise LabError(f"The function {name} is gone.", hint=f"deploy_function(lab, {function.name!r}) makes it again.")
    entry = lab.journal.find("function", name)
    if entry is None or entry.state != "created":
        client, arn = lab.client("lambda"), function_arn(lab, function)
        refuse_foreign(lab, "function", name, lambda: client.list_tags(Resource=arn)["Tags"])
        _wait_for(lab, name, "function_active_v2")  # whoever made it may have crashed while it was pending
        lab.journal.created("function", name, arn=function_arn(lab, function))
    return found


def _package(lab: Lab, function: FunctionSettings) -> Package:
    return build_package(function.name, lab.target, source=function.source)


@telling("uploading a function's code")
def upload_code(lab: Lab, function_name: str, package: Package | Path | None = None) -> Function:
    """Upload a deployment package to a function; by default the lab's own, built for the lab's runtime.

    `package` can be a zip of one's own. Returns the Function; the same code again is not uploaded again.
    Raises LabError. https://docs.aws.amazon.com/lambda/latest/dg/API_UpdateFunctionCode.html
    """
    function = lab.settings.function_named(function_name)
    found = require_function(lab, function)
    if package is None:
        package = _package(lab, function)
    if isinstance(package, Package) and package.code_sha256 == found["CodeSha256"]:
        return _function(found)
    path = package.path if isinstance(package, Package) else package
    if not path.is_file():
        raise LabError(f"There is no file {path}.", where=f"uploading the code of {function.name}")
    with telling(f"uploading the code of {function.name}"):
        lab.client("lambda").update_function_code(FunctionName=found["FunctionName"], ZipFile=path.read_bytes())
        return _updated(lab, function)


def set_handler(lab: Lab, function_name: str, handler: str | None = None) -> Function:
    """Say which function in which file Lambda calls: `CreateThumbnail.handler` by default."""
    function = lab.settings.function_named(function_name)
    return configure_function(lab, function_name, Handler=handler or f"{function.name}.handler")


def set_description(lab: Lab, function_name: str, description: str | None = None) -> Function:
    """Set a function's description, the original's by default."""
    function = lab.settings.function_named(function_name)
    return configure_function(lab, function_name, Description=description or function.description)


@telling("configuring a function")
def configure_function(lab: Lab, function_name: str, **configuration: Any) -> Function:
    """Change a function's configuration, such as `MemorySize=1024`; nothing is called if it is so already.

    https://docs.aws.amazon.com/lambda/latest/dg/API_UpdateFunctionConfiguration.html
    """
    function = lab.settings.function_named(function_name)
    found = require_function(lab, function)
    if all(found.get(key) == value for key, value in configuration.items()):
        return _function(found)
    with telling(f"changing {', '.join(configuration)} of {function.name}"):
        lab.client("lambda").update_function_configuration(FunctionName=found["FunctionName"], **configuration)
        return _updated(lab, function)


def _updated(lab: Lab, function: FunctionSettings) -> Function:
    """The function once Lambda has taken over what was changed."""
    name = lab.settings.function_name(function)
    _wait_for(lab, name, "function_updated_v2")
    return _function(require_function(lab, function), (f"Successfully updated the function {name}.",))


def find_trigger(lab: Lab, function: FunctionSettings) -> dict[str, Any] | None:
    """The event source mapping from a function's own queue to it, or None."""
    # Asked for by the queue: a mapping outlives its function, and AWS lists none for a function that is gone.
    pages = lab.client("lambda").get_paginator("list_event_source_mappings")
    for page in pages.paginate(EventSourceArn=queue_arn(lab, lab.settings.queue_name(function))):
        for mapping in page["EventSourceMappings"]:
            if mapping["FunctionArn"] == function_arn(lab, function):
                return dict(mapping)
    return None


@telling("adding a trigger")
def add_trigger(lab: Lab, function_name: str) -> Trigger:
    """Tie a function's queue to it, not yet enabled: batch size 1, partial batch responses on.

    Returns the Trigger; calling it again changes nothing. Raises LabError.
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    function = lab.settings.function_named(function_name)
    require_queue(lab, function)
    configuration = require_function(lab, function)
    name = lab.settings.function_name(function)
    found = find_trigger(lab, function)
    if found is not None:
        lab.journal.created("trigger", name, uuid=found["UUID"])
        return _trigger(lab, function, found)

    def create() -> dict[str, Any] | None:
        try:
            return dict(
                lab.client("lambda").create_event_source_mapping(
                    EventSourceArn=queue_arn(lab, lab.settings.queue_name(function)),
                    FunctionName=name,
                    BatchSize=BATCH_SIZE,
                    Enabled=False,
                    FunctionResponseTypes=[PARTIAL_BATCH],
                    Tags=lab.settings.tags,
                )
            )
        except ClientError as error:
            if role_unknown_to_lambda(error):
                return None
            raise

    with making(lab, "trigger", name):
        found = wait_until(
            create,
            what=f"Lambda to be allowed to take from the queue as {configuration['Role']}",
            seconds=60,
            hint="The function's role must let it receive, delete and read attributes: create_roles(lab) sets that.",
        )
    lab.journal.created("trigger", name, uuid=found["UUID"])
    _wait_for_state(lab, function, found["UUID"], "Disabled")
    queue = lab.settings.queue_name(function)
    sentence = f"The trigger {queue} was successfully added to function {name}. The trigger is in a disabled state."
    return _trigger(lab, function, {**found, "State": "Disabled"}, (sentence,))


@telling("enabling a trigger")
def enable_trigger(lab: Lab, function_name: str) -> Trigger:
    """Switch a function's trigger on, and wait until Lambda says that it is enabled."""
    function = lab.settings.function_named(function_name)
    found = find_trigger(lab, function)
    if found is None:
        name = lab.settings.function_name(function)
        raise LabError(
            f"The function {name} has no trigger yet.",
            hint=f"add_trigger(lab, {function.name!r}) ties its queue to it.",
        )
    if found["State"] != "Enabled":
        with telling(f"enabling the trigger of {function.name}"):
            lab.client("lambda").update_event_source_mapping(UUID=found["UUID"], Enabled=True)
            found = _wait_for_state(lab, function, found["UUID"], "Enabled")
    return _trigger(lab, function, found)


def _wait_for_state(lab: Lab, function: FunctionSettings, uuid: str, state: str) -> dict[str, Any]:
    """There is no waiter for event source mappings: ask for the state."""

    def ask() -> dict[str, Any] | None:
        answer = dict(lab.client("lambda").get_event_source_mapping(UUID=uuid))
        return answer if answer["State"] == state else None

    return wait_until(ask, what=f"the trigger of {function.name} to be {state}", seconds=120)


def _trigger(lab: Lab, function: FunctionSettings, found: dict[str, Any], said: tuple[str, ...] = ()) -> Trigger:
    return Trigger(
        lab.settings.function_name(function),
        lab.settings.queue_name(function),
        found["UUID"],
        found["State"],
        found["BatchSize"],
        said,
    )


def create_functions(lab: Lab) -> Functions:
    """Make all three functions whole, with their roles and triggers, and wait until the triggers are enabled.

    What is there already is brought to what it should be. Raises LabError.
    """
    create_roles(lab)
    functions = tuple(deploy_function(lab, function.name) for function in lab.settings.functions)
    added = [add_trigger(lab, function.name) for function in lab.settings.functions]
    enabled = [enable_trigger(lab, function.name) for function in lab.settings.functions]
    triggers = tuple(
        Trigger(now.function, now.queue, now.uuid, now.state, now.batch_size, before.said)
        for before, now in zip(added, enabled, strict=True)
    )
    return Functions(functions, triggers)


@telling("checking the functions")
def check_functions(lab: Lab) -> Checks:
    """Look at each function, its role and its trigger, and at their timeouts against each other. Changes nothing."""
    checks = [check for function in lab.settings.functions for check in _check_function(lab, function)]
    return Checks("functions, roles and triggers", tuple(checks))


def _check_function(lab: Lab, function: FunctionSettings) -> list[Check]:
    name, found = lab.settings.function_name(function), function_configuration(lab, function)
    roles = check_role(lab, function)
    if found is None:
        return [missing(f"{name}: exists", name, 4), *roles]
    configure = f"configure_function(lab, {function.name!r}, "
    package = _package(lab, function)
    role = lab.role_arn or lab.arn("iam", f"role/{lab.settings.role_name(function)}").replace(
        f":iam:{lab.connection.region}:", ":iam::"
    )
    return [
        Check(f"{name}: exists", True, name, name),
        equal(f"{name}: state", "Active", found.get("State"), f"It says: {found.get('StateReason', 'nothing')}."),
        equal(
            f"{name}: handler", f"{function.name}.handler", found["Handler"], f"set_handler(lab, {function.name!r})."
        ),
        equal(f"{name}: runtime", lab.target.runtime, found["Runtime"], f"{configure}Runtime=...)."),
        equal(
            f"{name}: description",
            function.description,
            found.get("Description"),
            f"set_description(lab, {function.name!r}).",
        ),
        equal(
            f"{name}: memory (MB)", lab.settings.function_memory_mb, found["MemorySize"], f"{configure}MemorySize=...)."
        ),
        equal(f"{name}: timeout (s)", lab.settings.function_timeout_s, found["Timeout"], f"{configure}Timeout=...)."),
        equal(f"{name}: role", role, found["Role"], f"{configure}Role=...) names the role."),
        Check(
            f"{name}: code",
            found["CodeSha256"] == package.code_sha256,
            f"{package.path.name} ({package.code_sha256[:12]}...)",
            f"{found['CodeSize']:,} bytes ({found['CodeSha256'][:12]}...)",
            f"upload_code(lab, {function.name!r}) uploads the lab's package. A zip of your own differs, rightly.",
        ),
        _check_concurrency(lab, function),
        *roles,
        *_check_trigger(lab, function, found),
    ]


def _check_concurrency(lab: Lab, function: FunctionSettings) -> Check:
    """Reserved concurrency 0 is how one stops a function in an emergency, and how one forgets that one did."""
    name = lab.settings.function_name(function)
    reserved = lab.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    return Check(
        f"{name}: reserved concurrency",
        reserved != 0,
        "none, or at least 1",
        "none" if reserved is None else str(reserved),
        "lambda.delete_function_concurrency takes the reservation away.",
    )


def _check_trigger(lab: Lab, function: FunctionSettings, configuration: dict[str, Any]) -> list[Check]:
    name, queue, found = configuration["FunctionName"], lab.settings.queue_name(function), find_trigger(lab, function)
    if found is None:
        hint = f"add_trigger(lab, {function.name!r}), then enable_trigger(lab, {function.name!r})."
        return [Check(f"{name}: trigger", False, queue, "no trigger", hint)]
    visibility = int((queue_attributes(lab, queue) or {}).get("VisibilityTimeout", 0))
    update = "lambda.update_event_source_mapping sets it"
    return [
        Check(f"{name}: trigger", True, queue, queue),
        equal(f"{name}: trigger's state", "Enabled", found["State"], f"enable_trigger(lab, {function.name!r})."),
        equal(f"{name}: trigger's batch size", BATCH_SIZE, found["BatchSize"], f"{update}: BatchSize=1."),
        equal(
            f"{name}: partial batch response",
            PARTIAL_BATCH,
            ", ".join(found.get("FunctionResponseTypes", [])) or "off",
            f'{update}: FunctionResponseTypes=["{PARTIAL_BATCH}"]. Without it failures are lost.',
        ),
        Check(
            f"{name}: visibility timeout against timeout",
            visibility >= 6 * configuration["Timeout"],
            f"at least 6 x {configuration['Timeout']} s",
            f"{visibility} s",
            "A message must stay hidden while the function works and retries: raise the queue's VisibilityTimeout.",
        ),
    ]


def delete_trigger(lab: Lab, function_name: str) -> None:
    """Delete the event source mapping of a function: its pollers stop, and stop costing."""
    function = lab.settings.function_named(function_name)
    with deleting(lab, "trigger", lab.settings.function_name(function)):
        found = find_trigger(lab, function)
        if found is not None:
            client, uuid = lab.client("lambda"), found["UUID"]
            wait_until(lambda: _delete_mapping(lab, uuid), what="a trigger that is being changed", seconds=120)
            wait_until(
                lambda: found_or_none(client.get_event_source_mapping, UUID=uuid) is None,
                what="the trigger to be gone",
                seconds=180,
            )


def _delete_mapping(lab: Lab, uuid: str) -> bool:
    """Lambda refuses to delete a mapping that it is still creating or changing: for that alone, ask again."""
    try:
        lab.client("lambda").delete_event_source_mapping(UUID=uuid)
    except ClientError as error:
        if error_code(error) == "ResourceInUseException":
            return False
        raise
    return True


def delete_function(lab: Lab, name: str) -> None:
    """Delete a function. That it is gone already is no error."""
    with deleting(lab, "function", name):
        lab.client("lambda").delete_function(FunctionName=name)


def delete_log_group(lab: Lab, name: str) -> None:
    """Delete a function's log group with all its streams."""
    with deleting(lab, "log group", name):
        lab.client("logs").delete_log_group(logGroupName=name)
