"""Packages: for any target, from any host, always the same bytes, and nothing in them that is not needed."""

import base64
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.packages import (
    FUNCTIONS,
    PackageError,
    Target,
    build,
    build_package,
    build_packages,
    inspect_package,
    pillow,
    runtimes,
)
from labkit.packages.elf import read_shared_object, without_debug_info
from labkit.packages.target import installed_pillow

SOURCE = Path(__file__).parents[2] / "lambda_packages"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Pillow's Linux wheel")


def test_a_package_holds_the_function_its_modules_and_pillow(package, files):
    assert {"CreateThumbnail.py", "batch.py", "event.py", "image.py", "outcome.py", "store.py"} <= set(files)
    assert {"PIL/__init__.py", "PIL/Image.py", "PIL/JpegImagePlugin.py", "PIL/WebPImagePlugin.py"} <= set(files)
    assert any(re.match(r"PIL/_imaging\.", name) for name in files)
    assert package.handler == "CreateThumbnail.handler"
    assert (package.function, package.target) == ("CreateThumbnail", Target.host())


def test_nothing_that_the_lab_does_not_use(files):
    assert not [name for name in files if re.search(r"boto|Eps|Tk|_avif|_imagingft|\.pyi$|tests?/|RECORD|sboms", name)]
    assert not [name for name in files if "/CreateWebImage" in name or name.startswith("labkit")]


def test_the_licence_of_pillow_stays(files):
    (licence,) = [name for name in files if name.endswith("LICENSE")]
    assert licence.startswith("pillow-")
    assert b"Pillow" in files[licence]


@on_linux
def test_the_zip_is_small(package):
    assert package.size <= 2_600_000


def test_hashes_and_sizes_are_those_of_the_file(package, files):
    data = package.path.read_bytes()
    assert package.size == len(data)
    assert package.sha256 == hashlib.sha256(data).hexdigest()
    assert package.code_sha256 == base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert package.unpacked_size == sum(map(len, files.values()))


def test_it_shows_itself(package):
    assert f"CreateThumbnail for {package.target}" in str(package)
    assert package.code_sha256 in package._repr_mimebundle_()["text/html"]


def test_it_gives_its_sizes_as_the_inspection_does(package):
    found = {check.subject: check.found for check in inspect_package(package.path).checks}
    shown = dict(package.rows())
    for subject in ("zipped", "unzipped"):
        assert shown[subject].startswith(f"{found[subject]} (limit")


def test_it_does_not_say_who_is_at_home(package, monkeypatch):
    monkeypatch.setenv("HOME", str(package.path.parents[1]))
    assert dict(package.rows())["file"] == f"~/packages/{package.path.name}"


def test_a_bar_says_what_takes_time_unless_somebody_else_does(tmp_path, monkeypatch):
    bars = []
    monkeypatch.setattr("labkit.progress.BOARD.add", lambda bar: bars.append(bar.what))
    build_package("CreateThumbnail", Target.host(), cache=tmp_path / "one")
    assert bars == [f"Building CreateThumbnail for {Target.host()} ..."]
    build_package("CreateThumbnail", Target.host(), cache=tmp_path / "one")
    told = []
    build_package("CreateThumbnail", Target.host(), cache=tmp_path / "two", progress=told.append)
    assert told == bars


BUILD = """
import sys, pathlib
from labkit.packages import Target, build_package
cache, source = map(pathlib.Path, sys.argv[1:])
print(build_package("CreateThumbnail", Target.host(), cache=cache, source=source).sha256)
"""


