"""The file by which notebooks, the command line and the server itself know which server a folder has."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Server:
    """A running embedded AWS. `started` names this very run: another value means that all was forgotten."""

    url: str
    pid: int
    folder: Path
    started: str
    region: str = REGION
    account: str = ACCOUNT


def proof(started: str) -> str:
    """Return what the server shows to everybody: it proves which run it is without giving the run's name away."""
    return hashlib.sha256(started.encode()).hexdigest()


def state_file(folder: Path) -> Path:
    """Return where the state of a folder's server is written."""
    return folder / "server.json"


def write_state(server: Server) -> None:
    """Write the state at once, readable for its owner alone."""
    unfinished = state_file(server.folder).with_suffix(f".{server.pid}")
    text = json.dumps(asdict(server) | {"folder": str(server.folder)}, indent=2)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(state_file(server.folder))


def read_state(folder: Path) -> Server | None:
    """Return what the file says, which need not be true any more; None without a readable file."""
    try:
        fields = json.loads(state_file(folder).read_text())
        return Server(**(fields | {"folder": Path(fields["folder"])}))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remove_state(server: Server) -> None:
    """Remove the file if it still speaks of this server."""
    if read_state(server.folder) == server:
        state_file(server.folder).unlink(missing_ok=True)
