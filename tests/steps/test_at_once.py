"""Three processes at once in one workspace, as three notebooks run from top to bottom: all of them end well."""

import json
import subprocess
import sys

import pytest

from labkit import (
    add_trigger,
    check_alarms,
    check_functions,
    check_notification,
    check_queues,
    check_topic,
    create_queues,
    create_roles,
    create_topic,
    deploy_function,
    inventory,
    open_lab,
)
from labkit.resources import Trigger, resources
from labkit.resources.resource import found_or_none
from labkit.steps.recovery import find_own

PROCESSES = 3
KERNEL = """
import json, sys
from labkit import LabError, catch_up, clean_up, open_lab

workspace, acts = sys.argv[1], {"catch up": lambda lab: catch_up(lab, to=4), "clean up": clean_up}
for line in sys.stdin:
    what, prefix = json.loads(line)
    try:
        said = [True, acts[what](open_lab("local", prefix=prefix, workspace=workspace)).sentence()]
    except Exception as error:
        said = [False, f"{type(error).__name__}: {error}"]
    print(json.dumps(said), flush=True)
"""


@pytest.fixture
def at_once(workspace):
    """Lets three processes do the same in a lab of that prefix at the same moment; returns what each of them said."""
    command = [sys.executable, "-c", KERNEL, str(workspace)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    kernels = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]

    def act(what, prefix):
        for kernel in kernels:
            kernel.stdin.write(json.dumps([what, prefix]) + "\n")
        for kernel in kernels:
            kernel.stdin.flush()
        said = [json.loads(kernel.stdout.readline()) for kernel in kernels]
        assert [words for fine, words in said if not fine] == []
        return [words for _, words in said]

    yield act
    for kernel in kernels:
        kernel.stdin.close()
        kernel.stdout.close()
        kernel.wait()


def one_round(at_once, workspace, prefix):
    """All make the whole pipeline, then all delete it; nothing is made twice, nothing is left."""
    at_once("catch up", prefix)
    lab = open_lab("local", prefix=prefix, workspace=workspace)
    for check in (check_topic, check_queues, check_alarms, check_notification, check_functions):
        assert check(lab).failures() == ()
    mappings = lab.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert len([one for one in mappings if f":{prefix}" in one["FunctionArn"]]) == 3
    assert len(inventory(lab).things) == 30
    for words in at_once("clean up", prefix):
        assert words.endswith("; 0 left.")
    assert list(find_own(lab)) == []
    assert open_lab("local", prefix=prefix, workspace=workspace).definition.suffix != lab.definition.suffix


def test_all_of_them_make_the_pipeline_and_all_of_them_clean_it_up(at_once, workspace):
    one_round(at_once, workspace, "once-")


def test_a_trigger_that_another_enables_before_its_maker_looks_again_is_made(new_lab):
    lab, name = new_lab(), "CreateThumbnail"
    create_topic(lab), create_queues(lab), create_roles(lab)
    deploy_function(lab, name)
    another = open_lab("local", prefix=lab.definition.prefix, workspace=lab.workspace)

    def enabled_at_once(parsed, **_):
        if "UUID" in parsed:
            another.client("lambda").update_event_source_mapping(UUID=parsed["UUID"], Enabled=True)
            Trigger.in_branch(another, another.branch(name)).wait_until_enabled(parsed["UUID"])

    lab.client("lambda").meta.events.register("after-call.lambda.CreateEventSourceMapping", enabled_at_once)
    assert add_trigger(lab, name).state == "Enabled"


def test_what_another_has_just_deleted_has_neither_tags_nor_anything_to_read(new_lab):
    lab = new_lab()
    for one in resources(lab):
        assert not found_or_none(one.read_tags), one
        assert found_or_none(one.read) is None, one


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_so_they_do_every_time(at_once, workspace):
    for number in range(30):
        one_round(at_once, workspace, f"again{number}-")
