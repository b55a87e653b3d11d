"""A real browser: the system's Chromium, offline but for this machine, with a profile that is gone afterwards."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
