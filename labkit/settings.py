"""Every name and number of the lab, once, with its reason.

The original is the classroom lab that this one rebuilds: its names, sizes and output keys are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError

PROJECT_TAG = "serverless-image-processing-lab"

INGEST_FOLDER = "ingest/"  # photos go in here; results never do, so that no result can start the pipeline again
INGEST_SUFFIX = ".jpg"  # case-sensitive on S3: `.JPG` and `.jpeg` raise no event
NOTIFICATION_NAME = "resize-image-event"
REFUSED_NOTIFICATION_NAME = "refused"  # the rule with which the student sees S3 refuse
LONGEST_KEY = 1024  # bytes; https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html

# A photo of 24 MP takes about 1 s at 512 MB; 10 s leaves room for a cold start and a slow S3.
FUNCTION_TIMEOUT_S = 10
# Lambda's share of a CPU grows with memory. 128 MB (the original's) holds no progressive photo of 12 MP beside
# Python and boto3; 512 MB holds one of 24 MP.
FUNCTION_MEMORY_MB = 512
# AWS's advice: at least six times the function timeout, so that a retried batch is not delivered twice at once.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_FACTOR = 6
# AWS's advice: at least five, so that a passing fault (throttling) does not send a good photo to the dead letters.
MAX_RECEIVE_COUNT = 5
DEAD_LETTER_RETENTION_S = 1209600  # dead letters wait for a person: as long as SQS can keep them, 14 days
# What AWS keeps free of reservations in an account of the usual size. New accounts and class labs often have ten in
# all; pollers that are turned away there send good photos to the dead letters.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
ROOMY_CONCURRENCY = 100
LEAST_MAX_CONCURRENCY = 2  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
BATCH_SIZE = 1  # the original's: one photo an invocation, so that the logs read one to one
PARTIAL_BATCH = "ReportBatchItemFailures"
# SQS tells its lengths once a minute; an alarm that looks at a shorter time sees no more.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
ALARM_PERIOD_S = 60
# Of a queue that was idle for hours CloudWatch has the first figure after up to 15 minutes (same page); then come the
# alarm's own minute, and the tries that make a dead letter.
ALARM_WITHIN_S = 1200
# A dead letter is a photo that failed on every try: the first one is worth telling.
DEAD_LETTERS_TO_ALARM = 1
LOG_RETENTION_DAYS = 1  # a lesson's logs need not outlive the lesson


def is_photo(key: str) -> bool:
    """Whether the functions make anything of this key: it is under `ingest/`, and not a folder."""
    return key.startswith(INGEST_FOLDER) and not key.endswith("/")


@dataclass(frozen=True)
class FunctionSettings:
    """A function: its queue, where its results go, and how large they may be."""

    name: str
    queue: str
    folder: str
    label: str
    box: tuple[int, int] | None  # the result fits into this box (pixels); None: half of each side
    description: str
    source: Path | None = None  # the folder that holds a folder with the function's code; None: the lab's own

    def result_key(self, source_key: str) -> str:
        """The key of the result of `ingest/a/b.jpg`: `thumbnail/a/Thumbnail-b.jpg`.

        As the functions do it: a key that would grow beyond S3's limit is cut, and ends in a hash of the source's key.
        Raises LabError for what no function makes anything of: keys that do not begin with `ingest/`, and folders.
        """
        if not is_photo(source_key):
            raise LabError(
                f"Nothing is made of {source_key}: it is not the key of a photo.",
                hint=f"The keys of photos begin with {INGEST_FOLDER}, and do not end in a slash.",
                code="bad-option",
            )
        folders, slash, name = source_key.removeprefix(INGEST_FOLDER).rpartition("/")
        key = f"{self.folder}{folders}{slash}{self.label}{name}"
        if len(key.encode()) > LONGEST_KEY:
            tail = f"~{hashlib.sha256(source_key.encode()).hexdigest()[:16]}.jpg"
            key = key.encode()[: LONGEST_KEY - len(tail)].decode(errors="ignore") + tail
        return key

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """The pixels (width, height) of the result of an upright photo of this size; never larger, never 0."""
        if self.box is None:
            return max(1, width // 2), max(1, height // 2)
        scale = min(1.0, self.box[0] / width, self.box[1] / height)
        return max(1, round(width * scale)), max(1, round(height * scale))


THUMBNAIL = FunctionSettings(
    "CreateThumbnail", "thumbnail-queue", "thumbnail/", "Thumbnail-", None, "Create a thumbnail-sized image."
)
WEB = FunctionSettings("CreateWebImage", "web-queue", "web/", "WebImage-", (1920, 1080), "Create a web-sized image.")
MOBILE = FunctionSettings(
    "CreateMobileImage", "mobile-queue", "mobile/", "MobileImage-", (640, 320), "Create a mobile-sized image."
)
FUNCTIONS = (THUMBNAIL, WEB, MOBILE)
