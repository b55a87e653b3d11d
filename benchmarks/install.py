"""What `make lab` installs on a new machine, against fetching and unpacking the same: `python benchmarks/install.py`.

Both from the network, with nothing kept from before, turn and turn about. It needs uv; at most 1.3 times is wanted.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

PROJECT = Path(__file__).parents[1]
LOCK = ("--require-hashes", "-r", str(PROJECT / "locks" / "lab.txt"))
ITSELF = ("--no-deps", "--no-build-isolation", "--editable", str(PROJECT))
AT_ONCE = 16
LIMIT = 1.3


def locked_files() -> list[str]:
    """Where pip would fetch what the lock names, for this machine."""
    asked = ["pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", *LOCK]
    report = subprocess.run([sys.executable, "-m", *asked], check=True, stdout=subprocess.PIPE).stdout
    return [one["download_info"]["url"] for one in json.loads(report)["install"]]


def fetch_and_unpack(urls: list[str], folder: Path) -> None:
    """Fetch all, several at a time, and unpack the wheels."""

    def one(url: str) -> None:
        with urlopen(url, timeout=60) as answer:
            content = answer.read()
        if url.endswith(".whl"):
            zipfile.ZipFile(BytesIO(content)).extractall(folder / Path(url).stem)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, urls))


def install(uv: str, folder: Path) -> None:
    """What the Makefile does once there is an environment."""
    python = str(folder / "venv" / "bin" / "python")
    for what in (LOCK, ITSELF):
        command = [uv, "pip", "install", "--quiet", "--python", python, *what]
        subprocess.run(command, check=True, env={**os.environ, "UV_CACHE_DIR": str(folder / "cache")})


def rounds_of_both(rounds: int) -> list[tuple[float, float]]:
    """Seconds of each round: fetching and unpacking, installing."""
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("There is no uv here: pip install uv, and have it on the PATH.")
    urls, times = locked_files(), []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
            begun = time.perf_counter()
            fetch_and_unpack(urls, folder / "plain")
            fetched = time.perf_counter()
            install(uv, folder)
            times.append((fetched - begun, time.perf_counter() - fetched))
    return times


def main() -> None:
    """Measure, print and judge."""
    rounds = rounds_of_both(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    for plain, installed in rounds:
        print(f"fetching and unpacking {plain:.1f} s, installing {installed:.1f} s: {installed / plain:.2f} x")
    ratio = statistics.median(installed / plain for plain, installed in rounds)
    print(f"{'PASS' if ratio <= LIMIT else 'FAIL'}: {ratio:.2f} x, at most {LIMIT} x wanted (median)")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
