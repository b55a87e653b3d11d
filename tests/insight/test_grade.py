"""Marks: what was done counts, what was caught up hardly, what only looks like it not at all; and each has its reason.

Ann has done the lab; Bob has caught up with its first four steps, and Mal has drawn the results by hand.
"""

import csv
import io
import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

import labkit
from labkit import LabError, catch_up, clean_up, inventory, open_lab
from labkit.insight.evidence import collect, told_by
from labkit.insight.grade import grade, grade_class, grade_folder
from labkit.insight.hand_in import ENDING, hand_in
from labkit.insight.marks import ClassSheet, Part, Sheet, Student, mark
from labkit.journal import Journal
from labkit.steps.catch_up import STEPS

RESULTS = {"thumbnail/Thumbnail-": (1440, 960), "web/WebImage-": (1620, 1080), "mobile/MobileImage-": (480, 320)}


def do(lab, to):
    """The steps as a person does them, each by its own verbs."""
    for step in range(1, to + 1):
        for make in STEPS[step]:
            make(lab)


def points(sheet):
    return {part.name: round(part.points, 1) for part in sheet.parts}


@pytest.fixture(scope="module")
def ann(workspace):
    lab = open_lab("local", prefix="ann-", workspace=workspace)
    do(lab, 5)
    yield lab
    clean_up(lab)


@pytest.fixture(scope="module")
def bob(workspace):
    lab = open_lab("local", prefix="bob-", workspace=workspace)
    catch_up(lab, to=4)
    yield lab
    clean_up(lab)


@pytest.fixture(scope="module")
def mal(workspace):
    """A bucket, and pictures of the right sizes in it, that no function has made."""
    lab = open_lab("local", prefix="mal-", workspace=workspace)
    do(lab, 2)
    labkit.create_bucket(lab)
    upload = labkit.upload_photo(lab, labkit.sample("AWS.jpg"))
    for folder, size in RESULTS.items():
        jpeg = io.BytesIO()
        Image.new("RGB", size).save(jpeg, "JPEG")
        sent = {"Body": jpeg.getvalue(), "ContentType": "image/jpeg", "Bucket": upload.bucket}
        lab.client("s3").put_object(Key=f"{folder}AWS.jpg", **sent)
    yield lab
    clean_up(lab)


@pytest.fixture(scope="module")
def folder(ann, bob, tmp_path_factory):
    """What Ann and Bob have handed in."""
    folder = tmp_path_factory.mktemp("handed in")
    hand_in(ann, folder, name="Ann A.", student_id="17", email="ann@example.org")
    hand_in(bob, folder)
    return folder


def refuse_account():
    raise AssertionError("no account is needed for what was handed in")


