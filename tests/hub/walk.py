"""A student without hands: opens the notebooks of a server on the hub and runs their cells, one after the other."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

CELL_WITHIN_S = 300


@dataclass
class Walk:
    """What one student did: the seconds of each cell, and what failed."""

    name: str
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Student:
    """One student, through the hub's proxy."""

    def __init__(self, hub: str, token: str, name: str) -> None:
        self.hub, self.token, self.walked = hub, token, Walk(name)
        self.server = f"{hub}/user/{name}"

    async def ask(self, method: str, url: str, body: object = None) -> object:
        text = None if body is None and method in ("GET", "DELETE") else json.dumps(body or {})
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        request = HTTPRequest(url, method, headers, text, request_timeout=120)
        answer = await AsyncHTTPClient().fetch(request)
        return json.loads(answer.body) if answer.body else None

    async def start(self) -> None:
        """Start the server, and wait until the hub says that it is ready."""
        user = f"{self.hub}/hub/api/users/{self.walked.name}"
        await self.ask("POST", f"{user}/server")
        headers = {"Authorization": f"token {self.token}"}
        # The hub tells of the start as it goes on, and closes the stream when it is over.
        answer = await AsyncHTTPClient().fetch(
            HTTPRequest(f"{user}/server/progress", headers=headers, request_timeout=180)
        )
        assert '"ready": true' in answer.body.decode(), answer.body.decode()

    async def stop(self) -> None:
        """Stop the server."""
        await self.ask("DELETE", f"{self.hub}/hub/api/users/{self.walked.name}/server")

    async def notebooks(self) -> list[str]:
        """The numbered notebooks in the room."""
        found = await self.ask("GET", f"{self.server}/api/contents/notebooks")
        return sorted(one["path"] for one in found["content"] if one["name"].startswith("0"))

    async def run(self, path: str) -> None:
        """Run all cells of a notebook in a kernel of its own."""
        notebook = (await self.ask("GET", f"{self.server}/api/contents/{path}"))["content"]
        session = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        opened = await self.ask("POST", f"{self.server}/api/sessions", session)
        kernel = opened["kernel"]["id"]
        url = f"{self.server}/api/kernels/{kernel}/channels".replace("http", "ws", 1)
        channel = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {self.token}"}))
        try:
            for number, cell in enumerate(notebook["cells"]):
                if cell["cell_type"] == "code":
                    await self._execute(channel, "".join(cell["source"]), f"{path}, cell {number}")
        finally:
            channel.close()
            await self.ask("DELETE", f"{self.server}/api/sessions/{opened['id']}")

    async def _execute(self, channel: object, code: str, where: str) -> None:
        asked, begun = uuid.uuid4().hex, time.monotonic()
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
        header = {"msg_id": asked, "msg_type": "execute_request", "username": "", "session": asked, "version": "5.4"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await channel.write_message(json.dumps(message))
        while time.monotonic() < begun + CELL_WITHIN_S:
            text = await channel.read_message()
            assert text is not None, f"{where}: the kernel has closed its channel"
            said = json.loads(text)
            if said["parent_header"].get("msg_id") == asked and said["msg_type"] == "execute_reply":
                self.walked.seconds.append(time.monotonic() - begun)
                if said["content"]["status"] != "ok":
                    self.walked.failed.append(f"{where}: {said['content'].get('evalue', said['content'])}")
                return
        raise AssertionError(f"{where} took longer than {CELL_WITHIN_S} s")
