"""What a student's first cells cost: `python benchmarks/waits.py [--other PYTHON]`.

CPU seconds, each time in a new process against a running embedded AWS: importing what opens a lab, opening it with all
its clients, and its first map and second one. The floor is what boto3 alone needs for its import and the same clients.
`--other` names the Python of another checkout, to be measured in turn; it may be as old as the lab is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from labkit.result import text_table

SERVICES = ("s3", "sns", "sqs", "lambda", "iam", "logs", "sts")
FLOOR = f"""
import json, time
a = time.process_time()
import boto3
b = time.process_time()
session = boto3.Session("x", "y", region_name="us-east-1")
for service in {SERVICES}:
    session.client(service)
print(json.dumps({{"import": b - a, "open": time.process_time() - b}}))
"""
LAB = f"""
import json, time
a = time.process_time()
from labkit import open_lab
b = time.process_time()
lab = open_lab("local")
for service in {SERVICES}:
    lab.client(service)
c = time.process_time()
from labkit import draw_lab, survey
draw_lab(survey(lab))._repr_mimebundle_()
d = time.process_time()
draw_lab(survey(lab))._repr_mimebundle_()
print(json.dumps({{"import": b - a, "open": c - b, "first map": d - c, "second map": time.process_time() - d}}))
"""
ROWS = {
    "import": "importing what opens a lab",
    "open": "opening it, with a client of each service",
    "first map": "the first map",
    "second map": "the second map",
}


def measure(python: str, code: str, workspace: Path) -> dict[str, float]:
    """The CPU seconds that a new process says it took."""
    environment = {**os.environ, "LABKIT_WORKSPACE": str(workspace), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run([python, "-c", code], env=environment, cwd=workspace, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def medians(rounds: int, other: str | None = None) -> dict[str, dict[str, float]]:
    """Median CPU seconds by contestant and row, interleaved."""
    contestants = {"floor": (sys.executable, FLOOR), "lab": (sys.executable, LAB)}
    if other:
        contestants["other"] = (other, LAB)
    times: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as name:
        workspaces = {contestant: Path(name) / contestant for contestant in contestants}
        for workspace in workspaces.values():
            workspace.mkdir()
        try:
            for turn in range(rounds + 1):
                for contestant, (python, code) in contestants.items():
                    figures = measure(python, code, workspaces[contestant])
                    if turn:  # the first turn starts the embedded AWS
                        times[contestant].append(figures)
        finally:
            for contestant, (python, _) in contestants.items():
                if contestant != "floor":
                    stop = [python, "-m", "labkit", "stop"]
                    environment = {**os.environ, "LABKIT_WORKSPACE": str(workspaces[contestant])}
                    subprocess.run(stop, env=environment, check=True, stdout=subprocess.DEVNULL)
    return {
        contestant: {row: statistics.median(one[row] for one in all_) for row in all_[0]}
        for contestant, all_ in times.items()
    }


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: times what boto3 alone needs."""
    found = medians(rounds)
    lab, floor = found["lab"], found["floor"]
    return {
        "first cell, against boto3 alone": (lab["import"] + lab["open"]) / (floor["import"] + floor["open"]),
        "first map, against boto3 alone": lab["first map"] / (floor["import"] + floor["open"]),
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="processes of each kind; the median counts")
    parser.add_argument("--other", help="the Python of another checkout")
    options = parser.parse_args()
    found = medians(options.rounds, options.other)
    rows = [
        (words, *(f"{figures[row] * 1000:.0f} ms" if row in figures else "" for figures in found.values()))
        for row, words in ROWS.items()
    ]
    print(text_table(["CPU", *found], rows))


if __name__ == "__main__":
    main()
