"""What the live pipeline costs while nothing happens: CPU of the kernel and of the embedded AWS, as shares of a core.

A real kernel shows the widget of a lab with all its parts, and this program beats as a page would. First both
processes are measured without the widget, then with it, then without it again: the widget may take at most 1 % of a
core more than what is there without it.

    .venv/bin/python benchmarks/idle_widget.py [SECONDS]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from labkit import embedded_aws
from labkit.connection import LOCAL_FOLDER
from labkit.show.live import BEAT_S

LIMIT = 1.0  # per cent of a core
SECONDS = 60.0  # of each measurement: fifteen looks
SETTLE_S = 10.0  # environments that were started and what was just imported come to rest
BUILD = """
from labkit import catch_up, open_lab, sample, upload_photo, wait_for_results, watch_pipeline
lab = open_lab("local")
catch_up(lab, to=4)
wait_for_results(lab, upload_photo(lab, sample("friends.jpg")))
"""
SHOW = "pipeline = watch_pipeline(lab)\npipeline"
STILL_THERE = 'assert not pipeline.widget.pulse.lost, "nobody was looking"'
GONE = "pipeline.widget.stop()"


class Kernel:
    """A kernel, and what it is told as a page would."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, code: str) -> list[str]:
        """Run a cell; return the ids of the widgets that it shows."""
        views: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            shown = message["content"].get("data", {})
            view = shown.get("application/vnd.jupyter.widget-view+json") if isinstance(shown, dict) else None
            views.extend([view["model_id"]] if view else [])

        reply = self.client.execute_interactive(code, output_hook=hear, timeout=180)
        if reply["content"]["status"] != "ok":
            sys.exit("\n".join(reply["content"]["traceback"]))
        return views

    def beat(self, widget: str, number: int) -> None:
        """Say that a page shows the widget."""
        data = {"method": "update", "state": {"beat": number}, "buffer_paths": []}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": widget, "data": data}))


@contextmanager
def kernel(workspace: Path) -> Iterator[tuple[Kernel, psutil.Process]]:
    """A kernel whose lab is in that workspace, and its process."""
    manager, client = start_new_kernel(env={**os.environ, "LABKIT_WORKSPACE": str(workspace)})
    try:
        yield Kernel(client), psutil.Process(manager.provisioner.pid)  # type: ignore[union-attr]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def seconds_of(process: psutil.Process) -> float:
    """CPU that it has used, its children's included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def measure(processes: dict[str, psutil.Process], seconds: float, page: tuple[Kernel, str] | None) -> dict[str, float]:
    """Per cent of a core that each takes over so many seconds, while a page beats if there is one."""
    before, began, beats = {name: seconds_of(one) for name, one in processes.items()}, time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        if page and passed >= beats * BEAT_S:
            beats += 1
            page[0].beat(page[1], beats)
        time.sleep(0.2)
    return {name: 100 * (seconds_of(one) - before[name]) / passed for name, one in processes.items()}


def main() -> None:
    """Measure, print, and end with 1 if it is too much."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as name, kernel(Path(name)) as (python, process):
        try:
            python.run(BUILD)
            server = embedded_aws.start(Path(name) / LOCAL_FOLDER)  # which is the one that the kernel has started
            processes = {"kernel": process, "embedded AWS": psutil.Process(server.pid)}
            rows: list[dict[str, float]] = []
            for what in ("without the widget", "with it", "without it again"):
                page = None
                if what == "with it":
                    (*_, widget) = python.run(SHOW)
                    page = python, widget
                elif rows:
                    python.run(GONE)
                measure(processes, SETTLE_S, page)
                rows.append(measure(processes, seconds, page))
                figures = ", ".join(f"{name} {share:.2f} %" for name, share in rows[-1].items())
                print(f"{what}: {figures}", flush=True)
                if page:
                    python.run(STILL_THERE)
        finally:
            embedded_aws.stop(Path(name) / LOCAL_FOLDER)
    without, with_it, again = (sum(row.values()) for row in rows)
    more = with_it - (without + again) / 2
    print(f"{'PASS' if more <= LIMIT else 'FAIL'}: the widget takes {more:.2f} % of a core, at most {LIMIT:g} % wanted")
    sys.exit(more > LIMIT)


if __name__ == "__main__":
    main()
