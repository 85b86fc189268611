"""The site: built once without warnings, complete, nothing loaded from elsewhere, no dead link; and opened in Chromium.

The tests in the browser are skipped where Debian's packages chromium and chromium-driver are not installed.
"""

import functools
import importlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from chromium import find, in_browser, wait

import tinygen

pytest.importorskip("sphinx", reason="the site needs Sphinx, of the extra docs")
pytest.importorskip("myst_parser", reason="the site needs MyST-Parser, of the extra docs")
from sphinx.util.inventory import InventoryFile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
import reference  # noqa: E402

sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built without a warning."""
    folder = tmp_path_factory.mktemp("built") / "site"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "docs" / "build_site.py", folder]
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Page(HTMLParser):
    """The links, the files loaded and the anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values[key] or "" for key in ("id", "name") if key in values}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
        loaded = values.get("src") or (values.get("href") if tag == "link" else None)
        if loaded:
            self.loaded.append(loaded)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_the_reference_has_every_public_name(site):
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    documented = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    public = {f"{path}.{name}" for path in reference.SECTIONS for name in reference.names(path)}
    public |= {f"tinygen.Tensor.{name}" for name in reference.tensor_methods()}
    assert len(public) > 300
    assert public - documented == set()


def test_the_reference_has_every_public_module():
    assert {f"tinygen.{name}" for name in tinygen._SUBPACKAGES} <= reference.SECTIONS.keys()
    for path in reference.SECTIONS:
        module = importlib.import_module(path)
        assert set(getattr(module, "__all__", ())) <= {*reference.names(path), "samplers"}


def test_a_page_of_the_reference_leads_to_the_line_of_the_source(site, pages):
    links = [
        link for link in pages[site / "api" / "tinygen.nn.html"].links if "tinygen/nn/layers.py.html#line-" in link
    ]
    source = (ROOT / "tinygen" / "nn" / "layers.py").read_text(encoding="utf-8").splitlines()
    assert any(source[int(link.rpartition("-")[2]) - 1].startswith("class Conv2d") for link in links)


def test_every_chapter_leads_to_sources_and_to_its_notebook(site, pages):
    for path in site.glob("docs/[1-9]*.html"):
        assert any(link.startswith("../source/tinygen/") for link in pages[path].links), path.name
        assert f"../notebooks/{path.stem}.ipynb" in pages[path].links


def test_no_page_loads_a_file_from_elsewhere(site, pages):
    assert {url for page in pages.values() for url in page.loaded if re.match(r"(https?:)?//", url)} == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert [
        found for style in styles for found in re.findall(r"url\([\"']?(?:https?:)?//[^)]*|@import[^;]*", style)
    ] == []


def test_every_link_of_the_site_leads_somewhere(site, pages):
    dead = set()
    for path, page in pages.items():
        for link in page.links + page.loaded:
            url = urlparse(link)
            there = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchors = pages[there].anchors if there in pages else set()
            if not url.scheme and (not there.is_file() or (url.fragment and unquote(url.fragment) not in anchors)):
                dead.add(f"{path.relative_to(site)}: {link}")
    assert dead == set()


# In a browser --------------------------------------------------------------------------------------------------------

WIDTHS = {"desktop": (1440, 900), "phone": (390, 800)}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at what the browser reports."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site, served on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(params=WIDTHS)
def browser(request: pytest.FixtureRequest, chromium: object) -> object:
    """The browser at the width of a desktop and of a phone."""
    width, height = WIDTHS[request.param]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": request.param == "phone"}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chromium.get_log("browser")  # forget what earlier pages reported
    return chromium


LOADED = "return document.readyState === 'complete' && [...document.images].every(image => image.complete)"
TYPESET = "return window.MathJax?.startup?.promise?.then(() => true)"
FORMULAS = "return document.querySelectorAll('span.math, div.math').length"
RENDERED = """return [...document.querySelectorAll('mjx-container')].filter(
    formula => formula.getBoundingClientRect().width > 0 && !formula.querySelector('mjx-merror')).length"""
BROKEN = "return [...document.images].filter(image => image.naturalWidth === 0).map(image => image.src)"
REQUESTED = "return performance.getEntriesByType('resource').map(entry => entry.name)"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@in_browser
def test_formulas_and_images_of_every_page_are_rendered_without_errors(browser, address, site):
    for path in sorted([site / "index.html", *site.glob("docs/*.html"), *site.glob("exercises/*.html")]):
        name = path.relative_to(site).as_posix()
        browser.get(f"{address}/{name}")
        for image in browser.find_elements("css selector", "img"):
            browser.execute_script("arguments[0].loading = 'eager'", image)
        wait(browser, lambda browser: browser.execute_script(LOADED))
        formulas = browser.execute_script(FORMULAS)
        if formulas:
            wait(browser, lambda browser: browser.execute_script(TYPESET))
        assert browser.execute_script(RENDERED) == formulas, name
        assert browser.execute_script(BROKEN) == [], name
        assert [url for url in browser.execute_script(REQUESTED) if not url.startswith(address)] == [], name
        assert browser.execute_script(WIDER) == 0, f"{name} is wider than the window"
        assert browser.get_log("browser") == [], name


@in_browser
def test_the_navigation_leads_to_a_chapter_and_on_to_the_next(browser, address):
    browser.get(f"{address}/index.html")
    link = ".sidebar-tree a[href='docs/5-variational-autoencoders.html']"
    if browser.execute_script("return window.innerWidth") < 800:
        find(browser, "label[for='__navigation']")[0].click()  # a phone has the navigation behind a button
        wait(browser, lambda browser: find(browser, link) and find(browser, link)[0].rect["x"] >= 0)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", find(browser, link)[0])
    find(browser, link)[0].click()
    wait(browser, lambda browser: "/5-variational-autoencoders" in browser.current_url)
    assert find(browser, "h1")[0].text.startswith("5 ")
    following = find(browser, "a.next-page")[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", following)
    following.click()
    wait(browser, lambda browser: "/6-" in browser.current_url)
    assert find(browser, "h1")[0].text.startswith("6 ")


@in_browser
def test_a_search_finds_a_term_in_the_book_and_a_name_in_the_reference(browser, address):
    for term, found in {
        "reparametrisation": "docs/5-variational-autoencoders",
        "gradgradcheck": "api/tinygen.html",
    }.items():
        browser.get(f"{address}/search.html?q={term}")
        wait(browser, lambda browser: find(browser, "#search-results ul.search a"))
        wait(browser, lambda browser, found=found: any(found in link for link in results(browser)))


def results(browser) -> list[str]:
    return [link.get_attribute("href") for link in find(browser, "#search-results ul.search a")]


@in_browser
def test_the_search_box_opens_the_search(browser, address):
    browser.get(f"{address}/docs/index.html")
    if browser.execute_script("return window.innerWidth") < 800:
        find(browser, "label[for='__navigation']")[0].click()
    box = wait(browser, lambda browser: find(browser, "input.sidebar-search"))[0]
    wait(browser, lambda browser: box.rect["x"] >= 0)
    box.send_keys("Lipschitz")
    box.submit()
    wait(browser, lambda browser: "search.html?q=Lipschitz" in browser.current_url)
    assert wait(browser, results)


@in_browser
def test_there_is_a_dark_mode(browser, address):
    browser.get(f"{address}/docs/index.html")
    shades = set()
    for _ in range(3):
        shades.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        find(browser, "button.theme-toggle")[0].click()
    brightness = sorted(sum(map(int, re.findall(r"\d+", shade)[:3])) for shade in shades)
    assert brightness[0] < 150
    assert brightness[-1] > 600
