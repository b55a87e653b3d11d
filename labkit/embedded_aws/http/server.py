"""A small HTTP/1.1 server for one application: keep-alive, one thread a connection, 127.0.0.1 only.

The application is asked with a WSGI environ, because that is what moto builds its requests from.
"""

from __future__ import annotations

import contextlib
import io
import logging
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from io import BufferedReader
from typing import Any, cast
from urllib.parse import unquote_to_bytes

_log = logging.getLogger(__name__)
_MAX_HEAD_BYTES = 64 * 1024
_MAX_BODY_BYTES = 5 * 1024**3  # the largest that AWS takes in one request, an object of S3
_PIECE_BYTES = 16 * 1024**2
_IDLE_SECONDS = 120
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class Answer:
    """A response, whole."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


Application = Callable[[dict[str, Any]], Answer]


class BadRequest(Exception):
    """What came is not HTTP as this server understands it."""


class HttpServer:
    """Serves until `close`."""

    def __init__(self, application: Application, port: int = 0) -> None:
        """Take the port, 0 for any; raises OSError when it is taken."""
        self._application = application
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._wake_receiver, self._wake_sender = socket.socketpair()

    def serve(self) -> None:
        """Accept connections until `close` is called."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            while not self._closing.is_set():
                selector.select()
                if self._closing.is_set():
                    break
                with contextlib.suppress(OSError):
                    connection, _ = self._socket.accept()
                    thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
                    thread.start()
        self._socket.close()

    def close(self) -> None:
        """Stop to listen and make `serve` return. May be called from a signal handler."""
        self._closing.set()
        self._wake_sender.send(b"x")

    def _converse(self, connection: socket.socket) -> None:
        # Limits that the kernel keeps: with settimeout Python would ask before each piece whether there is one.
        for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", _IDLE_SECONDS, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, cast(BufferedReader, connection.makefile("rb", 256 * 1024)) as stream:
            try:
                while not self._closing.is_set() and self._exchange(connection, stream):
                    pass
            except BadRequest as error:
                with contextlib.suppress(OSError):
                    _respond(connection, Answer(400, [], str(error).encode()), keep_alive=False)
            except (ConnectionError, TimeoutError, BlockingIOError):
                pass  # the client went away, or has not been heard of for two minutes

    def _exchange(self, connection: socket.socket, stream: BufferedReader) -> bool:
        """Serve one request; return whether the connection stays open."""
        request_line = stream.readline(_MAX_HEAD_BYTES)
        if not request_line:
            return False
        try:
            method, target, version = request_line.decode("latin-1").split()
        except ValueError as error:
            raise BadRequest("malformed request line") from error
        environ = _environ(method, target, version, _read_headers(stream), self.port)
        keep_alive = version == "HTTP/1.1" and environ.get("HTTP_CONNECTION", "").lower() != "close"
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _read_body(stream, environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        _respond(connection, self._application(environ), keep_alive, head=method == "HEAD")
        return keep_alive


def _read_headers(stream: BufferedReader) -> list[tuple[str, str]]:
    headers = []
    for line in _arrived(stream) or _lines(stream):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequest("malformed header")
        headers.append((name, value.strip()))
    return headers


def _arrived(stream: BufferedReader) -> list[bytes]:
    """Read the lines of a head in one go, if all have arrived, as nearly always, and all end as they should."""
    arrived = stream.peek()
    head = arrived[: max(arrived.find(b"\r\n\r\n"), 0)]
    if not head or head.startswith(b"\r\n") or head.count(b"\n") != head.count(b"\r\n") or len(head) > _MAX_HEAD_BYTES:
        return []
    stream.read(len(head) + 4)
    return head.split(b"\r\n")


def _lines(stream: BufferedReader) -> Iterator[bytes]:
    """Yield the lines of a head, as they come, until the empty one at its end."""
    size = 0
    while (line := stream.readline(_MAX_HEAD_BYTES)) not in (b"\r\n", b"\n"):
        size += len(line)
        if not line.endswith(b"\n") or size > _MAX_HEAD_BYTES:
            raise BadRequest("malformed header")
        yield line.rstrip(b"\r\n")


def _read_body(stream: BufferedReader, environ: dict[str, Any]) -> bytes:
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        return b"".join(_chunks(stream))
    length = environ.get("CONTENT_LENGTH", "0")
    if not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY_BYTES:
        raise BadRequest("malformed Content-Length")
    return _read_exactly(stream, int(length))


def _read_exactly(stream: BufferedReader, length: int) -> bytes:
    """Read so much, piece by piece: memory is taken for what comes, not for what is promised."""
    pieces = []
    while length:
        piece = stream.read(min(length, _PIECE_BYTES))
        if not piece:
            raise ConnectionError("the client hung up in mid-request")
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _chunks(stream: BufferedReader) -> Iterable[bytes]:
    room = _MAX_BODY_BYTES
    while True:
        size_line = stream.readline(1024).split(b";")[0].strip()
        try:
            size = int(size_line, 16)
        except ValueError as error:
            raise BadRequest("malformed chunk") from error
        room -= size
        if size < 0 or room < 0:
            raise BadRequest("malformed chunk")
        if size == 0:
            _read_headers(stream)
            return
        yield _read_exactly(stream, size)
        stream.readline(16)


def _environ(method: str, target: str, version: str, headers: list[tuple[str, str]], port: int) -> dict[str, Any]:
    """Return the WSGI environ, but for the body. It tells the headers as they were sent, and by name, too."""
    path, _, query = target.partition("?")
    by_name: dict[str, list[str]] = {}
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": version,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "headers.sent": headers,
        "headers.by_name": by_name,
    }
    for name, value in headers:
        lowered, key = _names(name)
        if "_" in name and not lowered.startswith("x-amz-meta-"):
            continue  # WSGI would take it for the name with hyphens, which is another
        if lowered in by_name:
            by_name[lowered].append(value)
            environ[key] += f",{value}"
        else:
            by_name[lowered] = [value]
            environ[key] = value
    return environ


@lru_cache(maxsize=512)
def _names(name: str) -> tuple[str, str]:
    """Return a header's name in lower case, and as WSGI calls it."""
    key = name.upper().replace("-", "_")
    return name.lower(), key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


@lru_cache(maxsize=4)
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def _respond(connection: socket.socket, answer: Answer, keep_alive: bool, head: bool = False) -> None:
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}"]
    length = str(len(answer.body))
    for name, value in answer.headers:
        lowered = name.lower()
        if lowered == "content-length" and head:
            length = value  # only HEAD speaks of a body that it does not send
        elif lowered not in ("content-length", "connection", "date", "status", "transfer-encoding"):
            lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {length}")
    lines.append(f"Date: {_date(int(time.time()))}")  # by which a client sees that its own clock is wrong
    if not keep_alive:
        lines.append("Connection: close")
    top = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    if head or not answer.body:
        connection.sendall(top)
    elif len(answer.body) < 64 * 1024:
        connection.sendall(top + answer.body)
    else:
        connection.sendall(top)
        connection.sendall(answer.body)
