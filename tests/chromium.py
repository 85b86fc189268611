"""Tests in headless Chromium, which are skipped where Debian's packages chromium and chromium-driver are not installed.

The browser itself is the fixture ``chromium``.
"""

import importlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
    try:
        yield driver
    finally:
        driver.quit()


def wait(browser, condition: Callable, seconds: float = 30):
    """What ``condition(browser)`` returns once it is true."""
    ui = importlib.import_module("selenium.webdriver.support.ui")
    return ui.WebDriverWait(browser, seconds).until(condition)


def find(browser, selector: str) -> list:
    """The elements of the page that a CSS selector selects and that are shown."""
    return [each for each in browser.find_elements("css selector", selector) if each.is_displayed()]


# Pages of Bokeh, whose elements lie in shadow roots ------------------------------------------------------------------

LOADED = "return Boolean(window.Bokeh?.documents?.[0]?.is_idle)"
DEEP = """const found = [], visit = root => root.querySelectorAll('*').forEach(each => {
    if (each.matches(arguments[0])) found.push(each);
    if (each.shadowRoot) visit(each.shadowRoot); });
visit(document);
return found;"""
PROPERTY = """const listed = value => ArrayBuffer.isView(value) || Array.isArray(value) ? Array.from(value, listed)
    : value instanceof Map ? Object.fromEntries([...value].map(([name, column]) => [name, listed(column)]))
    : value !== null && typeof value === 'object' && Symbol.iterator in value ? Array.from(value, listed)
    : value !== null && value?.constructor === Object
    ? Object.fromEntries(Object.entries(value).map(([name, column]) => [name, listed(column)])) : value;
return listed(Bokeh.documents[0].get_model_by_name(arguments[0])[arguments[1]]);"""

FRAME = """const view = Bokeh.index.find_one_by_id(Bokeh.documents[0].get_model_by_name(arguments[0]).id)
const {left, top} = view.el.getBoundingClientRect(), {left: x, top: y, width, height} = view.frame.bbox
return [left + x, top + y, width, height]"""


def open_page(browser, address: str) -> None:
    """Open the address of a page of Bokeh and wait until it is there."""
    browser.get(address)
    wait(browser, lambda browser: browser.execute_script(LOADED))


def deep(browser, selector: str) -> list:
    """The elements that a CSS selector selects, also in shadow roots."""
    return browser.execute_script(DEEP, selector)


def value(browser, name: str, attribute: str):
    """An attribute of the model with this name, as the browser has it; arrays as lists."""
    return browser.execute_script(PROPERTY, name, attribute)


def press(browser, label: str) -> None:
    """Click on the button with this label."""
    (button,) = [each for each in deep(browser, "button") if each.text == label]
    button.click()


def frame(browser, name):
    """The frame of a figure in the window: left, top, width, height in pixels."""
    return browser.execute_script(FRAME, name)


def pointer(browser, kind, x, y, held=False):
    """One event of the mouse; ``held`` whether its button is down, at the event itself for a press or a release."""
    button = "left" if held else "none"
    event = {"type": f"mouse{kind}", "x": x, "y": y, "button": button, "buttons": int(held), "clickCount": int(held)}
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def drag(browser, points):
    """Press the mouse at the first of ``points``, move it along the others and release it at the last."""
    pointer(browser, "Moved", *points[0])
    pointer(browser, "Pressed", *points[0], held=True)
    for point in points[1:]:
        pointer(browser, "Moved", *point, held=True)
    pointer(browser, "Released", *points[-1], held=True)


@contextmanager
def serving(*command: object) -> Iterator[tuple[str, subprocess.Popen]]:
    """A context in which ``python command --port N`` serves a page: its address without the final slash, and the
    process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, *map(str, command), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TINYGEN_THREADS": "1"}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert any(f"http://127.0.0.1:{port}/" in line for line in server.stdout)
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.terminate()
        assert server.wait(timeout=30) == 0
