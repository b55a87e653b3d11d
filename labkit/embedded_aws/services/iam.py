"""IAM: moto's, with AWS's own managed policies found by name, and the fields that AWS shows.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.core.serialize import never_return, url_encode
from moto.iam import aws_managed_policies, responses
from moto.iam import models as iam_models
from moto.iam.exceptions import NotFoundException

from labkit.embedded_aws import roles
from labkit.embedded_aws.http.request_context import caller
from labkit.policy import Request, verdict


class IAMBackend(iam_models.IAMBackend):
    """moto knows either none of AWS's managed policies or builds all 1,500; this one finds what is named.

    See getmoto/moto#7219 and getmoto/moto#7539. It also says in its own words what is not there.
    """

    def get_role(self, role_name: str) -> iam_models.Role:
        """Return a role, or say that there is none."""
        found = next((role for role in self.get_roles() if role.name == role_name), None)
        if found is None:
            raise NotFoundException(f"The role with name {role_name} cannot be found.")
        return found

    def get_role_policy(self, role_name: str, policy_name: str) -> tuple[str, str]:
        """Return the name and the document of a role's inline policy, or say that there is none."""
        if policy_name not in self.get_role(role_name).policies:
            raise NotFoundException(f"The role policy with name {policy_name} cannot be found.")
        return super().get_role_policy(role_name, policy_name)

    def get_group(self, group_name: str) -> iam_models.Group:
        """Return a group, or say that there is none."""
        if group_name not in self.groups:
            raise NotFoundException(f"The group with name {group_name} cannot be found.")
        return super().get_group(group_name)

    def attach_role_policy(self, policy_arn: str, role_name: str) -> None:
        """Attach a policy to a role; AWS's own are there without being made."""
        self._find_aws_policy(policy_arn)
        super().attach_role_policy(policy_arn, role_name)

    def get_policy(self, policy_arn: str) -> iam_models.ManagedPolicy:
        """Return a policy, AWS's own included."""
        self._find_aws_policy(policy_arn)
        if policy_arn not in self.managed_policies:
            raise NotFoundException(f"Policy {policy_arn} was not found.")
        return super().get_policy(policy_arn)

    def _find_aws_policy(self, arn: str) -> None:
        if arn in self.managed_policies or not arn.startswith("arn:aws:iam::aws:policy/"):
            return
        known = json.loads(aws_managed_policies.aws_managed_policies_data)
        name = arn.rsplit("/", 1)[1]
        if name in known:
            policy = iam_models.AWSManagedPolicy.from_data(name, self.account_id, self.region_name, known[name])
            self.managed_policies[policy.arn] = policy


class IAMResponse(responses.IamResponse):
    """moto shows fields that AWS leaves out, decodes what is encoded in a policy, and simulates nothing.

    No issue of moto's is known.
    """

    RESPONSE_KEY_PATH_TO_TRANSFORMER = responses.IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER | {
        "CreateRoleResponse.Role.MaxSessionDuration": never_return,
        "CreateRoleResponse.Role.RoleLastUsed": never_return,
        "GetPolicyVersionResponse.PolicyVersion.Document": url_encode,
        "ListRolesResponse.Roles.Role.AssumeRolePolicyDocument": url_encode,
    }

    def get_user(self) -> ActionResult:
        """GetUser; without a name it is whoever asks."""
        sender = caller.get()
        if self._get_param("UserName") or sender is None or sender.principal is not None:
            return super().get_user()
        path, name = "/", sender.arn.rpartition("/")[2]
        shown = {"Path": path, "UserName": name, "UserId": sender.user_id, "Arn": sender.arn, "CreateDate": _STARTED}
        return ActionResult({"User": shown})

    def simulate_principal_policy(self) -> ActionResult:
        """SimulatePrincipalPolicy: what the evaluator that also decides says of a user, a group or a role."""
        holder = self._holder(self._get_param("PolicySourceArn"))
        policies = [*roles.policies_of(holder), *self._get_param("PolicyInputList", [])]
        context = {
            entry["ContextKeyName"]: entry["ContextKeyValues"][0]
            for entry in self._get_param("ContextEntries", [])
            if entry.get("ContextKeyName") and entry.get("ContextKeyValues")
        }
        results = [
            _simulated(policies, Request(action, resource, arn=holder.arn, context=context))
            for action in self._get_param("ActionNames")
            for resource in self._get_param("ResourceArns", ["*"])
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    def _holder(self, arn: str) -> iam_models.Role | iam_models.User | iam_models.Group:
        known: list[Any] = [self.backend.roles, self.backend.users, self.backend.groups]
        for holder in (holder for held in known for holder in list(held.values())):
            if holder.arn == arn:
                return cast(iam_models.Role | iam_models.User | iam_models.Group, holder)
        kind, _, name = arn.rpartition(":")[2].partition("/")
        raise NotFoundException(f"The {kind} with name {name} cannot be found.")


_STARTED = datetime.now(UTC).replace(microsecond=0)
_DECISIONS = {True: "allowed", None: "implicitDeny", False: "explicitDeny"}


def _simulated(policies: list[Any], request: Request) -> dict[str, Any]:
    decision = _DECISIONS[verdict(policies, request, identity=True)]
    of_resource = {
        "EvalResourceName": request.resource,
        "EvalResourceDecision": decision,
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
    return {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision,
        "EvalDecisionDetails": {},
        "MatchedStatements": [],
        "MissingContextValues": [],
        "OrganizationsDecisionDetail": {"AllowedByOrganizations": True},
        "ResourceSpecificResults": [of_resource],
    }
