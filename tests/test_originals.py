"""The classroom lab's own handlers, uploaded as a student's own zips: they work, and fail, as they do on AWS."""

from pathlib import Path

import pytest

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


def test_a_photo_comes_out_three_times(original_lab):
    upload = labkit.upload_photo(original_lab, labkit.sample("MonaLisa.jpg"))
    labkit.wait_for_results(original_lab, upload)
    found = labkit.read_results(original_lab, upload.key)
    sizes = [(photo.width, photo.height) for photo in found.results]
    source = found.source
    expected = [branch.function.result_size(source.width, source.height) for branch in original_lab.branches]
    assert all(abs(a - c) <= 1 and abs(b - d) <= 1 for (a, b), (c, d) in zip(sizes, expected, strict=True))
    assert [photo.key for photo in found.results] == [
        "thumbnail/Thumbnail-MonaLisa.jpg",
        "web/WebImage-MonaLisa.jpg",
        "mobile/MobileImage-MonaLisa.jpg",
    ]


def test_a_blank_in_the_name_is_a_plus_in_the_event_and_not_found(original_lab):
    labkit.upload_photo(original_lab, labkit.sample("HappyFace.jpg"), name="my photo.jpg")
    for name in NAMES:
        failed = wait_until(lambda n=name: failures(original_lab, n, "(404)"), what="the failure", seconds=60)
        assert "ClientError" in str(failed[0].error)
        assert "HeadObject" in str(failed[0].error)


def test_in_a_folder_a_photo_overwrites_its_namesake(original_lab):
    upload = labkit.upload_photo(original_lab, labkit.sample("HappyFace.jpg"), name="a/x.jpg")
    bucket = original_lab.client("s3")

    def written():
        found = bucket.list_objects_v2(Bucket=upload.bucket, Prefix="thumbnail/")
        return [item["Key"] for item in found.get("Contents", []) if item["Key"] == "thumbnail/Thumbnail-a"]

    # key.split("/")[1] of `ingest/a/x.jpg` is `a`: every photo of that folder gets the same result.
    assert wait_until(written, what="the misplaced result", seconds=60)
    assert "thumbnail/a/Thumbnail-x.jpg" in upload.expected
