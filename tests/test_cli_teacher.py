"""The teacher's commands: cost, export, grade and students."""

import csv
import json

import pytest
from click.testing import CliRunner

from labkit import grade
from labkit.cli import main


@pytest.fixture
def labkit(built_lab, workspace, monkeypatch):
    """Runs a command on the lab that has all steps done."""
    monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace))
    monkeypatch.setenv("LABKIT_PREFIX", built_lab.definition.prefix)

    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


def test_cost_shows_what_a_day_costs(labkit):
    done = labkit("cost")
    assert done.exit_code == 0
    assert "left alone it costs $0.0459 a day" in done.output
    assert "as of 2026-11-23" in done.output


def test_export_prints_the_template_or_writes_it(labkit, tmp_path):
    printed = json.loads(labkit("export").output)
    done = labkit("export", "--out", tmp_path / "template.json")
    assert done.output.startswith("A CloudFormation template of built-image-lab-")
    assert json.loads((tmp_path / "template.json").read_text("utf-8")) == printed


def test_grade_marks_this_lab(labkit, built_lab, tmp_path):
    score = grade(built_lab).score
    done = labkit("grade", "--out", tmp_path)
    assert done.exit_code == 0
    assert done.output.startswith(f"built: {score} of 100 (built-image-lab-")
    with (tmp_path / "grades.csv").open(encoding="utf-8") as file:
        assert [(row["student"], row["score"]) for row in csv.DictReader(file)] == [("built", str(score))]
    assert (tmp_path / "built.html").exists()


def test_grade_marks_the_students_that_are_named(labkit, tmp_path):
    done = labkit("grade", "--student", "built-", "--student", "eve-")
    assert done.output.startswith("2 labs, 0 of them with full marks, 0 not marked.")


def test_a_hand_in_is_written_and_marked(labkit, built_lab, tmp_path):
    done = labkit("hand-in", "--out", tmp_path, "--name", "Bea", "--email", "bea@example.org", "--json")
    path = json.loads(done.output)["path"]
    assert path.startswith(str(tmp_path))
    (sheet,) = json.loads(labkit("grade", tmp_path, "--json").output)
    assert (sheet["student"], sheet["email"], sheet["score"]) == (
        "Bea",
        "bea@example.org",
        grade(built_lab).score,
    )


def test_grade_says_what_is_wrong_with_a_folder(labkit, tmp_path):
    done = labkit("grade", tmp_path / "nowhere")
    assert done.exit_code == 1
    assert "There is no folder" in done.output
    assert "Traceback" not in done.output


def test_students_writes_the_workbook_s_notebooks_where_the_workspace_has_none(labkit, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path / "empty"))
    done = labkit("students", tmp_path / "out")
    assert done.exit_code == 0
    assert (tmp_path / "out" / "01_topic.ipynb").exists()


def test_students_needs_notebooks_in_a_workspace_that_has_a_place_for_them(labkit, tmp_path, monkeypatch):
    (tmp_path / "empty" / "notebooks").mkdir(parents=True)
    monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path / "empty"))
    done = labkit("students", tmp_path / "out")
    assert done.exit_code == 1
    assert "There are no notebooks in" in done.output
