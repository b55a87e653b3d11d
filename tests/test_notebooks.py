"""The real notebooks, really run: each alone, in any order, and again; and as a reader finds them."""

import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from labkit import clean_up, open_lab
from labkit.run import runner
from labkit.students import make_student_notebooks

FOLDER = Path(__file__).parents[1] / "notebooks"
STORY = sorted(FOLDER.glob("0*.ipynb"))
ALL = [*STORY, *sorted(FOLDER.glob("beyond/*.ipynb"))]


@pytest.fixture
def run(workspace, tmp_path):
    """Runs notebooks in a lab of their own on the session's embedded AWS."""
    prefixes = []

    def run_them(paths, prefix):
        prefixes.append(prefix)
        return runner.run_notebooks(
            paths,
            folder=tmp_path,
            where="the embedded AWS of the tests",
            parameters={"prefix": prefix},
            environment={"LABKIT_WORKSPACE": str(workspace), "LABKIT_WHERE": "local"},
            say=lambda _: None,
        )

    yield run_them
    for prefix in prefixes:
        clean_up(open_lab("local", prefix=prefix, workspace=workspace))


@pytest.mark.parametrize("path", STORY, ids=lambda path: path.stem)
def test_each_notebook_runs_alone(run, path):
    outcome = run([path], f"alone{path.stem[:2]}-")
    assert outcome.failed is None, outcome.sentence()
    assert all(n.checks_passed == n.checks_made for n in outcome.notebooks)


@pytest.mark.slow
@pytest.mark.parametrize("path", ALL[len(STORY) :], ids=lambda path: path.stem)
def test_each_notebook_beyond_runs_alone(run, path):
    outcome = run([path], f"beyond{path.stem[0]}-")
    assert outcome.failed is None, outcome.sentence()
    assert all(n.checks_passed == n.checks_made for n in outcome.notebooks)


@pytest.fixture
def run_as_a_student(new_lab, workspace, tmp_path, monkeypatch):
    """Runs a student's copy, with what was written into cells named by their ids; raises if one fails."""

    def run_it(path, written):
        monkeypatch.setenv("LABKIT_WORKSPACE", str(workspace))
        copy = make_student_notebooks(FOLDER, tmp_path).folder / path.relative_to(FOLDER)
        notebook = nbformat.read(copy, as_version=4)
        for cell in notebook.cells:
            cell.source = written.get(cell.id, cell.source)
        nbformat.write(notebook, copy)
        parameters = {"where": "local", "prefix": new_lab().definition.prefix}
        papermill.execute_notebook(copy, copy, parameters=parameters, progress_bar=False)

    return run_it


@pytest.mark.slow
@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_students_copy_runs_through_with_nothing_filled_in(run_as_a_student, path):
    """No cell fails, nor waits in vain, because an exercise before it was left open."""
    run_as_a_student(path, {})


