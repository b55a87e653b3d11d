"""How long a new process takes to its first result, and how large the zips are: `python benchmarks/cold_start.py`.

Each start is a new interpreter that imports the function from an unpacked zip and boto3 from this machine, as Lambda
does, and resizes one photo of 2 megapixels; S3 is a file at hand. The starts are interleaved; medians count.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

from images import FUNCTIONS, ROOT, make_photos

from labkit.packages import Target, build_package
from labkit.result import text_table

START = """
import io, json, os, shutil, sys
os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
sys.dont_write_bytecode = True
what, folder, photo = sys.argv[1:]
if what == "interpreter":
    sys.exit()
if what == "boto3":
    import boto3
    boto3.client("s3")
    sys.exit()
sys.path.insert(0, folder)

class File:
    def get_object(self, **_about):
        return {"Body": open(photo, "rb"), "ContentLength": os.path.getsize(photo)}
    def put_object(self, Body, **_about):
        assert Body.read(2) == b"\\xff\\xd8"
    def download_file(self, _bucket, _key, path):
        shutil.copyfile(photo, path)
    def upload_file(self, path, _bucket, _key):
        assert open(path, "rb").read(2) == b"\\xff\\xd8"

import CreateWebImage
if what == "original":
    CreateWebImage.s3_client = File()
else:
    import store
    store.S3 = File()
record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "ingest/x.jpg"}}}
body = json.dumps({"Type": "Notification", "MessageId": "1", "Message": json.dumps({"Records": [record]})})
answer = CreateWebImage.handler({"Records": [{"messageId": "1", "body": body}]}, None)
assert not answer or not answer["batchItemFailures"], answer
"""


def children_cpu() -> float:
    """CPU seconds of all ended children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder, [ROOT / "labkit" / "samples" / "dandelions.jpg"], {"2 MP": (1632, 1224)})
        photo = photos["dandelions", "2 MP", "baseline"]
        packages = {function: build_package(function, Target.host(), cache=folder) for function in FUNCTIONS}
        zips = {"original": original_zip(folder), "lab": packages["CreateWebImage"].path}
        for what, path in zips.items():
            with ZipFile(path) as archive:
                archive.extractall(folder / what)
        shutil.copytree(folder / "lab", folder / "no pyc", ignore=shutil.ignore_patterns("__pycache__"))
        starts = {
            "interpreter": ("a bare interpreter", ""),
            "boto3": ("and boto3 with an S3 client", ""),
            "lab": ("the lab's zip", "lab"),
            "no pyc": ("the same without .pyc", "no pyc"),
            "original": ("the original, whole Pillow", "original"),
        }
        wall: dict[str, list[float]] = {what: [] for what in starts}
        cpu: dict[str, list[float]] = {what: [] for what in starts}
        for turn in range(options.rounds + 1):
            for what, (_, task) in starts.items():
                kind = what if what in ("interpreter", "boto3", "original") else "lab"
                before, begun = children_cpu(), time.perf_counter()
                command = [sys.executable, "-c", START, kind, str(folder / task), str(photo)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                if turn:
                    wall[what].append(time.perf_counter() - begun)
                    cpu[what].append(children_cpu() - before)
        rows = []
        for what, (words, task) in starts.items():
            size = f"{zips[what].stat().st_size / 1e6:.2f} MB" if what in zips else ""
            unpacked = sum(p.stat().st_size for p in (folder / task).rglob("*") if p.is_file()) if task else 0
            times = [f"{statistics.median(values[what]) * 1000:.0f} ms" for values in (wall, cpu)]
            rows.append([words, *times, size, f"{unpacked / 1e6:.1f} MB" if unpacked else ""])
        print(text_table(["new process until the first result", "wall", "CPU", "zip", "unzipped"], rows))
        sizes = ", ".join(f"{function} {package.size / 1e6:.2f} MB" for function, package in packages.items())
        print(f"\nZips for {Target.host()}: {sizes}")


if __name__ == "__main__":
    main()
