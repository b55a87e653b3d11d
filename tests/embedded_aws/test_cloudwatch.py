"""CloudWatch, asked as a client asks: figures that the services tell, figures of one's own, alarms by hand.

The pages that tests name are those of https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/ (API_...) and
of its guide, https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from account import until
from refused import refused, unchecked

ALARM = {
    "MetricName": "m", "Namespace": "Mine", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
}  # fmt: skip


def now():
    return datetime.now(UTC)


def span():
    return {"StartTime": now() - timedelta(minutes=10), "EndTime": now() + timedelta(minutes=2)}


def dimensions(**named):
    return [{"Name": name, "Value": value} for name, value in named.items()]


def statistic(aws, namespace, metric, stat="Sum", **of):
    """The sum over the whole span of one statistic of a metric, as soon as CloudWatch has it; with its unit."""
    asked = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions(**of), "Period": 60, **span()}
    points = aws.cloudwatch.get_metric_statistics(**asked, Statistics=[stat])["Datapoints"]
    return sum(point[stat] for point in points), {point["Unit"] for point in points}


def query(metric, stat="Sum", period=60, namespace="Mine", **of):
    named = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions(**of)}
    return {"MetricStat": {"Metric": named, "Period": period, "Stat": stat}}


def data(aws, *queries, **more):
    """What GetMetricData answers, by the id of each query."""
    asked = span() | more
    results = aws.cloudwatch.get_metric_data(MetricDataQueries=list(queries), **asked)["MetricDataResults"]
    return {result["Id"]: result for result in results}


class TestOfTheServices:
    def test_a_queue_tells_what_it_sent_and_lost(self, aws):
        """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
        url, arn = aws.queue()
        name = arn.rsplit(":", 1)[1]
        for _ in range(3):
            aws.sqs.send_message(QueueUrl=url, MessageBody="four")
        aws.receive(url, 3)
        for metric in ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted"):
            until(lambda m=metric: statistic(aws, "AWS/SQS", m, QueueName=name) == (3, {"Count"}))
        until(lambda: statistic(aws, "AWS/SQS", "SentMessageSize", QueueName=name) == (12, {"Bytes"}))

    def test_a_message_that_is_moved_to_a_dead_letter_queue_is_not_counted_as_sent(self, aws):
        """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
        dead_url, dead = aws.queue()
        policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
        url, arn = aws.queue(VisibilityTimeout=0, RedrivePolicy=policy)
        aws.sqs.send_message(QueueUrl=url, MessageBody="poison")

        def moved():
            aws.sqs.receive_message(QueueUrl=url)
            return aws.depth(dead_url)[0] == 1

        until(moved)
        sent = [("AWS/SQS", "NumberOfMessagesSent", queue.rsplit(":", 1)[1]) for queue in (arn, dead)]
        until(lambda: statistic(aws, *sent[0][:2], QueueName=sent[0][2])[0] == 1)
        assert statistic(aws, *sent[1][:2], QueueName=sent[1][2])[0] == 0

    def test_a_topic_tells_what_it_delivered_and_what_failed(self, aws):
        """https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html"""
        _, topic, _, _ = aws.pipeline()
        _, closed = aws.queue()
        aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=closed)
        name = topic.rsplit(":", 1)[1]
        aws.sns.publish(TopicArn=topic, Message="five!")
        for metric in ("NumberOfMessagesPublished", "NumberOfNotificationsDelivered", "NumberOfNotificationsFailed"):
            until(lambda m=metric: statistic(aws, "AWS/SNS", m, TopicName=name) == (1, {"Count"}))
        until(lambda: statistic(aws, "AWS/SNS", "PublishSize", TopicName=name) == (5, {"Bytes"}))

    def test_a_function_tells_how_long_it_ran_and_how_often_it_failed(self, aws):
        """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
        function = aws.function("def handler(event, context): return 1 / event")
        for event in (1, 1, 0):
            aws.invoke(function, event)
        until(lambda: statistic(aws, "AWS/Lambda", "Invocations", FunctionName=function) == (3, {"Count"}))
        assert statistic(aws, "AWS/Lambda", "Errors", FunctionName=function) == (1, {"Count"})
        assert statistic(aws, "AWS/Lambda", "Throttles", FunctionName=function) == (0, {"Count"})
        assert statistic(aws, "AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName=function)[0] >= 1
        total, units = statistic(aws, "AWS/Lambda", "Duration", FunctionName=function)
        logged = sum(float(line.split("Duration: ")[1].split(" ms")[0]) for line in aws.reports(function))
        assert (round(total, 2), units) == (round(logged, 2), {"Milliseconds"}), "as REPORT has them"

    def test_the_figures_of_a_function_stand_by_its_name_its_resource_and_for_all(self, aws):
        """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html"""
        function = aws.function("def handler(event, context): pass")
        aws.invoke(function)
        until(lambda: statistic(aws, "AWS/Lambda", "Invocations", FunctionName=function)[0] == 1)
        listed = aws.cloudwatch.list_metrics(Namespace="AWS/Lambda", MetricName="Invocations")["Metrics"]
        seen = [metric["Dimensions"] for metric in listed]
        for wanted in ({}, {"FunctionName": function}, {"FunctionName": function, "Resource": function}):
            assert dimensions(**wanted) in seen

    def test_a_throttled_invocation_is_counted_as_a_throttle_and_as_nothing_else(self, aws):
        """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
        function = aws.function("def handler(event, context): pass")
        aws.lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        refused(aws.lam.invoke, FunctionName=function)
        until(lambda: statistic(aws, "AWS/Lambda", "Throttles", FunctionName=function)[0] == 1)
        assert statistic(aws, "AWS/Lambda", "Invocations", FunctionName=function) == (0, set())


class TestFiguresOfOnesOwn:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("SampleCount", 10), ("Sum", 55), ("Average", 5.5), ("Minimum", 1), ("Maximum", 10), ("p50", 5), ("p90", 9)],
    )
    def test_every_statistic(self, aws, name, expected):
        """Statistics-definitions.html"""
        metric = aws.name("metric")
        values = [
            {"MetricName": metric, "Value": value, "Timestamp": now().replace(second=0)} for value in range(1, 11)
        ]
        aws.cloudwatch.put_metric_data(Namespace="Mine", MetricData=values)
        until(lambda: data(aws, query(metric, name) | {"Id": "q"})["q"]["Values"] == [expected])

    def test_values_with_counts_and_statistic_sets_add_up(self, aws):
        """API_MetricDatum.html: one number, several with how often, or a set of statistics."""
        metric, at = aws.name("metric"), now().replace(second=0)
        several = {"MetricName": metric, "Values": [1, 2], "Counts": [3, 1], "Timestamp": at, "Unit": "Count"}
        parts = {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6}
        one_set = {"MetricName": metric, "StatisticValues": parts, "Timestamp": at, "Unit": "Count"}
        aws.cloudwatch.put_metric_data(Namespace="Mine", MetricData=[several, one_set])
        until(lambda: statistic(aws, "Mine", metric) == (15, {"Count"}))
        assert statistic(aws, "Mine", metric, "SampleCount")[0] == 6
        assert statistic(aws, "Mine", metric, "Maximum")[0] == 6
        assert data(aws, query(metric, "p50") | {"Id": "q"})["q"]["Values"] == [], "of a set no percentile is known"

    def test_other_dimensions_are_another_metric(self, aws):
        """cloudwatch_concepts.html#Dimension"""
        metric = aws.name("metric")
        of_one = {"MetricName": metric, "Value": 1, "Dimensions": dimensions(Side="left")}
        aws.cloudwatch.put_metric_data(Namespace="Mine", MetricData=[of_one])
        until(lambda: statistic(aws, "Mine", metric, Side="left")[0] == 1)
        assert statistic(aws, "Mine", metric) == (0, set())
        filtered = aws.cloudwatch.list_metrics(Namespace="Mine", Dimensions=[{"Name": "Side"}])["Metrics"]
        assert metric in [found["MetricName"] for found in filtered]

    def test_what_is_not_published_yet_is_not_seen(self, servers):
        aws = servers(metric_delay_seconds=3600.0)
        aws.cloudwatch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "late", "Value": 1}])
        assert statistic(aws, "Mine", "late") == (0, set())

    def test_a_log_line_can_carry_figures(self, aws):
        """CloudWatch_Embedded_Metric_Format_Specification.html"""
        source = """
        import json, time
        def handler(event, context):
            about = {"Namespace": "Own", "Dimensions": [["Side"], []], "Metrics": [{"Name": event, "Unit": "Bytes"}]}
            print(json.dumps({"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [about]},
                              "Side": "left", event: [7, 5]}))
        """
        metric = aws.name("metric")
        aws.invoke(aws.function(source), metric)
        until(lambda: statistic(aws, "Own", metric, Side="left") == (12, {"Bytes"}))
        assert statistic(aws, "Own", metric, "SampleCount") == (2, {"Bytes"})

    def test_a_large_request_comes_packed(self, aws):
        """https://docs.aws.amazon.com/sdkref/latest/guide/feature-compression.html"""
        metric = aws.name("metric")
        values = [{"MetricName": metric, "Value": 1, "Dimensions": dimensions(Side="left" * 20)}] * 900
        aws.cloudwatch.put_metric_data(Namespace="Mine", MetricData=values)
        until(lambda: statistic(aws, "Mine", metric, Side="left" * 20)[0] == 900)


