"""Reads a deployment package as Lambda will, and says what will fail before an upload does."""

from __future__ import annotations

import ast
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from labkit.packages import runtimes
from labkit.packages.errors import PackageError
from labkit.packages.target import Target
from labkit.result import Check, Checks, html_table, text_table

if TYPE_CHECKING:
    from labkit.packages.elf import SharedObject

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_ZIPPED = 50 * 1024 * 1024  # for a direct upload; beyond it the zip goes by way of S3
MOST_UNZIPPED = 250 * 1024 * 1024

# What every Python runtime of Lambda brings with it, so that it need not be in the zip.
IN_THE_RUNTIME = frozenset(
    {"awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "snapshot_restore_py", "urllib3"}
)
# Libraries that Amazon Linux brings. manylinux wheels may lean on these and carry everything else with them.
SYSTEM_LIBRARIES = re.compile(
    r"(ld-linux[-\w]*|lib(c|m|dl|rt|pthread|util|resolv|nsl|crypt|gcc_s|stdc\+\+|z|expat|python3[.\d]*))\.so(\.\d+)*"
)
ABI = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)[-.\w]*\.(?:so|pyd)$")
MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf")
EXTENSION_MODULES = (".so", ".pyd", ".dylib")
_ZIP_AGAIN = "Make the zip again. Another file does not become a zip by its name, nor half a zip a whole one."


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

    def _contents_table(self) -> tuple[Sequence[str], list[Sequence[object]]]:
        rows: list[Sequence[object]] = [(entry.name, f"{entry.size:,}", f"{entry.packed:,}") for entry in self.contents]
        return ("largest contents", "bytes", "bytes in the zip"), rows

    def __str__(self) -> str:
        headers, rows = self._contents_table()
        return super().__str__() + ("\n\n" + text_table(headers, rows) if rows else "")

    def _html(self) -> str:
        headers, rows = self._contents_table()
        return super()._html() + (html_table(headers, rows) if rows else "")


def inspect_package(path: Path, *, handler: str | None = None, target: Target | None = None) -> Inspection:
    """Inspect the zip at `path` as the code of a function with this `handler` (`module.function`) on this `target`.

    What is left out is taken from the zip itself: the handler from its modules, the target from its binaries (and the
    newest runtime, if it has none). Nothing in the zip is run.

    Raises PackageError if there is no such file, or if Lambda has no such runtime or architecture.
    https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
    """
    path = Path(path)
    if not path.is_file():
        raise PackageError(f"There is no file {path}.", hint="`labkit build --out FOLDER` makes the lab's three zips.")
    if target is not None and not target.local:
        target.platforms()  # raises for a target that Lambda does not have
    title = f"deployment package {path.name}"
    try:
        with ZipFile(path) as archive:
            unreadable = _unreadable(archive)
            if unreadable is None:
                package = _Contents(archive, path, handler, target)
    except (BadZipFile, OSError, NotImplementedError) as error:
        unreadable = str(error)
    if unreadable is not None:
        check = Check("zip file", False, "a zip that can be unpacked", unreadable, _ZIP_AGAIN)
        return Inspection(title, (check,), path, handler or "")
    largest = sorted(package.entries, key=lambda entry: (-entry.compress_size, entry.filename))[:8]
    return Inspection(
        f"{title}, handler {package.handler}, for {package.target}",
        tuple(package.checks()),
        path,
        package.handler,
        tuple(Content(entry.filename, entry.file_size, entry.compress_size) for entry in largest),
    )


def _unreadable(archive: ZipFile) -> str | None:
    """Why the zip cannot be unpacked, or None."""
    entries = archive.infolist()
    if not entries:
        return "an empty zip"
    if any(entry.flag_bits & 1 for entry in entries):
        return "a zip with a password"
    if sum(entry.file_size for entry in entries) > 4 * MOST_UNZIPPED:
        return f"a zip that unpacks to {sum(entry.file_size for entry in entries):,} bytes"
    try:
        broken = archive.testzip()
    except (BadZipFile, ZlibError, EOFError, OSError, NotImplementedError) as error:
        return f"a damaged zip: {error}"
    return f"a damaged zip: {broken} does not unpack to what it was" if broken else None


