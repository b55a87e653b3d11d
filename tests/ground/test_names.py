"""What `labkit` offers by name: each name loads what it needs, when it is used, and nothing before."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

import pytest

import labkit

PROJECT = Path(__file__).parents[2]
HEAVY = {"boto3", "botocore", "PIL", "matplotlib", "numpy", "ipywidgets", "IPython", "moto", "rich"}


def python(code: str) -> str:
    """Run code in a Python of its own and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", labkit.__all__)
def test_each_name_is_there(name):
    assert getattr(labkit, name) is getattr(labkit, name)


def test_a_name_hides_no_module():
    assert {module.name for module in iter_modules(labkit.__path__)}.isdisjoint(labkit.__all__)


def test_all_of_them_come_by_a_star():
    assert python("from labkit import *; print(open_lab.__name__, draw_lab.__name__)") == "open_lab draw_lab\n"


def test_they_are_listed_for_whoever_presses_tab():
    assert dir(labkit) == labkit.__all__ == sorted(labkit.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="open_laboratory"):
        labkit.open_laboratory  # noqa: B018


@pytest.mark.parametrize("what", ["labkit", "labkit.embedded_aws", "labkit.embedded_aws.__main__"])
def test_importing_imports_next_to_nothing(what):
    loaded = python(f"import sys, {what}; print(*{{name.split('.')[0] for name in sys.modules}})").split()
    assert HEAVY.isdisjoint(loaded)


def test_using_a_name_imports_what_it_needs_and_not_what_others_need():
    loaded = python("import sys, labkit; labkit.open_lab; print(*sys.modules)").split()
    assert "boto3" in loaded
    assert {"matplotlib", "ipywidgets", "labkit.show"}.isdisjoint(loaded)


def test_matplotlib_comes_with_plots_and_with_nothing_else():
    plots = {"draw_burst", "draw_cost_of_memory", "draw_dashboard", "monitor", "timeline"}
    code = "import sys, labkit\nfor name in {}: getattr(labkit, name)\nprint('matplotlib' in sys.modules)"
    assert python(code.format(sorted(set(labkit.__all__) - plots))) == "False\n"
    for name in plots:
        assert python(code.format([name])) == "True\n"


def test_the_version_is_that_of_the_installed_package():
    assert labkit.__version__ == version("serverless-image-processing-lab")


@pytest.mark.slow
def test_type_checkers_see_the_names_and_their_types(tmp_path):
    snippet = tmp_path / "snippet.py"
    snippet.write_text("import labkit\nreveal_type(labkit.open_lab())\nreveal_type(labkit.__version__)\nlabkit.none\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(snippet)]
    environment = {**os.environ, "MYPYPATH": str(PROJECT)}  # mypy follows no editable installation
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment).stdout
    assert '"labkit.lab.Lab"' in said
    assert re.search(r'snippet.py:3: note: Revealed type is "(builtins\.)?str"', said)
    assert 'Module has no attribute "none"' in said
    assert "Found 1 error in 1 file" in said
