"""Results show themselves: as text, as HTML that reads without style, and as data where a run needs them."""

import html.parser
from dataclasses import FrozenInstanceError, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.result import CHECKS_MIME, NO_FORMULAS, Check, Checks, Result, Table, html_prose, html_table, text_table


@dataclass(frozen=True)
class Greeting(Result):
    name: str

    def sentence(self):
        return f"Hello, {self.name}."

    def console(self):
        return (f"{self.name} was greeted successfully.",)

    def rows(self):
        return (("name", self.name), ("letters", len(self.name)))


class Text(html.parser.HTMLParser):
    """What is left of a page when every tag is taken away."""

    def __init__(self):
        super().__init__()
        self.words = ""

    def handle_data(self, data):
        self.words += data


def text_of(markup):
    parser = Text()
    parser.feed(markup)
    return parser.words


def test_a_result_is_a_sentence_the_consoles_words_and_a_table():
    assert str(Greeting("Ann")) == (
        'Hello, Ann.\nThe console says: "Ann was greeted successfully."\n'
        "what     value\n-------  -----\nname     Ann\nletters  3"
    )


def test_both_faces_say_the_same():
    bundle = Greeting("Ann")._repr_mimebundle_()
    stripped = text_of(bundle["text/html"])
    for word in ("Hello, Ann.", "Ann was greeted successfully.", "letters", "3"):
        assert word in bundle["text/plain"]
        assert word in stripped


@given(st.text(min_size=1))
def test_no_name_can_break_out_of_the_page(name):
    table = html_table(("what", "value"), [("name", name)])
    assert table.count("<td") == 1
    assert table.count("<script") == 0


def test_rows_have_headings_for_those_who_listen_to_the_page():
    table = html_table(("a", "b"), [(1, 2)], caption="Numbers")
    assert '<th scope="col"' in table
    assert '<th scope="row"' in table
    assert "<caption" in table


def test_columns_line_up():
    lines = text_table(("a", "b"), [("long cell", 1), ("x", 2)]).splitlines()
    assert {line.index(c) for line, c in zip(lines[2:], "12", strict=True)} == {lines[0].index("b")}


def test_a_cell_of_two_lines_keeps_to_its_column():
    assert text_table(("a", "b"), [("x\ny", "one\ntwo")]).splitlines()[2:] == ["x  one", "y  two"]


@dataclass(frozen=True)
class Foreign(Result):
    """What somebody else wrote, in every place where it can stand."""

    words: str

    def sentence(self):
        return self.words

    def console(self):
        return (self.words,)

    def headers(self):
        return ("what", self.words)

    def rows(self):
        return (("value", self.words),)


class TestWhatSomebodyElseWrote:
    def test_commands_nothing_in_a_terminal(self):
        shown = str(Foreign("\x1b]0;title\x07 \x9b31m \r \u202e"))
        assert "\\x1b]0;title\\x07 \\x9b31m \\r \\u202e" in shown
        assert not set("\x1b\x07\x9b\r\u202e") & set(shown)

    @given(st.text())
    def test_is_printable_whatever_it_is(self, words):
        assert all(
            character.isprintable() or character in "\t\n" or ord(character) > 0x9F for character in str(Foreign(words))
        )

    @given(st.text(min_size=1))
    def test_is_text_in_a_page(self, words):
        shown = Foreign(f"<img src=x onerror=alert(1)>{words}")._repr_mimebundle_()["text/html"]
        assert "<img" not in shown
        assert shown.count("&lt;img") == 4

    def test_is_no_formula_between_two_prices(self):
        shown = Foreign("$0.01 today, $0.02 a day")._repr_mimebundle_()["text/html"]
        assert shown.startswith(f'<div class="{NO_FORMULAS}">')
        assert "$0.01 today, $0.02 a day" in shown


def test_back_ticks_in_words_of_the_labs_own_are_code():
    assert html_prose("Run `labkit <doctor>`.") == "Run <code>labkit &lt;doctor&gt;</code>."


@pytest.fixture
def guests():
    return Table(
        (Greeting("Ann"), Greeting("Bo")), "Two guests.", {"guest": lambda g: g.name, "letters": lambda g: len(g.name)}
    )


