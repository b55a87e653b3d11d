"""What Lambda accepts as a deployment package, and what it makes of it: the rules of the zip, in one place.

The inspector holds them against a zip before it is uploaded, the embedded AWS when it arrives, and unpacks by them.

    check_zip(code)           raises BadZip if Lambda would refuse it
    unpack_zip(code, folder)  lays it out as Lambda does under /var/task; raises BadZip as well
    open_zip(code)            what is in it, entry by entry

https://docs.aws.amazon.com/lambda/latest/dg/configuration-function-zip.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

MOST_ZIPPED = 50 * 1024 * 1024  # for a direct upload; beyond it the zip goes by way of S3
MOST_UNZIPPED = 262_144_000  # it has to be smaller than this
TASK_ROOT = "/var/task"  # where Lambda unpacks a zip; tracebacks name it

# Linux's limits, in bytes: of one name, and of a whole path with the zero that ends it.
LONGEST_NAME, LONGEST_PATH = 255, 4096 - len(f"{TASK_ROOT}/") - 1
MOST_LINKS_IN_A_ROW = 40  # Linux follows no more
MADE_ON_UNIX = (3, 19)  # 19 is macOS; only these systems write a file's mode into a zip
MODE_READ, MODE_ENTER = 4, 1
UNPACKED_AT_ONCE = 2  # files: zlib and the disk let another thread work meanwhile
CHUNK = 1024 * 1024

# Lambda's answers, each with the code InvalidParameterValueException.
NOT_UNZIPPED = "Could not unzip uploaded file. Please check your file, then try to upload again."
EMPTY = "Uploaded file must be a non-empty zip"
TOO_LARGE = f"Unzipped size must be smaller than {MOST_UNZIPPED} bytes"

_ZIP_AGAIN = "Make the zip again. Another file does not become a zip by its name, nor half a zip a whole one."
_PLAIN_ZIP = "Make a plain zip: `zip -r`, `labkit build` or Python's zipfile do."
_RENAME = "Rename it, and make the zip again."


class BadZip(Exception):
    """A zip that Lambda refuses: `str()` is Lambda's answer, `reason` what is wrong, `hint()` what puts it right."""

    def __init__(self, said: str, reason: str, hint: str) -> None:
        self.reason, self._hint = reason, hint
        super().__init__(said)

    def hint(self) -> str:
        """What to try."""
        return self._hint


@dataclass(frozen=True)
class Entry:
    """A file, folder or symlink of the zip, as Lambda has it below `/var/task`.

    `mode` is what the zip says of who may do what (0o644), and 0o755 where it says nothing. Sizes are in bytes.
    `target` is where a symlink leads.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    size: int
    packed: int
    mode: int
    target: str = ""

    @property
    def rights(self) -> int:
        """The rights of a function, which runs neither as the files' owner nor in their group, and may never write.

        The sum of 4 to read, and 1 to execute a file or to enter a folder.
        """
        return self.mode & (MODE_READ | MODE_ENTER)

    @property
    def readable(self) -> bool:
        """True if a function can read the file, or list the folder and open what is in it."""
        needed = MODE_READ | MODE_ENTER if self.kind == "folder" else MODE_READ
        return self.rights & needed == needed


@dataclass(frozen=True)
class OpenZip:
    """A zip whose directory holds nothing that Lambda refuses. Its contents are checked as they are read."""

    entries: tuple[Entry, ...]
    _archive: ZipFile
    _files: Mapping[str, ZipInfo]

    @property
    def unpacked_size(self) -> int:
        """The sum of all files, in bytes."""
        return sum(entry.size for entry in self.entries)

    @property
    def too_large(self) -> bool:
        """True if Lambda would not unpack it."""
        return self.unpacked_size >= MOST_UNZIPPED

    def contents(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Each file and its contents in pieces, which have to be read to the end. Raises BadZip at a damaged one."""
        for entry in self.entries:
            if entry.kind == "file":
                yield entry, _pieces(self._archive, self._files[entry.path])

    def read(self, path: str) -> bytes:
        """The contents of the file with this path."""
        return b"".join(_pieces(self._archive, self._files[path]))


def check_zip(code: bytes) -> None:
    """Read all of the zip. Raises BadZip if Lambda would refuse it."""
    with open_zip(code) as package:
        _check_size(package)
        for _entry, pieces in package.contents():
            for _piece in pieces:
                pass


