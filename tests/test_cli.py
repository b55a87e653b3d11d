"""The labkit command: what a person types, what it says, and with which code it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import boto3
import nbformat
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from labkit import catch_up, embedded_aws, open_lab
from labkit.cli import main
from labkit.connection import LOCAL_FOLDER
from labkit.settings import FUNCTIONS, THUMBNAIL

NOTEBOOKS = Path(__file__).parent / "fixtures" / "notebooks"


def labkit(*words: str, typed: str = "") -> Result:
    done = CliRunner().invoke(main, list(words), input=typed)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """An empty workspace of the test's own, and an embedded AWS only if the test starts it."""
    monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path))
    monkeypatch.delenv("LABKIT_WHERE", raising=False)
    yield tmp_path
    embedded_aws.stop(tmp_path / LOCAL_FOLDER)


class TestHelp:
    def test_lists_every_command_with_a_whole_sentence(self):
        said = labkit("--help").output
        lines = said.split("Commands:\n")[1].strip().splitlines()
        assert {line.split()[0] for line in lines} == set(main.commands)
        assert all(line.endswith(".") and not line.endswith("...") for line in lines)

    @pytest.mark.parametrize("command", sorted(main.commands))
    def test_of_each_command(self, command):
        assert labkit(command, "--help").exit_code == 0

    def test_imports_neither_papermill_nor_matplotlib(self):
        code = "import sys, labkit.cli; sys.exit(bool({'papermill', 'matplotlib', 'moto'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_python_m_labkit_is_the_same_command(self):
        done = subprocess.run([sys.executable, "-m", "labkit", "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("labkit, version ")


def test_a_folder_that_cannot_be_written_is_named_without_a_traceback(workspace):
    (workspace / "file").write_text("in the way")
    done = labkit("build", "--here", "--out", str(workspace / "file" / "zips"))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{workspace / 'file' / 'zips'} cannot be used: Not a directory.\n  try: ")


class TestWithNothingRunning:
    def test_status_says_so_and_starts_nothing(self, workspace):
        done = labkit("status")
        assert done.exit_code == 0
        assert done.output.startswith(f"The embedded AWS of {workspace} is not running")
        assert embedded_aws.find(workspace / LOCAL_FOLDER) is None

    def test_stop_says_so(self, workspace):
        assert labkit("stop").output == f"The embedded AWS of {workspace} was not running.\n"

    def test_env_says_so_and_starts_nothing(self, workspace):
        done = labkit("env")
        assert done.exit_code == 1
        assert done.stdout == ""
        assert f"The embedded AWS of {workspace} is not running." in done.stderr
        assert "open_lab()" in done.stderr
        assert embedded_aws.find(workspace / LOCAL_FOLDER) is None

    def test_clean_says_so(self, workspace):
        done = labkit("clean", "--yes")
        assert done.exit_code == 0
        assert "is not running" in done.output


class TestEnv:
    """`labkit env`: other tools reach the same AWS."""

    def test_a_shell_that_evaluates_it_reaches_the_lab(self, workspace):
        lab = open_lab()
        code = (
            "import boto3\nsts = boto3.client('sts')\n"
            "print(sts.get_caller_identity()['Account'], sts.meta.endpoint_url)"
        )
        done = subprocess.run(
            ["sh", "-c", f'eval "$("{sys.executable}" -m labkit env)" && "{sys.executable}" -c "$CODE"'],
            env={**os.environ, "CODE": code, "AWS_PROFILE": "none", "AWS_SESSION_TOKEN": "stale"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout == f"{lab.connection.account} {lab.connection.endpoint_url}\n"

    def test_a_profile_can_ask_for_the_keys(self, workspace, tmp_path):
        """https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html"""
        lab = open_lab()
        config = tmp_path / "config"
        config.write_text(f'[profile lab]\ncredential_process = "{sys.executable}" -m labkit env --json\n')
        code = (
            "import boto3, sys\ns3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')\n"
            "print(s3.list_buckets()['Buckets'])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, lab.connection.endpoint_url],
            env={**os.environ, "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "lab"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("[]\n", "")

    def test_another_process_than_the_labs_needs_the_keys(self, workspace):
        lab = open_lab()
        client = boto3.Session("test", "test", region_name="us-east-1").client(
            "s3", endpoint_url=lab.connection.endpoint_url
        )
        with pytest.raises(ClientError) as refused:
            client.list_buckets()
        assert refused.value.response["Error"]["Code"] == "InvalidAccessKeyId"


class TestWithALab:
    def test_check_passes_for_a_step_that_is_made_and_fails_for_one_that_is_not(self, workspace):
        catch_up(open_lab(), to=1)
        made = labkit("check", "topic")
        assert made.exit_code == 0
        assert made.output.startswith("✓ 3 of 3 PASS: topic")
        missing = labkit("check", "2")
        assert missing.exit_code == 1
        assert "catch_up(lab, to=2)" in missing.output
        assert labkit("check").exit_code == 1

    def test_check_speaks_json_to_programs(self, workspace):
        catch_up(open_lab(), to=1)
        (topic,) = json.loads(labkit("check", "1", "--json").output)
        assert topic["passed"] is True
        of_a_check = {"subject", "passed", "expected", "found", "hint", "verdict", "evidence", "call"}
        of_a_judgement = {"hop", "branch", "fix", "consequence", "hole"}
        assert set(topic["checks"][0]) == of_a_check | of_a_judgement

    def test_status_lists_what_there_is_and_clean_deletes_it_after_asking(self, workspace):
        lab = open_lab()
        catch_up(lab, to=1)
        assert lab.definition.topic_name in labkit("status").output
        refused = labkit("clean", typed="n\n")
        assert refused.exit_code == 1
        assert "Delete all of it?" in refused.output
        assert lab.definition.topic_name in labkit("status").output
        assert "0 left" in labkit("clean", typed="y\n").output
        stopped = labkit("stop").output
        assert stopped == f"The embedded AWS of {workspace} was stopped.\n"

    def test_logs_of_a_function_that_never_ran(self, workspace):
        assert "There is no log group /aws/lambda/CreateThumbnail yet" in labkit("logs", "CreateThumbnail").output

    def test_doctor_names_what_is_missing_and_ends_with_1(self, workspace):
        catch_up(open_lab(), to=2)
        done = labkit("doctor")
        assert done.exit_code == 1
        assert "catch_up(lab, to=3)" in done.output

    def test_a_photo_can_be_traced_and_examined_and_its_logs_read(self, workspace):
        lab = open_lab()
        catch_up(lab, to=5)
        (photo,) = [entry.name for entry in lab.journal.entries("object") if not entry.name.endswith("/")]
        assert photo in labkit("trace", photo).output
        healthy = labkit("doctor", photo)
        assert healthy.exit_code == 0, healthy.output
        lines = labkit("logs", "CreateThumbnail", "--since", "5m", "--lines").output
        assert "START RequestId:" in lines
        assert "REPORT RequestId:" in lines

    def test_permissions_are_json_to_paste(self, workspace):
        assert json.loads(labkit("permissions").output)["Version"] == "2012-10-17"


class TestALabThatWasOpenedWithOptions:
    """The command that comes later is told none of them: the lab remembers."""

    def test_a_fourth_function_is_known_to_every_command(self, workspace):
        grey = replace(
            THUMBNAIL, name="CreateGreyImage", queue="grey-queue", folder="grey/", source=grey_code(workspace)
        )
        catch_up(open_lab(prefix="own-", functions=(*FUNCTIONS, grey)), to=4)
        assert "own-CreateGreyImage" in labkit("status", "--prefix", "own-").output
        assert labkit("check", "functions", "--prefix", "own-").output.startswith("✓ 80 of 80 PASS")
        assert "4 triggers that poll day and night" in labkit("cost", "--prefix", "own-").output
        assert "GreyImageFunction" in labkit("export", "--prefix", "own-").output
        assert "0 left" in labkit("clean", "--yes", "--prefix", "own-").output

    def test_an_existing_bucket_is_left_as_it_was_found(self, workspace):
        s3 = open_lab(prefix="looks-").client("s3")
        s3.create_bucket(Bucket="an-existing-bucket")
        s3.put_object(Bucket="an-existing-bucket", Key="letters/one.txt", Body=b"Dear reader")
        catch_up(open_lab(bucket="an-existing-bucket"), to=5)
        assert len(s3.list_objects_v2(Bucket="an-existing-bucket")["Contents"]) > 1
        assert "0 left" in labkit("clean", "--yes").output
        left = s3.list_objects_v2(Bucket="an-existing-bucket")["Contents"]
        assert [item["Key"] for item in left] == ["letters/one.txt"]
        assert "TopicConfigurations" not in s3.get_bucket_notification_configuration(Bucket="an-existing-bucket")

    def test_an_option_that_contradicts_is_refused_with_both_values(self, workspace):
        catch_up(open_lab(), to=1)
        done = labkit("status", "--bucket", "another-one")
        assert done.exit_code == 1
        assert "bucket is None, not 'another-one'" in done.stderr


def test_that_the_embedded_aws_has_forgotten_the_lab_is_told_by_each_command(workspace):
    catch_up(open_lab(), to=1)
    labkit("stop")
    for command in (["logs", "CreateThumbnail"], ["check", "topic"]):
        assert "1 thing of this lab is gone. catch_up(lab, to=...) makes what is gone." in labkit(*command).stderr


def grey_code(workspace: Path) -> Path:
    """A folder with the code of a fourth function."""
    folder = workspace / "my-functions"
    (folder / "CreateGreyImage").mkdir(parents=True)
    (folder / "CreateGreyImage" / "CreateGreyImage.py").write_text("def handler(event, context):\n    return {}\n")
    return folder


class TestMistakes:
    """A sentence on the error stream, the code 1, no traceback."""

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["check", "9"], "There is no step '9' to check."),
            (["check", "--where", "mars"], "There is no place called 'mars'."),
            (["status", "--where", "aws"], "A real account is used only when you name it: 12 digits."),
            (["status", "--where", "endpoint"], "None is no address of an AWS-compatible endpoint."),
            (["logs", "CreatePoster"], "There is no function called 'CreatePoster' in this lab."),
            (["inspect", "nothing.zip"], "There is no file nothing.zip."),
            (["run", "nothing"], "There is no notebook 'nothing'."),
        ],
    )
    def test_is_told(self, workspace, monkeypatch, words, sentence):
        monkeypatch.delenv("LABKIT_ENDPOINT_URL", raising=False)
        done = labkit(*words)
        assert done.exit_code == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.output


class TestToPrograms:
    def test_a_mistake_is_json_with_a_code_where_json_was_asked_for(self, workspace):
        done = labkit("check", "9", "--json")
        assert done.exit_code == 1
        assert json.loads(done.stdout)["error"]["code"] == "not-there"
        assert json.loads(done.stdout)["error"]["message"] == "There is no step '9' to check."
        assert "There is no step '9' to check." in done.stderr


class TestATerminal:
    """Whatever a name says, the terminal is told words."""

    @pytest.mark.parametrize("words", [["check"], ["run", "x", "--out"], ["trace"], []])
    def test_is_never_commanded(self, workspace, words):
        done = labkit(*words, "\x1b]0;pwned\x07\x9b2J")
        assert done.exit_code in (1, 2)
        assert not {"\x1b", "\x07", "\x9b"} & set(done.output)


class TestOddPlaces:
    """A folder that can be used is used, whatever it is called; one that can't is named, without a traceback."""

    @pytest.mark.parametrize("name", ["a folder", "'quoted' \"twice\"", "☃ 100 %s #1?", "-dash", "\udcff\x1b[31m\n"])
    def test_of_any_name_takes_a_run(self, workspace, name):
        done = labkit("run", str(NOTEBOOKS / "fine.ipynb"), f"--out={workspace / name}")
        assert done.exit_code == 0, done.output
        assert {path.name for path in (workspace / name).iterdir()} == {"fine.ipynb", "report.html"}

    def test_a_notebook_of_any_name_is_run(self, workspace):
        notebook = workspace / "nb '\"%20#ü\udcff.ipynb"
        notebook.write_bytes((NOTEBOOKS / "fine.ipynb").read_bytes())
        done = labkit("run", str(notebook), "--out", str(workspace / "run"))
        assert done.exit_code == 0, done.output
        assert nbformat.read(workspace / "run" / notebook.name, as_version=4).cells

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("file/run", "Not a directory"),
            ("x" * 300, "File name too long"),
            ("/".join(["y" * 200] * 25), "File name too long"),
            ("taken", "is there already: another run's lab was kept in it"),
        ],
    )
    def test_that_cannot_be_used_are_told(self, workspace, name, why):
        (workspace / "file").write_text("in the way")
        (workspace / "taken" / "workspace").mkdir(parents=True)
        (workspace / "taken" / "workspace" / "precious").write_text("kept")
        done = labkit("run", str(NOTEBOOKS / "fine.ipynb"), "--out", str(workspace / name))
        assert done.exit_code == 1
        assert why in done.stderr.splitlines()[0]
        assert len(done.stderr) < 1000
        assert (workspace / "taken" / "workspace" / "precious").exists()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
    @pytest.mark.parametrize(
        ("file", "doing"), [("fine.ipynb", "saving the executed notebook"), ("report.html", "writing the report")]
    )
    def test_a_full_disk_is_a_sentence(self, workspace, file, doing):
        (workspace / "run").mkdir()
        (workspace / "run" / file).symlink_to("/dev/full")
        done = labkit("run", str(NOTEBOOKS / "fine.ipynb"), "--out", str(workspace / "run"))
        assert done.exit_code == 1
        assert done.stderr.startswith(f"No space left on device.\n  where:    {doing}")
        assert not (workspace / "run" / file).is_symlink()  # half a file is taken away
        assert not (workspace / "run" / "workspace").exists()

    def test_a_workspace_that_is_a_file_is_told(self, workspace, monkeypatch):
        (workspace / "file").write_text("in the way")
        monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace / "file"))
        done = labkit("run", str(NOTEBOOKS / "fine.ipynb"))
        assert done.exit_code == 1
        assert "cannot be used: Not a directory." in done.stderr

    def test_a_temporary_directory_with_a_long_path_is_too_long_for_sockets_and_so_not_used(
        self, workspace, monkeypatch
    ):
        long = workspace / ("t" * 100)
        long.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(long))
        done = labkit("run", str(NOTEBOOKS / "fine.ipynb"), "--out", str(workspace / "run"))
        assert done.exit_code == 0, done.output


