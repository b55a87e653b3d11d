"""Which files of Pillow go into a package, and where they come from: this machine, or the registry."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cached_property
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from labkit.packages import runtimes
from labkit.packages.errors import PackageError
from labkit.packages.files import Files, digest_of, write_whole
from labkit.packages.target import Target, installed_pillow

# The modules of Pillow that the functions import, at once or when a photo asks for them. The rest (40 other formats,
# fonts, windows, screens) would make the zip three times as large, and open decoders that nobody asked for.
MODULES = frozenset(
    """
    __init__ _binary _deprecate _typing _util _version ExifTags GimpGradientFile GimpPaletteFile Image ImageChops
    ImageColor ImageFile ImageMode ImageOps ImagePalette ImageSequence JpegImagePlugin JpegPresets MpoImagePlugin
    PaletteFile PngImagePlugin TiffImagePlugin TiffTags WebPImagePlugin _imaging _webp
    """.split()  # noqa: SIM905
)


class Part:
    """Pillow's part of a package: its `files`, and a `digest` of them that is known without reading them again.

    The digest is kept in the cache under a stamp: the sizes and times of the files that Pillow's come from, and the
    code that makes this part of them. Any change of those is another stamp.
    """

    def __init__(self, paths: Iterable[Path], read: Callable[[], Files], cache: Path) -> None:
        self._paths, self._read, self._cache = paths, read, cache

    @cached_property
    def files(self) -> Files:
        """The files, by their names in the zip."""
        return pruned(self._read())

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of names and contents."""
        kept = self._cache / "pillow" / self._stamp()
        try:
            return kept.read_text("ascii")
        except FileNotFoundError:
            write_whole(kept, digest_of(self.files).encode())
            return digest_of(self.files)

    def _stamp(self) -> str:
        stamp = hashlib.sha256()
        for module in (Path(__file__), Path(__file__).with_name("elf.py")):
            stamp.update(module.read_bytes())
        for path in self._paths:
            about = path.stat()
            stamp.update(f"\0{path}\0{about.st_size}\0{about.st_mtime_ns}\0{about.st_ctime_ns}".encode())
        return stamp.hexdigest()


def part_for(target: Target, cache: Path, say: Callable[[str], None]) -> Part:
    """The part of Pillow that a package for `target` needs.

    It comes from the Pillow installed here where that is the very one the registry would give, or where the package is
    for this machine alone; else from the registry by way of `pip download`.

    Raises PackageError if neither has it.
    """
    _version, tags = installed_pillow()
    # A Pillow from conda or a Linux distribution leans on libraries outside itself: no wheel, or one for plain `linux`.
    self_contained = bool(tags) and not any(tag.split("-")[-1].startswith("linux") for tag in tags)
    if (target == Target.host() and self_contained) or (not target.local and target.can_load_installed_pillow()):
        installed = _installed_files(distribution("pillow"))
        return Part(installed.values(), lambda: {name: path.read_bytes() for name, path in installed.items()}, cache)
    wheel = _cached_wheel(target, cache) or _download(target, cache, say)
    return Part([wheel], lambda: _wheel_files(wheel), cache)


def pruned(files: Files) -> Files:
    """`files` without what the functions do not use: modules, codecs, the libraries of those, debug information."""
    # Not above: pyelftools takes 40 ms to import, and most builds are look-ups.
    from labkit.packages.elf import is_elf, read_shared_object, without_debug_info

    kept = {name: data for name, data in files.items() if _is_wanted(name)}
    libraries = {name.rsplit("/", 1)[-1]: name for name in files if name.startswith("pillow.libs/")}
    queue = [data for data in kept.values() if is_elf(data)]
    while queue:
        for soname in read_shared_object(queue.pop()).needed:
            name = libraries.get(soname)
            if name is not None and name not in kept:
                kept[name] = files[name]
                queue.append(files[name])
    return {name: without_debug_info(data) for name, data in kept.items()}


def _is_wanted(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    if folder == "PIL":
        return file.split(".")[0] in MODULES and file.endswith((".py", ".so", ".pyd"))
    if folder == "PIL/.dylibs":  # macOS: the libraries find each other, so all of them stay
        return True
    # The licence has to go wherever Pillow goes; WHEEL says for which systems its binaries were made.
    return bool(re.match(r"(?i)pillow-[^/]+\.dist-info/(WHEEL$|licenses/|LICENSE)", name))


def _installed_files(pillow: Distribution) -> dict[str, Path]:
    """The files of the Pillow installed here that may go into a package."""
    files = pillow.files or ()
    return {
        file.as_posix(): Path(str(file.locate()))
        for file in files
        if file.parts[0] == "pillow.libs" or _is_wanted(file.as_posix())
    }


def _wheel_files(path: Path) -> Files:
    try:
        with ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}
    except BadZipFile as error:
        raise PackageError(
            f"{path} is not a wheel: {error}.", hint="Delete that file and build again; it is fetched anew."
        ) from error


def _cached_wheel(target: Target, cache: Path) -> Path | None:
    for path in sorted((cache / "wheels").glob("*.whl")):
        try:
            _name, version, _build, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if target.local:
            fits = not tags.isdisjoint(sys_tags())
        else:
            pinned = runtimes.runtime_named(target.runtime).pillow
            fits = str(version) == pinned and target.accepts({str(tag) for tag in tags})
        if fits:
            return path
    return None


def _download(target: Target, cache: Path, say: Callable[[str], None]) -> Path:
    (cache / "wheels").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / "wheels") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--dest", folder]
        wanted = "pillow"
        if not target.local:
            wanted = f"pillow=={runtimes.runtime_named(target.runtime).pillow}"
            command += ["--implementation", "cp", "--python-version", "{}.{}".format(*target.python)]
            command += ["--abi", target.python_tag]
            for platform in target.platforms():
                command += ["--platform", platform]
        say(f"Fetching {wanted} for {target} from the package registry ...")
        done = subprocess.run([*command, wanted], capture_output=True, text=True, check=False)  # noqa: S603
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise PackageError(
                f"{wanted} for {target} could not be fetched from the package registry.",
                where=(done.stderr.strip().splitlines() or ["pip said nothing."])[-1],
                hint="Is the network up? A package for this machine's own Python needs none.",
            )
        return wheels[0].replace(cache / "wheels" / wheels[0].name)