@pytest.fixture(scope="module")
def metric(servers):
    aws = servers()
    name, minute = aws.name("metric"), now().replace(second=0, microsecond=0)
    at = [minute - timedelta(minutes=2), minute]
    values = [
        {"MetricName": name, "Value": 4, "Timestamp": at[0]},
        {"MetricName": name, "Value": 6, "Timestamp": at[1]},
    ]
    aws.cloudwatch.put_metric_data(Namespace="Mine", MetricData=values)
    until(lambda: len(data(aws, query(name) | {"Id": "m"})["m"]["Values"]) == 2)
    return name


class TestMetricMath:
    """using-metric-math.html"""

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("m * 2", [12, 8]),
            ("m / 0", []),
            ("-m + 1", [-5, -3]),
            ("m ^ 2", [36, 16]),
            ("100 * m / SUM(m)", [60, 40]),
            ("SUM([m, m])", [12, 8]),
            ("MAX(METRICS())", [6, 4]),
            ("m > 4", [1, 0]),
            ("IF(m > 4, m, 0)", [6, 0]),
            ("DIFF(m)", [2]),
            ("RATE(m) * 60", [1]),
            ("RUNNING_SUM(m)", [10, 4]),
            ("CEIL(m / 4)", [2, 1]),
            ("m * PERIOD(m)", [360, 240]),
        ],
    )
    def test_an_expression(self, aws, metric, expression, expected):
        hidden = query(metric) | {"Id": "m", "ReturnData": False}
        found = data(aws, hidden, {"Id": "e", "Expression": expression})
        assert found.keys() == {"e"}
        assert found["e"]["Values"] == pytest.approx(expected)

    def test_gaps_are_filled(self, aws, metric):
        minute = now().replace(second=0, microsecond=0)
        between = {"StartTime": minute - timedelta(minutes=3), "EndTime": minute + timedelta(minutes=1)}
        filled = {name: {"Id": name, "Expression": f"FILL(m, {what})"} for name, what in (("z", 0), ("r", "REPEAT"))}
        found = data(aws, query(metric) | {"Id": "m"}, *filled.values(), ScanBy="TimestampAscending", **between)
        assert len(found["m"]["Values"]) == 2
        assert found["z"]["Values"].count(0) == len(found["z"]["Values"]) - 2
        assert set(found["r"]["Values"]) == {4, 6}

    @pytest.mark.parametrize("expression", ["n + 1", "m +", "NOTHING(m)", "e + 1", "m.a", "DIFF(1)"])
    def test_what_is_not_understood(self, aws, metric, expression):
        asked = [query(metric) | {"Id": "m"}, {"Id": "e", "Expression": expression}]
        status, code, message = refused(aws.cloudwatch.get_metric_data, MetricDataQueries=asked, **span())
        assert (status, code) == (400, "ValidationError")
        assert message.startswith("Error in expression 'e' [")

    def test_what_it_does_not_have(self, aws, metric):
        asked = [{"Id": "e", "Expression": "SEARCH('{AWS/Lambda}', 'Sum', 60)"}]
        assert refused(aws.cloudwatch.get_metric_data, MetricDataQueries=asked, **span())[:2] == (501, "NotImplemented")


