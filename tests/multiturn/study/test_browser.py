"""A live study in a real browser without a screen: two people at once, a reload, a crash, the keyboard alone."""

import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from multiturn.study.store import Store
from multiturn.study.tokens import kept
from tests.multiturn.study.squares import IDS

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ROOT = Path(__file__).resolve().parents[3]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Serves toys, so that no checkpoint is needed: what is tested is the browser's side.
SERVE = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from multiturn.study.serving import serve_study
from tests.multiturn.study.{toys} import study
serve_study(study(Path({folder!r}), {kind!r}, **{changes!r}), "127.0.0.1", {port})
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Debian's packages chromium and chromium-driver are not here"),
]


@contextmanager
def serving(
    folder: Path, kind: str, port: int = 0, toys: str = "squares", **changes: object
) -> Iterator[tuple[int, subprocess.Popen]]:
    """A server in a process of its own; yields its port and the process.

    Args:
        toys: module of the tests whose `study` is served.
        changes: to its protocol.
    """
    code = SERVE.format(root=str(ROOT), folder=str(folder), kind=kind, port=port, toys=toys, changes=changes)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found is not None
        yield int(found[1]), process
    finally:
        process.kill()
        process.wait()


@contextmanager
def browser(width: int = 1280, height: int = 900):
    """A browser with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.binary_location = str(CHROMIUM)
        driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        driver.set_page_load_timeout(60)
        try:
            yield driver
        finally:
            driver.quit()


def press(driver, selector: str) -> None:
    """Click, and wait for the page that follows."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.expected_conditions import staleness_of
    from selenium.webdriver.support.wait import WebDriverWait

    button = driver.find_element(By.CSS_SELECTOR, selector)
    button.click()
    WebDriverWait(driver, 60).until(staleness_of(button))


def begin(driver, port: int) -> None:
    from selenium.webdriver.common.by import By

    driver.get(f"http://127.0.0.1:{port}/")
    driver.find_element(By.NAME, "agree").click()
    for _ in range(3):
        press(driver, "button.main")


def shown(driver) -> list[str]:
    """What can be seen of the page: its texts, and whether each image has arrived."""
    from selenium.webdriver.common.by import By

    arrived = driver.execute_script("return [...document.images].map(one => one.complete && one.naturalWidth > 0)")
    assert all(arrived) and arrived
    return [element.text for element in driver.find_elements(By.CSS_SELECTOR, "h1, h2, .told, .page, .reply")]


def test_two_people_at_once_a_reload_and_a_crash(tmp_path: Path):
    from selenium.webdriver.common.by import By

    with browser() as one, browser(390, 844) as other:
        with serving(tmp_path, "text") as (port, process):
            for driver in (one, other):
                begin(driver, port)
            for driver, text in ((one, "abc"), (other, "def <b>bold</b>")):
                driver.find_element(By.NAME, "text").send_keys(text)
                press(driver, ".reply button.main")
            assert "abc" in one.page_source and "def" not in one.find_element(By.CSS_SELECTOR, ".told").text
            assert other.find_element(By.CSS_SELECTOR, ".told").text == "def <b>bold</b>"
            before = [shown(driver) for driver in (one, other)]
            one.refresh()
            assert shown(one) == before[0]
            process.kill()
            process.wait()
        with serving(tmp_path, "text", port) as (_, process):
            for driver, page in ((one, before[0]), (other, before[1])):
                driver.get(f"http://127.0.0.1:{port}/")
                assert shown(driver) == page
                assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            press(one, "button[accesskey='u']")
            assert "Nothing yet." in one.page_source
            errors = [entry for driver in (one, other) for entry in driver.get_log("browser")]
            assert [entry for entry in errors if "favicon" not in entry["message"]] == []


def test_the_keyboard_alone_is_enough(tmp_path: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def focused(driver) -> str:
        return driver.execute_script(
            "const one = document.activeElement; return one.name ? `${one.name}=${one.value}` : one.textContent.trim()"
        )

    def go(driver, wanted: str, most: int = 80) -> None:
        """Press the tab key until something is focused; its focus can be seen."""
        for _ in range(most):
            if focused(driver).startswith(wanted):
                outline = driver.execute_script(
                    "const one = document.activeElement;"
                    "return [one, one.parentElement].map(e => getComputedStyle(e).outlineStyle).join()"
                )
                assert "solid" in outline, f"no visible focus at {wanted}"
                return
            keys(driver, Keys.TAB)
        raise AssertionError(f"the tab key does not lead to {wanted}, but to {focused(driver)}")

    def keys(driver, *pressed: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(driver).send_keys(*pressed).perform()

    def enter(driver) -> None:
        from selenium.webdriver.support.expected_conditions import staleness_of
        from selenium.webdriver.support.wait import WebDriverWait

        page = driver.find_element(By.TAG_NAME, "html")
        keys(driver, Keys.ENTER)
        WebDriverWait(driver, 60).until(staleness_of(page))

    with serving(tmp_path, "judgements") as (port, _), browser() as driver:
        driver.get(f"http://127.0.0.1:{port}/")
        go(driver, "agree=yes")
        keys(driver, Keys.SPACE)
        go(driver, "Take part")
        enter(driver)
        enter(driver)  # the one button of these pages has the focus
        enter(driver)
        go(driver, "mark-1=")
        keys(driver, Keys.ARROW_LEFT)
        go(driver, "mark-2=")
        keys(driver, Keys.ARROW_RIGHT)
        go(driver, "Send")
        enter(driver)
        assert driver.find_element(By.CSS_SELECTOR, ".told").text == "1 liked, 1 disliked"
        go(driver, "Take the last one back")
        enter(driver)
        go(driver, "Give up this image")
        enter(driver)
        assert "You gave this one up." in driver.page_source
        assert not any(name in driver.page_source for name in IDS)
        cookie = driver.get_cookie("session")
        assert cookie is not None
    store = Store(tmp_path / "study.sqlite")
    who = store.participant(kept(cookie["value"]))
    assert who is not None
    kinds = [event.kind for event in store.events(who.id)]
    assert kinds == ["consent", "begin", "start", "reply", "undo", "give_up"]
    store.close()
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
