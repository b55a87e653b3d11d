"""The image: every kind of photo comes out upright, in the right size and colours, or is refused with its reason."""

import os
import struct
import subprocess
import sys
from io import BytesIO

import image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image import half, resize, within
from outcome import Refused
from pictures import (
    BLUE,
    GREEN,
    ORIENTATION,
    RED,
    STORED,
    WHITE,
    close,
    corner_colours,
    encoded,
    jpeg_in_parts,
    looks_like_quarters,
    opened,
    png,
    quarters,
)
from PIL import Image, ImageChops, ImageCms, ImageStat

from labkit.samples import sample

RULES = {"thumbnail": half, "web": within(1920, 1080), "mobile": within(640, 320)}


def resized(data, rule=half):
    """The result as a picture."""
    result = resize(data, rule)
    picture = opened(result.jpeg.getvalue())
    assert picture.format == "JPEG"
    assert picture.size == result.result_size
    return picture


@pytest.mark.parametrize(
    ("rule", "source", "result"),
    [
        ("thumbnail", (4000, 3000), (2000, 1500)),
        ("thumbnail", (4001, 3001), (2000, 1500)),
        ("thumbnail", (1, 1), (1, 1)),
        ("thumbnail", (3000, 1), (1500, 1)),
        ("thumbnail", (1, 3001), (1, 1500)),
        ("web", (4000, 3000), (1440, 1080)),
        ("web", (1920, 1080), (1920, 1080)),
        ("web", (1921, 1080), (1920, 1079)),
        ("web", (800, 600), (800, 600)),
        ("web", (1, 5000), (1, 1080)),
        ("mobile", (4000, 3000), (427, 320)),
        ("mobile", (3000, 1), (640, 1)),
        ("mobile", (640, 320), (640, 320)),
    ],
)
def test_sizes(rule, source, result):
    assert RULES[rule](*source) == result


@given(width=st.integers(1, 70000), height=st.integers(1, 70000), rule=st.sampled_from(sorted(RULES)))
def test_a_result_is_never_larger_and_never_nothing(width, height, rule):
    across, down = RULES[rule](width, height)
    assert 1 <= across <= width
    assert 1 <= down <= height


@given(width=st.integers(1, 6000), height=st.integers(1, 6000), box=st.sampled_from([(1920, 1080), (640, 320)]))
def test_the_aspect_is_kept_to_the_pixel_as_the_original_does(width, height, box):
    across, down = within(*box)(width, height)
    assert across <= box[0] or across == width
    assert down <= box[1] or down == height
    assert abs(across - width * down / height) <= max(1, width / height)


