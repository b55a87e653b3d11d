"""How fast, how lean and how good the three functions' image work is: `python benchmarks/images.py`.

In one run, interleaved: this lab's code, the original's, libjpeg-turbo alone (the floor), and, where they are
installed, sharp and pyvips. CPU time and peak memory are those of each contestant's own process. The photos are the
lab's samples (and those of `--photos FOLDER`), brought to 2, 12 and 24 megapixels, baseline and progressive.
"""

from __future__ import annotations

import argparse
import ctypes.util
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image, ImageOps

from labkit.result import text_table

HERE = Path(__file__).parent
ROOT = HERE.parent
SHARED = ROOT / "lambda_packages" / "shared"
FUNCTIONS = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")
SIZES = {"2 MP": (1632, 1224), "12 MP": (4000, 3000), "24 MP": (6000, 4000)}


class Contestant:
    """A process that resizes photos on request."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self.command = name, command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def ask(self, photo: Path, function: str, out: Path | None = None) -> dict[str, float]:
        """CPU seconds and peak bytes of one resizing."""
        request = {"photo": str(photo), "function": function, "out": str(out) if out else None}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self.process.wait()}.")
        return json.loads(line)

    def end(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """How to start each contestant that is installed here."""
    python = [sys.executable, str(HERE / "contestants.py")]
    found = {"lab": [*python, "lab", str(SHARED)], "original": [*python, "original"]}
    if options.candidate:
        found["candidate"] = [*python, "lab", str(options.candidate)]
    turbo = options.turbojpeg or ctypes.util.find_library("turbojpeg")
    if turbo:
        found["floor"] = [*python, "floor", str(turbo)]
    if options.sharp and shutil.which("node"):
        found["sharp"] = ["node", str(HERE / "sharp.mjs"), str(options.sharp.resolve())]
    if options.vips:
        found["vips"] = [str(options.vips), str(HERE / "contestants.py"), "vips"]
    return found


def make_photos(folder: Path, sources: list[Path], sizes=SIZES) -> dict[tuple[str, str, str], Path]:
    """Each source photo in each size and kind. Smaller ones are scaled, larger ones mirrored outwards: never enlarged,
    since an enlarged photo has no detail left to decode."""
    photos = {}
    for source in sources:
        picture = ImageOps.exif_transpose(Image.open(source)).convert("RGB")
        for megapixels, size in sizes.items():
            if picture.width >= size[0] and picture.height >= size[1]:
                sized = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
            else:
                sized = Image.new("RGB", size)
                for row in range(-(-size[1] // picture.height)):
                    for column in range(-(-size[0] // picture.width)):
                        tile = ImageOps.mirror(picture) if column % 2 else picture
                        tile = ImageOps.flip(tile) if row % 2 else tile
                        sized.paste(tile, (column * picture.width, row * picture.height))
            for kind in ("baseline", "progressive"):
                path = folder / f"{source.stem}-{megapixels.split()[0]}-{kind}.jpg"
                sized.save(path, quality=92, subsampling="4:2:0", progressive=kind == "progressive")
                photos[source.stem, megapixels, kind] = path
    return photos


def geometric_mean(values: list[float]) -> float:
    """The mean of ratios."""
    return math.exp(statistics.fmean(map(math.log, values)))


def psnr(picture: Path, reference: numpy.ndarray) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = numpy.asarray(Image.open(picture).convert("RGB"), dtype=float) - reference
    return 10 * math.log10(255**2 / float(numpy.mean(error**2)))


def measure_speed(starts, photos, rounds):
    """(contestant, photo, function) -> median CPU seconds."""
    contestants = [Contestant(name, command) for name, command in starts.items()]
    times: dict[tuple[str, tuple[str, str, str], str], list[float]] = {}
    for number, (key, path) in enumerate(photos.items(), 1):
        print(f"  {number} of {len(photos)}: {' '.join(key)}", file=sys.stderr, flush=True)
        for turn in range(rounds + 1):
            for contestant in contestants[turn % len(contestants) :] + contestants[: turn % len(contestants)]:
                for function in FUNCTIONS:
                    cpu = contestant.ask(path, function)["cpu"]
                    if turn:  # the first turn warms up
                        times.setdefault((contestant.name, key, function), []).append(cpu)
    for contestant in contestants:
        contestant.end()
    return {key: statistics.median(values) for key, values in times.items()}


def measure_memory(starts, photos):
    """(contestant, photo, function) -> peak bytes of a process that did this alone."""
    peaks = {}
    for key, path in photos.items():
        for name, command in starts.items():
            for function in FUNCTIONS:
                contestant = Contestant(name, command)
                peaks[name, key, function] = contestant.ask(path, function)["peak"]
                contestant.end()
    return peaks


def measure_quality(starts, photos, folder):
    """(contestant, photo, function) -> PSNR in dB against the whole photo decoded and shrunk by LANCZOS."""
    quality = {}
    contestants = [Contestant(name, starts[name]) for name in starts if name != "floor"]
    for key, path in photos.items():
        whole = Image.open(path)
        whole.load()
        for function in FUNCTIONS:
            reference = None
            for contestant in contestants:
                out = folder / "out.jpg"
                contestant.ask(path, function, out)
                size = Image.open(out).size
                if reference is None:
                    reference = numpy.asarray(whole.resize(size, Image.Resampling.LANCZOS), dtype=float)
                if reference.shape[1::-1] == size:  # another rounding of a pixel is not to be compared
                    quality[contestant.name, key, function] = psnr(out, reference)
    for contestant in contestants:
        contestant.end()
    return quality


def speed_ratio(times, keys, slower, faster, functions=FUNCTIONS):
    """How many times as fast one contestant is as another: geometric mean over photos of the functions' sums."""
    sums = [[sum(times[name, key, function] for function in functions) for key in keys] for name in (slower, faster)]
    return geometric_mean([slow / fast for slow, fast in zip(*sums, strict=True)])


