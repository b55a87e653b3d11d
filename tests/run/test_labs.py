"""The labs that a run leaves open, whatever their prefix, are cleaned up at its end, or are somebody's."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from labkit import LabError, clean_up, create_topic, embedded_aws, open_lab
from labkit.cli.lessons import run as command
from labkit.connection import LOCAL_FOLDER
from labkit.journal import Journal
from labkit.lab import Lab, journals, reopen_lab
from labkit.packages import Target
from labkit.run import labs, runner
from labkit.settings import ALARM_WITHIN_S

BEYOND = sorted((Path(__file__).parents[2] / "notebooks" / "beyond").glob("*.ipynb"))
MAKE_A_TOPIC = (
    "from labkit import create_topic, open_lab\n\ncreate_topic(open_lab(endpoint_url=endpoint_url, prefix='{}-'))"
)


@pytest.fixture
def lab(endpoint, tmp_path, monkeypatch) -> Lab:
    """A lab of the place where the run will be, in a workspace of the test's own."""
    monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path))
    # The embedded AWS behind the endpoint has this machine's Python, whatever AWS's newest runtime is.
    monkeypatch.setenv("LABKIT_RUNTIME", Target.host().runtime)
    return open_lab("endpoint", endpoint_url=endpoint, prefix="looks-")


def notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in ('endpoint_url: str = ""', *sources)]
    cells[0].metadata.tags = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def run(lab: Lab, path: Path, **settings) -> tuple[runner.Run, str]:
    said: list[str] = []
    url, folder = lab.connection.endpoint_url, path.parent / "out"
    done = runner.run_lab([path], folder=folder, where="endpoint", endpoint_url=url, say=said.append, **settings)
    return done, "\n".join(said)


def everything(lab: Lab) -> list[str]:
    """The name of whatever there is in that AWS, of the kinds that a lab makes."""
    asked = {
        "lambda": (("list_event_source_mappings", "EventSourceMappings"), ("list_functions", "Functions")),
        "sqs": (("list_queues", "QueueUrls"),),
        "sns": (("list_topics", "Topics"), ("list_subscriptions", "Subscriptions")),
        "s3": (("list_buckets", "Buckets"),),
        "iam": (("list_roles", "Roles"),),
        "logs": (("describe_log_groups", "logGroups"),),
    }
    return [
        str(thing)
        for service, questions in asked.items()
        for question, answer in questions
        for thing in getattr(lab.client(service), question)().get(answer, [])
    ]


def topics(lab: Lab, prefix: str) -> list[str]:
    return [thing for thing in everything(lab) if f":{prefix}-resize-image-topic-" in thing]


def open_journals(lab: Lab) -> list[str]:
    return [path.stem for path in journals(lab.workspace).glob("*.jsonl") if Journal(path).opened()]


def test_each_lab_of_a_failed_notebook_is_cleaned_up_and_closed(lab, tmp_path):
    two = notebook(tmp_path / "two.ipynb", MAKE_A_TOPIC.format("ann"), MAKE_A_TOPIC.format("bob"), "1 / 0")
    done, said = run(lab, two)
    assert "ZeroDivisionError" in done.sentence()
    for prefix in ("ann", "bob"):
        assert f"Deleted 1 thing of {prefix}-image-lab-" in said
        assert topics(lab, prefix) == []
    assert open_journals(lab) == [lab.journal.path.stem]  # that of the test


def test_a_lab_that_a_notebook_only_opened_is_closed(lab, tmp_path):
    done, said = run(lab, notebook(tmp_path / "one.ipynb", "from labkit import open_lab\n\nlab = open_lab()"))
    assert done.failed is None
    assert "Deleted" not in said
    assert open_journals(lab) == [lab.journal.path.stem]


def test_a_lab_that_had_made_things_before_stays(lab, endpoint, tmp_path):
    before = open_lab(prefix="ann-", where="endpoint", endpoint_url=endpoint)
    create_topic(before)
    path = notebook(tmp_path / "one.ipynb", MAKE_A_TOPIC.format("ann").replace("create_topic", "create_queues"))
    _, said = run(lab, path)
    assert said.splitlines()[-1] == (
        f"The lab {before.definition.lab_id} was open before this run, and so left as it is: "
        "`labkit status --prefix ann-` lists it, `labkit clean --prefix ann-` deletes it."
    )
    assert len(topics(lab, "ann")) == 1
    clean_up(before)


def test_with_keep_each_lab_is_named(lab, endpoint, tmp_path):
    _, said = run(lab, notebook(tmp_path / "one.ipynb", MAKE_A_TOPIC.format("ann")), keep=True)
    kept = open_lab(prefix="ann-", where="endpoint", endpoint_url=endpoint)
    assert f"The lab {kept.definition.lab_id} was kept, as you said: `labkit status --prefix ann-` lists it" in said
    assert len(topics(lab, "ann")) == 1
    clean_up(kept)


