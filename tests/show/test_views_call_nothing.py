"""Views take results: with the way to AWS closed, each still shows what was read before."""

import pytest
from botocore.httpsession import URLLib3Session

from labkit import (
    draw_dashboard,
    draw_lab,
    gallery,
    last_photo,
    log_table,
    monitor,
    queue_depths,
    read_logs,
    read_metrics,
    read_results,
    show_calls,
    survey,
    timeline,
    trace,
    view_logs,
    watch_queues,
)


@pytest.fixture
def views(built_lab):
    """What was read of a lab, and the view of it, each still to be made."""
    lab, key = built_lab, last_photo(built_lab)
    parts, results, way, depths = survey(lab), read_results(lab, key), trace(lab, key), queue_depths(lab)
    figures = read_metrics(lab)
    logs = {branch.name: read_logs(lab, branch.name) for branch in lab.branches}
    return {
        "draw_lab": lambda: draw_lab(parts, here="topic"),
        "gallery": lambda: gallery(results),
        "timeline": lambda: timeline(way),
        "monitor": lambda: monitor(list(logs.values())),
        "monitor of CloudWatch's figures": lambda: monitor(list(logs.values()), figures),
        "draw_dashboard": lambda: draw_dashboard(figures),
        "log_table": lambda: log_table(list(logs.values())),
        "show_calls": lambda: show_calls(lab),
        "watch_queues": lambda: watch_queues(lambda: depths).static,
        "view_logs": lambda: view_logs(logs.get, list(logs)).static,
    }


@pytest.fixture
def closed(monkeypatch, views):
    """No request of boto3's leaves any more, once everything was read."""

    def refuse(*_):
        raise AssertionError("went to AWS")

    monkeypatch.setattr(URLLib3Session, "send", refuse)


def test_no_view_calls_aws_by_itself(views, closed):
    for name, view in views.items():
        assert "text/html" in view()._repr_mimebundle_(), name


def test_a_call_would_have_been_noticed(built_lab, closed):
    with pytest.raises(AssertionError, match="went to AWS"):
        built_lab.client("sqs").list_queues()
