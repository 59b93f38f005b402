"""The search page in a real browser: the time that is left, and forty features on phones and wide screens."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.multiturn.study.test_browser import CHROMIUM, DRIVER, begin, browser, press, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Debian's packages chromium and chromium-driver are not here"),
]
LEFT = "return Number(getComputedStyle(document.querySelector('.counting'), '::before').getPropertyValue('--left'))"
# Of every row of features: whether its name and its three choices overlap in height, and do so within the window.
ROWS = """
return [...document.querySelectorAll('.choices .choice')].map(row => {
  const boxes = [...row.children].map(one => one.getBoundingClientRect());
  const middle = boxes[0].top + boxes[0].height / 2;
  return boxes.length == 4 && boxes.every(box => box.top < middle && middle < box.bottom && box.right <= innerWidth);
});
"""
TARGET = """
const box = document.querySelector('.goal img').getBoundingClientRect();
return box.top >= 0 && box.bottom <= innerHeight && box.height >= 60;
"""
# Whether the middle of what has the focus is in the window with nothing before it.
UNCOVERED = """
const one = document.activeElement, box = one.getBoundingClientRect();
const top = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 16));
return top !== null && (one.contains(top) || one.parentElement.contains(top) && one.parentElement.tagName == 'LABEL');
"""


@pytest.fixture(scope="module")
def driver() -> Iterator:
    with browser() as opened:
        yield opened


def resize(driver, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def prefer(driver, **features: str) -> None:
    media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def press_tab(driver, back: bool) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    keys = ActionChains(driver).key_down(Keys.SHIFT) if back else ActionChains(driver)
    keys.send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()


def displayed(driver, selector: str) -> bool:
    from selenium.webdriver.common.by import By

    return driver.find_element(By.CSS_SELECTOR, selector).is_displayed()


def searching(driver, port: int) -> None:
    driver.delete_all_cookies()
    begin(driver, port)


def test_the_time_that_is_left_counts_down(driver, tmp_path: Path):
    with serving(tmp_path, "text", trial_seconds=100) as (port, _):
        searching(driver, port)
        first, at = driver.execute_script(LEFT), time.monotonic()
        time.sleep(2.5)
        passed = time.monotonic() - at
        assert 95 <= first <= 100 and abs(first - driver.execute_script(LEFT) - passed) <= 1.5
        assert displayed(driver, ".counting") and not displayed(driver, ".still")


def test_where_nothing_may_move_the_page_says_when_the_time_was_read(driver, tmp_path: Path):
    from selenium.webdriver.common.by import By

    with serving(tmp_path, "text", trial_seconds=100) as (port, _):
        searching(driver, port)
        prefer(driver, prefers_reduced_motion="reduce")
        assert displayed(driver, ".still") and not displayed(driver, ".counting")
        assert driver.find_element(By.CSS_SELECTOR, ".still").text.endswith("s left when this page opened")
        prefer(driver)


def test_the_page_warns_before_the_time_is_over_and_then_goes_on_even_from_an_error(driver, tmp_path: Path):
    from selenium.webdriver.support.wait import WebDriverWait

    with serving(tmp_path, "judgements", trial_seconds=19) as (port, _):
        searching(driver, port)
        assert not displayed(driver, ".soon")
        press(driver, ".reply button.main")
        assert "Please mark at least one image" in driver.page_source and driver.current_url.endswith("/study/reply")
        WebDriverWait(driver, 10).until(lambda driver: displayed(driver, ".soon"))
        WebDriverWait(driver, 30).until(lambda driver: "The time for this image is over." in driver.page_source)


@pytest.mark.parametrize(("width", "height"), [(360, 640), (320, 640), (768, 1024), (1280, 800)])
def test_forty_features_fit_and_the_image_to_find_stays_in_sight(driver, tmp_path: Path, width: int, height: int):
    with serving(tmp_path, "comparison", toys="features", trial_seconds=600) as (port, _):
        resize(driver, width, height)
        searching(driver, port)
        rows = driver.execute_script(ROWS)
        assert len(rows) == 40 and all(rows)
        for place in (0, 500, 1e6):
            driver.execute_script(f"scrollTo(0, {place})")
            assert driver.execute_script(TARGET), f"out of sight at {place}"
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("width", "height"), [(360, 640), (320, 256), (1280, 640)])
def test_nothing_covers_what_has_the_focus(driver, tmp_path: Path, width: int, height: int):
    from selenium.webdriver.common.by import By

    with serving(tmp_path, "comparison", toys="features", trial_seconds=600) as (port, _):
        resize(driver, width, height)
        searching(driver, port)
        driver.find_element(By.CSS_SELECTOR, 'input[name="mark-1"][value="+"]').click()
        press(driver, ".reply button.main")
        for back in (False, True):
            met = set()
            for _ in range(60):
                press_tab(driver, back)
                if driver.execute_script("return document.activeElement === document.body"):
                    break
                named = driver.execute_script("const one = document.activeElement; return one.name || one.textContent")
                met.add(named)
                assert driver.execute_script(UNCOVERED), f"{named} is covered"
            assert {"mark-1", "mark-40", "about", "Send", "Take the last one back"} <= met
            driver.execute_script("document.querySelector('summary').focus()")
