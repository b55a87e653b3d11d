"""Which files of Pillow go into a package, and where they come from: this machine, or the registry."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from labkit.packages import runtimes
from labkit.packages.errors import PackageError
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

Files = Mapping[str, bytes]  # name in the zip -> contents


def files_for(target: Target, cache: Path, say: Callable[[str], None]) -> Files:
    """The files of Pillow that a package for `target` needs.

    They come from the Pillow installed here where that is the very one the registry would give, or where the package is
    for this machine alone; else from the registry by way of `pip download`.

    Raises PackageError if neither has it.
    """
    _version, tags = installed_pillow()
    # A Pillow from conda or a Linux distribution leans on libraries outside itself: no wheel, or one for plain `linux`.
    self_contained = bool(tags) and not any(tag.split("-")[-1].startswith("linux") for tag in tags)
    if (target == Target.host() and self_contained) or (not target.local and target.can_load_installed_pillow()):
        return pruned(_distribution_files(distribution("pillow")))
    wheel = _cached_wheel(target, cache) or _download(target, cache, say)
    return pruned(_wheel_files(wheel))


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


def _distribution_files(installed: Distribution) -> Files:
    files = {}
    for file in installed.files or ():
        if "__pycache__" not in file.parts and ".." not in file.parts:
            files[file.as_posix()] = Path(str(file.locate())).read_bytes()
    return files


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
