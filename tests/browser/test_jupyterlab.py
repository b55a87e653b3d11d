"""The numbered notebooks as a student meets them: opened in JupyterLab in a real browser, run, and pressed."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from labkit import draw_lab, open_lab, quiz, sample, survey, upload_photo
from labkit.result import Table
from labkit.waiting import wait_until

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STORY = [path.stem for path in sorted(NOTEBOOKS.glob("0*.ipynb"))]
WIDTH, HEIGHT = 1280, 1000  # pixels: as the window is opened
SCREEN = {"width": 1440, "height": 900}  # of a laptop
DRAWING = re.compile(r"^(draw_lab|gallery|monitor|show_photo|timeline)\(", re.MULTILINE)


@pytest.fixture(scope="module")
def lab(home):
    """The student's lab, seen from outside."""
    return open_lab("local", workspace=home)


def whole(page, path):
    """A screenshot of the whole notebook, not of what fits on the screen."""
    height = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": height + 150})
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    page.screenshot(path=path)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


@pytest.mark.parametrize("name", [name for name in STORY if not name.endswith("clean_up")])
def test_a_notebook_runs_and_shows_pictures_tables_and_no_error(name, run_in_jupyterlab, keep):
    shows_itself(run_in_jupyterlab(name), name, keep)


def shows_itself(page, name, keep):
    whole(page, keep(f"{name}.png"))
    errors = page.locator(".jp-OutputArea-output:is([data-mime-type$=error], [data-mime-type$=stderr])")
    assert errors.all_inner_texts() == []
    cells = [
        cell for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells if cell.cell_type == "code"
    ]
    for number, cell in enumerate(cells):
        if DRAWING.search(cell.source):
            images = page.locator(".jp-CodeCell").nth(number).locator(".jp-OutputArea img")
            assert images.count() > 0, cell.source
            for image in images.all():
                assert len(image.get_attribute("alt")) > 20
                assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    tables = page.locator(".jp-OutputArea-output table:visible")
    assert tables.count() > 0
    for table in tables.all():
        assert table.locator("th[scope=col]").count() > 1
        assert table.locator("tbody tr").count() > 0


class TestControls:
    def control(self, page, code):
        """What stands below the cell whose code contains this."""
        cell = page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea", has_text=code))
        return cell.locator(".jp-Cell-outputArea")

    def test_a_sample_is_chosen_and_uploaded(self, run_in_jupyterlab, lab):
        control = self.control(run_in_jupyterlab("05_upload"), "choose_photo(lambda")
        control.get_by_label("photo").select_option("MonaLisa.jpg")
        control.get_by_text("upload_photo(lab, sample('MonaLisa.jpg'))").wait_for()
        control.get_by_role("button", name="upload", exact=True).click()
        control.get_by_text("Upload succeeded.").wait_for()
        assert_results(lab, "MonaLisa.jpg")

    def test_a_file_from_the_computer_is_uploaded(self, run_in_jupyterlab, lab, home, tmp_path):
        photo = shutil.copy(sample("AWS.jpg"), tmp_path / "from my computer.jpg")
        control = self.control(run_in_jupyterlab("05_upload"), "choose_photo(lambda")
        with run_in_jupyterlab("05_upload").expect_file_chooser() as chooser:
            control.get_by_role("button", name="from your computer").click()
        chooser.value.set_files(photo)
        control.get_by_text("upload_photo(lab, 'my-photos/from my computer.jpg')").wait_for()
        control.get_by_role("button", name="upload", exact=True).click()
        control.get_by_text("ingest/from my computer.jpg").first.wait_for()
        assert_results(lab, "from my computer.jpg")
        assert (home / "notebooks" / "my-photos" / "from my computer.jpg").is_file()

    def test_queues_are_followed(self, run_in_jupyterlab, lab):
        control = self.control(run_in_jupyterlab("05_upload"), "watch_queues(")
        name = lab.branches[0].dead_letter_queue_name  # nobody takes anything from it
        url = lab.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        row = control.locator(".widget-html tr", has_text=name)
        before = row.inner_text()
        control.get_by_role("button", name="follow").click()
        lab.client("sqs").send_message(QueueUrl=url, MessageBody="a dead letter")
        wait_until(lambda: row.inner_text() != before and row.inner_text(), what="the new depth", seconds=30)
        assert re.search(r"\b1\b", row.inner_text())
        lab.client("sqs").purge_queue(QueueUrl=url)
        wait_until(lambda: row.inner_text() == before, what="the old depth", seconds=30)
        control.get_by_role("button", name="follow").click()

    def test_the_same_event_is_sent_again(self, run_in_jupyterlab, lab):
        control = self.control(run_in_jupyterlab("05_upload"), "send_event_again(")
        key = results_of(lab, "dandelions.jpg")[0]
        before = written(lab, key)
        control.get_by_role("button", name="send the same event again").click()
        wait_until(lambda: written(lab, key) > before, what="the result to be written again", seconds=30)
        control.locator(".widget-output p").first.wait_for()

    def test_logs_are_followed_and_searched(self, run_in_jupyterlab, lab, keep):
        page = run_in_jupyterlab("06_validate")
        control = self.control(page, "view_logs(lambda").locator(".jupyter-widgets.widget-vbox")
        control.get_by_role("button", name="follow").click()
        upload_photo(lab, sample("HappyFace.jpg"), name="followed.jpg")
        control.get_by_role("cell", name="ingest/followed.jpg").first.wait_for()
        control.get_by_role("button", name="follow").click()
        control.get_by_label("text").fill("followed.jpg")
        control.get_by_label("text").press("Enter")
        control.get_by_text("select(text='followed.jpg')").wait_for()
        wait_until(lambda: control.locator("tbody tr").count() == 1, what="one request", seconds=30)
        control.screenshot(path=keep("logs.png"))

    def test_memory_is_changed(self, run_in_jupyterlab, lab, keep):
        control = self.control(run_in_jupyterlab("06_validate"), "pick_memory(lambda")
        name = lab.branches[1].name
        control.get_by_label("function").select_option(name)
        control.get_by_label("memory MB").select_option("1024")
        control.get_by_text(f'configure_function(lab, "{name}", MemorySize=1024)').wait_for()
        control.get_by_role("button", name="change").click()
        control.locator(".widget-output p").first.wait_for()
        function = lab.branches[1].function_name
        assert lab.client("lambda").get_function_configuration(FunctionName=function)["MemorySize"] == 1024
        control.screenshot(path=keep("memory.png"))

    def test_a_wrong_and_a_right_answer_are_pressed_and_answered(self, run_in_jupyterlab, keep):
        control = self.control(run_in_jupyterlab("00_check_your_lab"), "quiz(0, lab)").locator(".widget-vbox").first
        question = quiz(0).questions[0]
        for number in (0, question.right):
            control.get_by_label(question.answers[number]).check()
            control.get_by_text(question.feedback(number)).wait_for()
        assert not control.get_by_text(question.feedback(0)).is_visible()
        control.screenshot(path=keep("quiz.png"))


