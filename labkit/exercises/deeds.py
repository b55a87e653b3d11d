"""Judges of what a student does in AWS: they look at what came of it, and undo what is not to stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from labkit import policy
from labkit.branch import Branch
from labkit.errors import LabError, WaitedTooLong
from labkit.exercises.wrong import Wrong, require
from labkit.insight.logs import read_logs
from labkit.lab import Lab
from labkit.pictures import UnreadablePicture, require_whole
from labkit.resources import Bucket, DeadLetterQueue, Photo, Queue, Subscription
from labkit.resources.bucket import bucket_of
from labkit.resources.queue import queue_depth
from labkit.resources.resource import OURS, parsed
from labkit.resources.topic import Topic
from labkit.result import counted
from labkit.samples import sample
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX
from labkit.steps.code import forget_photo
from labkit.steps.functions import upload_code
from labkit.steps.upload import Upload, upload_photo, wait_for_results
from labkit.steps.validate import read_results
from labkit.waiting import wait_until

RESULTS_WITHIN_S = 60
ARRIVES_WITHIN_S = 20
MOVED_WITHIN_S = 60
CHANGED, WIDTH, HEIGHT = "CreateMobileImage", 400, 320
TRIED_AS, TRIED_ON = "exercise/mobile.jpg", "AWS.jpg"  # wider than high, so that the width decides
BY_HAND = "by-hand"
REDRIVEN = "CreateThumbnail"


def smaller_mobile(lab: Lab) -> str:
    """CreateMobileImage, changed to make pictures that fit into 400 x 320; its own code is put back."""
    branch = lab.branch(CHANGED)
    try:
        if error := _error_of(lab, branch):
            raise Wrong(f"Every message would end in the dead letters: {error}.")
        width, height = _width_and_height(lab, branch)
        usual = branch.function.result_size(*_size_of(TRIED_ON))
        unchanged = f"The picture is {width} x {height} as before: the function still runs the code that it had."
        require((width, height) != usual, unchanged)
        if (width, height) == (WIDTH, round(WIDTH * 2 / 3)):
            return f"A picture of 2880 x 1920 comes out with {width} x {height} pixels."
        swapped = f"The picture is {width} x {height}: `within` takes the width first, then the height."
        require((width, height) != (HEIGHT, round(HEIGHT * 2 / 3)), swapped)
        low = f"The picture is only {width} x {height}: it has to fit in both directions, and the height stops it."
        require(width >= WIDTH, low)
        raise Wrong(f"The picture is {width} x {height}, and was to be {WIDTH} wide.")
    finally:
        upload_code(lab, CHANGED)
        forget_photo(lab, f"{INGEST_FOLDER}{TRIED_AS}")


def _error_of(lab: Lab, branch: Branch) -> str:
    """What the function of a branch says of an event without messages if it fails; else an empty text."""
    answer = lab.client("lambda").invoke(FunctionName=branch.function_name, Payload=b"{}")
    if "FunctionError" not in answer:
        return ""
    error = json.loads(answer["Payload"].read())
    message = error["errorMessage"].rpartition("Error: ")[2]  # a time-out begins with the request's id
    return f"{error['errorType']}: {message}"


def _size_of(name: str) -> tuple[int, int]:
    return require_whole(sample(name).read_bytes(), name)


def _width_and_height(lab: Lab, branch: Branch) -> tuple[int, int]:
    """The pixels of what the function makes of the sample. Raises Wrong as soon as its log says that it failed."""
    upload = upload_photo(lab, sample(TRIED_ON), name=TRIED_AS)
    bucket, result = bucket_of(lab), branch.result_key(upload.key)

    def ended() -> Any:
        tried = read_logs(lab, branch.name, since=upload.uploaded).about(upload.key)
        failed = [photo["message"] for one in tried for photo in one.photos if photo.get("event") == "failed"]
        require(not failed, f"Every photo would end in the dead letters: {''.join(failed[:1])}")
        return bucket.head(result)

    try:
        wait_until(ended, what="the picture", seconds=RESULTS_WITHIN_S)
        wait_for_results(lab, upload, seconds=RESULTS_WITHIN_S)
    except LabError as error:
        raise Wrong(f"No picture comes out: {error.message}") from None
    photo = next(one for one in read_results(lab, upload.key).results if one.title == branch.name)
    return photo.width, photo.height


def photo_by_hand(lab: Lab, key: Any) -> str:
    """An object that the student put into the bucket: is it one that S3 tells of? A wrong one is deleted."""
    bucket = bucket_of(lab)
    require(isinstance(key, str), "The key is a text, such as `ingest/by-hand.jpg`.")
    head = bucket.head(key)
    if head is None:
        near = [name for name in bucket.keys(INGEST_FOLDER) if BY_HAND in name]
        raise Wrong(f"The bucket has no object {key!r}{f', but {near[0]!r}' if near else ''}.")
    try:
        _went_through(lab, bucket, key, head)
    except Wrong:
        _forget(lab, bucket, key)
        raise
    lab.journal.created("object", key, bucket=bucket.name)
    return "S3 told the topic, and three pictures came of it. What `upload_photo` does is no more than this call."


def _went_through(lab: Lab, bucket: Bucket, key: str, head: Mapping[str, Any]) -> None:
    under = f"S3 stored it, and told nobody: the rule is about keys that begin with `{INGEST_FOLDER}`."
    require(key.startswith(INGEST_FOLDER), under)
    silent = f"S3 stored it, and told nobody: the rule wants `{INGEST_SUFFIX}`, to the letter."
    require(key.endswith(INGEST_SUFFIX), silent)
    size = head["ContentLength"]
    require(size, "S3 stored 0 bytes. A file that was read once is at its end: open it anew, or read its bytes.")
    body = lab.client("s3").get_object(Bucket=bucket.name, Key=key)["Body"].read()
    try:
        width, height = require_whole(body, key)
    except UnreadablePicture as error:
        raise Wrong(f"S3 told the topic, and three functions failed on it: {error.message}") from None
    expected = tuple(branch.result_key(key) for branch in lab.branches)
    upload = Upload(bucket.name, key, size, width, height, head["LastModified"], expected, head["LastModified"])
    try:
        wait_for_results(lab, upload, seconds=RESULTS_WITHIN_S)
    except LabError as error:
        raise Wrong(f"S3 told the topic, and nothing came out: {error.message}") from None
    kind = head.get("ContentType", "")
    served = f"It went through; but a browser would save the original, not show it: its type is {kind}."
    require(kind == "image/jpeg", served)


def _forget(lab: Lab, bucket: Bucket, key: str) -> None:
    """Delete what was put there by hand, and what came of it; nothing that may be someone else's."""
    photo = Photo(lab, key, facts={"bucket": bucket.name})
    if BY_HAND in key and photo.ownership().verdict == OURS:
        for name in (*photo.results, key):
            bucket.delete_objects(bucket.object_versions(name))


