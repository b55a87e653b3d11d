"""The headless run: what it does with notebooks that are fine, and with each way of going wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import psutil
import pytest
from children import children

from labkit import clean_up, create_queue, embedded_aws, open_lab
from labkit.connection import LOCAL_FOLDER
from labkit.errors import LabError
from labkit.result import CHECKS_MIME, Check, Checks
from labkit.run import runner
from labkit.waiting import wait_until

NOTEBOOKS = Path(__file__).parents[1] / "fixtures" / "notebooks"


def run(folder: Path, *names: str, **settings) -> runner.Run:
    paths = [NOTEBOOKS / f"{name}.ipynb" for name in names]
    settings.setdefault("say", lambda _: None)
    return runner.run_notebooks(paths, folder=folder, where="nowhere", **settings)


@pytest.fixture(scope="module")
def fine(tmp_path_factory) -> runner.Run:
    return run(tmp_path_factory.mktemp("fine"), "fine", "with_parameters")


class TestARunThatGoesWell:
    def test_counts_the_checks_of_each_notebook(self, fine):
        assert [(n.name, n.checks_passed, n.checks_made) for n in fine.notebooks] == [
            ("fine", 2, 2),
            ("with_parameters", 0, 0),
        ]
        assert fine.failed is None

    def test_says_so_in_one_sentence_and_a_table(self, fine):
        assert re.fullmatch(r"PASS: 2 notebooks in \d+\.\d s, 2 checks passed\.", fine.sentence())
        assert [(row[0], row[1], row[3]) for row in fine.rows()] == [
            ("fine", "PASS", "2 of 2"),
            ("with_parameters", "PASS", "none made"),
        ]
        one = replace(fine, notebooks=fine.notebooks[1:])
        assert re.fullmatch(r"PASS: 1 notebook in \d+\.\d s\.", one.sentence())

    def test_leaves_executed_copies_with_outputs_and_the_sources_untouched(self, fine):
        copy = nbformat.read(fine.folder / "fine.ipynb", as_version=4)
        assert copy.cells[3].outputs[0].text == "three < four\n"
        source = nbformat.read(NOTEBOOKS / "fine.ipynb", as_version=4)
        assert not source.cells[3].outputs

    def test_leaves_nothing_else(self, fine):
        assert sorted(path.name for path in fine.folder.iterdir()) == [
            "fine.ipynb",
            "report.html",
            "with_parameters.ipynb",
        ]

    def test_uses_the_python_that_runs_labkit_whatever_kernels_are_installed(self, tmp_path, monkeypatch):
        spec = tmp_path / "kernels" / "python3"
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "wrong", "language": "python"}')
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
        done = run(tmp_path / "out", "with_parameters")
        assert done.notebooks[0].notebook.cells[-1].outputs[0].text == f"{sys.executable}\n"

    def test_gives_each_notebook_an_empty_namespace(self, tmp_path):
        names = "print([name for name in globals() if name in ('labkit', 'matplotlib', 'launch_new_instance')])"
        path = tmp_path / "names.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(names)]), path)
        done = runner.run_notebooks([path], folder=tmp_path / "out", where="nowhere", say=lambda _: None)
        assert done.notebooks[0].notebook.cells[0].outputs[0].text == "[]\n"

    @pytest.mark.parametrize(("name", "plots"), [("draw_lab", False), ("timeline", True)])
    def test_matplotlib_is_imported_for_plots_alone(self, tmp_path, name, plots):
        code = f"from labkit import {name}\nimport sys\nprint('matplotlib' in sys.modules)"
        path = tmp_path / "modules.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
        done = runner.run_notebooks([path], folder=tmp_path / "out", where="nowhere", say=lambda _: None)
        assert done.notebooks[0].notebook.cells[0].outputs[0].text == f"{plots}\n"

    def test_a_name_that_labkit_does_not_have_fails_in_its_cell(self, tmp_path):
        path = tmp_path / "wrong.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("from labkit import no_such")]), path)
        done = runner.run_notebooks([path], folder=tmp_path / "out", where="nowhere", say=lambda _: None)
        assert str(done.failed.failure).startswith(
            "cell 1 `from labkit import no_such`: ImportError: cannot import name"
        )

    def test_needs_no_home_to_write_into(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", "/dev/null")
        assert run(tmp_path / "out", "fine").failed is None

    def test_tells_each_notebook_as_it_ends(self, tmp_path):
        said: list[str] = []
        run(tmp_path, "fine", say=said.append)
        assert len(said) == 1
        assert re.fullmatch(r"PASS  fine  \d+\.\d s, 2 of 2 checks passed", said[0])


class TestParameters:
    def test_go_to_the_notebooks_that_declare_them_and_to_no_other(self, tmp_path):
        done = run(tmp_path, "fine", "with_parameters", parameters={"size": 7}, options={"where": "local"})
        assert done.notebooks[1].notebook.cells[3].outputs[0].text.startswith("local 7 ")
        assert "Parameters" not in str(done.notebooks[0].notebook.cells)

    def test_that_nobody_declares_are_refused_before_anything_starts(self, tmp_path):
        with pytest.raises(LabError, match="No notebook declares the parameter 'sise'") as refused:
            run(tmp_path / "out", "with_parameters", parameters={"sise": 7})
        assert refused.value.hint() == "There are size, where."
        assert not (tmp_path / "out").exists()

    def test_options_of_the_lab_may_go_unused(self, tmp_path):
        assert run(tmp_path, "fine", options={"where": "local"}).failed is None

    def test_the_environment_reaches_the_kernel(self, tmp_path):
        done = run(tmp_path, "with_parameters", environment={"LABKIT_COLOUR": "green"})
        assert done.notebooks[0].notebook.cells[2].outputs[0].text.endswith(" green\n")


class TestEachWayOfFailing:
    @pytest.mark.parametrize(
        ("name", "cell", "sentence"),
        [
            ("error", 2, "FAIL: error, cell 2 `def divide(a, b):`: ZeroDivisionError: division by zero"),
            (
                "lab_error",
                1,
                "FAIL: lab_error, cell 1 `from labkit.errors import LabError`: LabError: There is no topic.",
            ),
            (
                "allowed_then_real_error",
                2,
                "FAIL: allowed_then_real_error, cell 2 `{}[\"missing\"]`: KeyError: 'missing'",
            ),
            (
                "failing_check",
                1,
                "FAIL: failing_check, cell 1 `from labkit.result import Check, Checks`: "
                "a check failed: delivery: expected raw delivery off, found raw delivery on",
            ),
            (
                "dead_kernel",
                1,
                "FAIL: dead_kernel, cell 1 `import os`: DeadKernelError: the kernel died; kernels.log may say why",
            ),
        ],
    )
    def test_names_notebook_cell_and_the_errors_first_line(self, tmp_path, name, cell, sentence):
        done = run(tmp_path, name)
        assert done.sentence() == sentence
        assert done.failed is not None
        assert done.failed.failure is not None
        assert done.failed.failure.cell == cell

    def test_a_cell_that_takes_too_long_ends_the_run(self, tmp_path):
        done = run(tmp_path, "timeout", cell_timeout=1)
        assert (
            done.sentence() == "FAIL: timeout, cell 1 `import threading`: TimeoutError: the cell took longer than 1 s"
        )

    @pytest.mark.parametrize("text", ["Dear reader,", '{"title": "a letter"}', ""])
    def test_what_is_no_notebook_is_refused_before_anything_starts(self, tmp_path, text):
        letter = tmp_path / "letter.ipynb"
        letter.write_text(text)
        with pytest.raises(LabError, match=r"letter\.ipynb is not a notebook that can be run"):
            runner.run_notebooks([NOTEBOOKS / "fine.ipynb", letter], folder=tmp_path / "out", where="nowhere")
        assert not (tmp_path / "out").exists()

    def test_the_notebooks_after_a_failed_one_are_not_run(self, tmp_path):
        done = run(tmp_path, "error", "fine")
        assert [row[:2] for row in done.rows()] == [("error", "FAIL"), ("fine", "not reached")]
        assert not (tmp_path / "fine.ipynb").exists()

    @pytest.mark.parametrize("name", ["error", "timeout", "dead_kernel"])
    def test_the_failed_notebook_is_saved_with_its_error(self, tmp_path, name):
        done = run(tmp_path, name, cell_timeout=1)
        assert done.failed is not None
        saved = nbformat.read(done.failed.copy, as_version=4)
        errors = [o for cell in saved.cells for o in cell.get("outputs", ()) if o.output_type == "error"]
        assert len(errors) == 1
        assert 'print("never reached")' not in [cell.source for cell in saved.cells if cell.get("outputs")]

    def test_an_error_on_purpose_is_no_failure(self, tmp_path):
        done = run(tmp_path, "allowed_error")
        assert done.failed is None
        assert done.notebooks[0].notebook.cells[-1].outputs[0].text == "reached\n"

    def test_a_check_that_fails_on_purpose_is_no_failure_and_is_not_counted(self, tmp_path):
        done = run(tmp_path, "expected_failure")
        assert done.failed is None
        assert (done.notebooks[0].checks_passed, done.notebooks[0].checks_made) == (1, 1)

    def test_a_notebook_goes_on_after_a_failed_check_so_that_all_is_seen(self, tmp_path):
        done = run(tmp_path, "failing_check")
        assert done.notebooks[0].notebook.cells[-1].outputs[0].text == "reached\n"

    def test_no_kernel_outlives_the_run(self, tmp_path):
        run(tmp_path, "timeout", "fine", cell_timeout=1)
        assert not children(os.getpid(), "launch_new_instance")


class TestFindingNotebooks:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        for name in ("00_start", "01_topic", "02_queues", "extra"):
            (tmp_path / f"{name}.ipynb").write_bytes((NOTEBOOKS / "fine.ipynb").read_bytes())
        return tmp_path

    def test_the_numbered_ones_in_order(self, folder):
        assert [path.stem for path in runner.find_notebooks(folder)] == ["00_start", "01_topic", "02_queues"]

    @pytest.mark.parametrize("name", ["01", "01_topic", "01_topic.ipynb"])
    def test_by_number_or_name(self, folder, name):
        assert runner.find_notebooks(folder, [name]) == [folder / "01_topic.ipynb"]

    def test_by_path_outside_the_story(self, folder):
        assert runner.find_notebooks(folder, [str(folder / "extra.ipynb")]) == [folder / "extra.ipynb"]

    @pytest.mark.parametrize("name", ["09", "0"])
    def test_one_that_is_not_there_or_not_clear_is_told_with_what_there_is(self, folder, name):
        with pytest.raises(LabError, match=f"There is no notebook '{name}'") as refused:
            runner.find_notebooks(folder, [name])
        assert refused.value.hint() == "There are 00_start, 01_topic, 02_queues."

    def test_none_at_all(self, tmp_path):
        with pytest.raises(LabError, match="There are no numbered notebooks"):
            runner.find_notebooks(tmp_path)
        with pytest.raises(LabError, match="There is no notebook '01'") as refused:
            runner.find_notebooks(tmp_path, ["01"])
        assert refused.value.hint() == "There are none."


class Elements(HTMLParser):
    """The tags of a piece of HTML, and the values of each attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


