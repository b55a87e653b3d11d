"""CreateMobileImage: fits 640 x 320 pixels, kept as `mobile/MobileImage-<name>`."""

from __future__ import annotations

from typing import Any

from batch import Rule, resize_batch
from image import within

RULE = Rule(function="CreateMobileImage", folder="mobile/", label="MobileImage-", size=within(640, 320))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Resize every photo that the SQS messages in `event` tell of; name the messages that failed."""
    return resize_batch(event, context, RULE)
