"""The map as browsers show it: in the form that its place has room for, by light and in the dark, in real letters."""

import pytest

from labkit.definition import Definition
from labkit.insight.survey import Part, Survey
from labkit.show.map import draw_lab
from labkit.show.svg import width_of

pytestmark = pytest.mark.slow

SHEET = {"light": [255, 255, 255], "dark": [21, 25, 30]}
LETTERS = """() => [...document.querySelectorAll("text")].map(
  text => [text.textContent, text.getAttribute("class"), text.getBBox().width])"""


@pytest.fixture
def drawn(survey):
    return draw_lab(survey, here="CreateWebImage")


@pytest.fixture
def survey():
    """A lab in a shared account, whose names are long, with something wrong in it."""
    lab = Definition(suffix="twelve-chars", prefix="hannelore-x-", where="aws")
    parts = [
        Part("bucket", lab.bucket_name, "made"),
        Part("ingest folder", "ingest/", "made", "3 photos"),
        Part("event notification", "resize-image-event", "different", trouble="it listens to ingest/*.jpeg"),
        Part("topic policy", lab.topic_name, "made", "S3 may publish"),
        Part("topic", lab.topic_name, "made", "Standard"),
    ]
    for of in lab.branches:
        queue, branch = of.queue_name, of.name
        parts += [
            Part("subscription", queue, "made", "subscribed", function=branch),
            Part("queue policy", queue, "failing", trouble="it does not let the topic send", function=branch),
            Part("queue", queue, "made", "0 waiting, 1 in flight", function=branch),
            Part("redrive", queue, "made", "after 5 receives", function=branch),
            Part("dead-letter queue", of.dead_letter_queue_name, "made", "empty", function=branch),
            Part("trigger", queue, "made", "enabled", function=branch),
            Part("role", of.role_name, "risky", trouble="it may write anywhere", function=branch),
            Part("function", of.function_name, "made", "512 MB, 10 s", function=branch),
            Part("logs", of.log_group, "made", "3 invocations logged", function=branch),
            Part("results", of.folder, "missing", function=branch),
        ]
    return Survey(lab.lab_id, tuple(parts))


@pytest.fixture
def shown(browser, drawn):
    """Opens a page with the map in it, so wide, in that theme of the page's or of the system's."""
    pages = []

    def show(width, page_theme="", system_theme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=system_theme)
        pages.append(page)
        theme = f' style="color-scheme:{page_theme}"' if page_theme else ""
        html = drawn._repr_mimebundle_()["text/html"]
        page.set_content(f'<!DOCTYPE html><html lang="en"{theme}><title>A page</title><main style="margin:8px">{html}')
        page.locator("img").evaluate("image => image.decode()")
        return page

    yield show
    for page in pages:
        page.close()


@pytest.mark.parametrize(("width", "form"), [(1440, 0), (1000, 0), (840, 1), (640, 1), (560, 2), (390, 2)])
def test_it_takes_the_form_for_which_there_is_room(shown, drawn, width, form):
    box = shown(width).locator("img").bounding_box()
    wanted = drawn.forms[form]
    assert box["width"] / box["height"] == pytest.approx(wanted.width / wanted.height, rel=0.01)
    assert box["width"] <= width


@pytest.mark.parametrize(
    ("page_theme", "system_theme", "looks"),
    [("light", "dark", "light"), ("dark", "light", "dark"), ("light dark", "dark", "dark"), ("", "light", "light")],
)
def test_it_is_light_or_dark_as_the_page_is(shown, tmp_path, page_theme, system_theme, looks):
    from PIL import Image

    file = tmp_path / "map.png"
    shown(1000, page_theme, system_theme).locator("img").screenshot(path=file)
    with Image.open(file) as image:
        assert list(image.convert("RGB").getpixel((5, 5))) == SHEET[looks]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_keeps_nobody_out(shown, serious_findings, keep, width, theme):
    page = shown(width, theme)
    page.screenshot(path=keep(f"map-{width}-{theme}.png"), full_page=True)
    assert serious_findings(page) == []


def test_its_words_take_no_more_room_than_was_reckoned(browser, drawn, tmp_path):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(drawn.save(tmp_path / "lab.svg").as_uri())
    measured = page.evaluate(LETTERS)
    page.close()
    assert len(measured) > 100
    for words, css, width in measured:
        assert width <= width_of(words, css) + 2, words
