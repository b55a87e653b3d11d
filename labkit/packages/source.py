"""What the source of a module says, read as the Python of a package's target reads it.

Syntax that came after the target's Python is a fault there, whatever Python runs here. Syntax that came after the
Python that runs here cannot be read here, and is said to be just that.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

HOST = sys.version_info[:2]
Python = tuple[int, int]  # a version, such as (3, 14)

# Syntax that has come since Python 3.11, the oldest that runs this code, and how a line shows it.
# https://docs.python.org/3/whatsnew/index.html
F_STRINGS_NEST = (3, 12)
NEWER_SYNTAX: tuple[tuple[Python, re.Pattern[str]], ...] = (
    ((3, 12), re.compile(r"^\s*type\s+\w+\s*[=\[]")),
    ((3, 12), re.compile(r"^\s*(async\s+def|def|class)\s+\w+\s*\[")),
    ((3, 13), re.compile(r"^\s*(async\s+def|def|class|type)\s+\w+\s*\[[^\]]*=")),
    (F_STRINGS_NEST, re.compile(r"\b(?:[fF][rR]?|[rR][fF])[\"']")),
    ((3, 14), re.compile(r"^\s*except\*?\s+[^(#:]+,")),
    ((3, 14), re.compile(r"\b(?:[tT][rR]?|[rR][tT])[\"']")),
)


UNSEEN = {"exec", "globals", "locals", "setattr", "vars"}  # what binds names that no reader sees


@dataclass(frozen=True)
class Source:
    """A module that was read, or why it was not: a `fault` of its own, or that it is too new to be read here."""

    tree: ast.Module | None
    fault: str = ""
    too_new: str = ""


@dataclass(frozen=True)
class Import:
    """One import: of a module, and of `names` from it. `level` counts the dots of a relative one.

    `certain` is true if importing the module runs it, whatever happens: it stands in no function, `if` or `try`.
    """

    module: str
    names: tuple[str, ...]
    level: int
    certain: bool


def read_source(name: str, data: bytes, python: Python) -> Source:
    """Read the source of the module `name` (which messages give) as this version of Python does."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what only looks like a mistake
            tree = ast.parse(data, name, feature_version=min(python, HOST))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        since = _explained_by(error, python) if isinstance(error, SyntaxError) else None
        if since:
            here, there = (".".join(map(str, version)) for version in (HOST, since))
            return Source(None, too_new=f"Python {here} here cannot read what Python {there} may ({error})")
        return Source(None, fault=str(error) or type(error).__name__)
    fault = _nested_f_string(name, data) if python < F_STRINGS_NEST <= HOST else ""
    return Source(None, fault=fault) if fault else Source(tree)


def _explained_by(error: SyntaxError, python: Python) -> Python | None:
    """The Python whose newer syntax may be all that is wrong with a line; None if it is a fault on the target, too."""
    told_as_f_string = error.msg.startswith("f-string")
    newest = max(
        (
            since
            for since, pattern in NEWER_SYNTAX
            if pattern.search(error.text or "") or (told_as_f_string and since == F_STRINGS_NEST)
        ),
        default=HOST,
    )
    return newest if HOST < newest <= python and "was never closed" not in error.msg else None


def _nested_f_string(name: str, data: bytes) -> str:
    """What a Python before 3.12 says of an f-string that only later ones read; empty if there is none.

    ast's `feature_version` does not look at them. https://peps.python.org/pep-0701/
    """
    start, middle, end = (getattr(tokenize, f"FSTRING_{part}") for part in ("START", "MIDDLE", "END"))
    quotes: list[str] = []  # of the f-strings around
    for token in tokenize.tokenize(io.BytesIO(data).readline):
        if token.type == end:
            quotes.pop()
        around = quotes[:-1] if token.type == middle else quotes
        breaks = token.type == tokenize.NL and any(len(quote) == 1 for quote in around)
        clashes = token.type == tokenize.COMMENT or "\\" in token.string or any(q in token.string for q in around)
        if around and (breaks or clashes):
            return f"f-string: expression part as Python 3.12 and later have it ({name}, line {token.start[0]})"
        if token.type == start:
            quotes.append(token.string.lstrip("fFrR"))
    return ""


def imports(tree: ast.Module) -> Iterator[Import]:
    """All imports of a module, in functions too."""
    certain = set(map(id, tree.body))
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, (), 0, id(node) in certain) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.module or "", names, node.level, id(node) in certain)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements of a module, whatever they stand in: ast.walk would look at each expression, too."""
    found: list[ast.AST] = [tree]
    while found:
        node = found.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, None)
            found += reversed(inner) if isinstance(inner, list) else []


class Bindings(ast.NodeVisitor):
    """The names that a module binds, wherever outside functions and classes: name -> the nodes that do it.

    `stars` are its imports of all that another module has; `open_ended` is true if it can have names that its source
    does not show.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.names: dict[str, list[ast.AST]] = {}
        self.stars: list[Import] = []
        self.visit(tree)
        called = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        self.open_ended = "__getattr__" in self.names or not UNSEEN.isdisjoint(called)

    def _bind(self, name: str | None, node: ast.AST) -> None:
        if name:
            self.names.setdefault(name, []).append(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function: its name, and the module's names that it declares `global`."""
        self._bind(node.name, node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Global):
                for name in inner.names:
                    self._bind(name, inner)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class: its name alone."""
        self._bind(node.name, node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """What a lambda binds is its own."""

    def visit_Name(self, node: ast.Name) -> None:
        """A name that is assigned to, in whatever way."""
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id, node)

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b` binds `a`."""
        for alias in node.names:
            self._bind(alias.asname or alias.name.split(".")[0], node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a import b`, or all that `a` has."""
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(Import(node.module or "", ("*",), node.level, certain=True))
            else:
                self._bind(alias.asname or alias.name, node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        """A pattern that captures."""
        self._bind(node.name, node)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        """A pattern that captures the rest of a sequence."""
        self._bind(node.name, node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """A pattern that captures the rest of a mapping."""
        self._bind(node.rest, node)
        self.generic_visit(node)
