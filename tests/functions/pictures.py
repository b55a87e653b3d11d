"""Pictures for the tests: small, of every kind, and such that a wrong turn or a wrong colour shows."""

import struct
import zlib
from io import BytesIO

from PIL import Image

RED, GREEN, BLUE, WHITE = (230, 20, 30), (20, 200, 40), (30, 40, 220), (250, 250, 250)
ORIENTATION = 0x0112

# How a camera stores an upright picture for each orientation: the inverse of what a viewer does.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(width, height):
    """Red and green above, blue and white below."""
    picture = Image.new("RGB", (2, 2))
    picture.putdata([RED, GREEN, BLUE, WHITE])
    return picture.resize((width, height), Image.Resampling.NEAREST)


def encoded(picture, kind="JPEG", *, orientation=None, **options):
    """The picture as a file."""
    file = BytesIO()
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        picture = picture.transpose(STORED[orientation]) if orientation in STORED else picture
        options["exif"] = exif
    picture.save(file, kind, **options)
    return file.getvalue()


def opened(data):
    """A file as a picture, decoded."""
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def corner_colours(picture):
    """The colours in the middle of each quarter: upper left, upper right, lower left, lower right."""
    picture = picture.convert("RGB")
    width, height = picture.size
    return [picture.getpixel((int(width * x), int(height * y))) for y in (0.25, 0.75) for x in (0.25, 0.75)]


def close(colour, other, within=40):
    """True if two colours look the same."""
    return all(abs(a - b) <= within for a, b in zip(colour, other, strict=True))


def looks_like_quarters(picture):
    """True if the four quarters stand where they should."""
    return all(
        close(found, wanted) for found, wanted in zip(corner_colours(picture), (RED, GREEN, BLUE, WHITE), strict=True)
    )


def png(width, height, rows, *between, depth=8, kind=2):
    """A PNG of these rows (as the format has them), with any (name, contents) of chunks between header and pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), *between, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def jpeg_in_parts(width, height):
    """A grey picture as a JPEG of three colours in three scans, one after the other, as some scanners write it."""
    data = encoded(Image.effect_noise((width, height), 40), quality=30)
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    after_frame = frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")
    header = data[frame + 4 : frame + 9] + b"\3" + b"".join(bytes([n, 0x11, 0]) for n in (1, 2, 3))
    parts = [b"\xff\xda\0\x08\1" + bytes([n, 0, 0, 63, 0]) + data[scan + 10 : -2] for n in (1, 2, 3)]
    frame_of_three = b"\xff\xc0" + struct.pack(">H", len(header) + 2) + header
    return data[:frame] + frame_of_three + data[after_frame:scan] + b"".join(parts) + b"\xff\xd9"
