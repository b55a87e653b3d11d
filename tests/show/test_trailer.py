"""The trailer builds a lab, sends a photo through, and leaves nothing; on the embedded AWS, wherever the lab is."""

import pytest

from labkit import LabError, inventory, play_trailer, trailer
from labkit.lab import open_throwaway_lab
from labkit.progress import HEADLESS
from labkit.show import trailer as module
from labkit.show.trailer import GOING, PREFIX, STAGES


def test_it_shows_what_goes_in_and_comes_out_before_anything_runs(lab):
    shown = trailer(lab)._repr_mimebundle_()
    assert shown["text/html"].count("<img") == 4
    assert "comes out in mobile/" in shown["text/plain"]
    assert "In code: play_trailer(lab)" in shown["text/plain"]
    assert lab.journal.begun() == ()


def test_the_button_builds_a_lab_step_by_step_and_takes_it_away(lab, monkeypatch):
    monkeypatch.setenv("LABKIT_BUCKET", "a-bucket-that-is-elsewhere")
    told = []
    picture = play_trailer(lab, told.append)
    assert [words for _, words in STAGES] + [GOING] == [
        next(words for words in [*(w for _, w in STAGES), GOING] if words in html) for html in told[:-1]
    ]
    assert len(picture.images) == 4
    assert picture.caption.startswith("All 3 results of ingest/MonaLisa.jpg were there")
    assert inventory(open_throwaway_lab(lab.workspace, PREFIX)).things == ()
    assert lab.journal.begun() == ()


def test_what_goes_wrong_is_said_and_nothing_is_left(lab, monkeypatch):
    def fail(*_):
        raise LabError("The photo got lost.")

    monkeypatch.setattr(module, "upload_photo", fail)
    widget = trailer(lab).widget
    press, seen = widget.children
    press.click()
    assert "The photo got lost." in seen.value
    assert not press.disabled
    assert inventory(open_throwaway_lab(lab.workspace, PREFIX)).things == ()


def test_headless_nobody_presses_and_nothing_runs(lab, monkeypatch, capsys):
    monkeypatch.setenv(HEADLESS, "1")
    trailer(lab)._ipython_display_()
    assert lab.journal.begun() == ()


@pytest.mark.parametrize("name", ["LABKIT_WHERE", "LABKIT_ENDPOINT_URL", "LABKIT_ROLE_ARN"])
def test_variables_have_no_say_in_where_it_runs(lab, monkeypatch, name):
    monkeypatch.setenv(name, "aws" if name.endswith("WHERE") else "http://elsewhere")
    throwaway = open_throwaway_lab(lab.workspace, PREFIX)
    assert (throwaway.connection.where, throwaway.definition.role_arn) == ("local", None)
