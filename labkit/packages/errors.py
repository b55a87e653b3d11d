"""What can go wrong while a package is built or read."""

from __future__ import annotations

from labkit.errors import LabError


class PackageError(LabError):
    """A deployment package cannot be built or read; the hint says what to do about it."""

    code = "bad-package"
