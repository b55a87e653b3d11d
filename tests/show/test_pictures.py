"""Every picture is a small image with words that say the same, for who cannot see it or has no style sheet."""

import base64
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from PIL import Image

from labkit.errors import LabError
from labkit.samples import list_samples, sample
from labkit.settings import FUNCTIONS
from labkit.show.gallery import gallery, show_photo
from labkit.show.log_table import log_table
from labkit.show.map import draw_lab
from labkit.show.monitor import monitor
from labkit.steps.validate import Photo, Results

PAGE_BYTES = 300_000  # a picture-heavy notebook, executed


class Bare(HTMLParser):
    """What is left of a page when style and scripts are stripped: text, and images as their alternative text."""

    def __init__(self):
        super().__init__()
        self.words, self.images = [], []

    def handle_data(self, data):
        self.words.append(data)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
            self.words.append(dict(attrs)["alt"])


def html(result):
    return result._repr_mimebundle_()["text/html"]


def bare(result):
    page = Bare()
    page.feed(html(result))
    return page


def image_of(shown):
    return Image.open(io.BytesIO(shown.data))


# The gallery


def photo(title, key, data):
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if image.getexif().get(0x0112, 1) >= 5:
            width, height = height, width
    return Photo(title, key, data, width, height, "JPEG", "image/jpeg", {}, datetime(2026, 11, 23, tzinfo=UTC))


def results_of(name):
    """A sample and results of the right sizes."""
    source = photo("original", f"ingest/{name}", sample(name).read_bytes())
    made = []
    for function in FUNCTIONS:
        file = io.BytesIO()
        size = function.result_size(source.width, source.height)
        Image.linear_gradient("L").resize(size).save(file, "JPEG")
        made.append(photo(function.name, function.result_key(source.key), file.getvalue()))
    return Results(source, tuple(made))


@pytest.mark.parametrize("one", [one.name for one in list_samples()])
def test_pictures_stand_at_their_true_relative_size(one):
    results = results_of(one)
    shown = gallery(results).images
    scales = [
        image.width / picture.width
        for image, picture in zip(shown, (results.source, *results.results), strict=True)
        if picture.width > 500
    ]
    assert max(scales) == pytest.approx(min(scales), rel=0.02)
    assert max(scales) <= 1


def test_a_photo_stored_lying_down_is_shown_upright():
    first = image_of(gallery(results_of("friends.jpg")).images[0])
    assert first.height > first.width


def test_a_photo_before_its_upload_lies_as_its_pixels_do_and_its_caption_says_how_it_is_turned():
    stored = show_photo(sample("friends.jpg"))
    width, height = image_of(stored.images[0]).size
    assert width > height
    assert stored.sentence() == (
        "friends.jpg as it is stored: 3088 x 2048 pixels, 571,743 bytes. "
        "Its EXIF orientation is 6: turn it by 90 degrees to the right."
    )
    assert "EXIF" not in show_photo(sample("MonaLisa.jpg")).sentence()


def test_a_file_that_is_not_a_photo_is_not_shown(tmp_path):
    (tmp_path / "torn.jpg").write_bytes(sample("friends.jpg").read_bytes()[:90_000])
    with pytest.raises(LabError, match=r"torn\.jpg is cut off or corrupt") as refused:
        show_photo(tmp_path / "torn.jpg")
    assert refused.value.code == "bad-picture"


def test_captions_give_key_pixels_bytes_and_saving():
    results = results_of("AWS.jpg")
    words = " ".join(bare(gallery(results)).words)
    for picture in (results.source, *results.results):
        assert picture.key in words
        assert f"{picture.width} x {picture.height} pixels" in words
        assert f"{len(picture.data):,} bytes" in words
    assert re.search(r"\d+% saved", words)


def test_every_image_has_alternative_text():
    page = bare(gallery(results_of("AWS.jpg")))
    assert len(page.images) == 4
    assert all(image["alt"] for image in page.images)


def test_a_missing_result_is_simply_not_there():
    results = results_of("HappyFace.jpg")
    assert len(gallery(replace(results, results=results.results[:1])).images) == 2


def test_a_picture_heavy_page_stays_small(survey_of, logs_of):
    logs = [logs_of(function.name, good=30) for function in FUNCTIONS]
    page = [draw_lab(survey_of(), "results"), gallery(results_of("dandelions.jpg")), log_table(logs), monitor(logs)]
    assert sum(len(html(one)) + len(str(one)) for one in page) < PAGE_BYTES


def test_images_are_in_the_page_itself():
    for image in bare(gallery(results_of("HappyFace.jpg"))).images:
        kind, data = image["src"].split(",")
        assert kind == "data:image/jpeg;base64"
        assert base64.b64decode(data)[:2] == b"\xff\xd8"


# The Monitor tab


def test_the_monitor_counts_invocations_errors_and_cold_starts(logs_of):
    picture = monitor([logs_of("CreateThumbnail", good=3, failed=1), logs_of("CreateWebImage", good=2)])
    first, second = picture.table
    assert first == ("CreateThumbnail", 4, 1, "75%", 1, "10", "25", "40")
    assert second[:4] == ("CreateWebImage", 2, 0, "100%")
    assert "6 invocations of 2 functions, 1 of them with an error" in str(picture)
    assert "CreateThumbnail: 4 invocations, 1 errors, 25 ms on average" in picture.alt


def test_the_monitor_of_nothing_says_so(logs_of):
    picture = monitor(logs_of(good=0))
    assert picture.table[0] == ("CreateThumbnail", 0, 0, "-", 0, "-", "-", "-")


# The log table


def test_errors_are_unfolded_with_their_traceback(logs_of):
    table = log_table(logs_of(good=1, failed=1))
    assert html(table).count("<details>") == 1
    assert html(table).count("<details open>") == 1
    for face in (str(table), html(table)):
        assert "Traceback (most recent call last):" in face
    assert "all well" not in str(table)


def test_invocations_of_several_functions_are_one_table_by_time(logs_of):
    table = log_table([logs_of("CreateThumbnail"), logs_of("CreateWebImage")])
    assert [row[0] for row in table.rows()] == ["CreateThumbnail", "CreateWebImage"] * 2


def test_what_a_function_logs_cannot_break_the_page(logs_of):
    logs = logs_of(good=1)
    evil = replace(logs.invocations[0], error="<script>alert(1)</script>", status="error")
    assert "<script>" not in html(log_table(replace(logs, invocations=(evil,))))
