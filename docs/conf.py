"""Settings of Sphinx for the site, and an extension of a few lines: the pages of the sources."""

import shutil
import sys
from collections.abc import Iterator
from html import escape
from importlib.metadata import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_site
import reference
from links import ROOT
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer
from sphinx.application import Sphinx

import tinygen

project = "tinygen"
author = "The tinygen authors"
version = release = tinygen.__version__
html_title = "tinygen"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_codeautolink",
]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
smartquotes = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

# MathJax and its fonts are copied from a package into the site; a page with formulas loads them from there.
MATHJAX = next(
    Path(str(file.locate())) for file in files("sphinx-mathjax-offline") or [] if file.name == "tex-chtml.js"
)
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_url_schemes = {"http": None, "https": None, "mailto": None, "page": {"url": "{{path}}"}}

codeautolink_concat_default = True
codeautolink_warn_on_missing_inventory = False
codeautolink_warn_on_failed_resolve = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The page of the source that defines a name, for the links of the reference, whose pages are in api/."""
    found = reference.source_line(info["module"], info["fullname"])
    return f"../source/{found[0].relative_to(ROOT)}.html#line-{found[1]}" if found else None


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each source: (name, its title and HTML, template). A folder's page lists what is in it."""
    formatter = HtmlFormatter(linenos="inline", lineanchors="line", anchorlinenos=True)
    for path in build_site.sources():
        relative = path.relative_to(ROOT).as_posix()
        if path.is_dir():
            entries = [each for each in build_site.sources() if each.parent == path]
            links = [f'<li><a href="{path.name}/{each.name}.html">{each.name}</a></li>' for each in entries]
            body = f"<ul>{''.join(links)}</ul>"
        else:
            lexer = PythonLexer() if path.suffix == ".py" else TextLexer()
            body = highlight(path.read_text(encoding="utf-8"), lexer, formatter)
        title = escape(relative)
        yield f"source/{relative}", {"title": title, "body": f"<h1>{title}</h1>{body}"}, "page.html"


def literal_blocks(app: Sphinx, what: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """Show an indented block of a docstring, such as formulas or code, as it stands; drop the number of a field."""
    if lines and lines[0].startswith("Alias for field number"):
        lines[:] = [""]
    for i in reversed(range(2, len(lines))):
        begins = lines[i].startswith("    ") and not lines[i - 1] and lines[i - 2] and not lines[i - 2].startswith(" ")
        if begins and not lines[i - 2].startswith((":", "-", "..")):
            lines[i:i] = ["::", ""]


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy MathJax's program and its fonts."""
    target = Path(app.outdir, "_static", "mathjax")
    shutil.copytree(MATHJAX.parent / "output/chtml/fonts", target / "output/chtml/fonts", dirs_exist_ok=True)
    shutil.copy2(MATHJAX, target)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("html-collect-pages", source_pages)
    app.connect("autodoc-process-docstring", literal_blocks)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
