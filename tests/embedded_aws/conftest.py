"""The embedded AWSs that these tests share."""

import sys

import pytest
from account import Account

from labkit import embedded_aws


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Start embedded AWSs by their behaviour, each once, and end them with the session."""
    started = {}

    def get(**switches):
        key = tuple(sorted(switches.items()))
        if key not in started:
            folder = tmp_path_factory.mktemp("an AWS")
            behaviour = embedded_aws.Behaviour(**({"mapping_delay_seconds": 0.05} | switches))
            started[key] = Account(embedded_aws.start(folder, behaviour=behaviour))
        return started[key]

    yield get
    for account in started.values():
        embedded_aws.stop(account.server.folder)


@pytest.fixture
def aws(servers):
    """An account on an embedded AWS with nothing special."""
    return servers()


@pytest.fixture(params=["compiled", "plain"])
def aws_of_each_kind(request, servers):
    """An account, once with awslambdaric's compiled client and once with the plain one (as on macOS)."""
    if request.param == "compiled" and sys.platform != "linux":
        pytest.skip("the compiled runtime client exists for Linux only")
    return servers(plain_runtime_client=request.param == "plain")
