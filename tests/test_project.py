"""What holds for the project as a whole: its notebooks, links, dependencies, and what must not be in it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import nbformat
import papermill
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
NOTEBOOKS = sorted((PROJECT / "notebooks").rglob("*.ipynb"))
STORY = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]
PROSE = sorted(path for path in (*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")))
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
ENVIRONMENT = yaml.safe_load((PROJECT / "environment.yml").read_text())

SECRETS = {
    "an AWS access key": r"\b(AKIA|ASIA)(?!IOSFODNN7EXAMPLE)[A-Z0-9]{16}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "an AWS secret key": r"(?i)aws_secret_access_key\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}\b",
}


def cells(path: Path) -> list[nbformat.NotebookNode]:
    return nbformat.read(path, as_version=4).cells


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return [PROJECT / name for name in listed.split("\0") if name and (PROJECT / name).is_file()]


def ids(paths: list[Path]) -> list[str]:
    return [path.relative_to(PROJECT).as_posix() for path in paths]


def test_there_are_eight_notebooks_in_the_story():
    assert [path.stem[:2] for path in STORY] == [f"{number:02}" for number in range(8)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids(NOTEBOOKS))
class TestEachNotebook:
    def test_is_valid_and_every_cell_has_an_id_of_its_own(self, path):
        notebook = json.loads(path.read_text("utf-8"))
        nbformat.validate(notebook)
        assert (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5)
        names = [cell["id"] for cell in notebook["cells"]]
        assert len(names) == len(set(names))

    def test_carries_no_outputs(self, path):
        for cell in cells(path):
            if cell.cell_type == "code":
                assert cell.outputs == []
                assert cell.execution_count is None

    def test_runs_on_whatever_python_is_there(self, path):
        metadata = nbformat.read(path, as_version=4).metadata
        assert metadata.kernelspec.name == "python3"
        assert "version" not in metadata.get("language_info", {})

    def test_begins_with_one_title(self, path):
        titles = [
            line
            for cell in cells(path)
            if cell.cell_type == "markdown"
            for line in cell.source.splitlines()
            if re.match(r"#\s", line)
        ]
        assert len(titles) == 1
        assert cells(path)[0].source.startswith("# ")

    def test_explains_its_parameters_to_papermill(self, path):
        first = next(cell for cell in cells(path) if cell.cell_type == "code")
        assert first.metadata.get("tags") == ["parameters"]
        assigned = re.findall(r"^(\w+)\s*[:=]", first.source, re.MULTILINE)
        known = papermill.inspect_notebook(str(path))
        assert list(known) == assigned
        assert all(parameter["help"] and parameter["inferred_type_name"] != "None" for parameter in known.values())

    def test_links_to_what_is_there(self, path):
        text = "\n\n".join(cell.source for cell in cells(path) if cell.cell_type == "markdown")
        assert broken_links(text, path.parent) == []


@pytest.mark.parametrize("path", PROSE, ids=ids(PROSE))
def test_a_page_links_to_what_is_there(path):
    assert broken_links(path.read_text("utf-8"), path.parent, own=path.read_text("utf-8")) == []


def broken_links(text: str, folder: Path, *, own: str = "") -> list[str]:
    """The links in a Markdown text to files, or to headings of the same page, that do not exist."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    targets = re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", text) + re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    broken = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = unquote(target).partition("#")
        file = folder / name
        if name and not file.exists():
            broken.append(target)
        elif heading and (own if not name else file.suffix == ".md"):
            page = own if not name else file.read_text("utf-8")
            if heading not in anchors(page):
                broken.append(target)
    return broken


