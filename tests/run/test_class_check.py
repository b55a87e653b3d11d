"""Before a class: each thing that would spoil it is a line that fails, with what to do."""

import json

import pytest
from click.testing import CliRunner

from labkit import open_lab
from labkit.cli import main
from labkit.run import class_check
from labkit.run.class_check import check_class, needs


@pytest.fixture
def quick(monkeypatch, workspace):
    """The check, without the whole run."""
    monkeypatch.setattr(class_check, "_run", lambda lab, say: class_check.Check("a whole run", True, "", ""))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    lab = open_lab("local", prefix="check-", workspace=workspace)
    return lambda **options: {line.subject: line for line in check_class(lab, **options).checks}


def test_a_machine_that_will_do_passes_every_line(quick):
    lines = quick()
    wanted = ["Python", "packages", "disk", "clock", "memory", "cores", "disk for all", "ports", "proxy", "a whole run"]
    assert list(lines) == wanted
    assert all(line.passed for line in lines.values()), lines


def test_more_students_than_it_can_carry_are_told(quick):
    lines = quick(students=100_000)
    assert not lines["memory"].passed
    assert lines["memory"].expected == "52,000,000 MB free"
    assert "a larger machine" in lines["memory"].hint
    assert not lines["cores"].passed
    assert not lines["disk for all"].passed


def test_a_proxy_that_is_asked_for_this_machine_s_own_servers_is_found(quick, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    line = quick()["proxy"]
    assert (line.passed, line.found) == (False, "http; 127.0.0.1 goes to it")
    assert "NO_PROXY" in line.hint
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    assert quick()["proxy"].passed


def test_where_nothing_may_listen_the_line_says_so(quick, monkeypatch):
    class Refused:
        def __enter__(self):
            raise PermissionError(1, "Operation not permitted")

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(class_check.socket, "socket", Refused)
    lines = {line.subject: line for line in [class_check._port()]}
    assert (lines["ports"].passed, lines["ports"].found) == (False, "Operation not permitted")


def test_what_thirty_students_need_is_said_in_one_sentence():
    assert needs(30).startswith(
        "One server for 30 students at once needs 15 GB of memory beside its system's own, 8 cores"
    )


@pytest.mark.slow
def test_the_command_runs_the_whole_story(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path))
    done = CliRunner().invoke(main, ["class", "check", "--json"])
    lines = {line["subject"]: line for line in json.loads(done.stdout)["checks"]}
    assert lines["a whole run"]["passed"], lines["a whole run"]
    CliRunner().invoke(main, ["stop"])
