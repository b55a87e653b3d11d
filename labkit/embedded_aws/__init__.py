"""An AWS that happens to be embedded: S3, SNS, SQS, Lambda, IAM, STS, CloudWatch and its Logs on 127.0.0.1.

It knows nothing of the lab and is reached through an endpoint URL. `python -m labkit.embedded_aws --port 4566` serves
any AWS client by itself. Functions really run: each in its own process, from the zip that was deployed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
