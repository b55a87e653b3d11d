"""A run as data, and its report: one HTML file that needs no network, no script and no style to be read.

What notebooks show comes from outside: names of objects, log lines, whatever AWS answered. So their HTML is cleaned of
all that acts, all other text is escaped, and the page's policy (CSP) forbids it to load or to send anything.
"""

from __future__ import annotations

import base64
import mimetypes
import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import mistune
import nh3
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from labkit.errors import write_file
from labkit.result import Html, Result, counted, html_table
from labkit.terminal import printable

if TYPE_CHECKING:  # its module imports papermill, which takes a second
    from nbformat import NotebookNode

    from labkit.run.execution import NotebookRun

TITLE = "The Serverless Image Processing Lab"
PACKAGES = ("boto3", "moto", "pillow", "awslambdaric", "papermill")  # those whose version can change what a run shows
IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"

# A table that is wider than the page scrolls in a box of its own, which the keyboard reaches; the page never does.
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
BOX = '<div class="table" role="group" aria-label="a table" tabindex="0">'
# The page may run no script, so a box to tick decides, by style alone, what goes to the printer.
PRINT_ALL = (
    '<p class="screen"><label><input type="checkbox" id="all"> Print all of it, not only this summary</label></p>'
)

# Of `labkit.show.forms` each map has its shapes, in properties of their own.
LAYOUT = """
--middle --tall align-items align-self background-color border color display font-size font-style font-weight gap
grid-row grid-template-columns grid-template-rows height margin margin-bottom margin-left margin-top max-width
overflow-wrap padding text-align vertical-align white-space width
"""


def _url(tag: str, attribute: str, value: str) -> str | None:  # noqa: ARG001
    """A picture may be in the page itself; nothing that a person could be led to."""
    return None if attribute == "href" and value.startswith("data:") else value


# What may stay of a notebook's HTML: nh3's own safe list, and what lays out tables and pictures.
CLEANER = nh3.Cleaner(
    attributes={**nh3.ALLOWED_ATTRIBUTES, "*": {"class", "role", "style"}, "details": {"open"}},
    attribute_filter=_url,
    generic_attribute_prefixes={"aria-"},
    filter_style_properties=set(LAYOUT.split()),
    url_schemes={"data", "http", "https", "mailto"},
    url_relative=lambda url: url if url.startswith("#") else None,  # what lies beside a notebook is not beside the page
    link_rel=None,
)

STYLE = Path(__file__).with_name("report.css")
CODE = HtmlFormatter(nowrap=True)  # made once: that takes longer than to use it


@dataclass(frozen=True)
class Run(Result):
    """All notebooks that were executed, and where their copies lie."""

    where: str  # in words
    started: datetime
    seconds: float
    folder: Path
    notebooks: tuple[NotebookRun, ...]
    not_reached: tuple[str, ...] = ()
    interrupted: bool = False  # a person, or the system, has ended it

    @property
    def failed(self) -> NotebookRun | None:
        """The notebook that failed, or None; it is the last one, since the next would lean on it."""
        return next((run for run in self.notebooks if run.failure), None)

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def sentence(self) -> str:
        """How the run went; where it failed, by notebook, cell and the error's first line."""
        if self.failed:
            return f"FAIL: {self.failed.name}, {self.failed.failure}"
        if self.interrupted:
            return f"FAIL: the run was interrupted after {self.notebooks[-1].name}."
        passed = sum(run.checks_passed for run in self.notebooks)
        checks = f", {counted(passed, 'check')} passed" if any(run.checks_made for run in self.notebooks) else ""
        return f"PASS: {counted(len(self.notebooks), 'notebook')} in {self.seconds:.1f} s{checks}."

    def headers(self) -> Sequence[str]:
        """Columns of the summary."""
        return ("notebook", "result", "seconds", "checks passed")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a notebook."""
        for run in self.notebooks:
            checks = f"{run.checks_passed} of {run.checks_made}" if run.checks_made else "none made"
            yield run.name, "FAIL" if run.failure else "PASS", f"{run.seconds:.1f}", checks
        for name in self.not_reached:
            yield name, "not reached", "", ""

    def as_data(self) -> dict[str, Any]:
        """How the run went, notebook by notebook, and where it lies."""
        return {
            "passed": self.failed is None and not self.interrupted,
            "interrupted": self.interrupted,
            "where": self.where,
            "started": self.started.isoformat(),
            "seconds": self.seconds,
            "folder": str(self.folder),
            "report": str(self.report),
            "notebooks": [run.as_data() for run in self.notebooks],
            "not_reached": list(self.not_reached),
        }


def write_report(run: Run) -> Path:
    """Write the report of `run` where it belongs, and return its path."""
    write_file(run.report, page(run), "writing the report")
    return run.report


def page(run: Run) -> str:
    """The report of `run` as HTML."""
    from labkit.show.calls import CODE_STYLE  # only now, with all that they need
    from labkit.show.forms import PAGE_STYLE

    names = [notebook.name for notebook in run.notebooks]
    contents = "".join(f'<li><a href="#{escape(n.name)}">{escape(_title(n))}</a></li>' for n in run.notebooks)
    whole = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{TITLE}: a run</title>
<style>
{STYLE.read_text("utf-8")}{PAGE_STYLE}
{CODE_STYLE}</style>
</head>
<body>
<header>
<h1>{TITLE}: a run</h1>
{_verdict(run)}
{html_table(("this run", "value"), _circumstances(run))}
{html_table(run.headers(), _summary(run), caption="The notebooks of this run")}
{PRINT_ALL}
</header>
<nav aria-label="Contents"><h2>Contents</h2><ul>{contents}</ul></nav>
<main>
{"".join(_section(notebook, names) for notebook in run.notebooks)}
</main>
</body>
</html>
"""
    return TABLE.sub(rf"{BOX}\g<0></div>", whole)