def unpack_zip(code: bytes, folder: Path) -> None:
    """Unpack the zip into `folder`, which is made, with modes that give its owner what a function has on Lambda.

    Nothing in it can be written, so `remove_unpacked` is what deletes it. (Root is not stopped by modes.) What was
    unpacked of a zip that is refused halfway stays, too.

    Raises BadZip if Lambda would refuse the zip, and OSError if the disk has no room for it.
    """
    with open_zip(code) as package:
        _check_size(package)
        folders = {"": MODE_READ | MODE_ENTER}
        for entry in package.entries:
            for parent in _parents(entry.path):
                folders.setdefault(parent, MODE_READ | MODE_ENTER)
            if entry.kind == "folder":
                folders[entry.path] = entry.rights
        for path in sorted(folders):
            (folder / path).mkdir(parents=not path)
        with ThreadPoolExecutor(UNPACKED_AT_ONCE) as writers:
            for _written in writers.map(partial(_unpack_file, folder), package.contents()):
                pass
        for entry in package.entries:
            if entry.kind == "link":
                (folder / entry.path).symlink_to(entry.target)
        for path in sorted(folders, reverse=True):  # what lies deeper first: a closed folder lets nobody in
            (folder / path).chmod(_for_all(folders[path]))


def _unpack_file(folder: Path, file: tuple[Entry, Iterator[bytes]]) -> None:
    entry, pieces = file
    with _new_file(folder / entry.path) as unpacked:
        for piece in pieces:
            unpacked.write(piece)
    (folder / entry.path).chmod(_for_all(entry.rights))


def remove_unpacked(folder: Path) -> None:
    """Delete what `unpack_zip` made, if it is there."""
    if not folder.exists():
        return
    folder.chmod(0o700)
    for parent, folders, _files in os.walk(folder):
        for path in (Path(parent, name) for name in folders):
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def open_zip(code: bytes) -> Iterator[OpenZip]:
    """The zip in these bytes. Raises BadZip if its directory holds what Lambda refuses."""
    with _damage_told("not a zip that can be read"):
        archive = ZipFile(io.BytesIO(code))
    with archive:
        with _damage_told("a damaged zip"):
            named = [(_path(info), info) for info in archive.infolist()]
            entries = tuple(_entry(archive, path, info) for path, info in named if path)
        if not entries:
            raise BadZip(EMPTY, "an empty zip", "Put the function's files into it.")
        _refuse_clashes(entries)
        _refuse_ways_out(entries)
        yield OpenZip(entries, archive, dict(named))


def resolved(path: str, links: Mapping[str, str]) -> str | None:
    """Where `path` leads when the symlinks in `links` (path -> target) are followed; None if out of the package.

    A symlink that goes round in circles leads nowhere, and is taken for a file that does not exist.
    """
    here: list[str] = []
    steps, followed = path.split("/")[::-1], 0
    while steps:
        step = steps.pop()
        if step == "..":
            if not here:
                return None
            here.pop()
        elif step not in ("", "."):
            target = links.get("/".join([*here, step]))
            if target is None:
                here.append(step)
            elif target.startswith("/"):
                return None
            elif followed == MOST_LINKS_IN_A_ROW:
                return path
            else:
                followed += 1
                steps += target.split("/")[::-1]
    return "/".join(here)


@contextmanager
def _damage_told(reason: str) -> Iterator[None]:
    """What zipfile stumbles over, told as what Lambda answers to it."""
    try:
        yield
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError) as error:
        raise BadZip(NOT_UNZIPPED, f"{reason}: {error}", _ZIP_AGAIN) from error


def _path(info: ZipInfo) -> str:
    """The path below /var/task, without `.` and doubled slashes; empty for `./`, the folder itself.

    A backslash is a letter like any other, as on Linux: https://github.com/aws/aws-cli/issues/8501 shows what Lambda
    makes of names from Windows.
    """
    name = info.orig_filename
    parts = [part for part in name.split("/") if part not in ("", ".")]
    path = "/".join(parts)
    if "\0" in name:
        raise BadZip(NOT_UNZIPPED, f"a name with a zero byte in it: {name!r}", _RENAME)
    if not parts and name != "./":
        raise BadZip(NOT_UNZIPPED, "an entry without a name", _RENAME)
    if name.startswith("/") or ".." in parts:
        raise BadZip(NOT_UNZIPPED, f"a name that leads out of the package: {name}", _PLAIN_ZIP)
    if max(map(_length, parts), default=0) > LONGEST_NAME or _length(path) > LONGEST_PATH:
        reason = f"a name that is too long for Linux ({LONGEST_NAME} bytes, {LONGEST_PATH} with its folders): {path}"
        raise BadZip(NOT_UNZIPPED, reason, _RENAME)
    return path


