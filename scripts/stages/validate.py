"""Bank + evidence → faults: what the parts say of each other, and what would reach the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html.parser import HTMLParser

import markdown

from stages.prose import (
    ALLOWED_TAGS,
    DEEPEST,
    Sources,
    Woven,
    open_fences,
    too_deep,
    typed_numbers,
    unsafe_link,
    weave,
)
from stages.records import Bank, Block, Evidence, Fault, Question

SHORT_WORDS = 120  # a short answer is what one says in half a minute
# Those of mkdocs.yml that decide which HTML comes out; colouring of code does not.
EXTENSIONS = ("attr_list", "md_in_html", "tables", "toc", "pymdownx.superfences")
_HEADINGS = ("h3", "h4", "h5", "h6")
_TEXT_TAGS = {
    *"p em strong code pre ul ol li a blockquote hr div span".split(),
    *"table thead tbody tr th td".split(),
    *_HEADINGS,
    *ALLOWED_TAGS,
}
_VOID = {"br", "hr", "img"}
_ATTRIBUTES = {"href", "title", "class", "id", "align", "start", "style", "data-search-exclude"}
_CELL_STYLE = re.compile(r"text-align: (left|center|right);")
_MATHML = re.compile(r"math|m[a-z]+")
_RAW_HTML = re.compile(r"<[A-Za-z/!?]")
# What stands around a stretch on its page: a stretch must not break out of it.
_AROUND = '<div markdown="1">\n\n{}\n\n</div>\n\nend'


class _Scanner(HTMLParser):
    """Finds what a stretch of prose must not turn into."""

    def __init__(self, headings: bool) -> None:
        super().__init__()
        self.headings = headings
        self.found: list[tuple[str, str]] = []
        self.code = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        in_maths = tag == "math" or "math" in self._open
        if tag not in _VOID:
            self._open.append(tag)
        if in_maths and _MATHML.fullmatch(tag):
            return
        if tag == "img":
            self.found.append(("a picture", "draw it in the notebook"))
            return
        if tag in ("h1", "h2") or (tag in _HEADINGS and not self.headings):
            todo = "write '\\#', put a blank line above a rule of dashes, or use a section"
            self.found.append(("a line that becomes a heading", todo))
        elif tag not in _TEXT_TAGS:
            todo = f"use Markdown, or one of: {', '.join(ALLOWED_TAGS)}"
            self.found.append((f"raw HTML <{tag}>", todo))
        for name, value in attrs:
            harmless = name in _ATTRIBUTES and (
                name != "style" or _CELL_STYLE.fullmatch(value or "")
            )
            if not harmless:
                self.found.append((f"the attribute '{name}'", "leave it out"))
            elif name == "href" and (scheme := unsafe_link(value or "")):
                self.found.append((f"a link to '{scheme}'", "link to http, https or mailto"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1:] == [tag]:
            self._open.pop()
        elif tag not in _VOID:
            inner = self._open[-1] if tag in self._open else tag
            todo = "open and close it within one paragraph"
            self.found.append((f"the tag <{inner}> without its other half", todo))
            if tag in self._open:
                self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        if "code" in self._open:
            self.code += data

    def handle_comment(self, data: str) -> None:  # noqa: ARG002
        self.found.append(("an HTML comment", "leave it out"))


@lru_cache(maxsize=1)
def _markdown() -> markdown.Markdown:
    return markdown.Markdown(extensions=list(EXTENSIONS))


def published_faults(
    woven: Woven, block: Block, path: str, *, headings: bool = False
) -> list[Fault]:
    """What Python-Markdown makes of a woven stretch that must not be published.

    Escaping and refusing happen in `weave`; this looks at what really comes out, in case the two
    read a stretch in different ways.
    """
    if (deep := too_deep(block.text)) is not None:
        todo = f"use at most {DEEPEST} levels of quotes and lists"
        return [Fault(path, block.line + deep, "this text is nested too deeply", todo)]
    if (opened := open_fences(block.text.split("\n"))[1]) is not None:
        return [Fault(path, block.line + opened, "this code block never ends", "close it")]
    scanner = _Scanner(headings)
    try:
        scanner.feed(_markdown().reset().convert(_AROUND.format(woven.text)))
        scanner.close()
    except AssertionError:  # Python's parser gives up on some declarations
        scanner.found.append(("raw HTML <!…>", "write &lt; for '<'"))
    for entity in set(re.findall(r"&(?:#\d+|lt);", scanner.code)):
        if entity not in block.text:
            todo = "put it between two lines of ```"
            scanner.found.append(("indented code inside a list", todo))
    return [Fault(path, block.line, f"{what} in this text", todo) for what, todo in scanner.found]


def blocks(question: Question) -> Iterator[tuple[Block, bool]]:
    """Every stretch of prose of a question, and whether subheadings may stand in it."""
    yield question.short, False
    if question.depth:
        yield question.depth, True
    for item in question.often_said:
        yield item.prompt, False
        yield item.answer, False
    for item in question.follow_ups:
        yield item.answer, False


def lines_of_words(question: Question) -> Iterator[tuple[str, int]]:
    """What is shown in one line, as words, and the line of the source where it stands."""
    yield question.text, question.line
    for header, texts in (
        ("Title", (question.title,)),
        ("Topic", (question.topic,)),
        ("Also asked", question.also_asked),
        ("Tags", question.tags),
    ):
        for text in texts:
            yield text, question.header_lines.get(header, question.line)
    for item in question.follow_ups:
        yield item.prompt.text, item.prompt.line


def question_faults(
    question: Question, evidence: Evidence | None, *, written_for: bool
) -> list[Fault]:
    """Faults of one question's prose.

    Args:
        evidence: its notebook, if it has one: what the prose may cite.
        written_for: the notebook was written for this text (same stem). The page is then
            finished, and held to more: all claims are cited, and no number is typed.
    """
    path, faults = question.path, []
    sources = Sources(path, evidence, question.references)
    claims: set[str] = set()
    references: set[str] = set()
    for block, headings in blocks(question):
        woven = weave(block, sources)
        claims |= woven.claims
        references |= woven.references
        faults += woven.faults or published_faults(woven, block, path, headings=headings)
        if written_for:
            faults += typed_numbers(block, path)
    for text, line in lines_of_words(question):
        if _RAW_HTML.search(text):
            faults.append(Fault(path, line, "raw HTML in a title or header", "write it in words"))
    asked = Block(question.text, question.line)
    woven = weave(asked, Sources(path, literal=True))
    # In its heading the question starts no list and no quote.
    faults += woven.faults or published_faults(Woven(f"So {woven.text}"), asked, path)
    for reference in question.references:
        if reference.key not in references:
            what = f"reference '{reference.key}' is never cited"
            todo = f"cite it with [@{reference.key}], or delete it"
            faults.append(Fault(path, reference.line, what, todo))
    for claim in evidence.claims if evidence and written_for else ():
        if claim.slug not in claims:
            what = f"claim '{claim.slug}' of the notebook is never cited"
            faults.append(Fault(path, question.line, what, f"cite it with [#{claim.slug}]"))
    words = len(question.short.text.split())
    if words > SHORT_WORDS and (written_for or question.depth):
        what = f"the short answer has {words} words (at most {SHORT_WORDS})"
        todo = "shorten it, or move some to '## In depth'"
        faults.append(Fault(path, question.short.line, what, todo))
    return faults


def bank_faults(bank: Bank, evidence: Mapping[str, Evidence], written_for: set[str]) -> list[Fault]:
    """Faults of all questions, and of the bank's title lines.

    Args:
        evidence: notebooks by the stem of their page.
        written_for: stems of the pages whose notebook has the same stem.
    """
    faults = []
    for line in (bank.title, *bank.subtitle, bank.rights):
        if _RAW_HTML.search(line):
            what = f"raw HTML in the title lines or the rights note: {line[:40]!r}"
            faults.append(Fault(bank.questions[0].path, 0, what, "write it in words"))
    for question in bank.questions:
        found = evidence.get(question.stem)
        faults += question_faults(question, found, written_for=question.stem in written_for)
    return faults
