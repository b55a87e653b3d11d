"""Two people's labs on one endpoint: each sees its own, and grading both gives two right sheets."""

import csv
import io
import json
import shutil

import pytest

import labkit
from labkit import LabError, catch_up, clean_up, inventory, open_lab
from labkit.insight.grade import ClassSheet, Part, Sheet, grade, grade_class
from labkit.result import Check


@pytest.fixture(scope="module")
def ann_and_bob(workspace):
    """Ann's lab is whole; Bob's handler is wrong, and he has uploaded nothing."""
    ann = open_lab("local", prefix="ann-", workspace=workspace)
    bob = open_lab("local", prefix="bob-", workspace=workspace)
    catch_up(ann, to=5)
    catch_up(bob, to=4)
    labkit.set_handler(bob, "CreateWebImage", "CreateWebImage.run")
    yield ann, bob
    clean_up(ann)
    clean_up(bob)


def test_a_whole_lab_gets_full_marks(ann_and_bob):
    sheet = grade(ann_and_bob[0])
    assert (sheet.student, sheet.score, sheet.reasons()) == ("ann", 100, ())
    assert [part.name for part in sheet.parts] == ["topic", "queues", "notification", "functions", "results"]


def test_marks_come_with_reasons(ann_and_bob):
    sheet = grade(ann_and_bob[1])
    assert sheet.reasons() == (
        "functions: bob-CreateWebImage: handler is CreateWebImage.run, not CreateWebImage.handler",
        "results: a photo was uploaded is none, not at least one",
    )
    assert {part.name: part.share for part in sheet.parts if part.share < 1} == {
        "functions": pytest.approx(1 - 1 / 15 / 9),
        "results": 0,
    }
    assert sheet.score == 79


def test_a_class_is_graded_by_prefix(ann_and_bob):
    sheets = grade_class(ann_and_bob[0], prefixes=["bob-", "ann-", "eve-"])
    assert [(sheet.student, sheet.score) for sheet in sheets.sheets] == [("ann", 100), ("bob", 79), ("eve", 0)]


def test_the_same_labs_give_the_same_sheets(ann_and_bob, tmp_path):
    texts = [grade_class(lab, prefixes=["ann-", "bob-"]).json() for lab in ann_and_bob]
    assert texts[0] == texts[1]


def test_a_class_is_graded_by_its_journals(ann_and_bob, tmp_path):
    for name, lab in zip(("one", "two"), ann_and_bob, strict=True):
        shutil.copy(lab.journal.path, tmp_path / f"{name}.jsonl")
    sheets = grade_class(ann_and_bob[0], journals=tmp_path)
    assert [(sheet.student, sheet.score) for sheet in sheets.sheets] == [("ann", 100), ("bob", 79)]


def test_grading_changes_nothing(ann_and_bob):
    ann, bob = ann_and_bob
    before, mark = [lab.journal.path.read_bytes() for lab in (ann, bob)], ann.connection.calls.total
    grade_class(ann, prefixes=["ann-", "bob-"])
    assert [lab.journal.path.read_bytes() for lab in (ann, bob)] == before
    operations = {call.operation for call in ann.connection.calls.since(mark)}
    assert all(name.startswith(("Get", "List", "Head", "Describe")) for name in operations), operations


def test_the_sheets_are_written_as_json_and_csv(ann_and_bob, tmp_path):
    as_json, as_csv = grade_class(ann_and_bob[0], prefixes=["ann-", "bob-"]).write(tmp_path / "marks")
    data = json.loads(as_json.read_text("utf-8"))
    assert [(sheet["student"], sheet["score"]) for sheet in data] == [("ann", 100), ("bob", 79)]
    rows = list(csv.DictReader(io.StringIO(as_csv.read_text("utf-8"))))
    assert [row["student"] for row in rows] == ["ann", "bob"]
    assert rows[0]["reasons"] == ""
    assert "handler is CreateWebImage.run" in rows[1]["reasons"]


def test_side_by_side_they_never_see_each_other(ann_and_bob):
    ann, bob = ann_and_bob
    anns, bobs = (set(inventory(lab).things) for lab in (ann, bob))
    shared = {(kind, name) for kind, name in anns & bobs}
    assert shared <= {("event notification", "resize-image-event"), ("object", "ingest/")}  # in a bucket of their own
    upload = labkit.upload_photo(bob, labkit.sample("HappyFace.jpg"), name="of-bob.jpg")
    labkit.wait_for_logs(bob, "CreateThumbnail", key=upload.key)
    assert labkit.read_logs(ann, "CreateThumbnail").about(upload.key) == ()
    with pytest.raises(LabError, match="There is no photo ingest/of-bob"):
        labkit.read_results(ann, "of-bob.jpg")
    bob.client("s3").delete_object(Bucket=upload.bucket, Key=upload.key)


def test_a_folder_without_journals_says_what_is_wanted(lab, tmp_path):
    with pytest.raises(LabError, match="There is no folder") as caught:
        grade_class(lab, journals=tmp_path / "nowhere")
    assert "journals" in caught.value.hint()
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(LabError, match="speaks of no lab"):
        grade_class(lab, journals=tmp_path)


def test_a_spreadsheet_takes_no_cell_for_a_formula():
    sheet = Sheet("=cmd()", "lab", tuple(Part(n, (Check("a: b", True, "x", "x"),)) for n in
                  ("topic", "queues", "notification", "functions", "results")))  # fmt: skip
    assert ClassSheet((sheet,)).csv().splitlines()[1].startswith("'=cmd()")


def test_a_missing_thing_weighs_as_much_as_one_that_is_there():
    lines = [Check(f"one: {n}", True, "", "") for n in range(11)] + [Check("two: exists", False, "", "")]
    assert Part("queues", tuple(lines)).share == 0.5
