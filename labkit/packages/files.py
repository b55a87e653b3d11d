"""Files as names and contents, what they hash to, and how one is written whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, bytes]  # name in the zip -> contents


def digest_of(files: Files) -> str:
    """SHA-256 of names and contents, in hexadecimal, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"\0{name}\0{hashlib.sha256(files[name]).hexdigest()}".encode())
    return digest.hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, however many write it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as draft:
        draft.write(data)
    Path(name).chmod(0o644)
    Path(name).replace(path)
