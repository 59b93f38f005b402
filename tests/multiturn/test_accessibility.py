"""No page has a violation that axe-core finds: those of a live study, and those of every report, light and dark.

The checker is Deque's axe-core (`npm pack axe-core`), whose axe.min.js the environment variable AXE names.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from multiturn.report.comparison import write_comparison
from multiturn.report.page import report_run
from multiturn.study import live_page
from multiturn.study.store import Store
from tests.multiturn.study import test_scripted
from tests.multiturn.study.test_browser import CHROMIUM, DRIVER, browser, press, serving
from tests.multiturn.study.test_live_report import SETTINGS as OF_LIVE_STUDIES
from tests.multiturn.test_comparison import BAD, GOOD, SETTINGS, compare
from tests.multiturn.test_report_page import made_up_metrics, write_run

AXE = os.environ.get("AXE", "")
RUN = "const [rules, done] = arguments; axe.run(document, {resultTypes: ['violations'], rules}).then(done)"
# Where a study limits the time of a search, its page goes on by itself when that is over, which this rule refuses.
TIMED = {"meta-refresh": {"enabled": False}}
ANSWERS = {
    "text": "#text",
    "wanted": "input[name='mark-1'][value='+']",
    "comparison": "input[name='mark-1'][value='-']",
    "judgements": "input[name='mark-2'][value='+']",
    "example": "input[name='closest'][value='2']",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Debian's packages chromium and chromium-driver are not here"),
    pytest.mark.skipif(not AXE, reason="AXE does not name the axe.min.js of npm's axe-core"),
]


@pytest.fixture(scope="module")
def driver() -> Iterator:
    with browser() as opened:
        yield opened


def violations(driver, width: int = 1280, rules: Mapping[str, object] = MappingProxyType({})) -> list[str]:
    """What axe-core finds on the page that is open, in light and in dark colours.

    Args:
        width: of the window, in pixels.
        rules: settings of axe-core's rules.
    """
    found = []
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.execute_script(Path(AXE).read_text(encoding="utf-8"))
        result = driver.execute_async_script(RUN, dict(rules))
        assert len(result["passes"]) > 5, "nothing was checked"
        for one in result["violations"]:
            found += [f"{scheme}, {one['id']}: {node['html']}: {node['failureSummary']}" for node in one["nodes"]]
    return found


def test_the_checker_finds_what_is_wrong(driver, tmp_path: Path):
    bad = '<p style="color: #999; background: #eee">too pale</p><img src="a.png">'
    page = f'<html lang="en"><title>a</title><main><h1>a title</h1>{bad}</main></html>'
    (tmp_path / "bad.html").write_text(page)
    driver.get(f"file://{tmp_path}/bad.html")
    found = "\n".join(violations(driver))
    assert "color-contrast" in found and "image-alt" in found


@pytest.mark.parametrize("kind", ["text", "wanted", "comparison", "judgements", "example"])
def test_a_live_study_and_its_report(driver, tmp_path: Path, kind: str):
    from selenium.webdriver.common.by import By

    seen, wrong = set(), {}

    def look(name: str) -> None:
        seen.add(name)
        for width in (1280, 320) if name.startswith("search") else (1280,):
            if found := violations(driver, width, TIMED if name.startswith("search") else {}):
                wrong[f"{name}, {width} pixels"] = found

    def there(selector: str) -> bool:
        return bool(driver.find_elements(By.CSS_SELECTOR, selector))

    with serving(tmp_path, kind, trial_seconds=3600) as (port, _):
        driver.delete_all_cookies()
        driver.get(f"http://127.0.0.1:{port}/withdraw")
        look("withdraw")
        driver.get(f"http://127.0.0.1:{port}/")
        look("consent")
        driver.find_element(By.NAME, "agree").click()
        press(driver, "button.main")
        for _ in range(40):
            heading = driver.find_element(By.CSS_SELECTOR, "h1").text
            if there("form.giving-up"):
                if "search" not in seen:
                    look("search")
                    answer = driver.find_element(By.CSS_SELECTOR, ANSWERS[kind])
                    answer.send_keys("abc") if kind == "text" else answer.click()
                    press(driver, ".reply button.main")
                    look("search, after a reply")
                press(driver, ".giving-up button")
            elif there("fieldset.item"):
                look("questionnaire")
                driver.execute_script("document.querySelectorAll('.scale input').forEach(one => one.click())")
                press(driver, "button.main")
            elif there("button.main"):
                look(heading)
                press(driver, "button.main")
            else:
                look("done")
                break
    assert wrong == {}
    assert {"withdraw", "consent", "search", "search, after a reply", "questionnaire", "done"} <= seen
    if kind == "text":
        store = Store(tmp_path / "study.sqlite")
        live_page.report(store, tmp_path / "out", OF_LIVE_STUDIES)
        store.close()
        driver.get(f"file://{tmp_path}/out/report.html")
        assert violations(driver) == []


def test_the_page_of_a_run(driver, tmp_path: Path):
    report_run(write_run(tmp_path, json.loads(json.dumps(made_up_metrics()))))
    driver.get(f"file://{tmp_path}/report.html")
    assert violations(driver) == []


def test_the_page_of_a_comparison(driver, tmp_path: Path):
    page = write_comparison(compare([GOOD, BAD], ["R@10"], SETTINGS), tmp_path)
    driver.get(f"file://{page}")
    assert violations(driver) == []


def test_the_page_of_recorded_words(driver, tmp_path: Path):
    test_scripted.study(tmp_path / "run")
    driver.get(f"file://{tmp_path}/run/report.html")
    assert violations(driver) == []
