"""The site: ``python docs/build_site.py`` builds the book, the reference and the exercises into build/site.

The pages are first laid out in build/site-source: those of the book as they are, except that links into the repository
lead to pages of the site, and those that are generated from the library and the exercises. Sphinx then builds the site
with the settings of conf.py; a warning is an error. The notebooks are part of the site.
"""

import os
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build_notebooks  # noqa: E402
import exercise_sets  # noqa: E402
import reference  # noqa: E402
from links import ROOT, html_pictures, redirected, targets  # noqa: E402
from sphinx.cmd.build import main as sphinx  # noqa: E402

SITE = ROOT / "build" / "site"
BOOK = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "exercises" / "README.md", *BOOK]
SHOWN = {".png", ".svg", ".gif", ".webp"}
PROGRAMS = ["tinygen", "examples", "exercises"]  # whose sources the site shows, besides those that pages link to


def chapter(path: Path) -> float:
    """The number of a chapter: 5 for 5-variational-autoencoders.md; an appendix comes after them."""
    number = re.match(r"\d+", path.name)
    return int(number[0]) if number else float("inf")


def location(path: Path) -> Path:
    """Where the site has a file or folder of the repository, relative to the site's root."""
    relative = path.relative_to(ROOT)
    if path / "README.md" in PAGES:
        return relative / "index.md"
    if path in PAGES:
        return relative.with_name("index.md") if path.name == "README.md" else relative
    return relative if path.suffix in SHOWN else Path("source", f"{relative}.html")


def staged(page: Path) -> str:
    """The text of a page with links that hold on the site."""

    def place(path: Path, anchor: str, html: bool) -> str:
        link = Path(os.path.relpath(location(path), location(page).parent)).as_posix()
        if html:  # which Sphinx leaves as it is
            return link.removesuffix(".md") + (".html" if link.endswith(".md") else "") + anchor
        # MyST resolves links to documents and images; "page:" tells it that it does not know this one.
        return f"page:{link}" if link.endswith(".html") else link + anchor

    text = redirected(page, page.read_text(encoding="utf-8"), place)
    if f"{page.stem}.ipynb" in build_notebooks.names():
        text = text.replace("\n", f"\n\n[As a notebook](page:../notebooks/{page.stem}.ipynb)\n", 1)
    return text


def sources() -> list[Path]:
    """The files and folders whose sources the site shows: the programs, and what else a page links to."""
    linked = {path for page in PAGES for path in targets(page) if location(path).parts[0] == "source"}
    programs = {path for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py")}
    return sorted(linked | programs)


def toctree(caption: str, pages: list[str]) -> str:
    """The directive that puts pages into the navigation."""
    return "\n".join(["", "```{toctree}", ":hidden:", ":titlesonly:", f":caption: {caption}", "", *pages, "```", ""])


def navigation() -> str:
    """The navigation of the site, for the end of its first page."""
    chapters = [page.stem for page in BOOK if chapter(page) < float("inf") or page.name.startswith("appendix")]
    chapters = [f"docs/{stem}" for stem in sorted(chapters, key=lambda stem: chapter(Path(stem)))]
    others = [f"docs/{page.stem}" for page in BOOK if page.stem != "README" and f"docs/{page.stem}" not in chapters]
    sets = [f"exercises/ch{number:02}" for number in exercise_sets.chapters()]
    api = [f"api/{path}" for path in reference.SECTIONS]
    return (
        toctree("The book", ["Contents <docs/index>", *chapters])
        + toctree("Exercises", ["How to work on them <exercises/index>", *sets])
        + toctree("Reference", [*others, "Contributing <CONTRIBUTING>"])
        + toctree("API", ["Overview <api/index>", *api])
    )


def exercises_page(number: int) -> str:
    """The page of a chapter's exercises: each task with its gap, and where its tests and its solution are."""
    these = exercise_sets.read(number)
    (book_page,) = (page for page in BOOK if chapter(page) == number)
    name = f"ch{number:02}"
    lines = [
        f"# Exercises of chapter {number}",
        "",
        f"To [chapter {number}](../docs/{book_page.name}). Fill the gaps in "
        f"[`exercises/{name}.py`](page:../source/exercises/{name}.py.html) in, and grade them with "
        f"`python exercises/grade.py {number}`. [Their tests](page:../source/exercises/test_{name}.py.html), "
        f"[solutions](page:../source/exercises/solutions/{name}.py.html). "
        f"[As a notebook](page:../notebooks/exercises-{number:02}.ipynb)",
        "",
        *(["```python", these.shared, "```", ""] if these.shared else []),
    ]
    for each in these.exercises:
        lines += [f"## {each.number}. {each.title.replace('*', chr(92) + '*')}", "", "```python", each.code, "```", ""]
    return "\n".join(lines)


def lay_out(folder: Path) -> None:
    """Write the sources of the site into ``folder``; what has not changed is left alone, and Sphinx keeps its page."""
    pages = {location(page).as_posix(): staged(page) for page in PAGES}
    pages["index.md"] += navigation()
    pages["api/index.md"] = reference.INDEX + "".join(
        f"\n- [`{called}`]({path}.md): {subject}" for path, (called, subject) in reference.SECTIONS.items()
    )
    pages |= {f"api/{path}.md": reference.page(path) for path in reference.SECTIONS}
    pages |= {f"exercises/ch{number:02}.md": exercises_page(number) for number in exercise_sets.chapters()}
    for old in folder.rglob("*.md"):
        if old.relative_to(folder).as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for picture in {path for page in PAGES for path in targets(page) if path.suffix in SHOWN}:
        (folder / location(picture)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(picture, folder / location(picture))


def build(folder: Path = SITE) -> int:
    """Build the site into ``folder``, from sources beside it; 0 if there was no warning."""
    source = folder.with_name(f"{folder.name}-source")
    lay_out(source)
    build_notebooks.write(folder / "notebooks")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-d", str(folder.with_name(f"{folder.name}-cache"))]
    failed = sphinx([*options, "-c", str(HERE), str(source), str(folder)])
    for picture in {path for page in PAGES for path in html_pictures(page)}:
        (folder / location(picture)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(picture, folder / location(picture))
    return failed


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else SITE))