class TestWhatMarksMeasure:
    def test_a_lab_that_was_done_gets_full_marks(self, ann):
        sheet = grade(ann)
        assert (sheet.student.name, sheet.score, sheet.most, sheet.reasons()) == ("ann", 100, 100, ())
        assert points(sheet) == {"topic": 20, "queues": 20, "notification": 20, "functions": 20, "results": 20}

    def test_one_that_was_caught_up_gets_a_tenth(self, bob):
        sheet = grade(bob)
        assert points(sheet) == {"topic": 2, "queues": 2, "notification": 2, "functions": 2, "results": 0}
        assert "topic: caught up: topic bob-resize-image-topic-" in sheet.reasons()[0]
        assert {status for part in sheet.parts[:-1] for _, status in part.statuses} == {"caught up"}

    def test_catching_up_with_all_of_it_gives_at_most_ten(self, new_lab):
        lab = new_lab()
        labkit.catch_up(lab, to=5)
        assert grade(lab).score == 10

    def test_what_was_done_once_and_caught_up_with_again_was_done(self, ann):
        evidence = collect(ann, ann.journal)
        again = replace(evidence, makers={key: (*by, "catch_up") for key, by in evidence.makers.items()})
        assert mark(again).score == 100

    def test_pictures_made_by_hand_are_not_results(self, mal):
        sheet = grade(mal)
        assert points(sheet)["results"] == 0
        said = "thumbnail/Thumbnail-AWS.jpg is not believed: its metadata names no function of the lab"
        assert f"results: {said}" in sheet.reasons()
        assert sheet.most == sheet.score

    def test_pictures_with_copied_metadata_are_not_results_without_an_invocation(self, ann):
        evidence = collect(ann, ann.journal)
        photo = evidence.photos[0]
        unlogged = replace(photo, made=tuple(replace(one, log={}, report="") for one in photo.made))
        sheet = mark(replace(evidence, photos=(unlogged,)))
        assert points(sheet)["results"] == 0
        assert "CreateThumbnail has no invocation in its log that made it" in " ".join(sheet.reasons())
        unreported = replace(photo, made=tuple(replace(one, report="") for one in photo.made))
        assert points(mark(replace(evidence, photos=(unreported,))))["results"] == 0

    def test_what_no_journal_tells_is_not_proved_and_not_lost(self, ann):
        sheet = mark(collect(ann, None))
        assert (sheet.score, sheet.most) == (0, 100)
        assert "No journal was handed in" in sheet.notes[0]

    def test_what_was_made_by_hand_is_not_proved(self, ann):
        evidence = collect(ann, ann.journal)
        topic = ("topic", ann.definition.topic_name)
        sheet = mark(replace(evidence, makers={key: by for key, by in evidence.makers.items() if key != topic}))
        assert (sheet.score, sheet.most) == (80, 100)
        assert f"topic: by hand, which no journal tells: topic {topic[1]}" in sheet.reasons()

    def test_exercises_are_told(self, ann):
        evidence = collect(ann, ann.journal)
        sheet = mark(replace(evidence, exercises={"one": True, "two": False}))
        assert sheet.score == 100
        assert ("exercises", "not counted", "", "", "", "", "1 right of 2 tried") in list(sheet.rows())

    def test_exercises_are_read_from_the_journal_alone(self, lab):
        for word in ("wrong", "right", "wrong"):
            lab.journal.answered("exercise", "one", verdict=word, said="")
        lab.journal.answered("exercise", "two", verdict="blank", said="")
        assert told_by(Journal(lab.journal.path))[3] == {"one": True, "two": False}

    def test_a_run_without_a_reader_is_no_work(self, ann):
        evidence = collect(ann, ann.journal)
        assert mark(replace(evidence, makers=dict.fromkeys(evidence.makers, ("run",)))).score == 10


class TestWeights:
    @pytest.fixture
    def queue(self, ann):
        """Ann's web queue, by its URL, as it was afterwards."""
        sqs, name = ann.client("sqs"), ann.branch("CreateWebImage").queue_name
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
        yield url
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)

    def test_a_queue_that_is_open_to_all_costs_ten(self, ann, queue):
        everyone = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everyone]})
        ann.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        sheet = grade(ann)
        assert sheet.score == 90
        assert sheet.reasons()[0].startswith("queues: ann-web-queue: who may send is ")
        assert sheet.reasons()[0].endswith("(-10)")

    def test_a_wrong_handler_costs_half_the_part(self, ann):
        labkit.set_handler(ann, "CreateWebImage", "CreateWebImage.run")
        assert points(grade(ann))["functions"] == 10
        labkit.set_handler(ann, "CreateWebImage", "CreateWebImage.handler")

    def test_a_wrong_description_costs_little(self, ann):
        aws, name = ann.client("lambda"), ann.branch("CreateWebImage").function_name
        aws.update_function_configuration(FunctionName=name, Description="mine")
        sheet = grade(ann)
        assert points(sheet)["functions"] == 19.5
        assert sheet.reasons()[0].startswith("functions: ann-CreateWebImage: description is mine, not")
        labkit.set_description(ann, "CreateWebImage")

    def test_a_dead_letter_costs_nothing(self, ann):
        sqs, name = ann.client("sqs"), ann.branch("CreateWebImage").dead_letter_queue_name
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="what happens if ...?")
        sheet = grade(ann)
        assert any("dead letters" in check.subject and not check.passed for p in sheet.parts for check in p.checks)
        assert (sheet.score, sheet.reasons()) == (100, ())
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def test_a_photo_that_could_not_work_costs_nothing(self, ann):
        bucket = ann.definition.bucket_name
        ann.client("s3").put_object(Bucket=bucket, Key="ingest/0.jpg", Body=b"not a picture")
        assert grade(ann).score == 100
        ann.client("s3").delete_object(Bucket=bucket, Key="ingest/0.jpg")

    def test_a_part_is_worth_nothing_at_least(self):
        from labkit.insight.marks import Cost

        assert Part("queues", (("a queue", "caught up"),), (Cost(10.0, "open"),), ()).points == 0


