"""Everybody can use the site: by keyboard, enlarged, without motion, in both schemes, unscripted.

Rules are those of axe-core, all of them, and of WCAG 2.2 where axe cannot tell.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from conftest import ROOT
from kinds import kinds

Scheme = Literal["dark", "light"]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
PHONE, DESKTOP = 390, 1350


def reader(browser: Browser, width: int, scheme: Scheme = "light", **more: Any) -> BrowserContext:
    size: Any = {"width": width, "height": 800}
    return browser.new_context(viewport=size, color_scheme=scheme, **more)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with reader(browser, DESKTOP) as context:
        yield context.new_page()


def searched(page: Page) -> None:
    """Open the search and wait for results."""
    if page.viewport_size and page.viewport_size["width"] < 960:
        page.locator(".md-header__button[for=__search]").click()
    page.locator(".md-search__input").fill("networks")
    page.locator(".md-search__input").press("End")
    expect(page.locator(".md-search-result__link").first).to_be_visible()


# ── axe ────────────────────────────────────────────────────────────────────────────────────────


def violations(page: Page) -> list[str]:
    """What axe says against a page, all its rules being on."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']} at {node['target']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    browser: Browser, site: Path, served: str, scheme: Scheme, width: int
) -> None:
    found = {}
    with reader(browser, width, scheme, reduced_motion="reduce") as context:
        page = context.new_page()
        for kind, path in kinds(site).items():
            page.goto(served + path)
            found[kind] = violations(page)
        page.goto(served)
        searched(page)
        found["search"] = violations(page)
        page.keyboard.press("Escape")
        if width == PHONE:
            page.locator(".md-header__button[for=__drawer]").click()
            found["drawer"] = violations(page)
    assert {kind: said for kind, said in found.items() if said} == {}


PLANTED = {
    "color-contrast": "<p style='color: #999'>grey on white</p>",
    "image-alt": "<img src='data:,'>",
    "button-name": "<button></button>",
    "aria-dialog-name": "<div role='dialog'>text</div>",
    "link-in-text-block": "<style>a{text-decoration:none;color:#222}</style><p>some <a href='#'>link</a></p>",
    "landmark-unique": "<nav>one</nav><nav>two</nav>",
    "scrollable-region-focusable": "<div style='overflow:auto;height:1em'><p>one</p><p>two</p></div>",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_axe_notices(page: Page, rule: str) -> None:
    page.set_content(
        f"<!doctype html><html lang=en><title>t</title><main><h1>Title</h1>{PLANTED[rule]}</main>"
    )
    assert rule in {said.split()[0] for said in violations(page)}
