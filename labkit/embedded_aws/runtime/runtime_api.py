"""The Runtime API of one environment: where its process asks for events and hands in what came of them.

It has no thread: whoever drives the environment waits on the selector and gets the calls that are there. Any program
on this machine can connect to 127.0.0.1, and an event belongs to its function alone: the kernel's tables tell whose
the other end of a connection is, and whoever is not the environment's own process is turned away unheard.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
from dataclasses import dataclass

import psutil

_log = logging.getLogger(__name__)
API = b"/2018-06-01/runtime/"


@dataclass
class Connection:
    """What has come in on one connection and is not yet a whole request."""

    socket: socket.socket
    received: bytearray
    refused: bool = False  # the process has gone and left unread what was sent to it


@dataclass(frozen=True)
class Call:
    """One request of the Runtime API."""

    connection: Connection
    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes


class RuntimeApi:
    """A small HTTP server on 127.0.0.1, for one process, which is named when it has been started."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Listen; `selector` is told of all that may have something to read."""
        self._selector = selector
        self._connections: dict[int, Connection] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=8)
        self._listener.setblocking(False)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.process: psutil.Process | None = None
        self.waiting: Connection | None = None  # the connection of the pending `next`
        selector.register(self._listener, selectors.EVENT_READ)

    def receive(self, key: selectors.SelectorKey) -> list[Call]:
        """Take in what the selector found; return the whole requests that are there now."""
        if key.fileobj is not self._listener:
            return self._read(key.data)
        with contextlib.suppress(BlockingIOError):
            connected, peer = self._listener.accept()
            if not self._is_own(peer):
                _log.warning("A connection to the Runtime API at %s came from another process; refused.", self.host)
                connected.close()
                return []
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(connected, bytearray())
            self._connections[connected.fileno()] = connection
            self._selector.register(connected, selectors.EVENT_READ, connection)
        return []

    def _read(self, connection: Connection) -> list[Call]:
        try:
            data = connection.socket.recv(256 * 1024)
        except BlockingIOError:
            return []
        except ConnectionError:
            data, connection.refused = b"", True
        if not data:
            # an event that arrived after the process had closed its end is an error, too, but of the socket
            connection.refused |= connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
            self._hang_up(connection)
            return []
        connection.received += data
        call = _parse(connection)
        return [] if call is None else [call]

    def _is_own(self, peer: tuple[str, int]) -> bool:
        """Return whether the process itself holds the other end of a connection."""
        if self.process is None:
            return False
        try:
            connections = self.process.net_connections(kind="tcp4")
        except psutil.Error:
            return False  # it has ended
        here = self._listener.getsockname()
        return any(connection.laddr == peer and connection.raddr == here for connection in connections)

    def note_next(self, call: Call) -> None:
        """Remember who waits for an event; anything else is not found."""
        if call.path == API + b"invocation/next":
            self.waiting = call.connection
        else:
            body = b'{"errorMessage":"Not found","errorType":"InvalidRequest"}'
            self.reply(call.connection, b"404 Not Found", body)

    def reply(self, connection: Connection, status: bytes, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer a call; raises OSError when the process has gone."""
        lines = [f"{name}: {value}" for name, value in (headers or {"Content-Type": "application/json"}).items()]
        lines.append(f"Content-Length: {len(body)}")
        head = b"HTTP/1.1 " + status + b"\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"
        connection.socket.settimeout(5)  # a whole event is written in one go
        try:
            connection.socket.sendall(head + body)
        finally:
            connection.socket.setblocking(False)

    def accepted(self, call: Call) -> None:
        """Answer that what the process handed in was taken."""
        self.reply(call.connection, b"202 Accepted", b'{"status":"OK"}')

    def _hang_up(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        del self._connections[connection.socket.fileno()]
        connection.socket.close()
        if self.waiting is connection:
            self.waiting = None

    def close(self) -> None:
        """Hang up and listen no more."""
        for connection in list(self._connections.values()):
            self._hang_up(connection)
        self._listener.close()


def _parse(connection: Connection) -> Call | None:
    """Return the request when it is complete. The runtime sends one at a time on a connection."""
    head_end = connection.received.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    lines = bytes(connection.received[:head_end]).split(b"\r\n")
    method, path, _ = lines[0].split(b" ", 2)
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    body_end = head_end + 4 + int(headers.get(b"content-length", b"0"))
    if len(connection.received) < body_end:
        return None
    body = bytes(connection.received[head_end + 4 : body_end])
    del connection.received[:body_end]
    return Call(connection, method, path, headers, body)
