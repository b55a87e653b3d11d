"""A thousand uploads while environments are being killed: nothing is lost, nothing is left."""

import io
import json
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from account import Account, until
from children import children
from PIL import Image

from labkit import embedded_aws
from labkit.packages import Target, build_packages

FOLDERS = {"CreateThumbnail": "thumbnail/", "CreateWebImage": "web/", "CreateMobileImage": "mobile/"}
PHOTOS = 1_000


def photo(number):
    picture = Image.effect_noise((160 + number % 64, 120), 40).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


class Killer(threading.Thread):
    """Kills one execution environment after another, at random, until told to stop."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server = psutil.Process(server.pid)
        self.stopped = threading.Event()
        self.killed = 0

    def run(self):
        dice = random.Random(1)
        while not self.stopped.wait(dice.uniform(0.2, 1.0)):
            if environments := children(self._server.pid, "bootstrap.py"):
                with_luck = dice.choice(environments)
                try:
                    with_luck.send_signal(signal.SIGKILL)
                    self.killed += 1
                except psutil.NoSuchProcess:
                    continue


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_photo_has_its_three_results_whatever_is_killed(tmp_path):
    server = embedded_aws.start(tmp_path / "aws")
    try:
        aws = Account(server)
        bucket = aws.bucket()
        topic = aws.sns.create_topic(Name="topic")["TopicArn"]
        aws.allow_s3(topic, bucket)
        queues, dead = [], []
        for package in build_packages(Target.host()):
            dead_url, dead_arn = aws.queue()
            redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5})
            url, arn = aws.queue(VisibilityTimeout=6, RedrivePolicy=redrive)
            aws.allow_topic(url, arn, topic)
            aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
            name = aws.function(
                Code={"ZipFile": package.path.read_bytes()},
                Handler=package.handler,
                FunctionName=package.function,
                Timeout=1,
                MemorySize=256,
            )
            aws.mapping(name, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
            queues.append(url)
            dead.append((dead_url, dead_arn))
        aws.notify(bucket, topic)

        killer = Killer(server)
        killer.start()

        def upload(number):
            aws.s3.put_object(Bucket=bucket, Key=f"ingest/{number:04}.jpg", Body=photo(number))

        with ThreadPoolExecutor(4) as writers:
            list(writers.map(upload, range(PHOTOS)))
        until(lambda: all(aws.depth(url) == (0, 0) for url in queues), seconds=600)
        killer.stopped.set()
        killer.join()
        assert killer.killed > 20

        for dead_url, dead_arn in dead:
            if aws.depth(dead_url) != (0, 0):
                aws.sqs.start_message_move_task(SourceArn=dead_arn)
        until(lambda: all(aws.depth(url) == (0, 0) for url in [*queues, *(url for url, _ in dead)]), seconds=120)

        pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = {item["Key"] for page in pages for item in page["Contents"]}
        for folder in FOLDERS.values():
            assert sum(key.startswith(folder) for key in keys) == PHOTOS
        assert len(keys) == 4 * PHOTOS
    finally:
        embedded_aws.stop(server.folder)
