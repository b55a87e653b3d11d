"""Where moto 5.2 differs from AWS on the lab's path, closed at its extension points.

Each class says what is missing in moto. `install` puts them where moto looks for its own; it must run before
moto is used for the first time. The version range in pyproject.toml is narrow because of this module.
"""

from __future__ import annotations

import base64
import json
import logging
import queue
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

import xmltodict  # type: ignore[import-untyped]  # moto's own
from moto.awslambda import models as lambda_models
from moto.awslambda.models import lambda_backends
from moto.core import responses as core_responses
from moto.core.utils import camelcase_to_underscores, iso_8601_datetime_with_milliseconds, method_names_from_class
from moto.iam import aws_managed_policies
from moto.iam import models as iam_models
from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.s3 import models as s3_models
from moto.s3 import notifications
from moto.s3 import responses as s3_responses
from moto.s3.exceptions import InvalidArgumentError, InvalidFilterRuleName, InvalidNotificationARN
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.s3.notifications import S3NotificationEvent
from moto.sns import models as sns_models
from moto.sns.models import sns_backends
from moto.sqs import models as sqs_models
from moto.sqs.models import sqs_backends

from labkit.embedded_aws import behaviour, functions, queues
from labkit.policy import Request, allows, service_request

_log = logging.getLogger(__name__)


def install() -> None:
    """Put this package's classes in the place of moto's."""
    # moto builds these from module globals
    for module, name, replacement in (
        (sqs_models, "Queue", queues.Queue),
        (sns_models, "Topic", Topic),
        (sns_models, "Subscription", Subscription),
        (lambda_models, "LambdaFunction", functions.Function),
        (s3_models, "Notification", Notification),
        (s3_models, "FakeBucket", Bucket),
        (notifications, "send_event", send_event),
        (notifications, "send_test_event", send_test_event),
        (core_responses, "gen_amzn_requestid_long", request_id),
        # asked again for every request, slow, and always the same
        (core_responses, "method_names_from_class", lru_cache(maxsize=None)(method_names_from_class)),
        (core_responses, "camelcase_to_underscores", lru_cache(maxsize=None)(camelcase_to_underscores)),
        (sqs_models, "camelcase_to_underscores", lru_cache(maxsize=None)(camelcase_to_underscores)),
    ):
        setattr(module, name, replacement)
    sqs_backends.backend = queues.SQSBackend
    s3_backends.backend = S3Backend
    lambda_backends.backend = functions.LambdaBackend
    iam_backends.backend = IAMBackend


def request_id(headers: dict[str, Any] | None = None) -> str:
    """moto overwrites the request id that a function's log shows, and makes up one that is no UUID."""
    return str((headers if headers is not None else {}).setdefault("x-amzn-RequestId", str(uuid.uuid4())))


# --- S3: the bucket policy ---------------------------------------------------------------------------------------


class Bucket(FakeBucket):
    """moto ignores the conditions of a bucket policy, so that a Deny without TLS shuts everybody out."""

    def get_permission(self, action: str, resource: str) -> PermissionResult:
        """What the bucket policy says of the owner's own request; the loopback counts as secure transport."""
        if self.policy is None:
            return PermissionResult.NEUTRAL
        request = Request(
            action,
            resource,
            arn=f"arn:aws:iam::{self.account_id}:root",
            account=self.account_id,
            context={"aws:SecureTransport": "true", "aws:SourceIp": "127.0.0.1"},
        )
        policy, anything = self.policy.decode(), {"Statement": _ALLOW_ANYTHING}
        if not allows([policy, anything], request):
            return PermissionResult.DENIED
        return PermissionResult.PERMITTED if allows([policy], request) else PermissionResult.NEUTRAL


_ALLOW_ANYTHING = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


# --- S3: the notification configuration ------------------------------------------------------------------------


class Notification(s3_models.Notification):
    """moto compares with the filter names in lower case; AWS takes both cases and shows them capitalised."""

    def _key_matches(self, key_name: str) -> bool:
        prefix, suffix = _filter_of(self)
        return key_name.startswith(prefix) and key_name.endswith(suffix)


def _filter_of(notification: s3_models.Notification) -> tuple[str, str]:
    rules = notification.filters.get("S3Key", {}).get("FilterRule", [])
    values = {rule["Name"]: rule["Value"] for rule in rules}
    return values.get("Prefix", ""), values.get("Suffix", "")


