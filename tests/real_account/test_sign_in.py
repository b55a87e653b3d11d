"""Each way to sign in: asked for a code at most once, and told in a sentence what to type when it is over."""

import hashlib
import json
import shlex
import stat
import sys
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import AssumeRoleCredentialFetcher
from botocore.exceptions import ClientError

from labkit import LabError, create_topic

from .conftest import ACCOUNT

ROLE, DEVICE = f"arn:aws:iam::{ACCOUNT}:role/Student", f"arn:aws:iam::{ACCOUNT}:mfa/ann"
KEYS = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A home of the test's own: the developer's sessions are neither used nor added to."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path / "home"


@pytest.fixture
def profile(aws_files):
    """Writes the profile `lab`, and what else the file of profiles says."""

    def profile(lines, others=""):
        aws_files.write_text(f"[profile lab]\nregion = us-east-1\n{lines}\n{others}\n")

    return profile


@pytest.fixture
def with_code(profile):
    profile(f"role_arn = {ROLE}\nmfa_serial = {DEVICE}\nsource_profile = keys", f"[profile keys]\n{KEYS}")


@pytest.fixture
def somebody(monkeypatch):
    """Somebody at the keyboard; what they were asked."""

    class Keyboard:
        def isatty(self):
            return True

    asked = []
    monkeypatch.setattr(sys, "stdin", Keyboard())
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "123456")
    return asked


def refused(account, **options):
    with pytest.raises(LabError) as caught:
        account.open(profile="lab", **options)
    assert caught.value.code == "no-credentials"
    return caught.value


def test_the_code_is_asked_for_once_and_the_session_is_shared_with_the_aws_cli(account, with_code, somebody, home):
    for _ in range(2):
        create_topic(account.open(profile="lab"))
    assert somebody == [f"Enter MFA code for {DEVICE}: "]
    # So the AWS CLI names it, and so it looks for it: https://github.com/aws/aws-cli/issues/1389
    name = hashlib.sha1(json.dumps({"RoleArn": ROLE, "SerialNumber": DEVICE}).encode()).hexdigest()
    shared = home / ".aws" / "cli" / "cache" / f"{name}.json"
    assert json.loads(shared.read_text())["Credentials"]["SessionToken"]
    assert stat.S_IMODE(shared.stat().st_mode) == 0o600


def test_who_has_signed_in_with_the_aws_cli_is_not_asked(account, with_code, somebody, home, monkeypatch):
    account.open(profile="lab")
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    account.open(profile="lab")
    assert len(somebody) == 1


def nobody_headless(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "1")


def nobody_at_the_terminal(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stdin", None)


def a_notebook_that_a_program_runs(monkeypatch):
    def getpass(_):
        raise NotImplementedError("getpass was called, but this frontend does not support input requests.")

    monkeypatch.setattr("getpass.getpass", getpass)


@pytest.mark.parametrize("nobody", [nobody_headless, nobody_at_the_terminal, a_notebook_that_a_program_runs])
def test_where_nobody_can_type_the_code_it_is_told_at_once(account, with_code, somebody, nobody, monkeypatch, capfd):
    nobody(monkeypatch)
    told = refused(account)
    assert told.message == "The profile wants a one-time code (MFA), and nobody is here to type it."
    assert "`aws sts get-caller-identity`" in told.hint()
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("MultiFactorAuthentication failed with invalid MFA one time pass code. ", "wait for the next one"),
        ("User: arn:x is not authorized to perform: sts:AssumeRole on resource: arn:y", "trust your user"),
    ],
)
def test_a_role_that_is_refused_is_told_in_aws_own_words(account, with_code, monkeypatch, words, hint):
    def refuse(_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": words}}, "AssumeRole")

    monkeypatch.setattr(AssumeRoleCredentialFetcher, "_get_credentials", refuse)
    told = refused(account)
    assert told.aws_said == f"AccessDenied: {words}"
    assert hint in told.hint()
    assert "labkit permissions" not in told.hint()


SSO = "sso_session = school\nsso_account_id = 123456789012\nsso_role_name = Student"
SCHOOL = "[sso-session school]\nsso_start_url = https://school.example/start\nsso_region = us-east-1"


def test_single_sign_on_that_has_ended_says_what_to_type(account, profile):
    profile(SSO, SCHOOL)
    assert refused(account).hint() == "Type `aws sso login --profile lab` in a terminal."


def test_a_role_over_single_sign_on_names_the_profile_that_signs_in(account, profile):
    profile(f"role_arn = {ROLE}\nsource_profile = campus", f"[profile campus]\n{SSO}\n{SCHOOL}")
    assert refused(account).hint() == "Type `aws sso login --profile campus` in a terminal."


def test_a_login_without_the_part_that_it_needs_names_the_extra(account, profile, monkeypatch):
    monkeypatch.setattr("botocore.credentials.EC", None)
    profile("login_session = arn:aws:iam::123456789012:user/ann")
    told = refused(account)
    assert "additional dependency" in told.message
    assert "`.venv/bin/pip install 'boto3[crt]'`" in told.hint()


def test_a_login_that_has_ended_says_what_to_type(account, profile, monkeypatch):
    monkeypatch.setattr("botocore.credentials.EC", object())
    profile("login_session = arn:aws:iam::123456789012:user/ann")
    assert refused(account).hint() == "Type `aws login --profile lab` in a terminal."


def program(tmp_path, text):
    script = tmp_path / "keys.py"
    script.write_text(text)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"


def answer(**changes):
    return f"print({json.dumps({'Version': 1, 'AccessKeyId': 'x', 'SecretAccessKey': 'y', **changes})!r})"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise SystemExit('the vault is locked')", "the vault is locked"),
        ("print('hello')", "JSONDecodeError"),
        ("print('[]')", "AttributeError"),
        (answer(Version=2), "Unsupported version"),
        (answer(Expiration="2020-01-01T00:00:00Z"), "the refreshed credentials are still expired"),
    ],
)
def test_a_program_that_gives_no_keys_is_named(account, profile, tmp_path, text, words):
    command = program(tmp_path, text)
    profile(f"credential_process = {command}")
    told = refused(account)
    assert words in told.message
    assert told.hint() == f"The profile lab asks a program: type `{command}` and see what it says."


