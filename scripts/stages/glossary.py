"""The glossary of a bank: `glossary.md` beside its texts → terms, links to them, and their page.

The first time that a page's prose uses an abbreviation, it becomes a link to its entry, with what
it stands for as the title: shown on hover and on focus, and readable without JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from stages.parse import SourceFile, decode, nearest, slugify
from stages.prose import Sources, literal, open_fences, plain_literal, plain_text, weave
from stages.records import Bank, Block, Fault, Glossary, Refused, Term
from stages.template import fill, front_matter
from stages.validate import published_faults

NAME = "glossary.md"
HEADERS = ("Stands for", "See also")

_HEADER = re.compile(r"([A-Za-z][A-Za-z ]*?)[ \t]*:[ \t]+(\S.*)")
# What is left alone: code, formulas, tags, entities, links with what they are called, headings.
_LEFT = r"""
    ^(?:`{3,}|~{3,})[^\n]*\n.*?^(?:`{3,}|~{3,})[ \t]*$
  | ^\#{1,6}[ ][^\n]*$
  | ^(?:[ ]{4}|\t)[^\n]*$
  | <math\b.*?</math> | <code\b.*?</code> | <[^<>\n]*>
  | `[^`\n]*`
  | &\#?\w+;
  | !?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\([^()\s]*(?:[ ]"[^"\n]*")?\)(?:\{[^{}\n]*\})?
"""


# ── reading ────────────────────────────────────────────────────────────────────────────────────


def read_glossary(source: Path) -> Glossary:
    """The glossary in the folder `source`; an empty one where there is no such file.

    Raises:
        Refused: with every fault of the file.
    """
    path = source / NAME
    if not path.is_file():
        return Glossary()
    shown = path.as_posix()
    return parse_glossary(decode(shown, path.stem, path.read_bytes()))


def parse_glossary(file: SourceFile) -> Glossary:
    """A title, an introduction, then entries: `## term`, headers, a blank line, the meaning.

    Raises:
        Refused: a title that is missing, an entry without a meaning, one that stands twice, an
            unknown header.
    """
    fenced, _ = open_fences(file.lines)
    starts = [i for i, line in enumerate(file.lines) if line.startswith("## ") and i not in fenced]
    faults: list[Fault] = []

    def fault(at: int, what: str, todo: str) -> None:
        faults.append(Fault(file.path, at + 1, what, todo))

    head = file.lines[: starts[0]] if starts else file.lines
    first = next((i for i, line in enumerate(head) if line.strip()), 0)
    if not head[first : first + 1] or not head[first].startswith("# "):
        fault(first, "the glossary has no title", "start it with '# Glossary'")
    if not starts:
        fault(first, "the glossary has no entry", "add one: '## term', a blank line, its meaning")
    terms: dict[str, Term] = {}
    for start, end in zip(starts, [*starts, len(file.lines)][1:], strict=True):
        term = _entry(file, start, end, fault)
        if term.slug in terms:
            fault(start, f"'{term.name}' stands twice", "keep one")
        terms.setdefault(term.slug, term)
    if faults:
        raise Refused(faults)
    intro = "\n".join(head[first + 1 :]).strip("\n")
    title = head[first].removeprefix("# ").strip()
    return Glossary(
        title, Block(intro, first + 3), tuple(sorted(terms.values(), key=_order)), file.path
    )


def _order(term: Term) -> tuple[str, str]:
    return term.name.casefold(), term.name


def _entry(file: SourceFile, start: int, end: int, fault: Callable[[int, str, str], None]) -> Term:
    name = file.lines[start].removeprefix("## ").strip()
    values: dict[str, str] = {}
    i = start + 1
    while i < end and file.lines[i].strip():
        match = _HEADER.fullmatch(file.lines[i])
        header = match[1] if match else ""
        if header not in HEADERS:
            what = f"unknown header '{header or file.lines[i][:40]}'"
            fault(i, what, nearest(header, HEADERS))
        elif match:
            values[header] = match[2].strip()
        i += 1
    see_also = []
    for word in values.get("See also", "").replace(",", " ").split():
        if word.isdecimal():
            see_also.append(int(word))
        else:
            fault(start, f"'{word}' under See also is no number", "name questions by their number")
    meaning = "\n".join(file.lines[i:end]).strip("\n")
    if not slugify(name):
        fault(start, f"'{name}' has no letter for its address", "write the term in letters")
    if not meaning.strip():
        fault(start, f"'{name}' has no meaning", "write it below a blank line")
    while i < end and not file.lines[i].strip():
        i += 1
    return Term(
        name, slugify(name), values.get("Stands for", ""), tuple(see_also), Block(meaning, i + 1)
    )


def glossary_faults(glossary: Glossary, bank: Bank) -> list[Fault]:
    """What of a glossary must not be published, and questions it names that the bank lacks."""
    numbers = {q.number for q in bank.questions}
    faults = []
    blocks = [glossary.intro, *(term.meaning for term in glossary.terms)]
    for block in blocks:
        woven = weave(block, Sources(glossary.path, literal=True))
        faults += woven.faults or published_faults(woven, block, glossary.path)
    for term in glossary.terms:
        for text in (term.name, term.stands_for):
            if re.search(r"[<>\[\]{}`$]", text):
                what = f"a mark in '{text}'"
                faults.append(Fault(glossary.path, term.meaning.line, what, "write it in words"))
        for number in set(term.see_also) - numbers:
            what = f"'{term.name}' leads to question {number}, which there is not"
            faults.append(Fault(glossary.path, term.meaning.line, what, "mend its See also"))
    return faults


# ── linking ────────────────────────────────────────────────────────────────────────────────────


class Explainer:
    """Links the first use of each abbreviation on one page to its entry.

    It remembers what it has explained: make a new one for each page.
    """

    def __init__(self, glossary: Glossary, page: str) -> None:
        """`page` is the address of the glossary as the page links to it, e.g. `../glossary.md`."""
        self._page = page
        self._open = {term.name: term for term in glossary.terms if term.stands_for}
        names = sorted(map(re.escape, self._open), key=len, reverse=True)
        self._find = re.compile(
            rf"(?msx)(?P<left>{_LEFT}) | (?<![\w-])(?P<term>{'|'.join(names)})(?=s?(?![\w-]))"
            if names
            else r"(?!)"
        )

    def __call__(self, markdown: str) -> str:
        """Markdown that `weave` made → the same with links to the glossary."""
        return self._find.sub(self._link, markdown)

    def _link(self, match: re.Match[str]) -> str:
        term = self._open.pop(match["term"] or "", None)
        if term is None:
            return match[0]
        title = literal(term.stands_for)
        return f'[{literal(term.name)}]({self._page}#{term.slug}){{ .term title="{title}" }}'


def glossary_page(glossary: Glossary, bank: Bank) -> str:
    """The page of the glossary; '' where there are no terms."""
    if not glossary.terms:
        return ""

    def woven(block: Block) -> str:
        return weave(block, Sources(glossary.path, literal=True)).text

    # Each letter leads to its first term.
    letters = {term.slug[0].upper(): term.slug for term in reversed(glossary.terms)}
    return fill(
        "glossary.md",
        source=glossary.path,
        front=front_matter(
            plain_text(glossary.title),
            f"{len(glossary.terms)} words and abbreviations of “{plain_text(bank.title)}”: what"
            " each stands for, what it means, and the questions that it matters for.",
            hide=["navigation", "footer"],
        ),
        heading=literal(glossary.title),
        intro=woven(glossary.intro),
        terms=glossary.terms,
        letters=dict(sorted(letters.items())),
        meanings={term.slug: woven(term.meaning) for term in glossary.terms},
        titles={q.number: q for q in bank.questions},
        plain=plain_literal,
    )