_DESTINATIONS = {"Topic": "sns", "Queue": "sqs", "CloudFunction": "lambda"}


class S3Response(s3_responses.S3Response):
    """moto answers 500 to a filter named `Prefix`, to one without a value, and to a name that is neither."""

    def _notification_config_from_body(self) -> dict[str, Any]:
        lists = (*(f"{kind}Configuration" for kind in _DESTINATIONS), "Event", "FilterRule")
        sent = xmltodict.parse(self.body, force_list=lists)["NotificationConfiguration"]
        configuration = {name: value or {} for name, value in sent.items() if name.endswith("Configuration")}
        for kind, service in _DESTINATIONS.items():
            for rule in configuration.get(f"{kind}Configuration", []):
                if rule[kind].split(":")[2:3] != [service]:
                    raise InvalidNotificationARN
                if rule.get("Filter"):
                    for entry in (rule["Filter"]["S3Key"] or {})["FilterRule"]:  # moto makes a KeyError MalformedXML
                        _complete(entry)
        skip = str(self.headers.get("x-amz-skip-destination-validation", "")).lower() == "true"
        return configuration | {"skip_validation": skip} if configuration else {}


def _complete(entry: dict[str, Any]) -> None:
    """Write one rule of a filter as S3 shows it. Without a value it lets everything through."""
    if entry["Name"].lower() not in ("prefix", "suffix"):
        raise InvalidFilterRuleName(entry["Name"])
    entry |= {"Name": entry["Name"].capitalize(), "Value": entry["Value"] or ""}


class S3Backend(s3_models.S3Backend):
    """moto accepts rules that overlap and destinations that are not there or do not let S3 in."""

    def put_bucket_notification_configuration(self, bucket_name: str, notification_config: dict[str, Any]) -> None:
        """Set the configuration and send the test events, or refuse as S3 does."""
        bucket = self.get_bucket(bucket_name)
        skip_validation = notification_config.pop("skip_validation", False)
        before = bucket.notification_configuration
        try:
            bucket.set_notification_configuration(notification_config)
            if bucket.notification_configuration is not None:
                _check_notifications(bucket, bucket.notification_configuration, skip_validation)
        except Exception:
            bucket.notification_configuration = before
            raise
        send_test_event(self.account_id, bucket, really=True)

    def put_object_tagging(self, key: FakeKey, tags: dict[str, str] | None) -> FakeKey:
        """Set an object's tags; moto tells of it also when an upload has none."""
        if not tags and not self.tagger.has_tags(key.arn):
            return key
        return super().put_object_tagging(key, tags)


def _check_notifications(
    bucket: FakeBucket, configuration: s3_models.NotificationConfiguration, skip_validation: bool
) -> None:
    rules = [*configuration.topic, *configuration.queue, *configuration.cloud_function]
    for number, rule in enumerate(rules):
        for other in rules[:number]:
            if _overlap(rule, other):
                raise InvalidArgumentError(
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
                    "prefixes are overlapping for the same event type.",
                    "",
                    "",
                )
    for rule in rules:
        refusal = None if skip_validation else _destination_refusal(bucket, rule.arn)
        if refusal:
            raise InvalidArgumentError("Unable to validate the following destination configurations", rule.arn, refusal)


def _overlap(one: s3_models.Notification, other: s3_models.Notification) -> bool:
    prefixes, suffixes = zip(_filter_of(one), _filter_of(other), strict=True)
    return (
        (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0]))
        and (suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0]))
        and any(_same_event(mine, theirs) for mine in one.events for theirs in other.events)
    )


def _same_event(one: str, other: str) -> bool:
    return one == other or any(
        wide.endswith(":*") and narrow.startswith(wide[:-1]) for wide, narrow in ((one, other), (other, one))
    )


def _destination_refusal(bucket: FakeBucket, arn: str) -> str | None:
    """Return why S3 may not publish there, or None when it may."""
    service, _, account, name = arn.split(":", 5)[2:]
    if service == "sns":
        topic = sns_backends[account][arn.split(":")[3]].topics.get(arn)
        if topic is None:
            return "The destination topic does not exist"
        if not s3_may_publish(bucket, topic):
            return "Permissions on the destination topic do not allow S3 to publish notifications from this bucket"
    if service == "sqs":
        target = sqs_backends[account][arn.split(":")[3]].queues.get(name)
        if target is None:
            return "The destination queue does not exist"
        request = service_request(
            "s3.amazonaws.com", "sqs:SendMessage", arn, source=bucket.arn, account=bucket.account_id
        )
        if not allows([target.policy], request):
            return "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"
    return None


