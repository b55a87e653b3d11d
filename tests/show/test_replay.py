"""A photo's way over the map as a picture: true times, lit parts, no script, and no motion unless it is welcome."""

import io
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from labkit.insight.facts import Fact
from labkit.show.map import draw_as_it_stands
from labkit.show.replay import replay

SVG = "{http://www.w3.org/2000/svg}"
BRANCH = "CreateThumbnail"
FACTS = (
    Fact("ingest folder", "", 0, "stored"),
    Fact("event notification", "", 0, "told"),
    Fact("topic", "", 4, "handed on"),
    Fact("queue", BRANCH, 5, "waits"),
    Fact("trigger", BRANCH, 6, "begins", "cold start"),
    Fact("function", BRANCH, 400, "loaded"),
    Fact("results", BRANCH, 1234, "written", "1,234 ms"),
    Fact("logs", BRANCH, 1240, "the REPORT", "cold, init 394 ms, ran 840 ms, 69 of 512 MB"),
)


@pytest.fixture
def drawn(survey_of):
    return draw_as_it_stands(survey_of())


@pytest.fixture
def moving(drawn, tmp_path):
    """The file as it is written."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 30)).save(picture, "JPEG")
    over = replay(drawn.forms[0], FACTS, picture.getvalue())
    return drawn.save(tmp_path / "lab.svg", over=over).read_text("utf-8")


def test_each_hop_has_the_time_of_the_trace(moving):
    pills = [text.text for text in ElementTree.fromstring(moving).iter(f"{SVG}text") if text.get("class") == "in-pill"]
    assert pills == ["0 ms", "0 ms", "4 ms", "5 ms", "cold start, 6 ms", "400 ms", "1,234 ms", "1,240 ms"]


def test_no_photo_covers_a_time(moving):
    assert moving.rindex("<image") < moving.index('class="pill"')


def test_the_parts_are_lit_where_they_are_on_the_map(moving, drawn):
    lit = [shape for shape in ElementTree.fromstring(moving).iter(f"{SVG}rect") if shape.get("class") == "reached"]
    places = [tuple(float(shape.get(side)) for side in ("x", "y", "width", "height")) for shape in lit]
    wanted = [drawn.forms[0].places[f"{fact.part} {fact.branch}".strip()] for fact in FACTS]
    assert places == [pytest.approx(place, abs=0.01) for place in wanted]


def test_hops_light_up_in_the_order_of_the_trace(moving):
    moments = [float(at) for at in re.findall(r"@keyframes hop-\d+\{0%,([\d.]+)%", moving)]
    assert len(moments) == len(FACTS)
    assert moments == sorted(moments)


def test_nothing_moves_unless_motion_is_welcome(moving):
    style = ElementTree.fromstring(moving).find(f"{SVG}style").text
    before, within = style.split("@media(prefers-reduced-motion:no-preference)")
    assert "animation" not in before
    assert "animation" in within


def test_it_needs_no_script_and_no_network(moving):
    assert "<script" not in moving
    assert set(re.findall(r'href="([^",]+)', moving)) == {"data:image/jpeg;base64"}
