"""A function as Lambda records it."""

from __future__ import annotations

import base64
import copy
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
from labkit.embedded_aws.services.lambda_event_configs import EventConfig
from labkit.embedded_aws.services.lambda_permissions import ResourcePolicy
from labkit.embedded_aws.services.lambda_provisioned import ProvisionedConfig


class LambdaRefusal(JsonRESTError):
    """An error with a status of its own."""

    def __init__(self, status: int, error: str, message: str, **more: str) -> None:
        super().__init__(error, message)
        self.code = status
        self.description = json.dumps({"Type": "User", "message": message, "Message": message, **more})


_UNLISTED = {
    "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "RuntimeVersionConfig", "State",
    "StateReason", "StateReasonCode",
}  # fmt: skip


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
        self.policy = ResourcePolicy()  # type: ignore[assignment]  # all that reads it is ours, too
        self.event_configs: dict[str, EventConfig] = {}  # by version or alias; all versions share them
        self.provisioned: dict[str, ProvisionedConfig] = {}  # likewise
        self.published = 0  # the number of the latest version
        self.dead_letter_target: str = (spec.get("DeadLetterConfig") or {}).get("TargetArn") or ""
        self.revise()
        self.log_format = "Text"
        self.log_level: str | None = None
        self.system_log_level: str | None = None
        self._log_to(spec.get("LoggingConfig") or {})
        self._in_change_until = time.monotonic() + settings.current().change_seconds

    def revise(self) -> None:
        """Whoever has read the function before has read another one."""
        self.revision_id = str(uuid.uuid4())

    def _get_layers_data(self, layers_versions_arns: list[str]) -> list[models.LayerDataType]:
        """Keep the layers as they are: the function needs them when their versions are deleted, too."""
        layers = super()._get_layers_data(layers_versions_arns)
        backend: Any = lambda_backends[self.account_id][self.region]
        self.layer_codes = tuple(backend.layers_versions_by_arn(layer["Arn"]).code_bytes for layer in layers)
        return layers

    def _set_function_code(self, updated_spec: dict[str, Any]) -> None:
        """Take the code, from S3 in the version that is asked for."""
        backend: Any = lambda_backends[self.account_id][self.region]
        self.code_bytes = backend.code_bytes(updated_spec)
        digest = sha256(self.code_bytes)
        self.code_size = len(self.code_bytes)
        self.code_sha_256, self.code_digest = base64.b64encode(digest.digest()).decode(), digest.hexdigest()
        self.code = {"S3Key": self.code_digest}

    def freeze(self, description: str) -> Function:
        """Return what the function is now as its next version, which never changes again."""
        self.code_or_config_updated = False
        self.published += 1
        version = copy.copy(self)
        version.set_version(self.published)
        version.description = description or self.description
        version._in_change_until = 0.0
        version.revise()
        self.revise()
        return version

    def listed(self) -> dict[str, Any]:
        """Return the configuration as lists show it: without its state.

        https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
        """
        return {name: value for name, value in self.get_configuration().items() if name not in _UNLISTED}

    def _log_to(self, wanted: dict[str, Any]) -> None:
        self.log_format = wanted.get("LogFormat", self.log_format)
        self.log_level = wanted.get("ApplicationLogLevel", self.log_level or "INFO")
        self.logs_group_name = wanted.get("LogGroup", self.logs_group_name)
        self.system_log_level = wanted.get("SystemLogLevel", self.system_log_level or "INFO")
        if self.log_format == "Text":
            self.log_level = self.system_log_level = None

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """Return the configuration as the API shows it."""
        logging: dict[str, str | None] = {"LogFormat": self.log_format, "LogGroup": self.logs_group_name}
        if self.log_level:
            logging |= {"ApplicationLogLevel": self.log_level, "SystemLogLevel": self.system_log_level}
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
        if self.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": self.reserved_concurrency}
        if "Code" in answer:
            answer["Code"]["Location"] = f"{pool.current().endpoint}/_embedded_aws/code/{self.code_digest}"
        return answer

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Change what is named."""
        self._log_to(config_updates.get("LoggingConfig") or {})
        dead_letters = config_updates.get("DeadLetterConfig") or {}
        self.dead_letter_target = dead_letters.get("TargetArn", self.dead_letter_target)  # an empty one takes it away
        if (storage := config_updates.get("EphemeralStorage")) is not None:
            self.ephemeral_storage = storage["Size"]
        self.tracing_config = config_updates.get("TracingConfig") or self.tracing_config
        if config_updates.get("Environment") is not None:
            variables = {"Variables": {}} | config_updates["Environment"]
            config_updates = config_updates | {"Environment": variables}
            self.shows_environment = True
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
        self.revise()
        self.last_modified = iso_8601_datetime_with_nanoseconds()  # which moto leaves at the creation

    def settle(self) -> None:
        """Whoever looks has waited: the change is over, which is a revision of its own."""
        if self._in_change_until:
            self._in_change_until = 0.0
            self.revise()


def _runtime_version(region: str, runtime: str) -> str:
    """Return an ARN like those that AWS gives the versions of its runtimes."""
    return f"arn:aws:lambda:{region}::runtime:{sha256(runtime.encode()).hexdigest()}"
