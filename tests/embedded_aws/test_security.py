"""Who may ask: AWS clients on this machine, and no web page."""

import http.client
import json
import socket
import subprocess
import sys
import threading

import psutil
import pytest

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=made/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


def ask(aws, method="GET", path="/", host=None, **headers):
    """Send a request as anything but an SDK would; return the status and the body."""
    address = aws.server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", address if host is None else host)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def test_a_signed_request_to_this_machine_is_answered(aws):
    port = aws.server.url.rsplit(":", 1)[1]
    for host in (None, f"localhost:{port}", f"127.0.0.1:{port}"):
        assert ask(aws, host=host, **SIGNED)[0] == 200


@pytest.mark.parametrize(
    "host", ["attacker.example", "127.0.0.1.attacker.example:80", "localhost.attacker.example", ""]
)
def test_a_page_that_rebinds_its_name_to_this_machine_is_refused(aws, host):
    status, body = ask(aws, host=host, **SIGNED)
    assert status == 403
    assert "The embedded AWS answers at 127.0.0.1 and localhost only" in body


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Referer": "https://attacker.example/page"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_request_that_a_browser_sends_for_a_page_is_refused(aws, method, header):
    status, body = ask(aws, method, Content_Length="0", **SIGNED, **header)
    assert status == 403
    assert "The embedded AWS does not answer web pages." in body


@pytest.mark.parametrize("path", ["/", "/bucket/key", "/?Action=DeleteTopic&Version=2010-03-31", "/moto-api/reset"])
def test_a_request_without_credentials_is_refused(aws, path):
    status, body = ask(aws, "POST", path, Content_Length="0")
    assert status == 403
    assert "The request carries no AWS credentials." in body


def test_the_server_is_controlled_by_who_can_read_its_state(aws):
    status, _ = ask(aws, "PUT", "/_embedded_aws/settings", Content_Length="0")
    assert status == 403
    status, body = ask(aws, "GET", "/_embedded_aws/settings", X_Embedded_Aws_Started=aws.server.started)
    assert status == 200
    assert json.loads(body)["duplicate_events"] == 0
    assert (aws.server.folder / "server.json").stat().st_mode & 0o077 == 0
    _, identity = ask(aws, path="/_embedded_aws/identity")
    assert aws.server.started not in identity


def test_it_listens_on_the_loopback_address_only(aws):
    aws.invoke(aws.function("def handler(e, c): return e"))  # so that a Runtime API listens, too
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(aws.server.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}


def test_the_runtime_api_of_an_environment_refuses_pages_too(aws):
    function = aws.function("import os\ndef handler(e, c): return os.environ['AWS_LAMBDA_RUNTIME_API']")
    address, _ = aws.invoke(function)
    done = []

    def steal(headers):
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/2018-06-01/runtime/invocation/next", headers=headers)
        done.append(connection.getresponse().status)
        connection.close()

    for headers in ({"Origin": "https://attacker.example"}, {"Host": "attacker.example"}):
        thief = threading.Thread(target=steal, args=(headers,))
        thief.start()
        while thief.is_alive():
            assert aws.invoke(function)[0] == address, "the event still reaches the function"
    assert done == [403, 403]


def test_a_service_that_is_not_there_says_so(aws):
    import boto3

    client = boto3.client(
        "dynamodb", endpoint_url=aws.server.url, region_name="us-east-1",
        aws_access_key_id="x", aws_secret_access_key="y",
    )  # fmt: skip
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.list_tables()
    assert "it serves S3, SNS, SQS, Lambda, IAM, STS and CloudWatch Logs" in str(refused.value)


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)
def test_what_is_no_http_gets_a_400(aws, sent):
    address = aws.server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall(sent)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_nothing_is_written_outside_the_servers_folder(tmp_path):
    """The tree around the folder stays as it was, however the server is used."""
    from account import Account

    from labkit import embedded_aws

    folder = tmp_path / "workspace" / "aws"
    account = Account(embedded_aws.start(folder))
    try:
        account.invoke(account.function("open('/tmp/stays-inside', 'w').write('x')\ndef handler(e, c): pass"))
    finally:
        embedded_aws.stop(folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["aws", "server.log", "start.lock", "workspace"]


def test_any_client_can_be_served_by_itself(tmp_path):
    import boto3

    command = [sys.executable, "-m", "labkit.embedded_aws", "--port", "0", "--folder", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("The embedded AWS listens at http://127.0.0.1:")
        client = boto3.client(
            "s3", endpoint_url=line.split()[-1], region_name="us-east-1",
            aws_access_key_id="x", aws_secret_access_key="y",
        )  # fmt: skip
        assert client.list_buckets()["Buckets"] == []
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()
