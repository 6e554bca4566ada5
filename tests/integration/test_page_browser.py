"""The report in a browser: opened from the disk, with no network."""

import json
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from deepgum.audit.folder import AuditFolder
from deepgum.audit.sample_features import SampleFeatures
from deepgum.data.crops import Square
from deepgum.data.pictures import Pictures
from deepgum.report.page import write_report

# Until what an event has set going is done.
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
DRAWN = """new Promise((done, fail) => {
  const late = performance.now() + 20000;
  (function look() {
    const images = [...document.querySelectorAll('.card img')];
    if (images.length && images.every((image) => image.complete && image.naturalWidth)) done(true);
    else if (performance.now() > late) done(false);
    else setTimeout(look, 20);
  })();
})"""
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>.png"


@pytest.fixture
def visit(browser):
    """Open a report; whatever the page asks of a network, writes to the console or fails at fails the test."""
    contexts, wrong = [], []

    def visit(path, *, part="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri() + part)
        page.locator(".card, .nothing").first.wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def report(write_audit, tmp_path_factory):
    """A report of 20 flags, written once: both landmarks of every fourth digit, the second one nearly right."""
    audited = write_audit(tmp_path_factory.mktemp("report"))
    labels = audited.labels()
    rows = labels.flags[:, 0].nonzero()[0].tolist()
    responsibilities, suggested, uncertainty = (
        values.copy() for values in (labels.responsibilities, labels.suggested, labels.uncertainty)
    )
    responsibilities[rows, 1] = 0.3
    suggested[rows], uncertainty[rows] = labels.predicted[rows], 0.7
    ids = tuple(HOSTILE if row == rows[3] else name for row, name in enumerate(labels.ids))
    other = AuditFolder(audited.path.with_name("other"))
    changed = replace(
        labels,
        ids=ids,
        responsibilities=responsibilities,
        suggested=suggested,
        uncertainty=uncertainty,
        kinds=dict(labels.kinds) | {(row, 1): "hard" for row in rows},
        why=dict(labels.why) | {(row, 1): "As far off as others." for row in rows},
    )
    other.write(replace(audited.summary(), flags=20), changed, audited.pictures())
    return write_report(other)


def cards(page):
    return page.locator(".card")


def names(page):
    return page.locator(".card .names").all_text_contents()


def status(page):
    return " ".join(page.locator(".status").inner_text().replace("\N{NO-BREAK SPACE}", " ").split())


def chip(page, words):
    return page.locator(".chip", has_text=words)


def current(page):
    return page.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement.closest('.card'))")


def test_pictures_show_and_landmarks_lie_where_they_are(report, visit, audited):
    page = visit(report)
    assert cards(page).count() == 20
    assert page.evaluate(DRAWN)
    data = json.loads(page.locator("#gallery-data").inner_text())
    labels = audited.labels()
    row = data["samples"]["row"][0]
    frame = page.locator(".frame").first.bounding_box()
    image = page.locator(".frame img").first.bounding_box()
    x, y = labels.given[row, :2]
    # The image of 64 pixels fills its crop but for the margin; a label lies on the pixel that it names.
    mark = page.evaluate(
        """() => {
          const mark = document.querySelector('.card .mark.given.flagged');
          const svg = mark.ownerSVGElement.getBoundingClientRect();
          return [mark.x.baseVal.value + svg.left, mark.y.baseVal.value + svg.top];
        }"""
    )
    assert mark[0] == pytest.approx(image["x"] + x / 64 * image["width"], abs=0.5)
    assert mark[1] == pytest.approx(image["y"] + y / 64 * image["height"], abs=0.5)
    assert image["width"] / frame["width"] == pytest.approx(1 / 1.15, abs=0.01)


def test_filters_reduce_the_cards_and_show_the_count(report, visit):
    page = visit(report)
    assert status(page).startswith("20 flagged labels · of these, about 3.0 are expected")
    chip(page, "hard to predict").click()
    assert status(page).startswith("10 of 20 flagged labels · of these, about 3.0 are")
    assert set(names(page)) == {"b"}
    chip(page, "0.1 to 1 %").click()
    assert cards(page).count() == 0
    assert page.locator(".nothing").inner_text() == "No flagged label passes these filters."
    page.get_by_role("button", name="Clear filters").click()
    assert cards(page).count() == 20
    page.get_by_label("Search id").fill("IMG SRC")
    page.locator(".status", has_text="2 of 20").wait_for()
    assert page.locator(".card .id").first.text_content() == HOSTILE


