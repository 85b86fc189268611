"""The report stands alone, shows everything and trusts no text."""

import base64
import html
import re

import pytest

from tinygen.training.report import Reference, format_number, results_table, write_report


@pytest.fixture
def page(tmp_path):
    (tmp_path / "samples.png").write_bytes(b"\x89PNG and more")
    write_report(
        tmp_path / "report.html",
        "A <VAE> & its digits",
        text="The first <b>paragraph</b>.\n\nThe second.",
        results={"valid_elbo": -93.96, "fid": 12.5},
        references=[Reference("valid_elbo", -96.0, "the <bar>")],
        figures=[(tmp_path / "samples.png", 'Samples from "the prior"')],
        metrics=[{"epoch": 1, "train_elbo": -113.123456}, {"epoch": 2, "train_elbo": float("nan")}],
        facts={"command": "python vae.py --out 'a & b'", "seed": 0},
    )
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_text_is_escaped_wherever_it_comes_from(page):
    assert page.count("A &lt;VAE&gt; &amp; its digits") == 2
    assert "<p>The first &lt;b&gt;paragraph&lt;/b&gt;.</p>\n<p>The second.</p>" in page
    assert "<td>the &lt;bar&gt;</td>" in page
    assert 'alt="Samples from &quot;the prior&quot;"' in page
    assert "python vae.py --out &#x27;a &amp; b&#x27;" in page


def test_figures_are_inside_the_page(page):
    (image,) = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    assert base64.b64decode(image) == b"\x89PNG and more"
    assert "<figcaption>Samples from &quot;the prior&quot;</figcaption>" in page


def test_the_page_loads_nothing_and_runs_nothing(page):
    assert not re.search(r"<script|<link|<iframe|https?:|\bon\w+=|@import|url\(", page)
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_results_metrics_and_facts_are_there(page):
    cells = re.findall(r"<t[dh]>(.*?)</t[dh]>", page)
    assert cells[:4] == ["result", "here", "reference", "from"]
    assert [html.unescape(cell) for cell in cells[4:12]] == [
        "valid_elbo",
        "-93.96",
        "-96",
        "the <bar>",
        "fid",
        "12.5",
        "",
        "",
    ]
    assert cells[12:18] == ["epoch", "train_elbo", "1", "-113.12", "2", "nan"]
    assert cells[-2:] == ["seed", "0"]


def test_every_tag_is_closed(page):
    tags = re.findall(r"<(/?)(\w+)", page)
    for tag in {name for _, name in tags} - {"meta", "img"}:
        assert tags.count(("", tag)) == tags.count(("/", tag)), tag


def test_a_report_without_figures_and_metrics_has_no_empty_sections(tmp_path):
    write_report(tmp_path / "r.html", "Short", results={"fid": 1.0}, facts={"seed": 1})
    page = (tmp_path / "r.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["Results", "How it was made"]


def test_a_result_stands_beside_all_its_references_and_its_standard_error():
    results = {"a": 1.0, "a_standard_error": 0.123, "b_standard_error": 0.5}
    references = [Reference("a", 2, "here"), Reference("c", 3.0, "unused"), Reference("a", 4.0, "there")]
    assert results_table(results, references) == [
        ("a", "1 ± 0.12", "2", "here"),
        ("", "", "4", "there"),
        ("b_standard_error", "0.5", "", ""),
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (50000, "50000"), (-93.9612, "-93.961"), (3e-4, "0.0003"), (1234567.0, "1.2346e+06")]
)
def test_numbers_have_five_digits_and_whole_ones_all(value, text):
    assert format_number(value) == text


def test_figures_stand_in_as_many_columns_as_are_asked_for(page, tmp_path):
    assert '<body style="--columns: 1">' in page
    write_report(tmp_path / "two.html", "Two", results={}, facts={}, columns=2)
    assert '<body style="--columns: 2">' in (tmp_path / "two.html").read_text(encoding="utf-8")
