"""What a person reads when something is wrong, and how long the lab waits before it says so."""

import ast
import errno
import string
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from botocore import exceptions as boto
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from IPython.core.interactiveshell import InteractiveShell

import labkit
from labkit import errors
from labkit.errors import LabError, WaitedTooLong, aws_errors, error_code, error_message, file_errors
from labkit.packages.errors import PackageError
from labkit.waiting import wait_until

CODES = {
    line.split()[0]
    for line in (errors.__doc__ or "").split("what it means\n")[1].splitlines()
    if line.startswith("    ") and not line.startswith("     ")
}


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


class TestTheCode:
    """What a program reads; the table in the module's docstring has them all."""

    def test_says_what_kind_of_error_it_is(self):
        assert LabError("It failed.").code == "lab-error"
        assert LabError("It failed.", code="bad-option").code == "bad-option"
        assert WaitedTooLong("Waited.").code == "waited-too-long"
        assert PackageError("No zip.").code == "bad-package"

    def test_is_one_of_the_table_wherever_the_lab_raises_one_and_the_table_has_no_other(self):
        given, constants = set(), set()
        for path in Path(labkit.__file__).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    constants.add(node.value)
                if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                    given.add(node.value.value)
        assert given
        assert given <= CODES <= constants

    def test_tells_what_is_not_made_yet_from_what_is_somebody_elses(self, new_lab):
        lab = new_lab()
        with pytest.raises(LabError, match="There is no topic") as missing:
            labkit.subscribe_queues(lab)
        assert missing.value.code == "missing-step"
        foreign = lab.client("sqs").create_queue(QueueName=lab.branches[0].queue_name)
        with pytest.raises(LabError, match="is not this lab's") as refused:
            labkit.create_queues(lab)
        assert refused.value.code == "not-this-labs"
        lab.client("sqs").delete_queue(QueueUrl=foreign["QueueUrl"])

    def test_goes_to_programs_with_all_the_rest(self):
        error = LabError("It failed.", where="making it", aws_said="Code: words", hint="Try again.", code="aws-refused")
        assert error.as_data() == {
            "code": "aws-refused",
            "message": "It failed.",
            "where": "making it",
            "aws_said": "Code: words",
            "hint": "Try again.",
        }


def test_what_aws_refuses_is_told_with_its_own_words():
    with pytest.raises(LabError) as caught, aws_errors("making the topic"):
        raise refusal("NotAllowed", "You may not.")
    assert caught.value.where == "making the topic (CreateTopic)"
    assert caught.value.aws_said == "NotAllowed: You may not."
    assert caught.value.code == "aws-refused"


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("OptInRequired", "its owner enables the region"),
        ("UnrecognizedClientException", "In a region that the account has not enabled"),
        ("LimitExceededException", "Service Quotas"),
        ("TooManyBuckets", "Service Quotas"),
        ("ExpiredToken", "Sign in again"),
        ("InvalidClientTokenId", "Check the profile"),
        ("AccessDenied", "labkit permissions"),
        ("ThrottlingException", "Wait a minute"),
    ],
)
def test_common_refusals_come_with_a_hint(code, hint):
    with pytest.raises(LabError) as caught, aws_errors("making the topic"):
        raise refusal(code)
    assert hint in caught.value.hint()


def test_the_steps_own_hint_for_a_code_comes_first_and_for_no_other_code():
    hints = {"AccessDenied": "Use another name."}
    with pytest.raises(LabError) as caught, aws_errors("making the topic", hints):
        raise refusal("AccessDenied")
    assert caught.value.hint() == "Use another name."
    with pytest.raises(LabError) as caught, aws_errors("making the topic", hints):
        raise refusal("Throttling")
    assert "go slower" in caught.value.hint()


