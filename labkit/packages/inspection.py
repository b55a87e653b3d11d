"""Reads a deployment package as Lambda will, and says what will fail before an upload does."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.columns import Columns
from labkit.packages import runtimes
from labkit.packages.contents import ABI, PackageContents
from labkit.packages.errors import PackageError
from labkit.packages.target import Target
from labkit.result import Check, Checks, html_table, html_text, plain
from labkit.zip_rules import MOST_UNZIPPED, MOST_ZIPPED, BadZip, open_zip

# Libraries that Amazon Linux brings. manylinux wheels may lean on these and carry everything else with them.
SYSTEM_LIBRARIES = re.compile(
    r"(ld-linux[-\w]*|lib(c|m|dl|rt|pthread|util|resolv|nsl|crypt|gcc_s|stdc\+\+|z|expat|python3[.\d]*))\.so(\.\d+)*"
)

NOT_JUDGED = "not looked into"


@dataclass(frozen=True)
class Content:
    """One file in the zip: its name and its sizes in bytes, unpacked and packed."""

    name: str
    size: int
    packed: int


@dataclass(frozen=True)
class Inspection(Checks):
    """What was found in a deployment package: PASS or FAIL for each thing that Lambda needs, and what takes room."""

    path: Path = field(default=Path())
    handler: str = ""
    contents: tuple[Content, ...] = ()  # the largest files, largest first

    @property
    def findings(self) -> tuple[Check, ...]:
        """The lines of the inspection."""
        return self.checks

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be judged here: such lines pass, and have to be seen all the same."""
        return tuple(f"{check.subject}: {check.found}" for check in self.checks if NOT_JUDGED in check.found)

    def _contents_table(self) -> tuple[Sequence[str], list[Sequence[object]]]:
        rows: list[Sequence[object]] = [(entry.name, f"{entry.size:,}", f"{entry.packed:,}") for entry in self.contents]
        return ("largest contents", "bytes", "bytes in the zip"), rows

    def pieces(self) -> Iterable[str | Columns]:
        """The lines, the notes and, after a blank line, the largest contents."""
        yield from super().pieces()
        yield from (f"note: {note}" for note in self.notes)
        headers, rows = self._contents_table()
        if rows:
            yield ""
            yield Columns.of(headers, rows)

    def as_data(self) -> dict[str, Any]:
        """The lines, the file, its handler and its largest contents."""
        return {**super().as_data(), **plain({"path": self.path, "handler": self.handler, "contents": self.contents})}

    def _html(self) -> str:
        headers, rows = self._contents_table()
        notes = "".join(f"<p>note: {html_text(note)}</p>" for note in self.notes)
        return super()._html() + notes + (html_table(headers, rows) if rows else "")


def inspect_package(path: Path, *, handler: str | None = None, target: Target | None = None) -> Inspection:
    """Inspect the zip at `path` as the code of a function with this `handler` (`module.function`) on this `target`.

    What is left out is taken from the zip itself: the handler from its modules, the target from its binaries (and the
    newest runtime, if it has none). Nothing in the zip is run, and what the handler's module does not bring into play
    is not judged.

    Raises PackageError if there is no such file, or it cannot be read, or Lambda has no such runtime or architecture.
    https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
    """
    path = Path(path)
    if not path.is_file():
        raise PackageError(f"There is no file {path}.", hint="`labkit build --out FOLDER` makes the lab's three zips.")
    if target is not None and not target.local:
        target.platforms()  # raises for a target that Lambda does not have
    title = f"deployment package {path.name}"
    try:
        code = path.read_bytes()
    except OSError as error:
        raise PackageError(
            f"{path} cannot be read: {error.strerror}.", hint="Is it yours? `ls -l` shows it."
        ) from error
    try:
        with open_zip(code) as package:
            contents = PackageContents(package, path.stem, handler, target)
            checks = tuple(_checks(contents, len(code)))
    except BadZip as error:
        check = Check("zip file", False, "a zip that Lambda can unpack", error.reason, error.hint())
        return Inspection(title, (check,), path, handler or "")
    largest = sorted(contents.files.values(), key=lambda entry: (-entry.packed, entry.path))[:8]
    return Inspection(
        f"{title}, handler {contents.handler}, for {contents.target}",
        checks,
        path,
        contents.handler,
        tuple(Content(entry.path, entry.size, entry.packed) for entry in largest),
    )


