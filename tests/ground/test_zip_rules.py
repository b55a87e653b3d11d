"""The rules of what Lambda takes as a deployment package: each refusal with Lambda's answer, reason and hint."""

import io
import os
import stat
import struct
import warnings
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import zip_rules
from labkit.zip_rules import BadZip, check_zip, open_zip, remove_unpacked, resolved, unpack_zip

HANDLER = b"def handler(event, context):\n    return 1\n"
FILE, LINK, FOLDER = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755


class AnyName(ZipInfo):
    """An entry that may have no name, too."""

    def is_dir(self):
        return self.filename.endswith("/")


def zipped(*entries, method=ZIP_DEFLATED):
    """The bytes of a zip of these (name, mode, contents)."""
    file = io.BytesIO()
    with ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that stand twice
        for name, mode, data in entries:
            info = AnyName("x")
            info.filename = info.orig_filename = name  # ZipInfo itself would tidy it
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
            archive.writestr(info, data)
    return file.getvalue()


def patched(code, offset, layout, value, *, last=False):
    """The zip with another value at this offset of an entry's record in the directory."""
    at = (code.rindex if last else code.index)(b"PK\x01\x02") + offset
    return code[:at] + struct.pack(layout, value) + code[at + struct.calcsize(layout) :]


ONE = zipped(("app.py", FILE, HANDLER * 50))
FLAGS, METHOD, CHECKSUM, PACKED, SIZE = 8, 10, 16, 20, 24  # where they stand in the record

