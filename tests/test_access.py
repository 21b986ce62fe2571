"""Everybody can use the site: by keyboard, enlarged, without motion, in both schemes, unscripted.

Rules are those of axe-core, all of them, and of WCAG 2.2 where axe cannot tell.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import material  # type: ignore[import-untyped]
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
    """What axe says against a page, all its rules being on.

    Code is one piece for it: the many pieces of different colours, nine tenths of a page, take most
    of its time, and their contrast, all that can be wrong with them, has a test of its own.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    page.evaluate(
        "document.querySelectorAll('pre code').forEach(e => e.textContent = e.textContent)"
    )
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']} at {node['target']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]


def both_schemes(page: Page) -> Iterator[str]:
    """Show the page in the one scheme and then in the other."""
    for scheme in ("default", "slate"):
        page.evaluate(f"document.body.setAttribute('data-md-color-scheme', '{scheme}')")
        yield scheme


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_axe_finds_nothing(browser: Browser, site: Path, served: str, width: int) -> None:
    found = {}
    with reader(browser, width, reduced_motion="reduce") as context:
        page = context.new_page()
        for kind, path in kinds(site).items():
            page.goto(served + path)
            for scheme in both_schemes(page):
                found[kind, scheme] = violations(page)
        page.goto(served)
        searched(page)
        for scheme in both_schemes(page):
            found["search", scheme] = violations(page)
        page.keyboard.press("Escape")
        if width == PHONE:
            page.locator(".md-header__button[for=__drawer]").click()
            for scheme in both_schemes(page):
                found["drawer", scheme] = violations(page)
    assert {kind: said for kind, said in found.items() if said} == {}


