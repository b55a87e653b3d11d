"""What is in a deployment package, and what of it the handler brings into play."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import mode
from typing import TYPE_CHECKING

from labkit.packages import runtimes
from labkit.packages.modules import CODE, Modules, Reached
from labkit.packages.source import Python
from labkit.packages.target import Target
from labkit.zip_rules import Entry, OpenZip, resolved

if TYPE_CHECKING:
    from labkit.packages.elf import SharedObject

ABI = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)[-.\w]*\.(?:so|pyd)$")  # which Python an extension module is for
MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf")
SHARED_OBJECT = re.compile(r"\.(so|pyd|dylib)$|\.so(\.\d+)+$")
# A line that binds the name of a handler.
HANDLER = rb"^(?P<indent>[ \t]*)((async +)?def +%(name)s\b|%(name)s\s*[:=,]|from .* import .*\b%(name)s\b)"
# What macOS, editors and version control leave in a folder: files that no function asks for.
LEFT_BEHIND = re.compile(r"(^|/)(\.DS_Store|\._[^/]*)$|^(\.[^/]*|__MACOSX)/|(^|/)__pycache__/")


class PackageContents:
    """One zip as the code of a function: its files, its modules, and its binaries, as far as they are in play.

    `handler` and `target` are those given, or guessed.
    """

    def __init__(self, package: OpenZip, name: str, handler: str | None, target: Target | None) -> None:
        self.zip, self._name = package, name
        self.files: dict[str, Entry] = {entry.path: entry for entry in package.entries if entry.kind == "file"}
        self.links = {entry.path: entry.target for entry in package.entries if entry.kind == "link"}
        self.names = [*self.files, *(link for link in self.links if self._real(link) in self.files)]
        self.sources = self._read_all()
        self._handler = handler
        self._bring_into_play(target.python if target else self._python_of(self.names))
        if target is None:
            python = self._python_of(filter(self.in_play, self.names))  # a virtual environment beside it has no say
            if python != self.modules.python:
                self._bring_into_play(python)
        self.binaries: dict[str, SharedObject] = {}
        self.foreign: list[str] = []  # binaries of another system, or broken ones
        for name in () if package.too_large else self.files:
            if SHARED_OBJECT.search(name) and self.in_play(name):
                self._add_binary(name)
        self.target = target or Target("python{}.{}".format(*self.modules.python), self._architecture())

    def _real(self, name: str) -> str:
        return resolved(name, self.links) or name

    def _read_all(self) -> dict[str, bytes]:
        """Unpack all files, as Lambda does, and keep the modules' sources. Raises BadZip where that fails."""
        sources = {}
        for entry, pieces in () if self.zip.too_large else self.zip.contents():
            data = b"".join(pieces)
            if entry.path.endswith(".py"):
                sources[entry.path] = data
        return sources | {link: sources[self._real(link)] for link in self.links if self._real(link) in sources}

    def _bring_into_play(self, python: Python) -> None:
        """Follow the imports of the handler's module, as this Python does."""
        self.modules = Modules(self.names, self.sources, self.links, python)
        self.handler = self._handler or self._guessed_handler()
        self.module = self.handler.rpartition(".")[0].replace(".", "/")
        start = self.modules.find(self.module)
        source = self.modules.source(start) if start else None
        self.reached = self.modules.reach(self.module) if start else Reached()
        self._all_in_play = source is None or source.tree is None  # where nothing is known, all of it is looked at
        self._tops = {name.split("/")[0] for file in self.reached.files for name in (file, self._real(file))}
        self._code_folders = {name.split("/")[0] for name in self.names if "/" in name and name.endswith(CODE)}

    def in_play(self, name: str) -> bool:
        """True unless Lambda never reads this file: code that nothing imports, or what a system left behind.

        Binaries at the root, in `lib/` and in the `.libs` of wheels may be loaded by others, and data by anyone.
        """
        if LEFT_BEHIND.search(name):
            return False
        top, slash, _ = name.partition("/")
        if self._all_in_play or top in self._tops:
            return True
        if not slash:
            return not name.endswith((".py", ".pyc"))
        return top not in self._code_folders or top == "lib" or top.endswith(".libs")

    def _add_binary(self, name: str) -> None:
        from labkit.packages.elf import read_shared_object  # not above: pyelftools takes 40 ms to import

        data = self.zip.read(name)
        try:
            self.binaries[name] = read_shared_object(data)
        except ValueError as error:
            kind = "Windows" if data[:2] == b"MZ" else "macOS" if data[:4] in MACH_O else str(error)
            self.foreign.append(f"{name} ({kind})")

    def _python_of(self, names: Iterable[str]) -> Python:
        """The Python that most of these binaries are for; the newest runtime's if there are none."""
        found = [(int(match[1]), int(match[2])) for match in map(ABI.search, names) if match]
        known = {runtime.python for runtime in runtimes.RUNTIMES}
        return mode(found) if found and mode(found) in known else Target.newest().python

    def _architecture(self) -> str:
        """The one that most binaries are for; the newest target's if there are none."""
        found = [binary.machine for binary in self.binaries.values() if binary.machine in runtimes.ARCHITECTURES]
        return mode(found) if found else Target.newest().architecture

    def _guessed_handler(self) -> str:
        """Of all modules that may have a handler, the one that lies least deep."""
        found = []
        for name, source in self.sources.items():
            for function in () if LEFT_BEHIND.search(name) else ("handler", "lambda_handler"):
                match = re.search(HANDLER % {b"name": function.encode()}, source, re.MULTILINE)
                if match:
                    found.append((name.count("/"), len(match["indent"]), function != "handler", name, function))
        if not found:
            return f"{self._name}.handler"
        *_rank, name, function = min(found)
        return f"{name.rsplit('/', 1)[-1].removesuffix('.py')}.{function}"
