"""The theme's style sheets are made smaller, and no page looks different for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import material  # type: ignore[import-untyped]
import pytest
import tinycss2
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, BrowserContext, Page, expect

from conftest import PREFIX, ROOT
from kinds import kinds
from local_server import serve
from stages.css import split
from stages.slim import ONLY_WITH, look_at, slim_sheets, slim_site

PAGE = """<html lang="en"><body dir="ltr" data-scheme="dark"><p class="a b" id="here">
<table class='c:d'><tr><td title="x > y" class=e>1</td></tr></table><span style="color:var(--used)">
<script>let made = "made-" + kind; box.dataset.mdState = "open"; if (x.getAttribute("dir") == "rtl") go()
</script></body></html>"""
SCRIPT = 'e.classList.add("active"); e.setAttribute("data-kind", "loud"); s.setProperty("--set", 1)'
THEME = Path(material.__file__).parent / "templates/assets"


def slim(css: str, page: str = PAGE, script: str = SCRIPT, **others: str) -> str:
    return slim_sheets({"x": css, **others}, look_at([page], [script]))["x"]


# ── selectors ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "selector",
    [
        "*",
        "p",
        "P",
        "tbody",  # nobody wrote it, and the browser puts it in
        ".a.b",
        ".e",
        r".c\:d",
        r".not\:there",  # a script may spell it otherwise
        "#here",
        ".active",
        ".made-of-it",
        "[dir]",
        "[dir=ltr]",
        "[dir=LTR i]",
        '[title^="x >"]',
        "[data-scheme=dark]",
        "[data-kind=loud]",
        "[data-md-state]",
        "[data-md-state=open]",
        "[open]",  # browsers set it
        "p:not(.gone)",
        "p:is(.gone, .b)",
        "p:where(.a)",
        "p:has(> span)",
        "p:nth-child(2 of .gone)",
        "p::before",
        "p:hover > span + td",
        "svg|gone",
        "::slotted(.gone)",
    ],
)
def test_what_may_match_stays(selector: str) -> None:
    assert slim(f"{selector}{{color:red}}") == f"{selector}{{color:red}}"


@pytest.mark.parametrize(
    "selector",
    [
        "video",
        ".gone",
        ".A",
        "p.a.gone",
        ".a .gone",
        ".gone ~ .a",
        "#gone",
        "[dir=rtl]",  # a script only asks for it
        "[dir=rtl] .a",
        "[title$=gone]",
        "[data-gone]",
        "[aria-gone=true]",
        "[data-scheme=light]",
        "[data-kind=quiet]",
        "p:is(.gone, .lost)",
        "p:where(.gone)",
        "p:has(.gone)",
        ".gone:not(.a)",
        ".gone::before",
        ".gone:unknown",
    ],
)
def test_what_can_match_nothing_goes(selector: str) -> None:
    assert slim(f"{selector}{{color:red}}.a{{color:red}}") == ".a{color:red}"


def test_a_list_keeps_what_may_match() -> None:
    assert slim(".gone, .a,p .gone,.b:hover{color:red}") == ".a,.b:hover{color:red}"


@pytest.mark.parametrize("known", ["::-moz-selection", ":unknown", "::unknown", ":is(:unknown)"])
def test_a_list_that_some_browser_drops_as_a_whole_stays_whole(known: str) -> None:
    css = f".gone{known},.a{{color:red}}"
    assert slim(css) == css


def test_commas_of_arguments_and_strings_part_no_list() -> None:
    css = '.a:not(.gone,.x),[title="x > y, z"]{color:red}'
    assert slim(css) == ".a:not(.gone,.x){color:red}"


def test_html_in_a_json_file_counts() -> None:
    seen = look_at(['{"html": "<p class="from-json">"}'], [])
    assert seen.classes == {"from-json"}


# ── rules ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("css", "left"),
    [
        ("@media print{.a{color:red}.gone{color:red}}", "@media print{.a{color:red}}"),
        ("@media print{.gone{color:red}}", ""),
        ("@supports (a:b){@media x{.gone{color:red}}.a{color:red}}", "@supports (a:b){.a{color:red}}"),
        (".a{}", ""),
        (".a{;color:red;;}", ".a{color:red}"),
        ("/* said */.a{color:/* why */red}", ".a{color:red}"),
        ("@keyframes spin{to{rotate:1turn}}", ""),
        (
            "@keyframes spin{to{rotate:1turn}}.a{animation:1s spin}",
            "@keyframes spin{to{rotate:1turn}}.a{animation:1s spin}",
        ),
        ("@keyframes spin{to{rotate:1turn}}.gone{animation:1s spin}", ""),
        ("@keyframes active{to{rotate:1turn}}", "@keyframes active{to{rotate:1turn}}"),
        # What is not known stays, in its place.
        ('@charset "UTF-8";@import "x.css";', '@charset "UTF-8";@import "x.css";'),
        ("@page{margin:1cm}@font-face{src:url(x)}", "@page{margin:1cm}@font-face{src:url(x)}"),
        ("@layer one{.gone{color:red}}", "@layer one{.gone{color:red}}"),
        (".gone{color:red;.x:not(&){color:red}}", ".gone{color:red;.x:not(&){color:red}}"),
    ],
)  # fmt: skip
def test_rules(css: str, left: str) -> None:
    assert slim(css).replace('url("x")', "url(x)") == left


@pytest.mark.parametrize(
    ("css", "left"),
    [
        (":root{--x:1;color:red}", ":root{color:red}"),
        (":root{--x:1}", ""),
        (":root{--used:1;--set:2}", ":root{--used:1;--set:2}"),
        (
            ".a{--x:1;--y:var(--x);color:var( --y,red)}",
            ".a{--x:1;--y:var(--x);color:var( --y,red)}",
        ),
        (":root{--x:1;--y:var(--x);--z:var(--y)}", ""),
        (":root{--x:1}.gone{color:var(--x)}", ""),
        (":root{--x:1}.a{color:VAR(/**/--x)}", ":root{--x:1}.a{color:VAR(--x)}"),
        (":root{--x:1}@layer y{p{color:var(--x)}}", ":root{--x:1}@layer y{p{color:var(--x)}}"),
    ],
)
def test_custom_properties(css: str, left: str) -> None:
    assert slim(css).replace("/**/", "") == left


def test_a_garbled_sheet_reads_properties_and_runs_keyframes_too() -> None:
    css = ":root{--x:1}@keyframes spin{to{rotate:1turn}}"
    assert slim(css, other=".a{color:red}") == ""
    assert slim(css, other="}.a{color:var(--x);animation:spin 1s}") == css


def test_sheets_are_seen_together() -> None:
    sheets = {
        "one": ":root{--x:1;--y:2}@keyframes spin{to{rotate:1turn}}",
        "two": ".a{color:var(--x);animation:spin 1s}.gone{color:var(--y)}",
    }
    done = slim_sheets(sheets, look_at([PAGE], []))
    assert done["one"] == ":root{--x:1}@keyframes spin{to{rotate:1turn}}"
    assert done["two"] == ".a{color:var(--x);animation:spin 1s}"


@pytest.mark.parametrize(
    "css",
    [
        ".gone{color:red} }",
        ".gone{color:red}.a",
        ".gone{content:'open}",
        ".gone{background:url(a b)}",
        "@media print{.gone{color:red} lost }",
        ".gone{color:red}@media print{)}",
    ],
)
def test_a_garbled_sheet_stays_as_it_is(css: str) -> None:
    assert slim(css) == css


@given(st.text(alphabet="ab.#:,>*[]()={};@-'\"\\ \n/gonemdi!", max_size=60))
def test_no_text_breaks_it_and_what_is_left_stays_left(css: str) -> None:
    once = slim(css)
    assert slim(once) == once


# ── the built site ─────────────────────────────────────────────────────────────────────────────


def small_site(folder: Path, lang: str = "en") -> Path:
    files = {
        "assets/stylesheets/main.0123abcd.min.css": ".a{color:red}.gone{color:red}",
        "assets/stylesheets/main.0123abcd.min.css.map": "{}",
        "assets/stylesheets/same.0123abcd.min.css": ".a{color:red}",
        "assets/site.0123abcd.css": "/* said */.gone{color:red}.a{color:red}",
        "assets/javascripts/bundle.0123abcd.min.js": "a()\n//# sourceMappingURL=bundle.js.map\n",
        "assets/javascripts/lunr/min/lunr.de.min.js": "de()",
        "search/search_index.json": f'{{"config": {{"lang": ["{lang}"]}}, "docs": []}}',
        "x/index.html": '<p class="a"><link href="../assets/stylesheets/main.0123abcd.min.css">'
        '<link href="../assets/site.0123abcd.css">'
        '<link href="../assets/stylesheets/same.0123abcd.min.css">'
        '<script src="../assets/javascripts/bundle.0123abcd.min.js"></script>',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def test_changed_files_have_new_names_and_pages_name_them(tmp_path: Path) -> None:
    site = small_site(tmp_path)
    slim_site(site)
    (sheet,) = (site / "assets/stylesheets").glob("main.*")
    assert re.fullmatch(r"main\.[0-9a-f]{8}\.min\.css", sheet.name) and "0123abcd" not in sheet.name
    assert sheet.read_text() == ".a{color:red}"
    (script,) = (site / "assets/javascripts").rglob("*.js")
    assert script.read_text() == "a()"
    page = (site / "x/index.html").read_text()
    assert f'"../assets/stylesheets/{sheet.name}"' in page
    assert f'"../assets/javascripts/{script.name}"' in page
    assert "same.0123abcd.min.css" in page  # nothing of it went
    (ours,) = (site / "assets").glob("site.*.css")
    assert ours.read_text() == ".a{color:red}" and f'"../assets/{ours.name}"' in page
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    slim_site(site)
    assert before == {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_the_languages_of_another_search_stay(tmp_path: Path) -> None:
    slim_site(small_site(tmp_path, "de"))
    assert (tmp_path / "assets/javascripts/lunr/min/lunr.de.min.js").is_file()


def test_a_site_of_another_theme_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    slim_site(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["index.html"]


# ── Material's ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("begin", ONLY_WITH)
def test_material_still_has_what_is_only_kept_with_a_mark(begin: str) -> None:
    (bundle,) = THEME.glob("javascripts/bundle.*.js")
    (sheet,) = THEME.glob("stylesheets/main.*.css")
    names = " ".join(re.findall(rf"(?<=[\"' ]){begin}[-\w]*", bundle.read_text("utf-8")))
    assert names
    css = sheet.read_text("utf-8")
    names += " md-typeset label a"
    without = len(slim(css, "<p>", names))
    for mark in ONLY_WITH[begin]:
        page = f'<p class="{mark}" {mark}><script>{{{mark}</script>'
        assert len(slim(css, page, names)) > without, mark


def test_it_is_worth_it(site: Path) -> None:
    stock = sum(len(path.read_bytes()) for path in THEME.glob("stylesheets/[mp]a*.css"))
    ours = sum(len(path.read_bytes()) for path in (site / "assets/stylesheets").iterdir())
    assert ours < stock / 2
    assert not list(site.rglob("*.map")) and not list(site.rglob("lunr*"))


def whole(sheet: Path) -> str:
    """The text that a sheet of the site had before."""
    stem = sheet.name.split(".")[0]
    if sheet.parent.name == "stylesheets":
        (found,) = THEME.glob(f"stylesheets/{stem}.*.css")
    elif stem == "notebook":
        found = ROOT / "scripts/templates/notebook/view.css"
    else:
        found = ROOT / f"docs/assets/{stem}.css"
    return found.read_text("utf-8")


@pytest.fixture(scope="module")
def stock(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the same site with its sheets as they were."""
    copy = tmp_path_factory.mktemp("stock") / "site"
    shutil.copytree(site, copy)
    for path in (copy / "assets").rglob("*.css"):
        path.write_text(whole(path), "utf-8")
    with serve(copy, PREFIX) as served:
        yield served.url


