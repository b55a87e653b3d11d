"""What reaches a terminal is words: no name and no log line can command it."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.terminal import printable, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31mred", "\\x9b31mred"),
        ("over\rwritten\b", "over\\rwritten\\x08"),
        ("gpj.\u202ecat", "gpj.\\u202ecat"),
        ("not UTF-8: \udcff", "not UTF-8: \\udcff"),
        ("lines\nand\ttabs, é ☃ 日本 👍", "lines\nand\ttabs, é ☃ 日本 👍"),
    ],
)
def test_what_would_command_a_terminal_is_spelt_out(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_nothing_else_than_line_ends_and_tabs_controls_anything(text):
    assert all(character.isprintable() or character in "\n\t" or ord(character) > 0x9F for character in printable(text))


def test_a_terminal_that_does_not_know_a_letter_gets_its_number(monkeypatch):
    bytes_written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_written, "ascii"))
    say("a snowman: ☃")
    assert bytes_written.getvalue() == b"a snowman: \\u2603\n"


def test_where_nobody_listens_nothing_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    say("Is there anybody?", err=True)
