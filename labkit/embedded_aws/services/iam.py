"""IAM: moto's, with AWS's own managed policies found by name."""

from __future__ import annotations

import json

from moto.iam import aws_managed_policies
from moto.iam import models as iam_models


class IAMBackend(iam_models.IAMBackend):
    """moto knows either none of AWS's managed policies or builds all 1,500; this one finds what is named.

    See getmoto/moto#7219 and getmoto/moto#7539.
    """

    def attach_role_policy(self, policy_arn: str, role_name: str) -> None:
        """Attach a policy to a role; AWS's own are there without being made."""
        self._find_aws_policy(policy_arn)
        super().attach_role_policy(policy_arn, role_name)

    def get_policy(self, policy_arn: str) -> iam_models.ManagedPolicy:
        """Return a policy, AWS's own included."""
        self._find_aws_policy(policy_arn)
        return super().get_policy(policy_arn)

    def _find_aws_policy(self, arn: str) -> None:
        if arn in self.managed_policies or not arn.startswith("arn:aws:iam::aws:policy/"):
            return
        known = json.loads(aws_managed_policies.aws_managed_policies_data)
        name = arn.rsplit("/", 1)[1]
        if name in known:
            policy = iam_models.AWSManagedPolicy.from_data(name, self.account_id, self.region_name, known[name])
            self.managed_policies[policy.arn] = policy
