"""The public names of labkit.packages, each loaded at its first use: the loader reads this, and so do type checkers."""

from .build import FUNCTIONS, Package, build_package, build_packages
from .errors import PackageError
from .inspection import Content, Inspection, inspect_package
from .runtimes import refusal_for, warning_for
from .target import Target

__all__ = [
    "FUNCTIONS",
    "Content",
    "Inspection",
    "Package",
    "PackageError",
    "Target",
    "build_package",
    "build_packages",
    "inspect_package",
    "refusal_for",
    "warning_for",
]
