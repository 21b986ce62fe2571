"""Gates over a built site. They only read it, and give one fault for each thing that is wrong.

A kilobyte (KB) is 1000 bytes. Text is weighed gzipped (level 9), as a server sends it; pictures
and fonts, which are compressed already, as they are.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from stages.policy import violations
from stages.records import NOT_CHECKED, Fault

PAGE_LIMIT = 70_000  # bytes: a question page's HTML and its figures
THEME_LIMIT = 110_000  # bytes: style sheets, scripts and fonts that a question page names
STUDY = "study/index.html"
STUDY_LIMIT = 80_000  # bytes: the study page with the script and style sheet that it alone has

_TEXT = frozenset("css html ipynb js json map md mjs svg txt webmanifest xml".split())
_CODE = frozenset("css js mjs otf ttf woff woff2".split())
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_TEMPORARY = re.compile(
    r"~$|\.(bak|orig|part|rej|swo|swp|temp|tmp)$|^(#.*#|\.#.*|\.DS_Store|Thumbs\.db)$|^\.generated$"
    r"|^(\.ipynb_checkpoints|__pycache__)$",
    re.IGNORECASE,
)
_URL_ATTRIBUTES = ("href", "xlink:href", "src", "poster", "data", "action", "formaction")
_SRCSETS = ("srcset", "imagesrcset")
_STREAMS = {"application/vnd.jupyter.stderr", "application/vnd.jupyter.error"}
_BAD_OUTPUT = {"output_error", "output_pyerr", "output_stderr", "stderr"}
_NO_ALT = "No description has been provided for this image"
_FILE_NAME = re.compile(r"\S+\.(avif|gif|jpe?g|png|svg|webp)", re.IGNORECASE)
_LOADING_RELS = frozenset(
    "apple-touch-icon apple-touch-icon-precomposed dns-prefetch icon manifest mask-icon "
    "modulepreload preconnect prefetch preload prerender stylesheet".split()
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_URL = re.compile(
    r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)'"]*))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')""",
    re.IGNORECASE,
)


# ── reading ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Tag:
    """One start tag: its name, attributes (names in lower case), and 1-based line."""

    name: str
    attributes: Mapping[str, str]
    line: int
    article: bool

    def get(self, name: str) -> str:
        """The attribute's value without surrounding white space, or an empty string."""
        return self.attributes.get(name, "").strip()

    def urls(self) -> Iterator[tuple[str, str]]:
        """Every address in the tag, as (attribute, address)."""
        for name in _URL_ATTRIBUTES:
            if name in self.attributes and not (name == "data" and self.name != "object"):
                yield name, self.get(name)
        for name in _SRCSETS:
            for candidate in re.split(r",\s+", self.get(name)):
                if candidate.strip():
                    yield name, candidate.split()[0]