def test_the_count_of_a_choice_is_the_number_of_its_cards(report, visit):
    page = visit(report)
    chip(page, "the landmark is in").click()
    for each in page.locator(".chip").all():
        if each.locator("input").is_checked():
            continue
        count = int(each.locator(".count").inner_text())
        facet = each.locator("xpath=ancestor::fieldset")
        alone = not facet.locator("input:checked").count()
        before = cards(page).count()
        each.click()
        assert cards(page).count() == (count if alone else before + count)
        each.click()


def test_order(report, visit):
    page = visit(report)
    posteriors = page.locator(".card .posterior").all_text_contents()
    assert posteriors == sorted(posteriors, key=lambda text: float(re.sub(r"[^\d.]", "", text)))
    page.get_by_label("Order").select_option("id")
    ids = page.locator(".card .id").all_text_contents()
    assert ids[2:] == sorted(ids[2:]) or ids[:-2] == sorted(ids[:-2])  # where "<" comes in is the browser's to say
    page.get_by_role("button", name="Reverse").click()
    assert page.locator(".card .id").all_text_contents() == ids[::-1]


def test_a_card_per_sample_has_all_its_flags(report, visit):
    page = visit(report)
    page.get_by_label("One card per").select_option("sample")
    assert cards(page).count() == 10
    assert set(names(page)) == {"a, b"}
    assert status(page).startswith("20 flagged labels in 10 samples")


def test_keys(report, visit):
    page = visit(report)
    page.keyboard.press("j")
    assert current(page) == 0
    for key, place in (("j", 1), ("ArrowRight", 2), ("k", 1), ("Home", 0), ("End", 19), ("ArrowRight", 19)):
        page.keyboard.press(key)
        assert current(page) == place, key
    columns = len({round(card.bounding_box()["x"]) for card in cards(page).all()})
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert current(page) == columns
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.large")
    assert dialog.is_visible()
    first = dialog.locator("h2").inner_text()
    page.keyboard.press("j")
    assert dialog.locator("h2").inner_text() != first
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.evaluate(FRAME)
    assert current(page) == 1
    page.keyboard.press("?")
    assert page.locator("dialog.help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("jn?")
    assert page.get_by_label("Search id").input_value() == "jn?"
    assert not page.locator("dialog.help").is_visible()


def test_links_restore_pages_and_filters(report, visit):
    page = visit(report, part="#view?size=24&page=1")
    assert page.locator(".pager").first.is_hidden()
    page = visit(report, part="#view?label=1&reason=hard&sort=distance&reverse=1&search=.png")
    assert status(page).startswith("10 of 20")
    assert page.get_by_label("Order").input_value() == "distance"
    assert chip(page, "hard to predict").locator("input").is_checked()
    chip(page, "hard to predict").click()
    address = page.url
    again = visit(report, part=address[address.index("#") :])
    assert status(again) == status(page)
    assert names(again) == names(page)
    for part in ("#view?page=99&sort=constructor&size=5&label=7,x&by=y", "#labels", "#view", "#%"):
        assert cards(visit(report, part=part)).count() == 20


def test_pages_turn(audited, visit, monkeypatch):
    monkeypatch.setattr("deepgum.report.page.report._FIRST", 3)
    monkeypatch.setattr("deepgum.report.page.report._REST", 3)
    path = write_report(audited)
    text = path.read_text(encoding="utf-8").replace("const SIZES = [24,", "const SIZES = [4, 24,")
    path.write_text(text, encoding="utf-8")
    page = visit(path, part="#view?size=4", bypass_csp=True)  # the policy knows the script as it is
    seen = []
    for expected in ("1 of 3", "2 of 3", "3 of 3"):
        assert page.locator(".pager .where").first.inner_text() == expected
        assert page.evaluate(DRAWN)
        seen += page.locator(".card .id").all_text_contents()
        page.keyboard.press("n")
    labels = audited.labels()
    assert seen == [labels.ids[row] for row, _ in labels.worst_first()]
    page.keyboard.press("p")
    assert page.locator(".pager .where").first.inner_text() == "2 of 3"


def test_the_first_page_appears_while_the_file_is_still_loading(audited, browser, monkeypatch):
    monkeypatch.setattr("deepgum.report.page.report._FIRST", 4)
    monkeypatch.setattr("deepgum.report.page.report._REST", 3)
    whole = write_report(audited).read_bytes().replace(b"const SIZES = [24,", b"const SIZES = [4, 24,")
    middle = whole.index(b'id="pictures-1"') + 60  # a block is in the document before all of its text is
    go_on = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(whole[:middle])
            self.wfile.flush()
            go_on.wait(60)
            self.wfile.write(whole[middle:])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context(bypass_csp=True)
    try:
        page, wrong = context.new_page(), []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.server_port}/#view?size=4", wait_until="commit")
        cards(page).first.wait_for()
        assert page.evaluate(DRAWN)
        assert page.evaluate("document.readyState") == "loading"
        page.keyboard.press("n")
        page.evaluate(FRAME)
        assert page.evaluate("[...document.querySelectorAll('.card img')].every((image) => !image.src)")
        go_on.set()
        page.wait_for_load_state()
        page.evaluate(FRAME)
        assert page.evaluate(DRAWN)
        assert cards(page).count() == 4
        assert page.locator(".without-picture").count() == 0
        assert wrong == []
    finally:
        go_on.set()
        context.close()
        server.shutdown()
        server.server_close()


