"""The deployed zip: is it one, is it safe, and where is it unpacked.

Limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import threading
import zipfile
from pathlib import Path, PurePosixPath

MAX_ZIPPED_BYTES = 50 * 1024 * 1024
MAX_UNZIPPED_BYTES = 262_144_000
_MAX_ENTRIES = 50_000
_CHUNK = 1024 * 1024


class BadPackage(Exception):
    """The zip cannot be deployed; the text is what AWS answers."""


def check_package(code: bytes) -> None:
    """Raise BadPackage when Lambda would refuse the zip at creation."""
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BadPackage("Could not unzip uploaded file. Please check your file, then try to upload again.") from error
    if not entries:
        raise BadPackage("Uploaded file must be a non-empty zip")
    if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) >= MAX_UNZIPPED_BYTES:
        raise BadPackage(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
    if not all(_is_safe(entry) for entry in entries):
        raise BadPackage("Could not unzip uploaded file. Please check your file, then try to upload again.")


def _is_safe(entry: zipfile.ZipInfo) -> bool:
    """No absolute path, no way up, nothing but files and folders."""
    path = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return (
        not path.is_absolute()
        and ".." not in path.parts
        and "\\" not in entry.filename
        and "\0" not in entry.filename
        and kind in (0, stat.S_IFREG, stat.S_IFDIR)
    )


class TaskFolders:
    """Unpacked code, one folder for each distinct zip, shared by the environments that run it."""

    def __init__(self, root: Path) -> None:
        """Keep the folders below `root`."""
        self._root = root
        self._lock = threading.Lock()

    def unpacked(self, code: bytes) -> Path:
        """Return the folder with this zip's files, read-only as /var/task is; raises BadPackage."""
        folder = self._root / hashlib.sha256(code).hexdigest()[:32]
        with self._lock:
            if not folder.exists():
                check_package(code)
                unfinished = folder.with_suffix(".part")
                shutil.rmtree(unfinished, ignore_errors=True)
                _unpack(code, unfinished)
                unfinished.rename(folder)
        return folder


def _unpack(code: bytes, folder: Path) -> None:
    folder.mkdir(parents=True)
    remaining = MAX_UNZIPPED_BYTES
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        for entry in archive.infolist():
            target = folder / entry.filename
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as sink:
                while chunk := source.read(_CHUNK):
                    remaining -= len(chunk)  # what is written counts, not what the directory claims
                    if remaining < 0:
                        raise BadPackage(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
                    sink.write(chunk)
            target.chmod(0o555 if entry.external_attr >> 16 & stat.S_IXUSR else 0o444)
