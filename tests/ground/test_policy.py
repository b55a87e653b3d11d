"""The evaluation of policies, element by element, and the words for what stands in the way."""

import pytest

from labkit.policy import Request, allows, obstacle, service_request

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
BUCKET = "arn:aws:s3:::bucket"
ASKED = service_request("s3.amazonaws.com", "SNS:Publish", TOPIC, source=BUCKET, account="123456789012")
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "SNS:Publish",
    "Resource": TOPIC,
}


def decide(*changes, asked=ASKED):
    return allows([{"Statement": [STATEMENT | change for change in changes]}], asked)


def test_nothing_is_allowed_without_a_policy():
    assert not allows([], ASKED)
    assert not allows([None, "", {}], ASKED)


def test_a_deny_wins_over_any_allow():
    assert decide({})
    assert not decide({}, {"Effect": "Deny"})
    assert not decide({"Effect": "Deny"}, {})


def test_one_statement_may_stand_without_brackets():
    assert allows([{"Statement": STATEMENT}], ASKED)


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]}}, True),
        ({"Principal": {"Service": "sns.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "123456789012"}}, False),
        ({"Action": "sns:publish"}, True),
        ({"Action": ["sns:Subscribe", "sns:Pub*"]}, True),
        ({"Action": "*"}, True),
        ({"Action": "sns:Subscribe"}, False),
        ({"Resource": "arn:aws:sns:*:*:topic"}, True),
        ({"Resource": "arn:aws:sns:us-east-1:123456789012:top?c"}, True),
        ({"Resource": TOPIC + "-other"}, False),
        ({"Resource": "arn:aws:sns:us-east-1:123456789012:[t]opic"}, False),
    ],
)
def test_principal_action_and_resource(change, allowed):
    assert decide(change) is allowed


def test_the_negated_elements():
    without = {key: value for key, value in STATEMENT.items() if key not in ("Action", "Resource", "Principal")}
    statement = without | {
        "NotPrincipal": {"Service": "ec2.amazonaws.com"},
        "NotAction": "sns:Delete*",
        "NotResource": TOPIC + "-other",
    }
    assert allows([{"Statement": statement}], ASKED)
    assert not allows([{"Statement": statement | {"NotAction": "SNS:*"}}], ASKED)
    assert not allows([{"Statement": statement | {"NotResource": TOPIC}}], ASKED)
    assert not allows([{"Statement": statement | {"NotPrincipal": {"Service": "s3.amazonaws.com"}}}], ASKED)


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"ArnLike": {"aws:SourceArn": BUCKET}}, True),
        ({"ArnEquals": {"AWS:sourcearn": "arn:aws:s3:*:*:buck*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:*"}}, False),
        ({"ArnLike": {"aws:SourceArn": BUCKET + "-other"}}, False),
        ({"StringEquals": {"aws:SourceAccount": ["1", "123456789012"]}}, True),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, False),
        ({"StringEquals": {"aws:SourceOwner": "123456789012"}}, False),
        ({"StringEqualsIfExists": {"aws:SourceOwner": "123456789012"}}, True),
        ({"StringNotEquals": {"aws:SourceAccount": "123456789012"}}, False),
        ({"StringNotEquals": {"aws:SourceOwner": "1"}}, True),
        ({"StringLike": {"aws:SourceAccount": "1234*"}}, True),
        ({"StringNotLike": {"aws:SourceAccount": "1234*"}}, False),
        ({"Null": {"aws:SourceOwner": "true"}}, True),
        ({"Null": {"aws:SourceAccount": True}}, False),
        ({"NumericLessThan": {"aws:SourceAccount": "200000000000"}}, True),
        ({"NumericLessThan": {"aws:SourceArn": "5"}}, False),
        ({"NumericNotEquals": {"aws:SourceArn": "5"}}, True),
        ({"NotAnOperator": {"aws:SourceAccount": "123456789012"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"ForAllValues:StringEquals": {"aws:SourceAccount": ["123456789012"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:SourceAccount": ["1"]}}, False),
        ({"ForAllValues:StringEquals": {"aws:SourceOwner": ["1"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:SourceAccount": ["123456789012"]}}, True),
        ({"ForAnyValue:StringNotEquals": {"aws:SourceOwner": ["1"]}}, False),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:SourceOwner": ["1"]}}, True),
        ({"ArnLike": {"aws:SourceArn": BUCKET}, "StringEquals": {"aws:SourceAccount": "1"}}, False),
    ],
)
def test_conditions(condition, allowed):
    assert decide({"Condition": condition}) is allowed


@pytest.mark.parametrize(
    ("operator", "expected", "given", "holds"),
    [
        ("Bool", "true", "true", True),
        ("Bool", "false", "true", False),
        ("IpAddress", "127.0.0.0/8", "127.0.0.1", True),
        ("NotIpAddress", "127.0.0.0/8", "127.0.0.1", False),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
        ("DateLessThan", "2026-01-01T00:00:00Z", "1798761600", False),
        ("StringEqualsIgnoreCase", "YES", "yes", True),
    ],
)
def test_the_other_operators(operator, expected, given, holds):
    asked = Request("a:b", "*", service="s", context={"key": given})
    statement = {"Effect": "Allow", "Principal": "*", "Action": "a:b", "Resource": "*"}
    policy = {"Statement": statement | {"Condition": {operator: {"key": expected}}}}
    assert allows([policy], asked) is holds


def test_the_whole_account_and_one_of_its_users():
    arn = "arn:aws:iam::123456789012:user/me"
    asked = Request("SNS:Publish", TOPIC, arn=arn, account="123456789012")
    for named in ("123456789012", "arn:aws:iam::123456789012:root", arn):
        assert decide({"Principal": {"AWS": named}}, asked=asked)
    assert not decide({"Principal": {"AWS": "arn:aws:iam::123456789012:user/you"}}, asked=asked)


def test_an_identity_policy_needs_no_principal():
    policy = {"Statement": {"Effect": "Allow", "Action": "SNS:*", "Resource": "*"}}
    assert allows([policy], ASKED, identity=True)
    assert not allows([policy], ASKED)


class TestWhatStandsInTheWay:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({}, ""),
            ({"Principal": {"Service": "sns.amazonaws.com"}}, "no statement is about s3.amazonaws.com"),
            ({"Action": ["sns:Subscribe", "sns:List*"]}, "it allows sns:Subscribe or sns:List*, not SNS:Publish"),
            ({"Resource": TOPIC + "2"}, f"it is about {TOPIC}2, not {TOPIC}"),
            ({"Effect": "Deny"}, "the statement without Sid denies it"),
            ({"Effect": "Deny", "Sid": "NoS3"}, "the statement NoS3 denies it"),
            ({"Effect": "Deny", "Resource": TOPIC + "2"}, "no statement allows it"),
        ],
    )
    def test_in_a_statement(self, change, words):
        assert obstacle([{"Statement": STATEMENT | change}], ASKED) == words

    def test_in_the_negated_elements(self):
        without = {key: value for key, value in STATEMENT.items() if key not in ("Action", "Resource")}
        statement = without | {"NotAction": "SNS:*", "Resource": "*"}
        assert obstacle([{"Statement": statement}], ASKED) == "it allows all but SNS:*, not SNS:Publish"
        statement = without | {"Action": "*", "NotResource": TOPIC}
        assert obstacle([{"Statement": statement}], ASKED) == f"it is about all but {TOPIC}, not {TOPIC}"

    @pytest.mark.parametrize(
        ("condition", "words"),
        [
            (
                {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::b"}},
                f"aws:SourceArn to be arn:aws:s3:::b, and it is {BUCKET}",
            ),
            ({"StringEquals": {"aws:SourceOwner": ["1", "2"]}}, "aws:SourceOwner to be 1 or 2, and it is not given"),
            (
                {"StringNotLike": {"aws:SourceAccount": "1234*"}},
                "aws:SourceAccount not to be 1234*, and it is 123456789012",
            ),
            ({"Bool": {"aws:SecureTransport": False}}, "aws:SecureTransport to be false, and it is true"),
            ({"Null": {"aws:SourceAccount": "true"}}, "aws:SourceAccount not to be given, and it is 123456789012"),
            ({"Null": {"aws:SourceOwner": "false"}}, "aws:SourceOwner to be given, and it is not given"),
            (
                {"NumericLessThan": {"aws:SourceAccount": 5}},
                "aws:SourceAccount to be less than 5, and it is 123456789012",
            ),
        ],
    )
    def test_in_a_condition(self, condition, words):
        policy = {"Statement": STATEMENT | {"Condition": condition}}
        assert obstacle([policy], ASKED) == f"its condition wants {words}"

    def test_in_an_operator_that_there_is_not(self):
        policy = {"Statement": STATEMENT | {"Condition": {"StringIs": {"aws:SourceAccount": "1"}}}}
        words = "its condition compares aws:SourceAccount by StringIs, which IAM does not know"
        assert obstacle([policy], ASKED) == words

    def test_a_deny_with_a_negated_condition(self):
        """Whoever denies all accounts but another one shuts this one out."""
        deny = STATEMENT | {"Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}}
        assert obstacle([{"Statement": [STATEMENT, deny]}], ASKED) == "the statement without Sid denies it"

    def test_of_several_statements_it_is_about_the_one_that_came_nearest(self):
        statements = [STATEMENT | {"Principal": {}}, STATEMENT | {"Resource": "a"}, STATEMENT | {"Resource": "b"}]
        assert obstacle([{"Statement": statements}], ASKED) == f"it is about a, not {TOPIC}"

    def test_a_role_that_lacks_something(self):
        asked = Request("s3:PutObject", "arn:aws:s3:::bucket/web/x")
        policies = [{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}, {}]
        assert obstacle(policies, asked, identity=True) == "it allows s3:GetObject, not s3:PutObject"
        assert obstacle([], asked, identity=True) == "no statement allows it"
