"""A function's code, one cell away wherever it is spoken of; and two pictures that differ by one change of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pygments import highlight

from labkit import pictures
from labkit.errors import LabError
from labkit.result import Result, html_text
from labkit.show.calls import CODE_LOOKS, CODE_STYLE, FORMATTER, PYTHON
from labkit.show.picture import Picture, Shown
from labkit.steps.code import Tried, code_files

SIDE = 300  # pixels that each of two pictures takes at most
PAGE_QUALITY = 90  # so that what the eye sees is the function's doing, not the page's


@dataclass(frozen=True)
class Code(Result):
    """Pieces of Python, each with the file that it stands in."""

    pieces_of_it: tuple[tuple[str, str], ...]  # file, text

    def sentence(self) -> str:
        """Where it stands."""
        return f"From {', '.join(dict.fromkeys(name for name, _ in self.pieces_of_it))}:"

    def headers(self) -> Sequence[str]:
        """One row a piece."""
        return ("file", "code")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a piece."""
        return self.pieces_of_it

    def _text(self) -> str:
        return "\n\n".join(f"{name}\n{text}" for name, text in self.pieces_of_it)

    def _html(self) -> str:
        shown = "".join(
            f"<p style='margin:0'><b>{html_text(name)}</b></p>"
            f'<pre class="labkit-code" style="{CODE_LOOKS}">{highlight(text, PYTHON, FORMATTER)}</pre>'
            for name, text in self.pieces_of_it
        )
        return f"<style>{CODE_STYLE}</style>{shown}"


def show_code(function: str, *names: str, source: Path | None = None) -> Code:
    """The file that Lambda calls, of a function such as `CreateThumbnail`; or what is called so in the shared code.

    `names` are functions, classes or names of the code; they are shown without their docstrings. `source` is the folder
    of a function of your own. Raises LabError if there is no such function, or name.
    """
    files = code_files(function, source)
    if not files[0].is_file():
        known = ", ".join(sorted(path.stem for path in files[0].parents[1].glob("*/Create*.py")))
        raise LabError(f"There is no code of a function {function!r}.", hint=f"There is {known}.", code="not-there")
    if not names:
        return Code(((files[0].name, files[0].read_text("utf-8").rstrip()),))
    return Code(tuple(_piece(name, files) for name in names))


def _piece(name: str, files: Sequence[Path]) -> tuple[str, str]:
    for path in files:
        text = path.read_text("utf-8")
        for node in ast.parse(text).body:
            if name in _named(node):
                lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
                return path.name, "\n".join(_without_docstring(node, lines))
    raise LabError(f"Nothing is called {name!r} in {', '.join(path.name for path in files)}.", code="not-there")


def _named(node: ast.stmt) -> Iterable[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.Assign(targets=targets):
            return tuple(target.id for target in targets if isinstance(target, ast.Name))
    return ()


def _without_docstring(node: ast.stmt, lines: list[str]) -> list[str]:
    match node:
        case ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str())) as said, *_]):
            return lines[: said.lineno - node.lineno] + lines[(said.end_lineno or said.lineno) - node.lineno + 1 :]
    return lines


def compare_pictures(tried: Tried) -> Picture:
    """What a function made before its code was changed, and after, side by side at one scale."""
    both = ((tried.old, tried.before), (tried.new, tried.after))
    scale = min(1.0, *(SIDE / max(photo.width, photo.height) for _, photo in both))
    shown = []
    for code, photo in both:
        size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
        small = pictures.upright(photo.data, photo.key).resize(size)
        words = f"{code}\n{photo.width} x {photo.height} pixels\n{len(photo.data):,} bytes"
        alt = f"What {tried.function} made with {code}: {photo.width} x {photo.height} pixels."
        shown.append(Shown(pictures.as_jpeg(small, PAGE_QUALITY), "image/jpeg", alt, size[0], words))
    return Picture(tried.sentence(), tuple(shown), tuple(tried.headers()), tuple(map(tuple, tried.rows())))
