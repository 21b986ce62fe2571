"""Notebooks on the site: the file for download, the full view, and a small site with both."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stages.evidence import load_document
from stages.maths import to_mathml
from stages.records import Evidence, Stamp
from stages.views import make_copies, prepare_view, published_copy

ROOT = Path(__file__).resolve().parent.parent
SITE_URL = "https://example.org/bank/"
STEM = "07-overfitting"
ALT = 'Error "falls" to 0.25 & stays'

SVG = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<svg xmlns="http://www.w3.org/2000/svg" width="460.8pt" height="244.8pt" '
    'viewBox="0 0 460.8 244.8"><path d="M 40 200 L 420 30" '
    'style="fill: none; stroke: #000000; stroke-width: 2"/>'
    '<text x="60" y="40" style="font: 14px sans-serif">error</text></svg>'
)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FRAME = (
    "<div><style scoped>.dataframe tbody tr th {vertical-align: top;}</style>"
    '<table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th>a</th>'
    "</tr></thead><tbody><tr><th>0</th><td>1.5</td></tr></tbody></table>"
    "<script>alert(1)</script></div>"
)


def text_cell(identifier: str, source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": identifier, "metadata": {}, "source": lines}


def code_cell(
    identifier: str, number: int, source: str, outputs: list[dict[str, Any]], **metadata: object
) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": number,
        "id": identifier,
        "metadata": metadata,
        "outputs": outputs,
        "source": source.splitlines(keepends=True),
    }


def result(number: int, **data: str) -> dict[str, Any]:
    named = {kind.replace("_", "/").replace("svg", "svg+xml"): text for kind, text in data.items()}
    return {
        "data": named,
        "execution_count": number,
        "metadata": {},
        "output_type": "execute_result",
    }


def notebook() -> dict[str, Any]:
    cells = [
        text_cell("cell-1", "# Overfitting\n\nThe loss $L = a*b*c + x_i$ and a price of \\$5.\n"),
        code_cell(
            "parameters",
            1,
            'SEED = 0\nSITE = ""     # filled in when published\n',
            [],
            tags=["parameters"],
        ),
        text_cell(
            "cell-2",
            "## The error $e_1$ as such\n\n$$\n\\sum_{i=1}^n \\frac{x_i}{n}\n$$\n\n"
            "- in a list: $a|b$\n\nCode `$not_maths$` stays; **bold $y*z$**.\n\n"
            "| a | b |\n|---|---|\n| $x|y$ | 2 |\n",
        ),
        code_cell(
            "cell-3",
            2,
            "print('<b>bold</b>')\nframe",
            [
                {"name": "stdout", "output_type": "stream", "text": ["<b>bold</b>\n"]},
                result(2, text_html=FRAME, text_plain="   a\n0  1.5"),
            ],
        ),
        code_cell(
            "cell-4",
            3,
            "plot()",
            [
                {
                    "data": {"image/svg+xml": [SVG], "text/plain": ["<Figure>"]},
                    "metadata": {},
                    "output_type": "display_data",
                },
                {
                    "data": {"image/png": PNG, "text/plain": ["<Figure>"]},
                    "metadata": {},
                    "output_type": "display_data",
                },
            ],
            alt='Error "falls" to {{error:.2f}} & stays',
        ),
        code_cell(
            "claim-falls",
            4,
            "# claim falls: It falls.\nmeasured = 'from $1$ to 0.25'\nassert True, measured\nmeasured",
            [
                result(
                    4, text_plain="'from 1 to 0.25'", text_html="<b onclick='alert(1)'>no table</b>"
                )
            ],
            tags=["claim"],
        ),
    ]
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "x", "language": "python", "name": "x"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def stored(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def evidence() -> Evidence:
    return Evidence(STEM, f"{STEM}.ipynb", (), {"error": 0.25}, Stamp("2026-01-01", 1.0, {}))


# ── the copies ─────────────────────────────────────────────────────────────────────────────────


def test_the_file_for_download_names_the_site_and_changes_nothing_else() -> None:
    document = notebook()
    copy = published_copy(document, SITE_URL)
    line = f'SITE = "{SITE_URL}"     # filled in when published'
    assert json.loads(copy)["cells"][1]["source"] == ["SEED = 0\n", line + "\n"]
    changed = [
        (a, b)
        for a, b in zip(stored(document).split("\n"), copy.split("\n"), strict=True)
        if a != b
    ]
    assert len(changed) == 1
    assert document == notebook()


@pytest.mark.parametrize("quotes", ['""', "''"])
def test_the_site_is_filled_in_only_where_it_is_empty(quotes: str) -> None:
    document = notebook()
    document["cells"][1]["source"] = f"SITE={quotes}\nOTHER_SITE = ''\nSITE = 'https://a.b/'"
    source = "".join(json.loads(published_copy(document, SITE_URL))["cells"][1]["source"])
    assert source == f"SITE=\"{SITE_URL}\"\nOTHER_SITE = ''\nSITE = 'https://a.b/'"


def test_without_an_address_the_copy_is_the_file() -> None:
    assert published_copy(notebook(), "") == stored(notebook())


def test_other_cells_may_name_an_empty_site() -> None:
    document = notebook()
    document["cells"][1]["metadata"] = {}
    assert published_copy(document, SITE_URL) == stored(document)


def test_a_view_has_its_maths_as_mathml_and_its_code_as_it_was() -> None:
    cells = prepare_view(notebook(), {"error": 0.25})["cells"]
    inline = to_mathml("a*b*c", False).replace(" data-search-exclude", "")
    assert 'class="math"' in cells[0]["source"] and "data-search" not in cells[0]["source"]
    assert "\\$5" in cells[0]["source"] and inline.startswith('<span class="math"><math>')
    assert "`$not_maths$`" in cells[2]["source"] and 'display="block"' in cells[2]["source"]
    assert "from $1$" in cells[5]["source"]


def test_a_view_has_one_form_of_each_output_and_no_html_of_the_notebook() -> None:
    cells = prepare_view(notebook(), {"error": 0.25})["cells"]
    stream, table = cells[3]["outputs"]
    assert stream["text"] == ["<b>bold</b>\n"]
    assert "<td></td>" in table["data"]["text/html"] and "script" not in table["data"]["text/html"]
    svg, png = (output["data"]["text/html"] for output in cells[4]["outputs"])
    alt = 'alt="Error &quot;falls&quot; to 0.25 &amp; stays"'
    assert alt in svg and 'width="614" height="326"' in svg
    assert alt in png and 'class="raster"' in png
    assert cells[5]["outputs"][0]["data"] == {"text/plain": "'from 1 to 0.25'"}


def test_copies_with_and_without_views(tmp_path: Path) -> None:
    path = tmp_path / f"{STEM}.ipynb"
    path.write_text(stored(notebook()), "utf-8")
    (tmp_path / "data").mkdir()
    for name in ("digits.csv", "digits.md", "make.py"):
        (tmp_path / "data" / name).write_text("1,2\n")
    with_views = make_copies({STEM: path}, {STEM: evidence()}, SITE_URL, views=True)
    without = make_copies({STEM: path}, {STEM: evidence()}, SITE_URL, views=False)
    assert set(with_views.views) == set(with_views.downloads) == {f"{STEM}.ipynb"}
    assert without.downloads == with_views.downloads and not without.views
    assert dict(with_views.data) == {"data/digits.csv": b"1,2\n"}
    assert make_copies({}, {}, SITE_URL, views=True).data == {}
    assert load_document(path, "x") == notebook()


# ── a small site ───────────────────────────────────────────────────────────────────────────────

SETTINGS = f"""
site_name: Small
site_url: {SITE_URL}
strict: true
validation:
  nav: {{omitted_files: warn, not_found: warn, absolute_links: warn}}
  links: {{not_found: warn, anchors: warn, absolute_links: warn, unrecognized_links: warn}}