PLANTED = {
    "color-contrast": "<p style='color: #999'>grey on white</p>",
    "image-alt": "<img src='data:,'>",
    "button-name": "<button></button>",
    "aria-dialog-name": "<div role='dialog'>text</div>",
    "link-in-text-block": "<style>a{text-decoration:none;color:#222}</style><p>a text with a <a href='#'>link</a> in it</p>",
    "landmark-unique": "<nav>one</nav><nav>two</nav>",
    "scrollable-region-focusable": "<div style='overflow:auto;height:1em'><p>one</p><p>two</p></div>",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_axe_notices(page: Page, rule: str) -> None:
    page.set_content(
        f"<!doctype html><html lang=en><title>t</title><main><h1>Title</h1>{PLANTED[rule]}</main>"
    )
    assert rule in {said.split()[0] for said in violations(page)}


def test_material_still_has_the_faults_that_its_templates_are_mended_of(site: Path) -> None:
    theirs = (Path(material.__file__).parent / "templates/partials/search.html").read_text("utf-8")
    for fault in (' role="dialog"', ' tabindex="-1"'):
        assert fault in theirs
        for name in ("index.html", "404.html"):
            assert fault not in (site / name).read_text("utf-8").partition("</header>")[0]
    for path in kinds(site).values():
        page = site / path / "index.html" if path.endswith("/") or not path else site / path
        assert (
            page.read_text("utf-8").count('<article id="__content" class="md-content__inner') == 1
        )
        assert not re.search("<th( [^>]*)?></th>", page.read_text("utf-8"))


# ── contrast of code ───────────────────────────────────────────────────────────────────────────

# Colours as the browser paints them: [red, green, blue, alpha], and what lies behind an element.
COLOURS = """
  const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    dot.clearRect(0, 0, 1, 1);
    dot.fillStyle = colour;
    dot.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = dot.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const light = ([r, g, b]) =>
    [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
             .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  // WCAG 2.2, relative luminance and contrast ratio.
  const contrast = (colour, ground) => {
    const [a, b] = [light(over(colour, ground)), light(ground)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
"""
TOKENS = (
    "classes => {"
    + COLOURS
    + """
  const box = document.createElement("div");
  box.className = "highlight";
  box.innerHTML = "<pre><code></code></pre>";
  document.querySelector("article").append(box);
  const code = box.querySelector("code");
  return classes.map(name => {
    const token = document.createElement("span");
    token.className = name;
    code.append(token);
    return [name, contrast(rgba(getComputedStyle(token).color), behind(token))];
  });
}"""
)


def tokens(site: Path) -> list[str]:
    """The classes of the pieces of code in all pages, and one that stands for plain code."""
    found = {"plain"}
    for path in site.rglob("*.html"):
        for code in re.findall(
            r"<pre><span></span><code>(.*?)</code>", path.read_text("utf-8"), re.S
        ):
            found.update(re.findall(r'<span class="([^"]+)"', code))
    return sorted(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_can_be_read(browser: Browser, site: Path, served: str, scheme: Scheme) -> None:
    names = tokens(site)
    assert {"c1", "k", "kn", "mf", "mi", "n", "nb", "o", "p", "s2"} <= set(names)
    with reader(browser, DESKTOP, scheme) as context:
        page = context.new_page()
        page.goto(served + kinds(site)["with notebook"])
        weak = [
            (name, round(ratio, 2)) for name, ratio in page.evaluate(TOKENS, names) if ratio < 4.5
        ]
        assert weak == []
        page.evaluate(
            "document.styleSheets[0].insertRule('.highlight .mi { color: #777c !important }')"
        )
        assert min(page.evaluate(TOKENS, ["mi"])) < ["mi", 4.5]


# ── keyboard ───────────────────────────────────────────────────────────────────────────────────

# Everything that may be worked, as it looks without the focus.
START = (
    "() => {"
    + COLOURS
    + """
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && e.getClientRects().length && e.getBoundingClientRect().width > 1;
  const ring = (e) => {
    const s = getComputedStyle(e);
    return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow].join();
  };
  const all = [...document.querySelectorAll(
    "a[href], button:not(:disabled), input, select, textarea, summary, label, [tabindex], iframe")];
  const plain = new Map(all.map(e => [e, ring(e)]));
  const name = (e) => [all.indexOf(e), e.tagName.toLowerCase(),
    e.ariaLabel || e.textContent.trim().slice(0, 40)].join(" ");
  window.wanted = () => all.filter(e => shown(e) && e.isConnected
    && e.getAttribute("tabindex") !== "-1"
    // A label of a control that is seen itself is no other control; the search has its box.
    && (e.tagName !== "LABEL" || (e.control && !shown(e.control) && !e.closest(".md-search")
        && getComputedStyle(e).cursor === "pointer" && !e.className.endsWith("overlay")))
    // Of radio buttons one is reached; the arrow keys reach the others.
    && !(e.type === "radio" && !e.checked && document.querySelector(`[name="${e.name}"]:checked`)))
    .map(name);
  window.stop = () => {
    const e = document.activeElement;
    if (!e || e === document.body || e === document.documentElement) return null;
    const style = getComputedStyle(e), faults = [];
    const width = parseFloat(style.outlineWidth), offset = parseFloat(style.outlineOffset);
    const ground = behind(offset < 0 ? e : e.parentElement);
    if (!shown(e)) faults.push("not seen");
    if (ring(e) === plain.get(e)) faults.push("looks as without focus");
    else if (style.outlineStyle === "none" || width < 1) faults.push("no outline");
    else if (contrast(rgba(style.outlineColor), ground) < 3) faults.push("weak outline");
    const box = [...e.getClientRects()].find(r => r.width > 0) ?? e.getBoundingClientRect();
    const grow = offset + width;
    const sides = { left: box.left - grow, right: box.right + grow, top: box.top - grow, bottom: box.bottom + grow };
    const cut = new Set();
    for (let a = e.parentElement; a && a !== document.documentElement; a = a.parentElement) {
      const s = getComputedStyle(a), r = a.getBoundingClientRect();
      if (s.overflowX !== "visible" && a !== document.body) {
        if (sides.left < r.left - 1) cut.add("left");
        if (sides.right > r.right + 1) cut.add("right");
        if (sides.top < r.top - 1) cut.add("top");
        if (sides.bottom > r.bottom + 1) cut.add("bottom");
      }
      if (s.position === "fixed") break;
    }
    if (cut.size > 1) faults.push("outline cut: " + [...cut].join(" "));
    const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
    const y = box.top + Math.min(box.height, innerHeight) / 2;
    const top = document.elementFromPoint(x, y);
    if (!top || !(e.contains(top) || top.contains(e)))
      faults.push("covered by " + (top ? top.outerHTML.slice(0, 60) : "the window's edge"));
    return [name(e), faults];
  };
}"""
)


def tour(page: Page, key: str = "Tab", stops: int = 900) -> tuple[list[str], list[str]]:
    """Press Tab through the whole page: what has had the focus, and faults of its looks."""
    seen: list[str] = []
    faults: list[str] = []
    for _ in range(stops):
        page.keyboard.press(key)
        at = page.evaluate("stop()")
        if at is None:
            break
        if at[1]:
            page.wait_for_timeout(300)  # Material moves its sidebars and tooltips a little later
            at = page.evaluate("stop()")
        name, wrong = at
        if seen and name == seen[0]:
            break  # round again
        assert not seen or name != seen[-1], f"a trap: {name}"
        seen.append(name)
        faults += [f"{name}: {fault}" for fault in wrong]
    else:
        pytest.fail(f"no end after {stops} stops, the last of them {seen[-5:]}")
    return seen, faults


@pytest.mark.parametrize(
    ("width", "kind", "key"),
    [
        (PHONE, "home", "Tab"),
        (PHONE, "bare", "Tab"),
        (PHONE, "evidence/", "Shift+Tab"),
        (DESKTOP, "home", "Tab"),
        (DESKTOP, "with notebook", "Tab"),
        (DESKTOP, "bare", "Shift+Tab"),
    ],
)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, site: Path, served: str, width: int, kind: str, key: str
) -> None:
    with reader(browser, width, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(served + kinds(site)[kind])
        page.wait_for_load_state("networkidle")
        page.evaluate(START)
        wanted = page.evaluate("wanted()")
        seen, faults = tour(page, key)
        assert [name for name in wanted if name not in seen] == []
        assert faults == []
        assert len(wanted) > 20


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<style>a{outline:none!important}</style><a href='#'>text</a>", "without focus"),
        ("<style>a:focus{outline-color:#ccc!important}</style><a href='#'>text</a>", "weak outline"),
        ("<div style='overflow:hidden;width:4em'><a href='#' style='display:block'>text</a></div>", "cut"),
        ("<div style='opacity:0'><a href='#'>text</a></div>", "not seen"),
        ("<p style='position:fixed;inset:0;background:#fff'></p><a href='#'>text</a>", "covered"),
    ],
)  # fmt: skip
def test_a_hidden_focus_is_noticed(page: Page, html: str, fault: str) -> None:
    ring = "<style>:focus-visible{outline:3px solid #000}</style>"
    page.set_content(f"<!doctype html>{ring}<p><a href='#'>one</a></p>{html}")
    page.evaluate(START)
    assert any(fault in said for said in tour(page)[1])


