"""Questions to the log lines: what is found, what is refused, and an endpoint that answers anything."""

import json
from types import SimpleNamespace

import pytest

from labkit import LabError, open_lab, query_logs
from labkit.errors import WaitedTooLong
from labkit.insight.log_queries import NO_QUERY

REFUSED = {"Error": {"Code": "MalformedQueryException", "Message": "unexpected symbol"}, "ResponseMetadata": {}}


def test_rows_have_the_fields_that_were_asked_for(built_lab):
    found = query_logs(built_lab, 'filter event = "done" or @type = "REPORT" | stats count(*) as times by @type')
    assert found.headers() == ("@type", "times")
    assert found.rows()
    assert f"from {found.matched} of {found.scanned} lines." in found.sentence()


def test_the_pointer_to_a_record_is_not_shown(built_lab):
    found = query_logs(built_lab, "fields @message | limit 2")
    assert (found.headers(), len(found.found)) == (("@message",), 2)


def test_a_query_that_is_not_understood_is_refused_in_awss_words(built_lab):
    with pytest.raises(LabError) as caught:
        query_logs(built_lab, "fields @message | count()")
    assert caught.value.code == "aws-refused"
    assert caught.value.aws_said.startswith("MalformedQueryException: ")


def test_a_query_that_does_not_end_is_an_error(built_lab, answer):
    answer(built_lab, "GetQueryResults", lambda _: (200, {"status": "Running"}))
    with pytest.raises(WaitedTooLong, match="Waited 0 s for the query to be complete"):
        query_logs(built_lab, "fields @message", seconds=0)


class TestAnEndpoint:
    @pytest.fixture
    def lab(self, endpoint, tmp_path):
        return open_lab("endpoint", endpoint_url=endpoint, workspace=tmp_path)

    def test_that_answers_nonsense_is_told_and_its_answer_not_shown(self, lab, answer):
        asked = answer(lab, "StartQuery", lambda _: (200, {"queryId": "1"}))
        found = query_logs(lab, "fields @message")
        said = "This endpoint's Logs Insights does not read its queries: it answers nonsense, too."
        assert (found.sentence(), list(found.rows())) == (said, [])
        assert asked == [NO_QUERY]

    def test_that_refuses_nonsense_is_asked(self, lab, answer):
        asked = answer(lab, "StartQuery", lambda q: (400, REFUSED) if q == NO_QUERY else (200, {"queryId": "1"}))
        row = [{"field": "times", "value": "3"}, {"field": "@ptr", "value": "x"}]
        counts = {"recordsMatched": 3.0, "recordsScanned": 1200.0}
        complete = {"status": "Complete", "results": [row], "statistics": counts}
        answer(lab, "GetQueryResults", lambda _: (200, complete))
        found = query_logs(lab, "stats count(*) as times")
        assert found.found == ({"times": "3"},)
        assert found.sentence() == "1 row, from 3 of 1,200 lines."
        assert asked == [NO_QUERY, "stats count(*) as times"]

    def test_that_refuses_for_another_reason_is_an_error(self, lab, answer):
        refusal = {"Error": {"Code": "AccessDeniedException", "Message": "no"}, "ResponseMetadata": {}}
        answer(lab, "StartQuery", lambda _: (400, refusal))
        with pytest.raises(LabError) as caught:
            query_logs(lab, "fields @message")
        assert caught.value.aws_said == "AccessDeniedException: no"


@pytest.fixture
def answer():
    """Answers an operation of CloudWatch Logs instead of the lab's AWS; gives the queries that were asked."""
    hooks = []

    def instead(lab, operation, answered):
        asked, event = [], f"before-call.cloudwatch-logs.{operation}"

        def hook(params, **_):
            asked.append(json.loads(params["body"]).get("queryString"))
            status, parsed = answered(asked[-1])
            return SimpleNamespace(status_code=status, headers={}), {"ResponseMetadata": {}, **parsed}

        lab.client("logs").meta.events.register(event, hook)
        hooks.append((lab.client("logs").meta.events, event, hook))
        return asked

    yield instead
    for events, event, hook in hooks:
        events.unregister(event, hook)
