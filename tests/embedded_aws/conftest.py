"""The embedded AWSs that these tests share."""

import sys

import pytest
from account import Account

from labkit import embedded_aws


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Start embedded AWSs by their settings, each once, and end them with the session."""
    started = {}

    def get(**changes):
        key = tuple(sorted(changes.items()))
        if key not in started:
            folder = tmp_path_factory.mktemp("an AWS")
            settings = embedded_aws.Settings(**({"mapping_delay_seconds": 0.05} | changes))
            started[key] = Account(embedded_aws.start(folder, settings=settings))
        return started[key]

    yield get
    for account in started.values():
        embedded_aws.stop(account.server.folder)


@pytest.fixture
def aws(servers):
    """An account on an embedded AWS with nothing special."""
    return servers()


@pytest.fixture(params=["compiled", "fallback"])
def aws_of_each_kind(request, servers):
    """An account, once with awslambdaric's compiled client and once with the fallback (as on macOS)."""
    if request.param == "compiled" and sys.platform != "linux":
        pytest.skip("the compiled runtime client exists for Linux only")
    return servers(fallback_runtime_client=request.param == "fallback")