@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    mode=st.sampled_from(["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16"]),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    orientation=st.sampled_from([None, *range(10)]),
    rule=st.sampled_from(sorted(RULES)),
)
@settings(max_examples=150, deadline=None)
def test_every_kind_of_picture_comes_out_upright_in_its_size(kind, mode, width, height, orientation, rule):
    if mode == "I;16" and kind == "PNG":
        picture = Image.frombytes("I;16", (width, height), bytes(2 * width * height))
    else:
        picture = quarters(width, height).convert("RGB" if mode == "I;16" else mode)
    if kind == "JPEG" and mode in ("P", "RGBA", "LA", "1"):
        picture = picture.convert("RGB")
    if (kind != "JPEG" and mode == "CMYK") or (kind == "WEBP" and mode in ("1", "P", "LA", "L")):
        picture = picture.convert("RGB")
    if orientation in (1, *STORED):
        data = encoded(picture, kind, orientation=orientation)
    else:
        exif = Image.Exif()
        if orientation is not None:  # 0 and 9 mean nothing
            exif[ORIENTATION] = orientation
        data = encoded(picture, kind, exif=exif)
    result = resize(data, RULES[rule])
    assert result.source_size == (width, height)
    out = opened(result.jpeg.getvalue())
    assert out.size == RULES[rule](width, height) == result.result_size
    assert out.mode in ("RGB", "L")
    assert out.getexif().get(ORIENTATION) is None
    if mode in ("RGB", "CMYK") and min(out.size) >= 24:
        assert looks_like_quarters(out)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(64, 48), (640, 480), (1331, 987)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_camera_was_held_in_any_way(orientation, size, kind):
    data = encoded(quarters(*size), kind, orientation=orientation)
    for rule in RULES.values():
        out = resized(data, rule)
        assert out.size == rule(*size)
        assert looks_like_quarters(out)
        assert not out.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_orientation_written_wrongly_is_no_reason_to_refuse():
    data = encoded(quarters(64, 48), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01garbage")
    assert looks_like_quarters(resized(data))


def test_a_photo_that_is_small_enough_is_not_enlarged():
    assert resized(encoded(quarters(100, 50)), within(640, 320)).size == (100, 50)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_all_usual_jpegs(progressive, subsampling):
    assert looks_like_quarters(resized(encoded(quarters(333, 222), progressive=progressive, subsampling=subsampling)))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_of_red_green_and_blue_is_not_taken_for_brightness_and_colour(orientation):
    data = encoded(quarters(333, 222), keep_rgb=True, orientation=orientation)
    assert [part[0] for part in Image.open(BytesIO(data)).layer] == [*b"RGB"]
    assert looks_like_quarters(resized(data, within(300, 300)))
    renumbered = data.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0")  # Adobe's marker says it, too
    renumbered = renumbered.replace(b"\3R\0G\0B\0", b"\3\1\0\2\0\3\0")
    assert [part[0] for part in Image.open(BytesIO(renumbered)).layer] == [1, 2, 3]
    assert looks_like_quarters(resized(renumbered, within(300, 300)))


@pytest.mark.parametrize("rule", [within(1920, 1080), within(640, 320)])
def test_brightness_and_colour_apart_look_as_they_do_together(rule):
    with Image.open(sample("dandelions.jpg")) as photo:
        data = encoded(photo.resize((1632, 1224)), quality=92)
    apart, together = resized(data, rule), opened(resize(data, rule, lambda picture: picture).jpeg.getvalue())
    assert together.size == apart.size
    assert max(ImageStat.Stat(ImageChops.difference(apart, together)).rms) < 2


def test_whoever_finishes_a_picture_gets_it_in_grey_or_red_green_and_blue():
    modes = []
    for mode in ("L", "RGB", "CMYK"):
        resize(
            encoded(quarters(333, 222).convert(mode)),
            within(300, 300),
            lambda picture: modes.append(picture.mode) or picture,
        )
    assert modes == ["L", "RGB", "RGB"]


def test_a_jpeg_of_many_pictures_gives_its_first():
    file = BytesIO()
    quarters(64, 48).save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48), "black")])
    assert opened(file.getvalue()).format == "MPO"
    assert looks_like_quarters(resized(file.getvalue()))


def test_an_animation_gives_its_first_picture():
    file = BytesIO()
    quarters(64, 48).save(file, "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 48), "black")])
    assert looks_like_quarters(resized(file.getvalue()))


def test_alpha_is_laid_on_white():
    picture = quarters(64, 48).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((64, 48)).point(lambda level: 255 if level > 127 else 0))
    for kind in ("PNG", "WEBP"):
        upper_left, upper_right, lower_left, lower_right = corner_colours(
            resized(encoded(picture, kind, lossless=True))
        )
        assert all(close(colour, (255, 255, 255), 12) for colour in (upper_left, upper_right))
        assert close(lower_left, BLUE)
        assert close(lower_right, WHITE)


def test_half_transparent_red_is_pink():
    data = encoded(Image.new("RGBA", (64, 48), (255, 0, 0, 128)), "PNG")
    assert all(close(colour, (255, 127, 127), 8) for colour in corner_colours(resized(data)))


