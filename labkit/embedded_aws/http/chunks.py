"""Bodies that are signed in chunks: each carries a signature that continues the one before it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

_OF_NOTHING = sha256(b"").hexdigest()
_TRAILER_SIGNATURE = "x-amz-trailer-signature:"


def signed(body: bytes, seed: str, sign: Callable[..., str]) -> bool:
    """Return whether every chunk of the body, and its trailer, is signed.

    `seed` is the signature of the request itself; `sign` makes one of a kind (PAYLOAD or TRAILER) and its parts.
    """
    position, before = 0, seed
    while True:
        line_end = body.find(b"\r\n", position)
        size, _, signature = body[position:line_end].decode("latin-1").partition(";chunk-signature=")
        try:
            data_end = line_end + 2 + int(size, 16)
        except ValueError:
            return False
        if line_end < 0 or data_end > len(body):
            return False
        digest = sha256(memoryview(body)[line_end + 2 : data_end]).hexdigest()
        if not hmac.compare_digest(sign("PAYLOAD", before, _OF_NOTHING, digest).encode(), signature.encode()):
            return False
        position, before = data_end + 2, signature
        if data_end == line_end + 2:  # the last chunk is empty
            return _trailer_signed(body[data_end:], before, sign)


def _trailer_signed(rest: bytes, before: str, sign: Callable[..., str]) -> bool:
    lines = [line.strip() for line in rest.decode("latin-1").splitlines() if line.strip()]
    if not lines:
        return True
    *trailer, last = lines
    text = "".join(f"{line}\n" for line in trailer)
    expected = sign("TRAILER", before, sha256(text.encode("latin-1")).hexdigest())
    return last.startswith(_TRAILER_SIGNATURE) and hmac.compare_digest(
        expected.encode(), last.removeprefix(_TRAILER_SIGNATURE).strip().encode()
    )
