"""`make bench`: measures what people wait for, as ratios, and says what got worse by a fifth since it was written down.

A ratio holds against a floor or a neighbour in the same run, so that machines and busy moments fall out; larger is
worse in each. `ratios.json` has what they were; `--write` writes down what they are now. Take a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cold_start
import images
import local_aws
import packages
import run_overhead
import waits

from labkit.result import text_table

WRITTEN = Path(__file__).with_name("ratios.json")
WORSE = 1.2
# Each with as many rounds as its spread needs.
BENCHMARKS: dict[str, tuple[Callable[[int], dict[str, float]], int]] = {
    "waits": (waits.ratios, 7),
    "run_overhead": (run_overhead.ratios, 3),
    "packages": (packages.ratios, 9),
    "cold_start": (cold_start.ratios, 9),
    "images": (images.ratios, 3),
    "local_aws": (local_aws.ratios, 3),
}


def main() -> None:
    """Measure, print the table, and end with 1 where something got worse by a fifth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(BENCHMARKS), help="which benchmarks, with commas between")
    parser.add_argument("--rounds", type=int, help="as many rounds of each")
    parser.add_argument("--write", action="store_true", help="write down what was measured")
    options = parser.parse_args()
    written = json.loads(WRITTEN.read_text()) if WRITTEN.exists() else {}
    found: dict[str, float] = {}
    for name in options.only.split(","):
        measure, rounds = BENCHMARKS[name]
        print(f"{name} ...", file=sys.stderr, flush=True)
        found |= measure(options.rounds or rounds)
    rows = [
        (what, f"{written[what]:.2f}" if what in written else "", f"{ratio:.2f}", said(ratio, written.get(what)))
        for what, ratio in found.items()
    ]
    print(text_table(["ratio (larger is worse)", "was", "is", ""], rows))
    if options.write:
        rounded = {what: round(ratio, 3) for what, ratio in (written | found).items()}
        WRITTEN.write_text(json.dumps(rounded, indent=2) + "\n")
    sys.exit(any(row[-1].startswith("WORSE") for row in rows))


def said(ratio: float, was: float | None) -> str:
    """What a ratio is worth against the one that was written down."""
    if was is None:
        return "new"
    return f"WORSE by {ratio / was - 1:.0%}" if ratio > was * WORSE else ""


if __name__ == "__main__":
    main()
