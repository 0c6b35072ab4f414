"""The report in headless Chromium: no error, no request, every figure drawn; a hover; both themes, a phone, paper."""

import shutil

import pytest

from tests.experiments.test_report import contrast

sync = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")
DRAWN = {"scatter": ".scatterlayer .trace", "bar": ".barlayer .trace", "heatmap": ".heatmaplayer .hm image"}


@pytest.fixture(scope="module")
def browser():
    with sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, page):
    """Open the page offline; whatever it said or asked for is looked at in the end."""
    said, asked, contexts = [], [], []

    def call(width=1100, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri())
        tab.wait_for_selector("[data-plot]:last-of-type .main-svg")
        return tab

    yield call
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


def hexed(colour):
    return "#" + "".join(f"{int(part):02x}" for part in colour[4:-1].split(",")[:3])


def ink(tab):
    """Colours of the background, of the text, and of every word in the figures."""
    body, text = (
        hexed(tab.evaluate(f"getComputedStyle(document.body).{name}")) for name in ("backgroundColor", "color")
    )
    words = tab.eval_on_selector_all(".main-svg text", "all => all.map(one => getComputedStyle(one).fill)")
    return body, text, {hexed(colour) for colour in words}


def test_every_figure_is_drawn(visit):
    tab = visit()
    plots = tab.query_selector_all("[data-plot]")
    assert len(plots) == 7
    for plot in plots:
        kinds = plot.evaluate("one => one.data.map(trace => trace.type)")
        for kind in set(kinds):
            marks = plot.query_selector_all(DRAWN[kind])
            assert len(marks) == kinds.count(kind)
            assert all(mark.bounding_box()["width"] > 0 for mark in marks if kind == "heatmap")
        box = plot.bounding_box()
        assert box["width"] > 600
        assert box["height"] > 100


def test_a_hover_says_what_is_there(visit):
    tab = visit()
    for name, mark, fragment in (
        ("parts-0-inference", ".barlayer .point path", "heaters (core): 2.00"),
        ("curves", ".scatterlayer .point", "seed 0"),
        ("light-0", ".heatmaplayer .hm image", "free, mode"),
    ):
        plot = tab.query_selector(f"#plot-{name}")
        plot.scroll_into_view_if_needed()
        box = plot.query_selector(mark).bounding_box()
        for aside in (3, 0):
            tab.mouse.move(box["x"] + box["width"] / 2 - aside, box["y"] + box["height"] / 2)
        label = tab.wait_for_selector(f"#plot-{name} .hoverlayer .hovertext", timeout=5000)
        assert fragment in label.text_content().replace("\u00a0", " ")


def test_figures_follow_the_theme(visit):
    tab = visit(scheme="light")
    # The reader changes their mind.
    for scheme, page in (("light", "#ffffff"), ("dark", "#14171c"), ("light", "#ffffff")):
        tab.emulate_media(color_scheme=scheme)
        body, text, words = ink(tab)
        assert body == page
        assert min(contrast(body, word) for word in {text, *words}) >= 7


def test_a_phone_needs_no_scrolling_sideways(visit):
    tab = visit(width=360)
    for folded in tab.query_selector_all("details"):
        folded.evaluate("one => { one.open = true }")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    wide = "all => all.filter(one => one.getBoundingClientRect().right > 361).length"
    assert tab.eval_on_selector_all("figure, img, .main-svg, pre, p, h1, h2, h3", wide) == 0
    sizes = tab.eval_on_selector_all(
        "p, td, summary", "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 13


def test_paper_is_light_and_shows_everything(visit):
    tab = visit(scheme="dark")
    assert tab.query_selector("details:not([open])")
    tab.emulate_media(media="print")
    body, text, words = ink(tab)
    assert body == "#ffffff"
    assert min(contrast(body, word) for word in {text, *words}) >= 7
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not tab.query_selector("details:not([open])")
    widths = tab.eval_on_selector_all(".main-svg", "all => all.map(one => one.getBoundingClientRect().width)")
    assert max(widths) <= 660
    # Between the margins of A4; a browser would shrink all that is wider.
    tab.set_viewport_size({"width": 690, "height": 900})
    wide = "all => all.filter(one => one.getBoundingClientRect().right > 691).length"
    assert tab.eval_on_selector_all("table, figure, pre, img", wide) == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.query_selector("details:not([open])")
    assert tab.pdf(format="A4").startswith(b"%PDF")
