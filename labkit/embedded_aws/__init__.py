"""An AWS that happens to be embedded: S3, SNS, SQS, Lambda, IAM, STS and CloudWatch Logs on 127.0.0.1.

It knows nothing of the lab and is reached through an endpoint URL. `python -m labkit.embedded_aws --port 4566` serves
any AWS client by itself. Functions really run: each in a process of its own, from the zip that was deployed.
"""

from labkit.embedded_aws.behaviour import Behaviour
from labkit.embedded_aws.launcher import change_behaviour, find, start, stop
from labkit.embedded_aws.state import LocalError, Server

__all__ = ["Behaviour", "LocalError", "Server", "change_behaviour", "find", "start", "stop"]