def test_names_are_text_not_markup(report, visit):
    page = visit(report)
    assert page.locator("#gallery img[src=x]").count() == 0
    page.locator(".card", has_text="onerror").first.locator("button.picture").click()
    assert page.locator("dialog.large h2").inner_text() == HOSTILE


@pytest.mark.parametrize("width", [320, 390, 768, 1440, 2560])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(report, visit, width, colours):
    page = visit(report, viewport={"width": width, "height": 800}, color_scheme=colours)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("button.picture").first.click()
    assert page.evaluate("document.querySelector('dialog.large').scrollWidth <= innerWidth")


def test_the_theme_follows_the_system_until_one_is_chosen(report, visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (visit(report, color_scheme=each).evaluate(ground) for each in ("light", "dark"))
    assert light != dark
    page = visit(report, color_scheme="light")
    page.get_by_role("button", name="Dark", exact=True).click()
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Auto").click()
    assert page.evaluate(ground) == light


def test_a_landmark_in_the_table_opens_its_flags(report, visit):
    page = visit(report)
    page.locator(".groups a").first.click()
    assert set(names(page)) == {"a"}


def test_conversions_between_crop_and_file_are_inverse(report, visit):
    page = visit(report)
    square, points = Square(-12.5, 7.25, 81.0), np.random.default_rng(0).uniform(-50, 200, (20, 2))
    found = page.evaluate(
        """([crop, points]) => {
          const {toCrop, toPixels} = DeepGUM.geometry;
          return points.map((point) => [toCrop(crop, point), toPixels(crop, toCrop(crop, point))]);
        }""",
        [list(square), points.tolist()],
    )
    np.testing.assert_allclose([there for there, _ in found], square.fractions(points))
    np.testing.assert_allclose([back for _, back in found], points)


def test_points_outside_have_an_arrow_at_the_border(report, visit):
    page = visit(report)
    points = [[0.5, -3], [4, 0.5], [-1, -1], [0.2, 0.9], [0.5, 1.2]]
    found = page.evaluate("(points) => points.map((p) => DeepGUM.geometry.pointer(p, 0))", points)
    assert [each and (each["at"], each["angle"]) for each in found] == [
        ([0.5, 0], -90), ([1, 0.5], 0), ([0, 0], -135), None, ([0.5, 1], 90),
    ]  # fmt: skip


def test_differences_of_periodic_values_take_the_short_way(report, visit):
    page = visit(report)
    assert page.evaluate("DeepGUM.geometry.difference(179, -179, 360)") == -2
    assert page.evaluate("DeepGUM.geometry.difference(179, -179, 0)") == 358


def test_pictures_that_cannot_be_shown_have_a_message(audited, visit):
    labels = audited.labels()
    for row, _ in labels.worst_first():
        (audited.path.parent / labels.ids[row]).write_bytes(b"no image")
    page = visit(write_report(audited))
    assert page.locator(".without-picture", has_text="not an image").count() == cards(page).count() == 10
    page.locator("button.picture").first.click()
    assert page.locator("dialog.large .without-picture").is_visible()


def test_values_without_pictures_are_drawn_on_a_scale(audited, visit):
    labels, summary = audited.labels(), audited.summary()
    values = replace(
        labels,
        target_names=("age",),
        group_names=("age",),
        partition=((0,),),
        **{name: getattr(labels, name)[:, :1] for name in (
            "given", "predicted", "suggested", "uncertainty", "responsibilities", "mahalanobis"
        )},
        kinds={place: "off" for place in labels.kinds},
    )  # fmt: skip
    other = AuditFolder(audited.path.with_name("values"))
    source = replace(summary.data, landmarks=False, unit="years")
    other.write(replace(summary, data=source, groups=summary.groups[:1]), values, None)
    page = visit(write_report(other))
    assert cards(page).count() == 10
    assert page.locator(".card .frame").count() == 0
    row, _ = values.worst_first()[0]
    shown = page.locator(".card .value b").all_text_contents()[:2]
    assert [float(text) for text in shown] == pytest.approx([values.given[row, 0], values.predicted[row, 0]], abs=0.051)


def test_a_page_without_flags(audited, visit):
    labels = audited.labels()
    right = replace(labels, responsibilities=np.full((40, 2), 0.9), kinds={}, why={})
    other = AuditFolder(audited.path.with_name("right"))
    other.write(replace(audited.summary(), flags=0), right, Pictures(audited.path.parent, labels.ids, (None,) * 40))
    page = visit(write_report(other))
    assert page.locator(".nothing").inner_text() == "No label is flagged."
    for key in ("j", "n", "Enter", "ArrowDown", "?"):
        page.keyboard.press(key)


# The skeleton


def test_lines_connect_the_labels_and_the_predictions_of_a_skeleton(visit, write_audit, tmp_path):
    audited = write_audit(tmp_path)
    summary = audited.summary()
    source = replace(summary.data, skeleton=((0, 1), (1, 7)))  # there is no landmark 7
    audited.write(replace(summary, data=source), audited.labels(), audited.pictures())
    card = visit(write_report(audited)).locator(".card").first
    ends = "line => ['x1', 'y1', 'x2', 'y2'].map((name) => line.getAttribute(name))"
    at = "mark => ['x', 'y'].map((name) => mark.getAttribute(name))"
    for kind in ("given", "predicted"):
        (line,) = card.locator(f".bone.{kind}").all()
        marks = [card.locator(f".mark.{kind}[data-point='{place}']").evaluate(at) for place in (0, 1)]
        assert line.evaluate(ends) == [*marks[0], *marks[1]]


def test_without_a_skeleton_there_are_no_lines(visit, report):
    assert visit(report).locator(".bone").count() == 0


def test_the_features_of_a_row_are_on_its_card_and_all_of_them_on_request(audited, visit):
    labels, summary = audited.labels(), audited.summary()
    rng = np.random.default_rng(0)
    cells = {f"f{place}": rng.normal(size=len(labels)).round(3).tolist() for place in range(30)}
    cells["<b>city</b>"] = ["oslo"] * len(labels)
    worst = labels.worst_first()[0][0]
    cells["f17"][worst], cells["<b>city</b>"][worst] = 99.5, "rome"
    names = tuple(f"table/a rather long name of a row, number {row}, left" for row in range(len(labels)))
    other = AuditFolder(audited.path.with_name("other"))
    values = replace(labels, ids=names)
    source = replace(summary.data, landmarks=False)
    other.write(
        replace(summary, data=source),
        values,
        None,
        SampleFeatures.of(cells, names, sorted({r for r, _ in labels.worst_first()})),
    )
    page = visit(write_report(other))
    card = page.locator(".card").first
    shown = card.locator(".features dt").all_inner_texts()
    assert len(shown) == 4
    assert set(shown[:2]) == {"f17", "<b>city</b>"}
    assert "and 27 more" in card.inner_text()
    assert card.locator(".features .unusual dd").all_inner_texts()[:2] in (["99.5", "rome"], ["rome", "99.5"])
    # The id is cut in the middle: both of its ends are visible.
    id = card.locator(".id")
    assert id.get_attribute("title") == names[worst]
    first, last = id.locator("span").all()
    assert first.inner_text() + last.inner_text() == names[worst]
    assert first.evaluate("(span) => span.scrollWidth > span.clientWidth")
    assert not last.evaluate("(span) => span.scrollWidth > span.clientWidth")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    large = page.locator("dialog.large")
    assert large.locator(".features dt").count() == 12
    assert "the 12 most unusual of 31" in large.inner_text()
    large.get_by_role("button", name="Show 19 more").click()
    assert sorted(large.locator(".features dt").all_inner_texts()) == sorted(cells)
