"""Build the site from a run: python docs/site/build.py RUN SITE, where RUN holds executed notebooks.

A copy of README, documents and notebooks is laid out as in the project, so that their links hold; each notebook that
was executed takes the place of its source. Warnings, such as a link that leads nowhere, are errors.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

PROJECT = Path(__file__).parents[2]
ABOUT_THE_PROJECT = ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")
LINKED = ("LICENSE", "labkit/samples/LICENCES.md", *(f"{page}.md" for page in ABOUT_THE_PROJECT))  # beside the docs


def toctree(caption: str, pages: Iterable[str]) -> str:
    """A part of the list of contents that stands beside every page."""
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", *pages, "```", ""])


def lay_out(run: Path, pages: Path) -> None:
    """Copy into `pages` what the site is made of."""
    for name in LINKED:
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, pages / name)
    shutil.copytree(PROJECT / "docs", pages / "docs", ignore=shutil.ignore_patterns("site"))
    shutil.copytree(PROJECT / "notebooks", pages / "notebooks", ignore=shutil.ignore_patterns(".*"))
    of_python = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "lambda_packages", pages / "lambda_packages", ignore=of_python)
    for executed in run.rglob("*.ipynb"):
        (source,) = (pages / "notebooks").rglob(executed.name)
        shutil.copy(executed, source)
    story = [f"notebooks/{path.stem}" for path in sorted((pages / "notebooks").glob("*.ipynb"))]
    documents = [f"docs/{path.stem}" for path in sorted((pages / "docs").glob("*.md"))]
    beyond = [f"notebooks/beyond/{path.stem}" for path in sorted((pages / "notebooks" / "beyond").glob("*.ipynb"))]
    (pages / "index.md").write_text(
        (PROJECT / "README.md").read_text("utf-8")
        + toctree("The notebooks", story)
        + toctree("Beyond the story", ["notebooks/beyond", *beyond])
        + toctree("The documents", [*documents, *ABOUT_THE_PROJECT, "lambda_packages", "labkit/samples/LICENCES"]),
        "utf-8",
    )
    # Folders that pages link to have a page of their own.
    links = "".join(f"\n- [](../{page}.ipynb)" for page in beyond)
    (pages / "notebooks" / "beyond.md").write_text(f"# When you know the way\n{links}\n", "utf-8")
    (pages / "lambda_packages.md").write_text("# The code of the functions\n" + code_of_the_functions(), "utf-8")


def code_of_the_functions() -> str:
    """All Python files of the functions, one after the other."""
    folder = PROJECT / "lambda_packages"
    return "".join(
        f"\n## {path.relative_to(folder)}\n\n```python\n{path.read_text('utf-8')}```\n"
        for path in sorted(folder.rglob("*.py"))
    )


def main(run: Path, site: Path) -> int:
    """Build the site, and return Sphinx's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages"
        pages.mkdir()
        lay_out(run, pages)
        options = ["--quiet", "--fail-on-warning", "--builder", "html", "--conf-dir", str(Path(__file__).parent)]
        return sphinx_build([*options, "--doctree-dir", str(Path(folder) / "doctrees"), str(pages), str(site)])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
