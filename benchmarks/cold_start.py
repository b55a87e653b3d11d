"""What a cold start costs, from a new process to the first result, and how large the zips are.

Each start is what the embedded AWS starts: its bootstrap, AWS's runtime client, the function from an unpacked zip,
boto3 from this machine. A server at hand gives it one event and one photo of 2 megapixels, takes its result, and ends
it as it asks for the next event. The starts are interleaved; medians count. `python benchmarks/cold_start.py`
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

from images import FUNCTIONS, ROOT, make_photos

from labkit.packages import Target, build_package
from labkit.result import text_table

(BOOTSTRAP,) = (ROOT / "labkit" / "embedded_aws").rglob("bootstrap.py")
SITE_PACKAGES = str(Path(str(distribution("boto3").locate_file(""))))
HANDLER = "def handler(event, context): pass\n"
RECORD = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "ingest/x.jpg"}}}
BODY = json.dumps({"Type": "Notification", "MessageId": "1", "Message": json.dumps({"Records": [RECORD]})})
EVENT = json.dumps({"Records": [{"messageId": "1", "body": BODY}]}).encode()


class Surroundings(ThreadingHTTPServer):
    """The Runtime API and S3 of one environment: one event, one photo, one result."""

    daemon_threads = True

    def __init__(self, photo: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.photo, self.asked, self.results, self.failure = photo, 0, [], b""
        self.done = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answers(BaseHTTPRequestHandler):
    """What the runtime client and boto3 are told."""

    protocol_version = "HTTP/1.1"
    server: Surroundings

    def log_message(self, *_about: object) -> None:
        """Nothing."""

    def _answer(self, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        if "/runtime/invocation/next" not in self.path:
            about = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 08:00:00 GMT"}
            return self._answer(self.server.photo, about)
        self.server.asked += 1
        if self.server.asked > 1:  # the first event is done
            self.server.done.set()
            return threading.Event().wait()
        about = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": "1",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 60_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn",
            "Lambda-Runtime-Trace-Id": "1",
        }
        return self._answer(EVENT, about)

    do_HEAD = do_GET

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.command == "PUT":
            self.server.results.append(body)
        elif "error" in self.path:
            self.server.failure = body
            self.server.done.set()
        self._answer()

    do_PUT = do_POST = _take


def start(bootstrap: Path, task: Path, handler: str, photo: bytes, wants_result: bool) -> tuple[float, float]:
    """Seconds of wall clock and of CPU until one new environment has handled its first event."""
    surroundings = Surroundings(photo)
    here = f"127.0.0.1:{surroundings.server_address[1]}"
    environment = {
        "PATH": os.defpath,
        "AWS_LAMBDA_RUNTIME_API": here,
        "AWS_ENDPOINT_URL_S3": f"http://{here}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "LAMBDA_TASK_ROOT": str(task),
    }
    with tempfile.TemporaryDirectory() as tmp:
        begun = time.perf_counter()
        command = [sys.executable, "-S", str(bootstrap), str(task), SITE_PACKAGES, tmp, handler, ""]  # no layers
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        if not surroundings.done.wait(30):
            raise SystemExit(f"{handler} did not come to its second event.")
        wall = time.perf_counter() - begun
        process.send_signal(signal.SIGKILL)
        _pid, _status, usage = os.wait4(process.pid, 0)
        process.returncode = -signal.SIGKILL
    surroundings.shutdown()
    surroundings.server_close()
    if surroundings.failure or len(surroundings.results) != wants_result:
        raise SystemExit(f"{handler} failed: {surroundings.failure.decode() or 'there is no result'}")
    return wall, usage.ru_utime + usage.ru_stime


def original_zip(folder: Path) -> Path:
    """The original's handler with the whole of Pillow, as a student zips it."""
    path = folder / "original.zip"
    with ZipFile(path, "w", 8, compresslevel=6) as archive:
        archive.write(ROOT / "tests" / "originals" / "CreateWebImage" / "CreateWebImage.py", "CreateWebImage.py")
        for file in distribution("pillow").files or ():
            if "__pycache__" not in file.parts and ".." not in file.parts:
                archive.write(str(file.locate()), file.as_posix())
    return path


