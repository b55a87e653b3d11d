"""The doctor names the first broken hop, for every fault alone and in pairs, and following its advice mends the lab."""

import itertools
import random
from datetime import datetime

import pytest
from faults import HARMLESS, PHOTOS, RISKS, SETTINGS
from table import PAGE, table_of_faults

import labkit
from labkit import catch_up, doctor
from labkit.insight.doctor import SHARED
from labkit.resources import Snapshot, judge
from labkit.resources.judgement import BROKEN, RISKY, worst


def failing_checks(lab, key=None):
    """The subjects of all lines that fail, in the names of a lab without prefix and suffix."""
    all_checks = [
        labkit.check_topic(lab),
        labkit.check_queues(lab),
        labkit.check_alarms(lab),
        labkit.check_notification(lab),
        labkit.check_functions(lab),
    ]
    all_checks += [labkit.check_results(lab, key)] if key else []
    subjects = [check.subject for checks in all_checks for check in checks.failures()]
    return [plain(lab, subject) for subject in subjects]


# What the doctor, which asks whether photos get through, calls the verdict of a line.
AS_A_HOP = {"works": "works", "different": "works", "risky": "risky", "missing": "broken", "broken": "broken"}


NEVER_MARKED = ("dead letters",)  # they are what comes of curiosity


def check_that_all_agree(lab):
    """The same lines are printed, drawn, walked and counted, so that the judges can't disagree; returns the lines.

    The grade counts what only follows from something else with that.
    """
    lines = judge(Snapshot(lab))
    failing = [line for line in lines if not line.passed]
    assert sorted(failing_checks(lab)) == sorted(plain(lab, line.subject) for line in failing)
    assert_the_doctor_agrees(doctor(lab), lines)
    assert_the_map_agrees(labkit.survey(lab), failing)
    reasons = " ".join(labkit.grade(lab).reasons())
    counted = [line for line in failing if not line.consequence and line.hop not in NEVER_MARKED]
    assert [line.subject for line in counted if line.subject not in reasons] == []
    return lines


def assert_the_doctor_agrees(diagnosis, lines):
    """Each hop is as bad as the worst of its lines; what only follows from something else is no hop of its own."""
    own = [line for line in lines if not line.consequence]
    places = dict.fromkeys((line.hop, line.branch) for line in own)
    said = {place: AS_A_HOP[worst(line for line in own if (line.hop, line.branch) == place)] for place in places}
    found = {(hop.name, hop.function): hop.state for hop in diagnosis.hops}
    assert {place: found.get(place) for place in said} == said


def assert_the_map_agrees(survey, failing):
    """Whatever fails, a part of its branch is drawn with that verdict, and none that fails is drawn as made."""
    for line in failing:
        parts = [part for part in survey.parts if part.function == line.branch and part.state != "made"]
        assert line.verdict in {part.verdict for part in parts}, f"the map says nothing of it: {line}"


def check_verdict(lab, fault, verdicts):
    """The line of a fault has one of these verdicts and lies on the fault's hop, whoever is asked."""
    (line,) = [line for line in check_that_all_agree(lab) if plain(lab, line.subject) == fault.check]
    place = f"{line.hop} of {line.branch}" if line.branch else line.hop
    assert line.verdict in verdicts
    assert place == fault.hop or not fault.hop


def plain(lab, text):
    """A text in the names of a lab without prefix and suffix."""
    return text.replace(lab.definition.prefix, "").replace(f"-{lab.definition.suffix}", "")


def follow_advice(lab, diagnosis, at_most=12):
    """Do what the doctor says until nothing is broken; returns the hops that were mended, in order."""
    mended = []
    while diagnosis.in_state(BROKEN):
        first = diagnosis.first
        assert first.title not in mended, f"the advice did not help: {first}"
        assert len(mended) < at_most
        assert first.call, f"nothing to do for: {first}"
        exec(first.call, {**vars(labkit), **{name: getattr(labkit, name) for name in labkit.__all__}, "lab": lab})
        mended.append(first.title)
        diagnosis = doctor(lab)
    return mended


@pytest.fixture(scope="module")
def whole_lab(workspace):
    """A lab with steps 1 to 4 done, which each test leaves as whole as it found it."""
    lab = labkit.open_lab("local", prefix="sick-", workspace=workspace)
    catch_up(lab, to=4)
    yield lab
    labkit.clean_up(lab)


