"""The map of the lab: what it shows, in which forms, and for whom."""

import base64
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, product
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.definition import Definition
from labkit.insight.survey import Part, Survey
from labkit.settings import FUNCTIONS
from labkit.show import map as lab_map
from labkit.show.cards import NAMELESS, STATES
from labkit.show.map import PLACES, draw_lab
from labkit.show.svg import FONT, HERE, INKS, LINES, SHEET, width_of, wrap

SVG = "{http://www.w3.org/2000/svg}"
MORE = tuple(
    replace(FUNCTIONS[0], name=name, folder=folder)
    for name, folder in (("CreateGreyImage", "grey/"), ("CreateBlackAndWhiteThumbnail", "bw/"), ("CreateE", "e/"))
)
SHARED = Definition(suffix="twelve-chars", prefix="hannelore-x-", where="aws")


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch):
    """Each test begins as a new process does."""
    monkeypatch.setattr(lab_map, "_last_seen", {})


def image_in(html):
    """The SVG inside the image of a page."""
    return base64.b64decode(re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)[1]).decode()


def forms_of(drawn):
    """The forms in the file, the widest first."""
    return ElementTree.fromstring(drawn.svg).findall(f"{SVG}svg")


def cells(form):
    """The groups of a form, by kind and branch."""
    return {group.get("data-part"): group for group in form.iter(f"{SVG}g")}


def lines(group, css="text"):
    return ["".join(text.itertext()) for text in group.iter(f"{SVG}text") if css in ("text", text.get("class"))]


def classes(group):
    return [shape.get("class") for shape in group]


class TestWhatIsOnIt:
    def test_every_part_under_its_real_name(self, survey_of):
        survey = survey_of()
        drawn = draw_lab(survey)
        for form in forms_of(drawn):
            on_it = cells(form)
            for part in survey.parts:
                group = on_it[f"{part.kind} {part.function}".strip()]
                if part.kind not in NAMELESS:
                    assert "".join(lines(group, "name")) == part.name
                assert part.detail in " ".join(lines(group))

    def test_what_the_survey_does_not_know_of_is_left_out(self, survey_of):
        survey = survey_of()
        some = [part for part in survey.parts if part.kind not in ("role", "topic policy", "redrive", "results")]
        for form in forms_of(draw_lab(Survey("a lab", tuple(some)))):
            assert len(cells(form)) == len(some)

    def test_a_word_of_aws_own_stays_on_one_line(self, survey_of):
        survey = survey_of()
        alarms = [
            Part(kind, f"image-alarm-{branch}", "made", "INSUFFICIENT_DATA: no datapoints yet", function=branch)
            for branch in survey.branches()
            for kind in ("dead-letter alarm", "age alarm")
        ]
        drawn = draw_lab(replace(survey, parts=(*survey.parts, *alarms)))
        wide, *_ = forms_of(drawn)
        assert [text.text for text in wide.iter(f"{SVG}text") if text.text.endswith("INSUFFICIENT_")] == []
        assert [text.text for text in wide.iter(f"{SVG}text")].count("age alarm: INSUFFICIENT_DATA") == 3
        apart(drawn)

    def test_a_kind_that_it_has_no_place_for_is_in_the_table_alone(self, survey_of):
        survey = survey_of()
        alarm = Part("alarm", "too-many-dead-letters", "made")
        drawn = draw_lab(replace(survey, parts=(*survey.parts, alarm)))
        assert "too-many-dead-letters" in str(drawn)
        assert "too-many-dead-letters" not in drawn.svg

    def test_a_lab_without_branches_is_drawn(self):
        drawn = draw_lab(Survey("a lab", (Part("bucket", "photos", "made"), Part("topic", "news", "missing"))))
        assert set(cells(forms_of(drawn)[0])) == {"bucket", "topic"}

    def test_each_state_has_a_word_a_sign_and_an_outline(self, survey_of):
        looks = {}
        for state in STATES:
            drawn = draw_lab(survey_of({("function", "CreateWebImage"): (state, "for a reason")}))
            group = cells(forms_of(drawn)[0])["function CreateWebImage"]
            looks[state] = [
                shape.get("d") or shape.get("class") for shape in group if shape.tag in (f"{SVG}path", f"{SVG}rect")
            ]
            said = " ".join(lines(group))
            assert state == "made" or state in said.replace("FAILING", "failing")
            assert ("for a reason" in said) is (state != "missing")
        assert len({str(look) for look in looks.values()}) == len(STATES)

    def test_what_is_failing_says_why_in_the_box_and_in_words(self, survey_of):
        drawn = draw_lab(survey_of({("queue policy", "CreateWebImage"): ("failing", "it does not let the topic send")}))
        for form in forms_of(drawn):
            assert "FAILING: it does not let the topic send" in " ".join(
                lines(cells(form)["queue policy CreateWebImage"])
            )
        assert "queue policy web-queue is failing: it does not let the topic send" in drawn.alt
        assert "it does not let the topic send" in str(drawn)

    def test_the_way_to_what_is_missing_is_dashed_and_to_what_fails_is_thick(self, survey_of):
        missing = {("trigger", function.name): ("missing", "") for function in FUNCTIONS}
        failing = {("trigger", function.name): ("failing", "disabled") for function in FUNCTIONS}
        whole, some, broken = (draw_lab(survey_of(changes)).svg for changes in ({}, missing, failing))
        assert whole.count('"line dashed"') == 0
        assert some.count('"line dashed"') == 3 * len(FUNCTIONS)
        assert len(re.findall(r'd="M[\d. ]+L[\d. ]+" class="broken thick"', broken)) == 3 * len(FUNCTIONS)


