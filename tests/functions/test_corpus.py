"""The corpus runner, over a folder with a file of every kind."""

import subprocess
import sys
from pathlib import Path

import pytest
from pictures import encoded, png, quarters
from PIL import Image

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="the runner forks")


def corpus(folder, *options):
    """Exit status and output of the runner."""
    command = [sys.executable, "-m", "tests.corpus", str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path):
    """A folder of files of every kind, one of them in a folder of its own."""
    photo = quarters(640, 480)
    files = {
        "upright.jpg": encoded(photo),
        "progressive.jpg": encoded(photo, progressive=True),
        "cmyk.jpg": encoded(photo.convert("CMYK")),
        "grey.jpg": encoded(photo.convert("L")),
        "really a png.jpg": encoded(photo, "PNG"),
        "really a webp.jpg": encoded(photo.convert("RGBA"), "WEBP"),
        "palette.png": encoded(photo.convert("P"), "PNG"),
        "deep.png": encoded(Image.frombytes("I;16", (64, 48), b"\x34\x12" * 64 * 48), "PNG"),
        "dot.jpg": encoded(Image.new("RGB", (1, 1))),
        "line.jpg": encoded(Image.new("RGB", (3000, 1))),
        "empty.jpg": b"",
        "text.jpg": b"hello",
        "half.jpg": encoded(photo)[:2000],
        "bad exif.jpg": png(64, 48, (b"\0" + bytes(192)) * 48, (b"eXIf", b"garbage")),
        "bomb.jpg": png(15_000, 11_000, bytes(300), kind=0),
        "deep/nested ü.jpg": encoded(photo),
    }
    files |= {f"turned {n}.jpg": encoded(photo, orientation=n) for n in range(1, 9)}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_every_file_gets_a_result_or_a_reason(folder):
    status, said = corpus(folder)
    assert status == 0, said
    assert "PASS: 24 of 24 files went well." in said
    assert "turned 6.jpg  CreateMobileImage: 640x480 -> 427x320" in said
    assert "empty.jpg  CreateThumbnail: failed: not_an_image" in said
    assert "bad exif.jpg  CreateWebImage: 64x48 -> 64x48" in said
    assert "bomb.jpg  CreateThumbnail: failed: too_large" in said
    assert "More than 100,000,000 pixels" in said
    assert "half.jpg  CreateWebImage: failed: damaged" in said
    assert "line.jpg  CreateThumbnail: 3000x1 -> 1500x1" in said


def test_a_wrong_turn_is_found(folder, monkeypatch):
    """The runner's own eye: a function that forgets the orientation is caught."""
    code = "import tests.corpus as c, sys; sys.argv[0] = 'corpus'\n"
    code += "import os; os.environ['AWS_DEFAULT_REGION'] = 'us-east-1'; sys.path.insert(0, 'lambda_packages/shared')\n"
    code += "import image; image._orientation = lambda photo: 1\n"
    code += "sys.exit(c.main())"
    command = [sys.executable, "-c", code, str(folder), "--function", "CreateWebImage"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for n in range(2, 9):
        assert f"turned {n}.jpg  CreateWebImage: FAIL" in done.stdout
    assert "turned 1.jpg  CreateWebImage: 640x480" in done.stdout


def test_a_crash_is_found(folder):
    code = "import tests.corpus as c, sys, os; os.environ['AWS_DEFAULT_REGION'] = 'us-east-1'\n"
    code += "sys.path.insert(0, 'lambda_packages/shared'); import batch\n"
    code += "batch.resize = lambda *_: os.abort()\n"
    code += "sys.exit(c.main())"
    command = [sys.executable, "-c", code, str(folder / "deep"), "--function", "CreateThumbnail"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CreateThumbnail: FAIL ended by SIGABRT" in done.stdout


def test_an_empty_folder_is_no_success(tmp_path):
    status, said = corpus(tmp_path)
    assert status == 2
    assert "there is no file" in said