def test_a_whole_lab_is_healthy(whole_lab):
    diagnosis = doctor(whole_lab)
    assert diagnosis.healthy, str(diagnosis)
    assert diagnosis.sentence() == f"Healthy: all {len(diagnosis.hops)} hops on the way of a photo work."
    assert failing_checks(whole_lab) == []


def test_a_photo_that_came_through_is_healthy(built_lab):
    diagnosis = doctor(built_lab, "MonaLisa.jpg")
    assert diagnosis.healthy, str(diagnosis)
    assert diagnosis.key == "ingest/MonaLisa.jpg"
    assert [hop.name for hop in diagnosis.hops][-1] == "result"


def test_the_doctor_changes_nothing(built_lab):
    mark = built_lab.connection.calls.total
    doctor(built_lab, "ingest/MonaLisa.jpg")
    operations = {call.operation for call in built_lab.connection.calls.since(mark)}
    assert all(name.startswith(("Get", "List", "Head", "Describe", "Filter")) for name in operations), operations


@pytest.mark.parametrize("fault", SETTINGS, ids=lambda fault: fault.name)
def test_each_wrong_setting_is_found_and_mended(whole_lab, fault):
    fault.break_it(whole_lab)
    diagnosis = doctor(whole_lab)
    assert diagnosis.first is not None
    assert (diagnosis.first.title, diagnosis.first.state) == (fault.hop, BROKEN)
    assert fault.check in failing_checks(whole_lab)
    check_verdict(whole_lab, fault, ("broken", "missing"))
    follow_advice(whole_lab, diagnosis)
    mended = doctor(whole_lab)
    assert mended.healthy, str(mended)
    assert failing_checks(whole_lab) == []


def broken_pair(lab, first, second):
    """Break two things, as far as the first leaves the second to be broken; returns the earlier hop."""
    order = [hop.title for hop in doctor(lab).hops]
    for fault in (first, second):
        fault.break_it(lab)
    return min((first.hop, second.hop), key=order.index)


# What can't be broken twice: the second needs what the first took away, or both change the same rule.
def can_be_paired(first, second):
    rule = {"bucket", "notification"}
    parts = {hop.split(" of ")[0] for hop in (first.hop, second.hop)}
    same_branch = first.hop.split(" of ")[-1] == second.hop.split(" of ")[-1]
    if parts <= rule or first.hop == second.hop:
        return False
    if "bucket" in parts or "topic" in parts:
        return not parts & (rule | {"topic policy"} | {"subscription"})
    return not (same_branch and any(fault.name.endswith("is gone") for fault in (first, second)))


PAIRS = [pair for pair in itertools.combinations(SETTINGS, 2) if can_be_paired(*pair)]
SOME_PAIRS = random.Random(6).sample(PAIRS, 12)


def check_pair(lab, first, second):
    expected = broken_pair(lab, first, second)
    diagnosis = doctor(lab)
    assert diagnosis.first is not None
    assert diagnosis.first.title == expected
    failing = failing_checks(lab)
    assert first.check in failing
    assert second.check in failing
    check_that_all_agree(lab)
    follow_advice(lab, diagnosis)


def ids_of_pair(pair):
    return " and ".join(fault.name for fault in pair)


@pytest.mark.parametrize("pair", SOME_PAIRS, ids=ids_of_pair)
def test_of_two_faults_the_earlier_on_the_way_is_found_first(whole_lab, pair):
    check_pair(whole_lab, *pair)


@pytest.mark.slow
@pytest.mark.parametrize("pair", [p for p in PAIRS if p not in SOME_PAIRS], ids=ids_of_pair)
def test_so_it_is_for_every_other_pair(whole_lab, pair):
    check_pair(whole_lab, *pair)


@pytest.mark.parametrize("fault", RISKS, ids=lambda fault: fault.name)
def test_a_risk_is_no_breakdown_but_is_told(whole_lab, fault):
    fault.break_it(whole_lab)
    diagnosis = doctor(whole_lab)
    risk = diagnosis.in_state(RISKY)[0]
    assert diagnosis.healthy, str(diagnosis)
    assert risk.title == fault.hop
    assert f"One thing is risky: {fault.hop}." in diagnosis.sentence()
    assert fault.check in failing_checks(whole_lab)
    check_verdict(whole_lab, fault, ("risky",))
    exec(risk.call, {**{name: getattr(labkit, name) for name in labkit.__all__}, "lab": whole_lab})
    assert doctor(whole_lab, patience=30).in_state(RISKY) == ()
    assert failing_checks(whole_lab) == []


