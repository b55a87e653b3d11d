"""An embedded AWS that stopped has forgotten everything: every opening of a lab says so, until nothing lost is left."""

import subprocess
import sys
import time

import pytest

from labkit import (
    LabError,
    catch_up,
    clean_up,
    create_ingest_folder,
    embedded_aws,
    open_lab,
    sample,
    upload_photo,
    wait_for_results,
)
from labkit.connection import LOCAL_FOLDER


@pytest.fixture
def workspace(tmp_path):
    """A workspace of the test's own, since its embedded AWS is stopped in between."""
    yield tmp_path
    embedded_aws.stop(tmp_path / LOCAL_FOLDER)


def lose(workspace):
    assert embedded_aws.stop(workspace / LOCAL_FOLDER)


def test_it_is_told_at_every_opening_and_in_every_kernel_until_nothing_lost_is_left(workspace):
    first = open_lab("local", workspace=workspace)
    catch_up(first, to=2)
    lose(workspace)
    for _ in range(3):  # three notebooks
        lab = open_lab("local", workspace=workspace)
        assert "was started anew and remembers nothing: 19 things of this lab are gone" in lab.notice
        assert lab.notice in str(lab)
    assert first.notice == lab.notice  # in the kernel that was there before, too
    catch_up(lab, to=1)
    again = open_lab("local", workspace=workspace)
    assert "18 things of this lab are gone" in again.notice
    assert "18 things of this lab are gone" in first.notice
    catch_up(again, to=2)
    for one in (first, lab, again, open_lab("local", workspace=workspace)):
        assert one.notice == ""
    assert again.definition == first.definition


def test_cleaning_up_gives_up_what_was_lost(workspace):
    catch_up(open_lab("local", workspace=workspace), to=1)
    lose(workspace)
    receipt = clean_up(open_lab("local", workspace=workspace))
    assert (receipt.deleted, receipt.left, receipt.not_ours) == ((), (), ())
    assert open_lab("local", workspace=workspace).notice == ""


@pytest.mark.parametrize("words", [["logs", "CreateThumbnail"], ["check", "1"], ["doctor"], ["cost"], ["status"]])
def test_every_command_tells_it(workspace, monkeypatch, words):
    catch_up(open_lab("local", workspace=workspace), to=1)
    lose(workspace)
    open_lab("local", workspace=workspace)
    monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace))
    done = subprocess.run([sys.executable, "-m", "labkit", *words], capture_output=True, text=True, check=False)
    assert "The embedded AWS was started anew and remembers nothing: 1 thing of this lab is gone." in done.stderr
    assert "Traceback" not in done.stderr


def test_who_waits_for_the_results_of_a_photo_that_is_gone_is_told_at_once(workspace):
    lab = open_lab("local", workspace=workspace)
    catch_up(lab, to=4)
    create_ingest_folder(lab)
    upload = upload_photo(lab, sample("HappyFace.jpg"))
    lose(workspace)
    again = open_lab("local", workspace=workspace)
    started = time.monotonic()
    with pytest.raises(LabError, match=r"The photo ingest/HappyFace\.jpg is gone: nothing will come of it") as caught:
        wait_for_results(again, upload)
    assert time.monotonic() - started < 20
    assert "was started anew and remembers nothing" in caught.value.message
    assert "Upload it again" in caught.value.hint()


def test_a_photo_that_somebody_has_deleted_is_gone_as_well(lab):
    catch_up(lab, to=3)
    create_ingest_folder(lab)
    upload = upload_photo(lab, sample("HappyFace.jpg"))
    lab.client("s3").delete_object(Bucket=upload.bucket, Key=upload.key)
    with pytest.raises(LabError, match=r"The photo ingest/HappyFace\.jpg is gone"):
        wait_for_results(lab, upload)
