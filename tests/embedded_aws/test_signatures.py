"""Signatures: what the owner's keys, a role's or a user's have signed is answered, and nothing else."""

import datetime
import hashlib
import hmac
import http.client
import io
import json
import urllib.parse
import urllib.request

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.embedded_aws.credentials import Identity
from labkit.embedded_aws.http import signatures
from labkit.embedded_aws.http.errors import AwsError
from labkit.embedded_aws.http.received import Received
from labkit.embedded_aws.state import Keys

KEY = "ingest/a b+c/ü~(1)='x'.jpg"
NO_MATCH = "The request signature we calculated does not match the signature you provided. Check your "
NO_MATCH_AT_ALL = NO_MATCH + "AWS Secret Access Key and signing method. Consult the service documentation for details."
INVALID = "The security token included in the request is invalid."
CALLS = {
    "s3": "list_buckets",
    "sns": "list_topics",
    "iam": "list_roles",
    "sts": "get_caller_identity",
    "sqs": "list_queues",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "cloudwatch": "describe_alarms",
}
UNKNOWN_KEY = {
    "s3": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403),
    "sns": ("InvalidClientTokenId", INVALID, 403),
    "iam": ("InvalidClientTokenId", INVALID, 403),
    "sts": ("InvalidClientTokenId", INVALID, 403),
    "sqs": ("InvalidClientTokenId", INVALID, 403),
    "cloudwatch": ("InvalidClientTokenId", INVALID, 403),
    "lambda": ("UnrecognizedClientException", INVALID, 403),
    "logs": ("UnrecognizedClientException", INVALID, 400),
}
WRONG_SECRET = {
    "s3": ("SignatureDoesNotMatch", NO_MATCH + "key and signing method.", 403),
    "sns": ("SignatureDoesNotMatch", NO_MATCH_AT_ALL, 403),
    "iam": ("SignatureDoesNotMatch", NO_MATCH_AT_ALL, 403),
    "sts": ("SignatureDoesNotMatch", NO_MATCH_AT_ALL, 403),
    "sqs": ("SignatureDoesNotMatch", NO_MATCH_AT_ALL, 403),
    "cloudwatch": ("SignatureDoesNotMatch", NO_MATCH_AT_ALL, 403),
    "lambda": ("InvalidSignatureException", NO_MATCH_AT_ALL, 403),
    "logs": ("InvalidSignatureException", NO_MATCH_AT_ALL, 400),
}


def refused(call, **parameters):
    """What AWS answers: code, message, status."""
    with pytest.raises(ClientError) as told:
        call(**parameters)
    response = told.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def send(url, method="GET", body=b"", **headers):
    """Send a request as `curl` would; return the status and the body."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request(method, url.split(parts.netloc, 1)[1], body or None, headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def xml(body, name):
    """The text of an element in S3's answer."""
    return body.decode().split(f"<{name}>")[1].split(f"</{name}>")[0]


# --- headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", CALLS)
def test_keys_that_nobody_has_are_refused_in_the_services_own_words(aws, service):
    client = aws.client(service, key="AKIAIOSFODNN7EXAMPLE", secret="x")
    assert refused(getattr(client, CALLS[service])) == UNKNOWN_KEY[service]


@pytest.mark.parametrize("service", CALLS)
def test_a_wrong_secret_is_refused_in_the_services_own_words(aws, service):
    client = aws.client(service, secret="not the owner's")
    assert refused(getattr(client, CALLS[service])) == WRONG_SECRET[service]


