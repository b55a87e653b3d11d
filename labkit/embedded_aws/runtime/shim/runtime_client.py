"""AWS's runtime interface client without its C++ part: the same four calls, in plain Python.

`awslambdaric` imports a compiled module of this name for speed; it is built for Linux only. Elsewhere the embedded
AWS puts this one on the path. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.client
import os
import select

_PREFIX = "/2018-06-01/runtime/invocation"


class _Client:
    """The connection to the Runtime API; it is made by the first call."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        self._connection.request(method, path, body, {"User-Agent": self._user_agent, **(headers or {})})
        # Who is killed while it waits here has read nothing; in recv the kernel may read for the dying process.
        select.select([self._connection.sock], [], [])
        response = self._connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        status, _, _ = self.call("POST", path, body, headers)
        if status != 202:
            raise RuntimeError(f"Failed to post {path}, HTTP {status}")


_client: list[_Client] = []


def initialize_client(user_agent: str) -> None:
    """Remember how to introduce ourselves."""
    _client[:] = [_Client(user_agent)]


def next() -> tuple[bytes, dict[str, str | int]]:
    """Wait for an invocation and return its event, with the headers that describe it; the deadline is a number."""
    status, body, headers = _client[0].call("GET", f"{_PREFIX}/next")
    if status != 200:
        raise RuntimeError(f"Failed to get next invocation, HTTP {status}")
    return body, headers | {"Lambda-Runtime-Deadline-Ms": int(headers["Lambda-Runtime-Deadline-Ms"])}


def post_invocation_result(
    invoke_id: str,
    result: bytes,
    content_type: str,
    invocation_id: str | None = None,  # noqa: ARG001
) -> None:
    """Hand in what the handler returned."""
    _client[0].post(f"{_PREFIX}/{invoke_id}/response", result, {"Content-Type": content_type})


def post_error(
    invoke_id: str,
    error: str,
    xray_fault: str,
    invocation_id: str | None = None,  # noqa: ARG001
) -> None:
    """Hand in what the handler raised."""
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Function-Error-Type": "Unhandled",
        "Lambda-Runtime-Function-XRay-Error-Cause": xray_fault.replace("\n", ""),
    }
    _client[0].post(f"{_PREFIX}/{invoke_id}/error", error.encode(), headers)
