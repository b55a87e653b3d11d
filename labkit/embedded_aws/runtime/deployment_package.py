"""Deployed zips, of functions and of layers: where they are unpacked. `labkit/zip_rules.py` says what Lambda refuses.

https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path

from labkit.zip_rules import remove_unpacked, unpack_zip


class TaskFolders:
    """Unpacked code, one folder for each function's zip, which the environments of that function alone share."""

    def __init__(self, root: Path) -> None:
        """Keep the folders below `root`."""
        self._root = root
        self._lock = threading.Lock()

    def unpacked(self, owner: str, code: bytes) -> Path:
        """Return the folder with this zip's files, read-only as /var/task is; raises BadZip."""
        folder = self._root / _digest(owner.encode(), code)
        with self._lock:
            if not folder.exists():
                unfinished = folder.with_suffix(".part")
                remove_unpacked(unfinished)
                self._root.mkdir(parents=True, exist_ok=True)
                unpack_zip(code, unfinished)
                unfinished.rename(folder)
        return folder

    def layered(self, owner: str, layers: tuple[bytes, ...]) -> Path:
        """Return the folder that stands for /opt: the layers one over the other, the later ones on top."""
        if len(layers) == 1:
            return self.unpacked(owner, layers[0])
        folder = self._root / _digest(b"layers", owner.encode(), *layers)
        unpacked = [self.unpacked(owner, code) for code in layers]
        with self._lock:
            if not folder.exists():
                unfinished = folder.with_suffix(".part")
                remove_unpacked(unfinished)
                unfinished.mkdir(parents=True)
                for layer in unpacked:
                    _lay_over(layer, unfinished)
                unfinished.rename(folder)
        return folder


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


def _lay_over(layer: Path, folder: Path) -> None:
    for parent, folders, files in os.walk(layer):
        below = folder / Path(parent).relative_to(layer)
        for name in folders:
            (below / name).mkdir(exist_ok=True)
        for name in files:
            (below / name).unlink(missing_ok=True)
            shutil.copy2(Path(parent) / name, below / name, follow_symlinks=False)
