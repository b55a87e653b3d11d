"""A watched pipeline: each hop of a photo as a fact, a photo that gets stuck where the doctor says, bursts counted."""

from collections import Counter

import pytest

from labkit import catch_up, doctor, sample, trace, upload_photo, wait_for_logs, wait_for_results
from labkit.insight.facts import STOPPED_HERE, facts_of
from labkit.insight.watch import MOST_FOLLOWED, STOPPED, THROUGH, Pace, Watch
from labkit.waiting import wait_until


@pytest.fixture
def watched(new_lab):
    """A lab with steps 1 to 4 done, and a watch that has begun; the doctor is asked soon."""
    lab = new_lab()
    catch_up(lab, to=4)
    watch = Watch(lab)
    watch.pace = Pace(0.2, 1, 2)
    watch.look()
    return lab, watch


def look_until(watch, so):
    return wait_until(lambda: view if so(view := watch.look()) else None, what="the view", seconds=60)


def test_a_photo_is_followed_to_its_three_results(watched):
    lab, watch = watched
    upload = upload_photo(lab, sample("friends.jpg"))
    view = look_until(watch, lambda view: view.passages and view.passages[0].state == THROUGH)
    (passage,) = view.passages
    assert sorted(landed.key for landed in passage.results) == sorted(upload.expected)
    assert passage.little is not None
    assert all(landed.little.startswith(b"\xff\xd8") for landed in passage.results)
    assert (view.photos, set(view.results.values())) == (1, {1})
    assert not any(fact.bad for fact in passage.facts)


def test_while_nothing_happens_a_look_costs_one_request_for_the_folder_and_one_for_each_queue(watched):
    lab, watch = watched
    before = lab.connection.calls.total
    watch.look()
    made = Counter(call.operation for call in lab.connection.calls.since(before))
    assert made == {"ListObjectsV2": 1, "GetQueueAttributes": 2 * len(lab.branches)}


def test_the_facts_of_a_trace_come_in_the_order_of_the_way(watched):
    lab, _ = watched
    upload = upload_photo(lab, sample("HappyFace.jpg"))
    wait_for_results(lab, upload)
    for branch in lab.branches:
        wait_for_logs(lab, branch.name, key=upload.key)
    way = trace(lab, upload.key)
    facts = facts_of(way)
    assert [fact.part for fact in facts if not fact.branch] == ["ingest folder", "event notification", "topic"]
    for branch in way.branches:
        own = [fact for fact in facts if fact.branch == branch.function]
        cold = branch.attempts[0].invocation.cold  # S3's test event may have woken the function before
        begins = ["trigger", "function"] if cold else ["function"]
        assert [fact.part for fact in own] == ["queue", *begins, "results", "logs"]
        assert [fact.ms for fact in own] == sorted(fact.ms for fact in own)
        assert own[-1].short.startswith("cold, init " if cold else "warm, ran ")


def test_a_photo_stops_where_the_doctor_says(watched):
    lab, watch = watched
    name = lab.branches[1].queue_name
    url = lab.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    lab.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    upload = upload_photo(lab, sample("HappyFace.jpg"))
    (passage,) = look_until(watch, lambda view: view.passages and view.passages[0].state == STOPPED).passages
    (stop,) = [fact for fact in passage.facts if fact.short == STOPPED_HERE]
    first = doctor(lab, upload.key).first
    assert (stop.part, stop.branch, stop.bad) == (first.name, first.function, True)
    assert first.evidence in stop.said
    assert len(passage.results) == 2


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_no_function_can_read_ends_among_the_dead_letters_with_the_reason(new_lab):
    lab = new_lab(function_timeout_s=1)  # five receives take half a minute
    catch_up(lab, to=4)
    watch = Watch(lab)
    watch.look()
    torn = sample("friends.jpg").read_bytes()[:90_000]
    lab.client("s3").put_object(Bucket=lab.definition.bucket_name, Key="ingest/torn.jpg", Body=torn)

    def all_dead():
        facts = [fact for one in watch.look().passages for fact in one.facts if fact.part == "dead-letter queue"]
        return facts if len(facts) == len(lab.branches) else None

    stops = wait_until(all_dead, what="the dead letters", seconds=120)
    for branch, stop in zip(lab.branches, stops, strict=True):
        assert (stop.branch, stop.short, stop.bad) == (branch.name, STOPPED_HERE, True)
        assert stop.said.startswith(f"Moved to the dead-letter queue of {branch.name}: Invocation")
        assert "ingest/torn.jpg: The image is cut off or corrupt" in stop.said


@pytest.mark.timeout(120)
def test_of_many_photos_a_few_are_followed_and_all_are_counted(watched):
    lab, watch = watched
    data, many = sample("HappyFace.jpg").read_bytes(), MOST_FOLLOWED + 3
    for number in range(many):
        key = f"ingest/many/{number}.jpg"
        lab.client("s3").put_object(Bucket=lab.definition.bucket_name, Key=key, Body=data)
    view = look_until(watch, lambda view: set(view.results.values()) == {many})
    assert (view.photos, len(view.passages)) == (many, MOST_FOLLOWED)


def test_what_was_there_before_is_no_news(built_lab):
    watch = Watch(built_lab)
    view = watch.look()
    assert (view.photos, view.passages, view.busy) == (0, (), False)
