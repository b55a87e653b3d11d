"""A lab remembers what it was opened with: whoever opens it next need not say it again, and cannot contradict it."""

import json

import pytest

import labkit
from labkit import FUNCTIONS, LabError, check_functions, check_queues, clean_up, create_topic
from labkit.definition import Definition
from labkit.lab import redefine_lab, reopen_lab
from labkit.steps.recovery import find_things, take_over

from .conftest import ACCOUNT, GREY, do_the_lab

pytestmark = pytest.mark.usefixtures("quick")

OPTIONS = {
    "an existing bucket": lambda account: {"bucket": account.decoys["bucket"]},
    "an existing bucket and role": lambda account: {
        "bucket": account.decoys["bucket"],
        "role_arn": account.decoys["role"],
    },
    "a fourth function": lambda _: {"functions": (*FUNCTIONS, GREY)},
    "a fourth function and an existing bucket": lambda account: {
        "functions": (*FUNCTIONS, GREY),
        "bucket": account.decoys["bucket"],
    },
    "numbers": lambda _: {"function_timeout_s": 1, "function_memory_mb": 1024},
    "another runtime": lambda _: {"runtime": "python3.12"},
    "a suffix of its own": lambda _: {"suffix": "1234"},
}


@pytest.fixture(params=OPTIONS, name="options")
def options_of_each_kind(request, account):
    return OPTIONS[request.param](account)


# For whole labs: what touches others' things, or how many there are; the rest is for `make test-all`.
TELLING = ("an existing bucket and role", "a fourth function and an existing bucket", "numbers")


@pytest.fixture(params=[pytest.param(name, marks=() if name in TELLING else pytest.mark.slow) for name in OPTIONS])
def options_of_a_whole_lab(request, account):
    return OPTIONS[request.param](account)


def results_of(account, upload):
    """What the functions would make of a photo; moto runs none."""
    for key in upload.expected:
        account.session.client("s3").put_object(Bucket=upload.bucket, Key=key, Body=b"made by the lab")


def test_who_opens_it_next_without_a_word_has_the_very_same_lab_and_leaves_nothing(account, options_of_a_whole_lab):
    before, first = account.contents(), account.open(**options_of_a_whole_lab)
    results_of(account, do_the_lab(first))
    again = account.open(workspace=first.workspace)
    assert again.definition == first.definition
    assert check_queues(again) == check_queues(first)
    assert check_functions(again) == check_functions(first)
    assert clean_up(again).left == ()
    assert account.contents() == before


def test_saying_the_same_again_is_no_contradiction(account, options):
    first = account.open(**options)
    create_topic(first)
    assert account.open(workspace=first.workspace, **options).definition == first.definition


CONTRADICTIONS = {
    "bucket": ({"bucket": "another-bucket"}, "bucket is None, not 'another-bucket'"),
    "role": ({"role_arn": "arn:aws:iam::1:role/r"}, "role_arn is None, not 'arn:aws:iam::1:role/r'"),
    "timeout": ({"function_timeout_s": 1}, "function_timeout_s is 10, not 1"),
    "memory": ({"function_memory_mb": 128}, "function_memory_mb is 512, not 128"),
    "runtime": ({"runtime": "python3.12"}, "runtime is 'python3.14', not 'python3.12'"),
    "functions": (
        {"functions": (*FUNCTIONS, GREY)},
        "functions is CreateThumbnail, CreateWebImage, CreateMobileImage, "
        "not CreateThumbnail, CreateWebImage, CreateMobileImage, CreateGreyImage",
    ),
}


