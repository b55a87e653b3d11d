"""Step 4, second part: the Lambda functions, the triggers that feed them, and the packages they are made of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit import resources
from labkit.branch import Branch
from labkit.errors import LabError, aws_errors
from labkit.lab import Lab
from labkit.packages import Package, refusal_for
from labkit.resources import LogGroup, judge_settled, kinds_of_step
from labkit.result import Checks, Result, Table
from labkit.settings import PARTIAL_BATCH
from labkit.steps.roles import create_roles

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
        limits = f"with {self.memory_mb} MB, for {self.timeout_s} s at most"
        return f"The function {self.name} runs {self.handler} on {self.runtime}, {limits}."

    def console(self) -> Sequence[str]:
        return self.said

    def rows(self) -> Iterable[Sequence[object]]:
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
        return f"The trigger {self.queue} -> {self.function} is {self.state}."

    def console(self) -> Sequence[str]:
        return self.said

    def rows(self) -> Iterable[Sequence[object]]:
        yield "id", self.uuid
        yield "state", self.state
        yield "batch size", self.batch_size
        yield "partial batch response", PARTIAL_BATCH


@dataclass(frozen=True)
class Deployed(Result):
    """A function and its trigger, as `create_functions` leaves them."""

    function: Function
    trigger: Trigger

    def sentence(self) -> str:
        return f"{self.function.sentence()} {self.trigger.sentence()}"

    def console(self) -> Sequence[str]:
        return (*self.function.console(), *self.trigger.console())


def _function_of(lab: Lab, branch: Branch) -> resources.Function:
    return resources.Function.in_branch(lab, branch)


def _trigger_of(lab: Lab, branch: Branch) -> resources.Trigger:
    return resources.Trigger.in_branch(lab, branch)


@aws_errors("making a log group")
def create_log_group(lab: Lab, branch: Branch) -> None:
    """Make the function's log group before Lambda does: with an end date, and so that the role need not make it.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    group = LogGroup.in_branch(lab, branch)
    found = group.read()
    group.create(found)
    if found is None or "retentionInDays" not in found:
        group.keep_for_a_day()


@aws_errors("making a function")
def create_function(lab: Lab, function_name: str) -> Function:
    """Make a function "from scratch", as the console does: AWS's hello-world code, to be replaced by `upload_code`.

    Memory, timeout, runtime and role are the lab's. Returns the Function; calling it again changes nothing.
    Raises LabError. https://docs.aws.amazon.com/lambda/latest/dg/API_CreateFunction.html
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        entry = zipfile.ZipInfo("lambda_function.py")
        entry.external_attr = 0o644 << 16  # Lambda's own user has to be able to read it
        file.writestr(entry, PLACEHOLDER_CODE)
    branch = lab.branch(function_name)
    return _create_function(lab, branch, buffer.getvalue(), Handler=PLACEHOLDER_HANDLER, Description="")


@aws_errors("making a function")
def deploy_function(lab: Lab, function_name: str) -> Function:
    """Make a function whole, in one call: its package and its configuration; or bring one that is there to that.

    Returns the Function; calling it again changes nothing. Raises LabError.
    """
    branch = lab.branch(function_name)
    function = _function_of(lab, branch)
    if function.read() is None:
        return _create_function(lab, branch, function.package().path.read_bytes())
    create_log_group(lab, branch)
    uploaded = upload_code(lab, function_name)
    wanted = function.configuration()
    del wanted["Architectures"]  # belongs to the code, and is the same
    configured = configure_function(lab, function_name, **wanted)
    return replace(configured, said=tuple(dict.fromkeys((*uploaded.said, *configured.said))))


def _create_function(lab: Lab, branch: Branch, code: bytes, **changes: Any) -> Function:
    function = _function_of(lab, branch)
    resources.Queue.in_branch(lab, branch).require()
    for role in resources.Role.of(lab):
        if role.branch == branch:
            role.require()
    if function.exists():
        return _function(require_function(lab, branch))
    refuse_blocked_runtime(lab)
    create_log_group(lab, branch)
    made = function.create_with(code, **changes)
    said = (
        f"Successfully created the function {function.name}. You can now change its code and configuration. "
        'To invoke your function with a test event, choose "Test".'
    )
    return _function(_read_function(function), (said,) if made else ())


def refuse_blocked_runtime(lab: Lab) -> None:
    """Raise LabError for a runtime on which AWS makes no new functions any more.

    The embedded AWS runs functions on this machine's own Python, whatever AWS's calendar says of it.
    """
    if lab.definition.where != "local" and (refusal := refusal_for(lab.target.runtime)):
        raise LabError(
            refusal,
            where="making a function",
            hint="redefine_lab(lab, runtime=...) chooses another one.",
            code="bad-option",
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


def require_function(lab: Lab, branch: Branch) -> dict[str, Any]:
    """What Lambda knows of a function; LabError if step 4 was not done, or if the function is someone else's."""
    function = _function_of(lab, branch)
    found = _read_function(function)
    function.refuse_foreign()  # whatever the journal says
    entry = lab.journal.find(*function.key)
    if entry is None or entry.state != "created":
        function.wait_until_ready()  # whoever made it may have crashed while it was pending
        lab.journal.created(*function.key, arn=function.arn)
    return found


def _read_function(function: resources.Function) -> dict[str, Any]:
    found = function.read()
    if found is None:
        function.require()
        name = function.branch.name if function.branch else function.name
        raise LabError(
            f"The function {function.name} is gone.",
            hint=f"deploy_function(lab, {name!r}) makes it again.",
            code="missing-step",
        )
    return found


