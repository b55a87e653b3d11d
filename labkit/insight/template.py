"""The lab as code: a CloudFormation template written from what really stands in AWS.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labkit.errors import LabError, telling
from labkit.lab import Lab
from labkit.result import Result
from labkit.settings import FunctionSettings
from labkit.steps.functions import find_trigger, function_configuration
from labkit.steps.making import as_tag_list, found_or_none, parsed
from labkit.steps.notification import bucket_exists, find_notification
from labkit.steps.queues import find_subscription, queue_arn, queue_attributes
from labkit.steps.topic import topic_arn, topic_attributes

FORMAT = "2010-09-09"  # the only version of CloudFormation's format there is


@dataclass(frozen=True)
class Template(Result):
    """A CloudFormation template: `document` is its JSON as plain data."""

    lab_id: str
    document: Mapping[str, Any]

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources by their logical names."""
        return dict(self.document["Resources"])

    def json(self) -> str:
        """The template as CloudFormation takes it."""
        return json.dumps(self.document, indent=2) + "\n"

    def write(self, path: str | Path) -> Path:
        """Write it to a file; returns its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.json(), "utf-8")
        return path

    def sentence(self) -> str:
        """How many resources, and of how many types."""
        types = {resource["Type"] for resource in self.resources.values()}
        return f"A CloudFormation template of {self.lab_id}: {len(self.resources)} resources of {len(types)} types."

    def headers(self) -> Sequence[str]:
        """One row a resource."""
        return ("resource", "type", "what it leans on")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a resource."""
        for name, resource in self.resources.items():
            leans_on = dict.fromkeys([*_named(resource["Properties"]), *_listed(resource.get("DependsOn"))])
            yield name, resource["Type"], ", ".join(n for n in leans_on if n in self.resources) or "-"


@dataclass(frozen=True)
class Difference:
    """One property of one resource, as the template has it and as AWS has it now."""

    resource: str
    field: str
    template: str
    live: str


