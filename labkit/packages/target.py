"""What a package is built for: a Lambda runtime and an architecture."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution

from labkit.packages import runtimes
from labkit.packages.errors import PackageError

# What Python calls a machine, and what Lambda calls it.
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Target:
    """A runtime (`python3.14`) and an architecture (`x86_64`, `arm64`), as Lambda calls them.

    `local` is true for a package that only this machine can run. The embedded AWS runs functions on the host's own
    Python, with the Pillow installed here, and declares them as that runtime; but on macOS and Windows, with a Pillow
    from conda, or with one whose wheel is too new for the runtime's glibc, the real Lambda could not load it.
    """

    runtime: str
    architecture: str
    local: bool = False

    @classmethod
    def host(cls) -> Target:
        """This Python on this machine; `local` unless the Pillow installed here is the one that AWS would get."""
        machine = platform.machine().lower()
        here = cls("python{}.{}".format(*sys.version_info[:2]), MACHINES.get(machine, machine))
        return here if here.can_load_installed_pillow() else replace(here, local=True)

    @classmethod
    def newest(cls) -> Target:
        """The newest generally available runtime, on x86_64: what the lab deploys to AWS."""
        return cls(runtimes.NEWEST, "x86_64")

    @property
    def python(self) -> tuple[int, int]:
        """The Python version, such as (3, 14)."""
        major, minor = self.runtime.removeprefix("python").split(".")
        return int(major), int(minor)

    @property
    def python_tag(self) -> str:
        """How wheels name this Python, such as `cp314`."""
        return "cp{}{}".format(*self.python)

    @property
    def is_this_python(self) -> bool:
        """True if this very interpreter is of the target's version, so that its `.pyc` files are right there."""
        return sys.implementation.name == "cpython" and self.python == sys.version_info[:2]

    def platforms(self) -> tuple[str, ...]:
        """The platform tags of wheels that the runtime's glibc can load, newest first.

        All of them have to be asked for: Pillow's newer wheels carry manylinux_2_27 and 2_28 alone, and with
        `manylinux2014` only, pip would quietly fall back to an older Pillow.
        https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
        """
        if self.architecture not in runtimes.ARCHITECTURES:
            raise PackageError(
                f"Lambda has no architecture {self.architecture!r}.",
                hint=f"Choose one of {', '.join(runtimes.ARCHITECTURES)}.",
            )
        machine = {"x86_64": "x86_64", "arm64": "aarch64"}[self.architecture]
        newest = runtimes.runtime_named(self.runtime).glibc[1]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)]
        return (*tags, f"manylinux2014_{machine}")

    def accepts(self, tags: set[str]) -> bool:
        """True if a wheel with these tags (`cp314-cp314-manylinux_2_28_x86_64`) can be loaded on this target."""
        return any(f"{self.python_tag}-{self.python_tag}-{platform}" in tags for platform in self.platforms())

    def can_load_installed_pillow(self) -> bool:
        """True if the Pillow installed here is, by version and tags, the one the registry gives for this target."""
        runtime = next((runtime for runtime in runtimes.RUNTIMES if runtime.name == self.runtime), None)
        if runtime is None or self.architecture not in runtimes.ARCHITECTURES:
            return False
        version, tags = installed_pillow()
        return version == runtime.pillow and self.accepts(tags)

    def __str__(self) -> str:
        return f"{self.runtime} {self.architecture}" + (" (this machine only)" if self.local else "")


def installed_pillow() -> tuple[str, set[str]]:
    """Version and wheel tags of the Pillow installed here; the tags are empty if it came from no wheel."""
    try:
        pillow = distribution("pillow")
    except PackageNotFoundError:
        return "", set()
    return pillow.version, set(re.findall(r"^Tag: (\S+)$", pillow.read_text("WHEEL") or "", re.MULTILINE))
