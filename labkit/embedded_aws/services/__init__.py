"""The services: what each adds to moto 5.2, and why.

Each class says what is missing in moto, and which of moto's issues (getmoto/moto on GitHub) tells of it, open or
closed; where none is named, a search in November 2026 found none. `install` puts them where moto looks for its own;
it must run before moto is used for the first time. The version range in pyproject.toml is narrow because of this
package.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any


def install() -> None:
    """Use this package's classes instead of moto's."""
    import botocore.session
    from moto.awslambda import models as lambda_models
    from moto.awslambda.models import lambda_backends
    from moto.cloudwatch.models import cloudwatch_backends
    from moto.core import responses as core_responses
    from moto.core import utils as core_utils
    from moto.core.common_models import BaseModel
    from moto.core.routing import SmithyRule
    from moto.core.utils import camelcase_to_underscores
    from moto.iam.models import iam_backends
    from moto.logs import models as logs_models
    from moto.s3 import models as s3_models
    from moto.s3 import notifications
    from moto.s3.models import s3_backends
    from moto.sns import models as sns_models
    from moto.sqs import models as sqs_models
    from moto.sqs.models import sqs_backends

    from labkit.embedded_aws.http import refusals
    from labkit.embedded_aws.services import (
        cloudwatch,
        iam,
        lambda_backend,
        lambda_function,
        lambda_layers,
        lambda_storage,
        logs,
        s3,
        s3_events,
        s3_notifications,
        sns,
        sqs,
        sqs_queue,
    )

    # moto builds these from module globals
    for module, name, replacement in (
        (sqs_models, "Queue", sqs_queue.Queue),
        (sns_models, "Topic", sns.Topic),
        (sns_models, "Subscription", sns.Subscription),
        (lambda_models, "LambdaFunction", lambda_function.Function),
        (lambda_models, "LambdaStorage", lambda_storage.LambdaStorage),
        (lambda_models, "LayerVersion", lambda_layers.LayerVersion),
        (logs_models, "EventMessageFilter", logs.EventMessageFilter),
        (logs_models, "LogGroup", logs.LogGroup),
        (s3_models, "Notification", s3_notifications.Notification),
        (s3_models, "FakeBucket", s3.Bucket),
        (s3_models, "FakeKey", s3.Key),
        (notifications, "send_event", s3_events.send_event),
        (notifications, "send_test_event", s3_events.send_test_event),
        (BaseModel, "__new__", new_untracked),
        (core_responses.BaseResponse, "call_action", refusals.call_action),
        (core_responses, "gen_amzn_requestid_long", request_id),
        # asked again for every request, slow, and always the same
        (sqs_models, "camelcase_to_underscores", lru_cache(maxsize=None)(camelcase_to_underscores)),
        (core_utils, "utcnow", utcnow),
        (s3_models, "utcnow", utcnow),
        (s3_models, "tempfile", NoFiles),
        (SmithyRule, "_compile_builder", no_builder),
        # boto3, to know a service's regions, and moto each read all of its model
        (botocore.session, "create_loader", one_loader),
        (core_utils, "create_loader", one_loader),
    ):
        setattr(module, name, replacement)
    cloudwatch_backends.backend = cloudwatch.CloudWatchBackend
    sqs_backends.backend = sqs.SQSBackend
    s3_backends.backend = s3.S3Backend
    lambda_backends.backend = lambda_backend.LambdaBackend
    iam_backends.backend = iam.IAMBackend


def one_loader(_search_path: str | None = None) -> Any:
    """Return what reads the models of services, the same for all that ask. A path of the user's own is not looked at.

    No issue of moto's is known.
    """
    return _loader()


@cache
def _loader() -> Any:
    from moto.core.loaders import create_loader

    return create_loader()


def utcnow() -> datetime:
    """moto imports something at each look at the clock, several times a request; like moto's it knows no time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class NoFiles:
    """moto opens a file for each object, in whose place `s3.Key` puts the body at once.

    No issue of moto's is known.
    """

    @staticmethod
    def SpooledTemporaryFile(*_: Any, **__: Any) -> None:
        """Open none."""


def no_builder(_rule: Any, append_unknown: bool = True) -> Any:  # noqa: ARG001 - werkzeug's own interface
    """werkzeug compiles, beside what reads an address, what writes one: most of a router's time, and moto writes none.

    No issue of moto's is known.
    """

    def build(*_: Any) -> None:
        raise NotImplementedError("An address is read here, never written.")

    return build


def new_untracked(cls: type, *_: Any, **__: Any) -> Any:
    """moto keeps each record for ever, in lists that it looks into in its own tests: every message, every version.

    No issue of moto's is known.
    """
    return object.__new__(cls)


def request_id(headers: dict[str, Any] | None = None) -> str:
    """moto overwrites the request id that a function's log shows, and makes up one that is no UUID.

    No issue of moto's is known; getmoto/moto#7210 put the ids there.
    """
    return str((headers if headers is not None else {}).setdefault("x-amzn-RequestId", str(uuid.uuid4())))
