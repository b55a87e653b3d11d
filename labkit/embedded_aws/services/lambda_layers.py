"""Layers: their versions, and who may use them.

https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda import models
from moto.awslambda.exceptions import UnknownLayerException
from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.services.lambda_permissions import ResourcePolicy
from labkit.embedded_aws.services.lambda_requests import LambdaRequests, answer
from labkit.embedded_aws.state import ACCOUNT


class LayerVersion(models.LayerVersion):
    """moto's record of a layer's version, which shows what was sent and nothing else.

    No issue of moto's is known.
    """

    def __init__(self, spec: dict[str, Any], account_id: str, region: str) -> None:
        """Make the record from PublishLayerVersion's request."""
        super().__init__(spec, account_id, region)
        self.compatible_runtimes = spec.get("CompatibleRuntimes")
        self.compatible_architectures = spec.get("CompatibleArchitectures")
        self.policy = ResourcePolicy("GetLayerPolicy")  # type: ignore[assignment]  # all that reads it is ours, too

    def listed(self) -> dict[str, Any]:
        """Return the version as lists show it: what was not sent is not shown, but for the description."""
        shown: dict[str, Any] = {
            "LayerVersionArn": self.arn,
            "Version": self.version,
            "Description": self.description,
            "CreatedDate": self.created_date,
            "CompatibleRuntimes": self.compatible_runtimes,
            "CompatibleArchitectures": self.compatible_architectures,
            "LicenseInfo": self.license_info or None,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def fits(self, runtime: str | None, architecture: str | None) -> bool:
        """Return whether the version says of itself that it is for these."""
        runtimes, architectures = self.compatible_runtimes or [], self.compatible_architectures or ["x86_64"]
        return (runtime is None or runtime in runtimes) and (architecture is None or architecture in architectures)


class LayerResponses(LambdaRequests):
    """The operations on layers."""

    def publish_layer_version(self) -> TYPE_RESPONSE:
        """PublishLayerVersion."""
        version = self.backend.publish_layer_version({**self.asked.members, "LayerName": self._name})
        return answer(self._shown(version), 201)

    def get_layer_version(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """GetLayerVersion."""
        return answer(self._shown(self._found(self._name, self._number)))

    def get_layer_version_by_arn(self) -> TYPE_RESPONSE:
        """GetLayerVersionByArn, which moto does not have."""
        name, number = self.asked.get("Arn").split(":")[6:8]
        return answer(self._shown(self._found(name, int(number))))

    def delete_layer_version(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """DeleteLayerVersion; one that is not there may be deleted. Functions keep what they have of it."""
        version = self._version(self._name, self._number)
        if version is not None:
            self.backend.delete_layer_version(version.name, str(version.version))
        return answer(None, 204)

    def list_layer_versions(self) -> str:
        """ListLayerVersions, the latest first."""
        return self.page("LayerVersions", [one.listed() for one in self._fitting(self._name)])

    def list_layers(self) -> str:
        """ListLayers, each with the latest version that fits."""
        layers = []
        for layer in self.backend.list_layers():
            if versions := self._fitting(layer["LayerName"]):
                shown = {"LayerName": layer["LayerName"], "LayerArn": layer["LayerArn"]}
                layers.append(shown | {"LatestMatchingVersion": versions[0].listed()})
        return self.page("Layers", layers)

    def add_layer_version_permission(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """AddLayerVersionPermission."""
        version = self._for_policy()
        statement = version.policy.add(version.arn, self.asked.members)
        revision = version.policy.shown(version.arn)["RevisionId"]
        return answer({"Statement": json.dumps(statement), "RevisionId": revision}, 201)

    def get_layer_version_policy(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """GetLayerVersionPolicy."""
        version = self._for_policy()
        return answer(version.policy.shown(version.arn, "No policy is associated with the given resource."))

    def remove_layer_version_permission(self) -> TYPE_RESPONSE:
        """RemoveLayerVersionPermission."""
        version = self._for_policy()
        version.policy.remove(version.arn, self.asked.get("StatementId"), self.asked.get("RevisionId"))
        return answer(None, 204)

    @property
    def _name(self) -> str:
        return str(self.asked.get("LayerName")).split(":layer:")[-1]

    @property
    def _number(self) -> int:
        number = int(self.asked.get("VersionNumber"))
        if number < 1:
            raise AwsError("InvalidParameterValueException", "Layer Version Cannot be less than 1")
        return number

    def _fitting(self, name: str) -> list[Any]:
        """Return the versions for the runtime and the architecture that are asked for, the latest first."""
        wanted = self.asked.get("CompatibleRuntime"), self.asked.get("CompatibleArchitecture")
        versions: list[Any] = list(self.backend.list_layer_versions(name))
        return sorted((one for one in versions if one.fits(*wanted)), key=lambda one: one.version, reverse=True)

    def _version(self, name: str, number: int) -> Any:
        try:
            return self.backend.get_layer_version(name, str(number))
        except UnknownLayerException:
            return None

    def _found(self, name: str, number: int) -> Any:
        version = self._version(name, number)
        if version is None:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return version

    def _for_policy(self) -> Any:
        version = self._version(self._name, self._number)
        if version is None:
            arn = f"arn:aws:lambda:{self.region}:{ACCOUNT}:layer:{self._name}:{self._number}"
            raise AwsError("ResourceNotFoundException", f"Layer version {arn} does not exist.", 404)
        return version

    def _shown(self, version: Any) -> dict[str, Any]:
        content = {
            "Location": f"{self.backend.pool.endpoint}/_embedded_aws/code/{version.code_digest}",
            "CodeSha256": version.code_sha_256,
            "CodeSize": version.code_size,
        }
        return {**version.listed(), "Content": content, "LayerArn": version.arn.rpartition(":")[0]}