class TestHandingIn:
    def test_it_is_marked_as_the_lab_is_without_any_account(self, folder, ann, bob):
        sheets = grade_folder(folder, refuse_account).sheets
        assert [(one.student.name, one.score) for one in sheets] == [("Ann A.", 100), ("bob", grade(bob).score)]
        assert points(sheets[0]) == points(grade(ann))

    def test_the_student_sees_the_marks_at_once(self, bob, tmp_path):
        done = hand_in(bob, tmp_path)
        assert done.path.name == f"{bob.definition.lab_id}{ENDING}"
        assert done.sheet == grade(bob)
        assert str(done.path) in done.sentence()

    def test_the_same_files_give_the_same_sheets(self, folder, tmp_path):
        written = [grade_folder(folder, refuse_account).write(tmp_path / name) for name in ("one", "two")]
        assert [path.read_bytes() for path in written[0]] == [path.read_bytes() for path in written[1]]

    def test_there_is_a_row_by_id_and_email_and_a_page_with_pictures(self, folder, tmp_path):
        as_json, as_csv, ann, bob = grade_folder(folder, refuse_account).write(tmp_path)
        rows = list(csv.DictReader(io.StringIO(as_csv.read_text("utf-8"))))
        assert (rows[0]["student_id"], rows[0]["email"], rows[0]["score"]) == ("17", "ann@example.org", "100")
        assert rows[1]["caught_up"] == "34"
        assert [one["score"] for one in json.loads(as_json.read_text("utf-8"))] == [100, int(rows[1]["score"])]
        assert ann.name == "Ann-A.html"
        assert ann.read_text("utf-8").count("<img ") == 4
        assert "caught up" in bob.read_text("utf-8")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda text: "", "it is empty"),
            (lambda text: text[:500], "it is not JSON, or breaks off"),
            (lambda text: "[1]", "it does not say that it is a labkit hand-in 1"),
            (lambda text: text.replace("Ann A.", "Mal"), "its hash is another one"),
        ],
    )
    def test_a_bad_file_says_what_is_wrong_and_stops_nobody(self, folder, tmp_path, change, said):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        (path,) = tmp_path.glob(f"ann-*{ENDING}")
        path.write_text(change(path.read_text("utf-8")), "utf-8")
        bad, bob = sorted(grade_folder(tmp_path, refuse_account).sheets, key=lambda sheet: sheet.score is not None)
        assert bob.student.name == "bob"
        assert (bad.score, bad.source) == (None, path.name)
        assert said in bad.notes[0]
        assert "not marked" in bad.page()

    def test_a_thing_that_the_file_keeps_silent_of_is_missing(self, folder, tmp_path):
        self.rewrite(folder, tmp_path, lambda data: data["things"].clear())
        (sheet,) = grade_folder(tmp_path, refuse_account).sheets
        assert points(sheet) == {"topic": 0, "queues": 0, "notification": 0, "functions": 0, "results": 20}

    def test_a_journal_that_was_changed_by_hand_proves_nothing(self, folder, tmp_path):
        def change(data):
            lines = data["journal"].splitlines()
            data["journal"] = "\n".join([*lines[:5], *lines[6:]]) + "\n"

        self.rewrite(folder, tmp_path, change)
        (sheet,) = grade_folder(tmp_path, refuse_account).sheets
        assert (sheet.score, sheet.most) == (0, 100)
        assert "The journal was changed by hand, from line 6 on" in sheet.notes[0]

    def test_one_lab_in_two_files_is_told(self, folder, tmp_path):
        (path,) = folder.glob(f"ann-*{ENDING}")
        for name in ("a", "b"):
            shutil.copy(path, tmp_path / f"{name}{ENDING}")
        sheets = grade_folder(tmp_path, refuse_account).sheets
        assert [sheet.notes for sheet in sheets] == [
            (f"The same lab was handed in as b{ENDING}.",),
            (f"The same lab was handed in as a{ENDING}.",),
        ]

    def test_there_has_to_be_something_to_hand_in(self, lab, tmp_path):
        with pytest.raises(LabError, match="nothing to hand in") as caught:
            hand_in(lab, tmp_path)
        assert caught.value.code == "missing-step"
        assert "before you clean up" in caught.value.hint()

    def rewrite(self, folder, to, change):
        """Ann's file, changed as somebody would who knows how its hash is made."""
        from labkit.insight.hand_in import _digest

        (path,) = folder.glob(f"ann-*{ENDING}")
        data = json.loads(path.read_text("utf-8"))
        del data["sha256"]
        change(data)
        (to / path.name).write_text(json.dumps({**data, "sha256": _digest(data)}), "utf-8")


