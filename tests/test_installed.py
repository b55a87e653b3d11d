"""Installed as a package, without the checkout: the wheel has all that `start`, `run` and `build` need."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

PROJECT = Path(__file__).parents[1]
HELD = ("notebooks", "lambda_packages", "docs")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command, cwd, **environment):
    """The output of a command that knows nothing of the checkout or of this test's environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LABKIT", "PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**kept, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and sdist, made of what git has."""
    folder = tmp_path_factory.mktemp("built")
    listed = run("git", "ls-files", "-z", cwd=PROJECT).split("\0")
    for name in filter(None, listed):
        if (PROJECT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / "source" / name)
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", cwd=folder / "source")
    (wheel,), (sdist,) = (list((folder / "dist").glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
    return wheel, sdist


@pytest.fixture(scope="module")
def labkit(built, tmp_path_factory):
    """The command, in an environment that has the wheel and what it depends on, and nothing else."""
    home = tmp_path_factory.mktemp("environment")
    if uv := shutil.which("uv"):
        run(uv, "venv", "--python", sys.executable, home / "venv", cwd=home)
        run(uv, "pip", "install", "--python", home / "venv" / "bin" / "python", built[0], cwd=home)
    else:
        venv.create(home / "venv", with_pip=True)
        run(home / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", built[0], cwd=home)
    return home / "venv" / "bin" / "labkit"


def test_wheel_and_sdist_have_the_whole_workbook(built):
    wheel, sdist = built
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    ours = {path.relative_to(PROJECT).as_posix() for held in HELD for path in (PROJECT / held).rglob("*.[imps]*")}
    ours = {name for name in ours if name.endswith((".ipynb", ".md", ".py", ".svg", ".png")) and "/." not in name}
    assert len(ours) > 30
    assert {f"labkit/workbook_files/{name}" for name in ours} <= names
    assert ours <= in_sdist
    assert {"labkit/__init__.pyi", "labkit/py.typed", "labkit/insight/prices.json", "labkit/samples/AWS.jpg"} <= names
    assert not [name for name in names if name.startswith("tests/")]


def test_their_metadata_would_be_taken(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built, cwd=PROJECT.parent)


def test_start_lays_the_workbook_out(labkit, tmp_path):
    said = json.loads(run(labkit, "start", "my lab", "--no-open", "--json", cwd=tmp_path))
    assert (tmp_path / "my lab" / "notebooks" / "00_check_your_lab.ipynb").is_file()
    assert said["workspace"] == str(tmp_path / "my lab")
    again = json.loads(run(labkit, "start", "my lab", "--no-open", "--json", cwd=tmp_path))
    assert (again["new"], again["updated"], again["kept"]) == ([], [], [])


def test_run_walks_the_whole_story(labkit, tmp_path):
    done = json.loads(run(labkit, "run", "--json", cwd=tmp_path))
    assert done["passed"]
    assert len(done["notebooks"]) == 8
    assert Path(done["report"]).is_relative_to(tmp_path)


def test_build_makes_the_packages(labkit, tmp_path):
    packages = json.loads(run(labkit, "build", "--here", "--json", cwd=tmp_path))
    assert [one["function"] for one in packages] == ["CreateThumbnail", "CreateWebImage", "CreateMobileImage"]
    assert (tmp_path / "build" / "CreateThumbnail.zip").is_file()


@pytest.mark.skipif(not shutil.which("uvx"), reason="uv is not installed")
def test_uvx_starts_it_in_one_command(built, tmp_path):
    said = run(
        "uvx", "--python", sys.executable, "--from", built[0], "labkit", "start", "there", "--no-open", cwd=tmp_path
    )
    assert "files new" in said
    assert (tmp_path / "there" / "docs" / "faults.md").is_file()
