"""Deployment packages: built for a Lambda runtime and architecture, and inspected before an upload can fail."""

from labkit.packages.build import FUNCTIONS, Package, build_package, build_packages
from labkit.packages.errors import PackageError
from labkit.packages.inspection import Content, Inspection, inspect_package
from labkit.packages.runtimes import refusal_for, warning_for
from labkit.packages.target import Target

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
