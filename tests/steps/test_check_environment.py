"""Step 0 looks at the machine and asks each service; whatever it meets, it is a line of its table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError

from labkit.result import Check
from labkit.steps.environment import QUESTIONS, check_environment


class Service:
    """Answers every question alike, or raises."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __getattr__(self, _: str) -> Any:
        def ask(**_: Any) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return ask


def checks(workspace: Path, answer: Any) -> dict[str, Check]:
    definition = SimpleNamespace(region="us-east-1", role_arn=None)
    lab = SimpleNamespace(workspace=workspace, definition=definition, client=lambda _: Service(answer))
    return {check.subject: check for check in check_environment(lab).checks}


def headers(**fields: str) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPHeaders": fields}}


def test_a_service_that_refuses_and_one_that_is_not_reached_are_told_apart(tmp_path):
    refused = checks(tmp_path, ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "ListQueues"))
    assert refused["SQS"].found == "AccessDenied: No."
    assert "labkit permissions" in refused["SQS"].hint
    silent = checks(tmp_path, EndpointConnectionError(endpoint_url="https://sqs"))
    assert silent["SQS"].found == 'A call did not reach AWS: Could not connect to the endpoint URL: "https://sqs"'
    proxy = checks(tmp_path, ProxyConnectionError(proxy_url="http://proxy"))
    assert proxy["SQS"].found.startswith("The proxy does not answer: ")
    for found in (refused, silent, proxy):
        assert not any(found[name].passed for name in (*QUESTIONS, "clock"))


@pytest.mark.parametrize(
    ("answer", "passed", "found"),
    [
        (headers(date="Mon, 01 Jan 2024 00:00:00 GMT"), False, " s off"),
        (headers(date="Mon, 01 Jan 2024 00:00:00 -0000"), False, " s off"),
        (headers(date="at noon"), False, "its answer does not say the time"),
        (headers(), False, "its answer does not say the time"),
    ],
)
def test_the_clock_is_compared_with_whatever_is_answered(tmp_path, answer, passed, found):
    clock = checks(tmp_path, answer)["clock"]
    assert (clock.passed, clock.found.endswith(found)) == (passed, True)


def test_a_workspace_that_is_not_there_is_a_line(tmp_path):
    disk = checks(tmp_path / "gone", headers())["disk"]
    assert not disk.passed
    assert disk.found == f"{tmp_path / 'gone'} cannot be used: No such file or directory."
