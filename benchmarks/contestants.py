"""One contestant of the benchmark, as a process of its own: it reads requests and answers with CPU time and memory.

`python contestants.py NAME [ARGUMENT]` reads one JSON object a line, `{"photo": PATH, "function": NAME, "out": PATH}`,
and writes `{"cpu": seconds, "peak": bytes}`. Reading the file and writing the result are not timed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import re
import sys
import time
from io import BytesIO
from pathlib import Path

BOXES = {"CreateThumbnail": None, "CreateWebImage": (1920, 1080), "CreateMobileImage": (640, 320)}


def fitted(function, width, height):
    """The size of the result."""
    if BOXES[function] is None:
        return max(1, width // 2), max(1, height // 2)
    scale = min(1, BOXES[function][0] / width, BOXES[function][1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def original(_argument):
    """The classroom lab's code: `thumbnail()` as it stands."""
    from PIL import Image

    def run(data, function):
        with Image.open(BytesIO(data)) as photo:
            photo.thumbnail(BOXES[function] or (photo.width / 2, photo.height / 2))
            jpeg = BytesIO()
            photo.save(jpeg, "JPEG")
        return jpeg.getvalue()

    return run


def lab(folder):
    """This lab's `image.py`, or another one in the folder given."""
    sys.path.insert(0, folder)
    import image

    image.MEMORY = 1 << 40
    rules = {function: image.within(*box) if box else image.half for function, box in BOXES.items()}
    return lambda data, function: image.resize(data, rules[function]).jpeg.getvalue()


def vips(_argument):
    """libvips by pyvips, one thread: its shrink-on-load `thumbnail`."""
    import pyvips

    pyvips.cache_set_max(0)

    def run(data, function):
        photo = pyvips.Image.new_from_buffer(data, "")
        width, height = fitted(function, photo.width, photo.height)
        small = pyvips.Image.thumbnail_buffer(data, width, height=height, size="force")
        return small.jpegsave_buffer(Q=75)

    return run


def floor(library):
    """libjpeg-turbo alone: decode at the smallest scale that is large enough, encode; no resizing between."""
    turbo = ctypes.CDLL(library)
    for function in ("tjInitDecompress", "tjInitCompress", "tjGetScalingFactors"):
        getattr(turbo, function).restype = ctypes.c_void_p
    turbo.tjFree.argtypes = [ctypes.c_void_p]
    reader, writer = ctypes.c_void_p(turbo.tjInitDecompress()), ctypes.c_void_p(turbo.tjInitCompress())
    count = ctypes.c_int()
    pairs = ctypes.cast(turbo.tjGetScalingFactors(ctypes.byref(count)), ctypes.POINTER(ctypes.c_int * 2))
    factors = sorted((pairs[n][0] / pairs[n][1], tuple(pairs[n])) for n in range(count.value))
    rgbx, fast_420 = 2, 2

    def run(data, function):
        width, height, sampling, space = (ctypes.c_int() for _ in range(4))
        size = ctypes.c_ulong(len(data))
        about = [ctypes.byref(value) for value in (width, height, sampling, space)]
        turbo.tjDecompressHeader3(reader, data, size, *about)
        wanted = fitted(function, width.value, height.value)
        for _, (up, down) in factors:
            scaled = -(-width.value * up // down), -(-height.value * up // down)
            if scaled[0] >= wanted[0] and scaled[1] >= wanted[1]:
                break
        pixels = ctypes.create_string_buffer(scaled[0] * scaled[1] * 4)
        if turbo.tjDecompress2(reader, data, size, pixels, scaled[0], 0, scaled[1], rgbx, 0):
            raise RuntimeError("libjpeg-turbo could not decode the photo")
        jpeg, length = ctypes.c_void_p(), ctypes.c_ulong()
        out = ctypes.byref(jpeg), ctypes.byref(length)
        # Of the pixels decoded, as many as the result has: the encoder has no more to do than the others'.
        if turbo.tjCompress2(writer, pixels, wanted[0], scaled[0] * 4, wanted[1], rgbx, *out, fast_420, 75, 0):
            raise RuntimeError("libjpeg-turbo could not encode the result")
        result = ctypes.string_at(jpeg, length.value)
        turbo.tjFree(jpeg)
        return result

    return run


def peak_memory():
    """The most memory this process has had resident, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def main():
    """Answer requests until there are no more."""
    name, *argument = sys.argv[1:]
    run = {"original": original, "lab": lab, "vips": vips, "floor": floor}[name](*(argument or [None]))
    print(json.dumps({"ready": True}), flush=True)
    for request in map(json.loads, sys.stdin):
        data = Path(request["photo"]).read_bytes()
        start = time.process_time()
        result = run(data, request["function"])
        cpu = time.process_time() - start
        if request.get("out"):
            Path(request["out"]).write_bytes(result)
        print(json.dumps({"cpu": cpu, "peak": peak_memory()}), flush=True)


if __name__ == "__main__":
    main()