@dataclass(frozen=True)
class TemplateComparison(Result):
    """A template beside the live lab, resource by resource."""

    resources: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """True if no property differs."""
        return not self.differences

    def sentence(self) -> str:
        """How many resources are the same."""
        drifted = {difference.resource for difference in self.differences}
        count = len(self.resources)
        if self.same:
            return f"All {count} resources stand in AWS as the template says."
        return f"{count - len(drifted)} of {count} resources are as the template says; {len(drifted)} differ."

    def headers(self) -> Sequence[str]:
        """One row a difference; without any, one row a resource."""
        return ("resource", "property", "template", "live") if self.differences else ("resource", "live")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a difference; without any, one row a resource."""
        if self.differences:
            return [(d.resource, d.field, d.template, d.live) for d in self.differences]
        return [(name, "the same") for name in self.resources]


@telling("writing the template")
def export_template(lab: Lab) -> Template:
    """The whole lab as a CloudFormation template, read from AWS; the photos and results are not part of it.

    Account, region and suffix become parameters, so that the template makes a second lab beside the first. The
    functions' packages are expected in a bucket of one's own (parameter `CodeBucket`) as `<function>.zip`.
    Changes nothing. Raises LabError if a part of the lab is missing.
    """
    return Template(lab.settings.lab_id, _Writer(lab).document())


def compare_template(template: Template, lab: Lab) -> TemplateComparison:
    """Hold a template against what stands in AWS now; the difference is called drift."""
    wanted, live = template.resources, export_template(lab).resources
    names = tuple(dict.fromkeys([*wanted, *live]))
    return TemplateComparison(names, tuple(d for name in names for d in _differences(name, wanted, live)))


@dataclass(frozen=True)
class TemplateLint(Result):
    """What cfn-lint, AWS's own reader of templates, has to say."""

    installed: bool
    findings: tuple[str, ...] = ()

    def sentence(self) -> str:
        """How many findings there are, or that there is nobody to ask."""
        if not self.installed:
            return "cfn-lint is not installed here, so nobody read the template: `make lint` installs it."
        return f"cfn-lint has read the template and finds {len(self.findings) or 'nothing'} to object to."

    def headers(self) -> Sequence[str]:
        """One row a finding."""
        return ("finding",)

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a finding."""
        return [(finding,) for finding in self.findings]


def lint_template(template: Template) -> TemplateLint:
    """Have cfn-lint read a template: https://github.com/aws-cloudformation/cfn-lint.

    It comes with the extra `lint`, since it is larger than the whole lab; without it the result says so.
    """
    if find_spec("cfnlint") is None:
        return TemplateLint(installed=False)
    with tempfile.TemporaryDirectory() as folder:
        path = template.write(Path(folder) / "template.json")
        code = "import sys; from cfnlint.runner import main; sys.exit(main())"
        command = [
            sys.executable,
            "-c",
            code,
            "--format",
            "parseable",
            "--template",
            str(path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    findings = (done.stdout + (done.stderr if done.returncode and not done.stdout else "")).replace(f"{path}:", "line ")
    return TemplateLint(True, tuple(findings.splitlines()))


def _differences(
    name: str, wanted: Mapping[str, Mapping[str, Any]], live: Mapping[str, Mapping[str, Any]]
) -> Iterator[Difference]:
    if name not in wanted or name not in live:
        yield Difference(name, "exists", str(name in wanted), str(name in live))
        return
    ours, theirs = wanted[name]["Properties"], live[name]["Properties"]
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            yield Difference(name, key, json.dumps(ours.get(key)), json.dumps(theirs.get(key)))


def _named(value: Any) -> Iterator[str]:
    """The logical names that a value refers to."""
    if isinstance(value, Mapping):
        if "Ref" in value:
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        else:
            for part in value.values():
                yield from _named(part)
    elif isinstance(value, list):
        for part in value:
            yield from _named(part)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


class _Writer:
    """Reads one lab and writes its template: each method gives one resource."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.references: dict[str, Any] = {topic_arn(lab): {"Ref": "Topic"}}  # what stands in AWS -> in the template
        for function in lab.settings.functions:
            short = _short(function)
            settings = lab.settings
            self.references |= {
                queue_arn(lab, settings.queue_name(function)): _arn_of(f"{short}Queue"),
                queue_arn(lab, settings.dead_letter_queue_name(function)): _arn_of(f"{short}DeadLetterQueue"),
                # CloudFormation's Arn of a log group ends in :*, which is what a role's policy wants
                f"{lab.arn('logs', 'log-group:' + settings.log_group(function))}:*": _arn_of(f"{short}Logs"),
            }

    def document(self) -> dict[str, Any]:
        resources = {"Topic": self.topic(), "TopicPolicy": self.topic_policy()}
        for function in self.lab.settings.functions:
            short = _short(function)
            resources |= {
                f"{short}DeadLetterQueue": self.dead_letter_queue(function),
                f"{short}Queue": self.queue(function),
                f"{short}QueuePolicy": self.queue_policy(function),
                f"{short}Subscription": self.subscription(function),
            }
        resources |= {"Bucket": self.bucket(), "BucketPolicy": self.bucket_policy()}
        for function in self.lab.settings.functions:
            short = _short(function)
            if self.lab.role_arn is None:
                resources[f"{short}Role"] = self.role(function)
            resources |= {
                f"{short}Logs": self.logs(function),
                f"{short}Function": self.function(function),
                f"{short}Trigger": self.trigger(function),
            }
        return {
            "AWSTemplateFormatVersion": FORMAT,
            "Description": "The Serverless Image Processing Lab, written from what stood in AWS.",
            "Parameters": {
                "Prefix": {
                    "Type": "String",
                    "Default": self.lab.settings.prefix,
                    "AllowedPattern": "[a-z0-9-]{0,12}",
                    "Description": "Begins every name, so that several people can share one account.",
                },
                "Suffix": {
                    "Type": "String",
                    "Default": self.lab.settings.suffix,
                    "AllowedPattern": "[a-z0-9-]{1,12}",
                    "Description": "Ends the names that must be unique; another one makes a second lab.",
                },
                "CodeBucket": {
                    "Type": "String",
                    "Description": "A bucket in this region that holds the functions' packages, as <function>.zip.",
                },
            },
            "Resources": resources,
            "Outputs": {
                "BucketName": {"Description": "Put photos under ingest/ here.", "Value": {"Ref": "Bucket"}},
                "TopicArn": {"Value": {"Ref": "Topic"}},
            },
        }

    def topic(self) -> dict[str, Any]:
        self.topic_found()
        return _resource("AWS::SNS::Topic", TopicName=self.text(self.lab.settings.topic_name), Tags=self.tags())

    def topic_found(self) -> dict[str, str]:
        attributes = topic_attributes(self.lab)
        if attributes is None:
            raise self.lacks("topic", self.lab.settings.topic_name, 1)
        return attributes

    def topic_policy(self) -> dict[str, Any]:
        document = self.value(parsed(self.topic_found().get("Policy")))
        return _resource("AWS::SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=document)

    def queue_found(self, name: str) -> dict[str, str]:
        attributes = queue_attributes(self.lab, name)
        if attributes is None:
            raise self.lacks("queue", name, 2)
        return attributes

    def dead_letter_queue(self, function: FunctionSettings) -> dict[str, Any]:
        name = self.lab.settings.dead_letter_queue_name(function)
        found = self.queue_found(name)
        return _resource(
            "AWS::SQS::Queue",
            QueueName=self.name(name),
            MessageRetentionPeriod=int(found["MessageRetentionPeriod"]),
            Tags=self.tags(),
        )

    def queue(self, function: FunctionSettings) -> dict[str, Any]:
        name = self.lab.settings.queue_name(function)
        found = self.queue_found(name)
        redrive = parsed(found.get("RedrivePolicy"))
        more = {"RedrivePolicy": self.value(redrive)} if redrive else {}
        return _resource(
            "AWS::SQS::Queue",
            QueueName=self.name(name),
            VisibilityTimeout=int(found["VisibilityTimeout"]),
            **more,
            Tags=self.tags(),
        )

    def queue_policy(self, function: FunctionSettings) -> dict[str, Any]:
        found = self.queue_found(self.lab.settings.queue_name(function))
        document = self.value(parsed(found.get("Policy")))
        queue = {"Ref": f"{_short(function)}Queue"}
        return _resource("AWS::SQS::QueuePolicy", Queues=[queue], PolicyDocument=document)

    def subscription(self, function: FunctionSettings) -> dict[str, Any]:
        queue = self.lab.settings.queue_name(function)
        arn = find_subscription(self.lab, queue)
        if arn is None:
            raise self.lacks("subscription of", queue, 2)
        found = self.lab.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return _resource(
            "AWS::SNS::Subscription",
            TopicArn={"Ref": "Topic"},
            Protocol=found["Protocol"],
            Endpoint=self.value(found["Endpoint"]),
            RawMessageDelivery=found.get("RawMessageDelivery") == "true",
        )

    def bucket(self) -> dict[str, Any]:
        lab, s3, name = self.lab, self.lab.client("s3"), self.lab.settings.bucket_name
        rule = find_notification(lab) if bucket_exists(lab) else None
        if rule is None:
            raise self.lacks("bucket with a notification,", name, 3)
        block = found_or_none(s3.get_public_access_block, Bucket=name) or {}
        owner = found_or_none(s3.get_bucket_ownership_controls, Bucket=name) or {}
        encryption = found_or_none(s3.get_bucket_encryption, Bucket=name) or {}
        rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        notify = {
            "Event": rule["Events"][0],
            "Topic": self.value(rule["TopicArn"]),
            "Filter": {
                "S3Key": {
                    "Rules": [
                        {"Name": part["Name"].lower(), "Value": part["Value"]}
                        for part in rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                    ]
                }
            },
        }
        return _resource(
            "AWS::S3::Bucket",
            # S3 asks the topic for leave when the notification is made: the policy has to be there by then.
            depends_on="TopicPolicy",
            BucketName=self.text(name),
            PublicAccessBlockConfiguration=block.get("PublicAccessBlockConfiguration", {}),
            OwnershipControls={"Rules": owner.get("OwnershipControls", {}).get("Rules", [])},
            BucketEncryption={
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": part["ApplyServerSideEncryptionByDefault"]} for part in rules
                ]
            },
            NotificationConfiguration={"TopicConfigurations": [notify]},
            Tags=self.tags(),
        )

    def bucket_policy(self) -> dict[str, Any]:
        answer = found_or_none(self.lab.client("s3").get_bucket_policy, Bucket=self.lab.settings.bucket_name) or {}
        document = self.value(parsed(answer.get("Policy")))
        for statement in document.get("Statement", []):
            # An emulator's exception for the loopback, where there is no TLS; it has no place on AWS.
            statement.get("Condition", {}).pop("NotIpAddress", None)
        return _resource("AWS::S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=document)

    def role(self, function: FunctionSettings) -> dict[str, Any]:
        iam, name = self.lab.client("iam"), self.lab.settings.role_name(function)
        answer = found_or_none(iam.get_role, RoleName=name)
        if answer is None:
            raise self.lacks("role", name, 4)
        policies = []
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            policies.append({"PolicyName": policy, "PolicyDocument": self.value(document)})
        return _resource(
            "AWS::IAM::Role",
            RoleName=self.name(name),
            AssumeRolePolicyDocument=answer["Role"]["AssumeRolePolicyDocument"],
            Policies=policies,
            Tags=self.tags(),
        )

    def logs(self, function: FunctionSettings) -> dict[str, Any]:
        name = self.lab.settings.log_group(function)
        groups = self.lab.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        found = next((group for group in groups if group["logGroupName"] == name), None)
        if found is None:
            raise self.lacks("log group", name, 4)
        days = {"RetentionInDays": found["retentionInDays"]} if "retentionInDays" in found else {}
        return _resource("AWS::Logs::LogGroup", LogGroupName=self.name(name), **days, Tags=self.tags())

    def function(self, function: FunctionSettings) -> dict[str, Any]:
        found, short = function_configuration(self.lab, function), _short(function)
        if found is None:
            raise self.lacks("function", self.lab.settings.function_name(function), 4)
        return _resource(
            "AWS::Lambda::Function",
            depends_on=f"{short}Logs",  # else Lambda makes the group itself, without an end date
            FunctionName=self.name(found["FunctionName"]),
            Description=found.get("Description", ""),
            Runtime=found["Runtime"],
            Architectures=found.get("Architectures", ["x86_64"]),
            Handler=found["Handler"],
            MemorySize=found["MemorySize"],
            Timeout=found["Timeout"],
            Role=self.lab.role_arn or _arn_of(f"{short}Role"),
            Code={"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": f"{function.name}.zip"},
            Tags=self.tags(),
        )

    def trigger(self, function: FunctionSettings) -> dict[str, Any]:
        found, short = find_trigger(self.lab, function), _short(function)
        if found is None:
            raise self.lacks("trigger of", self.lab.settings.function_name(function), 4)
        return _resource(
            "AWS::Lambda::EventSourceMapping",
            EventSourceArn=_arn_of(f"{short}Queue"),
            FunctionName={"Ref": f"{short}Function"},
            BatchSize=found["BatchSize"],
            Enabled=found["State"] in ("Enabled", "Enabling", "Creating"),
            FunctionResponseTypes=found.get("FunctionResponseTypes", []),
        )

    def lacks(self, kind: str, name: str, step: int) -> LabError:
        return LabError(
            f"The lab has no {kind} {name}, so there is no whole template to write.",
            where="writing the template",
            hint=f"catch_up(lab, to={step}) makes it; a template wants all of steps 1 to 4.",
        )

    def tags(self) -> list[dict[str, Any]]:
        return [{"Key": tag["Key"], "Value": self.text(tag["Value"])} for tag in as_tag_list(self.lab.settings.tags)]

    def name(self, name: str) -> dict[str, str]:
        """A name with prefix and suffix, also where the lab, being alone in its AWS, left that away."""
        return {"Fn::Sub": self.prefixed(name).removesuffix(f"-{self.lab.settings.suffix}") + "-${Suffix}"}

    def prefixed(self, name: str) -> str:
        """A name of this lab with the parameter in place of its own prefix; folders stand before the prefix."""
        folder, slash, last = name.rpartition("/")
        return f"{folder}{slash}${{Prefix}}{last.removeprefix(self.lab.settings.prefix)}"

    def value(self, value: Any) -> Any:
        """A value from AWS with this lab's own names replaced by references and parameters, through and through."""
        if isinstance(value, Mapping):
            return {key: self.value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part) for part in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> Any:
        """A text from AWS: a reference if it names a resource, else with account, region and suffix filled in."""
        if text in self.references:
            return self.references[text]
        at, settings = self.lab.connection, self.lab.settings
        suffix = settings.suffix
        if text == suffix:
            return {"Ref": "Suffix"}
        filled = text
        for name in (settings.bucket_name, settings.topic_name, settings.lab_id):
            filled = re.sub(
                rf"(?<![\w-]){re.escape(name)}(?=$|[/:])", lambda found: self.prefixed(found.group()), filled
            )
        filled = re.sub(rf"-{suffix}(?=$|[/:])", "-${Suffix}", filled)
        filled = filled.replace(at.account, "${AWS::AccountId}").replace(f":{at.region}:", ":${AWS::Region}:")
        filled = filled.replace(f"arn:{at.partition}:", "arn:${AWS::Partition}:")
        return {"Fn::Sub": filled} if filled != text else text


def _short(function: FunctionSettings) -> str:
    """`CreateWebImage` -> `WebImage`, the stem of logical names."""
    return function.name.removeprefix("Create")


def _arn_of(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def _resource(kind: str, *, depends_on: str | None = None, **properties: Any) -> dict[str, Any]:
    more = {"DependsOn": depends_on} if depends_on else {}
    return {"Type": kind, **more, "Properties": properties}
