"""Inspection finds every fault of a set of deliberately broken zips, names it, and says what puts it right."""

import stat
import struct
import time
from html import unescape
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from labkit.packages import PackageError, Target, inspect_package
from labkit.packages import inspection as inspecting
from labkit.packages.source import HOST
from labkit.zip_rules import BadZip, OpenZip, check_zip

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


def test_a_file_that_may_not_be_read(zipped, monkeypatch):
    path = zipped(SIMPLE)
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: path.parent.open())  # which raises an OSError
    with pytest.raises(PackageError, match="cannot be read: Is a directory"):
        inspect_package(path)


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


def test_a_module_that_is_not_valid_python_is_named_with_its_line(zipped):
    code = b"import other\n" + SIMPLE["CreateThumbnail.py"]
    found = failed(inspected(zipped({"CreateThumbnail.py": code, "other.py": b"x = 1\ny = (\n"})))
    assert found == {"imports": "other.py is not valid Python: '(' was never closed (other.py, line 2)"}


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


def test_a_zip_bomb_is_not_unpacked(zipped, monkeypatch):
    monkeypatch.setattr(OpenZip, "unpacked_size", 262_144_000)
    monkeypatch.setattr(OpenZip, "contents", None)  # nobody asks for it
    monkeypatch.setattr(OpenZip, "read", None)
    assert failed(inspected(zipped(SIMPLE | {"big.so": bytes(40_000)}))) == {"unzipped": "250.00 MB"}


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
        (b"def handler(event, context:", "code that is not valid Python"),
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
        b"if True:\n    def handler(event, context): pass\nelse:\n    handler = None",
        b"try:\n    from fast import handler\nexcept ImportError:\n    from elsewhere import handler",
        b"first, (handler, *rest) = print, (print, print)",
        b"with open('x') as handler:\n    pass",
        b"for handler in (print,):\n    pass",
        b"print(handler := print)",
        b"match [1]:\n    case [handler]: pass",
        b"from elsewhere import *",
        b"def set_up():\n    global handler\n    handler = print\nset_up()",
        b"class handler:\n    def __init__(self, event, context): pass",
        b"@print\ndef handler(): pass",
        b"@print\nasync def handler(event, context): pass",
        b"async def handler(event, context): pass\ndef handler(event, context): pass",
    ],
)
def test_other_ways_to_have_a_handler(zipped, code):
    assert inspected(zipped({"CreateThumbnail.py": code, "elsewhere.py": SIMPLE["CreateThumbnail.py"]})).passed


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


@pytest.mark.parametrize("name", ["/etc/x.py", "../x.py"])
def test_names_that_do_not_unpack_where_they_should(zipped, name):
    path = zipped(SIMPLE | {"X" * len(name): b""})
    path.write_bytes(path.read_bytes().replace(b"X" * len(name), name.encode()))
    assert failed(inspected(path)) == {"zip file": f"a name that leads out of the package: {name}"}


def test_a_file_that_the_function_may_not_read(tmp_path):
    path = tmp_path / "x.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("CreateThumbnail.py", SIMPLE["CreateThumbnail.py"])
    assert failed(inspected(path)) == {"permissions": "CreateThumbnail.py (0600)"}


def test_a_folder_that_the_function_may_not_enter(zipped):
    path = zipped({"CreateThumbnail.py": b"import a.x\n" + SIMPLE["CreateThumbnail.py"], "a/x.py": b""})
    with ZipFile(path, "a") as archive:
        entry = ZipInfo("a/")
        entry.external_attr = (stat.S_IFDIR | 0o700) << 16
        archive.writestr(entry, b"")
    assert failed(inspected(path)) == {"permissions": "a (0700)"}


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
    code = {"CreateThumbnail.py": b"import a\n" + SIMPLE["CreateThumbnail.py"], "a/__init__.py": b""}
    found = failed(inspected(zipped(code | {name: elf()}), target=Target.newest()))
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


# The target's Python is the judge, whatever Python runs here.