def fourth_queue(lab: Lab, name: Any) -> str:
    """A queue of the student's own on the lab's topic: does news arrive in it? It is deleted at the end."""
    require(isinstance(name, str), "Give the name of your queue.")
    queue = Queue(lab, name)
    found = queue.read()
    require(found is not None, f"There is no queue {name}.")
    assert found is not None
    require(name not in {branch.queue_name for branch in lab.branches}, "That is one of the three that there are.")
    tags = queue.read_tags()
    untagged = f"{name} does not carry the lab's tags: clean-up would take it for someone else's, and leave it."
    require(tags.get("Lab") == lab.definition.lab_id, untagged)
    return _listening(lab, queue, found)


def _listening(lab: Lab, queue: Queue, found: Any) -> str:
    subscription = Subscription(lab, queue.name)
    subscribed = subscription.read()
    require(subscribed is not None, f"{queue.name} is not subscribed to the topic: nobody sends it anything.")
    assert subscribed is not None
    asked = policy.service_request(
        "sns.amazonaws.com",
        "sqs:SendMessage",
        queue.arn,
        source=lab.definition.topic_arn,
        account=lab.definition.account,
    )
    if why := policy.obstacle([found.get("Policy")], asked):
        raise Wrong(
            f"Subscribed, and deaf: the queue's policy does not let the topic send, and SNS tells nobody: {why}."
        )
    filtered = parsed(subscribed.get("FilterPolicy"))
    require(not filtered, "Its filter policy lets nothing through: the messages of S3 have no attributes.")
    raw = "Raw delivery is on: S3's event comes without SNS's envelope, and the functions' code would not know it."
    require(subscribed.get("RawMessageDelivery") != "true", raw)
    message = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": lab.definition.bucket_name}
    sent = lab.client("sns").publish(TopicArn=next(Topic.of(lab)).arn, Message=json.dumps(message))["MessageId"]
    if not _arrived(lab, queue, sent):
        raise Wrong(f"A message was published, and within {ARRIVES_WITHIN_S} s it did not arrive in {queue.name}.")
    subscription.delete()
    queue.delete()
    return f"What is published arrives in {queue.name}, and nobody else had to know. The queue is gone again."