def test_a_lab_that_cannot_be_cleaned_up_does_not_keep_the_others(lab, endpoint, tmp_path, monkeypatch):
    def refused_for_ann(lab):
        if lab.definition.prefix == "ann-":
            raise LabError("AWS refused a call.")
        return clean_up(lab)

    monkeypatch.setattr(labs, "clean_up", refused_for_ann)
    two = notebook(tmp_path / "two.ipynb", MAKE_A_TOPIC.format("ann"), MAKE_A_TOPIC.format("bob"))
    with pytest.raises(LabError, match="AWS refused a call"):
        run(lab, two)
    assert (len(topics(lab, "ann")), len(topics(lab, "bob"))) == (1, 0)
    clean_up(open_lab(prefix="ann-", where="endpoint", endpoint_url=endpoint))


def test_a_lab_in_another_place_is_not_the_runs(lab, tmp_path):
    """Somebody begins to work on the embedded AWS while the run works elsewhere."""
    with labs.left_as_found(tmp_path, False, lambda said: None) as of_the_run:
        of_the_run.append(lab)
        local = open_lab("local")
        create_topic(local)
    try:
        assert [entry.kind for entry in local.journal.entries()] == ["topic"]
    finally:
        embedded_aws.stop(tmp_path / LOCAL_FOLDER)


def test_a_local_run_that_is_kept_names_each_lab(tmp_path):
    said: list[str] = []
    source = "from labkit import create_topic, open_lab\n\ncreate_topic(open_lab(prefix='ann-'))"
    path = notebook(tmp_path / "one.ipynb", source)
    runner.run_lab([path], folder=tmp_path / "out", keep=True, say=said.append)
    embedded_aws.stop(tmp_path / "out" / "workspace" / LOCAL_FOLDER)
    assert "was kept: `labkit status --prefix ann-` lists it" in "\n".join(said)


def test_a_lab_is_opened_again_by_its_journal_whatever_the_environment_says(lab, monkeypatch):
    for name, value in (("PREFIX", "eve-"), ("WHERE", "aws"), ("BUCKET", "hers"), ("SUFFIX", "other")):
        monkeypatch.setenv(f"LABKIT_{name}", value)
    again = reopen_lab(lab.journal.path)
    assert again is not None
    assert (again.definition, again.journal.path) == (lab.definition, lab.journal.path)


@pytest.mark.parametrize(("where", "seconds"), [("local", 300), ("endpoint", 1500)])
def test_elsewhere_a_cell_may_wait_as_long_as_an_alarm_takes(lab, tmp_path, monkeypatch, where, seconds):
    given: list[float] = []
    monkeypatch.setattr(runner, "run_notebooks", lambda _, cell_timeout, **__: given.append(cell_timeout))
    at = {"endpoint_url": lab.connection.endpoint_url} if where == "endpoint" else {}
    for chosen in ({}, {"cell_timeout": 7}):
        runner.run_lab([], folder=tmp_path / "out", where=where, say=lambda _: None, **at, **chosen)
    assert given == [seconds, 7]
    assert str(seconds) in CliRunner().invoke(command, ["--help"]).output
    assert seconds > ALARM_WITHIN_S or where == "local"


# Where a notebook fails: after the cell that holds these words.
HALF_WAY = {
    "1_what_can_go_wrong": (
        "catch_up(lab, to=4)",
        'name="my photo.jpg"',
        "AttributeValue=tidied",
        'zipped("naive.zip"',
    ),
    "2_at_scale": ("catch_up(lab, to=4)", "draw_burst(burst)", "UUID=trigger.uuid, **limit"),
    "3_from_console_to_code": ("catch_up(lab, to=4)", "MemorySize=256"),
    "4_your_own_function": ("catch_up(lab, to=4).sentence()", "redefine_lab(", "check_functions(lab)", "gallery("),
    "5_watch_over_it": ("subscribed = sns.subscribe(", "create_alarms(lab, tell=topic)", "Body=photo["),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "words"), [(name, words) for name in HALF_WAY for words in HALF_WAY[name]])
def test_a_notebook_beyond_that_fails_half_way_leaves_nothing(lab, tmp_path, name, words):
    (path,) = [path for path in BEYOND if path.stem == name]
    half = nbformat.read(path, as_version=4)
    at = next(i for i, cell in enumerate(half.cells) if cell.cell_type == "code" and words in cell.source)
    half.cells[at + 1 :] = [nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(half, tmp_path / "half.ipynb")
    parameters = {"photos": 8} if "photos:" in half.cells[1].source else {}
    done, said = run(lab, tmp_path / "half.ipynb", parameters=parameters)
    assert "ZeroDivisionError" in done.sentence()
    assert "0 left" in said
    assert everything(lab) == []
    assert open_journals(lab) == [lab.journal.path.stem]
