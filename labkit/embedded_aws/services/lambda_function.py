"""A function as Lambda records it."""

from __future__ import annotations

import json
import time
import uuid
from hashlib import sha256
from typing import Any

from moto.awslambda import models
from moto.awslambda.models import lambda_backends
from moto.core.exceptions import JsonRESTError
from moto.core.utils import iso_8601_datetime_with_nanoseconds

from labkit.embedded_aws import settings
from labkit.embedded_aws.runtime import pool
from labkit.embedded_aws.services.lambda_permissions import FunctionPolicy


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
        self.shows_environment = spec.get("Environment") is not None
        self.policy = FunctionPolicy()  # type: ignore[assignment]  # all that reads it is ours, too
        self.dead_letter_target: str = (spec.get("DeadLetterConfig") or {}).get("TargetArn") or ""
        self.revision_id = str(uuid.uuid4())
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
        configuration = super().get_configuration(on_create) | {
            "LoggingConfig": logging,
            **({"DeadLetterConfig": {"TargetArn": self.dead_letter_target}} if self.dead_letter_target else {}),
            "RevisionId": self.revision_id,
            "RuntimeVersionConfig": {"RuntimeVersionArn": _runtime_version(self.region, str(self.run_time))},
        }
        if self.shows_environment:
            configuration.setdefault("Environment", {"Variables": {}})
        for name in ("Layers", "VpcConfig", "KMSKeyArn", "SigningProfileVersionArn", "SigningJobArn"):
            if not configuration.get(name):
                configuration.pop(name, None)
        if on_create:
            reason = {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
            return configuration | {"State": "Pending"} | reason
        if self._in_change:
            reason = {
                "LastUpdateStatusReason": "The function is being created.",
                "LastUpdateStatusReasonCode": "Creating",
            }
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
        if (dead_letters := config_updates.get("DeadLetterConfig")) is not None:
            self.dead_letter_target = dead_letters.get("TargetArn") or ""
        if (storage := config_updates.get("EphemeralStorage")) is not None:
            self.ephemeral_storage = storage["Size"]
        self.tracing_config = config_updates.get("TracingConfig") or self.tracing_config
        if config_updates.get("Environment") is not None:
            variables = {"Variables": {}} | config_updates["Environment"]
            config_updates = config_updates | {"Environment": variables}
            self.shows_environment = True
        return super().update_configuration(config_updates)

    def invoke_later(self, event: bytes) -> str:
        """Run an event asynchronously; return the request id."""
        backend: Any = lambda_backends[self.account_id][self.region]
        request_id: str = backend.invoke_later(self, event)
        return request_id

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
        self.revision_id = str(uuid.uuid4())
        self.last_modified = iso_8601_datetime_with_nanoseconds()  # which moto leaves at the creation

    def settle(self) -> None:
        """Whoever looks has waited: the change is over, which is a revision of its own."""
        if self._in_change_until:
            self._in_change_until = 0.0
            self.revision_id = str(uuid.uuid4())


def _runtime_version(region: str, runtime: str) -> str:
    """Return an ARN like those that AWS gives the versions of its runtimes."""
    return f"arn:aws:lambda:{region}::runtime:{sha256(runtime.encode()).hexdigest()}"
