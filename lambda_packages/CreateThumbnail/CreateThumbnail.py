"""CreateThumbnail: half of each side, kept as `thumbnail/Thumbnail-<name>`."""

from __future__ import annotations

from typing import Any

from batch import Rule, resize_batch
from image import half

RULE = Rule(function="CreateThumbnail", folder="thumbnail/", label="Thumbnail-", size=half)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Resize every photo that the SQS messages in `event` tell of; name the messages that failed."""
    return resize_batch(event, context, RULE)
