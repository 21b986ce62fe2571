"""The command as a user calls it, and hostile texts all the way to the site in a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from local_server import serve
from samples import foreign, text_of
from stages.parse import decode, parse_bank
from stages.records import Refused
from stages.search import whole_index
from stages.validate import bank_faults
from workbench import build, passed, refused, tree, write

GOOD = "A bank\n\n1. Why?\n\nSo.\n\n2. What?\n\nThat.\n"

# ── exit codes and sentences ───────────────────────────────────────────────────────────────────


def test_refused_texts_name_every_fault_and_write_nothing(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    source = write(tmp_path, "bank.txt", GOOD)
    said = passed(build("pages", "--source", source, "--output", pages))
    assert f"2 pages in {pages}, 2 files changed" in said
    before = tree(pages)
    assert "0 files changed" in passed(build("pages", "--source", source, "--output", pages))
    bad = (
        GOOD.replace("2. What?", "2. What?\nTitel: x\nSee also: 7")
        + "\n<b>\n\n4. Skipped?\n\nSo.\n"
    )
    write(tmp_path, "bank.txt", bad)
    said = refused(build("pages", "--source", source, "--output", pages))
    assert said.splitlines() == [
        f"{source}:8: unknown header 'Titel'; did you mean 'Title'?",
        f"{source}:9: See also 7 points at no question; name another",
        f"{source}:15: '4.' stands alone like a question, but does not follow 2; number the question 3; "
        "if it is a list item, join it to its list without blank lines or indent it",
    ]
    assert tree(pages) == before


def test_a_refused_site_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    source = write(tmp_path, "bank.txt", GOOD)
    passed(build("site", "--source", source, "--output", tmp_path / "site"))
    before = tree(tmp_path / "site")
    assert "questions/01-why/index.html" in before
    for text, said in (
        (GOOD + "\n<script>\n", "bank.txt:11: raw HTML in the text"),
        (GOOD + "\nSee [there](99-gone.md).\n", "99-gone.md"),
    ):
        write(tmp_path, "bank.txt", text)
        refused(build("site", "--source", source, "--output", tmp_path / "site"), said)
        assert tree(tmp_path / "site") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank.txt", "site"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pages", "--source", "gone.txt"], "gone.txt: cannot be read (No such file or directory)"),
        (["pages", "--source", "empty"], "empty: no .txt file in this folder"),
        (["pages", "--source", "bytes.txt"], "bytes.txt:1: byte 0xff at offset 0 is not UTF-8"),
        (["pages", "--source", "good.txt", "--notebooks", "gone"], "gone: no such folder"),
        (["pages", "--source", "good.txt", "--output", "good.txt"], "good.txt"),
        (["new", "9", "Why?", "--source", "empty"], "question 9: is not the next number; use 1"),
        (["new", "1", " ", "--source", "empty"], "question 1: no question is given"),
        (["new", "1", "Why?", "--source", "good.txt"], "good.txt"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bytes.txt").write_bytes(b"\xff")
    write(tmp_path, "good.txt", GOOD)
    before = tree(tmp_path)
    named = {"gone.txt", "empty", "bytes.txt", "good.txt", "gone"}
    shown = [str(tmp_path / a) if a in named else a for a in arguments]
    if arguments[0] == "new":
        shown += ["--notebooks", str(tmp_path / "empty")]
    lines = refused(build(*shown), said).splitlines()
    assert len(lines) == 1
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["new"], ["new", "x", "y"], ["pages", "--fast"]]
)
def test_wrong_usage_exits_with_two(arguments: list[str]) -> None:
    done = build(*arguments)
    assert done.returncode == 2
    assert "usage: build.py" in done.stderr


# ── hostile texts ──────────────────────────────────────────────────────────────────────────────

PAYLOADS = [
    "<script>pwned()</script>",
    "<img src=x onerror=pwned()>",
    "<svg/onload=pwned()>",
    "</title><script>pwned()</script>",
    "\"><script>pwned()</script>",
    "' onmouseover='pwned()",
    '" onmouseover="pwned()" x="',
    "<!--><script>pwned()</script>-->",
    "&lt;script&gt;pwned()&lt;/script&gt;",
    "&#60;img src=x onerror=pwned()&#62;",
    "&amp;lt;script&amp;gt;pwned()",
    "&lt;/title&gt;&lt;script&gt;pwned()",
    "x {: onclick=pwned() }",
    "x\n{: onclick=pwned() }",
    "*x*{: onmouseover=pwned() style=position:fixed }",
    "[x](https://example.org){: onclick=pwned() }",
    "``` {.python onclick=pwned()}\nx\n```",
    "```\nx\n```\n{: onclick=pwned() }",
    "[x](javascript:pwned())",
    "[x](JAVASCRIPT:pwned() 'a title')",
    "[x](&#106;avascript:pwned())",
    "[x](java&Tab;script&colon;pwned())",
    "[x](\tjavascript:pwned())",
    "[x](<javascript:pwned()>)",
    "[x][y]\n\n[y]: javascript:pwned()",
    "> [y]: javascript:pwned()\n\n[x][y] and [y]",
    "- [y]: <javascript:pwned()> 'a title'\n\n[y]",
    "<javascript:pwned()>",
    "javascript:pwned()",
    "[x](data:text/html,<script>pwned()</script>)",
    "[x](vbscript:pwned())",
    "![x](javascript:pwned())",
    "![x](x){: onerror=pwned() }",
    "{{ config }} {{ pwned }}",
    "{% raw %}{% include 'x' %}{{ ''.__class__ }}",
    "{# x #}",
    "--8<-- \"/etc/passwd\"",
    "--8<--\n/etc/passwd\n--8<--",
    "[TOC]",
    "*[x]: <script>pwned()</script>\n\nx",
    "[^1]\n\n[^1]: <script>pwned()</script>",
    "::: x\n    pwned",
    "!!! note \"<script>pwned()</script>\"\n    x",
    "`</code><script>pwned()</script>`",
    "`</div></article><script>pwned()</script>`",
    "`x\n<script>pwned()</script>\n`",
    "```\n</code></pre><script>pwned()</script>\n```",
    "~~~ html\n<script>pwned()</script>\n~~~",
    "    <script>pwned()</script>",
    "- x\n\n        <script>pwned()</script>",
    "> ```\n> <script>pwned()</script>\n> ```",
    "$</script><script>pwned()$",
    "$\\text{<img src=x onerror=pwned()>}$",
    "$\\href{javascript:pwned()}{x}$",
    "x | y\n--- | ---\n`a|b` | <script>pwned()</script>",
    "<kbd onclick=pwned()>x</kbd>",
    "<sub><script>pwned()</sub>",
    "<details ontoggle=pwned() open>x</details>",
    "<a href=javascript:pwned()>x</a>",
    "<style>@import 'javascript:pwned()'</style>",
    "<base href=//example.org>",
    "<meta http-equiv=refresh content=0;javascript:pwned()>",
    "\u202e)(denwp:tpircsavaj",
    "&#x202e;)(denwp",
    "x\x00<script>",
    "---\ntitle: pwned\n---\n\nx",
    "]]><script>pwned()</script>",
    "<?xml version='1.0'?><script>pwned()</script>",
    "\\<script>pwned()\\</script>",
    "<scr<script>ipt>pwned()</scr</script>ipt>",
    "+ADw-script+AD4-pwned()",
    "\ufeff<script>pwned()</script>",
    "<\u200bscript>pwned()</script>",
]  # fmt: skip
SHOWN = 30  # at least so many of them are harmless somewhere, and get built


def is_accepted(text: str) -> bool:
    try:
        bank = parse_bank([decode("0.txt", "0", text.encode())])
        return not bank_faults(bank, {}, set())
    except Refused as refused:
        assert all(fault.what and fault.todo for fault in refused.faults)
        return False


def question(number: int, payload: str, places: set[str]) -> str:
    """A question with the payload in some of its places."""
    line = " ".join(payload.split())
    also = " ".join(line.split()[:8])

    def at(place: str, text: str, otherwise: str = "") -> str:
        return text if place in places else otherwise

    return (
        f"{number}. {at('words', line, 'Why?')}\n"
        f"Title: {number} {at('title', line)}\n"
        + at("headers", f"Topic: {line}\nTags: {line}\nAlso asked: {also}\n")
        + f"\n{at('short', payload, 'So.')}\n"
        + at("depth", f"\n## In depth\n\n{payload}\n")
        + at("said", f"\n## Often said\n> {line}\n\n{payload}\n")
        + at("asked", f"\n## Follow-ups\n### {line}\n\n{payload}\n")
    )


PLACES = ("words", "title", "headers", "short", "depth", "said", "asked")


def hostile_bank() -> str:
    """One bank of all payloads, in every place where they are not refused."""
    kept = []
    for payload in PAYLOADS:
        places = {p for p in PLACES if is_accepted("T\n\n" + question(1, payload, {p}))}
        if places:
            kept.append((payload, places))
    assert SHOWN <= len(kept) < len(PAYLOADS)
    assert any("short" not in places for _, places in kept)
    lines = [" ".join(payload.split()) for payload in PAYLOADS]
    title = " ".join(t for t in lines if is_accepted(f"T {t}\n\n1. Why?\n\nSo.\n\n© {t}\n"))
    questions = [question(number, *entry) for number, entry in enumerate(kept, 1)]
    return "\n".join([f"T {title}\n{title}\n", *questions, f"© 2026 {title[:150]}"])


class Running(HTMLParser):
    """What could run in a page: its scripts, handlers and links to scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.scripts: set[str] = set()
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Data that is not run (JSON) is no script.
        self._in_script = tag == "script" and "json" not in str(dict(attrs).get("type"))
        if tag in ("base", "iframe", "object", "embed", "foreignobject", "animate", "applet"):
            self.found.add(f"<{tag}>")
        for name, content in attrs:
            plain = re.sub(r"[\x00-\x20\xad]", "", content or "").lower()
            if name.startswith("on") or name in ("srcdoc", "formaction"):
                self.found.add(f"<{tag} {name}={content}>")
            if not name.startswith(("content", "data-")) and plain.startswith(
                ("javascript:", "vbscript:", "data:text")
            ):
                self.found.add(f"<{tag} {name}={content}>")
            if tag == "script" and name == "src":
                self.scripts.add(plain.rpartition("/")[2])
            if name == "http-equiv":
                self.found.add(f"<{tag} {name}={content}>")

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.add(re.sub(r'new URL\("[^"]*",location\)', "", data))

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


