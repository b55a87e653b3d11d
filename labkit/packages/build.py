"""Builds the deployment packages: one zip for each function, the same bytes from the same inputs."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import platformdirs

from labkit.packages import pillow
from labkit.packages.errors import PackageError
from labkit.packages.files import Files, digest_of, write_whole
from labkit.packages.target import Target
from labkit.progress import stages
from labkit.result import Result
from labkit.workbook import LAMBDA_PACKAGES

FUNCTIONS = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # every entry's date, the earliest that zip knows: builds must not differ by the hour
TASK_ROOT = "/var/task"  # where Lambda unpacks a zip; tracebacks name it
MB = 2**20  # as Lambda counts: its limit of 250 MB is 262,144,000 bytes


@dataclass(frozen=True)
class Package(Result):
    """A deployment package on disk: for which function and target, its hashes, and its sizes in bytes."""

    path: Path
    function: str
    handler: str
    target: Target
    sha256: str  # hexadecimal
    size: int
    unpacked_size: int

    @property
    def code_sha256(self) -> str:
        """The hash as Lambda gives it in `CodeSha256`: SHA-256 in base 64."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()

    def sentence(self) -> str:
        """What was built, for what, and how large."""
        return f"{self.path.name}: {self.function} for {self.target}, {self.size / MB:.2f} MB."

    def rows(self) -> Sequence[Sequence[object]]:
        """One row for each fact."""
        return (
            ("file", _from_home(self.path)),
            ("handler", self.handler),
            ("runtime", self.target.runtime),
            ("architecture", self.target.architecture),
            ("zipped", f"{self.size / MB:.2f} MB (limit for a direct upload: 50 MB)"),
            ("unzipped", f"{self.unpacked_size / MB:.2f} MB (limit: 250 MB)"),
            ("CodeSha256", self.code_sha256),
        )

    def as_data(self) -> dict[str, Any]:
        """Path, function, handler, target, hashes and sizes."""
        return {**super().as_data(), "code_sha256": self.code_sha256}


def build_package(
    function: str,
    target: Target,
    *,
    out: Path | None = None,
    source: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Package:
    """Build (or find in the cache) the zip of one function, and return it.

    The zip holds `<function>.py`, the shared modules and the part of Pillow they use; boto3 comes with the runtime.
    Its name in `cache` is made of its contents, so that a second build is a look-up; with `out`, a copy called
    `<function>.zip` is laid into that folder. `source` is a folder laid out as `lambda_packages/`: a folder for each
    function, and `shared/`, or the lab's own where it has none. `progress` is told in a sentence what takes
    time; without it, a bar says so.

    Raises PackageError if the function does not exist, or if its Pillow can neither be found nor fetched.
    https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
    """
    with stages(2) as bar:
        path = _built(function, target, source or LAMBDA_PACKAGES, cache or default_cache(), progress or bar)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / f"{function}.zip", path.read_bytes())
        path = out / f"{function}.zip"
    with ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    data = path.read_bytes()
    return Package(
        path=path,
        function=function,
        handler=f"{function}.handler",
        target=target,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        unpacked_size=unpacked,
    )


def build_packages(
    target: Target,
    *,
    functions: Sequence[str] = FUNCTIONS,
    out: Path | None = None,
    source: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[Package, ...]:
    """Build the zips of all three functions; see `build_package`."""
    return tuple(
        build_package(function, target, out=out, source=source, cache=cache, progress=progress)
        for function in functions
    )


def _built(function: str, target: Target, source: Path, cache: Path, say: Callable[[str], None]) -> Path:
    """The zip in the cache, made if it is not there."""
    own, part = _own_files(function, source), pillow.part_for(target, cache, say)
    address = _address(digest_of(own), part.digest, target)
    path = cache / "packages" / f"{function}-{target.runtime}-{target.architecture}-{address}.zip"
    if not path.exists():
        say(f"Building {function} for {target} ...")
        files = {**own, **part.files}
        _write_zip(path, {**files, **(_compiled(files) if target.is_this_python else {})})
    return path


def default_cache() -> Path:
    """Where this system keeps what can be made again: `~/.cache/labkit` on Linux, unless XDG_CACHE_HOME says else."""
    return platformdirs.user_cache_path("labkit", appauthor=False)


def _from_home(path: Path) -> str:
    """The path as a shell understands it, without the name of who is at home there."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _own_files(function: str, source: Path) -> Files:
    main = source / function / f"{function}.py"
    if not main.is_file():
        raise PackageError(
            f"There is no function {function!r}: {main} does not exist.",
            hint=f"The folder {source} has one folder for each function, and in it a module of the same name.",
        )
    files = {}
    shared = source / "shared"
    for folder in (shared if shared.is_dir() else LAMBDA_PACKAGES / "shared", main.parent):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            # What systems and editors leave behind (.DS_Store, caches) is not part of the function.
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
                files[name.as_posix()] = path.read_bytes()
    return files


def _address(own: str, part: str, target: Target) -> str:
    """What the zip's contents hash to, by the digests of the function's files and of Pillow's part."""
    # .pyc files are made by this very Python where it is the target's, so its version counts as an input; and so does
    # this module, which may build other zips from the same files the next time.
    python = sys.version if target.is_this_python else "no .pyc"
    inputs = (own, part, python, Path(__file__).read_text("utf-8"))
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:16]


def _compiled(files: Files) -> dict[str, bytes]:
    """The `.pyc` files of all modules: half of Pillow's import time goes into compiling it otherwise.

    They carry a hash of their source instead of its date. For Pillow nobody checks it; for the functions' own modules
    Python does, so that a student who edits one inside the zip gets what she wrote.
    """
    compiled = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            if name.endswith(".py"):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        # In a process of its own, which always starts the same: what is in a .pyc depends on what was loaded before.
        for mode, what in (("unchecked-hash", ["PIL"]), ("checked-hash", ["."])):
            command = [sys.executable, "-I", "-m", "compileall", "-q", "-s", ".", "-p", TASK_ROOT]
            command += ["--invalidation-mode", mode, *what]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                raise PackageError(
                    "The function's code cannot be compiled.",
                    where=done.stdout.strip() or done.stderr.strip(),
                    hint="Fix the line that is named.",
                )
        for path in Path(folder).rglob("*.pyc"):
            compiled[path.relative_to(folder).as_posix()] = path.read_bytes()
    return compiled


def _write_zip(path: Path, files: Files) -> None:
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, "draft.zip")
        with ZipFile(draft, "w", ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(files):
                entry = ZipInfo(name, LONG_AGO)
                entry.compress_type = ZIP_DEFLATED
                entry.create_system = 3  # Unix, so that Lambda sees the permissions ...
                # ... which let everybody read, since the function runs as a user without rights.
                entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
                archive.writestr(entry, files[name])
        write_whole(path, draft.read_bytes())