def show_speed(names, photos, times):
    """CPU time by size and function, for baseline and for progressive photos."""
    for kind in ("baseline", "progressive"):
        rows = []
        for megapixels in SIZES:
            keys = [key for key in photos if key[1:] == (megapixels, kind)]
            for function in [*FUNCTIONS, "all three"]:
                parts = FUNCTIONS if function == "all three" else [function]
                row = [megapixels, function]
                for name in names:
                    mean = statistics.fmean(sum(times[name, key, part] for part in parts) for key in keys)
                    row.append(f"{mean * 1000:6.1f} ms {speed_ratio(times, keys, 'original', name, parts):5.2f} x")
                rows.append(row)
        keys = [key for key in photos if key[2] == kind]
        ratios = [f"{speed_ratio(times, keys, 'original', name):15.2f} x" for name in names]
        rows.append(["all", "all three", *ratios])
        print(f"\nCPU time, {kind}: mean over {len(keys)} photos, and how many times as fast as the original\n")
        print(text_table(["photo", "function", *names], rows))


def show_memory(names, photos, peaks):
    """Peak memory by size."""
    rows = []
    for key in photos:
        if ("lab", key, FUNCTIONS[0]) in peaks:
            row = [key[1], key[2]]
            for name in names:
                most = largest_peak(peaks, name, key)
                row.append(f"{most / 2**20:4.0f} MB {most / largest_peak(peaks, 'original', key):.2f} x")
            rows.append(row)
    print("\nPeak memory of a process that made one result, the largest of the three, and against the original\n")
    print(text_table(["photo", "kind", *names], rows))


def largest_peak(peaks, name, key):
    """The peak of the function that needs the most, in bytes."""
    return max(peaks[name, key, function] for function in FUNCTIONS)


def quality_gaps(quality, name, functions=FUNCTIONS):
    """By how many dB a contestant is above (+) or below (-) the original, for each photo and function."""
    return [
        value - quality["original", key, function]
        for (contestant, key, function), value in quality.items()
        if contestant == name and function in functions and ("original", key, function) in quality
    ]


