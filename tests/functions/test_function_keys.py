"""From the key of a photo to the key of its result."""

import pytest
import store
from hypothesis import given
from hypothesis import strategies as st
from lambda_events import CONTEXT, photo_event
from outcome import Ignored, Refused
from pictures import encoded, quarters

from labkit.settings import FUNCTIONS

JPEG = encoded(quarters(8, 8))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda key: not key.endswith("/")
)


@pytest.mark.parametrize(
    ("key", "result"),
    [
        ("ingest/b.jpg", "thumbnail/Thumbnail-b.jpg"),
        ("ingest/a/b.jpg", "thumbnail/a/Thumbnail-b.jpg"),
        ("ingest/a/b/c.jpg", "thumbnail/a/b/Thumbnail-c.jpg"),
        ("ingest/ingest/b.jpg", "thumbnail/ingest/Thumbnail-b.jpg"),
        ("ingest//b.jpg", "thumbnail//Thumbnail-b.jpg"),
        ("ingest/../b.jpg", "thumbnail/../Thumbnail-b.jpg"),
        ("ingest/.jpg", "thumbnail/Thumbnail-.jpg"),
        ('ingest/it\'s "100%" ü + b.jpg', 'thumbnail/Thumbnail-it\'s "100%" ü + b.jpg'),
        ("ingest/no-extension", "thumbnail/Thumbnail-no-extension"),
    ],
)
def test_the_result_keeps_folders_and_name(key, result):
    assert store.result_key(key, "thumbnail/", "Thumbnail-") == result


@given(first=NAMES, second=NAMES)
def test_two_photos_never_share_a_result(first, second):
    results = [store.result_key(f"ingest/{name}", "web/", "WebImage-") for name in (first, second)]
    assert (results[0] == results[1]) == (first == second)


@given(name=NAMES)
def test_it_is_the_key_that_the_rest_of_the_lab_expects(name):
    for function in FUNCTIONS:
        assert store.result_key(f"ingest/{name}", function.folder, function.label) == function.result_key(
            f"ingest/{name}"
        )


@given(name=st.text(st.sampled_from("aé漢😀/"), min_size=1).map(lambda text: (text * 1024).strip("/") or "a"))
def test_the_longest_keys_fit_too_and_stay_apart(name):
    long = f"ingest/{name}".encode()[:1024].decode(errors="ignore").rstrip("/")
    other = long[:-1] + "b"
    results = {store.result_key(key, "thumbnail/", "Thumbnail-") for key in (long, other)}
    assert len(results) == 2
    assert all(len(result.encode()) <= 1024 and result.startswith("thumbnail/") for result in results)


@pytest.mark.parametrize(
    ("key", "reason"), [("photos/b.jpg", "not_under_ingest"), ("ingest/a/", "folder"), ("ingest/", "folder")]
)
def test_what_is_no_photo_of_the_pipeline_is_ignored(thumbnail, s3, lines, key, reason):
    with pytest.raises(Ignored):
        store.result_key(key, "thumbnail/", "Thumbnail-")
    assert thumbnail.handler(photo_event(key), CONTEXT) == {"batchItemFailures": []}
    assert [(line["event"], line["reason"]) for line in lines()] == [("ignored", reason)]


@pytest.mark.parametrize("folder", ["ingest/", "ingest/small/"])
def test_a_result_under_ingest_is_refused(folder):
    with pytest.raises(Refused, match="would start this function again, for ever") as caught:
        store.result_key("ingest/b.jpg", folder, "Small-")
    assert caught.value.reason == "loop"


@pytest.mark.parametrize(
    "key",
    ["ingest/my photo+1 100%.jpg", "ingest/ü/漢 'x' \"y\".jpg", "ingest/a.b..c/ d.jpg ", "ingest/line\nbreak.jpg"],
)
def test_odd_keys_go_all_the_way(function, s3, key):
    s3.add(key, JPEG)
    assert function.handler(photo_event(key), CONTEXT) == {"batchItemFailures": []}
    (result,) = s3.put
    assert (
        result.key
        == function.RULE.folder
        + key[len("ingest/") :].rpartition("/")[0]
        + ("/" if key.count("/") > 1 else "")
        + function.RULE.label
        + key.rsplit("/", 1)[-1]
    )


def test_a_key_of_1024_bytes_goes_all_the_way(function, s3):
    key = "ingest/" + "é" * 506 + "a.jpg"
    assert len(key.encode()) == 1024
    s3.add(key, JPEG)
    assert function.handler(photo_event(key), CONTEXT) == {"batchItemFailures": []}
    assert len(s3.put) == 1


@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=1024))
def test_metadata_is_ascii_and_says_the_key(value):
    from urllib.parse import unquote

    metadata = store.ascii_metadata(source_key=value, source_version=None)
    ((name, text),) = metadata.items()
    assert text.isascii()
    assert name == "source-key-sha256" or unquote(text) == value
