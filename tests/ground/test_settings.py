"""Names and numbers of the lab: the original's, and in step with each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.settings import FUNCTIONS, MOBILE, THUMBNAIL, WEB, Settings

PIXELS = st.integers(1, 20_000)


def test_names_are_the_originals_on_the_embedded_aws():
    settings = Settings("1234")
    assert settings.topic_name == "resize-image-topic-1234"
    assert [settings.queue_name(f) for f in FUNCTIONS] == ["thumbnail-queue", "web-queue", "mobile-queue"]
    assert [settings.function_name(f) for f in FUNCTIONS] == ["CreateThumbnail", "CreateWebImage", "CreateMobileImage"]


def test_every_name_carries_the_suffix_where_others_work_too():
    settings = Settings("1234", shared=True, prefix="ann-")
    names = [settings.topic_name, settings.bucket_name]
    for function in FUNCTIONS:
        names += [
            settings.queue_name(function),
            settings.dead_letter_queue_name(function),
            settings.function_name(function),
            settings.role_name(function),
        ]
    assert all(name.startswith("ann-") and name.endswith("-1234") for name in names)
    assert len(set(names)) == len(names)


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


def test_visibility_timeout_is_six_times_the_function_timeout():
    assert Settings("1", function_timeout_s=10).visibility_timeout_s == 60


@given(PIXELS, PIXELS)
def test_results_fit_their_box_are_never_larger_and_never_empty(width, height):
    for function in FUNCTIONS:
        w, h = function.result_size(width, height)
        assert 1 <= w <= width
        assert 1 <= h <= height
        if function.box:
            assert w <= function.box[0]
            assert h <= function.box[1]


def test_an_unknown_function_is_answered_with_those_there_are():
    with pytest.raises(LabError, match="no function called 'CreatePoster'") as caught:
        Settings("1").function_named("CreatePoster")
    assert "CreateThumbnail, CreateWebImage, CreateMobileImage" in caught.value.hint()