@pytest.mark.parametrize(("options", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_contradicts_the_lab_that_stands_is_refused_with_both_values(account, options, said):
    first = account.open()
    create_topic(first)
    written = first.journal.path.read_bytes()
    with pytest.raises(LabError, match=f"The lab {first.definition.lab_id} is open here with other settings") as caught:
        account.open(workspace=first.workspace, **options)
    assert said in caught.value.message
    assert "redefine_lab(lab, ...)" in caught.value.hint()
    assert first.journal.path.read_bytes() == written


@pytest.mark.parametrize(("options", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_as_long_as_nothing_was_made_and_after_0_left_any_definition_may_begin(account, options, said):
    first = account.open()
    changed = account.open(workspace=first.workspace, **options)
    assert changed.definition.suffix == first.definition.suffix
    assert all(getattr(changed.definition, name) == value for name, value in options.items())
    create_topic(changed)
    clean_up(changed)
    plain = account.open(workspace=first.workspace)
    assert plain.definition.suffix != first.definition.suffix
    assert plain.definition.functions == FUNCTIONS
    assert plain.definition.bucket is None


def test_a_variable_contradicts_as_an_option_does(account, monkeypatch):
    first = account.open()
    create_topic(first)
    monkeypatch.setenv("LABKIT_BUCKET", "another-bucket")
    with pytest.raises(LabError, match="bucket is None, not 'another-bucket'"):
        account.open(workspace=first.workspace)


def test_a_function_is_added_to_the_lab_that_stands_by_one_verb(account):
    before, first = account.contents(), account.open()
    do_the_lab(first)
    more = redefine_lab(first, functions=(*FUNCTIONS, GREY))
    labkit.create_queues(more)
    labkit.subscribe_queues(more)
    labkit.create_functions(more)
    again = account.open(workspace=first.workspace)
    assert again.definition == more.definition
    assert check_functions(again).passed
    clean_up(first)  # which knows of three functions
    assert account.contents() == before


def test_two_kernels_that_change_the_same_lab_do_not_undo_each_other(account):
    one = account.open()
    other = account.open(workspace=one.workspace)
    redefine_lab(one, functions=(*FUNCTIONS, GREY))
    both = redefine_lab(other, function_timeout_s=1)
    assert [branch.name for branch in both.branches][3:] == ["CreateGreyImage"]
    assert account.open(workspace=one.workspace).definition == both.definition


def test_a_lab_that_was_cleaned_up_elsewhere_is_not_changed_any_more(account):
    one = account.open()
    clean_up(account.open(workspace=one.workspace))
    after = account.open(workspace=one.workspace)
    create_topic(after)
    with pytest.raises(LabError, match="cleaned up, or begun again"):
        redefine_lab(one, function_timeout_s=1)
    assert account.open(workspace=one.workspace).definition == after.definition
    assert after.journal.find("topic", after.definition.topic_name)


def test_a_journal_alone_is_enough_to_open_its_lab(account, options):
    lab = account.open(prefix="ann-", **options)
    create_topic(lab)
    again = reopen_lab(lab.journal.path)
    assert again.definition == lab.definition
    assert again.workspace == lab.workspace
    clean_up(lab)
    assert reopen_lab(lab.journal.path) is None


# From another machine: no journal, tags and the suffix are all there is to go by.


def test_a_fourth_function_is_found_from_another_machine_with_all_that_hangs_on_it(account):
    before, lab = account.contents(), account.open(functions=(*FUNCTIONS, GREY))
    do_the_lab(lab)
    elsewhere = account.open(suffix=lab.definition.suffix)
    found = find_things(elsewhere)
    grey = {(entry.kind, entry.name) for entry in found.entries if "rey" in entry.name}
    suffix = lab.definition.suffix
    assert grey == {
        ("queue", f"grey-queue-{suffix}"),
        ("queue", f"grey-dead-letter-queue-{suffix}"),
        ("alarm", f"image-alarm-grey-dead-letters-{suffix}"),
        ("alarm", f"image-alarm-grey-age-{suffix}"),
        ("subscription", f"grey-queue-{suffix}"),
        ("role", f"CreateGreyImage-role-{suffix}"),
        ("log group", f"/aws/lambda/CreateGreyImage-{suffix}"),
        ("function", f"CreateGreyImage-{suffix}"),
        ("trigger", f"CreateGreyImage-{suffix}"),
    }
    take_over(elsewhere, found)
    receipt = clean_up(elsewhere)
    assert {(thing.kind, thing.name) for thing in receipt.deleted} >= grey
    assert account.contents() == before


# A journal of the first version says nothing of what the lab was opened with.


def as_the_first_version_wrote_it(path):
    """The journal without a definition, without the lab's name in each line, and without a trigger's queue."""
    lines = []
    for line in map(json.loads, path.read_text().splitlines()):
        line = {key: value for key, value in line.items() if key not in ("definition", "lab")}
        if line.get("kind") == "trigger":
            line["facts"] = {"uuid": line["facts"]["uuid"]} if line["event"] == "created" else {}
        if line["event"] != "defined":
            lines.append(f"{json.dumps(line)}\n")
    path.write_text("".join(lines))


def test_a_journal_of_the_first_version_is_read_and_cleaned_up(account, options_of_a_whole_lab):
    before, first = account.contents(), account.open(**options_of_a_whole_lab)
    results_of(account, do_the_lab(first))
    as_the_first_version_wrote_it(first.journal.path)
    again = account.open(workspace=first.workspace)
    assert (again.definition.suffix, again.definition.bucket) == (first.definition.suffix, first.definition.bucket)
    assert again.notice == ""
    assert clean_up(again).left == ()
    after = account.contents()
    left = {key for key in after.keys() | before.keys() if after.get(key) != before.get(key)}
    # Where the results of a fourth function went nobody has written down; in the lab's own bucket they go with it.
    unknown = "functions" in options_of_a_whole_lab and "bucket" in options_of_a_whole_lab
    assert {key[2] for key in left} == ({"grey/GreyImage-HappyFace.jpg"} if unknown else set())


def test_what_is_only_concluded_from_a_journal_of_the_first_version_binds_nobody(account, options):
    first = account.open(**options)
    create_topic(first)
    as_the_first_version_wrote_it(first.journal.path)
    account.open(workspace=first.workspace)
    again = account.open(workspace=first.workspace, **options)
    assert again.definition == first.definition
    assert account.open(workspace=first.workspace).definition == first.definition


def test_what_a_journal_of_the_first_version_does_say_cannot_be_contradicted(account):
    first = account.open(bucket=account.decoys["bucket"])
    do_the_lab(first)
    as_the_first_version_wrote_it(first.journal.path)
    with pytest.raises(LabError, match=f"bucket is '{account.decoys['bucket']}', not 'another-bucket'"):
        account.open(workspace=first.workspace, bucket="another-bucket")


# What is of another type than it looks is understood, or refused in a sentence.


def test_a_number_stands_for_its_digits(account):
    lab = account.open(account=int(ACCOUNT), suffix=1234, prefix=2024)
    found = {"runtime": lab.definition.runtime, "concurrency": lab.definition.concurrency}
    assert lab.definition == Definition("1234", prefix="2024", where="aws", account=ACCOUNT, **found)
    assert lab.definition.topic_name == "2024resize-image-topic-1234"


def test_zero_is_a_suffix_and_a_leading_zero_of_a_text_stays(account):
    assert account.open(suffix=0).definition.suffix == "0"
    assert account.open(suffix="0042").definition.suffix == "0042"


def test_an_account_id_that_lost_its_leading_zero_as_a_number_gets_it_back(account):
    with pytest.raises(LabError, match=r"belong to account 123456789012, you named 012345678901\. Nothing was touched"):
        account.open(account=12345678901)


@pytest.mark.parametrize("name", ["where", "suffix", "prefix", "account", "profile", "region", "bucket", "role_arn"])
@pytest.mark.parametrize("value", [True, ["1234"], {"a": 1}, 12.5, b"1234"], ids=repr)
def test_anything_else_is_refused_by_its_name(tmp_path, name, value):
    with pytest.raises(LabError, match=f"{name} can't be") as caught:
        labkit.open_lab(**{name: value}, workspace=tmp_path)
    assert repr(value) in caught.value.message
    assert caught.value.hint() == f'Give a text: {name}="...".'
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"function_timeout_s": "10"}, {"function_memory_mb": 64}, {"functions": "three"}])
def test_numbers_and_functions_too(account, options):
    (name,) = options
    with pytest.raises(LabError, match=name) as caught:
        account.open(**options)
    assert caught.value.hint()


def test_an_option_that_there_is_not_is_answered_with_those_there_are(account):
    with pytest.raises(LabError, match="open_lab knows no option 'timeout'") as caught:
        account.open(timeout=10)
    assert "function_timeout_s" in caught.value.hint()


def test_a_workspace_may_be_a_text(account, tmp_path):
    assert account.open(workspace=str(tmp_path / "here")).workspace == tmp_path / "here"
