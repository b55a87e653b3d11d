"""The room as a student finds it: JupyterLab asks nothing, shows the contents at the left, and follows its links."""

import json
import os
import re
import subprocess

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from labkit import room
from labkit.waiting import wait_until

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-this-test"
READY_MS = 60_000


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A JupyterLab in a room, for a user who has never opened one before."""
    home = tmp_path_factory.mktemp("a student")
    laid = room.lay_out(home / "my-lab")
    own = {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_TOKEN": TOKEN}
    options = ("--no-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.port=0")
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*room.command(laid.folder), *options],
            env={**os.environ, **room.variables(laid.folder), **own},
            stdout=log,
            stderr=log,
        )
    runtime = home / "runtime" / f"jpserver-{process.pid}.json"
    yield wait_until(
        lambda: runtime.is_file() and json.loads(runtime.read_text() or "{}").get("url"), what="JupyterLab", seconds=60
    )
    process.terminate()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def page(browser, address):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{address}?token={TOKEN}")
    page.get_by_text("ipykernel) | Idle").wait_for(timeout=READY_MS)
    yield page
    page.close()


def test_the_first_notebook_is_open_its_contents_at_the_left_and_nothing_is_asked(page, keep):
    page.get_by_role("treeitem", name="Where does it run?", exact=True).wait_for(state="visible")
    assert page.locator(".Toastify__toast, .jp-Dialog").count() == 0
    page.screenshot(path=keep("room at 1440.png"))


@pytest.mark.parametrize(
    ("notebook", "link", "shown"),
    [
        ("04_functions", "image.py", '"""The image itself'),
        ("beyond/1_what_can_go_wrong", "faults.md", "Each line is a way of breaking the lab on purpose"),
    ],
)
def test_a_link_opens_what_it_names(page, address, notebook, link, shown):
    page.goto(f"{address}lab/tree/notebooks/{notebook}.ipynb")
    page.get_by_text("ipykernel) | Idle").wait_for(timeout=READY_MS)
    page.locator(f"a[href*='{link}']").first.click(timeout=READY_MS)
    page.get_by_text(shown).first.wait_for(timeout=READY_MS)


def test_what_was_chosen_is_still_there_when_the_notebook_is_opened_another_day(page, address):
    api, token = f"{address}api", {"Authorization": f"token {TOKEN}"}
    notebook = f"{api}/contents/notebooks/asked.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}
    asked = new_notebook(cells=[new_code_cell("from labkit import quiz\n\nquiz(0)")], metadata=kernel)
    page.request.put(notebook, headers=token, data={"type": "notebook", "content": asked})
    answered = page.locator(".jupyter-widgets").get_by_text(re.compile(r"^(Right|Not quite)\. "))

    def open_it():
        page.goto(f"{address}lab/tree/notebooks/asked.ipynb")
        page.get_by_text("ipykernel) | Idle").wait_for(timeout=READY_MS)

    open_it()
    page.locator(".jp-CodeCell .cm-content:visible").first.click()
    page.keyboard.press("Shift+Enter")
    page.get_by_role("radio").first.check(timeout=READY_MS)
    answered.first.wait_for()
    page.keyboard.press("Control+s")
    wait_until(
        lambda: page.request.get(notebook, headers=token).json()["content"]["metadata"].get("widgets"),
        what="the notebook to be saved",
        seconds=30,
    )
    for session in page.request.get(f"{api}/sessions", headers=token).json():
        page.request.delete(f"{api}/sessions/{session['id']}", headers=token)
    open_it()
    answered.first.wait_for(timeout=READY_MS)
    assert page.get_by_text("model not found").count() == 0