@pytest.mark.parametrize("service", CALLS)
def test_a_token_that_belongs_to_no_keys_is_refused(aws, service):
    client = aws.client(service, token="of somebody else")
    code, _, _ = refused(getattr(client, CALLS[service]))
    assert code == ("InvalidToken" if service == "s3" else UNKNOWN_KEY[service][0])


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_every_key_and_every_header_is_signed_and_read_alike(aws, version):
    s3 = aws.client("s3", signature_version=version)
    bucket = aws.bucket()
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"x", ContentType="image/jpeg", Metadata={"two": "a  b"})
    found = s3.get_object(Bucket=bucket, Key=KEY, ResponseContentType="text/plain")
    assert (found["Body"].read(), found["ContentType"]) == (b"x", "text/plain")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="ingest/a b+c")["Contents"]] == [KEY]
    assert refused(aws.client("s3", secret="x", signature_version=version).get_object, Bucket=bucket, Key=KEY)[0] == (
        "SignatureDoesNotMatch"
    )


def signed(aws, path, *, method="GET", body=b"", payload=None, headers=None, changed=None, minutes=0):
    """Headers that botocore signs for an S3 request; what the payload is said to be can be chosen."""
    host = aws.server.url.removeprefix("http://")

    class Signer(S3SigV4Auth):
        def payload(self, request):
            return payload or super().payload(request)

        def string_to_sign(self, request, canonical_request):
            request.context["string"] = super().string_to_sign(request, canonical_request)
            return request.context["string"]

    request = AWSRequest(method, f"http://{host}{path}", dict(headers or {}), body)
    signer = Signer(Credentials(aws.server.access_key, aws.server.secret_key), "s3", "us-east-1")
    if minutes:
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
        request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
    else:
        signer.add_auth(request)
    return dict(request.headers.items()) | (changed or {})


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)


@given(
    service=st.sampled_from(["s3", "sqs"]),
    path=st.lists(st.one_of(_TEXTS, st.sampled_from(["", ".", "..", "a b+c", "%7E"])), max_size=4),
    query=st.lists(st.tuples(_TEXTS, _TEXTS), max_size=4),
    headers=st.dictionaries(st.from_regex(r"x-amz-meta-[a-z0-9]{1,8}", fullmatch=True), _TEXTS, max_size=4),
    body=st.binary(max_size=20),
)
@settings(deadline=None)
def test_whatever_botocore_signs_has_the_signature_that_it_should_have(service, path, query, headers, body):
    quoted = "/" + "/".join(urllib.parse.quote(part, safe="-_.~") for part in path)
    pairs = "&".join("=".join(urllib.parse.quote(part, safe="-_.~") for part in pair) for pair in query)
    url = f"http://127.0.0.1:1{quoted}" + (f"?{pairs}" if pairs else "")
    request = AWSRequest("PUT", url, headers | {"Host": "127.0.0.1:1"}, body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials("AKIAEXAMPLE", "a secret"), service, "us-east-1").add_auth(request)
    sent = {name.lower(): [value.encode().decode("latin-1")] for name, value in request.headers.items()}
    received = Received(
        {
            "REQUEST_METHOD": "PUT",
            "RAW_URI": url.removeprefix("http://127.0.0.1:1"),
            "headers.by_name": sent,
            "wsgi.input": io.BytesIO(body),
        }
    )
    signature = signatures.read(received)
    signature.verify(received, Identity("an ARN", Keys("AKIAEXAMPLE", "a secret")))
    with pytest.raises(AwsError) as caught:
        signature.verify(received, Identity("an ARN", Keys("AKIAEXAMPLE", "another secret")))
    assert caught.value.code == WRONG_SECRET[service][0]


def test_what_was_signed_is_what_must_come(aws):
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url, path = f"{aws.server.url}/{bucket}/k", f"/{bucket}/k"
    assert send(url, **signed(aws, path)) == (200, b"x")
    assert xml(send(f"{url}2", **signed(aws, path))[1], "Code") == "SignatureDoesNotMatch"
    assert xml(send(f"{url}?acl", **signed(aws, path))[1], "Code") == "SignatureDoesNotMatch"
    assert xml(send(url, "DELETE", **signed(aws, path))[1], "Code") == "SignatureDoesNotMatch"
    dated = signed(aws, path, changed={"X-Amz-Date": "20200101T000000Z"})
    assert xml(send(url, **dated)[1], "Code") == "SignatureDoesNotMatch"
    more = signed(aws, path) | {"x-amz-acl": "public-read"}
    status, body = send(url, "GET", **more)
    assert (status, xml(body, "Code"), xml(body, "HeadersNotSigned")) == (403, "AccessDenied", "x-amz-acl")


