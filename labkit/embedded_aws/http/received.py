"""A request as it came in, in the shape in which botocore's signers look at one."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote

from botocore.compat import HTTPHeaders


class Received:
    """One request. Header names are in lower case; the query's values are decoded, a plus sign stays one."""

    def __init__(self, environ: dict[str, Any]) -> None:
        """Look at a WSGI environ of this server."""
        self.method: str = environ["REQUEST_METHOD"]
        self.raw_path, _, self.raw_query = environ["RAW_URI"].partition("?")
        self.headers: dict[str, list[str]] = {}
        for name, value in environ["headers.sent"]:
            self.headers.setdefault(name.lower(), []).append(_text(value))
        self._environ = environ

    def header(self, name: str) -> str:
        """Return a header's value, empty without one."""
        return ",".join(self.headers.get(name, ()))

    @cached_property
    def query(self) -> dict[str, str]:
        """The parameters of the query; of a repeated one the first."""
        found: dict[str, str] = {}
        for pair in self.raw_query.split("&"):
            name, _, value = pair.partition("=")
            found.setdefault(unquote(name), unquote(value))
        return found

    @cached_property
    def hoisted(self) -> dict[str, str]:
        """What a presigned URL carries instead of headers, by their names in lower case."""
        if not {"X-Amz-Signature", "Signature"} & self.query.keys():
            return {}
        return {name.lower(): value for name, value in self.query.items() if name.lower().startswith("x-amz-")}

    @cached_property
    def body(self) -> bytes:
        """The whole body."""
        body: bytes = self._environ["wsgi.input"].getvalue()
        return body

    @cached_property
    def body_sha256(self) -> str:
        """The SHA-256 of the body, in hexadecimal digits."""
        return sha256(self.body).hexdigest()

    def as_sent(self, names: list[str], without: tuple[str, ...] = ()) -> Signable:
        """Return what a signer signs: these headers, and the query without some of its parameters."""
        pairs = [pair for pair in self.raw_query.split("&") if pair.partition("=")[0] not in without]
        return Signable(self.method, self.raw_path, "&".join(pairs), self._chosen(names))

    def as_decoded(self, names: list[str], without: tuple[str, ...] = ()) -> Signable:
        """Return the same with path and query encoded as AWS does it: clients may send other bytes than they sign."""
        pairs = [pair.partition("=") for pair in self.raw_query.split("&") if pair]
        query = "&".join(
            f"{_encoded(name)}={_encoded(value)}" for name, _, value in pairs if unquote(name) not in without
        )
        path = quote(unquote(self.raw_path), safe="/-_.~")
        return Signable(self.method, path, query, self._chosen(names))

    def _chosen(self, names: list[str]) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name in names:
            for value in self.headers.get(name, [""]):
                headers.add_header(name, value)
        return headers


class Signable:
    """What botocore's signers read of a request."""

    def __init__(self, method: str, path: str, query: str, headers: HTTPHeaders) -> None:
        """Keep the parts; the host is in the headers, where it counts."""
        self.method = method
        self.url = f"http://host{path}" + (f"?{query}" if query else "")
        self.headers = headers
        self.params: dict[str, str] = {}
        self.context: dict[str, Any] = {}


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _text(value: str) -> str:
    """Return the header's text: it was read byte by byte, and clients write UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
