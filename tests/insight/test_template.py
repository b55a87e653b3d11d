"""The template is written from the definition alone, holds no name of this account, and CloudFormation takes it."""

import json
import re
from dataclasses import replace

import pytest

from labkit import catch_up, compare_template, configure_function, export_template, lint_template, redefine_lab
from labkit.settings import FUNCTIONS, THUMBNAIL


def test_every_part_of_the_lab_is_a_resource(built_lab):
    template = export_template(built_lab)
    types = [resource["Type"] for resource in template.resources.values()]
    assert {kind: types.count(kind) for kind in set(types)} == {
        "AWS::SNS::Topic": 1,
        "AWS::SNS::TopicPolicy": 1,
        "AWS::SNS::Subscription": 3,
        "AWS::SQS::Queue": 6,
        "AWS::SQS::QueuePolicy": 3,
        "AWS::CloudWatch::Alarm": 6,
        "AWS::S3::Bucket": 1,
        "AWS::S3::BucketPolicy": 1,
        "AWS::IAM::Role": 3,
        "AWS::Logs::LogGroup": 3,
        "AWS::Lambda::Function": 3,
        "AWS::Lambda::EventSourceMapping": 3,
    }
    assert template.sentence().endswith("34 resources of 12 types.")


def test_it_makes_a_lab_anywhere_and_beside_this_one(built_lab):
    template = export_template(built_lab)
    text = json.dumps({name: value for name, value in template.document.items() if name != "Parameters"})
    assert built_lab.connection.account not in text
    assert built_lab.definition.suffix not in text
    assert built_lab.connection.region not in text
    named = ("TopicName", "QueueName", "BucketName", "RoleName", "LogGroupName", "FunctionName")
    names = [
        properties[key]
        for resource in template.resources.values()
        for properties in [resource["Properties"]]
        for key in named
        if key in properties and "Ref" not in properties[key]
    ]
    assert len(names) == 1 + 6 + 1 + 3 + 3 + 3
    assert all(re.fullmatch(r"(/aws/lambda/)?\$\{Prefix\}.+-\$\{Suffix\}", name["Fn::Sub"]) for name in names)
    assert built_lab.definition.prefix not in text


def test_it_needs_neither_a_lab_that_is_made_nor_a_call(new_lab):
    lab = redefine_lab(new_lab(), function_memory_mb=1024)
    before = lab.connection.calls.total
    template = export_template(lab)
    assert template.resources["WebImageFunction"]["Properties"]["MemorySize"] == 1024
    assert lab.connection.calls.total == before
    catch_up(lab, to=4)
    assert export_template(lab).document == template.document
    assert compare_template(template, lab).same


def test_a_fourth_function_is_ten_more_resources(new_lab):
    grey = replace(THUMBNAIL, name="CreateGreyImage", queue="grey-queue", folder="grey/")
    three = new_lab()
    four = redefine_lab(three, functions=(*FUNCTIONS, grey))
    more = set(export_template(four).resources) - set(export_template(three).resources)
    assert more == {
        f"GreyImage{part}"
        for part in (
            *("DeadLetterQueue", "Queue", "QueuePolicy", "Subscription"),
            *("DeadLetterQueueAlarm", "QueueAlarm"),
            *("Role", "Logs", "Function", "Trigger"),
        )
    }


def test_s3_may_publish_before_it_is_told_to(built_lab):
    bucket = export_template(built_lab).resources["Bucket"]
    assert bucket["DependsOn"] == "TopicPolicy"
    (rule,) = bucket["Properties"]["NotificationConfiguration"]["TopicConfigurations"]
    assert rule["Topic"] == {"Ref": "Topic"}
    assert rule["Filter"]["S3Key"]["Rules"] == [
        {"Name": "prefix", "Value": "ingest/"},
        {"Name": "suffix", "Value": ".jpg"},
    ]


def test_an_emulators_exception_has_no_place_on_aws(built_lab):
    policy = export_template(built_lab).resources["BucketPolicy"]["Properties"]["PolicyDocument"]
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_drift_is_found(new_lab):
    lab = new_lab()
    catch_up(lab, to=4)
    template = export_template(lab)
    assert compare_template(template, lab).same
    assert configure_function(lab, "CreateThumbnail", Timeout=5).sentence().endswith(", with 512 MB, for 5 s at most.")
    comparison = compare_template(template, lab)
    assert [(d.resource, d.field, d.template, d.live) for d in comparison.differences] == [
        ("ThumbnailFunction", "Timeout", "10", "5")
    ]
    assert comparison.sentence() == "33 of 34 resources are as the template says; 1 differs."


def test_what_is_not_made_yet_is_a_difference(lab):
    catch_up(lab, to=1)
    comparison = compare_template(export_template(lab), lab)
    assert {(d.field, d.template, d.live) for d in comparison.differences} == {("exists", "True", "False")}
    assert comparison.sentence() == "1 of 34 resources are as the template says; 33 differ."


def test_without_cfn_lint_it_says_that_nobody_read_it(monkeypatch, built_lab):
    monkeypatch.setattr("labkit.insight.template.find_spec", lambda _: None)
    assert "cfn-lint is not installed here" in lint_template(export_template(built_lab)).sentence()


# cfn-lint comes with the extra `lint`, which `make test-slow` installs.
@pytest.mark.slow
def test_cfn_lint_finds_nothing(built_lab):
    lint = lint_template(export_template(built_lab))
    assert (lint.installed, lint.findings) == (True, ())


@pytest.mark.slow
def test_cfn_lint_finds_a_misspelt_property(built_lab):
    template = export_template(built_lab)
    template.document["Resources"]["Topic"]["Properties"]["TopikName"] = "news"
    (finding,) = lint_template(template).findings
    assert "TopikName" in finding
