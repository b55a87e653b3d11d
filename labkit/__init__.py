"""The Serverless Image Processing Lab: the verbs that its notebooks use.

Which names there are, and where each comes from, stands in `__init__.pyi`. Each is loaded at its first use: neither
`import labkit` nor what needs only a part of it, as `python -m labkit.embedded_aws`, waits for boto3 or matplotlib.
"""

from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Return a public name, imported now if it was not before, or the version of the installed package."""
    if name == "__version__":
        from importlib.metadata import version

        from labkit.workbook import DISTRIBUTION

        return version(DISTRIBUTION)
    return _load(name)