def test_another_body_than_the_signed_one_is_refused(aws):
    bucket = aws.bucket()
    headers = signed(aws, f"/{bucket}/k", method="PUT", body=b"the signed one")
    status, body = send(f"{aws.server.url}/{bucket}/k", "PUT", b"another one", **headers)
    assert (status, xml(body, "Code")) == (400, "XAmzContentSHA256Mismatch")
    assert xml(body, "Message") == "The provided 'x-amz-content-sha256' header does not match what was computed."
    assert aws.keys(bucket) == []


def test_a_query_counts_as_what_it_means_and_not_as_it_is_spelt(aws):
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="a/b~c", Body=b"x")
    headers = signed(aws, f"/{bucket}?list-type=2&prefix=a%2Fb~")
    status, body = send(f"{aws.server.url}/{bucket}?prefix=a/b%7E&list-type=2", **headers)
    assert (status, xml(body, "Key")) == (200, "a/b~c")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_a_quarter_of_an_hour_wrong_is_told(aws, minutes):
    status, body = send(f"{aws.server.url}/", **signed(aws, "/", minutes=minutes))
    assert (status, xml(body, "Code")) == (403, "RequestTimeTooSkewed")
    assert xml(body, "Message") == "The difference between the request time and the current time is too large."


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_that_is_a_little_wrong_is_not(aws, minutes):
    assert send(f"{aws.server.url}/", **signed(aws, "/", minutes=minutes))[0] == 200


