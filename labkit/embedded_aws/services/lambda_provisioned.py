"""Provisioned concurrency: which versions and aliases have environments that are always ready.

https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.lambda_names import LATEST, FunctionName
from labkit.embedded_aws.services.lambda_requests import LambdaRequests, answer


@dataclass
class ProvisionedConfig:
    """How many environments a version or alias wants."""

    wanted: int
    changed: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime()))


class ProvisionedResponses(LambdaRequests):
    """The operations on provisioned concurrency, none of which moto has."""

    def put_provisioned_concurrency_config(self) -> TYPE_RESPONSE:
        """PutProvisionedConcurrencyConfig."""
        words = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        function, qualifier = self._holder(words)
        wanted = int(self.asked.get("ProvisionedConcurrentExecutions"))
        self._check_conflict(function, qualifier)
        self._check_room(function, qualifier, wanted)
        function.provisioned[qualifier] = ProvisionedConfig(wanted)
        self.backend.provide(function.function_name)
        return answer(self._shown_config(function, qualifier), 202)

    def get_provisioned_concurrency_config(self) -> TYPE_RESPONSE:
        """GetProvisionedConcurrencyConfig."""
        function, qualifier = self._holder(_NOT_PUBLISHED)
        if qualifier not in function.provisioned:
            words = "No Provisioned Concurrency Config found for this function"
            raise AwsError("ProvisionedConcurrencyConfigNotFoundException", words, 404)
        return answer(self._shown_config(function, qualifier))

    def delete_provisioned_concurrency_config(self) -> TYPE_RESPONSE:
        """DeleteProvisionedConcurrencyConfig; one that is not there may be deleted."""
        function, qualifier = self._holder(_NOT_PUBLISHED)
        if function.provisioned.pop(qualifier, None) is not None:
            self.backend.provide(function.function_name)
        return answer(None, 204)

    def list_provisioned_concurrency_configs(self) -> str:
        """ListProvisionedConcurrencyConfigs."""
        name = self.named.name
        configs = self.function(FunctionName(name)).provisioned
        shown = [
            self._shown_config(self.function(one), str(one.qualifier)) | {"FunctionArn": one.arn(self.region)}
            for one in (FunctionName(name, qualifier) for qualifier in sorted(configs))
        ]
        return self.page("ProvisionedConcurrencyConfigs", shown)

    def _holder(self, unpublished: str) -> tuple[Any, str]:
        """Return the version that is meant, and by which qualifier; raises AwsError."""
        named = self.named
        if named.qualifier in (None, LATEST):
            raise AwsError("InvalidParameterValueException", unpublished)
        if named.is_alias and named.qualifier not in self.backend.aliases_of(named.name):
            raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {named.arn(self.region)}", 404)
        return self.function(named), str(named.qualifier)

    def _check_conflict(self, function: Any, qualifier: str) -> None:
        version, aliases = str(function.version), self.backend.aliases_of(function.function_name)
        if qualifier != version and version in function.provisioned:
            words = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            raise AwsError("ResourceConflictException", words, 409)
        pointing = (aliases[name] for name in function.provisioned if name in aliases)
        if qualifier == version and any(alias.function_version == version for alias in pointing):
            raise AwsError("ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias", 409)

    def _check_room(self, function: Any, qualifier: str, wanted: int) -> None:
        others = sum(config.wanted for name, config in function.provisioned.items() if name != qualifier)
        if function.reserved_concurrency is not None:
            if others + wanted > function.reserved_concurrency:
                words = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution "
                raise AwsError("InvalidParameterValueException", f"{words}for function")
        else:
            self._check_account(function, qualifier, wanted)
        if wanted > limits.MOST_PROVISIONED:
            raise not_there(f"more than {limits.MOST_PROVISIONED} provisioned environments of a version")

    def _check_account(self, function: Any, qualifier: str, wanted: int) -> None:
        had = function.provisioned.get(qualifier)
        unreserved = self.backend.unreserved_concurrency + (had.wanted if had else 0)
        least = limits.UNRESERVED_CONCURRENCY[1]
        told = ""
        if wanted > unreserved:
            told = f"is greater than account's unreserved concurrency [{unreserved}]."
        elif unreserved - wanted < least:
            told = f"decreases account's UnreservedConcurrentExecution below its minimum value of [{least}]."
        if told:
            words = f"Specified ConcurrentExecutions for function {told}"
            raise AwsError("InvalidParameterValueException", words, Type=None)

    def _shown_config(self, function: Any, qualifier: str) -> dict[str, Any]:
        config: ProvisionedConfig = function.provisioned[qualifier]
        provision = self.backend.pool.provision(function.function_arn)
        allocated = provision.allocated if provision else 0
        shown = {
            "RequestedProvisionedConcurrentExecutions": config.wanted,
            "AvailableProvisionedConcurrentExecutions": allocated,
            "AllocatedProvisionedConcurrentExecutions": allocated,
            "Status": provision.status if provision else "IN_PROGRESS",
            "LastModified": config.changed,
        }
        return shown | ({"StatusReason": "FUNCTION_ERROR_INIT_FAILURE"} if shown["Status"] == "FAILED" else {})


_NOT_PUBLISHED = "The function resource provided must be an alias or a published version."
