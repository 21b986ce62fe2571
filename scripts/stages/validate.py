"""Bank + evidence → faults: what the parts say of each other, and what would reach the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

import markdown

from stages.prose import ALLOWED_TAGS, Sources, Woven, typed_numbers, weave
from stages.records import Bank, Block, Evidence, Fault, Question

SHORT_WORDS = 120  # a short answer is what one says in half a minute
# Those of mkdocs.yml that decide which HTML comes out; colouring of code does not.
EXTENSIONS = ("attr_list", "md_in_html", "tables", "pymdownx.superfences")
_TEXT_TAGS = {
    *"p em strong code pre ul ol li a blockquote hr div span".split(),
    *"table thead tbody tr th td h3 h4 h5 h6".split(),
    *ALLOWED_TAGS,
}
_ATTRIBUTES = {"href", "title", "class", "id", "align", "style", "data-search-exclude"}
_CELL_STYLE = re.compile(r"text-align: (left|center|right);")
_MATHML = re.compile(r"math|m[a-z]+|semantics|annotation")


class _Scanner(HTMLParser):
    """Finds what a stretch of prose must not turn into."""

    def __init__(self, headings: bool) -> None:
        super().__init__()
        self.headings = headings
        self.found: list[tuple[str, str]] = []
        self._maths = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._maths += tag == "math"
        if tag == "img":
            self.found.append(("a picture", "draw it in the notebook"))
        elif tag in ("h1", "h2") or (tag in ("h3", "h4", "h5", "h6") and not self.headings):
            self.found.append(("a line that becomes a heading", "write '\\#', or use a section"))
        elif self._maths and _MATHML.fullmatch(tag):
            return
        elif tag not in _TEXT_TAGS:
            self.found.append(
                (f"raw HTML <{tag}>", f"use Markdown, or one of: {', '.join(ALLOWED_TAGS)}")
            )
        for name, value in attrs:
            harmless = name in _ATTRIBUTES and (
                name != "style" or _CELL_STYLE.fullmatch(value or "")
            )
            if tag != "img" and not harmless:
                self.found.append((f"the attribute '{name}'", "leave it out"))

    def handle_endtag(self, tag: str) -> None:
        self._maths -= tag == "math"

    def handle_comment(self, data: str) -> None:  # noqa: ARG002
        self.found.append(("an HTML comment", "leave it out"))


def published_faults(
    woven: Woven, block: Block, path: str, *, headings: bool = False
) -> list[Fault]:
    """What Python-Markdown makes of a woven stretch that must not be published.

    Escaping and refusing happen in `weave`; this looks at what really comes out, in case the two
    read a stretch in different ways.
    """
    try:
        shown = markdown.markdown(woven.text, extensions=list(EXTENSIONS))
    except RecursionError:
        todo = "write it with fewer levels of quotes or lists"
        return [Fault(path, block.line, "this text is nested too deeply", todo)]
    scanner = _Scanner(headings)
    scanner.feed(shown)
    scanner.close()
    return [Fault(path, block.line, f"{what} in this text", todo) for what, todo in scanner.found]


def blocks(question: Question) -> Iterator[tuple[Block, bool]]:
    """Every stretch of prose of a question, and whether subheadings may stand in it."""
    yield question.short, False
    if question.depth:
        yield question.depth, True
    for item in (*question.often_said, *question.follow_ups):
        yield item.prompt, False
        yield item.answer, False


def question_faults(
    question: Question, evidence: Evidence | None, *, written_for: bool
) -> list[Fault]:
    """Faults of one question's prose.

    Args:
        evidence: its notebook, if it has one; the page is then finished, and held to more.
        written_for: the notebook was written for this text (same stem), so the text cites it.
    """
    path, faults = question.path, []
    sources = Sources(path, evidence, question.references)
    claims: set[str] = set()
    references: set[str] = set()
    for block, headings in blocks(question):
        woven = weave(block, sources)
        faults += woven.faults
        claims |= woven.claims
        references |= woven.references
        faults += published_faults(woven, block, path, headings=headings)
        if evidence:
            faults += typed_numbers(block, path)
    for text, header in (
        (question.text, ""),
        (question.title, "Title"),
        (question.topic, "Topic"),
        *((phrase, "Also asked") for phrase in question.also_asked),
        *((tag, "Tags") for tag in question.tags),
    ):
        if re.search(r"<[A-Za-z/!?]", text):
            line = question.header_lines.get(header, question.line)
            faults.append(Fault(path, line, "raw HTML in a title or header", "write it in words"))
    for reference in question.references:
        if reference.key not in references:
            what = f"reference '{reference.key}' is never cited"
            faults.append(
                Fault(path, reference.line, what, f"cite it with [@{reference.key}], or delete it")
            )
    if evidence and written_for:
        for claim in evidence.claims:
            if claim.slug not in claims:
                what = f"claim '{claim.slug}' of the notebook is never cited"
                faults.append(Fault(path, question.line, what, f"cite it with [#{claim.slug}]"))
    if evidence or question.depth:
        words = len(question.short.text.split())
        if words > SHORT_WORDS:
            what = f"the short answer has {words} words (at most {SHORT_WORDS})"
            faults.append(
                Fault(path, question.short.line, what, "shorten it, or move some to '## In depth'")
            )
    return faults


def bank_faults(bank: Bank, evidence: Mapping[str, Evidence], written_for: set[str]) -> list[Fault]:
    """Faults of all questions, and of the bank's title lines.

    Args:
        evidence: notebooks by the stem of their page.
        written_for: stems of the pages whose notebook has the same stem.
    """
    faults = []
    for line in (bank.title, *bank.subtitle, bank.rights):
        if re.search(r"<[A-Za-z/!?]", line):
            path = bank.questions[0].path
            faults.append(
                Fault(path, 1, f"raw HTML in the title lines: {line[:40]!r}", "write it in words")
            )
    for question in bank.questions:
        found = evidence.get(question.stem)
        faults += question_faults(question, found, written_for=question.stem in written_for)
    return faults
