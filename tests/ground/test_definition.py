"""What one lab is: its names, the original's where it is alone; what may be said of it, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.definition import Definition, contradictions
from labkit.errors import LabError
from labkit.settings import FUNCTIONS, FunctionSettings

GREY = FunctionSettings("CreateGreyImage", "grey-queue", "grey/", "GreyImage-", (800, 800), "Create a grey image.")


def test_names_are_the_originals_on_the_embedded_aws():
    lab = Definition("1234")
    assert lab.topic_name == "resize-image-topic-1234"
    assert [branch.queue_name for branch in lab.branches] == ["thumbnail-queue", "web-queue", "mobile-queue"]
    names = [branch.function_name for branch in lab.branches]
    assert names == ["CreateThumbnail", "CreateWebImage", "CreateMobileImage"]


@pytest.mark.parametrize("where", ["endpoint", "aws"])
def test_every_name_carries_the_suffix_where_others_work_too(where):
    lab = Definition("1234", prefix="ann-", where=where)
    names = [lab.topic_name, lab.bucket_name]
    for branch in lab.branches:
        names += [branch.queue_name, branch.dead_letter_queue_name, branch.function_name, branch.role_name]
    assert all(name.startswith("ann-") and name.endswith("-1234") for name in names)
    assert len(set(names)) == len(names)


def test_visibility_timeout_is_six_times_the_function_timeout():
    assert Definition("1", function_timeout_s=10).visibility_timeout_s == 60


def test_an_unknown_function_is_answered_with_those_there_are():
    with pytest.raises(LabError, match="no function called 'CreatePoster'") as caught:
        Definition("1").branch("CreatePoster")
    assert "CreateThumbnail, CreateWebImage, CreateMobileImage" in caught.value.hint()


def test_a_branch_is_found_by_the_functions_name_as_it_is_deployed_too():
    lab = Definition("1234", prefix="ann-", where="aws")
    assert lab.branch("ann-CreateWebImage-1234") == lab.branch("CreateWebImage")


@pytest.mark.parametrize(
    "definition",
    [
        Definition("1234"),
        Definition("1234", prefix="ann-", where="aws", bucket="theirs", role_arn="arn:aws:iam::123456789012:role/r"),
        Definition("1234", functions=(*FUNCTIONS, replace(GREY, source=Path("/somewhere/my functions")))),
        Definition("1234", runtime="python3.13", function_timeout_s=1, function_memory_mb=128),
    ],
    ids=["plain", "existing things", "a fourth function", "numbers"],
)
def test_what_was_written_down_is_read_back_the_same(definition):
    data = definition.as_data()
    assert json.loads(json.dumps(data)) == data
    assert Definition.from_data(data) == definition


def test_what_a_newer_version_has_written_down_beside_it_is_no_obstacle():
    assert Definition.from_data({**Definition("1234").as_data(), "colour": "grey"}) == Definition("1234")


def test_a_function_can_be_added_and_the_numbers_changed_while_the_lab_stands():
    lab = Definition("1234").changed(functions=[*FUNCTIONS, GREY], function_timeout_s=1, runtime="python3.13")
    assert [branch.name for branch in lab.branches][3] == "CreateGreyImage"
    assert (lab.function_timeout_s, lab.runtime) == (1, "python3.13")


@pytest.mark.parametrize("name", ["suffix", "prefix", "bucket", "role_arn", "region"])
def test_what_names_follow_from_cannot_be_changed_while_the_lab_stands(name):
    with pytest.raises(LabError, match=f"{name} of a lab that stands cannot be changed") as caught:
        Definition("1234").changed(**{name: "another"})
    assert "functions, function_timeout_s, function_memory_mb, runtime can." in caught.value.hint()


def test_a_runtime_that_there_is_not_is_answered_with_those_there_are():
    with pytest.raises(LabError, match=r"no runtime 'python3\.8'") as caught:
        Definition("1234").changed(runtime="python3.8")
    assert "python3.14" in caught.value.hint()


@pytest.mark.parametrize("source", ["my-functions", Path("my-functions")])
def test_the_source_of_a_function_is_found_from_every_folder(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    lab = Definition("1234").changed(functions=[replace(GREY, source=source)])
    assert lab.functions[0].source == tmp_path / "my-functions"


@pytest.mark.parametrize("functions", [None, 5, "CreateThumbnail", ["CreateThumbnail"], [], FUNCTIONS[0], {}])
def test_functions_have_to_be_a_list_of_them(functions):
    with pytest.raises(LabError, match="functions has to be a list of FunctionSettings") as caught:
        Definition("1234").changed(functions=functions)
    assert "(*FUNCTIONS, another)" in caught.value.hint()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", "Create a grey image"),
        ("name", ""),
        ("name", 5),
        ("name", "C" * 35),
        ("queue", "grey.queue"),
        ("queue", None),
        ("folder", "grey"),
        ("folder", "ingest/grey/"),
        ("folder", 5),
        ("label", "grey/"),
        ("label", None),
        ("description", None),
        ("description", "d" * 257),
        ("box", 800),
        ("box", (800,)),
        ("box", ("800", "800")),
        ("box", (0, 800)),
        ("source", 5),
    ],
)
def test_a_function_that_aws_would_refuse_or_that_would_start_itself_is_refused_by_name(member, value):
    with pytest.raises(LabError, match=f"The {member} of a function can't be") as caught:
        Definition("1234").changed(functions=[*FUNCTIONS, replace(GREY, **{member: value})])
    assert repr(value) in caught.value.message
    assert caught.value.hint()


@pytest.mark.parametrize("part", ["name", "queue", "folder"])
def test_no_two_functions_have_the_same_of_what_has_to_differ(part):
    twin = replace(GREY, **{part: getattr(FUNCTIONS[0], part)})
    with pytest.raises(LabError, match=f"Two functions have the {part} {getattr(FUNCTIONS[0], part)!r}"):
        Definition("1234").changed(functions=[*FUNCTIONS, twin])


@pytest.mark.parametrize("value", ["10", 10.0, True, None, 0, -1, 901])
def test_a_timeout_is_a_number_of_seconds_that_lambda_takes(value):
    with pytest.raises(LabError, match="function_timeout_s can't be") as caught:
        Definition("1234").changed(function_timeout_s=value)
    assert caught.value.hint() == "Lambda takes whole seconds from 1 to 900."


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"suffix": "1234"}, ""),
        ({"function_timeout_s": 1}, "function_timeout_s is 10, not 1"),
        ({"bucket": "theirs", "prefix": ""}, "bucket is None, not 'theirs'"),
        (
            {"functions": (*FUNCTIONS, GREY)},
            "functions is CreateThumbnail, CreateWebImage, CreateMobileImage, "
            "not CreateThumbnail, CreateWebImage, CreateMobileImage, CreateGreyImage",
        ),
        (
            {"function_timeout_s": 1, "function_memory_mb": 128},
            "function_timeout_s is 10, not 1; function_memory_mb is 512, not 128",
        ),
    ],
)
def test_where_two_definitions_differ_both_values_are_named(wanted, said):
    assert contradictions(Definition("1234"), wanted) == said


def test_where_functions_of_one_name_differ_the_difference_is_to_be_seen():
    kept = Definition("1234", functions=(GREY,))
    said = contradictions(kept, {"functions": (replace(GREY, box=(400, 400)),)})
    assert said.startswith("functions is CreateGreyImage, not FunctionSettings(name='CreateGreyImage'")
    assert "box=(400, 400)" in said
