"""The policy of every page: what it says, that it bites, and that nothing of ours offends it."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from conftest import PREFIX, Visitor
from kinds import kinds
from local_server import serve
from stages.policy import policy_of, violations, with_policy, write_policy
from stages.records import Refused

SCRIPT = "let a = '<b>' && 1;\n"
GOOD = f"""<!doctype html>
<html lang="en"><head>
<meta charset="utf-8"><title>A & B</title><script src="a.js"></script><script>{SCRIPT}</script>
<script type="application/ld+json">{{"a": 1}}</script><style>p{{color:red}}</style></head>
<body><p style="color: &quot;x&quot;">text</p></body></html>
"""


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def directive(policy: str, name: str) -> list[str]:
    (found,) = [part.split()[1:] for part in policy.split("; ") if part.split()[0] == name]
    return found


def governed(page: str = GOOD) -> str:
    """A page with the policy that it needs."""
    return with_policy(page, policy_of([page]))


def said(page: str) -> str:
    return "\n".join(f"{line}: {what}; {todo}" for line, what, todo in violations(page))


# ── what it says ───────────────────────────────────────────────────────────────────────────────


def test_inline_texts_are_allowed_by_their_hash_alone() -> None:
    policy = policy_of([GOOD])
    assert directive(policy, "script-src") == ["'self'", hashed(SCRIPT)]
    assert directive(policy, "style-src") == ["'self'", hashed("p{color:red}")]
    assert directive(policy, "style-src-attr") == ["'unsafe-hashes'", hashed('color: "x"')]
    assert "unsafe-inline" not in policy and "unsafe-eval" not in policy and "http" not in policy


def test_a_site_without_style_attributes_allows_none() -> None:
    assert "style-src-attr" not in policy_of(["<head><meta charset=utf-8>"])


def test_each_page_allows_the_scripts_of_all() -> None:
    pages = ["<script>one()</script>", "<script>two()</script>", "<script>one()</script>"]
    allowed = directive(policy_of(pages), "script-src")
    assert set(allowed) == {"'self'", hashed("one()"), hashed("two()")}
    assert policy_of(pages) == policy_of(reversed(pages))


@pytest.mark.parametrize(
    ("tag", "executed"),
    [
        ("<script>", True),
        ("<script type=''>", True),
        ("<SCRIPT TYPE='Text/JavaScript'>", True),
        ("<script type=module>", True),
        ("<script type=importmap>", True),
        ("<script id=__config type=application/json>", False),
        ("<script type='application/ld+json'>", False),
        ("<script src=a.js>", False),  # governed by its address
    ],
)
def test_only_what_is_executed_is_hashed(tag: str, executed: bool) -> None:
    assert (hashed("x") in policy_of([f"{tag}x</script>"])) == executed


def test_line_ends_are_hashed_as_a_browser_reads_them() -> None:
    assert hashed("a\nb\nc") in policy_of(["<script>a\r\nb\rc</script>"])


def test_the_policy_stands_right_after_the_charset() -> None:
    assert '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy"' in governed()
    assert said(governed()) == ""
    assert governed("<head><script>x</script></head>").startswith("<head><meta http-equiv=")
    with pytest.raises(ValueError, match="no <head>"):
        with_policy("<p>text</p>", "default-src 'none'")


def test_a_page_without_a_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(GOOD, "utf-8")
    (tmp_path / "b.html").write_text("<p>text</p>", "utf-8")
    with pytest.raises(Refused, match=r"^b\.html: the page has no <head>; write it as a whole"):
        write_policy(tmp_path)


# ── the gate ───────────────────────────────────────────────────────────────────────────────────

PLANTED = {
    "no policy": (
        re.escape('http-equiv="Content-Security-Policy"'),
        "name=x",
        "0: the page has no",
    ),
    "two policies": ("</title>", "</title><meta http-equiv=content-security-policy>", "has 2 Cont"),
    "too late": (
        r'(<meta charset="utf-8">)(<meta http.*?>)(.*?</script>)',
        r"\1\3\2",
        "3: the policy stands after a <script>",
    ),
    "other host": ("connect-src 'self'", "connect-src https://x.example", "allows https://x.ex"),
    "any host": ("img-src 'self'", "img-src *", "img-src allows *"),
    "scheme": ("connect-src 'self'", "connect-src data:", "connect-src allows data:"),
    "unsafe inline": ("script-src", "script-src 'unsafe-inline'", "allows 'unsafe-inline'"),
    "unsafe eval": ("script-src", "script-src 'Unsafe-Eval'", "allows 'Unsafe-Eval'"),
    "unsafe hashes": ("script-src", "script-src 'unsafe-hashes'", "allows 'unsafe-hashes'"),
    "inline styles": ("style-src ", "style-src 'unsafe-inline' ", "style-src allows"),
    "nonce": ("script-src", "script-src 'nonce-abcd'", "allows 'nonce-abcd'"),
    "hash elsewhere": ("img-src", f"img-src {hashed('')}", "img-src allows 'sha256-"),
    "no default": ("default-src 'none'; ", "", "says nothing of default-src"),
    "no base": ("base-uri", "x-uri", "says nothing of base-uri"),
    "no form": ("form-action", "form-x", "says nothing of form-action"),
    "changed script": ("let a", "let b", "3: the policy lacks the hash of an inline text (script"),
    "more script": ("</body>", "<script>x()</script></body>", "6: the policy lacks the hash of"),
    "other elements": ("script-src", "script-src-elem 'self'; script-src", "lacks the hash of"),
    "first counts": ("default-src", "script-src 'self'; default-src", "lacks the hash of"),
    "changed style": ("color:red", "color:blue", "an inline text (style-src)"),
    "changed attribute": ("color: &", "colour: &", "an inline text (style-src-attr)"),
    "handler": ("<body>", "<body onload='x()'>", "6: <body> has the event handler onload"),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_fault_is_named(planted: tuple[str, str, str]) -> None:
    old, new, expected = planted
    page, count = re.subn(old, new, governed(), count=1, flags=re.DOTALL)
    assert count == 1
    assert expected in said(page)


# ── the built site ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def places(site: Path) -> dict[str, str]:
    """A page of every kind: its path below the site's root, by the kind's name."""
    found = kinds(site) | {"not found": "no/such/page/"}
    assert {"home", "bare", "with notebook", "notebooks/…", "not found"} <= found.keys()
    return found


def test_every_page_has_the_same_policy(site: Path) -> None:
    metas = {
        tuple(re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page))
        for page in (path.read_text("utf-8") for path in site.rglob("*.html"))
    }
    ((policy,),) = metas
    assert directive(policy, "default-src") == ["'none'"]


class Held(Visitor):
    """A reader whose browser tells what the policy stopped."""

    def __init__(self, context: BrowserContext, served: str) -> None:
        super().__init__(context, served)
        self.stopped: list[str] = []
        context.expose_function("stopped", lambda what: self.stopped.append(what))
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            "e => stopped(`${e.effectiveDirective} ${e.blockedURI} ${e.sample} ${location}`))"
        )


@pytest.fixture
def held(browser: Browser, served: str) -> Iterator[Held]:
    """A reader who may use the clipboard; at the end nothing may have been stopped."""
    with browser.new_context(
        viewport={"width": 1350, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    ) as context:
        someone = Held(context, served)
        yield someone
    assert someone.stopped == []
    assert someone.errors == []
    assert someone.elsewhere == []


def follow(page: Page, address: str) -> None:
    """Go to a page of the site as by a click on a link in the text."""
    page.evaluate(
        """address => {
            const link = document.createElement("a")
            link.href = address
            document.querySelector("article").append(link)
            link.click()
        }""",
        address,
    )
    page.wait_for_url(address)
    expect(page.locator("link[rel=canonical]")).to_have_attribute("href", address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)  # the theme closes its search after the new page is there


def switch_scheme(page: Page) -> None:
    before = page.locator("body").get_attribute("data-md-color-scheme")
    page.get_by_role("button", name="Switch to the").click()
    expect(page.locator("body")).not_to_have_attribute("data-md-color-scheme", str(before))


def search_and_share(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("networks")
    expect(page.locator(".md-search-result__link").first).to_be_visible()
    page.locator("[data-md-component=search-share]").click()
    expect(page.locator(".md-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".md-search__input")).not_to_be_focused()


def send_search(page: Page) -> None:
    """Where the theme's script does not hear of Enter, the browser sends the form."""
    page.evaluate("document.forms.search.query.value = 'x'; document.forms.search.requestSubmit()")
    page.wait_for_url(re.compile(r"\?query=x$"))
    page.wait_for_load_state("networkidle")


