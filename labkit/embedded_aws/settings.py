"""What can be set of the embedded AWS: how long things take, and which faults it injects.

Nothing here changes what is right or wrong, only how long it takes, or how often it happens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The settings, with the values an ordinary lab has."""

    # AWS keeps an idle environment for some minutes and does not promise how many.
    environment_idle_seconds: float = 300.0
    # AWS takes seconds to a minute from Creating to Enabled; long enough here to be seen, not to be felt.
    mapping_delay_seconds: float = 0.2
    # How long a new or changed function is in change when nobody looks; who looks is taken to have waited.
    change_seconds: float = 1.0
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: the init phase has 10 s.
    init_seconds: float = 10.0
    # Between the attempts of an asynchronous invocation; AWS waits one minute, then two.
    retry_seconds: tuple[float, float] = (60.0, 120.0)
    # How long the name of a deleted queue cannot be used again; AWS says 60 s. Off: it must not stall a lesson.
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
    queue_name_seconds: float = 0.0
    # How long CloudWatch takes to publish a figure, after which alarms look at it; AWS takes one to several minutes.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
    metric_delay_seconds: float = 1.0
    # awslambdaric's compiled part exists for Linux only; True takes the fallback there too (at start only).
    fallback_runtime_client: bool = False
    # Fault injection. S3 delivers at least once, in no order: how many copies more, and whether to shuffle what
    # comes together.
    duplicate_events: int = 0
    shuffle_events: bool = False


def with_changes(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Return the settings with some of them changed, as they come out of JSON; TypeError for an unknown one."""
    if "retry_seconds" in changes:
        first, second = changes["retry_seconds"]
        changes = changes | {"retry_seconds": (first, second)}
    return replace(settings, **changes)


_current = Settings()


def current() -> Settings:
    """Return the settings as they stand."""
    return _current


def change(settings: Settings) -> None:
    """Set all settings from now on."""
    global _current
    _current = settings
