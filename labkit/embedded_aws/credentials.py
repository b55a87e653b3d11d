"""Whose keys sign requests: the account's owner, the sessions of roles, and the users that IAM knows.

The owner's keys are made anew at each start and lie in a file that only their owner can read. Sessions and users have
the keys that STS and IAM handed out. https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from moto.iam.models import Group, User, iam_backends
from moto.sts.models import AssumedRole, sts_backends

from labkit.embedded_aws import roles
from labkit.embedded_aws.state import ACCOUNT, PARTITION, Keys

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
    policies: tuple[Any, ...] = field(default=(), repr=False)
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
    return make_session(
        replace(sender, arn=arn, principal=arn, policies=policies, user_id=f"{ACCOUNT}:{name}"), seconds
    )


def find(access_key: str) -> Identity | None:
    """Return who has this access key, or None when nobody has."""
    if _owner and access_key == _owner[0].keys.access_key:
        return _owner[0]
    if access_key in _sessions:
        return _sessions[access_key]
    session = roles.session_of(access_key)
    if session is not None:
        return _of_session(session)
    # No function's: somebody may have assumed a role, or made a user.
    session = sts_backends[ACCOUNT][PARTITION].get_assumed_role_from_access_key(access_key)
    return _of_session(session, session.expiration) if session is not None else _of_user(access_key)


def _of_session(session: AssumedRole, expires: datetime | None = None) -> Identity:
    role = roles.find_role(session.role_arn)
    return Identity(
        session.arn,
        Keys(session.access_key_id, session.secret_access_key),
        session.session_token,
        session.role_arn,
        tuple(roles.policies_of(role)) if role is not None else (),
        expires,
        session.user_id,
    )


def _of_user(access_key: str) -> Identity | None:
    backend = iam_backends[ACCOUNT][PARTITION]
    for user in list(backend.users.values()):
        for key in list(user.access_keys):
            if key.access_key_id == access_key and key.status == "Active":
                keys = Keys(access_key, key.secret_access_key)
                return Identity(user.arn, keys, None, user.arn, tuple(_policies_of(user)), None, user.id)
    return None


def _policies_of(user: User) -> list[Any]:
    known = cast(list[Group], list(iam_backends[ACCOUNT][PARTITION].groups.values()))
    holders: list[User | Group] = [user, *(group for group in known if user in group.users)]
    return [policy for holder in holders for policy in roles.policies_of(holder)]