class TestAlarmsByHand:
    def test_a_new_alarm_has_no_data_yet_and_its_tags(self, aws):
        """API_PutMetricAlarm.html"""
        name = aws.name("alarm")
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM, Tags=[{"Key": "a", "Value": "b"}])
        (alarm,) = aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        assert (alarm["StateValue"], alarm["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
        tags = aws.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        assert tags == [{"Key": "a", "Value": "b"}]

    def test_an_alarm_that_is_put_again_keeps_its_state(self, aws):
        """API_PutMetricAlarm.html: its state is left unchanged."""
        name = aws.name("alarm")
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM, ActionsEnabled=False)
        aws.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="why not")
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM | {"Threshold": 7})
        (alarm,) = aws.cloudwatch.describe_alarms(AlarmNamePrefix=name, StateValue="ALARM")["MetricAlarms"]
        assert (alarm["Threshold"], alarm["StateReason"], alarm["ActionsEnabled"]) == (7, "why not", True)

    def test_a_topic_is_told_of_a_change_in_aws_s_words(self, aws):
        """Notify_Users_Alarm_Changes.html"""
        topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
        url, queue = aws.queue()
        aws.allow_topic(url, queue, topic)
        aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        name = aws.name("alarm")
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM, AlarmActions=[topic], Dimensions=dimensions(Side="x"))
        aws.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a try")
        envelope = json.loads(aws.receive(url)[0]["Body"])
        assert envelope["Subject"] == f'ALARM: "{name}" in US East (N. Virginia)'
        told = json.loads(envelope["Message"])
        assert (told["OldStateValue"], told["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
        assert told["NewStateReason"] == "a try"
        assert told["Trigger"]["Dimensions"] == [{"value": "x", "name": "Side"}]
        items = aws.cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
        assert [(item["HistoryItemType"], item["HistorySummary"]) for item in items] == [
            ("Action", f"Successfully executed action {topic}"),
            ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
            ("ConfigurationUpdate", f'Alarm "{name}" created'),
        ]

    def test_a_topic_whose_policy_does_not_let_it_is_told_nothing_and_the_history_says_so(self, aws):
        """https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html"""
        bucket, topic, _, _ = aws.pipeline()
        assert bucket
        name = aws.name("alarm")
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM, AlarmActions=[topic])
        aws.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a try")
        asked = {"AlarmName": name, "HistoryItemType": "Action"}
        (item,) = aws.cloudwatch.describe_alarm_history(**asked)["AlarmHistoryItems"]
        assert item["HistorySummary"].startswith(
            f"Failed to execute action {topic}. CloudWatch Alarms is not authorized"
        )

    def test_an_alarm_whose_actions_are_disabled_tells_nobody(self, aws):
        """API_DisableAlarmActions.html"""
        name = aws.name("alarm")
        nowhere = f"arn:aws:sns:us-east-1:{aws.server.account}:nowhere"
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM, AlarmActions=[nowhere])
        aws.cloudwatch.disable_alarm_actions(AlarmNames=[name])
        aws.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a try")
        items = aws.cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
        assert "Action" not in [item["HistoryItemType"] for item in items]

    def test_a_deleted_alarm_is_gone(self, aws):
        name = aws.name("alarm")
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM)
        aws.cloudwatch.delete_alarms(AlarmNames=[name])
        assert aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []
        asked = {"AlarmName": name, "StateValue": "OK", "StateReason": "x"}
        assert refused(aws.cloudwatch.set_alarm_state, **asked)[:2] == (404, "ResourceNotFound")

    @pytest.mark.slow
    def test_an_alarm_looks_at_its_metric_unasked(self, aws):
        """alarm-evaluation.html: one of 10 s every ten seconds."""
        name, metric = aws.name("alarm"), aws.name("metric")
        short = {"Period": 10, "MetricName": metric, "TreatMissingData": "notBreaching", "EvaluationPeriods": 1}
        aws.cloudwatch.put_metric_alarm(AlarmName=name, **ALARM | short)

        def state():
            return aws.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

        until(lambda: state() == "OK", 30)
        aws.cloudwatch.put_metric_data(
            Namespace="Mine", MetricData=[{"MetricName": metric, "Value": 9, "StorageResolution": 1}]
        )
        until(lambda: state() == "ALARM", 30)
        until(lambda: state() == "OK", 60)


