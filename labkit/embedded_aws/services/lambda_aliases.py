"""Aliases: names for a version of a function, or for two of them with a weight.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.services.lambda_names import LATEST, FunctionName
from labkit.embedded_aws.services.lambda_requests import LambdaRequests, answer

_STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the "
    "latest Revision Id"
)


@dataclass
class Alias:
    """A name for a version, and how often another one is invoked instead of it."""

    arn: str
    name: str
    function_version: str
    description: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    revision_id: str = ""

    def shown(self) -> dict[str, Any]:
        """Return the alias as the API shows it."""
        routing = {"RoutingConfig": {"AdditionalVersionWeights": self.weights}} if self.weights else {}
        return {
            "AliasArn": self.arn,
            "Description": self.description,
            "FunctionVersion": self.function_version,
            "Name": self.name,
            "RevisionId": self.revision_id,
            **routing,
        }


class AliasResponses(LambdaRequests):
    """The operations on aliases."""

    def create_alias(self) -> TYPE_RESPONSE:
        """CreateAlias."""
        name = self.asked.get("Name")
        self.function(FunctionName(self.named.name, self.asked.get("FunctionVersion")))
        aliases = self._aliases()
        arn = FunctionName(self.named.name, name).arn(self.region)
        alias = self._changed(Alias(arn, name, ""))
        if name in aliases:
            raise AwsError("ResourceConflictException", f"Alias already exists: {arn}", 409)
        aliases[name] = alias
        return answer(alias.shown(), 201)

    def update_alias(self) -> TYPE_RESPONSE:
        """UpdateAlias."""
        alias = self._alias("Alias not found")
        if (revision := self.asked.get("RevisionId")) and revision != alias.revision_id:
            raise AwsError("PreconditionFailedException", _STALE, 412)
        shown = self._changed(alias).shown()
        self.backend.provide(self.named.name)  # what is provisioned goes along
        return answer(shown)

    def get_alias(self) -> TYPE_RESPONSE:
        """GetAlias."""
        return answer(self._alias("Cannot find alias arn").shown())

    def delete_alias(self) -> TYPE_RESPONSE:
        """DeleteAlias; one that is not there may be deleted."""
        name = self.asked.get("Name")
        self._aliases().pop(name, None)
        self.function(FunctionName(self.named.name)).provisioned.pop(name, None)
        self.backend.provide(self.named.name)
        return answer(None, 204)

    def list_aliases(self) -> str:  # type: ignore[override]  # moto has no pages
        """ListAliases, of all versions or of one."""
        version = self.asked.get("FunctionVersion")
        aliases = sorted(self._aliases().values(), key=lambda alias: alias.name)
        shown = [alias.shown() for alias in aliases if version in (None, alias.function_version)]
        return self.page("Aliases", shown)

    def _aliases(self) -> dict[str, Alias]:
        self.function(FunctionName(self.named.name))
        return self.backend.aliases_of(self.named.name)

    def _alias(self, words: str) -> Alias:
        alias = self._aliases().get(self.asked.get("Name"))
        if alias is None:
            arn = FunctionName(self.named.name, self.asked.get("Name")).arn(self.region)
            raise AwsError("ResourceNotFoundException", f"{words}: {arn}", 404)
        return alias

    def _changed(self, alias: Alias) -> Alias:
        """Take over what the request says of the alias; raises AwsError before anything is changed."""
        version = self.asked.get("FunctionVersion") or alias.function_version
        routing = self.asked.get("RoutingConfig")
        weights = alias.weights if routing is None else routing.get("AdditionalVersionWeights") or {}
        self._check_weights(version, weights)
        self.function(FunctionName(self.named.name, version))
        alias.function_version, alias.weights = version, weights
        alias.description = self.asked.get("Description", alias.description)
        alias.revision_id = str(uuid.uuid4())
        return alias

    def _check_weights(self, version: str, weights: dict[str, float]) -> None:
        if len(weights) > 1:
            words = "Number of items in AdditionalVersionWeights cannot be greater than 1"
            raise AwsError("InvalidParameterValueException", words)
        for other in weights:
            if version == LATEST:
                words = "$LATEST is not supported for an alias pointing to more than 1 version"
                raise AwsError("InvalidParameterValueException", words, Type=None)
            if other == version:
                words = f"Function version {other} is already included in routing configuration."
                raise AwsError("InvalidParameterValueException", f"Invalid function version {other}. {words}")
            self.function(FunctionName(self.named.name, other))
