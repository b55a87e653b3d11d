"""What a function's results are called, and how large they may be: as in the original."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.settings import FUNCTIONS, MOBILE, THUMBNAIL, WEB

PIXELS = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("function", "key", "result"),
    [
        (THUMBNAIL, "ingest/AWS.jpg", "thumbnail/Thumbnail-AWS.jpg"),
        (WEB, "ingest/MonaLisa.jpg", "web/WebImage-MonaLisa.jpg"),
        (MOBILE, "ingest/HappyFace.jpg", "mobile/MobileImage-HappyFace.jpg"),
        (THUMBNAIL, "ingest/a/b.jpg", "thumbnail/a/Thumbnail-b.jpg"),
        (THUMBNAIL, "ingest/b/b/b.jpg", "thumbnail/b/b/Thumbnail-b.jpg"),
        (WEB, "ingest/ingest/x.jpg", "web/ingest/WebImage-x.jpg"),
        (WEB, "ingest/a b+c.jpg", "web/WebImage-a b+c.jpg"),
    ],
)
def test_result_keys_are_the_originals_and_keep_folders(function, key, result):
    assert function.result_key(key) == result


@given(PIXELS, PIXELS)
def test_results_fit_their_box_are_never_larger_and_never_empty(width, height):
    for function in FUNCTIONS:
        w, h = function.result_size(width, height)
        assert 1 <= w <= width
        assert 1 <= h <= height
        if function.box:
            assert w <= function.box[0]
            assert h <= function.box[1]
