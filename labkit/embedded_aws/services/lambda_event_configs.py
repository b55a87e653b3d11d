"""What is configured for asynchronous invocations: retries, the age of events, destinations; each version its own.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.refusals import not_there
from labkit.embedded_aws.services.lambda_names import LATEST, FunctionName, read_name
from labkit.embedded_aws.services.lambda_permissions import find_function
from labkit.embedded_aws.services.lambda_requests import LambdaRequests, answer

_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_ARN_SERVICES = ("sqs", "sns", "lambda")  # where a record can go here; on AWS to EventBridge and S3, too


@dataclass
class EventConfig:
    """What one version or alias, or the function itself, has configured."""

    retries: int | None = None  # None: two
    most_age_seconds: int | None = None  # None: six hours
    destinations: dict[str, str] = field(default_factory=dict)  # by OnSuccess and OnFailure
    changed_at: float = field(default_factory=time.time)

    def shown(self, arn: str) -> dict[str, Any]:
        """Return the configuration as the API shows it."""
        numbers = {"MaximumRetryAttempts": self.retries, "MaximumEventAgeInSeconds": self.most_age_seconds}
        to = {on: {"Destination": self.destinations[on]} if on in self.destinations else {} for on in _CONDITIONS}
        shown = {"FunctionArn": arn, "LastModified": self.changed_at, "DestinationConfig": to}
        return shown | {name: number for name, number in numbers.items() if number is not None}


_CONDITIONS = {"OnSuccess": "onSuccess", "OnFailure": "onFailure"}


class EventConfigResponses(LambdaRequests):
    """The operations on these configurations."""

    def put_function_event_invoke_config(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """PutFunctionEventInvokeConfig: what is not named is as if nothing were configured."""
        if all(self.asked.get(name) is None for name in _SETTINGS):
            words = "You must specify at least one of error handling or destination setting."
            raise AwsError("InvalidParameterValueException", words)
        return self._change(EventConfig())

    def update_function_event_invoke_config(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """UpdateFunctionEventInvokeConfig: what is not named stays."""
        self._known()
        return self._change(self._config())

    def get_function_event_invoke_config(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """GetFunctionEventInvokeConfig."""
        return answer(self._config().shown(self._arn))

    def delete_function_event_invoke_config(self) -> TYPE_RESPONSE:
        """DeleteFunctionEventInvokeConfig."""
        self._config()
        del self._configs()[self._qualifier]
        return answer(None, 204)

    def list_function_event_invoke_configs(self) -> str:
        """ListFunctionEventInvokeConfigs."""
        self._known()
        name = self.named.name
        arns = {one: FunctionName(name, one).arn(self.region) for one in self._configs()}
        return self.page(
            "FunctionEventInvokeConfigs", [self._configs()[one].shown(arn) for one, arn in sorted(arns.items())]
        )

    @property
    def _qualifier(self) -> str:
        return self.named.qualifier or LATEST

    @property
    def _arn(self) -> str:
        return FunctionName(self.named.name, self._qualifier).arn(self.region)

    def _configs(self) -> dict[str, EventConfig]:
        return self.function(FunctionName(self.named.name)).event_configs

    def _known(self) -> None:
        try:
            self.function(self.named)
        except AwsError as error:
            raise AwsError("ResourceNotFoundException", "The function doesn't exist.", 404) from error

    def _config(self) -> EventConfig:
        missing = AwsError(
            "ResourceNotFoundException", f"The function {self._arn} doesn't have an EventInvokeConfig", 404
        )
        try:
            config = self._configs().get(self._qualifier)
        except AwsError as error:
            raise missing from error
        if config is None:
            raise missing
        return config

    def _change(self, config: EventConfig) -> TYPE_RESPONSE:
        self._known()
        destinations = self.asked.get("DestinationConfig")
        if destinations is not None:
            config.destinations = self._destinations(destinations)
        config.retries = self.asked.get("MaximumRetryAttempts", config.retries)
        config.most_age_seconds = self.asked.get("MaximumEventAgeInSeconds", config.most_age_seconds)
        config.changed_at = time.time()
        self._configs()[self._qualifier] = config
        return answer(config.shown(self._arn))

    def _destinations(self, sent: dict[str, dict[str, str]]) -> dict[str, str]:
        wanted = {on: to["Destination"] for on, to in sent.items() if to.get("Destination")}
        for arn in wanted.values():
            self._check(arn, wanted)
        return wanted

    def _check(self, arn: str, wanted: dict[str, str]) -> None:
        service = arn.split(":")[2] if arn.count(":") >= 5 else ""
        if service in ("events", "s3"):
            raise not_there(f"destinations of {service}")
        if service not in _ARN_SERVICES:
            words = ", ".join(
                f"{name}={on}(destination={wanted[on]})" if on in wanted else f"{name}=null"
                for on, name in _CONDITIONS.items()
            )
            told = f"The provided destination config DestinationConfig({words}) is invalid."
            raise AwsError("InvalidParameterValueException", told)
        if service == "lambda" and read_name(arn).name == self.named.name:
            words = "You can't specify the function as a destination for itself."
            raise AwsError("InvalidParameterValueException", words)
        if service == "lambda" and find_function(arn) is None:
            raise AwsError("InvalidParameterValueException", f"The destination ARN {arn} is invalid.")