def _length(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _entry(archive: ZipFile, path: str, info: ZipInfo) -> Entry:
    """What Lambda makes of one entry of the directory."""
    if info.flag_bits & 1:
        raise BadZip(NOT_UNZIPPED, "a zip with a password", "Make the zip again without one.")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        reason = f"{path} is packed by a method that Lambda does not unpack (number {info.compress_type})"
        raise BadZip(NOT_UNZIPPED, reason, _PLAIN_ZIP)
    if info.header_offset + info.compress_size > archive.start_dir:
        raise BadZip(NOT_UNZIPPED, f"a damaged zip: {path} claims more bytes than the zip has", _ZIP_AGAIN)
    mode = info.external_attr >> 16 if info.create_system in MADE_ON_UNIX else 0o755
    kind = stat.S_IFMT(mode)
    if info.filename.endswith("/") or kind == stat.S_IFDIR:
        return Entry(path, "folder", 0, 0, stat.S_IMODE(mode))
    if kind == stat.S_IFLNK:
        target = b"".join(_pieces(archive, info)).decode("utf-8", "surrogateescape")
        if not target or "\0" in target or info.file_size > LONGEST_PATH:
            raise BadZip(NOT_UNZIPPED, f"a symlink that leads nowhere: {path}", "Leave it out.")
        return Entry(path, "link", info.file_size, info.compress_size, stat.S_IMODE(mode), target)
    if kind not in (0, stat.S_IFREG):
        raise BadZip(NOT_UNZIPPED, f"{path} is neither a file nor a folder nor a symlink", "Leave it out.")
    return Entry(path, "file", info.file_size, info.compress_size, stat.S_IMODE(mode))


def _pieces(archive: ZipFile, info: ZipInfo) -> Iterator[bytes]:
    """The contents of one entry. Raises BadZip if they are not what the directory says: longer, shorter, or others."""
    read = 0
    with _damage_told("a damaged zip"), archive.open(info) as file:
        while piece := file.read(CHUNK):  # never more than the directory says; what is longer has another checksum
            read += len(piece)
            yield piece
    if read != info.file_size:
        reason = f"a damaged zip: {info.filename} does not unpack to the {info.file_size:,} bytes that it claims"
        raise BadZip(NOT_UNZIPPED, reason, _ZIP_AGAIN)


def _check_size(package: OpenZip) -> None:
    if package.too_large:
        reason = f"a zip that unpacks to {package.unpacked_size:,} bytes"
        raise BadZip(TOO_LARGE, reason, "Leave out what the function does not import; `labkit build` does.")


def _refuse_clashes(entries: Sequence[Entry]) -> None:
    """A name stands once, and a file is no folder: what a second one would do to the first is anybody's guess."""
    kinds: dict[str, str] = {}
    for entry in entries:
        if entry.path in kinds and not kinds[entry.path] == entry.kind == "folder":
            raise BadZip(NOT_UNZIPPED, f"a zip that has {entry.path} twice", "Make the zip anew, not into an old one.")
        kinds[entry.path] = entry.kind
    for entry in entries:
        for parent in _parents(entry.path):
            kind = kinds.get(parent)
            if kind == "folder":
                break
            if kind is not None:
                reason = f"a zip in which {parent} is a {kind}, and {entry.path} lies below it"
                raise BadZip(NOT_UNZIPPED, reason, "Rename one of them, and make the zip again.")
            kinds[parent] = "folder"


def _refuse_ways_out(entries: Sequence[Entry]) -> None:
    """Lambda lets a symlink lead anywhere, into a layer, say; what is outside the package is another thing here."""
    links = {entry.path: entry.target for entry in entries if entry.kind == "link"}
    for path, target in links.items():
        if resolved(path, links) is None:
            reason = f"a symlink that leads out of the package: {path} -> {target}"
            raise BadZip(NOT_UNZIPPED, reason, "Put what it leads to into the zip; `zip -r` without -y does.")


def _parents(path: str) -> Iterator[str]:
    """`a/b`, `a` of `a/b/c`."""
    while path := path.rpartition("/")[0]:
        yield path


@contextmanager
def _new_file(path: Path) -> Iterator[io.BufferedWriter]:
    """A file that was not there before."""
    try:
        file = path.open("xb")
    except FileExistsError as error:  # on macOS, where A.py and a.py are one
        reason = f"two names that this machine's disk cannot tell apart, one of them {path.name}"
        raise BadZip(NOT_UNZIPPED, reason, _RENAME) from error
    with file:
        yield file


def _for_all(rights: int) -> int:
    """The mode that gives everyone these rights: 0o444 for reading."""
    return rights * 0o111