@pytest.mark.parametrize("authorization", ["Basic eDp5", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 nonsense"])
def test_an_authorization_that_is_none_is_refused(aws, authorization):
    status, body = send(f"{aws.server.url}/bucket", Authorization=authorization)
    assert (status, xml(body, "Message")) == (400, "The authorization header is malformed.")


# --- bodies in chunks ----------------------------------------------------------------------------------------------


def in_chunks(aws, bucket, chunks, *, trailer=None, forge=None):
    """Upload as SDKs do that sign chunk by chunk; `forge` is the number of a chunk that is exchanged afterwards."""
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    length = str(sum(map(len, chunks)))
    headers = {"x-amz-decoded-content-length": length, "Content-Encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    headers = signed(aws, f"/{bucket}/k", method="PUT", payload=kind, headers=headers)
    moment, before = headers["X-Amz-Date"], headers["Authorization"].rsplit("=", 1)[1]
    scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
    key = f"AWS4{aws.server.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()

    def signature(what, *hashes):
        text = "\n".join([f"AWS4-HMAC-SHA256-{what}", moment, scope, before, *hashes])
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    body = b""
    for number, chunk in enumerate([*chunks, b""]):
        before = signature("PAYLOAD", hashlib.sha256().hexdigest(), hashlib.sha256(chunk).hexdigest())
        if number == forge:
            chunk = bytes(reversed(chunk))
        body += f"{len(chunk):x};chunk-signature={before}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    if trailer:
        line = ":".join(trailer)
        before = signature("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        if forge == "trailer":
            line += "="
        body += f"{line}\r\nx-amz-trailer-signature:{before}\r\n".encode()
    return send(f"{aws.server.url}/{bucket}/k", "PUT", body + b"\r\n", **headers)


@pytest.mark.parametrize("trailer", [None, ("x-amz-checksum-crc32", "AAAAAA==")])
def test_a_body_that_is_signed_in_chunks_arrives_whole(aws, trailer):
    bucket = aws.bucket()
    status, _ = in_chunks(aws, bucket, [b"a" * 70_000, b"the rest"], trailer=trailer)
    assert status == 200
    assert aws.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"a" * 70_000 + b"the rest"


@pytest.mark.parametrize("forge", [0, 1, "trailer"])
def test_a_chunk_that_was_exchanged_is_refused(aws, forge):
    bucket = aws.bucket()
    trailer = ("x-amz-checksum-crc32", "AAAAAA==")
    status, body = in_chunks(aws, bucket, [b"first", b"second"], trailer=trailer, forge=forge)
    assert (status, xml(body, "Code")) == (403, "SignatureDoesNotMatch")
    assert aws.keys(bucket) == []


@pytest.mark.parametrize("kind", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_body_may_be_left_unsigned(aws, kind):
    bucket = aws.bucket()
    body, headers = b"a body", {}
    if kind.startswith("STREAMING"):
        headers = {"x-amz-decoded-content-length": "6", "Content-Encoding": "aws-chunked"}
        body = b"6\r\na body\r\n0\r\n\r\n"
    headers = signed(aws, f"/{bucket}/k", method="PUT", payload=kind, headers=headers)
    assert send(f"{aws.server.url}/{bucket}/k", "PUT", body, **headers)[0] == 200
    assert aws.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"a body"


# --- presigned URLs ------------------------------------------------------------------------------------------------


@pytest.fixture
def signs_in_python(monkeypatch):
    """awscrt, which botocore prefers where it is installed, has a clock of its own and signs nothing that is over."""
    monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "s3v4-query", botocore.auth.S3SigV4QueryAuth)


@pytest.mark.parametrize("version", [None, "s3v4", "s3"])
class TestPresigned:
    def url(self, aws, version, operation, seconds=60, **parameters):
        client = aws.client("s3", **({"signature_version": version} if version else {}))
        return client.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)

    def test_an_object_can_be_read_and_written(self, aws, version):
        bucket = aws.bucket()
        assert send(self.url(aws, version, "put_object", Bucket=bucket, Key=KEY), "PUT", b"x")[0] == 200
        url = self.url(aws, version, "get_object", Bucket=bucket, Key=KEY, ResponseContentType="text/plain")
        assert send(url) == (200, b"x")
        assert send(self.url(aws, version, "head_object", Bucket=bucket, Key=KEY), "HEAD")[0] == 200
        assert send(self.url(aws, version, "delete_object", Bucket=bucket, Key=KEY), "DELETE")[0] == 204
        assert aws.keys(bucket) == []

    def test_a_content_type_that_was_signed_must_be_sent(self, aws, version):
        bucket = aws.bucket()
        url = self.url(aws, version, "put_object", Bucket=bucket, Key="k", ContentType="image/jpeg")
        assert xml(send(url, "PUT", b"x", **{"Content-Type": "text/html"})[1], "Code") == "SignatureDoesNotMatch"
        assert send(url, "PUT", b"x", **{"Content-Type": "image/jpeg"})[0] == 200
        assert aws.s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "image/jpeg"

    def test_it_is_good_for_what_it_says_alone(self, aws, version):
        bucket = aws.bucket()
        url = self.url(aws, version, "get_object", Bucket=bucket, Key="k")
        for changed in (url.replace("/k?", "/other?"), f"{url}&acl", url.replace("Expires=", "Expires=1")):
            status, body = send(changed)
            assert (status, xml(body, "Code")) in [
                (403, "SignatureDoesNotMatch"), (400, "AuthorizationQueryParametersError"),
            ]  # fmt: skip
        assert xml(send(url, "DELETE")[1], "Code") == "SignatureDoesNotMatch"

    @pytest.mark.usefixtures("signs_in_python")
    def test_it_expires(self, aws, version):
        bucket = aws.bucket()
        status, body = send(self.url(aws, version, "get_object", seconds=-1, Bucket=bucket, Key="k"))
        if version == "s3v4":  # which has no negative seconds
            assert (status, xml(body, "Code")) == (400, "AuthorizationQueryParametersError")
            return
        assert (status, xml(body, "Code"), xml(body, "Message")) == (403, "AccessDenied", "Request has expired")
        assert xml(body, "Expires") < xml(body, "ServerTime")


@pytest.mark.usefixtures("signs_in_python")
def test_a_presigned_url_of_version_4_expires(aws, monkeypatch):
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: long_ago)
    client = aws.client("s3", signature_version="s3v4")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}, ExpiresIn=3000)
    status, body = send(url)
    assert (status, xml(body, "Code"), xml(body, "Message")) == (403, "AccessDenied", "Request has expired")
    assert (xml(body, "X-Amz-Expires"), xml(body, "Expires") < xml(body, "ServerTime")) == ("3000", True)


