"""What the embedded AWS raises."""

from __future__ import annotations


class EmbeddedAwsError(Exception):
    """The embedded AWS cannot be had; the text is one sentence for the person who asked."""