not_in_nav: /notebooks/
theme:
  name: material
  font: false
  palette:
    - {{scheme: default, toggle: {{icon: material/weather-night, name: dark}}}}
    - {{scheme: slate, toggle: {{icon: material/weather-sunny, name: light}}}}
  features: [navigation.instant, content.code.copy]
extra_css: [assets/maths.css]
nav: [index.md]
hooks: [hook.py]
plugins:
  - search
  - mkdocs-jupyter:
      enabled: !ENV [NOTEBOOK_VIEWS, true]
      execute: false
      allow_errors: false
      cache: false
      include: ["notebooks/*.ipynb"]
markdown_extensions: [attr_list, md_in_html]
"""

HOOK = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT / "scripts")!r})
from stages import views
from stages.records import Evidence, Stamp

ROOT = Path(__file__).parent
copies = None

def on_config(config):
    global copies
    found = {{path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}}
    stamp = Stamp("2026-01-01", 1.0, {{}})
    evidence = {{s: Evidence(s, s, (), {{"error": 0.25}}, stamp) for s in found}}
    wanted = views.views_wanted(config)
    copies = views.make_copies(found, evidence, config.site_url or "", views=wanted)
    views.write_copies(copies, Path(config.docs_dir))
    views.on_config(config)

def on_files(files, config):
    return views.on_files(files, config, copies)

def on_page_content(html, page, config, files):
    return views.on_page_content(html, page)

def on_post_page(output, page, config):
    return views.on_post_page(output, page)
"""