def anchors(page: str) -> set[str]:
    """The anchors that the headings of a page get on a code host."""
    headings = re.findall(r"^#+\s+(.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_broken_links_are_found():
    text = "[a](missing.md) [b](#no) [c](#a-heading) [d](https://example.com) `[e](code.md)` <img src='gone.png'>"
    assert broken_links(text, PROJECT, own="## A heading") == ["missing.md", "#no", "gone.png"]


def imported(folder: str) -> set[str]:
    """The modules that the Python files of a folder, or one file, import."""
    files = [PROJECT / folder] if folder.endswith(".py") else (PROJECT / folder).rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    beside = {f"labkit.{alias.name}" for node in froms if node.module == "labkit" for alias in node.names}
    return plain | beside | {node.module or "." for node in froms if node.module != "labkit"}


def own(modules: set[str]) -> set[str]:
    return {module for module in modules if module.split(".")[0] in ("labkit", ".")}


# The house, from the ground up: a module may import what is on its own floor, or below it.
FLOORS = (
    ("policy", "zip_rules"),
    ("embedded_aws",),
    ("columns", "layout", "terminal"),
    ("calls", "errors", "interrupts", "patience", "pictures", "progress", "result", "settings", "waiting", "workbook"),
    ("packages", "samples"),
    ("branch", "bucket_rules", "connection", "definition", "journal", "journal_line", "limits", "maker", "sign_in"),
    ("lab",),
    ("resources",),
    ("steps",),
    ("insight",),
    ("exercises", "show"),
    ("room", "run", "students"),
    ("__init__", "__main__", "cli"),
)
LONGEST_MODULE = 450  # lines; about 400 is what a reader holds in the head, and what is longer falls into parts


def above_its_floor(module: str, modules: set[str]) -> set[str]:
    """Which of the imported modules lie above the one that imports them."""
    names = {name.split(".")[1] if "." in name else "__init__" for name in own(modules) if name != "."}
    return {name for name in names if floor_of(name) > floor_of(module)}


def floor_of(name: str) -> int:
    """The floor of a module or folder of labkit, counted from below."""
    floors = [number for number, names in enumerate(FLOORS) if name in names]
    assert floors, f"labkit/{name} is on no floor of the house: FLOORS says where it belongs"
    return floors[0]


MODULES = sorted((PROJECT / "labkit").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
class TestEachModule:
    def test_imports_nothing_from_above_its_floor(self, path):
        inside = path.relative_to(PROJECT / "labkit")
        assert above_its_floor(inside.parts[0].removesuffix(".py"), imported(f"labkit/{inside}")) == set()

    def test_is_short_enough_to_be_read(self, path):
        assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE


def test_an_import_from_above_is_found():
    assert above_its_floor("steps", {"labkit.lab", "labkit.insight.doctor", "labkit", "json"}) == {
        "insight",
        "__init__",
    }
    with pytest.raises(AssertionError, match="labkit/cellar is on no floor"):
        floor_of("cellar")


class TestImportsPointDownwards:
    def test_the_embedded_aws_knows_of_policies_and_zips_and_of_nothing_else_in_the_lab(self):
        of_the_lab = own(imported("labkit/embedded_aws"))
        rules = {"labkit.policy", "labkit.zip_rules"}
        assert {module for module in of_the_lab if not module.startswith("labkit.embedded_aws")} <= rules

    @pytest.mark.parametrize("rules", ["labkit/policy.py", "labkit/zip_rules.py"])
    def test_the_rules_of_aws_know_neither_lab_nor_emulator(self, rules):
        assert {module.split(".")[0] for module in imported(rules)} <= sys.stdlib_module_names

    def test_the_functions_know_nothing_of_the_lab(self):
        assert own(imported("lambda_packages")) == set()

    def test_the_lab_knows_of_the_embedded_aws_only_how_to_start_and_stop_it(self):
        beside = [path for path in (PROJECT / "labkit").rglob("*.py") if "embedded_aws" not in path.parts]
        modules = {module for path in beside for module in imported(path.relative_to(PROJECT).as_posix())}
        assert {module for module in modules if module.startswith("labkit.embedded_aws")} <= {"labkit.embedded_aws"}


def locked(name: str) -> dict[str, set[str]]:
    """The versions that a lock names for each package; several where they differ by Python."""
    pins: dict[str, set[str]] = {}
    for found in re.finditer(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", (PROJECT / "locks" / f"{name}.txt").read_text(), re.M):
        pins.setdefault(canonicalize_name(found[1]), set()).add(found[2])
    return pins


# The house's words: what is said instead of what. AWS's words, and plain English, are found by who searches for them.
WORDS = {
    r"tak(e|es|ing) (on )?the role on|take on (a|the) role": "assume the role",
    r"\bmend(s|ed|ing)?\b|\bheal(s|ed)?\b": "fix",
    r"given up|gives? (it|them) up|\bbur(y|ied)\b": "moved to the dead-letter queue",
    r"\bsomebody's bucket\b|\bstrangers?\b": "an existing bucket, someone else's",
    r"\bin place of\b": "instead of",
    r"\bof one's own\b": "its own, your own",
    r"\bno (JPEG|Python|image|zip)\b": "not a JPEG, not valid Python",
    r"\bwarden\b|\bfront.door\b|\bfast lane\b|\bfleet\b": "reaper, dispatcher, fast path, pool",
}


def words_of(path: Path) -> str:
    """What a person reads in a document or a notebook."""
    return path.read_text("utf-8") if path.suffix != ".ipynb" else "\n".join(cell.source for cell in cells(path))


@pytest.mark.parametrize("path", [*PROSE, *NOTEBOOKS], ids=ids([*PROSE, *NOTEBOOKS]))
def test_one_thing_has_one_name(path):
    text = words_of(path)
    assert {said[0]: better for word, better in WORDS.items() for said in re.finditer(word, text, re.IGNORECASE)} == {}


class TestDependencies:
    def test_conda_users_get_the_same_by_way_of_pip(self):
        own, (pip,) = (
            [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, kind)] for kind in (str, dict)
        )
        assert [re.split(r"[=<>]", name)[0] for name in own] == ["python", "pip"]
        assert pip == {"pip": ["-r locks/lab.txt"]}

    def test_conda_users_get_a_python_that_the_project_supports(self):
        assert "python=3.13" in ENVIRONMENT["dependencies"]
        assert PYPROJECT["project"]["requires-python"] == ">=3.11"

    def test_the_workflow_tries_every_supported_python(self):
        workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "tests.yml").read_text())
        matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
        assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
        assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos"}

    def test_each_is_locked_at_a_version_that_it_allows(self):
        extras = PYPROJECT["project"]["optional-dependencies"]
        wanted = {"lab": ["test"], "lint": ["test", "lint"], "hub": ["test", "hub"], "all": list(extras)}
        for name, added in wanted.items():
            pins = locked(name)
            for text in [*PYPROJECT["project"]["dependencies"], *(text for extra in added for text in extras[extra])]:
                need = Requirement(text)
                found = pins[canonicalize_name(need.name)]
                assert all(need.specifier.contains(version) for version in found), (
                    f"{text}: {found} in locks/{name}.txt"
                )

    def test_the_smaller_locks_are_parts_of_the_largest(self):
        assert all(
            locked("all")[name] == found for part in ("lab", "lint", "hub") for name, found in locked(part).items()
        )

    @pytest.mark.parametrize("name", ["lab", "lint", "hub", "all"])
    def test_a_lock_has_hashes_and_no_address(self, name):
        text = (PROJECT / "locks" / f"{name}.txt").read_text()
        assert not re.search(r"://|file:|^-", text, re.MULTILINE)
        for pin in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in pin, pin

    def test_each_has_a_reason(self):
        lines = (PROJECT / "pyproject.toml").read_text().split("dependencies = [")[1].split("\n]")[0].splitlines()
        reason = False
        for line in filter(None, map(str.strip, lines)):
            reason = line.startswith("#") or "#" in line or reason
            assert reason, line


class TestWhatMustNotBeThere:
    @pytest.mark.parametrize("what", SECRETS)
    def test_a_secret(self, what):
        found = [
            path.relative_to(PROJECT)
            for path in tracked()
            if path != Path(__file__) and re.search(SECRETS[what], path.read_bytes().decode("utf-8", "ignore"))
        ]
        assert found == []

    def test_a_file_too_large_for_a_class_to_clone(self):
        assert [path for path in tracked() if path.stat().st_size > 8_000_000] == []
