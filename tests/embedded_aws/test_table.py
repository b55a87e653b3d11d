"""The table in the docs names a test for each behaviour: every name must be one."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "embedded-aws.md").read_text()


def test_every_test_that_the_table_names_exists():
    tests = [
        name for file in HERE.glob("test_*.py") for name in re.findall(r"^\s*def (test_\w+)", file.read_text(), re.M)
    ]
    named = re.findall(r"`(test_\w+)(…?)`", PAGE)
    assert len(named) > 60
    unknown = [
        name + dots
        for name, dots in named
        if not any(test.startswith(name) if dots else test == name for test in tests)
    ]
    assert unknown == []


def test_every_module_is_in_the_page():
    package = HERE.parents[1] / "labkit" / "embedded_aws"
    files = [file for file in package.rglob("*.py") if file.name != "__init__.py"]
    modules = {file.relative_to(package).as_posix() for file in files}
    assert [name for name in sorted(modules) if f"`{name}`" not in PAGE] == []


def from_moto(tree):
    """The names that a module imports from moto."""
    imports = [
        node for node in tree.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("moto")
    ]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def root(base):
    while isinstance(base, ast.Attribute):
        base = base.value
    return getattr(base, "id", "")


def test_every_gap_of_moto_names_motos_issue_or_says_that_none_is_known():
    told, untold = [], []
    for file in (HERE.parents[1] / "labkit" / "embedded_aws" / "services").glob("*.py"):
        tree = ast.parse(file.read_text())
        names = from_moto(tree) - {"JsonRESTError"}
        for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            if any(root(base) in names for base in node.bases):
                says = re.search(r"getmoto/moto#\d+|No issue of moto's is known", ast.get_docstring(node))
                (told if says else untold).append(node.name)
    assert len(told) > 10
    assert untold == []
