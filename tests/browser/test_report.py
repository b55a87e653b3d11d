"""The report of a real run, as a file in a browser: alone, read aloud, stripped, and on paper."""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures" / "notebooks"


class Printed(NamedTuple):
    """One output of an executed notebook: where, its text twin, and whether it shows a picture."""

    where: str
    text: str
    picture: bool


@pytest.fixture(scope="module")
def failed_run(tmp_path_factory, labkit_run):
    """The folder of a run that ends with a failed check."""
    folder = tmp_path_factory.mktemp("runs") / "a failed run"
    done = labkit_run(folder, FIXTURES / "rich.ipynb", FIXTURES / "failing_check.ipynb")
    assert done.returncode == 1, done.stdout + done.stderr
    return folder


@pytest.fixture
def report(browser, run):
    """The page, opened as a file without any network, and what it asked for."""
    with browser.new_context(offline=True, viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.asked_for = []
        page.on("request", lambda request: page.asked_for.append(request.url))
        page.goto((run / "report.html").as_uri())
        yield page


def outputs(run):
    """What the executed notebooks show."""
    for path in sorted(run.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {"text/plain": output.get("text", "")})
                html, text = data.get("text/html", ""), data["text/plain"]
                if html and "<table" not in html:  # a twin in columns has headings that a list does not need
                    text = re.sub(r"^.*\n(?=[- ]+$)", "", text, flags=re.MULTILINE)
                yield Printed(f"{path.stem}: {cell.source}", text, "<img" in html)


# Markup without style sheets, styles, scripts and images; of an image its alternative text is left.
STRIP = """() => {
  for (const element of document.querySelectorAll("style, link, script")) element.remove();
  for (const element of document.querySelectorAll("[style]")) element.removeAttribute("style");
  for (const image of document.querySelectorAll("img, svg")) image.replaceWith(image.getAttribute("alt") || "");
  for (const line of document.querySelectorAll("br")) line.replaceWith("\\n");
}"""


def test_it_asks_for_nothing_but_itself(report, run):
    assert {url for url in report.asked_for if not url.startswith("data:")} == {(run / "report.html").as_uri()}


def test_every_image_is_there_and_has_a_sentence(report):
    images = report.locator("img")
    assert images.count() > 15
    for image in images.all():
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")
        assert len(image.get_attribute("alt").split()) >= 4


def printed_whole(report):
    """The page, ready to be printed with all notebooks."""
    report.get_by_label("Print all of it").check()


@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_and_what_is_wider_scrolls_in_a_box_of_its_own(report, keep, width):
    report.set_viewport_size({"width": width, "height": 844})
    assert report.evaluate("document.documentElement.scrollWidth") <= width
    wider = report.locator("body *:not(.table, .table *)").evaluate_all(
        "(all, width) => all.filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest('.table'))"
        ".map(e => e.outerHTML.slice(0, 200))",
        width,
    )
    assert wider == []
    report.screenshot(path=keep(f"report top at {width}.png"))


@pytest.mark.parametrize(("width", "portrait"), [(1440, False), (390, True)])
def test_its_maps_take_the_form_for_which_there_is_room(report, width, portrait):
    report.set_viewport_size({"width": width, "height": 844})
    maps = report.locator(".labkit-map img:visible")
    assert maps.count() > 5
    for one in maps.all():
        box = one.bounding_box()
        if portrait:
            assert box["width"] <= 440
            assert box["height"] > 0.8 * box["width"]
        else:
            assert box["width"] > 680


def test_the_calls_in_it_are_coloured(report):
    strings = report.locator(".labkit-code [class^=labkit-s]")
    assert strings.first.evaluate("word => getComputedStyle(word).color") == "rgb(23, 96, 47)"


def test_every_table_has_its_box_and_the_keyboard_reaches_it(report):
    assert report.locator("table").count() == report.locator(".table[tabindex='0'] > table").count() > 30


def test_a_summary_of_two_pages_is_printed_unless_all_is_asked_for(report, keep):
    pdf = keep("report summary.pdf")
    report.pdf(path=pdf, format="A4")
    assert 1 <= pages_of(pdf) <= 2


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_serious_at_a_laptop_and_at_a_telephone(report, serious_findings, keep, width):
    report.set_viewport_size({"width": width, "height": 900})
    assert serious_findings(report) == []
    report.screenshot(path=keep(f"report at {width}.png"), full_page=True)


def test_axe_finds_nothing_serious_where_a_check_failed(browser, failed_run, serious_findings, keep):
    page = browser.new_page()
    page.goto((failed_run / "report.html").as_uri())
    assert "FAIL" in page.locator("header").inner_text()
    assert serious_findings(page) == []
    page.screenshot(path=keep("failed report.png"), full_page=True)
    page.close()


def test_nothing_is_clipped_on_a_laptop(report):
    """No output is wider than the page, so nothing needs to be scrolled sideways."""
    assert report.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert report.evaluate(
        "[...document.querySelectorAll('*')].every(e => e.scrollWidth <= e.clientWidth + 1 || "
        "getComputedStyle(e).overflowX === 'visible')"
    )


def test_stripped_of_style_scripts_and_images_every_output_is_there_as_text(report, run):
    report.evaluate(STRIP)
    text = squeezed(report.evaluate("document.body.textContent"))
    shown = list(outputs(run))
    assert sum(output.picture for output in shown) > 10
    for output in shown:
        for piece in pieces(output.text):
            assert squeezed(piece) in text, f"{output.where}\n{piece}"


def pieces(text):
    """The words of a text twin as they must be found again: its sentences, and of a table the cells."""
    text = re.sub(r"\[Picture: (.*)\]", r"\1", text)
    found = re.split(r"\n|\s{2,}|(?<=\.) ", re.sub(r"\x1b\[[0-9;]*m", "", text))
    return [piece for piece in found if piece.strip("- ")]


def squeezed(text):
    """Without white space, which is a matter of layout, and without quotation marks, which browsers write."""
    return re.sub(r'[\s"“”]', "", text)


def test_every_picture_has_its_table_beside_it(report):
    figures = report.locator(".output:has(img)")
    assert figures.count() > 10
    for figure in figures.all():
        assert figure.locator("table tbody tr").count() > 0, figure.inner_text()


def test_it_prints_on_pages_of_paper_with_every_notebook_on_a_page_of_its_own(report, keep):
    pdf = keep("report.pdf")
    printed_whole(report)
    report.pdf(path=pdf, format="A4")
    assert 8 < pages_of(pdf) < 90


def pages_of(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def test_nothing_is_cut_off_on_paper(report):
    printed_whole(report)
    report.emulate_media(media="print")
    report.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins, at 96 dots an inch
    assert report.evaluate("document.documentElement.scrollWidth") <= 718


def test_the_answers_to_the_questions_are_printed_and_what_is_folded_twice_is_not(report):
    answers, twins = report.locator("details.answers ol"), report.locator("details:not([open], .answers)")
    assert answers.count() >= 8
    assert twins.count() > 10
    assert not any(answer.is_visible() for answer in answers.all())
    printed_whole(report)
    report.emulate_media(media="print")
    assert all(answer.is_visible() for answer in answers.all())
    assert not any(twin.is_visible() for twin in twins.all())