def test_grey_with_alpha_is_laid_on_white():
    assert close(corner_colours(resized(encoded(Image.new("LA", (64, 48), (0, 0)), "PNG")))[0], (255,) * 3, 3)


@pytest.mark.parametrize("transparency", [0, b"\0\xff\xff\xff"])
def test_a_palette_and_its_transparent_colour(transparency):
    picture = Image.new("P", (64, 48))
    picture.putpalette([*RED, *GREEN, *BLUE, *WHITE])
    picture.paste(2, (0, 24, 64, 48))
    upper, _, lower, _ = corner_colours(resized(encoded(picture, "PNG", transparency=transparency)))
    assert close(upper, (255, 255, 255), 12)
    assert close(lower, BLUE)


def test_rgb_with_one_transparent_colour():
    data = encoded(Image.new("RGB", (64, 48), RED), "PNG", transparency=RED)
    assert close(corner_colours(resized(data))[0], (255, 255, 255), 3)


@pytest.mark.parametrize(("level", "grey"), [(0, 0), (0x1FFF, 0x1F), (0x8000, 0x80), (0xFFFF, 0xFF)])
def test_16_bit_grey_is_scaled_and_not_clipped(level, grey):
    data = encoded(Image.frombytes("I;16", (64, 48), struct.pack("<H", level) * 64 * 48), "PNG")
    out = resized(data)
    assert out.mode == "L"
    assert abs(out.getpixel((5, 5)) - grey) <= 2


def test_cmyk_becomes_rgb():
    out = resized(encoded(quarters(64, 48).convert("CMYK")))
    assert out.mode == "RGB"
    assert looks_like_quarters(out)


def test_grey_stays_grey():
    assert resized(encoded(Image.new("L", (64, 48), 99))).mode == "L"


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_colour_profile_stays(kind):
    assert resized(encoded(quarters(64, 48), kind, icc_profile=PROFILE)).info["icc_profile"] == PROFILE


@pytest.mark.parametrize("profile", [PROFILE[:16] + b"CMYK" + PROFILE[20:], b"nonsense", PROFILE[:17]])
def test_the_profile_of_another_colour_space_goes(profile):
    assert "icc_profile" not in resized(encoded(quarters(64, 48), icc_profile=profile)).info


def test_nothing_else_of_the_photo_s_metadata_goes_on():
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    exif[0x8825] = {1: "N", 2: (48.0, 12.0, 0.0)}  # where it was taken
    data = encoded(quarters(64, 48), exif=exif, comment=b"private", xmp=b"<x:xmpmeta/>", dpi=(300, 300))
    info = resized(data).info
    assert set(info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_the_same_photo_gives_the_same_bytes():
    data = encoded(quarters(333, 222), orientation=6, icc_profile=PROFILE)
    assert resize(data, half).jpeg.getvalue() == resize(data, half).jpeg.getvalue()


# What is refused, and why.

ENTIRE = {
    kind: encoded(Image.effect_noise((97, 61), 60).convert("RGB"), kind.split("-")[0], progressive=kind.endswith("p"))
    for kind in ("JPEG", "JPEG-p", "PNG", "WEBP")
}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\0" * 5000,
        b"GIF89a" + bytes(500),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"BM" + bytes(60),
        b"II*\0" + bytes(60),
    ],
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(Refused, match="not a JPEG, PNG or WebP image") as caught:
        resize(data, half)
    assert caught.value.reason == "not_an_image"