class TestWhereYouAre:
    @pytest.mark.parametrize("here", [*PLACES, *(function.name for function in FUNCTIONS)])
    def test_is_lit_up_once_and_said(self, survey_of, here):
        drawn = draw_lab(survey_of(), here)
        for form in forms_of(drawn):
            assert lines(form).count("you are here") == 1
            assert any(shape.get("class") == "lit" for shape in form.iter(f"{SVG}rect"))
        assert f"You are here: {here}." in str(drawn)
        assert here in drawn.alt

    def test_is_nowhere_unless_it_is_said(self, survey_of):
        assert "you are here" not in draw_lab(survey_of()).svg

    def test_is_refused_if_there_is_no_such_place_with_those_there_are(self, survey_of):
        with pytest.raises(ValueError, match=r"there is no place 'moon'; there are topic, queues") as raised:
            draw_lab(survey_of(), here="moon")
        assert "CreateWebImage" in str(raised.value)


class TestWhatChanged:
    def test_is_marked_on_the_map_in_its_words_and_in_the_table(self, survey_of):
        changes = {("topic", ""): ("missing", ""), ("trigger", "CreateWebImage"): ("failing", "disabled")}
        draw_lab(survey_of(changes))
        drawn = draw_lab(
            survey_of({("bucket", ""): ("missing", ""), ("logs", "CreateWebImage"): ("failing", "1 failed")})
        )
        for form in forms_of(drawn):
            marked = {name: words for name, group in cells(form).items() for words in lines(group) if "•" in words}
            assert {name: words.rpartition("• ")[2] for name, words in marked.items()} == {
                "bucket": "gone",
                "topic": "new",
                "trigger CreateWebImage": "fixed",
                "logs CreateWebImage": "now failing",
            }
            assert "• changed since the last map" in lines(form)
        assert "Since the last map: bucket (gone), topic (new)" in drawn.caption
        assert drawn.columns[-1] == "since the last map"
        assert [row[-1] for row in drawn.rows() if row[0] == "topic"] == ["new"]

    def test_is_nothing_on_a_first_map_on_the_same_once_more_and_on_that_of_another_lab(self, survey_of):
        draw_lab(survey_of())
        for survey in (survey_of(), survey_of(definition=SHARED, state="missing")):
            drawn = draw_lab(survey)
            assert "•" not in drawn.svg
            assert "Since the last map" not in str(drawn)

    def test_is_named_in_part_where_it_is_much(self, survey_of):
        draw_lab(survey_of(state="missing"))
        assert re.search(r"Since the last map: bucket \(new\), .* and 26 more\.", draw_lab(survey_of()).caption)