@dataclass
class Stretch:
    """A stretch of a page, its text growing while it is read: an output block or a table row."""

    line: int
    marks: frozenset[str] = frozenset()
    links: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text with each run of white space as one space."""
        return _squeeze("".join(self.parts))


class Page(HTMLParser):
    """What the gates need to know of one HTML file (or of an SVG, which reads the same)."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[Tag] = []
        self.ids: set[str] = set()
        self.doubled: list[tuple[int, str]] = []  # ids that stand twice, with their lines
        self.outputs: list[Stretch] = []
        self.rows: list[Stretch] = []
        self.styles: list[tuple[int, str]] = []  # of style elements and style attributes
        self.instructions: list[tuple[int, str]] = []
        self._open: list[tuple[str, Stretch | None]] = []
        self._all: list[str] = []
        self._article: list[str] = []
        self.feed(text)
        self.close()

    @property
    def article(self) -> str:
        """The text of the article elements, white space squeezed."""
        return _squeeze("".join(self._article))

    @property
    def text(self) -> str:
        """The text that a reader sees, white space squeezed."""
        return _squeeze("".join(self._all))

    def _within(self, *names: str) -> bool:
        return any(name in names for name, _ in self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, and open a stretch if it is an output block or a table row."""
        self._start(tag, attrs)
        if tag not in _VOID:
            self._open.append((tag, self._stretch(self.tags[-1])))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself, as SVG and MathML have them."""
        self._start(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag and what was left open in it; an end tag without a start is passed by."""
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        """Give the text to every stretch that is open."""
        if self._within("style"):
            self.styles.append((self.getpos()[0], data))
        if self._within("script", "style", "template", "title"):
            return
        self._all.append(data)
        if self._within("article"):
            self._article.append(data)
        for _, stretch in self._open:
            if stretch is not None:
                stretch.parts.append(data)

    def handle_pi(self, data: str) -> None:
        """Note a processing instruction."""
        self.instructions.append((self.getpos()[0], data))

    def handle_decl(self, decl: str) -> None:
        """Note a declaration: an SVG's may define entities."""
        self.instructions.append((self.getpos()[0], decl))

    def _start(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in reversed(attrs)}  # the first one counts
        article = name == "article" or self._within("article")
        tag = Tag(name, attributes, self.getpos()[0], article)
        self.tags.append(tag)
        if tag.get("id"):
            if tag.get("id") in self.ids:
                self.doubled.append((tag.line, tag.get("id")))
            self.ids.add(tag.get("id"))
        if name == "a" and tag.get("name"):
            self.ids.add(tag.get("name"))
        if tag.get("style"):
            self.styles.append((tag.line, tag.get("style")))
        if name == "a":
            for _, stretch in self._open:
                if stretch is not None:
                    stretch.links.append(tag.get("href"))

    def _stretch(self, tag: Tag) -> Stretch | None:
        if not tag.article:
            return None
        marks = frozenset([*tag.get("class").split(), tag.get("data-mime-type")])
        if any("output" in mark or mark == "jp-RenderedText" for mark in marks) or marks & _STREAMS:
            self.outputs.append(Stretch(tag.line, marks))
            return self.outputs[-1]
        if tag.name == "tr":
            self.rows.append(Stretch(tag.line))
            return self.rows[-1]
        return None


@dataclass(frozen=True)
class Site:
    """A built site on disk, read as the gates ask for it."""

    root: Path
    site_url: str = ""

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Every file, as a path relative to the root."""
        paths = (path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file())
        return tuple(sorted(path.as_posix() for path in paths))

    @cached_property
    def names(self) -> frozenset[str]:
        """The files, for looking up."""
        return frozenset(self.files)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds a file; the root is the empty string."""
        return frozenset(parent for name in self.files for parent in _parents(name))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text files; bytes that are not UTF-8 are replaced (a gate of its own tells)."""
        return {name: self.read(name).decode("utf-8", "replace") for name in self.of(*_TEXT)}

    @cached_property
    def pages(self) -> dict[str, Page]:
        """The HTML files, parsed."""
        return {name: Page(self.texts[name]) for name in self.of("html")}

    @cached_property
    def base(self) -> SplitResult:
        """The site's own address, its path ending in a slash. Read from the home page's canonical
        link if it was not given."""
        address = self.site_url
        if not address and "index.html" in self.pages:
            found = (tag for tag in self.pages["index.html"].tags if tag.get("rel") == "canonical")
            address = next((tag.get("href") for tag in found), "")
        parts = urlsplit(address)
        return parts._replace(path=parts.path.rstrip("/") + "/", query="", fragment="")

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The bytes that a server sends for each file: text gzipped, other things as they are."""
        return {name: _sent(self.read(name), _kind(name)) for name in self.files}

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The question pages: `questions/<stem>/index.html`."""
        return tuple(name for name in self.pages if _is_question(name))

    def of(self, *kinds: str) -> list[str]:
        """The files with one of these extensions (lower case, no dot)."""
        return [name for name in self.files if _kind(name) in kinds]

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return (self.root / name).read_bytes()

    def elsewhere(self, url: str) -> bool:
        """Whether an address names a host that is not the site's own."""
        try:
            parts = urlsplit(url.replace("\\", "/"))  # as browsers read it
        except ValueError:
            return False  # the gate of the links tells
        if parts.scheme and parts.scheme not in ("http", "https", "ws", "wss", "ftp"):
            return False
        return bool(parts.netloc) and parts.netloc != self.base.netloc

    def resolve(self, url: str, page: str) -> tuple[str, str] | None:
        """The file and the fragment that an address on `page` leads to.

        None stands for an address that is not the site's to check (another host or scheme).
        Raises LookupError, whose text says what is wrong, if the site has no such file.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("", "http", "https") or self.elsewhere(url):
            return None
        if parts.netloc and not (parts.path + "/").startswith(self.base.path):
            return None  # a neighbour on the same host
        path = unquote(parts.path)
        if (path or parts.netloc) and path + "/" == self.base.path:
            path = self.base.path
        if path.startswith("/") or parts.netloc:
            if not path.startswith(self.base.path):
                raise LookupError(f"leaves the site, whose base path is {self.base.path}")
            path = path[len(self.base.path) :]
        elif not path:
            return page, unquote(parts.fragment)
        elif page == "404.html":
            raise LookupError("is relative, but the 404 page is served at every address")
        else:
            path = posixpath.join(posixpath.dirname(page), path)
        target = posixpath.normpath(path) if path else ""
        target = "" if target == "." else target
        if target.startswith("../") or target == "..":
            raise LookupError("leaves the site")
        if target in self.folders:
            target = posixpath.join(target, "index.html")
        elif path.endswith("/"):
            raise LookupError("leads to a folder that the site does not have")
        if target not in self.names:
            raise LookupError("leads to no file of the site")
        return target, unquote(parts.fragment)

    def resolved(self, urls: Iterable[str], page: str) -> set[str]:
        """The files of the site behind these addresses; what does not resolve is left out."""
        found = set()
        for url in urls:
            try:
                target = self.resolve(url, page)
            except (LookupError, ValueError):
                continue
            if target is not None:
                found.add(target[0])
        return found


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _kind(name: str) -> str:
    return posixpath.basename(name).rpartition(".")[2].lower()


def _sent(data: bytes, kind: str) -> int:
    return len(gzip.compress(data, 9, mtime=0)) if kind in _TEXT else len(data)


def _parents(name: str) -> Iterator[str]:
    while name:
        name = posixpath.dirname(name)
        yield name


def _is_question(name: str) -> bool:
    return re.fullmatch(r"questions/[^/]+/index\.html", name) is not None


def _css_urls(css: str) -> Iterator[tuple[int, str]]:
    """Every address in a style sheet, with its 1-based line."""
    plain = _CSS_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), css)
    for found in _CSS_URL.finditer(plain):
        url = next((group for group in found.groups() if group), "").strip()
        if url:
            yield plain.count("\n", 0, found.start()) + 1, url


# ── the gates ──────────────────────────────────────────────────────────────────────────────────


def _links(site: Site) -> Iterator[Fault]:
    """Every internal address leads to a file, and every fragment to an element in it."""
    for name, page in site.pages.items():
        for tag in page.tags:
            if tag.name == "base":
                todo = "remove it: the links are checked as they stand"
                yield Fault(name, tag.line, "a <base> tag changes where links lead", todo)
            for attribute, url in tag.urls():
                yield from _link(site, name, tag.line, f'{attribute}="{_short(url)}"', url)
    for name, line, url in _style_urls(site):
        if not url.startswith("#"):
            yield from _link(site, name, line, f"url({_short(url)})", url)
    for found in re.finditer(r"<loc>\s*([^<\s]*)\s*</loc>", site.texts.get("sitemap.xml", "")):
        line = site.texts["sitemap.xml"].count("\n", 0, found.start()) + 1
        yield from _link(site, "sitemap.xml", line, f"<loc>{found[1]}</loc>", found[1])


def _link(site: Site, name: str, line: int, shown: str, url: str) -> Iterator[Fault]:
    try:
        target = site.resolve(url, name)
    except LookupError as wrong:
        yield Fault(name, line, f"{shown} {wrong}", "correct the link or add what it leads to")
        return
    except ValueError:
        yield Fault(name, line, f"{shown} is not an address", "correct the link")
        return
    if target is None or target[1] in ("", "top") or target[0] not in site.pages:
        return
    fragment = target[1].partition(":~:")[0]  # what follows is a text to mark, not an id
    if fragment and fragment not in site.pages[target[0]].ids:
        what = f"{shown} leads to no element of {target[0]}"
        yield Fault(name, line, what, f'give an element there id="{fragment}" or correct the link')


def _style_urls(site: Site) -> Iterator[tuple[str, int, str]]:
    """Addresses in style sheets, style elements and style attributes, as (file, line, address)."""
    for name in site.of("css"):
        for line, url in _css_urls(site.texts[name]):
            yield name, line, url
    for name, page in site.pages.items():
        for first, css in page.styles:
            for line, url in _css_urls(css):
                yield name, first + line - 1, url


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"


def _ids(site: Site) -> Iterator[Fault]:
    """An id stands for one element of its page."""
    for name, page in site.pages.items():
        for line, found in page.doubled:
            yield Fault(name, line, f"the id '{found}' stands twice", "give each its own")


def _pictures(site: Site) -> Iterator[Fault]:
    """Every picture is described, and takes its room before it is loaded.

    Outside the article an empty alt text marks what is only decoration.
    """
    for name, page in site.pages.items():
        for tag in page.tags:
            if tag.name != "img":
                continue
            alt, shown = _squeeze(tag.get("alt")), _short(tag.get("src"))
            if "alt" not in tag.attributes or (tag.article and not alt):
                what = f"the picture {shown} has no alt text"
                yield Fault(name, tag.line, what, "say in its alt text what is to be seen")
            elif alt.rstrip(".") == _NO_ALT or _FILE_NAME.fullmatch(alt):
                what = f"the alt text of {shown} describes nothing: {alt}"
                yield Fault(name, tag.line, what, "say what is to be seen in the picture")
            if tag.article and not all(tag.get(side).isdigit() for side in ("width", "height")):
                what = f"the picture {shown} has no width and height in pixels"
                yield Fault(name, tag.line, what, "set both, so that the page does not jump")


def _outputs(site: Site) -> Iterator[Fault]:
    """`questions.json` is true: pages, notebooks, claims and measured values are there."""
    data = "questions.json"
    if data not in site.names:
        yield Fault(data, 0, "the site has no such file", "build the site again")
        return
    try:
        document = json.loads(site.texts[data])
    except ValueError as wrong:
        yield Fault(data, getattr(wrong, "lineno", 0), "it is not JSON", "build the site again")
        return
    questions = document.get("questions") if isinstance(document, dict) else document
    if not isinstance(questions, list) or not all(isinstance(entry, dict) for entry in questions):
        yield Fault(data, 0, "it holds no list of questions", "build the site again")
        return
    views = any(re.fullmatch(r"notebooks/[^/]+/index\.html", name) for name in site.files)
    for entry in questions:
        yield from _question(site, entry, views)
    listed = site.resolved((str(entry.get("url", "")) for entry in questions), "index.html")
    for name in site.questions:
        if name not in listed:
            yield Fault(name, 0, f"the page is not listed in {data}", "build the site again")


def _question(site: Site, entry: Mapping[str, Any], views: bool) -> Iterator[Fault]:
    stem, url = str(entry.get("stem", "")), str(entry.get("url", ""))
    number = entry.get("number", stem)
    try:
        target = site.resolve(url, "index.html") if stem and url else None
    except (LookupError, ValueError):
        target = None
    if target is None or target[0] not in site.pages:
        what = f"the page of question {number}, {url or 'without an address'}, is not in the site"
        yield Fault("questions.json", 0, what, "build the site again")
        return
    name, page = target[0], site.pages[target[0]]
    if entry.get("notebook") is None:
        if NOT_CHECKED not in page.article:
            what = f"a page without a notebook does not say '{NOT_CHECKED}'"
            yield Fault(name, 0, what, "say so in the page template, or add the notebook")
        return
    for claim in entry.get("claims") or ():
        if not isinstance(claim, dict):
            what = f"a claim of question {number} is no record with slug and measured"
            yield Fault("questions.json", 0, what, "build the site again")
            continue
        yield from _claim(site, name, page, str(claim.get("slug")), str(claim.get("measured")))
    yield from _notebook(site, stem, views)


def _claim(site: Site, name: str, page: Page, slug: str, measured: str) -> Iterator[Fault]:
    anchor = f"claim-{slug}"
    if anchor not in page.ids:
        what = f"no element has the id {anchor}, which the claim's address needs"
        yield Fault(name, 0, what, "give it to the cell of the claim")
    rows = [row for row in page.rows if _leads_to(site, name, row.links, anchor)]
    if not rows:
        what = f"no row of a table links to #{anchor}"
        yield Fault(name, 0, what, "list the claim in the table of what was checked")
    elif not any(_shows(row.text, measured) for row in rows):
        what = f"the row of the claim {slug} does not show what was measured: {_short(measured)}"
        yield Fault(name, rows[0].line, what, "show the measured text of the notebook unchanged")


def _shows(text: str, measured: str) -> bool:
    """Whether a row shows the measured string: code without its marks, maths left to the eye."""
    pieces = re.split(r"\$[^$]+\$", measured.replace("`", ""))
    return all(_squeeze(piece) in text for piece in pieces)


def _leads_to(site: Site, name: str, links: Iterable[str], anchor: str) -> bool:
    for link in links:
        try:
            if site.resolve(link, name) == (name, anchor):
                return True
        except (LookupError, ValueError):
            continue
    return False


def _notebook(site: Site, stem: str, views: bool) -> Iterator[Fault]:
    name = f"notebooks/{stem}.ipynb"
    if name not in site.names:
        yield Fault(name, 0, "the notebook is missing from the site", "build the site again")
    else:
        try:
            notebook = json.loads(site.texts[name])
        except ValueError:
            notebook = None
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            yield Fault(name, 0, "it is not a notebook: no JSON with cells", "run it again")
    if views and f"notebooks/{stem}/index.html" not in site.names:
        what = "the full view of the notebook is missing, though others have one"
        yield Fault(f"notebooks/{stem}/index.html", 0, what, "build the site again with views")


def _errors(site: Site) -> Iterator[Fault]:
    """No output block shows a traceback, an error or standard error. Prose may discuss them."""
    for name, page in site.pages.items():
        for output in page.outputs:
            todo = "mend the notebook and run it again"
            if "Traceback (most recent call last)" in output.text:
                yield Fault(name, output.line, "an output shows a traceback", todo)
            elif output.marks & (_STREAMS | _BAD_OUTPUT):
                yield Fault(name, output.line, "an output shows an error or standard error", todo)


def _hosts(site: Site) -> Iterator[Fault]:
    """Nothing that a page loads or sends comes from or goes to another host."""
    todo = "serve it from the site itself"
    for name, page in site.pages.items():
        for tag in page.tags:
            for url in _loaded(tag):
                if site.elsewhere(url):
                    what = f"<{tag.name}> asks another host: {_short(url)}"
                    yield Fault(name, tag.line, what, todo)
    for name, line, url in _style_urls(site):
        if site.elsewhere(url):
            yield Fault(name, line, f"the style asks another host: {_short(url)}", todo)
    for name in site.of("svg"):
        for line, what in _svg(Page(site.texts[name])):
            yield Fault(name, line, f"the drawing {what}", "draw it without")


def _loaded(tag: Tag) -> Iterator[str]:
    """The addresses in a tag that a browser asks without being told to by a click."""
    if tag.name == "link" and not _LOADING_RELS & set(tag.get("rel").lower().split()):
        return
    if tag.name == "meta" and tag.get("http-equiv").lower() == "refresh":
        yield tag.get("content").partition("=")[2].strip(" '\"")
    for attribute, url in tag.urls():
        # A link may lead anywhere; `a` and `area` load nothing until they are followed.
        if not (tag.name in ("a", "area") and attribute in ("href", "xlink:href")):
            yield url
    yield from tag.get("ping").split()
    yield tag.get("background")


def _svg(drawing: Page) -> Iterator[tuple[int, str]]:
    """What an SVG file must not hold, as (line, what)."""
    for tag in drawing.tags:
        if tag.name in ("script", "foreignobject", "iframe", "object", "embed"):
            yield tag.line, f"holds a <{tag.name}>"
        for attribute in tag.attributes:
            if attribute.startswith("on"):
                yield tag.line, f"has the event handler {attribute}"
        for _, url in tag.urls():
            if not re.match(r"#|$|data:image/(png|jpeg|gif|webp)[;,]", url):
                yield tag.line, f"refers to something outside itself: {_short(url)}"
    for first, css in drawing.styles:
        for line, url in _css_urls(css):
            if not url.startswith(("#", "data:")):
                yield first + line - 1, f"has a style that loads {_short(url)}"
    for line, text in drawing.instructions:
        if "<!ENTITY" in text.upper() or text.lower().startswith("xml-stylesheet"):
            yield line, f"declares {_short(_squeeze(text))}"


def _content(site: Site) -> Iterator[Fault]:
    """No script stands in the content of a page: not inline, not in an attribute or a link."""
    for name, page in site.pages.items():
        for tag in page.tags:
            if not tag.article:
                continue
            if tag.name == "script" and not tag.get("src"):
                yield Fault(name, tag.line, "a script stands in the page", "move it to a file")
            for attribute in tag.attributes:
                if attribute.startswith("on"):
                    what = f"<{tag.name}> has the event handler {attribute}"
                    yield Fault(name, tag.line, what, "attach it in a script file")
            for attribute, url in tag.urls():
                # Browsers pass over white space and control characters in the scheme.
                if re.sub(r"[\x00-\x20]", "", url).lower().startswith(("javascript:", "vbscript:")):
                    what = f"<{tag.name}> has a script as its {attribute}"
                    yield Fault(name, tag.line, what, "link to an address")


def _policy(site: Site) -> Iterator[Fault]:
    """Every page has a policy that allows the site's own files alone, and that stops none of it."""
    for name in site.pages:
        for line, what, todo in violations(site.texts[name]):
            yield Fault(name, line, what, todo)


def _weights(site: Site) -> Iterator[Fault]:
    """The question pages keep within their limits; so does what any page names of the theme.

    The study page has more code, and a limit of its own.
    """
    for name in site.pages:
        page = _weigh(site, name)
        for what, value, limit, counted in (
            ("the page with its figures", page["html"] + page["figures"], PAGE_LIMIT, False),
            ("the theme, code and fonts that it names", page["theme"], THEME_LIMIT, True),
        ):
            held = name != STUDY if counted else name in site.questions
            if held and value > limit:
                files = [f for f in page["files"].items() if (_kind(f[0]) in _CODE) is counted]
                files.sort(key=lambda file: -file[1])
                heaviest = ", ".join(f"{part} {size / 1000:.1f}" for part, size in files[:3])
                sentence = f"{what}: {value / 1000:.1f} KB gzipped, over {limit / 1000:.0f}"
                yield Fault(name, 0, sentence, f"make it lighter (heaviest, in KB: {heaviest})")


def _study(site: Site) -> Iterator[Fault]:
    """The study page has its script, which a build without npm leaves out, and is light."""
    name = STUDY
    if name not in site.pages:
        return
    own = site.resolved(
        (
            tag.get("src") or tag.get("href")
            for tag in site.pages[name].tags
            if tag.article and tag.name in ("link", "script")
        ),
        name,
    )
    if not any(re.fullmatch(r"assets/study\.[0-9a-f]{8}\.js", file) for file in own):
        what = "the page has no scheduler, because ts-fsrs was missing"
        yield Fault(name, 0, what, "install Node.js 20 or newer, and build with `make site`")
    weight = sum(site.sizes[file] for file in {name} | own)
    if weight > STUDY_LIMIT:
        what = f"the page with its script and style: {weight / 1000:.1f} KB gzipped, over 80"
        yield Fault(name, 0, what, "make it lighter")


def _form(site: Site) -> Iterator[Fault]:
    """Text is UTF-8, no page is empty, nothing temporary is left, and what hosts need is there."""
    for name in ("index.html", "404.html", "sitemap.xml"):
        if name not in site.names:
            yield Fault(name, 0, "the site has no such file", "build the site again")
    for name in site.files:
        if any(_TEMPORARY.search(part) for part in name.split("/")):
            yield Fault(name, 0, "a temporary file is in the site", "build into an empty folder")
    for name in site.texts:
        try:
            site.read(name).decode("utf-8")
        except UnicodeDecodeError as wrong:
            what = f"not UTF-8 at byte {wrong.start}"
            yield Fault(name, 0, what, "save the file that it comes from as UTF-8")
    for name, page in site.pages.items():
        articles = any(tag.name == "article" for tag in page.tags)
        if not (page.article if articles else page.text):
            yield Fault(name, 0, "the page is empty", "give it a text or take it out")


GATES: tuple[Callable[[Site], Iterator[Fault]], ...] = (
    _links,
    _ids,
    _pictures,
    _outputs,
    _errors,
    _hosts,
    _content,
    _policy,
    _weights,
    _study,
    _form,
)


def check_site(site: Path, *, site_url: str | None = None) -> list[Fault]:
    """Every fault of the built site in the folder `site`; an empty list if it may be published.

    `site_url` is the address where the site will be served (`https://host/path/`); without it,
    the canonical link of the home page tells. The paths of the faults are relative to `site`.
    """
    if not (site / "index.html").is_file():
        return [Fault(str(site), 0, "this is not a built site", "build one with the verb 'site'")]
    built = Site(site, site_url or "")
    return sorted({fault for gate in GATES for fault in gate(built)})


# ── weights ────────────────────────────────────────────────────────────────────────────────────


def _weigh(site: Site, name: str) -> dict[str, Any]:
    """The weights in bytes of one page and of the files that it names, by kind."""
    tags = site.pages[name].tags
    figures = site.resolved(
        (
            url
            for tag in tags
            if tag.article and tag.name in ("img", "source", "object", "video")
            for attribute, url in tag.urls()
            if attribute not in ("href", "xlink:href")
        ),
        name,
    )
    named = site.resolved(
        (
            url
            for tag in tags
            if tag.name in ("link", "script")
            for attribute, url in tag.urls()
            if attribute in ("href", "src")
            and (tag.name == "script" or _LOADING_RELS & set(tag.get("rel").lower().split()))
        ),
        name,
    )
    code = {part for part in named if _kind(part) in _CODE}
    while True:  # a sheet may import another
        more = {
            part
            for sheet in code
            if _kind(sheet) == "css"
            for part in site.resolved((url for _, url in _css_urls(site.texts[sheet])), sheet)
        }
        if more <= code:
            break
        code |= more
    weights = {part: site.sizes[part] for part in sorted({name} | figures | code)}
    return {
        "html": weights[name],
        "figures": sum(weights[part] for part in figures),
        "theme": sum(weights[part] for part in code),
        "files": weights,
    }


def weights(site: Path, *, site_url: str | None = None) -> dict[str, Any]:
    """The weights of a built site in bytes: text gzipped (level 9), other files as they are.

    `pages` maps each HTML file to `html`, `figures` (pictures in its article), `theme` (style
    sheets and scripts that it names, and what those sheets load, fonts above all) and `files`
    (each of these by itself). `search` maps the search index and its worker, which a browser
    fetches only for a search and which no limit counts, to their weights.
    """
    built = Site(site, site_url or "")
    search = re.compile(
        r"(^|/)(search_index(\.[0-9a-f]{8})?\.json|search-worker\.[0-9a-f]{8}\.js|workers/[^/]*\.js)$"
    )
    return {
        "pages": {name: _weigh(built, name) for name in built.pages},
        "search": {name: built.sizes[name] for name in built.files if search.search(name)},
    }
