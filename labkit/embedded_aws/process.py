"""What the launcher starts: `python -m labkit.embedded_aws`, without the lab around it.

Importing `labkit.embedded_aws` imports `labkit` first, which knows the whole lab, and the launcher. The server needs
none of it, so it puts empty packages of those names in their place: this is what keeps its start short.
"""

import gc
import sys
import types
from pathlib import Path

here = Path(__file__).parent
for name, folder in (("labkit", here.parent), ("labkit.embedded_aws", here)):
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
gc.disable()  # nothing that is imported is garbage; the service turns it on again

from labkit.embedded_aws.__main__ import main  # noqa: E402

sys.exit(main())
