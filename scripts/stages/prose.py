"""Prose of a text or a notebook → Markdown that is safe to publish.

Cuts a stretch of Markdown into code, maths and words; fills in numbers from the notebook's
results, citations and MathML; and sees to it that nothing but Markdown is left of the words: raw
HTML off a short allow-list is a fault, and what Python-Markdown's extensions would take for a
command is escaped.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stages.maths import MathsError, split_maths, to_mathml, to_text
from stages.records import Block, Claim, Evidence, Fault, Reference

ALLOWED_TAGS = ("br", "kbd", "mark", "sub", "sup")
DEEPEST = 8  # levels of quotes and lists; Python-Markdown reads each by calling itself

# What no text holds: control characters, and those that turn the direction of reading.
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]"
)

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_LANGUAGE = re.compile(r"[ \t]*[\w+#.-]*")
_TICKS = re.compile(r"`+")
_PLAIN_SPAN = re.compile(r"`[^`<&\n]+`")
_LIST_ITEM = re.compile(r" {0,3}(?:[-*+]|\d+\.)[ \t]")
_LEVEL = re.compile(r"[ \t]*(?:>|(?:[-*+]|\d+\.)(?=[ \t]))")
_HELD = "\x1a"  # stands for a piece of code or maths while the words around it are read
_COMMAND = re.compile(
    rf"""
    (?P<held>{_HELD})
  | (?P<escape>\\[\\`*_\[\](){{}}<>\#+.!$&~|-])
  | (?P<value>\{{\{{(?P<expression>[^{{}}\n]*)\}}\}})
  | (?P<reference>\[@(?P<key>[\w-]+)\])
  | (?P<checked>\[\#(?P<slug>[\w-]+)\])
  | (?P<link>!?\[(?=
      (?:[^\[\]\n]|\n(?![ \t]*\n))++\]
      \((?P<target>[^\s()<>{_HELD}]*+(?:\([^\s()<>{_HELD}]*+\)[^\s()<>{_HELD}]*+)?+)
      (?:[ ]"[^"\n{_HELD}]*+")?\)))
  | (?P<bracket>\[)
  | (?P<tick>`)
  | (?P<allowed></?(?:{"|".join(ALLOWED_TAGS)})\ ?/?>)
  | (?P<address><(?P<url>https?://[^\s<>"'`{_HELD}]+)>)
  | (?P<tag><[A-Za-z/!?])
  | (?P<less><)
  | (?P<brace>\{{)
  | (?P<entity>&(?:\#[0-9]{{1,7}}|\#[xX][0-9a-fA-F]{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,30}});)
  | (?P<ampersand>&)
    """,
    re.X,
)
_SCHEME = re.compile(r"[^/?#]*?:")
_SAFE_SCHEMES = ("http:", "https:", "mailto:")
_WITHIN = re.compile(r"#[\w-]+|[a-z0-9-]+\.md(?:#[\w-]+)?")
_FORMAT = re.compile(r"[+ ]?,?(?:\.\d{1,2})?[defgn%]?")
_TYPED = re.compile(
    r"(?<![\w.,:/-])[-+−]?(?:(?![1-9]\d{0,2}(?:,\d{3})+(?![.,]?\d|\s?%))\d++[.,]\d++|\.\d++)"
    r"|(?<![\d.,])\d++(?:[.,]\d++)?(?=\s?(?:%|per\s?cent\b))"
)
_SENTENCE_END = re.compile(
    r"(?<=[.!?:])(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bcf\.)(?<!\bvs\.)"
    r"(?:\[[^\[\]\n]*\])*\s+(?=[\"'(\[]*[A-Z0-9{$])|\n\s*\n|\n(?=\s*(?:[-*+|>]|\d+\.)\s)"
)


@dataclass(frozen=True)
class Segment:
    """A piece of prose: kind is "text", "code", "inline" or "display" (maths)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Sources:
    """What prose may cite: a notebook's evidence (or None) and the page's references."""

    path: str
    evidence: Evidence | None = None
    references: Sequence[Reference] = ()
    # Markdown cells of a notebook cite nothing: brackets and braces there are literal text.
    literal: bool = False

    def claims(self) -> dict[str, tuple[int, Claim]]:
        """Claims by slug, with their number on the page (from 1)."""
        claims = self.evidence.claims if self.evidence else ()
        return {claim.slug: (number, claim) for number, claim in enumerate(claims, 1)}


@dataclass
class Woven:
    """Markdown ready for a page, what was wrong with it, and what it cites."""

    text: str = ""
    faults: list[Fault] = field(default_factory=list)
    claims: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)


# ── cutting ────────────────────────────────────────────────────────────────────────────────────


def open_fences(lines: Sequence[str]) -> tuple[set[int], int | None]:
    """Indices of the lines in fenced code (fences included), and of a fence that never closes."""
    inside: set[int] = set()
    fence, opened = "", None
    for i, line in enumerate(lines):
        match = _FENCE.fullmatch(line)
        if fence:
            inside.add(i)
            if match and match[1].startswith(fence) and not match[2].strip():
                fence, opened = "", None
        elif match and not (match[1][0] == "`" and "`" in match[2]):
            inside.add(i)
            fence, opened = match[1], i
    return inside, opened


def _cut_spans(text: str) -> Iterator[Segment]:
    """Words between fences → code spans, maths and text. A code span stays in its paragraph."""
    for paragraph in re.split(r"(\n[ \t]*\n)", text):
        runs = [(m.start(), m.end()) for m in _TICKS.finditer(paragraph)]
        by_length: dict[int, list[int]] = {}
        for start, end in runs:
            by_length.setdefault(end - start, []).append(start)
        done = 0
        for start, end in runs:
            if start < done or (start and paragraph[start - 1] == "\\"):
                continue
            same = by_length[end - start]
            n = bisect_right(same, start)
            if n < len(same):
                yield from _cut_maths(paragraph[done:start])
                done = same[n] + end - start
                yield Segment("code", paragraph[start:done])
        yield from _cut_maths(paragraph[done:])


def _cut_maths(text: str) -> Iterator[Segment]:
    for kind, content in split_maths(text) if text else ():
        yield Segment(kind, content)


def cut(text: str) -> list[Segment]:
    """Markdown → code (fenced, indented, spans), maths and text, in order."""
    lines = text.split("\n")
    fenced, _ = open_fences(lines)
    segments: list[Segment] = []
    start, listed = 0, False

    def words(stop: int) -> None:
        if stop > start:
            stretch = "\n".join(lines[start:stop]) + ("\n" if stop < len(lines) else "")
            segments.extend(_cut_spans(stretch))

    i = 0
    while i < len(lines):
        listed = listed or bool(_LIST_ITEM.match(lines[i]))
        blank_before = i == 0 or not lines[i - 1].strip()
        indented = lines[i].startswith(("    ", "\t")) and blank_before and not listed
        if i in fenced or (indented and lines[i].strip()):
            words(i)
            first = i
            while i < len(lines) and (i in fenced if first in fenced else lines[i].strip()):
                i += 1
            tail = "\n" if i < len(lines) else ""
            segments.append(Segment("code", "\n".join(lines[first:i]) + tail))
            start = i
        else:
            i += 1
    words(len(lines))
    return segments


# ── weaving ────────────────────────────────────────────────────────────────────────────────────


def cite_label(reference: Reference) -> str:
    """How a reference is called in prose: 'He et al. 2016'. Authors are surnames."""
    names = [n for n in re.split(r",\s*(?:and\s+)?|\s+and\s+", reference.authors) if n]
    if len(names) > 2 or (names and names[0].endswith("et al.")):
        who = names[0].removesuffix(" et al.") + " et al."
    else:
        who = " and ".join(names)
    return f"{who} {reference.year}"


def format_value(value: int | float | str, spec: str) -> str:
    """A result as prose shows it, with a true minus sign.

    Raises:
        ValueError: `spec` does not fit the value.
    """
    if not _FORMAT.fullmatch(spec):
        raise ValueError(f"'{spec}' is no format for a number")
    if isinstance(value, str):
        if spec:
            raise ValueError("a text takes no number format")
        return literal(value)
    try:
        shown = format(value, spec)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return "−" + shown[1:] if shown.startswith("-") else shown


def literal(text: str) -> str:
    """Words → Markdown and HTML that shows them as they are: every mark is an entity."""
    return re.sub(r"[\\`*_{}\[\]<>#|&$~\"]", lambda m: f"&#{ord(m[0])};", text)


def unsafe_link(target: str) -> str:
    """The scheme of an address that is none of http, https and mailto, as browsers read it."""
    scheme = _SCHEME.match(re.sub(r"[\x00-\x20]+", "", html.unescape(html.unescape(target))))
    return scheme[0] if scheme and scheme[0].lower() not in _SAFE_SCHEMES else ""


def _code(text: str) -> str:
    """A piece of code as Markdown leaves it alone.

    Python-Markdown has rules of its own for several backticks, and its md_in_html takes `</div>`
    in a code span for the end of the block around it: what is not plain is written as HTML.
    """
    ticks = _TICKS.match(text)
    if not ticks or (len(ticks[0]) > 2 and "\n" in text) or _PLAIN_SPAN.fullmatch(text):
        return text
    return f"<code>{literal(' '.join(text.strip('`').split()))}</code>"


class _Weaver:
    """Reads the marks of one stretch of prose, from its start to its end."""

    def __init__(self, block: Block, sources: Sources) -> None:
        self.sources = sources
        self.woven = Woven()
        self.line = block.line
        self.claims = sources.claims()
        self.references = {r.key: r for r in sources.references}
        self.segments = cut(block.text.replace(_HELD, ""))

    def fault(self, what: str, todo: str) -> str:
        self.woven.faults.append(Fault(self.sources.path, self.line, what, todo))
        return ""

    def weave(self) -> Woven:
        held = iter([s for s in self.segments if s.kind != "text"])
        text = "".join(s.text if s.kind == "text" else _HELD for s in self.segments)
        # Python-Markdown takes '#word' for a heading too.
        text = re.sub(r"(?m)^( {0,3})(?=#{1,6}[^#\s])", r"\1\\", text)
        shown, done = [], 0
        for match in _COMMAND.finditer(text):
            shown.append(text[done : match.start()])
            self.line += text.count("\n", done, match.start())
            done = match.end()
            if match["held"]:
                segment = next(held)
                shown.append(self.held(segment))
                self.line += segment.text.count("\n")
            else:
                shown.append(self.command(match))
        self.woven.text = ("".join(shown) + text[done:]).strip("\n")
        return self.woven

    def held(self, segment: Segment) -> str:
        if segment.kind == "code":
            fence = _FENCE.match(segment.text)
            if fence and not _LANGUAGE.fullmatch(fence[2]) and fence[1][0] not in fence[2]:
                todo = "write a language, or nothing, after the fence"
                self.fault(f"'{fence[2].strip()[:40]}' after the start of a code block", todo)
            return _code(segment.text)
        try:
            return to_mathml(segment.text, display=segment.kind == "display")
        except MathsError as error:
            return self.fault(f"maths that cannot be read: {error}", "mend the LaTeX")

    def command(self, match: re.Match[str]) -> str:
        kind, text = match.lastgroup or "", match[0]
        if kind == "escape":
            return literal(text[1]) if text[1] in "[]{}<$&~|`" else text
        if kind == "tag":
            todo = f"write &lt; for '<', or one of: {', '.join(ALLOWED_TAGS)}"
            return self.fault("raw HTML in the text", todo) + literal(text)
        if kind == "entity" and CONTROL.search(html.unescape(text)):
            return self.fault(f"the control character {text}", "delete it")
        if kind == "link":
            return self.link(text, match["target"])
        cites = self.sources.evidence is not None and not self.sources.literal
        if kind == "value" and cites:
            return self.value(match["expression"])
        if kind == "checked" and cites:
            return self.checked(match["slug"])
        if kind == "reference" and (cites or (self.references and not self.sources.literal)):
            return self.reference(match["key"])
        if kind in ("allowed", "address", "entity"):
            return text
        return re.sub(r"[\[{`]", lambda m: literal(m[0]), html.escape(text, quote=False))

    def link(self, text: str, target: str) -> str:
        if text.startswith("!"):
            return self.fault("a picture in this text", "draw it in the notebook") + literal(text)
        if scheme := unsafe_link(target):
            self.fault(f"a link to '{scheme}'", "link to http, https or mailto")
        elif not (_SCHEME.match(target) or _WITHIN.fullmatch(target)):
            todo = "link to https://…, or to another page as its-name.md"
            self.fault(f"a link to '{target[:60]}'", todo)
        return text

    def value(self, expression: str) -> str:
        assert self.sources.evidence is not None
        try:
            return fill_value(expression, self.sources.evidence.results)
        except KeyError as error:
            known = ", ".join(sorted(self.sources.evidence.results)) or "none"
            return self.fault(f"the notebook has no result {error}", f"use one of: {known}")
        except ValueError as error:
            return self.fault(
                f"'{{{{{expression}}}}}' cannot be filled in ({error})", "mend the format"
            )

    def reference(self, key: str) -> str:
        if not (found := self.references.get(key)):
            known = ", ".join(sorted(self.references)) or "none"
            return self.fault(f"unknown reference '{key}'", f"known: {known}")
        self.woven.references.add(key)
        return f"[&#91;{literal(cite_label(found))}&#93;](#ref-{key}){{ .cite }}"

    def checked(self, slug: str) -> str:
        if slug not in self.claims:
            known = ", ".join(self.claims) or "none"
            return self.fault(f"the notebook has no claim '{slug}'", f"known: {known}")
        self.woven.claims.add(slug)
        number, claim = self.claims[slug]
        title = literal(plain_text(claim.text))
        return f'[✓{number}](#claim-{slug}){{ .checked title="{title}" }}'


def weave(block: Block, sources: Sources) -> Woven:
    """Markdown of a text → Markdown of a page: numbers, citations and maths filled in.

    Every fault names its line in `sources.path`.
    """
    return _Weaver(block, sources).weave()


def too_deep(text: str) -> int | None:
    """The first line (from 0) with more than `DEEPEST` levels of quotes and lists, if any."""
    fenced, _ = open_fences(lines := text.split("\n"))
    for i, line in enumerate(lines):
        if i in fenced or not line.strip("-*_ \t"):
            continue
        marks, end = 0, 0
        while mark := _LEVEL.match(line, end):
            marks, end = marks + 1, mark.end()
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        if marks and marks + indent // 4 > DEEPEST:
            return i
    return None


def escape(text: str) -> str:
    """Words for HTML that stands in Markdown, where a brace can begin a list of attributes."""
    return html.escape(text, quote=False).replace("{", "&#123;")


def inline_html(text: str) -> str:
    """A sentence with code spans and maths → HTML for places where Markdown is not read."""
    shown = ""
    for segment in cut(text.strip()):
        if segment.kind == "code":
            shown += f"<code>{escape(segment.text.strip('`').strip())}</code>"
        elif segment.kind == "text":
            shown += escape(segment.text)
        else:
            try:
                shown += to_mathml(segment.text, display=False)
            except MathsError:
                shown += escape(segment.text)
    return shown


def plain_text(text: str, sources: Sources | None = None) -> str:
    """Markdown → words only, for titles, descriptions and data: no marks, no maths delimiters.

    Citations of what `sources` has go, and `{{name}}` becomes its value; others are literal.
    """
    results = sources.evidence.results if sources and sources.evidence else {}
    cited = {f"@{r.key}" for r in sources.references} if sources else set()
    cited |= {f"#{slug}" for slug in sources.claims()} if sources else set()
    words = ""
    for segment in cut(text):
        if segment.kind == "text":
            stripped = re.sub(r"\[([^\[\]]*)\]\([^()\s]*\)", r"\1", segment.text)
            stripped = re.sub(
                r"\s*\[([@#][\w-]+)\]", lambda m: "" if m[1] in cited else m[0], stripped
            )
            stripped = re.sub(rf"</?(?:{'|'.join(ALLOWED_TAGS)}) ?/?>", " ", stripped)
            stripped = re.sub(
                r"\\([\\*_`$#\[\]<{}])|(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)",
                lambda match: match[1] or "",
                stripped,
            )
            words += html.unescape(value_of(stripped, results, strict=False))
        else:
            words += segment.text.strip("`") if segment.kind == "code" else to_text(segment.text)
    return " ".join(words.split())


def plain_literal(text: str) -> str:
    """Markdown → its words, as Markdown and HTML that shows them as they are: for templates."""
    return literal(plain_text(text))


def typed_numbers(block: Block, path: str) -> list[Fault]:
    """Decimals and percentages typed into the prose of a finished page.

    Numbers come from the run (`{{name}}`) or from a source: a sentence that cites a reference
    (`[@key]`) may hold them, as may code and maths.
    """
    faults = []
    # Code and maths are blanked, line ends kept, so that positions still tell the line.
    text = "".join(
        s.text if s.kind == "text" else re.sub(r"[^\n]", "x", s.text) for s in cut(block.text)
    )
    text = re.sub(r"\]\([^()\s]*\)", lambda m: "]" + "x" * (len(m[0]) - 1), text)
    text = re.sub(r"<https?://[^>\s]*>|https?://\S+", lambda m: "x" * len(m[0]), text)
    start = 0
    for end in [*(m.end() for m in _SENTENCE_END.finditer(text)), len(text)]:
        sentence = text[start:end]
        if not re.search(r"\[@[\w-]+\]", sentence):
            bare = re.sub(r"\{\{[^{}\n]*+\}\}", lambda m: "x" * len(m[0]), sentence)
            for found in _TYPED.finditer(bare):
                line = block.line + text.count("\n", 0, start + found.start())
                what = f"the number '{found[0].strip()}' is typed"
                todo = (
                    "take it from the notebook's results with {{name}}, or cite its source [@key]"
                )
                faults.append(Fault(path, line, what, todo))
        start = end
    return faults


def fill_value(expression: str, results: Mapping[str, int | float | str]) -> str:
    """The inside of `{{name:format}}` → the value, as Markdown shows it.

    Raises:
        KeyError: no such result. ValueError: the format does not fit.
    """
    name, _, spec = (part.strip() for part in expression.partition(":"))
    return format_value(results[name], spec)


def value_of(
    template: str, results: Mapping[str, int | float | str] | None, *, strict: bool = True
) -> str:
    """Fill `{{name:format}}` in a figure's alt text or caption, or in words without marks.

    Args:
        strict: raise for what cannot be filled in; else it stays as it is.

    Raises:
        KeyError: no such result. ValueError: the format does not fit.
    """

    def fill(match: re.Match[str]) -> str:
        try:
            return html.unescape(fill_value(match[1], results or {}))
        except (KeyError, ValueError):
            if strict:
                raise
            return match[0]

    return re.sub(r"\{\{([^{}]*)\}\}", fill, template)