@given(kind=st.sampled_from(sorted(ENTIRE)), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_photo_cut_off_anywhere_is_refused_or_entire(kind, data):
    entire = ENTIRE[kind]
    cut = entire[: data.draw(st.integers(0, len(entire) - 1))]
    try:
        result = resize(cut, half)
    except Refused as refused:
        assert refused.reason in ("damaged", "not_an_image")  # noqa: PT017
    else:  # all pixels were there: only what follows them was cut off
        assert result.jpeg.getvalue() == resize(entire, half).jpeg.getvalue()


@pytest.mark.parametrize("kind", sorted(ENTIRE))
def test_half_a_photo_is_refused(kind):
    with pytest.raises(Refused) as caught:
        resize(ENTIRE[kind][: len(ENTIRE[kind]) // 2], half)
    assert caught.value.reason == "damaged"
    assert caught.value.message.startswith(("The image is cut off or corrupt", "The image's header cannot be read"))


@given(kind=st.sampled_from(sorted(ENTIRE)), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_photo_with_wrong_bytes_makes_nothing_stumble(kind, data):
    spoilt = bytearray(ENTIRE[kind])
    for place in data.draw(st.lists(st.integers(0, len(spoilt) - 1), min_size=1, max_size=8)):
        spoilt[place] = data.draw(st.integers(0, 255))
    try:
        resize(bytes(spoilt), half)
    except Refused as refused:
        assert refused.reason in ("damaged", "not_an_image", "too_large")  # noqa: PT017


@given(
    st.binary(max_size=300).flatmap(
        lambda tail: st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 "]).map(
            lambda head: head + tail
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_bytes_that_only_begin_like_an_image_are_refused(data):
    with pytest.raises(Refused):
        resize(data, half)


def png_claiming(width, height):
    """A few hundred bytes that say they are a picture of that size."""
    return png(width, height, bytes(300))


def jpeg_claiming(width, height):
    """A JPEG whose header says that size."""
    data = encoded(quarters(64, 48))
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


@pytest.mark.parametrize("claiming", [png_claiming, jpeg_claiming])
@pytest.mark.parametrize("size", [(65500, 65500), (15000, 11000), (10001, 10000)])
def test_a_bomb_is_refused_by_its_header(claiming, size):
    with pytest.raises(Refused, match="More than 100,000,000 pixels") as caught:
        resize(claiming(*size), half)
    assert caught.value.reason == "too_large"


def test_what_needs_more_memory_than_the_function_has_is_refused(monkeypatch):
    data = encoded(quarters(1200, 900), "PNG")
    monkeypatch.setattr(image, "MEMORY", 80 * 2**20)
    with pytest.raises(Refused, match=r"1200 x 900 pixels of PNG need about 90 MB; this function has 80 MB") as caught:
        resize(data, half)
    assert caught.value.reason == "too_large"


PEAK = """
import re, sys
sys.path.insert(0, sys.argv[1])
import boto3; boto3.client("s3", region_name="us-east-1")
import image
image.MEMORY = 1 << 40
from PIL import Image
data = open(sys.argv[2], "rb").read()
photo = image._open(data)
allowed = image.MEMORY_FOR_PYTHON + len(data) + photo.width * photo.height * image._bytes_per_pixel(photo, data)
del photo
for rule in (image.half, image.within(1920, 1080), image.within(640, 320)):
    image.resize(data, rule)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())  # ru_maxrss would be the parent's, too
print(int(peak[1]) * 1024, allowed)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG in parts", "L", {}),
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {"orientation": 6}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": "4:4:4"}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": "4:2:0", "orientation": 6}),
        ("PNG", "RGB", {"compress_level": 1}),
        ("PNG", "RGBA", {"compress_level": 1, "orientation": 6}),
        ("PNG", "P", {"compress_level": 1, "transparency": 0}),
        ("PNG", "I;16", {"compress_level": 1}),
        ("WEBP", "RGB", {"method": 0}),
        ("WEBP", "RGBA", {"method": 0, "orientation": 6}),
    ],
)
def test_no_photo_takes_more_memory_than_was_reckoned(tmp_path, kind, mode, options):
    size = (4000, 3000)
    if mode == "I;16":
        picture = Image.frombytes("I;16", size, bytes(2 * size[0] * size[1]))
    else:
        picture = quarters(*size).convert(mode)
    path = tmp_path / "photo"
    path.write_bytes(jpeg_in_parts(*size) if kind == "JPEG in parts" else encoded(picture, kind, **options))
    shared = os.path.dirname(image.__file__)
    done = subprocess.run([sys.executable, "-c", PEAK, shared, path], capture_output=True, text=True, check=True)
    peak, allowed = map(float, done.stdout.split())
    assert peak <= allowed, f"{peak / 2**20:.0f} MB, reckoned with {allowed / 2**20:.0f} MB"
    print(f"{kind} {mode} {options}: {peak / 2**20:.0f} of {allowed / 2**20:.0f} MB")


SOME_ROWS = (b"\0" + bytes(range(4)) * 16) * 48
PALETTE = bytes([*RED, *GREEN, *BLUE, *WHITE])


def jpeg_of_no_sampling():
    """A progressive JPEG whose header gives each colour a share of 0 x 0 samples."""
    data = bytearray(ENTIRE["JPEG-p"])
    colours = data.index(b"\xff\xc2") + 10
    data[colours + 1 : colours + 9 : 3] = bytes(3)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        png(64, 48, SOME_ROWS, kind=3),  # a palette is what its numbers need, and there is none
        png(64, 48, SOME_ROWS, (b"PLTE", PALETTE), (b"tRNS", bytes(300)), kind=3),  # more than a palette can have
        jpeg_of_no_sampling(),
    ],
    ids=["no palette", "too much transparency", "colours of no size"],
)
def test_what_the_header_promises_and_does_not_keep_is_damage(data):
    with pytest.raises(Refused) as caught:
        resize(data, half)
    assert caught.value.reason == "damaged"


@given(
    kind=st.integers(0, 7),
    depth=st.sampled_from([1, 2, 4, 8, 16]),
    chunks=st.lists(
        st.tuples(
            st.sampled_from([b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"gAMA", b"acTL", b"fcTL", b"iTXt", b"bKGD"]),
            st.sampled_from([b"", bytes(3), bytes(256), bytes(300), PALETTE]) | st.binary(max_size=40),
        ),
        max_size=4,
    ),
)
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_png_of_any_chunks_gives_a_picture_or_a_reason(kind, depth, chunks):
    try:
        resize(png(16, 12, bytes(2000), *chunks, kind=kind, depth=depth), half)
    except Refused as refused:
        assert refused.reason in ("damaged", "not_an_image")  # noqa: PT017


def test_more_scans_than_any_photo_has_are_refused():
    """Each of these takes ten bytes, and the decoder a pass over the whole picture."""
    photo = encoded(quarters(64, 48), progressive=True)
    last = photo[photo.rindex(b"\xff\xda") : -2]
    with pytest.raises(Refused, match="more than 100 scans") as caught:
        resize(photo[:-2] + last * 100 + photo[-2:], half)
    assert caught.value.reason == "too_large"
    assert looks_like_quarters(resized(photo + last * 200))  # what follows the image is not read


def test_a_profile_longer_than_a_jpeg_can_hold_goes():
    data = encoded(quarters(64, 48), "WEBP", icc_profile=PROFILE + bytes(255 * 65_519))
    assert "icc_profile" not in resized(data).info


def test_a_png_damaged_behind_its_header_is_not_taken_for_half_a_picture():
    """Pillow reads a PNG's pixels when it is asked for EXIF data: that error must not be lost."""
    data = encoded(Image.effect_noise((300, 300), 60), "PNG")
    at = data.index(b"IDAT", 40_000) if data.count(b"IDAT") > 1 else len(data) // 2
    with pytest.raises(Refused) as caught:
        resize(data[: at + 8] + b"\0" * 64 + data[at + 72 :], half)
    assert caught.value.reason == "damaged"


def test_the_orientation_may_stand_behind_the_pixels_of_a_png():
    data = encoded(quarters(64, 48), "PNG", orientation=6)
    start = data.index(b"eXIf") - 4
    end = start + 12 + struct.unpack(">I", data[start : start + 4])[0]
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert looks_like_quarters(resized(moved))