def copy_code(page: Page) -> None:
    button = page.locator("article button[data-clipboard-target]:visible").first
    button.scroll_into_view_if_needed()
    button.click()
    expect(page.locator(".md-dialog")).to_be_visible()


def test_no_page_offends_the_policy_when_loaded(held: Held, places: dict[str, str]) -> None:
    for kind, path in places.items():
        page = held.open(path)
        expect(page.locator("h1").first).to_be_visible()
        switch_scheme(page)
        search_and_share(page)
        for details in page.locator("article details:not([open]) > summary:visible").all()[:3]:
            details.click()
        send_search(page)
        assert held.stopped == [], kind
        if kind == "not found":  # which the browser itself notes
            held.errors[:] = [said for said in held.errors if "404 (Not Found)" not in said]
        page.close()


@pytest.mark.parametrize("first", ["home", "not found", "with notebook"])
def test_no_page_offends_the_policy_of_another(
    held: Held, places: dict[str, str], first: str
) -> None:
    page = held.open(places[first])
    page.evaluate("window.same = true")
    for kind, path in places.items():
        if kind in (first, "not found"):
            continue
        follow(page, held.served + path)
        assert page.evaluate("window.same"), f"{kind} was loaded anew"
        switch_scheme(page)
        if kind == "with notebook":
            search_and_share(page)
            copy_code(page)
        assert held.stopped == [], kind
    page.go_back()
    page.wait_for_load_state("networkidle")
    page.go_forward()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)
    assert page.evaluate("window.same")
    held.errors[:] = [said for said in held.errors if "404 (Not Found)" not in said]


