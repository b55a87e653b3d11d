"""The document on the views: its examples run, and no view is left out."""

import re
from pathlib import Path

import labkit
from labkit.progress import HEADLESS
from labkit.samples import sample

DOCUMENT = Path(__file__).parents[2] / "docs" / "views.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


def test_every_view_and_control_has_an_example():
    views = {
        name for name in labkit.__all__ if getattr(getattr(labkit, name), "__module__", "").startswith("labkit.show.")
    }
    shown = "\n".join(EXAMPLES)
    assert {name for name in views if f"{name}(" not in shown} == set()


def test_the_examples_run(built_lab, monkeypatch):
    monkeypatch.setenv(HEADLESS, "1")
    labkit.wait_for_results(built_lab, labkit.upload_photo(built_lab, sample("AWS.jpg")))
    for branch in built_lab.branches:
        labkit.wait_for_logs(built_lab, branch.name, key="ingest/AWS.jpg")
    names = {}
    monkeypatch.setattr(labkit, "open_lab", lambda: built_lab)
    for example in EXAMPLES:
        exec(compile(example, str(DOCUMENT), "exec"), names)