def _checks(contents: PackageContents, zipped: int) -> Iterator[Check]:
    """Everything there is to check, in the order in which Lambda would stumble; `zipped` is the zip's size in bytes."""
    odd = [name for name in contents.names if "\\" in name]
    told = f"{len(contents.names)} files" + (
        f"; \\ is a letter on Linux, not a folder's end: {_few(odd)}" if odd else ""
    )
    yield Check("zip file", True, "a zip that Lambda can unpack", told)
    yield _size("zipped", zipped, MOST_ZIPPED + 1)
    yield _size("unzipped", contents.zip.unpacked_size, MOST_UNZIPPED)
    if contents.zip.too_large:
        return  # it was not unpacked
    yield _permissions(contents)
    module = _module(contents)
    yield module
    if module.passed:
        yield _function(contents)
        yield _imports(contents)
    yield _shadows(contents)
    yield _architecture(contents)
    yield _python(contents)
    yield _libraries(contents)
    yield _glibc(contents)


def _size(subject: str, size: int, limit: int) -> Check:
    return Check(
        subject,
        size < limit,
        f"at most {limit / 2**20:.0f} MB",
        f"{size / 2**20:.2f} MB",
        "Leave out what the function does not import; `labkit build` does.",
    )


def _permissions(contents: PackageContents) -> Check:
    closed = [
        f"{entry.path} ({entry.mode:04o})"
        for entry in contents.zip.entries
        if not entry.readable and contents.in_play(entry.path + "/" * (entry.kind == "folder"))
    ]
    return Check(
        "permissions",
        not closed,
        "readable by everyone, in folders that everyone may enter",
        _few(closed) or "as expected",
        "`chmod -R a+rX` before zipping: the function runs as a user of its own. Python's `writestr` with a bare "
        "name makes files that only their owner may read.",
    )


def _module(contents: PackageContents) -> Check:
    subject, wanted = "handler's module", contents.module
    if not wanted:
        hint = f"The handler is `<file name without .py>.<function name>`, such as `{contents.handler}.handler`."
        return Check(subject, False, "a handler of two names, with a dot between", contents.handler, hint)
    expected = f"{wanted}.py, counted from the root of the zip"
    found = contents.modules.find(wanted)
    if found:
        return Check(subject, True, expected, found)
    file = f"{wanted}.py"
    nested = [name for name in contents.names if name.endswith(f"/{file}")]
    from_windows = [name for name in contents.names if name.replace("\\", "/") == file or name.endswith(f"\\{file}")]
    inner = [name for name in contents.names if name.lower().endswith(".zip")]
    similar = [name for name in contents.names if name.lower() == file.lower()]
    if nested:
        handler = nested[0].removesuffix(".py").replace("/", ".") + f".{contents.handler.rpartition('.')[2]}"
        hint = f"Zip the files themselves, not the folder that holds them; or make the handler `{handler}`."
    elif from_windows:
        hint = "Make the zip with a tool that writes / between folders, such as `labkit build`."
    elif inner:
        hint = "Unpack the outer zip and upload the inner one."
    elif similar:
        hint = "Capital and small letters count: rename the file or change the handler."
    else:
        hint = "The handler is `<file name without .py>.<function name>`."
    shown = [*nested, *from_windows, *(f"another zip, {name}" for name in inner), *similar][:1]
    at_the_root = _few([name for name in contents.names if "/" not in name]) or "no file at the root"
    return Check(subject, False, expected, shown[0] if shown else at_the_root, hint)


def _function(contents: PackageContents) -> Check:
    subject, function = "handler's function", contents.handler.rpartition(".")[2]
    expected = f"a function {function}(event, context)"
    file = contents.modules.find(contents.module) or ""
    source, bindings = contents.modules.source(file), contents.modules.bindings(file)
    if source is None or source.too_new:
        return Check(subject, True, expected, f"{NOT_JUDGED}: {source.too_new if source else 'no source'}")
    if bindings is None:
        found = f"code that is not valid Python: {source.fault}"
        return Check(subject, False, expected, found, "Fix that line and zip again.")
    nodes, seen_all = contents.modules.find_name(file, function)
    misfits = [misfit for misfit in map(_misfit, nodes) if misfit]
    if nodes and len(misfits) == len(nodes):
        return Check(subject, False, expected, *misfits[-1])
    if nodes:
        last = nodes[-1]
        found = _signature(last) if isinstance(last, ast.FunctionDef) else f"{function}, assigned or imported"
        return Check(subject, True, expected, found)
    if not seen_all:
        found = f"{NOT_JUDGED}: {function} may come from a module that is not in the zip"
        return Check(subject, True, expected, found)
    there = [name for name, nodes in bindings.names.items() if isinstance(nodes[-1], ast.FunctionDef)]
    found = _few(there) or "no function"
    return Check(subject, False, expected, found, "Change the handler, or the function's name.")


