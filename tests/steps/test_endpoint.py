"""What the lab says where an AWS of someone else's answers otherwise than AWS does."""

import pytest

from labkit import LabError, clean_up, create_bucket, create_ingest_folder, open_lab, sample, upload_photo

UPLOADS = {
    "the folder": create_ingest_folder,
    "a photo": lambda lab: upload_photo(lab, sample("HappyFace.jpg")),
}


@pytest.fixture
def lab(endpoint, tmp_path):
    lab = open_lab("endpoint", endpoint_url=endpoint, workspace=tmp_path)
    create_bucket(lab)
    yield lab
    clean_up(lab)


def refuse_objects(lab, code, words):
    class Response:
        status_code = 403

    refusal = {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    lab.client("s3").meta.events.register_first("before-call.s3.PutObject", lambda **_: (Response(), refusal))


@pytest.mark.parametrize("upload", UPLOADS)
def test_a_refusal_without_a_reason_is_an_endpoint_that_reads_no_conditions_of_a_bucket_policy(lab, upload):
    refuse_objects(lab, "403", "Forbidden")  # which is all that moto_server says
    with pytest.raises(LabError, match="AWS refused a call") as caught:
        UPLOADS[upload](lab)
    assert caught.value.aws_said == "403: Forbidden"
    assert "reads no conditions of a bucket's policy, as moto_server does not" in caught.value.hint()
    assert f"delete_bucket_policy(Bucket={lab.definition.bucket_name!r})" in caught.value.hint()


@pytest.mark.parametrize("upload", UPLOADS)
def test_a_refusal_with_a_reason_is_the_users_own(lab, upload):
    refuse_objects(lab, "AccessDenied", "... no identity-based policy allows the s3:PutObject action")
    with pytest.raises(LabError, match="AWS refused a call") as caught:
        UPLOADS[upload](lab)
    assert "labkit permissions" in caught.value.hint()
