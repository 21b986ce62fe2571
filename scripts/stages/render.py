"""A question and its evidence → one Markdown page. Pure: text in, text and figures out."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.embed import embed
from stages.prose import Sources, Woven, inline_html, literal, plain_text, weave
from stages.records import Bank, Block, Evidence, Fault, Question, Reference

WORDS_A_MINUTE = 220
DESCRIPTION_LENGTH = 155  # characters that search engines show
NOT_CHECKED = "Not yet checked by an experiment"
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


@dataclass(frozen=True)
class Page:
    """One finished page: its Markdown, and the files that lie in the folder of its stem."""

    stem: str
    markdown: str
    figures: Mapping[str, bytes] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def files(self) -> dict[str, bytes]:
        """Relative path → content, for writing."""
        pages = {f"{self.stem}.md": self.markdown.encode("utf-8")}
        return pages | {f"{self.stem}/{name}": data for name, data in self.figures.items()}


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # what goes in is Markdown that prose.weave made safe
    )


def fill(template: str, **values: object) -> str:
    """A template of `scripts/templates` with its values; blank runs are closed up."""
    text = _templates().get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text)


# ── small parts ────────────────────────────────────────────────────────────────────────────────


def escape_title(text: str) -> str:
    """A title for front matter and navigation, whose templates print it as it is."""
    return html.escape(text, quote=True)


def heading(text: str) -> str:
    """A question as a Markdown heading: its words, code and maths; nothing else is read."""
    woven = weave(Block(text, 1), Sources("", literal=True)).text
    return " ".join(woven.split())


def describe(question: Question, evidence: Evidence | None = None) -> str:
    """The start of the short answer, cut at a word, for search engines and link previews."""
    sources = Sources(question.path, evidence, question.references)
    text = plain_text(question.short.text, sources)
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[:DESCRIPTION_LENGTH].rpartition(" ")[0].rstrip(" ,;:") + " …"


def reading_minutes(parts: Sequence[str]) -> int:
    """Minutes to read `parts` at 220 words a minute, at least 1."""
    # A formula is read as a word: MathML has a tag for each of its symbols.
    texts = (re.sub(r"<math.*?</math>", "x", part) for part in parts)
    words = sum(len(re.sub(r"<[^>]*>", " ", text).split()) for text in texts)
    return max(1, math.ceil(words / WORDS_A_MINUTE))


def address(reference: Reference) -> str:
    """Where a reference's identifier leads."""
    kind, _, rest = reference.identifier.partition(":")
    if kind == "arXiv":
        return f"https://arxiv.org/abs/{rest}"
    return f"https://doi.org/{rest}" if kind == "doi" else reference.identifier


def _reference_line(reference: Reference) -> str:
    shown = reference.identifier
    shown = shown.removeprefix("https://") if shown.startswith("https://") else shown
    ends = "" if reference.title[-1] in "?!" else "."
    return (
        f'<li id="ref-{reference.key}">{html.escape(reference.authors)} ({reference.year}). '
        f"<cite>{inline_html(reference.title)}</cite>{ends} "
        f'<a href="{html.escape(address(reference), quote=True)}">{html.escape(shown)}</a></li>'
    )


def _evidence_row(number: int, slug: str, text: str, measured: str) -> str:
    return (
        f'<tr><td class="claim-number">✓{number}</td><td>{inline_html(text)}</td>'
        f'<td class="measured">{inline_html(measured)}</td>'
        f'<td><a href="#claim-{slug}" aria-label="The cell of claim {number}">cell</a></td></tr>'
    )


def stamp_line(evidence: Evidence) -> str:
    """When the notebook ran, for how long and with what."""
    stamp = evidence.stamp
    versions = ", ".join(f"{name} {version}" for name, version in stamp.versions.items())
    return f"Ran on {stamp.executed} in {stamp.seconds:.0f} s with {versions}."


def colab_address(repository: str, branch: str, stem: str) -> str:
    """Where Colab opens a notebook of a GitHub repository; '' for other or no repository."""
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", repository)
    if not match:
        return ""
    return (
        f"https://colab.research.google.com/github/{match[1]}/blob/{branch}/notebooks/{stem}.ipynb"
    )


# ── the page ───────────────────────────────────────────────────────────────────────────────────


def render_page(
    question: Question,
    evidence: Evidence | None,
    bank: Bank,
    *,
    repository: str = "",
    branch: str = "main",
    views: bool = True,
) -> Page:
    """One question → its page. Faults (in cells, numbers, citations) come with the page."""
    faults: list[Fault] = []
    sources = Sources(question.path, evidence, question.references)

    def woven(block: Block | None) -> str:
        result: Woven = weave(block, sources) if block else Woven()
        faults.extend(result.faults)
        return result.text

    embedded = embed(evidence) if evidence else None
    if embedded:
        faults += embedded.faults
    by_number = {q.number: q for q in bank.questions}
    short, depth = woven(question.short), woven(question.depth)
    said = [(woven(i.prompt), woven(i.answer)) for i in question.often_said]
    asked = [(inline_html(i.prompt.text), woven(i.answer)) for i in question.follow_ups]
    rows = [
        _evidence_row(n, c.slug, c.text, c.measured)
        for n, c in enumerate(evidence.claims if evidence else (), 1)
    ]
    front = {
        "title": escape_title(plain_text(question.title)),
        "description": escape_title(describe(question, evidence)),
    }
    markdown = fill(
        "page.md",
        front=yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=10_000).strip(),
        source=question.path,
        question=question,
        heading=heading(question.text),
        minutes=reading_minutes([short, depth, *(t for pair in said + asked for t in pair)]),
        also_asked=[html.escape(phrase) for phrase in question.also_asked],
        not_checked=NOT_CHECKED,
        short=short,
        depth=depth,
        often_said=said,
        follow_ups=asked,
        experiment=embedded.markdown if embedded else "",
        evidence=evidence,
        rows=rows,
        stamp=html.escape(stamp_line(evidence)) if evidence else "",
        references=[_reference_line(r) for r in question.references],
        see_also=[by_number[n] for n in question.see_also if n in by_number],
        views=views,
        colab=colab_address(repository, branch, evidence.stem) if evidence else "",
        escape=lambda text: literal(plain_text(text)),
        plain=lambda text: html.escape(plain_text(text)),
    )
    return Page(
        question.stem, markdown, embedded.figures if embedded else {}, tuple(dict.fromkeys(faults))
    )
