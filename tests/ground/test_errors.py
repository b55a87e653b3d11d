"""What a person reads when something is wrong, and how long the lab waits before it says so."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from IPython.core.interactiveshell import InteractiveShell

from labkit.errors import LabError, WaitedTooLong, error_code, error_message, telling
from labkit.waiting import wait_until


def refusal(code, message="No."):
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateTopic")


def test_an_error_says_where_what_aws_said_and_what_to_try():
    error = LabError("It failed.", where="making it", aws_said="Code: words", hint="Try again.")
    assert str(error) == "It failed.\n  where:    making it\n  AWS said: Code: words\n  try:      Try again."
    assert error.hint() == "Try again."


def test_a_notebook_shows_the_lines_and_no_traceback():
    shell = InteractiveShell()
    outcome = shell.run_cell("from labkit.errors import LabError\nraise LabError('It failed.', hint='Try again.')")
    with pytest.raises(LabError):
        outcome.raise_error()
    shown = "\n".join(LabError("It failed.", hint="Try again.")._render_traceback_())
    assert shown == "LabError: It failed.\n  try:      Try again."


def test_what_aws_refuses_is_told_with_its_own_words():
    with pytest.raises(LabError) as caught, telling("making the topic"):
        raise refusal("NotAllowed", "You may not.")
    assert caught.value.where == "making the topic (CreateTopic)"
    assert caught.value.aws_said == "NotAllowed: You may not."


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("ExpiredToken", "Sign in again"),
        ("InvalidClientTokenId", "Check the profile"),
        ("AccessDenied", "labkit permissions"),
        ("ThrottlingException", "Wait a minute"),
    ],
)
def test_common_refusals_come_with_a_hint(code, hint):
    with pytest.raises(LabError) as caught, telling("making the topic"):
        raise refusal(code)
    assert hint in caught.value.hint()


def test_the_steps_own_hint_comes_first():
    with pytest.raises(LabError) as caught, telling("making the topic", "Use another name."):
        raise refusal("AccessDenied")
    assert caught.value.hint() == "Use another name."


def test_a_call_that_reaches_nobody_is_told_too():
    with pytest.raises(LabError, match="A call did not reach AWS") as caught, telling("making the topic"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in caught.value.message
    assert "open_lab()" in caught.value.hint()


def test_other_errors_pass_untouched():
    with pytest.raises(ZeroDivisionError), telling("counting"):
        1 / 0  # noqa: B018


def test_code_and_message_are_read_from_any_refusal():
    assert (error_code(refusal("A", "b")), error_message(refusal("A", "b"))) == ("A", "b")
    empty = ClientError({}, "X")
    assert (error_code(empty), error_message(empty)) == ("", "")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now, self.naps = 0.0, []

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


def test_waiting_asks_until_it_is_so():
    clock, answers = Clock(), iter([None, 0, "there"])
    found = wait_until(lambda: next(answers), what="it", seconds=9, clock=clock.time, sleep=clock.sleep)
    assert found == "there"
    assert len(clock.naps) == 2


def test_waiting_slows_down_but_never_beyond_a_second():
    clock = Clock()
    with pytest.raises(WaitedTooLong):
        wait_until(lambda: None, what="it", seconds=20, clock=clock.time, sleep=clock.sleep)
    assert clock.naps == sorted(clock.naps)
    assert clock.naps[-1] == 1.0


def test_waiting_ends_in_a_sentence():
    clock = Clock()
    with pytest.raises(WaitedTooLong, match=r"Waited 5 s for the moon\.") as caught:
        wait_until(lambda: None, what="the moon", seconds=5, hint="Buy it.", clock=clock.time, sleep=clock.sleep)
    assert caught.value.hint() == "Buy it."
    assert 5 <= clock.now < 7
