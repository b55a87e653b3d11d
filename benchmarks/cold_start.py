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


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="starts of each kind; the median counts")
    parser.add_argument("--bootstrap", type=Path, help="another bootstrap.py, to start the lab's zip by it as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder, [ROOT / "labkit" / "samples" / "dandelions.jpg"], {"2 MP": (1632, 1224)})
        photo = photos["dandelions", "2 MP", "baseline"].read_bytes()
        packages = {function: build_package(function, Target.host(), cache=folder) for function in FUNCTIONS}
        zips = {"original": original_zip(folder), "lab": packages["CreateWebImage"].path}
        for what, path in zips.items():
            with ZipFile(path) as archive:
                archive.extractall(folder / what)
        shutil.copytree(folder / "lab", folder / "no pyc", ignore=shutil.ignore_patterns("__pycache__"))
        for what, code in (("nothing", HANDLER), ("boto3", f'import boto3\nboto3.client("s3")\n{HANDLER}')):
            (folder / what).mkdir()
            (folder / what / "app.py").write_text(code)
        starts = {
            "nothing": "a function that does nothing",
            "boto3": "and has boto3 with an S3 client",
            "lab": "the lab's zip",
            "no pyc": "the same without .pyc",
            "original": "the original, whole Pillow",
        }
        bootstraps = dict.fromkeys(starts, BOOTSTRAP)
        if options.bootstrap:
            bootstraps["other"], starts["other"] = options.bootstrap, "the lab's zip by the other bootstrap"
            shutil.copytree(folder / "lab", folder / "other")
        wall: dict[str, list[float]] = {what: [] for what in starts}
        cpu: dict[str, list[float]] = {what: [] for what in starts}
        for turn in range(options.rounds + 1):
            for what in starts:
                resizes = what not in ("nothing", "boto3")
                handler = "CreateWebImage.handler" if resizes else "app.handler"
                seconds = start(bootstraps[what], folder / what, handler, photo, resizes)
                if turn:  # the first turn warms up
                    wall[what].append(seconds[0])
                    cpu[what].append(seconds[1])
        rows = []
        for what, words in starts.items():
            size = f"{zips[what].stat().st_size / 1e6:.2f} MB" if what in zips else ""
            unpacked = sum(p.stat().st_size for p in (folder / what).rglob("*") if p.is_file()) if what in zips else 0
            times = [f"{statistics.median(values[what]) * 1000:.0f} ms" for values in (wall, cpu)]
            share = statistics.median(a / b for a, b in zip(cpu[what], cpu["original"], strict=True))
            rows.append([words, *times, f"{share:.2f}", size, f"{unpacked / 1e6:.1f} MB" if unpacked else ""])
        headers = ["from a new process to the first result", "wall", "CPU", "of the original's", "zip", "unzipped"]
        print(text_table(headers, rows))
        sizes = ", ".join(f"{function} {package.size / 1e6:.2f} MB" for function, package in packages.items())
        print(f"\nZips for {Target.host()}: {sizes}")


if __name__ == "__main__":
    main()