class TestTheReport:
    @pytest.fixture
    def page(self, fine) -> str:
        return fine.report.read_text("utf-8")

    def test_loads_nothing_from_anywhere(self, page):
        assert "default-src 'none'" in page
        assert "<script" not in page
        assert not re.findall(r"""(?:src=|url\(|@import\s*)["']?(?!data:)[^"'\s>]+""", page)
        assert "<link" not in page

    def test_says_where_when_with_what_and_how_it_went(self, page, fine):
        assert "nowhere" in page
        assert fine.started.strftime("%Y-%m-%d %H:%M") in page
        assert re.search(r"boto3 \d+\.\d+", page)
        assert "2 of 2" in page
        assert fine.sentence() in page

    def test_has_a_contents_list_that_leads_to_each_notebook(self, page):
        assert '<a href="#fine">A notebook that is fine</a>' in page
        assert '<section id="fine"' in page
        assert '<a href="#with_parameters">the other one</a>' in page

    def test_has_one_heading_of_the_first_level(self, page):
        assert re.findall(r"<h1>(.+?)</h1>", page) == ["The Serverless Image Processing Lab: a run"]
        assert "<h3>Afterwards</h3>" in page

    def test_leads_to_sites_but_not_to_files_that_are_not_beside_it(self, page):
        assert '<a href="https://example.com/">' in page
        assert "readme.txt" not in page

    def test_embeds_pictures_with_their_words(self, page):
        assert '<img src="data:image/svg+xml;base64,' in page
        assert 'alt="A grey dot"' in page

    def test_escapes_what_was_printed(self, page):
        assert "three &lt; four" in page

    def test_shows_each_kind_of_output(self, tmp_path):
        page = run(tmp_path, "rich").report.read_text("utf-8")
        assert "<td>a table</td>" in page
        assert "<strong>bold</strong>" in page
        assert "data:image/svg+xml;base64," in page
        assert "to the error stream" in page

    def test_nothing_that_a_notebook_shows_acts_on_the_page(self, tmp_path):
        page = run(tmp_path, "hostile").report.read_text("utf-8")
        shown = page.partition("<main>")[2]
        found = Elements(shown)
        assert {"script", "form", "iframe", "meta", "input"}.isdisjoint(found.tags)
        assert not [name for name in found.attributes if name.startswith("on")]
        assert all(url.startswith(("#", "https:")) for url in found.attributes.get("href", ()))
        assert all(url.startswith("data:image/") or url == "#harmful-link" for url in found.attributes["src"])
        assert not [style for style in found.attributes["style"] if "position" in style]
        assert (found.tags.count("section"), shown.count("</section>"), shown.count("</main>")) == (1, 1, 1)
        assert "form-action 'none'; base-uri 'none'" in page

    def test_what_a_notebook_shows_is_still_read(self, tmp_path):
        page = run(tmp_path, "hostile").report.read_text("utf-8")
        assert '<td style="text-align:left">a cell of a table</td>' in page
        assert '<img src="data:image/png;base64,&quot;&gt;&lt;script&gt;" alt="&quot;&gt;&lt;b&gt;">' in page
        assert "\\x1b]0;title\\x07 red &lt;script&gt;" in page
        assert "<strong>bold</strong>" in page

    def test_of_a_failed_run_tells_the_failure_first_and_leads_to_the_cell(self, tmp_path):
        page = run(tmp_path, "lab_error").report.read_text("utf-8")
        assert page.index("There is no topic.") < page.index("Contents")
        assert '<a href="#lab_error-1">' in page
        assert 'id="lab_error-1"' in page
        assert "catch_up(lab, to=1) makes it." in page