STARTS = {
    "nothing": "a function that does nothing",
    "boto3": "and has boto3 with an S3 client",
    "lab": "the lab's zip",
    "no pyc": "the same without .pyc",
    "original": "the original, whole Pillow",
}


class Measured:
    """Medians over the rounds, and how large the packages are."""

    def __init__(self, rounds: int, other_bootstrap: Path | None = None) -> None:
        """Start each kind in turn; the first turn warms up."""
        bootstraps = dict.fromkeys(STARTS, BOOTSTRAP)
        if other_bootstrap:
            bootstraps["other"] = other_bootstrap
        self.wall: dict[str, list[float]] = {what: [] for what in bootstraps}
        self.cpu: dict[str, list[float]] = {what: [] for what in bootstraps}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            photos = make_photos(folder, [ROOT / "labkit" / "samples" / "dandelions.jpg"], {"2 MP": (1632, 1224)})
            photo = photos["dandelions", "2 MP", "baseline"].read_bytes()
            self.packages = {function: build_package(function, Target.host(), cache=folder) for function in FUNCTIONS}
            self.zips = self._unpack(folder)
            for turn in range(rounds + 1):
                for what, bootstrap in bootstraps.items():
                    resizes = what not in ("nothing", "boto3")
                    handler = "CreateWebImage.handler" if resizes else "app.handler"
                    seconds = start(bootstrap, folder / what, handler, photo, resizes)
                    if turn:
                        self.wall[what].append(seconds[0])
                        self.cpu[what].append(seconds[1])

    def _unpack(self, folder: Path) -> dict[str, tuple[int, int]]:
        """Lay out the code of each start; returns the bytes of the zips, packed and unpacked."""
        zips = {"original": original_zip(folder), "lab": self.packages["CreateWebImage"].path}
        for what, path in zips.items():
            with ZipFile(path) as archive:
                archive.extractall(folder / what)
        shutil.copytree(folder / "lab", folder / "no pyc", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(folder / "lab", folder / "other")
        for what, code in (("nothing", HANDLER), ("boto3", f'import boto3\nboto3.client("s3")\n{HANDLER}')):
            (folder / what).mkdir()
            (folder / what / "app.py").write_text(code)
        unpacked = {what: sum(p.stat().st_size for p in (folder / what).rglob("*") if p.is_file()) for what in zips}
        return {what: (path.stat().st_size, unpacked[what]) for what, path in zips.items()}

    def share(self, what: str, of: str) -> float:
        """How much CPU one start takes of another one's, the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.cpu[what], self.cpu[of], strict=True))


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: CPU of a cold start against what boto3 with one client takes."""
    return {"a cold start, CPU, against boto3 with a client": Measured(rounds).share("lab", of="boto3")}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="starts of each kind; the median counts")
    parser.add_argument("--bootstrap", type=Path, help="another bootstrap.py, to start the lab's zip by it as well")
    options = parser.parse_args()
    found = Measured(options.rounds, options.bootstrap)
    rows = []
    for what in found.cpu:
        packed, unpacked = found.zips.get(what, (0, 0))
        times = [f"{statistics.median(values[what]) * 1000:.0f} ms" for values in (found.wall, found.cpu)]
        sizes = [f"{size / 1e6:.{places}f} MB" if size else "" for size, places in ((packed, 2), (unpacked, 1))]
        words = STARTS.get(what, "the lab's zip by the other bootstrap")
        rows.append([words, *times, f"{found.share(what, of='original'):.2f}", *sizes])
    headers = ["from a new process to the first result", "wall", "CPU", "of the original's", "zip", "unzipped"]
    print(text_table(headers, rows))
    sizes = ", ".join(f"{function} {package.size / 1e6:.2f} MB" for function, package in found.packages.items())
    print(f"\nZips for {Target.host()}: {sizes}")


if __name__ == "__main__":
    main()
