"""The parameters of notebooks: which there are, and a text read as the type that the notebook declares for it."""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import LabError

PARAMETERS_TAG = "parameters"  # papermill's: the values of a run are put after the cell that bears it
NOT_READ = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)  # ast.literal_eval's, for any text


@dataclass(frozen=True)
class Parameter:
    """One name of a notebook's parameters cell, and the types that it takes; none if the cell does not say."""

    name: str
    types: tuple[str, ...]

    def read(self, text: str) -> Any:
        """The text as a value of one of the types; a str stays as it is, `2024` and `012345678901` too.

        Raises ValueError if it is none of them.
        """
        if not self.types:
            try:
                return ast.literal_eval(text)
            except NOT_READ:
                return text
        for name in sorted(self.types, key="str".__eq__):  # any text is a str: it comes last
            try:
                return _read(text, name)
            except NOT_READ:
                continue
        raise ValueError(f"takes {' or '.join(self.types)}, and {text[:60]!r} is not one")


def _read(text: str, name: str) -> Any:
    """The text as the type of that name."""
    if name == "str":
        return text
    if name in ("int", "float"):
        return getattr(builtins, name)(text)
    value = ast.literal_eval(text.capitalize() if name == "bool" else text)
    if type(value).__name__ != {"None": "NoneType"}.get(name, name):
        raise ValueError(text)
    return value


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook that can be run. Raises LabError if it is not one."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells: list[dict[str, Any]] = notebook["cells"]
        if notebook["nbformat"] != 4 or not any(cell["cell_type"] == "code" for cell in cells):
            raise ValueError("no code cells in nbformat 4")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_a_notebook(path, error) from error
    return cells


def names_imported(path: Path) -> list[str]:
    """What the cells of a notebook import from labkit by name. Raises LabError if it is not one."""
    found: set[str] = set()
    for cell in cells_of(path):
        try:
            tree = ast.parse("".join(cell["source"]) if cell["cell_type"] == "code" else "")
        except NOT_READ:  # a magic, or what will fail when it is run
            continue
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "labkit"]
        found |= {alias.name for node in imports for alias in node.names}
    return sorted(found)


def _not_a_notebook(path: Path, error: Exception) -> LabError:
    return LabError(
        f"{path.name} is not a notebook that can be run.",
        where=f"reading {path}",
        hint=f"{type(error).__name__}: {error}",
        code="bad-notebook",
    )


def declared_parameters(path: Path) -> dict[str, Parameter]:
    """What the cell of `path` that is tagged `parameters` declares, by name. Raises LabError if it is not Python."""
    try:
        found = [
            parameter
            for cell in cells_of(path)
            if PARAMETERS_TAG in cell["metadata"].get("tags", ())
            for statement in ast.parse("".join(cell["source"])).body
            for parameter in _declared(statement)
        ]
    except SyntaxError as error:
        raise _not_a_notebook(path, error) from error
    return {parameter.name: parameter for parameter in found}


def _declared(statement: ast.stmt) -> Iterator[Parameter]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield Parameter(statement.target.id, _types(statement.annotation))
    elif isinstance(statement, ast.Assign):
        default = type(statement.value.value).__name__ if isinstance(statement.value, ast.Constant) else ""
        types = (default,) if default in ("str", "int", "float", "bool") else ()
        yield from (Parameter(target.id, types) for target in statement.targets if isinstance(target, ast.Name))


def _types(annotation: ast.expr) -> tuple[str, ...]:
    """The builtin types that an annotation names; none if there is another among them."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    names: list[str] = []
    for part in _alternatives(annotation):
        name = ast.unparse(part.value if isinstance(part, ast.Subscript) else part)
        if name != "None" and not isinstance(getattr(builtins, name, None), type):
            return ()
        names.append(name)
    return tuple(names)


def _alternatives(annotation: ast.expr) -> Iterator[ast.expr]:
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from _alternatives(annotation.left)
        yield from _alternatives(annotation.right)
    else:
        yield annotation


def share_parameters(
    paths: Sequence[Path], parameters: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[Path, dict[str, Any]]:
    """What goes to which notebook: of `parameters` and `options`, those that it declares, texts read as it says.

    Raises LabError if one of `parameters`, which a person has named, is declared by none, or is of another type.
    """
    declared = {path: declared_parameters(path) for path in paths}
    known = {name for names in declared.values() for name in names}
    for name in parameters:
        if name not in known:
            raise LabError(
                f"No notebook declares the parameter {name!r}.",
                where="reading the cells tagged `parameters`",
                hint=f"There are {', '.join(sorted(known)) or 'none'}.",
                code="bad-option",
            )
    wanted = {**options, **parameters}
    return {
        path: {name: _value(path, parameter, wanted[name]) for name, parameter in names.items() if name in wanted}
        for path, names in declared.items()
    }


def _value(path: Path, parameter: Parameter, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parameter.read(value)
    except ValueError as error:
        raise LabError(
            f"The parameter {parameter.name!r} {error}.",
            where=f"reading the cell of {path.name} that is tagged `parameters`",
            hint=f"Give it as -p {parameter.name} VALUE, or leave it out: the cell says what it is then.",
            code="bad-option",
        ) from error