class TestTheLabOfARun:
    """A local run has an embedded AWS of its own, and takes it away again."""

    @pytest.fixture
    def opening(self, tmp_path) -> Path:
        """A notebook that opens the lab and shows where."""
        code = "from labkit import open_lab\n\nlab = open_lab()\nprint(lab.workspace, lab.connection.endpoint_url)"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(code)], metadata={"language_info": {"name": "python"}}
        )
        path = tmp_path / "01_opening.ipynb"
        nbformat.write(notebook, path)
        return path

    def test_is_isolated_and_gone_at_the_end(self, opening, tmp_path, monkeypatch):
        monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path / "students"))
        monkeypatch.setenv("LABKIT_WHERE", "aws")
        done = runner.run_lab([opening], folder=tmp_path / "out", say=lambda _: None)
        assert done.failed is None, done
        workspace, url = done.notebooks[0].notebook.cells[0].outputs[0].text.split()
        assert Path(workspace) == tmp_path / "out" / "workspace"
        assert url.startswith("http://127.0.0.1:")
        assert not Path(workspace).exists()
        assert not (tmp_path / "students").exists()

    def test_is_kept_on_wish_and_says_how_to_go_on(self, opening, tmp_path):
        said: list[str] = []
        runner.run_lab([opening], folder=tmp_path / "out", keep=True, say=said.append)
        workspace = tmp_path / "out" / "workspace"
        try:
            assert embedded_aws.find(workspace / LOCAL_FOLDER) is not None
            assert f"export LABKIT_WORKSPACE={workspace}" in "\n".join(said)
        finally:
            assert embedded_aws.stop(workspace / LOCAL_FOLDER)

    def test_keeping_leaves_out_the_notebook_that_cleans_up(self, opening, tmp_path):
        cleaning = opening.rename(tmp_path / "07_clean_up.ipynb")
        fine = NOTEBOOKS / "fine.ipynb"
        try:
            done = runner.run_lab([fine, cleaning], folder=tmp_path / "out", keep=True, say=lambda _: None)
            assert [run.name for run in done.notebooks] == ["fine"]
        finally:
            embedded_aws.stop(tmp_path / "out" / "workspace" / LOCAL_FOLDER)

    def test_is_gone_after_a_failure(self, tmp_path):
        done = runner.run_lab([NOTEBOOKS / "error.ipynb"], folder=tmp_path / "out", say=lambda _: None)
        assert done.failed is not None
        assert not (tmp_path / "out" / "workspace").exists()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_is_gone_after_ctrl_c_and_after_being_ended(self, tmp_path, number):
        sign = tmp_path / "sign"
        process = subprocess.Popen(
            [sys.executable, "-m", "labkit", "run", str(NOTEBOOKS / "interrupted.ipynb"), "--out", "out"],
            cwd=tmp_path,
            env={**os.environ, "LABKIT_TEST_SIGN": str(sign)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # What runs in the background of a script is started deaf to Ctrl-C: these tests may, this process must not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            wait_until(lambda: sign.exists() and sign.read_text(), what="the notebook to run", seconds=60)
            kernel = psutil.Process(int(sign.read_text()))
            process.send_signal(number)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130, said
        assert "FAIL: interrupted, cell 1 `import os`: KeyboardInterrupt: the run was interrupted" in said
        assert "Traceback" not in said
        assert (tmp_path / "out" / "interrupted.ipynb").exists()
        assert (tmp_path / "out" / "report.html").exists()
        assert not (tmp_path / "out" / "workspace").exists()
        wait_until(lambda: not kernel.is_running(), what="the kernel to end", seconds=10)


class TestTheLabOfARunElsewhere:
    """On an endpoint or a real account the run deletes what it has made, however it ends, and nothing else."""

    @pytest.fixture
    def lab(self, endpoint, tmp_path, monkeypatch):
        """The lab that the run will open, asked from outside."""
        monkeypatch.setenv("LABKIT_WORKSPACE", str(tmp_path))
        lab = open_lab("endpoint", endpoint_url=endpoint)
        yield lab
        clean_up(open_lab("endpoint", endpoint_url=endpoint))

    @pytest.fixture
    def failing(self, tmp_path) -> Path:
        """A notebook that makes a topic, and then fails."""
        sources = (
            'endpoint_url: str = ""',
            "from labkit import create_topic, open_lab\n\ncreate_topic(open_lab(endpoint_url=endpoint_url))",
            "1 / 0",
        )
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        notebook.cells[0].metadata.tags = ["parameters"]
        path = tmp_path / "failing.ipynb"
        nbformat.write(notebook, path)
        return path

    def run(self, lab, path, **settings) -> tuple[runner.Run, str]:
        said: list[str] = []
        url = lab.connection.endpoint_url
        folder = path.parent / "out"
        done = runner.run_lab([path], folder=folder, where="endpoint", endpoint_url=url, say=said.append, **settings)
        return done, "\n".join(said)

    def topics(self, lab) -> list[str]:
        found = lab.client("sns").list_topics()["Topics"]
        return [topic["TopicArn"] for topic in found if topic["TopicArn"].endswith(lab.definition.topic_name)]

    def test_is_cleaned_up_after_a_failure(self, lab, failing):
        done, said = self.run(lab, failing)
        assert done.failed is not None
        assert "ZeroDivisionError" in done.sentence()
        assert f"Deleted 1 thing of {lab.definition.lab_id}; 0 left." in said
        assert self.topics(lab) == []

    def test_is_kept_on_wish(self, lab, failing):
        _, said = self.run(lab, failing, keep=True)
        assert f"The lab {lab.definition.lab_id} was kept, as you said: `labkit status` lists it" in said
        assert len(self.topics(lab)) == 1

    def test_is_left_as_it_is_if_it_was_open_before(self, lab, failing):
        create_queue(lab, "CreateThumbnail")
        _, said = self.run(lab, failing)
        assert "was open before this run, and so left as it is" in said
        assert len(self.topics(lab)) == 1

    def test_says_where_it_was(self, lab, failing):
        done, _ = self.run(lab, failing)
        assert done.where == "an AWS-compatible endpoint, account 123456789012, region us-east-1"


def test_checks_carry_what_the_run_counts():
    checks = Checks("topic", (Check("name", True, "a", "a"), Check("owner", False, "b", "c", "Look.")))
    data = checks._repr_mimebundle_()[CHECKS_MIME]
    assert [line["passed"] for line in data["checks"]] == [True, False]
