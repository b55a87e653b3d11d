"""Where the bodies of S3's objects are: small ones in memory, the others in files of the server's own folder.

Most of a server's memory would be photos. A file is open only while it is read, so that thousands of objects need no
thousands of descriptors, and it goes with its object.
"""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_IN_MEMORY = 64 * 1024  # bytes: less than that is mostly the record about it

_folder: Path | None = None


class Body(Protocol):
    """What moto reads an object's bytes from, and what gives them all at once."""

    def seek(self, position: int, /) -> int:
        """Go there."""

    def read(self, size: int = -1, /) -> bytes:
        """Go on reading."""

    def getvalue(self) -> bytes:
        """Return all of it."""


def keep_in(folder: Path) -> None:
    """Let bodies be files of that folder, which ends with the server."""
    global _folder
    folder.mkdir(mode=0o700)
    _folder = folder


def body_of(content: bytes) -> Body:
    """Keep a body. In memory, too, where the disk takes no more: no object is lost for want of room."""
    if _folder is not None and len(content) > _IN_MEMORY:
        with suppress(OSError):
            return _FileBody(_folder, content)
    return io.BytesIO(content)


class _FileBody:
    """A body in a file of its own."""

    def __init__(self, folder: Path, content: bytes) -> None:
        descriptor, path = tempfile.mkstemp(dir=folder)
        self._path, self._position = path, 0
        weakref.finalize(self, _remove, path)
        with open(descriptor, "wb", buffering=0) as file:
            written = 0
            while written < len(content):
                written += file.write(content[written:] if written else content)

    def seek(self, position: int) -> int:
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        with open(self._path, "rb", buffering=0) as file:
            file.seek(self._position)
            content = file.readall() if size < 0 else file.read(size)
        self._position += len(content)
        return content

    def getvalue(self) -> bytes:
        with open(self._path, "rb", buffering=0) as file:  # wherever another request has read to
            return file.readall()


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