def _imports(contents: PackageContents) -> Check:
    wrong = contents.reached.missing + contents.reached.faults
    found = "all found" + "".join(f"; {NOT_JUDGED}: {why}" for why in contents.reached.too_new)
    hint = "Put what is missing into the zip, beside the handler's module; fix what is not valid Python."
    if any("\\" in name for name in contents.names):
        hint += " Names with \\ are no folders: make the zip with a tool that writes / between them."
    return Check("imports", not wrong, "in the zip, in Python, or in the runtime", _few(wrong) or found, hint)


def _shadows(contents: PackageContents) -> Check:
    hidden = [name.split("/")[0] for name in contents.modules.hidden()]
    return Check(
        "names of modules",
        not hidden,
        "none of Python's own",
        _few(hidden) or "as expected",
        "It hides Python's module of that name from everything else: rename it.",
    )


def _architecture(contents: PackageContents) -> Check:
    expected = (
        "this machine's binaries" if contents.target.local else f"binaries for Linux on {contents.target.architecture}"
    )
    if contents.target.local and sys.platform != "linux":
        return Check("architecture", True, f"binaries for {sys.platform}", NOT_JUDGED)
    wrong = [
        f"{name} ({binary.machine})"
        for name, binary in contents.binaries.items()
        if binary.machine != contents.target.architecture
    ]
    wrong = contents.foreign + wrong
    found = _few(wrong) or (f"{len(contents.binaries)} binaries" if contents.binaries else "no binaries")
    options = f"--runtime {contents.target.runtime} --architecture {contents.target.architecture}"
    hint = f"`labkit build {options}` makes the right ones."
    return Check("architecture", not wrong, expected, found, hint)


def _python(contents: PackageContents) -> Check:
    expected = f"binaries for Python {'.'.join(map(str, contents.target.python))}"
    in_play = filter(contents.in_play, contents.names)
    found = {name: (int(match[1]), int(match[2])) for name in in_play if (match := ABI.search(name))}
    wrong = [name for name, python in found.items() if python != contents.target.python]
    return Check(
        "Python version",
        not wrong,
        expected,
        _few(wrong) or (f"{len(found)} binaries" if found else "no binaries"),
        f"These load in another Python only. Build for {contents.target.runtime}, or choose the runtime they are for.",
    )


def _libraries(contents: PackageContents) -> Check:
    carried = {name.rsplit("/", 1)[-1] for name in contents.names}
    missing = [
        f"{library} (for {name.rsplit('/', 1)[-1]})"
        for name, binary in contents.binaries.items()
        for library in binary.needed
        if library not in carried and not SYSTEM_LIBRARIES.fullmatch(library)
    ]
    if any(name.startswith("PIL/") and contents.in_play(name) for name in contents.names) and not any(
        re.match(r"PIL/_imaging\.[^/]*(so|pyd)$", name) for name in contents.names
    ):
        missing.append("PIL/_imaging*.so, the core of Pillow")
    return Check(
        "libraries",
        not missing,
        "every binary that is needed is in the zip, or in Amazon Linux",
        _few(missing) or "all found",
        "Copy the whole of Pillow's wheel, `pillow.libs` too; or let `labkit build` do it.",
    )


def _glibc(contents: PackageContents) -> Check:
    known = [runtime for runtime in runtimes.RUNTIMES if runtime.name == contents.target.runtime]
    needs = {name: binary.glibc for name, binary in contents.binaries.items() if binary.glibc}
    newest = max(needs.values(), default=None)
    found = f"{newest[0]}.{newest[1]} is needed" if newest else "none is needed"
    if contents.target.local or not known:
        return Check("glibc", True, "this machine's own", found)
    offered = known[0].glibc
    wrong = [f"{name} needs {need[0]}.{need[1]}" for name, need in needs.items() if need > offered]
    return Check(
        "glibc",
        not wrong,
        f"at most {offered[0]}.{offered[1]}, which {contents.target.runtime} has",
        _few(wrong) or found,
        "Take wheels whose manylinux tag is no newer than that, or a newer runtime.",
    )


def _few(items: Sequence[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}def {node.name}({ast.unparse(node.args)})"


def _misfit(node: ast.AST) -> tuple[str, str] | None:
    """Why this is not what Lambda calls (what was found, and a hint); None if it may be."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
        return None  # a decorator may make anything of it
    if isinstance(node, ast.AsyncFunctionDef):
        return _signature(node), "Lambda calls plain functions: `def`."
    taken = len(node.args.posonlyargs) + len(node.args.args)
    needed = taken - len(node.args.defaults)
    fits = needed <= 2 and (taken >= 2 or node.args.vararg is not None)
    if fits and all(default is not None for default in node.args.kw_defaults):
        return None
    return _signature(node), "Lambda calls it with two arguments: the event and the context."
