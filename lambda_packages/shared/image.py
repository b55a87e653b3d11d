"""The image itself: from any photo to an upright JPEG of the wanted size, with as little work as possible."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from damage import MOST_SCANS, find_hole, has_too_many_scans, is_in_parts
from outcome import Refused
from PIL import Image, UnidentifiedImageError
from PIL.Image import DecompressionBombError, DecompressionBombWarning, Resampling, Transpose
from PIL.JpegImagePlugin import JpegImageFile

Size = tuple[int, int]  # width, height in pixels
SizeRule = Callable[[int, int], Size]
Finish = Callable[[Image.Image], Image.Image]  # what else is done to a picture that has its size: grey, a watermark

# The only decoders that see a file from outside: Pillow's others never do (EPS, for one, would start Ghostscript).
# JPEG covers MPO, the multi-picture files of many phones.
FORMATS = ("JPEG", "PNG", "WEBP")
QUALITY = 75  # the original's, and Pillow's default
LONGEST_PROFILE = 255 * 65_519  # bytes that JPEG can hold of a colour profile, in segments numbered by one byte

# A small file can claim to be a huge picture. Both limits are held against the file's header alone, before memory is
# spent on pixels: this many pixels, and as much memory as the function has left beside Python, boto3 and Pillow.
Image.MAX_IMAGE_PIXELS = 100_000_000
warnings.simplefilter("error", DecompressionBombWarning)  # Pillow itself only warns up to twice the limit
MEMORY = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")) * 1024 * 1024
MEMORY_FOR_PYTHON = 80 * 1024 * 1024

ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held; from 5 on it lay on its side
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def half(width: int, height: int) -> Size:
    """Half of each side, never less than a pixel."""
    return max(1, width // 2), max(1, height // 2)


def within(most_wide: int, most_high: int) -> SizeRule:
    """A rule that fits a picture into a box, keeping its aspect; it never enlarges."""

    def fit(width: int, height: int) -> Size:
        scale = min(1.0, most_wide / width, most_high / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    return fit


@dataclass(frozen=True)
class Resized:
    """A result: the JPEG, the upright sizes before and after, and the ms that each step took."""

    jpeg: BytesIO
    source_size: Size
    result_size: Size
    ms: dict[str, float]


def resize(data: bytes, rule: SizeRule, finish: Finish | None = None) -> Resized:
    """The picture in `data` as an upright JPEG of the size that `rule` gives, with `finish` applied to it at last.

    Raises Refused if `data` is not a picture, is damaged, or is too large.
    """
    start = time.perf_counter()
    photo = _open(data)
    if photo.format == "PNG":
        _decode(photo, photo.size)  # its EXIF data may stand behind its pixels
    orientation = _orientation(photo)
    on_its_side = orientation >= 5
    source_size = photo.size[::-1] if on_its_side else photo.size
    result_size = rule(*source_size)
    stored_size = result_size[::-1] if on_its_side else result_size
    apart = finish is None and _is_to_be_taken_apart(photo, stored_size)
    box = _decode(photo, stored_size, "YCbCr" if apart else None)
    decoded = time.perf_counter()
    icc_profile = photo.info.get("icc_profile")
    # One name for every stage of the picture, so that each stage's memory is free before the next but one needs it.
    with _whole_or_refused():  # a palette, for one, is looked into only here
        photo = _opaque(photo)
    if photo.size != stored_size:
        photo = _shrink(photo, stored_size, box)
    if orientation in UPRIGHT:  # after shrinking, since it is cheaper then
        photo = photo.transpose(UPRIGHT[orientation])
    if finish is not None:
        photo = finish(photo)
    resized = time.perf_counter()
    jpeg = _encode(photo, icc_profile)
    ms = {"decode": decoded - start, "resize": resized - decoded, "encode": time.perf_counter() - resized}
    return Resized(jpeg, source_size, result_size, {step: round(s * 1000, 1) for step, s in ms.items()})


def _open(data: bytes) -> Image.Image:
    """The photo, of which only the header has been read."""
    try:
        photo = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        said = "The file is not a JPEG, PNG or WebP image that can be read, whatever its name says."
        raise Refused("not_an_image", said) from error
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise Refused("too_large", f"More than {Image.MAX_IMAGE_PIXELS:,} pixels: {error}") from error
    except Exception as error:  # the same bytes would make Pillow stumble the next time, too
        raise Refused("damaged", f"The image's header cannot be read: {error!r}.") from error
    if isinstance(photo, JpegImageFile):
        if (hole := find_hole(data)) is not None:
            raise Refused("damaged", f"The image has a hole: from byte {hole:,} on there are zeros and no picture.")
        if has_too_many_scans(data):
            raise Refused("too_large", f"The image has more than {MOST_SCANS} scans, each a pass over all its pixels.")
    needed = MEMORY_FOR_PYTHON + len(data) + photo.width * photo.height * _bytes_per_pixel(photo, data)
    if needed > MEMORY:
        about = f"{photo.width} x {photo.height} pixels of {photo.format} need about {needed / 2**20:.0f} MB"
        raise Refused("too_large", f"{about}; this function has {MEMORY / 2**20:.0f} MB.")
    return photo


def _bytes_per_pixel(photo: Image.Image, data: bytes) -> float:
    """How much memory resizing takes at its peak, for each pixel of the source. Pillow keeps 4 bytes for a pixel."""
    if isinstance(photo, JpegImageFile):
        if not photo.info.get("progressive") and not is_in_parts(data, len(photo.layer)):
            return 2.5  # decoded at half size or less, and the result beside it
        # Such a JPEG gives its coefficients scan by scan: all of them are held at full size, 2 bytes each.
        most = max(across * down for _, across, down, _ in photo.layer) or 1  # 0 is broken: the decoder will say so
        return 2.5 + 2 * sum(across * down for _, across, down, _ in photo.layer) / most
    return 16 if photo.format == "WEBP" else 10  # no decoding at a smaller scale; WebP's decoder has copies of its own


def _orientation(photo: Image.Image) -> int:
    """How the camera was held, 1 (upright) to 8, by the photo's EXIF data."""
    try:
        orientation = photo.getexif().get(ORIENTATION, 1)
    except Exception:  # EXIF written wrongly is no reason to refuse a good picture
        return 1
    return orientation if orientation in UPRIGHT else 1


