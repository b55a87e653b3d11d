"""The lab as code: a CloudFormation template written from the lab's definition, and held against what stands in AWS.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labkit.errors import aws_errors
from labkit.lab import Lab
from labkit.resources import Snapshot, resources
from labkit.result import Result

FORMAT = "2010-09-09"  # the only version of CloudFormation's format there is
# Properties whose value is a name that, on the embedded AWS, may lack the suffix.
NAMES = ("AlarmName", "QueueName", "RoleName", "LogGroupName", "FunctionName")


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
        types = {resource["Type"] for resource in self.resources.values()}
        return f"A CloudFormation template of {self.lab_id}: {len(self.resources)} resources of {len(types)} types."

    def headers(self) -> Sequence[str]:
        return ("resource", "type", "what it depends on")

    def rows(self) -> Iterable[Sequence[object]]:
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
        count, drifted = len(self.resources), len({difference.resource for difference in self.differences})
        if self.same:
            return f"All {count} resources stand in AWS as the template says."
        others = f"{drifted} {'differs' if drifted == 1 else 'differ'}"
        return f"{count - drifted} of {count} resources are as the template says; {others}."

    def headers(self) -> Sequence[str]:
        """One row a difference; without any, one row a resource."""
        return ("resource", "property", "template", "live") if self.differences else ("resource", "live")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a difference; without any, one row a resource."""
        if self.differences:
            return [(d.resource, d.field, d.template, d.live) for d in self.differences]
        return [(name, "the same") for name in self.resources]


def export_template(lab: Lab) -> Template:
    """The whole lab as a CloudFormation template, from its definition alone; photos and results are not part of it.

    Account, region and suffix become parameters, so that the template makes a second lab beside the first. The
    functions' packages are expected in a bucket (parameter `CodeBucket`) as `<function>.zip`. Calls nothing.
    """
    return Template(lab.definition.lab_id, _Writer(lab).document(live=False))


@aws_errors("comparing the template with AWS")
def compare_template(template: Template, lab: Lab) -> TemplateComparison:
    """Hold a template against what stands in AWS now; the difference is called drift. Raises LabError."""
    wanted, live = template.resources, _Writer(lab).document(live=True)["Resources"]
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
            return "cfn-lint is not installed here, so nobody read the template: `make notebooks` installs it."
        return f"cfn-lint has read the template and finds {len(self.findings) or 'nothing'} to object to."

    def headers(self) -> Sequence[str]:
        return ("finding",)

    def rows(self) -> Iterable[Sequence[object]]:
        return [(finding,) for finding in self.findings]


def lint_template(template: Template) -> TemplateLint:
    """Have cfn-lint read a template: https://github.com/aws-cloudformation/cfn-lint.

    It comes with the extra `template`, since it is larger than the whole lab; without it the result says so.
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
    """Writes the template of one lab: what its kinds of resources give, with names and ARNs made portable."""

    def __init__(self, lab: Lab) -> None:
        # A template makes a bucket of its own: it could not set a notification on one that exists.
        self.lab = replace(lab, definition=replace(lab.definition, bucket=None))
        self.references = {arn: by for one in resources(self.lab) for arn, by in one.references().items()}

    def document(self, live: bool) -> dict[str, Any]:
        """The whole template, as the lab is defined, or as it stands in AWS; what is not there is left out."""
        snapshot = Snapshot(self.lab)
        found: dict[str, dict[str, Any]] = {}
        for one in resources(self.lab):
            state = snapshot.read(one) if live else None
            if state is not None or not live:
                for name, part in one.template(state).items():  # a bucket's notification adds to the bucket
                    before = found.get(name, {"Properties": {}})
                    found[name] = before | part | {"Properties": before["Properties"] | part["Properties"]}
        return {
            "AWSTemplateFormatVersion": FORMAT,
            "Description": "The Serverless Image Processing Lab.",
            "Parameters": self.parameters(),
            "Resources": self.value(found),
            "Outputs": {
                "BucketName": {"Description": "Put photos under ingest/ here.", "Value": {"Ref": "Bucket"}},
                "TopicArn": {"Value": {"Ref": "Topic"}},
            },
        }

    def parameters(self) -> dict[str, Any]:
        """What whoever makes the stack chooses."""
        return {
            "Prefix": {
                "Type": "String",
                "Default": self.lab.definition.prefix,
                "AllowedPattern": "[a-z0-9-]{0,12}",
                "Description": "Begins every name, so that several people can share one account.",
            },
            "Suffix": {
                "Type": "String",
                "Default": self.lab.definition.suffix,
                "AllowedPattern": "[a-z0-9-]{1,12}",
                "Description": "Ends the names that must be unique; another one makes a second lab.",
            },
            "CodeBucket": {
                "Type": "String",
                "Description": "A bucket in this region that holds the functions' packages, as <function>.zip.",
            },
        }

    def name(self, name: str) -> dict[str, str]:
        """A name with prefix and suffix, also where the lab, being alone in its AWS, left that away."""
        return {"Fn::Sub": self.prefixed(name).removesuffix(f"-{self.lab.definition.suffix}") + "-${Suffix}"}

    def prefixed(self, name: str) -> str:
        """A name of this lab with the parameter instead of its own prefix; folders stand before the prefix."""
        folder, slash, last = name.rpartition("/")
        return f"{folder}{slash}${{Prefix}}{last.removeprefix(self.lab.definition.prefix)}"

    def value(self, value: Any, key: str = "") -> Any:
        """A value with this lab's own names replaced by references and parameters, through and through."""
        if isinstance(value, Mapping):
            return {name: self.value(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [self.value(part) for part in value]
        if not isinstance(value, str):
            return value
        return self.name(value) if key in NAMES else self.text(value)

    def text(self, text: str) -> Any:
        """A text: a reference if it names a resource, else with account, region and suffix filled in."""
        if text in self.references:
            return self.references[text]
        lab = self.lab.definition
        if text == lab.suffix:
            return {"Ref": "Suffix"}
        filled = text
        for name in (lab.bucket_name, lab.topic_name, lab.lab_id):
            filled = re.sub(
                rf"(?<![\w-]){re.escape(name)}(?=$|[/:])", lambda found: self.prefixed(found.group()), filled
            )
        filled = re.sub(rf"-{lab.suffix}(?=$|[/:])", "-${Suffix}", filled)
        filled = filled.replace(lab.account, "${AWS::AccountId}").replace(f":{lab.region}:", ":${AWS::Region}:")
        filled = filled.replace(f"arn:{lab.partition}:", "arn:${AWS::Partition}:")
        return {"Fn::Sub": filled} if filled != text else text
