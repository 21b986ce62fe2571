"""A question and its evidence → one Markdown page. Pure: text in, text and figures out."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from stages.embed import Embedded, embed
from stages.glossary import Explainer
from stages.parse import slugify
from stages.prose import Sources, Woven, inline_html, plain_literal, plain_text, weave
from stages.records import (
    NOT_CHECKED,
    Bank,
    Block,
    Claim,
    Evidence,
    Fault,
    Glossary,
    Question,
    Reference,
)
from stages.template import fill, front_matter

WORDS_A_MINUTE = 220
DESCRIPTION_LENGTH = 155  # characters that search engines show


@dataclass(frozen=True)
class Parts:
    """What one question's page says, as Markdown of `docs/questions/`: `relocated` takes it
    elsewhere.

    Attributes:
        heading: the question.
        said: half-truths, each with its answer.
        asked: follow-ups, each with its answer.
        references: items of a list, HTML.
        figures: the figures of the experiment, with their captions.
        minutes: to read all of it.
    """

    heading: str
    short: str
    depth: str = ""
    said: tuple[tuple[str, str], ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    references: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    minutes: int = 1


@dataclass(frozen=True)
class Page:
    """One finished page: its Markdown, and the files that lie in the folder of its stem."""

    stem: str
    markdown: str
    parts: Parts
    figures: Mapping[str, bytes] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def files(self) -> dict[str, bytes]:
        """Relative path → content, for writing."""
        pages = {f"{self.stem}.md": self.markdown.encode("utf-8")}
        return pages | {f"{self.stem}/{name}": data for name, data in self.figures.items()}


# ── small parts ────────────────────────────────────────────────────────────────────────────────


def heading(text: str) -> str:
    """A question as a Markdown heading: its words, code and maths; nothing else is read."""
    woven = weave(Block(text, 1), Sources("", literal=True)).text
    return " ".join(woven.split())


def anchors(names: Iterable[str], prefix: str) -> dict[str, str]:
    """An id for each name (a topic, a tag); names that would share one are numbered."""
    found: dict[str, str] = {}
    taken: dict[str, int] = {}
    for name in dict.fromkeys(names):
        slug = f"{prefix}-{slugify(plain_text(name)) or 'other'}"
        taken[slug] = taken.get(slug, 0) + 1
        found[name] = slug if taken[slug] == 1 else f"{slug}--{taken[slug]}"
    return found


def topic_anchors(bank: Bank) -> dict[str, str]:
    """The ids of the bank's topics, on the home page and the topics page."""
    return anchors((question.topic for question in bank.questions), "topic")


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


_MOVING = re.compile(
    r"^(?:`{3,}|~{3,})[^\n]*\n.*?^(?:`{3,}|~{3,})[ \t]*$|`[^`\n]*`"  # code stays as it is
    r"|\]\((#[\w-]+|\.\./[\w.#-]+|[a-z0-9][\w-]*(?:\.md(?:#[\w-]+)?|/figure-[\w.]+))(?=[\s)])",
    re.M | re.S,
)


def relocated(markdown: str, stem: str, *, reference: str = "") -> str:
    """Markdown of a question's page, for a page that lies one folder higher.

    Args:
        markdown: what `Parts` holds.
        stem: of the page that it comes from.
        reference: what ids of references begin with on a page that lists them itself; if empty,
            citations lead to the question's page.
    """

    def moved(match: re.Match[str]) -> str:
        target = match[1]
        if target is None:
            return match[0]
        if target.startswith("#ref-") and reference:
            return f"](#{reference}{target.removeprefix('#ref-')}"
        if target.startswith("#"):
            return f"](questions/{stem}.md{target}"
        if target.startswith("../"):
            return f"]({target.removeprefix('../')}"
        return f"](questions/{target}"

    return _MOVING.sub(moved, markdown)


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


def report_address(repository: str, question: Question, claim: Claim | None = None) -> str:
    """Where an issue that says what is wrong opens, filled in; '' without a GitHub repository."""
    match = re.fullmatch(r"(https://github\.com/[\w.-]+/[\w.-]+?)(?:\.git)?/?", repository)
    if not match:
        return ""
    what = f"{question.number}. {plain_text(question.title)}"
    lines = [f"Page: questions/{question.stem}/"]
    if claim:
        lines = [
            f"Claim: {claim.text}",
            f"Measured: {claim.measured}",
            f"Cell: questions/{question.stem}/#claim-{claim.slug}",
        ]
    lines += ["", "What is wrong, and how you know (a source, a derivation, a measurement):", ""]
    title = f"Wrong claim in {what}: {claim.slug}" if claim else f"Wrong in {what}"
    return f"{match[1]}/issues/new?{urlencode({'title': title, 'body': chr(10).join(lines)})}"


# ── the page ───────────────────────────────────────────────────────────────────────────────────


def render_page(
    question: Question,
    evidence: Evidence | None,
    bank: Bank,
    *,
    glossary: Glossary | None = None,
    repository: str = "",
    branch: str = "main",
    views: bool = True,
) -> Page:
    """One question → its page. Faults (in cells, numbers, citations) come with the page."""
    faults: list[Fault] = []
    sources = Sources(question.path, evidence, question.references)
    explain = Explainer(glossary or Glossary(), "../glossary.md")

    def woven(block: Block | None) -> str:
        result: Woven = weave(block, sources) if block else Woven()
        faults.extend(result.faults)
        return explain(result.text)

    embedded = embed(evidence) if evidence else Embedded()
    faults += embedded.faults
    by_number = {q.number: q for q in bank.questions}
    short, depth = woven(question.short), woven(question.depth)
    said = [(woven(i.prompt), woven(i.answer)) for i in question.often_said]
    asked = [(inline_html(i.prompt.text), woven(i.answer)) for i in question.follow_ups]
    parts = Parts(
        heading=heading(question.text),
        short=short,
        depth=depth,
        said=tuple(said),
        asked=tuple(asked),
        references=tuple(_reference_line(r) for r in question.references),
        figures=embedded.shown,
        minutes=reading_minutes([short, depth, *(t for pair in said + asked for t in pair)]),
    )
    rows = [
        _evidence_row(n, c.slug, c.text, c.measured)
        for n, c in enumerate(evidence.claims if evidence else (), 1)
    ]
    markdown = fill(
        "page.md",
        front=front_matter(plain_text(question.title), describe(question, evidence)),
        source=question.path,
        question=question,
        parts=parts,
        topic_id=topic_anchors(bank)[question.topic],
        also_asked=[html.escape(phrase) for phrase in question.also_asked],
        not_checked=NOT_CHECKED,
        experiment=embedded.markdown,
        evidence=evidence,
        rows=rows,
        stamp=html.escape(stamp_line(evidence)) if evidence else "",
        see_also=[by_number[n] for n in question.see_also if n in by_number],
        views=views,
        colab=colab_address(repository, branch, evidence.stem) if evidence else "",
        report=report_address(repository, question),
        plain=plain_literal,
    )
    return Page(question.stem, markdown, parts, embedded.figures, tuple(dict.fromkeys(faults)))
