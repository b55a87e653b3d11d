"""S3 held in memory, as far as the functions use it."""

import hashlib
from io import BytesIO
from types import SimpleNamespace

from botocore.exceptions import ClientError
from botocore.response import StreamingBody


class MemoryS3:
    """S3 as the functions use it: objects by key, ETags, preconditions, and refusals on request."""

    def __init__(self):
        self.objects, self.put, self.refusals = {}, [], {}

    def add(self, key, data):
        self.objects[key] = data
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    def refuse(self, operation, error):
        self.refusals[operation] = error

    def get_object(self, *, Bucket, Key, IfMatch=None):
        if "GetObject" in self.refusals:
            raise self.refusals["GetObject"]
        if Key not in self.objects:
            raise client_error("NoSuchKey", 404)
        data = self.objects[Key]
        if IfMatch is not None and IfMatch.strip('"') != hashlib.md5(data, usedforsecurity=False).hexdigest():
            raise client_error("PreconditionFailed", 412)
        return {"Body": StreamingBody(BytesIO(data), len(data)), "ContentLength": len(data)}

    def put_object(self, *, Bucket, Key, Body, ContentType, Metadata):
        if "PutObject" in self.refusals:
            raise self.refusals["PutObject"]
        assert len(Key.encode()) <= 1024, "S3: KeyTooLongError"
        assert all(text.isascii() and text.isprintable() for pair in Metadata.items() for text in pair)
        assert sum(len(text) for pair in Metadata.items() for text in pair) <= 2048, "S3: MetadataTooLarge"
        self.put.append(
            SimpleNamespace(bucket=Bucket, key=Key, data=Body.read(), content_type=ContentType, metadata=Metadata)
        )
        return {}


def client_error(code, status, operation="GetObject"):
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