DATUM = {"MetricName": "m", "Value": 1}


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        ({"MetricName": "m"}, "MissingParameter", "The parameter MetricData.member.1.Value is required."),
        (DATUM | {"Values": [1]}, "InvalidParameterCombination", "The parameters MetricData.member.1.Value and "
         "MetricData.member.1.Values are mutually exclusive and you have specified both."),
        ({"MetricName": "m", "Values": [1, 2], "Counts": [1]}, "InvalidParameterValue",
         "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."),
        (DATUM | {"Value": 1e200}, "InvalidParameterValue",
         "The value 1e+200 for parameter MetricData.member.1.Value is invalid."),
        (DATUM | {"Timestamp": 0}, "InvalidParameterValue",
         "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks."),
        (DATUM | {"Timestamp": 4e9}, "InvalidParameterValue",
         "The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future."),
        (DATUM | {"StorageResolution": 7}, "InvalidParameterValue",
         "The value 7 for parameter MetricData.member.1.StorageResolution is invalid."),
    ],
)  # fmt: skip
def test_a_figure_that_is_none_is_refused(aws, datum, code, message):
    """API_PutMetricData.html"""
    put = unchecked(aws, "cloudwatch").put_metric_data
    assert refused(put, Namespace="Mine", MetricData=[datum]) == (400, code, message)


