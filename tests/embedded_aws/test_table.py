"""The table in the docs names a test for each behaviour: every name must be one."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "embedded-aws.md").read_text()


def test_every_test_that_the_table_names_exists():
    tests = [name for file in HERE.glob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)]
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