class _Contents:
    """An unpacked view of one zip, and the checks on it."""

    def __init__(self, archive: ZipFile, path: Path, handler: str | None, target: Target | None) -> None:
        self.path = path
        self.entries: list[ZipInfo] = [entry for entry in archive.infolist() if not entry.is_dir()]
        self.names = [entry.filename for entry in self.entries]
        self.modules = {name: archive.read(name) for name in self.names if name.endswith(".py")}
        self.sources = {name: source for name, source in self.modules.items() if "/" not in name}
        self.binaries: dict[str, SharedObject] = {}
        self.foreign: list[str] = []  # binaries of another system, or broken ones
        for name in self.names:
            if name.endswith(EXTENSION_MODULES) or re.search(r"\.so(\.\d+)+$", name):
                self._add_binary(name, archive.read(name))
        self.target = target or self._guessed_target()
        self.handler = handler or self._guessed_handler()

    def _add_binary(self, name: str, data: bytes) -> None:
        from labkit.packages.elf import read_shared_object  # not above: pyelftools takes 40 ms to import

        try:
            self.binaries[name] = read_shared_object(data)
        except ValueError as error:
            kind = "Windows" if data[:2] == b"MZ" else "macOS" if data[:4] in MACH_O else str(error)
            self.foreign.append(f"{name} ({kind})")

    def _guessed_target(self) -> Target:
        machines = [binary.machine for binary in self.binaries.values()]
        pythons = [match.groups() for match in map(ABI.search, self.names) if match]
        newest = Target.newest()
        known = [machine for machine in machines if machine in runtimes.ARCHITECTURES]
        runtime = "python{}.{}".format(*max(pythons, key=pythons.count)) if pythons else newest.runtime
        if runtime not in [known_runtime.name for known_runtime in runtimes.RUNTIMES]:
            runtime = newest.runtime
        return Target(runtime, max(known, key=known.count) if known else newest.architecture)

    def _guessed_handler(self) -> str:
        for function in ("handler", "lambda_handler"):
            for name, source in self.sources.items():
                if re.search(rf"^def {function}\(".encode(), source, re.MULTILINE):
                    return f"{name.removesuffix('.py')}.{function}"
        return f"{self.path.stem}.handler"

    def checks(self) -> Iterator[Check]:
        """Everything there is to check, in the order in which Lambda would stumble."""
        yield Check("zip file", True, "a zip that can be unpacked", f"{len(self.entries)} files")
        yield self._sizes("zipped", self.path.stat().st_size, MOST_ZIPPED)
        yield self._sizes("unzipped", sum(entry.file_size for entry in self.entries), MOST_UNZIPPED)
        yield self._names()
        yield self._permissions()
        module = self._module()
        yield module
        if module.passed:
            yield self._function()
            yield self._imports()
        yield self._shadows()
        yield self._architecture()
        yield self._python()
        yield self._libraries()
        yield self._glibc()

    def _sizes(self, subject: str, size: int, most: int) -> Check:
        return Check(
            subject,
            size <= most,
            f"at most {most / 2**20:.0f} MB",
            f"{size / 2**20:.2f} MB",
            "Leave out what the function does not import; `labkit build` does.",
        )

    def _names(self) -> Check:
        bad = [name for name in self.names if "\\" in name or name.startswith("/") or ".." in name.split("/")]
        bad += sorted({name for name in self.names if self.names.count(name) > 1})
        return Check(
            "names",
            not bad,
            "each once, relative, with / between folders",
            _few(bad) or "as expected",
            "Make the zip with a tool that writes / between folders, such as `zip -r` or `labkit build`.",
        )

    def _permissions(self) -> Check:
        modes = [(entry.filename, entry.external_attr >> 16) for entry in self.entries if entry.create_system == 3]
        closed = [f"{name} ({stat.S_IMODE(mode):04o})" for name, mode in modes if mode and not mode & stat.S_IROTH]
        return Check(
            "permissions",
            not closed,
            "readable by everyone",
            _few(closed) or "as expected",
            "`chmod -R a+rX` before zipping: the function runs as a user of its own.",
        )

    def _module(self) -> Check:
        subject, wanted = "handler's module", self._module_path()
        if not wanted:
            hint = f"The handler is `<file name without .py>.<function name>`, such as `{self.handler}.handler`."
            return Check(subject, False, "a handler of two names, with a dot between", self.handler, hint)
        expected = f"{wanted}.py at the root of the zip"
        if self._has_module(wanted):
            return Check(subject, True, expected, f"{wanted}.py")
        nested = [name for name in self.names if name.endswith(f"/{wanted}.py")]
        inner = [name for name in self.names if name.lower().endswith(".zip")]
        similar = [name for name in self.names if name.lower() == f"{wanted}.py".lower()]
        if nested:
            found, hint = nested[0], "Zip the files themselves, not the folder that holds them."
        elif inner:
            found, hint = f"another zip, {inner[0]}", "Unpack the outer zip and upload the inner one."
        elif similar:
            found, hint = similar[0], "Capital and small letters count: rename the file or change the handler."
        else:
            found = _few([name for name in self.names if "/" not in name]) or "no file at the root"
            hint = "The handler is `<file name without .py>.<function name>`."
        return Check(subject, False, expected, found, hint)

    def _module_path(self) -> str:
        return self.handler.rpartition(".")[0].replace(".", "/")

    def _has_module(self, path: str) -> bool:
        return any(f"{path}{ending}" in self.names for ending in (".py", ".pyc", "/__init__.py")) or any(
            name.startswith(f"{path}.") and name.endswith(EXTENSION_MODULES) for name in self.names
        )

    def _function(self) -> Check:
        subject, function = "handler's function", self.handler.rpartition(".")[2]
        expected = f"a function {function}(event, context)"
        source = self.sources.get(f"{self._module_path()}.py")
        if source is None:
            return Check(subject, True, expected, "not looked into: no source at the root")
        try:
            module = ast.parse(source, f"{self._module_path()}.py")
        except (SyntaxError, ValueError) as error:
            return Check(subject, False, expected, f"code that is no Python: {error}", "Mend that line and zip again.")
        for node in module.body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name == function:
                return Check(subject, False, expected, f"async def {function}", "Lambda calls plain functions: `def`.")
            if isinstance(node, ast.FunctionDef) and node.name == function:
                return self._arguments(subject, expected, node)
        if function in _bound_names(module):
            return Check(subject, True, expected, f"{function}, assigned or imported")
        there = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
        return Check(
            subject, False, expected, _few(there) or "no function", "Change the handler, or the function's name."
        )

    def _arguments(self, subject: str, expected: str, node: ast.FunctionDef) -> Check:
        taken = len(node.args.posonlyargs) + len(node.args.args)
        needed = taken - len(node.args.defaults)
        fits = needed <= 2 and (taken >= 2 or node.args.vararg is not None)
        fits = fits and all(default is not None for default in node.args.kw_defaults)
        found = f"def {node.name}({ast.unparse(node.args)})"
        return Check(subject, fits, expected, found, "Lambda calls it with two arguments: the event and the context.")

    def _imports(self) -> Check:
        missing = []
        for name, source in sorted(self.modules.items()):
            try:
                module = ast.parse(source, name)
            except (SyntaxError, ValueError) as error:
                if "/" not in name:
                    missing.append(f"{name} is no Python: {error}")
                continue
            if "/" not in name:  # what packages import besides, they often only try
                missing += [f"{other} (for {name})" for other in _imported(module) if not self._is_importable(other)]
            missing += [f"{other} (for {name})" for other in self._missing_siblings(name, module)]
        return Check(
            "imports",
            not missing,
            "in the zip, in Python, or in the runtime",
            _few(list(dict.fromkeys(missing))) or "all found",
            "Put what is missing into the zip, beside the handler's module; mend what is no Python.",
        )

    def _is_importable(self, module: str) -> bool:
        if module in sys.stdlib_module_names or module in IN_THE_RUNTIME:
            return True
        return self._has_module(module) or any(name.startswith(f"{module}/") for name in self.names)

    def _missing_siblings(self, name: str, module: ast.Module) -> Iterator[str]:
        """The modules of its own package that a module imports in any case, and that are not there."""
        for node in module.body:
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            package = "/".join(name.split("/")[: -node.level])
            inside = f"{package}/{node.module.replace('.', '/')}" if node.module else package
            if not self._is_importable(inside):
                yield inside
            elif not node.module and f"{package}/__init__.py" in self.modules:
                try:
                    known = _bound_names(ast.parse(self.modules[f"{package}/__init__.py"]))
                except (SyntaxError, ValueError):
                    continue
                for alias in node.names:
                    if alias.name not in known and not self._is_importable(f"{package}/{alias.name}"):
                        yield f"{package}/{alias.name}"

    def _shadows(self) -> Check:
        roots = {name.split("/")[0].removesuffix(".py") for name in self.names if name.endswith(".py")}
        hidden = sorted(roots & sys.stdlib_module_names)
        return Check(
            "names of modules",
            not hidden,
            "none of Python's own",
            _few([f"{name}.py" for name in hidden]) or "as expected",
            "It hides Python's module of that name from everything else: rename it.",
        )

    def _architecture(self) -> Check:
        expected = (
            "this machine's binaries" if self.target.local else f"binaries for Linux on {self.target.architecture}"
        )
        if self.target.local and sys.platform != "linux":
            return Check("architecture", True, f"binaries for {sys.platform}", "not looked into")
        wrong = [
            f"{name} ({binary.machine})"
            for name, binary in self.binaries.items()
            if binary.machine != self.target.architecture
        ]
        wrong = self.foreign + wrong
        found = _few(wrong) or (f"{len(self.binaries)} binaries" if self.binaries else "no binaries")
        options = f"--runtime {self.target.runtime} --architecture {self.target.architecture}"
        hint = f"`labkit build {options}` makes the right ones."
        return Check("architecture", not wrong, expected, found, hint)

    def _python(self) -> Check:
        expected = f"binaries for Python {'.'.join(map(str, self.target.python))}"
        found = {name: (int(match[1]), int(match[2])) for name in self.names if (match := ABI.search(name))}
        wrong = [name for name, python in found.items() if python != self.target.python]
        return Check(
            "Python version",
            not wrong,
            expected,
            _few(wrong) or (f"{len(found)} binaries" if found else "no binaries"),
            f"These load in another Python only. Build for {self.target.runtime}, or choose the runtime they are for.",
        )

    def _libraries(self) -> Check:
        carried = {name.rsplit("/", 1)[-1] for name in self.names}
        missing = [
            f"{library} (for {name.rsplit('/', 1)[-1]})"
            for name, binary in self.binaries.items()
            for library in binary.needed
            if library not in carried and not SYSTEM_LIBRARIES.fullmatch(library)
        ]
        if any(name.startswith("PIL/") for name in self.names) and not any(
            re.match(r"PIL/_imaging\.[^/]*(so|pyd)$", name) for name in self.names
        ):
            missing.append("PIL/_imaging*.so, the core of Pillow")
        return Check(
            "libraries",
            not missing,
            "every binary that is needed is in the zip, or in Amazon Linux",
            _few(missing) or "all found",
            "Copy the whole of Pillow's wheel, `pillow.libs` too; or let `labkit build` do it.",
        )

    def _glibc(self) -> Check:
        known = [runtime for runtime in runtimes.RUNTIMES if runtime.name == self.target.runtime]
        needs = {name: binary.glibc for name, binary in self.binaries.items() if binary.glibc}
        newest = max(needs.values(), default=None)
        found = f"{newest[0]}.{newest[1]} is needed" if newest else "none is needed"
        if self.target.local or not known:
            return Check("glibc", True, "this machine's own", found)
        offered = known[0].glibc
        wrong = [f"{name} needs {need[0]}.{need[1]}" for name, need in needs.items() if need > offered]
        return Check(
            "glibc",
            not wrong,
            f"at most {offered[0]}.{offered[1]}, which {self.target.runtime} has",
            _few(wrong) or found,
            "Take wheels whose manylinux tag is no newer than that, or a newer runtime.",
        )


def _few(items: Sequence[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def _bound_names(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _imported(module: ast.Module) -> Iterator[str]:
    """The top-level names that a module imports in any case; not those it tries, or imports inside functions."""
    for node in module.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