@aws_errors("uploading a function's code")
def upload_code(lab: Lab, function_name: str, package: Package | Path | None = None) -> Function:
    """Upload a deployment package to a function; by default the lab's own, built for the lab's runtime.

    `package` can be the caller's own zip. Returns the Function; the same code again is not uploaded again.
    Raises LabError. https://docs.aws.amazon.com/lambda/latest/dg/API_UpdateFunctionCode.html
    """
    branch = lab.branch(function_name)
    found = require_function(lab, branch)
    package = package or _function_of(lab, branch).package()
    if isinstance(package, Package) and package.code_sha256 == found["CodeSha256"]:
        return _function(found)
    path = package.path if isinstance(package, Package) else package
    if not path.is_file():
        raise LabError(f"There is no file {path}.", where=f"uploading the code of {branch.name}", code="not-there")
    code, client = path.read_bytes(), lab.client("lambda")
    with aws_errors(f"uploading the code of {branch.name}"):
        return _updated(
            lab, branch, lambda: client.update_function_code(FunctionName=branch.function_name, ZipFile=code)
        )


def set_handler(lab: Lab, function_name: str, handler: str | None = None) -> Function:
    """Say which function in which file Lambda calls: `CreateThumbnail.handler` by default."""
    return configure_function(lab, function_name, Handler=handler or lab.branch(function_name).handler)


def set_description(lab: Lab, function_name: str, description: str | None = None) -> Function:
    """Set a function's description, the original's by default."""
    return configure_function(
        lab, function_name, Description=description or lab.branch(function_name).function.description
    )


@aws_errors("configuring a function")
def configure_function(lab: Lab, function_name: str, **configuration: Any) -> Function:
    """Change a function's configuration, such as `MemorySize=1024`; nothing is called if it is so already.

    https://docs.aws.amazon.com/lambda/latest/dg/API_UpdateFunctionConfiguration.html
    """
    branch, client = lab.branch(function_name), lab.client("lambda")
    found = require_function(lab, branch)
    lacking = {key: value for key, value in configuration.items() if found.get(key) != value}
    if not lacking:
        return _function(found)
    with aws_errors(f"changing {', '.join(lacking)} of {branch.name}"):
        return _updated(
            lab,
            branch,
            lambda: client.update_function_configuration(FunctionName=branch.function_name, **lacking),
        )


def _updated(lab: Lab, branch: Branch, call: Any) -> Function:
    """The function once Lambda has taken over what was changed."""
    function = _function_of(lab, branch)
    function.update(call)
    return _function(_read_function(function), (f"Successfully updated the function {function.name}.",))


@aws_errors("adding a trigger")
def add_trigger(lab: Lab, function_name: str) -> Trigger:
    """Tie a function's queue to it, not yet enabled: batch size 1, partial batch responses on.

    Returns the Trigger; calling it again changes nothing. Raises LabError.
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    branch = lab.branch(function_name)
    resources.Queue.in_branch(lab, branch).require()
    require_function(lab, branch)
    trigger = _trigger_of(lab, branch)
    found = trigger.read()
    made = trigger.create(found)
    said = (
        f"The trigger {branch.queue_name} was successfully added to function {trigger.name}. "
        "The trigger is in a disabled state."
    )
    return _trigger(branch, found or _require_trigger(trigger), (said,) if made else ())


def _require_trigger(trigger: resources.Trigger) -> dict[str, Any]:
    found = trigger.read()
    if found is None:
        name = trigger.branch.name if trigger.branch else trigger.name
        raise LabError(
            f"The function {trigger.name} has no trigger yet.",
            hint=f"add_trigger(lab, {name!r}) ties its queue to it.",
            code="missing-step",
        )
    return found


@aws_errors("enabling a trigger")
def enable_trigger(lab: Lab, function_name: str) -> Trigger:
    """Switch a function's trigger on, and wait until Lambda says that it is enabled."""
    branch = lab.branch(function_name)
    trigger = _trigger_of(lab, branch)
    found = _require_trigger(trigger)
    with aws_errors(f"enabling the trigger of {branch.name}"):
        return _trigger(branch, trigger.enable(found))


def _trigger(branch: Branch, found: Mapping[str, Any], said: tuple[str, ...] = ()) -> Trigger:
    return Trigger(branch.function_name, branch.queue_name, found["UUID"], found["State"], found["BatchSize"], said)


def create_functions(lab: Lab) -> Table[Deployed]:
    """Make all three functions whole, with their roles and triggers, and wait until the triggers are enabled.

    What is there already is brought to what it should be. Raises LabError.
    """
    create_roles(lab)
    functions = [deploy_function(lab, branch.name) for branch in lab.branches]
    added = [add_trigger(lab, branch.name) for branch in lab.branches]
    enabled = [enable_trigger(lab, branch.name) for branch in lab.branches]
    triggers = [replace(now, said=before.said) for before, now in zip(added, enabled, strict=True)]
    on = sum(trigger.state == "Enabled" for trigger in triggers)
    return Table(
        tuple(Deployed(function, trigger) for function, trigger in zip(functions, triggers, strict=True)),
        f"{len(functions)} functions, {on} of {len(triggers)} triggers enabled.",
        {
            "function": lambda one: one.function.name,
            "handler": lambda one: one.function.handler,
            "runtime": lambda one: one.function.runtime,
            "memory": lambda one: f"{one.function.memory_mb} MB",
            "timeout": lambda one: f"{one.function.timeout_s} s",
            "code": lambda one: f"{one.function.code_size:,} bytes",
            "trigger": lambda one: one.trigger.queue,
            "state": lambda one: one.trigger.state,
        },
    )


@aws_errors("checking the functions")
def check_functions(lab: Lab) -> Checks:
    """Look at each function, its role, its log group and its trigger, and at their timeouts. Changes nothing."""
    return Checks("functions, roles and triggers", judge_settled(lab, *kinds_of_step(4)))
