"""Kernels are forks of one process that has imported what they need; each is a process like any other."""

import os
import signal
import subprocess
import sys

import nbformat
import pytest
from children import children

from labkit import LabError
from labkit.run.forks import AVAILABLE, ForkServer
from labkit.run.kernels import kernels_for
from labkit.run.remains import KERNELS_VARIABLE, own_folder
from labkit.run.runner import run_notebooks
from labkit.waiting import wait_until

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="macOS starts each kernel by itself")


def told(tmp_path, code):
    """What a cell with this code prints."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, tmp_path / "told.ipynb")
    run = run_notebooks([tmp_path / "told.ipynb"], folder=tmp_path / "out", where="nowhere", say=lambda _: None)
    assert run.failed is None
    return run.notebooks[0].notebook.cells[-1].outputs[0].text.strip()


@pytest.fixture
def server(tmp_path):
    environment = {**os.environ, KERNELS_VARIABLE: str(tmp_path / "ipython")}
    with (tmp_path / "log").open("wb") as log:
        server = ForkServer(environment, log)
        yield server
        server.close()


def test_a_kernel_knows_how_what_it_started_has_ended(tmp_path):
    code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'raise SystemExit(3)']).returncode)"
    assert told(tmp_path, code) == "3"


def test_a_kernel_reads_no_line_of_the_servers(tmp_path):
    assert told(tmp_path, "import os\nprint(os.read(0, 10))") == "b''"


def test_a_kernel_begins_with_what_notebooks_import(tmp_path):
    code = "import sys\nfound = 'matplotlib.figure' in sys.modules, 'boto3' in sys.modules"
    assert told(tmp_path, f"{code}\nfrom labkit import timeline\nprint(*found)") == "True True"


def test_each_kernel_is_a_process_of_its_own(tmp_path):
    path = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    with own_folder() as place, kernels_for([path] * 2, os.environ, place, tmp_path / "kernels.log") as kernels:
        first, second = kernels.next(), kernels.next()
        assert first.provisioner.pid != second.provisioner.pid


def test_kernels_end_when_the_server_is_killed(server, tmp_path):
    kernel = server.fork(["-f", str(tmp_path / "connection.json")], str(tmp_path))
    parent = kernel.parent()
    assert kernel.poll() is None
    parent.send_signal(signal.SIGKILL)
    wait_until(lambda: kernel.poll() is not None, what="the kernel to end", seconds=20)


def test_a_kernel_that_is_gone_can_be_sent_a_signal(server, tmp_path):
    kernel = server.fork(["-f", str(tmp_path / "connection.json")], str(tmp_path))
    kernel.kill()
    kernel.wait(5)
    kernel.send_signal(signal.SIGINT)
    assert kernel.poll() == 1


def test_a_server_that_is_gone_is_said(server, tmp_path):
    server.close()
    with pytest.raises(LabError, match="The process that kernels are forked from has ended") as caught:
        server.fork([], str(tmp_path))
    assert caught.value.code == "lab-error"
    assert "kernels.log" in caught.value.hint()


def test_a_run_of_no_notebooks_has_no_kernels_to_start(tmp_path):
    run = run_notebooks([], folder=tmp_path / "out", where="nowhere", say=lambda _: None)
    assert run.failed is None
    assert run.notebooks == ()


def test_a_run_that_is_killed_leaves_no_kernel(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time\ntime.sleep(600)")])
    nbformat.write(notebook, tmp_path / "long.ipynb")
    command = [sys.executable, "-m", "labkit", "run", str(tmp_path / "long.ipynb"), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        below = wait_until(lambda: started(process.pid), what="the kernel", seconds=60)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not any(one.is_running() for one in below), what="the kernels to end", seconds=20)


def started(pid):
    """The fork server and its kernels, once there is a kernel."""
    servers = children(pid, "os.fork()")
    kernels = [kernel for one in servers for kernel in children(one.pid, "os.fork()")]
    return kernels and [*servers, *kernels]
