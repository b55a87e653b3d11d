"""Measure the embedded AWS against MiniStack and against the floor, in one run, on the same zips and photos.

    python benchmarks/local_aws.py [--ministack FOLDER] [--only labkit,ministack,floor] [--photos 100] [--rounds 3]

MiniStack runs in a virtual environment of its own, which is made on the first run (by default in
`build/ministack`, with pip), at its best setting: BIND_HOST=127.0.0.1 and two functions of a kind at once. The
floor is the same resizing by the same code in a plain pool of as many processes as there are cores: no HTTP, no
S3, no queue. Rounds alternate between the three, so that a busy moment of the machine falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config
from PIL import Image

from labkit import embedded_aws
from labkit.packages import Target, build_packages

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")
FOLDERS = ("thumbnail/", "web/", "mobile/")
# MiniStack pins botocore exactly; its functions need the boto3 that goes with it.
MINISTACK = ("ministack==1.5.33", "boto3==1.43.106")
MINISTACK_FOLDER = ROOT / "build" / "ministack"
CORES = os.cpu_count() or 1
ROWS = {
    "ready": "time to ready, s",
    "provision": "everything made and enabled, s",
    "cold": "upload -> three results, cold, s",
    "warm": "the same, warm, median of 50, s",
    "worst": "the same, warm, worst of 50, s",
    "burst": "burst of 100 photos, images/s",
    "cpu": "server CPU an image, s",
    "worker_cpu": "functions' CPU an image, s",
    "rss": "resident memory of the server, MB",
}


def make_photo(number: int, megapixels: float = 2.0) -> bytes:
    """A JPEG with the detail of a photo: smooth areas, edges and a little noise; the same for the same number."""
    dice = random.Random(number)
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = height * 4 // 3
    coarse = Image.frombytes("RGB", (16, 12), bytes(dice.randrange(256) for _ in range(16 * 12 * 3)))
    picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
    noise = Image.effect_noise((width, height), 24).convert("RGB")
    buffer = BytesIO()
    Image.blend(picture, noise, 0.15).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


# --- the three that are compared --------------------------------------------------------------------------------


@contextmanager
def labkit_server() -> Iterator[tuple[str, int]]:
    """The embedded AWS, with MiniStack's keys; gives its URL and process id."""
    with tempfile.TemporaryDirectory() as folder:
        server = embedded_aws.start(Path(folder), keys=embedded_aws.Keys("test", "test"))
        try:
            yield server.url, server.pid
        finally:
            embedded_aws.stop(Path(folder))


