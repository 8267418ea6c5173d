"""The page in a real browser: it asks for nothing, runs nothing, and fits a desk, a phone and a sheet of paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from nhiscan import report
from tests.report.estate import MADE, hostile, large, small

OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true })"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Contrast of each text with the nearest painted background behind it (WCAG 2.2, 1.4.3).
CONTRAST = """
() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b]
    .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const poor = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    if (!own || !element.checkVisibility()) continue
    let behind = element, paint = [0, 0, 0, 0]
    while (behind && paint[3] === 0) {
      const found = parts(getComputedStyle(behind).backgroundColor)
      paint = found.length === 3 ? [...found, 1] : found
      behind = behind.parentElement
    }
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(paint)].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) poor.push([element.className, element.textContent.slice(0, 30), ratio.toFixed(2)])
  }
  return poor
}
"""


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "hostile.html"
    report.write(path, report.render(hostile(), generated_at=MADE))
    return path


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def test_the_page_asks_for_nothing_and_breaks_no_rule_of_its_own(page: Page, nasty: Path) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(nasty.as_uri())
    page.evaluate("1")
    assert asked == [nasty.as_uri()]
    assert said == []
    assert "owned" not in page.title()


@pytest.mark.parametrize(
    ("planted", "proof"),
    [
        ("<script>document.title = 'owned'</script>", "document.title"),
        ("<img src=x onerror=\"document.title = 'owned'\">", "document.title"),
        (
            "<p id=planted style='position: fixed'>x</p>",
            "getComputedStyle(document.getElementById('planted')).position",
        ),
        ("<style>#main { position: fixed }</style>", "getComputedStyle(document.getElementById('main')).position"),
    ],
    ids=["script", "handler", "style attribute", "style element"],
)
def test_what_gets_past_the_escaping_is_stopped_by_the_policy(
    planted: str, proof: str, page: Page, nasty: Path, tmp_path: Path
) -> None:
    html = nasty.read_text(encoding="utf-8").replace("</main>", f"{planted}</main>")
    broken = tmp_path / "broken.html"
    broken.write_text(html, encoding="utf-8")
    unguarded = tmp_path / "unguarded.html"
    unguarded.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html), encoding="utf-8")
    page.goto(broken.as_uri())
    page.wait_for_load_state()
    assert page.evaluate(proof) not in ("owned", "fixed")
    page.goto(unguarded.as_uri())  # without the policy the same text does its harm: the guard is what stops it
    page.wait_for_function(f"['owned', 'fixed'].includes({proof})")


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (320, 640)], ids=["desktop", "phone"])
def test_the_page_never_scrolls_sideways(width: int, height: int, page: Page, nasty: Path) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(nasty.as_uri())
    assert page.evaluate(OVERFLOW) == 0
    page.evaluate(OPEN_ALL)
    assert page.evaluate(OVERFLOW) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(scheme: Any, page: Page, nasty: Path) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(nasty.as_uri())
    page.evaluate(OPEN_ALL)
    assert page.evaluate(CONTRAST) == []


def test_links_and_summaries_are_large_enough_to_hit(page: Page, nasty: Path) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(nasty.as_uri())
    small_targets = page.evaluate(
        """() => [...document.querySelectorAll('nav a, .first a, .cards a, .todo a, summary')]
        .filter(element => element.checkVisibility() && element.getBoundingClientRect().height < 24)
        .map(element => element.textContent.slice(0, 40))"""
    )
    assert small_targets == []


def test_the_keyboard_skips_to_the_content_first(page: Page, nasty: Path) -> None:
    page.goto(nasty.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_first_sheet_of_paper_holds_the_summary(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    con = large(60)
    con.execute("update findings set rule_id = 'priv-admin-equivalent', partner_id = null where outcome = 'fail'")
    con.execute("update cases set partner_id = null")
    report.write(path, report.render(con, generated_at=MADE))
    page.set_viewport_size({"width": 695, "height": 1017})  # A4 at 96 dpi within the margins
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    assert page.evaluate("document.getElementById('summary').getBoundingClientRect().bottom") < 1017
    assert page.evaluate("getComputedStyle(document.getElementById('scorecard')).breakBefore") == "page"


def test_paper_shows_what_is_folded_on_the_screen(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "small.html"
    report.write(path, report.render(small(), generated_at=MADE))
    page.goto(path.as_uri())
    inside = page.locator("details.case .fix").first
    assert not inside.is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert inside.evaluate("element => element.checkVisibility({ contentVisibilityAuto: true })")
    assert inside.evaluate("element => element.getBoundingClientRect().height") > 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_a_written_report_is_readable_by_its_owner_alone(nasty: Path) -> None:
    assert nasty.stat().st_mode & 0o777 == 0o600
