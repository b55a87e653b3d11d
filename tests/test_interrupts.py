"""Ctrl-C, SIGTERM and SIGKILL at many moments of real commands: one line, the exit code, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest

from labkit import catch_up, embedded_aws, interrupts, open_lab
from labkit.__main__ import TOLD
from labkit.connection import LOCAL_FOLDER
from labkit.waiting import wait_until

FIXTURES = Path(__file__).parent / "fixtures"
FINE = str(FIXTURES / "notebooks" / "fine.ipynb")
BOTH = (signal.SIGINT, signal.SIGTERM)


def slow(*values: object) -> object:
    """One of many moments: the first ones tell most, the others are for `make test-all`."""
    return pytest.param(*values, marks=pytest.mark.slow)


class Command:
    """A labkit command in a process of its own, which stops at given moments."""

    def __init__(self, folder: Path, temporary: Path, words: list[str], stops: list[str], **variables: str) -> None:
        self.signs, self.temporary, self.stops = folder / "signs", temporary, stops
        self.signs.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labkit", *words],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(FIXTURES / "stops"),
                "LABKIT_TEST_STOPS": " ".join(stops),
                "LABKIT_TEST_SIGNS": str(self.signs),
                "LABKIT_WORKSPACE": str(folder),
                "TMPDIR": str(temporary),
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What runs in the background of a script is started deaf to Ctrl-C: these tests may, this process must not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def at_each_stop(self, number: int) -> None:
        """Wait for each stop, send the signal there, and let it go on."""
        for stop in self.stops:
            sign = self.signs / stop
            wait_until(
                lambda sign=sign: sign.exists() or self.ended(), what=f"the command to come to {stop}", seconds=90
            )
            assert sign.exists(), self.process.communicate()
            self.process.send_signal(number)
            sign.unlink()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> tuple[int, str, str]:
        """Its exit code, and what it said and complained."""
        said, complained = self.process.communicate(timeout=90)
        return self.process.returncode, said, complained

    def left(self) -> list[str]:
        """Folders in the temporary directory, and processes that know it."""
        processes = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("IPYTHONDIR", "").startswith(str(self.temporary)):
                    processes.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return [str(path) for path in self.temporary.iterdir()] + processes


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary directory with a path that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def command(tmp_path, temporary) -> Iterator[object]:
    started: list[Command] = []

    def start(*words: str, stops: list[str], **variables: str) -> Command:
        started.append(Command(tmp_path, temporary, list(words), stops, **variables))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()
    embedded_aws.stop(tmp_path / LOCAL_FOLDER)


class TestARun:
    """Interrupted, it takes away all that it needed, wherever it was."""

    @pytest.mark.parametrize(
        ("moment", "number"),
        [
            ("click.core:<module>", signal.SIGINT),
            ("papermill:<module>", signal.SIGTERM),
            *(
                slow(moment, number)
                for moment in (
                    "labkit.cli.lessons:run",
                    "labkit.run.runner:<module>",
                    "labkit.run.remains:_make_folder",
                    "labkit.run.remains:_make_workspace",
                    "labkit.run.kernels:Kernels.start_ahead",
                    "papermill.execute:execute_notebook",
                )
                for number in BOTH
            ),
        ],
    )
    def test_before_the_first_notebook_ends_in_one_line(self, command, tmp_path, moment, number):
        run = command("run", FINE, "--out", "out", stops=[moment])
        run.at_each_stop(number)
        assert run.end() == (interrupts.INTERRUPTED, "", f"{TOLD}\n")
        assert run.left() == []
        assert not (tmp_path / "out" / "workspace").exists()

    @pytest.mark.parametrize(
        "moment", ["labkit.run.kernels:Kernel.end", slow("labkit.run.runner:_line"), slow("labkit.progress:Bar.close")]
    )
    def test_between_notebooks_the_report_says_so(self, command, tmp_path, moment):
        run = command("run", FINE, FINE, "--out", "out", stops=[moment])
        run.at_each_stop(signal.SIGINT)
        code, said, complained = run.end()
        assert code == interrupts.INTERRUPTED
        assert "FAIL: the run was interrupted after fine." in said
        assert complained == ""
        assert run.left() == []
        assert "interrupted after fine" in (tmp_path / "out" / "report.html").read_text()
        assert not (tmp_path / "out" / "workspace").exists()

    @pytest.mark.parametrize(
        "moment", ["labkit.run.remains:_remove", slow("shutil:rmtree"), slow("labkit.run.report:write_report")]
    )
    def test_while_it_clears_up_it_clears_up_first(self, command, tmp_path, moment):
        run = command("run", FINE, "--out", "out", stops=[moment])
        run.at_each_stop(signal.SIGINT)
        code, said, complained = run.end()
        assert code == interrupts.INTERRUPTED
        assert said.startswith("PASS  fine")
        assert complained == f"{TOLD}\n"
        assert run.left() == []
        assert (tmp_path / "out" / "report.html").exists()
        assert not (tmp_path / "out" / "workspace").exists()

    @pytest.mark.parametrize(
        "moments",
        [
            slow(["papermill:<module>", "labkit.run.remains:_remove"]),
            ["labkit.run.runner:_line", "labkit.run.kernels:Kernels.end_all", "labkit.run.report:write_report"],
        ],
    )
    def test_again_and_again_it_is_the_same(self, command, tmp_path, moments):
        run = command("run", FINE, "--out", "out", stops=moments)
        run.at_each_stop(signal.SIGINT)
        code, _, complained = run.end()
        assert code == interrupts.INTERRUPTED
        assert complained == f"{TOLD}\n"
        assert run.left() == []
        assert not (tmp_path / "out" / "workspace").exists()


@pytest.mark.slow
def test_a_run_that_nohup_started_outlives_its_terminal(tmp_path, temporary):
    command = ["nohup", sys.executable, "-m", "labkit", "run", FINE, "--out", "out"]
    (tmp_path / "signs").mkdir()
    stop = {"PYTHONPATH": str(FIXTURES / "stops"), "LABKIT_TEST_STOPS": "papermill:<module>"}
    variables = {"LABKIT_TEST_SIGNS": str(tmp_path / "signs"), "TMPDIR": str(temporary)}
    sign = tmp_path / "signs" / "papermill:<module>"
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, **stop, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as run:
        wait_until(lambda: sign.exists() or run.poll() is not None, what="the run to begin", seconds=90)
        run.send_signal(signal.SIGHUP)
        sign.unlink()
        complained = run.communicate(timeout=90)[1]
    assert run.returncode == 0, complained


class TestOtherCommands:
    @pytest.mark.parametrize("number", BOTH)
    @pytest.mark.parametrize(
        ("words", "moment"),
        [
            (["--help"], "labkit.cli:<module>"),
            (["status"], "labkit.lab:<module>"),
            slow(["check"], "labkit.lab:open_lab"),
            slow(["check"], "labkit.embedded_aws.launcher:_launch"),
            slow(["students", "for-class"], "labkit.students:make_student_notebooks"),
            slow(["build", "--here", "--out", "zips"], "labkit.packages.build:build_packages"),
            (["stop"], "labkit.embedded_aws.launcher:stop"),
        ],
    )
    def test_end_in_one_line(self, command, words, moment, number):
        told = command(*words, stops=[moment])
        told.at_each_stop(number)
        assert told.end() == (interrupts.INTERRUPTED, "", f"{TOLD}\n")

    def test_at_a_question_nothing_is_done(self, command, tmp_path):
        catch_up(open_lab(workspace=tmp_path), to=1)
        clean = command("clean", stops=[])
        said = ""
        while "Delete all of it?" not in said:
            said += os.read(clean.process.stdout.fileno(), 10_000).decode()
        # Python is deaf for a moment between showing a question and waiting for the answer: a person presses once more.
        wait_until(
            lambda: clean.ended() or clean.process.send_signal(signal.SIGINT),
            what="the command to end",
            seconds=60,
            first_pause=2,
            longest_pause=2,
        )
        code, _, complained = clean.end()
        assert code == interrupts.INTERRUPTED
        assert complained == f"{TOLD}\n"
        assert len(open_lab(workspace=tmp_path).client("sns").list_topics()["Topics"]) == 1


WAITING = """
import os, pathlib, subprocess, sys, tempfile, threading
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
tempfile.mkdtemp(prefix="of-a-cell-")
sign = pathlib.Path(os.environ["LABKIT_TEST_SIGN"])
sign.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
sign.with_suffix(".new").rename(sign)
while sign.exists():
    threading.Event().wait(0.01)
