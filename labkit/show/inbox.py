"""Files that a page hands over piece by piece: each is looked at, and goes into the bucket or is answered in place."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit import pictures
from labkit.errors import LabError
from labkit.insight.watch import LITTLE
from labkit.lab import Lab
from labkit.result import plain
from labkit.settings import INGEST_FOLDER
from labkit.steps.upload import name_that_is_heard, refuse_silent_key, upload_photo

# Well below the 10 MB that a message to Jupyter's server may have:
# https://jupyter-server.readthedocs.io/en/latest/other/full-config.html (websocket_max_message_size, of Tornado)
PIECE = 1024 * 1024  # bytes
COMING, GOING_IN, REFUSED = "coming", "going in", "refused"


@dataclass(frozen=True)
class Advice:
    """What a button offers: another name for the same file or, without one, another file."""

    label: str
    name: str = ""


@dataclass
class Incoming:
    """A file on its way, or what was said about it: `said` in a sentence, `hint` on what to try."""

    id: str
    name: str
    size: int  # bytes
    here: int = 0  # bytes
    state: str = COMING
    said: str = ""
    hint: str = ""
    advice: Advice | None = None
    path: Path | None = field(default=None, repr=False)


class Inbox:
    """Takes files from a page; uploading is done apart, so that the page can go on sending."""

    def __init__(self, lab: Lab, *, expect: Callable[[str, bytes], None], changed: Callable[[], None]) -> None:
        """`expect` is told the key and the little picture of what goes in, `changed` that `files` are others."""
        self.lab = lab
        self._expect, self._changed = expect, changed
        self._folder = Path(tempfile.mkdtemp(prefix="labkit-"))
        self._take_away = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._files: dict[str, Incoming] = {}
        self._lock = threading.RLock()
        self._uploads = ThreadPoolExecutor(1, "labkit-upload")

    def files(self) -> list[dict[str, Any]]:
        """What is on its way or was refused, as plain data."""
        with self._lock:
            return [plain(file) for file in self._files.values()]

    def take(self, message: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> None:
        """One message of the page: a file begins, a piece of it, advice is followed, or an answer was read.

        Of a file that is not known nothing is taken: the kernel may have been started anew since.
        """
        kind, file = message.get("kind"), self._files.get(str(message.get("id")))
        if kind == "begin":
            self._begin(str(message["id"]), str(message["name"]), int(message["size"]))
        elif file is not None and kind == "piece" and file.state == COMING and buffers:
            self._piece(file, bytes(buffers[0]))
        elif file is not None and kind == "advice" and file.advice is not None and file.advice.name:
            file.name, file.state = file.advice.name, GOING_IN
            self._uploads.submit(self._put_in, file)
        elif file is not None and kind == "read":
            self._forget(file)
        self._changed()

    def close(self) -> None:
        """Take away what was kept."""
        self._uploads.shutdown()
        self._take_away()

    def _begin(self, id_: str, name: str, size: int) -> None:
        file = Incoming(id_, name.lstrip("/"), size)
        with self._lock:
            file.path = self._folder / f"{len(self._files)}-{id(file):x}.jpg"
            self._files[id_] = file
        if size > pictures.MOST_BYTES:  # refused before any of it is sent
            said = f"{file.name} has {size:,} bytes; the functions take {pictures.MOST_BYTES:,}."
            self._refuse(file, said, "Choose a smaller photo.")
            return
        file.path.write_bytes(b"")
        if size == 0:
            self._all_here(file)

    def _piece(self, file: Incoming, piece: bytes) -> None:
        assert file.path is not None
        with file.path.open("ab") as kept:
            kept.write(piece)
        file.here += len(piece)
        if file.here >= file.size:
            self._all_here(file)

    def _all_here(self, file: Incoming) -> None:
        file.state = GOING_IN
        self._uploads.submit(self._put_in, file)

    def _put_in(self, file: Incoming) -> None:
        """Upload a file as every other photo is; what keeps it from that is said in its place."""
        assert file.path is not None
        try:
            data = file.path.read_bytes()
            pictures.require_whole(data, file.name)
            little = pictures.little_picture(data, file.name, LITTLE)
            refuse_silent_key(INGEST_FOLDER + file.name)
            self._expect(INGEST_FOLDER + file.name, little)
            upload_photo(self.lab, file.path, name=file.name)
        except LabError as error:
            self._refuse(file, error.message, error.hint() or "", self._advice(file, error))
        else:
            self._forget(file)
        self._changed()

    def _advice(self, file: Incoming, error: LabError) -> Advice | None:
        if isinstance(error, pictures.UnreadablePicture):
            return Advice("choose another file")
        heard = name_that_is_heard(file.name)
        return Advice(f"upload it as {heard}", heard) if heard != file.name else None

    def _refuse(self, file: Incoming, said: str, hint: str, advice: Advice | None = None) -> None:
        file.state, file.said, file.hint, file.advice = REFUSED, said, hint, advice

    def _forget(self, file: Incoming) -> None:
        with self._lock:
            self._files.pop(file.id, None)
        if file.path is not None:
            file.path.unlink(missing_ok=True)
