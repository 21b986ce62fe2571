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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stages.maths import MathsError, split_maths, to_mathml
from stages.records import Block, Claim, Evidence, Fault, Reference

ALLOWED_TAGS = ("br", "kbd", "mark", "sub", "sup")

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_TICKS = re.compile(r"`+")
_LIST_ITEM = re.compile(r" {0,3}(?:[-*+]|\d+\.)[ \t]")
_COMMAND = re.compile(
    r"""
    (?P<value>\{\{(?P<expression>[^{}\n]*)\}\})
  | (?P<reference>\[@(?P<key>[\w-]+)\])
  | (?P<checked>\[\#(?P<slug>[\w-]+)\])
  | (?P<allowed></?(?:br|kbd|mark|sub|sup)\ ?/?>)
  | (?P<address><https?://[^\s<>"'`]+>)
  | (?P<tag><[A-Za-z/!?])
  | (?P<less><)
  | (?P<brace>\{)
    """,
    re.X,
)
_LINK = re.compile(r"\]\(\s*<?\s*([^)\s>]*)|^\s*\[[^\]]*\]:\s*(\S*)", re.M)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
_SAFE_SCHEMES = ("http:", "https:", "mailto:")
_VALUE = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::\s*([^{}]*?))?\s*")
_FORMAT = re.compile(r"[+ ]?,?(?:\.\d{1,2})?[defgn%]?")
_TYPED = re.compile(
    r"(?<![\w.:/-])[-+−]?(?:\d+[.,]\d+(?![\w.]*:)|\.\d+|\d+(?=\s?%))|\d+(?:\.\d+)?\s?%"
)
_SENTENCE_END = re.compile(
    r"(?<=[.!?:])(?:\[[^\]]*\])*\s+(?=[\"'(\[]*[A-Z0-9{$])|\n\s*\n|\n(?=\s*(?:[-*+|>]|\d+\.)\s)"
)


@dataclass(frozen=True)
class Segment:
    """A piece of prose: kind is "text", "code", "inline" or "display" (maths)."""

    kind: str
    text: str
    line: int  # lines before it in the stretch, from 0


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


def _cut_spans(text: str, line: int) -> Iterable[Segment]:
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
                yield from _cut_maths(paragraph[done:start], line + paragraph.count("\n", 0, done))
                stop = same[n] + end - start
                yield Segment("code", paragraph[start:stop], line + paragraph.count("\n", 0, start))
                done = stop
        yield from _cut_maths(paragraph[done:], line + paragraph.count("\n", 0, done))
        line += paragraph.count("\n")


def _cut_maths(text: str, line: int) -> Iterable[Segment]:
    for kind, content in split_maths(text) if text else ():
        yield Segment(kind, content, line)
        line += content.count("\n")


def cut(text: str) -> list[Segment]:
    """Markdown → code (fenced, indented, spans), maths and text, in order."""
    lines = text.split("\n")
    fenced, _ = open_fences(lines)
    segments: list[Segment] = []
    start, listed = 0, False

    def words(stop: int) -> None:
        if stop > start:
            stretch = "\n".join(lines[start:stop]) + ("\n" if stop < len(lines) else "")
            segments.extend(_cut_spans(stretch, start))

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
            segments.append(Segment("code", "\n".join(lines[first:i]) + tail, first))
            start = i
        else:
            i += 1
    words(len(lines))
    return segments


# ── weaving ────────────────────────────────────────────────────────────────────────────────────


def cite_label(reference: Reference) -> str:
    """How a reference is called in prose: 'He et al. 2016'. Authors are surnames."""
    names = [n for n in re.split(r",\s*(?:and\s+)?|\s+and\s+", reference.authors) if n]
    if len(names) > 2 or names[0].endswith("et al."):
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
        return re.sub(r"([\\`*_\[\]<>{}$#|])", lambda m: f"&#{ord(m[1])};", value)
    shown = format(value, spec)
    return "−" + shown[1:] if shown.startswith("-") else shown


def _plain_line(text: str) -> str:
    """Escape line starts that Python-Markdown takes for a heading or a link definition."""
    text = re.sub(r"(?m)^( {0,3})(#{1,6})(?=[^#\s])", r"\1\\\2", text)
    return re.sub(r"(?m)^( {0,3})\[(?=[^\]\n]+\]:)", r"\1\\[", text)


