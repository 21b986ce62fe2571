"""What the tests of the converter share: small texts and notebooks, and the HTML of a page."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import markdown
import pytest
from hypothesis import settings
from mkdocs.config import load_config

from stages.pages import Assembled, assemble
from stages.parse import decode, parse_bank
from stages.records import Bank, Claim, Evidence, Fault, Refused, Stamp

ROOT = Path(__file__).resolve().parents[1]

# The same examples in every run; `HYPOTHESIS_PROFILE=long pytest …` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=200, database=None)
settings.register_profile("long", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


# ── texts ──────────────────────────────────────────────────────────────────────────────────────


def text_of(answer: str, *, question: str = "Why?", headers: str = "") -> str:
    """A bank with one question; its answer starts on line 5 (later by the number of headers)."""
    return f"A bank\n\n1. {question}\n{headers}\n{answer}\n"


def parse(*texts: str | bytes, stems: tuple[str, ...] = ()) -> Bank:
    """Parse texts as files `0.txt`, `1.txt`, … or as files of the given stems."""
    names = stems or tuple(map(str, range(len(texts))))
    return parse_bank([
        decode(f"{stem}.txt", stem, text.encode() if isinstance(text, str) else text)
        for stem, text in zip(names, texts, strict=True)
    ])  # fmt: skip


def refusal(*texts: str | bytes, stems: tuple[str, ...] = ()) -> tuple[Fault, ...]:
    with pytest.raises(Refused) as refused:
        parse(*texts, stems=stems)
    return sound(refused.value)


def sound(refused: Refused) -> tuple[Fault, ...]:
    """The faults of a refusal, each of which says where, what, and what to do."""
    assert refused.faults
    for fault in refused.faults:
        assert fault.path and fault.line >= 0 and fault.what and fault.todo, fault
        assert "\n" not in str(fault) and "Traceback" not in str(fault)
    return refused.faults


def made(source: str | bytes, folder: Path, *, name: str = "bank.txt", **options: Any) -> Assembled:
    """Write `source` into `folder` and bring it through all stages."""
    path = folder / name
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    return assemble(path, options.pop("notebooks", folder / "notebooks"), **options)


def made_refused(source: str | bytes, folder: Path, **options: Any) -> str:
    with pytest.raises(Refused) as refused:
        made(source, folder, **options)
    sound(refused.value)
    return str(refused.value).replace(f"{folder.as_posix()}/", "")


# ── notebooks ──────────────────────────────────────────────────────────────────────────────────


def code(source: str, *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": list(outputs)}


def prose(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def value(text: str, **data: str) -> dict[str, Any]:
    kinds = {"html": "text/html", "svg": "image/svg+xml", "png": "image/png"}
    found = {"text/plain": text} | {kinds[name]: shown for name, shown in data.items()}
    return {"output_type": "execute_result", "metadata": {}, "data": found}


def printed(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def claim(slug: str, sentence: str, measured: str) -> dict[str, Any]:
    source = f"# claim {slug}: {sentence}\nmeasured = text\nassert gap > 0, measured\nmeasured"
    return code(source, value(repr(measured)), tags=["claim"], falsify="gap = 0")


def notebook(*cells: dict[str, Any], results: dict[str, Any] | None = None) -> str:
    """An executed notebook as its file would hold it."""
    listed = [prose("# Title\n\nWhat it shows."), code("SEED = 0", tags=["parameters"]), *cells]
    if results is not None:
        listed.append(code("results", value(repr(results)), tags=["results"]))
    count = 0
    for number, cell in enumerate(listed):
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = count
            if "claim" in cell["metadata"].get("tags", []):
                cell["id"] = "claim-" + cell["source"].split(":")[0].removeprefix("# claim ")
    provenance = {
        "executed": "2026-01-02",
        "inputs": dict.fromkeys(("code", "data", "versions"), "0" * 64),
        "outputs": "0" * 64,
        "seconds": 1.5,
        "versions": {"python": "3.11.7"},
    }
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"provenance": provenance}}
    return json.dumps({**document, "cells": listed})


def evidence(*claims: Claim, **results: int | float | str) -> Evidence:
    """Evidence without cells, for prose that cites it."""
    from stages.records import Cell

    cells = tuple(Cell(f"claim-{c.slug}", "code", "", claim=c) for c in claims)
    return Evidence("01-why", "01-why.ipynb", cells, results, Stamp("2026-01-02", 1.0, {}))


# ── HTML ───────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def _markdown() -> markdown.Markdown:
    config = load_config(str(ROOT / "mkdocs.yml"))
    return markdown.Markdown(
        extensions=config.markdown_extensions, extension_configs=config.mdx_configs
    )


def published(page: str) -> str:
    """The HTML that a page's Markdown gives with the extensions of mkdocs.yml."""
    _, _, body = page.split("---\n", 2)
    return _markdown().reset().convert(body)


class _Content(HTMLParser):
    """What is in a page's HTML that no text may bring there."""

    VOID = frozenset({"br", "hr", "img", "input"})
    TAGS = frozenset(
        "a blockquote br cite code details div em figcaption figure h1 h2 h3 h4 h5 h6 hr img kbd li"
        " mark ol p pre span strong sub summary sup table tbody td th thead tr ul".split()
    )
    ATTRIBUTES = frozenset(
        "align alt aria-label class colspan data-search-exclude download height href id loading"
        " role rowspan scope src start style tabindex title width".split()
    )

    # Of the pages about all questions too: the home page has a form to filter them.
    FRONT_TAGS = frozenset(
        "b dd dl dt fieldset form input label legend option output section select".split()
    )
    FRONT_ATTRIBUTES = frozenset(
        "checked data-checked data-level data-topic hidden name type value".split()
    )

    def __init__(self, *, front: bool = False) -> None:
        super().__init__()
        self.tags = self.TAGS | (self.FRONT_TAGS if front else frozenset())
        self.attributes = self.ATTRIBUTES | (self.FRONT_ATTRIBUTES if front else frozenset())
        self.found: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        in_maths = "math" in self.open or tag == "math"
        if tag not in self.tags and not (in_maths and tag.startswith("m")):
            self.found.append(f"<{tag}>")
        for name, content in attrs:
            plain = re.sub(r"[\x00-\x20]", "", content or "").lower()
            if name.startswith("on") or (name not in self.attributes and not in_maths):
                self.found.append(f"{tag} {name}")
            scheme = re.match(r"[^/?#]*?:", plain) if name in ("href", "src") else None
            if scheme and scheme[0] not in ("http:", "https:", "mailto:"):
                self.found.append(f"{tag} {name}={content}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and (not self.open or self.open.pop() != tag):
            self.found.append(f"</{tag}> without its other half")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.found.append("a comment")


def foreign(html: str, *, front: bool = False) -> list[str]:
    """Elements, attributes and links in `html` that no page of ours has; also unclosed ones."""
    content = _Content(front=front)
    content.feed(html)
    content.close()
    return content.found + [f"<{tag}> stays open" for tag in content.open]


def words(html: str) -> str:
    """The text of `html`, white space squeezed."""
    content = _Content()
    content.feed(html)
    content.close()
    return " ".join(content.text.split())
