"""Bodies of objects: whole in whichever way they are kept, and not kept longer than their objects."""

import gc
import resource
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from account import until
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.embedded_aws.services import object_bodies

LARGE = 300_000  # bytes: kept in a file, unless it is among the newest
BODY = bytes(range(256)) * (LARGE // 256)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a server's") / "objects"
    object_bodies.keep_in(folder, newest=0)
    yield folder
    object_bodies._keeper = None


class TestABody:
    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, LARGE])
    def test_is_read_as_a_file_is(self, folder, size):
        body = object_bodies.body_of(BODY[:size])
        assert body.getvalue() == BODY[:size]
        body.seek(0)
        assert body.read(100) + body.read() == BODY[:size]
        body.seek(max(0, size - 3))
        assert body.read() == BODY[max(0, size - 3) : size]

    @given(st.lists(st.integers(0, 50_000), max_size=8))
    @settings(deadline=None, max_examples=50)
    def test_in_pieces_of_any_size_is_the_same(self, folder, sizes):
        body = object_bodies.body_of(BODY)
        read = b"".join(body.read(size) for size in sizes)
        assert read + body.read() == BODY

    def test_that_nobody_needs_any_more_leaves_no_file(self, folder):
        before = set(folder.iterdir())
        body = object_bodies.body_of(BODY)
        (file,) = set(folder.iterdir()) - before
        assert file.stat().st_mode & 0o777 == 0o600
        del body
        gc.collect()
        assert set(folder.iterdir()) == before

    def test_that_the_disk_does_not_take_is_kept_all_the_same(self, folder, monkeypatch):
        monkeypatch.setattr(object_bodies, "_keeper", object_bodies._Keeper(folder / "gone", 0))
        assert object_bodies.body_of(BODY).getvalue() == BODY

    def test_for_which_there_is_half_the_room_is_kept_and_leaves_no_half_file(self, folder):
        before, limits = set(folder.iterdir()), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, limits[1]))
        try:
            body = object_bodies.body_of(BODY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert body.getvalue() == BODY
        assert set(folder.iterdir()) == before

    def test_that_is_among_the_newest_is_in_memory(self, folder, monkeypatch):
        before = set(folder.iterdir())
        monkeypatch.setattr(object_bodies, "_keeper", object_bodies._Keeper(folder / "..", 2 * len(BODY)))
        bodies = [object_bodies.body_of(BODY) for _ in range(2)]
        assert set(folder.iterdir()) == before
        bodies[0].seek(100)
        bodies.append(object_bodies.body_of(BODY))
        assert [bool(body._path) for body in bodies] == [True, False, False], "the oldest has left"
        assert bodies[0].read(10) == BODY[100:110], "where its reader was"
        assert all(body.getvalue() == BODY for body in bodies)


def objects(aws):
    (run,) = aws.server.folder.glob("run-*")
    return list((run / "objects").iterdir())


class TestOfAServer:
    def test_photos_are_in_files_and_go_with_their_objects(self, aws):
        bucket, s3 = aws.bucket(), aws.s3
        s3.put_object(Bucket=bucket, Key="newest", Body=bytes(object_bodies._NEWEST))
        before = len(objects(aws))
        for number in range(5):
            s3.put_object(Bucket=bucket, Key=f"{number}.jpg", Body=BODY)
        s3.put_object(Bucket=bucket, Key="small.jpg", Body=b"x")
        s3.put_object(Bucket=bucket, Key="0.jpg", Body=BODY)
        s3.copy_object(Bucket=bucket, Key="copy.jpg", CopySource={"Bucket": bucket, "Key": "1.jpg"})
        s3.put_object(Bucket=bucket, Key="newest", Body=bytes(object_bodies._NEWEST))
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 8
        until(lambda: len(objects(aws)) == before + 6)
        assert s3.get_object(Bucket=bucket, Key="copy.jpg")["Body"].read() == BODY
        for key in ("0.jpg", "1.jpg", "2.jpg"):
            s3.delete_object(Bucket=bucket, Key=key)
        until(lambda: len(objects(aws)) == before + 3)
        assert s3.get_object(Bucket=bucket, Key="copy.jpg", Range="bytes=10-19")["Body"].read() == BODY[10:20]

    def test_no_object_needs_a_descriptor(self, aws):
        bucket, server = aws.bucket(), psutil.Process(aws.server.pid)
        before = server.num_fds()
        for number in range(60):
            aws.s3.put_object(Bucket=bucket, Key=f"{number}.jpg", Body=BODY)
        assert server.num_fds() < before + 30

    def test_one_that_is_overwritten_all_the_time_is_always_whole(self, aws):
        bucket, s3, ended = aws.bucket(), aws.s3, threading.Event()
        bodies = [bytes([letter]) * LARGE for letter in b"ab"]
        s3.put_object(Bucket=bucket, Key="one.jpg", Body=bodies[0])

        def write():
            for number in range(60):
                s3.put_object(Bucket=bucket, Key="one.jpg", Body=bodies[number % 2])
            ended.set()

        def read():
            while not ended.is_set():
                assert s3.get_object(Bucket=bucket, Key="one.jpg")["Body"].read() in bodies

        with ThreadPoolExecutor(4) as threads:
            for task in [threads.submit(work) for work in (write, read, read, read)]:
                task.result()