NEWER = {
    (3, 10): [b"match 1:\n    case _: pass\n"],
    (3, 11): [b"try:\n    pass\nexcept* ValueError:\n    pass\n"],
    (3, 12): [
        b"type X = int\n",
        b"class C[T]: pass\n",
        b"def f[T](x: T): pass\n",
        b"x = f'{'a' + f'{1}'}'\n",
        b'd = {"k": 1}\nprint(1,\n  f"{d["k"]}")\n',
        b"x = f'''{\n1 # one\n}'''\n",
        b"x = f'{'\\n'.join([])}'\n",
    ],
    (3, 13): [b"class C[T = int]: pass\n"],
    (3, 14): [b"try:\n    pass\nexcept TypeError, ValueError:\n    pass\n", b"x = t'{1}'\n"],
}
PYTHONS = [(3, minor) for minor in range(9, 15)]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("since", "code"), [(since, code) for since, codes in NEWER.items() for code in codes])
def test_syntax_is_judged_by_the_target_s_python(zipped, since, code, python):
    path = zipped({"CreateThumbnail.py": code + SIMPLE["CreateThumbnail.py"]})
    inspection = inspected(path, target=Target("python{}.{}".format(*python), "x86_64"))
    (line,) = [check for check in inspection.checks if check.subject == "handler's function"]
    assert line.passed == (python >= since)
    if python < since:
        assert "code that is not valid Python" in line.found
    elif since > HOST:
        assert line.found.startswith("not looked into: Python {}.{} here cannot read what Python".format(*HOST))
        assert "line " in line.found
    else:
        assert line.found == "def handler(event, context)"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("code", [b"def f(:\n", b"print 'x'\n", b"print(f'{1}'\n", b"  x = 1\n", b"x = = 1\n", b"\0"])
def test_what_no_python_reads_fails_for_all(zipped, code, python):
    path = zipped({"CreateThumbnail.py": code + SIMPLE["CreateThumbnail.py"]})
    inspection = inspected(path, target=Target("python{}.{}".format(*python), "x86_64"))
    assert "not valid Python" in failed(inspection)["handler's function"]


def test_f_strings_that_every_python_reads_are_no_fault(zipped):
    code = b"x, y = 1, 'a'\nz = f'{x!r:>{x}} {y} {{}} \\n' f\"{y + 'b'}\" rf'\\d{x}' f'''{\nx} \"{y}\"'''\n"
    path = zipped({"CreateThumbnail.py": code + SIMPLE["CreateThumbnail.py"]})
    assert inspected(path, target=Target("python3.9", "x86_64")).passed


def test_a_module_that_cannot_be_read_here_is_told_and_not_judged(zipped):
    code = {"CreateThumbnail.py": b"import other\n" + SIMPLE["CreateThumbnail.py"], "other.py": b"x = t'{1}'\n"}
    inspection = inspected(zipped(code), target=Target.newest())
    assert inspection.passed
    assert ("\nnote: imports: all found; not looked into: Python" in str(inspection)) == (HOST < (3, 14))
    found = failed(inspected(zipped(code), target=Target("python3.13", "arm64")))
    assert "other.py is not valid Python" in found["imports"]


@pytest.mark.parametrize(("module", "last"), [("imp", 11), ("distutils", 11), ("cgi", 12), ("lib2to3", 12)])
def test_a_module_that_python_no_longer_has_is_missing(zipped, module, last):
    path = zipped({"CreateThumbnail.py": f"import {module}\n".encode() + SIMPLE["CreateThumbnail.py"]})
    assert inspected(path, target=Target(f"python3.{last}", "x86_64")).passed
    found = failed(inspected(path, target=Target(f"python3.{last + 1}", "x86_64")))
    assert found == {"imports": f"{module} (for CreateThumbnail.py)"}


def test_a_module_that_python_does_not_have_yet_is_missing_and_may_be_brought(zipped):
    code = {"CreateThumbnail.py": b"import tomllib\n" + SIMPLE["CreateThumbnail.py"]}
    assert inspected(zipped(code), target=Target("python3.11", "x86_64")).passed
    old = Target("python3.10", "x86_64")
    assert failed(inspected(zipped(code), target=old)) == {"imports": "tomllib (for CreateThumbnail.py)"}
    assert inspected(zipped(code | {"tomllib.py": b""}), target=old).passed
    assert failed(inspected(zipped(code | {"tomllib.py": b""}))) == {"names of modules": "tomllib.py"}


# Handlers, wherever they are.