class TestPackages:
    def test_build_lays_three_zips_that_inspect_approves_of(self, workspace):
        built = labkit("build", "--here", "--out", str(workspace / "zips"))
        assert built.exit_code == 0
        zips = sorted((workspace / "zips").glob("*.zip"))
        assert [path.stem for path in zips] == ["CreateMobileImage", "CreateThumbnail", "CreateWebImage"]
        assert labkit("inspect", "--here", str(zips[0])).exit_code == 0

    def test_build_refuses_a_runtime_that_there_is_not(self, workspace):
        done = labkit("build", "--runtime", "python2.7", "--out", str(workspace / "zips"))
        assert done.exit_code == 1
        assert "Choose one of python3.9" in done.stderr

    def test_here_is_a_target_of_its_own(self):
        done = labkit("build", "--here", "--runtime", "python3.14")
        assert done.exit_code == 2
        assert "goes with neither --runtime nor --architecture" in done.stderr

    def test_inspect_fails_for_what_lambda_would_refuse(self, workspace):
        letter = workspace / "letter.zip"
        letter.write_text("not a zip")
        done = labkit("inspect", str(letter))
        assert done.exit_code == 1
        assert "FAIL" in done.output


class TestRun:
    def test_ends_with_a_table_and_says_where_everything_lies(self, workspace, monkeypatch):
        monkeypatch.chdir(workspace)
        done = labkit("run", str(NOTEBOOKS / "fine.ipynb"), "--out", "run")
        assert done.exit_code == 0, done.output
        assert "PASS: 1 notebook in" in done.output
        assert f"Report:             {Path('run') / 'report.html'}" in done.output

    def test_lies_under_runs_by_default(self, workspace):
        labkit("run", str(NOTEBOOKS / "fine.ipynb"))
        (folder,) = (workspace / "runs").iterdir()
        assert {path.name for path in folder.iterdir()} == {"fine.ipynb", "report.html"}

    def test_fails_with_notebook_cell_and_the_whole_message(self, workspace):
        done = labkit("run", str(NOTEBOOKS / "lab_error.ipynb"), "--out", str(workspace / "run"))
        assert done.exit_code == 1
        assert (
            "FAIL: lab_error, cell 1 `from labkit.errors import LabError`: LabError: There is no topic." in done.output
        )
        assert "try:      catch_up(lab, to=1) makes it." in done.output

    def test_hands_on_parameters_as_python_reads_them(self, workspace):
        done = labkit(
            "run", str(NOTEBOOKS / "with_parameters.ipynb"), "-p", "size", "3", "--out", str(workspace / "run")
        )
        assert done.exit_code == 0, done.output
        assert "local 3 local" in (workspace / "run" / "with_parameters.ipynb").read_text()

    def test_refuses_a_parameter_of_another_type(self, workspace):
        done = labkit("run", str(NOTEBOOKS / "with_parameters.ipynb"), "-p", "size", "big")
        assert done.exit_code == 1
        assert done.stderr.startswith("The parameter 'size' takes int, and 'big' is not one.")

    def test_takes_a_place_that_is_named_as_a_parameter_for_the_place_of_the_run(self, workspace):
        done = labkit("run", str(NOTEBOOKS / "with_parameters.ipynb"), "-p", "where", "aws")
        assert done.exit_code == 1
        assert "A real account is used only when you name it" in done.stderr
