"""A block of zeros inside a JPEG is found, and a flat area is not taken for one."""

import pytest
from damage import find_hole
from hypothesis import given, settings
from hypothesis import strategies as st
from image import half, resize
from outcome import Refused
from pictures import encoded
from PIL import Image

NOISE = Image.effect_noise((640, 480), 60).convert("RGB")
PHOTO = encoded(NOISE, quality=90)
SCAN = PHOTO.index(b"\xff\xda") + 14


def with_hole(data, at, size=512):
    """The file with zeros in place of what was there."""
    return data[:at] + bytes(size) + data[at + size :]


@given(at=st.integers(SCAN, len(PHOTO) - 600), size=st.integers(512, 4096))
@settings(max_examples=50, deadline=None)
def test_a_hole_anywhere_in_a_photo_is_found(at, size):
    size = min(size, len(PHOTO) - 2 - at)
    found = find_hole(with_hole(PHOTO, at, size))
    assert at - 1 <= found <= at


def test_pillow_itself_says_nothing_of_it_but_the_function_does():
    spoilt = with_hole(PHOTO, len(PHOTO) // 2, 4096)
    from io import BytesIO

    Image.open(BytesIO(spoilt)).load()  # no error: this is why find_hole is there
    with pytest.raises(Refused, match="The image has a hole: from byte") as caught:
        resize(spoilt, half)
    assert caught.value.reason == "damaged"


def test_a_copy_that_was_given_its_length_but_not_its_end_is_found():
    assert find_hole(PHOTO[: len(PHOTO) // 2] + bytes(len(PHOTO) // 2)) is not None


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("colour", ["white", "black", "teal"])
def test_a_flat_picture_has_no_hole(colour, progressive, optimize):
    flat = encoded(Image.new("RGB", (3000, 2000), colour), progressive=progressive, optimize=optimize)
    assert find_hole(flat) is None
    if optimize:
        assert bytes(512) in flat  # the test is one


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {}])
def test_a_photo_with_a_flat_area_has_no_hole(options):
    picture = NOISE.resize((2400, 1800))
    picture.paste("white", (0, 300, 2400, 1600))
    assert find_hole(encoded(picture, quality=90, **options)) is None


def test_zeros_before_and_behind_the_picture_are_nobody_s_business():
    assert find_hole(encoded(NOISE, comment=bytes(3000))) is None
    assert find_hole(PHOTO + bytes(3000)) is None


@pytest.mark.parametrize("header", [b"\0\2", b"\0\3\3", b"\0\5\3\1\0", b"\xff\xff", b"\0\0"])
def test_a_broken_scan_header_does_not_make_it_stumble(header):
    assert find_hole(PHOTO[: SCAN - 12] + header + bytes(2000)) is None


@given(st.binary(max_size=200).map(lambda tail: b"\xff\xd8" + tail + bytes(600)))
def test_nothing_makes_it_stumble(data):
    try:
        resize(data, half)
    except Refused:
        pass
    else:
        raise AssertionError("these bytes are no picture")
