"""The pipeline, alive, in a real JupyterLab: photos are dropped on the map, go their way, and land as pictures."""

import base64
import re

import nbformat
import pytest

from labkit import sample

pytestmark = pytest.mark.slow

CELLS = (
    "from labkit import catch_up, open_lab, watch_pipeline\nlab = open_lab(prefix={prefix!r})\ncatch_up(lab, to=4)",
    "watch_pipeline(lab)",
)
DROP = """async (zone, files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  zone.dispatchEvent(new DragEvent("dragover", {dataTransfer: transfer, bubbles: true, composed: true}));
  zone.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, composed: true}));
}"""


@pytest.fixture(scope="module")
def alive(home, run_in_jupyterlab):
    """Opens the widget on a lab of that prefix, in a notebook of its own; gives the page."""

    def show(prefix=""):
        name = f"alive{prefix}"
        path = home / "notebooks" / f"{name}.ipynb"
        if not path.exists():
            cells = [nbformat.v4.new_code_cell(cell.format(prefix=prefix)) for cell in CELLS]
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
        page = run_in_jupyterlab(name)
        page.get_by_role("region", name="The pipeline, alive").wait_for()
        return page

    return show


def drop(page, *files):
    """Drop files, each a name and its bytes, on the bucket."""
    given = [(name, base64.b64encode(data).decode()) for name, data in files]
    page.locator(".zone").evaluate(DROP, given)


def photo(page, name):
    """What the row of photos says of one."""
    return page.get_by_role("button", name=re.compile(f"^{re.escape(name)}"))


def test_a_photo_is_dropped_and_three_pictures_land_with_their_times(alive, keep):
    page = alive()
    drop(page, ("friends.jpg", sample("friends.jpg").read_bytes()))
    photo(page, "friends.jpg through").wait_for()
    page.locator(".results figure").nth(2).wait_for()
    for figure in page.locator(".results figure").all():
        assert figure.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
        assert re.search(r"[\d,]+ ms after the upload", figure.inner_text())
    page.locator(".live, section[aria-label='The pipeline, alive']").first.screenshot(path=keep("alive.png"))
