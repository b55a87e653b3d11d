"""A request as it came in, in the shape in which signatures look at one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote, unquote_plus


class Received:
    """One request. Header names are in lower case; the query's values are decoded, a plus sign stays one."""

    def __init__(self, environ: dict[str, Any]) -> None:
        """Look at a WSGI environ of this server."""
        self.method: str = environ["REQUEST_METHOD"]
        self.raw_path, _, self.raw_query = environ["RAW_URI"].partition("?")
        self.headers: dict[str, list[str]] = environ["headers.by_name"]
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
        if "Signature=" not in self.raw_query:
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

    def as_sent(self, without: tuple[str, ...] = ()) -> tuple[str, str]:
        """Return the path and the query, without some of its parameters."""
        query = self.raw_query
        if without:
            query = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] not in without)
        return self.raw_path, query

    def as_decoded(self, without: tuple[str, ...] = ()) -> tuple[str, str]:
        """Return the same as AWS encodes it: clients may send other bytes than they sign."""
        pairs = [pair.partition("=") for pair in self.raw_query.split("&") if pair]
        query = "&".join(
            f"{_encoded(name)}={_encoded(value)}" for name, _, value in pairs if unquote(name) not in without
        )
        return quote(unquote(self.raw_path), safe="/-_.~"), query

    def values(self, name: str) -> Iterator[str]:
        """Yield a header's values as text: it was read byte by byte, and clients write UTF-8."""
        for value in self.headers.get(name, ("",)):
            if not value.isascii():
                with suppress(UnicodeDecodeError):
                    value = value.encode("latin-1").decode("utf-8")
            yield value


def _encoded(text: str) -> str:
    return quote(unquote_plus(text), safe="-_.~")  # a plus in a query is a blank, to AWS too