def selectors(css: str) -> set[str]:
    """All selectors of a sheet."""
    found = set()
    for node in tinycss2.parse_stylesheet(css, True, True):
        if node.type == "at-rule" and node.lower_at_keyword in ("media", "supports"):
            found |= selectors(tinycss2.serialize(node.content))
        elif node.type == "qualified-rule":
            parts = (tinycss2.serialize(part) for part in split(node.prelude, ","))
            found |= {" ".join(part.split()) for part in parts}
    return found


@pytest.fixture(scope="module")
def dropped(site: Path) -> list[str]:
    """The selectors that went, without what makes them wait for a pointer, a key or a state."""
    gone: set[str] = set()
    for path in (site / "assets").rglob("*.css"):
        # Where a selector stays in another rule, the rule only lost properties that nothing reads.
        gone |= selectors(whole(path)) - selectors(path.read_text("utf-8"))
    state = r"::?(?!not|is|where|has|nth|first|last|only|empty|root)[-\w]+"
    waits = re.compile(rf":not\({state}\)|{state}")
    bare = re.compile(r"(?<![^\s>+~])(?=$|[\s>+~])")
    return sorted({bare.sub("*", waits.sub("", selector)) or "*" for selector in gone})


PARSED = """([html, all]) => {
  const doc = new DOMParser().parseFromString(html, "text/html");
  return all.filter(one => doc.querySelector(one));
}"""


