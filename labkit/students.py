"""Notebooks for students, made from the full ones: what is tagged `answer` is left out, all else stays as it is.

The full notebooks are the ones that are written, tested and run; nobody keeps two versions in step by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from labkit.errors import LabError
from labkit.result import Result

ANSWER = "answer"  # the cell tag; a code cell loses its statements, a text loses what follows its question
ROOM = "# your turn"
YOUR_TURN = f"...  {ROOM}"
IMPORT = "from labkit import blank"
WRITE_DOWN = "*Write down what you think, then run on.*"
QUESTION = "**Predict.**"


@dataclass(frozen=True)
class StudentNotebooks(Result):
    """The notebooks that were written, and how many answers each leaves out."""

    folder: Path
    left_out: tuple[tuple[str, int], ...]

    def sentence(self) -> str:
        """How many notebooks and answers."""
        answers = sum(count for _, count in self.left_out)
        return f"{len(self.left_out)} notebooks for students are in {self.folder}; {answers} answers are left out."

    def headers(self) -> Sequence[str]:
        """One row a notebook."""
        return ("notebook", "answers left out")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a notebook."""
        return self.left_out

    def as_data(self) -> dict[str, Any]:
        """The folder, and each notebook with how many answers it leaves out."""
        return {"folder": str(self.folder), "notebooks": [{"name": n, "left_out": count} for n, count in self.left_out]}


def make_student_notebooks(source: str | Path, folder: str | Path) -> StudentNotebooks:
    """Write the student's version of every notebook in `source` (and its subfolders) into `folder`.

    A code cell tagged `answer` becomes blanks for the names that later cells use; a text tagged so keeps its question.
    Outputs are left out. Raises LabError if there are no notebooks, or if the folders
    are the same.
    """
    source, folder = Path(source), Path(folder)
    where = "making notebooks for students"
    if folder.resolve() == source.resolve() or source.resolve() in folder.resolve().parents:
        raise LabError(
            f"{folder} lies in {source}, where the full notebooks are.",
            where=where,
            hint="Choose a folder elsewhere.",
            code="bad-option",
        )
    paths = [path for path in sorted(source.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
    if not paths:
        raise LabError(
            f"There are no notebooks in {source}.",
            where=where,
            hint="Name the folder that holds them.",
            code="not-there",
        )
    left_out = []
    for path in paths:
        notebook: Any = nbformat.read(path, as_version=4)
        answers = [cell for cell in notebook.cells if ANSWER in cell.metadata.get("tags", [])]
        for number, cell in enumerate(notebook.cells):
            if cell in answers:
                code = cell.cell_type == "code"
                later = names_used(notebook.cells[number + 1 :]) if code else set()
                cell.source = with_room(cell.source, later) if code else question_alone(cell.source)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        notebook.metadata.pop("widgets", None)  # what was pressed in it, and what was said of that
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        left_out.append((path.relative_to(source).as_posix(), len(answers)))
    return StudentNotebooks(folder, tuple(left_out))


def with_room(code: str, wanted: set[str]) -> str:
    """The code of an exercise with a blank for each of the `wanted` names that it sets, and nothing else of it.

    A cell that begins with `%%` writes a file: of that, see `without_answer`.
    """
    if code.startswith("%%"):
        magic, _, rest = code.partition("\n")
        return f"{magic}\n{without_answer(rest)}"
    stored = (node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and _is_stored(node))
    names = [name for name in dict.fromkeys(stored) if name in wanted]
    if not names:
        return ROOM
    return "\n".join([IMPORT, "", *(f'{name} = blank("{name}")  {ROOM}' for name in names)])


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def names_used(cells: Iterable[Any]) -> set[str]:
    """The names that the code of these cells reads, whatever else is in it (magics are not Python)."""
    found = set()
    for cell in cells:
        if cell.cell_type == "code" and not cell.source.startswith("%"):
            names = (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name))
            found |= {name.id for name in names if not _is_stored(name)}
    return found


def without_answer(code: str) -> str:
    """The code with its imports, and `...` instead of each other statement; names that are set are still named.

    Docstrings and the heads of functions stay.
    """
    lines: list[str] = []
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            lines.append(ast.unparse(statement))
            continue
        if lines and lines[-1].startswith(("import ", "from ")):
            lines.append("")
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                lines.append(f"{name} = {YOUR_TURN}")
            case ast.Expr(value=ast.Name(id=name)):
                lines.append(name)
            case ast.Expr(value=ast.Constant(value=str())):
                lines.append(ast.get_source_segment(code, statement) or "")
            case ast.FunctionDef(name=name, args=arguments):
                lines += ["", "", f"def {name}({ast.unparse(arguments)}):", f"    {YOUR_TURN}"]
            case _:
                lines.append(YOUR_TURN)
    return "\n".join(lines)


def question_alone(text: str) -> str:
    """The text up to its question, which ends with its paragraph; without a question, a line to write on."""
    before, found, after = text.partition(QUESTION)
    if not found:
        return WRITE_DOWN
    return f"{before}{found}{after.split(chr(10) * 2)[0]}\n\n{WRITE_DOWN}"
