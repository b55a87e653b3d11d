"""One of the pipeline's branches: two queues, two alarms, a role, a log group, a function, a trigger, a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.settings import FunctionSettings

if TYPE_CHECKING:
    from labkit.definition import Definition


@dataclass(frozen=True)
class Branch:
    """The names and ARNs of everything that one function needs, known before any of it is made."""

    definition: Definition
    function: FunctionSettings

    def _own(self, name: str) -> str:
        lab = self.definition
        return f"{lab.prefix}{name}-{lab.suffix}" if lab.shared else f"{lab.prefix}{name}"

    @property
    def name(self) -> str:
        """The function's original name, such as `CreateThumbnail`: it stands for the whole branch."""
        return self.function.name

    @property
    def short_name(self) -> str:
        """`CreateWebImage` -> `WebImage`, the stem of logical names in a template."""
        return self.name.removeprefix("Create")

    @property
    def queue_name(self) -> str:
        """The name of the branch's queue."""
        return self._own(self.function.queue)

    @property
    def queue_arn(self) -> str:
        """The ARN of the branch's queue."""
        return self.definition.arn("sqs", self.queue_name)

    @property
    def dead_letter_queue_name(self) -> str:
        """Where a message goes that the function could not handle in `MAX_RECEIVE_COUNT` receives."""
        return self._own(f"{self.function.queue.removesuffix('-queue')}-dead-letter-queue")

    @property
    def dead_letter_queue_arn(self) -> str:
        """The ARN of the dead-letter queue."""
        return self.definition.arn("sqs", self.dead_letter_queue_name)

    @property
    def dead_letter_alarm_name(self) -> str:
        """The alarm that goes off when something lies in the dead-letter queue."""
        return self._own(f"image-alarm-{self.function.queue.removesuffix('-queue')}-dead-letters")

    @property
    def age_alarm_name(self) -> str:
        """The alarm that goes off when a message waits for too long."""
        return self._own(f"image-alarm-{self.function.queue.removesuffix('-queue')}-age")

    @property
    def function_name(self) -> str:
        """The name of the Lambda function as it is deployed."""
        return self._own(self.name)

    @property
    def function_arn(self) -> str:
        """The ARN of the Lambda function."""
        return self.definition.arn("lambda", f"function:{self.function_name}")

    @property
    def handler(self) -> str:
        """Which function in which file Lambda calls: `CreateThumbnail.handler`."""
        return f"{self.name}.handler"

    @property
    def role_name(self) -> str:
        """The execution role of the function: the lab's own, or the existing one that the lab was given."""
        lab = self.definition
        return lab.role_arn.rsplit("/", 1)[-1] if lab.role_arn else f"{lab.prefix}{self.name}-role-{lab.suffix}"

    @property
    def role_arn(self) -> str:
        """The ARN of the execution role."""
        lab = self.definition
        return lab.role_arn or f"arn:{lab.partition}:iam::{lab.account}:role/{self.role_name}"

    @property
    def log_group(self) -> str:
        """Lambda's own name for the function's log group."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_group_arn(self) -> str:
        """The ARN of the log group, without the `:*` that stands for its streams."""
        return self.definition.arn("logs", f"log-group:{self.log_group}")

    @property
    def folder(self) -> str:
        """The folder that results go to, such as `thumbnail/`."""
        return self.function.folder

    def result_key(self, source_key: str) -> str:
        """The key of the result of a photo, see `FunctionSettings.result_key`."""
        return self.function.result_key(source_key)
