"""What the account allows in all is asked before anything is made, told, and kept to."""

import pytest

from labkit import FUNCTIONS, LabError, catch_up, check_functions, clean_up, enable_trigger, redefine_lab, send_burst
from labkit import sample as sample_photo
from labkit.insight.plan import plan
from labkit.insight.template import export_template
from labkit.journal import Journal

from .conftest import GREY, do_the_lab


def mappings(account):
    found = account.session.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return [one for one in found if "decoy" not in one["FunctionArn"]]


def most(account):
    return {(one.get("ScalingConfig") or {}).get("MaximumConcurrency") for one in mappings(account)}


@pytest.mark.parametrize(("limit", "share"), [(10, 3), (6, 2), (4, 2), (50, 16), (1000, None)])
def test_each_trigger_is_held_to_its_share_of_a_small_account(account, limit, share):
    account.limits["UnreservedConcurrentExecutions"] = limit
    lab = account.open()
    do_the_lab(lab)
    assert most(account) == {share}
    lines = [check for check in check_functions(lab).checks if "maximum concurrency" in check.subject]
    assert [line.expected for line in lines] == ([f"at most {share}"] * 3 if share else [])
    assert all(line.passed for line in lines)
    clean_up(lab)


def test_the_limit_is_asked_once_and_remembered(account):
    workspace = account.new_workspace()
    account.limits["UnreservedConcurrentExecutions"] = 10
    lab = account.open(workspace=workspace)
    plan(lab)
    assert [call.operation for call in lab.connection.calls.calls] == ["GetAccountSettings"]
    again = account.open(workspace=workspace)
    assert again.definition.max_concurrency == 3
    assert again.connection.calls.total == 0


def test_a_trigger_that_is_not_held_to_it_is_risky_and_enabling_it_fixes_that(account, monkeypatch):
    monkeypatch.setattr(Journal, "just_written", lambda *_: set())  # else a check would wait a minute for AWS
    account.limits["UnreservedConcurrentExecutions"] = 10
    lab = account.open()
    do_the_lab(lab)
    client = account.session.client("lambda")
    for mapping in mappings(account):
        client.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 9})
    failures = [check for check in check_functions(lab).failures() if "maximum concurrency" in check.subject]
    assert [(line.found, line.verdict) for line in failures] == [("9", "risky")] * 3
    assert failures[0].call == "enable_trigger(lab, 'CreateThumbnail')"
    with pytest.raises(LabError, match="not held to the account's limit"):
        send_burst(lab, sample_photo("HappyFace.jpg"), photos=2)
    for branch in lab.branches:
        enable_trigger(lab, branch.name)
    assert most(account) == {3}
    clean_up(lab)


def test_an_account_with_too_little_for_all_triggers_gets_no_burst(account):
    account.limits["UnreservedConcurrentExecutions"] = 4
    lab = account.open()
    do_the_lab(lab)
    with pytest.raises(LabError, match="runs 4 functions at once, and 3 triggers start at least 2 each") as caught:
        send_burst(lab, sample_photo("HappyFace.jpg"), photos=2)
    assert "Service Quotas" in caught.value.hint()
    clean_up(lab)


def test_who_sets_a_lower_limit_keeps_it(account):
    account.limits["UnreservedConcurrentExecutions"] = 10
    lab = account.open()
    do_the_lab(lab)
    for mapping in mappings(account):
        account.session.client("lambda").update_event_source_mapping(
            UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 2}
        )
    enable_trigger(lab, lab.branches[0].name)
    assert most(account) == {2}
    clean_up(lab)


def test_a_fourth_function_leaves_less_for_each(account):
    account.limits["UnreservedConcurrentExecutions"] = 10
    lab = account.open()
    do_the_lab(lab)
    lab = redefine_lab(lab, functions=(*FUNCTIONS, GREY))
    catch_up(lab, to=4)
    assert most(account) == {2}
    clean_up(lab)


def test_the_template_has_the_same_limit(account):
    def limits(lab):
        resources = export_template(lab).document["Resources"].values()
        return {
            str(one["Properties"].get("ScalingConfig"))
            for one in resources
            if one["Type"] == "AWS::Lambda::EventSourceMapping"
        }

    lab = account.open()
    do_the_lab(lab)
    assert limits(lab) == {"None"}
    clean_up(lab)
    account.limits["UnreservedConcurrentExecutions"] = 10
    lab = account.open()
    do_the_lab(lab)
    assert limits(lab) == {"{'MaximumConcurrency': 3}"}
    clean_up(lab)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"UnreservedConcurrentExecutions": 10}, "The account runs 10 functions at once, all together"),
        ({"UnreservedConcurrentExecutions": 4}, "too few for 3 triggers"),
        ({"TotalCodeSize": 3_000_000}, "There is room for 2 MB of functions' code"),
        ({}, "was not told (AccessDeniedException)"),
    ],
)
def test_the_plan_tells_what_touches_a_lesson(account, limits, words):
    account.limits = limits
    assert words in plan(account.open()).sentence()


def test_the_plan_of_a_roomy_account_tells_nothing_of_it(account):
    assert plan(account.open()).limits == ()


def test_the_plan_in_an_academys_account_names_the_role_that_is_there(account):
    lab = account.open()
    object.__setattr__(lab.connection, "caller", "arn:aws:sts::123456789012:assumed-role/voclabs/user1=Ann")
    bursts, role = plan(lab).limits
    assert "closes accounts in which too many functions start at once: send no bursts" in bursts
    assert role.endswith("`--role arn:aws:iam::123456789012:role/LabRole`.")
