"""A function as Lambda records it."""

from __future__ import annotations

import json
import time
from typing import Any

from moto.awslambda import models
from moto.core.exceptions import JsonRESTError
from moto.core.utils import iso_8601_datetime_with_nanoseconds

from labkit.embedded_aws import settings
from labkit.embedded_aws.runtime import pool


class LambdaRefusal(JsonRESTError):
    """An error with a status of its own."""

    def __init__(self, status: int, error: str, message: str, **more: str) -> None:
        super().__init__(error, message)
        self.code = status
        self.description = json.dumps({"Type": "User", "message": message, "Message": message, **more})


class Function(models.LambdaFunction):
    """moto's record of a function, with what it leaves out: where it logs, and that a change takes its time.

    No issue of moto's is known.

    A new or changed function is in a state of change until somebody looks at it, or for a second; who changes it
    again without having waited is refused, as on AWS.
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        """Make the record from CreateFunction's request."""
        super().__init__(account_id, spec, region, version)
        self.log_format = "Text"
        self.log_level: str | None = None
        self._log_to(spec.get("LoggingConfig") or {})
        self._in_change_until = time.monotonic() + settings.current().change_seconds

    def _log_to(self, wanted: dict[str, Any]) -> None:
        self.log_format = wanted.get("LogFormat", self.log_format)
        self.log_level = wanted.get("ApplicationLogLevel", self.log_level or "INFO")
        self.logs_group_name = wanted.get("LogGroup", self.logs_group_name)
        if self.log_format == "Text":
            self.log_level = None

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """Return the configuration as the API shows it."""
        logging = {"LogFormat": self.log_format, "LogGroup": self.logs_group_name}
        if self.log_level:
            logging |= {"ApplicationLogLevel": self.log_level, "SystemLogLevel": "INFO"}
        configuration = super().get_configuration(on_create) | {"LoggingConfig": logging}
        if on_create:
            reason = {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
            return configuration | {"State": "Pending"} | reason
        if self._in_change:
            reason = {"LastUpdateStatusReason": "The function is being updated."}
            return configuration | {"LastUpdateStatus": "InProgress"} | reason
        return configuration

    def get_code(self) -> dict[str, Any]:
        """Return GetFunction's answer; the code can be fetched where its Location says."""
        answer = super().get_code()
        if "Code" in answer:
            answer["Code"]["Location"] = f"{pool.current().endpoint}/_embedded_aws/code/{self.code_digest}"
        return answer

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Change what is named."""
        self._log_to(config_updates.get("LoggingConfig") or {})
        return super().update_configuration(config_updates)

    @property
    def _in_change(self) -> bool:
        return time.monotonic() < self._in_change_until

    def begin_change(self) -> None:
        """Refuse a change while another one is under way, else be in change from now on."""
        if self._in_change:
            raise LambdaRefusal(
                409,
                "ResourceConflictException",
                "The operation cannot be performed at this time. An update is in progress for resource: "
                f"{self.function_arn}",
            )
        self._in_change_until = time.monotonic() + settings.current().change_seconds
        self.last_modified = iso_8601_datetime_with_nanoseconds()  # which moto leaves at the creation

    def settle(self) -> None:
        """Whoever looks has waited: the change is over."""
        self._in_change_until = 0.0
