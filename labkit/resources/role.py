"""The execution role of a function, with no right more than its work needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from botocore.exceptions import ClientError

from labkit import policy
from labkit.branch import Branch
from labkit.errors import error_code
from labkit.lab import Lab
from labkit.resources.judgement import BROKEN, DIFFERENT, MISSING, RISKY, About, Line, Snapshot
from labkit.resources.resource import (
    FORBIDDEN,
    Existing,
    Resource,
    Right,
    arn_of,
    as_tag_list,
    found_or_none,
    from_tag_list,
    parsed,
    template_resource,
)
from labkit.settings import INGEST_FOLDER

POLICY_NAME = "what-the-function-needs"
LAMBDA = "lambda.amazonaws.com"
TRUST_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": LAMBDA}, "Action": "sts:AssumeRole"}],
}
AS_STEP_4 = "the statements of step 4, no more"
READING = "GetRole GetRolePolicy ListRolePolicies ListAttachedRolePolicies"


class Role(Resource):
    """The role that Lambda assumes to run a function: a trust policy that names Lambda, and one inline policy.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    """

    kind, step, notebook, named_by = "role", 4, "04_functions", "role_name"
    # Learner Labs forbid making roles, and hand one out.
    hints: ClassVar[Mapping[str, str]] = {
        "AccessDenied": "Accounts that forbid iam:CreateRole have a role to use: open_lab(role_arn=...)."
    }

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        """One for each branch, unless the lab was given an existing role."""
        if lab.definition.role_arn is None:
            yield from super().of(lab)

    @property
    def arn(self) -> str:
        lab = self.lab.definition
        return f"arn:{lab.partition}:iam::{lab.account}:role/{self.name}"

    def read(self) -> dict[str, Any] | None:
        """The role, with its inline policies by name in `Inline`."""
        iam = self.lab.client("iam")
        answer = found_or_none(iam.get_role, RoleName=self.name)
        if answer is None:
            return None
        inline = {}
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=self.name):
            for name in page["PolicyNames"]:
                document = iam.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"]
                inline[name] = parsed(document)
        return {**answer["Role"], "Inline": inline}

    def exists(self) -> bool:
        return found_or_none(self.lab.client("iam").get_role, RoleName=self.name) is not None

    def attached(self) -> dict[str, dict[str, Any]]:
        """The managed policies that are attached to it, by ARN."""
        iam, found = self.lab.client("iam"), {}
        for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=self.name):
            for arn in (attached["PolicyArn"] for attached in page["AttachedPolicies"]):
                version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
                found[arn] = parsed(document)
        return found

    def read_tags(self) -> dict[str, str]:
        return from_tag_list(self.lab.client("iam").list_role_tags(RoleName=self.name)["Tags"])

    def make(self) -> dict[str, Any]:
        """The role with its trust policy; `put_policy` gives it what the function needs."""
        self.lab.client("iam").create_role(
            RoleName=self.name,
            AssumeRolePolicyDocument=json.dumps(TRUST_POLICY),
            Description=f"What {self.own_branch.name} of the lab {self.lab.definition.lab_id} may do.",
            Tags=as_tag_list(self.lab.definition.tags),
        )
        return {"arn": self.arn}

    def put_policy(self) -> None:
        """Give it the inline policy of step 4, whatever that was before."""
        self.lab.client("iam").put_role_policy(
            RoleName=self.name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(self.document())
        )

    def document(self) -> dict[str, Any]:
        """What the function may do, each statement with the reason as its Sid.

        Listing `ingest/` is what makes a deleted photo answer 404 rather than 403.
        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, .../AmazonS3/latest/API/API_GetObject.html
        """
        return role_policy(self.own_branch)

    def erase(self) -> None:
        """Delete it, with its inline policies, once what is attached to it is detached."""
        iam = self.lab.client("iam")
        if not self.exists():
            return
        for name in iam.list_role_policies(RoleName=self.name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=self.name, PolicyName=name)
        for attached in iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=self.name, PolicyArn=attached["PolicyArn"])
        iam.delete_role(RoleName=self.name)

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """There, assumed by Lambda alone, allowed what the function needs and no more."""
        yield from judge_role(self, self.own_branch, snapshot)

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:
        """All roles but AWS's own; none where the lab made none, since its user may not be allowed to look."""
        if lab.definition.role_arn is not None:
            return
        for page in lab.client("iam").get_paginator("list_roles").paginate():
            for role in page["Roles"]:
                if fits(role["RoleName"]) and not role["Path"].startswith("/aws-service-role/"):
                    yield cls(lab, role["RoleName"], facts={"arn": role["Arn"]})

    @property
    def logical_name(self) -> str:
        return f"{self.own_branch.short_name}Role"

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        trust = TRUST_POLICY if found is None else parsed(found["AssumeRolePolicyDocument"])
        inline = {POLICY_NAME: self.document()} if found is None else found["Inline"]
        return {
            self.logical_name: template_resource(
                "AWS::IAM::Role",
                RoleName=self.name,
                AssumeRolePolicyDocument=trust,
                Policies=[{"PolicyName": name, "PolicyDocument": document} for name, document in inline.items()],
                Tags=as_tag_list(self.lab.definition.tags),
            )
        }

    def references(self) -> dict[str, Any]:
        return {self.arn: arn_of(self.logical_name)}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        """Make them and look after them, or read the existing one; hand them to Lambda either way."""
        lab_is = lab.definition
        roles = tuple(dict.fromkeys(branch.role_arn for branch in lab.branches))
        if lab_is.role_arn is not None:
            yield Right("ReadTheRole", "iam", READING, roles)
        else:
            yield Right(
                "KeepRoles",
                "iam",
                "CreateRole DeleteRole TagRole ListRoleTags UpdateAssumeRolePolicy PutRolePolicy DeleteRolePolicy "
                f"DetachRolePolicy {READING}",
                roles,
            )
            yield Right("ListAndLook", "iam", "ListRoles", ("*",))
        # A role that somebody else made has policies of theirs attached: to look at them is to find what it lacks.
        policies = (f"arn:{lab_is.partition}:iam::*:policy/*",)
        yield Right("ReadPolicies", "iam", "GetPolicy GetPolicyVersion", policies)
        condition = {"StringEquals": {"iam:PassedToService": LAMBDA}}
        yield Right("HandRoles", "iam", "PassRole", roles, condition)


