"""The page, as text and in a real browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from analysis.read.frames import load
from analysis.report import page as page_module
from analysis.report.overview import unfinished
from analysis.report.page import write_report
from segtrain import records
from segtrain.records import RecordError
from tests.analysis.conftest import ENV, StudyBuilder, counts

NASTY = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
MASK = [[0] * 8 + [1] * 8] * 12
WRONG = [[0] * 6 + [1] * 10] * 12
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")


def write_study(builder: Any) -> Path:
    """Three variants, one of which is named to be taken for a script, over three seeds; and one of every mishap."""
    for seed in range(3):
        for variant, test, fields in (
            ("plain", 0.5, {}),
            ("frozen", 0.4, {"freeze": "encoder", "runtime_s": 1000.0}),
            (NASTY, 0.3, {"arch": "fcn32s"}),
        ):
            shared = {"seed": seed, "env": ENV, "extra": {"images_per_s": 9.0}, "counts": counts([test, 0.9])}
            folder = builder.trial(
                [0.2, test], test + seed / 100 + len(fields) * seed / 500, variant=variant, **shared, **fields
            )
            builder.panel(folder, 0, MASK, WRONG)
    builder.trial([0.1, 0.2], variant="plain", lr=0.1, state="diverged", reason=NASTY, step=3)
    builder.trial([0.1], variant="plain", lr=0.2, state="running")
    builder.trial([], variant="plain", lr=0.3, state="skipped", reason="its parent failed")
    torn = builder.trial(variant="plain", lr=0.4)
    (torn / records.TEST_FILE).write_text("{")
    claims = [
        {"text": f"plain > {NASTY}", "left": {"variant": "plain"}, "right": {"variant": NASTY}, "source": NASTY},
        {
            "text": "equal",
            "left": {"variant": "plain"},
            "right": {"variant": "plain"},
            "kind": "equivalent",
            "margin": 0.1,
        },
        "in words",
    ]
    variants = {"plain": {}, "frozen": {}, NASTY: {}}
    return builder.write(title=f"A study {NASTY}", command=f"python {NASTY}", claims=claims, variants=variants)


def test_resumed_trials_are_counted(builder: Any) -> None:
    folder = builder.trial()
    status = records.read_json(folder / records.STATUS_FILE)
    records.write_json(folder / records.STATUS_FILE, status | {"attempts": 3})
    study = load(builder.write())
    assert unfinished(study) == ["1 resumed after an interruption: fcn8s-unfreeze-lr0.001"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = write_study(StudyBuilder(tmp_path_factory.mktemp("report") / "out"))
    return write_report(load(study)).paths[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(index: Path, browser: Browser) -> Iterator[Page]:
    """The page with every figure drawn; after the test it must have asked for nothing and said nothing."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    seen: list[str] = []
    tab.on("console", lambda message: seen.append(message.text))
    tab.on("pageerror", lambda error: seen.append(str(error)))
    tab.on("request", lambda request: seen.append(request.url))
    tab.goto(index.as_uri())
    tab.evaluate("charts.forEach(draw)")
    assert holds(tab, "[...document.querySelectorAll('.facet')].every((facet) => facet.querySelector('.main-svg'))")
    yield tab
    assert [line for line in seen if not line.startswith("data:")] == [index.as_uri()]
    tab.close()


def holds(page: Page, condition: str) -> bool:
    """Whether a condition in JavaScript comes true within 600 frames; playwright's own wait would eval it, which the
    page forbids."""
    next_try = "left-- > 0 ? requestAnimationFrame(look) : resolve(false)"
    look = f"let left = 600; const look = () => {condition} ? resolve(true) : {next_try}; look();"
    return bool(page.evaluate(f"new Promise((resolve) => {{ {look} }})"))


