"""How much longer `labkit run` takes than papermill needs for as many notebooks that only start a kernel.

Both as whole processes, turn and turn about, so that a busy machine slows both. The run may take at most 2.5 times as
long.

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


def rounds_of_both(rounds: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Wall clock and CPU of each round: the lab's run, and papermill with as many empty notebooks."""
    notebooks = len(list((PROJECT / "notebooks").glob("0*.ipynb")))
    lab: list[tuple[float, float]] = []
    empty: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")], metadata=kernel), folder / "empty.ipynb"
        )
        for number in range(rounds):
            empty.append(measure([sys.executable, "-c", EMPTY, str(notebooks)], folder))
            lab.append(
                measure([sys.executable, "-m", "labkit", "run", "--out", str(folder / f"run-{number}")], PROJECT)
            )
            print(f"round {number + 1}: papermill {empty[-1][0]:.1f} s, labkit run {lab[-1][0]:.1f} s", flush=True)
    return lab, empty


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: times what papermill needs for empty notebooks."""
    lab, empty = rounds_of_both(rounds)
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
    lab, empty = rounds_of_both(rounds)
    for what, index in (("wall clock", 0), ("CPU", 1)):
        papermill, run = (statistics.median(figures[index] for figures in both) for both in (empty, lab))
        print(f"{what}: {notebooks} empty notebooks {papermill:.1f} s, labkit run {run:.1f} s: {run / papermill:.2f} x")
    ratio = statistics.median(run[0] / papermill[0] for run, papermill in zip(lab, empty, strict=True))
    print(
        f"{'PASS' if ratio <= LIMIT else 'FAIL'}: {ratio:.2f} x, at most {LIMIT} x wanted (median of {rounds} rounds)"
    )
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
