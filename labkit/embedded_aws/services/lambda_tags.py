"""Tags of functions and event source mappings.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.core.common_types import TYPE_RESPONSE

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.services import limits
from labkit.embedded_aws.services.lambda_function import Function
from labkit.embedded_aws.services.lambda_names import read_name
from labkit.embedded_aws.services.lambda_requests import LambdaRequests, answer


class TagResponses(LambdaRequests):
    """The operations on tags."""

    def list_tags(self) -> str:
        """ListTags."""
        return json.dumps({"Tags": self._tagged().tags})

    def tag_resource(self) -> TYPE_RESPONSE:  # type: ignore[override]
        """TagResource."""
        tags = self.asked.get("Tags")
        if not tags:
            words = "An error occurred and the request cannot be processed."
            raise AwsError("InvalidParameterValueException", words)
        tagged = self._tagged()
        check_tags(tagged.tags | tags)
        tagged.tags.update(tags)
        _revise(tagged)
        return answer(None, 204)

    def untag_resource(self) -> TYPE_RESPONSE:
        """UntagResource; a tag that is not there may be taken away."""
        tagged = self._tagged()
        for key in self.asked.get("TagKeys"):
            tagged.tags.pop(key, None)
        _revise(tagged)
        return answer(None, 204)

    def _tagged(self) -> Any:
        """Return the function or the mapping; raises AwsError where there is none."""
        arn = self.asked.get("Resource")
        kind, name = arn.split(":")[5:7]
        if kind == "function":
            named = read_name(arn)
            if named.qualifier:
                words = "Tags on function aliases and versions are not supported. Please specify a function ARN."
                raise AwsError("InvalidParameterValueException", words)
            return self.function(named)
        mapping = self.backend.get_event_source_mapping(name) if kind == "event-source-mapping" else None
        if mapping is None:
            words = f"{kind.replace('-', ' ').capitalize()} not found: {arn}"
            raise AwsError("ResourceNotFoundException", words, 404)
        return mapping


def check_tags(tags: dict[str, str]) -> None:
    """Raise AwsError when these are more tags than one resource can have."""
    if len(tags) > limits.MOST_TAGS:
        raise AwsError("InvalidParameterValueException", "Number of tags exceeds resource tag limit.")


def _revise(tagged: Any) -> None:
    if isinstance(tagged, Function):
        tagged.revise()
