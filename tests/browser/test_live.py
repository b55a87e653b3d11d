"""The pipeline, alive, in a real JupyterLab: photos are dropped on the map, go their way, and land as pictures."""

import base64
import io
import re

import nbformat
import pytest
from PIL import Image

from labkit import doctor, open_lab, sample, send_burst, survey
from labkit.show.cards import part_name
from labkit.show.inbox import PIECE
from labkit.show.map import draw_as_it_stands
from labkit.waiting import wait_until

pytestmark = pytest.mark.slow

CELLS = (
    "from labkit import catch_up, open_lab, watch_pipeline\nlab = open_lab(prefix={prefix!r})\ncatch_up(lab, to=4)",
    "pipeline = watch_pipeline(lab)\npipeline",
    "pipeline.widget.pulse.lost",
)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
LARGE = 25_000_000  # bytes: more than twice what one message to Jupyter's server may have
LARGE_MS = 120_000
DROP = """(zone, files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  for (const kind of ["dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, composed: true, cancelable: true}));
  }
}"""
FRIENDS = sample("friends.jpg").read_bytes()


@pytest.fixture(scope="module")
def alive(home, run_in_jupyterlab):
    """Opens the widget on a lab of that prefix, in a notebook of its own; gives the page."""

    def show(prefix=""):
        name = f"alive {prefix}".strip()
        path = home / "notebooks" / f"{name}.ipynb"
        if not path.exists():
            cells = [nbformat.v4.new_code_cell(cell.format(prefix=prefix)) for cell in CELLS]
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
        page = run_in_jupyterlab(name)
        page.on("filechooser", lambda _: None)  # else each is caught only if it is not opened too soon
        pipeline(page).wait_for()
        return page

    return show


def pipeline(page):
    return page.get_by_role("region", name="The pipeline, alive")


def drop(page, *files):
    """Drop files, each a name and its bytes, on the bucket."""
    page.locator(".zone").evaluate(DROP, [(name, base64.b64encode(data).decode()) for name, data in files])


def wait_for_photo(page, name, state="through", timeout=30_000):
    button = page.locator(".photos button", has_text=name)
    button.filter(has_text=state).wait_for(timeout=timeout)
    return button


def shown(page):
    """Milliseconds since the upload that the slider is at, and how many parts of the map are lit."""
    return int(page.get_by_label("Time since the upload").input_value()), page.locator("rect.reached").count()


def said(page):
    return page.locator(".said").inner_text()


def wait_for_end(page):
    slider = page.get_by_label("Time since the upload")
    wait_until(
        lambda: (
            slider.input_value() == slider.evaluate("slider => String(Math.floor(slider.max))")
            or slider.input_value() == slider.get_attribute("max")
        ),
        what="the end of the way",
        seconds=60,
    )


def test_a_photo_is_dropped_and_three_pictures_land_with_their_times(alive, keep):
    page = alive()
    drop(page, ("friends.jpg", FRIENDS))
    wait_for_photo(page, "friends.jpg")
    page.locator(".results figure").nth(2).wait_for()
    for figure in page.locator(".results figure").all():
        assert figure.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
        assert re.search(r"[\d,]+ ms after the upload", figure.inner_text())
    wait_for_end(page)
    assert page.locator("svg image").count() == 3
    pipeline(page).screenshot(path=keep("alive.png"))


def test_what_stands_where_there_is_no_script_is_folded_where_there_is_one(alive):
    page = alive()
    still = page.locator("details.labkit-still")
    wait_until(lambda: not still.evaluate("still => still.open"), what="the widget in the page", seconds=30)
    still.locator("> summary").click()
    assert still.locator(".labkit-map img").evaluate("image => image.complete && image.naturalWidth > 0")
    still.locator("> summary").click()


