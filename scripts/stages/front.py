"""What the site says of all questions together: navigation, overviews, questions.json."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stages.glossary import NAME as GLOSSARY
from stages.ledger import PAGE as EVIDENCE
from stages.ledger import Contradiction, contradictions
from stages.paper import CHEAT_SHEET, PRINT
from stages.prose import Sources, inline_html, literal, plain_literal, plain_text
from stages.records import LEVELS, Bank, Evidence, Question
from stages.render import anchors, topic_anchors
from stages.template import escape_title, fill, front_matter
from stages.ways import Step, a_week, an_evening, by_prerequisite, prerequisites

OTHER = "Questions"  # the group of questions that name no topic
HOME, TOPICS, WAYS, STUDY = "index.md", "topics.md", "paths.md", "study.md"


def by_topic(bank: Bank) -> dict[str, list[Question]]:
    """Questions by topic, topics in the order in which they first occur."""
    groups: dict[str, list[Question]] = {}
    for question in bank.questions:
        groups.setdefault(question.topic or OTHER, []).append(question)
    return groups


def counts(bank: Bank, evidence: Mapping[str, Evidence]) -> dict[str, int]:
    """Questions, claims checked, pages with and without an experiment."""
    checked = [evidence[q.stem] for q in bank.questions if q.stem in evidence]
    return {
        "questions": len(bank.questions),
        "checked": len(checked),
        "unchecked": len(bank.questions) - len(checked),
        "claims": sum(len(e.claims) for e in checked),
    }


def counts_sentence(counted: Mapping[str, int]) -> str:
    """How much is there and how much of it is checked, in words."""
    questions, checked, unchecked = counted["questions"], counted["checked"], counted["unchecked"]
    asked = f"{questions} question{'s' * (questions != 1)}"
    if not checked:
        return f"{asked}, not yet checked by an experiment."
    claims = f"{counted['claims']} claim{'s' * (counted['claims'] != 1)}"
    said = f"{asked}, {checked} of them finished, with {claims} checked."
    if unchecked:
        rest = f"other {unchecked} have" if unchecked != 1 else "other one has"
        said += f" The {rest} a short answer, not yet checked by an experiment."
    return said


# ── navigation ─────────────────────────────────────────────────────────────────────────────────


def navigation(
    bank: Bank, generated: Collection[str] = (HOME,), by_hand: Sequence[str] = ()
) -> list[Any]:
    """MkDocs' `nav`: the home page, the questions by topic, the pages about all of them.

    Args:
        generated: the pages that were generated, by their names in docs/.
        by_hand: hand-written pages of docs/, which come last under their own titles.
    """
    groups: list[Any] = []
    for topic, questions in by_topic(bank).items():
        pages = [
            {f"{q.number}. {escape_title(plain_text(q.title))}": f"questions/{q.stem}.md"}
            for q in questions
        ]
        groups += [{escape_title(plain_text(topic)): pages}] if topic != OTHER else pages
    nav: list[Any] = [
        {"Home": HOME},
        {"Questions": [*([TOPICS] if TOPICS in generated else []), *groups]},
    ]
    for title, name in (
        ("Ways through", WAYS),
        ("Study", STUDY),
        ("Evidence", EVIDENCE),
        ("Glossary", GLOSSARY),
    ):
        if name in generated:
            nav.append({title: name})
    paper = [{"All answers": PRINT}, {"Cheat sheet": CHEAT_SHEET}]
    if PRINT in generated:
        nav.append({"On paper": paper})
    return [*nav, *by_hand]


# ── data ───────────────────────────────────────────────────────────────────────────────────────


def questions_json(bank: Bank, evidence: Mapping[str, Evidence]) -> str:
    """`questions.json`: every question as data, addresses relative to the site's root."""

    def entry(question: Question) -> dict[str, Any]:
        found = evidence.get(question.stem)
        url = f"questions/{question.stem}/"
        return {
            "number": question.number,
            "stem": question.stem,
            "title": plain_text(question.title),
            "question": plain_text(question.text),
            "url": url,
            "level": question.level,
            "topic": question.topic,
            "tags": list(question.tags),
            "also_asked": list(question.also_asked),
            "see_also": list(question.see_also),
            "short_answer": plain_text(
                question.short.text, Sources(question.path, found, question.references)
            ),
            "claims": [
                {
                    "slug": claim.slug,
                    "text": claim.text,
                    "measured": claim.measured,
                    "url": f"{url}#claim-{claim.slug}",
                }
                for claim in (found.claims if found else ())
            ],
            "notebook": {
                "path": f"notebooks/{found.stem}.ipynb",
                "seconds": found.stamp.seconds,
                "versions": dict(found.stamp.versions),
                "executed": found.stamp.executed,
            }
            if found
            else None,
        }

    data = {
        "title": bank.title,
        "subtitle": list(bank.subtitle),
        "rights": bank.rights,
        "counts": counts(bank, evidence),
        "questions": [entry(q) for q in bank.questions],
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


# ── pages ──────────────────────────────────────────────────────────────────────────────────────


def _topic_ids(bank: Bank) -> dict[str, str]:
    return {topic or OTHER: found for topic, found in topic_anchors(bank).items()}


def home_page(
    bank: Bank, evidence: Mapping[str, Evidence], minutes: Mapping[int, int] | None = None
) -> str:
    """The home page: what this is, how much of it is checked, every question one click away.

    Args:
        minutes: to read each question, by its number; for the ways through.
    """
    minutes = minutes or dict.fromkeys((q.number for q in bank.questions), 1)
    # Of each half-truth the claim that is named first; the shortest tells the most at a glance.
    first: dict[str, Contradiction] = {}
    for question in bank.questions:
        for one in contradictions(question, evidence.get(question.stem)):
            first.setdefault(one.said, one)
    evening = an_evening(bank)
    said = counts_sentence(counts(bank, evidence))
    return fill(
        "home.md",
        front=front_matter(
            "Home", said, hide=["toc", "navigation", "footer"], scripts=["assets/home.js"]
        ),
        title=literal(bank.title),
        subtitle=[html.escape(line) for line in bank.subtitle],
        counted=counts(bank, evidence),
        said=said,
        example=min(first.values(), key=lambda one: one.length, default=None),
        topics=by_topic(bank),
        levels=[level for level in LEVELS if any(q.level == level for q in bank.questions)],
        evidence=evidence,
        evening=evening,
        evening_minutes=sum(minutes[q.number] for q in evening),
        week=a_week(bank, minutes),
        stages=by_prerequisite(bank),
        plain=plain_literal,
        inline=inline_html,
        ids=_topic_ids(bank),
    )


def topics_page(bank: Bank, evidence: Mapping[str, Evidence]) -> str:
    """All questions by topic with what is asked, and an index of the tags."""
    tags: dict[str, list[Question]] = {}
    for question in bank.questions:
        for tag in question.tags:
            tags.setdefault(tag, []).append(question)
    return fill(
        "topics.md",
        front=front_matter(
            "Topics",
            f"All questions of “{plain_text(bank.title)}” by topic: what is asked, the level, how"
            " much of the answer is checked, and an index of tags.",
            searched=False,
        ),
        topics=by_topic(bank),
        tags=dict(sorted(tags.items())),
        tag_ids=anchors(tags, "tag"),
        evidence=evidence,
        plain=plain_literal,
        ids=_topic_ids(bank),
    )


def ways_page(bank: Bank, minutes: Mapping[int, int]) -> str:
    """The ways through: an evening, a week, and by what builds on what; '' where there is none.

    Args:
        minutes: to read each question, by its number.
    """
    evening, week, stages = an_evening(bank), a_week(bank, minutes), by_prerequisite(bank)
    if not (evening or week or stages):
        return ""

    def total(questions: Sequence[Question]) -> int:
        return sum(minutes[q.number] for q in questions)

    return fill(
        "paths.md",
        front=front_matter(
            "Ways through",
            f"Ways through the questions of “{plain_text(bank.title)}”, worked out from what builds"
            " on what: an evening, a week, and stage by stage.",
            hide=["navigation", "footer"],
            searched=False,
        ),
        evening=Step("An evening", tuple(evening)) if evening else None,
        week=week,
        stages=stages,
        before=prerequisites(bank),
        minutes=minutes,
        total=total,
        plain=plain_literal,
    )