def test_the_page_names_what_went_wrong_and_takes_no_text_for_markup(index: Path) -> None:
    page = index.read_text()
    ours = page.split("plotly.js v")[0]
    assert "<script>document" not in ours
    assert "<img src=x" not in ours
    assert re.search(r"1 diverged: fcn8s-unfreeze-lr0.1 \(&lt;script&gt;", ours)
    assert "1 running: fcn8s-unfreeze-lr0.2" in ours
    assert "1 skipped: fcn8s-unfreeze-lr0.3 (its parent failed)" in ours
    assert "1 unreadable: fcn8s-unfreeze-lr0.4" in ours
    assert "1 file could not be read:" in ours
    assert page.count("plotly.js v") == 1


def test_the_same_folders_give_the_same_page_and_tables(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are held to it where they are drawn."""
    monkeypatch.setattr(page_module, "write_figures", lambda *_: [])
    files = [index, *(index.parent / "tables").iterdir()]
    before = {path: path.read_bytes() for path in files}
    write_report(load(index.parents[1]))
    assert {path: path.read_bytes() for path in files} == before
    assert len(files) > 20


@needs_browser
def test_the_page_in_a_browser(page: Page) -> None:
    assert page.title() == f"A study {NASTY}"  # shown, not run
    facets = page.locator(".facet").count()
    assert page.locator(".facet.js-plotly-plot").count() == facets
    broken = "[...document.images].filter((image) => !image.complete || image.naturalWidth === 0).length"
    assert (page.locator("img").count(), page.evaluate(broken)) == (1 + 1 + 3 * 2, 0)
    assert page.locator(".claim.undecided").count() == 3 - page.locator(".claim.holds").count()
    assert NASTY in page.locator(".claim h3").first.inner_text()
    # Names are letters in figures, too.
    assert NASTY in page.locator("#chart-test_scores .facet").inner_text()


@needs_browser
def test_the_page_keeps_its_place_while_figures_are_drawn(index: Path, browser: Browser) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(index.as_uri())
    height = "document.documentElement.scrollHeight"
    before = tab.evaluate(height)
    tab.evaluate("charts.forEach(draw)")
    assert holds(tab, "[...document.querySelectorAll('.facet')].every((facet) => facet.querySelector('.main-svg'))")
    assert abs(tab.evaluate(height) - before) < 0.02 * before
    tab.close()


@needs_browser
def test_tables_sort_by_number_and_turn_round(page: Page) -> None:
    table = page.locator("table[data-name=results]")
    head = table.get_by_role("button", name="test mIoU %")
    column = table.locator("tbody td:nth-child(4)")
    before = column.all_inner_texts()
    head.click()
    shown = column.all_inner_texts()
    found = [float(text) for text in shown if text]
    assert found == sorted(found)
    assert sorted(shown) == sorted(before)
    assert shown[-4:] == [""] * 4  # what is missing stays at the end
    head.click()
    shown = column.all_inner_texts()
    assert [float(text) for text in shown if text] == sorted(found, reverse=True)
    assert shown[-4:] == [""] * 4
    assert table.locator("th[aria-sort]").count() == 1
    table.get_by_role("button", name="runtime").click()
    runtimes = table.locator("tbody td:nth-child(10)").all_inner_texts()
    assert runtimes == ["1m 00s"] * 9 + ["16m 40s"] * 3 + [""]  # 1000 is more than 60, whatever its first digit


@needs_browser
def test_a_curve_is_hidden_in_every_facet_and_shown_again(page: Page) -> None:
    section = page.locator("#chart-val_mean_iou")
    button = section.locator(".legend button", has_text="<script>")
    visible = (
        "(name) => [...document.querySelectorAll('#chart-val_mean_iou .facet')].flatMap((facet) => facet.data)"
        ".filter((trace) => trace.meta.includes(name) && trace.visible !== false).length"
    )
    shown = page.evaluate(visible, "script")
    assert shown > 0
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert page.evaluate(visible, "script") == 0
    assert page.evaluate(visible, "frozen") > 0
    button.click()
    assert page.evaluate(visible, "script") == shown


@needs_browser
def test_wrong_pixels_are_marked_on_request(page: Page) -> None:
    plain, marked = page.locator("td img.plain").last, page.locator("td img.marked").last
    assert (plain.is_visible(), marked.is_visible()) == (True, False)
    page.get_by_label("mark the pixels that differ from the truth").check()
    assert (plain.is_visible(), marked.is_visible()) == (False, True)
    assert page.locator("td img.plain").first.is_visible()  # the image itself stays
    assert page.locator(".pictures small").first.inner_text() == "12.5 % wrong, IoU 77.5"


@needs_browser
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert holds(page, f"document.documentElement.scrollWidth === {width}")
    plots = "[...document.querySelectorAll('.facet .main-svg')].map((svg) => svg.getBoundingClientRect().right)"
    assert holds(page, f"Math.max(...{plots}) <= innerWidth")


@pytest.mark.parametrize("name", [".", "figures", "tables"])
def test_a_report_writes_and_deletes_nothing_where_a_link_leads(builder: Any, tmp_path: Path, name: str) -> None:
    builder.trial()
    folder = builder.write()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept.png").write_bytes(b"kept")
    link = folder / records.REPORT_DIR if name == "." else folder / records.REPORT_DIR / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(RecordError, match=re.escape(f"{link} is a link")):
        write_report(load(folder))
    assert [path.name for path in elsewhere.iterdir()] == ["kept.png"]


@needs_browser
def test_the_answers_stand_above_the_pictures_and_these_above_the_results(page: Page) -> None:
    tops = [
        page.evaluate(f"document.getElementById('{name}').offsetTop") for name in ("claims", "predictions", "results")
    ]
    assert tops == sorted(tops)
    assert page.locator("#chart-forest .facet.js-plotly-plot").count() == 1


@needs_browser
def test_the_contents_stay_in_sight(page: Page) -> None:
    page.evaluate("scrollTo(0, 3000)")
    assert holds(page, "scrollY > 2000")
    assert page.evaluate("document.querySelector('nav').getBoundingClientRect().top") == 0


@needs_browser
def test_dark_paper_has_light_ink_in_page_and_figures(index: Path, browser: Browser) -> None:
    tab = browser.new_page(color_scheme="dark")
    tab.goto(index.as_uri())
    tab.evaluate("charts.forEach(draw)")
    colour = "getComputedStyle(document.body).backgroundColor"
    axis = "document.querySelector('#chart-test_scores .facet').layout.font.color"
    assert (tab.evaluate(colour), tab.evaluate(axis)) == ("rgb(18, 21, 27)", "#d5d9e2")
    tab.emulate_media(color_scheme="light")
    assert holds(tab, f"{axis} === '#333333'")
    assert tab.evaluate(colour) == "rgb(245, 246, 249)"
    tab.close()


@needs_browser
def test_paper_has_all_unfolded_and_figures_of_its_width_and_the_screen_gets_its_own_back(page: Page) -> None:
    widest = "Math.max(...[...document.querySelectorAll('.facet .main-svg')].map((svg) => svg.clientWidth))"
    folded = "document.querySelectorAll('.attention:not([open])').length"
    assert page.evaluate(folded) == 1
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert holds(page, f"{widest} <= 700")
    assert page.evaluate(folded) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert holds(page, f"{widest} > 900")
    assert page.evaluate(folded) == 1


def test_the_frames_stand_beside_the_page_as_csv_files(builder: Any) -> None:
    builder.trial([0.2, 0.4], 0.3, arch="fcn8s")
    builder.trial([0.2], arch="fcn16s", state="failed", reason="=1+1")
    study = load(builder.write(claims=[{"text": "a claim"}]))
    write_report(study)
    data = study.folder / "report" / "data"
    read = {path.stem: pd.read_csv(path) for path in data.iterdir()}
    assert {name: len(frame) for name, frame in read.items()} == {
        "trials": 2, "epochs": 3, "classes": 2, "settings": 1, "judgements": 1
    }  # fmt: skip
    assert read["trials"]["test/mean_iou"].tolist()[0] == 0.3
    assert read["trials"]["reason"].tolist()[1] == "'=1+1"  # a spreadsheet shows it and runs nothing
    assert set(study.trials.columns) == set(read["trials"].columns)
