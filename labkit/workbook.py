"""Where the workbook is that this installation has: notebooks, the functions' code, documents.

A checkout has them beside the package, an installed wheel inside it.
"""

from __future__ import annotations

from pathlib import Path

DISTRIBUTION = "serverless-image-processing-lab"  # as pip knows it; `labkit` is someone else's there

_INSIDE = Path(__file__).with_name("workbook_files")  # pyproject.toml lays them there
WORKBOOK = _INSIDE if _INSIDE.is_dir() else Path(__file__).parents[1]
NOTEBOOKS = WORKBOOK / "notebooks"
LAMBDA_PACKAGES = WORKBOOK / "lambda_packages"


def notebooks_of(workspace: Path) -> Path:
    """The notebooks of a workspace, or those of this installation where it has none of its own."""
    own = workspace / "notebooks"
    return own if own.is_dir() else NOTEBOOKS
