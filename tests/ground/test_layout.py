"""Words and tables in a terminal: folded to its width, and torn only where nothing else is left."""

import pytest
from rich.cells import cell_len

from labkit.columns import Columns
from labkit.layout import lay_out

ARN = "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:2b7c3e5a-89f1-4e0c-8b7e-0c6f1c5f0b1d"
KEY = "s3://serverless-image-lab-a1b2c3/ingest/trip_to_the_far_north/IMG_20260102_112233_a_very_long_name.jpg"
JOINTS = tuple("-/:,._=&?")


def lines_of(part, width=40):
    lines = lay_out([part], width, colours=False).splitlines()
    assert max(map(cell_len, lines)) <= width
    return lines


@pytest.mark.parametrize("word", [ARN, KEY, "https://127.0.0.1:4566/?Action=CreateTopic&Name=a&Version=2010-03-31"])
@pytest.mark.parametrize(
    "part",
    [
        "{}",
        "  where:    {}",
        Columns.of([], [["§", "{}"]]),
        Columns.of([], [["{}", "§"]]),
        Columns.of(["§§", "§§§"], [["§", "{}"], ["§", "{}"]]),
    ],
    ids=["words", "an error", "a list", "a name in a list", "a table that became a list"],
)
def test_a_word_longer_than_the_line_breaks_at_its_joints(part, word):
    part = (
        part.format(word)
        if isinstance(part, str)
        else Columns.of(part.headers, [[cell.format(word) for cell in row] for row in part.rows])
    )
    pieces = [piece for line in lines_of(part) for piece in line.split() if piece in word]
    assert word in "".join(pieces)
    assert [piece for piece in pieces if not piece.endswith(JOINTS) and not word.endswith(piece)] == []


def test_a_word_that_fits_on_a_line_of_its_own_stays_whole():
    assert lines_of(f"It is {ARN[:39]}") == ["It is", ARN[:39]]


def test_a_word_without_joints_is_folded_and_nothing_of_it_is_lost():
    assert lines_of("x" * 70) == ["x" * 40, "x" * 30]
    assert "".join(lines_of(Columns.of([], [["n" * 70, "y" * 70]]))).count("n") == 70


def test_a_command_that_is_broken_keeps_its_colour():
    said = lay_out([f"Try `labkit trace {KEY}`."], 40, colours=True)
    assert [line for line in said.splitlines()[1:] if not line.startswith("\x1b[36m")] == []


WHY = "the queue's policy does not allow the topic to send to it"


def test_a_table_without_room_is_shown_row_by_row_with_all_cells_at_one_place():
    rows = [
        ["a", "works", "-", "short"],
        ["a longer name", "broken", WHY, ""],
        ["", "", "another reason, as long as that", ""],
    ]
    assert lines_of(Columns.of(["hop", "state", "why", "note"], rows), 30) == [
        "hop    a",
        "       state: works, note:",
        "       short",
        "",
        "hop    a longer name",
        "  why  the queue's policy does",
        "       not allow the topic to",
        "       send to it",
        "       state: broken",
        "  why  another reason, as long",
        "       as that",
    ]
