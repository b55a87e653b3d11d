"""Who may ask: programs on this machine that can read the server's keys, and no web page."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading

import psutil
import pytest
from account import GATE, Account, Gate, until
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from labkit import embedded_aws
from labkit.embedded_aws.state import proof


def ask(aws, method="GET", path="/", host=None, body=b"", signed=False, **headers):
    """Send a request as anything but an SDK would; return the status and the body."""
    address = aws.server.url.removeprefix("http://")
    host = address if host is None else host
    headers = {name.replace("_", "-"): value for name, value in headers.items()} | {"Host": host}
    if signed:
        request = AWSRequest(method, f"http://{address}{path}", {"Host": host}, body)
        SigV4Auth(Credentials(aws.server.access_key, aws.server.secret_key), "s3", "us-east-1").add_auth(request)
        headers |= dict(request.headers.items())
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


# --- web pages -----------------------------------------------------------------------------------------------------


def test_a_signed_request_to_this_machine_is_answered(aws):
    port = aws.server.url.rsplit(":", 1)[1]
    for host in (None, f"localhost:{port}", f"127.0.0.1:{port}"):
        assert ask(aws, host=host, signed=True)[0] == 200


@pytest.mark.parametrize(
    "host", ["attacker.example", "127.0.0.1.attacker.example:80", "localhost.attacker.example", ""]
)
def test_a_page_that_rebinds_its_name_to_this_machine_is_refused(aws, host):
    status, body = ask(aws, host=host, signed=True)
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
    status, body = ask(aws, method, signed=True, **header)
    assert status == 403
    assert "The embedded AWS does not answer web pages." in body


def test_a_fetch_of_a_program_is_let_in_when_it_signs(aws):
    assert ask(aws, "GET", signed=True, Sec_Fetch_Mode="cors")[0] == 200
    status, body = ask(aws, "GET", Sec_Fetch_Mode="cors")
    assert status == 403
    assert "The embedded AWS does not answer web pages." in body
    for declared in ({"Origin": "null"}, {"Referer": "http://127.0.0.1/"}, {"Sec_Fetch_Site": "none"}):
        assert ask(aws, "GET", signed=True, Sec_Fetch_Mode="cors", **declared)[0] == 403


# --- requests without keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "code", "message"),
    [
        ("GET", "/", {}, "AccessDenied", "Access Denied"),
        ("GET", "/bucket/key", {}, "NoSuchBucket", "The specified bucket does not exist"),
        ("PUT", "/bucket", {}, "AccessDenied", "Access Denied"),
        ("POST", "/moto-api/reset", {}, "AccessDenied", "Access Denied"),
        (
            "POST", "/?Action=DeleteTopic&Version=2010-03-31", {},
            "MissingAuthenticationToken", "Request is missing Authentication Token",
        ),
        (
            "POST", "/", {"X_Amz_Target": "AmazonSQS.ListQueues", "Content_Type": "application/x-amz-json-1.0"},
            "MissingAuthenticationToken", "Request is missing Authentication Token",
        ),
        (
            "POST", "/", {"X_Amz_Target": "Logs_20140328.ListTags", "Content_Type": "application/x-amz-json-1.1"},
            "MissingAuthenticationTokenException", "Missing Authentication Token",
        ),
        (
            "GET", "/2015-03-31/functions", {},
            '"User"', "Missing Authentication Token",
        ),
    ],
)  # fmt: skip
def test_a_request_without_credentials_is_refused(aws, method, path, headers, code, message):
    status, body = ask(aws, method, path, **headers)
    assert status in (400, 403, 404)
    assert code in body
    assert message in body


def test_a_service_that_is_not_there_says_so(aws):
    client = aws.client("dynamodb")
    with pytest.raises(ClientError) as refused:
        client.list_tables()
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert "it serves S3, SNS, SQS, Lambda, IAM, STS, CloudWatch and CloudWatch Logs" in str(refused.value)


# --- the server itself ---------------------------------------------------------------------------------------------


def test_the_server_is_controlled_by_who_can_read_its_state(aws):
    path = "/_embedded_aws/settings"
    assert ask(aws, path=path)[0] == 403
    assert ask(aws, path=path, X_Embedded_Aws_Proof=aws.server.started)[0] == 403
    wanted = '{"duplicate_events": 0}'
    assert ask(aws, "PUT", path, body=wanted.encode())[0] == 403
    proved = proof(aws.server.started, "settings", wanted)
    assert ask(aws, "PUT", path, body=b'{"duplicate_events": 9}', X_Embedded_Aws_Proof=proved)[0] == 403
    status, body = ask(aws, "PUT", path, body=wanted.encode(), X_Embedded_Aws_Proof=proved)
    assert (status, json.loads(body)["duplicate_events"]) == (200, 0)


def test_that_it_is_the_server_it_proves_anew_to_everybody_who_asks(aws):
    answers = [json.loads(ask(aws, path=f"/_embedded_aws/identity?{question}")[1]) for question in ("one", "two")]
    assert answers == [{"proof": proof(aws.server.started, "identity", question)} for question in ("one", "two")]
    assert answers[0] != answers[1], "an answer that was overheard is worth nothing"
    overheard = json.loads(ask(aws, path='/_embedded_aws/identity?{"duplicate_events":9}')[1])["proof"]
    refused, _ = ask(
        aws, "PUT", "/_embedded_aws/settings", body=b'{"duplicate_events":9}', X_Embedded_Aws_Proof=overheard
    )
    assert refused == 403, "nor is it worth anything elsewhere"


def test_its_files_are_their_owners_alone(tmp_path):
    folder = tmp_path / "workspace" / "aws"
    account = Account(embedded_aws.start(folder))
    try:
        account.invoke(account.function("def handler(event, context): pass"))
        assert folder.stat().st_mode & 0o777 == 0o700
        for path in folder.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path.name
    finally:
        embedded_aws.stop(folder)


def test_no_secret_is_shown_to_whoever_lists_processes(aws):
    aws.invoke(aws.function("def handler(e, c): return e"))
    server = psutil.Process(aws.server.pid)
    lines = []
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # other tests' environments come to their end
            lines.append(" ".join(process.cmdline()))
    assert len(lines) >= 3
    for secret in (aws.server.secret_key, aws.server.started):
        assert not any(secret in line for line in lines)


def test_keys_are_made_anew_at_each_start(tmp_path):
    keys = set()
    for _ in range(2):
        server = embedded_aws.start(tmp_path)
        keys.add((server.access_key, server.secret_key))
        assert server.secret_key not in repr(server)
        embedded_aws.stop(tmp_path)
    assert len(keys) == 2


def test_it_listens_on_the_loopback_address_only(aws):
    aws.invoke(aws.function("def handler(e, c): return e"))  # so that a Runtime API listens, too
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(aws.server.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}


# --- the Runtime API -----------------------------------------------------------------------------------------------


def test_an_event_reaches_its_own_environment_alone(aws_of_each_kind):
    aws = aws_of_each_kind
    function = aws.function("import os\ndef handler(e, c): return [e, os.environ['AWS_LAMBDA_RUNTIME_API']]")
    (_, address), _ = aws.invoke(function, 0)
    host, port = address.split(":")
    stolen, waiting = [], [socket.create_connection((host, int(port))) for _ in range(2)]

    def steal(thief):
        request = f"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {address}\r\n\r\n"
        thief.settimeout(20)
        with thief:
            try:
                thief.sendall(request.encode())
                stolen.append(thief.recv(65536))
            except ConnectionError:
                stolen.append(b"")

    # One has asked before the next event comes, the other asks after it was let wait.
    early = threading.Thread(target=steal, args=(waiting[0],))
    early.start()
    assert aws.invoke(function, 1)[0] == [1, address]
    late = threading.Thread(target=steal, args=(waiting[1],))
    late.start()
    for number in range(2, 5):
        assert aws.invoke(function, number)[0] == [number, address], "in the same environment, none was disturbed"
    for thread in (early, late):
        thread.join()
    assert stolen == [b"", b""]


def test_an_answer_is_taken_from_its_own_environment_alone(aws):
    source = """
        import gate, os
        def handler(event, context):
            print("AT", context.aws_request_id, os.environ["AWS_LAMBDA_RUNTIME_API"], flush=True)
            gate.wait(event)
            return "mine"
    """
    function = aws.function(source, files=GATE, Timeout=30)
    answers = []
    with Gate() as gate:
        invocation = threading.Thread(target=lambda: answers.append(aws.invoke(function, gate.port)[0]))
        invocation.start()
        gate.wait_for(1)
        (line,) = until(lambda: [line for line in aws.messages(function) if line.startswith("AT")])
        _, request_id, address = line.split()
        forged = f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nContent-Length: 8\r\n\r\n"
        with socket.create_connection(address.split(":"), timeout=10) as forger, contextlib.suppress(ConnectionError):
            forger.sendall(forged.encode() + b'"forged"')
            assert forger.recv(1000) == b""
    invocation.join()
    assert answers == ["mine"]


# --- the rest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nContent-Length: 100000000000000\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
    ],
)
def test_what_is_no_http_gets_a_400(aws, sent):
    address = aws.server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall(sent)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_head_is_read_in_whatever_pieces_it_comes(aws, end, piece):
    address = aws.server.url.removeprefix("http://").split(":")
    request = end.join([b"GET /b/k HTTP/1.1", b"Host: 127.0.0.1", b"X-Two: a:b", b"", b""])
    both = request + end.join([b"GET /b/k HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", b"", b""])
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(both), piece):
            connection.sendall(both[start : start + piece])
        answers = b"".join(iter(lambda: connection.recv(10_000), b""))
    assert answers.count(b"HTTP/1.1 404 Not Found\r\n") == 2
    assert answers.count(b"NoSuchBucket") == 2


def test_nothing_is_written_outside_the_servers_folder(tmp_path):
    """The tree around the folder stays as it was, however the server is used."""
    folder = tmp_path / "workspace" / "aws"
    account = Account(embedded_aws.start(folder))
    try:
        account.invoke(account.function("open('/tmp/stays-inside', 'w').write('x')\ndef handler(e, c): pass"))
    finally:
        embedded_aws.stop(folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["aws", "server.log", "start.lock", "workspace"]


@pytest.mark.parametrize("keys", [(), ("--access-key", "test", "--secret-key", "test")])
def test_any_client_can_be_served_by_itself_with_the_keys_that_it_prints(tmp_path, keys):
    command = [sys.executable, "-m", "labkit.embedded_aws", "--port", "0", "--folder", str(tmp_path), *keys]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("The embedded AWS listens at http://127.0.0.1:")
        exports = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(5))
        assert exports["AWS_ENDPOINT_URL"] == line.split()[-1]
        if keys:
            assert (exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"]) == ("test", "test")
        code = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'])"
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": os.environ["PATH"], **exports},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout == "[]\n"
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def test_one_key_of_a_pair_is_refused():
    command = [sys.executable, "-m", "labkit.embedded_aws", "--access-key", "test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--access-key and --secret-key belong together" in done.stderr


def test_functions_sign_with_the_keys_of_their_role(aws):
    function = aws.function(
        """
        import boto3, os
        def handler(event, context):
            keys = [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
            client = boto3.Session(*keys[:2], event or keys[2]).client("s3")
            try:
                return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
            except client.exceptions.ClientError as error:
                return error.response["Error"]["Code"]
        """,
        Timeout=20,
    )
    bucket = aws.bucket()
    assert bucket in aws.invoke(function, "")[0]
    assert aws.invoke(function, "another")[0] == "InvalidToken"
