"""MiniStack, an AWS emulator that nobody of this project wrote, in an environment and a process of its own."""

import os
import socket
import subprocess
import sys
import venv
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from filelock import FileLock

from labkit.waiting import wait_until

# MiniStack pins botocore exactly, so it can't share an environment with the lab. Its functions run on its own Python,
# where, as on Lambda, boto3 has to be.
REQUIREMENTS = ("ministack==1.5.33", "boto3==1.43.106")
FOLDER = Path(__file__).parents[2] / "build" / "ministack"
ROOT_KEY, ROOT_SECRET = "test", "test"  # what MiniStack takes for the account's root user


def python():
    """The Python of MiniStack's environment, which is made at the first call and kept."""
    FOLDER.parent.mkdir(exist_ok=True)
    with FileLock(f"{FOLDER}.lock", timeout=600):
        if not (FOLDER / "bin" / "ministack").exists():
            venv.create(FOLDER, with_pip=True, clear=True)
            pip = [FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *REQUIREMENTS], check=True)
    return FOLDER / "bin" / "python"


@contextmanager
def server(folder: Path):
    """A MiniStack on the loopback that enforces identity, topic, queue and bucket policies; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),  # where it leaves what it unpacks
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [python(), "-m", "ministack"],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: process.poll() is not None or _answers(url), what="MiniStack", seconds=60)
            assert process.poll() is None, (folder / "ministack.log").read_text()
            yield url
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_ministack/health", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def runtime():
    """The runtime that MiniStack can run: whatever a function declares, it runs on MiniStack's own Python."""
    return "python{}.{}".format(*sys.version_info[:2])
