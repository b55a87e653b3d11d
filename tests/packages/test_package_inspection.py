"""Inspection finds every fault of a set of deliberately broken zips, names it, and says what mends it."""

import struct
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from labkit.packages import PackageError, Target, inspect_package
from labkit.packages import inspection as inspecting

HANDLER = "CreateThumbnail.handler"
SIMPLE = {"CreateThumbnail.py": b"def handler(event, context):\n    return 1\n"}


def failed(inspection):
    """What failed: subject -> what was found."""
    return {check.subject: check.found for check in inspection.failures()}


def inspected(path, handler=HANDLER, target=None):
    """Inspect, and see that every fault has a hint and shows itself."""
    inspection = inspect_package(path, handler=handler, target=target)
    for check in inspection.failures():
        assert check.hint
        assert check.hint in str(inspection)
        assert "FAIL" in inspection._repr_mimebundle_()["text/html"]
    return inspection


def test_the_lab_s_own_package_passes(package):
    inspection = inspected(package.path, target=package.target)
    assert inspection.passed
    assert " PASS: deployment package CreateThumbnail" in str(inspection).splitlines()[0]
    assert len(inspection.findings) >= 12


def test_handler_and_target_are_read_from_the_zip_where_none_are_given(package):
    inspection = inspect_package(package.path)
    assert inspection.handler == HANDLER
    assert f"for {package.target.runtime} {package.target.architecture}" in inspection.title


def test_the_largest_contents_are_listed_largest_first(package):
    contents = inspected(package.path, target=package.target).contents
    assert len(contents) == 8
    assert [entry.packed for entry in contents] == sorted((entry.packed for entry in contents), reverse=True)
    assert contents[0].name.startswith("PIL/_imaging.")
    assert contents[0].name in str(inspect_package(package.path))


def test_code_without_binaries_passes(zipped):
    assert inspected(zipped(SIMPLE)).passed


def test_no_such_file(tmp_path):
    with pytest.raises(PackageError, match="There is no file") as caught:
        inspect_package(tmp_path / "nothing.zip")
    assert "labkit build" in caught.value.hint()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target("python2.7", "x86_64"), "no runtime 'python2.7'"),
        (Target("python3.14", "mips"), "no architecture 'mips'"),
    ],
)
def test_a_target_that_lambda_does_not_have(zipped, target, said):
    with pytest.raises(PackageError, match=said):
        inspect_package(zipped(SIMPLE), target=target)


def test_a_handler_without_a_function(zipped):
    (check,) = inspected(zipped(SIMPLE), handler="CreateThumbnail").failures()
    assert check.subject == "handler's module"
    assert check.found == "CreateThumbnail"
    assert "`CreateThumbnail.handler`" in check.hint


def test_a_module_that_is_no_python_is_named_with_its_line(zipped):
    found = failed(inspected(zipped({**SIMPLE, "other.py": b"x = 1\ny = (\n"})))
    assert found == {"imports": "other.py is no Python: '(' was never closed (other.py, line 2)"}


@pytest.mark.parametrize(
    ("data", "found"), [(b"", "not a zip"), (b"hello", "not a zip"), (b"PK\x03\x04" + bytes(40), "not a zip")]
)
def test_no_zip(tmp_path, data, found):
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert found in failed(inspected(path))["zip file"]


def test_an_empty_zip(zipped):
    assert failed(inspected(zipped({}))) == {"zip file": "an empty zip"}


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_a_damaged_zip(tmp_path, method):
    path = tmp_path / "x.zip"
    with ZipFile(path, "w", method) as archive:
        archive.writestr("CreateThumbnail.py", SIMPLE["CreateThumbnail.py"] * 50)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    assert "a damaged zip" in failed(inspected(path))["zip file"]


def test_a_zip_with_a_password(zipped):
    path = zipped(SIMPLE)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert failed(inspected(path)) == {"zip file": "a zip with a password"}


def test_a_zip_bomb(zipped, monkeypatch):
    monkeypatch.setattr(inspecting, "MOST_UNZIPPED", 1000)
    found = failed(inspected(zipped({"big": bytes(40_000)})))["zip file"]
    assert found == "a zip that unpacks to 40,000 bytes"


