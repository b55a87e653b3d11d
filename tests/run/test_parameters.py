"""A parameter that a person types is read as the type that the notebook declares for it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.run.parameters import Parameter, declared_parameters, names_imported, share_parameters
from labkit.run.runner import take_options

CELL = """
prefix: str = ""
account: "str" = ""
photos: int = 200
share: float = 0.5
quick: bool = False
seed: int | None = None
name: str | None = None
sizes: list[int] = [1, 2]
half = quarter = 0.5
word = "cat"
limit = None
where_from: Path = Path(".")
"""


@pytest.fixture
def notebook(tmp_path) -> Path:
    return written(tmp_path / "one.ipynb", CELL)


def written(path: Path, cell: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    notebook.cells[0].metadata.tags = ["parameters"]
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("prefix", "2024", "2024"),
        ("prefix", "None", "None"),
        ("prefix", "", ""),
        ("account", "012345678901", "012345678901"),
        ("photos", "007", 7),
        ("photos", "-1", -1),
        ("share", "1", 1.0),
        ("quick", "True", True),
        ("quick", "false", False),
        ("seed", "None", None),
        ("seed", "7", 7),
        ("name", "None", None),
        ("name", "7", "7"),
        ("sizes", "[3, 4]", [3, 4]),
        ("half", "2", 2.0),
        ("quarter", "2", 2.0),
        ("word", "3", "3"),
        ("limit", "3", 3),
        ("limit", "three", "three"),
        ("where_from", "here", "here"),
    ],
)
def test_a_text_becomes_a_value_of_the_declared_type(notebook, name, text, value):
    shared = share_parameters([notebook], {name: text}, {})[notebook]
    assert shared == {name: value}
    assert type(shared[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "types"),
    [
        ("photos", "many", "int"),
        ("photos", "1.5", "int"),
        ("photos", "", "int"),
        ("photos", "True", "int"),
        ("quick", "1", "bool"),
        ("quick", "yes please", "bool"),
        ("seed", "none", "int or None"),
        ("sizes", "3", "list"),
        ("sizes", "[" * 1000, "list"),
        ("share", "half", "float"),
    ],
)
def test_what_is_not_one_is_refused_in_a_sentence(notebook, name, text, types):
    with pytest.raises(LabError) as refused:
        share_parameters([notebook], {name: text}, {})
    assert refused.value.message == f"The parameter {name!r} takes {types}, and {text[:60]!r} is not one."
    assert refused.value.code == "bad-option"


def test_each_notebook_gets_what_it_declares(notebook, tmp_path):
    other = written(tmp_path / "other.ipynb", "prefix: int = 0")
    assert share_parameters([notebook, other], {"prefix": "2024"}, {"word": "dog"}) == {
        notebook: {"prefix": "2024", "word": "dog"},
        other: {"prefix": 2024},
    }


def test_what_is_a_value_already_stays_one(notebook):
    assert share_parameters([notebook], {"photos": 7}, {}) == {notebook: {"photos": 7}}


@given(st.text(), st.lists(st.sampled_from(["str", "int", "float", "bool", "None", "list", "dict", "tuple"])))
def test_no_text_is_a_traceback(text, types):
    with suppress(ValueError):
        Parameter("any", tuple(types)).read(text)


def test_a_cell_that_is_not_python_is_told(tmp_path):
    with pytest.raises(LabError, match=r"magic\.ipynb is not a notebook that can be run") as refused:
        declared_parameters(written(tmp_path / "magic.ipynb", "%matplotlib inline"))
    assert refused.value.code == "bad-notebook"


class TestTheLabsOptions:
    """A parameter that bears the name of one is that option: run and notebooks are never in two places."""

    def test_are_taken_from_the_parameters(self):
        options, others = take_options({"where": None, "prefix": None}, {"prefix": "2024", "photos": "7"})
        assert options == {"where": None, "prefix": "2024"}
        assert others == {"photos": "7"}

    def test_given_twice_alike_are_one(self):
        assert take_options({"prefix": "ann-"}, {"prefix": "ann-"}) == ({"prefix": "ann-"}, {})

    def test_given_twice_and_not_alike_are_refused(self):
        with pytest.raises(LabError, match="There are two values for where: 'local' and 'aws'") as refused:
            take_options({"where": "local"}, {"where": "aws"})
        assert refused.value.hint() == "-p where is the same as --where: give one of them."
        assert refused.value.code == "bad-option"


def test_what_a_notebook_imports_from_labkit_is_known_before_it_runs(tmp_path):
    cells = [
        "from labkit import survey, draw_lab as draw\ndraw(survey(lab))",
        "if True:\n    from labkit import trace",
        "%magic\nfrom labkit import clean_up",
        "from labkit import no_such_name\nfrom labkit.steps import create_topic\nimport labkit",
    ]
    path = tmp_path / "imports.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    assert names_imported(path) == ["draw_lab", "no_such_name", "survey", "trace"]
