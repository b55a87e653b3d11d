"""Every picture is a small image with words that say the same, for who cannot see it or has no style sheet."""

import base64
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import combinations, product

import pytest
from PIL import Image, ImageColor

from labkit.definition import Definition
from labkit.samples import list_samples, sample
from labkit.settings import FUNCTIONS
from labkit.show.architecture import PALE, PLACES, WIDTH, draw_lab
from labkit.show.canvas import Canvas, width_of
from labkit.show.gallery import gallery
from labkit.show.log_table import log_table
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


# The architecture


@pytest.fixture(scope="module")
def drawn(survey_of):
    """The whole lab, nothing lit up."""
    return draw_lab(survey_of())


def test_the_lab_is_a_small_png_that_names_every_part_in_words(survey_of, drawn):
    assert image_of(drawn.images[0]).format == "PNG"
    assert len(drawn.png) < 80_000
    for face in (str(drawn), " ".join(bare(drawn).words)):
        for part in survey_of().parts:
            assert part.name in face


@pytest.mark.parametrize("here", [*PLACES, *(function.name for function in FUNCTIONS)])
def test_you_are_here_is_lit_up_and_said(survey_of, drawn, here):
    picture = draw_lab(survey_of(), here)
    assert picture.png != drawn.png
    assert f"You are here: {here}." in str(picture)
    assert here in picture.alt


def test_a_place_that_there_is_not_is_refused_with_those_there_are(survey_of):
    with pytest.raises(ValueError, match=r"there is no place 'moon'; there are topic, queues") as raised:
        draw_lab(survey_of(), here="moon")
    assert "CreateWebImage" in str(raised.value)


def test_missing_and_failing_parts_are_drawn_and_said(survey_of, drawn):
    changes = {("topic", ""): ("missing", ""), ("queue", "CreateWebImage"): ("failing", "its policy lets nobody send")}
    broken = draw_lab(survey_of(changes))
    assert broken.png != drawn.png
    assert "30 made, 1 missing, 1 failing" in str(broken)
    assert "its policy lets nobody send" in str(broken)
    assert "its policy lets nobody send" in broken.alt


def test_areas_keep_their_colours(survey_of):
    missing = {(part.kind, part.function): ("missing", "") for part in survey_of().parts}
    picture = image_of(draw_lab(survey_of(missing)).images[0]).convert("RGB")
    commonest = sorted(picture.getcolors(picture.width * picture.height), reverse=True)[:3]
    assert [colour for _, colour in commonest] == [ImageColor.getrgb(name) for name in ("white", PALE, "#e9f4ed")]


def test_states_differ_without_colour(survey_of, drawn):
    """In black and white, a missing and a failing part still differ from a made one."""
    for state in ("missing", "failing"):
        other = draw_lab(survey_of({("function", "CreateWebImage"): (state, "it is broken")}))
        greys = [
            image_of(picture.images[0]).convert("L").point(lambda v: 255 * (v < 200)) for picture in (drawn, other)
        ]
        assert greys[0].tobytes() != greys[1].tobytes()


def test_long_names_of_a_shared_account_fit(survey_of):
    definition = Definition(suffix="twelve-chars", prefix="hannelore-x-", where="aws")
    picture = draw_lab(survey_of(definition=definition))
    assert definition.topic_name in str(picture)


@pytest.mark.parametrize("here", [None, "upload", FUNCTIONS[-1].name])
@pytest.mark.parametrize("prefix", ["", "hannelore-x-"])
@pytest.mark.parametrize("state", ["made", "missing", "failing"])
def test_no_words_overlap_and_none_leave_the_picture(survey_of, monkeypatch, here, prefix, state):
    written = []
    write = Canvas.write

    def remember(canvas, x, y, words, size, colour, *, align="left", face=""):
        width, height = width_of(words, size, face), size / 72 * 100
        left = x - width / 2 if align == "center" else x
        written.append((words, left, left + width, y - height / 2, y + height / 2))
        write(canvas, x, y, words, size, colour, align=align, face=face)

    monkeypatch.setattr(Canvas, "write", remember)
    kinds = ("queue", "dead-letter queue", "function", "logs", "results", "subscription", "trigger")
    changes = dict.fromkeys(product(kinds, (function.name for function in FUNCTIONS)), (state, "it is broken"))
    shared = ("event notification", "topic")
    changes |= {(kind, ""): (state, "it is broken") for kind in shared}
    changes |= {(kind, ""): (state.replace("failing", "made"), "") for kind in ("bucket", "ingest folder")}
    draw_lab(survey_of(changes, Definition(suffix="ab3x9", prefix=prefix)), here)
    for words, left, right, *_ in written:
        assert left >= 0, words
        assert right <= WIDTH, words
    for one, other in combinations(written, 2):
        apart = one[2] <= other[1] or other[2] <= one[1] or one[4] <= other[3] or other[4] <= one[3]
        assert apart, (one, other)


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
