"""What the site says of all questions together: navigation, the home page, questions.json."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

from stages.prose import Sources, literal, plain_text
from stages.records import Bank, Evidence, Question
from stages.render import escape_title, fill

OTHER = "Questions"  # the group of questions that name no topic


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


def navigation(bank: Bank, folder: str = "questions") -> list[dict[str, Any]]:
    """MkDocs' `nav`: the home page, then a group for each topic with the pages' short titles."""
    groups = by_topic(bank)
    nav: list[dict[str, Any]] = [{"Home": "index.md"}]
    for topic, questions in groups.items():
        pages = [
            {f"{q.number}. {escape_title(plain_text(q.title))}": f"{folder}/{q.stem}.md"}
            for q in questions
        ]
        nav.append({escape_title(plain_text(topic)): pages})
    return nav


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


def home_page(bank: Bank, evidence: Mapping[str, Evidence]) -> str:
    """The home page: what this is, how much of it is checked, every question one click away."""
    return fill(
        "home.md",
        title=literal(bank.title),
        subtitle=[html.escape(line) for line in bank.subtitle],
        counts=counts_sentence(counts(bank, evidence)),
        groups={literal(plain_text(k)): v for k, v in by_topic(bank).items()},
        evidence=evidence,
        plain=lambda text: literal(plain_text(text)),
    )
