"""Just enough of ELF, the format of Linux binaries, to say what a shared library is for and what it needs.

The names of fields are those of the specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MACHINES = {0x3E: "x86_64", 0xB7: "arm64", 0x03: "x86", 0x28: "arm", 0xF3: "riscv64", 0x15: "ppc64le", 0x16: "s390x"}

DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5
DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
PT_LOAD, PT_DYNAMIC = 1, 2
SHF_ALLOC = 2  # the flag of sections that are loaded into memory


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
    """Read the headers of an ELF file.

    Raises ValueError if it is none, or a broken one.
    """
    if not is_elf(data) or len(data) < 64:
        raise ValueError("not an ELF file")
    order = {1: "<", 2: ">"}.get(data[5], "<")
    machine = struct.unpack_from(f"{order}H", data, 18)[0]
    if data[4] != 2:  # 32 bits: Lambda has no such machine, so the name is all that is asked for
        return SharedObject(MACHINES.get(machine, hex(machine)), (), None)
    try:
        return _read_64(data, order, MACHINES.get(machine, hex(machine)))
    except (struct.error, IndexError) as error:
        raise ValueError(f"a broken ELF file: {error}") from error


def _read_64(data: bytes, order: str, machine: str) -> SharedObject:
    (phoff,) = struct.unpack_from(f"{order}Q", data, 32)
    phentsize, phnum = struct.unpack_from(f"{order}HH", data, 54)
    loads, dynamic = [], None
    for i in range(phnum):
        kind, _flags, offset, address, _paddr, size = struct.unpack_from(f"{order}IIQQQQ", data, phoff + i * phentsize)
        if kind == PT_LOAD:
            loads.append((address, offset, size))
        elif kind == PT_DYNAMIC:
            dynamic = (offset, size)
    if dynamic is None:  # a static binary
        return SharedObject(machine, (), None)

    def at(address: int) -> int:
        for start, offset, size in loads:
            if start <= address < start + size:
                return int(address - start + offset)
        raise IndexError(f"address {address:#x} is in no segment")

    tags: dict[int, list[int]] = {}
    for position in range(dynamic[0], dynamic[0] + dynamic[1], 16):
        tag, value = struct.unpack_from(f"{order}QQ", data, position)
        if tag == DT_NULL:
            break
        tags.setdefault(tag, []).append(value)
    strings = at(tags[DT_STRTAB][0]) if DT_STRTAB in tags else 0

    def string(offset: int) -> str:
        start = strings + offset
        return data[start : data.index(b"\0", start)].decode("utf-8", "replace")

    needed = tuple(string(offset) for offset in tags.get(DT_NEEDED, ()))
    versions: list[str] = []
    if DT_VERNEED in tags:
        entry = at(tags[DT_VERNEED][0])
        for _ in range(tags.get(DT_VERNEEDNUM, [0])[0]):
            _version, count, _file, aux, following = struct.unpack_from(f"{order}HHIII", data, entry)
            position = entry + aux
            for _ in range(count):
                _hash, _flags, _other, name, step = struct.unpack_from(f"{order}IHHII", data, position)
                versions.append(string(name))
                position += step
            if not following:  # the last one, whatever their number is said to be
                break
            entry += following
    return SharedObject(machine, needed, _newest_glibc(versions))


def _newest_glibc(versions: list[str]) -> tuple[int, int] | None:
    numbers = [version.removeprefix("GLIBC_").split(".") for version in versions if version.startswith("GLIBC_2")]
    return max(((int(parts[0]), int(parts[1])) for parts in numbers if len(parts) > 1), default=None)


def without_debug_info(data: bytes) -> bytes:
    """`data`, an ELF file, with its debug information (DWARF) overwritten by zeros, which compress to nothing.

    Nothing moves, and nothing that is ever loaded into memory changes: three quarters of `_imaging.so` in Pillow's
    wheels are for debuggers alone.
    """
    if not is_elf(data) or data[4] != 2 or data[5] != 1:
        return data
    (shoff,) = struct.unpack_from("<Q", data, 40)
    shentsize, shnum, shstrndx = struct.unpack_from("<HHH", data, 58)
    sections = [struct.unpack_from("<IIQQQQ", data, shoff + i * shentsize) for i in range(shnum)]
    names = sections[shstrndx][4] if sections else 0
    blanked = bytearray(data)
    for name, _kind, flags, _address, offset, size in sections:
        if data.startswith(b".debug_", names + name) and not flags & SHF_ALLOC:
            blanked[offset : offset + size] = bytes(size)
    return bytes(blanked)