class TestATable:
    def test_says_a_sentence_what_the_console_says_of_each_and_a_row_each(self, guests):
        assert str(guests).splitlines() == [
            "Two guests.",
            'The console says: "Ann was greeted successfully."',
            'The console says: "Bo was greeted successfully."',
            "guest  letters",
            "-----  -------",
            "Ann    3",
            "Bo     2",
        ]

    def test_is_a_sequence_of_its_items(self, guests):
        assert [guest.name for guest in guests] == ["Ann", "Bo"]
        assert (len(guests), guests[0], guests[-1:]) == (2, Greeting("Ann"), (Greeting("Bo"),))
        assert Greeting("Bo") in guests

    def test_of_things_that_are_no_results_has_nothing_from_the_console(self):
        assert Table((1, 2), "Two numbers.", {"number": str}).console() == []

    def test_cannot_be_changed(self, guests):
        with pytest.raises(FrozenInstanceError):
            guests.said = "Three guests."


PASSED = Check("exists", True, "news", "news")
BROKEN = Check("type", False, "Standard", "FIFO", "Try `make`.", evidence="FifoTopic is true", call="create_topic(lab)")
RISKY = Check("policy", False, "this bucket", "any bucket", "Name it.", "risky")
CHECKS = Checks("topic", (PASSED, BROKEN))


class TestACheck:
    def test_works_or_is_broken_unless_it_says_otherwise(self):
        assert (PASSED.verdict, PASSED.result) == ("works", "PASS")
        assert (BROKEN.verdict, BROKEN.result) == ("broken", "FAIL, broken")
        assert (RISKY.verdict, RISKY.result) == ("risky", "FAIL, risky")
        assert Check("exists", False, "news", "nothing", verdict="missing").result == "FAIL, missing"

    @pytest.mark.parametrize(("passed", "verdict"), [(True, "broken"), (True, "risky"), (False, "works")])
    def test_cannot_contradict_itself(self, passed, verdict):
        with pytest.raises(ValueError, match=f"type: passed is {passed}, and the verdict '{verdict}'"):
            Check("type", passed, "", "", verdict=verdict)


class TestChecks:
    def test_count_what_passed_or_what_failed(self):
        assert Checks("topic", (PASSED,)).sentence() == "1 of 1 PASS: topic."
        assert CHECKS.sentence() == "1 of 2 FAIL: topic."
        assert not CHECKS.passed
        assert CHECKS.failures() == (BROKEN,)

    def test_that_pass_are_one_line_and_a_list_to_be_opened(self):
        passed = Checks("topic", (PASSED,))
        assert str(passed) == "✓ 1 of 1 PASS: topic."
        shown = passed._repr_mimebundle_()["text/html"]
        assert text_of(shown.partition("<details>")[0]) == "✓ 1 of 1 PASS: topic."
        assert "exists" in shown.partition("<details>")[2]
        assert "what to try" not in shown

    def test_open_what_failed_with_all_there_is_to_say_about_it(self):
        assert str(CHECKS).splitlines() == [
            "✗ 1 of 2 FAIL: topic.",
            "",
            "FAIL, broken: type",
            "  expected     Standard",
            "  found        FIFO",
            "  evidence     FifoTopic is true",
            "  what to try  Try `make`.",
            "  fix          create_topic(lab)",
        ]
        opened = CHECKS._repr_mimebundle_()["text/html"].partition("<details>")[0]
        for words in ("FAIL, broken", "Standard", "FIFO", "FifoTopic is true", "create_topic(lab)"):
            assert words in text_of(opened)
        assert "<code>make</code>" in opened
        assert "exists" not in opened

    def test_have_each_line_in_their_table(self):
        assert list(CHECKS.rows()) == [
            ("exists", "PASS", "news", "news", ""),
            ("type", "FAIL, broken", "Standard", "FIFO", "Try `make`."),
        ]

    def test_leave_the_outcome_in_an_executed_notebook_as_data(self):
        data = CHECKS._repr_mimebundle_()[CHECKS_MIME]
        assert data["passed"] is False
        assert [(check["subject"], check["verdict"]) for check in data["checks"]] == [
            ("exists", "works"),
            ("type", "broken"),
        ]
