"""How the tests of refusals ask: without botocore's own checks, which would refuse before the server does."""

import pytest
from botocore.exceptions import ClientError


def unchecked(aws, service):
    """A client that sends whatever it is told to."""
    return aws.client(service, parameter_validation=False)


def refused(call, **members):
    """Return status, code and message of AWS's refusal."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    told = caught.value.response
    return told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"], told["Error"]["Message"]
