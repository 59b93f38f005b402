"""No page has a violation that axe-core finds: those of a live study, and those of every report, light and dark.

The checker is Deque's axe-core (`npm pack axe-core`), whose axe.min.js the environment variable AXE names.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

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
RUN = "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Debian's packages chromium and chromium-driver are not here"),
    pytest.mark.skipif(not AXE, reason="AXE does not name the axe.min.js of npm's axe-core"),
]


@pytest.fixture(scope="module")
def driver() -> Iterator:
    with browser() as opened:
        yield opened


def violations(driver) -> list[str]:
    """What axe-core finds on the page that is open, in light and in dark colours."""
    found = []
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.execute_script(Path(AXE).read_text(encoding="utf-8"))
        result = driver.execute_async_script(RUN)
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
        if found := violations(driver):
            wrong[name] = found

    def there(selector: str) -> bool:
        return bool(driver.find_elements(By.CSS_SELECTOR, selector))

    with serving(tmp_path, kind) as (port, _):
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
                look("search")
                if kind == "text" and not there(".told .said"):
                    driver.find_element(By.NAME, "text").send_keys("abc")
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
    assert {"withdraw", "consent", "search", "questionnaire", "done"} <= seen
    if kind == "text":
        assert "search, after a reply" in seen
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