def test_its_way_is_replayed_forwards_and_backwards_and_each_hop_is_said(alive):
    page = alive()
    wait_for_end(page)
    end, lit = shown(page)
    assert lit > 9  # of each branch queue, function, log and results, and what they share
    page.get_by_label("How much slower than it was").select_option("1")
    page.get_by_role("button", name="backwards").click()
    wait_until(lambda: shown(page)[0] == 0, what="the beginning", seconds=30)
    assert said(page).startswith("0 ms: S3 tells the topic")
    assert page.locator(".results figure").count() == 0
    page.get_by_role("button", name="next hop").click()
    assert re.match(r"[1-9]\d* ms: ", said(page))
    page.get_by_role("button", name="forwards").click()
    wait_until(lambda: shown(page) == (end, lit), what="the end", seconds=30)
    assert "The REPORT of" in said(page)


def test_where_motion_is_unwelcome_it_goes_in_steps(alive):
    page = alive()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_label("Time since the upload").press("Home")
    times = {float(fact.split(" ms")[0].replace(",", "")) for fact in page.locator("details ol li").all_text_contents()}
    page.get_by_role("button", name="forwards").click()
    seen = set()
    wait_until(lambda: seen.add(shown(page)[0]) or len(seen) > 2, what="two steps", seconds=30, longest_pause=0.1)
    page.get_by_role("button", name="pause").click()
    assert all(any(abs(time - at) <= 1 for at in times) for time in seen)
    page.emulate_media(reduced_motion="no-preference")


def test_a_png_is_answered_in_place_and_its_button_puts_it_in(alive, keep):
    page = alive()
    png = io.BytesIO()
    Image.open(io.BytesIO(FRIENDS)).resize((300, 200)).save(png, "PNG")
    drop(page, ("holiday.png", png.getvalue()))
    answer = page.locator(".files li", has_text="holiday.png does not end in .jpg")
    answer.wait_for()
    page.screenshot(path=keep("alive, a png.png"))
    answer.get_by_role("button", name="upload it as holiday.jpg").click()
    wait_for_photo(page, "holiday.jpg")
    assert page.locator(".files li").count() == 0


def test_what_is_no_picture_is_answered_and_its_name_is_never_taken_for_markup(alive):
    page = alive()
    name = "<img src=x onerror='window.hacked=1'>.jpg"
    drop(page, (name, b"GIF89a" + bytes(40)), ("torn.jpg", FRIENDS[:90_000]), ("empty.jpg", b""))
    for words, better in (
        (f"{name} is a GIF", "AWS.jpg"),
        ("torn.jpg is cut off or corrupt", "MonaLisa.jpg"),
        ("empty.jpg is empty", "HappyFace.jpg"),
    ):
        answer = page.locator(".files li", has_text=words)
        with page.expect_file_chooser() as chooser:
            answer.get_by_role("button", name="choose another file").click()
        chooser.value.set_files(sample(better))
        answer.wait_for(state="detached")
        wait_for_photo(page, better)
    assert page.evaluate("window.hacked") is None


def test_a_photo_of_25_mb_is_sent_in_pieces(alive, tmp_path):
    page = alive()
    noise = Image.merge("RGB", [Image.effect_noise((3200, 3200), 120) for _ in range(3)])
    noise.save(tmp_path / "large.jpg", quality=97, subsampling=0)
    assert (tmp_path / "large.jpg").stat().st_size > max(LARGE, 10 * PIECE)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Put photos into the bucket").click()
    chooser.value.set_files(tmp_path / "large.jpg")
    wait_for_photo(page, "large.jpg", timeout=LARGE_MS)


def test_a_folder_keeps_its_names(alive, tmp_path):
    page = alive()
    (tmp_path / "trip").mkdir()
    for name in ("day one.jpg", ".hidden"):
        (tmp_path / "trip" / name).write_bytes(sample("HappyFace.jpg").read_bytes())
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="choose a folder").click()
    chooser.value.set_files(tmp_path / "trip")
    wait_for_photo(page, "trip/day one.jpg")
    assert page.locator(".files li").count() == 0