@pytest.mark.parametrize("fault", HARMLESS, ids=lambda fault: fault.name)
def test_another_way_of_doing_it_fails_the_check_and_is_healthy(new_lab, fault):
    lab = new_lab()
    catch_up(lab, to=4)
    fault.break_it(lab)
    diagnosis = doctor(lab)
    assert diagnosis.healthy, str(diagnosis)
    assert failing_checks(lab) == [fault.check]
    check_verdict(lab, fault, ("different",))


@pytest.fixture(scope="module")
def photo_lab(workspace):
    """A lab whose photos may go wrong: what is looked at is one photo at a time."""
    lab = labkit.open_lab("local", prefix="photos-", workspace=workspace)
    catch_up(lab, to=4)
    yield lab
    labkit.clean_up(lab)


@pytest.mark.parametrize("fault", PHOTOS, ids=lambda fault: fault.name)
def test_a_photo_that_does_not_come_through(photo_lab, new_lab, fault):
    lab = photo_lab
    if fault.spoils_the_function:
        lab = new_lab()
        catch_up(lab, to=4)
    key = fault.break_it(lab)
    diagnosis = doctor(lab, key)
    assert diagnosis.first is not None
    assert diagnosis.first.title == fault.hop
    assert diagnosis.first.fix
    assert fault.check in failing_checks(lab, key)


def put_failed_invocation(lab, stream, init, start):
    """An invocation that could not load its handler, written to the log as Lambda writes it; times in ms."""
    group = lab.branches[0].log_group
    request = "8f507cfc-0000-4000-8000-000000000001"
    said = "Runtime.ImportModuleError: Unable to import module 'lambda_function': No module named 'lambda_function'"
    figures = "Duration: 9.00 ms\tBilled Duration: 9 ms\tMemory Size: 512 MB\tMax Memory Used: 36 MB\t"
    events = [
        (init, "INIT_START Runtime Version: python:3.14.v1\tRuntime Version ARN: arn:aws:lambda:::runtime:a\n"),
        (start, f"[ERROR] {said}"),
        (start, "INIT_REPORT Init Duration: 8.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.Unknown\n"),
        (start, f"START RequestId: {request} Version: $LATEST\n"),
        (start, f"END RequestId: {request}\n"),
        (start, f"REPORT RequestId: {request}\t{figures}Status: error\tError Type: Runtime.Unknown\n"),
    ]
    lab.client("logs").create_log_stream(logGroupName=group, logStreamName=stream)
    lab.client("logs").put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(moment), "message": message} for moment, message in events],
    )


def test_an_invocation_of_before_the_fix_is_no_breakdown_however_late_it_started(lab):
    catch_up(lab, to=4)
    labkit.configure_function(lab, "CreateThumbnail", MemorySize=1024)
    changed = datetime.fromisoformat(
        lab.client("lambda").get_function_configuration(FunctionName=lab.branches[0].function_name)["LastModified"]
    )
    now = changed.timestamp() * 1000
    put_failed_invocation(lab, "an environment of before the change", init=now - 500, start=now + 60_000)
    diagnosis = doctor(lab)
    assert diagnosis.healthy, str(diagnosis)
    (hop,) = [hop for hop in diagnosis.hops if hop.title == "invocations of CreateThumbnail"]
    assert "The function was changed after that" in hop.evidence
    put_failed_invocation(lab, "an environment of after it", init=now + 500, start=now + 61_000)
    assert doctor(lab).first.title == "invocations of CreateThumbnail"


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_lab_that_is_half_made_is_told_its_next_step(lab, steps):
    if steps:
        catch_up(lab, to=steps)
    wanted = {0: "bucket", 1: "bucket", 2: "bucket", 3: "trigger of CreateThumbnail"}[steps]
    assert doctor(lab).first.title == wanted


def test_shared_hops_come_before_the_branches():
    assert SHARED == ("key", "bucket", "photo", "notification", "topic", "topic policy")


def test_the_table_in_the_docs_is_that_of_the_tests():
    assert PAGE.read_text("utf-8") == table_of_faults()
