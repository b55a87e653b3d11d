"""Waiting for CloudWatch's figures, and where there are none."""

import pytest

from labkit import LabError, monitor, open_lab, read_logs, wait_for_metrics
from labkit.errors import WaitedTooLong
from labkit.insight import metrics


def test_the_figures_come_once_each_function_was_invoked(built_lab):
    found = wait_for_metrics(built_lab, 1, seconds=30)
    assert all(sum(found.find(b.name, "Invocations", "Sum").values()) >= 1 for b in built_lab.branches)
    assert found.refusal == ""


def test_fewer_invocations_than_were_waited_for_are_an_error(built_lab):
    with pytest.raises(WaitedTooLong) as caught:
        wait_for_metrics(built_lab, 1000, seconds=0)
    assert caught.value.message == "Waited 0 s for CloudWatch to have counted 1,000 invocations of each function."
    assert caught.value.hint() == "monitor(logs) plots what the functions tell themselves."


def test_an_endpoint_that_publishes_none_is_told_from_one_that_is_slow(endpoint, tmp_path, monkeypatch):
    lab = open_lab("endpoint", endpoint_url=endpoint, workspace=tmp_path)
    monkeypatch.setattr(metrics, "FIRST_FIGURE_WITHIN_S", 0)
    found = wait_for_metrics(lab, 1)
    said = "There are no figures here: this endpoint's CloudWatch publishes none of functions."
    assert (found.sentence(), found.series) == (said, ())
    logs = [read_logs(lab, branch.name) for branch in lab.branches]
    assert monitor(logs, found).caption == monitor(logs).caption


def test_the_embedded_aws_is_never_said_to_publish_none(lab):
    with pytest.raises(LabError, match="Waited 0 s for CloudWatch to have counted 1 invocation"):
        wait_for_metrics(lab, 1, seconds=0)
