"""How a person may name a photo, and what is said of one that is not there."""

import pytest

from labkit import LabError, check_results, doctor, read_results, send_again, trace
from labkit.branch import Branch
from labkit.insight.invocations import failure_of
from labkit.insight.logs import Invocation
from labkit.resources.bucket import bucket_of
from labkit.resources.keys import full_key

ASKED = pytest.mark.parametrize("ask", [trace, read_results, send_again], ids=lambda ask: ask.__name__)


@pytest.fixture(scope="module")
def key(built_lab):
    assert "ingest/MonaLisa.jpg" in bucket_of(built_lab).photos()
    return "ingest/MonaLisa.jpg"  # others may lie beside it, put there by other tests


@pytest.mark.parametrize("form", ["{name}", "{key}", "/{key}", "s3://{bucket}/{key}", "/{name}"])
def test_a_photo_has_more_than_one_name(built_lab, key, form):
    named = form.format(key=key, name=key.removeprefix("ingest/"), bucket=built_lab.definition.bucket_name)
    assert full_key(built_lab, named) == key
    assert doctor(built_lab, named).key == key
    assert trace(built_lab, named).key == key
    assert check_results(built_lab, named).passed


def test_an_address_in_another_bucket_is_refused(built_lab):
    with pytest.raises(LabError, match=f"is in the bucket another; this lab's is {built_lab.definition.bucket_name}"):
        trace(built_lab, "s3://another/ingest/cat.jpg")


@ASKED
def test_a_slip_is_told_as_a_slip_and_not_as_a_matter_of_case(built_lab, key, ask):
    with pytest.raises(LabError) as told:
        ask(built_lab, key.replace("a", "aa", 1))
    assert told.value.code == "not-there"
    assert f"Did you mean {key}?" in told.value.hint()
    assert "case-sensitive" not in told.value.hint()


@ASKED
def test_case_is_named_where_case_is_the_difference(built_lab, key, ask):
    with pytest.raises(LabError) as told:
        ask(built_lab, key.swapcase().replace("INGEST", "ingest"))
    assert told.value.hint().startswith(f"There is {key}: keys are case-sensitive.")


@ASKED
def test_nothing_is_guessed_where_nothing_is_like_it(built_lab, ask):
    with pytest.raises(LabError) as told:
        ask(built_lab, "ingest/0123456789.jpg")
    assert told.value.hint() == "list_results(lab) shows what is there."


def test_only_what_is_there_can_be_copied(built_lab):
    hop = doctor(built_lab, "ingest/nowhere.JPG").first
    assert hop.name == "key"
    assert hop.call == "upload_photo(lab, ..., name='nowhere.jpg')"
    s3, bucket = built_lab.client("s3"), built_lab.definition.bucket_name
    s3.put_object(Bucket=bucket, Key="ingest/there.JPG", Body=b"a photo")
    try:
        assert "copy_object(" in doctor(built_lab, "ingest/there.JPG").first.call
    finally:
        s3.delete_object(Bucket=bucket, Key="ingest/there.JPG")


@pytest.mark.parametrize(
    ("photo", "advised"),
    [
        ({"reason": "out_of_memory"}, True),
        ({"reason": "too_large", "message": "It needs about 900 MB; this function has 512 MB."}, True),
        ({"reason": "too_large", "message": "More than 200,000,000 pixels."}, False),
        ({"reason": "damaged", "message": "The image is cut off."}, False),
    ],
)
def test_more_memory_is_advised_where_memory_is_what_lacks(built_lab, monkeypatch, photo, advised):
    said = {"event": "failed", "source_key": "ingest/a.jpg", **photo}
    monkeypatch.setattr(Invocation, "photos", (said,))
    branch: Branch = built_lab.branches[0]
    failure = failure_of(Invocation("id", "stream", None, status="ok", duration_ms=1.0), "ingest/a.jpg")
    call = failure.call(branch, {"Timeout": 10, "MemorySize": 512})
    assert ("MemorySize=1024" in call) is advised
