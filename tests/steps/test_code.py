"""A function's code is seen, changed in one place, tried on a photo, and put back."""

from zipfile import ZipFile

import pytest

from labkit import LabError, catch_up, change_code, check_functions, compare_pictures, list_results, show_code, try_code
from labkit.steps.code import code_files


def test_the_file_that_lambda_calls_is_shown_whole():
    assert "size=half)\n\n\ndef handler(event: dict[str, Any], context: Any)" in str(show_code("CreateThumbnail"))


def test_names_of_the_shared_code_are_shown_without_their_docstrings():
    shown = show_code("CreateThumbnail", "half", "QUALITY")
    assert shown.pieces_of_it[0] == (
        "image.py",
        "def half(width: int, height: int) -> Size:\n    return max(1, width // 2), max(1, height // 2)",
    )
    assert shown.pieces_of_it[1][1].startswith("QUALITY = 75")
    assert "<style>" in shown._repr_mimebundle_()["text/html"]


def test_what_is_not_there_is_said():
    with pytest.raises(LabError, match="no code of a function 'CreateThumbnai'") as caught:
        show_code("CreateThumbnai")
    assert "CreateMobileImage, CreateThumbnail, CreateWebImage" in caught.value.hint()
    with pytest.raises(LabError, match="Nothing is called 'quarter' in CreateThumbnail"):
        show_code("CreateThumbnail", "quarter")


@pytest.mark.parametrize(("old", "found"), [("width // 3", "nowhere"), ("", "nowhere"), ("return batch", "nowhere")])
def test_a_piece_that_is_not_in_the_code_is_refused(lab, old, found):
    with pytest.raises(LabError, match=f"stands {found} in the code of CreateThumbnail") as caught:
        change_code(lab, "CreateThumbnail", old, "x")
    assert "show_code('CreateThumbnail')" in caught.value.hint()


def test_a_piece_that_stands_there_twice_is_refused(lab):
    with pytest.raises(LabError, match=r"'import' stands \d+ times"):
        change_code(lab, "CreateThumbnail", "import", "export")


def test_the_packages_of_the_lab_stay_as_they_are(lab):
    before = [path.read_bytes() for path in code_files("CreateMobileImage")]
    changed = change_code(lab, "CreateMobileImage", "within(640, 320)", "within(400, 320)")
    assert [path.read_bytes() for path in code_files("CreateMobileImage")] == before
    assert b"within(400, 320)" in ZipFile(changed.path).read("CreateMobileImage.py")


def test_changed_code_makes_another_picture_and_nothing_of_it_stays(lab):
    catch_up(lab, to=4)
    tried = try_code(lab, "CreateThumbnail", "width // 2", "width // 4")
    assert (tried.before.width, tried.after.width) == (480, 240)
    assert tried.before.height == tried.after.height
    assert check_functions(lab).passed
    assert list_results(lab).objects == ()
    picture = compare_pictures(tried)
    assert [image.width for image in picture.images] == [300, 150]
    assert "What CreateThumbnail made with width // 4" in picture.images[1].alt