def _is_to_be_taken_apart(photo: Image.Image, size: Size) -> bool:
    """True for a photo that is kept as brightness (Y) and colour (Cb, Cr), and is not yet of its size once decoded.

    Nearly every JPEG is. Those that are not say so by Adobe's marker, or number their parts otherwise than 1, 2, 3.
    """
    scaled = [(-(-photo.width // scale), -(-photo.height // scale)) for scale in (1, 2, 4, 8)]  # by the decoder
    if not isinstance(photo, JpegImageFile) or size in scaled:
        return False
    return [part[0] for part in photo.layer] == [1, 2, 3] and photo.info.get("adobe_transform", 1) != 0


def _decode(photo: Image.Image, size: Size, mode: str | None = None) -> tuple[float, float, float, float]:
    """Read the pixels of `photo`; return the box, in what was read, that is the whole picture.

    A JPEG is decoded at 1/2, 1/4 or 1/8 where that is still as large as `size`: the decoder skips the detail that
    resizing would throw away. This is most of the speed and of the memory saved.
    """
    with _whole_or_refused():
        drafted = photo.draft(mode, size)
        photo.load()
    return drafted[1] if drafted else (0, 0, *photo.size)


@contextmanager
def _whole_or_refused() -> Iterator[None]:
    """Never half a picture: what Pillow stumbles over in these bytes, it would stumble over the next time, too."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise Refused("damaged", f"The image is cut off or corrupt: {str(error) or repr(error)}.") from error


def _shrink(photo: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    """What is in `box` of `photo`, resized.

    An eye sees detail by brightness; colour it sees coarsely, and JPEG keeps only every other pixel of it. So where a
    photo was taken apart, the filter, which takes most of the time, is for brightness alone.
    """
    best = _filter(box, size)
    if photo.mode != "YCbCr":
        return photo.resize(size, best, box=box)
    filters = {"Y": best, "Cb": Resampling.NEAREST, "Cr": Resampling.NEAREST}
    parts = [photo.getchannel(part).resize(size, filters[part], box=box) for part in photo.getbands()]
    return Image.merge("YCbCr", parts)


def _filter(box: tuple[float, float, float, float], size: Size) -> Resampling:
    """The cheapest filter that is good enough to shrink what is in `box` to `size`.

    HAMMING looks at half as many pixels as BICUBIC. The more a picture shrinks, the less of that shows: from 1.5 times
    on, 0.3 dB. That is well spent on large pictures, where the filter takes most of the time, and not on small ones.
    """
    large, shrinks = box[2] * box[3] > 2_000_000, box[2] / size[0]
    return Resampling.HAMMING if large and shrinks >= 1.5 else Resampling.BICUBIC


def _opaque(photo: Image.Image) -> Image.Image:
    """`photo` in grey or colours, which every viewer of JPEG shows alike; what lets light through is laid on white."""
    if photo.mode.startswith("I"):  # 16-bit grey; convert("L") would clip all but the darkest 1/256 to white
        return photo.convert("I").point([level >> 8 for level in range(65536)], "L")
    if photo.has_transparency_data:
        if photo.mode not in ("RGBA", "LA"):
            photo = photo.convert("RGBA")
        white = Image.new("RGB", photo.size, "white")
        white.paste(photo, mask=photo)
        return white
    if photo.mode == "1":
        return photo.convert("L")
    return photo if photo.mode in ("L", "RGB", "YCbCr") else photo.convert("RGB")  # from CMYK or a palette


def _encode(picture: Image.Image, icc_profile: bytes | None) -> BytesIO:
    """`picture` as JPEG. Its colour profile stays; EXIF goes, so that nobody turns the picture a second time."""
    kind = b"GRAY" if picture.mode == "L" else b"RGB "
    # The profile of another colour space would give wrong colours, one that is too long arrives in pieces.
    if icc_profile and (icc_profile[16:20] != kind or len(icc_profile) > LONGEST_PROFILE):
        icc_profile = None
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=QUALITY, icc_profile=icc_profile, comment=b"")
    jpeg.seek(0)
    return jpeg
