"""Where the lab runs: the embedded AWS, any endpoint, or a real account, behind one guard.

Local work never reads the user's AWS variables, profiles or credentials; a real account is never touched without
being named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES  # botocore's own spelling
from botocore.exceptions import BotoCoreError
from botocore.utils import is_valid_endpoint_url

from labkit import embedded_aws
from labkit.calls import CallLog
from labkit.errors import LabError, aws_errors
from labkit.limits import Limits, ask_limits
from labkit.patience import Patience
from labkit.sign_in import sign_in

PLACES = ("local", "endpoint", "aws")
LOCAL_FOLDER = Path(".labkit") / "local"  # the embedded AWS's own folder in a workspace
DEFAULT_REGION = "us-east-1"
REGIONAL_SERVICES = ("s3", "sns", "sqs", "lambda", "logs")  # IAM is one for all regions


@dataclass(frozen=True)
class Connection:
    """A way to AWS: clients for each service, and a record of what was called."""

    where: str
    session: boto3.Session
    region: str
    account: str
    endpoint_url: str | None = None
    instance: str | None = None  # one run of the embedded AWS; another one has forgotten everything
    profile: str | None = None
    caller: str = ""  # the ARN of whose credentials these are
    calls: CallLog = field(default_factory=CallLog)
    patience: Patience = field(default_factory=Patience)
    queue_urls: dict[str, str] = field(default_factory=dict)  # by name, as AWS told them: a queue keeps its URL
    _clients: dict[str, Any] = field(default_factory=dict)
    _making: Lock = field(default_factory=Lock, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Record calls from the first one on."""
        self.calls.attach(self.session)

    def client(self, service: str) -> Any:
        """The boto3 client of a service; one for all, since clients are safe to share between threads."""
        with self._making:  # sessions are not safe to share, and make the clients
            if service not in self._clients:
                self._clients[service] = self.new_client(service)
            return self._clients[service]

    def new_client(self, service: str) -> Any:
        """A client that is not kept, for what is asked while the lab is still being opened.

        A client has the event handlers that its session had when it was made: those that are registered on the
        session of an open lab reach all clients that work for it.
        """
        client = self.session.client(service, endpoint_url=self.endpoint_url, config=_config(self.where))
        self.patience.attach(client)
        return client

    @property
    def in_academy(self) -> bool:
        """Whether the credentials are those that AWS Academy and its Learner Labs hand out."""
        return ":assumed-role/voclabs/" in self.caller

    @cached_property
    def limits(self) -> Limits:
        """What the account allows in all; asked once. The embedded AWS has this machine's limits alone."""
        return Limits() if self.where == "local" else ask_limits(self.new_client("lambda"))

    @cached_property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: the second part of every ARN."""
        return str(self.session.get_partition_for_region(self.region))


def connect(
    where: str,
    *,
    workspace: Path,
    endpoint_url: str | None = None,
    account: str | None = None,
    profile: str | None = None,
    region: str | None = None,
) -> Connection:
    """The connection to `local`, `endpoint` or `aws`.

    `local` starts the embedded AWS of the workspace if it is not running. `aws` needs the account id and is refused if
    the credentials belong to another one, or if an endpoint override is set. Raises LabError.
    """
    if where == "local":
        return _connect_local(workspace)
    if where == "endpoint":
        return _connect_endpoint(endpoint_url, profile, region)
    if where == "aws":
        return _connect_aws(account, profile, region)
    raise LabError(
        f"There is no place called {where!r}.",
        where="opening the lab",
        hint=f"Use one of {', '.join(PLACES)} (open_lab(where=...), or the variable LABKIT_WHERE).",
        code="bad-option",
    )


def _connect_local(workspace: Path) -> Connection:
    try:
        server = embedded_aws.start(workspace / LOCAL_FOLDER)
    except embedded_aws.EmbeddedAwsError as error:
        hint = "`labkit stop`, then run this again; the server's log is in .labkit/local/."
        raise LabError(str(error), where="opening the lab (local)", hint=hint, code="no-embedded-aws") from error
    session = _blind_session(server.region, server.access_key, server.secret_key)
    return Connection("local", session, server.region, server.account, server.url, str(server.started))


def _connect_endpoint(endpoint_url: str | None, profile: str | None, region: str | None) -> Connection:
    if not endpoint_url or not _is_address(endpoint_url):
        raise LabError(
            f"{endpoint_url!r} is no address of an AWS-compatible endpoint.",
            where="opening the lab (endpoint)",
            hint='Give it as open_lab(where="endpoint", endpoint_url="http://127.0.0.1:4566").',
            code="bad-option",
        )
    region = region or DEFAULT_REGION
    # Without a profile: the key pair that emulators take for their root user, useless anywhere else.
    session = sign_in(_core(profile), region) if profile else _blind_session(region, "test", "test")
    account, _ = _whose(session, endpoint_url, "endpoint")
    return Connection("endpoint", session, region, account, endpoint_url, profile=profile)


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(is_valid_endpoint_url(url))
    except ValueError:  # half an IPv6 address
        return False


def _connect_aws(account: str | None, profile: str | None, region: str | None) -> Connection:
    where = "opening the lab (aws)"
    if not account or not (account.isdigit() and len(account) == 12):
        raise LabError(
            "A real account is used only when you name it: 12 digits.",
            where=where,
            hint='open_lab(where="aws", account="123456789012"), or `--account`. '
            "`aws sts get-caller-identity` shows the id of your account.",
            code="bad-option",
        )
    _refuse_overrides({name: url for name, url in sorted(os.environ.items()) if name.startswith("AWS_ENDPOINT_URL")})
    core = _core(profile)
    _refuse_overrides(_configured_overrides(core))
    session = sign_in(core, region)
    if not session.region_name:
        hint = 'Say which, for example region="us-east-1".'
        raise LabError("No region is chosen.", where=where, hint=hint, code="bad-option")
    _require_services(session, where)
    found, caller = _whose(session, None, "aws")
    if found != account:
        raise LabError(
            f"These credentials belong to account {found}, you named {account}. Nothing was touched.",
            where=where,
            hint="Choose the right profile, or name the other account if that is what you want.",
            code="bad-option",
        )
    return Connection("aws", session, session.region_name, account, profile=profile, caller=caller)


def _core(profile: str | None) -> botocore.session.Session:
    """botocore's session of a profile, its files read. Raises LabError if there is no such profile."""
    core = botocore.session.Session(profile=profile)
    try:
        core.get_scoped_config()
    except BotoCoreError as error:
        hint = "`aws configure list-profiles` lists them."
        raise LabError(str(error), where="opening the lab", hint=hint, code="bad-configuration") from error
    return core


