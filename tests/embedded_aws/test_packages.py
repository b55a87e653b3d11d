"""Zips and layers: what Lambda refuses in one, and what a function finds of it."""

import io
import stat
import zipfile

import pytest
from account import RUNTIME, zipped
from refused import refused

UNZIPPED = "Could not unzip uploaded file. Please check your file, then try to upload again."


def packed(*entries, compression=zipfile.ZIP_DEFLATED):
    """A zip of entries: name, content, mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr, entry.compress_type = 3, mode << 16, compression
            archive.writestr(entry, content)
    return buffer.getvalue()


def spoilt(code):
    """A zip whose contents are not what its checksums say."""
    at = code.index(b"def handler")
    return code[:at] + b"DEF" + code[at + 3 :]


HANDLER = ("fn.py", "def handler(e, c): return 1", 0o644)
REFUSED = {
    "not a zip": b"x" * 100,
    "a bad checksum": spoilt(packed(HANDLER, compression=zipfile.ZIP_STORED)),
    "a file and a folder of one name": packed(HANDLER, ("a", "x", 0o644), ("a/b", "x", 0o644)),
    "a name that is too long": packed(HANDLER, ("x" * 300, "x", 0o644)),
    "another packing": packed(HANDLER, compression=zipfile.ZIP_BZIP2),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_zip_that_lambda_cannot_unpack_is_refused_at_the_call(aws, wrong):
    code, name = REFUSED[wrong], aws.function("def handler(e, c): return 1")
    made = {"FunctionName": aws.name("f"), "Role": aws.role(), "Handler": "fn.handler", "Runtime": RUNTIME}
    answer = (400, "InvalidParameterValueException", UNZIPPED)
    assert refused(aws.lam.create_function, **made, Code={"ZipFile": code}) == answer
    assert refused(aws.lam.update_function_code, FunctionName=name, ZipFile=code) == answer
    assert refused(aws.lam.publish_layer_version, LayerName="l", Content={"ZipFile": code}) == answer
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="k.zip", Body=code)
    assert refused(aws.lam.create_function, **made, Code={"S3Bucket": bucket, "S3Key": "k.zip"}) == answer
    assert aws.invoke(name)[0] == 1, "the function is as it was"


def test_a_zip_that_is_not_in_s3(aws):
    made = {"FunctionName": aws.name("f"), "Role": aws.role(), "Handler": "fn.handler", "Runtime": RUNTIME}
    words = (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    )
    answer = refused(aws.lam.create_function, **made, Code={"S3Bucket": aws.bucket(), "S3Key": "none"})
    assert answer == (400, "InvalidParameterValueException", words)


def test_a_function_cannot_write_where_its_code_lies(aws):
    function = aws.function("""
        import os
        def handler(event, context):
            said = []
            for path in ("fn.py", "new.py", "folder/new.py"):
                try:
                    open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], path), "w").close()
                    said.append("written")
                except OSError as error:
                    said.append(type(error).__name__)
            return said
    """, files={"folder/x.py": ""})  # fmt: skip
    assert aws.invoke(function)[0] == ["PermissionError"] * 3


def test_a_function_reads_what_everybody_may_read_and_no_more(aws):
    code = packed(
        ("fn.py", "def handler(e, c): return open(e).read()", 0o644),
        ("open", "x", 0o644),
        ("closed", "x", 0o600),
    )
    function = aws.function(Code={"ZipFile": code})
    assert aws.invoke(function, "open")[0] == "x"
    payload, _ = aws.invoke(function, "closed")
    assert payload["errorType"] == "PermissionError"


def test_two_functions_with_one_zip_do_not_share_it(aws):
    source = "import os\ndef handler(e, c): return os.stat('fn.py').st_ino"
    assert aws.invoke(aws.function(source))[0] != aws.invoke(aws.function(source))[0]


def test_a_symlink_inside_and_a_backslash_are_taken_as_aws_takes_them(aws):
    link = stat.S_IFLNK | 0o777
    code = packed(
        ("fn.py", "import other, os\ndef handler(e, c): return other.X, sorted(os.listdir('.'))", 0o644),
        ("real.py", "X = 1", 0o644),
        ("other.py", "real.py", link),
        ("a\\b.py", "", 0o644),
    )
    payload, _ = aws.invoke(aws.function(Code={"ZipFile": code}))
    assert payload == [1, ["a\\b.py", "fn.py", "other.py", "real.py"]]


class TestLayers:
    """https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html"""

    def layer(self, aws, **files):
        code = packed(*((name.replace("__", "/"), content, 0o644) for name, content in files.items()))
        return aws.lam.publish_layer_version(LayerName=aws.name("layer"), Content={"ZipFile": code})["LayerVersionArn"]

    def test_a_module_in_a_layer_is_imported(self, aws):
        layer = self.layer(aws, **{"python__fromlayer.py": "X = 1"})
        function = aws.function("import fromlayer\ndef handler(e, c): return fromlayer.X", Layers=[layer])
        assert aws.invoke(function)[0] == 1
        shown = aws.lam.get_function_configuration(FunctionName=function)["Layers"]
        assert [one["Arn"] for one in shown] == [layer]

    def test_layers_lie_one_over_the_other_below_opt(self, aws):
        below = self.layer(aws, **{"python__both.py": "X = 'below'", "data": "below"})
        above = self.layer(aws, **{"python__both.py": "X = 'above'", "python__more.py": "Y = 2"})
        source = "import both, more\ndef handler(e, c): return both.X, more.Y, open('/opt/data').read()"
        assert aws.invoke(aws.function(source, Layers=[below, above]))[0] == ["above", 2, "below"]

    def test_what_the_zip_has_itself_wins(self, aws):
        layer = self.layer(aws, **{"python__mine.py": "X = 'layer'"})
        source = "import mine\ndef handler(e, c): return mine.X"
        function = aws.function(Code={"ZipFile": zipped(source, **{"mine.py": "X = 'zip'"})}, Layers=[layer])
        assert aws.invoke(function)[0] == "zip"

    def test_an_update_brings_a_layer_in(self, aws):
        function = aws.function("import late\ndef handler(e, c): return late.X")
        assert aws.invoke(function)[0]["errorType"] == "Runtime.ImportModuleError"
        layer = self.layer(aws, **{"python__late.py": "X = 3"})
        aws.lam.update_function_configuration(FunctionName=function, Layers=[layer])
        assert aws.invoke(function)[0] == 3

    def test_two_versions_of_one_layer(self, aws):
        layer = self.layer(aws, x="")
        words = "Two different versions of the same layer are not allowed to be referenced in the same function."
        function = aws.function("def handler(e, c): return 1")
        answer = refused(aws.lam.update_function_configuration, FunctionName=function, Layers=[layer, layer])
        assert answer[:2] == (400, "InvalidParameterValueException")
        assert answer[2].startswith(words)


def test_code_and_layers_come_from_the_version_of_the_object_that_is_named(aws):
    """https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html"""
    bucket = aws.bucket()
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [
        aws.s3.put_object(Bucket=bucket, Key="k", Body=zipped(f"def handler(e, c): return {number}"))["VersionId"]
        for number in (1, 2)
    ]
    first, second = ({"S3Bucket": bucket, "S3Key": "k", "S3ObjectVersion": version} for version in versions)
    name = aws.function(Code=first)
    assert aws.invoke(name)[0] == 1
    aws.lam.update_function_code(FunctionName=name, **second)
    assert aws.invoke(name)[0] == 2
    digests = [
        aws.lam.publish_layer_version(LayerName=aws.name("layer"), Content=content)["Content"]["CodeSha256"]
        for content in (first, second)
    ]
    assert digests[1] == aws.lam.get_function_configuration(FunctionName=name)["CodeSha256"] != digests[0]
