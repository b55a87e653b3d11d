"""The limits of AWS that botocore's models lack, each with its page.

What a value may be stands here; the words of each refusal stand with the checks of its service.
"""

from __future__ import annotations

from labkit.embedded_aws.runtime.pool import HOST_RUNTIME

# --- SQS -----------------------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
QUEUE_NUMBERS = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
QUEUE_CHOICES = {
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoQueue": ("true",),
    "FifoThroughputLimit": ("perMessageGroupId", "perQueue"),
    "SqsManagedSseEnabled": ("true", "false"),
}
QUEUE_DOCUMENTS = {"KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"}
QUEUE_READ_ONLY = {
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
}  # fmt: skip
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html
RECEIVE_COUNTS = (1, 1_000)  # of a redrive policy
MOST_MESSAGES = 10  # in one batch, and in one ReceiveMessage
MOST_ATTRIBUTES = 10  # of one message
LARGEST_BATCH_BYTES = 1_048_576
LONGEST_POLL_SECONDS = 20
LONGEST_INVISIBILITY_SECONDS = 43_200
LONGEST_DELAY_SECONDS = 900

# --- SNS -----------------------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
LARGEST_MESSAGE_BYTES = 262_144
LONGEST_SUBJECT = 100
# https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
PROTOCOLS = {"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}
DELIVERED_PROTOCOLS = {"sqs", "lambda"}  # by the embedded AWS
# https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
TOPIC_ACTIONS = {
    "AddPermission", "DeleteTopic", "GetTopicAttributes", "ListSubscriptionsByTopic", "Publish", "Receive",
    "RemovePermission", "SetTopicAttributes", "Subscribe",
}  # fmt: skip
TOPIC_ATTRIBUTES = {
    "ArchivePolicy", "ContentBasedDeduplication", "DeliveryPolicy", "DisplayName", "FifoThroughputScope", "FifoTopic",
    "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig",
} | {
    f"{protocol}{kind}"
    for protocol in ("Application", "Firehose", "HTTP", "Lambda", "SQS")
    for kind in ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate")
}  # fmt: skip
# https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
SUBSCRIPTION_ATTRIBUTES = {
    "DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "ReplayPolicy",
    "SubscriptionRoleArn",
}  # fmt: skip

# --- Lambda --------------------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
FUNCTION_NUMBERS = {"Timeout": (1, 900), "MemorySize": (128, 10_240)}
LONGEST_FUNCTION_NAME = 64
LARGEST_ENVIRONMENT_BYTES = 4_096
MOST_LAYERS = 5
MOST_CODE_BYTES = 80_530_636_800  # of all functions, their versions and all layers: 75 GB
UNRESERVED_CONCURRENCY = (1_000, 100)  # of an account, and what has to be left of it
MOST_PROVISIONED = 20  # environments of a version; on AWS as many as the account has concurrency
# https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html
MOST_TAGS = 50
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
LONGEST_EVENT_AGE_SECONDS = 21_600
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
RESERVED_VARIABLES = {
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
}  # fmt: skip
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html: what can be created, and what no longer.
RUNTIMES = [
    "nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25",
    "python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17",
    "nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
]  # fmt: skip
RETIRED_RUNTIMES = {
    "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "dotnet5.0", "go1.x", "java8", "nodejs",
    "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "provided",
    "python2.7", "python3.6", "python3.7", "ruby2.5", "ruby2.7",
}  # fmt: skip
HOST_RUNTIMES = {HOST_RUNTIME}  # can be created whatever AWS says: it is this machine's Python
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
FIFO_BATCH_SIZES = (1, 10)
MOST_FILTERS = 5

# --- S3 ------------------------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = r"(?!xn--|sthree-|amzn-s3-demo-)(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
BUCKET_NAME_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
LONGEST_KEY_BYTES = 1_024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}

# --- Logs ----------------------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]  # fmt: skip

# --- CloudWatch ----------------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
MOST_METRIC_DATA = 1_000
MOST_METRIC_VALUES = 150
OLDEST_FIGURE_SECONDS = 14 * 86_400
LATEST_FIGURE_SECONDS = 2 * 3_600
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
SHORT_PERIODS = {1, 5, 10, 20, 30}
MOST_DATAPOINTS = 1_440
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
MOST_QUERIES = 500
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
ALARM_PERIODS = {10, 20, 30}
LONGEST_ALARM_SECONDS = 7 * 86_400
MOST_ALARM_QUERIES = 20