def test_a_zip_in_a_zip(zipped):
    inner = zipped(SIMPLE).read_bytes()
    found = failed(inspected(zipped({"CreateThumbnail.zip": inner}, "outer.zip")))
    assert found["handler's module"] == "another zip, CreateThumbnail.zip"


def test_the_folder_was_zipped_and_not_what_is_in_it(zipped):
    files = {f"CreateThumbnail/{name}": data for name, data in SIMPLE.items()}
    inspection = inspected(zipped(files))
    assert failed(inspection)["handler's module"] == "CreateThumbnail/CreateThumbnail.py"
    assert "not the folder" in inspection.failures()[0].hint


def test_the_module_has_another_case(zipped):
    assert failed(inspected(zipped({"createthumbnail.py": b"x = 1"})))["handler's module"] == "createthumbnail.py"


def test_the_module_has_another_name(zipped):
    assert failed(inspected(zipped({"lambda_function.py": b"x = 1"})))["handler's module"] == "lambda_function.py"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (b"def lambda_handler(event, context): pass", "lambda_handler"),
        (b"x = 1", "no function"),
        (b"def Handler(event, context): pass", "Handler"),
        (b"async def handler(event, context): pass", "async def handler"),
        (b"def handler(event): pass", "def handler(event)"),
        (b"def handler(): pass", "def handler()"),
        (b"def handler(a, b, c): pass", "def handler(a, b, c)"),
        (b"def handler(event, context, *, more): pass", "def handler(event, context, *, more)"),
        (b"def handler(event, context:", "code that is no Python"),
        (b"class C:\n    def handler(self, event, context): pass", "no function"),
    ],
)
def test_the_function_is_not_what_lambda_calls(zipped, code, found):
    assert found in failed(inspected(zipped({"CreateThumbnail.py": code})))["handler's function"]


@pytest.mark.parametrize(
    "code",
    [
        b"def handler(event, context, more=None): pass",
        b"def handler(*arguments): pass",
        b"handler = lambda event, context: None",
        b"from elsewhere import handler",
        b"import elsewhere as handler",
        b"handler: object = print",
    ],
)
def test_other_ways_to_have_a_handler(zipped, code):
    assert inspected(zipped({"CreateThumbnail.py": code, "elsewhere.py": b""})).passed


def test_a_handler_in_a_folder(zipped):
    assert inspected(zipped({"src/app.py": SIMPLE["CreateThumbnail.py"]}), handler="src.app.handler").passed


def test_a_missing_import(zipped):
    code = b"import json, boto3, requests\nfrom PIL import Image\n" + SIMPLE["CreateThumbnail.py"]
    found = failed(inspected(zipped({"CreateThumbnail.py": code})))["imports"]
    assert found == "requests (for CreateThumbnail.py), PIL (for CreateThumbnail.py)"


def test_a_missing_module_of_the_lab_s_own(files, zipped):
    without = {name: data for name, data in files.items() if name != "store.py"}
    assert failed(inspected(zipped(without), target=Target.host())) == {"imports": "store (for batch.py)"}


@pytest.mark.parametrize("module", ["PIL/_util.py", "PIL/ImageMode.py"])
def test_a_package_with_a_hole(files, zipped, module):
    without = {name: data for name, data in files.items() if name != module and not name.endswith(".pyc")}
    assert module.removesuffix(".py") in failed(inspected(zipped(without), target=Target.host()))["imports"]


def test_an_import_that_is_only_tried_is_not_missed(zipped):
    code = b"try:\n    import requests\nexcept ImportError:\n    requests = None\n" + SIMPLE["CreateThumbnail.py"]
    assert inspected(zipped({"CreateThumbnail.py": code})).passed


@pytest.mark.parametrize("name", ["json.py", "email/__init__.py", "random.py"])
def test_a_module_that_hides_one_of_python_s_own(zipped, name):
    assert failed(inspected(zipped(SIMPLE | {name: b""})))["names of modules"]


