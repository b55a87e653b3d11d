"""Every request of the lab, recorded, against AWS's own service models; and the list of them, to be reviewed.

`LABKIT_TEST_WRITE=1 pytest tests/real_account/test_requests.py` writes the list anew.
"""

import json
import os
import re
from pathlib import Path

import pytest

import labkit
from labkit import clean_up
from labkit.steps.recovery import find_labs, find_things

from .conftest import check_all, do_the_lab
from .service_models import violations

LIST = Path(__file__).parents[2] / "docs" / "requests.md"
SEARCH = "Looking for a lab's things from another machine"
CLEAN_UP = "Clean-up"
LOOKS = ("Get", "List", "Head", "Describe")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def recorded(account, **options):
    """The requests of a whole lab by part: the steps, the checks, another machine's search, and clean-up."""
    lab = account.open(**options)
    calls, parts = lab.connection.calls, {}

    def part(title, act):
        mark = calls.total
        act()
        parts[title] = calls.since(mark)

    upload = None

    def steps():
        nonlocal upload
        upload = do_the_lab(lab)

    part("Steps 1 to 5", steps)
    for key in upload.expected:
        account.session.client("s3").put_object(Bucket=upload.bucket, Key=key, Body=b"")
    part("Waiting for the results", lambda: labkit.wait_for_results(lab, upload))
    part("Checks", lambda: check_all(lab, upload.key))
    part(SEARCH, lambda: (find_things(lab), find_labs(lab)))
    part(CLEAN_UP, lambda: clean_up(lab))
    return parts


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prefix": "a-long-name-", "suffix": "twelve-chars"},
        {"region": "eu-central-1"},
        {"function_timeout_s": 900, "function_memory_mb": 10240},
    ],
    ids=["plain", "longest names", "another region", "largest function"],
)
def test_every_request_is_what_the_service_models_and_the_documentation_allow(account, options):
    calls = [call for part in recorded(account, **options).values() for call in part]
    assert len(calls) > 250
    assert [words for call in calls for words in violations(call.service, call.operation, call.parameters)] == []


def test_with_somebodys_bucket_and_role_as_well(account):
    decoys = account.decoys
    calls = [c for part in recorded(account, bucket=decoys["bucket"], role_arn=decoys["role"]).values() for c in part]
    assert [words for call in calls for words in violations(call.service, call.operation, call.parameters)] == []


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "words"),
    [
        ("lambda", "CreateFunction", {"FunctionName": "a b", "Role": "x", "Code": {}}, "FunctionName is 'a b', which"),
        (
            "lambda",
            "CreateFunction",
            {"FunctionName": "f", "Role": "x", "Code": {}},
            "Role is 'x', which does not match",
        ),
        ("lambda", "CreateEventSourceMapping", {"FunctionName": "f", "BatchSize": 0}, "BatchSize is 0, less than 1"),
        ("lambda", "CreateFunction", {"FunctionName": "f", "Runtime": "python4.0"}, "Runtime is 'python4.0', none of"),
        ("iam", "CreateRole", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": "{}"}, "RoleName is 65, more than 64"),
        ("iam", "CreateRole", {"RoleName": "r"}, "lacks AssumeRolePolicyDocument"),
        ("logs", "PutRetentionPolicy", {"logGroupName": "a*", "retentionInDays": 1}, "logGroupName is 'a*', which"),
        ("sqs", "CreateQueue", {"QueueName": "a.b"}, "QueueName is 'a.b', which does not match"),
        (
            "sqs",
            "CreateQueue",
            {"QueueName": "q", "Attributes": {"VisibilityTimeout": "43201"}},
            "VisibilityTimeout is '43201', which does not match",
        ),
        ("s3", "CreateBucket", {"Bucket": "No_Capitals"}, "Bucket is 'No_Capitals', which does not match"),
        ("s3", "CreateBucket", {"Bucket": "b-1", "ObjectOwnership": "Mine"}, "ObjectOwnership is 'Mine', none of"),
        ("sns", "CreateTopic", {"Name": "a b"}, "Name is 'a b', which does not match"),
    ],
)
def test_the_validator_finds_what_botocore_would_let_through(service, operation, parameters, words):
    assert any(words in found for found in violations(service, operation, parameters))


def test_the_list_of_requests_is_up_to_date(account):
    text = as_list(recorded(account, suffix="abcde"))
    if os.environ.get("LABKIT_TEST_WRITE"):
        LIST.write_text(text)
    assert LIST.read_text() == text, "write it anew: see the top of this file"


def as_list(parts):
    lines = [
        "# Every request that the lab makes",
        "",
        "Recorded from boto3 while the lab was done in an account in memory, with the suffix `abcde`, each different",
        "request once, in the order in which it was first made. Each was checked against botocore's service models:",
        "required members, patterns, enums, lengths and ranges, and against the limits that AWS documents for names",
        "where the models are silent. A test keeps this list up to date (`tests/real_account/test_requests.py`).",
    ]
    count = 0
    for title, calls in parts.items():
        lines += ["", f"## {title}", "", "| service | operation | parameters |", "|---|---|---|"]
        rows = dict.fromkeys((c.service, c.operation, in_words(c.parameters)) for c in calls)
        if title in (SEARCH, CLEAN_UP):  # the account lists its things in no order; what is deleted has one
            looks = sorted(row for row in rows if row[1].startswith(LOOKS))
            rows = [*looks, *(row for row in rows if not row[1].startswith(LOOKS))]
        lines += [f"| {service} | {operation} | {words} |" for service, operation, words in rows]
        count += len(rows)  # each once: how often a wait asks is the machine's business
    kinds = len({(c.service, c.operation) for calls in parts.values() for c in calls})
    lines += ["", f"{count} different requests, of {kinds} operations.", ""]
    return "\n".join(lines)


def in_words(parameters):
    parts = (f"{name} = `{value_in_words(value)}`" for name, value in parameters.items())
    return "<br>".join(parts) or "-"


def value_in_words(value):
    if isinstance(value, bytes) or hasattr(value, "read"):
        return "(bytes)"
    text = value if isinstance(value, str) else json.dumps(value, default=lambda _: "(bytes)")
    text = text.replace("|", "\\|").replace("\n", " ")
    return UUID.sub("UUID", text)