def test_a_handler_by_way_of_a_star_is_judged_where_it_is_defined(zipped):
    code = {"CreateThumbnail.py": b"from other import *", "other.py": b"from third import *"}
    assert inspected(zipped(code | {"third.py": SIMPLE["CreateThumbnail.py"]})).passed
    found = failed(inspected(zipped(code | {"third.py": b"def handler(event): pass"})))
    assert found == {"handler's function": "def handler(event)"}
    found = failed(inspected(zipped(code | {"third.py": b"from other import *"})))  # a circle
    assert found == {"handler's function": "no function"}


@pytest.mark.parametrize("code", [b"from boto3 import *", b"exec('x')", b"globals()['handler'] = print"])
def test_a_handler_that_cannot_be_seen_is_told_and_not_judged(zipped, code):
    inspection = inspected(zipped({"CreateThumbnail.py": code}))
    assert inspection.passed
    said = "handler's function: not looked into: handler may come from a module that is not in the zip"
    assert inspection.notes == (said,)
    assert f"\nnote: {said}" in str(inspection)
    assert said in unescape(inspection._repr_mimebundle_()["text/html"])


def test_a_name_that_another_module_of_the_zip_does_not_have(zipped):
    code = b"from store import upload, S3\n" + SIMPLE["CreateThumbnail.py"]
    found = failed(inspected(zipped({"CreateThumbnail.py": code, "store.py": b"S3 = 1\n"})))
    assert found == {"imports": "store/upload (for CreateThumbnail.py)"}


@pytest.mark.parametrize("handler", ["src.app.handler", "src/app.handler"])
def test_a_handler_in_a_folder_is_looked_into(zipped, handler):
    files = {"src/app.py": b"from . import helper\nimport requests\ndef handler(): pass", "src/other.py": b""}
    found = failed(inspected(zipped(files), handler=handler))
    assert found == {
        "handler's function": "def handler()",
        "imports": "src/helper (for src/app.py), requests (for src/app.py)",
    }


def test_a_relative_import_at_the_root_belongs_to_no_package(zipped):
    code = b"from .helper import x\n" + SIMPLE["CreateThumbnail.py"]
    found = failed(inspected(zipped({"CreateThumbnail.py": code, "helper.py": b"x = 1"})))
    assert found == {"imports": ".helper, from outside a package (for CreateThumbnail.py)"}


@pytest.mark.parametrize("handler", [None, "app.handler", "app.lambda_handler"])
@pytest.mark.parametrize("folder", ["project", "a/b"])
def test_the_hint_about_a_nested_folder_is_given_always(zipped, handler, folder):
    code = b"def lambda_handler(event, context): pass\n"
    path = zipped({f"{folder}/app.py": code, f"{folder}/deeper/other.py": SIMPLE["CreateThumbnail.py"]})
    (check,) = inspected(path, handler=handler).failures()
    assert (check.subject, check.found) == ("handler's module", f"{folder}/app.py")
    name = (handler or "app.lambda_handler").rpartition(".")[2]
    assert f"or make the handler `{folder.replace('/', '.')}.app.{name}`" in check.hint


# What Lambda never reads is not judged.

BESIDE = {
    "__MACOSX/._CreateThumbnail.py": b"\0\5\x16\7",
    "._CreateThumbnail.py": b"\0\5\x16\7",
    ".DS_Store": b"\0",
    ".git/hooks/old.py": b"print 'x'",
    "setup.py": b"from setuptools_of_mine import setup\nprint 'old'",
    "conftest.py": b"import pytest",
    "tests/test_app.py": b"import pytest\nfrom . import nothing\n",
    "tests/json.py": b"",
    "tools/helper.cpython-38-darwin.so": b"\xcf\xfa\xed\xfe",
    "venv/pyvenv.cfg": b"",
    "venv/lib/python3.11/site-packages/requests/__init__.py": b"print 'x'",
    "venv/lib/python3.11/site-packages/fast.cpython-311-aarch64-linux-gnu.so": b"MZ",
    "README.md": b"",
    "data/photo.jpg": b"\xff\xd8",
}


