"""The site, built from a real run: each notebook's page shows what the run did, and no link is broken."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
STORY = [path.stem for path in sorted((PROJECT / "notebooks").glob("0*.ipynb"))]


@pytest.fixture(scope="module")
def site(run, tmp_path_factory):
    """The folder of the site. Its builder takes warnings for errors."""
    folder = tmp_path_factory.mktemp("a site")
    done = subprocess.run(
        [sys.executable, PROJECT / "docs" / "site" / "build.py", run, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [given[name] for name in ("href", "src") if given.get(name)]


def pictures_shown(notebook):
    return sum(
        output.get("data", {}).get("text/html", "").count("<img")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


@pytest.mark.parametrize("name", STORY)
def test_the_page_of_a_notebook_has_its_pictures(name, site, run, browser):
    expected = pictures_shown(nbformat.read(run / f"{name}.ipynb", as_version=4))
    assert expected > 0
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        asked_for = []
        page.on("request", lambda request: asked_for.append(request.url))
        page.goto((site / "notebooks" / f"{name}.html").as_uri())
        images = page.locator("article .cell_output img")
        assert images.count() == expected
        for image in images.all():
            assert image.evaluate("image => image.complete && image.naturalWidth > 0")
        assert {urlsplit(url).scheme for url in asked_for} <= {"file", "data"}


def test_no_link_within_the_site_is_broken(site):
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (target in pages and parts.fragment not in {"", *pages[target].anchors}):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


@pytest.mark.parametrize("name", ["index", "notebooks/06_validate", "lambda_packages"])
def test_axe_finds_nothing_serious(name, site, browser, serious_findings, keep):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / f"{name}.html").as_uri())
    page.screenshot(path=keep(f"site {name.replace('/', ' ')}.png"), full_page=True)
    assert serious_findings(page) == []
    page.close()