def test_the_policy_bites(browser: Browser, site: Path, tmp_path: Path) -> None:
    """What is planted into a built page is stopped: scripts, another host, handlers, forms."""
    shutil.copytree(site, tmp_path / "site")
    home = tmp_path / "site" / "index.html"
    planted = (
        "<script>window.planted = 1</script>"
        '<script type="application/ld+json">{"data": "is not executed"}</script>'
        '<img src="https://elsewhere.example/x.png" alt="" onerror="window.planted = 2">'
        '<p id="styled" style="position: fixed">x</p><iframe srcdoc="x" title="x"></iframe>'
        '<a id="run" href="javascript:void(window.planted = 3)">run</a>'
        '<form action="https://elsewhere.example/"><button id="send">send</button></form>'
    )
    home.write_text(home.read_text("utf-8").replace("</article>", planted + "</article>"), "utf-8")
    with serve(tmp_path / "site", PREFIX) as served, browser.new_context() as context:
        reader = Held(context, served.url)
        page = reader.open()
        page.evaluate(
            "run.click(); send.click();"
            "fetch('https://elsewhere.example/').catch(() => 0);"
            "const s = document.createElement('script'); s.textContent = 'planted = 4';"
            "document.body.append(s)"
        )
        page.wait_for_timeout(500)
        assert page.evaluate("window.planted") is None
        assert page.evaluate("getComputedStyle(styled).position") == "static"
        stopped = [tuple(said.split()[:2]) for said in reader.stopped]
        assert stopped.count(("script-src-elem", "inline")) == 3  # two scripts, one address
        for offence in (
            ("img-src", "https://elsewhere.example/x.png"),
            ("script-src-attr", "inline"),
            ("style-src-attr", "inline"),
            ("connect-src", "https://elsewhere.example/"),
            ("form-action", "https://elsewhere.example/?"),
        ):
            assert offence in stopped