def weave(block: Block, sources: Sources) -> Woven:
    """Markdown of a text → Markdown of a page: numbers, citations and maths filled in.

    Every fault names its line in `sources.path`.
    """
    woven = Woven()
    claims = sources.claims()
    references = {r.key: r for r in sources.references}
    cites_references = bool(references) or sources.evidence is not None

    def fault(line: int, what: str, todo: str) -> str:
        woven.faults.append(Fault(sources.path, line, what, todo))
        return ""

    def value(match: re.Match[str], line: int) -> str:
        assert sources.evidence is not None
        results = sources.evidence.results
        parts = _VALUE.fullmatch(match["expression"])
        if not parts or parts[1] not in results:
            name = parts[1] if parts else match["expression"]
            known = ", ".join(sorted(results)) or "none"
            return fault(line, f"the notebook has no result '{name}'", f"use one of: {known}")
        try:
            return format_value(results[parts[1]], parts[2] or "")
        except ValueError as error:
            return fault(line, f"'{match[0]}' cannot be filled in ({error})", "mend the format")

    def reference(match: re.Match[str], line: int) -> str:
        if not (found := references.get(match["key"])):
            known = ", ".join(sorted(references)) or "none"
            return fault(line, f"unknown reference '{match['key']}'", f"known: {known}")
        woven.references.add(found.key)
        return f"[&#91;{cite_label(found)}&#93;](#ref-{found.key}){{ .cite }}"

    def checked(match: re.Match[str], line: int) -> str:
        if match["slug"] not in claims:
            known = ", ".join(claims) or "none"
            return fault(line, f"the notebook has no claim '{match['slug']}'", f"known: {known}")
        number, claim = claims[match["slug"]]
        woven.claims.add(claim.slug)
        label = html.escape(claim.text.replace("`", "").replace("$", ""), quote=True)
        label = label.replace("{", "&#123;").replace("}", "&#125;")
        return f'[✓{number}](#claim-{claim.slug}){{ .checked title="{label}" }}'

    def command(match: re.Match[str], line: int) -> str:
        kind = match.lastgroup or ""
        if kind in ("value", "checked", "reference"):
            meant = cites_references if kind == "reference" else sources.evidence is not None
            if sources.literal or not meant:
                return match[0].replace("{", "&#123;")
            return {"value": value, "checked": checked, "reference": reference}[kind](match, line)
        if kind == "tag":
            todo = f"write &lt; for '<', or one of: {', '.join(ALLOWED_TAGS)}"
            fault(line, "raw HTML in the text", todo)
            return "&lt;" + match[0][1:]
        return {"less": "&lt;", "brace": "&#123;"}.get(kind, match[0])

    for segment in cut(block.text):
        line = block.line + segment.line
        if segment.kind == "text":
            for link in _LINK.finditer(segment.text):
                where = line + segment.text.count("\n", 0, link.start())
                _link_fault(link[1] or link[2] or "", where, fault)
            text = _COMMAND.sub(  # a dollar needs no escape where maths is cut out already
                lambda m, s=segment, n=line: command(m, n + s.text.count("\n", 0, m.start())),  # type: ignore[misc]
                _plain_line(segment.text).replace("\\$", "&#36;"),
            )
            woven.text += text
        elif segment.kind == "code":
            woven.text += segment.text
        else:
            try:
                mathml = to_mathml(segment.text, display=segment.kind == "display")
            except MathsError as error:
                fault(line, f"maths that cannot be read: {error}", "mend the LaTeX")
            else:
                woven.text += f"\n\n{mathml}\n\n" if segment.kind == "display" else mathml
    woven.text = woven.text.strip("\n")
    return woven


def _link_fault(target: str, line: int, fault: object) -> None:
    decoded = re.sub(r"[\x00-\x20]+", "", html.unescape(html.unescape(target)))
    scheme = _SCHEME.match(decoded)
    if scheme and scheme[0].lower() not in _SAFE_SCHEMES:
        assert callable(fault)
        fault(line, f"a link to '{scheme[0]}'", "link to http, https or mailto")


def inline_html(text: str) -> str:
    """A sentence with code spans and maths → HTML for places where Markdown is not read."""
    shown = ""
    for segment in cut(text.strip()):
        if segment.kind == "code":
            shown += f"<code>{html.escape(segment.text.strip('`').strip())}</code>"
        elif segment.kind == "text":
            shown += html.escape(segment.text, quote=False)
        else:
            try:
                shown += to_mathml(segment.text, display=False)
            except MathsError:
                shown += html.escape(segment.text)
    return shown


def plain_text(text: str) -> str:
    """Markdown → words only, for titles, descriptions and data: no marks, no maths delimiters."""
    words = ""
    for segment in cut(text):
        if segment.kind == "text":
            stripped = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", segment.text)
            stripped = re.sub(r"\[[@#][\w-]+\]", "", stripped)
            stripped = re.sub(r"</?\w+ ?/?>", "", stripped)
            words += re.sub(
                r"(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)|\\(?=[*_`$#\[])", "", stripped
            )
        else:
            words += segment.text.strip("`") if segment.kind == "code" else segment.text
    return " ".join(html.unescape(words).split()).replace(" .", ".").replace(" ,", ",")


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
    text = re.sub(r"\]\([^)\s]*\)", lambda m: "]" + "x" * (len(m[0]) - 1), text)
    text = re.sub(r"<https?://[^>\s]*>|https?://\S+", lambda m: "x" * len(m[0]), text)
    start = 0
    for end in [*(m.end() for m in _SENTENCE_END.finditer(text)), len(text)]:
        sentence = text[start:end]
        if not re.search(r"\[@[\w-]+\]", sentence):
            bare = re.sub(r"\{\{[^{}\n]*\}\}", lambda m: "x" * len(m[0]), sentence)
            for found in _TYPED.finditer(bare):
                line = block.line + text.count("\n", 0, start + found.start())
                what = f"the number '{found[0].strip()}' is typed"
                todo = (
                    "take it from the notebook's results with {{name}}, or cite its source [@key]"
                )
                faults.append(Fault(path, line, what, todo))
        start = end
    return faults


def value_of(template: str, results: Mapping[str, int | float | str]) -> str:
    """Fill `{{name:format}}` in a figure's alt text or caption.

    Raises:
        KeyError: no such result. ValueError: the format does not fit.
    """

    def fill(match: re.Match[str]) -> str:
        parts = _VALUE.fullmatch(match[1])
        if not parts:
            raise KeyError(match[1])
        return html.unescape(format_value(results[parts[1]], parts[2] or ""))

    return re.sub(r"\{\{([^{}]*)\}\}", fill, template)