def running(site: Path) -> Running:
    parser = Running()
    for page in sorted(site.rglob("*.html")):
        parser.feed(page.read_text("utf-8"))
        parser.close()
        parser.reset()
    return parser


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The site of a harmless text, and that of a text full of payloads, in a hostile file."""
    folder = tmp_path_factory.mktemp("hostile")
    good = write(folder, "good.txt", GOOD)
    passed(build("site", "--source", good, "--output", folder / "good"))
    text = write(folder, "'onload='pwned()' {{ x }}.txt", hostile_bank())
    passed(build("site", "--source", text, "--output", folder / "site"))
    return folder / "good", folder / "site"


def test_every_payload_is_refused_or_harmless() -> None:
    for payload in PAYLOADS:
        is_accepted(text_of(payload))


def test_nothing_can_run_in_the_built_site(hostile: tuple[Path, Path]) -> None:
    good, site = map(running, hostile)
    # The theme has a link of its own to `javascript:void(0)`.
    assert site.found == good.found
    assert site.scripts == good.scripts
    (config,) = re.findall(
        r'<script id="__config" type="application/json">(.*?)</script>',
        (hostile[1] / "index.html").read_text("utf-8"),
    )
    assert "pwned" not in config


def test_titles_in_heads_and_navigation_are_text(hostile: tuple[Path, Path]) -> None:
    for page in (hostile[1] / "questions").rglob("*.html"):
        text = page.read_text("utf-8")
        for title in re.findall(r"<title>(.*?)</title>", text, re.DOTALL):
            assert not re.search(r"[<>]", title)
        for words in re.findall(r'<span class="?md-ellipsis"?>(.*?)</span>', text, re.DOTALL):
            assert not foreign(words)


def test_data_and_search_index_hold_no_markup_of_the_texts(hostile: tuple[Path, Path]) -> None:
    index = json.loads(whole_index(hostile[1]).read_text("utf-8"))
    assert len(index["docs"]) > SHOWN
    for entry in index["docs"]:
        assert not foreign(entry["title"])
        assert not [found for found in foreign(entry["text"]) if "open" not in found]
    data = json.loads((hostile[1] / "questions.json").read_text("utf-8"))
    assert len(data["questions"]) >= SHOWN


def test_nothing_runs_in_a_browser(hostile: tuple[Path, Path], browser: Browser) -> None:
    stems = [
        q["stem"]
        for q in json.loads((hostile[1] / "questions.json").read_text("utf-8"))["questions"]
    ]
    with serve(hostile[1], "/repo/") as served, browser.new_context() as context:
        context.add_init_script("window.pwned = () => { window.hit = true }")
        page = context.new_page()
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        for path in (
            "",
            "404.html",
            *(f"questions/{stem}/" for stem in stems[:: len(stems) // 12]),
        ):
            page.goto(served.url + path)
            page.evaluate("document.querySelectorAll('article *').forEach(e => { e.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})) })")  # fmt: skip
            assert page.evaluate("window.hit") is None, path
        # The 404 page looks for its styles where the site was built for.
        missing = [sent.path for sent in served.log if sent.status != 200]
        assert [path for path in missing if not path.startswith("/assets/")] == []