def test_a_call_that_reaches_nobody_is_told_too():
    with pytest.raises(LabError, match="A call did not reach AWS") as caught, aws_errors("making the topic"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in caught.value.message
    assert "open_lab()" in caught.value.hint()
    assert caught.value.code == "not-reached"


def client(service, **settings):
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client(service, **keys, **settings)


def of_botocore(kind):
    """A kind of exception and all below it, as botocore itself has them."""
    if kind.__module__ == "botocore.exceptions":
        yield kind
    for below in kind.__subclasses__():
        yield from of_botocore(below)


class TestWhatBoto3SaysItself:
    """Each of its errors is told as what it is; only a call that nobody answered did not reach AWS."""

    def test_a_parameter_that_it_refuses_is_named(self):
        with pytest.raises(LabError) as caught, aws_errors("making the queue"):
            client("sqs").create_queue(QueueName=5, Atributes={})
        assert caught.value.code == "boto3-refused"
        assert caught.value.message.startswith("boto3 refuses the call, and sent nothing: ")
        assert 'Unknown parameter in input: "Atributes", must be one of: QueueName, Attributes' in caught.value.message
        assert "Invalid type for parameter QueueName, value: 5" in caught.value.message
        assert "\n" not in caught.value.message

    def test_a_huge_value_is_not_repeated_in_full(self):
        with pytest.raises(LabError) as caught, aws_errors("sending"):
            client("sqs").send_message(QueueUrl="q", MessageBody=b"photo" * 10_000)
        assert len(caught.value.message) < 1000

    def test_a_name_in_a_wrong_place_is_a_refused_parameter_too(self):
        with (
            pytest.raises(LabError, match=r"boto3 refuses the call.*no bucket here") as caught,
            aws_errors("uploading"),
        ):
            client("s3").put_object(Bucket="no bucket here", Key="a")
        assert caught.value.code == "boto3-refused"

    def test_a_service_that_there_is_not_comes_without_the_list_of_all(self):
        with pytest.raises(LabError) as caught, aws_errors("asking"):
            client("sqz")
        assert caught.value.message == "boto3 knows no such service: sqz"
        assert caught.value.code == "boto3-refused"

    def test_a_proxy_that_does_not_answer(self):
        settings = Config(proxies={"https": "http://127.0.0.1:9"}, retries={"max_attempts": 0})
        with pytest.raises(LabError, match="The proxy does not answer") as caught, aws_errors("asking"):
            client("sqs", config=settings).list_queues()
        assert "HTTPS_PROXY" in caught.value.hint()
        assert caught.value.code == "not-reached"

    def test_what_answers_and_is_not_aws(self):
        class SignInPage(BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<html><body>Welcome to the hotel<br></body></html>")

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), SignInPage)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            with pytest.raises(LabError, match=r"does not speak as AWS does.*hotel") as caught, aws_errors("asking"):
                client("sns", endpoint_url=url).list_topics()
            assert caught.value.code == "bad-answer"
        finally:
            server.shutdown()
            server.server_close()

    @pytest.mark.parametrize(
        ("error", "code", "words"),
        [
            (boto.NoCredentialsError(), "no-credentials", "boto3 has no valid credentials"),
            (boto.NoAuthTokenError(), "no-credentials", "boto3 has no valid credentials"),
            (boto.NoRegionError(), "bad-configuration", "The region cannot be used: You must specify a region"),
            (boto.InvalidRegionError(region_name="us east"), "bad-configuration", "The region cannot be used"),
            (boto.ProfileNotFound(profile="ann"), "bad-configuration", "(ann) could not be found"),
            (boto.ConfigParseError(path="~/.aws/config"), "bad-configuration", "~/.aws/config"),
            (boto.SSLError(endpoint_url="https://a", error="self-signed"), "not-reached", "certificate"),
            (boto.ReadTimeoutError(endpoint_url="https://a"), "not-reached", "before the answer was complete"),
            (boto.ConnectTimeoutError(endpoint_url="https://a"), "not-reached", "did not reach AWS"),
            (boto.FlexibleChecksumError(error_msg="other"), "bad-answer", "arrived spoilt"),
            (boto.WaiterError("FunctionActive", "Max attempts exceeded", {}), "waited-too-long", "FunctionActive"),
            (boto.UnseekableStreamError(stream_object="x"), "boto3-failed", "boto3 gave the call up"),
        ],
    )
    def test_each_kind(self, error, code, words):
        with pytest.raises(LabError) as caught, aws_errors("asking"):
            raise error
        assert caught.value.code == code
        assert words in caught.value.message

    def test_there_is_each_that_the_table_names(self):
        for *_, names in errors.BOTO3_ERRORS:
            for name in names.split():
                assert issubclass(getattr(boto, name), BotoCoreError)

    def test_none_of_them_is_left_out_and_each_is_one_line(self):
        for kind in of_botocore(BotoCoreError):
            fields = {name: "x" for _, name, _, _ in string.Formatter().parse(kind.fmt) if name}
            if kind is boto.WaiterError:
                fields["last_response"] = {}
            told = errors.boto3_error(kind(**fields))
            assert told.code in CODES
            assert told.hint()
            assert "\n" not in told.message
            reached = not issubclass(kind, boto.ConnectionError | boto.HTTPClientError | boto.IncompleteReadError)
            assert (told.code != "not-reached") == reached, kind


class TestFiles:
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
    def test_a_full_disk_is_a_sentence_though_the_system_does_not_say_of_what(self):
        with pytest.raises(LabError) as caught, file_errors("writing the report"), open("/dev/full", "w") as file:
            file.write("words")
        assert str(caught.value).startswith(
            "No space left on device.\n  where:    writing the report\n  try:      Free"
        )
        assert caught.value.code == "disk-full"

    def test_what_cannot_be_used_is_named(self, tmp_path):
        with pytest.raises(LabError) as caught, file_errors("reading"):
            (tmp_path / "none").read_text()
        assert caught.value.message == f"{tmp_path / 'none'} cannot be used: No such file or directory."
        assert caught.value.code == "unusable-path"

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_quota_is_a_full_disk_too(self, number):
        assert errors.file_error(OSError(number, "Full")).code == "disk-full"


def test_other_errors_pass_untouched():
    with pytest.raises(ZeroDivisionError), aws_errors("counting"):
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
