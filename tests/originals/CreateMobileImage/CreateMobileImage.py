"""CreateMobileImage as the classroom lab had it, faults and all: what the tests and the benchmark compare with.

It reads the first record alone, takes the key as it comes, keeps one level of folders only, uses fixed names in /tmp,
loses the camera's orientation, and fails on whatever is not about a photo.
"""

import json

import boto3
from PIL import Image

s3_client = boto3.client("s3")


def resize_image(image_path, resized_path):
    with Image.open(image_path) as image:
        image.thumbnail((640, 320))
        image.save(resized_path)


def handler(event, context):
    body = json.loads(event["Records"][0]["body"])
    message = json.loads(body["Message"])
    record = message["Records"][0]
    bucket = record["s3"]["bucket"]["name"]
    key = record["s3"]["object"]["key"]
    name = key.split("/")[1]
    download_path = "/tmp/createmobileimage-source.jpg"
    upload_path = "/tmp/createmobileimage-result.jpg"
    s3_client.download_file(bucket, key, download_path)
    resize_image(download_path, upload_path)
    s3_client.upload_file(upload_path, bucket, "mobile/MobileImage-" + name)