def test_a_program_that_is_not_there_is_named(account, profile):
    profile("credential_process = /no/such/program")
    told = refused(account)
    assert "No such file or directory: '/no/such/program'" in told.message
    assert "type `/no/such/program`" in told.hint()


def test_keys_that_cannot_be_renewed_midway_are_told_too(account, profile, tmp_path, capfd):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    command = program(tmp_path, answer(Expiration=soon))
    profile(f"credential_process = {command}")
    lab = account.open(profile="lab")
    program(tmp_path, "raise SystemExit('the vault is locked')")
    lab.connection.session.get_credentials()._expiry_time = datetime.now(UTC)
    with pytest.raises(LabError, match="the vault is locked") as caught:
        create_topic(lab)
    assert command in caught.value.hint()
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_session_with_a_code_that_ends_midway_asks_when_the_lab_is_opened_again(account, with_code, somebody, home):
    workspace = account.new_workspace()
    lab = account.open(profile="lab", workspace=workspace)
    lab.connection.session.get_credentials()._expiry_time = datetime.now(UTC)
    next((home / ".aws" / "cli" / "cache").iterdir()).unlink()
    with pytest.raises(LabError, match="The session that you gave a one-time code for has ended") as caught:
        create_topic(lab)
    assert "open_lab() again" in caught.value.hint()
    create_topic(account.open(profile="lab", workspace=workspace))
    assert len(somebody) == 2


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        (f"{KEYS}aws_session_token = gone", "Copy the keys anew into ~/.aws/credentials, section [lab]"),
        (KEYS, "Look at the key in ~/.aws/credentials, section [lab]"),
    ],
)
def test_keys_that_have_run_out_say_where_new_ones_go(account, profile, lines, hint, monkeypatch):
    profile(lines)
    expired = {"Error": {"Code": "ExpiredToken", "Message": "The security token included in the request is expired"}}
    lab = account.open(profile="lab")

    class Response:
        status_code = 403

    lab.connection.session.events.register_first("before-call.sns.CreateTopic", lambda **_: (Response(), expired))
    with pytest.raises(LabError, match=r"Your credentials have expired\.") as caught:
        create_topic(lab)
    assert caught.value.hint().startswith(hint)


def test_a_profile_without_keys_says_how_one_signs_in(account, profile):
    profile("")
    told = refused(account)
    assert told.message == "boto3 has no valid credentials: Unable to locate credentials"
    assert "`aws login`" in told.hint()
    assert "docs/real-account.md" in told.hint()


def test_half_a_key_is_told(account, profile):
    profile("aws_access_key_id = AKIAIOSFODNN7EXAMPLE")
    assert "aws_secret_access_key" in refused(account).message


def test_a_profile_that_leads_to_itself_is_told(account, profile):
    profile(f"role_arn = {ROLE}\nsource_profile = lab")
    with pytest.raises(LabError, match="Infinite loop") as caught:
        account.open(profile="lab")
    assert caught.value.code == "bad-configuration"


def test_keys_in_the_environment_say_which_variables_count(account, monkeypatch):
    expired = {"Error": {"Code": "ExpiredToken", "Message": "expired"}}
    lab = account.open()

    class Response:
        status_code = 403

    lab.connection.session.events.register_first("before-call.sns.CreateTopic", lambda **_: (Response(), expired))
    with pytest.raises(LabError, match=r"Your credentials have expired\.") as caught:
        create_topic(lab)
    assert caught.value.hint().startswith("The variables AWS_ACCESS_KEY_ID")
