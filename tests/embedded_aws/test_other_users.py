"""Another user of the same machine gets nothing: not from the server, not from a Runtime API, not from the files."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from account import Account

from labkit import embedded_aws

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user to try this")

# What the other user runs. It becomes nobody before it does anything, but for what it imports: Python itself may lie
# where nobody else may look.
PRELUDE = f"""
import hashlib, hmac, http.client, http.server, json, os, socket, sys
"127.0.0.1".encode("idna")
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
arguments = json.loads(sys.argv[1])

def ask(method, path, service, body=b"", **headers):
    scope = f"made-up/20260101/us-east-1/{{service}}/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={{scope}}, SignedHeaders=host, Signature={{'0' * 64}}"
    connection = http.client.HTTPConnection("127.0.0.1", arguments["port"], timeout=10)
    connection.request(method, path, body, ({{"Authorization": signature}} if service else {{}}) | headers)
    response = connection.getresponse()
    return response.status, response.read().decode()

def tell(**found):
    print(json.dumps(found))
"""


def as_nobody(code, **arguments):
    """Run code as another user; return what it tells."""
    command = [sys.executable, "-c", PRELUDE + code, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def aws():
    """A server whose folder lies where everybody may go, as in a home that is open to read."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    folder = home / "workspace" / ".labkit" / "local"
    (home / "workspace").mkdir(mode=0o755)
    yield Account(embedded_aws.start(folder))
    embedded_aws.stop(folder)
    shutil.rmtree(home)


def test_the_server_answers_nothing(aws):
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    code = """
role = b"Action=CreateRole&Version=2010-05-08&RoleName=evil&AssumeRolePolicyDocument=%7B%7D"
tell(
    role=ask("POST", "/", "iam", role),
    function=ask("POST", "/2015-03-31/functions", "lambda", b"{}"),
    read=ask("GET", f"/{arguments['bucket']}/k", "s3"),
    anonymous=ask("GET", f"/{arguments['bucket']}/k", ""),
    settings=ask("PUT", "/_embedded_aws/settings", "", b'{"duplicate_events": 5}'),
)
"""
    told = as_nobody(code, port=aws.server.port, bucket=bucket)
    assert {name: status for name, (status, _) in told.items()} == dict.fromkeys(told, 403)
    assert "InvalidClientTokenId" in told["role"][1]
    assert "The security token included in the request is invalid." in told["function"][1]
    assert "InvalidAccessKeyId" in told["read"][1]
    assert "Access Denied" in told["anonymous"][1]
    assert aws.iam.list_roles()["Roles"] == []


def test_the_files_cannot_be_read(aws):
    function = aws.function("def handler(event, context): return __file__")
    inside = aws.invoke(function)[0]
    code = """
refused = []
for path in arguments["paths"]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read()
    except PermissionError:
        refused.append(path)
tell(refused=refused)
"""
    folder = aws.server.folder
    paths = [str(path) for path in (folder.parent, folder, folder / "server.json", folder / "server.log", inside)]
    assert as_nobody(code, paths=paths) == {"refused": paths}


def test_a_runtime_api_hands_out_no_event(aws):
    function = aws.function("import os\ndef handler(e, c): return [e, os.environ['AWS_LAMBDA_RUNTIME_API']]")
    (_, address), _ = aws.invoke(function, 0)
    code = """
thief = socket.create_connection(("127.0.0.1", arguments["port"]), timeout=30)
request = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: 127.0.0.1:%s\\r\\n\\r\\n" % arguments["port"]
thief.sendall(request.encode())
print("ready", file=sys.stderr, flush=True)
try:
    tell(got=thief.recv(1000).decode())
except ConnectionError:
    tell(got="")
"""
    told = []
    command = [sys.executable, "-c", PRELUDE + code, json.dumps({"port": int(address.split(":")[1])})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as thief:
        assert thief.stderr.readline() == "ready\n"
        reader = threading.Thread(target=lambda: told.append(json.loads(thief.stdout.read())))
        reader.start()
        for number in range(3):
            assert aws.invoke(function, number)[0] == [number, address]
        reader.join()
    assert told == [{"got": ""}]


def test_a_state_file_of_somebody_else_is_not_believed(aws, tmp_path):
    """Who may write into a shared workspace could else send the student's lab to another server."""
    state = tmp_path / "server.json"
    shutil.copy(aws.server.folder / "server.json", state)
    assert embedded_aws.find(tmp_path) is not None
    os.chown(state, NOBODY, NOBODY)
    assert embedded_aws.find(tmp_path) is None
    assert embedded_aws.stop(tmp_path) is False
    aws.s3.list_buckets()


def test_a_server_of_somebody_else_is_not_believed(tmp_path):
    """A folder that was unpacked may hold a state file, now this user's, that names another user's server."""
    folder = tmp_path / "aws"
    code = """
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        question = self.path.partition("?")[2]
        proof = hmac.new(b"evil", f"identity:{question}".encode(), "sha256").hexdigest()
        body = json.dumps({"proof": proof}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(os.getpid(), server.server_port, flush=True)
server.serve_forever()
"""
    command = [sys.executable, "-c", PRELUDE + code, "{}", "-m", "labkit.embedded_aws", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        pid, port = map(int, other.stdout.readline().split())
        folder.mkdir()
        fields = {
            "url": f"http://127.0.0.1:{port}",
            "pid": pid,
            "started": "evil",
            "access_key": "a",
            "secret_key": "b",
        }
        (folder / "server.json").write_text(json.dumps(fields))
        try:
            assert embedded_aws.find(folder) is None
            assert embedded_aws.stop(folder) is False
            assert other.poll() is None, "nor is it ended"
        finally:
            other.kill()
