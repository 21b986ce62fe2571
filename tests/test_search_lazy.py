"""The search: what reaches the index, and that a browser loads it only for a search."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import Visitor
from local_server import Served, serve
from stages.search import INDEX, defer_index, searched, split_index, whole_index

SETTINGS = {"lang": ["en"], "separator": r"[\s\-]+", "pipeline": ["stopWordFilter"], "fields": {}}
WHOLE = json.dumps({"config": SETTINGS, "docs": [{"location": "", "title": "t", "text": "w"}]})
LAZY = re.compile(r"workers/|search_index\.[0-9a-f]{8}\.json")


# ── what reaches the index ─────────────────────────────────────────────────────────────────────


def indexed(html: str) -> str:
    """The words that Material's search takes from a page's content."""
    from material.plugins.search.plugin import Parser  # type: ignore[import-untyped]

    parser = Parser()
    parser.feed(searched(html))
    parser.close()
    return " ".join("".join(part.title + part.text) for part in parser.data)


def test_code_and_output_are_not_searched_but_what_stands_around_them_is() -> None:
    html = (
        '<h1 id="a">Title</h1><p>before</p><div class="cell claim" id="claim-x">'
        '<p class="claim-text">sentence <span class="math"><math><mi>secret</mi></math></span></p>'
        '<div class="highlight"><pre><span></span><code>secret_code</code></pre></div>'
        '<p class="measured">measured 1.5</p>'
        '<pre class="output" tabindex="0"><code class="nohighlight">secret_print</code></pre>'
        '<div class="output output-table"><table><tr><td>secret_table</td></tr></table></div>'
        '<figure><img alt=""><figcaption>caption</figcaption></figure></div>'
        '<details class="folded"><summary>Output</summary><pre class="output">secret</pre></details>'
        '<div class="cell"><p><a class="cell-link" href="#x">77</a></p></div>'
        '<details class="follow-up"><summary>asked</summary><p>after</p></details>'
    )
    words = indexed(html)
    for word in ("Title", "before", "sentence", "measured 1.5", "caption", "asked", "after"):
        assert word in words
    assert "secret" not in words and "77" not in words and "Output" not in words


# ── the whole index is put aside ───────────────────────────────────────────────────────────────


def small_site(folder: Path, worker: str) -> Path:
    (folder / "search").mkdir(parents=True)
    (folder / INDEX).write_text(WHOLE)
    (folder / "index.html").write_text(f'<script id="__config">{{"search": "{worker}"}}</script>')
    return folder


def test_the_stand_in_keeps_the_settings_and_names_the_whole() -> None:
    name, stand_in = split_index(WHOLE.encode())
    assert re.fullmatch(r"search/search_index\.[0-9a-f]{8}\.json", name)
    read = json.loads(stand_in)
    assert read == {"config": {**SETTINGS, "index": f"../{name}"}, "docs": []}


def test_the_whole_index_is_put_aside_unchanged(tmp_path: Path) -> None:
    site = small_site(tmp_path, "assets/search-worker.01234567.js?javascripts/workers/search.js")
    defer_index(site)
    assert whole_index(site) != site / INDEX
    assert whole_index(site).read_text() == WHOLE
    assert len((site / INDEX).read_bytes()) < 300


def test_a_page_with_the_themes_own_worker_keeps_its_index(tmp_path: Path) -> None:
    site = small_site(tmp_path, "assets/javascripts/workers/search.a7633da7.min.js")
    defer_index(site)
    assert (site / INDEX).read_text() == WHOLE
    assert whole_index(site) == site / INDEX


def test_a_site_without_a_search_is_left_alone(tmp_path: Path) -> None:
    defer_index(tmp_path)
    assert list(tmp_path.iterdir()) == []


# ── in the browser ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def question(site: Path) -> dict[str, str]:
    """The question that the browser searches for: one with a title of rare words."""
    listed = json.loads((site / "questions.json").read_text("utf-8"))["questions"]
    return next(q for q in listed if q["number"] == 24)


def results(page: Page) -> list[str]:
    """The addresses that the search shows, best first, once it shows any."""
    links = page.locator(".md-search-result__link")
    expect(links.first).to_be_visible()
    addresses: list[str] = links.evaluate_all("links => links.map(link => link.href)")
    return addresses


def loaded(server: Served, start: int) -> list[str]:
    """What of the search was fetched since the log had `start` lines."""
    return [path for path in server.paths()[start:] if LAZY.search(path)]


def test_nothing_of_the_search_is_fetched_before_somebody_types(
    visitor: Visitor, server: Served, question: dict[str, str]
) -> None:
    start = len(server.log)
    page = visitor.open(question["url"])
    page.locator(".md-search__input").focus()
    page.wait_for_timeout(300)
    assert loaded(server, start) == []
    expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching")
    page.keyboard.type("evaluation")
    assert any(question["url"] in address for address in results(page))
    assert len(loaded(server, start)) == 2


def test_the_search_box_works_by_keyboard(visitor: Visitor, question: dict[str, str]) -> None:
    page = visitor.open()
    page.keyboard.press("/")
    box = page.locator(".md-search__input")
    expect(box).to_be_focused()
    page.keyboard.type("evaluation metr", delay=20)
    results(page)
    suggested = page.locator(".md-search__suggest")
    expect(suggested).to_have_text(re.compile("evaluation metrics?"))
    page.keyboard.press("ArrowRight")
    word = suggested.inner_text()
    expect(box).to_have_value(word)
    first = page.locator(".md-search-result__link").first
    expect(first).to_have_attribute("href", re.compile(rf"\?h={word.replace(' ', '.')}$"))
    page.keyboard.press("ArrowDown")
    expect(first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#__search")).not_to_be_checked()
    page.keyboard.press("/")
    results(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/questions/**")
    # The words that were searched for are marked on the page.
    expect(page.locator("mark[data-md-highlight]").first).to_be_attached()
    # Search goes on after instant navigation, with what was loaded before. Material notices that
    # the box has lost the focus, and 125 ms after each navigation closes the search once more: both
    # by the page's own clock, which stands still while a loaded machine does other things.
    box.blur()
    page.evaluate("() => new Promise(done => setTimeout(done, 300))")
    page.keyboard.press("/")
    expect(page.locator("#__search")).to_be_checked()
    box.fill("dropout")
    box.press("End")
    expect(page.locator(".md-search-result__link", has_text="Dropout").first).to_be_visible()


def test_a_search_can_be_shared(visitor: Visitor, question: dict[str, str]) -> None:
    page = visitor.open("?q=evaluation")
    assert any(question["url"] in address for address in results(page))
    share = page.locator("[data-md-component=search-share]")
    expect(share).to_have_attribute("href", f"{visitor.served}?q=evaluation")
    page.keyboard.press("Escape")
    page.wait_for_url(visitor.served)


def test_the_index_loads_once_even_after_instant_navigation(
    visitor: Visitor, server: Served, question: dict[str, str]
) -> None:
    page = visitor.open()
    page.evaluate("window.stayed = true")
    page.locator(f'.md-content a[href$="{question["url"]}"]').first.click()
    page.wait_for_url(f"**/{question['url']}")
    start = len(server.log)
    for word in ("dropout", "attention"):
        page.locator(".md-search__input").fill(word)
        page.locator(".md-search__input").press("End")
        expect(
            page.locator(".md-search-result__link", has_text=re.compile(word, re.I)).first
        ).to_be_visible()
    assert page.evaluate("window.stayed") is True
    assert len(loaded(server, start)) == 2


def test_a_word_that_nobody_wrote_is_not_found(visitor: Visitor) -> None:
    page = visitor.open()
    page.locator(".md-search__input").focus()
    page.keyboard.type("xyzzyplugh")
    expect(page.locator(".md-search-result__meta")).to_have_text("No matching documents")


def test_the_search_tries_again_when_the_index_did_not_come(
    browser: Browser, served: str, server: Served, question: dict[str, str]
) -> None:
    whole = whole_index(server.folder)
    away = whole.with_name("away")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(served)
        page.wait_for_load_state("networkidle")
        whole.rename(away)
        try:
            with page.expect_console_message(lambda said: "did not load" in said.text):
                page.locator(".md-search__input").focus()
                page.keyboard.type("e")
        finally:
            away.rename(whole)
        page.keyboard.type("valuation")
        assert any(question["url"] in address for address in results(page))


def test_stock_index_and_our_worker_still_search(
    browser: Browser, site: Path, tmp_path: Path, question: dict[str, str]
) -> None:
    """Where the index was not put aside, our worker hands on what the page gives it."""
    import shutil

    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    whole_index(copy).replace(copy / INDEX)
    with serve(copy) as other, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{other.url}?q=evaluation")
        assert any(question["url"] in address for address in results(page))


def test_without_javascript_no_search_is_promised(browser: Browser, served: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(served)
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator(".md-search__form")).to_be_hidden()
