"""CreateWebImage: fits 1920 x 1080 pixels, kept as `web/WebImage-<name>`."""

from __future__ import annotations

from typing import Any

from batch import Rule, resize_batch
from image import within

RULE = Rule(function="CreateWebImage", folder="web/", label="WebImage-", size=within(1920, 1080))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Resize every photo that the SQS messages in `event` tell of; name the messages that failed."""
    return resize_batch(event, context, RULE)