def test_nothing_dropped_matches_in_any_kind_of_page(
    browser: Browser, site: Path, dropped: list[str]
) -> None:
    assert len(dropped) > 500 and not {"*", "html", "a", "div"} & set(dropped)
    with browser.new_context() as context:
        page = context.new_page()
        for name in kinds(site).values():
            file = site / name
            text = (file if file.is_file() else file / "index.html").read_text("utf-8")
            assert page.evaluate(PARSED, [text, dropped]) == [], name
        assert page.evaluate(PARSED, [PAGE, [".a", ".gone", "[dir=ltr] .b"]]) == [
            ".a",
            "[dir=ltr] .b",
        ]


# What a page looks like to its reader, in the order in which one page may take these looks.


def searched(page: Page) -> None:
    page.locator(".md-search__input").fill("dropout")
    page.locator(".md-search__input").press("End")
    expect(page.locator(".md-search-result__link").first).to_be_visible()


def told(page: Page) -> None:
    page.keyboard.press("Escape")
    button = page.locator(".md-code__button:visible").first
    button.evaluate("e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
    settled(page)
    button.hover()
    expect(page.locator("[role=tooltip]").last).to_be_visible()


def copied(page: Page) -> None:
    page.locator(".md-code__button:visible").first.click()
    expect(page.locator(".md-dialog--active")).to_be_visible()


def drawn(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator(".md-dialog--active")).to_have_count(0)  # it goes after two seconds
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("document.getElementById('__drawer').click()")
    page.wait_for_timeout(50)


# Every property, of every element but the smallest parts of formulas and code.
COMPUTED = """() => {
  // Laid out anew: after a layout in parts, Chromium now and then says 0 for a margin `auto`.
  for (const display of ["none", ""]) {
    document.body.style.display = display;
    if (document.body.offsetHeight > 0 === (display === "none")) throw Error("not laid out anew");
  }
  const names = [...getComputedStyle(document.body)].filter(name => !name.startsWith("--"));
  const found = [];
  for (const element of document.querySelectorAll("*:not(math *, pre code *, head *)"))
    for (const part of [null, "::before", "::after"]) {
      const style = getComputedStyle(element, part);
      if (part && style.content === "none") continue;
      found.push([element.tagName, element.getAttribute("class"), part,
                  names.map(name => style.getPropertyValue(name)).join("|")]);
    }
  return found;
}"""


def settled(page: Page) -> bytes:
    """A picture of the window, once two in a row are the same."""
    last = page.screenshot(animations="disabled")
    for _ in range(50):
        page.wait_for_timeout(100)
        now = page.screenshot(animations="disabled")
        if now == last:
            return now
        last = now
    pytest.fail("the page does not come to rest")


def looks(
    context: BrowserContext, home: str, paths: list[str], states: Any, dropped: list[str]
) -> Iterator[Any]:
    """Pictures of pages, and of the last of them in several states; all its computed styles."""
    page = context.new_page()
    for path in paths:
        page.goto(home + path)
        yield settled(page)
    yield page.evaluate(COMPUTED)
    for state in states:
        state(page)
        yield settled(page)
        assert page.evaluate("all => all.filter(one => document.querySelector(one))", dropped) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_looks_different(
    browser: Browser,
    site: Path,
    served: str,
    stock: str,
    dropped: list[str],
    scheme: Any,
    tmp_path: Path,
) -> None:
    found = kinds(site)
    if scheme == "light":
        paths = [found["notebooks/…"], "", found["with notebook"]]
        states: Any = (searched, told, copied, drawn)
    else:
        paths, states = [found["bare"]], (searched, drawn)
    size = {"width": 1350, "height": 900}
    with (
        browser.new_context(viewport=size, color_scheme=scheme) as slim_context,
        browser.new_context(viewport=size, color_scheme=scheme) as stock_context,
    ):
        for context in (slim_context, stock_context):
            # The face of the headings is optional: it may come in time for one and not the other.
            context.route("**/stix-two-text*", lambda route: route.abort())
        slimmed = looks(slim_context, served, paths, states, dropped)
        as_it_was = looks(stock_context, stock, paths, states, [])
        for nth, (one, other) in enumerate(zip(slimmed, as_it_was, strict=True)):
            if one != other and isinstance(one, bytes):
                (tmp_path / "slim.png").write_bytes(one)
                (tmp_path / "stock.png").write_bytes(other)
                pytest.fail(f"look {nth} differs: see {tmp_path}")
            assert one == other


def test_a_rule_that_was_dropped_wrongly_is_noticed(browser: Browser, served: str) -> None:
    with browser.new_context(viewport={"width": 1350, "height": 900}) as context:
        page = context.new_page()
        page.goto(served)
        picture, styles = settled(page), page.evaluate(COMPUTED)
        assert page.evaluate(COMPUTED) == styles
        page.evaluate("""() => {
          for (const sheet of document.styleSheets)
            for (const [at, rule] of [...sheet.cssRules].entries())
              if (rule.selectorText === ".md-grid") return sheet.deleteRule(at);
          throw Error("no such rule");
        }""")
        assert settled(page) != picture
        assert page.evaluate(COMPUTED) != styles
