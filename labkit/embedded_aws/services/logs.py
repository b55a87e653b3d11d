"""CloudWatch Logs: moto's, with the filter patterns that it lets everything through."""

from __future__ import annotations

from labkit.embedded_aws.services.log_patterns import log_pattern


class EventMessageFilter:
    """moto knows terms in quotes and without, and takes every other pattern for one that lets everything through.

    No issue of moto's is known.
    """

    def __init__(self, pattern: str) -> None:
        """Read the pattern, which the checks before have found to be one."""
        self._fits = log_pattern(pattern or "")

    def matches(self, message: str) -> bool:
        """Return whether the pattern fits the message."""
        return self._fits(message)