@pytest.mark.parametrize("name", ["PIL\\Image.py", "/etc/x.py", "../x.py"])
def test_names_that_do_not_unpack_where_they_should(zipped, name):
    path = zipped(SIMPLE | {"X" * len(name): b""})
    path.write_bytes(path.read_bytes().replace(b"X" * len(name), name.encode()))
    assert failed(inspected(path))["names"] == name


def test_files_that_the_function_may_not_read(tmp_path):
    path = tmp_path / "x.zip"
    with ZipFile(path, "w") as archive:
        entry = ZipInfo("CreateThumbnail.py")
        entry.external_attr = 0o600 << 16
        archive.writestr(entry, SIMPLE["CreateThumbnail.py"])
    assert failed(inspected(path)) == {"permissions": "CreateThumbnail.py (0600)"}


def test_too_large_for_an_upload(zipped, monkeypatch):
    monkeypatch.setattr(inspecting, "MOST_ZIPPED", 100)
    monkeypatch.setattr(inspecting, "MOST_UNZIPPED", 40)
    assert set(failed(inspected(zipped(SIMPLE)))) == {"zipped", "unzipped"}


def elf(machine=0x3E, bits=2):
    """The smallest ELF file that says its machine."""
    return b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HH", 3, machine) + bytes(80)


def test_binaries_of_another_architecture(zipped):
    path = zipped(SIMPLE | {"fast.cpython-314-aarch64-linux-gnu.so": elf(0xB7)})
    assert inspected(path, target=Target("python3.14", "arm64")).passed
    found = failed(inspected(path, target=Target("python3.14", "x86_64")))
    assert found == {"architecture": "fast.cpython-314-aarch64-linux-gnu.so (arm64)"}


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"MZ" + bytes(100), "Windows"), (b"\xcf\xfa\xed\xfe" + bytes(100), "macOS"), (b"", "not an ELF file")],
)
def test_binaries_of_another_system(zipped, data, kind):
    found = failed(inspected(zipped(SIMPLE | {"fast.so": data}), target=Target.newest()))
    assert found == {"architecture": f"fast.so ({kind})"}


def test_binaries_of_32_bits(zipped):
    found = failed(inspected(zipped(SIMPLE | {"fast.so": elf(0x03, 1)}), target=Target.newest()))
    assert found == {"architecture": "fast.so (x86)"}


@pytest.mark.parametrize("name", ["fast.cpython-39-x86_64-linux-gnu.so", "a/fast.cp39-win_amd64.pyd"])
def test_binaries_for_another_python(zipped, name):
    found = failed(inspected(zipped(SIMPLE | {name: elf()}), target=Target.newest()))
    assert found == {"Python version": name}


def test_binaries_for_every_python_are_for_this_one_too(zipped):
    assert inspected(zipped(SIMPLE | {"fast.abi3.so": elf()}), target=Target.newest()).passed


def test_pillow_without_its_core(files, zipped):
    without = {name: data for name, data in files.items() if not name.startswith("PIL/_imaging.")}
    assert "the core of Pillow" in failed(inspected(zipped(without), target=Target.host()))["libraries"]


def test_pillow_without_its_libraries(files, zipped):
    without = {name: data for name, data in files.items() if "libjpeg" not in name}
    assert "libjpeg" in failed(inspected(zipped(without), target=Target.host()))["libraries"]


def test_binaries_that_need_a_newer_glibc(files, zipped):
    """The Pillow of today's wheels asks for glibc 2.27 in one library; Amazon Linux 2 has 2.26."""
    renamed = {name.replace("cpython-311", "cpython-310"): data for name, data in files.items()}
    target = Target("python3.10", Target.host().architecture)
    found = failed(inspected(zipped(renamed), target=target))
    if any("libsharpyuv" in name for name in files):
        assert "needs 2.27" in found["glibc"]


def test_a_package_for_one_runtime_fails_on_the_next(package):
    other = Target("python3.13", package.target.architecture)
    if package.target.runtime != other.runtime:
        assert "Python version" in failed(inspected(package.path, target=other))
