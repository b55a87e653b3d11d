"""Student notebooks are the full ones with the answers left out, and nothing else."""

from pathlib import Path

import nbformat
import pytest

from labkit import LabError
from labkit.students import ANSWER, WRITE_DOWN, YOUR_TURN, make_student_notebooks, question_alone, without_answer

FULL = Path(__file__).parents[1] / "notebooks"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_student_notebooks(FULL, tmp_path_factory.mktemp("students") / "notebooks")


def cells(path):
    return nbformat.read(path, as_version=4).cells


def test_every_notebook_has_a_students_version(made):
    names = [path.relative_to(FULL).as_posix() for path in sorted(FULL.rglob("[0-9]*.ipynb"))]
    assert [name for name, _ in made.left_out] == names
    assert made.sentence().startswith(f"{len(names)} notebooks for students are in ")


def test_every_step_leaves_something_to_the_student(made):
    counts = dict(made.left_out)
    assert all(counts[name] >= 1 for name in counts if "1" <= name[1] <= "7" and name.startswith("0"))


def test_only_answers_differ(made):
    for name, _ in made.left_out:
        for full, left in zip(cells(FULL / name), cells(made.folder / name), strict=True):
            if ANSWER in full.metadata.get("tags", []):
                assert left.source != full.source
                assert YOUR_TURN in left.source or WRITE_DOWN in left.source
            else:
                assert left.source == full.source


def test_they_are_valid_notebooks_without_outputs(made):
    for name, _ in made.left_out:
        notebook = nbformat.read(made.folder / name, as_version=4)
        nbformat.validate(notebook)
        assert all(cell.outputs == [] for cell in notebook.cells if cell.cell_type == "code")


def test_the_same_notebooks_give_the_same_files(made, tmp_path):
    again = make_student_notebooks(FULL, tmp_path / "again")
    for name, _ in made.left_out:
        assert (again.folder / name).read_bytes() == (made.folder / name).read_bytes()


@pytest.mark.parametrize(
    ("full", "left"),
    [
        ("create_topic(lab)", "...  # your turn"),
        (
            "from labkit import create_topic\n\ntopic = create_topic(lab)\ntopic",
            "from labkit import create_topic\n\ntopic = ...  # your turn\ntopic",
        ),
        (
            '%%writefile {folder}/x.py\n"""What it does."""\nfrom batch import Rule\n\nRULE = Rule(1)\n\n\n'
            "def handler(event, context):\n    return 1",
            '%%writefile {folder}/x.py\n"""What it does."""\nfrom batch import Rule\n\nRULE = ...  # your turn\n\n\n'
            "def handler(event, context):\n    ...  # your turn",
        ),
        ("for f in fs:\n    add(f)", "...  # your turn"),
    ],
)
def test_code_keeps_its_imports_and_names(full, left):
    assert without_answer(full) == left


def test_a_text_keeps_its_question():
    text = "## One\n\n**Predict.** What comes out?\n\nNothing.\n\nFor it is empty."
    assert question_alone(text) == f"## One\n\n**Predict.** What comes out?\n\n{WRITE_DOWN}"
    assert question_alone("It is three.") == WRITE_DOWN


def test_the_full_notebooks_are_never_written_over(tmp_path):
    with pytest.raises(LabError, match="where the full notebooks are") as caught:
        make_student_notebooks(FULL, FULL / "students")
    assert caught.value.hint() == "Choose a folder elsewhere."
    with pytest.raises(LabError, match="There are no notebooks in"):
        make_student_notebooks(tmp_path, tmp_path.parent / "out")
