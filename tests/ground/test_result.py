"""Results show themselves: as text, as HTML that reads without style, and as data where a run needs them."""

import html.parser
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from labkit.result import CHECKS_MIME, Check, Checks, Result, html_table, text_table


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


CHECKS = Checks(
    "topic", (Check("exists", True, "news", "news"), Check("type", False, "Standard", "FIFO", "Make anew."))
)


def test_checks_say_pass_and_fail_in_words_and_hint_where_they_fail():
    assert not CHECKS.passed
    assert CHECKS.failures() == (CHECKS.checks[1],)
    assert CHECKS.sentence() == "FAIL: topic, 1 of 2 checks passed."
    assert list(CHECKS.rows()) == [
        ("exists", "PASS", "news", "news", ""),
        ("type", "FAIL", "Standard", "FIFO", "Make anew."),
    ]


def test_checks_that_pass_need_no_column_of_hints():
    passed = Checks("topic", CHECKS.checks[:1])
    assert passed.passed
    assert "what to try" not in passed.headers()


def test_an_executed_notebook_keeps_the_outcome_as_data():
    data = CHECKS._repr_mimebundle_()[CHECKS_MIME]
    assert data["passed"] is False
    assert [check["subject"] for check in data["checks"]] == ["exists", "type"]
