"""The file by which notebooks, the command line and the server itself know which server a folder has.

It holds the account's keys, and the name of this very run, which is a secret too: it is readable for its owner alone,
and believed only if it is his.
"""

from __future__ import annotations

import hmac
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "123456789012"
PARTITION = "aws"

_URL = re.compile(r"http://127\.0\.0\.1:\d{1,5}")


@dataclass(frozen=True)
class Keys:
    """A pair of keys."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Server:
    """A running embedded AWS. `started` names this very run: another value means that all was forgotten."""

    url: str
    pid: int
    folder: Path
    started: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)
    region: str = REGION
    account: str = ACCOUNT

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    @property
    def environment(self) -> dict[str, str]:
        """What other tools need to reach it, as the environment variables that all of AWS's SDKs read.

        https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html#EVarSettings
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }


def proof(started: str, purpose: str, text: str) -> str:
    """Return what only who knows the run's name can say about a text, and what is good for one purpose."""
    return hmac.new(started.encode(), f"{purpose}:{text}".encode(), "sha256").hexdigest()


def state_file(folder: Path) -> Path:
    """Return where the state of a folder's server is written."""
    return folder / "server.json"


def make_private(folder: Path) -> None:
    """Make the folder, for its owner alone. One that is there stays as it is: it may be anybody's."""
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        return


def open_private(file: Path) -> int:
    """Return a descriptor to append to the file, which is its owner's alone."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def write_state(server: Server) -> None:
    """Write the state at once, readable for its owner alone."""
    unfinished = state_file(server.folder).with_suffix(f".{server.pid}")
    shown = {name: value for name, value in vars(server).items() if name != "folder"}
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(shown, file, indent=2)
    unfinished.replace(state_file(server.folder))


def read_state(folder: Path) -> Server | None:
    """Return what the file says, which need not be true any more.

    None without a readable file, and for one that somebody else wrote or that leads away from this machine.
    """
    try:
        descriptor = os.open(state_file(folder), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor) as file:
            if os.fstat(descriptor).st_uid != os.geteuid():
                return None
            fields = json.load(file)
        server = Server(**(fields | {"folder": folder}))
    except (OSError, ValueError, TypeError):
        return None
    return server if _is_plausible(server) else None


def _is_plausible(server: Server) -> bool:
    texts = (server.url, server.started, server.access_key, server.secret_key, server.region, server.account)
    return (
        all(isinstance(text, str) for text in texts)
        and type(server.pid) is int
        and server.pid > 1
        and _URL.fullmatch(server.url) is not None
    )


def remove_state(server: Server) -> None:
    """Remove the file if it still speaks of this server."""
    if read_state(server.folder) == server:
        state_file(server.folder).unlink(missing_ok=True)