def test_what_the_keyboard_cannot_reach_is_noticed(page: Page) -> None:
    page.set_content(
        "<!doctype html><a href='#'>one</a><input type=checkbox id=x style='display:none'>"
        "<label for=x style='cursor:pointer'>press</label><p tabindex=0>two</p>"
    )
    page.evaluate(START)
    missed = set(page.evaluate("wanted()")) - set(tour(page)[0])
    assert [name.split()[-1] for name in missed] == ["press"]


def test_a_trap_is_noticed(page: Page) -> None:
    page.set_content(
        "<!doctype html><a href='#'>one</a><a href='#' "
        "onkeydown='event.preventDefault()'>two</a><a href='#'>three</a>"
    )
    page.evaluate(START)
    with pytest.raises(AssertionError, match="a trap"):
        tour(page)


def focus(page: Page) -> str:
    """What has the focus: its name."""
    named: str = page.evaluate("""() => {
      const e = document.activeElement;
      return e === document.body ? "" : e.ariaLabel || e.title || e.innerText.trim();
    }""")
    return named


def tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if focus(page) == name:
            return
    pytest.fail(f"nothing is called {name}")


@pytest.mark.parametrize("kind", ["home", "bare", "evidence/", "not found"])
def test_the_skip_link_leads_to_the_content(page: Page, site: Path, served: str, kind: str) -> None:
    page.goto(served + kinds(site)[kind])
    page.keyboard.press("Tab")
    skip = page.locator(".md-skip:visible")
    expect(skip).to_be_focused()
    expect(skip).to_have_css("opacity", "1")
    page.keyboard.press("Enter")
    expect(page.locator("a:focus")).to_have_count(0)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.md-content, .md-footer') !== null")