def _verdict(run: Run) -> str:
    failed = run.failed
    if failed is None or failed.failure is None:
        return f"<p><strong>{escape(run.sentence())}</strong></p>"
    rest = failed.failure.message.partition("\n")[2]
    more = f"<pre>{escape(rest)}</pre>" if rest else ""
    link = f'<a href="#{escape(failed.name)}-{failed.failure.cell}">To the cell.</a>'
    return f'<div class="fail"><p><strong>{escape(run.sentence())}</strong> {link}</p>{more}</div>'


def _summary(run: Run) -> Iterator[tuple[object, ...]]:
    """The rows of a run, in which a narrow page breaks the names of notebooks at their underscores."""
    for name, *others in run.rows():
        yield Html(escape(str(name)).replace("_", "_<wbr>")), *others


def _circumstances(run: Run) -> Iterator[tuple[str, str]]:
    yield "where", run.where
    yield "when", run.started.strftime("%Y-%m-%d %H:%M:%S %z")
    yield "took", f"{run.seconds:.1f} s"
    yield "on", f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield "with", ", ".join(_versions())


def _versions() -> Iterable[str]:
    for package in PACKAGES:
        if package != "awslambdaric" or platform.system() == "Linux":  # elsewhere the lab brings a stand-in
            yield f"{package} {version(package)}"


def _title(run: NotebookRun) -> str:
    """The notebook's first heading, as text."""
    for cell in run.notebook.cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE)):
            return found[1].strip()
    return run.name


def _section(run: NotebookRun, names: list[str]) -> str:
    markdown = mistune.create_markdown(
        renderer=_Prose(run, names), plugins=["table", "strikethrough", "url", "def_list"]
    )
    parts, number = [f'<section id="{escape(run.name)}" aria-label="{escape(_title(run))}">'], 0
    for cell in run.notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(CLEANER.clean(str(markdown(cell.source))))
        elif cell.cell_type == "code":
            number += 1
            parts.append(_code(cell, f"{run.name}-{number}", number))
            parts.extend(_output(output) for output in cell.outputs)
    return "\n".join([*parts, "</section>"])


def _code(cell: NotebookNode, anchor: str, number: int) -> str:
    lines = highlight(cell.source, PythonLexer(), CODE)
    return f'<p class="number" id="{escape(anchor)}">Cell {number}</p>\n<pre><code>{lines}</code></pre>'


def _output(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return f'<div class="output"><pre>{_plain(output.text)}</pre></div>'
    if output.output_type == "error":
        return f'<div class="output error"><pre>{_plain(chr(10).join(output.traceback))}</pre></div>'
    shown = _richest(output.data, output.get("metadata", {}))
    return f'<div class="output">{shown}</div>'


def _richest(data: dict[str, Any], metadata: dict[str, Any]) -> str:
    if "text/html" in data:
        return CLEANER.clean(data["text/html"])
    if "text/markdown" in data:
        return CLEANER.clean(str(mistune.html(data["text/markdown"])))
    for mime in IMAGES:
        if mime in data:
            words = metadata.get(mime, {}).get("alt") or data.get("text/plain", "a picture")
            drawing = mime == "image/svg+xml"
            return _image(mime, base64.b64encode(data[mime].encode()).decode() if drawing else data[mime], words)
    return f"<pre>{_plain(data.get('text/plain', ''))}</pre>"


def _image(mime: str, encoded: str, words: str) -> str:
    return f'<img src="data:{mime};base64,{escape("".join(encoded.split()))}" alt="{_plain(words)}">'


def _plain(text: str) -> str:
    return escape(printable(TERMINAL_COLOURS.sub("", text).replace("\r\n", "\n")))


class _Prose(mistune.HTMLRenderer):
    """A notebook's prose as a part of one page: headings one level down, links within it, pictures embedded."""

    def __init__(self, run: NotebookRun, names: list[str]) -> None:
        super().__init__(escape=False)
        self.source_folder, self.names = Path(run.source).parent, names

    def heading(self, text: str, level: int, **_: Any) -> str:
        return f"<h{min(level + 1, 6)}>{text}</h{min(level + 1, 6)}>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        stem, dot, _ = unquote(url).rpartition("/")[2].partition(".ipynb")
        if dot and stem in self.names:
            return f'<a href="#{escape(stem)}">{text}</a>'
        return super().link(text, url, title) if re.match(r"(https?|mailto):", url) else text

    def image(self, text: str, url: str, title: str | None = None) -> str:
        file, kind = self.source_folder / unquote(url), mimetypes.guess_type(url)[0] or ""
        if not (kind.startswith("image/") and os.path.isfile(file)):  # on a site, or missing: its words must do
            return super().image(text, url, title)
        return _image(kind, base64.b64encode(file.read_bytes()).decode(), text)
