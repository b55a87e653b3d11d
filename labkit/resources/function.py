"""The Lambda function of a branch: its package, handler, runtime, role, memory and timeout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from botocore.exceptions import ClientError, WaiterError

from labkit.errors import LabError
from labkit.lab import Lab
from labkit.packages import Package, build_package
from labkit.resources.judgement import BROKEN, DIFFERENT, RISKY, UNDERWAY, About, Line, Snapshot
from labkit.resources.resource import Resource, Right, as_tag_list, found_or_none, template_resource
from labkit.resources.role import Role, judge_role

READY_WITHIN_S = 120  # Lambda takes seconds to make a function; the waiters ask once a second


class Function(Resource):
    """A Lambda function.

    https://docs.aws.amazon.com/lambda/latest/dg/API_CreateFunction.html
    """

    kind, step, notebook = "function", 4, "04_functions"
    named_by = "function_name"

    @property
    def arn(self) -> str:
        return self.lab.arn("lambda", f"function:{self.name}")

    def package(self) -> Package:
        """The lab's own deployment package for it, built for the lab's target; from the cache if it is there."""
        return build_package(self.own_branch.name, self.lab.target, source=self.own_branch.function.source)

    def read(self) -> dict[str, Any] | None:
        answer = found_or_none(self.lab.client("lambda").get_function_configuration, FunctionName=self.name)
        return None if answer is None else dict(answer)

    def read_tags(self) -> dict[str, str]:
        return dict(self.lab.client("lambda").list_tags(Resource=self.arn)["Tags"])

    def configuration(self) -> dict[str, Any]:
        """What it should be, by Lambda's own names."""
        lab = self.lab.definition
        return {
            "Runtime": self.lab.target.runtime,
            "Architectures": [self.lab.target.architecture],
            "Role": self.own_branch.role_arn,
            "Handler": self.own_branch.handler,
            "Description": self.own_branch.function.description,
            "Timeout": lab.function_timeout_s,
            "MemorySize": lab.function_memory_mb,
        }

    def make(self) -> dict[str, Any]:
        """Make it whole: package, handler and description in one call."""
        return self.make_with(self.package().path.read_bytes())

    def create_with(self, code: bytes, **changes: Any) -> bool:
        """The same as `create` of what is not there, with this zip and these changes of its configuration."""
        return self.create(found=None, make=lambda: self.make_with(code, **changes))

    def make_with(self, code: bytes, **changes: Any) -> dict[str, Any]:
        """Make it with this zip and these changes of its configuration; wait until it can be invoked."""
        wanted = {**self.configuration(), **changes}
        request = {**wanted, "FunctionName": self.name, "Code": {"ZipFile": code}, "Tags": self.lab.definition.tags}
        self.lab.client("lambda").create_function(**request)
        self.wait_until_ready()
        return {"arn": self.arn}

    def wait_until_ready(self) -> None:
        """Wait until it can be invoked. Raises LabError with Lambda's reason if it fails, or takes too long."""
        self._wait_for("function_active_v2")

    def wait_until_updated(self) -> None:
        """Wait until Lambda has taken over what was changed. Raises LabError as above."""
        self._wait_for("function_updated_v2")

    def _wait_for(self, waiter: str) -> None:
        patience = {"Delay": 1, "MaxAttempts": READY_WITHIN_S}
        try:
            self.lab.client("lambda").get_waiter(waiter).wait(FunctionName=self.name, WaiterConfig=patience)
        except WaiterError as error:
            if "Error" in error.last_response:  # AWS refused to answer, which the waiter wraps in an error of its own
                raise ClientError(error.last_response, "GetFunction") from error
            found = error.last_response.get("Configuration", {})
            raise LabError(
                f"The function {self.name} did not become ready.",
                where=f"waiting for the function {self.name}",
                aws_said=found.get("StateReason") or found.get("LastUpdateStatusReason") or str(error),
                hint="Run the cell again. If Lambda has given the function up, take it away first: "
                f"lab.client('lambda').delete_function(FunctionName={self.name!r}).",
            ) from error

    def update(self, call: Callable[[], Any]) -> None:
        """Change it, and wait until Lambda has taken that over."""
        call()
        self.wait_until_updated()

    def erase(self) -> None:
        self.lab.client("lambda").delete_function(FunctionName=self.name)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """There, active, able to run, and configured as step 4 does."""
        about, found = About("function", self.own_branch.name, f"{self.name}: "), snapshot.read(self)
        if found is None:
            yield about.missing("exists", self.name, 4)
            return
        size = f"{found['Handler']}, {found['MemorySize']} MB, {found['Timeout']} s."
        yield about.works("exists", self.name, evidence=size)
        yield self._state(about, found)
        yield from self._package(about, found)
        yield from self._configuration(about, found)
        yield self._concurrency(about)
        if found["Role"] != self.own_branch.role_arn:  # another role than the definition's decides what it may do
            yield from judge_role(Role(self.lab, found["Role"].rsplit("/", 1)[-1]), self.own_branch, snapshot)

    def _state(self, about: About, found: Mapping[str, Any]) -> Line:
        state, reason = found.get("State", "Active"), found.get("StateReason", "no reason given")
        if found.get("LastUpdateStatus") == "Failed" and state == "Active":
            why = found.get("LastUpdateStatusReason", "no reason given")
            return about.line(
                "last update",
                False,
                "successful",
                "failed",
                otherwise=BROKEN,
                hint=f"It says: {why}.",
                evidence=f"Its last update failed: {why}",
                fix="Deploy it again.",
            )
        return about.equal(
            "state",
            "Active",
            state,
            otherwise=UNDERWAY if state == "Pending" else BROKEN,
            hint=f"It says: {reason}.",
            evidence=f"It is {state}: {reason}",
            fix="Deploy it again.",
        )

    def _package(self, about: About, found: Mapping[str, Any]) -> Iterator[Line]:
        """A wrong handler is sure to be one only where the package is the lab's, which has no other."""
        name, package = self.own_branch.name, self.package()
        own = found["CodeSha256"] == package.code_sha256
        set_it = f"set_handler(lab, {name!r})"
        yield about.equal(
            "handler",
            self.own_branch.handler,
            found["Handler"],
            otherwise=BROKEN if own else DIFFERENT,
            evidence=f"Its handler is {found['Handler']}, which its package does not have: "
            f"there it is {self.own_branch.handler}.",
            fix="Set it.",
            call=set_it,
        )
        upload = f"upload_code(lab, {name!r})"
        yield about.line(
            "code",
            own,
            f"{package.path.name} ({package.code_sha256[:12]}...)",
            f"{found['CodeSize']:,} bytes ({found['CodeSha256'][:12]}...)",
            otherwise=RISKY,
            hint=f"{upload} uploads the lab's package. A zip of your own differs, rightly.",
            evidence="Its code is not the lab's package. That is right if it is your own.",
            fix="That is right if it is your own; else upload the lab's package.",
            call=upload,
        )

    def _configuration(self, about: About, found: Mapping[str, Any]) -> Iterator[Line]:
        wanted, name = self.configuration(), self.own_branch.name
        described = f"set_description(lab, {name!r})"
        lines = {
            "Runtime": "runtime",
            "Description": "description",
            "MemorySize": "memory (MB)",
            "Timeout": "timeout (s)",
            "Role": "role",
        }
        for key, subject in lines.items():
            call = f"configure_function(lab, {name!r}, {key}={wanted[key]!r})"
            yield about.equal(
                subject,
                wanted[key],
                found.get(key, ""),
                otherwise=DIFFERENT,
                call=described if key == "Description" else call,
            )

    def _concurrency(self, about: About) -> Line:
        """Reserved concurrency 0 is how one stops a function in an emergency, and how one forgets that one did."""
        answer = self.lab.client("lambda").get_function_concurrency(FunctionName=self.name)
        reserved = answer.get("ReservedConcurrentExecutions")
        return about.line(
            "reserved concurrency",
            reserved != 0,
            "none, or at least 1",
            "none" if reserved is None else str(reserved),
            otherwise=BROKEN,
            hint="lambda.delete_function_concurrency takes the reservation away.",
            evidence="Its reserved concurrency is 0: Lambda never runs it.",
            fix="Take the reservation away.",
            call=f"lab.client('lambda').delete_function_concurrency(FunctionName={self.name!r})",
        )

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        for page in lab.client("lambda").get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                if fits(function["FunctionName"]):
                    yield cls(lab, function["FunctionName"], facts={"arn": function["FunctionArn"]})

    @property
    def logical_name(self) -> str:
        return f"{self.own_branch.short_name}Function"

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        have = {**self.configuration(), **({} if found is None else found)}
        kept = ("Description", "Runtime", "Architectures", "Handler", "MemorySize", "Timeout", "Role")
        return {
            self.logical_name: template_resource(
                "AWS::Lambda::Function",
                # else Lambda makes the group itself, without an end date
                depends_on=f"{self.own_branch.short_name}Logs",
                FunctionName=self.name,
                **{name: have[name] for name in kept},
                Code={"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": f"{self.own_branch.name}.zip"},
                Tags=as_tag_list(self.lab.definition.tags),
            )
        }

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        yield Right(
            "KeepFunctions",
            "lambda",
            "CreateFunction DeleteFunction GetFunction GetFunctionConfiguration UpdateFunctionCode "
            "UpdateFunctionConfiguration GetFunctionConcurrency DeleteFunctionConcurrency ListTags TagResource",
            tuple(branch.function_arn for branch in lab.branches),
        )
        yield Right("ListAndLook", "lambda", "ListFunctions", ("*",))
