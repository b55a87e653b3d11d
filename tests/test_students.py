"""Student notebooks are the full ones with the answers left out, and nothing else."""

from pathlib import Path

import nbformat
import pytest

from labkit import LabError
from labkit.exercises.texts import exercises
from labkit.students import ANSWER, WRITE_DOWN, make_student_notebooks, names_used, question_alone, with_room

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
    assert all(counts[name] >= 1 for name in counts if name.startswith("0"))


def test_only_answers_differ(made):
    for name, _ in made.left_out:
        for full, left in zip(cells(FULL / name), cells(made.folder / name), strict=True):
            if ANSWER in full.metadata.get("tags", []):
                assert left.source != full.source
                assert "# your turn" in left.source or WRITE_DOWN in left.source
            else:
                assert left.source == full.source


def test_they_are_valid_notebooks_without_outputs(made):
    for name, _ in made.left_out:
        notebook = nbformat.read(made.folder / name, as_version=4)
        nbformat.validate(notebook)
        assert all(cell.outputs == [] for cell in notebook.cells if cell.cell_type == "code")


def test_what_was_pressed_in_a_full_notebook_is_left_out(tmp_path):
    pressed = nbformat.v4.new_notebook(metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {}}})
    (tmp_path / "full").mkdir()
    nbformat.write(pressed, tmp_path / "full" / "mine.ipynb")
    made = make_student_notebooks(tmp_path / "full", tmp_path / "students")
    assert "widgets" not in nbformat.read(made.folder / "mine.ipynb", as_version=4).metadata


def test_the_same_notebooks_give_the_same_files(made, tmp_path):
    again = make_student_notebooks(FULL, tmp_path / "again")
    for name, _ in made.left_out:
        assert (again.folder / name).read_bytes() == (made.folder / name).read_bytes()


@pytest.mark.parametrize(
    ("full", "left"),
    [
        ("create_topic(lab)", "# your turn"),
        ("topic = create_topic(lab)", 'from labkit import blank\n\ntopic = blank("topic")  # your turn'),
        ("news = json.loads(body)\nkey = news['key']", 'from labkit import blank\n\nkey = blank("key")  # your turn'),
        ("bucket, key = a, b\nput(bucket, key)", 'from labkit import blank\n\nkey = blank("key")  # your turn'),
        (
            '%%writefile "{folder}/x.py"\n"""What it does."""\nfrom batch import Rule\n\nRULE = Rule(1)\n\n\n'
            "def handler(event, context):\n    return 1",
            '%%writefile "{folder}/x.py"\n"""What it does."""\nfrom batch import Rule\n\nRULE = ...  # your turn\n\n\n'
            "def handler(event, context):\n    ...  # your turn",
        ),
        ("for f in fs:\n    add(f)", "# your turn"),
    ],
)
def test_code_becomes_blanks_for_what_is_used_later(full, left):
    assert with_room(full, {"topic", "key"}) == left


def test_only_what_is_read_later_is_a_blank():
    cell = nbformat.v4.new_code_cell("answer = receive(topic)")
    assert names_used([cell]) == {"receive", "topic"}


def test_no_answer_of_an_exercise_is_left_in_a_students_notebook(made):
    for one in exercises().values():
        text = "\n".join(cell.source for cell in cells(made.folder / f"{one.notebook}.ipynb"))
        left_out = set(one.answer.strip().splitlines()) - set(with_room(one.answer.strip(), set()).splitlines())
        assert left_out
        assert not [line for line in left_out if line and line in text]


def test_the_answer_of_an_exercise_is_the_code_of_the_full_notebook():
    for one in exercises().values():
        path = FULL / f"{one.notebook}.ipynb"
        answers = [c.source for c in cells(path) if c.cell_type == "code" and ANSWER in c.metadata.get("tags", [])]
        assert one.answer.strip() in answers


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