def test_the_search_by_keyboard_on_a_desktop(page: Page, served: str) -> None:
    page.goto(served)
    tab_to(page, "Questions")
    page.keyboard.press("/")
    box = page.locator(".md-search__input")
    expect(box).to_be_focused()
    page.keyboard.type("networks")
    expect(page.locator(".md-search-result__link").first).to_be_visible()
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className"))
    for part in ("md-search__icon", "md-search__scrollwrap", "md-search-result__link"):
        assert any(part in name for name in reached), (part, reached)
    page.keyboard.press("Escape")
    expect(page.locator("#__search")).not_to_be_checked()
    expect(page.locator(".md-tabs__link:focus")).to_have_text("Questions")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_search_by_keyboard_on_a_phone(browser: Browser, served: str, key: str) -> None:
    with reader(browser, PHONE) as context:
        page = context.new_page()
        page.goto(served)
        tab_to(page, "Search")
        page.keyboard.press(key)
        expect(page.locator(".md-search__input")).to_be_focused()
        page.keyboard.type("networks")
        expect(page.locator(".md-search-result__link").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".md-header__button[for=__search]")).to_be_focused()
        expect(page.locator("#__search")).not_to_be_checked()
        # Back by the arrow in the search; and what has the focus next is not hidden behind it.
        page.keyboard.press(key)
        page.keyboard.press("Tab")
        page.keyboard.press(key)
        expect(page.locator(".md-header__button[for=__search]")).to_be_focused()
        page.keyboard.press(key)
        page.locator(".md-search__input").fill("")
        expect(page.locator(".md-search-result__link")).to_have_count(0)
        for _ in range(5):
            page.keyboard.press("Tab")
        expect(page.locator("#__search")).not_to_be_checked()
        page.keyboard.press("/")
        expect(page.locator("#__search")).to_be_checked()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_drawer_by_keyboard(browser: Browser, site: Path, served: str, key: str) -> None:
    with reader(browser, PHONE, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(served + kinds(site)["bare"])
        opener, sidebar = page.locator(".md-header__button[for=__drawer]"), ".md-sidebar--primary"
        tab_to(page, "Navigation")
        page.keyboard.press(key)
        expect(opener).to_have_attribute("aria-expanded", "true")
        inside = page.locator(f"{sidebar} :focus")
        expect(inside).to_have_count(1)
        # Up to the list of topics, and into another one.
        expect(inside).to_have_class(re.compile("md-nav__title"))
        page.keyboard.press(key)
        expect(page.locator(f"{sidebar} .md-nav__link:focus")).to_have_count(1)
        page.keyboard.press("Shift+Tab")
        expect(inside).to_be_in_viewport()
        page.keyboard.press(key)
        expect(inside).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        expect(opener).to_have_attribute("aria-expanded", "false")
        page.keyboard.press("Tab")
        expect(page.locator(f"{sidebar} :focus")).to_have_count(0)
        # It does not stay open above what has the focus.
        page.keyboard.press("Shift+Tab")
        page.keyboard.press(key)
        expect(inside).to_have_count(1)
        for _ in range(40):
            page.keyboard.press("Tab")
            if not inside.count():
                break
        expect(page.locator("#__drawer")).not_to_be_checked()


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_scheme_by_keyboard(browser: Browser, served: str, width: int) -> None:
    with reader(browser, width) as context:
        page = context.new_page()
        page.goto(served)
        tab_to(page, "Switch to the dark scheme")
        page.keyboard.press("Space")
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
        expect(page.locator("button:focus")).to_have_accessible_name("Switch to the light scheme")
        page.keyboard.press("Enter")
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
        expect(page.locator("button:focus")).to_have_accessible_name("Switch to the dark scheme")


def test_the_keyboard_works_after_instant_navigation(
    browser: Browser, site: Path, served: str
) -> None:
    path = kinds(site)["bare"]
    with reader(browser, PHONE) as context:
        page = context.new_page()
        page.goto(served)
        page.wait_for_load_state("networkidle")
        page.evaluate("window.stayed = true")
        page.locator(f'.md-content a[href$="{path}"]').first.click()
        page.wait_for_url(f"**/{path}")
        # By the page's clock: 125 ms after that Material closes the drawer once more.
        page.evaluate("() => new Promise(done => setTimeout(done, 300))")
        tab_to(page, "Navigation")
        page.keyboard.press("Enter")
        expect(page.locator(".md-sidebar--primary button:focus")).to_have_count(1)
        assert page.evaluate("window.stayed")


# ── motion, size, position ─────────────────────────────────────────────────────────────────────

MOTION = """() => {
  const seconds = (list) => Math.max(...list.split(",").map(parseFloat));
  const found = [];
  for (const e of document.querySelectorAll("*:not(math *, pre code *, head *)"))
    for (const part of [null, "::before", "::after"]) {
      const s = getComputedStyle(e, part);
      for (const time of ["transitionDuration", "transitionDelay", "animationDuration"])
        if (seconds(s[time]) > 0.01) found.push(`${e.tagName}.${e.className}${part ?? ""} ${time}`);
      if (s.scrollBehavior === "smooth") found.push(`${e.tagName} scrolls smoothly`);
    }
  return found;
}"""


def test_nothing_moves_for_who_wants_no_motion(browser: Browser, site: Path, served: str) -> None:
    with reader(browser, PHONE, reduced_motion="reduce") as context:
        page = context.new_page()
        for kind in ("home", "with notebook", "study/"):
            page.goto(served + kinds(site)[kind])
            assert page.evaluate(MOTION) == [], kind
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate(MOTION) != []


# What makes a page wider than the window.
WIDE = """() => {
  const root = document.documentElement, found = [];
  if (root.scrollWidth <= root.clientWidth) return found;
  const boxed = (e) => e !== document.body && e !== root
    && (getComputedStyle(e).overflowX !== "visible" || boxed(e.parentElement));
  for (const e of document.querySelectorAll("body *"))
    if (e.getBoundingClientRect().right > root.clientWidth + 1 && !boxed(e.parentElement))
      found.push(e.outerHTML.slice(0, 100));
  return [`${root.scrollWidth} in ${root.clientWidth}`, ...found.slice(0, 5)];
}"""
LARGE = "document.documentElement.style.setProperty('font-size', '250%', 'important')"


def test_nothing_is_wider_than_the_window(browser: Browser, site: Path, served: str) -> None:
    """At 320 and 390 px, at 675 (1350 enlarged twice), and with text of twice the size."""
    found = {}
    with reader(browser, 675) as context:
        page = context.new_page()
        for kind, path in kinds(site).items():
            page.goto(served + path)
            for width in (675, PHONE, 320):
                page.set_viewport_size({"width": width, "height": 800})
                found[kind, width, "px"] = page.evaluate(WIDE)
            page.evaluate(LARGE)
            for width in (PHONE, 675, DESKTOP):
                page.set_viewport_size({"width": width, "height": 800})
                found[kind, width, "large text"] = page.evaluate(WIDE)
        assert {where: what for where, what in found.items() if what} == {}
        page.goto("about:blank")
        page.set_content("<p style='width:2000px'>text</p>")
        assert page.evaluate(WIDE)


SHIFTS = """
  window.shifts = [];
  new PerformanceObserver(list => {
    for (const shift of list.getEntries())
      shifts.push([shift.value, ...shift.sources.map(s => s.node?.outerHTML?.slice(0, 90) ?? "text")]);
  }).observe({ type: "layout-shift", buffered: true });
"""


def later(route: Route) -> None:
    time.sleep(0.1)
    route.continue_()


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_jumps_while_a_page_loads(
    browser: Browser, site: Path, served: str, width: int
) -> None:
    """With an empty cache, and figures and fonts that come late."""
    with reader(browser, width) as context:
        context.add_init_script(SHIFTS)
        context.route(re.compile(r"\.(svg|png|woff2)$"), later)
        page = context.new_page()
        page.goto(served + kinds(site)["with notebook"])
        page.wait_for_load_state("networkidle")
        for _ in range(12):
            page.mouse.wheel(0, 1200)
            page.wait_for_timeout(60)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("scrollY") > 5000
        assert page.evaluate("shifts") == []
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(600)  # what follows an input at once is not counted
        page.evaluate("document.querySelector('article h1').style.marginTop = '300px'")
        page.wait_for_timeout(300)
        assert page.evaluate("shifts.length") == 1


# ── without JavaScript ─────────────────────────────────────────────────────────────────────────

# The colours of elements, one of each name and class.
PAINTED = """() => Object.fromEntries([...document.querySelectorAll(
    "body, .md-main *:not(math *, button, nav, label, svg, svg *, [class^=md-typeset__])")]
  .map(e => [`${e.tagName}.${e.className}`, e]).reverse().map(([name, e]) => {
    const s = getComputedStyle(e);
    return [name, [s.color, s.backgroundColor, s.borderLeftColor, s.colorScheme]];
  }))"""


def test_without_javascript_everything_can_be_read(
    browser: Browser, site: Path, served: str
) -> None:
    lines = """() => {
      document.querySelector(".filters")?.remove(); // which work by a script
      return document.querySelector("article").innerText.split(/\\s*\\n\\s*/);
    }"""
    with (
        reader(browser, DESKTOP) as scripted,
        reader(browser, DESKTOP, java_script_enabled=False) as plain,
    ):
        one, other = scripted.new_page(), plain.new_page()
        for kind, path in kinds(site).items():
            if kind == "study/":
                continue  # another page without scripts: tests/test_study.py
            one.goto(served + path)
            other.goto(served + path)
            missing = set(one.evaluate(lines)) - set(other.evaluate(lines))
            assert missing == set(), kind


def test_without_javascript_who_prefers_dark_gets_dark(
    browser: Browser, site: Path, served: str
) -> None:
    path = served + kinds(site)["with notebook"]
    looks = {}
    for scripts in (True, False):
        with reader(browser, DESKTOP, "dark", java_script_enabled=scripts) as context:
            page = context.new_page()
            page.goto(path)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(300)  # colours change slowly
            looks[scripts] = page.evaluate(PAINTED)
    assert looks[False]["BODY."] == looks[True]["BODY."] and looks[True]["BODY."][-1] == "dark"
    differ = {name for name, look in looks[False].items() if looks[True].get(name, look) != look}
    assert differ == set() and len(looks[False].keys() & looks[True].keys()) > 60


def test_the_scheme_does_not_flash_up(browser: Browser, served: str) -> None:
    """Before Material's script has come: what the system prefers, or what the reader chose."""
    ground = "getComputedStyle(document.body).backgroundColor"
    with reader(browser, DESKTOP, "dark") as context:
        page = context.new_page()
        page.goto(served)
        dark = page.evaluate(ground)
        page.get_by_role("button", name="Switch to the light scheme").click()
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
        light = page.evaluate(ground)
        assert dark != light
        context.route("**/bundle.*.js", lambda route: route.abort())
        page.goto(served)
        assert page.evaluate(ground) == light
        page.evaluate("localStorage.clear()")
        page.goto(served)
        assert page.evaluate(ground) == dark