class TestItsWords:
    def test_are_twelve_pixels_high_or_more_on_a_page_of_960(self, survey_of):
        drawn = draw_lab(survey_of())
        sizes = [int(size) for size in re.findall(r"(\d+)px", drawn.svg)]
        assert min(sizes) == FONT == 12
        assert drawn.forms[0].width == 960

    @pytest.mark.parametrize("here", [None, "upload", "results", FUNCTIONS[-1].name])
    @pytest.mark.parametrize("definition", [Definition(suffix="ab3x9"), SHARED], ids=["short", "long"])
    @pytest.mark.parametrize("state", STATES)
    def test_neither_overlap_nor_leave_the_map(self, survey_of, here, definition, state):
        kinds = {part.kind for part in survey_of().parts}
        changes = dict.fromkeys(product(kinds, (function.name for function in FUNCTIONS)), (state, "it is broken"))
        draw_lab(survey_of(definition=definition, state="missing"))
        apart(draw_lab(survey_of(changes, definition), here))

    @pytest.mark.parametrize("count", range(1, 7))
    def test_neither_overlap_nor_leave_the_map_of_so_many_functions(self, survey_of, count):
        definition = Definition(suffix="ab3x9", functions=(*FUNCTIONS, *MORE)[:count])
        apart(draw_lab(survey_of(definition=definition), "functions"))

    def test_break_after_hyphens_and_slashes_and_never_inside_a_word(self, survey_of):
        for form in forms_of(draw_lab(survey_of(definition=SHARED))):
            for group in cells(form).values():
                assert all(line[-1] in "-/" for line in lines(group, "name")[:-1])

    def test_that_no_line_can_hold_break_where_their_parts_meet(self):
        assert wrap("Runtime.ImportModuleError: no module", 130, "label") == [
            "Runtime.",
            "ImportModuleError:",
            "no module",
        ]
        assert wrap("CreateBlackAndWhiteThumbnail", 120, "name") == ["CreateBlackAnd", "WhiteThumbnail"]

    def test_are_cut_where_they_are_too_many_and_whole_in_the_table(self, survey_of):
        trouble = " ".join(f"reason{number}" for number in range(200))
        drawn = draw_lab(survey_of({("function", "CreateWebImage"): ("failing", trouble)}))
        said = lines(cells(forms_of(drawn)[0])["function CreateWebImage"], "bad")
        assert len(said) == 8
        assert said[-1].endswith(" …")
        assert trouble in str(drawn)

    @given(st.text(min_size=1, max_size=80))
    def test_may_be_anything(self, name):
        drawn = draw_lab(Survey("a lab", (Part("bucket", name, "made"), Part("topic", "t", "failing", trouble=name))))
        ElementTree.fromstring(drawn.svg)
        assert "<img src=x" not in drawn._repr_mimebundle_()["text/html"].replace('<img src="data', "")

    @pytest.mark.parametrize("dark", [False, True], ids=["by light", "in the dark"])
    def test_stand_out_from_what_they_are_written_on(self, dark):
        grounds = [pair[dark] for pair in (*SHEET.values(), HERE["lit"])]
        on_tabs = {"here-words"}
        for name, ink in INKS.items():
            for ground in [HERE["here"][dark]] if name in on_tabs else grounds:
                assert contrast(ink[dark], ground) >= 4.5, (name, ground)
        for name, line in LINES.items():
            for ground in grounds:
                assert contrast(line[dark], ground) >= 3, (name, ground)


def apart(drawn):
    """Assert that all words of all forms have their place to themselves."""
    for form, element in zip(drawn.forms, forms_of(drawn), strict=True):
        boxes = []
        for text in element.iter(f"{SVG}text"):
            words, css = "".join(text.itertext()), text.get("class")
            width = float(text.get("textLength") or width_of(words, css))
            left, bottom = float(text.get("x")), float(text.get("y"))
            boxes.append((words, left, left + width, bottom - 10, bottom + 3))
        for words, left, right, top, bottom in boxes:
            assert left >= 0, words
            assert right <= form.width, words
            assert 0 <= top <= bottom <= form.height, words
        for one, other in combinations(boxes, 2):
            assert one[2] <= other[1] or other[2] <= one[1] or one[4] <= other[3] or other[4] <= one[3], (one, other)


def contrast(one, other):
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


class TestForWhom:
    def test_it_has_a_title_a_description_a_table_and_the_same_in_words(self, survey_of):
        drawn = draw_lab(survey_of())
        root = ElementTree.fromstring(drawn.svg)
        assert root.find(f"{SVG}title").text == f"The lab {survey_of().lab_id}"
        assert root.find(f"{SVG}desc").text == drawn.alt
        html = drawn._repr_mimebundle_()["text/html"]
        assert f'alt="{drawn.alt}"' in html
        for part in survey_of().parts:
            for face in (str(drawn), html.partition("The same as a table")[2]):
                assert part.name in face

    def test_the_image_in_a_page_is_the_svg_and_asks_for_nothing_else(self, survey_of):
        drawn = draw_lab(survey_of())
        assert image_in(drawn._repr_mimebundle_()["text/html"]) == drawn.svg
        assert not re.search(r"url\(|href|<script|@import", drawn.svg)

    def test_it_is_saved_in_one_form_with_the_size_of_that_form(self, survey_of, tmp_path):
        drawn = draw_lab(survey_of())
        for tall, form in ((False, drawn.forms[0]), (True, drawn.forms[-1])):
            root = ElementTree.parse(drawn.save(tmp_path / "lab.svg", tall=tall)).getroot()
            assert (float(root.get("width")), float(root.get("height"))) == (form.width, form.height)
            assert root.findall(f"{SVG}svg") == []

    def test_it_needs_neither_matplotlib_nor_pillow(self):
        code = "import sys, labkit.show.map; print('matplotlib' in sys.modules, 'PIL' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == "False"
