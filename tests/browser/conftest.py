"""A real browser: the system's Chromium, offline but for this machine, with a profile that is gone afterwards."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import embedded_aws
from labkit.connection import LOCAL_FOLDER
from labkit.waiting import wait_until

PROJECT = Path(__file__).parents[2]
ARTEFACTS = PROJECT / "runs" / "browser"  # screenshots and prints, to be looked at
FLAGS = (
    "--headless",
    "--no-sandbox",  # containers and CI run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine resolves, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
NOTEBOOKS = PROJECT / "notebooks"
TOKEN = "a-token-of-this-test"
WIDTH, HEIGHT = 1280, 1000  # pixels: a laptop
RUN_MS, PRESS_MS = 120_000, 30_000  # how long a notebook, and what a button does, may take on a loaded machine
# User settings, as JupyterLab keeps them: no questions about news, and all cells in the page at once.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
}
SERIOUS = ("serious", "critical")  # axe-core's words for what keeps people out


@pytest.fixture(scope="module")
def browser():
    """Chromium; per module, since Playwright's event loop would stand in the way of other tests' loops."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing; on Debian and Ubuntu: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def keep():
    """Where a picture of a page is kept, by name."""

    def path(name):
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        return ARTEFACTS / name

    return path


@pytest.fixture(scope="session")
def serious_findings():
    """What axe-core finds wrong with a page, or with the parts that match a selector, as readable lines."""
    from axe_playwright_python.sync_playwright import Axe

    def find(page, selector="html"):
        found = Axe().run(page, context={"include": [[selector]]}).response["violations"]
        return [
            f"{finding['id']} ({finding['impact']}): {node['html'][:200]}"
            for finding in found
            if finding["impact"] in SERIOUS
            for node in finding["nodes"]
        ]

    return find


@pytest.fixture(scope="session")
def labkit_run():
    """Runs notebooks by the command, into a folder."""

    def run(folder, *notebooks):
        return subprocess.run(
            [sys.executable, "-m", "labkit", "run", *map(str, notebooks), "--out", str(folder)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory, labkit_run):
    """The folder of a run of all numbered notebooks."""
    folder = tmp_path_factory.mktemp("runs") / "a run"
    done = labkit_run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder that stands for everything of the user's: notebooks, settings, and the lab's workspace."""
    home = tmp_path_factory.mktemp("a student")
    shutil.copytree(NOTEBOOKS, home / "notebooks")
    for name, settings in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    yield home
    embedded_aws.stop(home / LOCAL_FOLDER)


@pytest.fixture(scope="module")
def server(home):
    """The address of a JupyterLab of the test's own, on a free port of this machine."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PATH": "",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_TOKEN": TOKEN,
        "LABKIT_WORKSPACE": str(home),
    }
    options = ("--no-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.port=0", "--LabApp.news_url=None")
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", *options),
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                f"--ServerApp.root_dir={home / 'notebooks'}",
            ],
            env=environment,
            stdout=log,
            stderr=log,
        )
    runtime = home / "runtime" / f"jpserver-{process.pid}.json"

    def address():
        assert process.poll() is None, (home / "server.log").read_text()
        return runtime.is_file() and json.loads(runtime.read_text() or "{}").get("url")

    yield wait_until(address, what="JupyterLab", seconds=60)
    process.terminate()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def student(server, browser):
    """A browser window that is logged in."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    context.set_default_timeout(PRESS_MS)
    page = context.new_page()
    page.goto(f"{server}lab?token={TOKEN}")
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="module")
def run_in_jupyterlab(server, student):
    """Opens a notebook, runs all its cells, and gives its page; one that was run already is given as it is."""
    pages = {}

    def run(name):
        if name not in pages:
            pages[name] = page = student.new_page()
            page.goto(f"{server}doc/tree/{name}.ipynb")
            page.get_by_text(re.compile(r"ipykernel\) \| Idle")).wait_for(timeout=RUN_MS)  # in the status bar
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            page.wait_for_function(ALL_CELLS_RAN, timeout=RUN_MS)
        return pages[name]

    return run


# Every code cell has its number, and none is running or waiting; or one failed, and the rest will never run. A cell
# that is not yet in the page has no text at all.
ALL_CELLS_RAN = """() => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell")]
    .filter(cell => cell.querySelector(".cm-content")?.innerText.trim() !== "")
    .map(cell => cell.querySelector(".jp-InputPrompt").innerText);
  const idle = document.querySelector(".jp-Notebook-ExecutionIndicator[data-status=idle]");
  const failed = document.querySelector(".jp-OutputArea-output[data-mime-type$=error]");
  return idle && (failed || prompts.every(prompt => /^\\[\\d+\\]:?$/.test(prompt.trim())));
}"""
