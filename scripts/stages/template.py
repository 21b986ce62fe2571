"""Filling in the templates of `scripts/templates`."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # what goes in is Markdown that prose.weave made safe
    )


def fill(template: str, **values: object) -> str:
    """A template of `scripts/templates` with its values; blank runs are closed up."""
    text = _templates().get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text)


def escape_title(text: str) -> str:
    """A title for front matter and navigation, whose templates print it as it is."""
    return html.escape(text, quote=True)


def front_matter(
    title: str,
    description: str,
    *,
    hide: Sequence[str] = (),
    searched: bool = True,
    **more: object,
) -> str:
    """The front matter of a page, without the lines of dashes around it.

    Args:
        title, description: as words; they are escaped for the theme, which prints them as they are.
        hide: what of the theme is left out: navigation, toc, footer.
        searched: whether the page is in the search index.
        more: further keys, as they are.
    """
    values: dict[str, object] = {
        "title": escape_title(title),
        "description": escape_title(description),
    }
    if hide:
        values["hide"] = list(hide)
    if not searched:
        values["search"] = {"exclude": True}
    values |= more
    return yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=10_000).strip()
