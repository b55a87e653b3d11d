"""What a Linux binary is for and what it needs, read by pyelftools from its ELF headers.

The names of fields are those of the specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from elftools.elf.constants import SH_FLAGS
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64", "EM_386": "x86", "EM_ARM": "arm"}
GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(\.\d+)?")  # such as GLIBC_2.2.5


@dataclass(frozen=True)
class SharedObject:
    """A Linux binary: its machine as Lambda calls it, the libraries it needs, and the newest glibc symbol version."""

    machine: str
    needed: tuple[str, ...]
    glibc: tuple[int, int] | None


def is_elf(data: bytes) -> bool:
    """True if `data` begins as an ELF file does."""
    return data[:4] == b"\x7fELF"


def read_shared_object(data: bytes) -> SharedObject:
    """Read the headers of an ELF file. Raises ValueError if it is not one, or broken."""
    if not is_elf(data):
        raise ValueError("not an ELF file")
    try:
        elf = ELFFile(BytesIO(data))
        machine = str(elf["e_machine"])
        versions = [(int(match[1]), int(match[2])) for match in map(GLIBC.fullmatch, _needed_versions(elf)) if match]
        return SharedObject(
            MACHINES.get(machine, machine.removeprefix("EM_").lower()),
            tuple(_needed_libraries(elf)),
            max(versions, default=None),
        )
    except Exception as error:  # on a broken file pyelftools stumbles in many ways, of which ELFError is but one
        raise ValueError(f"a broken ELF file: {error or type(error).__name__}") from error


def _needed_libraries(elf: ELFFile) -> Iterator[str]:
    for segment in elf.iter_segments("PT_DYNAMIC"):
        assert isinstance(segment, DynamicSegment)
        for tag in segment.iter_tags("DT_NEEDED"):
            yield tag.needed  # type: ignore[attr-defined]  # which pyelftools sets by its name


def _needed_versions(elf: ELFFile) -> Iterator[str]:
    section = elf.get_section_by_name(".gnu.version_r")
    if isinstance(section, GNUVerNeedSection):
        for version, symbols in section.iter_versions():
            yield from (symbol.name for symbol in symbols)
            if not version["vn_next"]:  # the last one, whatever their number is said to be
                return


def without_debug_info(data: bytes) -> bytes:
    """`data`, an ELF file, with its debug information (DWARF) overwritten by zeros, which compress to nothing.

    Nothing moves, and nothing that is ever loaded into memory changes: three quarters of `_imaging.so` in Pillow's
    wheels are for debuggers alone. Whatever is not an ELF file comes back as it is.
    """
    if not is_elf(data):
        return data
    blanked = bytearray(data)
    for section in ELFFile(BytesIO(data)).iter_sections():
        if section.name.startswith(".debug_") and not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
            start, size = section["sh_offset"], section["sh_size"]
            blanked[start : start + size] = bytes(size)
    return bytes(blanked)
