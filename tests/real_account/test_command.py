"""The command line on a real account: it says what it will make, asks, shows what it will delete, and asks again."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import FUNCTIONS, clean_up, inventory
from labkit.cli import main
from labkit.run import runner

from .conftest import ACCOUNT, GREY, REGION, do_the_lab

AT = ("--where", "aws", "--account", ACCOUNT, "--region", REGION)
NOTEBOOK = Path(__file__).parents[1] / "fixtures" / "notebooks" / "fine.ipynb"


@pytest.fixture
def labkit(account, monkeypatch):
    """Runs the command inside this process, as the account is."""
    workspace = account.new_workspace()
    monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace))

    def run(*words, typed=""):
        return CliRunner().invoke(main, words, input=typed)

    run.workspace = workspace
    return run


@pytest.fixture
def runs(monkeypatch):
    """What would be run; notebooks run in processes of their own, which know nothing of an account in this one."""
    started = []
    monkeypatch.setattr(runner, "find_notebooks", lambda *_: [NOTEBOOK])

    def refuse(*args, **options):
        started.append(options)
        raise SystemExit(0)

    monkeypatch.setattr(runner, "run_lab", refuse)
    return started


def test_a_run_says_what_it_makes_and_what_it_costs_and_asks(labkit, runs, account):
    before = account.contents()
    done = labkit("run", *AT, typed="n\n")
    assert done.exit_code == 1
    assert "The whole lab makes 30 things in account 123456789012, region us-east-1." in done.output
    assert "left standing it costs $0.0459 a day" in done.output
    assert "resize-image-topic-" in done.output
    assert "Make all of this, and delete it at the end? [y/N]" in done.output
    assert runs == []
    assert account.contents() == before


def test_ci_says_yes_beforehand_and_is_told_all_the_same(labkit, runs):
    done = labkit("run", *AT, "--yes")
    assert "The whole lab makes 30 things" in done.output
    assert "[y/N]" not in done.output
    assert len(runs) == 1


def test_a_run_without_the_account_id_is_refused(labkit, runs):
    done = labkit("run", "--where", "aws", "--yes")
    assert done.exit_code == 1
    assert "A real account is used only when you name it: 12 digits." in done.output
    assert runs == []


def test_clean_shows_what_it_deletes_and_asks(labkit, account):
    before, lab = account.contents(), account.open(workspace=labkit.workspace)
    do_the_lab(lab)
    done = labkit("clean", *AT, typed="n\n")
    assert "32 left" in done.output
    assert "Delete all of it? [y/N]" in done.output
    assert len(lab.journal.entries()) > 25
    done = labkit("clean", *AT, "--yes")
    assert done.exit_code == 0, done.output
    assert "; 0 left." in done.output
    assert account.contents() == before
    assert "Deleted 0 things" in labkit("clean", *AT, "--yes").output


@pytest.mark.parametrize("things", ["existing ones", "a fourth function"])
def test_no_command_has_to_be_told_again_what_the_lab_was_opened_with(labkit, account, things):
    existing = {"bucket": account.decoys["bucket"], "role_arn": account.decoys["role"]}
    options = existing if things == "existing ones" else {"functions": (*FUNCTIONS, GREY)}
    before, lab = account.contents(), account.open(workspace=labkit.workspace, **options)
    upload = do_the_lab(lab)
    for key in upload.expected:  # what the functions would make of it
        account.session.client("s3").put_object(Bucket=upload.bucket, Key=key, Body=b"made by the lab")
    status = labkit("status", *AT)
    assert f"{len(inventory(lab).things)} left" in status.output
    assert ("CreateGreyImage" in status.output) == (things == "a fourth function")
    for step in ("1", "2", "3"):
        assert labkit("check", step, *AT).exit_code == 0
    for words in (["check", "4"], ["cost"], ["doctor"]):
        done = labkit(*words, *AT)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "contradict" not in done.output
    if things == "a fourth function":
        assert "CreateGreyImage" in labkit("check", "4", "--json", *AT).output
    done = labkit("clean", *AT, "--yes")
    assert "; 0 left." in done.output, done.output
    assert account.contents() == before


def test_clean_from_another_machine_goes_by_the_suffix_and_asks(labkit, account):
    before, lab = account.contents(), account.open(suffix="lost")
    do_the_lab(lab)
    done = labkit("clean", *AT, "--suffix", "lost", typed="n\n")
    assert "belong to image-lab-lost by their tags and suffix" in done.output
    assert "thumbnail-queue-lost" in done.output
    assert "Delete all of it? [y/N]" in done.output
    assert account.contents() != before
    done = labkit("clean", *AT, "--suffix", "lost", "--yes")
    assert "; 0 left." in done.output
    assert account.contents() == before


def test_status_lists_all_labs_of_the_account(labkit, account):
    ann = account.open(prefix="ann-", suffix="one")
    do_the_lab(ann)
    done = labkit("status", *AT, "--all")
    assert "1 lab has something in account 123456789012, region us-east-1." in done.output
    assert "ann-image-lab-one" in done.output
    clean_up(ann)


def test_permissions_prints_a_policy_that_can_be_pasted(labkit):
    done = labkit("permissions", *AT, "--prefix", "ann-")
    assert json.loads(done.output)["Version"] == "2012-10-17"
    assert "ann-thumbnail-*queue-*" in done.output
