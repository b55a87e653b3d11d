"""What building packages again and inspecting them costs: `python benchmarks/packages.py`.

A build that only looks up is held against the floor (its zip, read and hashed) and against a build that reads all of
Pillow's files to know what they are. An inspection is held against one of a quarter of the entries.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from labkit.packages import Target, build_package, inspect_package, pillow
from labkit.result import text_table

ENTRIES = (5_000, 20_000)


def make_zip(path: Path, entries: int) -> Path:
    """A function with many small files beside it."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        files = {f"data/{number % 100}/{number}.txt": b"x" * 50 for number in range(entries - 1)}
        for name, data in {"app.py": b"def handler(event, context):\n    return 1\n", **files}.items():
            about = ZipInfo(name)
            about.external_attr = 0o644 << 16
            archive.writestr(about, data)
    return path


def read_all_of_pillow(cache: Path) -> None:
    """What a look-up was before it went by stamps: Pillow's part, read and pruned to know its digest."""
    assert pillow.part_for(Target.host(), cache, print).files


def medians_ms(rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each kind of work, interleaved."""
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        package = build_package("CreateThumbnail", Target.host(), cache=cache)
        zips = {entries: make_zip(cache / f"{entries}.zip", entries) for entries in ENTRIES}
        few, many = (zips[entries] for entries in ENTRIES)
        work: dict[str, Callable[[], object]] = {
            "its zip, read and hashed (the floor)": lambda: hashlib.sha256(package.path.read_bytes()).digest(),
            "a package that was built before": lambda: build_package("CreateThumbnail", Target.host(), cache=cache),
            "Pillow's files, read and pruned": lambda: read_all_of_pillow(cache),
            f"inspection of {ENTRIES[0]:,} entries": lambda: inspect_package(few, handler="app.handler"),
            f"inspection of {ENTRIES[1]:,} entries": lambda: inspect_package(many, handler="app.handler"),
            "inspection of the lab's zip": lambda: inspect_package(package.path, target=package.target),
        }
        cpu: dict[str, list[float]] = {what: [] for what in work}
        for _ in range(rounds):
            for what, do in work.items():
                begun = time.process_time()
                do()
                cpu[what].append(time.process_time() - begun)
    return {what: statistics.median(values) * 1000 for what, values in cpu.items()}


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: a look-up against its floor, an inspection against a quarter of it."""
    floor, built, _read, small, large, _lab = medians_ms(rounds).values()
    return {
        "a package built before, against its zip read and hashed": built / floor,
        "an inspection of 20,000 entries, against one of 5,000": large / small,
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each is done; the median counts")
    medians = medians_ms(parser.parse_args().rounds)
    floor, built, read, small, large, _lab = medians.values()
    print(text_table(["what", "CPU"], [(what, f"{ms:.1f} ms") for what, ms in medians.items()]))
    print(f"\nA look-up: {built / floor:.1f} times the floor. Reading Pillow's files: {read / built:.1f} look-ups.")
    print(f"{ENTRIES[1] / ENTRIES[0]:.0f} times the entries: {large / small:.1f} times the inspection.")


if __name__ == "__main__":
    main()
