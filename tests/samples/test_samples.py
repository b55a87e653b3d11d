"""The samples are there, are what they claim to be, and make the lesson's point."""

import pytest
from PIL import Image, ImageOps

from labkit.errors import LabError
from labkit.samples import FOLDER, list_samples, sample
from labkit.settings import WEB

EXIF_ORIENTATION = 0x0112


@pytest.mark.parametrize("one", tuple(list_samples()), ids=lambda one: one.name)
def test_a_sample_is_a_small_baseline_jpeg_of_the_size_it_claims(one):
    with Image.open(one.path) as photo:
        assert photo.format == "JPEG"
        assert "progressive" not in photo.info
        assert ImageOps.exif_transpose(photo).size == (one.width, one.height)
    assert one.path.suffix == ".jpg"
    assert one.bytes < 3_000_000


def test_the_names_of_the_original_are_there():
    assert {"AWS.jpg", "MonaLisa.jpg", "HappyFace.jpg"} <= {one.name for one in list_samples()}


def test_one_is_a_photo_of_12_megapixels_or_more():
    assert max(one.width * one.height for one in list_samples()) >= 12_000_000


def test_web_shrinks_all_but_the_happy_face():
    unchanged = [
        one.name for one in list_samples() if WEB.result_size(one.width, one.height) == (one.width, one.height)
    ]
    assert unchanged == ["HappyFace.jpg"]


def test_one_is_stored_turned_and_says_so():
    with Image.open(sample("friends.jpg")) as photo:
        assert photo.getexif()[EXIF_ORIENTATION] == 6
        assert photo.width > photo.height


def test_a_wrong_name_is_answered_with_the_right_ones():
    with pytest.raises(LabError) as raised:
        sample("aws.jpg")
    assert "no sample photo called 'aws.jpg'" in str(raised.value)
    assert "AWS.jpg, MonaLisa.jpg, HappyFace.jpg" in raised.value.hint()


def test_every_file_has_a_licence_on_record():
    licences = (FOLDER / "LICENCES.md").read_text()
    for file in FOLDER.glob("*.jpg"):
        assert f"`{file.name}`" in licences
        assert file == sample(file.name)


def test_the_samples_show_themselves_as_a_table():
    shown = str(list_samples())
    assert "dandelions.jpg" in shown
    assert "5312 x 2988" in shown
    assert "CC BY 4.0" in shown
