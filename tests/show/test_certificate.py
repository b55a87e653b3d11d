"""The certificate says what was built, learnt and cleaned up, in words and as one picture."""

import xml.etree.ElementTree as ElementTree

from labkit import catch_up, certificate, check_exercise, clean_up, predict, quiz, score, survey


def press(asked, number):
    next(child for child in asked.widget().children if type(child).__name__ == "RadioButtons").value = number


def test_it_counts_what_the_journal_keeps_after_clean_up_too(lab):
    catch_up(lab, to=2)
    check_exercise(lab, "message-attributes", {})
    check_exercise(lab, "message-attributes", {"size": {"DataType": "String", "StringValue": "large"}})
    press(predict(lab, "topic-again"), 0)
    press(predict(lab, "topic-again"), 2)  # the reasons have been read by now: the first choice counts
    finished = survey(lab)
    sheet = certificate(lab, finished, clean_up(lab))
    press(quiz(7, lab), 1)
    assert sheet.score.solved == ("message-attributes",)
    assert (sheet.score.predicted, sheet.score.predicted_right) == (1, 0)
    assert (score(lab).answered, score(lab).answered_right) == (1, int(quiz(7).questions[0].right == 1))
    assert sheet.lines[2].endswith(" 0 left.")
    assert sheet.lines[0].startswith(
        f"Built: {len(finished.in_state('made'))} of {len(finished.parts)} parts of the lab"
    )


def test_it_is_one_picture_with_words_and_a_file(lab, tmp_path):
    sheet = certificate(lab, survey(lab), clean_up(lab))
    path = sheet.save(tmp_path / "certificate.svg")
    root = ElementTree.fromstring(path.read_text("utf-8"))
    words = "".join(root.itertext())
    assert lab.definition.lab_id in words
    assert lab.branch("CreateThumbnail").queue_name in words  # the map
    assert f'alt="A certificate. {sheet.lines[0]}' in sheet._repr_mimebundle_()["text/html"]


def test_another_lab_begins_at_nothing(lab, new_lab):
    check_exercise(lab, "message-attributes", {"size": {"DataType": "String", "StringValue": "large"}})
    assert score(new_lab()).solved == ()


def test_a_lab_that_stands_is_said_to_stand(lab):
    assert certificate(lab, survey(lab)).lines[2] == "Cleaned up: not yet."
