"""The notebooks on the site: the file for download, and its full view by mkdocs-jupyter.

mkdocs-jupyter reads files of docs/. What is put there for it is a copy made for display, with
MathML for the formulas, the figures' own alt text, and nothing of the outputs' HTML. Its template
is replaced (scripts/templates/notebook): its own puts the same 595 KB of style, and scripts, into
every page; ours links one small style sheet. The file for download is another copy, in which the
notebook knows where the site is. Without mkdocs-jupyter only that copy is published.

The functions at the end are called by the hook, each from the event of its name.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from stages.embed import adapt_svg, table_html
from stages.evidence import load_document
from stages.maths import to_mathml
from stages.prose import cut, value_of
from stages.records import Evidence
from stages.write import write_tree

FOLDER = "notebooks"
TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "notebook"
_PLUGIN = "mkdocs-jupyter"
_SITE = re.compile(r"""(?m)^(SITE\s*=\s*)(?:""|'')""")
_DATA_SUFFIXES = (".csv", ".gz", ".json", ".npy", ".npz", ".txt")


# ── copies of a notebook ───────────────────────────────────────────────────────────────────────


def published_copy(notebook: Mapping[str, Any], site_url: str) -> str:
    """A notebook for download: its parameters cell names the site, so that it runs anywhere.

    Args:
        notebook: the executed notebook's JSON.
        site_url: where the site is, with a trailing slash; if empty, nothing is filled in.

    Returns:
        The text of an `.ipynb` file, laid out as Jupyter does.
    """

    def filled(cell: Mapping[str, Any]) -> Mapping[str, Any]:
        if not site_url or "parameters" not in cell.get("metadata", {}).get("tags", ()):
            return cell
        source = _SITE.sub(lambda m: m[1] + json.dumps(site_url), _text(cell["source"]))
        return {**cell, "source": source.splitlines(keepends=True)}

    cells = [filled(cell) for cell in notebook["cells"]]
    return json.dumps({**notebook, "cells": cells}, ensure_ascii=False, indent=1) + "\n"


def prepare_view(
    notebook: Mapping[str, Any], results: Mapping[str, int | float | str]
) -> dict[str, Any]:
    """A notebook for display: formulas as MathML, figures and tables as HTML of our own.

    Args:
        notebook: the executed notebook's JSON, checked by the embedding in its page: its maths
            can be read and its figures can be published.
        results: the notebook's results, which alt texts may name.
    """
    cells = []
    for cell in notebook["cells"]:
        shown = {**cell, "source": _text(cell["source"]), "metadata": {}}
        if cell["cell_type"] == "markdown":
            shown["source"] = _with_mathml(shown["source"])
        elif cell["cell_type"] == "code":
            alt = value_of(str(cell["metadata"].get("alt", "")), results)
            shown["outputs"] = [_shown_output(output, alt) for output in cell["outputs"]]
        cells.append(shown)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def _with_mathml(source: str) -> str:
    shown = ""
    for segment in cut(source):
        if segment.kind in ("inline", "display"):
            mathml = to_mathml(segment.text, display=segment.kind == "display")
            # The page is not indexed, and headings are read as XML, which has no bare attributes.
            shown += mathml.replace(" data-search-exclude", "")
        else:
            shown += segment.text
    return shown


def _shown_output(output: Mapping[str, Any], alt: str) -> dict[str, Any]:
    """An output with one form only: our HTML for a figure or a table, else its plain text."""
    if "data" not in output:
        return dict(output)
    data = {
        kind: _text(value)
        for kind, value in output["data"].items()
        if isinstance(value, (str, list))
    }
    words = html.escape(alt, quote=True)
    if "image/svg+xml" in data:
        svg, width, height = adapt_svg(data["image/svg+xml"])
        address = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
        shown = f'<img src="{address}" alt="{words}" width="{width}" height="{height}">'
    elif "image/png" in data:
        address = "data:image/png;base64," + "".join(data["image/png"].split())
        shown = f'<img class="raster" src="{address}" alt="{words}">'
    else:
        shown = table_html(data.get("text/html", ""))
    kept = {"text/html": shown} if shown else {"text/plain": data.get("text/plain", "")}
    return {**output, "data": kept, "metadata": {}}


# ── called by the hook ─────────────────────────────────────────────────────────────────────────


def views_wanted(config: MkDocsConfig) -> bool:
    """Whether mkdocs-jupyter is switched on in mkdocs.yml."""
    return _PLUGIN in config.plugins


@dataclass(frozen=True)
class Copies:
    """All that docs/notebooks and the site get of the notebooks: names and contents.

    Attributes:
        downloads: the files for download.
        views: what mkdocs-jupyter shows, under the same names; empty without it.
        data: the data files that notebooks read.
    """

    downloads: Mapping[str, bytes]
    views: Mapping[str, bytes]
    data: Mapping[str, bytes]


def make_copies(
    notebooks: Mapping[str, Path],
    evidence: Mapping[str, Evidence],
    site_url: str,
    *,
    views: bool,
) -> Copies:
    """Make the copies of all notebooks; nothing is written.

    Args:
        notebooks: the executed notebooks, by the stem of their pages.
        evidence: what was read from them, by the same stems.
        site_url: where the site is, with a trailing slash.
        views: whether mkdocs-jupyter will show them (`views_wanted`).

    Raises:
        Refused: a notebook that cannot be read.
    """
    downloads, shown, data = {}, {}, {}
    for stem, path in notebooks.items():
        document = load_document(path, str(path))
        downloads[f"{stem}.ipynb"] = published_copy(document, site_url).encode()
        if views:
            view = prepare_view(document, evidence[stem].results)
            shown[f"{stem}.ipynb"] = json.dumps(view, ensure_ascii=False).encode()
    for folder in {path.parent / "data" for path in notebooks.values()}:
        for path in sorted(folder.glob("*")):
            if path.suffix in _DATA_SUFFIXES:
                data[f"data/{path.name}"] = path.read_bytes()
    return Copies(downloads, shown, data)


def write_copies(copies: Copies, docs: Path) -> list[str]:
    """Write docs/notebooks, where MkDocs finds them; return what changed."""
    return write_tree(docs / FOLDER, {**copies.data, **(copies.views or copies.downloads)})


def on_config(config: MkDocsConfig) -> None:
    """Give mkdocs-jupyter our template."""
    if views_wanted(config):
        from mkdocs_jupyter.config import settings

        settings.templates_dir = str(TEMPLATES)


def on_files(files: Files, config: MkDocsConfig, copies: Copies) -> Files:
    """Where there are views: add the files for download, and the style sheet of the views."""
    if not copies.views:
        return files
    for name, content in copies.downloads.items():
        # Among MkDocs's sources the notebook's own name belongs to its view.
        file = File.generated(config, f"{FOLDER}/{name}.download", content=content)
        file.dest_uri = f"{FOLDER}/{name}"
        files.append(file)
    files.append(File.generated(config, _style_address(), content=_style()))
    return files


def on_page_content(content: str, page: Page) -> str:
    """Keep a view out of the search index, and dress its heading links as the theme's."""
    if not _is_view(page):
        return content
    page.meta["search"] = {"exclude": True}
    # mkdocs-jupyter adds a style sheet of its own below the template's text.
    content = re.sub(r"<style>.*?</style>", "", content, flags=re.S)
    return content.replace('class="anchor-link"', 'class="headerlink" title="Link to this section"')


def on_post_page(output: str, page: Page) -> str:
    """Link the style sheet from a view."""
    if not _is_view(page):
        return output
    address = get_relative_url(_style_address(), page.url)
    return output.replace("</head>", f'<link rel="stylesheet" href="{address}"></head>', 1)


def _is_view(page: Page) -> bool:
    return page.file.src_uri.startswith(f"{FOLDER}/") and page.file.src_uri.endswith(".ipynb")


def _style() -> str:
    return (TEMPLATES / "view.css").read_text("utf-8")


def _style_address() -> str:
    return f"assets/notebook.{hashlib.sha256(_style().encode()).hexdigest()[:8]}.css"
