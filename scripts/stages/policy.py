"""A Content-Security-Policy in every page: a browser runs our scripts only, and asks nobody else.

A static host lets nobody set headers, so the policy is a `<meta>`. `frame-ancestors`, `sandbox` and
`report-uri` have no effect there (CSP Level 3, 3.3) and are left out. Only `build.py site` writes
it: MkDocs' live reload puts a script of its own into the pages that it serves.

Sources: W3C, Content Security Policy Level 3; WHATWG HTML, 4.12.1 (which scripts are executed).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from stages.records import Fault, Refused
from stages.write import write_if_changed

HEADER = "Content-Security-Policy"
# What no page may do without; script-src and style-src are added from what stands in the pages.
# `default-src 'none'` forbids frames, objects, media and manifests, which the site does not have.
_FIXED = {
    "default-src": "'none'",
    # data: for the figures in notebook views, and for the icons in Material's style sheets.
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",  # instant navigation fetches pages, the search its index
    "worker-src": "'self'",  # the search
    # These two do not fall back on default-src.
    "base-uri": "'none'",
    "form-action": "'self'",  # Enter in the search field, where no script hears of it
}
_KEYWORDS = frozenset({"'none'", "'self'"})
_MORE = {  # what single directives may hold beyond that
    "img-src": frozenset({"data:"}),
    "style-src-attr": frozenset({"'unsafe-hashes'"}),
}
_NOT_INHERITED = ("base-uri", "form-action")
_HASH = re.compile(r"'sha256-[A-Za-z0-9+/]{43}='")
# A script whose type is none of these is a block of data: not executed, and not held by a policy.
_EXECUTED = re.compile(
    r"|module|importmap|speculationrules|(application|text)/(x-)?(java|ecma)script|text/jscript"
    r"|text/livescript|text/javascript1\.[0-5]",
    re.IGNORECASE,
)
_CHARSET_WITHIN = 1024  # bytes; HTML, 4.2.5.4
_BEFORE = frozenset("html head meta title".split())  # tags that load nothing and run nothing


@dataclass(frozen=True)
class Inline:
    """A script, a style sheet or a style attribute that stands in a page.

    Attributes:
        directive: what governs it: `script-src`, `style-src` or `style-src-attr`.
        text: its exact text.
        line: 1-based line.
    """

    directive: str
    text: str
    line: int

    @property
    def source(self) -> str:
        """How a policy allows this text and no other."""
        digest = hashlib.sha256(self.text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"


class _Reader(HTMLParser):
    """What a policy needs to know of a page, and what it says of itself."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.inline: list[Inline] = []
        self.blocked: list[tuple[int, str]] = []  # what no policy of ours lets run
        self.policies: list[tuple[int, str, str]] = []  # line, policy, the tag that stands before
        self.head = self.charset = -1  # where these tags end
        self._loading = ""  # the first tag that loads or runs something
        self._held: tuple[str, int] | None = None  # the directive and line of an open element
        self._text: list[str] = []
        # A browser hashes what it has read, with its line ends made one (HTML, 13.2.3.5).
        self.page = page.replace("\r\n", "\n").replace("\r", "\n")
        self._starts = [0, *(found.end() for found in re.finditer("\n", self.page))]
        self.feed(self.page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag runs or styles."""
        attributes = {name: value or "" for name, value in reversed(attrs)}  # the first one counts
        line, column = self.getpos()
        end = self._starts[line - 1] + column + len(self.get_starttag_text() or "")
        if tag == "head" and self.head < 0:
            self.head = end
        if tag == "meta" and "charset" in attributes and self.charset < 0:
            self.charset = end
        if tag == "meta" and attributes.get("http-equiv", "").strip().lower() == HEADER.lower():
            self.policies.append((line, attributes.get("content", ""), self._loading))
        if tag not in _BEFORE:
            self._loading = self._loading or tag
        if tag == "style" or (
            tag == "script"
            and "src" not in attributes
            and _EXECUTED.fullmatch(attributes.get("type", "").strip())
        ):
            self._held, self._text = (f"{tag}-src", line), []
        if attributes.get("style"):
            self.inline.append(Inline("style-src-attr", attributes["style"], line))
        handlers = (name for name in attributes if name.startswith("on"))
        self.blocked += [(line, f"<{tag}> has the event handler {name}") for name in handlers]

    def handle_data(self, data: str) -> None:
        """Keep the text of an element that is executed or applied."""
        if self._held:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Such an element ends with the first end tag of its name."""
        if self._held and self._held[0] == f"{tag}-src":
            self.inline.append(Inline(self._held[0], "".join(self._text), self._held[1]))
            self._held = None


def policy_of(pages: Iterable[str]) -> str:
    """The one policy for all pages of a site: its own files, and the inline texts of these pages.

    Instant navigation keeps the policy of the page that was loaded first, and runs the inline
    scripts of the next one, which differ with the depth of its address. So each page allows the
    inline texts of all.

    Args:
        pages: the HTML of every page.
    """
    sources: dict[str, set[str]] = {"script-src": set(), "style-src": set()}
    for page in pages:
        for inline in _Reader(page).inline:
            sources.setdefault(inline.directive, set()).add(inline.source)
    directives = dict(_FIXED)
    for name in ("script-src", "style-src"):
        directives[name] = " ".join(["'self'", *sorted(sources[name])])
    if "style-src-attr" in sources:
        # Aligned formulas and tables have a few style attributes. Browsers call any hash of an
        # attribute unsafe, since another element may have the same: for a style it does no harm.
        directives["style-src-attr"] = " ".join(
            ["'unsafe-hashes'", *sorted(sources["style-src-attr"])]
        )
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def with_policy(page: str, policy: str) -> str:
    """A page with its policy right after the charset, before anything that the policy governs.

    Raises:
        ValueError: the page has no head to put it into.
    """
    read = _Reader(page[:_CHARSET_WITHIN])
    place = read.charset if read.charset >= 0 else read.head
    if place < 0:
        raise ValueError("the page has no <head>")
    tag = f'<meta http-equiv="{HEADER}" content="{html.escape(policy, quote=False)}">'
    return page[:place] + tag + page[place:]


def write_policy(site: Path) -> None:
    """Write the policy into every HTML file of a built site.

    Raises:
        Refused: a page has no head.
    """
    pages = {path: path.read_bytes().decode("utf-8") for path in sorted(site.rglob("*.html"))}
    policy = policy_of(pages.values())
    faults = []
    for path, page in pages.items():
        try:
            write_if_changed(path, with_policy(page, policy))
        except ValueError as wrong:
            name = path.relative_to(site).as_posix()
            faults.append(Fault(name, 0, str(wrong), "write it as a whole HTML page"))
    if faults:
        raise Refused(faults)


# ── the gate ───────────────────────────────────────────────────────────────────────────────────


def violations(page: str) -> Iterator[tuple[int, str, str]]:
    """What is wrong with a page's policy, and what in the page it would stop.

    Yields:
        Line (1-based, or 0), what is wrong, and what to do.
    """
    read = _Reader(page)
    if len(read.policies) != 1:
        count = "no" if not read.policies else str(len(read.policies))
        yield 0, f"the page has {count} {HEADER}, not one", "build it with the verb 'site'"
        return
    line, policy, before = read.policies[0]
    if before:
        yield line, f"the policy stands after a <{before}>, which it does not govern", "move it up"
    directives = _parse(policy)
    for name in ("default-src", *_NOT_INHERITED):
        if name not in directives:
            yield line, f"the policy says nothing of {name}", "build the site again"
    for name, sources in directives.items():
        allowed = _KEYWORDS | _MORE.get(name, frozenset())
        for source in sources:
            hashed = name.startswith(("script-src", "style-src")) and _HASH.fullmatch(source)
            if not (source.lower() in allowed or hashed):
                todo = "allow 'self' and hashes only"
                yield line, f"the policy's {name} allows {source}", todo
    for inline in read.inline:
        if inline.source not in _governing(directives, inline.directive):
            what = f"the policy lacks the hash of an inline text ({inline.directive})"
            yield inline.line, what, "build the site again, or move the text to a file"
    for line, what in read.blocked:
        yield line, f"{what}, which the policy stops", "attach it in a script file"


def _parse(policy: str) -> dict[str, list[str]]:
    """Directives and their sources; of two of one name the first counts (CSP, 2.2.1)."""
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        name, *sources = part.split() or [""]
        if name:
            directives.setdefault(name.lower(), sources)
    return directives


def _governing(directives: Mapping[str, list[str]], name: str) -> list[str]:
    """The sources that hold for inline texts, by the list of fallbacks (CSP, 6.8.3)."""
    element = (name,) if name.endswith("-attr") else (f"{name}-elem", name)
    for found in (*element, name.removesuffix("-attr"), "default-src"):
        if found in directives:
            return directives[found]
    return []
