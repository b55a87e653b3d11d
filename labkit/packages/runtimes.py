"""Lambda's Python runtimes: until when each may be used, on which glibc it runs, and which Pillow it can load.

The dates move; AWS has moved them several times. They stand here as data, with the day they were read.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from labkit.packages.errors import PackageError

AS_OF = date(2026, 11, 23)


@dataclass(frozen=True)
class Runtime:
    """One Python runtime of Lambda; a date is None where AWS has announced none."""

    name: str
    python: tuple[int, int]
    glibc: tuple[int, int]  # Amazon Linux 2 has 2.26, Amazon Linux 2023 has 2.34
    pillow: str  # the newest Pillow whose wheels this Python and this glibc can load
    deprecated: date
    create_blocked: date | None = None
    update_blocked: date | None = None


AMAZON_LINUX_2 = (2, 26)
AMAZON_LINUX_2023 = (2, 34)

# Pillow's wheels ask for glibc 2.27 since 12.3, so that the runtimes on Amazon Linux 2 stay with 12.2.0 or older.
RUNTIMES = (
    Runtime("python3.9", (3, 9), AMAZON_LINUX_2, "11.3.0", date(2025, 12, 15), date(2027, 2, 1), date(2027, 3, 3)),
    Runtime("python3.10", (3, 10), AMAZON_LINUX_2, "12.2.0", date(2026, 10, 31), date(2027, 2, 1), date(2027, 3, 3)),
    Runtime("python3.11", (3, 11), AMAZON_LINUX_2, "12.2.0", date(2027, 6, 30)),
    Runtime("python3.12", (3, 12), AMAZON_LINUX_2023, "13.0.0", date(2028, 10, 31)),
    Runtime("python3.13", (3, 13), AMAZON_LINUX_2023, "13.0.0", date(2029, 6, 30)),
    Runtime("python3.14", (3, 14), AMAZON_LINUX_2023, "13.0.0", date(2029, 6, 30)),
)
NEWEST = RUNTIMES[-1].name  # the newest generally available one
ARCHITECTURES = ("x86_64", "arm64")  # as Lambda calls them


def runtime_named(name: str) -> Runtime:
    """The runtime called `name`, such as `python3.14`.

    Raises PackageError with the names there are.
    """
    for runtime in RUNTIMES:
        if runtime.name == name:
            return runtime
    raise PackageError(
        f"Lambda has no runtime {name!r} that this lab knows of (as of {AS_OF}).",
        hint=f"Choose one of {', '.join(runtime.name for runtime in RUNTIMES)}.",
    )


def warning_for(name: str, today: date | None = None) -> str | None:
    """What is to be said of a runtime that AWS has deprecated; None for all others."""
    runtime = runtime_named(name)
    if (today or date.today()) < runtime.deprecated:
        return None
    later = [
        f"new functions are refused from {runtime.create_blocked}" if runtime.create_blocked else "",
        f"updates from {runtime.update_blocked}" if runtime.update_blocked else "",
    ]
    return (
        f"{name} is deprecated since {runtime.deprecated}"
        + "".join(f", {words}" for words in later if words)
        + (f" (dates as of {AS_OF}). Use {NEWEST}.")
    )


def refusal_for(name: str, today: date | None = None) -> str | None:
    """Why AWS refuses to create a function on this runtime by now; None if it does not."""
    runtime = runtime_named(name)
    if runtime.create_blocked is None or (today or date.today()) < runtime.create_blocked:
        return None
    return f"AWS refuses new functions on {name} since {runtime.create_blocked} (as of {AS_OF}). Use {NEWEST}."