def test_a_keyboard_alone_does_all_of_it(alive, tmp_path):
    page = alive()
    page.get_by_role("button", name="choose photos").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    photo = tmp_path / "typed.jpg"
    photo.write_bytes(sample("HappyFace.jpg").read_bytes())
    chooser.value.set_files(photo)
    wait_for_photo(page, "typed.jpg").focus()
    page.keyboard.press("Space")
    for name in ("backwards", "hop before", "Time since the upload", "next hop", "forwards", "How much slower"):
        page.keyboard.press("Tab")
        if "typed.jpg" not in focused(page):
            assert name in focused(page)
        if name == "Time since the upload":
            page.keyboard.press("Home")
            assert shown(page)[0] == 0
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)  # no key was taken for a command


def focused(page):
    """The name of what has the focus inside the widget."""
    return page.locator(".zone").evaluate(
        "zone => { const at = zone.getRootNode().activeElement; return at.ariaLabel ?? at.textContent; }"
    )


def test_of_a_burst_every_photo_is_counted(alive, home, keep):
    page = alive()
    lab = open_lab("local", workspace=home)
    before = int(re.search(r"(\d+) photos? in", page.locator(".counters").inner_text())[1])
    send_burst(lab, sample("HappyFace.jpg"), photos=20)
    page.locator(".counters", has_text=f"{before + 20} photos in").wait_for()
    page.locator(".counters", has_text=re.compile(rf"(Create\w+ {before + 20}\D*){{3}}")).wait_for()
    page.screenshot(path=keep("alive, a burst.png"))


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_serious_in_either_theme(theme, alive, serious_findings, keep):
    page = alive()
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-item", has_text=re.compile(r"^\s*Theme\s*$")).click()
    page.locator(".lm-Menu-item", has_text=theme).first.click()
    page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
    drop(page, ("wrong.png", FRIENDS))
    answer = page.locator(".files li", has_text="wrong.png")
    answer.wait_for()
    page.set_viewport_size({"width": 1440, "height": 2600})  # axe judges no colours of what is out of sight
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    pipeline(page).screenshot(path=keep(f"alive in {theme}.png"))
    assert serious_findings(page, ".jp-OutputArea-output") == []
    answer.get_by_role("button", name="Leave wrong.png").click()
    answer.wait_for(state="detached")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_in_a_broken_lab_the_photo_stops_where_the_doctor_says(alive, home, keep):
    page = alive("broken-")
    lab = open_lab("local", prefix="broken-", workspace=home)
    url = lab.client("sqs").get_queue_url(QueueName=lab.branches[1].queue_name)["QueueUrl"]
    lab.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    drop(page, ("friends.jpg", FRIENDS))
    wait_for_photo(page, "friends.jpg", "stopped")
    wait_for_end(page)
    first = doctor(lab, "friends.jpg").first
    assert first.evidence in said(page)
    width = float(page.locator(".map > svg").first.get_attribute("viewBox").split()[2])
    (form,) = [form for form in draw_as_it_stands(survey(lab)).forms if form.width == width]
    wrong = page.locator("rect.wrong")
    assert wrong.count() == 1
    at = [float(wrong.get_attribute(name)) for name in ("x", "y", "width", "height")]
    assert at == list(form.places[part_name(first.name, first.function)])
    drawn = wrong.evaluate(
        "one => [...one.parentNode.children].map(shape => shape.getAttribute('class') ?? shape.tagName)"
    )
    assert drawn.index("pill of-bad") > max(n for n, shape in enumerate(drawn) if shape == "image")  # nothing covers it
    assert page.locator(".results figure").count() == len(lab.branches) - 1
    pipeline(page).screenshot(path=keep("alive, broken.png"))


def test_it_stops_asking_when_its_cell_is_gone(alive):
    page = alive("broken-")
    cell = page.locator(".jp-CodeCell").nth(1)
    cell.locator(".jp-InputPrompt").click()
    for key in ("d", "d"):
        page.keyboard.press(key)
    pipeline(page).wait_for(state="detached")
    asking = page.locator(".jp-CodeCell").nth(1)

    def lost():
        asking.locator(".jp-InputPrompt").click()
        page.keyboard.press("Control+Enter")
        return "True" in asking.locator(".jp-OutputArea-output").inner_text()

    wait_until(lost, what="the widget to stop", seconds=60)