def s3_may_publish(bucket: FakeBucket, topic: sns_models.Topic) -> bool:
    """Return whether the topic's policy lets S3 publish on behalf of this bucket."""
    request = service_request(
        "s3.amazonaws.com", "SNS:Publish", topic.arn, source=bucket.arn, account=bucket.account_id
    )
    return allows([topic._policy_json], request)


# --- S3: the events --------------------------------------------------------------------------------------------


class _Delivery:
    """Carries events away from S3 on a thread of its own: PutObject does not wait for who listens."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, deliver: Callable[[], None]) -> None:
        """Deliver soon: once, or as often as the behaviour says."""
        with self._started:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="s3-events", daemon=True)
                self._thread.start()
        self._events.put(deliver)

    def _run(self) -> None:
        while True:
            together = [self._events.get()]
            if behaviour.current().shuffle_events:
                together += self._what_comes_within(0.25)
            together *= 1 + behaviour.current().duplicate_events
            if behaviour.current().shuffle_events:
                random.shuffle(together)
            for deliver in together:
                try:
                    deliver()
                except Exception:  # S3 has nobody to tell; the next event must still go out
                    _log.exception("An S3 event could not be delivered.")

    def _what_comes_within(self, seconds: float) -> Iterable[Callable[[], None]]:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                yield self._events.get(timeout=left)
            except queue.Empty:
                return


_delivery = _Delivery()


def send_event(account_id: str, event_name: str, bucket: FakeBucket, key: Any) -> None:  # noqa: ARG001
    """moto sends too few fields, `/` as %2F, no Subject, and two events for a multipart upload."""
    configuration = bucket.notification_configuration
    put_of_multipart = event_name == S3NotificationEvent.OBJECT_CREATED_PUT_EVENT and key.multipart is not None
    if configuration is None or put_of_multipart:
        return
    name = str(getattr(event_name, "value", event_name))
    for rules in (configuration.topic, configuration.queue, configuration.cloud_function):
        for rule in rules:
            if rule.matches(name, key.name):
                _send(bucket, rule.arn, json.dumps({"Records": [s3_record(name, bucket, key, rule.id)]}))


def send_test_event(account_id: str, bucket: FakeBucket, really: bool = False) -> None:  # noqa: ARG001
    """moto sends it before anything was checked, and without RequestId and HostId."""
    configuration = bucket.notification_configuration
    if configuration is None or not really:
        return
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_8601_datetime_with_milliseconds(),
        "Bucket": bucket.name,
        "RequestId": _request_id(),
        "HostId": _host_id(),
    }
    for arn in {rule.arn for rule in (*configuration.topic, *configuration.queue)}:
        _send(bucket, arn, json.dumps(event))


def s3_record(event_name: str, bucket: FakeBucket, key: FakeKey, rule_id: str) -> dict[str, Any]:
    """Return one record of an event.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    now = time.time_ns()
    described: dict[str, Any] = {"key": quote_plus(key.name, safe="/")}
    if not event_name.startswith("s3:ObjectRemoved"):
        described |= {"size": key.size, "eTag": key.etag.replace('"', "")}
    if bucket.is_versioned:
        described["versionId"] = key.version_id
    described["sequencer"] = f"{now // 1000:016X}"
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": iso_8601_datetime_with_milliseconds(),
        "eventName": event_name.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:AIDA{_digest(bucket.account_id)[:17]}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": _request_id(), "x-amz-id-2": _host_id()},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": f"A{_digest(bucket.account_id)[:13]}"},
                "arn": bucket.arn,
            },
            "object": described,
        },
    }


def _digest(text: str) -> str:
    return base64.b32encode(uuid.uuid5(uuid.NAMESPACE_DNS, text).bytes).decode().rstrip("=")


def _request_id() -> str:
    return secrets.token_hex(8).upper()


def _host_id() -> str:
    return base64.b64encode(secrets.token_bytes(56)).decode()


def _send(bucket: FakeBucket, arn: str, message: str) -> None:
    service, region, account, name = arn.split(":", 5)[2:]
    if service == "sns":
        _delivery.add(lambda: _send_to_topic(bucket, sns_backends[account][region], arn, message))
    elif service == "sqs":
        _delivery.add(lambda: _send_to_queue(sqs_backends[account][region], name, message, bucket.arn))
    elif service == "lambda":
        backend = lambda_backends[account][region]
        assert isinstance(backend, functions.LambdaBackend)
        backend.invoke_later(backend.get_function(arn), message.encode())