class TestAClass:
    def test_it_is_graded_by_prefix_with_the_journals_of_this_workspace(self, ann, bob):
        sheets = grade_class(ann, prefixes=["bob-", "ann-", "eve-"]).sheets
        assert [(sheet.student.name, sheet.score) for sheet in sheets] == [
            ("ann", 100),
            ("bob", grade(bob).score),
            ("eve", 0),
        ]

    def test_the_same_labs_give_the_same_sheets(self, ann, bob):
        texts = [grade_class(lab, prefixes=["ann-", "bob-"]).json() for lab in (ann, bob)]
        assert texts[0] == texts[1]

    def test_it_is_graded_by_its_journals(self, ann, bob, tmp_path):
        for name, lab in zip(("one", "two"), (ann, bob), strict=True):
            shutil.copy(lab.journal.path, tmp_path / f"{name}.jsonl")
        (tmp_path / "empty.jsonl").write_text("")
        sheets = grade_folder(tmp_path, lambda: ann).sheets
        assert [(one.student.name, one.score) for one in sheets] == [
            ("ann", 100),
            ("bob", grade(bob).score),
            ("empty", None),
        ]
        assert "speaks of no lab" in sheets[2].notes[0]

    def test_a_journal_of_another_machine_asks_for_a_hand_in(self, ann, tmp_path):
        text = ann.journal.path.read_text("utf-8").replace(ann.connection.instance, "another")
        (tmp_path / "far.jsonl").write_text(text, "utf-8")
        (sheet,) = grade_folder(tmp_path, lambda: ann).sheets
        assert sheet.score is None
        assert "on the student's own machine. Ask for what `labkit hand-in` writes there." in sheet.notes[0]

    def test_an_account_that_does_not_open_stops_no_hand_in(self, ann, tmp_path):
        def refused():
            raise LabError("No credentials.")

        hand_in(ann, tmp_path)
        shutil.copy(ann.journal.path, tmp_path / "ann.jsonl")
        scores = {sheet.source: sheet.score for sheet in grade_folder(tmp_path, refused).sheets}
        assert scores == {f"{ann.definition.lab_id}{ENDING}": 100, "ann.jsonl": None}

    def test_grading_changes_nothing(self, ann, bob):
        before, since = [lab.journal.path.read_bytes() for lab in (ann, bob)], ann.connection.calls.total
        grade_class(ann, prefixes=["ann-", "bob-"])
        assert [lab.journal.path.read_bytes() for lab in (ann, bob)] == before
        operations = {call.operation for call in ann.connection.calls.since(since)}
        assert all(name.startswith(("Get", "List", "Head", "Describe", "Filter")) for name in operations), operations

    def test_a_folder_with_nothing_in_it_says_what_is_wanted(self, tmp_path):
        for folder, said in ((tmp_path / "nowhere", "There is no folder"), (tmp_path, "There is nothing in")):
            with pytest.raises(LabError, match=said) as caught:
                grade_folder(folder, refuse_account)
            assert caught.value.code == "not-there"
            assert "handin.json" in caught.value.hint()


def test_side_by_side_they_never_see_each_other(ann, bob):
    anns, bobs = (set(inventory(lab).things) for lab in (ann, bob))
    shared = {(kind, name) for kind, name in anns & bobs}
    assert shared <= {("event notification", "resize-image-event"), ("object", "ingest/")}  # in a bucket of their own
    upload = labkit.upload_photo(bob, labkit.sample("HappyFace.jpg"), name="of-bob.jpg")
    labkit.wait_for_logs(bob, "CreateThumbnail", key=upload.key)
    assert labkit.read_logs(ann, "CreateThumbnail").about(upload.key) == ()
    with pytest.raises(LabError, match="There is no photo ingest/of-bob"):
        labkit.read_results(ann, "of-bob.jpg")
    bob.client("s3").delete_object(Bucket=upload.bucket, Key=upload.key)


def test_a_spreadsheet_takes_no_cell_for_a_formula():
    sheet = Sheet(Student("=cmd()", email="@me"), "lab", ())
    assert ClassSheet((sheet,)).csv().splitlines()[1].startswith("'=cmd(),,'@me")
