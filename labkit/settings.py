"""Every name and number of the lab, once, with its reason.

The original is the classroom lab that this one rebuilds: its names, sizes and output keys are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError

PROJECT_TAG = "serverless-image-processing-lab"

INGEST_FOLDER = "ingest/"  # photos go in here; results never do, so that no result can start the pipeline again
INGEST_SUFFIX = ".jpg"  # case-sensitive on S3: `.JPG` and `.jpeg` raise no event
NOTIFICATION_NAME = "resize-image-event"

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
BATCH_SIZE = 1  # the original's: one photo an invocation, so that the logs read one to one
LOG_RETENTION_DAYS = 1  # a lesson's logs need not outlive the lesson


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
        """The key of the result of `ingest/a/b.jpg`: `thumbnail/a/Thumbnail-b.jpg`."""
        folders, slash, name = source_key.removeprefix(INGEST_FOLDER).rpartition("/")
        return f"{self.folder}{folders}{slash}{self.label}{name}"

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


@dataclass(frozen=True)
class Settings:
    """The names of one lab.

    `suffix` sets topic, bucket and roles apart, as in the original. `shared` is true where others work too (a real
    account, somebody's endpoint): there every name carries it. `prefix` is the student's, empty for one's own.
    """

    suffix: str
    prefix: str = ""
    shared: bool = False
    bucket: str | None = None  # an existing bucket to work in; it is never emptied or deleted
    region: str = "us-east-1"
    account: str = "123456789012"
    functions: tuple[FunctionSettings, ...] = FUNCTIONS
    function_timeout_s: int = FUNCTION_TIMEOUT_S
    function_memory_mb: int = FUNCTION_MEMORY_MB

    @property
    def lab_id(self) -> str:
        """What tells this lab from all others, in the tag `Lab`."""
        return f"{self.prefix}image-lab-{self.suffix}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags on everything that can carry tags."""
        return {"Project": PROJECT_TAG, "Lab": self.lab_id, "Suffix": self.suffix}

    @property
    def topic_name(self) -> str:
        """`resize-image-topic-<suffix>`, as in the original."""
        return f"{self.prefix}resize-image-topic-{self.suffix}"

    @property
    def refused_topic_name(self) -> str:
        """The throwaway topic on which the student sees S3 refused."""
        return f"{self.prefix}no-policy-topic-{self.suffix}"

    @property
    def bucket_name(self) -> str:
        """Bucket names are unique in all of AWS: account and suffix make it so."""
        return self.bucket or f"{self.prefix}image-lab-{self.account}-{self.suffix}".lower()

    @property
    def visibility_timeout_s(self) -> int:
        """How long a received message stays hidden from other receivers, in seconds."""
        return VISIBILITY_FACTOR * self.function_timeout_s

    def _own(self, name: str) -> str:
        return f"{self.prefix}{name}-{self.suffix}" if self.shared else f"{self.prefix}{name}"

    def queue_name(self, function: FunctionSettings) -> str:
        """The name of a function's queue."""
        return self._own(function.queue)

    def dead_letter_queue_name(self, function: FunctionSettings) -> str:
        """Where a message goes that a function could not handle in `MAX_RECEIVE_COUNT` tries."""
        return self._own(function.queue.replace("-queue", "-dead-letter-queue"))

    def function_name(self, function: FunctionSettings) -> str:
        """The name of a Lambda function."""
        return self._own(function.name)

    def role_name(self, function: FunctionSettings) -> str:
        """The execution role that the lab makes for one function."""
        return f"{self.prefix}{function.name}-role-{self.suffix}"

    def log_group(self, function: FunctionSettings) -> str:
        """Lambda's own name for a function's log group."""
        return f"/aws/lambda/{self.function_name(function)}"

    def function_named(self, name: str) -> FunctionSettings:
        """The function of that name, original (`CreateWebImage`) or as deployed.

        Raises LabError with the names there are.
        """
        for function in self.functions:
            if name in (function.name, self.function_name(function)):
                return function
        raise LabError(
            f"There is no function called {name!r} in this lab.",
            hint=f"There are {', '.join(function.name for function in self.functions)}.",
        )
