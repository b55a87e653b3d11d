"""Pictures are opened as the functions open them; all else is called by its name, and refused."""

import ast
import io
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from labkit import pictures
from labkit.pictures import UnreadablePicture, little_picture, open_picture, require_whole, upright
from labkit.samples import sample

SHARED = Path(__file__).parents[2] / "lambda_packages" / "shared"


def constant(module, name):
    """The value that a module of the functions gives a name, read without running it."""
    for node in ast.parse((SHARED / f"{module}.py").read_text("utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if target is not None and ast.unparse(target) == name:
            return eval(compile(ast.Expression(node.value), name, "eval"))
    raise AssertionError(f"{module}.py gives {name} no value")


def picture(kind, size=(60, 40), **options):
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, kind, **options)
    return file.getvalue()


def test_decoders_and_limits_are_those_of_the_functions():
    assert constant("image", "FORMATS") == pictures.FORMATS
    assert constant("image", "Image.MAX_IMAGE_PIXELS") == pictures.MOST_PIXELS
    assert constant("store", "MOST_BYTES") == pictures.MOST_BYTES


@pytest.mark.parametrize("kind", pictures.FORMATS)
def test_what_the_functions_read_is_read(kind):
    assert require_whole(picture(kind), "a.jpg") == (60, 40)


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        ("GIF", "a GIF"),
        ("TIFF", "a TIFF"),
        ("BMP", "a BMP"),
        ("AVIF", "an AVIF"),
        ("EPS", "an EPS"),
        ("ICO", "an icon"),
        ("PDF", "a PDF"),
        ("TGA", "not an image that they can read"),
        ("PPM", "not an image that they can read"),
    ],
)
def test_what_the_functions_do_not_read_is_called_by_its_name(kind, called):
    with pytest.raises(UnreadablePicture, match=rf"^holiday\.jpg is {called}.*: the functions read JPEG, PNG or WebP"):
        require_whole(picture(kind), "holiday.jpg")


def test_no_decoder_of_other_formats_is_started(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(UnreadablePicture, match="is an EPS"):
        upright(picture("EPS"), "x.jpg")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_torn_photo_is_refused_wherever_it_was_torn(share):
    whole = sample("HappyFace.jpg").read_bytes()
    with pytest.raises(UnreadablePicture, match=r"torn\.jpg is cut off or corrupt") as caught:
        require_whole(whole[: int(len(whole) * share)], "torn.jpg")
    assert "once more" in caught.value.hint()


def test_nothing_is_refused_as_empty():
    with pytest.raises(UnreadablePicture, match=r"x\.jpg is empty \(0 bytes\)"):
        require_whole(b"", "x.jpg")


@pytest.mark.parametrize("size", [(10_001, 10_000), (20_000, 10_000)])  # of the second Pillow itself says no
def test_more_pixels_than_the_functions_take_are_refused_by_the_header_alone(size):
    file = io.BytesIO()
    Image.new("1", size).save(file, "PNG")
    with (
        pytest.raises(UnreadablePicture, match="more than 100,000,000 pixels"),
        open_picture(file.getvalue(), "huge.jpg"),
    ):
        pass


def test_more_bytes_than_the_functions_take_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    with pytest.raises(UnreadablePicture, match="the functions take 10"):
        require_whole(picture("JPEG"), "x.jpg")


def test_a_photo_that_lies_on_its_side_is_turned():
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    data = picture("JPEG", exif=exif)
    assert require_whole(data, "x.jpg") == (40, 60)
    assert upright(data, "x.jpg").size == (40, 60)
    with Image.open(io.BytesIO(little_picture(data, "x.jpg", 30))) as small:
        assert (small.format, small.size, dict(small.getexif())) == ("JPEG", (20, 30), {})