"""


class TestAKilledRun:
    """SIGKILL leaves a run no time; the next run removes what it left, and nothing else."""

    @pytest.fixture
    def waiting(self, command, tmp_path):
        """Starts a run that stays in its first cell, and says the ids of its kernel and of what the cell started."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WAITING)])
        nbformat.write(notebook, tmp_path / "waiting.ipynb")
        sign = tmp_path / "sign"

        def start(*options: str) -> tuple[Command, list[psutil.Process]]:
            sign.unlink(missing_ok=True)
            run = command("run", "waiting.ipynb", *options, stops=[], LABKIT_TEST_SIGN=str(sign))
            wait_until(lambda: sign.exists() or run.ended(), what="the cell to run", seconds=90)
            return run, [psutil.Process(int(pid)) for pid in sign.read_text().split()]

        return start

    def next_run(self, command, tmp_path) -> tuple[Command, tuple[int, str, str]]:
        run = command("run", FINE, "--out", str(tmp_path / "next"), stops=[])
        return run, run.end()

    def test_is_cleared_up_after_by_the_next(self, command, waiting, tmp_path):
        run, processes = waiting("--out", "out")
        workspace = tmp_path / "out" / "workspace"
        wait_until(lambda: embedded_aws.find(workspace / LOCAL_FOLDER), what="the embedded AWS of the run", seconds=60)
        run.process.kill()
        run.process.wait()
        assert run.left()
        assert workspace.exists()
        after, (code, _, complained) = self.next_run(command, tmp_path)
        assert (code, complained) == (0, "")
        assert after.left() == []
        assert not (tmp_path / "out").exists()
        wait_until(lambda: not any(map(running, processes)), what="what the run had started to end", seconds=10)

    @pytest.mark.parametrize(
        "moment",
        [
            slow("labkit.run.remains:_make_workspace"),
            slow("labkit.run.runner:_local_place"),
            slow("labkit.run.kernels:Kernels.start_ahead"),
            slow("labkit.run.remains:_remove"),
            slow("labkit.run.remains:_remove_tree"),
        ],
    )
    def test_is_cleared_up_after_wherever_it_was(self, command, tmp_path, moment):
        run = command("run", FINE, "--out", "out", stops=[moment])
        run.at_each_stop(signal.SIGKILL)
        run.process.wait()
        after, (code, _, complained) = self.next_run(command, tmp_path)
        assert (code, complained) == (0, "")
        assert after.left() == []
        assert not (tmp_path / "out" / "workspace").exists()

    def test_that_was_to_keep_its_lab_keeps_it(self, command, waiting, tmp_path):
        run, _ = waiting("--out", "out", "--keep")
        workspace = tmp_path / "out" / "workspace"
        try:
            find = partial(embedded_aws.find, workspace / LOCAL_FOLDER)
            server = wait_until(find, what="the embedded AWS of the run", seconds=60)
            run.process.kill()
            run.process.wait()
            after, (code, _, _) = self.next_run(command, tmp_path)
            assert code == 0
            assert after.left() == []
            assert embedded_aws.find(workspace / LOCAL_FOLDER) == server
        finally:
            embedded_aws.stop(workspace / LOCAL_FOLDER)

    def test_is_not_taken_for_dead_while_it_lives(self, command, waiting, tmp_path):
        run, processes = waiting("--out", "out")
        _, (code, _, _) = self.next_run(command, tmp_path)
        assert code == 0
        assert all(map(running, processes))
        (tmp_path / "sign").unlink()
        code, said, complained = run.end()
        assert (code, complained) == (0, ""), said
        assert run.left() == []

    def test_nothing_is_removed_on_the_word_of_a_folder_alone(self, command, temporary, tmp_path):
        precious = tmp_path / "precious"
        (precious / ".labkit").mkdir(parents=True)
        (precious / ".labkit" / "run").write_text("labkit-run-other")
        says_so = temporary / "labkit-run-doctored"
        says_so.mkdir()
        (says_so / "workspace").write_bytes(os.fsencode(precious))
        (temporary / "labkit-run-link").symlink_to(precious)
        after, (code, _, _) = self.next_run(command, tmp_path)
        assert code == 0
        assert (precious / ".labkit" / "run").exists()
        assert after.left() == [str(temporary / "labkit-run-link")]

    @pytest.mark.parametrize("mark", [slow(""), slow("labkit-run-ha")])
    def test_a_workspace_whose_mark_was_only_begun_is_removed_too(self, command, temporary, tmp_path, mark):
        begun = tmp_path / "out" / "workspace"
        (begun / ".labkit").mkdir(parents=True)
        (begun / ".labkit" / "run").write_text(mark)
        (temporary / "labkit-run-half").mkdir()
        (temporary / "labkit-run-half" / "workspace").write_bytes(os.fsencode(begun))
        after, (code, _, _) = self.next_run(command, tmp_path)
        assert code == 0
        assert after.left() == []
        assert not (tmp_path / "out").exists()

    @pytest.mark.slow
    @pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder that is somebody else's")
    def test_what_is_someone_elses_stays(self, command, temporary, tmp_path):
        theirs = temporary / "labkit-run-theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
        after, (code, _, _) = self.next_run(command, tmp_path)
        assert code == 0
        assert after.left() == [str(theirs)]


def running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class TestLosingNoInterrupt:
    """Python drops what is raised while an object is taken away."""

    def test_one_that_was_dropped_comes_again(self):
        code = """
import signal, time
from labkit import interrupts
class Loses:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
interrupts.listen()
try:
    Loses()
    time.sleep(60)
except KeyboardInterrupt:
    print("came")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
        assert (done.stdout, done.stderr) == ("came\n", "")
