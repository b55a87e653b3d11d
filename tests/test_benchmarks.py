"""The benchmarks run, and say what got worse: what nobody runs for a week is broken unnoticed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.slow


def test_each_ratio_that_is_written_down_is_measured_again(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench.py", "--only", "waits,packages,cold_start", "--rounds", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "new" not in done.stdout, done.stdout + done.stderr
    written = json.loads((BENCHMARKS / "ratios.json").read_text())
    ours = [what for what in written if what.split(",")[0] in done.stdout]
    assert len(ours) == 5, done.stderr


def test_what_got_worse_by_a_fifth_is_said():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from bench import said
    finally:
        sys.path.remove(str(BENCHMARKS))
    assert said(1.1, 1.0) == ""
    assert said(1.3, 1.0) == "WORSE by 30%"
    assert said(1.3, None) == "new"
