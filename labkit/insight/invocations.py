"""What the logs say of a function: did the last invocation go well, and if not, what did it fail of?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labkit.branch import Branch
from labkit.insight.log_lines import Invocation
from labkit.insight.logs import FunctionLogs
from labkit.resources.judgement import BROKEN, UNDERWAY, About, Line
from labkit.result import counted
from labkit.settings import VISIBILITY_FACTOR

DEPLOY = "deploy_function(lab, {name})"
RAISE_TIMEOUT = (
    "lab.client('sqs').set_queue_attributes(QueueUrl=lab.client('sqs').get_queue_url(QueueName={queue})['QueueUrl'], "
    "Attributes={{'VisibilityTimeout': '{visibility}'}}); configure_function(lab, {name}, Timeout={timeout})"
)
RAISE_MEMORY = "configure_function(lab, {name}, MemorySize={memory})"


@dataclass(frozen=True)
class Failure:
    """What an invocation failed of, what fixes that, and the call (a template filled in with what is known)."""

    said: str
    fix: str
    template: str = ""

    def call(self, branch: Branch, configuration: Mapping[str, Any]) -> str:
        """The line of Python that fixes it; empty if none does."""
        timeout = max(branch.definition.function_timeout_s, 2 * configuration["Timeout"])
        return self.template.format(
            name=repr(branch.name),
            queue=repr(branch.queue_name),
            timeout=timeout,
            visibility=VISIBILITY_FACTOR * timeout,
            memory=max(branch.definition.function_memory_mb, 2 * configuration["MemorySize"]),
        )


def judge_invocations(
    branch: Branch, logs: FunctionLogs, configuration: Mapping[str, Any] | None, key: str | None = None
) -> Line | None:
    """The last word of the logs: on the photo, or on the last message of all; None if they say nothing."""
    if configuration is None:
        return None
    hop = About("invocations", branch.name, f"{branch.function_name}: ")
    of_photo = logs.about(key) if key else logs.invocations
    changed = _changed(configuration)
    # An invocation that died before it read its message names no photo: it may well have been this one. One that ran
    # what the function was before it was last changed says nothing of the function as it is now.
    nameless = [one for one in logs.errors() if not one.photos and not _ran_before(one, changed)]
    relevant = sorted({*of_photo, *(nameless if key else ())}, key=lambda one: one.started)
    finished = [one for one in relevant if one.finished or one.photos]
    if not finished:
        return None
    last, count = finished[-1], counted(len(finished), "invocation")
    failure = failure_of(last, key)
    if failure is None or (key and any(failure_of(one, key) is None for one in of_photo)):
        return hop.works("last invocation", "went well", evidence=f"{count}, the last one well.")
    said = f"Invocation {last.request_id[:8]} failed: {failure.said}"
    if _ran_before(last, changed):
        evidence = f"{said} The function was changed after that; the message is tried again."
        if not key:
            return hop.works("last invocation", "failed before the last change", evidence=evidence)
        fix = "Wait for the visibility timeout."
        return hop.line("last invocation", False, "well", "failed", otherwise=UNDERWAY, evidence=evidence, fix=fix)
    call = failure.call(branch, configuration)
    more: dict[str, Any] = {"otherwise": BROKEN, "evidence": said, "fix": failure.fix, "call": call}
    return hop.line("last invocation", False, "went well", failure.said, hint=failure.fix, **more)


def failure_of(invocation: Invocation, key: str | None) -> Failure | None:
    """What an invocation failed of; None if it went well, for this photo or for all of its message."""
    status, error = invocation.status, invocation.error
    if status == "timeout":
        return Failure(error, "Give it more time, or a smaller photo.", RAISE_TIMEOUT)
    if status == "out of memory":
        return Failure(error, "Memory is what it lacks: give it more.", RAISE_MEMORY)
    if "ImportModuleError" in error or "HandlerNotFound" in error:
        fix = "The handler names what the zip does not have, or the zip is packed wrongly. Deploy the lab's package."
        return Failure(error, fix, DEPLOY)
    if status not in ("ok", "running"):
        if "'Records'" in error:
            fix = "It takes S3's test event, which has no Records, for a photo. Deploy code that knows it."
            return Failure(f"{error}.", fix, DEPLOY)
        return Failure(error or status, "Its log says where: read_logs(lab, ...).", DEPLOY)
    return next((_failed(photo) for photo in invocation.photos if _is_failed(photo, key)), None)


def _is_failed(photo: Mapping[str, Any], key: str | None) -> bool:
    return bool(photo["event"] == "failed" and key in (None, photo.get("source_key")))


def _failed(photo: Mapping[str, Any]) -> Failure:
    said = f"{photo.get('source_key', 'a message')}: {photo.get('message', photo.get('reason'))}"
    if photo.get("reason") == "access_denied":
        return Failure(said, "Give the role the policy of step 4.", "create_role(lab, {name})")
    if photo.get("reason") == "out_of_memory" or "this function has" in str(photo.get("message")):
        return Failure(said, "The photo is larger than the function has memory for: give it more.", RAISE_MEMORY)
    if photo.get("retry"):
        return Failure(said, "It is tried again after the visibility timeout; look at its log.")
    return Failure(said, "The photo is at fault, not the lab: upload a sound one under the same key.")


def _ran_before(invocation: Invocation, changed: datetime | None) -> bool:
    """True if it ran in an environment that is older than the change, however late it came to run there."""
    return changed is not None and (invocation.loaded or invocation.started) < changed


def _changed(configuration: Mapping[str, Any]) -> datetime | None:
    """When code or configuration were last changed, by Lambda's own clock."""
    text = str(configuration.get("LastModified", "")).replace("+0000", "+00:00")
    moment = datetime.fromisoformat(text) if text else None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
