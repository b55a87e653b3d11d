"""`python -m labkit.embedded_aws --port N`: serve any AWS client, without a lab."""

from __future__ import annotations

import argparse
import gc
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from labkit.embedded_aws import settings
from labkit.embedded_aws.errors import EmbeddedAwsError
from labkit.embedded_aws.state import Keys, Server, make_private


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    gc.disable()  # nothing that is imported is garbage; the server process turns it on again
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.access_key) != bool(options.secret_key):
        parser.error("--access-key and --secret-key belong together")
    settings.change(settings.with_changes(settings.Settings(), json.loads(options.settings)))
    if options.detach:
        return _detached(options)
    return _serve(options, _introduce)


def _introduce(server: Server) -> None:
    exports = (f"export {name}={shlex.quote(value)}" for name, value in server.environment.items())
    print(f"The embedded AWS listens at {server.url}", *exports, sep="\n", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m labkit.embedded_aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--folder", type=Path, help="where state and log lie (default: a temporary folder)")
    parser.add_argument("--access-key", help="take this access key id instead of a new one")
    parser.add_argument("--secret-key", help="take this secret key, which other users can see in the list of processes")
    parser.add_argument("--idle", type=float, help="end after so many seconds without a request")
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    parser.add_argument("--settings", default="{}", help="settings as JSON, see labkit.embedded_aws.Settings")
    parser.add_argument("--detach", action="store_true", help="return when ready and serve in the background")
    return parser


def _serve(options: argparse.Namespace, ready: Callable[[Server], None]) -> int:
    from labkit.embedded_aws.server_process import log_to_stderr, serve

    log_to_stderr()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="labkit-embedded-aws-"))
    make_private(folder)
    keys = Keys(options.access_key, options.secret_key) if options.access_key else None
    limits = {"idle_seconds": options.idle, "parent": options.parent}
    try:
        serve(folder.resolve(), port=options.port, keys=keys, ready=ready, **limits)
    except EmbeddedAwsError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _detached(options: argparse.Namespace) -> int:
    """Serve in a child process that nobody has to wait for; return when it is ready, or 1 when it ended."""
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return 0 if os.read(told, 1) else 1
    os.close(told)

    def ready(_: Server) -> None:
        os.write(tell, b"x")
        os.close(tell)

    return _serve(options, ready)


if __name__ == "__main__":
    sys.exit(main())