WRONG = {
    "04_functions": {
        "04-mobile-answer": """\
package = change_code(lab, "CreateMobileImage", "within(640, 320)", "(400, 320)")
mobile = lab.branch("CreateMobileImage").function_name
lab.client("lambda").update_function_code(FunctionName=mobile, ZipFile=package.path.read_bytes())""",
    },
    "05_upload": {
        "05-hand-answer": """\
bucket, key = lab.definition.bucket_name, "ingest/by-hand.jpg"
lab.client("s3").put_object(Bucket=bucket, Key=key, Body=b"not a photo")""",
        "05-fourth-answer": """\
topic, filtered = lab.definition.topic_arn, {"FilterPolicy": '{"size": ["large"]}'}
lab.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=lab.arn("sqs", name), Attributes=filtered)""",
    },
    "beyond/1_what_can_go_wrong": {
        "mystery-11": "lab.client('sns').delete_topic(TopicArn=lab.definition.topic_arn)",
        "1_-redrive-answer": """\
dead = lab.client("sqs").get_queue_url(QueueName=lab.branch("CreateThumbnail").dead_letter_queue_name)["QueueUrl"]
lab.client("sqs").purge_queue(QueueUrl=dead)""",
    },
    "beyond/4_your_own_function": {
        "4_-09-b6ccdf": """\
%%writefile "{folder}/CreateGreyImage.py"
from batch import Rule, resize_batch

RULE = Rule("CreateGreyImage", "grey/", "GreyImage-", (800, 800), finish="L")


def handler(event, context):
    return resize_batch(event, context, RULE)""",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_students_copy_runs_through_with_wrong_answers_too(run_as_a_student, name):
    """Later cells need none of them to be right: code that fails on every photo, letters that were deleted."""
    run_as_a_student(FOLDER / f"{name}.ipynb", WRONG[name])


@pytest.mark.slow
def test_the_notebooks_run_backwards_on_what_is_there_already(run):
    """The first one run, the last but one of the story, makes everything; all others find it made."""
    outcome = run([path for path in reversed(STORY) if "clean_up" not in path.stem], "backwards-")
    assert outcome.failed is None, outcome.sentence()
    assert all(n.checks_passed == n.checks_made for n in outcome.notebooks)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
class TestAsAReaderFindsIt:
    def test_it_holds_no_outputs(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.get("outputs", []) == []
            assert cell.get("execution_count") is None

    def test_it_says_where_it_runs_before_it_does_anything(self, path):
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert "parameters" in nbformat.read(path, as_version=4).cells[first_code(path)].metadata.tags
        assert ("begin(" if path in STORY else "open_lab(") in code[1]
        assert code[1].splitlines()[-1] == "lab"

    def test_its_parameters_are_folded_away_in_the_story(self, path):
        cell = nbformat.read(path, as_version=4).cells[first_code(path)]
        assert cell.metadata.get("jupyter", {}).get("source_hidden", False) is (path in STORY)

    def test_little_stands_before_the_first_action_of_the_story(self, path):
        if path in STORY[1:]:
            cells = nbformat.read(path, as_version=4).cells
            heading = next(n for n, cell in enumerate(cells) if cell.source.startswith("## "))
            before = [cell for cell in cells[:heading] if not cell.source.startswith("<details>")]
            assert [cell.cell_type for cell in before] == ["markdown", "code", "code"]

    def test_its_parameters_are_literal_annotated_and_explained(self, path):
        cell = nbformat.read(path, as_version=4).cells[first_code(path)]
        for line in cell.source.splitlines():
            assert re.fullmatch(r"\w+: [\w |]+ = [^#]+  # .+", line), line

    def test_its_links_lead_somewhere(self, path):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for link in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (path.parent / link).exists(), link

    def test_its_cells_are_short_and_its_prose_is_not(self, path):
        cells = nbformat.read(path, as_version=4).cells
        sizes = [len([line for line in c.source.splitlines() if line.strip()]) for c in cells if c.cell_type == "code"]
        words = sum(len(c.source.split()) for c in cells if c.cell_type == "markdown")
        assert sorted(sizes)[len(sizes) // 2] <= 3
        assert max(sizes) <= 12
        assert words / sum(sizes) >= 8


# AWS's own terms, and the notebook of the step in which each is explained, in bold; from there on it is used.
TERMS = {
    "visibility timeout": "02_queues",
    "in flight": "02_queues",
    "dead-letter queue": "02_queues",
    "principal": "02_queues",
    "explicit deny": "03_notification",
    "assume": "04_functions",
    "trust policy": "04_functions",
    "event source mapping": "04_functions",
    "throttle": "2_at_scale",
}


@pytest.mark.parametrize("term", TERMS)
def test_each_of_awss_terms_is_explained_once_and_not_used_before(term):
    found = [path.stem for path in ALL if f"**{term}**" in prose(path)]
    assert found == [TERMS[term]]
    earlier = ALL[: [path.stem for path in ALL].index(TERMS[term])]
    assert [path.stem for path in earlier if term in prose(path).lower()] == []


def prose(path):
    return "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")


def first_code(path):
    return next(i for i, cell in enumerate(nbformat.read(path, as_version=4).cells) if cell.cell_type == "code")


def test_every_notebook_but_the_ends_links_to_the_one_before_and_after():
    for before, path, after in zip(STORY, STORY[1:], STORY[2:], strict=False):
        last = nbformat.read(path, as_version=4).cells[-1].source
        assert f"({before.name})" in last
        assert f"({after.name})" in last


def test_notebook_files_end_with_a_newline_and_are_indented_alike():
    for path in ALL:
        text = path.read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