def test_who_passes_on_a_presigned_url_can_add_no_header_of_amazons(aws):
    bucket = aws.bucket()
    client = aws.client("s3", signature_version="s3v4")
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    status, body = send(url, "PUT", b"x", **{"x-amz-acl": "public-read"})
    assert (status, xml(body, "Code")) == (403, "AccessDenied")
    assert xml(body, "Message") == "There were headers present in the request which were not signed"
    assert send(url, "PUT", b"x", x_amz_acl="public-read")[0] == 200
    assert len(aws.s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == 1, "another name, and so nothing"


def test_other_services_take_presigned_urls_too(aws):
    url = aws.sts.generate_presigned_url("get_caller_identity", HttpMethod="GET")
    status, body = send(url)
    assert status == 200
    assert aws.server.account in body.decode()
    assert b"SignatureDoesNotMatch" in send(url.replace("GetCallerIdentity", "GetSessionToken"))[1]


# --- forms ---------------------------------------------------------------------------------------------------------


def post(form, *, file=b"x", **changed):
    """Post a form as a program does."""
    boundary = "5f1e"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (form["fields"] | changed).items()
    ]
    disposition = b'Content-Disposition: form-data; name="file"; filename="f.jpg"\r\n'
    parts.append(f"--{boundary}\r\n".encode() + disposition + b"Content-Type: image/jpeg\r\n\r\n" + file + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return send(form["url"], "POST", body, **{"Content-Type": f"multipart/form-data; boundary={boundary}"})


@pytest.mark.parametrize("version", ["s3v4", "s3"])
class TestForms:
    def form(self, aws, version, bucket, seconds=60, conditions=(), **fields):
        client = aws.client("s3", signature_version=version)
        conditions = [*conditions, *({name: value} for name, value in fields.items())]
        return client.generate_presigned_post(
            bucket, "ingest/k.jpg", Fields=fields, Conditions=conditions, ExpiresIn=seconds
        )

    def test_a_file_arrives(self, aws, version):
        bucket = aws.bucket()
        status, _ = post(self.form(aws, version, bucket, **{"x-amz-meta-from": "a form"}), file=b"\xff\xd8\x00")
        assert status == 204
        found = aws.s3.get_object(Bucket=bucket, Key="ingest/k.jpg")
        assert found["Body"].read() == b"\xff\xd8\x00"

    def test_another_signature_is_refused(self, aws, version):
        bucket = aws.bucket()
        form = self.form(aws, version, bucket)
        field = "x-amz-signature" if version == "s3v4" else "signature"
        status, body = post(form, **{field: "0" * 64})
        assert (status, xml(body, "Code")) == (403, "SignatureDoesNotMatch")
        other = self.form(aws, version, aws.bucket())
        status, body = post(form, policy=other["fields"]["policy"])
        assert (status, xml(body, "Code")) == (403, "SignatureDoesNotMatch")
        assert aws.keys(bucket) == []

    def test_what_the_policy_does_not_say_is_refused(self, aws, version):
        bucket = aws.bucket()
        form = self.form(aws, version, bucket, conditions=[["content-length-range", 2, 4]])
        for changed, code, message in (
            ({"key": "other.jpg"}, "AccessDenied", 'Policy Condition failed: ["eq", "$key", "ingest/k.jpg"]'),
            ({"acl": "public-read"}, "AccessDenied", "Invalid according to Policy: Extra input fields: acl"),
            ({"file": b"1"}, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"),
            ({"file": b"12345"}, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
        ):
            _, body = post(form, **({"file": b"123"} | changed))
            assert xml(body, "Code") == code
            assert message in xml(body, "Message").replace("&quot;", '"')
        assert aws.keys(bucket) == []
        assert post(form, file=b"123")[0] == 204

    def test_it_is_for_one_bucket(self, aws, version):
        form, other = self.form(aws, version, aws.bucket()), aws.bucket()
        _, body = post(form | {"url": f"{aws.server.url}/{other}"})
        assert xml(body, "Code") == "AccessDenied"
        assert aws.keys(other) == []

    @pytest.mark.usefixtures("signs_in_python")
    def test_it_expires(self, aws, version):
        _, body = post(self.form(aws, version, aws.bucket(), seconds=-1))
        assert (xml(body, "Code"), xml(body, "Message")) == (
            "AccessDenied", "Invalid according to Policy: Policy expired.",
        )  # fmt: skip


def test_a_blank_in_the_query_may_be_sent_as_a_plus(aws):
    topic = aws.sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    asked = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Message": "in words"}
    request = AWSRequest("POST", aws.server.url, params=asked)
    SigV4Auth(Credentials(aws.server.access_key, aws.server.secret_key), "sns", "us-east-1").add_auth(request)
    sent = urllib.request.Request(
        f"{aws.server.url}?{urllib.parse.urlencode(asked)}", b"", dict(request.headers.items()), method="POST"
    )
    with urllib.request.urlopen(sent) as answer:
        assert b"<MessageId>" in answer.read()


# --- whose keys ----------------------------------------------------------------------------------------------------


def test_who_assumed_a_role_may_what_the_role_may(aws):
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": aws.server.account}, "Action": "sts:AssumeRole"}],
    }
    role = aws.role({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}, trust=trust)
    keys = aws.sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    pair = {"key": keys["AccessKeyId"], "secret": keys["SecretAccessKey"]}
    s3 = aws.client("s3", **pair, token=keys["SessionToken"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert send(url) == (200, b"x")
    code, message, status = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y")
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: arn:aws:sts::{aws.server.account}:assumed-role/{role.split('/')[-1]}/me is not authorized to perform: "
        f's3:PutObject on resource: "arn:aws:s3:::{bucket}/k" because no identity-based policy allows the '
        "s3:PutObject action"
    )
    assert refused(aws.client("s3", **pair).list_buckets)[0] == "InvalidToken"
    assert refused(aws.client("sqs", **pair).list_queues)[0] == "InvalidClientTokenId"


def test_a_user_may_what_the_users_policies_say(aws):
    bucket, user = aws.bucket(), aws.name("user")
    aws.iam.create_user(UserName=user)
    keys = aws.iam.create_access_key(UserName=user)["AccessKey"]
    s3 = aws.client("s3", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"])
    code, message, _ = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    assert code == "AccessDenied"
    assert message.startswith(f"User: arn:aws:iam::{aws.server.account}:user/{user} is not authorized to perform")
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    aws.iam.update_access_key(UserName=user, AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x")[0] == "InvalidAccessKeyId"
    aws.iam.delete_access_key(UserName=user, AccessKeyId=keys["AccessKeyId"])
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x")[0] == "InvalidAccessKeyId"


# --- nobody --------------------------------------------------------------------------------------------------------


def policy(aws, bucket, *statements):
    statements = [{"Effect": "Allow", "Principal": "*"} | statement for statement in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    aws.s3.put_bucket_policy(Bucket=bucket, Policy=document)


class TestNobody:
    @pytest.fixture
    def bucket(self, aws):
        bucket = aws.bucket()
        for key in ("open/k", "shut/k"):
            aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        return bucket

    @pytest.fixture
    def ask(self, aws, bucket):
        return lambda path, method="GET", body=b"", **headers: send(
            f"{aws.server.url}/{bucket}{path}", method, body, **headers
        )

    def test_gets_nothing_by_itself(self, aws, bucket, ask):
        for method, path in [
            ("GET", ""), ("GET", "/open/k"), ("HEAD", "/open/k"), ("PUT", "/k"), ("DELETE", "/open/k"), ("GET", "?acl"),
            ("GET", "/open/k?acl"), ("PUT", "?policy"), ("DELETE", ""), ("POST", "?delete"), ("POST", "/k?uploads"),
            ("GET", "?encryption"), ("OPTIONS", "/open/k"),
        ]:  # fmt: skip
            status, body = ask(path, method)
            assert status == 403, (method, path)
            if method != "HEAD":
                assert (xml(body, "Code"), xml(body, "Message")) == ("AccessDenied", "Access Denied")
        assert sorted(aws.keys(bucket)) == ["open/k", "shut/k"]

    def test_gets_what_the_buckets_policy_allows_and_no_more(self, aws, bucket, ask):
        policy(aws, bucket, {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"})
        assert ask("/open/k") == (200, b"x")
        assert ask("/open/k", "HEAD")[0] == 200
        for method, path in [
            ("GET", "/shut/k"), ("GET", ""), ("PUT", "/open/k"), ("DELETE", "/open/k"), ("GET", "/open/k?acl"),
            ("GET", "/open/none"), ("POST", "/open/k?uploads"),
        ]:  # fmt: skip
            assert ask(path, method)[0] == 403, (method, path)

    def test_lists_and_writes_where_the_policy_says_so(self, aws, bucket, ask):
        listing = {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
        writing = {"Action": ["s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/open/*"}
        policy(aws, bucket, listing | {"Condition": {"StringLike": {"s3:prefix": "open/*"}}}, writing)
        assert ask("?list-type=2&prefix=open/")[0] == 200
        assert ask("?list-type=2")[0] == 403
        assert ask("/open/new", "PUT", b"new")[0] == 200
        assert aws.s3.get_object(Bucket=bucket, Key="open/new")["Body"].read() == b"new"
        assert ask("/open/new", "PUT", b"new", **{"x-amz-acl": "public-read"})[0] == 403
        assert ask("/open/copy", "PUT", **{"x-amz-copy-source": f"{bucket}/shut/k"})[0] == 403
        form = {"url": f"{aws.server.url}/{bucket}", "fields": {"key": "open/posted"}}
        assert post(form)[0] == 204
        assert post(form, key="shut/posted")[0] == 403

    def test_is_refused_what_the_policy_denies_though_an_acl_allows_it(self, aws, bucket, ask):
        aws.s3.put_object_acl(Bucket=bucket, Key="open/k", ACL="public-read")
        assert ask("/open/k") == (200, b"x")
        policy(aws, bucket, {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
        assert ask("/open/k")[0] == 403

    def test_gets_what_acls_allow_and_no_more(self, aws, bucket, ask):
        aws.s3.put_object_acl(Bucket=bucket, Key="open/k", ACL="public-read")
        assert ask("/open/k") == (200, b"x")
        assert ask("/shut/k")[0] == 403
        assert ask("")[0] == 403
        aws.s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
        assert b"<Key>shut/k</Key>" in ask("")[1]
        assert ask("/new", "PUT", b"x")[0] == 403
        aws.s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        assert ask("/new", "PUT", b"x")[0] == 200

    def test_is_kept_out_by_a_public_access_block(self, aws, bucket, ask):
        aws.s3.put_object_acl(Bucket=bucket, Key="open/k", ACL="public-read")
        policy(aws, bucket, {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/shut/*"})
        assert (ask("/open/k")[0], ask("/shut/k")[0]) == (200, 200)
        block = {"IgnorePublicAcls": True, "RestrictPublicBuckets": True}
        aws.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
        assert (ask("/open/k")[0], ask("/shut/k")[0]) == (403, 403)
