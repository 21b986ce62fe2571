"""What other places show of a page: tags for link previews, structured data, a picture to share.

Sources: the Open Graph protocol (ogp.me); schema.org's LearningResource, Question, Answer and
WebSite.

The functions at the end are called by the hook, each from the event of its name.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from stages.cards import HEIGHT, WIDTH, Card, draw
from stages.front import counts
from stages.prose import Sources, plain_text
from stages.records import Bank, Evidence, Question

FOLDER = "assets/share"
GENERAL = ""  # the key of the picture that serves where a question has none of its own


@dataclass(frozen=True)
class Picture:
    """A PNG of 1200 × 630 pixels: its address below the site's root, bytes, and description."""

    address: str
    content: bytes
    alt: str


@dataclass(frozen=True)
class Shared:
    """What the head of a page tells other places; plain text, which the template escapes.

    Attributes:
        kind: Open Graph's type of the page.
        url, image: absolute addresses, or '' where the site does not know its own.
        data: JSON-LD, safe inside a script element, or ''.
    """

    kind: str
    title: str
    description: str
    site: str
    url: str
    image: str
    alt: str
    data: str
    width: int = WIDTH
    height: int = HEIGHT


# ── pictures ───────────────────────────────────────────────────────────────────────────────────


def _claims(count: int) -> str:
    return f"{count} claim{'s' * (count != 1)} checked" if count else ""


def pictures(bank: Bank, evidence: Mapping[str, Evidence]) -> dict[str, Picture]:
    """A picture for each question by its stem, and a general one under the key `GENERAL`.

    A text with letters that none of our fonts has is not drawn: that question gets the general
    picture, and a site with such a title has none.
    """
    title = plain_text(bank.title)
    counted = counts(bank, evidence)
    number = counted["questions"]
    cards = {
        GENERAL: Card(
            title,
            " ".join(map(plain_text, bank.subtitle)),
            f"{number} question{'s' * (number != 1)}",
            _claims(counted["claims"]),
        )
    }
    for question in bank.questions:
        facts = " · ".join(filter(None, (plain_text(question.topic), question.level)))
        found = evidence.get(question.stem)
        cards[question.stem] = Card(
            title, plain_text(question.text), facts, _claims(len(found.claims) if found else 0)
        )
    drawn = {}
    for stem, card in cards.items():
        content = draw(card, front=stem == GENERAL)
        if content is not None:
            name = f"{stem or 'site'}.{hashlib.sha256(content).hexdigest()[:8]}.png"
            said = (card.site if stem == GENERAL else "", card.text, card.checked)
            alt = " ".join(part if part[-1] in ".?!" else f"{part}." for part in said if part)
            drawn[stem] = Picture(f"{FOLDER}/{name}", content, alt)
    return drawn


# ── structured data ────────────────────────────────────────────────────────────────────────────


def json_ld(data: Mapping[str, Any]) -> str:
    """JSON that no text in it can take out of its script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def question_data(
    question: Question, evidence: Evidence | None, *, url: str, site: str, home: str
) -> dict[str, Any]:
    """A page as schema.org's LearningResource about a Question with its accepted Answer.

    It is no QAPage: Google's guidelines keep that for pages on which readers can answer.

    Args:
        url: the page's absolute address.
        site, home: the site's name and address: who asks and answers.
    """
    author = {"@type": "Organization", "name": site, "url": home}
    sources = Sources(question.path, evidence, question.references)
    asked: dict[str, Any] = {
        "@type": "Question",
        "name": plain_text(question.text),
        "url": url,
        "about": plain_text(question.topic),
        "keywords": ", ".join(question.tags),
        "educationalLevel": question.level,
        "author": author,
        "answerCount": 1,
        "acceptedAnswer": {
            "@type": "Answer",
            "text": plain_text(question.short.text, sources),
            "url": f"{url}#short-answer",
            "author": author,
        },
    }
    said = {key: value for key, value in asked.items() if value}
    return {
        "@context": "https://schema.org",
        "@type": ["WebPage", "LearningResource"],
        "url": url,
        "mainEntity": said,
    }


def site_data(site: str, home: str, description: str) -> dict[str, Any]:
    """schema.org's WebSite, for the home page."""
    data = {"@context": "https://schema.org", "@type": "WebSite", "name": site, "url": home}
    return {**data, "description": description}


# ── called by the hook ─────────────────────────────────────────────────────────────────────────


def on_files(files: Files, config: MkDocsConfig, shown: Mapping[str, Picture]) -> Files:
    """Add the pictures to the site."""
    for picture in shown.values():
        files.append(File.generated(config, picture.address, content=picture.content))
    return files


def on_page_content(page: Page, bank: Bank, evidence: Mapping[str, Evidence]) -> None:
    """Tell the view of a notebook from the page of its question, by title and description."""
    folder, _, name = page.file.src_uri.rpartition("/")
    question = _question(bank, name.removesuffix(".ipynb")) if folder == "notebooks" else None
    if question and question.stem in evidence:
        title = plain_text(question.title)
        count = len(evidence[question.stem].claims)
        said = (
            f"The executed notebook of question {question.number}, {title}: its code and outputs, "
            f"and the {count} claim{'s' * (count != 1)} that it asserts."
        )
        page.meta["title"] = html.escape(f"Notebook: {title}")
        page.meta["description"] = html.escape(said)


def on_page_context(
    page: Page,
    config: MkDocsConfig,
    bank: Bank,
    evidence: Mapping[str, Evidence],
    shown: Mapping[str, Picture],
) -> Shared:
    """What the template prints into the head of a page."""
    # Titles and descriptions of pages are HTML already.
    site = html.unescape(config.site_name)
    title = site if page.is_homepage else html.unescape(str(page.meta.get("title") or page.title))
    told = page.meta.get("description") or config.site_description or ""
    description = html.unescape(str(told))
    home, url = config.site_url or "", page.canonical_url or ""
    folder, _, name = page.file.src_uri.rpartition("/")
    question = _question(bank, name.removesuffix(".md")) if folder == "questions" else None
    data = ""
    if question and url:
        found = evidence.get(question.stem)
        data = json_ld(question_data(question, found, url=url, site=site, home=home))
    elif page.is_homepage and url:
        data = json_ld(site_data(site, home, description))
    picture = (question and shown.get(question.stem)) or shown.get(GENERAL)
    return Shared(
        kind="article" if question else "website",
        title=title,
        description=description,
        site=site,
        url=url,
        image=f"{home}{picture.address}" if picture and home else "",
        alt=picture.alt if picture else "",
        data=data,
    )


def _question(bank: Bank, stem: str) -> Question | None:
    return next((question for question in bank.questions if question.stem == stem), None)
