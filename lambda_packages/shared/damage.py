"""What a JPEG decoder does not tell of: zeros instead of the picture, and work or memory without bounds.

A broken disk or a half-finished copy leaves a block of zeros. The decoder reads it as picture: what follows is grey or
shifted, and there is no error. But zeros can be known for what they are. In a JPEG, pictures are Huffman codes, and a
long run of zero bits is the shortest code of each table, again and again. Where those codes stand for "no change",
zeros are a flat area; where they don't, nothing that was ever photographed makes 512 zero bytes.
https://www.w3.org/Graphics/JPEG/itu-t81.pdf (annexes B, C and F)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

HOLE = bytes(512)  # the smallest block of a disk
# What begins a segment. The others have no contents: 00 and the restart markers are part of a scan, 01 means nothing.
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
HUFFMAN_TABLES, START_OF_SCAN, END_OF_IMAGE = 0xC4, 0xDA, 0xD9
MOST_SCANS = 100  # a progressive photo has about ten; each can be a few bytes, and a pass over the whole picture


def find_hole(jpeg: bytes) -> int | None:
    """The offset of a block of zeros that cannot be picture, or None. It reads the first image of the file."""
    if HOLE not in jpeg:
        return None
    zero_code: dict[int, int] = {}  # of each Huffman table, what its code of zeros stands for
    for kind, segment, position in _segments(jpeg):
        if kind == HUFFMAN_TABLES:
            while len(segment) > 17:
                codes = sum(segment[1:17])
                zero_code[segment[0]], segment = segment[17], segment[17 + codes :]
        elif kind == START_OF_SCAN:
            end = MARKER.search(jpeg, position)
            hole = jpeg.find(HOLE, position, end.start() if end else len(jpeg))
            if hole >= 0 and not _zeros_are_flat(segment, zero_code):
                return hole
    return None


def has_too_many_scans(jpeg: bytes) -> bool:
    """True if a small file could keep the decoder busy for minutes. It reads the first image of the file."""
    if jpeg.count(bytes([0xFF, START_OF_SCAN])) <= MOST_SCANS:  # quick; it counts what follows the image, too
        return False
    return sum(kind == START_OF_SCAN for kind, _, _ in _segments(jpeg)) > MOST_SCANS


def is_in_parts(jpeg: bytes, colours: int) -> bool:
    """True if the first scan holds fewer than all `colours`, so that the decoder has to keep it until the last."""
    scan = next((segment for kind, segment, _ in _segments(jpeg) if kind == START_OF_SCAN), b"")
    return bool(scan) and scan[0] < colours


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The kind, the contents and the end of each segment of the first image."""
    end = 2
    while (marker := MARKER.search(jpeg, end)) and marker[0][1] != END_OF_IMAGE:
        start = marker.end()
        end = start + int.from_bytes(jpeg[start : start + 2], "big")
        yield marker[0][1], jpeg[start + 2 : end], end


def _zeros_are_flat(scan: bytes, zero_code: dict[int, int]) -> bool:
    """True if zero bits mean "no change" in this scan: the same brightness again, and no detail."""
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count:
        return True  # a broken header: the decoder will tell of it
    first, last, refines = scan[1 + 2 * count], scan[2 + 2 * count], scan[3 + 2 * count] >> 4
    if first == 0 and refines:
        return True  # one bare bit for each block, not a code
    for tables in scan[2 : 2 + 2 * count : 2]:
        if first == 0 and zero_code.get(tables >> 4, 0) != 0:
            return False
        if last > 0 and zero_code.get(0x10 | (tables & 15), 0) & 15:
            return False
    return True