def show_quality(names, quality):
    """PSNR by function."""
    rows = []
    for function in [*FUNCTIONS, "all three"]:
        row = [function]
        for name in names:
            gaps = quality_gaps(quality, name, FUNCTIONS if function == "all three" else [function])
            row.append(f"{statistics.median(gaps):+.2f} dB (least {min(gaps):+.2f})" if gaps else "")
        rows.append(row)
    print("\nQuality: PSNR against a whole decode and LANCZOS, above (+) or below (-) the original's, median\n")
    print(text_table(["function", *names], rows))


def show_goals(names, photos, times, peaks, quality):
    """What was wanted, what was measured, and whether it is reached."""
    by_kind = {kind: [key for key in photos if key[2] == kind] for kind in ("baseline", "progressive")}
    goals = [
        ("times as fast as the original, baseline", 2.5, speed_ratio(times, by_kind["baseline"], "original", "lab")),
        (
            "times as fast as the original, progressive",
            1.6,
            speed_ratio(times, by_kind["progressive"], "original", "lab"),
        ),
    ]
    if "sharp" in names:
        goals.append(("times as fast as sharp, all photos", 1.15, speed_ratio(times, list(photos), "sharp", "lab")))
    gap = statistics.median(quality_gaps(quality, "lab"))
    goals.append(("dB of PSNR against the original, median", -0.3, gap))
    rows = [
        (what, f"at least {least}", f"{found:.2f}", "reached" if found >= least else "MISSED")
        for what, least, found in goals
    ]
    large = [key for key in by_kind["baseline"] if key[1] != "2 MP" and ("lab", key, FUNCTIONS[0]) in peaks]
    worst = max(largest_peak(peaks, "lab", key) / largest_peak(peaks, "original", key) for key in large)
    rows.append(
        (
            "of the original's peak memory, baseline, 12 MP and more",
            "at most 0.6",
            f"{worst:.2f}",
            "reached" if worst <= 0.6 else "MISSED",
        )
    )
    print("\nGoals\n")
    print(text_table(["what", "goal", "measured", ""], rows))


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: CPU against the original's, on two real photos of 2 and 12 megapixels."""
    sources = [ROOT / "labkit" / "samples" / name for name in ("dandelions.jpg", "friends.jpg")]
    python = [sys.executable, str(HERE / "contestants.py")]
    starts = {"lab": [*python, "lab", str(SHARED)], "original": [*python, "original"]}
    with tempfile.TemporaryDirectory() as name:
        photos = make_photos(Path(name), sources, {size: SIZES[size] for size in ("2 MP", "12 MP")})
        times = measure_speed(starts, photos, rounds)
    small = [key for key in photos if key[1] == "2 MP"]
    return {
        "three results, CPU, against the original": speed_ratio(times, list(photos), "lab", "original"),
        "CreateWebImage of 2 MP, CPU, against the original": speed_ratio(
            times, small, "lab", "original", ("CreateWebImage",)
        ),
    }


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; the median counts")
    parser.add_argument("--photos", type=Path, help="a folder of further photos (.jpg)")
    parser.add_argument("--candidate", type=Path, help="a folder with another image.py, to compare with the lab's")
    parser.add_argument("--sharp", type=Path, help="a folder in which `npm install sharp` was run")
    parser.add_argument("--vips", type=Path, help="a Python that has pyvips")
    parser.add_argument("--turbojpeg", type=Path, help="libturbojpeg.so, if it is not in its usual place")
    options = parser.parse_args()
    sources = [ROOT / "labkit" / "samples" / name for name in ("dandelions.jpg", "friends.jpg")]
    sources += sorted(options.photos.glob("*.jpg")) if options.photos else []
    starts = commands(options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder, sources)
        times = measure_speed(starts, photos, options.rounds)
        peaks = measure_memory(starts, {key: path for key, path in photos.items() if key[0] == sources[0].stem})
        quality = measure_quality(starts, photos, folder)
        names = list(starts)
        show_speed(names, photos, times)
        show_memory(names, photos, peaks)
        show_quality(names, quality)
        show_goals(names, photos, times, peaks, quality)


if __name__ == "__main__":
    main()