REFUSED = {
    "not a zip": (b"hello", "not a zip that can be read"),
    "half a zip": (ONE[: len(ONE) // 2], "not a zip that can be read"),
    "empty": (zipped(), "an empty zip"),
    "nothing but its root": (zipped(("./", FOLDER, b"")), "an empty zip"),
    "password": (patched(ONE, FLAGS, "<H", 1), "a zip with a password"),
    "checksum": (patched(ONE, CHECKSUM, "<I", 1), "a damaged zip: Bad CRC-32 for file 'app.py'"),
    "Deflate64": (patched(ONE, METHOD, "<H", 9), "app.py is packed by a method that Lambda does not unpack (number 9)"),
    "bzip2": (zipped(("app.py", FILE, HANDLER), method=ZIP_BZIP2), "app.py is packed by a method that"),
    "larger than it says": (patched(ONE, SIZE, "<I", 10), "a damaged zip: Bad CRC-32"),
    "smaller than it says": (patched(ONE, SIZE, "<I", 9999), "does not unpack to the 9,999 bytes that it claims"),
    "packed larger than it says": (patched(ONE, PACKED, "<I", 10), "a damaged zip"),
    "packed smaller than it says": (patched(ONE, PACKED, "<I", 99999), "app.py claims more bytes than the zip has"),
    "twice the same": (zipped(("a.py", FILE, b"1"), ("a.py", FILE, b"2")), "a zip that has a.py twice"),
    "twice by another name": (zipped(("a.py", FILE, b"1"), ("./a.py", FILE, b"2")), "a zip that has a.py twice"),
    "a file that is a folder": (
        zipped(("a", FILE, b""), ("a/b/c.py", FILE, b"")),
        "a zip in which a is a file, and a/b/c.py lies below it",
    ),
    "a folder that is a file": (zipped(("a/b.py", FILE, b""), ("a", FILE, b"")), "a zip in which a is a file"),
    "below a symlink": (
        zipped(("d/x.py", FILE, b""), ("a", LINK, b"d"), ("a/b.py", FILE, b"")),
        "a zip in which a is a link, and a/b.py lies below it",
    ),
    "no name": (zipped(("", FILE, b"")), "an entry without a name"),
    "a name of slashes": (zipped(("//", FOLDER, b"")), "an entry without a name"),
    "zero byte": (zipped(("a\0b", FILE, b"")), "a name with a zero byte in it"),
    "absolute": (zipped(("/etc/x.py", FILE, b"")), "a name that leads out of the package: /etc/x.py"),
    "upwards": (zipped(("a/../../x.py", FILE, b"")), "a name that leads out of the package: a/../../x.py"),
    "a name too long": (zipped(("é" * 128, FILE, b"")), "a name that is too long for Linux (255 bytes, 4085 with"),
    "a path too long": (zipped(("long/" * 900 + "x", FILE, b"")), "a name that is too long for Linux"),
    "a device": (zipped(("a", stat.S_IFCHR | 0o644, b"")), "a is neither a file nor a folder nor a symlink"),
    "a symlink upwards": (zipped(("a", LINK, b"../x")), "a symlink that leads out of the package: a -> ../x"),
    "an absolute symlink": (zipped(("a", LINK, b"/etc")), "a symlink that leads out of the package: a -> /etc"),
    "a symlink out by way of another": (
        zipped(("a/b/up", LINK, b"../.."), ("a/x", LINK, b"b/up/../y")),
        "a symlink that leads out of the package: a/x -> b/up/../y",
    ),
    "a symlink without a target": (zipped(("a", LINK, b"")), "a symlink that leads nowhere: a"),
    "a symlink of no length": (zipped(("a", LINK, b"x" * 5000)), "a symlink that leads nowhere: a"),
}


@pytest.mark.parametrize(("code", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_lambda_refuses_is_refused_with_its_answer_and_a_hint(code, reason, tmp_path):
    for refused in (check_zip, lambda code: unpack_zip(code, tmp_path / "task")):
        with pytest.raises(BadZip) as caught:
            refused(code)
        assert str(caught.value) == (zip_rules.EMPTY if reason == "an empty zip" else zip_rules.NOT_UNZIPPED)
        assert reason in caught.value.reason
        assert caught.value.hint()
        remove_unpacked(tmp_path / "task")


def test_a_damaged_file_is_refused_wherever_it_is_damaged():
    for method in (ZIP_STORED, ZIP_DEFLATED):
        code = bytearray(zipped(("app.py", FILE, HANDLER * 50), method=method))
        code[60] ^= 0xFF
        with pytest.raises(BadZip) as caught:
            check_zip(bytes(code))
        assert "a damaged zip" in caught.value.reason


@pytest.mark.parametrize(("size", "refused"), [(262_143_999, False), (262_144_000, True)])
def test_a_zip_has_to_unpack_to_less_than_250_mb(size, refused, monkeypatch):
    half = size // 2
    code = zipped(("a", FILE, b""), ("b", FILE, b""))
    code = patched(patched(code, SIZE, "<I", half), SIZE, "<I", size - half, last=True)
    monkeypatch.setattr(zip_rules.OpenZip, "contents", lambda self: [])  # of which there is nothing to read
    if not refused:
        return check_zip(code)
    with pytest.raises(BadZip, match="Unzipped size must be smaller than 262144000 bytes") as caught:
        check_zip(code)
    assert caught.value.reason == "a zip that unpacks to 262,144,000 bytes"
    return None


@given(code=st.binary(max_size=300) | st.binary(min_size=1, max_size=60).map(lambda tail: ONE[:-60] + tail))
def test_whatever_the_bytes_are_they_are_a_zip_or_refused(code):
    try:
        check_zip(code)
    except BadZip as error:
        assert str(error) in (zip_rules.NOT_UNZIPPED, zip_rules.EMPTY)  # noqa: PT017


@given(places=st.lists(st.tuples(st.integers(0, len(ONE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_spoilt_zip_is_a_zip_or_refused(places, tmp_path_factory):
    code = bytearray(ONE)
    for place, value in places:
        code[place] = value
    try:
        check_zip(bytes(code))
    except BadZip:
        return
    folder = tmp_path_factory.mktemp("spoilt") / "task"
    unpack_zip(bytes(code), folder)
    remove_unpacked(folder)


def entries(code):
    """What is in a zip, by path."""
    with open_zip(code) as package:
        return {entry.path: entry for entry in package.entries}


@pytest.mark.parametrize(
    ("mode", "readable"),
    [(0o644, True), (0o755, True), (0o444, True), (0o600, False), (0o640, False), (0o711, False), (0, False)],
)
def test_a_file_is_read_with_the_rights_of_others(mode, readable):
    assert entries(zipped(("app.py", mode, HANDLER)))["app.py"].readable == readable
    assert entries(zipped(("app.py", stat.S_IFREG | mode, HANDLER)))["app.py"].readable == readable


@pytest.mark.parametrize(("mode", "readable"), [(0o755, True), (0o744, False), (0o711, False), (0o700, False)])
def test_a_folder_has_to_let_others_in(mode, readable):
    assert entries(zipped(("a/", stat.S_IFDIR | mode, b"")))["a"].readable == readable


def test_a_file_of_python_s_writestr_is_not_readable():
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("app.py", HANDLER)
    assert not entries(file.getvalue())["app.py"].readable


def test_a_zip_from_windows_has_no_modes_and_can_be_read():
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        info = ZipInfo("app.py")
        info.create_system = 0
        archive.writestr(info, HANDLER)
    assert entries(file.getvalue())["app.py"].readable


def modes(folder):
    """Each path below a folder and its mode."""
    return {path.relative_to(folder).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


def test_it_is_laid_out_as_lambda_does(tmp_path):
    code = zipped(
        ("app.py", FILE, HANDLER),
        ("bin/tool", stat.S_IFREG | 0o755, b"#!"),
        ("secret.txt", stat.S_IFREG | 0o600, b"s"),
        ("closed/", stat.S_IFDIR | 0o700, b""),
        ("closed/x.py", FILE, b""),
        ("open/", FOLDER, b""),
        ("./open//y.py", FILE, b"y"),
        ("win\\dows.py", FILE, b"w"),
    )
    task = tmp_path / "deep" / "task"
    unpack_zip(code, task)
    assert stat.S_IMODE(task.stat().st_mode) == 0o555
    assert modes(task) | {"closed/x.py": 0o444} == {
        "app.py": 0o444,
        "bin": 0o555,
        "bin/tool": 0o555,
        "secret.txt": 0,
        "closed": 0,
        "closed/x.py": 0o444,
        "open": 0o555,
        "open/y.py": 0o444,
        "win\\dows.py": 0o444,
    }
    assert (task / "app.py").read_bytes() == HANDLER
    remove_unpacked(task)
    assert not task.exists()
    remove_unpacked(task)  # which is no mistake


@pytest.mark.skipif(os.geteuid() == 0, reason="root is not stopped by modes")
def test_what_was_unpacked_cannot_be_written_and_what_is_closed_not_read(tmp_path):
    unpack_zip(zipped(("app.py", FILE, HANDLER), ("secret.txt", 0o600, b"s")), tmp_path / "task")
    for forbidden in (
        lambda: (tmp_path / "task" / "new.txt").write_text("x"),
        lambda: (tmp_path / "task" / "app.py").write_text("x"),
        lambda: (tmp_path / "task" / "secret.txt").read_text(),
    ):
        with pytest.raises(PermissionError):
            forbidden()
    remove_unpacked(tmp_path / "task")


def test_symlinks_inside_the_package_are_symlinks(tmp_path):
    code = zipped(
        ("lib/libz.so", LINK, b"libz.so.1"),
        ("lib/libz.so.1", FILE, b"elf"),
        ("app.py", LINK, b"src/app.py"),
        ("src/app.py", FILE, HANDLER),
        ("src/up", LINK, b".."),
        ("missing", LINK, b"not/there"),
        ("round", LINK, b"round"),
    )
    unpack_zip(code, tmp_path / "task")
    assert (tmp_path / "task" / "app.py").read_bytes() == HANDLER
    assert (tmp_path / "task" / "src" / "up" / "lib" / "libz.so").read_bytes() == b"elf"
    assert (tmp_path / "task" / "missing").is_symlink()
    remove_unpacked(tmp_path / "task")
    assert not (tmp_path / "task").exists()


@pytest.mark.parametrize(
    ("path", "links", "leads_to"),
    [
        ("a/b.py", {}, "a/b.py"),
        ("a", {"a": "b", "b": "c/d"}, "c/d"),
        ("a/x", {"a": "b/c"}, "b/c/x"),
        ("a/b/up/x", {"a/b/up": "../.."}, "x"),
        ("a/../..", {}, None),
        ("a", {"a": "/opt"}, None),
        ("a", {"a": "a"}, "a"),
    ],
)
def test_where_symlinks_lead(path, links, leads_to):
    assert resolved(path, links) == leads_to


def test_names_that_a_disk_cannot_tell_apart_are_told_as_that(tmp_path, monkeypatch):
    """As on macOS, where a name in capitals is the same."""
    opened = zip_rules.Path.open
    monkeypatch.setattr(zip_rules.Path, "open", lambda path, mode: opened(path.with_name(path.name.lower()), mode))
    with pytest.raises(BadZip) as caught:
        unpack_zip(zipped(("a.py", FILE, b""), ("A.py", FILE, b"")), tmp_path / "task")
    assert caught.value.reason == "two names that this machine's disk cannot tell apart, one of them A.py"
    check_zip(zipped(("a.py", FILE, b""), ("A.py", FILE, b"")))  # which Lambda can
