"""Pictures are opened as the lab's functions open them: by the same decoders, and nothing that is not whole.

What comes from outside, a file or an object of the bucket, never meets Pillow's other decoders: EPS, for one, would
start Ghostscript. https://pillow.readthedocs.io/en/stable/handbook/security.html
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from labkit.errors import LabError

# Those of the functions, and their limits (lambda_packages/shared); a test keeps the two in step.
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 100_000_000
MOST_BYTES = 64 * 1024 * 1024
IN_WORDS = "JPEG, PNG or WebP"
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
ON_ITS_SIDE = (5, 6, 7, 8)
EIGHTH = 8  # a JPEG can be decoded at 1/8: all of the file is read, and little memory is spent
# How files of other kinds begin, to call them by their name.
OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%!PS": "an EPS or PostScript file",
    b"\xc5\xd0\xd3\xc6": "an EPS",
    b"%PDF": "a PDF",
    b"\0\0\1\0": "an icon",
    b"8BPS": "a Photoshop file",
    b"<svg": "an SVG",
    b"<?xml": "an XML file",
    b"PK\3\4": "a zip",
}
BRANDS = {b"avif": "an AVIF", b"avis": "an AVIF", b"heic": "a HEIC", b"heix": "a HEIC", b"mif1": "a HEIC"}


class UnreadablePicture(LabError):
    """A file or an object is not a picture that the functions can read, or not a whole one."""

    code = "bad-picture"


@contextmanager
def open_picture(data: bytes, name: str) -> Iterator[Image.Image]:
    """The picture in `data`, of which only the header has been read; `name` is what messages call it.

    Raises UnreadablePicture if the functions could not open it.
    """
    if not data:
        raise UnreadablePicture(f"{name} is empty (0 bytes).", hint="Was the download interrupted?")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is the functions', below
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise UnreadablePicture(
            f"{name} is {_kind_of(data)}: the functions read {IN_WORDS}, whatever a name says.",
            hint="Open it in a picture viewer, and export it as a JPEG.",
        ) from error
    except Exception as error:  # a header that makes the decoder stumble; what it raises is documented nowhere
        raise _damaged(name, error) from error
    with image:
        if image.width * image.height > MOST_PIXELS:
            raise _too_large(name)
        yield image


def require_whole(data: bytes, name: str) -> tuple[int, int]:
    """The pixels (width, height) of a picture, held upright; every part of it has been decoded.

    Raises UnreadablePicture if the functions could not make anything of it.
    """
    if len(data) > MOST_BYTES:
        raise UnreadablePicture(
            f"{name} has {len(data):,} bytes; the functions take {MOST_BYTES:,}.",
            hint="Choose a smaller photo.",
        )
    with open_picture(data, name) as image:
        size = upright_size(image)
        _load(image, name, (image.width // EIGHTH, image.height // EIGHTH))
    return size


def upright(data: bytes, name: str, within: int | None = None) -> Image.Image:
    """The picture, turned as its EXIF orientation says; reduced to fit a square of `within` pixels, if that is given.

    Raises UnreadablePicture if the functions could not read it.
    """
    with open_picture(data, name) as image:
        _load(image, name, (within, within) if within else image.size)
        if within:
            image.thumbnail((within, within))
        turned = ImageOps.exif_transpose(image)
        return turned if turned.mode in ("L", "RGB") else turned.convert("RGB")


def lying(data: bytes, name: str, within: int) -> Image.Image:
    """The picture as its pixels lie, whatever its EXIF orientation says, in a square of `within` pixels.

    Raises UnreadablePicture if the functions could not read it.
    """
    with open_picture(data, name) as image:
        _load(image, name, (within, within))
        image.thumbnail((within, within))
        return image.copy()


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of a picture once its EXIF orientation is applied."""
    width, height = image.size
    return (height, width) if orientation_of(image) in ON_ITS_SIDE else (width, height)


def orientation_of(image: Image.Image) -> int:
    """How the camera was held, 1 (upright) to 8, by the EXIF data; 1 where that cannot be read, as the functions do."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return 1


def little_picture(data: bytes, name: str, side: int) -> bytes:
    """The picture upright as a small JPEG, in a square of so many pixels. Raises UnreadablePicture."""
    return as_jpeg(upright(data, name, side))


def as_jpeg(image: Image.Image, quality: int = 75) -> bytes:
    """A picture as a JPEG, without what else came with it."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality, optimize=True, exif=b"")
    return file.getvalue()


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises LabError if there is none."""
    if not path.is_file():
        raise LabError(
            f"There is no file {path}.", hint="list_samples() lists the photos that come along.", code="not-there"
        )
    return path.read_bytes()


def _load(image: Image.Image, name: str, size: tuple[int, int]) -> None:
    try:
        image.draft(None, (max(1, size[0]), max(1, size[1])))
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged(name, error) from error


def _kind_of(data: bytes) -> str:
    """What a file is, as far as its first bytes tell."""
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12], "a film or a picture of another kind")
    return next((kind for start, kind in OTHERS.items() if data.startswith(start)), "not an image that they can read")


def _damaged(name: str, error: Exception) -> UnreadablePicture:
    return UnreadablePicture(
        f"{name} is cut off or corrupt: {str(error) or repr(error)}.",
        hint="Copy it from its source once more; was the download interrupted?",
    )


def _too_large(name: str) -> UnreadablePicture:
    said = f"{name} has more than {MOST_PIXELS:,} pixels."
    return UnreadablePicture(said, hint="Choose a smaller photo.")
