"""Every request is held against AWS's model, then against the limits that the model lacks, before moto sees it."""

from __future__ import annotations

from collections.abc import Callable

from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.model import check_model
from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.services import (
    cloudwatch_checks,
    iam_checks,
    lambda_checks,
    logs_checks,
    s3_checks,
    sns_checks,
    sqs_checks,
    sts_checks,
)
from labkit.embedded_aws.services.not_there import check_is_there

_LIMITS: dict[str, dict[str, Callable[[Operation], None]]] = {
    "iam": iam_checks.CHECKS,
    "lambda": lambda_checks.CHECKS,
    "logs": logs_checks.CHECKS,
    "monitoring": cloudwatch_checks.CHECKS,
    "s3": s3_checks.CHECKS,
    "sns": sns_checks.CHECKS,
    "sqs": sqs_checks.CHECKS,
    "sts": sts_checks.CHECKS,
}


def check(operation: Operation) -> None:
    """Raise AwsError, with AWS's code and message, when AWS would refuse what is asked."""
    check_is_there(operation)
    if (before := _BEFORE_THE_MODEL.get(operation.service)) is not None:
        before(operation)
    check_model(operation)
    if operation.service == "lambda":
        lambda_checks.check_function(operation)
    _check_token(operation)
    limit = _LIMITS.get(operation.service, {}).get(operation.name)
    if limit is not None:
        limit(operation)


def _check_token(operation: Operation) -> None:
    """Refuse a token that no earlier page has given: moto's are numbers."""
    member, code, message = _TOKENS.get(operation.service, ("", "", ""))
    token = operation.get(member)
    if token is not None and not token.isdecimal():
        raise AwsError(code, message)


_TOKENS = {
    "iam": ("Marker", "ValidationError", "Invalid Marker."),
    "sns": ("NextToken", "InvalidParameter", "Invalid parameter: NextToken"),
}


# What AWS looks at first.
_BEFORE_THE_MODEL: dict[str, Callable[[Operation], None]] = {
    "lambda": lambda_checks.check_layer_runtimes,
    "sns": sns_checks.check_arns,
    "sqs": sqs_checks.check_queue,
}
