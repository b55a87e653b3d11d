"""STS: moto's, with the truth about who asks, and with sessions whose keys count.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.sts import responses

from labkit.embedded_aws import credentials
from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http.request_context import caller
from labkit.embedded_aws.state import ACCOUNT

_SESSION_SECONDS = 43_200


class STSResponse(responses.TokenResponse):
    """moto names a user of its own whoever asks, and hands out session keys from AWS's documentation.

    No issue of moto's is known.
    """

    def get_caller_identity(self) -> ActionResult:
        """GetCallerIdentity: whoever signed the request."""
        sender = caller.get()
        assert sender is not None, "the dispatcher lets in nobody without a signature"
        return ActionResult({"UserId": sender.user_id, "Account": ACCOUNT, "Arn": sender.arn})

    def get_session_token(self) -> ActionResult:
        """GetSessionToken: keys for a while, with the rights of whoever asks."""
        sender = caller.get()
        assert sender is not None, "the dispatcher lets in nobody without a signature"
        session = credentials.make_session(sender, self._get_int_param("DurationSeconds", _SESSION_SECONDS))
        return ActionResult({"Credentials": _shown(session)})

    def get_federation_token(self) -> ActionResult:
        """GetFederationToken: keys for a while, with those of the asker's rights that the policy allows.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
        """
        sender = caller.get()
        assert sender is not None, "the dispatcher lets in nobody without a signature"
        seconds = self._get_int_param("DurationSeconds", _SESSION_SECONDS)
        session = credentials.make_federated(sender, self._get_param("Name"), self._get_param("Policy"), seconds)
        user = {"FederatedUserId": session.user_id, "Arn": session.arn}
        return ActionResult({"Credentials": _shown(session), "FederatedUser": user, "PackedPolicySize": 0})


def _shown(session: Identity) -> dict[str, Any]:
    return {
        "AccessKeyId": session.keys.access_key,
        "SecretAccessKey": session.keys.secret_key,
        "SessionToken": session.session_token,
        "Expiration": session.expires,
    }
