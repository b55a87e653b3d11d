"""The event source mapping of a branch: Lambda's own pollers, which take messages from a queue to a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from labkit.branch import Branch
from labkit.lab import Lab
from labkit.resources.function import Function
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, UNDERWAY, About, Line, Snapshot
from labkit.resources.queue import Queue, queue_depth
from labkit.resources.resource import Resource, Right, arn_of, found_or_none, template_resource
from labkit.result import counted
from labkit.settings import BATCH_SIZE, PARTIAL_BATCH, VISIBILITY_FACTOR
from labkit.waiting import wait_until

CHANGED_WITHIN_S = 120
GONE_WITHIN_S = 180


class Trigger(Resource):
    """The event source mapping from a branch's queue to its function, by the function's name.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """

    kind, step, notebook = "trigger", 4, "04_functions"

    @classmethod
    def in_branch(cls, lab: Lab, branch: Branch) -> Self:
        return cls(lab, branch.function_name, branch, {"queue": branch.queue_arn})

    @property
    def queue_arn(self) -> str | None:
        """The queue that it polls; None if neither the definition nor the journal knows."""
        queue = self.branch.queue_arn if self.branch else self.facts.get("queue")
        return None if queue is None else str(queue)

    @property
    def queue(self) -> Queue | None:
        """The same as a resource."""
        return Queue(self.lab, self.queue_arn.rsplit(":", 1)[-1], self.branch) if self.queue_arn else None

    @property
    def arn(self) -> str:
        """AWS gives it when it is made; what is known before is the function's."""
        uuid = self.facts.get("uuid")
        return self.lab.arn("lambda", f"event-source-mapping:{uuid}" if uuid else f"function:{self.name}")

    def read(self) -> dict[str, Any] | None:
        """The mapping from its queue to its function.

        Asked for by the id that the journal keeps, since a list may lag; else by the queue: a mapping outlives its
        function, and AWS lists none for a function that is gone.
        """
        if uuid := self._uuid():
            found = found_or_none(self.lab.client("lambda").get_event_source_mapping, UUID=uuid)
            if found is not None:
                return dict(found)
        function = self.lab.arn("lambda", f"function:{self.name}")
        mappings = _mappings(self.lab, self.queue_arn)
        return next((mapping for mapping in mappings if mapping["FunctionArn"] == function), None)

    def read_tags(self) -> dict[str, str]:
        """Its tags; a mapping that an older lab made has none."""
        uuid = self._uuid() or (self.read() or {}).get("UUID")
        if uuid is None:
            return {}
        arn = self.lab.arn("lambda", f"event-source-mapping:{uuid}")
        return dict(self.lab.client("lambda").list_tags(Resource=arn).get("Tags", {}))

    def _uuid(self) -> str | None:
        known = self.lab.journal.find(*self.key)
        return self.facts.get("uuid") or (known.facts.get("uuid") if known else None)

    def hangs_on(self) -> Resource | None:
        return self.queue

    def make(self) -> dict[str, Any]:
        """Tie the queue to the function, not yet enabled; wait until Lambda has made it.

        Another notebook may enable it at once: whoever waits to see it disabled could wait in vain.
        """
        request = {
            "EventSourceArn": self.queue_arn,
            "FunctionName": self.name,
            "BatchSize": BATCH_SIZE,
            "Enabled": False,
            "FunctionResponseTypes": [PARTIAL_BATCH],
            "Tags": self.lab.definition.tags,
            **self.limit(),
        }
        found = self.lab.client("lambda").create_event_source_mapping(**request)
        self._wait(found["UUID"], "made", lambda state: state != "Creating")
        return {"uuid": found["UUID"], "queue": self.queue_arn}

    def limit(self, found: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a request needs for it to start no more invocations at once than is its share of a small account.

        Nothing where the account has room, or where the mapping as `found` is held to that already.
        """
        most, has = self.lab.definition.max_concurrency, _max_concurrency(found or {})
        return {} if most is None or (has and has <= most) else {"ScalingConfig": {"MaximumConcurrency": most}}

    def known_facts(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {"uuid": found["UUID"], "queue": self.queue_arn}

    def enable(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Switch it on, held to its share, and wait until Lambda says that it is enabled; returns it as it is then."""
        limit, uuid = self.limit(found), found["UUID"]
        if found["State"] == "Enabled" and not limit:
            return dict(found)
        if found["State"] != "Enabling" or limit:
            self.lab.client("lambda").update_event_source_mapping(UUID=uuid, Enabled=True, **limit)
        return self.wait_until_enabled(uuid)

    def wait_until_enabled(self, uuid: str) -> dict[str, Any]:
        """The mapping, once Lambda says that its pollers run. Raises WaitedTooLong."""
        return self._wait(uuid, "enabled", lambda state: state == "Enabled")

    def _wait(self, uuid: str, what: str, is_so: Callable[[str], bool]) -> dict[str, Any]:
        """There is no waiter for event source mappings: ask for the state."""

        def ask() -> dict[str, Any] | None:
            answer = found_or_none(self.lab.client("lambda").get_event_source_mapping, UUID=uuid)
            return dict(answer) if answer and is_so(answer["State"]) else None

        return wait_until(ask, what=f"the trigger of {self.name} to be {what}", seconds=CHANGED_WITHIN_S)

    def erase(self) -> None:
        """Delete it, and wait until its pollers have stopped, and with them their cost."""
        found = self.read()
        if found is None:
            return
        client, uuid = self.lab.client("lambda"), found["UUID"]
        client.delete_event_source_mapping(UUID=uuid)
        wait_until(
            lambda: found_or_none(client.get_event_source_mapping, UUID=uuid) is None,
            what="the trigger to be gone",
            seconds=GONE_WITHIN_S,
        )

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """There, enabled, one message at a time, failures reported one by one, in step with the timeouts."""
        about, found = About("trigger", self.own_branch.name, f"{self.name}: "), snapshot.read(self)
        queue = snapshot.read(Queue.in_branch(self.lab, self.own_branch))
        waiting = f" In the queue: {counted(queue_depth(queue).total, 'message')}." if queue else ""
        add, enable = f"add_trigger(lab, {self.own_branch.name!r})", f"enable_trigger(lab, {self.own_branch.name!r})"
        if found is None:
            yield about.line(
                "trigger",
                False,
                self.own_branch.queue_name,
                "no trigger",
                otherwise=MISSING,
                hint=f"{add}, then {enable}.",
                evidence=f"Nothing takes messages from {self.own_branch.queue_name} to the function.{waiting}",
                fix="Step 4 makes it.",
                call="catch_up(lab, to=4)",
            )
            return
        yield about.works("trigger", self.own_branch.queue_name, evidence=f"enabled, batch size {found['BatchSize']}.")
        yield self._state(about, found, waiting, enable)
        update = f"lab.client('lambda').update_event_source_mapping(UUID={found['UUID']!r}, "
        yield about.equal(
            "trigger's batch size",
            BATCH_SIZE,
            found["BatchSize"],
            otherwise=DIFFERENT,
            hint=f"lambda.update_event_source_mapping sets it: BatchSize={BATCH_SIZE}.",
            call=f"{update}BatchSize={BATCH_SIZE})",
        )
        yield about.equal(
            "partial batch response",
            PARTIAL_BATCH,
            ", ".join(found.get("FunctionResponseTypes", [])) or "off",
            otherwise=RISKY,
            hint=f'lambda.update_event_source_mapping sets it: FunctionResponseTypes=["{PARTIAL_BATCH}"]. '
            "Without it failures are lost.",
            evidence="Partial batch responses are off: a photo that fails counts as done, and is lost.",
            fix="Switch them on.",
            call=f"{update}FunctionResponseTypes=[{PARTIAL_BATCH!r}])",
        )
        if (most := self.lab.definition.max_concurrency) is not None:
            yield about.line(
                "trigger's maximum concurrency",
                not self.limit(found),
                f"at most {most}",
                _max_concurrency(found) or "none",
                otherwise=RISKY,
                hint=f"{enable} sets it.",
                evidence=f"The account runs {self.lab.definition.concurrency} functions at once, and nothing holds "
                "this trigger to its share: photos that are turned away too often are moved to the dead-letter queue.",
                fix="Hold it to its share.",
                call=enable,
            )
        yield from self._timeouts(queue, snapshot)

    def _state(self, about: About, found: Mapping[str, Any], waiting: str, enable: str) -> Line:
        state, said = found["State"], str(found.get("LastProcessingResult", ""))
        more: dict[str, Any] = {"otherwise": BROKEN, "hint": f"{enable}.", "call": enable}
        if said.startswith("PROBLEM") and not state.startswith("Disabl"):
            evidence, fix = f"Lambda says: {said}", "The role or the queue is at fault."
            return about.line("trigger's state", False, "Enabled", said, otherwise=BROKEN, evidence=evidence, fix=fix)
        if state.startswith("Disabl"):
            more |= {"evidence": f"It is {state.lower()}.{waiting}", "fix": "Switch it on."}
        else:
            more |= {"otherwise": UNDERWAY, "evidence": f"It is {state.lower()}.", "fix": "Wait a moment."}
        return about.equal("trigger's state", "Enabled", state, **more)

    def _timeouts(self, queue: Mapping[str, str] | None, snapshot: Snapshot) -> Iterator[Line]:
        function = snapshot.read(Function(self.lab, self.name, self.branch))
        if function is None:
            return
        visibility, timeout = int((queue or {}).get("VisibilityTimeout", 0)), function["Timeout"]
        needed = VISIBILITY_FACTOR * timeout
        yield About("queue", self.own_branch.name, f"{self.name}: ").line(
            "visibility timeout against timeout",
            visibility >= needed,
            f"at least 6 x {timeout} s",
            f"{visibility} s",
            otherwise=BROKEN if visibility < timeout else RISKY,
            hint="A message must stay hidden while the function works: raise the queue's VisibilityTimeout.",
            evidence=f"Messages are hidden for {visibility} s while the function may work for {timeout} s: "
            "each may come twice.",
            call=Queue(self.lab, self.own_branch.queue_name).set_attributes(
                queue["QueueUrl"], VisibilityTimeout=str(needed)
            )
            if queue
            else "",
            consequence=queue is None,
        )

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        """All mappings whose function or queue fits: pollers outlive both."""
        for mapping in _mappings(lab, None):
            function, queue = (mapping[end].rsplit(":", 1)[-1] for end in ("FunctionArn", "EventSourceArn"))
            if fits(function) or fits(queue):
                yield cls(lab, function, None, {"uuid": mapping["UUID"], "queue": mapping["EventSourceArn"]})

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        wanted = {"BatchSize": BATCH_SIZE, "State": "Enabled", "FunctionResponseTypes": [PARTIAL_BATCH]}
        have = found or {**wanted, **self.limit()}
        return {
            f"{self.own_branch.short_name}Trigger": template_resource(
                "AWS::Lambda::EventSourceMapping",
                EventSourceArn=arn_of(f"{self.own_branch.short_name}Queue"),
                FunctionName={"Ref": f"{self.own_branch.short_name}Function"},
                BatchSize=have["BatchSize"],
                Enabled=have["State"] in ("Enabled", "Enabling", "Creating"),
                FunctionResponseTypes=have.get("FunctionResponseTypes", []),
                ScalingConfig=have.get("ScalingConfig") or None,
            )
        }

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make them for the lab's functions alone, and look after them."""
        functions = [branch.function_arn for branch in lab.branches]
        only_these = {"ArnLike": {"lambda:FunctionArn": functions}}
        mappings = (lab.arn("lambda", "event-source-mapping:*"),)
        yield Right("TieQueues", "lambda", "CreateEventSourceMapping", ("*",), only_these)
        keep = "UpdateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping"
        yield Right("KeepTriggers", "lambda", keep, mappings, only_these)
        yield Right("TagTriggers", "lambda", "TagResource ListTags", mappings)
        yield Right("ListAndLook", "lambda", "ListEventSourceMappings", ("*",))
        yield Right("ListAndLook", "lambda", "GetAccountSettings", ("*",))


def _max_concurrency(found: Mapping[str, Any]) -> int | None:
    return (found.get("ScalingConfig") or {}).get("MaximumConcurrency")


def _mappings(lab: Lab, queue_arn: str | None) -> Iterator[dict[str, Any]]:
    """The event source mappings of a queue, or of the whole region."""
    of_queue = {"EventSourceArn": queue_arn} if queue_arn else {}
    for page in lab.client("lambda").get_paginator("list_event_source_mappings").paginate(**of_queue):
        yield from (dict(mapping) for mapping in page["EventSourceMappings"])
