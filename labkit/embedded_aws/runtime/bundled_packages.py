"""What AWS's Python runtime brings along: boto3 and the runtime interface client, and nothing else.

The functions must not see this project's own site-packages: a zip that lacks Pillow has to fail as on AWS.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from labkit.embedded_aws import settings
from labkit.embedded_aws.errors import EmbeddedAwsError

_PACKAGES = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot_restore_py",
    "urllib3",
)
_SHIM = Path(__file__).with_name("shim") / "runtime_client.py"


def link_runtime(folder: Path) -> None:
    """Make a folder of links to the runtime's packages; raises EmbeddedAwsError when one is not installed."""
    folder.mkdir(parents=True)
    for name in _PACKAGES:
        source = _location(name)
        if source is None:
            raise EmbeddedAwsError(f"The embedded AWS needs the package {name}; install the project again.")
        (folder / source.name).symlink_to(source)
    compiled = None if settings.current().fallback_runtime_client else _location("runtime_client")
    (folder / (compiled or _SHIM).name).symlink_to(compiled or _SHIM)


def _location(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin
