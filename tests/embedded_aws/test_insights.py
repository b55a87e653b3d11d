"""CloudWatch Logs Insights: queries over the lines of functions.

Pages: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/ (CWL_QuerySyntax-NAME.html and others, named below).
"""

import json
import time

import pytest
from refused import refused, unchecked

LINES = [
    "START RequestId: 11111111-1111-1111-1111-111111111111 Version: $LATEST\n",
    json.dumps({"level": "INFO", "key": "ingest/a.jpg", "size": {"width": 640, "height": 480}, "tags": ["x", "y"]}),
    json.dumps({"level": "ERROR", "key": "ingest/b.jpg", "size": {"width": 32}, "reason": "not a JPEG"}),
    "[ERROR] ValueError: not a JPEG took 12 ms on host-7\n",
    "REPORT RequestId: 11111111-1111-1111-1111-111111111111\tDuration: 20.50 ms\tBilled Duration: 121 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 100.25 ms\t\n",
    "REPORT RequestId: 22222222-2222-2222-2222-222222222222\tDuration: 9.50 ms\tBilled Duration: 10 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 40 MB\t\n",
]


@pytest.fixture(scope="module")
def group(servers):
    """A log group with these lines, one a second, beginning at a whole minute."""
    aws = servers()
    name = aws.name("/aws/lambda/group")
    aws.logs.create_log_group(logGroupName=name)
    aws.logs.create_log_stream(logGroupName=name, logStreamName="stream")
    begin = (int(time.time()) // 60 - 2) * 60_000
    events = [{"timestamp": begin + number * 1000, "message": line} for number, line in enumerate(LINES)]
    aws.logs.put_log_events(logGroupName=name, logStreamName="stream", logEvents=events)
    return name


def answer(aws, group, query, **more):
    asked = {"logGroupName": group, "startTime": int(time.time()) - 600, "endTime": int(time.time())} | more
    query_id = aws.logs.start_query(queryString=query, **asked)["queryId"]
    return aws.logs.get_query_results(queryId=query_id)


def rows(aws, group, query, **more):
    """The rows of the answer, without the pointers to their events."""
    found = answer(aws, group, query, **more)["results"]
    return [{cell["field"]: cell["value"] for cell in row if cell["field"] != "@ptr"} for row in found]


def column(aws, group, query, name=None):
    return [next(iter(row.values()), None) if name is None else row.get(name) for row in rows(aws, group, query)]


class TestCommands:
    def test_without_fields_time_and_message_are_shown_the_latest_first(self, aws, group):
        """AnalyzingLogData.html"""
        found = rows(aws, group, "filter @message like /JPEG/")
        assert [row["@message"] for row in found] == [LINES[3], LINES[2]]
        assert set(found[0]) == {"@timestamp", "@message"}
        assert found[0]["@timestamp"].endswith(":03.000")

    def test_fields_names_and_expressions(self, aws, group):
        """CWL_QuerySyntax-Fields.html"""
        query = 'fields key, size.width * 2 as double, tags.0 | filter level = "INFO"'
        assert rows(aws, group, query) == [{"key": "ingest/a.jpg", "double": "1280", "tags.0": "x"}]

    def test_display_shows_these_alone(self, aws, group):
        """CWL_QuerySyntax-Display.html"""
        assert rows(aws, group, "fields key, level | filter ispresent(key) | display level | limit 1") == [
            {"level": "ERROR"}
        ]

    @pytest.mark.parametrize(
        ("condition", "keys"),
        [
            ('level = "ERROR"', ["b"]),
            ('level != "ERROR"', ["a"]),
            ("size.width > 100", ["a"]),
            ("size.width >= 32 and size.width < 640", ["b"]),
            ('level = "INFO" or size.width <= 32', ["b", "a"]),
            ('ispresent(key) and not (level = "INFO")', ["b"]),
            ('level in ["INFO", "DEBUG"]', ["a"]),
            ('ispresent(key) and level not in ["INFO"]', ["b"]),
            ('key like "a.jpg"', ["a"]),
            ("key like /A\\.JPG/i", ["a"]),
            ("key =~ /[ab]\\.jpg$/", ["b", "a"]),
            ('ispresent(key) and key not like "a.jpg"', ["b"]),
            ('strcontains(key, "b")', ["b"]),
            ("isempty(reason) and ispresent(key)", ["a"]),
        ],
    )
    def test_filter(self, aws, group, condition, keys):
        """CWL_QuerySyntax-Filter.html"""
        assert column(aws, group, f"fields key | filter {condition}") == [f"ingest/{key}.jpg" for key in keys]

    def test_stats_by_period_and_field(self, aws, group):
        """CWL_QuerySyntax-Stats.html"""
        query = 'filter @type = "REPORT" | stats count(*), avg(@duration) as mean, sum(@billedDuration) by bin(1m)'
        (row,) = rows(aws, group, query)
        assert row.pop("bin(1m)").endswith(":00.000")
        assert row == {"count(*)": "2", "mean": "15", "sum(@billedDuration)": "131"}

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            ("avg(@duration)", "15"),
            ("min(@duration)", "9.5"),
            ("max(@duration)", "20.5"),
            ("pct(@duration, 50)", "9.5"),
            ("pct(@duration, 99)", "20.5"),
            ("stddev(@duration)", "5.5"),
            ("count(@initDuration)", "1"),
            ("count_distinct(@memorySize)", "1"),
            ("earliest(@requestId)", "11111111-1111-1111-1111-111111111111"),
            ("latest(@requestId)", "22222222-2222-2222-2222-222222222222"),
            ("max(@maxMemoryUsed / 1000 / 1000)", "40"),
            ("sum(@billedDuration) / 1000", "0.131"),
        ],
    )
    def test_every_aggregate(self, aws, group, function, expected):
        """CWL_QuerySyntax-Stats.html#CWL_QuerySyntax-stats-functions"""
        assert rows(aws, group, f'filter @type = "REPORT" | stats {function} as it') == [{"it": expected}]

    def test_sort_and_limit(self, aws, group):
        """CWL_QuerySyntax-Sort.html, CWL_QuerySyntax-Limit.html"""
        widths = "fields size.width | filter ispresent(size.width) | sort size.width"
        assert column(aws, group, f"{widths} asc") == ["32", "640"]
        assert column(aws, group, f"{widths} desc | limit 1") == ["640"]
        assert len(rows(aws, group, "fields @message", limit=2)) == 2

    def test_a_column_of_stats_can_be_sorted_by(self, aws, group):
        query = "filter ispresent(level) | stats max(size.width) as widest by level | sort widest desc"
        assert column(aws, group, query) == ["INFO", "ERROR"]
        assert column(aws, group, "stats count(*) by @type | sort count(*) desc", "@type") == ["REPORT", "START"]

    def test_parse_by_wildcards_and_by_expressions(self, aws, group):
        """CWL_QuerySyntax-Parse.html"""
        glob = 'parse @message "took * ms on *" as took, host | filter ispresent(took) | display took, host'
        assert rows(aws, group, glob)[0]["took"] == "12"
        regex = "parse @message /took (?<took>\\d+) ms on (?<host>\\S+)/ | filter ispresent(took) | display took, host"
        assert rows(aws, group, regex) == [{"took": "12", "host": "host-7"}]

    def test_dedup(self, aws, group):
        """CWL_QuerySyntax-Dedup.html"""
        assert column(aws, group, 'filter @type = "REPORT" | dedup @memorySize | display @duration') == ["9.5"]

    def test_comments_and_lines(self, aws, group):
        """CWL_QuerySyntax-comments.html"""
        query = 'fields key # the photo\n| filter level = "INFO"\n# | limit 0\n'
        assert column(aws, group, query) == ["ingest/a.jpg"]


class TestFields:
    """CWL_AnalyzeLogData-discoverable-fields.html"""

    def test_those_of_a_report(self, aws, group):
        query = (
            "filter ispresent(@initDuration) | display @type, @duration, @billedDuration, @initDuration, @memorySize"
        )
        assert rows(aws, group, query) == [
            {"@type": "REPORT", "@duration": "20.5", "@billedDuration": "121", "@initDuration": "100.25",
             "@memorySize": "1.28E8"}
        ]  # fmt: skip

    def test_those_of_every_line(self, aws, group):
        (row,) = rows(aws, group, "fields @logStream, @log, @ingestionTime | limit 1")
        assert (row["@logStream"], row["@log"]) == ("stream", f"{aws.server.account}:{group}")
        assert row["@ingestionTime"].startswith(str(time.gmtime().tm_year))

    def test_a_row_points_to_its_event(self, aws, group):
        cells = answer(aws, group, "fields @message | limit 1")["results"][0]
        assert [cell["field"] for cell in cells] == ["@message", "@ptr"]

    def test_of_a_function_that_ran(self, aws):
        function = aws.function('def handler(event, context): print(\'{"photo": "cat"}\')')
        _, response = aws.invoke(function)
        request = response["ResponseMetadata"]["RequestId"]
        found = rows(aws, f"/aws/lambda/{function}", 'filter @type = "REPORT" | display @requestId, @maxMemoryUsed > 0')
        assert found == [{"@requestId": request, "@maxMemoryUsed > 0": "1"}]
        assert column(aws, f"/aws/lambda/{function}", "filter ispresent(photo) | display photo") == ["cat"]


def test_what_was_looked_at_is_told(aws, group):
    """API_GetQueryResults.html of CloudWatch Logs"""
    told = answer(aws, group, 'filter @type = "REPORT"')
    sizes = sum(len(line) for line in LINES)
    assert told["statistics"] == {"recordsMatched": 2, "recordsScanned": len(LINES), "bytesScanned": sizes}
    assert told["status"] == "Complete"


def test_several_groups_and_a_span_of_time(aws, group):
    """API_StartQuery.html of CloudWatch Logs"""
    other = aws.name("/group")
    aws.logs.create_log_group(logGroupName=other)
    asked = {"logGroupNames": [group, other], "queryString": "fields @message"}
    for span, count in (({"startTime": 0, "endTime": 1}, 0), ({"startTime": 0, "endTime": int(time.time())}, 6)):
        query_id = aws.logs.start_query(**asked, **span)["queryId"]
        assert len(aws.logs.get_query_results(queryId=query_id)["results"]) == count


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Query string cannot be empty."),
        ("fields @message | count()", "unexpected symbol found count at line 1 and position 19"),
        ("filter level == 1", "unexpected symbol found = at line 1 and position 15"),
        ("fields", "unexpected end of query"),
        ("stats nothing(x)", "Invalid function: nothing"),
        ("stats @duration", "Only aggregation functions can be used in stats, and none after by."),
        ("filter count(*) > 1", "Aggregation functions can be used in stats only."),
        ('parse @message "a * b" as x, y', "The number of wildcards in parse must be the number of its fields."),
        ("filter @message like /(/", "Invalid regular expression: missing ), unterminated subpattern at position 0"),
        ("stats count(*) by bin(x)", "The argument of bin must be a period of time."),
    ],
)
def test_what_is_not_understood_is_refused(aws, group, query, message):
    """API_MalformedQueryException of API_StartQuery.html"""
    asked = {"logGroupName": group, "startTime": 0, "endTime": 1}
    told = refused(unchecked(aws, "logs").start_query, queryString=query, **asked)
    assert told == (400, "MalformedQueryException", message)


@pytest.mark.parametrize("query", ["fields @message | pattern @message", "stats count(*) by bin(1mo)", "SOURCE x"])
def test_what_it_does_not_have_is_refused(aws, group, query):
    asked = {"logGroupName": group, "startTime": 0, "endTime": 1}
    assert refused(aws.logs.start_query, queryString=query, **asked)[:2] == (501, "NotImplemented")


def test_a_group_that_is_not_there(aws):
    asked = {"logGroupName": "/none", "startTime": 0, "endTime": 1, "queryString": "fields @message"}
    words = f"Log group '/none' does not exist for account ID '{aws.server.account}'"
    assert refused(aws.logs.start_query, **asked) == (400, "ResourceNotFoundException", words)


def test_a_query_that_is_over_cannot_be_stopped(aws, group):
    """API_StopQuery.html of CloudWatch Logs"""
    asked = {"logGroupName": group, "startTime": 0, "endTime": 1, "queryString": "fields @message"}
    query_id = aws.logs.start_query(**asked)["queryId"]
    assert aws.logs.describe_queries(logGroupName=group)["queries"][0]["queryId"] == query_id
    told = refused(aws.logs.stop_query, queryId=query_id)
    assert told == (400, "InvalidParameterException", f"Query ID: {query_id} is not running.")
    told = refused(aws.logs.stop_query, queryId="none")
    assert told == (400, "ResourceNotFoundException", "The specified query does not exist.")