@pytest.mark.parametrize(
    "environment", [{"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}, {"PYTHONOPTIMIZE": "2", "LC_ALL": "C"}]
)
def test_another_process_at_another_time_builds_the_same_bytes(package, tmp_path, environment):
    source = shutil.copytree(SOURCE, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    for path in source.rglob("*.py"):
        os.utime(path, (0, 10**9))
        path.chmod(0o600)
    command = [sys.executable, "-c", BUILD, tmp_path / "cache", source]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == package.sha256


def test_a_second_build_is_a_look_up(package, cache, monkeypatch):
    monkeypatch.setattr(pillow, "pruned", None)  # which nobody asks
    said = []
    again = build_package("CreateThumbnail", Target.host(), cache=cache, progress=said.append)
    assert again == package
    assert said == []


def test_a_change_in_any_of_pillow_s_files_is_seen(tmp_path):
    """Even one that leaves its size and its date as they were."""
    files = {f"PIL/{name}": tmp_path / name for name in ("Image.py", "ImageFile.py")}
    for path in files.values():
        path.write_text("x = 1")

    def digest():
        contents = {name: path.read_bytes() for name, path in files.items()}
        return pillow.Part(files.values(), lambda: contents, tmp_path).digest

    before = digest()
    for path in files.values():
        about = path.stat()
        path.write_text("x = 2")
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        assert digest() != before
        path.write_text("x = 1")
        assert digest() == before


def test_a_change_in_the_code_that_builds_is_seen(package, cache, monkeypatch):
    changed = cache / "build.py"
    changed.write_text("# another way to build\n")
    monkeypatch.setattr(build, "__file__", str(changed))
    other = build_package("CreateThumbnail", Target.host(), cache=cache)
    assert other.path != package.path
    assert other.sha256 == package.sha256


def test_another_source_is_another_package(package, tmp_path, cache):
    source = shutil.copytree(SOURCE, tmp_path / "source")
    with (source / "shared" / "image.py").open("a") as file:
        file.write("# a student was here\n")
    other = build_package("CreateThumbnail", Target.host(), cache=cache, source=source)
    assert other.path != package.path
    assert other.sha256 != package.sha256


def test_a_function_of_one_s_own_is_built_the_same_way(tmp_path, cache):
    source = shutil.copytree(SOURCE, tmp_path / "source")
    (source / "CreateGreyImage").mkdir()
    (source / "CreateGreyImage" / "CreateGreyImage.py").write_text("def handler(event, context):\n    return 1\n")
    package = build_package("CreateGreyImage", Target.host(), cache=cache, source=source, out=tmp_path / "out")
    assert package.path == tmp_path / "out" / "CreateGreyImage.zip"
    assert inspect_package(package.path, handler="CreateGreyImage.handler", target=package.target).passed


def test_all_three_go_into_a_folder_that_need_not_exist(tmp_path, cache):
    packages = build_packages(Target.host(), cache=cache, out=tmp_path / "a" / "new folder")
    assert [package.function for package in packages] == list(FUNCTIONS)
    assert sorted(path.name for path in (tmp_path / "a" / "new folder").iterdir()) == sorted(
        f"{f}.zip" for f in FUNCTIONS
    )


def test_a_function_that_does_not_exist_is_named(cache):
    with pytest.raises(PackageError, match="There is no function 'CreateNothing'") as caught:
        build_package("CreateNothing", Target.host(), cache=cache)
    assert "a folder for each function" in caught.value.hint().replace("one folder", "a folder")


def test_an_unknown_architecture_is_refused_with_the_known_ones(cache):
    with pytest.raises(PackageError, match="no architecture 'sparc'") as caught:
        build_package("CreateThumbnail", Target("python3.14", "sparc"), cache=cache)
    assert "x86_64, arm64" in caught.value.hint()


def test_code_that_is_no_python_is_named_with_its_line(tmp_path, cache):
    (tmp_path / "Broken").mkdir()
    (tmp_path / "Broken" / "Broken.py").write_text("def handler(event, context:\n")
    with pytest.raises(PackageError, match="cannot be compiled") as caught:
        build_package("Broken", Target.host(), cache=cache, source=tmp_path)
    assert "Broken.py" in caught.value.where


def test_the_zip_s_entries_are_dated_alike_sorted_and_readable(package):
    with ZipFile(package.path) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.external_attr >> 16 for entry in entries} <= {0o644, 0o755}


def run(code, folder, *arguments):
    """Run code with the unpacked zip first on the path, as Lambda does, and nothing of this machine before it."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    """The zip as Lambda unpacks it."""
    folder = tmp_path_factory.mktemp("task")
    with ZipFile(package.path) as archive:
        archive.extractall(folder)
    return folder


def test_every_module_of_pillow_in_it_can_be_imported(unpacked):
    modules = sorted(path.stem for path in (unpacked / "PIL").glob("*.py") if path.stem not in ("__init__", "_typing"))
    code = """
import importlib, PIL
for name in sys.argv[1:]:
    importlib.import_module("PIL." + name)
print(PIL.__file__)
"""
    assert run(code, unpacked, *modules) == [str(unpacked / "PIL" / "__init__.py")]


def test_every_format_of_the_lab_can_be_read(unpacked):
    code = """
from io import BytesIO
from PIL import Image
import PIL.MpoImagePlugin
for kind in ("JPEG", "PNG", "WEBP", "MPO"):
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    print(Image.open(file, formats=("JPEG", "PNG", "WEBP")).format)
"""
    assert run(code, unpacked) == ["JPEG", "PNG", "WEBP", "JPEG"]


def test_its_bytecode_is_used_and_a_student_s_edit_counts(package, unpacked, tmp_path):
    assert (unpacked / "PIL" / "__pycache__" / f"Image.{sys.implementation.cache_tag}.pyc").exists()
    folder = shutil.copytree(unpacked, tmp_path / "task")
    for path in folder.rglob("*.pyc"):
        path.chmod(0o444)
    code = "sys.dont_write_bytecode = True; import outcome; print(getattr(outcome, 'EDITED', 'built'))"
    assert run(code, folder) == ["built"]
    (folder / "outcome.py").write_text("EDITED = 'edited'\n")
    assert run(code, folder) == ["edited"]


# Targets other than this machine. The wheels are made here, so that no network is needed.


def wheel_for(target, folder, version=None):
    """A wheel like the registry's: the installed Pillow's files, its binaries renamed and marked for the target."""
    runtime = runtimes.runtime_named(target.runtime)
    version = version or runtime.pillow
    tags = f"{target.python_tag}-{target.python_tag}-{target.platforms()[-2]}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pillow-{version}-{tags}.whl"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    machine = {"x86_64": 0x3E, "arm64": 0xB7}[target.architecture]
    with ZipFile(path, "w") as wheel:
        for file in distribution("pillow").files:
            name = file.as_posix()
            if "__pycache__" in name or ".." in name:
                continue
            data = bytearray(file.locate().read_bytes())
            if data[:4] == b"\x7fELF":
                struct.pack_into("<H", data, 18, machine)
                system = {"x86_64": "x86_64", "arm64": "aarch64"}[target.architecture]
                name = name.replace(suffix, f".cpython-{target.python_tag[2:]}-{system}-linux-gnu.so")
            wheel.writestr(name, bytes(data))
    return path


@on_linux
@pytest.mark.parametrize(
    "target", [Target("python3.14", "arm64"), Target("python3.14", "x86_64"), Target("python3.12", "arm64")], ids=str
)
def test_a_package_for_another_target_comes_from_its_wheel(tmp_path, target):
    wheel_for(target, tmp_path / "wheels")
    said = []
    package = build_package("CreateWebImage", target, cache=tmp_path, progress=said.append)
    assert said == [f"Building CreateWebImage for {target} ..."]
    assert inspect_package(package.path, handler=package.handler, target=target).passed
    with ZipFile(package.path) as archive:
        compiled = any(name.endswith(".pyc") for name in archive.namelist())
    assert compiled == target.is_this_python  # another Python's would be of no use there


@on_linux
def test_a_wheel_of_another_version_python_or_machine_is_not_taken(tmp_path, monkeypatch):
    target = Target("python3.14", "arm64")
    wheel_for(target, tmp_path / "wheels", version="9.5.0")
    wheel_for(Target("python3.13", "arm64"), tmp_path / "wheels")
    wheel_for(Target("python3.14", "x86_64"), tmp_path / "wheels")
    (tmp_path / "wheels" / "not a wheel.whl").write_bytes(b"")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(PackageError, match=r"pillow==13.0.0 for python3.14 arm64 could not be fetched") as caught:
        build_package("CreateWebImage", target, cache=tmp_path)
    assert "No matching distribution" in caught.value.where
    assert "network" in caught.value.hint()
    assert list((tmp_path / "wheels").glob("tmp*")) == []


@on_linux
def test_a_broken_wheel_is_named(tmp_path):
    target = Target("python3.10", "x86_64")  # no host of this lab, which would use its own Pillow
    path = wheel_for(target, tmp_path / "wheels")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PackageError, match="is not a wheel") as caught:
        build_package("CreateWebImage", target, cache=tmp_path)
    assert "Delete that file" in caught.value.hint()


def test_all_tags_that_the_runtime_s_glibc_allows_are_asked_for():
    new = Target("python3.14", "x86_64").platforms()
    assert new[0] == "manylinux_2_34_x86_64"
    assert {"manylinux_2_27_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"} <= set(
        new
    )
    assert Target("python3.11", "arm64").platforms()[0] == "manylinux_2_26_aarch64"


def test_a_wheel_too_new_for_the_runtime_s_glibc_is_not_accepted():
    tags = {"cp311-cp311-manylinux_2_27_x86_64", "cp311-cp311-manylinux_2_28_x86_64"}
    assert not Target("python3.11", "x86_64").accepts(tags)
    assert Target("python3.12", "x86_64").accepts({tag.replace("311", "312") for tag in tags})
    assert not Target("python3.12", "arm64").accepts({tag.replace("311", "312") for tag in tags})


def test_the_host_is_declared_as_it_is():
    host = Target.host()
    assert host.runtime == f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert host.is_this_python
    assert host.local == (not host.can_load_installed_pillow())
    assert Target.newest() == Target("python3.14", "x86_64")


def test_a_pillow_from_elsewhere_than_a_wheel_is_for_this_machine_only(monkeypatch):
    monkeypatch.setattr("labkit.packages.target.installed_pillow", lambda: (installed_pillow()[0], set()))
    assert Target.host().local


@pytest.fixture(scope="session")
def core():
    """Pillow's core as its wheel brings it."""
    (file,) = [file for file in distribution("pillow").files if re.match(r"PIL/_imaging\..*so$", str(file))]
    return file.locate().read_bytes()


@on_linux
def test_debug_information_goes_and_nothing_else_changes(core):
    lean = without_debug_info(core)
    assert len(lean) == len(core)
    assert read_shared_object(lean) == read_shared_object(core)
    assert lean.count(b"\0") > core.count(b"\0")
    assert without_debug_info(b"not ELF") == b"not ELF"


@on_linux
def test_a_binary_that_claims_endless_needs_is_read_to_its_end(core):
    told = read_shared_object(core)
    elf = ELFFile(BytesIO(core))
    number = elf.get_section_index(".gnu.version_r")
    count = elf["e_shoff"] + number * elf["e_shentsize"] + 44  # sh_info: how many libraries' versions it needs
    assert read_shared_object(core[:count] + b"\xff" * 4 + core[count + 4 :]) == told


@on_linux
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_spoilt_binary_is_read_or_refused(core, data):
    spoilt = bytearray(core)
    for place in data.draw(st.lists(st.integers(0, 2000) | st.integers(0, len(core) - 1), min_size=1, max_size=6)):
        spoilt[place] = data.draw(st.integers(0, 255))
    try:
        assert read_shared_object(bytes(spoilt)).machine
    except ValueError as error:
        assert "ELF" in str(error)  # noqa: PT017


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"#!/bin/sh\n" * 20])
def test_what_is_no_elf_file_is_refused_or_empty(data):
    try:
        assert read_shared_object(data).needed == ()
    except ValueError as error:
        assert "ELF" in str(error)  # noqa: PT017


@pytest.mark.slow
@pytest.mark.parametrize("architecture", runtimes.ARCHITECTURES)
@pytest.mark.parametrize("runtime", [runtime.name for runtime in runtimes.RUNTIMES])
def test_every_target_is_built_from_the_registry_and_passes_inspection(tmp_path_factory, runtime, architecture):
    target = Target(runtime, architecture)
    package = build_package("CreateThumbnail", target, cache=tmp_path_factory.getbasetemp() / "registry")
    inspection = inspect_package(package.path, handler=package.handler, target=target)
    assert inspection.passed, str(inspection)
    assert package.size <= 2_600_000
