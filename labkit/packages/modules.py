"""The modules in a deployment package: where Python finds each, and which of them the handler brings into play.

Whatever the handler's module does not import, directly or by way of others, Lambda never reads: tests, a virtual
environment, set-up files that were zipped along.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from stdlibs import KNOWN_VERSIONS, stdlib_module_names

from labkit.packages.source import Bindings, Import, Python, Source, imports, read_source
from labkit.zip_rules import resolved

# What every Python runtime of Lambda brings with it, so that it need not be in the zip.
IN_THE_RUNTIME = frozenset(
    {"awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "snapshot_restore_py", "urllib3"}
)
EXTENSION_MODULES = (".so", ".pyd", ".dylib")
EVERY_MODULE_HAS = frozenset(("__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"))
FINDERS = re.compile(rb"__path__|\bmeta_path\b|\bsys\.modules\b")  # what a package that finds modules itself speaks of
CODE = (".py", ".pyc", *EXTENSION_MODULES)


@dataclass
class Reached:
    """What importing the handler's module brings into play.

    `files` are all modules that it may import; `missing` and `faults` what makes the import fail in any case, and
    `too_new` what could not be read here.
    """

    files: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    too_new: list[str] = field(default_factory=list)


class Modules:
    """The modules among the files of a package, for one version of Python.

    `sources` are the contents of the `.py` files, `links` the symlinks and where they lead; a module's path is its
    dotted name with slashes.
    """

    def __init__(
        self, files: Iterable[str], sources: Mapping[str, bytes], links: Mapping[str, str], python: Python
    ) -> None:
        self.python = python
        self._files, self._sources, self._links = set(files), sources, links
        self._folders = {folder for name in self._files for folder in _folders(name)}
        self._extensions = {_stem(name): name for name in self._files if name.endswith(EXTENSION_MODULES)}
        self._read: dict[str, Source] = {}
        self._bound: dict[str, Bindings] = {}
        version = "{}.{}".format(*python)
        names = stdlib_module_names(version if version in KNOWN_VERSIONS else "3")
        self.in_python = frozenset(name for name in names if not name.startswith("xx"))  # those are CPython's examples

    def find(self, path: str) -> str | None:
        """The file that Python loads for this module: a package before a module, a binary before source."""
        for stem in (f"{path}/__init__", path):
            real = self._real(stem)
            found = [self._extensions.get(real), *(f"{real}{ending}" for ending in (".py", ".pyc"))]
            for name in found:
                if name in self._files:
                    return name
        return None

    def has(self, path: str) -> bool:
        """True if Python can import this module, be it only a folder of modules."""
        return self.find(path) is not None or self._real(path) in self._folders

    def _real(self, path: str) -> str:
        return (resolved(path, self._links) or path) if self._links else path

    def source(self, file: str) -> Source | None:
        """The module in this file, read; None if it has no source here."""
        if file not in self._sources:
            return None
        if file not in self._read:
            self._read[file] = read_source(file, self._sources[file], self.python)
        return self._read[file]

    def bindings(self, file: str) -> Bindings | None:
        """The names that the module in this file binds; None if it has no source that can be read here."""
        source = self.source(file)
        if source is None or source.tree is None:
            return None
        if file not in self._bound:
            self._bound[file] = Bindings(source.tree)
        return self._bound[file]

    def find_name(self, file: str, name: str) -> tuple[list[ast.AST], bool]:
        """What binds a name in a module, also by way of `from ... import *`; and whether that was all to be seen."""
        nodes: list[ast.AST] = []
        seen_all, queue, seen = True, [file], {file}
        while queue:
            one = queue.pop()
            bindings = self.bindings(one)
            if bindings is None:
                seen_all = False
                continue
            nodes += bindings.names.get(name, [])
            seen_all = seen_all and not bindings.open_ended
            for star in bindings.stars:
                found = self.find(_absolute(star, one) or "")
                if found is None:
                    seen_all = False
                elif found not in seen:
                    seen.add(found)
                    queue.append(found)
        return nodes, seen_all

    def reach(self, path: str) -> Reached:
        """What importing this module brings into play."""
        reached = Reached()
        queue = deque((file, True) for file in self._loaded(path))
        done: dict[str, bool] = {}  # file -> whether it is imported in any case
        while queue:
            file, certain = queue.popleft()
            if done.get(file, False) or (file in done and not certain):
                continue
            done[file] = certain
            source = self.source(file)
            if source is None:
                continue
            if source.tree is None:
                if certain and source.fault:
                    reached.faults.append(f"{file} is not valid Python: {source.fault}")
                reached.too_new += [source.too_new] if source.too_new and source.too_new not in reached.too_new else []
                continue
            for one in imports(source.tree):
                in_any_case = certain and one.certain
                if in_any_case:
                    reached.missing += [f"{what} (for {file})" for what in self._missing(one, file)]
                queue += [(found, in_any_case) for found in self._brought_by(one, file)]
        reached.files = set(done)
        reached.missing = list(dict.fromkeys(reached.missing))
        return reached

    def _loaded(self, path: str) -> Iterator[str]:
        """The files that importing a module loads: its packages first."""
        for prefix in (*reversed([*_folders(path)]), path):
            found = self.find(prefix)
            if found is not None:
                yield found

    def _brought_by(self, one: Import, file: str) -> Iterator[str]:
        path = _absolute(one, file)
        if path is not None:
            yield from self._loaded(path)
            for name in one.names:
                found = self.find(f"{path}/{name}".lstrip("/"))
                if found is not None:
                    yield found

    def _missing(self, one: Import, file: str) -> Iterator[str]:
        """What an import asks for and does not get."""
        path = _absolute(one, file)
        if path is None:
            yield f"{'.' * one.level}{one.module}, from outside a package"
            return
        top = path.split("/")[0]
        if not one.level and self.find(top) is None and (top in self.in_python or top in IN_THE_RUNTIME):
            return
        if not one.level and not self.has(top):
            yield top
            return
        if path and not self.has(path):
            if not self._may_make(path):
                yield path
            return
        for name in one.names:
            if name != "*" and not self.has(f"{path}/{name}") and not self._may_have(self.find(path), name):
                yield f"{path}/{name}"

    def _may_have(self, file: str | None, name: str) -> bool:
        """True if the module in this file can have this name; a folder without `__init__` has none."""
        if file is None:
            return False
        if name in EVERY_MODULE_HAS:
            return True
        nodes, seen_all = self.find_name(file, name)
        return bool(nodes) or not seen_all

    def _may_make(self, path: str) -> bool:
        """True if its package may bring forth modules that are no files: a binary, or one that finds them itself."""
        package = next(filter(self.has, _folders(path)), "")
        file = self.find(package) or ""
        return file.endswith(EXTENSION_MODULES) or bool(FINDERS.search(self._sources.get(file, b"")))

    def hidden(self) -> Iterator[str]:
        """The modules at the root that hide one of Python's own. A folder without `__init__` does not."""
        for name in sorted(self.in_python):
            found = self.find(name)
            if found is not None:
                yield found


def _absolute(one: Import, file: str) -> str | None:
    """The path of the module that an import in this file names; None for a relative one that leaves its package."""
    module = one.module.replace(".", "/")
    if not one.level:
        return module
    parts = file.split("/")
    if one.level >= len(parts):
        return None
    return "/".join([*parts[: -one.level], *([module] if module else [])])


def _folders(path: str) -> Iterator[str]:
    """`a/b`, `a` of `a/b/c`."""
    while path := path.rpartition("/")[0]:
        yield path


def _stem(name: str) -> str:
    """`a/fast` of `a/fast.cpython-314-x86_64-linux-gnu.so`."""
    return re.sub(r"\.[^/]*$", "", name)