def _arrived(lab: Lab, queue: Queue, message_id: str) -> bool:
    """Whether a message of that id is among those that the queue gives out."""
    sqs, url = lab.client("sqs"), queue.url()

    def look() -> bool:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        return any(message_id in one["Body"] for one in answer.get("Messages", []))

    with suppress(WaitedTooLong):
        return wait_until(look, what="the message", seconds=ARRIVES_WITHIN_S)
    return False


def redriven(lab: Lab, key: Any) -> str:
    """The dead letters of CreateThumbnail, sent back once their cause was fixed: is the thumbnail of `key` there?

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    branch = lab.branch(REDRIVEN)
    dead, result = DeadLetterQueue.in_branch(lab, branch), branch.result_key(key)
    tasks, left = _moves(lab, dead)
    if error := _error_of(lab, branch):
        again = "what you sent back fails again, and is a dead letter once more."
        raise Wrong(f"The cause is still there ({error}): {again if tasks or not left else 'fix that first.'}")
    targets = [one["DestinationArn"].rsplit(":", 1)[-1] for one in tasks if "DestinationArn" in one]
    other = f"They went to {''.join(targets[:1])}, whose function makes another picture, and not this one."
    require(targets[:1] in ([], [branch.queue_name]), other)
    still = f"The cause is fixed, and {counted(left, 'dead letter')} still in {dead.name}: none goes back by itself."
    require(not left, still)
    lost = f"No dead letter is left, and {result} is not there: a deleted letter is lost, and S3 sends no other."
    require(_comes(lab, branch, result), f"{lost} `send_again(lab, {key!r})` tells the topic once more.")
    return f"{result} is there: late, and not lost. Its message waited until what it failed of was fixed."


def _moves(lab: Lab, dead: DeadLetterQueue) -> tuple[list[Mapping[str, Any]], int]:
    """The moves out of a dead-letter queue, the latest first, once none is running; and how many letters are left."""
    sqs = lab.client("sqs")

    def ended() -> list[Mapping[str, Any]] | None:
        tasks = sqs.list_message_move_tasks(SourceArn=dead.arn, MaxResults=10).get("Results", [])
        return None if any(one["Status"] == "RUNNING" for one in tasks) else [{}, *tasks]

    tasks = wait_until(ended, what="the dead letters to be moved", seconds=MOVED_WITHIN_S)[1:]
    return tasks, queue_depth(dead.read() or {}).total


def _comes(lab: Lab, branch: Branch, key: str) -> bool:
    """Whether a result is there, once it is or nothing is left of which it could come."""
    bucket, queue = bucket_of(lab), Queue.in_branch(lab, branch)
    with suppress(WaitedTooLong):
        wait_until(
            lambda: bucket.head(key) or not queue_depth(queue.read() or {}).total,
            what="the picture",
            seconds=RESULTS_WITHIN_S,
        )
    return bucket.head(key) is not None
