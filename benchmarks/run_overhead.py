"""How much longer `labkit run` takes than papermill needs for as many notebooks that only start a kernel.

All as whole processes, turn and turn about, so that a busy machine slows all. The run may take at most 2.5 times as
long. The floor is what `labkit run` needs for the empty ones: what is above it are the cells.

    .venv/bin/python benchmarks/run_overhead.py [ROUNDS]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

PROJECT = Path(__file__).parents[1]
LIMIT = 2.5
EMPTY = """
import sys
import papermill

for number in range(int(sys.argv[1])):
    papermill.execute_notebook("empty.ipynb", f"executed-{number}.ipynb", progress_bar=False)
"""


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of wall clock and of CPU (children included) that a command takes."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounds_of_all(rounds: int) -> tuple[list[tuple[float, float]], ...]:
    """Wall clock and CPU of each round: the lab's run, its run of empty notebooks, and papermill's of as many."""
    notebooks = len(list((PROJECT / "notebooks").glob("0*.ipynb")))
    lab: list[tuple[float, float]] = []
    empty: list[tuple[float, float]] = []
    floor: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nothing = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")], metadata=kernel)
        names = [str(folder / f"{number:02}_empty.ipynb") for number in range(notebooks)]
        for one in (*names, folder / "empty.ipynb"):
            nbformat.write(nothing, one)
        run = [sys.executable, "-m", "labkit", "run"]
        for number in range(rounds):
            empty.append(measure([sys.executable, "-c", EMPTY, str(notebooks)], folder))
            floor.append(measure([*run, *names, "--out", str(folder / f"floor-{number}")], PROJECT))
            lab.append(measure([*run, "--out", str(folder / f"run-{number}")], PROJECT))
            took = f"papermill {empty[-1][0]:.1f} s, floor {floor[-1][0]:.1f} s, labkit run {lab[-1][0]:.1f} s"
            print(f"round {number + 1}: {took}", flush=True)
    return lab, floor, empty


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: times what papermill needs for empty notebooks."""
    lab, _floor, empty = rounds_of_all(rounds)
    return {
        f"a whole run, {what}, against empty notebooks": statistics.median(
            run[index] / papermill[index] for run, papermill in zip(lab, empty, strict=True)
        )
        for index, what in enumerate(("wall clock", "CPU"))
    }


def main() -> None:
    """Measure, print and judge."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    notebooks = len(list((PROJECT / "notebooks").glob("0*.ipynb")))
    lab, floor, empty = rounds_of_all(rounds)
    for what, index in (("wall clock", 0), ("CPU", 1)):
        papermill, least, full = (statistics.median(each[index] for each in all_) for all_ in (empty, floor, lab))
        took = f"{notebooks} empty notebooks {papermill:.1f} s, floor {least:.1f} s, labkit run {full:.1f} s"
        print(f"{what}: {took}: {full / papermill:.2f} x")
    ratio = statistics.median(full[0] / papermill[0] for full, papermill in zip(lab, empty, strict=True))
    print(
        f"{'PASS' if ratio <= LIMIT else 'FAIL'}: {ratio:.2f} x, at most {LIMIT} x wanted (median of {rounds} rounds)"
    )
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