@pytest.mark.parametrize("target", [None, Target("python3.13", "x86_64")])
@pytest.mark.parametrize("handler", [None, HANDLER])
def test_files_beside_the_code_that_lambda_never_reads_do_no_harm(zipped, handler, target):
    path = zipped(SIMPLE | BESIDE)
    with ZipFile(path, "a") as archive:
        archive.writestr("venv/bin/activate.py", b"")  # readable by its owner alone
        archive.writestr(".git/config", b"")
    inspection = inspected(path, handler=handler, target=target)
    assert inspection.passed, str(inspection)
    assert inspection.handler == HANDLER
    assert f"for {target or Target.newest()}" in inspection.title


def test_data_that_the_function_may_read_has_to_be_readable(zipped):
    path = zipped(SIMPLE)
    with ZipFile(path, "a") as archive:
        archive.writestr("data/words.txt", b"")
    assert failed(inspected(path)) == {"permissions": "data/words.txt (0600)"}


def test_what_a_function_imports_is_in_play_but_not_missed(zipped):
    code = b"def handler(event, context):\n    import helper\n    import requests\n"
    path = zipped({"CreateThumbnail.py": code})
    with ZipFile(path, "a") as archive:
        archive.writestr("helper/__init__.py", b"import nothing")
    assert failed(inspected(path)) == {"permissions": "helper/__init__.py (0600)"}


# Zips as Lambda takes them.


def from_windows(path):
    """The zip with a backslash wherever there was an X."""
    path.write_bytes(path.read_bytes().replace(b"X", b"\\"))
    return path


def test_backslashes_are_letters(zipped):
    inspection = inspected(from_windows(zipped(SIMPLE | {"PILXImage.py": b"", "data/x": b""})))
    assert inspection.passed
    assert inspection.checks[0].found == r"3 files; \ is a letter on Linux, not a folder's end: PIL\Image.py"


def test_a_package_zipped_with_backslashes_is_not_found(zipped):
    code = b"from PIL import Image\n" + SIMPLE["CreateThumbnail.py"]
    (check,) = inspected(from_windows(zipped({"CreateThumbnail.py": code, "PILXImage.py": b""}))).failures()
    assert (check.subject, check.found) == ("imports", "PIL (for CreateThumbnail.py)")
    assert r"Names with \ are no folders" in check.hint


@pytest.mark.parametrize("handler", ["src.app.handler", "app.handler"])
def test_a_handler_zipped_with_backslashes_is_not_found(zipped, handler):
    path = from_windows(zipped({"srcXapp.py": SIMPLE["CreateThumbnail.py"]}))
    (check,) = inspected(path, handler=handler).failures()
    assert (check.subject, check.found) == ("handler's module", "src\\app.py")
    assert "a tool that writes / between folders" in check.hint


def linked(path, name, target):
    """The zip with a symlink in it."""
    with ZipFile(path, "a") as archive:
        entry = ZipInfo(name)
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, target)
    return path


def test_symlinks_inside_the_package_are_followed(zipped):
    code = b"import alias\nfrom package import module\nfrom package.module import x\n" + SIMPLE["CreateThumbnail.py"]
    path = zipped({"src/app.py": code, "src/real.py": b"", "deep/package/module.py": b"x = 1"})
    linked(path, "CreateThumbnail.py", "src/app.py")
    linked(path, "alias.py", "src/real.py")
    linked(path, "package", "deep/package")
    assert inspected(path).passed
    assert inspected(linked(path, "broken.py", "src/nothing.py")).passed


def test_a_symlink_out_of_the_package(zipped):
    found = failed(inspected(linked(zipped(SIMPLE), "data", "../secrets")))
    assert found == {"zip file": "a symlink that leads out of the package: data -> ../secrets"}


def test_the_inspector_and_the_rules_of_the_zip_agree(zipped):
    path = zipped(SIMPLE)
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        refused = {"zip file", "unzipped"} & set(failed(inspect_package(path)))
        try:
            check_zip(path.read_bytes())
        except BadZip as error:
            refused ^= {"unzipped" if "unpacks to" in error.reason else "zip file"}
        assert not refused, place


def test_its_work_grows_as_the_zip_does(zipped):
    def seconds(entries):
        path = zipped(SIMPLE | {f"data/{number % 100}/{number}": b"" for number in range(entries)})
        start = time.process_time()
        assert inspected(path).passed
        return time.process_time() - start

    small = min(seconds(1000) for _ in range(3))
    assert seconds(16_000) < 3 * 16 * small
