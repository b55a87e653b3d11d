"""The lab's room: all that the notebooks link to is in it, and what a student changed stays as it is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from labkit import LabError, room
from labkit.lab import find_workspace

PROJECT = Path(__file__).parents[1]
TOPIC = "notebooks/01_topic.ipynb"


@pytest.fixture
def laid(tmp_path):
    """A room in a folder that belongs to nothing else."""
    return room.lay_out(tmp_path / "my lab")


@pytest.fixture
def source(tmp_path):
    """A workbook of two notebooks that can be changed."""
    for name in (room.FIRST, TOPIC):
        file = tmp_path / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("first edition")
    return tmp_path / "source"


def links(notebook):
    text = "\n\n".join(c.source for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "markdown")
    return [unquote(link) for link in re.findall(r"\]\((?![a-z]+:)([^)#]+)", text)]


def test_every_link_of_every_notebook_leads_to_something_inside_its_root(laid):
    notebooks = sorted((laid.folder / "notebooks").rglob("*.ipynb"))
    assert len(notebooks) == len(list((PROJECT / "notebooks").rglob("*.ipynb"))) >= 12
    found = [(notebook.parent / link).resolve() for notebook in notebooks for link in links(notebook)]
    assert len(found) > 20
    for target in found:
        assert target.is_file()  # JupyterLab opens no folder by a link
        assert target.is_relative_to(laid.folder.resolve())


def test_it_holds_the_functions_code_the_fault_table_and_a_place_for_functions_of_ones_own(laid):
    for name in ("lambda_packages/shared/image.py", "docs/faults.md", "my-functions"):
        assert (laid.folder / name).exists()


class TestTheLabOfARoom:
    def test_is_its_own_where_it_lies_alone(self, laid):
        assert laid.workspace == laid.folder == find_workspace(laid.folder / "notebooks")

    def test_is_the_one_of_the_checkout_that_it_lies_in_for_older_labs_too(self, tmp_path):
        for part in ("notebooks", "labkit", ".labkit/journals"):
            (tmp_path / part).mkdir(parents=True)
        inside = room.lay_out(tmp_path / "my-lab")
        assert inside.workspace == tmp_path
        for place in (inside.folder, inside.folder / "notebooks" / "beyond", tmp_path):
            assert find_workspace(place) == tmp_path
        (tmp_path / "my-functions" / "mine.py").write_text("mine")
        assert (inside.folder / "my-functions" / "mine.py").read_text() == "mine"


class TestLaidOutAgain:
    def test_nothing_happens_if_nothing_changed(self, laid):
        again = room.lay_out(laid.folder)
        assert (again.new, again.updated, again.kept) == ((), (), ())
        assert str(again) == f"The workbook in {laid.folder} is up to date."

    def test_what_was_not_touched_follows_the_workbook(self, source, tmp_path):
        room.lay_out(tmp_path / "room", source=source)
        (source / TOPIC).write_text("second edition")
        (source / "notebooks" / "08_new.ipynb").write_text("new")
        again = room.lay_out(tmp_path / "room", source=source)
        assert (again.new, again.updated, again.kept) == (("notebooks/08_new.ipynb",), (TOPIC,), ())
        assert (tmp_path / "room" / TOPIC).read_text() == "second edition"

    def test_what_a_student_changed_is_left_alone_however_often(self, source, tmp_path):
        room.lay_out(tmp_path / "room", source=source)
        (tmp_path / "room" / TOPIC).write_text("mine")
        assert room.lay_out(tmp_path / "room", source=source).kept == ()
        for edition in ("second", "third"):
            (source / TOPIC).write_text(edition)
            again = room.lay_out(tmp_path / "room", source=source)
            assert (again.updated, again.kept) == ((), (TOPIC,))
            assert (tmp_path / "room" / TOPIC).read_text() == "mine"
        (tmp_path / "room" / TOPIC).unlink()
        assert room.lay_out(tmp_path / "room", source=source).new == (TOPIC,)
        assert (tmp_path / "room" / TOPIC).read_text() == "third"

    @pytest.mark.parametrize("record", ["", "[]", "{"])
    def test_a_spoilt_record_makes_nothing_a_victim(self, source, tmp_path, record):
        room.lay_out(tmp_path / "room", source=source)
        (tmp_path / "room" / room.RECORD).write_text(record)
        (source / TOPIC).write_text("second edition")
        assert room.lay_out(tmp_path / "room", source=source).kept == (TOPIC,)
        assert (tmp_path / "room" / TOPIC).read_text() == "first edition"


def test_an_installation_without_notebooks_says_so(tmp_path):
    with pytest.raises(LabError, match="There are no notebooks in") as told:
        room.lay_out(tmp_path / "room", source=tmp_path)
    assert told.value.code == "not-there"


def test_git_does_not_see_the_room_that_make_notebooks_opens():
    assert "labkit start my-lab" in (PROJECT / "Makefile").read_text()
    ignored = subprocess.run(["git", "check-ignore", f"my-lab/{TOPIC}"], cwd=PROJECT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_jupyterlab_finds_settings_that_ask_nothing_and_a_layout_with_the_contents_at_the_left(laid):
    code = (
        "import json; from jupyterlab_server.settings_utils import _get_overrides\n"
        "print(json.dumps(_get_overrides('/nowhere')[0]))"
    )
    environment = {**os.environ, **room.variables(laid.folder)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    news = json.loads(said.stdout)["@jupyterlab/apputils-extension:notification"]
    assert news == {"fetchNews": "false", "checkForUpdates": False}
    layout = json.loads((laid.folder / ".jupyter" / "workspaces" / room.WORKSPACE_FILE).read_text())
    assert layout["data"]["layout-restorer:data"]["left"]["current"] == room.CONTENTS
