"""Where the bodies of S3's objects are: small and new ones in memory, the others in files of the server's own folder.

Most of a server's memory would be photos. One that has just come is read by the functions in the next moment, and
later hardly ever. A file is open only while it is read, so that thousands of objects need no thousands of descriptors,
and it goes with its object.
"""

from __future__ import annotations

import io
import itertools
import os
import threading
import weakref
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_SMALL = 64 * 1024  # bytes: less than that is mostly the record about it
_NEWEST = 32 * 1024**2  # bytes of the newest bodies that stay in memory


class Body(Protocol):
    """What moto reads an object's bytes from, and what gives them all at once."""

    def seek(self, position: int, /) -> int:
        """Go there."""

    def read(self, size: int = -1, /) -> bytes:
        """Go on reading."""

    def getvalue(self) -> bytes:
        """Return all of it."""


_keeper: _Keeper | None = None


def keep_in(folder: Path, newest: int = _NEWEST) -> None:
    """Let bodies be files of that folder, which ends with the server, but for so many bytes of the newest."""
    global _keeper
    folder.mkdir(mode=0o700)
    _keeper = _Keeper(folder, newest)


def body_of(content: bytes) -> Body:
    """Keep a body."""
    if _keeper is None or len(content) <= _SMALL:
        return io.BytesIO(content)
    body = _LargeBody(content)
    _keeper.add(body, len(content))
    return body


class _LargeBody:
    """A body in memory, until it moves into a file of its own."""

    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content
        self._path = ""
        self._position = 0

    def move_to(self, path: str) -> None:
        """Leave memory. Where the disk takes no more the body stays: no object is lost for want of room."""
        content, remove = self._content or b"", weakref.finalize(self, _remove, path)
        try:
            with open(path, "xb", buffering=0, opener=_for_nobody_else) as file:
                written = 0
                while written < len(content):
                    written += file.write(content[written:] if written else content)
        except OSError:
            remove()  # half a file would take the room that is wanted
        else:
            self._path, self._content = path, None

    def seek(self, position: int) -> int:
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        content = self._read(self._position, size)
        self._position += len(content)
        return content

    def getvalue(self) -> bytes:
        return self._read(0, -1)  # wherever another request has read to

    def _read(self, start: int, size: int) -> bytes:
        content = self._content  # which may leave memory meanwhile
        if content is not None:
            return content[start : start + size if size >= 0 else None]
        with open(self._path, "rb", buffering=0) as file:
            file.seek(start)
            return file.readall() if size < 0 else file.read(size)


class _Keeper:
    """Moves the oldest of the bodies in memory into files when there are too many bytes of them."""

    def __init__(self, folder: Path, newest: int) -> None:
        self._folder = folder
        self._room = newest
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._in_memory: deque[tuple[weakref.ref[_LargeBody], int]] = deque()

    def add(self, body: _LargeBody, size: int) -> None:
        """Keep one more."""
        with self._lock:
            self._in_memory.append((weakref.ref(body), size))
            self._room -= size
            leaving = []
            while self._room < 0:
                oldest, freed = self._in_memory.popleft()
                self._room += freed
                leaving.append(oldest())
        for held in leaving:
            if held is not None:
                held.move_to(f"{self._folder}/{next(self._numbers)}")


def _for_nobody_else(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
