"""Deployment packages: built for a Lambda runtime and architecture, and inspected before an upload can fail.

Each name of `__init__.pyi` is loaded at its first use: whoever opens a lab asks for a target, and inspects nothing yet.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
