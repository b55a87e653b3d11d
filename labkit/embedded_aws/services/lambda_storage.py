"""Where functions are kept: moto's storage, which finds them by all the names that AWS knows, and their versions.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from typing import Any

from moto.awslambda import models
from moto.awslambda.exceptions import UnknownFunctionException

from labkit.embedded_aws.services.lambda_aliases import Alias
from labkit.embedded_aws.services.lambda_names import LATEST, FunctionName, read_name


class LambdaStorage(models.LambdaStorage):
    """moto takes a name, `name:qualifier` and an ARN, and stumbles over `123456789012:function:name`.

    It also gives the number of a deleted version to the next one, and forgets that the first version was published.
    No issue of moto's is known.
    """

    def get_function_by_name_or_arn_with_qualifier(
        self, name_or_arn: str, qualifier: str | None = None
    ) -> models.LambdaFunction:
        """Return the function, its version, or the first of the versions that an alias points to.

        Raises UnknownFunctionException.
        """
        return self._find(read_name(name_or_arn, qualifier))

    def get_function_by_name_or_arn_forbid_qualifier(self, name_or_arn: str) -> models.LambdaFunction:
        """Return the function; raises UnknownFunctionException."""
        return self._find(FunctionName(read_name(name_or_arn).name))

    def _find(self, named: FunctionName) -> models.LambdaFunction:
        if named.name not in self._functions:
            raise UnknownFunctionException(named.arn(self.region_name))
        if named.qualifier in (None, LATEST):
            return self._get_latest(named.name)
        alias = self.aliases_of(named.name).get(str(named.qualifier))
        version = str(named.qualifier) if alias is None else alias.function_version
        found = self._get_latest(named.name) if version == LATEST else self._get_version(named.name, version)
        if found is None:
            raise UnknownFunctionException(named.arn(self.region_name))
        return found

    def invoked(self, named: FunctionName) -> models.LambdaFunction:
        """Return what an invocation runs: an alias with weights points to either of two versions, by chance.

        https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
        alias = self.aliases_of(named.name).get(named.qualifier or "")
        for version, weight in (alias.weights if alias else {}).items():
            if random.random() < weight:  # noqa: S311  # no secret
                return self._find(FunctionName(named.name, version))
        return self._find(named)

    def aliases_of(self, name: str) -> dict[str, Alias]:
        """Return the aliases of a function by their names."""
        kept: Any = self._aliases  # moto keeps its own kind by ARN, and only where nobody asks for it here
        aliases: dict[str, Alias] = kept[name]
        return aliases

    def publish_version(self, name_or_arn: str, description: str = "") -> models.LambdaFunction:
        """Publish what $LATEST is now as a version; without a change since the last one, return that."""
        latest: Any = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
        versions = self._functions[latest.function_name]["versions"]
        if versions and not latest.code_or_config_updated:
            published: models.LambdaFunction = versions[-1]
            return published
        version: models.LambdaFunction = latest.freeze(description)
        versions.append(version)
        self._arns[version.function_arn] = version
        return version

    def del_function(self, name_or_arn: str, qualifier: str | None = None) -> None:
        """Delete a function with all its versions and aliases, or a version; one that is not there may be deleted.

        Raises UnknownFunctionException where there is no such function.
        """
        named = read_name(name_or_arn, qualifier)
        self._find(FunctionName(named.name))
        held = self._functions[named.name]
        if named.qualifier is None:
            del self._functions[named.name]
            self._aliases.pop(named.name, None)
        else:
            held["versions"] = [version for version in held["versions"] if str(version.version) != named.qualifier]

    def all(self) -> Iterable[models.LambdaFunction]:
        """Return all versions of all functions."""
        return [version for name in list(self._functions) for version in self.list_versions_by_function(name)]

    def list_versions_by_function(self, name: str) -> Iterable[models.LambdaFunction]:
        """Return $LATEST and the versions of a function; raises UnknownFunctionException."""
        latest = copy.copy(self._find(FunctionName(read_name(name).name)))
        latest.function_arn += f":{LATEST}"
        return [latest, *self._functions[latest.function_name]["versions"]]