def results_of(lab, name):
    return [branch.result_key(f"ingest/{name}") for branch in lab.branches]


def assert_results(lab, name):
    """All three results of a photo come."""
    for key in results_of(lab, name):
        wait_until(lambda key=key: written(lab, key), what=key, seconds=30)


def written(lab, key):
    """When an object was written; None if it is not there. S3's own clock knows seconds only; metadata knows more."""
    s3 = lab.client("s3")
    if "Contents" not in s3.list_objects_v2(Bucket=lab.definition.bucket_name, Prefix=key):
        return None
    return s3.head_object(Bucket=lab.definition.bucket_name, Key=key)["LastModified"]


def test_an_executed_copy_from_elsewhere_shows_its_map_and_its_prices(home, server, student, lab, keep):
    """JupyterLab does not trust it: of its HTML, scripts, styles and SVG are thrown away."""
    bought = Table((), "$0.0096 so far, $0.0260 a day.", {"what": str})
    outputs = [
        nbformat.v4.new_output("display_data", data=result._repr_mimebundle_())
        for result in (draw_lab(survey(lab)), bought)
    ]
    cells = [nbformat.v4.new_code_cell("1", outputs=outputs), nbformat.v4.new_markdown_cell("$a^2$")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), home / "notebooks" / "elsewhere.ipynb")
    page = student.new_page()
    page.goto(f"{server}doc/tree/elsewhere.ipynb")
    page.locator("mjx-container").wait_for()  # the formula in the text is typeset, so MathJax has been at work
    image = page.locator(".labkit-map img")
    assert image.evaluate("image => image.complete && image.clientWidth > 600 && image.clientHeight > 400")
    assert page.locator(".labkit-map style").count() == 0
    assert page.get_by_text("$0.0096 so far, $0.0260 a day.").is_visible()
    page.screenshot(path=keep("elsewhere.png"))
    page.close()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_outputs_can_be_read_in_either_theme(theme, run_in_jupyterlab, serious_findings, keep):
    page = run_in_jupyterlab("06_validate")
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-item", has_text=re.compile(r"^\s*Theme\s*$")).click()
    page.locator(".lm-Menu-item", has_text=theme).first.click()
    page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
    whole(page, keep(f"06_validate in {theme}.png"))
    assert serious_findings(page, ".jp-OutputArea-output") == []


def test_the_last_notebook_shows_that_nothing_is_left(run_in_jupyterlab, lab, keep):
    shows_itself(run_in_jupyterlab("07_clean_up"), "07_clean_up", keep)
    assert lab.client("lambda").list_functions()["Functions"] == []
    assert lab.client("s3").list_buckets()["Buckets"] == []


# Last, since the last notebook takes the lab away.
@pytest.mark.parametrize("name", STORY)
def test_the_first_action_is_on_the_first_screen(name, run_in_jupyterlab, keep):
    page = run_in_jupyterlab(name)
    page.set_viewport_size(SCREEN)
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    page.screenshot(path=keep(f"{name} first screen.png"))
    # The first is folded, the second begins; the third is the first thing that one does.
    place = page.locator(".jp-CodeCell").nth(2).locator(".jp-Cell-inputWrapper").bounding_box()
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    assert place["y"] + place["height"] <= SCREEN["height"]
