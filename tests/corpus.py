"""Pushes every file of a folder through the three functions: `python -m tests.corpus FOLDER`.

For each file and function it prints the result or the reason why there is none. Each file goes through a process of
its own, so that its peak memory is known. The exit status is 1 if for any file the function stumbled (an exception, a
crash, a time-out), turned the picture wrongly, or took more memory than it has.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from urllib.parse import quote_plus

ROOT = Path(__file__).parents[1]
FUNCTIONS = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")
MEMORY_MB = 512
TIME_LIMIT_S = 60
KEY = "ingest/photo.jpg"
MOST_DIFFERENCE = 12  # mean difference of 0-255 levels


def run_function(module, data):
    """What the function logged about a file, and the result (bytes) if there is one."""
    store = importlib.import_module("store")
    memory = importlib.import_module("memory_s3").MemoryS3()
    etag = memory.add(KEY, data)
    store.S3 = memory
    record = {"eventName": "ObjectCreated:Put"}
    record["s3"] = {"bucket": {"name": "corpus"}, "object": {"key": quote_plus(KEY), "eTag": etag}}
    body = json.dumps({"Records": [record]})
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        answer = module.handler({"Records": [{"messageId": "1", "body": body}]}, None)
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert bool(answer["batchItemFailures"]) == (line["event"] == "failed"), "the answer is not what the log says"
    return line, memory.put[0].data if memory.put else None


def difference(source, result):
    """How far a result is from what Pillow's own functions make of the photo, and from that in any wrong turn.

    Both are means of 0-255 levels, at 8 pixels a side: fine noise, which JPEG loses by design, does not count.
    """
    from PIL import Image, ImageChops, ImageOps, ImageStat

    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings(action="ignore"):
        photo = Image.open(io.BytesIO(source))
        photo.load()
        with contextlib.suppress(Exception):  # EXIF that cannot be read turns nothing
            photo = ImageOps.exif_transpose(photo)
    if photo.mode.startswith("I"):
        photo = photo.convert("I").point(lambda level: level * (1 / 256)).convert("L")
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
    made = Image.open(io.BytesIO(result))
    made, wanted = (picture.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR) for picture in (made, photo))
    turned = [wanted, *(wanted.transpose(turn) for turn in Image.Transpose)]
    upright, *others = (sum(ImageStat.Stat(ImageChops.difference(made, other)).mean) / 3 for other in turned)
    return upright, min(others)


def in_own_process(work):
    """(what `work` returned or None, peak memory in MB, how it ended) of a forked process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(TIME_LIMIT_S)
        status = 1
        try:
            with os.fdopen(writer, "w") as pipe:
                json.dump(work(), pipe)
            status = 0
        except BaseException as error:
            print(f"    {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    if os.WIFSIGNALED(status):
        return None, peak, f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return (json.loads(said) if said else None), peak, "ok" if status == 0 else "an unhandled exception"


def judge(path, function):
    """(one line about a file and a function, whether all was well)."""
    data = path.read_bytes()
    module = importlib.import_module(function)

    def work():
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # not of bombs: the functions heed those
            line, result = run_function(module, data)
        return line, result.hex() if result else None

    outcome, peak, ended = in_own_process(work)
    if outcome is None:
        return f"FAIL {ended}, {peak:.0f} MB", False
    line, result = outcome
    if line.get("reason") == "unexpected":
        return f"FAIL {line['message']}\n{line['traceback']}", False
    if peak > MEMORY_MB:
        return f"FAIL {peak:.0f} MB, more than the function's {MEMORY_MB}", False
    if result is None:
        return f"{line['event']}: {line['reason']}, {peak:.0f} MB. {line['message']}", True
    about = "{}x{} -> {}x{}".format(*line["source_size"], *line["result_size"])
    compared, _, ended = in_own_process(lambda: difference(data, bytes.fromhex(result)))
    if compared is None:
        return f"FAIL {about}, though Pillow's own refuses it ({ended})", False
    upright, turned = compared
    if turned < upright - 2:
        return f"FAIL {about}: turned wrongly ({upright:.1f} levels from Pillow's own, {turned:.1f} if turned)", False
    if upright > MOST_DIFFERENCE and min(line["result_size"]) >= 16:  # of smaller ones JPEG keeps too little to compare
        return f"FAIL {about}: looks otherwise than Pillow's own ({upright:.1f} levels)", False
    return f"{about}, {peak:.0f} MB, {upright:.1f} levels from Pillow's own", True


def main(arguments=None):
    """Run over a folder; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of files of any kind, searched with all its folders")
    parser.add_argument("--function", choices=FUNCTIONS, action="append", help="only this function (may be repeated)")
    options = parser.parse_args(arguments)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = str(MEMORY_MB)
    folders = [ROOT / "lambda_packages" / name for name in ("shared", *FUNCTIONS)]
    sys.path[:0] = [str(folder) for folder in [*folders, ROOT / "tests" / "functions"]]
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    if not files:
        parser.error(f"there is no file in {options.folder}")
    well = 0
    for path in files:
        verdicts = [(function, *judge(path, function)) for function in options.function or FUNCTIONS]
        well += all(good for _, _, good in verdicts)
        for function, said, _ in verdicts:
            print(f"{path.relative_to(options.folder)}  {function}: {said}", flush=True)
    print(f"{'PASS' if well == len(files) else 'FAIL'}: {well} of {len(files)} files went well.")
    return 0 if well == len(files) else 1


if __name__ == "__main__":
    sys.exit(main())