def _refuse_overrides(overrides: Mapping[str, str]) -> None:
    """Raise LabError if anything would send calls elsewhere: where each is set, and to which address."""
    if overrides:
        raise LabError(
            f"{', '.join(overrides)} is set: calls meant for AWS would go somewhere else.",
            where="opening the lab (aws)",
            hint=f'Unset it, or say open_lab(where="endpoint", endpoint_url="{next(iter(overrides.values()))}").',
            code="bad-configuration",
        )


def _configured_overrides(core: botocore.session.Session) -> dict[str, str]:
    """The overrides of the profile and of the services section that it names.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    profile = core.get_scoped_config()
    found = {"endpoint_url in the AWS profile": profile["endpoint_url"]} if "endpoint_url" in profile else {}
    services = core.full_config.get("services", {}).get(profile.get("services"), {})
    for service, values in services.items():
        if isinstance(values, Mapping) and "endpoint_url" in values:
            found[f"endpoint_url of {service} in the AWS profile's services"] = values["endpoint_url"]
    return found


def _require_services(session: boto3.Session, where: str) -> None:
    """Raise LabError if the region lacks one of the lab's services, as far as this boto3 knows."""
    region = session.region_name
    try:
        partition = session.get_partition_for_region(region)
    except BotoCoreError as error:
        hint = 'Regions have names like "us-east-1".'
        raise LabError(str(error), where=where, hint=hint, code="bad-option") from error
    lacking = [s for s in REGIONAL_SERVICES if region not in session.get_available_regions(s, partition)]
    if lacking:
        raise LabError(
            f"boto3 {boto3.__version__} knows of no {', '.join(lacking)} in the region {region}.",
            where=where,
            hint="Check the spelling, or choose another region. A region that is newer than boto3 needs a newer boto3.",
            code="bad-option",
        )


def _whose(session: boto3.Session, endpoint_url: str | None, where: str) -> tuple[str, str]:
    """The account and the ARN of whose credentials these are."""
    with aws_errors(f"asking whose credentials these are ({where})"):
        client = session.client("sts", endpoint_url=endpoint_url, config=_config(where))
        try:
            answer = client.get_caller_identity()
            return str(answer["Account"]), str(answer.get("Arn", ""))
        except BotoCoreError as error:
            if where != "endpoint":
                raise
            raise LabError(
                f"Nothing answers at {endpoint_url}: {error}",
                where="opening the lab (endpoint)",
                hint="Is the server running, and is that its address?",
                code="not-reached",
            ) from error


def _config(where: str) -> Config:
    if where == "aws":
        # Adaptive: boto3 slows down by itself when AWS throttles. Configured endpoint overrides are never followed.
        return Config(retries={"mode": "adaptive", "max_attempts": 10}, ignore_configured_endpoint_urls=True)
    # No proxy stands between this process and an emulator, whatever HTTP_PROXY says.
    return Config(
        proxies={},
        retries={"mode": "standard", "max_attempts": 2},
        connect_timeout=5,
        read_timeout=60,
        s3={"addressing_style": "path"},
        ignore_configured_endpoint_urls=True,
    )


def _blind_session(region: str, key: str, secret: str) -> boto3.Session:
    """A session that sees neither environment variables nor the files of `~/.aws`."""
    unseen = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    unseen["config_file"] = unseen["credentials_file"] = (None, None, os.devnull, None)
    core = botocore.session.Session(session_vars=unseen)
    core.register_component("data_loader", _loader())
    return boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region, botocore_session=core)


@cache
def _loader() -> botocore.loaders.Loader:
    """What reads the services' models, and keeps what it has read: one for all sessions of this process."""
    return botocore.loaders.create_loader()


def load_models() -> None:
    """Read the models of the lab's services ahead, while there is time for it."""
    session = _blind_session("us-east-1", "none", "none")
    for service in (*REGIONAL_SERVICES, "iam", "sts", "cloudwatch"):
        session.client(service)
