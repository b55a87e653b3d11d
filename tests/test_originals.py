"""The classroom lab's own handlers, uploaded as a student's own zips: they work, and fail, as they do on AWS."""

import json
import runpy
import shutil
import uuid
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

import labkit
from labkit.waiting import wait_until

ORIGINALS = Path(__file__).parent / "originals"
NAMES = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")


@pytest.fixture(scope="module")
def original_lab(workspace):
    """Steps 1 to 4 with the originals' code; the s3:TestEvent of step 3 still waits when the triggers start."""
    lab = labkit.open_lab("local", prefix="original-", workspace=workspace, function_timeout_s=1)
    labkit.catch_up(lab, to=3)
    labkit.create_roles(lab)
    for name in NAMES:
        labkit.create_function(lab, name)
        labkit.upload_code(lab, name, labkit.build_package(name, lab.target, source=ORIGINALS))
        labkit.set_handler(lab, name)
        labkit.add_trigger(lab, name)
        labkit.enable_trigger(lab, name)
    yield lab
    labkit.clean_up(lab)


def failures(lab, name, text):
    """The invocations of a function that failed with this text."""
    return [invocation for invocation in labkit.read_logs(lab, name) if text in str(invocation.error)]


@pytest.mark.parametrize("name", NAMES)
def test_the_test_event_is_a_key_error_again_and_again(original_lab, name):
    wait_until(lambda: failures(original_lab, name, "KeyError: 'Records'"), what="the first failure", seconds=60)
    queue = labkit.create_queue(original_lab, name)
    attributes = original_lab.client("sqs").get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
    waiting = attributes["Attributes"]
    assert int(waiting["ApproximateNumberOfMessages"]) + int(waiting["ApproximateNumberOfMessagesNotVisible"]) == 1


def found(lab, *keys):
    """Those of these objects that are in the bucket, with their contents."""
    bucket, there = lab.client("s3"), {}
    for key in keys:
        with suppress(bucket.exceptions.ClientError):
            there[key] = bucket.get_object(Bucket=lab.definition.bucket_name, Key=key)["Body"].read()
    return there


def results(name):
    """Where the three functions put the results of a photo of this name; the first has a misprint."""
    return [f"thumbnail/Thumbail-{name}", f"web/WebImage-{name}", f"mobile/MobileImage-{name}"]


def test_a_photo_comes_out_three_times(original_lab):
    upload = labkit.upload_photo(original_lab, labkit.sample("MonaLisa.jpg"))
    keys = results("MonaLisa.jpg")
    made = wait_until(
        lambda: (there := found(original_lab, *keys)).keys() == set(keys) and there, what="the results", seconds=60
    )
    sizes = [Image.open(BytesIO(made[key])).size for key in keys]
    expected = [branch.function.result_size(1600, 2400) for branch in original_lab.branches]
    assert all(abs(a - c) <= 1 and abs(b - d) <= 1 for (a, b), (c, d) in zip(sizes, expected, strict=True))
    assert [key for key in upload.expected if key not in keys] == ["thumbnail/Thumbnail-MonaLisa.jpg"]


def test_of_every_message_the_first_record_alone_is_read(original_lab):
    bucket, photo = original_lab.definition.bucket_name, labkit.sample("HappyFace.jpg").read_bytes()
    names = [
        f"{message}{record}.JPG" for message in "ab" for record in "12"
    ]  # in capitals, so that no rule hears of them
    for name in names:
        original_lab.client("s3").put_object(Bucket=bucket, Key=f"ingest/{name}", Body=photo)
    notices = [
        {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": f"ingest/{name}"}}} for name in pair]}
        for pair in (names[:2], names[2:])
    ]
    event = {"Records": [{"body": json.dumps({"Message": json.dumps(notice)})} for notice in notices]}
    for branch, prefix in zip(original_lab.branches, results(""), strict=True):
        answer = original_lab.client("lambda").invoke(FunctionName=branch.function_name, Payload=json.dumps(event))
        assert "FunctionError" not in answer
        assert found(original_lab, *(prefix + name for name in names)).keys() == {f"{prefix}a1.JPG", f"{prefix}b1.JPG"}


def test_a_blank_in_the_name_is_a_plus_in_the_event_and_not_found(original_lab):
    labkit.upload_photo(original_lab, labkit.sample("HappyFace.jpg"), name="my photo.jpg")
    for name in NAMES:
        failed = wait_until(lambda n=name: failures(original_lab, n, "(404)"), what="the failure", seconds=60)
        assert "ClientError" in str(failed[0].error)
        assert "HeadObject" in str(failed[0].error)


def test_in_a_folder_a_photo_gets_no_extension_and_no_result(original_lab):
    """What stands behind the first slash of `ingest/a/x.jpg` is `a`, and of what kind that is Pillow cannot tell."""
    labkit.upload_photo(original_lab, labkit.sample("HappyFace.jpg"), name="a/x.jpg")
    for name in NAMES:
        wait_until(
            lambda n=name: failures(original_lab, n, "ValueError: unknown file extension"),
            what="the failure",
            seconds=60,
        )
    assert found(original_lab, *results("a"), *results("x.jpg")) == {}


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_its_result_in_tmp_for_the_next_photo_of_that_name(name, monkeypatch):
    """The photo itself has a new name each time."""
    used = []

    class S3:
        meta = SimpleNamespace(client=SimpleNamespace(upload_file=lambda path, *_: used.append(path)))

        def download_file(self, _bucket, _key, path):
            used.append(path)
            shutil.copyfile(labkit.sample("HappyFace.jpg"), path)

    made = []
    monkeypatch.setattr("boto3.client", lambda service: made.append(f"client {service}") or S3())
    monkeypatch.setattr("boto3.resource", lambda service: made.append(f"resource {service}") or S3)
    module = runpy.run_path(str(ORIGINALS / name / f"{name}.py"))
    photo = f"{uuid.uuid4()}.jpg"
    notice = {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": f"ingest/{photo}"}}}]}
    try:
        for _ in range(2):
            module["handler"]({"Records": [{"body": json.dumps({"Message": json.dumps(notice)})}]}, None)
        first, result, second, result_again = used
        assert made == ["client s3", "resource s3"]
        assert result == result_again == f"/tmp/resized-{photo}"
        assert first != second
        assert all(path.startswith("/tmp/") and path.endswith(photo) and Path(path).exists() for path in used)
    finally:
        for path in used:
            Path(path).unlink(missing_ok=True)
