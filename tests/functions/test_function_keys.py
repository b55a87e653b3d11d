"""From the key of a photo to the key of its result."""

import importlib
import io
from contextlib import redirect_stdout
from unittest.mock import patch

import pytest
import store
from hypothesis import given, settings
from hypothesis import strategies as st
from lambda_events import CONTEXT, photo_event
from memory_s3 import MemoryS3
from outcome import Ignored, Refused
from pictures import encoded, quarters

from labkit.errors import LabError
from labkit.settings import FUNCTIONS, is_photo

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


# The parts of keys that something on the way might take for more than letters.
PARTS = [
    "a",
    "b.jpg",
    ".",
    "..",
    "",
    "%",
    "%2F",
    "%41",
    "+",
    " ",
    "\n",
    "\t",
    "\x01",
    "\\",
    "'",
    '"',
    "<&>",
    "?x=1#y",
    "~",
    "é",
]
PARTS += ["e\u0301", "漢", "😀", "\ufeff", "\u2028"]
CHARACTERS = st.characters(exclude_categories=["Cs"])
TAILS = st.lists(st.sampled_from(PARTS) | st.text(CHARACTERS, max_size=8), max_size=12).map("/".join) | st.lists(
    st.sampled_from(PARTS), max_size=12
).map("".join)


def fits(key):
    """True if S3 takes this key."""
    return 0 < len(key.encode()) <= 1024


def cut(key):
    """As much of this key as S3 takes."""
    return key.encode()[:1024].decode(errors="ignore")


LONG = st.builds(lambda part, tail: cut(f"ingest/{part * 1024}")[: -len(tail)] + tail, st.sampled_from("aé漢😀"), TAILS)
PHOTOS = TAILS.map("ingest/{}".format).filter(lambda key: fits(key) and not key.endswith("/"))
OTHERS = (
    TAILS.filter(fits) | TAILS.map("ingest/{}/".format) | st.sampled_from(["ingest", "/ingest/a.jpg", "Ingest/a.jpg"])
)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(PHOTOS, id="photos"),
        pytest.param(
            LONG.filter(lambda key: fits(key) and not key.endswith("/")), id="photos whose result has to be cut"
        ),
        pytest.param(
            OTHERS.filter(lambda key: fits(key) and (key.endswith("/") or not key.startswith("ingest/"))),
            id="what is not a photo of the pipeline",
        ),
    ],
)
@given(data=st.data())
@settings(deadline=None)
def test_the_functions_and_the_lab_agree_on_the_result_of_every_key_that_s3_takes(keys, data):
    key = data.draw(keys)
    for expected in FUNCTIONS:
        memory = MemoryS3()
        memory.add(key, JPEG)
        with patch.object(store, "S3", memory), redirect_stdout(io.StringIO()):
            answer = importlib.import_module(expected.name).handler(photo_event(key), CONTEXT)
        assert answer == {"batchItemFailures": []}
        assert [result.key for result in memory.put] == result_of(expected, key)


def result_of(function, key):
    """What the lab expects of a key: one result, or none."""
    if is_photo(key):
        return [function.result_key(key)]
    with pytest.raises(LabError, match="Nothing is made of"):
        function.result_key(key)
    return []


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


@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=1024))
def test_metadata_is_ascii_and_says_the_key(value):
    from urllib.parse import unquote

    metadata = store.ascii_metadata(source_key=value, source_version=None)
    ((name, text),) = metadata.items()
    assert text.isascii()
    assert name == "source-key-sha256" or unquote(text) == value