def _send_to_topic(bucket: FakeBucket, backend: sns_models.SNSBackend, arn: str, message: str) -> None:
    topic = backend.topics.get(arn)
    if topic is not None and s3_may_publish(bucket, topic):
        topic.publish(message, subject="Amazon S3 Notification")


def _send_to_queue(
    backend: sqs_models.SQSBackend, name: str, message: str, source: str, service: str = "s3.amazonaws.com", **more: Any
) -> None:
    target = backend.queues.get(name)
    if target is None:
        return
    request = service_request(service, "sqs:SendMessage", target.queue_arn, source=source, account=backend.account_id)
    if allows([target._policy_json], request):
        backend.send_message(name, message, **more)


# --- SNS -------------------------------------------------------------------------------------------------------


class Topic(sns_models.Topic):
    """moto keeps every message for ever and signs a copy for each subscriber with a certificate of its own."""

    def publish(
        self,
        message: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> str:
        """Hand the message to every subscription; return its id."""
        message_id = str(uuid.uuid4())
        for subscription in list(self.sns_backend.subscriptions.values()):  # others may subscribe meanwhile
            if subscription.topic is not self:
                continue
            subscription.publish(
                message, message_id, subject, message_attributes, group_id, deduplication_id, message_structure
            )
        return message_id


class Subscription(sns_models.Subscription):
    """moto delivers to any queue, takes the text "false" for raw delivery, and sorts the envelope's fields."""

    def publish(
        self,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        """Deliver to the subscriber, if its filter and the queue's policy let the message through."""
        if self.protocol != "sqs":
            super().publish(
                message, message_id, subject, message_attributes, group_id, deduplication_id, message_structure
            )
            return
        if self._filter_policy_matcher is not None and not self._filter_policy_matcher.matches(
            message_attributes, message
        ):
            return
        if message_structure == "json":
            message = self._parse_message_structure(message, self.protocol)
        more: dict[str, Any] = {"deduplication_id": deduplication_id, "group_id": group_id}
        if str(self.attributes.get("RawMessageDelivery")).lower() == "true":
            more["message_attributes"] = _raw_attributes(message_attributes or {})
        else:
            message = envelope(self, message, message_id, subject, message_attributes)
        _, region, account, name = self.endpoint.split(":", 5)[2:]
        backend = sqs_backends[account][region]
        _send_to_queue(backend, name, message, self.topic.arn, "sns.amazonaws.com", **more)


_CERTIFICATE = f"SimpleNotificationService-{secrets.token_hex(16)}.pem"


def _raw_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {
            "DataType": value["Type"],
            "BinaryValue" if value["Type"].startswith("Binary") else "StringValue": value["Value"],
        }
        for name, value in attributes.items()
    }


def envelope(
    subscription: Subscription,
    message: str,
    message_id: str,
    subject: str | None,
    message_attributes: dict[str, Any] | None,
) -> str:
    """Return the message as SNS wraps it for a queue.

    https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """
    topic_arn = subscription.topic.arn
    region = topic_arn.split(":")[3]
    timestamp, signature = _published(message_id)
    fields: dict[str, Any] = {"Type": "Notification", "MessageId": message_id, "TopicArn": topic_arn}
    if subject:
        fields["Subject"] = subject
    fields |= {
        "Message": message,
        "Timestamp": timestamp,
        "SignatureVersion": "1",
        "Signature": signature,
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/{_CERTIFICATE}",
        "UnsubscribeURL": (
            f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
        ),
    }
    if message_attributes:
        fields["MessageAttributes"] = message_attributes
    return json.dumps(fields, indent=2, separators=(",", " : "))


@lru_cache(maxsize=256)
def _published(_message_id: str) -> tuple[str, str]:
    """The time of a message and its signature, which is made up; each the same for every subscriber."""
    return iso_8601_datetime_with_milliseconds(), base64.b64encode(secrets.token_bytes(256)).decode()


# --- IAM -------------------------------------------------------------------------------------------------------


class IAMBackend(iam_models.IAMBackend):
    """moto knows either none of AWS's managed policies or builds all 1,500; this one finds what is named."""

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