def ministack_python(folder: Path) -> Path:
    """The Python of the environment in which MiniStack is installed, made if it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "bin" / "ministack").exists():
        print(f"Installing {MINISTACK[0]} in {folder} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *MINISTACK], check=True)
    return python


@contextmanager
def ministack_server(python: Path) -> Iterator[tuple[str, int]]:
    """MiniStack; gives its URL and process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": folder,
            "HOME": folder,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "WARNING",
        }
        process = subprocess.Popen(
            [python, "-m", "ministack"],
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


def floor(photos: list[bytes]) -> float:
    """Images a second that a plain process pool makes of the same photos with the same code."""
    with ProcessPoolExecutor(CORES, initializer=_load_functions) as pool:
        list(pool.map(_resize_three_times, photos[: 2 * CORES]))  # the processes are there and warm
        started = time.perf_counter()
        list(pool.map(_resize_three_times, photos))
        return len(photos) / (time.perf_counter() - started)


def _load_functions() -> None:
    sys.path[:0] = [str(ROOT / "lambda_packages" / name) for name in ("shared", *FUNCTIONS)]
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")


def _resize_three_times(photo: bytes) -> None:
    import image

    for function in FUNCTIONS:
        image.resize(photo, __import__(function).RULE.size)


# --- what is measured -------------------------------------------------------------------------------------------


class Bench:
    """One server with the lab's pipeline on it."""

    def __init__(self, url: str, pid: int) -> None:
        """Connect; nothing is made yet."""
        self._process = psutil.Process(pid)
        config = Config(max_pool_connections=16, retries={"total_max_attempts": 1}, read_timeout=120)
        self.clients: dict[str, Any] = {
            service: boto3.client(
                service,
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=config,
            )
            for service in ("s3", "sns", "sqs", "iam", "lambda", "sts")
        }
        self.bucket = "bench-ingest"

    def wait_until_ready(self) -> None:
        """Return when S3 answers."""
        until(self._answers)

    def _answers(self) -> bool:
        try:
            self.clients["s3"].list_buckets()
        except Exception:
            return False
        return True

    def provision(self, zips: dict[str, bytes], runtime: str) -> None:
        """Make everything, and wait until functions are active and triggers enabled."""
        s3, sns, sqs, iam, lambda_ = (self.clients[name] for name in ("s3", "sns", "sqs", "iam", "lambda"))
        account = self.clients["sts"].get_caller_identity()["Account"]
        s3.create_bucket(Bucket=self.bucket)
        topic = sns.create_topic(Name="bench-topic")["TopicArn"]
        allow_s3 = allow("s3.amazonaws.com", "SNS:Publish", topic, f"arn:aws:s3:::{self.bucket}")
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=allow_s3)
        # before anybody subscribes: the test event would warm the functions up
        rules = [{"Name": "prefix", "Value": "ingest/"}, {"Name": "suffix", "Value": ".jpg"}]
        rule = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
        s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
        )
        role = iam.create_role(
            RoleName="bench-role",
            AssumeRolePolicyDocument=json.dumps(
                statement({"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
            ),
        )["Role"]["Arn"]
        everything = json.dumps(statement({"Action": ["s3:*", "sqs:*", "logs:*"], "Resource": "*"}))
        iam.put_role_policy(RoleName="bench-role", PolicyName="p", PolicyDocument=everything)
        mappings = []
        for function in FUNCTIONS:
            queue_arn = f"arn:aws:sqs:us-east-1:{account}:{function}"
            attributes = {
                "VisibilityTimeout": "60",
                "Policy": allow("sns.amazonaws.com", "sqs:SendMessage", queue_arn, topic),
            }
            sqs.create_queue(QueueName=function, Attributes=attributes)
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
            lambda_.create_function(
                FunctionName=function,
                Role=role,
                Runtime=runtime,
                Handler=f"{function}.handler",
                Code={"ZipFile": zips[function]},
                Timeout=10,
                MemorySize=512,
                Architectures=[Target.host().architecture],
            )
            lambda_.get_waiter("function_active_v2").wait(FunctionName=function)
            mapping = lambda_.create_event_source_mapping(
                FunctionName=function,
                EventSourceArn=queue_arn,
                BatchSize=1,
                FunctionResponseTypes=["ReportBatchItemFailures"],
                ScalingConfig={"MaximumConcurrency": 2},
            )
            mappings.append(mapping["UUID"])
        for uuid in mappings:
            until(lambda uuid=uuid: lambda_.get_event_source_mapping(UUID=uuid)["State"] == "Enabled")

    def upload_and_wait(self, name: str, photo: bytes) -> float:
        """Seconds from the start of the upload until all three results are there."""
        started = time.perf_counter()
        self.clients["s3"].put_object(Bucket=self.bucket, Key=f"ingest/{name}.jpg", Body=photo)
        for folder in FOLDERS:
            until(lambda folder=folder: self._count(f"{folder}", name))
        return time.perf_counter() - started

    def _count(self, folder: str, name: str) -> int:
        found = self.clients["s3"].list_objects_v2(Bucket=self.bucket, Prefix=folder).get("Contents", [])
        return sum(1 for item in found if item["Key"].endswith(f"-{name}.jpg"))

    def burst(self, photos: list[bytes]) -> float:
        """Seconds from the first upload, by four writers, until every photo has its three results."""
        started = time.perf_counter()
        s3 = self.clients["s3"]
        with ThreadPoolExecutor(4) as writers:
            list(
                writers.map(
                    lambda item: s3.put_object(Bucket=self.bucket, Key=f"ingest/b{item[0]:03}.jpg", Body=item[1]),
                    enumerate(photos),
                )
            )
        for folder in FOLDERS:
            until(lambda folder=folder: self._burst_results(folder) >= len(photos), pause=0.1)
        return time.perf_counter() - started

    def _burst_results(self, folder: str) -> int:
        pages = self.clients["s3"].get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder)
        return sum("-b" in item["Key"] for page in pages for item in page.get("Contents", []))

    def remove_burst(self) -> None:
        """Forget the burst's objects, so that it can be run again."""
        s3 = self.clients["s3"]
        for prefix in ("ingest/", *FOLDERS):
            found = s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
            if found:
                s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": item["Key"]} for item in found]})

    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far: of the server, of all its children that live."""
        own = self._process.cpu_times()
        workers = 0.0
        for child in self._process.children(recursive=True):
            times = child.cpu_times()
            workers += times.user + times.system
        return own.user + own.system, workers

    def resident_mb(self) -> float:
        """Resident memory of the server alone."""
        return float(self._process.memory_info().rss / 1e6)


def statement(fields: dict[str, Any]) -> dict[str, Any]:
    """A policy of one Allow statement."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **fields}]}


def allow(service: str, action: str, resource: str, source: str) -> str:
    """A resource policy that lets one service in on behalf of one source."""
    condition = {"ArnLike": {"aws:SourceArn": source}}
    fields = {"Principal": {"Service": service}, "Action": action, "Resource": resource, "Condition": condition}
    return json.dumps(statement(fields))


def until(condition: Callable[[], Any], seconds: float = 180, pause: float = 0.005) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)