def build(folder: Path, views: bool) -> Path:
    """A site of one page and one notebook, built as `mkdocs build --strict` does it."""
    (folder / "docs" / "assets").mkdir(parents=True)
    for name in ("maths.css", "fonts/stix-two-math-subset.woff2"):
        target = folder / "docs" / "assets" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((ROOT / "docs/assets" / name).read_bytes())
    link = f"[The full notebook](notebooks/{STEM}.ipynb)" if views else ""
    (folder / "docs/index.md").write_text(f"# Home\n\nTo read: {link}\n", "utf-8")
    (folder / "notebooks/data").mkdir(parents=True)
    (folder / "notebooks/data/points.csv").write_text("1,2\n")
    (folder / f"notebooks/{STEM}.ipynb").write_text(stored(notebook()), "utf-8")
    (folder / "mkdocs.yml").write_text(SETTINGS, "utf-8")
    (folder / "hook.py").write_text(HOOK, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder,
        env={**os.environ, "NOTEBOOK_VIEWS": str(views).lower()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("with-views"), True)


@pytest.fixture(scope="module")
def view(site: Path) -> str:
    return (site / f"notebooks/{STEM}/index.html").read_text("utf-8")


class Article(HTMLParser):
    """The tags and the words of a page's content."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag == "article"
        if self._depth:
            self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "article"

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.words += data


@pytest.fixture(scope="module")
def article(view: str) -> Article:
    parser = Article()
    parser.feed(view)
    return parser


def test_the_view_is_light_and_has_no_style_and_no_script_of_its_own(
    view: str, article: Article
) -> None:
    assert len(view.encode()) < 60_000
    assert not {"style", "script", "button"} & {tag for tag, _ in article.tags}
    assert not any(name.startswith("on") for _, attrs in article.tags for name in attrs)
    assert "jp-" not in view and "clipboard-copy" not in view


def test_the_style_is_one_shared_file_named_by_its_hash(site: Path, view: str) -> None:
    (sheet,) = (site / "assets").glob("notebook.*.css")
    assert sheet.name.split(".")[1] == hashlib.sha256(sheet.read_bytes()).hexdigest()[:8]
    assert f'href="../../assets/{sheet.name}"></head>' in view
    assert "notebook." not in (site / "index.html").read_text("utf-8")
    assert sheet.stat().st_size < 5_000


def test_the_view_asks_no_other_host(view: str, article: Article) -> None:
    loaded = [
        attrs.get(name) or ""
        for tag, attrs in article.tags
        for name in ("src", "srcset", "data", "poster", "action")
        if name in attrs
    ]
    assert loaded and all(address.startswith("data:image/") for address in loaded)
    for host in ("cdnjs", "unpkg", "mathjax", "mermaid", "require.js", "googleapis"):
        assert host not in view.lower()


def test_the_view_shows_its_maths(article: Article, view: str) -> None:
    assert [tag for tag, _ in article.tags].count("math") == 6
    for latex, display in (("L = a*b*c + x_i", False), (r"\sum_{i=1}^n \frac{x_i}{n}", True)):
        want, got = Article(), Article()
        want.feed(f"<article>{to_mathml(latex, display)}</article>")
        start = view.index("<math" + ' display="block"' * display)
        got.feed(f"<article>{view[start : view.index('</math>', start)]}</article>")
        assert want.words == got.words
        assert [t for t in want.tags if t[0].startswith("m")] == [
            t for t in got.tags if t[0].startswith("m")
        ]
    assert "$not_maths$" in article.words and "price of $5." in article.words
    assert article.words.count("$") == 5  # those three, and the two in a string of the code


def test_figures_have_their_own_alt_text(article: Article, view: str) -> None:
    alts = [attrs.get("alt") for tag, attrs in article.tags if tag == "img"]
    assert alts == [ALT, ALT]
    assert "No description" not in view


def test_tables_have_no_empty_header_cell(view: str) -> None:
    assert '<table class="data">' in view
    assert "<th></th>" not in view


def test_outputs_are_text(article: Article) -> None:
    assert "<b>bold</b>" in article.words and "from 1 to 0.25" in article.words
    assert not any(tag == "b" for tag, _ in article.tags)


def test_cells_have_their_addresses_and_the_page_its_contents(view: str) -> None:
    for identifier in ("cell-1", "claim-falls"):
        assert f'id="{identifier}"' in view
    assert re.search(r"<title>Overfitting", view)
    assert re.search(r'href="#the-error-\w+-as-such"', view)
    (target,) = re.findall(r'<h2 id="([^"]+)"', view)
    assert f'href="#{target}" class="md-nav__link"' in view


def test_the_view_is_neither_in_the_search_nor_in_the_navigation(site: Path, view: str) -> None:
    index = json.loads((site / "search/search_index.json").read_text("utf-8"))
    assert {entry["location"] for entry in index["docs"]} == {""}
    home = (site / "index.html").read_text("utf-8")
    assert home.count(f'href="notebooks/{STEM}/"') == 1  # the link in the text
    assert 'rel="edit"' not in view


def test_the_file_for_download_and_the_data_are_published(site: Path) -> None:
    copy = (site / f"notebooks/{STEM}.ipynb").read_text("utf-8")
    assert copy == published_copy(notebook(), SITE_URL)
    assert (site / "notebooks/data/points.csv").read_text() == "1,2\n"
    assert not list(site.rglob("*.download"))


def test_without_views_the_file_is_still_published(tmp_path: Path) -> None:
    site = build(tmp_path, False)
    copy = (site / f"notebooks/{STEM}.ipynb").read_text("utf-8")
    assert copy == published_copy(notebook(), SITE_URL)
    assert (site / "notebooks/data/points.csv").is_file()
    assert not (site / f"notebooks/{STEM}").exists()
    assert not list((site / "assets").glob("notebook.*.css"))
