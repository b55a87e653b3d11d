"""CreateThumbnail as the classroom lab has it, faults and all: what the tests and the benchmark compare with.

It reads all messages, but of the S3 event in each the first record alone; takes the key as it comes; makes a name of
what stands behind the key's first slash; shares `/tmp/resized-<name>` between warm invocations and leaves it there;
and fails on whatever is not about a photo. Written anew, for the same behaviour.

Its results go to `thumbnail/Thumbail-...`: that, too, is as it was.
"""

import json
import uuid

import boto3
from PIL import Image

client = boto3.client("s3")
resource = boto3.resource("s3")


def shrink(source, target):
    with Image.open(source) as photo:
        photo.thumbnail((photo.width / 2, photo.height / 2))
        photo.save(target)


def handler(event, context):
    for message in event["Records"]:
        notice = json.loads(json.loads(message["body"])["Message"])
        bucket = notice["Records"][0]["s3"]["bucket"]["name"]
        print(bucket)
        key = notice["Records"][0]["s3"]["object"]["key"]
        print(key)
        name = key.split("/")[1]
        source, target = f"/tmp/{uuid.uuid4()}{name}", f"/tmp/resized-{name}"
        client.download_file(bucket, key, source)
        shrink(source, target)
        resource.meta.client.upload_file(target, bucket, f"thumbnail/Thumbail-{name}")