def measure(
    server: Callable[[], Any], zips: dict[str, bytes], runtime: str, photos: list[bytes], warm_rounds: int
) -> dict[str, float]:
    """One round on one server: every row but the floor."""
    figures: dict[str, float] = {}
    started = time.perf_counter()
    with server() as (url, pid):
        bench = Bench(url, pid)
        bench.wait_until_ready()
        figures["ready"] = time.perf_counter() - started
        started = time.perf_counter()
        bench.provision(zips, runtime)
        figures["provision"] = time.perf_counter() - started
        figures["cold"] = bench.upload_and_wait("cold", photos[0])
        times = [bench.upload_and_wait(f"w{n}", photos[n % len(photos)]) for n in range(warm_rounds)]
        figures["warm"], figures["worst"] = statistics.median(times), max(times)
        bench.burst(photos[:8])  # as many environments as a burst needs are there
        bench.remove_burst()
        server_before, workers_before = bench.cpu()
        seconds = bench.burst(photos)
        server_after, workers_after = bench.cpu()
        figures["burst"] = len(photos) / seconds
        figures["cpu"] = (server_after - server_before) / len(photos)
        figures["worker_cpu"] = (workers_after - workers_before) / len(photos)
        figures["rss"] = bench.resident_mb()
    return figures


def table(results: dict[str, list[dict[str, float]]], floors: list[float]) -> str:
    """The medians over the rounds, as Markdown."""
    names = list(results)
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for row, label in ROWS.items():
        medians = [statistics.median(figures[row] for figures in results[name]) for name in names]
        lines.append(f"| {label} | " + " | ".join(f"{value:.3g}" for value in medians) + " |")
    if floors:
        rate = statistics.median(floors)
        shares = [statistics.median(figures["burst"] for figures in results[name]) / rate for name in names]
        shown = " | ".join(f"{share:.0%}" for share in shares)
        lines.append(f"| burst as a share of the floor ({rate:.1f} images/s) | {shown} |")
    return "\n".join(lines)


def compare(
    wanted: Collection[str], rounds: int, photos: int, warm: int, ministack: Path
) -> tuple[dict[str, list[dict[str, float]]], list[float]]:
    """Each round of each server, and what the floor makes, in turn."""
    target = Target.host()
    zips = {package.function: package.path.read_bytes() for package in build_packages(target)}
    pictures = [make_photo(number) for number in range(photos)]
    servers: dict[str, Callable[[], Any]] = {}
    if "labkit" in wanted:
        servers["labkit"] = labkit_server
    if "ministack" in wanted:
        python = ministack_python(ministack)
        servers["ministack"] = lambda: ministack_server(python)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    floors = []
    for number in range(rounds):
        for name, server in servers.items():
            figures = measure(server, zips, target.runtime, pictures, warm)
            results[name].append(figures)
            rounded = {row: round(value, 3) for row, value in figures.items()}
            print(f"round {number + 1}, {name}: {json.dumps(rounded)}", file=sys.stderr)
        if "floor" in wanted:
            floors.append(floor(pictures))
            print(f"round {number + 1}, floor: {floors[-1]:.2f} images/s", file=sys.stderr)
    return results, floors


def ratios(rounds: int) -> dict[str, float]:
    """What is held against what it was: each row against MiniStack's, and the floor against the burst."""
    results, floors = compare(("labkit", "ministack", "floor"), rounds, 100, 50, MINISTACK_FOLDER)
    of = {
        row: [statistics.median(figures[row] for figures in results[name]) for name in ("labkit", "ministack")]
        for row in ("ready", "provision", "warm", "cpu", "rss", "burst")
    }
    return {
        "time to ready, against MiniStack": of["ready"][0] / of["ready"][1],
        "everything made, against MiniStack": of["provision"][0] / of["provision"][1],
        "upload to three results, warm, against MiniStack": of["warm"][0] / of["warm"][1],
        "server CPU an image, against MiniStack": of["cpu"][0] / of["cpu"][1],
        "memory of the server, against MiniStack": of["rss"][0] / of["rss"][1],
        "a plain pool's images/s, against a burst's": statistics.median(floors) / of["burst"][0],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ministack", type=Path, default=MINISTACK_FOLDER, help="its environment")
    parser.add_argument("--only", default="labkit,ministack,floor", help="what to measure")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--warm", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results, floors = compare(options.only.split(","), options.rounds, options.photos, options.warm, options.ministack)
    print(table(results, floors))


if __name__ == "__main__":
    main()