class ExistingRole(Existing, Role):
    """A role that was there before the lab, for all functions: used as it is, never deleted."""

    kind, part = "existing role", "role"

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        """The one that the lab was given, if it was, once for each branch."""
        if lab.definition.role_arn is not None:
            for branch in lab.branches:
                yield cls.in_branch(lab, branch)

    @property
    def arn(self) -> str:
        """As it was given: it may belong to a path, or to another account."""
        return str(self.lab.definition.role_arn)


def role_policy(branch: Branch) -> dict[str, Any]:
    """What a branch's function may do, see `Role.document`."""
    bucket = branch.definition.bucket_arn

    def allow(why: str, actions: list[str], resource: str, **condition: Any) -> dict[str, Any]:
        statement = {"Sid": why, "Effect": "Allow", "Action": actions, "Resource": resource}
        return {**statement, "Condition": condition} if condition else statement

    taking = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    only_photos = {"StringLike": {"s3:prefix": f"{INGEST_FOLDER}*"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow("TakeFromItsQueue", taking, branch.queue_arn),
            allow("ReadThePhoto", ["s3:GetObject"], f"{bucket}/{INGEST_FOLDER}*"),
            allow("TellDeletedFromForbidden", ["s3:ListBucket"], bucket, **only_photos),
            allow("WriteItsResults", ["s3:PutObject"], f"{bucket}/{branch.folder}*"),
            allow("WriteItsLog", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{branch.log_group_arn}:*"),
        ],
    }


def judge_role(role: Role, branch: Branch, snapshot: Snapshot) -> Iterator[Line]:
    """The lines of a role that a branch's function has: the lab's own, an existing one, or any other."""
    own = role.name == branch.role_name and branch.definition.role_arn is None
    about = About("role", branch.name, f"{role.name}: ")
    again = f"create_role(lab, {branch.name!r})"
    try:
        found = snapshot.read(role)
        if found is None:
            yield _gone(about, role.name, own)
            return
        attached = role.attached()
    except ClientError as error:
        if error_code(error) in FORBIDDEN:  # someone else's role may be unreadable; then nothing is said about it
            yield about.works("exists", "not for you to read", evidence=f"{role.name} can't be read by you.")
            return
        raise
    fine = "Lambda may assume it, and it may do what the function needs."
    yield about.works("exists", role.name, evidence=fine)
    yield _assumed(about, role, found, own)
    yield _allowed(about, branch, found, attached, own, again)


def _gone(about: About, name: str, own: bool) -> Line:
    fix = "Make it again." if own else "Give the function a role."
    more: dict[str, Any] = {"otherwise": MISSING if own else BROKEN, "evidence": f"There is no role {name}."}
    return about.line("exists", False, name, "nothing of that name", fix=fix, call="catch_up(lab, to=4)", **more)


def _assumed(about: About, role: Role, found: Mapping[str, Any], own: bool) -> Line:
    trust = parsed(found["AssumeRolePolicyDocument"])
    why = policy.obstacle([trust], policy.Request("sts:AssumeRole", role.arn, service=LAMBDA))
    anyone = policy.Request("sts:AssumeRole", role.arn, arn="arn:aws:iam::999999999999:root", account="999999999999")
    verdict, evidence = DIFFERENT, f"It is worded otherwise: {json.dumps(trust.get('Statement'))}."
    if why:
        verdict, evidence = BROKEN, f"Lambda may not assume {role.name}: {why}."
    elif policy.allows([trust], anyone):
        verdict, evidence = RISKY, f"Anyone in the world may assume {role.name}."
    call = "lab.client('iam').update_assume_role_policy("
    return about.line(
        "who may assume it",
        trust == TRUST_POLICY or (not own and verdict == DIFFERENT),
        f"{LAMBDA} alone",
        f"{LAMBDA} alone" if trust == TRUST_POLICY else json.dumps(trust.get("Statement")),
        otherwise=verdict,
        hole=verdict == RISKY,
        hint="iam.update_assume_role_policy sets it; or delete the role and run create_roles(lab).",
        evidence=evidence,
        fix=f"Let {LAMBDA} assume it.",
        call=f"{call}RoleName={role.name!r}, PolicyDocument={json.dumps(TRUST_POLICY)!r})",
    )


def _allowed(
    about: About,
    branch: Branch,
    found: Mapping[str, Any],
    attached: Mapping[str, dict[str, Any]],
    own: bool,
    again: str,
) -> Line:
    wanted, inline = role_policy(branch), found["Inline"].get(POLICY_NAME, {})
    documents = [*found["Inline"].values(), *attached.values()]
    lacking = [s["Sid"] for s in wanted["Statement"] if s not in inline.get("Statement", [])]
    why = next((f"{r.action} on {r.resource}: {w}" for r, w in _obstacles(branch, documents)), "")
    more = [*(name for name in found["Inline"] if name != POLICY_NAME), *attached]
    verdict, evidence = DIFFERENT, "It is worded otherwise than step 4 does."
    if why:
        verdict, evidence = BROKEN, f"{found['RoleName']} does not allow {why}."
    elif wide := _too_wide(branch, documents):
        verdict, evidence = RISKY, f"{found['RoleName']} allows more than the function needs: {wide}."
    same = inline == wanted and not more
    said = AS_STEP_4 if same else f"lacks {', '.join(lacking)}" if lacking else "more than that"
    return about.line(
        "what it may do",
        same or (not own and verdict != BROKEN),
        AS_STEP_4 if own else "what the function needs",
        (f"{said}: {', '.join(more)}" if more and not lacking else said) if own else (why or "what the function needs"),
        otherwise=verdict,
        hole=verdict == RISKY,
        hint=f"{again} sets it again." if own else "Its owner has to allow that.",
        evidence=evidence,
        fix="Set the policy of step 4." if own else "Its owner has to allow that.",
        call=_narrow(found["RoleName"], branch, more) if own else "",
    )


def _obstacles(branch: Branch, documents: list[dict[str, Any]]) -> Iterator[tuple[policy.Request, str]]:
    """What the function needs and may not do: each right of step 4, asked for with a photo's name."""
    for statement in role_policy(branch)["Statement"]:
        if "Condition" in statement:
            continue  # telling a deleted photo from a forbidden one is a comfort, no need
        for action in statement["Action"]:
            request = policy.Request(action, statement["Resource"].replace("*", "x"))
            if why := policy.obstacle(documents, request, identity=True):
                yield request, why


def _too_wide(branch: Branch, documents: list[dict[str, Any]]) -> str:
    """What these policies allow that no function of the lab needs, by a few examples; empty if none of them."""
    bucket, partition = branch.definition.bucket_arn, branch.definition.partition
    examples = {
        "everything in IAM": policy.Request(
            "iam:CreateUser", f"arn:{partition}:iam::{branch.definition.account}:user/x"
        ),
        "photos of any bucket": policy.Request("s3:GetObject", f"arn:{partition}:s3:::someone-elses-bucket/x"),
        "deleting objects": policy.Request("s3:DeleteObject", f"{bucket}/{INGEST_FOLDER}x"),
        "writing new photos, which would start it again": policy.Request("s3:PutObject", f"{bucket}/{INGEST_FOLDER}x"),
        "other queues": policy.Request("sqs:ReceiveMessage", branch.definition.arn("sqs", "someone-elses-queue")),
    }
    allowed = (words for words, asked in examples.items() if policy.allows(documents, asked, identity=True))
    return next(allowed, "")


def _narrow(role: str, branch: Branch, more: list[str]) -> str:
    """The Python that takes the other policies away, and sets the lab's own."""
    calls = [
        f"lab.client('iam').detach_role_policy(RoleName={role!r}, PolicyArn={name!r})"
        if name.startswith("arn:")
        else f"lab.client('iam').delete_role_policy(RoleName={role!r}, PolicyName={name!r})"
        for name in more
    ]
    return "; ".join([*calls, f"create_role(lab, {branch.name!r})"])
