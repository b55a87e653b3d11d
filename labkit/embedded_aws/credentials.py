"""Whose keys sign requests: the account's owner, the sessions of roles, and the users that IAM knows.

The owner's keys are made anew at each start and lie in a file that only their owner can read. Sessions and users have
the keys that STS and IAM handed out. https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from moto.iam.models import Group, User, iam_backends
from moto.iam.utils import generate_access_key_id_from_account_id
from moto.sts.models import AssumedRole, sts_backends
from moto.sts.utils import random_session_token

from labkit.embedded_aws import roles
from labkit.embedded_aws.state import ACCOUNT, PARTITION, Keys
from labkit.policy import Policy

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # an access key id is base32


def make_keys() -> Keys:
    """Return new keys that nobody can guess; their id says that they are not AWS's."""
    return Keys("LABKIT" + "".join(secrets.choice(_ALPHABET) for _ in range(14)), secrets.token_urlsafe(30))


# The account's administrator, to whom the owner's keys belong. IAM does not list this user: it cannot be changed.
OWNER_ARN = f"arn:{PARTITION}:iam::{ACCOUNT}:user/owner"
OWNER_ID = "AIDALABKITOWNER234567"


@dataclass(frozen=True)
class Identity:
    """Whoever a pair of keys belongs to. The owner has no principal: no policy is asked about the administrator."""

    arn: str  # as AWS names it, in GetCallerIdentity and when it refuses something
    keys: Keys
    session_token: str | None = field(default=None, repr=False)
    principal: str | None = None  # the role or user that policies name
    policies: Callable[[], Sequence[Policy]] = field(default=tuple, repr=False)  # asked at each request: they change
    expires: datetime | None = None
    user_id: str = OWNER_ID  # as AWS names it in events


_owner: list[Identity] = []


def use(keys: Keys) -> None:
    """Take these as the owner's keys from now on."""
    _owner[:] = [Identity(OWNER_ARN, keys)]


_sessions: dict[str, Identity] = {}  # of GetSessionToken, by access key


def make_session(sender: Identity, seconds: int) -> Identity:
    """Return new keys with the sender's rights, which count for so long."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for key in [key for key, held in list(_sessions.items()) if held.expires is not None and held.expires < now]:
        _sessions.pop(key, None)
    expires = now.replace(microsecond=0) + timedelta(seconds=seconds)
    session = replace(sender, keys=make_keys(), session_token=secrets.token_urlsafe(120), expires=expires)
    _sessions[session.keys.access_key] = session
    return session


def make_federated(sender: Identity, name: str, policy: str | None, seconds: int) -> Identity:
    """Return new keys of a federated user, with those of the administrator's rights that the policy allows."""
    arn = f"arn:{PARTITION}:sts::{ACCOUNT}:federated-user/{name}"
    policies = (policy,) if policy else ()
    federated = replace(sender, arn=arn, principal=arn, policies=lambda: policies, user_id=f"{ACCOUNT}:{name}")
    return make_session(federated, seconds)


_MOST_ENVIRONMENTS = 4_096  # those whose keys nobody has used for so long are forgotten
_environments: dict[str, Identity] = {}  # of functions, by access key, the one that was used last at the end
_environments_lock = threading.Lock()


def make_function_session(role_arn: str, session: str) -> Identity:
    """Return new keys of an execution role, as Lambda hands them to each environment; the session bears its name."""
    name = session if len(session) > 1 else f"{session}@lambda_function"  # STS wants two letters
    role = roles.find_role(role_arn)
    user_id = f"{role.id if role is not None else 'AROALABKITGONE2345678'}:{name}"
    arn = f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{role_arn.rpartition('/')[2]}/{name}"
    access_key = generate_access_key_id_from_account_id(ACCOUNT, prefix="ASIA", total_length=20)
    keys, policies = Keys(access_key, secrets.token_urlsafe(30)), partial(_policies_of_role, role_arn)
    identity = Identity(arn, keys, random_session_token(), role_arn, policies, user_id=user_id)
    with _environments_lock:
        _environments[keys.access_key] = identity
        while len(_environments) > _MOST_ENVIRONMENTS:
            del _environments[next(iter(_environments))]
    return identity


def _of_environment(access_key: str) -> Identity | None:
    with _environments_lock:
        identity = _environments.pop(access_key, None)
        if identity is not None:
            _environments[access_key] = identity
        return identity


def find(access_key: str) -> Identity | None:
    """Return who has this access key, or None when nobody has."""
    if _owner and access_key == _owner[0].keys.access_key:
        return _owner[0]
    if access_key in _sessions:
        return _sessions[access_key]
    if identity := _of_environment(access_key):
        return identity
    # No function's: somebody may have assumed a role, or made a user.
    session = sts_backends[ACCOUNT][PARTITION].get_assumed_role_from_access_key(access_key)
    return _of_session(session) if session is not None else _of_user(access_key)


def _of_session(session: AssumedRole) -> Identity:
    keys = Keys(session.access_key_id, session.secret_access_key)
    policies = partial(_policies_of_role, session.role_arn)
    token, role = session.session_token, session.role_arn
    return Identity(session.arn, keys, token, role, policies, session.expiration, session.user_id)


def _policies_of_role(arn: str) -> Sequence[Policy]:
    role = roles.find_role(arn)
    return roles.policies_of(role) if role is not None else ()


def _of_user(access_key: str) -> Identity | None:
    backend = iam_backends[ACCOUNT][PARTITION]
    for user in list(backend.users.values()):
        for key in list(user.access_keys):
            if key.access_key_id == access_key and key.status == "Active":
                keys = Keys(access_key, key.secret_access_key)
                return Identity(user.arn, keys, None, user.arn, partial(_policies_of_user, user), None, user.id)
    return None


def _policies_of_user(user: User) -> Sequence[Policy]:
    known = cast(list[Group], list(iam_backends[ACCOUNT][PARTITION].groups.values()))
    holders: list[User | Group] = [user, *(group for group in known if user in group.users)]
    return [policy for holder in holders for policy in roles.policies_of(holder)]
