"""Where the lab runs: one guard in front of three places, and the user's own AWS settings left alone."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from labkit import LabError, embedded_aws, open_lab
from labkit.connection import LOCAL_FOLDER


@pytest.fixture
def poisoned_environment(monkeypatch, tmp_path):
    """AWS variables and files that would break, or misdirect, anybody who looked at them."""
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-central-1\nendpoint_url = http://127.0.0.1:1\n")
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "the-users-own-secret",
        "AWS_SESSION_TOKEN": "the-users-own-token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_MAX_ATTEMPTS": "nonsense",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def listener():
    """A server that answers every request like STS, and keeps what it was sent."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(dict(self.headers))
            self.rfile.read(int(self.headers["Content-Length"]))
            body = (
                b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>"
                b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_local_work_sees_nothing_of_the_users_aws_settings(poisoned_environment, workspace):
    lab = open_lab("local", prefix="blind-", workspace=workspace)
    assert lab.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert lab.connection.region == "us-east-1"
    assert lab.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_the_users_credentials_are_never_sent_to_an_endpoint(poisoned_environment, listener, tmp_path):
    url, heard = listener
    lab = open_lab("endpoint", endpoint_url=url, workspace=tmp_path)
    assert lab.connection.account == "111122223333"
    assert heard
    assert "AKIAIOSFODNN7EXAMPLE" not in json.dumps(heard)
    assert "the-users-own" not in json.dumps(heard)


def test_everything_on_an_endpoint_is_named_apart(listener, tmp_path):
    lab = open_lab("endpoint", endpoint_url=listener[0], workspace=tmp_path, suffix="1234")
    assert lab.branches[0].queue_name == "thumbnail-queue-1234"


@pytest.mark.parametrize("url", [None, "", "127.0.0.1:4566", "ftp://127.0.0.1"])
def test_an_endpoint_needs_an_address(url, tmp_path):
    with pytest.raises(LabError, match="is no address of an AWS-compatible endpoint") as caught:
        open_lab("endpoint", endpoint_url=url, workspace=tmp_path)
    assert "endpoint_url=" in caught.value.hint()


def test_an_endpoint_where_nobody_answers_is_named(tmp_path):
    with pytest.raises(LabError, match=r"Nothing answers at http://127.0.0.1:9") as caught:
        open_lab("endpoint", endpoint_url="http://127.0.0.1:9", workspace=tmp_path)
    assert caught.value.hint() == "Is the server running, and is that its address?"


def test_an_embedded_aws_that_does_not_start_says_why_and_what_to_try(tmp_path):
    (tmp_path / ".labkit").write_text("a file where its folder belongs")
    with pytest.raises(LabError, match="cannot use the folder") as caught:
        open_lab("local", workspace=tmp_path)
    assert "labkit stop" in caught.value.hint()


def test_a_place_that_does_not_exist_is_answered_with_those_that_do(tmp_path):
    with pytest.raises(LabError, match="no place called 'azure'") as caught:
        open_lab("azure", workspace=tmp_path)
    assert "local, endpoint, aws" in caught.value.hint()


@pytest.mark.parametrize("account", [None, "", "123", "12345678901x"])
def test_a_real_account_is_refused_until_it_is_named(account, tmp_path):
    with pytest.raises(LabError, match="A real account is used only when you name it: 12 digits"):
        open_lab("aws", account=account, workspace=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_endpoint_override_cannot_turn_aws_into_something_else(poisoned_environment, tmp_path):
    with pytest.raises(LabError, match="AWS_ENDPOINT_URL is set: calls meant for AWS would go somewhere else"):
        open_lab("aws", account="123456789012", workspace=tmp_path)


def test_the_environment_chooses_where_nothing_else_does(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_WHERE", "nowhere")
    with pytest.raises(LabError, match="no place called 'nowhere'"):
        open_lab(workspace=tmp_path)


def test_the_suffix_and_prefix_must_fit_into_a_buckets_name(tmp_path):
    with pytest.raises(LabError, match=r"'Ann_' can't be a prefix"):
        open_lab(prefix="Ann_", workspace=tmp_path)
    with pytest.raises(LabError, match="'1234567890123' can't be a suffix"):
        open_lab(suffix="1234567890123", workspace=tmp_path)


def test_notebooks_of_one_workspace_share_one_embedded_aws_and_one_lab(workspace):
    first = open_lab("local", prefix="share-", workspace=workspace)
    second = open_lab("local", prefix="share-", workspace=workspace)
    assert first.connection.endpoint_url == second.connection.endpoint_url
    assert first.definition == second.definition


def test_what_a_lab_keeps_is_its_owners_alone(tmp_path):
    (tmp_path / ".labkit" / "journals").mkdir(parents=True, mode=0o755)  # as an earlier version made it
    try:
        open_lab("local", workspace=tmp_path)
        for folder in ("local", "journals"):
            assert (tmp_path / ".labkit" / folder).stat().st_mode & 0o777 == 0o700
    finally:
        embedded_aws.stop(tmp_path / LOCAL_FOLDER)


def test_a_restarted_embedded_aws_is_noticed_and_said(tmp_path):
    from labkit import catch_up, create_topic, inventory

    try:
        lab = open_lab("local", workspace=tmp_path)
        create_topic(lab)
        embedded_aws.stop(tmp_path / LOCAL_FOLDER)
        again = open_lab("local", workspace=tmp_path)
        assert "remembers nothing" in str(again)
        assert inventory(again).things == ()
        assert again.definition.suffix == lab.definition.suffix
        catch_up(again, to=1)
        assert [kind for kind, _ in inventory(again).things] == ["topic"]
    finally:
        embedded_aws.stop(tmp_path / LOCAL_FOLDER)


def test_an_embedded_aws_that_died_meanwhile_is_a_sentence_not_a_traceback(tmp_path):
    from labkit import create_topic

    lab = open_lab("local", workspace=tmp_path)
    embedded_aws.stop(tmp_path / LOCAL_FOLDER)
    with pytest.raises(LabError, match="A call did not reach AWS") as caught:
        create_topic(lab)
    assert "open_lab()" in caught.value.hint()
