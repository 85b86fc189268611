"""Tests in headless Chromium, which are skipped where Debian's packages chromium and chromium-driver are not installed.

The browser itself is the fixture ``chromium``.
"""

import importlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed")


@contextmanager
def started(profile: Path) -> Iterator[object]:
    """A context with a headless Chromium, whose folder of settings is ``profile``."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for each in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
        options.add_argument(each)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def wait(browser, condition: Callable, seconds: float = 30):
    """What ``condition(browser)`` returns once it is true."""
    ui = importlib.import_module("selenium.webdriver.support.ui")
    return ui.WebDriverWait(browser, seconds).until(condition)


def find(browser, selector: str) -> list:
    """The elements of the page that a CSS selector selects and that are shown."""
    return [each for each in browser.find_elements("css selector", selector) if each.is_displayed()]