def test_the_namespaces_of_aws_are_its_own(aws):
    """API_PutMetricData.html: AWS/ is reserved."""
    words = "The value AWS/Lambda for parameter Namespace is invalid."
    told = refused(aws.cloudwatch.put_metric_data, Namespace="AWS/Lambda", MetricData=[DATUM])
    assert told == (400, "InvalidParameterValue", words)


STATISTICS = {"Namespace": "Mine", "MetricName": "m", "StartTime": 0, "EndTime": 86_400, "Period": 60}


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({}, "InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics"),
        ({"Statistics": ["Sum"], "Period": 45}, "InvalidParameterValue",
         "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60."),
        ({"Statistics": ["Sum"], "EndTime": 0}, "InvalidParameterValue",
         "The parameter StartTime must be less than the parameter EndTime."),
        ({"Statistics": ["Sum"], "EndTime": 172_800}, "InvalidParameterCombination",
         "You have requested up to 2,880 datapoints, which exceeds the limit of 1,440. You may reduce the datapoints "
         "requested by increasing Period, or decreasing the time range."),
        ({"ExtendedStatistics": ["p101"]}, "InvalidParameterValue",
         "The value p101 for parameter ExtendedStatistics.member.1 is not supported."),
    ],
)  # fmt: skip
def test_statistics_that_cannot_be(aws, changes, code, message):
    """API_GetMetricStatistics.html"""
    asked = STATISTICS | changes
    assert refused(unchecked(aws, "cloudwatch").get_metric_statistics, **asked) == (400, code, message)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"Threshold": None}, "MissingParameter", "The parameter Threshold is required."),
        ({"Period": 45}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        ({"DatapointsToAlarm": 2}, "ValidationError",
         "DatapointsToAlarm must be less than or equal to EvaluationPeriods."),
        ({"TreatMissingData": "no"}, "ValidationError", "Option no is not supported. Supported options for parameter "
         "TreatMissingData are breaching, notBreaching, ignore, missing."),
        ({"AlarmActions": ["me"]}, "ValidationError", "Invalid arn syntax: me"),
        ({"ExtendedStatistic": "p90"}, "ValidationError",
         "Exactly one of Statistic and ExtendedStatistic must be specified."),
        ({"Period": 86_400, "EvaluationPeriods": 8}, "ValidationError", "Metrics cannot be checked across more than a "
         "week (EvaluationPeriods * Period must be <= 604800)."),
    ],
)  # fmt: skip
def test_an_alarm_that_cannot_be(aws, changes, code, message):
    """API_PutMetricAlarm.html"""
    asked = {name: value for name, value in (ALARM | changes).items() if value is not None}
    put = unchecked(aws, "cloudwatch").put_metric_alarm
    assert refused(put, AlarmName="alarm", **asked) == (400, code, message)


def test_what_it_does_not_have_is_refused(aws):
    for call, members in (
        (aws.cloudwatch.put_composite_alarm, {"AlarmName": "a", "AlarmRule": "TRUE"}),
        (aws.cloudwatch.put_insight_rule, {"RuleName": "a", "RuleDefinition": "{}"}),
        (aws.cloudwatch.describe_anomaly_detectors, {}),
        (aws.cloudwatch.put_metric_alarm, ALARM | {"AlarmName": "a", "AlarmActions": ["arn:aws:automate:r:ec2:stop"]}),
    ):
        assert refused(call, **members)[:2] == (501, "NotImplemented")


def test_a_dashboard_is_kept_as_it_was_put(aws):
    """API_PutDashboard.html"""
    name = aws.name("dashboard")
    aws.cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
    assert aws.cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] == '{"widgets": []}'
